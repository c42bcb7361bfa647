"""Strangers: who is not signed, or brings no good token, reaches neither the model nor anybody's call."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.call.facts import EndReason, StreamEnded, StreamStarted
from callbridge.call.limits import Limits
from callbridge.simulators.phone import Misbehaviour, WaitForEnd
from callbridge.simulators.phone.events import AgentAudioStarted, WebhookAnswered
from callbridge.state.memory_state import MemoryState
from callbridge.switchboard import sockets
from callbridge.switchboard.sockets import SOCKETS_MAX
from callbridge.telephony.signed_tokens import LIFETIME_S, StreamClaim, StreamTokens
from e2e.raw import (
    CALLED,
    CALLER,
    ask_for_token,
    closed_with,
    media,
    media_socket,
    raw_phone,
    send,
    start,
    stop,
)
from e2e.stack import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    CONNECTED_AND_ENDED,
    REFUSED_AND_SORRY,
    UNDIALLED,
    Log,
    Stack,
    hello_and_goodbye,
    stack,
)
from leftovers import until
from raw_peer import text

if TYPE_CHECKING:
    from callbridge.simulators.phone import PhoneEvent
    from lanes import PhoneLane

pytestmark = pytest.mark.usefixtures("nothing_left")

HELLO_AND_GOODBYE = hello_and_goodbye()
SID = "CA" + "1" * 32
CLAIM = StreamClaim(SID, ACCOUNT_SID, CALLER, CALLED)
NOW = 1_800_000_000.0


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


@pytest.mark.parametrize("how", [Misbehaviour.UNSIGNED_SOCKET, Misbehaviour.FORGED_SOCKET])
async def test_an_upgrade_that_twilio_did_not_sign_is_refused(
    how: Misbehaviour, log: Log, lane: PhoneLane
) -> None:
    """403 before the socket is accepted; nothing is dialled, and the caller gets the apology."""
    async with stack(HELLO_AND_GOODBYE, lane=lane, environment=UNDIALLED) as running:
        call = await running.call([WaitForEnd()], misbehaviours=frozenset({how}))
        assert running.model.sessions == []
        assert running.ends == []
    (warning,) = call.report.warnings
    assert (warning.code, warning.count) == (31920, 2)
    assert "403" in warning.detail
    assert call.verbs == REFUSED_AND_SORRY
    (line,) = log.events("upgrade_refused")  # The second one is of its kind: a count, a minute later.
    assert "sign" in line["reason"]


def token_of(claim: StreamClaim = CLAIM, *, secret: str = AUTH_TOKEN, at: float = NOW) -> str:
    """A token as any process of the account makes it: no webhook stands before it, and so no dial."""
    return StreamTokens(secret, secrets.token_bytes).issue(claim, at)


@dataclass(frozen=True)
class Intruder:
    """A signed socket whose `start` is not good for a call."""

    name: str
    token: str | None
    refusal: str
    parameters: dict[str, str] = field(default_factory=dict)
    """Beside the token, where they are not those of the call."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Of its start, where they are not those of the call."""

    @property
    def start(self) -> dict[str, Any]:
        token = {} if self.token is None else {"token": self.token}
        parameters = {"caller": CALLER, "called": CALLED} | self.parameters | token
        return start(SID, "", **({"customParameters": parameters} | self.facts))


GOOD = token_of()
INTRUDERS = [
    Intruder("none", None, "missing"),
    Intruder("of the right length", "A" * 72, "malformed"),
    Intruder("of another service", token_of(secret="another auth token"), "forged"),
    Intruder("of another call", token_of(replace(CLAIM, call_sid="CA" + "2" * 32)), "forged"),
    Intruder("of another account", token_of(replace(CLAIM, account_sid="AC" + "2" * 32)), "forged"),
    Intruder("another account at the socket", GOOD, "forged", facts={"accountSid": "AC" + "2" * 32}),
    Intruder("another caller", GOOD, "forged", {"caller": "+19005550000"}),
    Intruder("caller and called swapped", GOOD, "forged", {"caller": CALLED, "called": CALLER}),
    Intruder("expired", token_of(at=NOW - LIFETIME_S), "expired"),
    Intruder("from the future", token_of(at=NOW + 60), "from_the_future"),
]


async def refused(running: Stack, intruder: Intruder) -> tuple[int | None, str]:
    async with media_socket(running) as socket:
        await send(socket, intruder.start, media(SID))
        return await closed_with(socket)


async def test_every_socket_without_a_good_token_is_refused(lane: PhoneLane, log: Log) -> None:
    """All of them: closed with 1008, nothing dialled, nothing kept under the CallSid that was claimed."""
    state = MemoryState(lambda: NOW)
    async with stack(HELLO_AND_GOODBYE, lane=lane, state=state, wall_clock=lambda: NOW) as running:
        for intruder in INTRUDERS:
            assert await refused(running, intruder) == (1008, "rejected_auth"), intruder
        assert running.model.sessions == []
        assert running.model.refused == []
        details = [end.detail for end in running.ends]
        assert await state.events(SID) == ()
        # The proof that it was the token: the good one opens the door, just as often.
        assert (await admitted(running, GOOD)).reason is EndReason.AGENT_HANGUP
    assert details == [f"stream token: {intruder.refusal}" for intruder in INTRUDERS]
    assert GOOD not in log.text


async def admitted(running: Stack, token: str, sid: str = SID) -> StreamEnded:
    """Listens to a call to its end."""
    async with media_socket(running) as socket:
        await send(socket, start(sid, token), media(sid))
        async with asyncio.timeout(10):
            async for message in socket:
                if '"mark"' in str(message):  # The phone would send it back when the audio is heard.
                    await socket.send(str(message).replace('{"event"', '{"sequenceNumber":"9","event"', 1))
    return running.ends[-1]


async def test_who_leaves_before_the_token_was_looked_at_leaves_nothing(lane: PhoneLane) -> None:
    """A claimed CallSid stays clean also when the socket ends before its token is refused, by any end."""
    state = MemoryState(lambda: NOW)
    async with stack(HELLO_AND_GOODBYE, lane=lane, state=state, wall_clock=lambda: NOW) as running:
        for last_words in ([stop(SID)], []):
            async with raw_phone(running) as peer:
                messages = [Intruder("forged", "A" * 72, "").start, *last_words]
                await peer.send(*(text(json.dumps(message)) for message in messages))
        assert await until(lambda: len(running.ends) == 2)
        assert running.model.sessions == []
    assert await state.events(SID) == ()


async def test_a_call_that_dawdles_is_asked_again() -> None:
    """More than 30 s from webhook to `start`: that token is refused, and Twilio gets another one."""
    later_s = 0.0

    def dawdle(event: PhoneEvent) -> None:
        nonlocal later_s
        if isinstance(event, WebhookAnswered) and not later_s:
            later_s = LIFETIME_S + 1.0

    async with stack(HELLO_AND_GOODBYE, wall_clock=lambda: time.time() + later_s) as running:
        call = await running.finish(running.phone([WaitForEnd()], on_event=dawdle))
    details = [(end.reason, end.detail) for end in call.of(StreamEnded)]
    assert details[0] == (EndReason.REJECTED_AUTH, "stream token: expired")
    assert details[1][0] is EndReason.AGENT_HANGUP
    assert call.verbs == ["Connect/Stream", *CONNECTED_AND_ENDED]


async def test_a_token_is_good_once(lane: PhoneLane) -> None:
    """Who replays the start of a live call is refused, and the call does not notice."""
    replays: list[asyncio.Task[tuple[int | None, str]]] = []
    async with stack(HELLO_AND_GOODBYE, lane=lane) as running, asyncio.TaskGroup() as tasks:

        def replay(event: PhoneEvent) -> None:
            if isinstance(event, AgentAudioStarted) and not replays:
                identity = phone.streams[0].identity
                replays.append(tasks.create_task(intrude(running, identity)))

        phone = running.phone([WaitForEnd()], on_event=replay)
        call = await running.finish(phone)
    (replayed,) = replays
    assert replayed.result() == (1008, "rejected_auth")
    assert [end.reason for end in running.ends] == [EndReason.REJECTED_AUTH, EndReason.AGENT_HANGUP]
    assert len(running.model.sessions) == 1
    assert call.verbs == CONNECTED_AND_ENDED
    assert call.stream.playback.heard_bytes(asyncio.get_running_loop().time()) == 900 * 8
    assert call.close_code == 1000


async def intrude(running: Stack, identity: Any) -> tuple[int | None, str]:
    """A stranger who has seen the whole `start` of a call."""
    parameters = dict(identity.parameters)
    async with media_socket(running) as socket:
        await send(socket, start(identity.call_sid, "", customParameters=parameters))
        return await closed_with(socket)


# --- A signature that was seen ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "strangers", "callers"),
    [(16, 4, 5), pytest.param(SOCKETS_MAX, 8, 70, marks=pytest.mark.heavy)],
)
@pytest.mark.usefixtures("without_debugging")
async def test_whoever_has_seen_a_signature_keeps_no_caller_out(
    places: int, strangers: int, callers: int, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    """They hold all places, and open more before and behind each caller's socket: each caller is served."""
    monkeypatch.setattr(sockets, "SOCKETS_MAX", places)
    environment = UNDIALLED | {"CALLBRIDGE_CALLS_MAX": "100", "CALLBRIDGE_CALL_STARTS_PER_SECOND": "100"}
    patient = Limits(start_timeout_s=300.0)  # None of them goes by itself, however long it takes all to come.
    async with (
        stack(HELLO_AND_GOODBYE, environment=environment, limits=patient) as running,
        AsyncExitStack() as open_,
    ):

        async def come(count: int) -> None:
            for _ in range(count):
                await open_.enter_async_context(raw_phone(running))

        await come(places)
        sids = [f"CA{number:032}" for number in range(callers)]
        for sid in sids:
            await come(strangers)
            token = await ask_for_token(running, sid)
            caller = await open_.enter_async_context(raw_phone(running))
            await come(strangers)
            await caller.send(text(json.dumps(start(sid, token))))
        assert await until(lambda: all(running.facts[sid] for sid in sids))
        assert {type(running.facts[sid][0]) for sid in sids} == {StreamStarted}
    gave_way = [end for end in running.ends if "1013" in end.detail]
    assert len(gave_way) > strangers
    assert {(end.call_sid, end.reason) for end in gave_way} == {("", EndReason.REJECTED_PROTOCOL)}
