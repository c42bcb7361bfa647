"""Stops the agent's words and makes the model forget what the caller did not hear of them.

What an interruption does to the conversation stands here: `clear`, truncate, delete, and what becomes of
audio that comes late. Who interrupts, and which response is muted, is decided in `floor`.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.ear.playout import OURS, CutItem
from callbridge.call.facts import Interrupted, ItemHeard
from callbridge.wire import media_streams
from callbridge.wire import realtime_commands as commands
from callbridge.wire.audio import milliseconds

if TYPE_CHECKING:
    from callbridge.call.ear.playout import Playout
    from callbridge.call.floor.responses import LiveResponse
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions
    from callbridge.call.transcript import Transcript


class Interruption:
    """What was cut in one call."""

    def __init__(
        self, heard_tail_ms: int, playout: Playout, transcript: Transcript, sessions: Sessions, out: Outbox
    ) -> None:
        self.count = 0
        self._heard_tail_ms = heard_tail_ms
        self._playout, self._transcript, self._sessions, self._out = playout, transcript, sessions, out
        self._items: dict[str, int] = {}
        """Spoken items of the present session, each with how many tools it is behind. Those of an earlier one
        cannot be cut there."""

    def item_begun(self, item_id: str, behind_tools: int) -> None:
        """The present session begins a spoken item."""
        self._items[item_id] = behind_tools

    def heard(self, item: CutItem) -> None:
        """An item was heard to its end: that is a fact."""
        behind_tools = self._items.get(item.item_id, 0)
        times = [None if at is None else self._out.ms(at) for at in (item.heard_from, item.heard_until)]
        self._out.note(ItemHeard(item.item_id, behind_tools, item.sent_ms, *times))

    def session_lost(self) -> None:
        """There is nobody any more who could forget the items so far."""
        self._items.clear()
        self._playout.forget_withheld()

    def cut(
        self,
        now: float,
        muted: LiveResponse | None,
        *,
        spoke_from: float | None = None,
        clears: bool = True,
        is_callers: bool = True,
    ) -> None:
        """Stops what the phone plays, and makes the model forget what was not heard of it.

        If everything was heard nothing is sent at all: truncation would take the item's transcript from the
        model's memory (Realtime reference, conversation.item.truncate).

        Args:
            now: monotonic seconds.
            muted: the response that is to be heard no more and that the server has not finished, if any.
            spoke_from: when the caller began to speak, where that is why.
            clears: whether the phone is still there to be told.
            is_callers: whether it is theirs. Of what the agent's own code stops that tells itself.
        """
        if muted is not None:
            self._never_begun(muted)
        # The heard position is frozen before the clear: Twilio answers a clear with the echoes of all marks
        # that are out, also of those that were never played (docs, "Clear message").
        unheard_ms, cuts = self._playout.cut(now, self._heard_tail_ms)
        self._transcript.agent_was_heard(cuts)
        if not unheard_ms:
            return
        if clears:
            self._out.tell_phone(media_streams.Clear(self._out.stream_sid))
        lost = [cut for cut in cuts if not (cut.is_heard or cut.item_id.startswith(OURS))]
        for cut in cuts:
            if cut.is_news:
                self.heard(cut)
        truncated, deleted = self._forget(
            lost, "The caller interrupted" if is_callers else "You were stopped"
        )
        if muted is not None:
            muted.settled.update(cut.item_id for cut in lost)
        if not is_callers:
            return
        self.count += 1
        after_ms = None if spoke_from is None else round((now - spoke_from) * 1000)
        self._out.note(Interrupted(tuple(truncated.items()), tuple(deleted), unheard_ms, after_ms))

    def freeze(self, now: float, in_progress: LiveResponse | None) -> None:
        """Nothing more will be heard: for the record, what was said is what was heard until now."""
        if in_progress is not None:
            self._never_begun(in_progress)
        _, cuts = self._playout.cut(now, self._heard_tail_ms)
        self._transcript.agent_was_heard(cuts)
        for cut in cuts:
            if cut.is_news:
                self.heard(cut)

    def _never_begun(self, response: LiveResponse) -> None:
        """Items of a response that is heard no more, and that were not begun, will never be heard.

        Its end may be a long time coming, and the turn be recorded before.
        """
        unsent = [item_id for item_id in response.items if not self._playout.has_sent(item_id)]
        if unsent:
            self._transcript.agent_was_heard(CutItem(item_id, 1, 0) for item_id in unsent)

    def settle(self, response: LiveResponse, *, is_session_lost: bool = False) -> None:
        """A response that was cut is over: its items may have gone on after the cut, or never been sent.

        The server counts late deltas as said, though the phone never got them. A session that is lost is told
        nothing: only the record is put right.
        """
        withheld = self._playout.forget_withheld()
        for item_id in response.items:
            late_ms = milliseconds(withheld.get(item_id, 0))
            if item_id in response.settled:
                self._transcript.agent_made_more(item_id, late_ms)
                continue
            sent_ms = self._playout.sent_ms(item_id)
            if sent_ms and not late_ms:
                continue
            response.settled.add(item_id)
            if not sent_ms:
                if not is_session_lost:
                    self._out.tell_model(commands.DeleteItem(item_id=item_id))
                self._transcript.agent_was_heard([CutItem(item_id, late_ms or 1, 0)])
            else:
                # All that was sent was heard, and nothing was cut then. The server made more before it knew
                # of the interruption, and counts it as said (Realtime guide, "Interruption and truncation").
                if not is_session_lost:
                    content_index = self._playout.content_indexes.get(item_id, 0)
                    self._out.tell_model(
                        commands.TruncateItem(
                            item_id=item_id, audio_end_ms=sent_ms, content_index=content_index
                        )
                    )
                self._transcript.agent_was_heard([CutItem(item_id, sent_ms + late_ms, sent_ms)])

    def _forget(self, cuts: list[CutItem], why: str) -> tuple[dict[str, int], list[str]]:
        """Truncates the item in play and deletes those never begun; answers both."""
        truncated: dict[str, int] = {}
        deleted: list[str] = []
        foreign: list[CutItem] = []
        for cut in cuts:
            if cut.item_id not in self._items:
                foreign.append(cut)
            elif cut.heard_ms:
                truncated[cut.item_id] = cut.heard_ms
                self._out.tell_model(
                    commands.TruncateItem(
                        item_id=cut.item_id, audio_end_ms=cut.heard_ms, content_index=cut.content_index
                    )
                )
            else:
                # "audio_end_ms" of 0 is refused (Realtime reference, conversation.item.truncate): the item
                # goes.
                deleted.append(cut.item_id)
                self._out.tell_model(commands.DeleteItem(item_id=cut.item_id))
        if foreign and self._sessions.stands:
            self._correct(foreign, why)
        return truncated, deleted

    def _correct(self, cuts: list[CutItem], why: str) -> None:
        """Words of an earlier session were retold as said: the present one is told how much was heard."""
        for cut in cuts:
            heard = self._transcript.heard_words(cut.item_id)
            note = f"[{why}. Of your last words only this was heard: {heard or 'nothing'}]"
            self._out.add_message("system", note)
