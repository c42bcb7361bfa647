"""A call between two legs in memory: a real bridge, whose peers are the test."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bell import Bell
from callbridge.agents.agent import Agent
from callbridge.agents.in_call import AgentInCall
from callbridge.bridge.bridge import Bridge
from callbridge.bridge.legs.leg import DialError, LegEnd, Read
from callbridge.bridge.waiting import WaitingRoom
from callbridge.call import events as e
from callbridge.call.actions import Action, BeginCall
from callbridge.call.entrance import Entrance
from callbridge.call.facts import Fact, StreamEnded
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.plan import CallPlan
from callbridge.wire.media_streams import StartFacts
from callbridge.wire.realtime_commands import Audio, AudioInput, AudioOutput, ServerVad, Session
from callbridge.wire.realtime_events import MULAW
from tool_runs import in_call

BOUND_S = 60.0
"""Nothing here takes so long unless it hangs, however busy the machine is."""

_news = Bell()
"""Rings whenever a peer here or the machine of a call was told something."""

until = _news.until
"""Waits, within the bound of `calling` and its like, until something holds of a call or of its peers."""


async def steps(count: int) -> None:
    """Chooses a moment in a call between memory legs, for tests that try one after the other. No waiting."""
    for _ in range(count):
        await asyncio.sleep(0)


PLAN = CallPlan(
    "gpt-realtime-2.1",
    Session(
        "Be brief.",
        Audio(AudioInput(MULAW, ServerVad(0.5, 300, 500), None, None), AudioOutput(MULAW, "marin")),
        (),
        "auto",
        ("audio",),
    ),
    greeting="Hello!",
    is_greeting_interruptible=True,
)


class MemoryLeg:
    """A leg whose peer is the test."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed: list[tuple[int, str]] = []
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.readers = 0
        self.is_ignored = False
        self._said: Read | None = None
        self._incoming = asyncio.Queue[str | LegEnd | Exception]()
        self._heard = 0

    # The bridge's side.

    def send(self, frame: bytes) -> None:
        assert not self.closed, "nothing is sent on a closed leg"
        self.sent.append(json.loads(frame))
        _news.ring()

    async def read(self, said: Read) -> LegEnd:
        self._said = said
        with self._read_by_one():
            try:
                while True:
                    message = await self._incoming.get()
                    try:
                        if isinstance(message, Exception):
                            raise message
                        if not isinstance(message, str):
                            return message
                        if not self.is_ignored:
                            said(message)
                    finally:
                        self._incoming.task_done()
            finally:
                if self._said is said:
                    self._said = None

    def ignore(self) -> None:
        self.is_ignored = True

    def cut(self, code: int, reason: str = "") -> None:
        self.end(e.LegGone(e.Leg.PHONE, code, reason))

    async def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))
        _news.ring()
        await self.may_close.wait()
        self.end(e.LegGone(e.Leg.MODEL, code, reason))

    @contextmanager
    def _read_by_one(self) -> Iterator[None]:
        self.readers += 1
        _news.ring()
        try:
            yield
        finally:
            self.readers -= 1
            _news.ring()

    # The test's side.

    def say(self, *messages: dict[str, Any] | str) -> None:
        """The peer sends messages."""
        for message in messages:
            self._incoming.put_nowait(message if isinstance(message, str) else json.dumps(message))

    async def says(self, *messages: dict[str, Any] | str) -> None:
        """The peer sends messages, and the call has taken them."""
        self.say(*messages)
        await self._incoming.join()

    def say_at_once(self, *messages: dict[str, Any]) -> None:
        """The peer's messages come in one packet: they are handed over in the callback that read it."""
        try:
            for message in messages:
                if self._said is not None and not self.is_ignored:
                    self._said(json.dumps(message))
        except Exception as broken:  # noqa: BLE001  # As a real leg does: its reader raises it.
            self._said = None
            self._incoming.put_nowait(broken)

    def end(self, event: LegEnd) -> None:
        """The peer is gone, or as good as."""
        self._incoming.put_nowait(event)

    async def ends(self, event: LegEnd) -> None:
        """The peer is gone, and the call knows."""
        self.end(event)
        await self._incoming.join()

    async def hears(self, kind: str) -> dict[str, Any]:
        """The next message of this kind (`event` or `type`) that the peer gets."""
        while True:
            await until(lambda: len(self.sent) > self._heard)
            message = self.sent[self._heard]
            self._heard += 1
            if _kind(message) == kind:
                return message

    def kinds(self) -> list[str]:
        """All that the peer got, by kind."""
        return [_kind(message) for message in self.sent]


def _kind(message: dict[str, Any]) -> str:
    return str(message.get("event", message.get("type")))


class MemoryDialer:
    """Opens memory legs at once, later, or never: `answers` in their order, then new ones."""

    def __init__(self, *answers: MemoryLeg | Exception) -> None:
        self.answers = list(answers)
        self.models: list[str] = []
        """What was dialled."""
        self.opened: list[MemoryLeg] = []
        self.picks_up = asyncio.Event()
        self.picks_up.set()
        self.was_cancelled = False

    async def rings(self, times: int = 1) -> None:
        """So many dials have begun."""
        await until(lambda: len(self.models) >= times)

    async def dial(self, model: str) -> MemoryLeg:
        self.models.append(model)
        _news.ring()
        try:
            await self.picks_up.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            _news.ring()
            raise
        answer = self.answers.pop(0) if self.answers else MemoryLeg()
        if isinstance(answer, Exception):
            raise answer
        self.opened.append(answer)
        _news.ring()
        return answer


CALLER = e.StreamAdmitted(PLAN, "+15550100", "+15550111")


async def admitted(start: StartFacts) -> e.StreamAdmitted:
    """Every stream with the right token."""
    assert start.custom_parameters == {"token": "t"}
    return CALLER


async def refused(start: StartFacts) -> e.StreamRefused:
    return e.StreamRefused("stream token: unknown")


@dataclass
class Rig:
    """A bridge that runs, and what can be seen of it from outside."""

    phone: MemoryLeg
    model: MemoryLeg
    """The first one that is dialled."""
    dialer: MemoryDialer
    bridge: Bridge
    facts: list[Fact]
    running: asyncio.Task[None]
    broken_by: list[type]
    """Events at which the machine fails its own assertion."""

    @property
    def ended(self) -> StreamEnded:
        """The one record of the end."""
        (ended,) = [fact for fact in self.facts if isinstance(fact, StreamEnded)]
        return ended

    async def goes_live(self) -> None:
        """The call comes as far as the asked-for greeting."""
        self.phone.say(CONNECTED, START)
        await self.dialer.rings()
        self.model.say(session("session.created", "audio/pcm"))
        await self.model.hears("session.update")
        self.model.say(session("session.updated", "audio/pcmu"))
        await self.model.hears("response.create")

    async def speaks(self, audio: bytes, response: str = "resp_1", item: str = "item_1") -> None:
        """The agent says something, and the phone has it."""
        self.model.say(*answer_begins(response, item), audio_delta(audio, response, item))
        await self.phone.hears("media")

    async def is_quiet(self) -> None:
        """The greeting was said and heard; nobody speaks."""
        await self.speaks(b"\xff" * 1600)
        self.model.say(answer_done())
        self.phone.say(echo(await self.phone.hears("mark")))

    async def hangs_up(self) -> None:
        """The caller ends the call, and it does end."""
        self.phone.say(STOP)
        await self.running


Observe = Callable[[Fact], None]
Admit = Callable[[StartFacts], Awaitable[e.StreamAdmitted | e.StreamRefused]]


async def nothing_to_keep() -> bool:
    """Nothing is written down."""
    return True


def nothing_to_free() -> None:
    """Calls are not counted."""


@asynccontextmanager
async def calling(
    agent: Agent | None = None,
    *,
    limits: Limits | None = None,
    admit: Admit = admitted,
    dial_error: e.ModelDialFailed | None = None,
    observe: Observe | None = None,
    dialer: MemoryDialer | None = None,
    waiting: WaitingRoom | None = None,
    kept: Callable[[], Awaitable[bool]] = nothing_to_keep,
    free: Callable[[], None] = nothing_to_free,
    clip: bytes = b"",
    plan: CallPlan = PLAN,
) -> AsyncIterator[Rig]:
    """A call whose phone leg is open and has said nothing."""
    async with asyncio.timeout(BOUND_S):
        phone, model = MemoryLeg(), MemoryLeg()
        if dialer is None:
            dialer = MemoryDialer(DialError(dial_error) if dial_error else model)
        seen: list[Fact] = []

        def note(fact: Fact) -> None:
            seen.append(fact)
            _news.ring()
            if observe is not None:
                observe(fact)

        async def admitting(start: StartFacts) -> tuple[e.StreamAdmitted, AgentInCall] | e.StreamRefused:
            found = await admit(start)
            if isinstance(found, e.StreamRefused):
                return found
            who = agent or Agent()
            bounded = replace(
                plan,
                limits=limits or Limits(),
                menu_keys=frozenset(who.keys),
                person_key=who.person_key,
                reads_keys=bool(who.abilities),
            )
            called = in_call(who)
            await called.prepare(plan.session.instructions, plan.greeting)
            return replace(found, plan=bounded), called

        bridge = Bridge(
            phone,
            dialer=dialer,
            admit=admitting,
            observe=note,
            limits=limits,
            clip=clip,
            waiting=waiting,
            kept=kept,
            free=free,
            spread=0.0,
        )
        broken_by: list[type] = []
        assert isinstance(bridge.decider, Entrance)
        _ring_at_every_event(bridge.decider, broken_by)
        running = asyncio.get_running_loop().create_task(bridge.run(), name="the call")
        try:
            yield Rig(phone, model, dialer, bridge, seen, running, broken_by)
        finally:
            running.cancel()
            await asyncio.wait([running])


def _ring_at_every_event(decider: Entrance | CallMachine, broken_by: list[type]) -> None:
    """Who waits is woken when all actions of an event were performed."""
    handle = decider.handle

    def ringing(event: e.Event, now: float) -> tuple[Action, ...]:
        _news.ring()
        assert not isinstance(event, tuple(broken_by)), "an invariant of ours"
        actions = handle(event, now)
        if BeginCall() in actions:
            assert isinstance(decider, Entrance)
            assert decider.call is not None
            _ring_at_every_event(decider.call, broken_by)
        return actions

    decider.handle = ringing  # type: ignore[method-assign]


CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
START = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "accountSid": "AC1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": "t"},
    },
}


def key(digit: str) -> dict[str, Any]:
    """The caller presses a key."""
    return {"event": "dtmf", "streamSid": "MZ1", "dtmf": {"track": "inbound_track", "digit": digit}}


STOP = {"event": "stop", "streamSid": "MZ1", "stop": {}}


def encoded(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def media(audio: bytes = b"\xff" * 160) -> dict[str, Any]:
    return {"event": "media", "streamSid": "MZ1", "media": {"payload": encoded(audio), "timestamp": "20"}}


def echo(mark: dict[str, Any]) -> dict[str, Any]:
    """The phone has played all before this mark."""
    return {"event": "mark", "streamSid": "MZ1", "mark": {"name": mark["mark"]["name"]}}


def session(event_type: str, audio_format: str) -> dict[str, Any]:
    audio = {"format": {"type": audio_format}}
    return {"type": event_type, "session": {"type": "realtime", "audio": {"input": audio, "output": audio}}}


def answer_begins(response: str, item: str) -> list[dict[str, Any]]:
    return [
        {"type": "response.created", "response": {"id": response, "status": "in_progress"}},
        {
            "type": "response.output_item.added",
            "response_id": response,
            "item": {"id": item, "type": "message", "role": "assistant"},
        },
    ]


def audio_delta(audio: bytes, response: str = "resp_1", item: str = "item_1") -> dict[str, Any]:
    return {
        "type": "response.output_audio.delta",
        "response_id": response,
        "item_id": item,
        "delta": encoded(audio),
    }


def answer_done(response: str = "resp_1", status: str = "completed") -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": response, "status": status}}


def tool_call(
    name: str, call_id: str = "call_1", response: str = "resp_1", arguments: str = "{}"
) -> dict[str, Any]:
    item = {"id": "fc_1", "type": "function_call", "status": "completed", "name": name, "call_id": call_id}
    return {
        "type": "response.output_item.done",
        "response_id": response,
        "item": {**item, "arguments": arguments},
    }


SPEECH_STARTED = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "in_1"}
SPEECH_STOPPED = {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 0, "item_id": "in_1"}


def append(audio: bytes) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": encoded(audio)}


def break_on(rig: Rig, kind: type) -> None:
    """Makes the machine fail its own assertion at the next event of this kind."""
    rig.broken_by.append(kind)
