"""Several machines with one number: limits and caps hold over all; a restart of each drops no call."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from callbridge.call.limits import Limits
from callbridge.simulators.phone import HangUp, WaitForAgent
from e2e.commands import COMMAND, environment, run
from e2e.machines import fleet
from e2e.processes import Talker, percentile, session_of, small_talk, until_ready
from e2e.raw import ask_for_token, asked_of, fewest_taken, media, media_socket, offered, send, start, token_of
from e2e.stack import CONNECTED_AND_ENDED, CONNECTED_AND_LEFT, UNDIALLED, together
from leftovers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from callbridge.simulators.phone import SimulatedCall
    from e2e.machines import Fleet, Host
    from e2e.stack import FinishedCall, Stack
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

# --- Limits of one caller -----------------------------------------------------------------------------

STORM = 60


@pytest.mark.heavy
async def test_a_storm_of_one_caller_counts_once(
    tmp_path: Path, postgres_database: str, figures: Callable[[str], None]
) -> None:
    """At once, over three machines: as many calls as one caller may have are taken, and no more."""
    limits = {"CALLBRIDGE_CALLS_PER_CALLER": "3", "CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES": "5"}
    scripts = [small_talk(f"machine {number}") for number in range(3)]
    async with fleet(tmp_path, postgres_database, scripts, **limits, **UNDIALLED) as machines:
        at_once = await offered(machines.front.url, "+14155550101", STORM)
        for host in machines.hosts:
            await host.ready()  # So many at once may have made it late.
        another = await offered(machines.front.url, "+14155550102", 1)
        one_by_one = [await offered(machines.front.url, f"+1415555020{number}", 1) for number in range(3)]
    declined = [str(line["reason"]) for line in machines.events("call_declined")]
    assert fewest_taken(declined, 3) <= sum(at_once) <= 3
    assert [another, *one_by_one] == [[True]] * 4
    assert set(declined) <= {"caller_limit", "state", "loop_lag"}
    took = [len(host.events("call_declined")) for host in machines.hosts]
    assert all(took), "each of them was asked"
    assert machines.faults == []
    figures(
        f"{STORM} calls of one caller at once, over three machines: {sum(at_once)} taken of 3 that may be"
    )


# --- What all calls may cost ----------------------------------------------------------------------------

SPENDERS = 6
CAP_DOLLARS = 0.15


@pytest.mark.heavy
async def test_a_cap_on_spending_holds_over_all_machines(
    tmp_path: Path, postgres_database: str, figures: Callable[[str], None]
) -> None:
    """Calls on both machines end in words when both together have spent a fifth more than the cap. Beyond it
    come a response and the goodbye of each (docs/decisions.md). Deaf to each other they would spend double.
    """
    scripts = [small_talk(f"machine {number}") for number in range(2)]
    cap = {"CALLBRIDGE_SPEND_PER_HOUR_MAX": str(CAP_DOLLARS)}
    async with fleet(tmp_path, postgres_database, scripts, **cap) as machines:
        talkers = [Talker(f"caller {number}", streams=9, turns=60) for number in range(SPENDERS)]
        phones = [machines.line.phone(talker, max_call_s=CALL_S) for talker in talkers]
        calls = await together(*(machines.line.finish(phone, CALL_S) for phone in phones))
        spent = [await host.service.metric("callbridge_cost_dollars_total") for host in machines.hosts]
        declined = not any(await offered(machines.front.url, "+14155550101", 4))
    assert [call.verbs for call in calls] == [CONNECTED_AND_ENDED] * SPENDERS
    assert declined
    assert all(spent)
    a_response = sum(spent) / len(machines.events("response_done"))
    margin = SPENDERS * 3 * a_response  # That it makes, what it begins until it is told, and its goodbye.
    assert 1.2 * CAP_DOLLARS + margin < 2 * 1.2 * CAP_DOLLARS, "too small a cap to see it"
    assert sum(spent) <= 1.2 * CAP_DOLLARS + margin
    assert machines.faults == []
    percent = 100 * sum(spent) / CAP_DOLLARS
    figures(
        f"a cap of ${CAP_DOLLARS} over two machines with {SPENDERS} calls: {percent:.0f} % of it were spent"
    )


# --- A rolling restart --------------------------------------------------------------------------------

CALL_S = 150.0
GAP_MS_MAX = 4000


@pytest.mark.heavy
async def test_a_rolling_restart_of_all_machines_drops_no_call(
    tmp_path: Path, postgres_database: str, figures: Callable[[str], None], machine: Machine
) -> None:
    """Each call moves when its machine goes, some of them twice, and is remembered each time. Who follows one
    at a machine that goes is told where it is now, and so is who asks for all.
    """
    await restart_all_under(12, tmp_path, postgres_database, figures, machine)


@pytest.mark.long
async def test_a_rolling_restart_under_thirty_calls(
    tmp_path: Path, postgres_database: str, figures: Callable[[str], None], machine: Machine
) -> None:
    await restart_all_under(30, tmp_path, postgres_database, figures, machine)


async def restart_all_under(
    calls: int, folder: Path, url: str, figures: Callable[[str], None], machine: Machine
) -> None:
    scripts = [small_talk(f"machine {number}") for number in range(2)]
    async with fleet(folder, url, scripts, CALLBRIDGE_DRAIN_SECONDS="0") as machines:
        ended, carried = await moved_twice(machines, calls)
    assert sum(carried) == calls
    assert min(carried) >= calls // 3, "both carried calls"
    gaps_ms = [gap for call in ended for gap in gaps_of(call)]
    assert len(gaps_ms) == carried[0] + calls, "those of the first twice, those of the second once"
    assert machines.faults == []
    figures(
        f"rolling restart of two machines under {calls} calls: 0 dropped, {len(gaps_ms)} moves; silence "
        f"between streams p50 {percentile(gaps_ms, 50)}, max {max(gaps_ms)} ms"
    )
    late = [f"a gap of {gap} ms" for gap in gaps_ms if gap > GAP_MS_MAX]
    forgotten = [call.sid for call in ended if not is_remembered(call, machines)]
    machine.judge([*late, *(f"{sid} was forgotten" for sid in forgotten)], tolerates_ms=200)


async def moved_twice(machines: Fleet, calls: int) -> tuple[list[FinishedCall], list[int]]:
    """The calls, and how many of them each machine carried at first."""
    first, second = machines.hosts
    phones = [
        machines.line.phone(Talker(f"caller {number}", streams=9, turns=60), max_call_s=CALL_S)
        for number in range(calls)
    ]
    async with asyncio.TaskGroup() as calling:
        tasks = [
            calling.create_task(placed(machines.line, phone, number * 0.2))
            for number, phone in enumerate(phones)
        ]
        await all_talk(phones)
        carried = [len(host.events("stream_started")) for host in machines.hosts]
        async with followed_at(first) as last_line:
            await restarted(machines, first)
        await all_talk(phones)
        assert re.search(r"the call goes on since [0-9:]{8} at the machine machine-1\.", last_line.decoded)
        await until_all_live_at("machine-1", calls, first)
        await restarted(machines, second)
        await all_talk(phones)
        for phone in phones:
            phone.hang_up()
    return [task.result() for task in tasks], carried


@dataclass
class LastLine:
    """Of a command, once it has ended."""

    decoded: str = ""


@contextlib.asynccontextmanager
async def followed_at(host: Host) -> AsyncIterator[LastLine]:
    """The latest call of a machine is followed there before the block runs, and to its end behind it."""
    sid = str(host.events("stream_started")[-1]["call_sid"])
    follower = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("calls", "follow", sid),
        cwd=host.folder,
        env=environment(host.given),
        stdout=asyncio.subprocess.PIPE,
    )
    last = LastLine()
    try:
        assert follower.stdout is not None
        async with asyncio.timeout(CALL_S):
            assert await follower.stdout.readline(), "it has ended"
            yield last
            told, _ = await follower.communicate()
        last.decoded = told.decode().splitlines()[-1]
        assert follower.returncode == 0, told
    finally:
        with contextlib.suppress(ProcessLookupError):
            follower.kill()
        await follower.wait()


async def until_all_live_at(machine: str, calls: int, host: Host) -> None:
    """Until the list, asked on one machine, has them on this one: the records are a moment behind."""
    async with asyncio.timeout(30):
        while True:
            live = await run(host.folder, "calls", "list", "--live", variables=host.given)
            if live.stdout.count(f"live at {machine}") == calls:
                return


async def placed(line: Stack, phone: SimulatedCall, after_s: float) -> FinishedCall:
    await asyncio.sleep(after_s)  # Callers do not all begin in the same millisecond.
    return await line.finish(phone, CALL_S)


async def all_talk(phones: Sequence[SimulatedCall]) -> None:
    """Until everybody hears an agent in a stream that is open."""

    def is_talking(phone: SimulatedCall) -> bool:
        stream = phone.streams[-1] if phone.streams else None
        return stream is not None and stream.end is None and len(stream.playback.payloads) > 10

    assert await until(lambda: all(is_talking(phone) for phone in phones), 40)


async def restarted(machines: Fleet, host: Host) -> None:
    """As a deploy does it: no new calls, a signal, and it is back at its address."""
    others = [other for other in machines.hosts if other is not host]
    machines.take_calls(*others)
    host.service.signal(signal.SIGTERM)
    assert await host.service.ended(30) == 0
    await host.start()
    await until_ready(host.service)
    machines.take_calls()


def gaps_of(call: FinishedCall) -> list[int]:
    """Between its streams, in ms; nobody has anything to complain about."""
    assert set(call.verbs) == {"Connect/Stream"}, call.verbs
    assert call.report.is_clean, (call.report.warnings, call.report.findings)
    return [gap for gap in call.report.resumed_after_ms if gap is not None]


def is_remembered(call: FinishedCall, machines: Fleet) -> bool:
    """Whether each agent was told what the one before it had said and heard."""
    sessions = [session for host in machines.hosts for session in host.sessions]
    agents = [session_of(stream, sessions) for stream in call.phone.streams]
    return all(is_told(before.memory, after.memory) for before, after in itertools.pairwise(agents))


def is_told(before: list[str], after: list[str]) -> bool:
    """The latest turns, all of them if they are few: a session is not told of more than twelve.

    What was cut as soon as it began was not heard, and is not told.
    """
    said = [entry for entry in before if not entry.startswith(("system: ", "assistant: (cut at"))]
    if after[0] not in said:
        return False
    known = said[said.index(after[0]) :]
    is_enough = known == said or len(known) >= 2 * Limits().retold_turns_max - 2
    return is_enough and after[: len(known)] == known


# --- Questions at one machine about a call on another ---------------------------------------------------


@pytest.mark.heavy
async def test_every_question_about_a_call_may_come_to_another_machine(
    tmp_path: Path, postgres_database: str
) -> None:
    """Webhook, stream, action and status of one call, each somewhere else: a call like any other. Where a
    stream still hangs in the air, the machine that carries it is told what Twilio has asked another one.
    """
    scripts = [small_talk(f"machine {number}") for number in range(3)]
    async with fleet(tmp_path, postgres_database, scripts, **UNDIALLED) as machines:
        send_apart(machines)
        calls = await together(*(machines.line.call([WaitForAgent(), HangUp()]) for _ in range(3)))
        sessions = [len(host.sessions) for host in machines.hosts]
        over = await told_of(machines, "CA" + "4" * 32, status="completed")
        goes_on = await told_of(machines, "CA" + "5" * 32, status="in-progress")
    assert [(call.verbs, call.report.is_clean) for call in calls] == [(CONNECTED_AND_LEFT, True)] * 3
    assert sessions == [0, 3, 0], "the call is where its stream is"
    assert over == (["ended"], ["caller_hangup"])
    assert goes_on == (["replaced"], ["media_lost"])
    assert machines.faults == []


def send_apart(machines: Fleet) -> None:
    """What a call leads to reaches three machines, by its path."""
    voice, stream, action = (host.service for host in machines.hosts)
    places = {"/twilio/voice": voice, "/media-stream": stream, "/twilio/stream-ended": action}
    machines.front.send_by(lambda path: places.get(path.partition("?")[0], action))


async def told_of(machines: Fleet, sid: str, status: str) -> tuple[list[str], list[str]]:
    """What the machine of a hanging stream is told when another one is asked, and why the stream ends."""
    carrier, line = machines.hosts[1], machines.line
    token, before = await ask_for_token(line, sid), len(carrier.sessions)
    async with media_socket(line) as socket:
        await send(socket, start(sid, token), *[media(sid)] * 3)
        assert await until(lambda: len(carrier.sessions) > before)
        document = await asked_of(line, "/twilio/stream-ended", sid, status, "?stream=1")
        if status == "in-progress":
            await continued(machines, sid, document)
        assert await until(lambda: ends(carrier, sid) != [])
    told = [str(line["what"]) for line in carrier.events("neighbour_told") if line["call_sid"] == sid]
    return sorted({*told}), ends(carrier, sid)


def ends(host: Host, sid: str) -> list[str]:
    """Why the streams of a call ended there."""
    return [str(line["reason"]) for line in host.events("stream_ended") if line["call_sid"] == sid]


async def continued(machines: Fleet, sid: str, document: str) -> None:
    """The stream that follows, on another machine."""
    third = machines.hosts[2]
    machines.take_calls(third)
    async with media_socket(machines.line) as socket:
        await send(socket, start(sid, token_of(document)), *[media(sid)] * 3)
        assert await until(lambda: third.sessions != [])
