"""Many calls in one process: each has its own audio, and all of them end when the service does."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import pytest

from callbridge.call.facts import EndReason
from callbridge.simulators.phone import Say, WaitForAgent, WaitForEnd
from callbridge.simulators.phone.events import AgentAudioStarted
from callbridge.simulators.phone.stream import StreamSettings
from callbridge.simulators.voice_model import Answer, Call, Script, SessionSettings, serve_model
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import CONNECTED_AND_ENDED, FinishedCall, Log, stack, switchboard, together
from leftovers import leaves_nothing
from random_calls import noise

if TYPE_CHECKING:
    from callbridge.simulators.phone import PhoneEvent, Step
    from callbridge.simulators.voice_model import Journal
    from lanes import PhoneLane

pytestmark = pytest.mark.usefixtures("nothing_left")

CALLS = 20


def script_of(number: int) -> Script:
    """What one agent says: no other one says a byte of it."""
    rng = random.Random(f"agent {number}")
    greeting = Answer(say=(_speech(rng, 600), _speech(rng, 300)))
    return Script(
        answers=(greeting,), default=Answer(say=(_speech(rng, 700),), calls=(Call(name="end_call"),))
    )


def steps_of(number: int) -> list[Step]:
    """One caller: waits for the greeting, says something that nobody else says, hears the goodbye."""
    return [WaitForAgent(quiet_ms=200), Say(noise(random.Random(f"caller {number}"), 600)), WaitForEnd()]


@pytest.mark.heavy
@pytest.mark.usefixtures("without_debugging")
async def test_twenty_calls_at_once_have_no_cross_talk(log: Log, lane: PhoneLane) -> None:
    """Each model hears its caller and each caller its agent, byte for byte; one line in the log for each."""
    async with contextlib.AsyncExitStack() as models:
        servers = [
            await models.enter_async_context(
                serve_model(script_of(number), settings=SessionSettings(keep_audio=True))
            )
            for number in range(CALLS)
        ]
        url = await models.enter_async_context(switchboard([server.url for server in servers]))
        async with stack(Script(), realtime_url=url, lane=lane) as running, leaves_nothing():
            phones = [
                running.phone(steps_of(number), stream=StreamSettings(first_timestamp_ms=90 + number))
                for number in range(CALLS)
            ]
            calls = await together(*(running.finish(phone) for phone in phones))
    journals = [journal for server in servers for journal in server.sessions]
    assert len(journals) == CALLS
    partners = [partner_of(call, journals) for call in calls]
    assert len({id(journal) for journal in partners}) == CALLS
    for call, journal in zip(calls, partners, strict=True):
        assert call.report.is_clean, call.report
        assert (call.ended.reason, call.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED)
        assert journal.refusals == []
        items = call.heard(journal)
        assert [item.heard_ms for item in items] == [item.sent_ms for item in items] == [600, 300, 700]
        assert len(log.events("stream_ended", call.sid)) == 1


def partner_of(call: FinishedCall, journals: list[Journal]) -> Journal:
    """The one model that heard what this caller said, the whole of it and nothing else."""
    said = bytes(call.stream.caller_audio)
    heard = [
        journal
        for journal in journals
        if journal.appended and bytes(journal.appended) == said[: len(journal.appended)]
    ]
    (journal,) = heard
    assert journal.appended is not None
    assert not said[len(journal.appended) :].strip(b"\xff"), "words of the caller were lost"
    return journal


async def test_a_service_that_stops_ends_its_calls(log: Log, lane: PhoneLane) -> None:
    """Every live call is closed with 1012 and recorded as stopped; the carrier learns it at once."""
    calls_on = 4
    heard: list[PhoneEvent] = []
    all_hear_the_agent = asyncio.Event()

    def notice(event: PhoneEvent) -> None:
        if isinstance(event, AgentAudioStarted):
            heard.append(event)
        if len(heard) == calls_on:
            all_hear_the_agent.set()

    long_speech = Script(default=Answer(say=(_speech(random.Random(1), 20_000),)))
    async with leaves_nothing(), asyncio.TaskGroup() as calling, stack(long_speech, lane=lane) as running:
        phones = [running.phone([WaitForEnd()], on_event=notice) for _ in range(calls_on)]
        tasks = [calling.create_task(running.finish(phone)) for phone in phones]
        async with asyncio.timeout(10):
            await all_hear_the_agent.wait()
    for task in tasks:
        call = task.result()
        assert call.ended.reason is EndReason.SERVICE_STOPPED
        # Of its own lane uvicorn lets go at once: a phone that is just sending may get a reset instead.
        assert call.close_code in ({1012} if lane == "fast" else {1012, None})
        (end,) = log.events("stream_ended", call.sid)
        assert end["reason"] == "service_stopped"
    assert {journal.ended for journal in running.model.sessions} == {"client closed with 1000"}


def _speech(rng: random.Random, duration_ms: int) -> Speech:
    return Speech(text="Words of one agent.", audio=noise(rng, duration_ms))
