"""A restart behind one address: the old process goes, then the new one comes; in between nobody listens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import pytest

from callbridge.server.process.drain import Drain
from callbridge.server.process.live_calls import LiveCalls
from callbridge.simulators.phone import LineSettings
from callbridge.simulators.voice_model import SessionSettings, serve_model
from callbridge.state.sqlite_state import SqliteState
from e2e.processes import Gathering, Talker, goodbye, percentile, services, session_of, small_talk
from e2e.stack import stack, variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from callbridge.simulators.phone import CallReport, SimulatedCall
    from callbridge.simulators.voice_model import Journal, ModelServer
    from machine import Machine

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

CALLS = 30
WAIT_S = 90.0
WORDLESS_MS_MAX = 5000
"""Of silence: the pause of a round, then what another stream takes until its agent speaks."""

LATE_MS_MAX = 100
"""The machine, for a silence to be judged."""


@pytest.mark.heavy
async def test_callers_wait_for_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    """The old process says so to Twilio, and the new one knows what was said. Time is short here."""
    monkeypatch.setattr("callbridge.switchboard.draining.ACTION_S", 0.3)
    monkeypatch.setattr("callbridge.switchboard.draining.PROMISED_S", 0.3)
    path, live_calls = tmp_path / "state.db", LiveCalls()
    drain = Drain(live_calls, drain_s=0)
    environment = {"CALLBRIDGE_RESTART_SECONDS": "1"}
    gathering = Gathering(2, utterances=1)
    async with asyncio.TaskGroup() as calling:
        async with stack(
            small_talk("old"),
            state=SqliteState(path),
            drain=drain,
            live_calls=live_calls,
            environment=environment,
        ) as old:
            phones = [
                old.phone(Talker(f"caller {number}"), on_event=gathering.watch(number), verb_time=0.2)
                for number in range(2)
            ]
            calls = [calling.create_task(phone.run()) for phone in phones]
            await gathering.complete(20)
            drain.signalled()
            await drain.run_until_stopped()
            before = old.model.sessions
        async with stack(goodbye("new"), state=SqliteState(path), port=old.settings.port) as new:
            reports = [await call for call in calls]
            after = new.model.sessions
    assert_moved(phones, reports, before, after)
    machine.judge(left_without_words(reports), LATE_MS_MAX)


BIN = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Pause length="5"/><Redirect>{url}</Redirect></Response>"""


async def test_a_call_that_met_nobody_comes_back(tmp_path: Path) -> None:
    """The number's second address, which Twilio asks where the first does not answer, sends it back here."""
    path, live_calls = tmp_path / "state.db", LiveCalls()
    drain = Drain(live_calls, drain_s=0)
    talks = Gathering(1, utterances=1)
    async with asyncio.TaskGroup() as calling, twiml_bin() as (second_url, documents):
        async with stack(
            small_talk("old"), state=SqliteState(path), drain=drain, live_calls=live_calls
        ) as old:
            documents.append(BIN.format(url=old.settings.voice_url))
            phone = old.phone(
                Talker("caller"),
                on_event=talks.watch(0),
                verb_time=0.3,
                line=LineSettings(fallback_url=second_url),
            )
            call = calling.create_task(phone.run())
            await talks.complete(20)
        async with stack(goodbye("new"), state=SqliteState(path), port=old.settings.port) as new:
            report = await call
            assert len(new.model.sessions) == 1
    verbs = [verb.verb for verb in report.verbs]
    # The bin's, then ours: a moment of silence, until Twilio has asked what follows the stream.
    waits = ["Pause", "Redirect"] * 2
    assert verbs == ["Connect/Stream", *waits, "Connect/Stream", "Hangup"]
    assert {warning.code for warning in report.warnings} == {11202, 31921}


@contextlib.asynccontextmanager
async def twiml_bin() -> AsyncIterator[tuple[str, list[str]]]:
    """The address of a document that Twilio itself keeps, and where to put it."""
    documents: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = documents[-1].encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/bin", documents


@contextlib.asynccontextmanager
async def models() -> AsyncIterator[tuple[ModelServer, ModelServer]]:
    settings = SessionSettings(keep_audio=False)
    async with (
        serve_model(small_talk("old"), settings=settings) as before,
        serve_model(goodbye("new"), settings=settings) as after,
    ):
        yield before, after


@pytest.mark.heavy
async def test_a_restart_drops_no_call(
    tmp_path: Path, figures: Callable[[str], None], machine: Machine
) -> None:
    """Two processes, one after the other, on one port, with no balancer before them."""
    more = {
        "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
        "CALLBRIDGE_DRAIN_SECONDS": "1",
        "CALLBRIDGE_RESTART_SECONDS": "15",  # Within it the next process listens, on a busy machine, too.
    }
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    gathering = Gathering(CALLS, utterances=2)
    async with models() as (before, after), asyncio.TaskGroup() as calling:
        async with services(tmp_path / "first", variables("", before.url, **more)) as (old,):
            line = old.line(before)
            phones = [
                line.phone(
                    Talker(f"caller {number}"),
                    on_event=gathering.watch(number),
                    verb_time=1.0,
                    max_call_s=WAIT_S,
                )
                for number in range(CALLS)
            ]
            calls = [calling.create_task(called(phone, number * 0.03)) for number, phone in enumerate(phones)]
            await gathering.complete(30)
            old.signal(signal.SIGTERM)
            assert await old.ended(40) == 0
        settings = variables(old.url, after.url, PORT=str(old.port), **more)
        async with services(tmp_path / "second", settings) as (new,):
            async with asyncio.timeout(WAIT_S):
                reports = [await call for call in calls]
    assert (old.faults, new.faults) == ([], [])
    assert_moved(phones, reports, before.sessions, after.sessions)
    gaps_ms = [gap_ms for report in reports for gap_ms in (report.streams[1].opened_ms,) if gap_ms]
    waited_ms = [
        opened_ms - report.streams[0].duration_ms - (report.streams[0].opened_ms or 0)
        for opened_ms, report in zip(gaps_ms, reports, strict=True)
    ]
    wordless_ms = [report.longest_silence_ms for report in reports]
    figures(
        f"restart behind one address with {CALLS} calls: 0 dropped; from the old stream to the new one p50 "
        f"{percentile(waited_ms, 50)}, max {max(waited_ms)} ms; longest silence in it {max(wordless_ms)} ms"
    )
    machine.judge(left_without_words(reports), LATE_MS_MAX)


def left_without_words(reports: Sequence[CallReport]) -> list[str]:
    """Who was in silence for too long."""
    longest_ms = (report.longest_silence_ms for report in reports)
    return [f"a silence of {ms} ms" for ms in longest_ms if ms > WORDLESS_MS_MAX]


async def called(phone: SimulatedCall, after_s: float) -> CallReport:
    await asyncio.sleep(after_s)  # Callers do not all begin in the same millisecond.
    return await phone.run()


def assert_moved(
    phones: Sequence[SimulatedCall],
    reports: Sequence[CallReport],
    before: Sequence[Journal],
    after: Sequence[Journal],
) -> None:
    """Each has waited, at Twilio, and went on with what was said."""
    for phone, report in zip(phones, reports, strict=True):
        verbs = [verb.verb for verb in report.verbs]
        assert verbs[:3] == ["Connect/Stream", "Pause", "Redirect"]
        assert verbs[-3:] == ["Redirect", "Connect/Stream", "Hangup"]
        assert report.is_clean, (report.warnings, report.findings)
        said = session_of(phone.streams[0], before).memory
        # Words of an old session stand in one new session, and in no other.
        (told,) = [journal.memory for journal in after if said[0] in journal.memory]
        assert told[: len(said)] == said
