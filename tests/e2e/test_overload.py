"""More calls than a process may have: those that it took stay clean, the others hear the fallback at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from callbridge.simulators.phone import Interrupt, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.phone.events import AgentAudioStopped
from callbridge.simulators.truth import heard_items
from callbridge.simulators.voice_model import Answer, Call, Script, SessionSettings, serve_model
from callbridge.simulators.voice_model import Say as Speech
from callbridge.switchboard.sockets import SOCKETS_MAX
from e2e.processes import (
    CLIPS,
    Gathering,
    Service,
    percentile,
    services,
    session_of,
    words_of,
)
from e2e.raw import closed_with, media_socket
from e2e.stack import APOLOGY, CONNECTED_AND_ENDED, CONNECTED_AND_LEFT, FinishedCall, Stack, variables
from leftovers import until
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from callbridge.simulators.phone import Step
    from callbridge.simulators.voice_model import Journal, ModelServer

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

CALLS_MAX = 20
OFFERS = 10 * CALLS_MAX
"""Within about three seconds; those that were taken stay until all have been answered."""

GIVES_WAY = "from callbridge import Agent\n\nagent = Agent(greeting_interruptible=True)\n"

SAID_NO = ["Say", "Hangup"]
REFUSED_MS_MAX = 2000

CLEAR_MS_MAX = 500
"""20 ms are promised, of the service alone; here model, phones and test share what the service leaves."""

GROWTH_BYTES_MAX = 40 * 1024 * 1024
"""2 MiB for each of twenty calls: those that were refused leave nothing."""


@contextlib.asynccontextmanager
async def service(folder: Path, script: Script, **more: str) -> AsyncIterator[tuple[Service, ModelServer]]:
    """One process, reached without a front. Its callers may interrupt the greeting: their first cut."""
    (folder / "giving.py").write_text(GIVES_WAY, encoding="utf-8")
    more = {"CALLBRIDGE_AGENT": "giving:agent"} | more
    async with (
        serve_model(script, settings=SessionSettings(keep_audio=True)) as model,
        services(folder, variables("", model.url, **more)) as (running,),
    ):
        yield running, model
    assert running.faults == []


def long_speech(seed: str, calls: int) -> Script:
    """For each call a greeting that is too long, and an answer. No two are alike."""
    rng = random.Random(seed)
    greetings = [Answer(say=(_speech(rng, 5000),)) for _ in range(calls)]
    answers = [Answer(say=(_speech(rng, 800),)) for _ in range(calls)]
    return Script(answers=(*greetings, *answers), answers_go_on=True)


def interrupting(number: int) -> list[Step]:
    """One caller who interrupts the greeting while others are turned away, and stays for the answer."""
    rng = random.Random(f"caller {number}")
    return [Interrupt(1000 + 50 * number, noise(rng, 500)), WaitForEnd()]


async def turned_away(running: Service, offers: int) -> list[float]:
    """Offers that are too many, four at a time; answers how long each waited for its answer, in ms."""
    clock = asyncio.get_running_loop().time
    took_ms: list[float] = []

    async def offer(client: httpx.AsyncClient, numbers: range) -> None:
        for number in numbers:
            began_at = clock()
            document = await running.offer(f"CA{number:032x}", client)
            took_ms.append((clock() - began_at) * 1000)
            assert words_of(document) == APOLOGY
            await asyncio.sleep(0.04)

    async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as offering:
        for first in range(4):
            offering.create_task(offer(client, range(first, offers, 4)))
    return took_ms


@pytest.mark.heavy
async def test_ten_times_too_many_calls(tmp_path: Path, figures: Callable[[str], None]) -> None:
    """Those that were taken hear each other byte for byte, and are interrupted at once; the rest hear why."""
    async with service(tmp_path, long_speech("overload", CALLS_MAX), CALLBRIDGE_CALLS_MAX=str(CALLS_MAX)) as (
        running,
        model,
    ):
        line, answered = running.line(model), Gathering(CALLS_MAX, utterances=2, counts=AgentAudioStopped)
        phones = [
            line.phone(interrupting(number), on_event=answered.watch(number)) for number in range(CALLS_MAX)
        ]
        before_bytes = running.memory_bytes
        async with asyncio.TaskGroup() as calling:
            tasks = [calling.create_task(line.finish(phone)) for phone in phones]
            assert await until(lambda: len(running.events("stream_started")) == CALLS_MAX, 20)
            one_more = calling.create_task(line.call([WaitForEnd()]))
            answers_ms = await turned_away(running, OFFERS - CALLS_MAX - 1)
            await answered.complete(20)
            for phone in phones:
                phone.hang_up()
        growth_bytes = running.memory_bytes - before_bytes
        assert await running.readiness() == (200, {"status": "ready"})
    refused = Counter(line["reason"] for line in running.events("call_declined"))
    assert refused == {"capacity": OFFERS - CALLS_MAX}
    assert one_more.result().verbs == SAID_NO
    assert len(model.sessions) == CALLS_MAX, "nothing is dialled for a call that is refused"
    clears_ms = [ms for task in tasks for ms in assert_clean(task.result(), model.sessions)]
    assert len(clears_ms) == CALLS_MAX
    figures(
        f"overload, {OFFERS} offers for {CALLS_MAX} places: refused after "
        f"p50 {percentile(answers_ms, 50):.1f}, max {max(answers_ms):.1f} ms; speech started to clear "
        f"p50 {percentile(clears_ms, 50):.1f}, p99 {percentile(clears_ms, 99):.1f} ms; "
        f"memory grew by {growth_bytes / 2**20:.1f} MiB"
    )
    assert max(answers_ms) < REFUSED_MS_MAX
    assert percentile(clears_ms, 99) < CLEAR_MS_MAX
    assert growth_bytes < GROWTH_BYTES_MAX


def assert_clean(call: FinishedCall, sessions: list[Journal]) -> list[float]:
    """Both sides heard each other byte for byte; how long each interruption took, in ms."""
    assert call.verbs == CONNECTED_AND_LEFT
    assert call.report.is_clean, (call.report.warnings, call.report.findings)
    journal = session_of(call.stream, sessions)
    assert journal.refusals == []
    said = bytes(call.stream.caller_audio)
    assert journal.appended is not None
    assert said.startswith(bytes(journal.appended))
    assert not said[len(journal.appended) :].strip(b"\xff"), "words of the caller were lost"
    assert call.stream.end is not None
    greeting, answer = heard_items(call.stream.playback, journal.items.values(), call.stream.end.at, CLIPS)
    assert greeting.truncated_at_ms is not None
    assert greeting.heard_ms < 5000
    assert answer.heard_ms == 800
    (started,), (clear,) = journal.speech_started, call.stream.playback.clears
    return [(clear.at - started.at) * 1000]


FLOOD = SOCKETS_MAX + 40


@pytest.mark.heavy
async def test_sockets_that_never_start(tmp_path: Path) -> None:
    """A bounded number of them is let in, for a bounded time; then real calls have their place again."""
    rng = random.Random("flood")
    answers = (Answer(say=(_speech(rng, 300),)),)
    goodbye = Answer(say=(_speech(rng, 400),), calls=(Call(name="end_call"),))
    async with service(tmp_path, Script(answers=answers, default=goodbye)) as (running, model):
        line = running.line(model)
        outcomes = Counter(await asyncio.gather(*(knock(line) for _ in range(FLOOD))))
        assert outcomes == {(101, 1008): SOCKETS_MAX, (101, 1013): FLOOD - SOCKETS_MAX}
        call = await line.call([WaitForAgent(quiet_ms=200), Say(noise(rng, 400)), WaitForEnd()])
    assert (call.verbs, call.report.is_clean) == (CONNECTED_AND_ENDED, True), call.report
    assert len(model.sessions) == 1


async def knock(line: Stack) -> tuple[int, int | None]:
    """Opens a media socket, says nothing, and waits; answers the HTTP status and the close code."""
    try:
        async with media_socket(line) as socket:
            return 101, (await closed_with(socket))[0]
    except InvalidStatus as refused:
        return refused.response.status_code, None


def _speech(rng: random.Random, duration_ms: int) -> Speech:
    return Speech(text="Words of one agent, and of no other.", audio=noise(rng, duration_ms))
