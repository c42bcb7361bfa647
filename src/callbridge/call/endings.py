"""When a call ends by itself: its length, its price, a caller who is silent, the agent's own goodbye.

Each is said before it is done, and done when it was heard; what the agent cannot say, because there is no
session or it does not speak in time, Twilio says. The first end of all counts, and `machine` carries it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.events import LimitReached, StreamMustEnd
from callbridge.call.facts import EndReason
from callbridge.call.floor.table import Caller
from callbridge.call.phases import Timer
from callbridge.call.telephone_facts import TransferAsked
from callbridge.call.wishes import FallBack, Following, HangUp, PutThrough, Resume, SayGoodbye, Transfer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.call.ear.playout import Playout
    from callbridge.call.floor.asking import Asking
    from callbridge.call.floor.floor import Floor
    from callbridge.call.floor.ladder import Ladder
    from callbridge.call.floor.responses import Saying
    from callbridge.call.limits import Limits
    from callbridge.call.outbox import Outbox
    from callbridge.call.wants import WishSet, WishWithdrawn
    from callbridge.call.wishes import Wish

_IN_THEIR_LANGUAGE: Final = "Speak the language of the conversation. Say nothing else."

SAY_IT_ENDS_SOON: Final = (
    f"Tell the caller in one short sentence that this call has to end in about a minute. {_IN_THEIR_LANGUAGE}"
)
SAY_IT_ENDS: Final = (
    f"Tell the caller that this call has to end now, and say goodbye, in one sentence. {_IN_THEIR_LANGUAGE}"
)
ASK_WHETHER_THERE: Final = f"Ask the caller in a few words whether they are still there. {_IN_THEIR_LANGUAGE}"
STAYS_WITH_YOU: Final = (
    "[The caller spoke before they were put through, and is still with you. Listen to them. If they still "
    "want the person, put them through again.]"
)
CALL_GOES_ON: Final = (
    "[The caller spoke before the call was ended: it goes on. When they have no more to say, say goodbye "
    "and end it again.]"
)
SAY_NOBODY_IS_THERE: Final = (
    "Nobody has said anything for a while. Say in one sentence that you are hanging up, and goodbye. "
    f"{_IN_THEIR_LANGUAGE}"
)

FOLLOWS: Final[Mapping[EndReason, Following]] = {
    EndReason.CALLER_HANGUP: HangUp(),
    EndReason.AGENT_HANGUP: HangUp(),
    EndReason.LIMIT_DURATION: HangUp(),
    EndReason.LIMIT_COST: HangUp(),
    EndReason.LIMIT_SPEND_TOTAL: HangUp(),
    EndReason.LIMIT_RESPONSES: HangUp(),
    EndReason.OPERATOR_HANGUP: HangUp(),
    EndReason.PERSON_WANTED: FallBack(),
    EndReason.TRANSFERRED: FallBack(),  # Of a transfer that nobody knows any more.
    # The way between phone and agent broke; both are still there.
    EndReason.MEDIA_LOST: Resume(),
    EndReason.HANDED_OVER: Resume(),
    EndReason.SERVICE_STOPPED: Resume(),
    EndReason.PROCESS_LOST: Resume(),
    # What could be tried was tried before the model was given up; another stream would meet the same one.
    EndReason.MODEL_UNAVAILABLE: FallBack(),
    EndReason.MODEL_LOST: FallBack(),
    # A fault of ours that this call brings out once, it brings out again.
    EndReason.INTERNAL_ERROR: FallBack(),
    # The socket was not the one that Twilio was told to open. If Twilio itself asks what follows, its caller
    # waits.
    EndReason.REJECTED_AUTH: FallBack(),
    EndReason.REJECTED_PROTOCOL: FallBack(),
}
"""What follows each end of a stream, if the call still lives and nothing was left unsaid."""

WITHOUT_MODEL: Final = frozenset({EndReason.MODEL_UNAVAILABLE, EndReason.MODEL_LOST})
WISHED: Final = frozenset({EndReason.AGENT_HANGUP, EndReason.TRANSFERRED})
"""What the agent itself wants. A caller who speaks withdraws it."""


class Endings:
    """The ends that a call comes to by itself.

    Args:
        limits: the bounds.
        floor: says when the caller was last heard.
        asking: lets the agent speak.
        ladder: says whether last words are still to come.
        playout: says what is still unheard.
        out: where the end is announced.
        age_s: how long the call has lasted, over earlier streams.
    """

    def __init__(
        self,
        limits: Limits,
        floor: Floor,
        asking: Asking,
        ladder: Ladder,
        playout: Playout,
        out: Outbox,
        age_s: float,
    ) -> None:
        self._limits, self._floor, self._asking = limits, floor, asking
        self._ladder, self._playout, self._out = ladder, playout, out
        self.leaving_for: EndReason | None = None
        """Why the agent says its last words; None while it does not."""
        self.turn = 0
        """The caller's turn in which it began to leave."""
        self._is_unsaid = False
        """The last words were not said, and there is nobody left who could say them."""
        self.put_through: TransferAsked | None = None
        """To whom, when the agent leaves for that."""
        self._transfers = 0
        self._limit_behind: EndReason | None = None
        """A limit that was reached while the caller was about to be put through, or on hold: it counts once
        they are with the agent again."""
        self._last_words: Saying | None = None
        """Those of the agent's own code, as long as it has asked for the end with them."""
        self._timers: dict[Timer, float] = {}
        self._asked_at: float | None = None
        """When the caller was last asked whether they are there; None while they were not."""
        now = out.now
        ends_at = now + max(limits.call_length_max_s - age_s, 0.0)
        self._timers[Timer.CALL_LENGTH] = ends_at
        warned_at = ends_at - limits.call_length_warning_s
        # On a stream that continues a call in its last minute the warning was said on the one before. A call
        # that may last less than two minutes is not warned: the warning would be its first words.
        if limits.call_length_max_s >= 2 * limits.call_length_warning_s and warned_at > now:
            self._timers[Timer.LENGTH_WARNING] = warned_at

    # --- Leaving ---

    def leave_for(self, wish: Wish, now: float) -> None:
        """The agent says its last words, and then its wish is granted."""
        if isinstance(wish, Transfer):
            self._transfers += 1
            self.put_through = TransferAsked(f"{self._out.stream_sid}-{self._transfers}", wish)
            self.leave(EndReason.TRANSFERRED, now)
        else:
            self.put_through = None
            self.leave(EndReason.AGENT_HANGUP, now)

    def leave(self, reason: EndReason, now: float, words: str = "") -> None:
        """The agent says its last words: those of its own answer, or `words` that it is told to say."""
        self.leaving_for, self.turn = reason, self._floor.turn
        self._bound_farewell(now)
        if words:
            self._asking.say(words, now)

    def _bound_farewell(self, now: float) -> None:
        self.extend_farewell(now)
        # A bound that moves with nothing: an agent may ask for its leave again and again, and call tools.
        unheard_s = self._playout.unheard_ms(now) / 1000
        self._timers[Timer.LEAVE] = now + unheard_s + self._limits.leave_timeout_s

    def stay(self) -> None:
        """The caller has spoken again: nobody is hung up upon who says "oh, wait"."""
        text = CALL_GOES_ON if self.put_through is None else STAYS_WITH_YOU
        words, self.put_through = self._last_words, None
        self.is_not_leaving()
        if words is not None and words is not self._floor.saying_asked:
            self._floor.sayings.drop(words)  # Nobody says goodbye in the middle of a call that goes on.
        self._asking.tell(text)
        self._limit_counts()

    def caller_is_back(self, now: float) -> None:
        """From hold. An agent that was to take its leave meanwhile has its whole time from here on."""
        self.put_through = None
        if self.leaving_for is not None:
            self._bound_farewell(now)
        self._limit_counts()

    def _limit_counts(self) -> None:
        if self._limit_behind is not None:
            self._out.then(LimitReached(self._limit_behind))
            self._limit_behind = None

    def is_not_leaving(self) -> None:
        """The last words are said or taken back, and the stream goes on."""
        self.leaving_for = self._last_words = None
        self._floor.debts.has_last_words = False
        del self._timers[Timer.FAREWELL], self._timers[Timer.LEAVE]

    def wish(self, event: WishSet, now: float) -> None:
        """The agent's own code wants the call to end, in the agent's words.

        Who is on hold is put through to nobody else.
        """
        is_one_too_many = self._floor.is_on_hold and isinstance(event.wish, Transfer)
        if self.leaving_for is None and not is_one_too_many:
            debts = self._floor.debts
            debts.has_last_words = event.is_said
            if not event.is_said:
                debts.farewell = now
            elif debts.sayings:
                self._last_words = debts.sayings[-1]
            self.leave_for(event.wish, now)
            self._asking.if_free(now)

    def withdraw(self, _event: WishWithdrawn, _now: float) -> None:
        """It does not want that any more."""
        if self.leaving_for in WISHED:
            self._floor.debts.farewell = None
            self.stay()

    def nobody_speaks(self) -> None:
        """There is no session any more, and will be none."""
        self._is_unsaid = self._ladder.owes_goodbye

    @property
    def is_talked_over(self) -> bool:
        """The caller speaks on though the money is spent: an answer and a second goodbye would cost more.

        So Twilio's voice says goodbye. Other limits have the time to hear them out.
        """
        return self.leaving_for is EndReason.LIMIT_SPEND_TOTAL and self.turn != self._floor.turn

    def end(self, reason: EndReason) -> tuple[EndReason, Following]:
        """What an end comes to, and what is to follow it.

        An agent that takes its leave needs nobody to fall back on: a call that was to end ends, and if its
        goodbye was not said, Twilio says one. A stream that breaks off at a limit is not resumed to be ended.
        """
        if self.leaving_for is not None and reason in WITHOUT_MODEL:
            reason = self.leaving_for
        follows = FOLLOWS[reason]
        if reason is EndReason.TRANSFERRED and self.put_through is not None:
            asked = self.put_through
            return reason, PutThrough(asked.transfer_id, asked.transfer.name)  # Said or not: they want it.
        if reason is self.leaving_for:
            is_unsaid = self._is_unsaid or self._ladder.owes_goodbye or self.is_talked_over
        else:
            is_at_limit = self.leaving_for not in {None, *WISHED}
            is_unsaid = is_at_limit and follows == Resume()
        return reason, SayGoodbye() if is_unsaid else follows

    def limit_reached(self, reason: EndReason, now: float) -> None:
        """A limit is reached while the agent is leaving already: now no word of the caller keeps it.

        Whom a person is about to take costs nothing any more: for them it counts if they stay.
        """
        if self.leaving_for is EndReason.TRANSFERRED or self._floor.is_on_hold:
            self._limit_behind = self._limit_behind or reason
        elif self.leaving_for is EndReason.AGENT_HANGUP:
            self.leaving_for = reason
            self._timers[Timer.LEAVE] = now + self._limits.leave_timeout_s

    def extend_farewell(self, now: float) -> None:
        """The bound moves with the words: they may still be on their way from the model."""
        unheard_s = self._playout.unheard_ms(now) / 1000
        self._timers[Timer.FAREWELL] = now + unheard_s + self._limits.farewell_timeout_s

    # --- Time ---

    def add_due(self, due: dict[Timer, float], *, is_quiet: bool) -> None:
        """Adds when to look at what. `is_quiet`: it is the caller's turn, and they say nothing."""
        limits = self._limits
        floor = self._floor
        if floor.is_on_hold:
            return  # Nobody is there who could say a limit, and what the caller waits for has one.
        due.update(self._timers)
        if not limits.caller_silence_s or self.leaving_for is not None:
            return
        said_until = self._playout.agent_until
        if floor.noise_since is not None:
            # A street speaks all the time, and the agent answers it: neither puts anything off.
            said_until = min(said_until, floor.noise_since)
        elif not is_quiet:
            return
        patience_s = limits.caller_silence_s / 2 if self._has_asked else limits.caller_silence_s
        silent_at = max(floor.understood_at, said_until, self._asked_at or 0.0) + patience_s
        if floor.noise_since is not None and floor.speaking_since < silent_at:
            # They were speaking when it was due: their words may come yet, and are waited for.
            if floor.caller is Caller.SPEAKING:
                silent_at = max(silent_at, floor.speaking_since + limits.utterance_max_s)
            silent_at = max(silent_at, floor.silent_since + limits.transcript_timeout_s)
        due[Timer.CALLER_SILENT] = silent_at

    @property
    def _has_asked(self) -> bool:
        """Whether the caller was asked if they are there, and has said nothing since that was understood."""
        return self._asked_at is not None and self._asked_at >= self._floor.understood_at

    def expired(self, timer: Timer, now: float) -> tuple[EndReason, str] | None:
        """The time of one of them has come. Answers the limit that is reached, with the words for it."""
        match timer:
            case Timer.LENGTH_WARNING:
                del self._timers[timer]
                if self.leaving_for is None:
                    self._asking.say(SAY_IT_ENDS_SOON, now)
            case Timer.CALL_LENGTH:
                del self._timers[timer]
                return EndReason.LIMIT_DURATION, SAY_IT_ENDS
            case Timer.CALLER_SILENT:
                return self._caller_silent(now)
            case Timer.FAREWELL:
                self._farewell_overdue(now)
            case _:
                assert timer is Timer.LEAVE
                assert self.leaving_for is not None
                self._out.then(StreamMustEnd(self.leaving_for, "the goodbye took too long"))
        return None

    def _caller_silent(self, now: float) -> tuple[EndReason, str] | None:
        has_asked, self._asked_at = self._has_asked, now
        if has_asked:
            return EndReason.LIMIT_DURATION, SAY_NOBODY_IS_THERE
        self._asking.say(ASK_WHETHER_THERE, now)
        return None

    def _farewell_overdue(self, now: float) -> None:
        assert self.leaving_for is not None
        if self._asking.is_idle:
            self._out.then(StreamMustEnd(self.leaving_for, "the last words were not confirmed in time"))
        else:
            # The model still makes them. Audio goes past the machine, so no event has moved the bound
            # meanwhile.
            self.extend_farewell(now)
