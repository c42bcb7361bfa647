"""The wants of one call: written from any thread, taken on the loop, facts first."""

from __future__ import annotations

import asyncio
import sys
import threading

from callbridge.agents.wants import Wants
from callbridge.call import wants as w
from callbridge.call.agent_facts import ValuesSet

COUNT = 20_000


async def test_a_thread_may_write_while_what_it_wrote_is_taken() -> None:
    wants, interval_s = Wants(asyncio.get_running_loop()), sys.getswitchinterval()
    tells, fact = w.AgentTells("It is there."), ValuesSet("{}")

    def write() -> None:
        for n in range(COUNT):
            wants.add(fact if n % 2 else tells)

    writer, facts, told = threading.Thread(target=write), 0, 0
    sys.setswitchinterval(1e-6)
    try:
        writer.start()
        async with asyncio.timeout(30):
            while facts + told < COUNT:
                await wants.written()
                while wants.take_fact() is not None:
                    facts += 1
                told += wants.take() is not None
    finally:
        sys.setswitchinterval(interval_s)
        writer.join()
    assert (facts, told) == (COUNT / 2, COUNT / 2)


async def test_facts_come_first_in_their_order_and_nobody_waits_for_nothing() -> None:
    wants = Wants(asyncio.get_running_loop())
    tells = w.AgentTells("It is there.")
    for wanted in (tells, ValuesSet("1"), ValuesSet("2")):
        wants.add(wanted)
    await wants.written()
    assert [wants.take_fact(), wants.take_fact(), wants.take_fact()] == [ValuesSet("1"), ValuesSet("2"), None]
    assert (wants.take(), wants.take()) == (tells, None)
    waiting = asyncio.ensure_future(wants.written())
    await asyncio.sleep(0)
    assert not waiting.done()
    wants.add(tells)
    await waiting
