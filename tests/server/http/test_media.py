"""The media door: which sockets become calls, what a call holds, and that all of it is given back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import structlog
from fastapi import WebSocket

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.choice import Roster
from callbridge.agents.choosing.gathering import roster_of
from callbridge.agents.context import Call, Caller, CallerKind
from callbridge.agents.languages.texts import clip_of
from callbridge.bridge.legs.asgi_leg import AsgiLeg
from callbridge.call.agent_facts import ValuesSet
from callbridge.call.events import StreamAdmitted
from callbridge.call.facts import (
    CallDescribed,
    EndReason,
    Fact,
    StreamEnded,
    StreamStarted,
    TurnEnded,
    encode,
)
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.memory import TurnSaid
from callbridge.call.wishes import Resume, SayGoodbye
from callbridge.server.config.plan import Plans
from callbridge.server.http.media import MediaDoor
from callbridge.server.http.trust import Trust
from callbridge.server.process.reporting import Journal
from callbridge.server.process.texting import Texting
from callbridge.switchboard.sockets import SOCKETS_MAX
from callbridge.telephony.signatures import sign
from callbridge.telephony.signed_tokens import LIFETIME_S, StreamClaim
from callbridge.testing.virtual.loop import VirtualLoop
from desks import ACCOUNT, AUTH_TOKEN, CALL, CALLED, CALLER, FrontDesk
from leftovers import until

SIGNATURE = sign(AUTH_TOKEN, "wss://calls.example.com/media-stream")
BOUND_S = 60.0
"""Hundreds of sockets come one after the other."""
CLAIM = StreamClaim(CALL, ACCOUNT, CALLER, CALLED)


@dataclass
class Door(FrontDesk):
    """The door, and all facts of those who came in."""

    limits: Limits = field(default_factory=Limits)
    roster: Roster = field(default_factory=lambda: roster_of(Agent()))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.facts: list[Fact] = []
        self._journal = Journal(self.desk)
        self.desk.plans = Plans(self.desk.settings, self.roster, self.limits)
        self.door = MediaDoor(self.desk, b"", self._observe, Trust(self.desk), Texting(self.desk))

    def _observe(self, fact: Fact) -> None:
        self._journal(fact)
        self.facts.append(fact)

    def of(self, kind: type[Fact]) -> list[Any]:
        """The facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def token(self, claim: StreamClaim = CLAIM) -> str:
        """As a webhook gives it out at this moment."""
        return self.desk.tokens.issue(claim, self.wall_now)

    def offered(self, call_sid: str = CALL) -> None:
        """The webhook of the call came before."""
        assert self.desk.admission.offer(call_sid, "m", self.now) is None

    @contextlib.asynccontextmanager
    async def socket(self, *, signature: str | None = SIGNATURE) -> AsyncIterator[Socket]:
        """A media socket at the door; it is gone at the end of the context."""
        socket = Socket(signature)
        async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as tasks:
            socket.task = tasks.create_task(self.door.answer(socket.as_starlette()))
            yield socket
            socket.leave()

    @contextlib.asynccontextmanager
    async def caller(self, claim: StreamClaim = CLAIM, *, call_sid: str = CALL) -> AsyncIterator[Socket]:
        """A socket that has begun, with a token for `claim`."""
        async with self.socket() as socket:
            socket.say(start(self.token(claim), call_sid))
            yield socket


class Socket:
    """The far end of an upgrade, by the messages of ASGI."""

    def __init__(self, signature: str | None) -> None:
        self._signature = signature
        self._coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._coming.put_nowait({"type": "websocket.connect"})
        self.sent: list[dict[str, Any]] = []
        self.task: asyncio.Task[None]

    def as_starlette(self) -> WebSocket:
        """What a route is given."""
        headers = [] if self._signature is None else [(b"x-twilio-signature", self._signature.encode())]
        scope = {"type": "websocket", "path": "/media-stream", "headers": headers, "query_string": b""}
        return WebSocket(
            scope | {"extensions": {"websocket.http.response": {}}}, self._coming.get, self._take
        )

    async def _take(self, message: Any) -> None:
        self.sent.append(dict(message))

    def say(self, message: dict[str, Any]) -> None:
        """A message of Twilio's."""
        self._coming.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    def leave(self) -> None:
        """The connection breaks off."""
        self._coming.put_nowait({"type": "websocket.disconnect", "code": 1006})

    @property
    def is_accepted(self) -> bool:
        """Whether the upgrade was."""
        return self.sent[:1] == [{"type": "websocket.accept", "subprotocol": None, "headers": []}]

    @property
    def status(self) -> int | None:
        """The HTTP status that denied the upgrade."""
        found = [message["status"] for message in self.sent if "status" in message]
        return found[0] if found else None

    @property
    def closed_with(self) -> list[tuple[int, str]]:
        """Code and reason of each close."""
        return [(m["code"], m["reason"]) for m in self.sent if m["type"] == "websocket.close"]


def start(token: str | None, call_sid: str = CALL, **parameters: str) -> dict[str, Any]:
    """Of the one call of most tests; `parameters` beside its token, where they are not those of the call."""
    stream_sid = "MZ" + call_sid[2:]
    spoken = {"caller": CALLER, "called": CALLED} | parameters
    facts = {
        "accountSid": ACCOUNT,
        "streamSid": stream_sid,
        "callSid": call_sid,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": spoken | ({} if token is None else {"token": token}),
    }
    return {"event": "start", "sequenceNumber": "1", "streamSid": stream_sid, "start": facts}


@pytest.mark.parametrize(
    "signature",
    [None, "", "AAAA", sign(AUTH_TOKEN, "https://calls.example.com/media-stream"), SIGNATURE[:-2] + "x="],
    ids=["missing", "empty", "made up", "of https", "altered"],
)
async def test_an_upgrade_without_its_signature_is_denied(signature: str | None) -> None:
    """403 before anything is accepted or counted; the log has one line."""
    door = Door()
    with structlog.testing.capture_logs() as logs:
        async with door.socket(signature=signature) as socket:
            await socket.task
    assert (socket.status, socket.is_accepted) == (403, False)
    assert len(door.door.sockets) == 0
    assert door.facts == []
    assert [(line["event"], line["log_level"]) for line in logs] == [("upgrade_refused", "warning")]


async def test_where_a_server_knows_no_denial_a_refusal_is_a_close() -> None:
    """The extension is optional: such a server answers 403 by itself."""
    door, sent = Door(), list[str]()

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/media-stream", "headers": [], "query_string": b""}
    await door.door.answer(WebSocket(scope, receive, send))
    assert sent == ["websocket.close"]


async def test_of_too_many_sockets_the_oldest_gives_way() -> None:
    """A signature can be replayed: a flood of sockets is bounded, and keeps no caller out who was offered."""
    door = Door()
    async with contextlib.AsyncExitStack() as flood:
        first, *others = [await flood.enter_async_context(door.socket()) for _ in range(SOCKETS_MAX)]
        assert await until(lambda: len(door.door.sockets) == SOCKETS_MAX)
        door.offered()
        async with door.caller():
            assert await until(lambda: door.places == 1 and not door.desk.admission.reserved(door.now))
        assert first.closed_with == []
        assert len(door.door.sockets) == SOCKETS_MAX
        await flood.enter_async_context(door.socket())
        await first.task
        assert len(first.closed_with) == 1
        assert [socket.closed_with for socket in others] == [[]] * len(others)
    assert len(door.door.sockets) == 0
    strangers = [end for end in door.of(StreamEnded) if not end.is_admitted]
    assert len(strangers) == SOCKETS_MAX + 1
    assert {end.reason for end in strangers} == {EndReason.REJECTED_PROTOCOL}
    assert sum("gave way" in end.detail for end in strangers) == 1


async def test_when_the_state_does_not_answer_its_waiters_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has a token of ours does not give way; so another one more is refused, and not let in."""
    monkeypatch.setattr("callbridge.server.process.desk.CLAIM_S", BOUND_S)
    door = Door()
    door.state.is_stalled = True
    async with contextlib.AsyncExitStack() as flood:
        for number in range(SOCKETS_MAX):
            claim = replace(CLAIM, call_sid=f"CA{number:032}")
            await flood.enter_async_context(door.caller(claim, call_sid=claim.call_sid))
        assert await until(lambda: not door.door.sockets.may_open(0))
        async with door.socket() as refused:
            await refused.task
        assert (refused.status, refused.is_accepted) == (503, False)
        door.state.is_stalled = False
    assert len(door.door.sockets) == 0


async def test_a_good_token_makes_a_call_of_a_socket() -> None:
    """It takes the place that was reserved, is found by its CallSid, and the model is dialled."""
    door = Door()
    door.offered()
    async with door.socket() as socket:
        assert await until(lambda: len(door.door.sockets) == 1)
        assert door.dialer.dialled == []
        socket.say(start(door.token()))
        assert await until(lambda: bool(door.dialer.dialled))
        assert (len(door.door.sockets), door.places) == (0, 1)
        assert door.desk.admission.reserved(door.now) == 0
        assert door.desk.live_calls.find(CALL) is not None
    assert (door.places, len(door.desk.live_calls), len(door.door.sockets)) == (0, 0, 0)
    (started,) = door.of(StreamStarted)
    assert (started.caller, started.called, started.is_continued) == (CALLER, CALLED, False)
    assert await door.kinds() == ["stream_started", "stream_ended"]


@pytest.mark.parametrize("is_over", [False, True])
async def test_a_stream_that_comes_when_the_money_is_spent_has_its_goodbye_before_it(
    *, is_over: bool
) -> None:
    """It was promised before; one that breaks off before its goodbye is not resumed to be ended."""
    door = Door()
    door.offered()
    door.desk.spending.add(door.now, 30_000_000 if is_over else 29_999_999)
    async with door.socket() as socket:
        socket.say(start(door.token()))
        assert await until(lambda: bool(door.dialer.dialled))
        socket.leave()
        await socket.task
    (ended,) = door.of(StreamEnded)
    assert ended.follows == (SayGoodbye() if is_over else Resume())


ANOTHER = replace(CLAIM, call_sid="CA" + "2" * 32)


@pytest.mark.parametrize(
    ("issued_for", "age_s", "parameters", "why"),
    [
        (None, 0, {}, "missing"),
        (ANOTHER, 0, {}, "forged"),
        (replace(CLAIM, account_sid="AC" + "2" * 32), 0, {}, "forged"),
        (CLAIM, 0, {"caller": CALLED}, "forged"),
        (CLAIM, 0, {"called": CALLER}, "forged"),
        (CLAIM, LIFETIME_S, {}, "expired"),
        (CLAIM, -60, {}, "from_the_future"),
    ],
)
async def test_any_other_token_is_refused(
    issued_for: StreamClaim | None, age_s: float, parameters: dict[str, str], why: str
) -> None:
    """No dial, no record, no place; the honest call's reservation stays."""
    door = Door()
    door.offered()
    token = None if issued_for is None else door.desk.tokens.issue(issued_for, door.wall_now - age_s)
    async with door.socket() as socket:
        socket.say(start(token, **parameters))
        await socket.task
    assert socket.closed_with == [(1008, "rejected_auth")]
    (ended,) = door.of(StreamEnded)
    assert ended.detail == f"stream token: {why}"
    assert door.dialer.dialled == []
    assert await door.kinds() == []
    assert (len(door.door.sockets), len(door.desk.live_calls)) == (0, 0)
    assert door.desk.admission.reserved(door.now) == 1


async def test_a_token_is_used_up() -> None:
    """A second socket with the same start is refused while the first one lives."""
    door = Door()
    door.offered()
    hello = start(door.token())
    async with door.socket() as honest:
        honest.say(hello)
        assert await until(lambda: door.places == 1 and bool(door.dialer.dialled))
        async with door.socket() as thief:
            thief.say(hello)
            await thief.task
        assert thief.closed_with == [(1008, "rejected_auth")]
        assert door.of(StreamEnded)[-1].detail == "stream token: used"
        assert door.desk.live_calls.find(CALL) is not None
        assert (door.places, len(door.dialer.dialled)) == (1, 1)


async def test_a_stream_that_has_ended_before_its_token_was_judged_takes_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The verdict comes in the moment in which its socket is closed: nobody would give the place back."""
    door, judged = Door(), asyncio.Event()
    claim = door.state.claim_token

    async def late(digest: bytes, expires_at: float) -> bool:
        await judged.wait()
        return await claim(digest, expires_at)

    async def closed(leg: AsgiLeg, code: int, reason: str) -> None:
        await close(leg, code, reason)
        judged.set()

    close = AsgiLeg.close
    monkeypatch.setattr(AsgiLeg, "close", closed)
    monkeypatch.setattr(door.state, "claim_token", late)
    async with door.caller() as socket:
        socket.leave()
        await socket.task
    assert (door.places, len(door.desk.live_calls), len(door.door.sockets)) == (0, 0, 0)


async def test_a_forged_token_is_not_asked_of_the_state() -> None:
    """The state is for genuine tokens: strangers cannot keep it busy, or wait for it."""
    door = Door()
    door.state.is_stalled = True
    async with door.caller(ANOTHER):
        assert await until(lambda: bool(door.of(StreamEnded)))
        door.state.is_stalled = False
    assert door.of(StreamEnded)[0].detail == "stream token: forged"


async def test_a_call_that_another_process_answered_gets_a_place() -> None:
    """Its webhook is not known here; its token is proof enough."""
    door = Door()
    async with door.caller():
        assert await until(lambda: door.places == 1)
        assert door.desk.admission.reserved(door.now) == 0
    assert door.places == 0


async def test_a_process_that_stops_takes_no_call_of_another() -> None:
    door = Door()
    door.desk.drain.signalled()
    async with door.caller() as socket:
        await socket.task
    (ended,) = door.of(StreamEnded)
    assert ended.detail == "the process is about to stop"
    assert (door.places, len(door.desk.live_calls), len(door.door.sockets)) == (0, 0, 0)


async def test_a_call_that_was_promised_a_stream_gets_it_while_the_process_stops() -> None:
    """Its caller has heard nothing but the ringing yet; a drain waits for it."""
    door = Door()
    door.offered()
    door.desk.drain.begin()
    door.desk.look_around()
    async with door.caller():
        assert await until(lambda: len(door.desk.live_calls) == 1)


async def test_a_call_that_comes_back_before_its_old_stream_is_gone_has_one_place() -> None:
    """The old socket is told, and its end takes nothing from the new one."""
    door = Door()
    door.offered()
    async with door.socket() as new:
        async with door.socket() as old:
            old.say(start(door.token()))
            assert await until(lambda: bool(door.dialer.dialled))
            before = door.desk.live_calls.find(CALL)
            new.say(start(door.token(replace(CLAIM, continues=True))))
            await old.task
        assert [end.reason for end in door.of(StreamEnded)] == [EndReason.MEDIA_LOST]
        assert await until(lambda: len(door.dialer.dialled) == 2)
        assert door.places == 1
        assert door.desk.live_calls.find(CALL) not in {None, before}
    assert (door.places, len(door.desk.live_calls)) == (0, 0)


async def test_a_call_that_fails_gives_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours ends one call: place, list and count of sockets are as before."""

    async def broken(*_: object) -> bool:
        raise RuntimeError("a fault of ours")

    door = Door()
    door.offered()
    monkeypatch.setattr(door.state, "claim_token", broken)
    with structlog.testing.capture_logs() as logs:
        async with door.caller() as socket:
            await socket.task
    assert [end.reason for end in door.of(StreamEnded)] == [EndReason.INTERNAL_ERROR]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["call_broken"]
    assert (len(door.door.sockets), len(door.desk.live_calls)) == (0, 0)
    assert await door.kinds() == []


SAID = TurnEnded(1, "Do you have a table?", "For how many?", 500, interrupted=False)


@pytest.mark.parametrize("continues", [True, False])
async def test_a_continued_call_knows_what_was_said(continues: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the facts of whichever process had it. Only the token says that a call goes on: no record can."""
    admitted: list[StreamAdmitted] = []
    door = Door()
    begin = CallMachine.__init__

    def noted(self: CallMachine, event: StreamAdmitted, *more: Any, **parts: Any) -> None:
        admitted.append(event)
        begin(self, event, *more, **parts)

    monkeypatch.setattr(CallMachine, "__init__", noted)
    door.state.append(CALL, SAID.kind, encode(SAID))
    async with door.caller(replace(CLAIM, continues=continues)):
        assert await until(lambda: bool(door.dialer.dialled))
    assert admitted[0].memory == (TurnSaid(1, "Do you have a table?", "For how many?"),) * continues
    assert [started.is_continued for started in door.of(StreamStarted)] == [continues]


TWO = Roster({"bakery": Agent(), "clinic": Agent(model="gpt-of-the-clinic")}, default="bakery")


@pytest.mark.parametrize(
    ("name", "answers", "model"),
    [("clinic", "clinic", "gpt-of-the-clinic"), ("gone", "bakery", "gpt-realtime-2.1")],
)
async def test_the_call_is_what_the_webhook_has_chosen(name: str, answers: str, model: str) -> None:
    """The agent's name rides in the token, so that every process makes the same plan of it. One whom a deploy
    has taken away is no reason to refuse a stream.
    """
    door = Door(roster=TWO)
    with structlog.testing.capture_logs() as logs:
        async with door.caller(replace(CLAIM, agent=name)):
            assert await until(lambda: door.dialer.dialled == [model])
    assert [started.agent for started in door.of(StreamStarted)] == [answers]
    warned = [line["name"] for line in logs if line["event"] == "agent_not_known"]
    assert warned == [name] * (name != answers)


async def test_the_agent_knows_what_the_webhook_has_learnt() -> None:
    """Whichever process answered it: the facts of the call say so."""
    known: list[Call] = []

    def greeting(call: Call) -> str:
        known.append(call)
        return "Hello."

    door = Door(roster=roster_of(Agent(greeting=greeting, language="de", time_zone="Asia/Tokyo")))
    door.desk.note(CALL, CallDescribed("Anna", "A", (("plan", "gold"),)))
    door.desk.note(CALL, ValuesSet('{"customer": 7}'))
    async with door.caller():
        assert await until(lambda: bool(door.dialer.dialled))
    (call,) = known
    assert (call.sid, call.called, call.agent, call.language) == (CALL, CALLED, "default", "de")
    assert call.caller == Caller(CALLER, CallerKind.PHONE, "Anna", "A")
    assert (call.parameters, call.values) == ({"plan": "gold"}, {"customer": 7})
    assert str(call.local_time.tzinfo) == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("age_s", "reason"),
    [(61, "limit_duration"), (None, "media_lost"), (-7200, "media_lost")],
    ids=["too old", "no record", "clock set back"],
)
async def test_a_call_grows_old_over_all_of_its_streams(age_s: float | None, reason: str) -> None:
    """Who was cut off after 50 minutes of 60 has ten left. Where the file is gone, or the clock was set back,
    nobody is hung up upon for that. Nobody picks up here, so that Twilio has to say it.
    """
    is_old = reason == "limit_duration"
    door = Door(limits=Limits(call_length_max_s=60.0, connect_timeout_s=0.2 if is_old else 8.0))
    if age_s is not None:
        door.state.append(CALL, "stream_started", b"{}")
        door.wall_now += age_s
    async with door.caller(replace(CLAIM, continues=True)) as socket:
        if is_old:
            await socket.task
        assert await until(lambda: bool(door.dialer.dialled))
    assert [end.reason for end in door.of(StreamEnded)] == [EndReason(reason)]


async def test_a_clip_of_another_language_is_not_played_to_an_agents_callers() -> None:
    world = Door({"CALLBRIDGE_LANGUAGE": "de"})
    door = replace(world.door, clip=b"Moment!")
    assert [door.clip_for(callers) for callers in (None, "de-AT")] == [b"Moment!"] * 2
    assert door.clip_for("ja") == clip_of("ja")


async def test_who_is_welcomed_needs_no_signature_and_its_start_the_token_all_the_same() -> None:
    """As the pages of a developer let in a browser: from the door on it is a stream like all others."""
    door = Door()
    socket = Socket(signature=None)
    async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as tasks:
        socket.task = tasks.create_task(door.door.welcome(socket.as_starlette(), "a.protocol"))
        socket.say(start(None))
    assert socket.closed_with == [(1008, "rejected_auth")]
    assert socket.sent[0] == {"type": "websocket.accept", "subprotocol": "a.protocol", "headers": []}


def test_no_caller_hears_silence_because_the_state_does_not_answer() -> None:
    """A call that comes back goes on without its memory. Tokens are judged by this process alone."""

    async def waits() -> tuple[float, list[str]]:
        loop, door = asyncio.get_running_loop(), Door({"CALLBRIDGE_CALLER_MEMORY_DAYS": "30"})
        door.state.is_stalled = True
        hello, began_at = start(door.token(replace(CLAIM, continues=True))), loop.time()
        async with door.socket() as honest, door.socket() as thief:
            honest.say(hello)
            assert await until(lambda: bool(door.dialer.dialled))
            waited_s = loop.time() - began_at
            thief.say(hello)
            await thief.task
            door.state.is_stalled = False
        return waited_s, [end.detail for end in door.of(StreamEnded) if not end.is_admitted]

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(grace_s=0.05)) as runner:
        waited_s, refused = runner.run(waits())
    assert waited_s <= 1.6
    assert refused == ["stream token: used"]
