"""Whole calls in virtual time: both simulators, the relay and the machine, joined by links from a seed.

No sockets, no event loop, no waiting: minutes of call take milliseconds, and a seed gives the same call.
The shell here does what `bridge.Bridge` does, without a loop: it feeds events and performs actions.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from callbridge.bridge.relay import Relay
from callbridge.call import actions as a
from callbridge.call.facts import CallEnded, Fact
from callbridge.call.machine import Call
from callbridge.call.plan import CallPlan
from callbridge.simulators import voice_model
from callbridge.simulators.link import Link
from callbridge.simulators.phone import (
    Abort,
    CallerScript,
    Close,
    PhoneStream,
    Send,
    StreamIdentity,
)
from callbridge.simulators.voice_model import RealtimeSession, Script, SessionSettings
from callbridge.wire import media_streams, realtime_commands
from callbridge.wire.realtime import MULAW
from callbridge.wire.realtime_commands import (
    Audio,
    AudioInput,
    AudioOutput,
    FunctionTool,
    ServerVad,
    Session,
    Transcription,
)

TOOL = FunctionTool("look_up", "Looks something up.", {"type": "object", "properties": {}})
END_CALL = FunctionTool("end_call", "Ends the call.", {"type": "object", "properties": {}})

PLAN = CallPlan(
    "gpt-realtime-2.1",
    Session(
        instructions="You answer the telephone.",
        audio=Audio(
            AudioInput(MULAW, ServerVad(0.5, 300, 500), Transcription("gpt-transcribe"), None),
            AudioOutput(MULAW, "marin"),
        ),
        tools=(TOOL, END_CALL),
        tool_choice="auto",
        output_modalities=("audio",),
    ),
    "Hello.",
)

BEGINS_AT_S = 1000.0


@dataclass(frozen=True)
class Conditions:
    """What the world does to a call."""

    phone_delay_ms: float = 0
    """Each way, between Twilio and the service."""
    phone_jitter_ms: float = 0
    model_delay_ms: float = 5
    model_jitter_ms: float = 0
    dial_s: float = 0.1
    tool_s: float = 0.3


@dataclass
class World:
    """One call. `run` plays it to its end."""

    script: Script
    caller: CallerScript
    seed: int = 0
    conditions: Conditions = field(default_factory=Conditions)
    plan: CallPlan = PLAN
    facts: list[tuple[float, Fact]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        given = self.conditions
        self.now = BEGINS_AT_S
        self.call = Call(self.plan, self.now)
        self.phone = PhoneStream(
            StreamIdentity("AC" + "a" * 32, "CA" + "c" * 32, "MZ" + "f" * 32, (("token", "good"),)),
            self.caller,
        )
        self.model: RealtimeSession | None = None
        self.from_phone: Link[Callable[[], None]] = Link(given.phone_delay_ms, given.phone_jitter_ms, rng)
        self.to_phone: Link[Callable[[], None]] = Link(given.phone_delay_ms, given.phone_jitter_ms, rng)
        self.from_model: Link[Callable[[], None]] = Link(given.model_delay_ms, given.model_jitter_ms, rng)
        self.to_model: Link[Callable[[], None]] = Link(given.model_delay_ms, given.model_jitter_ms, rng)
        self.relay = Relay(self.call, self._send_to_phone)
        self.clears_sent_at: list[float] = []
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._call_wakes_at = self.call.deadline[0] if self.call.deadline else None
        self._call_wakes_at = self.call.deadline[0] if self.call.deadline else None

    @property
    def ended(self) -> CallEnded:
        """The call's last record."""
        (ended,) = [fact for _, fact in self.facts if isinstance(fact, CallEnded)]
        return ended

    def run(self, limit_s: float = 600) -> World:
        """Plays until nothing is left to happen, at most `limit_s` of the call's time."""
        self._do_phone(self.phone.open(self.now))
        while (at := self._next_at()) is not None:
            assert at <= BEGINS_AT_S + limit_s, f"seed {self.seed}: the call does not end"
            self.now = max(self.now, at)
            self._step()
        return self

    # --- Time ---

    def _next_at(self) -> float | None:
        times = [
            self.phone.deadline,
            None if self.model is None else self.model.deadline,
            self._call_wakes_at,
            *(link.deadline for link in (self.from_phone, self.to_phone, self.from_model, self.to_model)),
            self._plans[0][0] if self._plans else None,
        ]
        return min((at for at in times if at is not None), default=None)

    def _step(self) -> None:
        for link in (self.from_phone, self.to_phone, self.from_model, self.to_model):
            for deliver in link.due(self.now):
                deliver()
        while self._plans and self._plans[0][0] <= self.now:
            heapq.heappop(self._plans)[2]()
        if self.phone.deadline is not None and self.phone.deadline <= self.now:
            self._do_phone(self.phone.wake(self.now))
        if self.model is not None and self.model.deadline is not None and self.model.deadline <= self.now:
            self._do_model(self.model.wake(self.now))
        if self._call_wakes_at is not None and self._call_wakes_at <= self.now:
            self._tell(a.DeadlinePassed())

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._plans, (self.now + delay_s, next(self._numbers), work))

    # --- The service ---

    def _tell(self, event: a.Event) -> None:
        for action in self.call.handle(event, self.now):
            self._perform(action)
        self._call_wakes_at = self.call.deadline[0] if self.call.deadline else None

    def _perform(self, action: a.Action) -> None:
        match action:
            case a.SendToPhone(message):
                if isinstance(message, media_streams.Clear):
                    self.clears_sent_at.append(self.now)
                self._send_to_phone(media_streams.encode(message))
            case a.SendToModel(command):
                self._send_to_model(realtime_commands.encode(command))
            case a.OpenUplink():
                self.relay.open_uplink()
            case a.AdmitStream():
                self._later(0, lambda: self._tell(a.StreamAdmitted("+15550100001", "+15550100002")))
            case a.DialModel():
                self._later(self.conditions.dial_s, self._connect)
            case a.RunTool(call_id, name):
                done = a.ToolFinished(call_id, name, '{"ok":true}', 1, ends_call=name == "end_call")
                self._later(self.conditions.tool_s, lambda: self._tell(done))
            case a.CloseLeg(a.Leg.PHONE, code, reason):
                self.to_phone.send(lambda: self.phone.peer_closed(code, reason, self.now), self.now)
            case a.CloseLeg(a.Leg.MODEL, code, reason):
                self.to_model.send(lambda: self._model_left(code, reason), self.now)
            case a.CloseLeg():
                raise AssertionError("there are two legs")
            case a.Record(fact):
                self.facts.append((self.now, fact))
            case _:
                assert_never(action)

    def _connect(self) -> None:
        if self.call.phase.value == "over":
            return
        settings = SessionSettings(seed=self.seed, keep_audio=True)
        self.model = RealtimeSession(self.script, settings)
        self.relay.send_to_model = self._send_to_model
        self._tell(a.ModelConnected())
        self._do_model(self.model.open(self.now))

    # --- The wires ---

    def _send_to_phone(self, frame: bytes) -> None:
        self.to_phone.send(lambda: self._do_phone(self.phone.receive(frame.decode(), self.now)), self.now)

    def _send_to_model(self, frame: bytes) -> None:
        self.to_model.send(lambda: self._model_gets(frame), self.now)

    def _model_gets(self, frame: bytes) -> None:
        assert self.model is not None
        self._do_model(self.model.receive(frame.decode(), self.now))

    def _model_left(self, code: int, reason: str) -> None:
        assert self.model is not None
        self.model.client_gone(f"{code} {reason}", self.now)

    def _do_phone(self, outputs: list[Send | Close | Abort]) -> None:
        for output in outputs:
            match output:
                case Send(text):
                    self.from_phone.send(lambda text=text: self._phone_said(text), self.now)  # type: ignore[misc]
                case Close(code, reason):
                    gone = a.LegGone(a.Leg.PHONE, code, reason)
                    self.from_phone.send(lambda gone=gone: self._tell(gone), self.now)  # type: ignore[misc]
                case Abort():
                    # uvicorn reports a vanished peer as 1005.
                    self.from_phone.send(lambda: self._tell(a.LegGone(a.Leg.PHONE, 1005)), self.now)

    def _phone_said(self, text: str) -> None:
        event = self.relay.from_phone(text)
        if event is not None:
            self._tell(event)

    def _do_model(self, outputs: list[voice_model.Output]) -> None:
        for output in outputs:
            match output:
                case voice_model.Send(text):
                    self.from_model.send(lambda text=text: self._model_said(text), self.now)  # type: ignore[misc]
                case voice_model.SendBinary(data):
                    self.from_model.send(lambda data=data: self._model_said(data), self.now)  # type: ignore[misc]
                case voice_model.Close(code, reason):
                    gone = a.LegGone(a.Leg.MODEL, code, reason)
                    self.from_model.send(lambda gone=gone: self._tell(gone), self.now)  # type: ignore[misc]
                case voice_model.Abort():
                    self.from_model.send(lambda: self._tell(a.LegGone(a.Leg.MODEL, 1006)), self.now)
                case voice_model.Stall():
                    pass

    def _model_said(self, text: str | bytes) -> None:
        event = self.relay.from_model(text, self.now)
        if event is not None:
            self._tell(event)
