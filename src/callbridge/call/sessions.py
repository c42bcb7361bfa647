"""The sessions of one call with the model: the first one, those that replace a lost one, those that renew it.

Decides when a session is dialled, told, given up and replaced. How one session comes about stands in
`session`, the spare beside it in `renewal`, what is said in it in `turns`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.call.actions import (
    Action,
    DialModel,
    DropModel,
    Leg,
    ModelConnected,
    ModelDialFailed,
    OpenUplink,
    Record,
    SendToModel,
    SwitchModel,
)
from callbridge.call.facts import AgentReady, EndReason, Fact, SessionReplaced
from callbridge.call.phases import Phase, Timer
from callbridge.call.playout import Uplink
from callbridge.call.renewal import Renewal
from callbridge.call.session import Opening, Redial, Step, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.limits import Limits
    from callbridge.call.memory import Memory
    from callbridge.call.plan import CallPlan
    from callbridge.call.playout import Gate, Tally
    from callbridge.call.turns import Turns
    from callbridge.wire import realtime
    from callbridge.wire.realtime_commands import AnyCommand, AnyItem

BROKE_OFF: Final = (
    "[The connection broke off for a moment. What stands above was said before. The caller's last words may "
    "be missing: if they are, ask for them. Otherwise go on where you were.]"
)
RENEWED: Final = "[What stands above was said earlier in this call. Go on as if nothing had happened.]"
CONTINUED: Final = (
    "[The call was cut off for a moment and is connected again. What stands above was said before. "
    "Apologise in a few words, and go on where you were.]"
)
CONTINUED_BLINDLY: Final = (
    "[The call was cut off and is connected again; what was said before is lost. "
    "Apologise in a few words, and ask what it was about.]"
)


class Sessions:
    """All that is needed to have somebody at the other end of the call."""

    def __init__(
        self,
        plan: CallPlan,
        limits: Limits,
        spread: float,
        *,
        gate: Gate,
        tally: Tally,
        memory: Memory,
        turns: Turns,
        do: Callable[[Action], None],
        enter: Callable[[Phase], None],
        end: Callable[[EndReason, str], None],
    ) -> None:
        self.plan = plan
        self.is_open = False
        """Whether the model leg is open."""
        self.began_at = 0.0
        """When the present attempt to have a session began."""
        self._limits, self._spread = limits, spread
        self._gate, self._tally, self._memory, self._turns = gate, tally, memory, turns
        self._do, self._enter, self._end = do, enter, end
        self._is_connecting = False
        self._is_continued = False
        self._has_been_live = False
        self._lost_at: list[float] = []
        self._timers: dict[Timer, float] = {}
        self._redial = self._new_redial()
        self._opening = self._new_opening(is_retold=False)
        self._renewal = Renewal(limits, do, partial(self._send, Leg.SPARE))

    # --- From stream to session ---

    def begin(self, now: float, *, is_continued: bool) -> None:
        """The stream is admitted: it needs its first session."""
        self._is_continued = is_continued
        self._open(now)

    def _open(self, now: float) -> None:
        self._redial = self._new_redial()
        self._is_connecting = True
        self.began_at = now
        self._timers[Timer.CONNECT] = now + self._limits.connect_timeout_s
        self._dial(now)

    def _dial(self, now: float) -> None:
        self._enter(Phase.DIALING)
        self._timers.pop(Timer.REDIAL, None)
        self._timers[Timer.DIAL] = now + self._limits.dial_timeout_s
        self._do(DialModel(self._redial.model))

    def connected(self, event: ModelConnected, now: float) -> None:
        """The leg that was dialled is open."""
        if event.leg is Leg.SPARE:
            self._renewal.connected(self.plan)
            return
        if Timer.DIAL not in self._timers:  # Given up already.
            return
        self.is_open = True
        self._enter(Phase.CONFIGURING)
        del self._timers[Timer.DIAL]
        self._timers[Timer.CONFIGURE] = now + self._limits.configure_timeout_s
        knows_nothing = self._is_continued or self._has_been_live
        self._opening = self._new_opening(is_retold=knows_nothing and not event.is_warm)
        if event.is_warm:
            self._turns.names.keep_apart(self._turns.cutting.stream_sid)
            self._opening.begin()

    def dial_failed(self, event: ModelDialFailed, now: float) -> None:
        """A leg that was dialled could not be opened."""
        trouble = Trouble(event.why, event.status, event.code, event.retry_after_s)
        if event.leg is Leg.SPARE:
            self._renewal.give_up(trouble.why, now)
        elif Timer.DIAL in self._timers:
            self._not_opened("dial", trouble, now)

    def created(self, event: realtime.SessionCreated, now: float) -> None:
        """The server has greeted us: it is told what the session is to be."""
        self._opening.begin()

    def error(self, event: realtime.ErrorEvent, now: float) -> None:
        """An error before the session was ready."""
        self._turns.errors += 1
        if (trouble := self._opening.error(event.error)) is not None:
            self._not_opened("configure", trouble, now)

    def updated(self, event: realtime.SessionUpdated, now: float) -> None:
        """A confirmation: of the configuration, or of all that was told."""
        if (trouble := self._opening.updated(event)) is not None:
            self._not_opened("configure", trouble, now)
        elif self._opening.step is Step.CONFIGURED:
            self._opening.retell(self._retelling())
            self._turns.retold()
        elif self._opening.step is Step.READY:
            self._ready(event.session.model or self._redial.model, now)

    def _retelling(self) -> tuple[AnyItem, ...]:
        note = BROKE_OFF
        if not self._has_been_live:
            note = CONTINUED if self._memory.entries else CONTINUED_BLINDLY
        unrecorded = self._turns.transcript.unrecorded()
        return self._memory.retell(unrecorded, note, self._turns.names.next_item_id)

    def _ready(self, model: str, now: float) -> None:
        for timer in (Timer.CONFIGURE, Timer.CONNECT):
            del self._timers[timer]
        self._is_connecting = False
        self._enter(Phase.LIVE)
        self._renewal.schedule(now)
        # A model that does not exist any more is not asked for again, neither to replace nor to renew.
        self._adopt(replace(self._opening.plan, model=self._redial.model))
        after_ms = round((now - self.began_at) * 1000)
        if self._has_been_live:
            self._record(SessionReplaced("lost", after_ms, self._opening.items))
            self._turns.go_on(now)
        else:
            self._has_been_live = True
            held_ms = self._tally.frames_from_phone * 20
            self._record(AgentReady(model, after_ms, held_ms, self.plan.has_transcription))
            self._first_words(now)
        # After the words were asked for: otherwise the caller's held "hello?" would be answered first.
        self.open_uplink()

    def _first_words(self, now: float) -> None:
        if self._is_continued:
            self._turns.go_on(now, owes_answer=True)
        else:
            self._turns.begin(self.plan.greeting_options, now)

    def _adopt(self, plan: CallPlan) -> None:
        """A session stands as `plan` says, and has heard nothing yet."""
        self.plan = plan
        self._turns.has_transcription = plan.has_transcription
        self._tally.uplink_bytes = 0

    def open_uplink(self) -> None:
        """The caller is heard, from the first word that was held."""
        self._gate.uplink = Uplink.OPEN
        self._do(OpenUplink())

    # --- A session is not to be had, or lost ---

    def failed(self, trouble: Trouble, now: float) -> None:
        """The present session is of no more use: the call goes on with another one, or ends."""
        if self._is_connecting:
            self._not_opened("configure", trouble, now)
            return
        self._record(trouble.as_fact("call"))
        self._renewal.drop()
        self._drop()
        if trouble.is_fatal or trouble.is_rate_limit or not self._may_reconnect(now):
            self._end(EndReason.MODEL_LOST, trouble.why)
            return
        self._lost_at.append(now)
        self._turns.session_lost(now)
        self._hold_uplink()
        self._open(now)

    def leave(self, trouble: Trouble) -> None:
        """The session failed during the last words: there will be no other one."""
        self._record(trouble.as_fact("call"))
        self._renewal.drop()
        self._drop()
        self._gate.uplink = Uplink.SHUT  # Nobody is left who could be sent the caller's audio.

    def _not_opened(self, stage: str, trouble: Trouble, now: float) -> None:
        """A try for a session has failed: another one, or the end."""
        self._record(trouble.as_fact(stage))
        self._drop()
        self._enter(Phase.DIALING)
        delay_s = self._redial.delay_s(trouble)
        if delay_s is None or now + delay_s >= self._timers[Timer.CONNECT]:
            self._end(self.reason_without, trouble.why)
        else:
            self._timers[Timer.REDIAL] = now + delay_s

    @property
    def reason_without(self) -> EndReason:
        """Why a call ends that has no session."""
        return EndReason.MODEL_LOST if self._has_been_live else EndReason.MODEL_UNAVAILABLE

    def _may_reconnect(self, now: float) -> bool:
        since = now - self._limits.reconnects_within_s
        return sum(at > since for at in self._lost_at) < self._limits.reconnects_max

    def _drop(self) -> None:
        self.is_open = False
        for timer in (Timer.DIAL, Timer.CONFIGURE):
            self._timers.pop(timer, None)
        self._do(DropModel())

    def _hold_uplink(self) -> None:
        self._gate.held_ms_max = self._limits.held_again_ms_max
        self._gate.uplink = Uplink.HELD

    # --- A session is renewed ---

    def spare_said(self, event: realtime.Parsed, now: float) -> None:
        """An event of the spare session."""
        if (trouble := self._renewal.said(event)) is not None:
            self.spare_failed(trouble.why, now)
        if not self._renewal.is_ready:
            return
        held_ms = round((now - self._renewal.began_at) * 1000)
        self._record(SessionReplaced("renewed", held_ms, self._renewal.items))
        self._do(SwitchModel())
        self._adopt(self._renewal.moved(now))
        self._turns.session_lost(now)
        self._turns.go_on(now)
        self.open_uplink()

    @property
    def has_spare(self) -> bool:
        """Whether a second session waits for a quiet moment."""
        return self._renewal.is_prepared

    def quiet(self, now: float) -> None:
        """Nobody speaks, and all was heard: the spare may be told the conversation.

        Unless a turn waits for the caller's words: what is not in the memory would not be told.
        """
        if self._renewal.is_prepared and self._turns.transcript.deadline is None:
            self._hold_uplink()
            self._renewal.move(self._memory.retell((), RENEWED, self._turns.names.next_item_id), now)

    def somebody_spoke(self, now: float) -> None:
        """A renewal that has begun is put off: the present session has the caller's words."""
        if self._renewal.is_moving:
            self.spare_failed("somebody spoke", now)

    def spare_failed(self, why: str, now: float) -> None:
        """The spare will not do: the present session goes on."""
        is_held = self._renewal.is_moving
        self._renewal.give_up(why, now)
        if is_held:
            self.open_uplink()

    def over(self) -> None:
        """The call ends, or goes elsewhere: nothing is renewed or dialled any more."""
        self._renewal.drop()
        self._timers.clear()

    # --- Time ---

    @property
    def due(self) -> dict[Timer, float]:
        """When to look at what."""
        return self._timers | self._renewal.due

    def expired(self, timer: Timer, now: float) -> None:
        """The time of one of them has come."""
        match timer:
            case Timer.DIAL:
                self._not_opened("dial", Trouble("the model leg did not open in time"), now)
            case Timer.CONFIGURE:
                why = "the model did not confirm the session in time"
                self._not_opened("configure", Trouble(why), now)
            case Timer.REDIAL:
                self._dial(now)
            case Timer.CONNECT:
                self._drop()
                self._end(self.reason_without, "no session of the model in time")
            case Timer.RENEW:
                self._renewal.dial(self.plan, now)
            case _:
                assert timer is Timer.SPARE
                self.spare_failed("the new session was not ready in time", now)

    # --- Small parts ---

    def _new_redial(self) -> Redial:
        return Redial(self._limits, self.plan.model, self.plan.second_model, self._spread)

    def _new_opening(self, *, is_retold: bool) -> Opening:
        return Opening(self.plan, partial(self._send, Leg.MODEL), self._record, is_retold)

    def _send(self, leg: Leg, command: AnyCommand) -> str:
        command_id = self._turns.names.next_command_id()
        self._do(SendToModel(msgspec.structs.replace(command, event_id=command_id), leg))
        return command_id

    def _record(self, fact: Fact) -> None:
        self._do(Record(fact))
