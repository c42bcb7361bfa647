"""Places many calls from one process. Each is a `SimulatedCall` of its own, and hears what a caller hears."""

from __future__ import annotations

import asyncio
import gc
import resource
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from callbridge.simulators.load.figures import Sums
from callbridge.simulators.load.stamps import Stamped, stamped
from callbridge.simulators.phone import SimulatedCall
from callbridge.wire.audio import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.simulators.load.figures import LoadReport
    from callbridge.simulators.phone import Caller, CallSettings, PhoneStream
    from callbridge.simulators.voice_model import Journal

AREAS: Final = 799
"""Area codes of made-up numbers: 201 to 999."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be placed.

    Args:
        url: the voice webhook.
        count: how many calls.
        ramp_s: within which they begin, evenly.
        caller: makes the n-th caller, from 1.
        settings: of every call; the caller's number is another one for each.
    """

    url: str
    count: int
    ramp_s: float
    caller: Callable[[int], Caller]
    settings: CallSettings


@dataclass(slots=True)
class LoadState:
    """How far it is: for whoever watches."""

    placed: int = 0
    live: int = 0
    live_max: int = 0
    over: int = 0
    heard: int = 0
    complained: int = 0


def caller_number(number: int) -> str:
    """The n-th caller's, of those that are kept for stories: +1 201 555 0100 and on."""
    area, line = divmod(number, 100)
    return f"+1{201 + area % AREAS:03}55501{line:02}"


async def place_calls(
    load: Load, state: LoadState, sessions: Callable[[], Sequence[Journal]] | None = None
) -> LoadReport:
    """Places the calls, and stays until all are over.

    Args:
        load: what is to be placed.
        state: is kept up to date.
        sessions: the journals of the model, if it is ours.
    """
    loop, sums = asyncio.get_running_loop(), Sums()
    streams: dict[int | None, Sequence[PhoneStream]] = {}
    begun_at, cpu_s = loop.time(), _cpu_s()
    gc.freeze()  # What is there stays: the collector need not look at it while frames are due.

    async def one(number: int) -> None:
        caller = Stamped(load.caller(number), number)
        call = SimulatedCall(
            load.url, caller, replace(load.settings, from_number=caller_number(number), call_sid=None)
        )
        state.placed += 1
        state.live += 1
        state.live_max = max(state.live_max, state.live)
        report = await call.run()
        state.live -= 1
        state.over += 1
        state.heard += report.was_agent_heard
        state.complained += not report.is_clean
        sums.take(report, call.streams)
        if sessions is not None:
            streams[number] = call.streams

    try:
        async with asyncio.TaskGroup() as calls:
            for number in range(1, load.count + 1):
                due_at = begun_at + load.ramp_s * (number - 1) / load.count
                await asyncio.sleep(max(0.0, due_at - loop.time()))
                calls.create_task(one(number), name=f"caller-{number}")
    finally:
        gc.unfreeze()
    lasted_s, took_s = loop.time() - begun_at, _cpu_s() - cpu_s
    for journal in sessions() if sessions is not None else ():
        whose = stamped(bytes((journal.appended or b"")[:FRAME_BYTES]))
        if whose in streams:
            sums.take_truncations(streams[whose], journal)
    return sums.report(ramp_s=load.ramp_s, lasted_s=lasted_s, at_once_max=state.live_max, cpu_s=took_s)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
