"""Stops the agent's words and makes the model forget what the caller did not hear of them.

What an interruption does to the conversation stands here: `clear`, truncate, delete, and what becomes of
audio that comes late. Who interrupts, and which response is muted, is decided in `turns`.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.actions import Action, Record, SendToPhone
from callbridge.call.facts import Interrupted
from callbridge.call.playout import CLIP, CutItem
from callbridge.wire import media_streams
from callbridge.wire import realtime_commands as commands
from callbridge.wire.mulaw import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callbridge.call.limits import Limits
    from callbridge.call.playout import Playout
    from callbridge.call.transcript import Transcript


class Cutting:
    """The cuts of one call."""

    def __init__(
        self,
        limits: Limits,
        playout: Playout,
        transcript: Transcript,
        do: Callable[[Action], None],
        send: Callable[[commands.AnyCommand], str],
        next_item_id: Callable[[], str],
    ) -> None:
        self.stream_sid = ""
        self.count = 0
        self._limits, self._playout, self._transcript = limits, playout, transcript
        self._do, self._send, self._next_item_id = do, send, next_item_id
        self._items: set[str] = set()
        """Spoken items of the present session. Those of an earlier one cannot be cut there."""

    def item_begun(self, item_id: str) -> None:
        """The present session begins a spoken item."""
        self._items.add(item_id)

    def session_lost(self) -> None:
        """There is nobody any more who could forget the items so far."""
        self._items.clear()
        self._playout.forget_withheld()

    def cut(self, now: float, *, clears: bool = True) -> set[str]:
        """Stops what the phone plays; answers the items of which something was not heard.

        If everything was heard nothing is sent at all: truncation would take the item's transcript from the
        model's memory. `clears`: whether the phone is still there to be told.
        """
        unheard_ms = self._playout.unheard_ms(now)
        if unheard_ms <= self._limits.heard_tail_ms:
            return set()
        # The heard position is frozen before the clear: a clear echoes marks that were never played.
        cuts = self._playout.cut(now)
        if clears:
            self._do(SendToPhone(media_streams.Clear(self.stream_sid)))
        lost = [cut for cut in cuts if cut.item_id != CLIP and not self._is_heard(cut)]
        self._transcript.agent_was_cut(lost)
        truncated, deleted = self._forget(cut for cut in lost if cut.item_id in self._items)
        self._correct(cut for cut in lost if cut.item_id not in self._items)
        self.count += 1
        self._do(Record(Interrupted(tuple(truncated.items()), tuple(deleted), unheard_ms)))
        return {cut.item_id for cut in lost}

    def freeze(self, now: float) -> None:
        """Nothing more will be heard: for the record, what was said is what was heard until now."""
        if self._playout.unheard_ms(now) > self._limits.heard_tail_ms:
            cuts = self._playout.cut(now)
            self._transcript.agent_was_cut(cut for cut in cuts if not self._is_heard(cut))

    def muted(self, items: Iterable[str]) -> None:
        """A response is muted: of these items, those that were not begun will never be heard.

        Its end may be a long time coming, and the turn be recorded before.
        """
        self._transcript.agent_was_cut(
            CutItem(item_id, 1, 0) for item_id in items if not self._playout.sent_ms(item_id)
        )

    def settle_late_audio(self, items: Iterable[str], settled: set[str]) -> None:
        """Items of a muted response that went on after the cut, or were never sent to the phone."""
        withheld = self._playout.forget_withheld()
        for item_id in items:
            if item_id in settled:
                continue
            sent_ms = self._playout.sent_ms(item_id)
            late_ms = milliseconds(withheld.get(item_id, 0))
            if not sent_ms:
                self._send(commands.DeleteItem(item_id=item_id))
                self._transcript.agent_was_cut([CutItem(item_id, late_ms or 1, 0)])
            elif late_ms:  # All that was sent was heard, but the server made more.
                self._truncate(item_id, sent_ms)
                self._transcript.agent_was_cut([CutItem(item_id, sent_ms + late_ms, sent_ms)])

    def _is_heard(self, cut: CutItem) -> bool:
        return bool(cut.heard_ms) and cut.sent_ms - cut.heard_ms <= self._limits.heard_tail_ms

    def _forget(self, cuts: Iterable[CutItem]) -> tuple[dict[str, int], list[str]]:
        """Truncates the item in play and deletes those never begun."""
        truncated: dict[str, int] = {}
        deleted: list[str] = []
        for cut in cuts:
            if cut.heard_ms:
                truncated[cut.item_id] = cut.heard_ms
                self._truncate(cut.item_id, cut.heard_ms)
            else:  # Truncation to 0 ms is refused.
                deleted.append(cut.item_id)
                self._send(commands.DeleteItem(item_id=cut.item_id))
        return truncated, deleted

    def _correct(self, cuts: Iterable[CutItem]) -> None:
        """Words of an earlier session were retold as said: the present one is told how much was heard."""
        for cut in cuts:
            heard = self._transcript.heard_words(cut.item_id)
            note = f"[The caller interrupted. Of your last words only this was heard: {heard or 'nothing'}]"
            message = commands.Message(self._next_item_id(), "system", (commands.InputText(note),))
            self._send(commands.CreateItem(item=message))

    def _truncate(self, item_id: str, heard_ms: int) -> None:
        self._send(commands.TruncateItem(item_id=item_id, audio_end_ms=heard_ms, content_index=0))
