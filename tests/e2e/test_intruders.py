"""Strangers: who is not signed, or brings no good token, reaches neither the model nor anybody's call."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from callbridge.call.facts import EndReason
from callbridge.simulators.phone import Misbehaviour, Pause, WaitForEnd
from callbridge.simulators.phone.events import AgentAudioStarted, WebhookAnswered
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.raw import ask_for_token
from e2e.stack import CONNECTED_AND_ENDED, CONNECTED_AND_SORRY, FinishedCall, Log, Stack, stack
from random_calls import noise

if TYPE_CHECKING:
    from callbridge.simulators.phone import PhoneEvent
    from lanes import PhoneLane

pytestmark = pytest.mark.usefixtures("nothing_left")

HELLO_AND_GOODBYE = Script(
    answers=(
        Answer(
            say=(Speech(text="Hello, goodbye.", audio=noise(random.Random(9), 900)),),
            calls=(Call(name="end_call"),),
        ),
    ),
    after_ms=20,
)


@pytest.mark.parametrize("how", [Misbehaviour.UNSIGNED_WEBHOOK, Misbehaviour.FORGED_WEBHOOK])
async def test_a_webhook_that_twilio_did_not_sign_is_refused(how: Misbehaviour, log: Log) -> None:
    """403 without a word, and no call comes of it."""
    async with stack(HELLO_AND_GOODBYE) as running:
        report = await running.phone([WaitForEnd()], misbehaviours=frozenset({how})).run()
        assert running.model.sessions == []
        assert running.ends == []
    assert report.streams == []
    assert [warning.code for warning in report.warnings][:1] == [11200]
    assert log.events("webhook_refused")
    assert log.events("call_offered") == []


@pytest.mark.parametrize("path", ["/twilio/stream-ended", "/twilio/stream-status", "/twilio/call-status"])
async def test_every_other_webhook_is_refused_as_well(path: str) -> None:
    """A forged callback cannot end, continue or report a call."""
    async with stack(HELLO_AND_GOODBYE) as running, httpx.AsyncClient(trust_env=False) as client:
        url = f"{running.settings.public_base_url}{path}"
        form = {"CallSid": "CA" + "1" * 32, "AccountSid": running.settings.twilio_account_sid}
        forged = {"X-Twilio-Signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}
        answers = [
            await client.post(url, data=form),
            await client.post(url, data=form, headers=forged),
            await client.get(url, params=form, headers=forged),
        ]
    assert {answer.status_code for answer in answers} == {403}
    assert "Response" not in "".join(answer.text for answer in answers)


@pytest.mark.parametrize("how", [Misbehaviour.UNSIGNED_SOCKET, Misbehaviour.FORGED_SOCKET])
async def test_an_upgrade_that_twilio_did_not_sign_is_refused(
    how: Misbehaviour, log: Log, lane: PhoneLane
) -> None:
    """403 before the socket is accepted; nothing is dialled, and the caller gets the apology."""
    async with stack(HELLO_AND_GOODBYE, lane=lane) as running:
        call = await running.call([WaitForEnd()], misbehaviours=frozenset({how}))
        assert running.model.sessions == []
        assert running.ends == []
    assert [warning.code for warning in call.report.warnings] == [31920]
    assert "403" in call.report.warnings[0].detail
    assert call.verbs == CONNECTED_AND_SORRY
    assert len(log.events("upgrade_refused")) == 1


async def test_a_wrong_token_is_refused(lane: PhoneLane) -> None:
    """A token that was never given out closes the socket as a matter of policy."""
    async with stack(HELLO_AND_GOODBYE, lane=lane) as running:
        call = await running.call([WaitForEnd()], misbehaviours=frozenset({Misbehaviour.WRONG_TOKEN}))
        assert_was_refused(call, "unknown_or_used")


async def test_a_missing_token_is_refused() -> None:
    async with stack(HELLO_AND_GOODBYE) as running:
        call = await running.call([WaitForEnd()], parameter_overrides={"token": ""})
        assert_was_refused(call, "missing")


async def test_an_expired_token_is_refused() -> None:
    """Who takes more than 30 s from webhook to `start` is not Twilio."""
    later_s = 0.0

    def dawdle(event: PhoneEvent) -> None:
        nonlocal later_s
        if isinstance(event, WebhookAnswered):
            later_s = 31.0

    loop = asyncio.get_running_loop()
    async with stack(HELLO_AND_GOODBYE, clock=lambda: loop.time() + later_s) as running:
        call = await running.finish(running.phone([WaitForEnd()], on_event=dawdle))
        assert_was_refused(call, "expired")


async def test_the_token_of_another_call_is_refused() -> None:
    """A token that was given out to one call opens no stream of another."""
    async with stack(HELLO_AND_GOODBYE) as running:
        token = await ask_for_token(running, "CA" + "1" * 32)
        call = await running.call([WaitForEnd()], parameter_overrides={"token": token})
        assert_was_refused(call, "other_call")


async def test_a_token_is_good_once(lane: PhoneLane) -> None:
    """Who replays the token of a live call, CallSid and all, is refused, and the call does not notice."""
    replays: list[asyncio.Task[FinishedCall]] = []
    async with stack(HELLO_AND_GOODBYE, lane=lane) as running, asyncio.TaskGroup() as tasks:

        def replay(event: PhoneEvent) -> None:
            if isinstance(event, AgentAudioStarted) and not replays:
                token = dict(phone.streams[0].identity.parameters)["token"]
                replays.append(tasks.create_task(intrude(running, phone.line.call_sid, token)))

        phone = running.phone([WaitForEnd()], on_event=replay)
        await phone.run()
    (replayed,) = replays
    thief = replayed.result()
    reasons = [end.reason for end in running.ends]
    assert reasons == [EndReason.REJECTED_AUTH, EndReason.AGENT_HANGUP]
    assert thief.close_code == 1008
    assert len(running.model.sessions) == 1
    assert [verb.verb for verb in thief.report.verbs] == CONNECTED_AND_SORRY
    (stream,) = phone.streams
    assert stream.playback.heard_bytes(asyncio.get_running_loop().time()) == 900 * 8
    assert stream.end is not None
    assert stream.end.code == 1000


async def intrude(running: Stack, call_sid: str, token: str) -> FinishedCall:
    return await running.call([Pause(500)], call_sid=call_sid, parameter_overrides={"token": token})


async def test_the_token_of_a_call_that_is_over_is_refused() -> None:
    """A stolen token is worth nothing afterwards either."""
    async with stack(HELLO_AND_GOODBYE) as running:
        honest = await running.call([WaitForEnd()])
        token: Any = dict(honest.stream.identity.parameters)["token"]
        assert (honest.ended.reason, honest.verbs) == (EndReason.AGENT_HANGUP, CONNECTED_AND_ENDED)
        thief = await running.call([WaitForEnd()], parameter_overrides={"token": token})
        assert thief.ended.reason is EndReason.REJECTED_AUTH
        assert len(running.model.sessions) == 1


def assert_was_refused(call: FinishedCall, why: str) -> None:
    """Refused as a matter of authority, with nothing dialled; the caller gets the apology."""
    assert call.ended.reason is EndReason.REJECTED_AUTH
    assert call.ended.detail == f"stream token: {why}"
    assert call.close_code == 1008
    assert call.stack.model.sessions == []
    assert call.stack.model.refused == []
    assert call.stream.playback.payloads == []
    assert call.verbs == CONNECTED_AND_SORRY
