"""When a call ends by itself: its length, its price, a caller who is silent, the agent's own goodbye.

Each is said before it is done, and done when it was heard. The first end of all counts, and `stages` carries
it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.facts import EndReason
from callbridge.call.phases import Timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.limits import Limits
    from callbridge.call.playout import Playout
    from callbridge.call.turns import Turns

_IN_THEIR_LANGUAGE: Final = "Speak the language of the conversation. Say nothing else."

SAY_IT_ENDS_SOON: Final = (
    f"Tell the caller in one short sentence that this call has to end in about a minute. {_IN_THEIR_LANGUAGE}"
)
SAY_IT_ENDS: Final = (
    f"Tell the caller that this call has to end now, and say goodbye, in one sentence. {_IN_THEIR_LANGUAGE}"
)
ASK_WHETHER_THERE: Final = f"Ask the caller in a few words whether they are still there. {_IN_THEIR_LANGUAGE}"
SAY_NOBODY_IS_THERE: Final = (
    "Nobody has said anything for a while. Say in one sentence that you are hanging up, and goodbye. "
    f"{_IN_THEIR_LANGUAGE}"
)


class Endings:
    """The ends that a call comes to by itself."""

    def __init__(
        self, limits: Limits, turns: Turns, playout: Playout, end: Callable[[EndReason, str], None]
    ) -> None:
        self._limits, self._turns, self._playout, self._end = limits, turns, playout, end
        self.leaving_for: EndReason | None = None
        """Why the agent says its last words; nothing while it does not."""
        self._timers: dict[Timer, float] = {}
        self._last_word_at = 0.0
        self._has_asked = False

    def begin(self, now: float, age_s: float) -> None:
        """The stream is admitted, of a call that is `age_s` old by then."""
        limits = self._limits
        ends_at = now + max(limits.call_length_max_s - age_s, 0.0)
        self._timers[Timer.CALL_LENGTH] = ends_at
        warned_at = ends_at - limits.call_length_warning_s
        # An earlier stream of the call has said so already, or it never will be said in time.
        if limits.call_length_max_s >= 2 * limits.call_length_warning_s and warned_at > now:
            self._timers[Timer.LENGTH_WARNING] = warned_at
        self._last_word_at = now

    def caller_heard(self, now: float) -> bool:
        """The caller has spoken or pressed a key. Answers whether the agent stays because of that.

        Nobody is hung up upon who says "oh, wait"; but a limit that is reached stays reached.
        """
        self._last_word_at, self._has_asked = now, False
        if self.leaving_for is not EndReason.AGENT_HANGUP:
            return False
        self.leaving_for = None
        self._timers.pop(Timer.FAREWELL)
        return True

    # --- Leaving ---

    def leave(self, reason: EndReason, now: float, words: str = "") -> None:
        """The agent says its last words: those of its own answer, or `words` that it is told to say."""
        self.leaving_for = reason
        self.extend_farewell(now)
        if words:
            self._timers[Timer.LEAVE] = now + self._limits.leave_timeout_s
            self._turns.say(words, now)

    def stays_reached(self, reason: EndReason, now: float) -> None:
        """A limit is reached while the agent is leaving already: now no word of the caller keeps it."""
        if self.leaving_for is EndReason.AGENT_HANGUP:
            self.leaving_for = reason
            self._timers[Timer.LEAVE] = now + self._limits.leave_timeout_s

    def extend_farewell(self, now: float) -> None:
        """The bound moves with the words: they may still be on their way from the model."""
        unheard_s = self._playout.unheard_ms(now) / 1000
        self._timers[Timer.FAREWELL] = now + unheard_s + self._limits.farewell_timeout_s

    # --- Time ---

    def due(self, *, is_quiet: bool) -> dict[Timer, float]:
        """When to look at what. `is_quiet`: it is the caller's turn, and they say nothing."""
        limits = self._limits
        if not is_quiet or not limits.caller_silence_s:
            return self._timers
        patience_s = limits.caller_silence_s / 2 if self._has_asked else limits.caller_silence_s
        return self._timers | {
            Timer.CALLER_SILENT: max(self._last_word_at, self._playout.agent_until) + patience_s
        }

    def expired(self, timer: Timer, now: float) -> tuple[EndReason, str] | None:
        """The time of one of them has come. Answers the limit that is reached, with the words for it."""
        match timer:
            case Timer.LENGTH_WARNING:
                del self._timers[timer]
                if self.leaving_for is None:
                    self._turns.say(SAY_IT_ENDS_SOON, now)
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
                self._end(self.leaving_for, "the goodbye took too long")
        return None

    def _caller_silent(self, now: float) -> tuple[EndReason, str] | None:
        self._last_word_at = now
        if self._has_asked:
            return EndReason.LIMIT_DURATION, SAY_NOBODY_IS_THERE
        self._has_asked = True
        self._turns.say(ASK_WHETHER_THERE, now)
        return None

    def _farewell_overdue(self, now: float) -> None:
        assert self.leaving_for is not None
        if self._turns.is_idle:
            self._end(self.leaving_for, "the last words were not confirmed in time")
        else:  # They are still being made: audio goes past the machine, so no event has moved the bound.
            self.extend_farewell(now)
