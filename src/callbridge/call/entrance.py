"""What stands before there is a call: the start of a stream, its token, its plan, and a time limit.

Nothing of a call exists before its stream was admitted: whose number was dialled decides the agent. Meanwhile
the caller's audio waits in the relay's bounded buffer. `RULES`, at the end of this module, says what may
come. Pure, as everything in this room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.codes import CLOSE_CODES, SERVER_STOPS
from callbridge.call.ear.gate import Gate, Uplink
from callbridge.call.ear.tally import Tally
from callbridge.call.endings import FOLLOWS
from callbridge.call.facts import EndReason, Fact, StreamEnded, warned
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.outbox import Outbox
from callbridge.call.phases import Timer
from callbridge.wire import media_streams as ms

MakeMachine: TypeAlias = Callable[..., CallMachine]
"""Makes the machine of a call, from the arguments of `CallMachine`."""

ONE_WAY: Final = (
    "the stream carries the outbound track, so it was begun with <Start>, which carries no answer back: "
    "use <Connect><Stream>"
)


class Step(StrEnum):
    """How far a stream has come."""

    WAITING = "waiting"
    """The phone's socket is open, no `start` yet."""
    ADMITTING = "admitting"
    """The stream's token is being checked."""
    PASSED = "passed"
    """There is a call: what comes now is for its machine."""
    SHUT = "shut"
    """The stream was turned away, or left."""


class Entrance:
    """The way into one call.

    Args:
        now: monotonic seconds, when the phone's socket was accepted.
        limits: the bounds of what stands before the call; the plan has those of the call itself.
        spread: from 0 to 1, drawn at random by whoever makes it: calls that fail together try again apart.
        machine: makes the call; called as `CallMachine` is.
    """

    def __init__(
        self,
        now: float,
        limits: Limits | None = None,
        spread: float = 0.5,
        machine: MakeMachine = CallMachine,
    ) -> None:
        self.limits = limits or Limits()
        self.step = Step.WAITING
        self.gate = Gate(held_ms_max=self.limits.held_audio_ms_max)
        self.tally = Tally()
        self.call: CallMachine | None = None
        """The call, once the stream was admitted."""
        self.start: ms.StartFacts | None = None
        """What Twilio told of the stream."""
        self._out = Outbox("", "", now)
        self._opened_at = now
        self._spread, self._machine = spread, machine
        self._odd: list[Fact] = []
        """What was odd so far, told once there is a call. A stranger's socket gets one line, its end."""

    def handle(self, event: e.Event, now: float) -> tuple[a.Action, ...]:
        """Takes one event at `now` (monotonic seconds) and answers what to do, in order.

        Once there is a `call`, that is the one to be told.
        """
        assert now >= self._out.now, "time does not run backwards"
        assert self.step is not Step.PASSED, "the call is to be told now"
        self._out.now = now
        if self.step is not Step.SHUT:
            assert type(event) in RULES, f"{type(event).__name__} while {self.step.value} has no rule"
            waiting, admitting = RULES[type(event)]
            rule = waiting if self.step is Step.WAITING else admitting
            if not isinstance(rule, Ignored):
                rule(self, event)
        return self._out.taken()

    @property
    def deadline(self) -> tuple[float, Timer] | None:
        """When to hand in `DeadlinePassed`, and why. None once the stream was turned away."""
        if self.step is Step.SHUT:
            return None
        return self._opened_at + self.limits.start_timeout_s, Timer.START

    def fail(self, detail: str, now: float) -> tuple[a.Action, ...]:
        """Turns the stream away because of our own fault; safe in any state."""
        self._out.now = now
        self._out.drop()
        self.shut(EndReason.INTERNAL_ERROR, detail)
        return self._out.taken()

    def __repr__(self) -> str:
        return f"<Entrance {self.step.value} {self._out.call_sid or '-'}>"

    # --- The way through ---

    def started(self, event: ms.Start) -> None:
        """Twilio's stream begins: its token is to be checked."""
        start = self.start = event.start
        self._out.belongs_to(start.call_sid, start.stream_sid)
        if not start.media_format.is_telephone_mulaw:
            self.shut(EndReason.REJECTED_PROTOCOL, "the stream is not 8 kHz mono µ-law")
            return
        if start.has_outbound:
            self.shut(EndReason.REJECTED_PROTOCOL, ONE_WAY)
            return
        self.step, self.gate.uplink = Step.ADMITTING, Uplink.HELD
        self._out.do(a.AdmitStream(start))

    def started_again(self, event: ms.Start) -> None:
        """A second start: repeated, or for another stream."""
        if (event.start.call_sid, event.start.stream_sid) == (self._out.call_sid, self._out.stream_sid):
            self.tally.starts_repeated += 1
            if self.tally.starts_repeated == 1:
                self._odd.append(warned("start_repeated"))
        else:
            self.shut(EndReason.REJECTED_PROTOCOL, "a second start names another stream")

    def admitted(self, event: e.StreamAdmitted) -> None:
        """The token was good: the call begins, or goes on."""
        self.step = Step.PASSED
        self.call = self._machine(event, gate=self.gate, tally=self.tally, out=self._out, spread=self._spread)
        for fact in self._odd:
            self._out.note(fact)
        self._out.do(a.BeginCall())
        self._out.actions.extend(self.call.begin())

    def refused(self, event: e.StreamRefused) -> None:
        """The token was not good."""
        self.shut(EndReason.REJECTED_AUTH, event.why)

    # --- The way out ---

    def out_of_turn(self, event: ms.Media | ms.MarkEchoed | ms.Dtmf | ms.Stopped) -> None:
        """What may only come after `start` came before it."""
        name = "stop" if isinstance(event, ms.Stopped) else type(event).__name__
        self.shut(EndReason.REJECTED_PROTOCOL, f"{name} before start")

    def stopped(self, event: ms.Stopped) -> None:
        """The caller is gone."""
        self.shut(EndReason.CALLER_HANGUP, "")

    def unknown_message(self, event: ms.UnknownMessage) -> None:
        """A message that we do not know. It changes nothing."""
        self.tally.unknown_events += 1
        if self.tally.unknown_events == 1:
            self._odd.append(warned("unknown_event", type=event.event[:80]))

    def leg_gone(self, event: e.LegGone) -> None:
        """The phone's socket is gone."""
        detail = f"{event.leg.value} leg closed with {event.code} {event.reason}".rstrip()
        is_ours = event.code == SERVER_STOPS
        self.shut(EndReason.SERVICE_STOPPED if is_ours else EndReason.REJECTED_PROTOCOL, detail)

    def leg_stalled(self, event: e.LegStalled) -> None:
        """The phone does not read any more."""
        self.shut(EndReason.MEDIA_LOST, f"{event.leg.value} leg stalled: {event.why}")

    def bad_message(self, event: e.BadMessage) -> None:
        """The phone sent what nobody can read."""
        bad = self.tally.bad_from_phone
        if bad.is_first:
            self._odd.append(warned("bad_message", leg=event.leg.value, why=event.why))
        if bad.add(self._out.now, self.limits) or event.is_fatal:
            self.shut(EndReason.REJECTED_PROTOCOL, f"{event.leg.value} leg sent {bad.in_words(event)}")

    def shut_down(self, event: e.ShutdownRequested | e.HandOverRequested) -> None:
        """The process stops."""
        self.shut(EndReason.SERVICE_STOPPED, "")

    def hand_over(self, event: e.HandOverRequested) -> None:
        """The process will stop: the next one is asked for another stream."""
        self.shut(EndReason.HANDED_OVER, "")

    def too_late(self, event: e.DeadlinePassed) -> None:
        """The time for all of it is over, if it was that which woke us."""
        if self._out.now >= self._opened_at + self.limits.start_timeout_s:
            self.shut(EndReason.REJECTED_PROTOCOL, "no start in time")

    def shut(self, reason: EndReason, detail: str) -> None:
        """Closes the phone leg: the stream becomes no call. Only the first end counts."""
        if self.step is Step.SHUT:
            return
        self.step, self.gate.uplink = Step.SHUT, Uplink.SHUT
        self._out.do(a.CloseLeg(e.Leg.PHONE, CLOSE_CODES.get(reason, 1000), reason.value))
        self._out.note(
            StreamEnded(
                reason,
                detail,
                FOLLOWS[reason],
                duration_ms=round((self._out.now - self._opened_at) * 1000),
                frames_from_phone=self.tally.frames_from_phone,
                frames_dropped=self.tally.frames_dropped,
            )
        )


# --- The table ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that changes nothing, with the reason."""

    why: str


_Rule: TypeAlias = Callable[[Entrance, Any], None]

_SAID_BEFORE = Ignored("said before, and nothing depends on it")
_PASSES_BY = Ignored("the relay keeps it until there is somebody who could hear it")
_NOBODY_YET = Ignored("there is nobody yet who could be told")
_ANSWERED = Ignored("answers a question that was not asked yet")
_TOLD_THEN = Ignored("said again with the admission, by whoever admits the stream")

RULES: Final[Mapping[type, tuple[_Rule | Ignored, _Rule | Ignored]]] = {
    ms.Connected: (_SAID_BEFORE, _SAID_BEFORE),
    ms.Start: (Entrance.started, Entrance.started_again),
    ms.Media: (Entrance.out_of_turn, _PASSES_BY),
    ms.MarkEchoed: (Entrance.out_of_turn, _NOBODY_YET),
    ms.Dtmf: (Entrance.out_of_turn, _NOBODY_YET),
    ms.Stopped: (Entrance.out_of_turn, Entrance.stopped),
    ms.UnknownMessage: (Entrance.unknown_message, Entrance.unknown_message),
    e.StreamAdmitted: (_ANSWERED, Entrance.admitted),
    e.StreamRefused: (_ANSWERED, Entrance.refused),
    e.LegGone: (Entrance.leg_gone, Entrance.leg_gone),
    e.LegStalled: (Entrance.leg_stalled, Entrance.leg_stalled),
    e.BadMessage: (Entrance.bad_message, Entrance.bad_message),
    e.ShutdownRequested: (Entrance.shut_down, Entrance.shut_down),
    e.HandOverRequested: (Entrance.shut_down, Entrance.hand_over),
    e.SpendRanOver: (_TOLD_THEN, _TOLD_THEN),
    e.EndAsked: (_NOBODY_YET, _NOBODY_YET),
    e.TransferTold: (_NOBODY_YET, _NOBODY_YET),
    e.DeadlinePassed: (Entrance.too_late, Entrance.too_late),
}
"""What may come before there is a call, while the start is waited for and while the token is checked."""
