"""Whole calls in virtual time: both simulators, the relay and the machine, joined by links from a seed.

No sockets, no event loop, no waiting: minutes of call take milliseconds, and a seed gives the same call.
A `World` is all around the streams of a call: Twilio, which asks what follows a stream; the process, which
may be killed; the store, which stays; the model, which may refuse a dial.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import HTTP, Fact, StreamAsked, StreamEnded, encode
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.plan import CallPlan
from callbridge.call.wishes import HangUp
from callbridge.server.process.reporting import Journal
from callbridge.simulators import voice_model
from callbridge.simulators.phone import Caller, PhoneStream
from callbridge.simulators.voice_model.handshake import fault_refusal
from callbridge.switchboard.continuation import Continuation, decide, read_history
from callbridge.wire import realtime_commands as commands
from callbridge.wire.realtime_events import MULAW
from streams import SAME_S, Line, Mishap, Stream, Wire

if TYPE_CHECKING:
    from callbridge.call.entrance import MakeMachine
    from callbridge.server.process.desk import Desk

TOOL = commands.FunctionTool("look_up", "Looks something up.", {"type": "object", "properties": {}})
END_CALL = commands.FunctionTool("end_call", "Ends the call.", {"type": "object", "properties": {}})

PLAN = CallPlan(
    "gpt-realtime-2.1",
    commands.Session(
        instructions="You answer the telephone.",
        audio=commands.Audio(
            commands.AudioInput(
                MULAW, commands.ServerVad(0.5, 300, 500), commands.Transcription("gpt-transcribe"), None
            ),
            commands.AudioOutput(MULAW, "marin"),
        ),
        tools=(TOOL, END_CALL),
        tool_choice="auto",
        output_modalities=("audio",),
    ),
    "Hello.",
)

BEGINS_AT_S = 1000.0

OPEN_TIMEOUT_S = 5.0
"""A dial that hangs is given up then (`ModelDialer.open_timeout_s`)."""

PARKED_S = 10.0
"""A session waits so long for its call to come back (`bridge.waiting.WAITS_S`)."""


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
    tool_fails: bool = False
    webhook_s: float = 0.2
    """From the end of a stream to Twilio's question what follows."""
    connect_s: float = 0.3
    """From the answer to the next stream."""
    session_s: float = 3600.0
    """How long the model lets a session last."""
    loses_last_entry: bool = False
    """Whether a crash comes before the last entry of the store is on disk."""
    mishaps: tuple[Mishap, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One event of the call in the store."""

    sequence: int
    at: float
    kind: str
    body: bytes


class Timed(Protocol):
    """Whatever wants to be woken at some time."""

    @property
    def deadline(self) -> float | None:
        """When; nothing as long as only a message makes a difference."""


class World:
    """One call. `run` plays it to its end.

    Args:
        script: what the model does, over all of its sessions.
        caller: what the caller does, over all streams.
        seed: of the links and the sessions.
        conditions: what the world does to the call.
        plan: of the call.
        limits: of the call.
        clip: what the caller hears while nothing else is to be heard.
        keeps_audio: whether the caller's audio is kept for a comparison.
        traces: whether everything that happens is written down.
    """

    phone_class = PhoneStream

    def __init__(
        self,
        script: voice_model.Script,
        caller: Caller,
        seed: int = 0,
        conditions: Conditions | None = None,
        *,
        plan: CallPlan = PLAN,
        limits: Limits | None = None,
        clip: bytes = b"",
        keeps_audio: bool = True,
        traces: bool = False,
    ) -> None:
        self.script, self.caller, self.seed, self.plan = script, caller, seed, plan
        self.conditions = conditions or Conditions()
        self.limits, self.clip, self.keeps_audio = limits or Limits(), clip, keeps_audio
        self.now = BEGINS_AT_S
        self.machine: MakeMachine = CallMachine
        """Makes the call of each stream; may be another one before the call is played."""
        self.trace: list[str] | None = [] if traces else None
        self.streams: list[Stream] = []
        self.wires: list[Wire] = []
        """All sessions that there ever were, in the order of their dials."""
        self.tools_run: list[tuple[str, str]] = []
        """Name and `call_id` of every tool that was begun."""
        self.outcome: Continuation | None = None
        """What Twilio was told in the end; nothing as long as the call goes on."""
        self.breaks_at: list[float] = []
        """When a stream broke off, whoever was to blame."""
        self._rng = random.Random(f"links {seed}")
        self._outages = voice_model.Outages(script.connect)
        self._prompter = voice_model.Prompter(script)
        self._numbers = itertools.count(1)
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._parked: tuple[Wire, str, float | None] | None = None
        self._rows: list[StoredRow] = []
        state = SimpleNamespace(append=self._keep)
        self._journal = Journal(cast("Desk", SimpleNamespace(state=state)))
        self._timed: list[tuple[Timed, Callable[[float], None]]] = []
        self._open_stream(is_continued=False)
        for mishap in self.conditions.mishaps:
            self.later(mishap.at_s, lambda mishap=mishap: self._befall(mishap))  # type: ignore[misc]

    @property
    def clips(self) -> tuple[bytes, ...]:
        """The sounds of ours that are not the model's."""
        return (self.clip,) if self.clip else ()

    @property
    def phone(self) -> PhoneStream:
        """Twilio's end of the latest stream."""
        return self.streams[-1].phone

    @property
    def facts(self) -> list[tuple[float, Fact]]:
        """The records of all streams."""
        return [fact for stream in self.streams for fact in stream.facts]

    @property
    def ended(self) -> StreamEnded:
        """The last record of the latest stream."""
        ((_, ended),) = self.streams[-1].ended
        return ended

    @property
    def script_in_words(self) -> str:
        """What the model is to do, without the audio."""
        answers = [
            msgspec.structs.replace(
                answer, say=tuple(msgspec.structs.replace(said, audio=b"") for said in answer.speeches)
            )
            for answer in self.script.answers
        ]
        faults = f"{self.script.connect} {self.script.faults}"
        return "\n".join([faults, *map(repr, answers)])

    def run(self, limit_s: float = 600) -> World:
        """Plays until nothing is left to happen, at most `limit_s` of the call's time."""
        self.begin()
        until = BEGINS_AT_S + limit_s
        while (at := self.next_at()) < math.inf:
            assert at <= until, f"seed {self.seed}: the call does not end"
            self.go_on(at)
        return self

    def make_machine(self, *of: object, **parts: object) -> CallMachine:
        """The call of a stream, as late as that is known: see `machine`."""
        return self.machine(*of, **parts)

    def begin(self) -> None:
        """The call's first stream is opened. For whoever plays several calls together, as `run` does one."""
        self.streams[0].open()

    def go_on(self, at: float) -> None:
        """Does all that is due at that time."""
        if at > self.now:
            self.now = at + SAME_S
        self._step()

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        """Does something after a while."""
        heapq.heappush(self._plans, (self.now + delay_s, next(self._numbers), work))

    def next_at(self) -> float:
        """When something happens next. Written out, as the step below: asked twice per frame of audio."""
        at = self._plans[0][0] if self._plans else math.inf
        for holder, _ in self._timed:
            if (due := holder.deadline) is not None and due < at:
                at = due
        return at

    def _step(self) -> None:
        now = self.now
        while self._plans and self._plans[0][0] <= now:
            heapq.heappop(self._plans)[2]()
        for holder, act in self._timed:
            if (due := holder.deadline) is not None and due <= now:
                act(now)

    def _time_all(self) -> None:
        """Lists all that has a deadline: first who may say something by himself, then what is under way."""
        arriving = [line for stream in self.streams for line in (stream.from_phone, stream.to_phone)]
        arriving += [line for wire in self.wires for line in (wire.down, wire.up)]
        self._timed = [
            *((stream.phone, stream.wake_phone) for stream in self.streams),
            *((wire.session, wire.wake) for wire in self.wires),
            *((line, partial(_deliver, line)) for line in arriving),
            *((stream, stream.wake) for stream in self.streams),
        ]

    def _open_stream(self, *, is_continued: bool) -> None:
        self.streams.append(Stream(self, len(self.streams) + 1, self._rng, is_continued=is_continued))
        self._time_all()

    def phone_ended(self, stream: Stream) -> None:
        """A stream is over: Twilio asks what follows."""
        self._note(f"phone  stream {stream.number} ended: {stream.phone.end}")
        self.breaks_at.append(self.now)
        self.later(self.conditions.webhook_s, lambda: self._what_follows(stream))

    def _what_follows(self, stream: Stream) -> None:
        # Whatever its socket says, Twilio has given the stream up (`Bridge.phone_replaced`).
        stream.tell(e.LegGone(e.Leg.PHONE, 1006, "Twilio asked what follows"))
        assert stream.phone.end is not None
        history = read_history(self._rows)
        self.outcome = decide(
            call_status="completed" if stream.phone.end.by_whom == "caller" else "in-progress",
            follows=history.follows,
            continued_at=history.continued_at,
            now=self.now,
            can_continue=True,
        )
        self._note(f"twilio {self.outcome.value} after {history.ended and history.ended.value}")
        if self.outcome is Continuation.RESUME:
            asked = StreamAsked(self.outcome.value, history.ended, call_sid="", source=HTTP)
            self._keep("", asked.kind, encode(asked))
            self.later(self.conditions.connect_s, self._resume)
        else:
            self._discard_parked()

    def _resume(self) -> None:
        self._open_stream(is_continued=True)
        self.streams[-1].open()

    def _befall(self, mishap: Mishap) -> None:
        """Whatever stream there is by then; none when the call is over or between two."""
        if self.phone.is_open:
            self._note(f"!      {mishap.kind} {mishap.seconds or ''}".rstrip())
            self.streams[-1].suffer(mishap)

    def crash(self, stream: Stream) -> None:
        """The process is killed."""
        self._discard_parked()
        stream.kill()
        if (
            self.conditions.loses_last_entry
            and self._rows
            and self._rows[-1].kind in {"turn_ended", "remembered"}
        ):
            self._rows.pop()

    def _keep(self, _call_sid: str, kind: str, body: bytes) -> None:
        self._rows.append(StoredRow(len(self._rows) + 1, self.now, kind, body))

    def journal(self, fact: Fact) -> None:
        """Writes down what another process would need."""
        self._journal(fact)

    def admission(self, stream: Stream) -> e.StreamAdmitted:
        """What the media door finds out about a stream."""
        numbers = "+15550100001", "+15550100002"
        plan = replace(self.plan, limits=self.limits)
        if not stream.is_continued:
            return e.StreamAdmitted(plan, *numbers)
        remembered = read_history(self._rows).remembered
        age_s = self.now - self._rows[0].at
        return e.StreamAdmitted(plan, *numbers, is_continued=True, memory=remembered, age_s=age_s)

    def run_tool(self, stream: Stream, tool: a.RunTool) -> None:
        """Runs a tool beside the call. It ends with its stream."""
        self.tools_run.append((tool.name, tool.call_id))
        took_s = min(self.conditions.tool_s, tool.timeout_s)
        is_well = took_s < tool.timeout_s and not self.conditions.tool_fails
        output = '{"ok":true}' if is_well else '{"error":"the tool failed"}'
        ends_call = tool.name == "end_call"
        wish = HangUp() if ends_call else None
        done = e.ToolFinished(tool.call_id, tool.name, output, round(took_s * 1000), wish)
        self.later(0.001 if ends_call else took_s, lambda: stream.tell(done))

    def dial(self, stream: Stream, model: str, leg: e.Leg) -> int:
        """Begins a dial; answers its number."""
        number = next(self._numbers)
        if leg is e.Leg.MODEL and self._parked is not None and self._parked[1] == model:
            (wire, _, renew_at), self._parked = self._parked, None
            warm = e.ModelConnected(leg, is_warm=True, renew_at=renew_at)
            self.later(0, lambda: stream.connected(number, warm, model, wire))
            return number
        connection = len(self.wires) + 1 + self._refused
        fault = self._outages.meet(connection, self.now)
        if fault is None or fault.kind not in {"refuse", "hang"}:
            wire = Wire(self, connection, self._session(connection, model, fault), self._rng)
            self.wires.append(wire)
            self._time_all()
            self.later(self.conditions.dial_s, lambda: self._answered(stream, number, leg, model, wire))
            return number
        self._refused += 1
        failed, after_s = self._failure(fault, leg)
        self.later(after_s, lambda: stream.not_connected(number, failed))
        return number

    _refused = 0
    """Connections that never became a session."""

    def _failure(self, fault: voice_model.ConnectFault, leg: e.Leg) -> tuple[e.ModelDialFailed, float]:
        if fault.kind == "hang":
            return e.ModelDialFailed(f"no answer in {OPEN_TIMEOUT_S:g} s", leg=leg), OPEN_TIMEOUT_S
        found = fault_refusal(fault)
        failed = e.ModelDialFailed(found.message, found.status, found.code, found.retry_after_s, leg)
        return failed, self.conditions.dial_s

    def _session(
        self, connection: int, model: str, fault: voice_model.ConnectFault | None
    ) -> voice_model.RealtimeSession:
        met = (
            ()
            if fault is None
            else (msgspec.structs.replace(fault, nth=None, first=1, last=None, until_s=None),)
        )
        settings = voice_model.SessionSettings(
            model=model,
            seed=self.seed,
            connection=connection,
            max_duration_s=self.conditions.session_s,
            keep_audio=self.keeps_audio,
        )
        return voice_model.RealtimeSession(
            msgspec.structs.replace(self.script, connect=met), settings, self._prompter
        )

    def _answered(self, stream: Stream, number: int, leg: e.Leg, model: str, wire: Wire) -> None:
        # The simulated sessions count from the beginning of their own: so does this wall clock.
        stream.connected(number, e.ModelConnected(leg, unix_s=0.0), model, wire)
        if wire.stream is not None:
            wire.open()

    def nobody_wants(self, wire: Wire) -> None:
        """A session has come for a call that has given it up."""
        wire.close()

    def park(self, wire: Wire, model: str, renew_at: float | None) -> None:
        """A session waits for its call to come back."""
        self._discard_parked()
        wire.stream, wire.parked = None, []
        parked = self._parked = wire, model, renew_at
        self.later(PARKED_S, lambda: self._discard_parked() if self._parked is parked else None)

    def _discard_parked(self) -> None:
        if self._parked is not None:
            wire, self._parked = self._parked[0], None
            wire.parked = None
            wire.close()

    def trace_event(self, stream: Stream, event: e.Event) -> None:
        """Writes down what a machine was told."""
        self._note(f"{stream.number} <  {_short(event)}  [{stream.decider!r}]")

    def trace_action(self, stream: Stream, action: a.Action) -> None:
        """Writes down what a machine asked for."""
        self._note(f"{stream.number}  > {_short(action)}")

    def _note(self, line: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now - BEGINS_AT_S:9.3f}  {line}")


def _deliver(line: Line, now: float) -> None:
    """Hands over what has arrived at the end of a line."""
    for deliver, what in line.due(now):
        deliver(what)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]} …"
