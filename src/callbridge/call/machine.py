"""One call as a machine: `handle(event, now)` answers what to do, `deadline` says when to wake it.

The way in, and the table: `RULES` at the end of this module states for every stage and every event what
becomes of it. What the rules do stands in `stages`. Audio does not pass here at all: it obeys the `gate` and
fills the `playout` ledger. Nothing here may await, read a clock, log, draw a random number or know a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callbridge.call import actions as a
from callbridge.call.facts import EndReason
from callbridge.call.phases import Phase, Timer
from callbridge.call.sessions import Sessions
from callbridge.call.stages import Stages
from callbridge.call.turns import Turns
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime as rt

if TYPE_CHECKING:
    from callbridge.call.limits import Limits
    from callbridge.call.plan import CallPlan


class Call:
    """One call. All actions of one event are to be performed before the next event is handed in.

    Args:
        plan: what the call is to be.
        now: monotonic seconds, when its socket was accepted.
        limits: the bounds; the ordinary ones by default.
        spread: from 0 to 1, drawn at random by whoever makes it: calls that fail together try again apart.
    """

    def __init__(self, plan: CallPlan, now: float, limits: Limits | None = None, spread: float = 0.5) -> None:
        self._stages = stages = Stages(plan, now, limits, spread)
        self.limits = stages.limits
        self.gate, self.tally, self.playout = stages.gate, stages.tally, stages.playout
        self.memory, self.turns = stages.memory, stages.turns

    # --- The way in ---

    def handle(self, event: a.Event, now: float) -> tuple[a.Action, ...]:
        """Takes one event at `now` (monotonic seconds) and answers what to do, in order."""
        stages = self._stages
        assert now >= stages.now, "time does not run backwards"
        stages.now = now
        rule = RULES[stages.phase].get(type(event), _no_rule)
        rule(stages, event, now)
        if isinstance(event, _FROM_MODEL):
            self.turns.model_is_alive(now)
        stages.settle(now)
        return self._taken()

    @property
    def deadline(self) -> tuple[float, Timer] | None:
        """When to hand in `DeadlinePassed`, and why. Nothing once the call is over."""
        due = self._stages.due()
        if not due:
            return None
        why = min(due, key=due.__getitem__)
        return due[why], why

    def fail(self, detail: str, now: float) -> tuple[a.Action, ...]:
        """Ends the call because of our own fault; safe in any state."""
        self._stages.now = now
        self._stages.actions.clear()
        self._stages.end(EndReason.INTERNAL_ERROR, detail)
        return self._taken()

    def _taken(self) -> tuple[a.Action, ...]:
        actions = tuple(self._stages.actions)
        self._stages.actions.clear()
        return actions

    def __repr__(self) -> str:
        return f"<Call {self.call_sid or '-'} {self.phase.value} turn {self.turns.transcript.turns}>"

    @property
    def phase(self) -> Phase:
        """The stage that it is in."""
        return self._stages.phase

    @property
    def call_sid(self) -> str:
        """Twilio's name for the call; empty before its stream has started."""
        return self._stages.call_sid

    @property
    def stream_sid(self) -> str:
        """Twilio's name for its stream; empty before it has started."""
        return self._stages.stream_sid


_FROM_MODEL: Final = (rt.ServerEvent, rt.UnknownEvent)


# --- The rules --------------------------------------------------------------------------------------

Rule: TypeAlias = Callable[[Stages, Any, float], None]


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that changes nothing in this stage, with the reason."""

    why: str

    def __call__(self, stages: Stages, event: a.Event, now: float) -> None:
        """Does nothing, on purpose."""


def _no_rule(stages: Stages, event: a.Event, now: float) -> None:
    raise AssertionError(f"{type(event).__name__} in {stages.phase.value} has no rule")


def _turn(method: Callable[[Turns, Any, float], object]) -> Rule:
    """The rule that hands an event on to the turn protocol."""

    def rule(stages: Stages, event: a.Event, now: float) -> None:
        method(stages.turns, event, now)

    return rule


_REPEATED = Ignored("said before, and nothing depends on it")
_NO_MODEL = Ignored("the model leg is not open: no event of the model can come")
_NOT_ASKED = Ignored("the session is not confirmed: no audio was sent and no response asked for")
_NOBODY_YET = Ignored("there is nobody yet who could be told")
_ANSWERED = Ignored("answers a question that is settled")
_NOT_DIALED = Ignored("nothing was dialled")
_CANNOT_RUN = Ignored("no tool runs before the stream is admitted")
_NO_SPARE = Ignored("there is no second session, or no use for it any more")
_NOTHING_SENT = Ignored("no agent audio was sent, or none that could run away")
_IS_OVER = Ignored("the call is over")
_PASSES_BY = Ignored("the relay moves this past the machine")
_CONFIRMED = Ignored("confirms a command of ours")


def _session(method: Callable[[Sessions, Any, float], object]) -> Rule:
    """The rule that hands an event on to the sessions."""

    def rule(stages: Stages, event: a.Event, now: float) -> None:
        method(stages.sessions, event, now)

    return rule


def _standing(rule: Rule) -> tuple[Rule, ...]:
    """A row of an event that only a confirmed session sends, and only the live call understands."""
    return (*(_NO_MODEL,) * 3, _NOT_ASKED, rule, rule)


# One row for each event; the cells are the stages in their order, without OVER, where all is ignored.
_ROWS: Final[Mapping[type, tuple[Rule, ...]]] = {
    # From the phone.
    ms.Connected: (_REPEATED,) * 6,
    ms.Start: (Stages.started, *(Stages.started_again,) * 5),
    ms.Media: (Stages.out_of_turn, *(_PASSES_BY,) * 5),
    ms.MarkEchoed: (Stages.out_of_turn, _NOBODY_YET, *(Stages.mark_echoed,) * 4),
    ms.Dtmf: (Stages.out_of_turn, _NOBODY_YET, *(Stages.key_pressed,) * 4),
    ms.Stopped: (Stages.stopped_unstarted, *(Stages.stopped,) * 5),
    ms.UnknownMessage: (Stages.unknown_event,) * 6,
    # From the model.
    rt.SessionCreated: (*(_NO_MODEL,) * 3, _session(Sessions.created), _REPEATED, _REPEATED),
    rt.SessionUpdated: (*(_NO_MODEL,) * 3, _session(Sessions.updated), _CONFIRMED, _CONFIRMED),
    rt.SpeechStarted: _standing(Stages.speech_started),
    rt.SpeechStopped: _standing(Stages.speech_stopped),
    rt.InputCommitted: _standing(_turn(Turns.input_committed)),
    rt.ItemAdded: _standing(_turn(Turns.item_added)),
    rt.ItemTruncated: _standing(_CONFIRMED),
    rt.ItemDeleted: _standing(_CONFIRMED),
    rt.CallerTranscript: _standing(_turn(Turns.caller_transcribed)),
    rt.CallerTranscriptFailed: _standing(_turn(Turns.caller_not_transcribed)),
    rt.ResponseCreated: _standing(Stages.response_created),
    rt.OutputItemAdded: _standing(_turn(Turns.output_item_added)),
    rt.OutputItemDone: _standing(_turn(Turns.output_item_done)),
    rt.AudioDelta: (_PASSES_BY,) * 6,
    rt.AnswerDelta: (_PASSES_BY,) * 6,
    rt.AudioDone: _standing(_turn(Turns.audio_done)),
    rt.AgentTranscript: _standing(_turn(Turns.agent_transcribed)),
    rt.ResponseDone: _standing(Stages.response_done),
    rt.RateLimitsUpdated: (*(_NO_MODEL,) * 3, *(Stages.rate_limits,) * 3),
    rt.ErrorEvent: (*(_NO_MODEL,) * 3, _session(Sessions.error), *(_turn(Turns.error),) * 2),
    rt.UnknownEvent: (Stages.unknown_event,) * 6,
    # Local.
    a.StreamAdmitted: (_ANSWERED, Stages.admitted, *(_ANSWERED,) * 4),
    a.StreamRefused: (_ANSWERED, Stages.refused, *(_ANSWERED,) * 4),
    a.ModelConnected: (
        *(_NOT_DIALED,) * 2,
        _session(Sessions.connected),
        *(Stages.spare_connected,) * 3,
    ),
    a.ModelDialFailed: (
        *(_NOT_DIALED,) * 2,
        _session(Sessions.dial_failed),
        *(Stages.spare_dial_failed,) * 3,
    ),
    a.SpareSaid: (*(_NO_SPARE,) * 4, *(Stages.spare_said,) * 2),
    a.AnswerRanAway: (*(_NOTHING_SENT,) * 4, *(Stages.answer_ran_away,) * 2),
    a.LegGone: (Stages.leg_gone,) * 6,
    a.LegStalled: (Stages.leg_stalled,) * 6,
    a.BadMessage: (Stages.bad_message,) * 6,
    a.ToolFinished: (*(_CANNOT_RUN,) * 2, *(Stages.tool_finished,) * 4),
    a.ShutdownRequested: (Stages.shut_down,) * 6,
    a.HandOverRequested: (Stages.shut_down, *(Stages.hand_over,) * 5),
    a.DeadlinePassed: (Stages.deadline_passed,) * 6,
}

RULES: Final[Mapping[Phase, Mapping[type, Rule]]] = {
    phase: {event: row[index] if phase is not Phase.OVER else _IS_OVER for event, row in _ROWS.items()}
    for index, phase in enumerate(Phase)
}
"""What becomes of every event in every stage."""
