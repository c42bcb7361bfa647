"""The caller on hold: a person is asked apart whether they take the call; the caller hears a sound of ours.

Meanwhile nothing of theirs reaches the model, nothing is asked of it, no tool of its own runs, and a limit
that is reached counts once they are back. A caller who presses a key is back with the agent; so is one whose
words were on their way when it began. Whoever asks the person is outside, and says here what came of it
(`TransferTold`); the clock is the second witness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.actions import OwnSound, PlaySound
from callbridge.call.events import StreamMustEnd, TransferTold
from callbridge.call.facts import EndReason, Remembered
from callbridge.call.memory import Told
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.phases import Timer
from callbridge.call.telephone_facts import TransferEnded
from callbridge.call.transfer_words import words_of
from callbridge.call.wants import AgentTells
from callbridge.wire.media_streams import Clear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.call.ear.playout import Playout
    from callbridge.call.endings import Endings
    from callbridge.call.floor.asking import Asking
    from callbridge.call.floor.floor import Floor
    from callbridge.call.floor.news import News
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions
    from callbridge.call.telephone_facts import TransferAsked

AHEAD_S: Final = 0.2
"""So long before its end the sound is sent anew: a phone that hears late has no hole in it."""

_LEFT: Final[Mapping[EndReason, TransferOutcome]] = {
    EndReason.CALLER_HANGUP: TransferOutcome.CALLER_HUNG_UP,
    EndReason.PERSON_WANTED: TransferOutcome.CALLER_RETURNED,
}
"""How a stream ends with a caller who did not want to wait. Otherwise we, or the line, have failed them."""


class OnHold:
    """Whether the caller is on hold, and for which transfer.

    Args:
        floor: says whether the caller has spoken or pressed a key.
        asking: asks nothing meanwhile.
        sessions: says whether there is an agent to come back to, and lets them hear the caller or not.
        news: what came of it goes there.
        endings: what was wanted meanwhile comes behind it.
        playout: says when the sound is over.
        out: where facts, sounds and consequences go.
    """

    def __init__(
        self,
        floor: Floor,
        asking: Asking,
        sessions: Sessions,
        news: News,
        endings: Endings,
        playout: Playout,
        out: Outbox,
    ) -> None:
        self._floor, self._asking, self._sessions, self._news = floor, asking, sessions, news
        self._endings, self._playout, self._out = endings, playout, out
        self.asked: TransferAsked | None = None
        """For whom the caller waits; None while they do not."""
        self.since = 0.0
        self._turn = 0
        self._without_model: StreamMustEnd | None = None
        """There is no agent any more: how the call ends if nobody takes it."""

    def begin(self, asked: TransferAsked, now: float) -> None:
        """All was said. From here on the caller waits for a person."""
        self.asked, self.since, self._turn = asked, now, self._floor.turn
        self._floor.is_on_hold = True
        self._sessions.caller_goes_on_hold()
        self._out.note(asked)
        self._out.do(PlaySound(OwnSound.ON_HOLD))

    def model_gone(self, end: StreamMustEnd) -> None:
        """There will be no session any more. The caller waits for somebody else, so they go on waiting."""
        self._without_model = end
        self._sessions.stay_away()

    # --- What comes of it ---

    def told(self, event: TransferTold, now: float) -> None:
        """Whoever asks the person knows what came of it. Late news of another transfer change nothing."""
        if self.asked is None or event.transfer_id != self.asked.transfer_id:
            return
        if event.outcome is TransferOutcome.CONNECTED or event.is_to_ring:
            self._out.then(StreamMustEnd(EndReason.TRANSFERRED, event.detail))
        else:
            self._ends(event.outcome, event.detail, now)

    def look(self, now: float) -> None:
        """After every event: whether the caller has come back by themselves."""
        if self.asked is not None and self._turn != self._floor.turn:
            self._ends(TransferOutcome.CALLER_RETURNED, "", now)

    def stream_ends(self, reason: EndReason, now: float) -> None:
        """The stream is over with the caller on hold, or they are put through."""
        if self.asked is None:
            return
        if reason is EndReason.TRANSFERRED:  # The sound has done its duty.
            self._out.tell_phone(Clear(self._out.stream_sid))
            return
        outcome = _LEFT.get(reason, TransferOutcome.CARRIER_FAULT)
        ended = self._ended(outcome, reason.value, now)
        if reason not in _LEFT:  # Whoever goes on with the caller is to know.
            self._out.note(Remembered(Told(self._turn, _words_of(ended))))
        self._out.note(ended)

    def _ends(self, outcome: TransferOutcome, detail: str, now: float) -> None:
        ended = self._ended(outcome, detail, now)
        self._out.note(ended)
        self.asked = None
        self._floor.caller_is_back(now)
        if self._without_model is not None:
            self._out.then(self._without_model)
            return
        self._sessions.caller_is_back()
        self._endings.caller_is_back(now)
        self._news.came(AgentTells(_words_of(ended)), now)
        self._asking.if_free(now)

    def _ended(self, outcome: TransferOutcome, detail: str, now: float) -> TransferEnded:
        assert self.asked is not None
        waited_ms = round((now - self.since) * 1000)
        name = self.asked.transfer.name
        return TransferEnded(self.asked.transfer_id, name, outcome, waited_ms=waited_ms, detail=detail)

    # --- Time ---

    def add_due(self, due: dict[Timer, float]) -> None:
        """Adds when the sound is to go on, and when the wait is over whatever anybody says."""
        if self.asked is None:
            return
        # Sent anew before it ends, or there would be a hole in it. It is short: the agent waits behind it.
        due[Timer.HOLD_SOUND] = max(self._playout.quiet_at - AHEAD_S, self.since)
        transfer = self.asked.transfer
        due[Timer.ON_HOLD] = (
            self.since + transfer.ring_s + self._sessions.plan.limits.transfer_decided_within_s
        )

    def expired(self, timer: Timer, now: float) -> None:
        """The time of one of them has come."""
        if timer is Timer.HOLD_SOUND:
            self._out.do(PlaySound(OwnSound.ON_HOLD))
        else:
            self._ends(TransferOutcome.CARRIER_FAULT, "nobody said what became of it", now)


def _words_of(ended: TransferEnded) -> str:
    return words_of(ended.name, ended.outcome, ended.waited_ms / 1000)
