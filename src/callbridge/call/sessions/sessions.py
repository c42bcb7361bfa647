"""The sessions of one call with the model: the first one, those that replace a lost one, those that renew it.

Decides when a session is dialled, told, given up and replaced, and is the only one who says whether there is
a session (`stands`). How one session comes about stands in `opening`, when a failed one is tried again in
`redial`, the spare beside it in `renewal`, why it is told what was said in `why_told`, what is said in it in
`floor`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from callbridge.call.actions import DialModel, DropModel, OpenUplink, SwitchModel
from callbridge.call.ear.gate import Uplink
from callbridge.call.events import (
    Leg,
    ModelConnected,
    ModelDialFailed,
    SessionFailed,
    SessionGone,
    SessionRetold,
    SessionStands,
    SpareSaid,
    SpareTookOver,
    StreamMustEnd,
)
from callbridge.call.facts import AgentReady, EndReason, SessionReplaced
from callbridge.call.phases import Phase, Timer
from callbridge.call.sessions.amendments import Amendments
from callbridge.call.sessions.opening import Opening, Step
from callbridge.call.sessions.redial import Redial
from callbridge.call.sessions.renewal import Renewal, renewal_at
from callbridge.call.sessions.trouble import Trouble
from callbridge.call.sessions.why_told import BROKE_OFF, RENEWED, note_of_another_stream
from callbridge.wire.audio import FRAME_MS
from callbridge.wire.realtime_commands import UpdateSession

if TYPE_CHECKING:
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.tally import Tally
    from callbridge.call.memory import Memory
    from callbridge.call.outbox import Outbox
    from callbridge.call.plan import CallPlan
    from callbridge.call.transcript import Transcript
    from callbridge.wire import realtime_events
    from callbridge.wire.realtime_commands import AnyItem


class Sessions:
    """All that is needed to have somebody at the other end of the call.

    Args:
        plan: what the call is to be.
        spread: from 0 to 1, drawn at random: calls that fail together try again apart.
        is_continued: whether an earlier stream of the call broke off, or was handed over.
        is_back: whether it ended because the caller was put through to somebody, who did not take the call.
        gate: what may pass; held while nobody could be sent the caller's audio.
        tally: what the relay counted.
        memory: what was said before.
        transcript: what is being said.
        out: where actions and consequences go.
    """

    def __init__(
        self,
        plan: CallPlan,
        spread: float,
        *,
        is_continued: bool,
        is_back: bool = False,
        gate: Gate,
        tally: Tally,
        memory: Memory,
        transcript: Transcript,
        out: Outbox,
    ) -> None:
        self.plan = plan
        """As the present session has confirmed it."""
        self.phase = Phase.DIALLING
        """DIALLING, CONFIGURING or LIVE."""
        self.is_gone = False
        """The session was lost while the call was ending: there will be no other. The phase stays LIVE."""
        self.began_at = 0.0
        """When the present attempt to have a session began."""
        self.renewal = Renewal(plan.limits, out)
        self._limits, self._spread, self._is_continued = plan.limits, spread, is_continued
        self._is_back = is_back
        self._gate, self._tally, self._memory, self._transcript, self._out = (
            gate,
            tally,
            memory,
            transcript,
            out,
        )
        self.is_protecting = False
        """The agent talks on when the caller speaks: the greeting is not over."""
        self.server_interrupts = False
        """Whether the server itself cancels a response when the caller speaks, as far as it has confirmed."""
        self.amendments = Amendments(plan.limits, out)
        self._has_been_live = False
        self._is_caller_away = False
        """They are on hold: what they say reaches no session, whichever comes."""
        self._unix_ahead_s: float | None = None
        """The wall clock less ours; None as long as nobody has told it."""
        self._renew_by: float | None = None
        """When the session that an earlier stream has left is to be renewed."""
        self._words_by: float | None = None
        """Until when a renewal waits for the caller's words; None as long as it has not begun to."""
        self._lost_at: list[float] = []
        self._timers: dict[Timer, float] = {}
        self._is_protecting_next = False
        self._redial = self._new_redial()
        self._opening = self._new_opening(is_retold=False)

    @property
    def stands(self) -> bool:
        """Whether there is a session that can be told and asked anything."""
        return self.phase is Phase.LIVE and not self.is_gone

    @property
    def has_leg(self) -> bool:
        """Whether a model leg is open."""
        return self.phase is Phase.CONFIGURING or self.stands

    @property
    def is_connecting(self) -> bool:
        """Whether a session is being had."""
        return self.phase is not Phase.LIVE

    # --- From stream to session ---

    def open(self, now: float, *, is_protecting: bool = False) -> None:
        """The call needs a session: its first one, or another in place of one that was lost.

        A spare that stands is nearer than a dial.

        Args:
            now: monotonic seconds.
            is_protecting: whether the caller has still to be greeted, and may not interrupt that.
        """
        self._is_protecting_next = is_protecting
        self.plan = self.amendments.taken(self.plan)
        self._redial = self._new_redial()
        self.began_at = now
        self._timers[Timer.CONNECT] = now + self._limits.connect_timeout_s
        if self.renewal.can_replace:
            self._take_spare(now)
        else:
            self._dial(now)

    def _take_spare(self, now: float) -> None:
        self.phase = Phase.CONFIGURING
        self._timers[Timer.CONFIGURE] = now + self._limits.configure_timeout_s
        self._out.do(SwitchModel())
        self._opening, self._renew_by = self.renewal.take(), None
        if self._opening.step is Step.CONFIGURED:
            self._retell()

    def _retell(self) -> None:
        self._opening.retell(self._retelling())
        self._out.then(SessionRetold())

    def _dial(self, now: float) -> None:
        self.phase = Phase.DIALLING
        self._timers.pop(Timer.REDIAL, None)
        self._timers[Timer.DIAL] = now + self._limits.dial_timeout_s
        self._out.do(DialModel(self._redial.model))

    def connected(self, event: ModelConnected, now: float) -> None:
        """The leg that was dialled is open."""
        if event.unix_s is not None:
            self._unix_ahead_s = event.unix_s - now
        if event.leg is Leg.SPARE:
            self.renewal.connected(self.plan)
            return
        if Timer.DIAL not in self._timers:  # The dial had timed out in the same moment: its leg was dropped.
            return
        self.phase = Phase.CONFIGURING
        del self._timers[Timer.DIAL]
        self._timers[Timer.CONFIGURE] = now + self._limits.configure_timeout_s
        self._renew_by = event.renew_at
        knows_nothing = self._is_continued or self._has_been_live
        self._opening = self._new_opening(is_retold=knows_nothing and not event.is_warm)
        if not event.is_warm:
            self._transcript.words_lost()
        if event.is_warm:
            self._out.keep_items_apart()
            self._opening.begin()

    def dial_failed(self, event: ModelDialFailed, now: float) -> None:
        """A leg that was dialled could not be opened."""
        trouble = Trouble(
            event.why,
            event.status,
            event.code,
            event.retry_after_s,
            lacks_descriptors=event.lacks_descriptors,
        )
        if event.leg is Leg.SPARE:
            self.renewal.give_up(trouble.why, now)
        elif Timer.DIAL in self._timers:
            self._not_opened("dial", trouble, now)

    def created(self, event: realtime_events.SessionCreated, now: float) -> None:
        """The server has greeted us: it is told what the session is to be."""
        self._opening.created(event)

    def error(self, event: realtime_events.ErrorEvent, now: float) -> None:
        """An error before the session was ready."""
        if (trouble := self._opening.error(event.error)) is not None:
            self._not_opened("configure", trouble, now)
        elif self._opening.refusal:
            by = now + self._limits.refusal_timeout_s
            self._timers[Timer.CONFIGURE] = min(by, self._timers[Timer.CONFIGURE])

    def updated(self, event: realtime_events.SessionUpdated, now: float) -> None:
        """A confirmation: of the configuration, or of all that was told."""
        if (trouble := self._opening.updated(event)) is not None:
            self._not_opened("configure", trouble, now)
        elif self._opening.step is Step.CONFIGURED:
            self._retell()
        elif self._opening.step is Step.READY:
            self._ready(now)

    def _retelling(self) -> tuple[AnyItem, ...]:
        note = BROKE_OFF
        if not self._has_been_live:
            note = note_of_another_stream(is_known=bool(self._memory.entries), is_back=self._is_back)
        return self._memory.retell(self._transcript.unrecorded(), note, self._out.next_item_id)

    def _ready(self, now: float) -> None:
        for timer in (Timer.CONFIGURE, Timer.CONNECT):
            del self._timers[timer]
        self.phase = Phase.LIVE
        self._schedule_renewal(self._opening, now)
        # A model that does not exist any more is not asked for again, neither to replace nor to renew.
        self._adopt(self._opening.plan.with_model(self._redial.model))
        if self._opening.is_protecting:
            self.is_protecting, self.server_interrupts = True, False
        after_ms = round((now - self.began_at) * 1000)
        if self._has_been_live:
            self._out.note(SessionReplaced("lost", after_ms, len(self._opening.retold), self.plan.model))
        else:
            self._has_been_live = True
            held_ms = self._tally.frames_from_phone * FRAME_MS
            self._out.note(AgentReady(self.plan.model, after_ms, held_ms, self.plan.has_transcription))
        self._out.then(SessionStands())

    def _adopt(self, plan: CallPlan) -> None:
        """A session stands as `plan` says, and has heard nothing yet.

        What the agent says of itself may have changed since its leg was dialled: then it is told so.
        """
        latest, self.plan = self.plan.session, plan
        self.amendments.session_opened(plan.session, latest)
        self.is_protecting, self.server_interrupts = False, plan.server_interrupts
        self._tally.uplink_bytes = 0

    def _schedule_renewal(self, opening: Opening, now: float) -> None:
        ends_in_s: float | None = None
        if opening.ends_at is not None and self._unix_ahead_s is not None:
            ends_in_s = opening.ends_at - (now + self._unix_ahead_s)
        at = renewal_at(self._limits, ends_in_s, now)
        self.renewal.schedule(at if self._renew_by is None else min(at, self._renew_by))

    # --- A session is amended ---

    def amend(self) -> None:
        """The present session is to be from now on what the plan says. It counts when it is confirmed."""
        if self.stands and self.is_protecting:
            self.is_protecting = False
            update_id = self._out.tell_model(UpdateSession(session=self.plan.session))
            self.amendments.sent(update_id, self.plan)

    def amend_as_wanted(self, now: float) -> None:
        """Nobody speaks, and nothing is being answered: the session becomes what the agent wants it to be."""
        if self.amendments.wanted is None:
            return
        before, self.plan = self.plan, self.amendments.taken(self.plan)
        session = self.plan.protected_session if self.is_protecting else self.plan.session
        self.amendments.told(self._out.tell_model(UpdateSession(session=session)), before, now)

    def amended(self, event: realtime_events.SessionUpdated) -> None:
        """An amendment is confirmed. With anything but µ-law the caller would hear loud static."""
        if not event.session.speaks_mulaw:
            why = "the model did not confirm audio/pcmu both ways"
            self._out.then(SessionFailed(Trouble(why, is_our_fault=True)))
        elif self.amendments.confirmed(event.session.instructions) and not self.is_protecting:
            self.server_interrupts = self.plan.server_interrupts

    def not_amended(self, error: realtime_events.ErrorDetail) -> bool:
        """Whether this error refuses an amendment: then the session stays as it was, and we interrupt."""
        plan = self.amendments.refused(error, self.plan)
        if plan is not None:
            self.plan = plan
        return plan is not None

    def open_uplink(self) -> None:
        """The caller is heard, from the first word that was held. Who is on hold is not."""
        if not self._is_caller_away:
            self._gate.uplink = Uplink.OPEN
            self._out.do(OpenUplink())

    def caller_goes_on_hold(self) -> None:
        """What they say from now on is for nobody, whatever sessions come and go."""
        self._is_caller_away = True
        self._gate.uplink, self._gate.resends = Uplink.SHUT, False

    def caller_is_back(self) -> None:
        """They are heard again; what they say before there is a session that can hear it is held."""
        self._is_caller_away = False
        if self.stands and self.renewal.moving_since is None:
            self.open_uplink()
        else:
            self._hold_uplink(resends=False)

    # --- A session is not to be had, or lost ---

    def failed(self, trouble: Trouble, now: float) -> None:
        """The present session is of no more use: the call goes on with another one, or ends."""
        if self.is_connecting:
            why = f"{self._opening.refusal} ({trouble.why})" if self._opening.refusal else trouble.why
            self._not_opened("configure", replace(trouble, why=why), now)
            return
        is_hopeless = trouble.is_fatal or trouble.is_rate_limit or not self._may_reconnect(now)
        self._give_up(trouble, keeps_spare=not is_hopeless and self.renewal.can_replace)
        if is_hopeless:
            self._out.then(StreamMustEnd(EndReason.MODEL_LOST, trouble.why))
            return
        self._lost_at.append(now)
        self._hold_uplink(resends=True)
        self._out.then(SessionGone())

    def leave(self, trouble: Trouble) -> None:
        """The session failed during the last words: there will be no other one."""
        self._give_up(trouble, keeps_spare=False)
        self.stay_away()

    def stay_away(self) -> None:
        """None will be had any more. Nobody is left who could be sent the caller's audio."""
        self._timers.clear()
        self.phase, self.is_gone = Phase.LIVE, True
        self._gate.uplink = Uplink.SHUT

    def _give_up(self, trouble: Trouble, *, keeps_spare: bool) -> None:
        self._out.note(trouble.as_fact("call", self.plan.model))
        if not keeps_spare:
            self.renewal.drop()
        self._drop()

    def _not_opened(self, doing: str, trouble: Trouble, now: float) -> None:
        """A try for a session has failed: another one, or the end."""
        self._out.note(trouble.as_fact(doing, self._redial.model))
        self._drop()
        delay_s = self._redial.delay_s(trouble)
        if delay_s is None or now + delay_s >= self._timers[Timer.CONNECT]:
            self._out.then(StreamMustEnd(self.reason_without, trouble.why))
        else:
            self._timers[Timer.REDIAL] = now + delay_s

    @property
    def reason_without(self) -> EndReason:
        """Why a call ends that has no session."""
        return EndReason.MODEL_LOST if self._has_been_live else EndReason.MODEL_UNAVAILABLE

    def may_replace(self, now: float) -> bool:
        """Whether a session may be given up that still works: another loss would not end the call."""
        return sum(at > now - self._limits.reconnects_within_s for at in self._lost_at) == 0

    def _may_reconnect(self, now: float) -> bool:
        since = now - self._limits.reconnects_within_s
        return sum(at > since for at in self._lost_at) < self._limits.reconnects_max

    def _drop(self) -> None:
        self.phase = Phase.DIALLING
        for timer in (Timer.DIAL, Timer.CONFIGURE):
            self._timers.pop(timer, None)
        self._out.do(DropModel())

    def _hold_uplink(self, *, resends: bool) -> None:
        if self._is_caller_away:
            return
        self._gate.resends = resends
        self._gate.held_ms_max = self._limits.held_again_ms_max
        self._gate.uplink = Uplink.HELD

    # --- A session is renewed ---

    def spare_said(self, said: SpareSaid, now: float) -> None:
        """An event of the spare session."""
        if (trouble := self.renewal.said(said.event)) is not None:
            self.spare_failed(trouble.why, now)
        if not self.renewal.is_ready:
            return
        assert self.renewal.moving_since is not None
        held_ms = round((now - self.renewal.moving_since) * 1000)
        opening, self._renew_by = self.renewal.take(), None
        self._out.note(SessionReplaced("renewed", held_ms, len(opening.retold), opening.plan.model))
        self._out.do(SwitchModel())
        self._adopt(opening.plan)
        self._schedule_renewal(opening, now)
        self._out.then(SpareTookOver())

    def quiet(self, now: float) -> None:
        """Nobody speaks, and all was heard: the spare may be told the conversation.

        Unless the caller's words are still to come: what is not in the memory would not be told, and only the
        old session tells it.
        """
        is_waited_for = self._transcript.deadline is not None or self._waits_for_words(now)
        if not self.renewal.is_prepared or is_waited_for:
            return
        self._words_by = None
        self._hold_uplink(resends=False)
        self.renewal.move(self._memory.retell((), RENEWED, self._out.next_item_id), now)

    def _waits_for_words(self, now: float) -> bool:
        """Whether the move waits for late words: in a call that is all talk not for those of every turn."""
        if not self._transcript.awaits_words(now):
            return False
        self._words_by = self._words_by or now + self._limits.words_timeout_s
        return now < self._words_by

    def spare_failed(self, why: str, now: float) -> None:
        """The spare will not do: the present session goes on."""
        is_held = self.renewal.moving_since is not None
        self.renewal.give_up(why, now)
        if is_held:
            self.open_uplink()

    def over(self) -> None:
        """The call ends, or goes elsewhere: nothing is renewed or dialled any more."""
        self.renewal.drop()
        self._timers.clear()

    # --- Time ---

    def add_due(self, due: dict[Timer, float]) -> None:
        """Adds when to look at what."""
        due.update(self._timers)
        due.update(self.renewal.due)
        if self.amendments.due is not None:
            due[Timer.AMEND] = self.amendments.due

    def expired(self, timer: Timer, now: float) -> None:
        """The time of one of them has come."""
        match timer:
            case Timer.DIAL:
                self._not_opened("dial", Trouble("the model leg did not open in time"), now)
            case Timer.CONFIGURE:
                why = self._opening.refusal or "the model did not confirm the session in time"
                self._not_opened("configure", Trouble(why), now)
            case Timer.REDIAL:
                self._dial(now)
            case Timer.CONNECT:
                self._drop()
                self._out.then(StreamMustEnd(self.reason_without, "no session of the model in time"))
            case Timer.RENEW:
                self.renewal.dial(self.plan, now)
            case _:
                assert timer is Timer.SPARE
                self.spare_failed("the new session was not ready in time", now)

    # --- Small parts ---

    def _new_redial(self) -> Redial:
        return Redial(self._limits, self.plan.model, self.plan.second_model, self._spread)

    def _new_opening(self, *, is_retold: bool) -> Opening:
        return Opening(self.plan, self._out, Leg.MODEL, is_retold, self._is_protecting_next)

    def __repr__(self) -> str:
        return f"<Sessions {self.phase.value} {self.plan.model}>"
