"""One call as a machine: `handle(event, now)` answers what to do, `deadline` says when to wake it.

The way in. What becomes of an event says the table in `rules`; here is what follows from it, what the passing
of time does, and the end. Audio does not pass here at all: it obeys the `gate` and fills the `playout`
ledger. Nothing here may await, read a clock, log, draw a random number or know a socket; what stands before a
call is in `entrance`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, assert_never

import msgspec

from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.codes import CLOSE_CODES
from callbridge.call.ear.gate import Uplink
from callbridge.call.ear.silences import HeardSilence, add_sound_due
from callbridge.call.endings import SAY_IT_ENDS, WISHED, WITHOUT_MODEL
from callbridge.call.facts import CallClosed, ClipPlayed, EndReason, StreamStarted, noted, warned
from callbridge.call.floor.table import Caller, Now
from callbridge.call.memory import TurnSaid
from callbridge.call.parts import Parts
from callbridge.call.phases import Phase, Timer
from callbridge.call.rules import RULES, Ignored
from callbridge.call.summary import summary
from callbridge.call.wishes import PutThrough

if TYPE_CHECKING:
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.tally import Tally
    from callbridge.call.facts import Fact
    from callbridge.call.outbox import Outbox
    from callbridge.call.passing import Ledger, Words
    from callbridge.call.sessions.trouble import Trouble


class CallMachine:
    """One call, from the admission of its stream to its end.

    All actions of one event are to be performed before the next event is handed in. `begin` comes first.

    Args:
        admitted: what this call is to be, whose it is, and what was said in earlier streams of it.
        gate: what may pass; made before there was a call.
        tally: what the relay counts; made before there was a call.
        out: what the stream has led to so far; its time is that of the admission.
        spread: from 0 to 1, drawn at random by whoever makes it: calls that fail together try again apart.
    """

    def __init__(
        self,
        admitted: e.StreamAdmitted,
        *,
        gate: Gate,
        tally: Tally,
        out: Outbox,
        spread: float,
    ) -> None:
        self.call_sid, self.stream_sid = out.call_sid, out.stream_sid
        self._parts = parts = Parts(admitted, gate, tally, out, spread)
        self.limits, self.playout, self.transcript = parts.limits, parts.playout, parts.transcript
        self.written_past: tuple[Ledger, Words] = self.playout, self.transcript
        """Where the relay writes what it moves past the machine."""
        self._out, self._sessions, self._endings = parts.out, parts.sessions, parts.endings
        self._admitted = admitted
        self._admitted_at = self._sound_at = out.now
        self._silence = HeardSilence()
        self._ended_at: float | None = None

    # --- The way in ---

    def begin(self) -> tuple[a.Action, ...]:
        """The call begins, or goes on: what is to be done first."""
        admitted, out = self._admitted, self._out
        agent = admitted.plan.agent
        out.note(StreamStarted(admitted.caller, admitted.called, admitted.is_continued, agent))
        self._parts.succession.begin(out.now, is_continued=admitted.is_continued)
        self._open_session(out.now)
        if admitted.is_spend_over:
            self._limit_reached(EndReason.LIMIT_SPEND_TOTAL, SAY_IT_ENDS, out.now)
        return out.taken()

    def handle(self, event: e.Event, now: float) -> tuple[a.Action, ...]:
        """Takes one event at `now` (monotonic seconds) and answers what to do, in order."""
        out = self._out
        assert now >= out.now, "time does not run backwards"
        out.now = now
        if isinstance(event, e.DeadlinePassed):
            self._deadline_passed(now)
        else:
            rule = RULES[self.phase].get(type(event))
            assert rule is not None, f"{type(event).__name__} in {self.phase.value} has no rule"
            if not isinstance(rule, Ignored):
                rule.act(rule.of(self._parts), event, now)
        if out.consequences:
            self._take_consequences(now)
        if self._parts.pressed_keys.waiting or self.playout.cut_keys:
            self._press_keys(now)
        if self._ended_at is None:
            if self._parts.floor.caller is Caller.SILENT:
                self._silence.look(self._parts.asking.waits_since, self.playout, now)
            elif self._silence.spoken_into_at is None:
                self._silence.spoken_into_at = now
        self._settle(now)
        hearing, tally = self._parts.hearing, self._parts.tally
        # The model was told something, and has to answer. Seen here, not in `hearing`: every event passes by.
        if hearing.told != out.told_model:
            hearing.told = out.told_model
            if tally.from_model_at >= hearing.commanded_at:
                hearing.commanded_at = now
        actions, out.actions = tuple(out.actions), []
        return actions

    @property
    def deadline(self) -> tuple[float, Timer] | None:
        """When to hand in `DeadlinePassed`, and why. None once the call is over and nothing is awaited."""
        due = self._due()
        if not due:
            return None
        why = min(due, key=due.__getitem__)
        return due[why], why

    def fail(self, detail: str, now: float) -> tuple[a.Action, ...]:
        """Ends the call because of our own fault; safe in any state."""
        self._out.now = now
        self._out.drop()
        self._end(EndReason.INTERNAL_ERROR, detail)
        self._parts.linger.leave()
        return self._out.taken()

    def passed(self, fact: Fact, now: float) -> tuple[a.Action, ...]:
        """The relay has moved something past the machine: it gets its place among the facts of the stream."""
        self._out.now = now
        self._out.note(fact)
        return self._out.taken()

    def close(self, now: float) -> tuple[a.Action, ...]:
        """Nothing of the stream is left in the process: its last fact."""
        if self._ended_at is None:
            return ()
        self._out.now = now
        self._out.note(CallClosed(round((now - self._ended_at) * 1000)))
        return self._out.taken()

    @property
    def phase(self) -> Phase:
        """Where the call stands."""
        if self._ended_at is not None:
            return Phase.OVER
        if self._endings.leaving_for is None or self._sessions.is_connecting:
            # An agent that is to take its leave needs a session to do it in.
            return self._sessions.phase
        return Phase.LEAVING

    def __repr__(self) -> str:
        return f"<CallMachine {self.call_sid} {self.phase.value} turn {self.transcript.turns}>"

    # --- What one event leads to ---

    def _take_consequences(self, now: float) -> None:
        """What the parts have found while the event was handled. It may lead to more of the kind."""
        while self._out.consequences and self._ended_at is None:
            self._take(self._out.consequences.popleft(), now)
        self._out.consequences.clear()

    def _take(self, consequence: e.Consequence, now: float) -> None:
        succession, sessions = self._parts.succession, self._sessions
        match consequence:
            case e.SessionFailed(trouble):
                self._session_failed(trouble, now)
            case e.SessionGone():
                succession.session_lost(now)
                self._open_session(now)
            case e.SessionRetold():
                succession.session_retold()
            case e.SessionStands():
                self._parts.hearing.session_stands()
                succession.session_stands(now)
                if self._endings.leaving_for in {None, *WISHED}:
                    # After the words were asked for: otherwise the caller's held "hello?" would be answered
                    # first. In a session that was had for a goodbye at a limit nobody is answered any more;
                    # whom the agent itself wants to leave may still have something to say.
                    sessions.open_uplink()
            case e.SpareTookOver():
                succession.session_lost(now)
                self._parts.hearing.session_stands()
                succession.session_stands(now)
                sessions.open_uplink()
            case e.LimitReached(reason):
                self._limit_reached(reason, SAY_IT_ENDS, now)
            case e.StreamMustEnd(reason, detail):
                if self._parts.on_hold.asked is not None and reason in WITHOUT_MODEL:
                    self._parts.on_hold.model_gone(consequence)
                else:
                    self._end(reason, detail)
            case _:
                assert_never(consequence)

    def _open_session(self, now: float) -> None:
        """There is to be a session: one in which the greeting is safe, as long as it is owed."""
        debts, plan = self._parts.floor.debts, self._sessions.plan
        is_protecting = debts.greeting is not None and not plan.is_greeting_interruptible
        self._sessions.open(now, is_protecting=is_protecting)

    def _session_failed(self, trouble: Trouble, now: float) -> None:
        """The present session is of no more use. A call that ends anyway needs no other one.

        What was said of a farewell, or of the turn before a hand-over, is still heard.
        """
        if not self._sessions.has_leg:
            return  # Two faults of one session in one event: the first has dropped its leg.
        if self.phase is Phase.LEAVING or self._parts.hand_over_by is not None:
            self._sessions.leave(trouble)
            self._endings.nobody_speaks()
            self._parts.succession.model_gone(now)
        else:
            self._sessions.failed(trouble, now)

    def _limit_reached(self, reason: EndReason, words: str, now: float) -> None:
        """The agent says so as soon as there is a session, and the call ends when that was heard."""
        if self._endings.leaving_for is not None or self._parts.floor.is_on_hold:
            self._endings.limit_reached(reason, now)
        else:
            self._parts.succession.owe_nothing()
            self._endings.leave(reason, now, words)

    # --- Time ---

    def _deadline_passed(self, now: float) -> None:
        """The time has come for whatever is due."""
        for timer in sorted(due := self._due(), key=due.__getitem__):
            # What one of them does may have moved or ended another.
            if self._due().get(timer, math.inf) <= now:
                self._expired(timer, now)
                self._take_consequences(now)

    def _expired(self, timer: Timer, now: float) -> None:
        match timer:
            case Timer.CLIP | Timer.WAITING_SOUND:
                self._sound_due(timer, now)
            case Timer.GIVE_UP | Timer.HAND_OVER:
                self._give_up(timer)
            case Timer.ANSWER | Timer.MUTED | Timer.RETRY | Timer.KEYS | Timer.AMEND:
                self._parts.ladder.expired(timer, now)
            case Timer.MCP:
                self._parts.mcp.expired(now)
            case Timer.GREETING:
                self._sessions.amend()
            case Timer.UTTERANCE | Timer.UNSEEN | Timer.UNKEPT | Timer.UNANSWERED | Timer.SIGN:
                self._parts.hearing.expired(timer, now)
            case Timer.TRANSCRIPT | Timer.LINGER:
                pass  # `_settle` records what is late, and ends what lingers.
            case Timer.CALLER_QUIET | Timer.MEDIA_GAP:
                self._look_at_line(timer, now)
            case Timer.HOLD_SOUND | Timer.ON_HOLD:
                self._parts.on_hold.expired(timer, now)
            case Timer.DIAL | Timer.CONFIGURE | Timer.REDIAL | Timer.CONNECT | Timer.RENEW | Timer.SPARE:
                self._sessions.expired(timer, now)
            case _:
                if (limit := self._endings.expired(timer, now)) is not None:
                    self._limit_reached(*limit, now)

    def _give_up(self, timer: Timer) -> None:
        """Nobody is to wait any longer: the caller for the agent, or the next process for the call."""
        if timer is Timer.GIVE_UP:
            why = f"the agent said nothing for {self.limits.give_up_after_s:g} s"
            self._end(self._sessions.reason_without, why)
        else:
            reason = self._endings.leaving_for or EndReason.HANDED_OVER
            self._end(reason, "in the middle of a turn")

    def _sound_due(self, timer: Timer, now: float) -> None:
        """The caller has heard nothing for a while."""
        self._sound_at = now
        if timer is Timer.WAITING_SOUND:
            self._out.do(a.PlaySound())
            return
        self._out.note(ClipPlayed("a session" if self._sessions.is_connecting else "an answer"))
        self._out.do(a.PlayClip())

    def _look_at_line(self, timer: Timer, now: float) -> None:
        """Whether the caller is quiet while the model says that they speak, or speaks again."""
        if timer is Timer.MEDIA_GAP:
            self._look_for_gap(now)
        elif (quiet_s := self._parts.line.quiet_s(now)) is None:
            self._parts.floor.line_is_loud()
        else:
            self._parts.floor.line_fell_quiet(quiet_s, now)

    def _look_for_gap(self, now: float) -> None:
        """Whether the phone still sends: a short gap is noted, a long one ends the stream."""
        if (gap_s := self._parts.line.gap_s(now)) is not None:
            self._out.note(warned("media_gap", gap_s=round(gap_s, 1)))
        if self._parts.line.is_lost(now):
            self._end(EndReason.MEDIA_LOST, f"no caller audio for {self.limits.media_gap_timeout_s:g} s")

    def _due(self) -> dict[Timer, float]:
        """When to look at what. Once the call is over only when to leave, if anything is awaited."""
        due: dict[Timer, float] = {}
        if self._ended_at is not None:
            if (leave_by := self._parts.linger.until) is not None:
                due[Timer.LINGER] = leave_by
            return due
        parts, sessions, ladder = self._parts, self._sessions, self._parts.ladder
        is_connecting = sessions.is_connecting
        sessions.add_due(due)
        ladder.add_due(due)
        parts.mcp.add_due(due, Timer.MCP)
        if parts.on_hold.asked is None:  # A model that hears nobody is not asked for a sign of life.
            parts.hearing.add_due(due)
        if (greeted_by := parts.floor.greeting.due) is not None:
            due[Timer.GREETING] = greeted_by
        parts.on_hold.add_due(due)
        parts.line.add_due(due, parts.floor.caller_at, is_standing=not is_connecting)
        parts.endings.add_due(due, is_quiet=self.phase is Phase.LIVE and parts.asking.is_idle)
        add_sound_due(
            due,
            self.limits,
            self.playout,
            waits_since=parts.asking.waits_since,
            tool_done_at=parts.tools.done_at,
            connecting_since=sessions.began_at if is_connecting else None,
            sound_at=self._sound_at,
        )
        record_by = self.transcript.deadline
        if record_by is not None and parts.floor.greeting.response is None:
            due[Timer.TRANSCRIPT] = record_by
        if parts.hand_over_by is not None:
            due[Timer.HAND_OVER] = parts.hand_over_by
        if not parts.floor.is_answering and parts.floor.caller is Caller.SILENT:
            parts.waiting_sound.add_due(due, self.playout, self._sound_at)
        return due

    # --- After every event ---

    def _settle(self, now: float) -> None:
        """What follows from the state rather than from one event: turns that ended, last words heard."""
        if self.transcript.corrections:
            self._correct()
        parts, endings = self._parts, self._endings
        if self._ended_at is None and (endings.leaving_for is not None or parts.floor.is_on_hold):
            self._hear_out(now)
        if self._ended_at is not None:
            parts.linger.look(now)
            return
        if parts.floor.greeting.response is not None or parts.floor.sayings.sounding:
            parts.floor.settle(now)
        # While a session is dialled or configured no turn is closed: what is owed is asked of the next one.
        is_standing = self._sessions.phase is Phase.LIVE
        is_idle = is_standing and parts.floor.caller is Caller.SILENT and parts.asking.is_idle
        if is_idle:
            self._settle_idle(now)
        elif is_standing:
            if self._sessions.renewal.moving_since is not None:
                self._sessions.spare_failed("somebody spoke", now)
            if endings.leaving_for is not None:
                endings.extend_farewell(now)
        # While the greeting plays on nobody knows how much of it will be heard.
        is_greeting = parts.floor.greeting.response is not None
        for turn in () if is_greeting else parts.transcript.ended(now):
            self._out.note(turn)
            if turn.caller or turn.agent:
                parts.memory.add(TurnSaid(turn.turn, turn.caller, turn.agent))
        if is_idle and parts.playout.is_drained:
            self._settle_quiet(now)

    def _press_keys(self, now: float) -> None:
        """Keys wait, or were cleared from the phone: they leave once no words of ours are being made."""
        if self._ended_at is None:
            self._parts.pressed_keys.settle(now, is_free=self._parts.floor.now is not Now.AUDIBLE)

    def _hear_out(self, now: float) -> None:
        """Whoever speaks into a goodbye keeps the agent, or has time to finish, unless the money is spent.

        And whoever is on hold and does not want to be gets the agent back.
        """
        endings = self._endings
        if self._parts.on_hold.asked is not None:
            self._parts.on_hold.look(now)
            self._take_consequences(now)
        elif endings.is_talked_over:
            self._end(EndReason.LIMIT_SPEND_TOTAL, "the caller spoke on")
        elif endings.leaving_for in WISHED and endings.turn != self._parts.floor.turn:
            endings.stay()
            self._out.note(noted("farewell_withdrawn"))
            self._take_consequences(now)

    def _correct(self) -> None:
        """Words of the caller came after their turn was recorded."""
        for correction in self.transcript.corrections:
            self._out.note(correction)
            self._parts.memory.correct(correction.turn, correction.caller)
        self.transcript.corrections.clear()

    def _settle_idle(self, now: float) -> None:
        if self._sessions.amendments.wanted is not None:
            self._parts.asking.if_free(now)
        if self.playout.is_drained:
            self._parts.floor.close_turn(now)
        elif (
            self._endings.leaving_for is not None
            or self._parts.hand_over_by is not None
            or self._sessions.renewal.is_prepared
        ):
            # The end, the hand-over or the renewal waits for the proof that all was heard: the echo of this
            # mark.
            self._parts.floor.mark()

    def _settle_quiet(self, now: float) -> None:
        """Nobody speaks, nothing is owed, and all was heard: the moment for what must not disturb."""
        if self._parts.pressed_keys.sent_at == now:
            return  # They are on their way when this event is done, and heard before anything ends.
        if self._parts.on_hold.asked is not None:
            return
        if self._endings.leaving_for is not None:
            self._leave(self._endings.leaving_for, now)
        elif self._parts.hand_over_by is not None:
            self._end(EndReason.HANDED_OVER, "")
        else:
            self._sessions.quiet(now)

    def _leave(self, reason: EndReason, now: float) -> None:
        """The last words were heard: what the agent left for comes now."""
        endings, asked = self._endings, self._endings.put_through
        is_held = asked is not None and asked.transfer.is_warm and self._sessions.plan.rings_apart
        if is_held and reason is EndReason.TRANSFERRED and self._parts.hand_over_by is None:
            assert asked is not None
            endings.is_not_leaving()
            self._parts.on_hold.begin(msgspec.structs.replace(asked, is_held=True), now)
        else:
            self._end(reason, "")

    # --- The end ---

    def _end(self, reason: EndReason, detail: str) -> None:
        """Closes the legs and records the end of the stream. Only the first end counts."""
        if self._ended_at is not None:
            return
        parts, out, now = self._parts, self._out, self._out.now
        reason, follows = self._endings.end(reason)
        is_held = parts.on_hold.asked is not None
        if isinstance(follows, PutThrough) and not is_held and (asked := self._endings.put_through):
            out.note(asked)
        parts.on_hold.stream_ends(reason, now)
        is_live = self.phase is Phase.LIVE and not is_held
        parks = reason is EndReason.MEDIA_LOST and is_live and parts.succession.can_be_left
        if parks:
            parts.floor.leave_behind(now)
        has_leg = self._sessions.has_leg
        lingers = reason not in {EndReason.SERVICE_STOPPED, EndReason.INTERNAL_ERROR}
        keeps_leg = has_leg and lingers and not parks and parts.transcript.awaits_words(now)
        if keeps_leg and parts.floor.now is Now.AUDIBLE:
            parts.floor.silence(now)
        parts.tools.theirs_lost()
        self._ended_at = now
        self._silence.look(None, self.playout, now)
        parts.gate.uplink, parts.gate.audible_response_id = Uplink.SHUT, None
        self._sessions.over()
        parts.floor.interruption.freeze(now, parts.floor.in_progress)
        parts.floor.close_turn(now)
        for turn in parts.transcript.ended(now, is_last=True):
            out.note(turn)
        if parks:
            out.do(a.ParkModel(self._sessions.renewal.renew_at))
        elif has_leg and not keeps_leg:
            out.do(a.CloseLeg(e.Leg.MODEL, 1000, ""))
        out.do(a.CloseLeg(e.Leg.PHONE, CLOSE_CODES.get(reason, 1000), reason.value))
        parts.bill.line_goes_on(self._sessions.plan)
        silence_s = self._silence.longest_s
        out.note(summary(reason, detail, follows, parts, silence_s, since=self._admitted_at, now=now))
        if lingers:
            parts.linger.begin(now, has_model=keeps_leg)
