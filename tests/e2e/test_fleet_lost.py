"""Machines that are lost while people talk, and a database that is away: nobody is left in silence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.phone import HangUp, Say, WaitForAgent
from e2e.machines import away, fleet
from e2e.processes import Talker, percentile, small_talk
from e2e.raw import fewest_taken, offered, sids_of
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import postgres
    from callbridge.simulators.phone import SimulatedCall, Step
    from e2e.machines import Fleet, Host
    from e2e.stack import FinishedCall
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

MACHINES = 3
SILENCE_MS_MAX = 4000
CALL_S = 60.0
TURNS = 3
"""Of one call, which takes some seconds by that: as many calls as there are seconds in it are live."""
NEXT_CALL_S = 0.7
PER_CALLER = 3
STORM = 20

BLIND = "what was said before is lost"
"""What a session is told whose call goes on without its past."""


@dataclass
class Traffic:
    """Calls that begin one after the other, each of somebody else, for as long as the context lasts."""

    machines: Fleet
    rng: random.Random
    calls: list[FinishedCall] = field(default_factory=list)
    placed: int = 0

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Until the end of the context; then each call comes to its own end."""
        async with asyncio.TaskGroup() as calling:
            beginning = asyncio.create_task(self._begin(calling))
            try:
                yield
            finally:
                beginning.cancel()

    async def _begin(self, calling: asyncio.TaskGroup) -> None:
        while True:
            self.placed += 1
            calling.create_task(self._call(self.placed))
            await asyncio.sleep(NEXT_CALL_S)

    async def _call(self, number: int) -> None:
        speech = noise(random.Random(f"caller {number}"), 300)
        turn: list[Step] = [WaitForAgent(quiet_ms=250), Say(speech)]
        line = self.machines.line
        phone = line.phone(
            [*turn * TURNS, WaitForAgent(quiet_ms=250), HangUp()],
            from_number=f"+1415556{number:04}",
            max_call_s=CALL_S,
        )
        self.calls.append(await line.finish(phone, CALL_S))

    @property
    def declined(self) -> list[FinishedCall]:
        """Those that were told at once that they are not taken."""
        return [call for call in self.calls if call.verbs == ["Say", "Hangup"]]

    @property
    def taken(self) -> list[FinishedCall]:
        """All others."""
        return [call for call in self.calls if call.verbs != ["Say", "Hangup"]]


async def lose(machines: Fleet, times: int, traffic: Traffic) -> None:
    """One machine after the other is gone in the middle of its calls, and comes back; the others go on."""
    for number in range(times):
        host = machines.hosts[number % MACHINES]
        await asyncio.sleep(traffic.rng.uniform(0.5, 1.5))  # In the middle of anything.
        await host.lost()
        await host.start()
        await host.ready()


async def survive(
    folder: Path, url: str, server: postgres.Server, losses: int, away_s: float
) -> tuple[Traffic, Fleet, dict[str, int]]:
    """A third of the losses before the database is away, a third meanwhile, a third afterwards."""
    limits = {"CALLBRIDGE_CALLS_PER_CALLER": str(PER_CALLER)}
    scripts = [small_talk(f"machine {number}") for number in range(MACHINES)]
    storms = dict[str, int]()
    async with fleet(folder, url, scripts, **limits) as machines:
        traffic = Traffic(machines, random.Random(losses))
        async with traffic.flowing():
            await lose(machines, losses // 3, traffic)
            storms["+14155550101"] = sum(await offered(machines.front.url, "+14155550101", STORM))
            async with away(server), asyncio.TaskGroup() as both:
                both.create_task(asyncio.sleep(away_s))
                both.create_task(lose(machines, losses // 3, traffic))
            await again(machines)
            await lose(machines, losses - 2 * (losses // 3), traffic)
            storms["+14155550102"] = sum(await offered(machines.front.url, "+14155550102", STORM))
    return traffic, machines, storms


async def again(machines: Fleet) -> None:
    """Until calls are taken again."""
    async with asyncio.timeout(20):
        number = 0
        while not all(await offered(machines.front.url, f"+1415557{number:04}", 1)):
            number += 1
            await asyncio.sleep(0.2)


AWAY = ("state_in_trouble", "state_watch_in_trouble")
"""What a machine says that has lost the database: it meets that when it writes, or when it looks for mail."""


def is_about_database(line: str) -> bool:
    """Operators are told that it is away, in lines that are errors."""
    return line.startswith("{") and json.loads(line)["event"] in {
        *(*AWAY, "records_in_trouble", "shared_state_away", "records_away"),
    }


def lost_calls(traffic: Traffic) -> list[str]:
    """Those that did not come to the end that the caller meant."""
    return [f"{call.verbs}" for call in traffic.taken if set(call.verbs) != {"Connect/Stream"}]


@pytest.mark.heavy
async def test_ten_lost_machines_and_no_database_for_twenty_seconds(
    tmp_path: Path,
    postgres_server: postgres.Server,
    postgres_database: str,
    figures: Callable[[str], None],
    machine: Machine,
) -> None:
    await judge(tmp_path, postgres_server, postgres_database, 10, 20.0, figures, machine)


@pytest.mark.long
async def test_thirty_lost_machines_and_no_database_for_a_minute(
    tmp_path: Path,
    postgres_server: postgres.Server,
    postgres_database: str,
    figures: Callable[[str], None],
    machine: Machine,
) -> None:
    await judge(tmp_path, postgres_server, postgres_database, 30, 60.0, figures, machine)


async def judge(
    folder: Path,
    server: postgres.Server,
    url: str,
    losses: int,
    away_s: float,
    figures: Callable[[str], None],
    machine: Machine,
) -> None:
    """No call is lost, nobody is in silence, and no caller has more calls than they may."""
    traffic, machines, storms = await survive(folder, url, server, losses, away_s)
    assert lost_calls(traffic) == []
    moved = [call for call in traffic.taken if len(call.verbs) > 1]
    gaps_ms = [gap for call in moved for gap in call.report.resumed_after_ms if gap is not None]
    silences_ms = [call.report.longest_dead_air_ms for call in traffic.calls]
    declined = {line["call_sid"]: line["reason"] for line in machines.events("call_declined")}
    assert set(declined.values()) <= {"state", "caller_limit", "loop_lag"}, "the last of one just up"
    for caller, taken in storms.items():
        reasons = [str(declined[sid]) for sid in sids_of(caller, STORM) if sid in declined]
        assert fewest_taken(reasons, PER_CALLER) <= taken <= PER_CALLER
    assert traffic.declined, "nobody called while the database was away"
    assert [line for line in machines.faults if not is_about_database(line)] == []
    figures(
        f"{losses} machines lost, the database away for {away_s:.0f} s: {len(traffic.calls)} calls, 0 lost, "
        f"{len(traffic.declined)} declined in words, {len(gaps_ms)} times moved after p50 "
        f"{percentile(gaps_ms, 50)}, max {max(gaps_ms)} ms; longest silence {max(silences_ms)} ms"
    )
    late = [f"a silence of {ms} ms" for ms in silences_ms if ms > SILENCE_MS_MAX]
    machine.judge(late, tolerates_ms=200)


# --- A machine that is cut off ------------------------------------------------------------------------


@pytest.mark.heavy
async def test_a_machine_that_is_cut_off_from_the_database(
    tmp_path: Path, postgres_database: str, figures: Callable[[str], None], machine: Machine
) -> None:
    """It keeps its calls and takes no new ones. Those of a machine that is lost meanwhile go on there without
    their past, and when the wire is whole again it takes calls as before.
    """
    scripts = [small_talk(f"machine {number}") for number in range(2)]
    async with fleet(tmp_path, postgres_database, scripts) as machines:
        first, second = machines.hosts
        async with asyncio.TaskGroup() as calling:
            kept, kept_call = await talking_on(first, machines, calling)
            moved, moved_call = await talking_on(second, machines, calling)
            first.wire.swallow()
            assert await until(lambda: any(first.events(event) for event in AWAY))
            machines.take_calls(first)
            refused = await offered(machines.front.url, "+14155550101", 5)
            await second.lost()
            assert await until(lambda: talks(moved, streams=2))
            await first.wire.refuse()
            still_refused = await offered(machines.front.url, "+14155550102", 1)
            await first.wire.mend()
            await again(machines)
            for phone in (kept, moved):
                phone.hang_up()
    calls = [kept_call.result(), moved_call.result()]
    assert [call.verbs for call in calls] == [["Connect/Stream"], ["Connect/Stream"] * 2]
    assert [*refused, *still_refused] == [False] * 6
    blind = [journal for journal in first.sessions if any(BLIND in entry for entry in journal.memory)]
    assert len(blind) == 1
    assert [line for line in machines.faults if not is_about_database(line)] == []
    silences_ms = [call.report.longest_dead_air_ms for call in calls]
    figures(f"a machine cut off from the database: longest silences {silences_ms} ms")
    machine.judge([f"a silence of {ms} ms" for ms in silences_ms if ms > SILENCE_MS_MAX], tolerates_ms=200)


async def talking_on(
    host: Host, machines: Fleet, calling: asyncio.TaskGroup
) -> tuple[SimulatedCall, asyncio.Task[FinishedCall]]:
    """A call that goes on there, until it is hung up."""
    machines.take_calls(host)
    phone = machines.line.phone(Talker(str(host.folder), streams=9, turns=90), max_call_s=CALL_S)
    call = calling.create_task(machines.line.finish(phone, CALL_S))
    assert await until(lambda: talks(phone, streams=1))
    return phone, call


def talks(phone: SimulatedCall, streams: int) -> bool:
    """Whether an agent is heard in the n-th stream."""
    return len(phone.streams) == streams and len(phone.streams[-1].playback.payloads) > 10
