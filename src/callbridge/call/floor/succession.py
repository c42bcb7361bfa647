"""What a session of the model leaves to the next one: whatever the caller waits for stays owed.

How there comes to be another session is decided in `call/sessions`, what it is told in `memory`. Here is what
of the floor ends with a session, what survives it, and what is asked of the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.floor.table import Caller, Next, Now, On

if TYPE_CHECKING:
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.playout import Playout
    from callbridge.call.floor.asking import Asking
    from callbridge.call.floor.floor import Floor
    from callbridge.call.floor.ladder import Ladder
    from callbridge.call.floor.news import News
    from callbridge.call.transcript import Transcript


class Succession:
    """The succession of sessions in one call, as the floor has it.

    Args:
        floor: who speaks, and what is owed.
        ladder: says what becomes of the response in progress, and of tools.
        asking: is told when something may be asked.
        news: what the model is to be told.
        gate: says which response may be heard.
        playout: what the phone was sent.
        transcript: who said what.
    """

    def __init__(
        self,
        floor: Floor,
        ladder: Ladder,
        asking: Asking,
        news: News,
        gate: Gate,
        playout: Playout,
        transcript: Transcript,
    ) -> None:
        self._floor, self._debts, self._ladder, self._asking = floor, floor.debts, ladder, asking
        self._tools, self._news, self._gate = ladder.tools, news, gate
        self._playout, self._transcript = playout, transcript

    @property
    def can_be_left(self) -> bool:
        """Whether the session can be left for a later stream of the call.

        Not while a tool of ours runs: it would wait for the result for ever. Not while a response is to come:
        it has no id yet by which it could be cancelled, and would be spoken to nobody.
        """
        return self._floor.next is Next.NOTHING and not (self._tools.running or self._tools.approvals)

    def begin(self, now: float, *, is_continued: bool) -> None:
        """The stream is admitted: the caller waits for a greeting, or for the call to go on."""
        if is_continued:
            self._debts.answer = now
        else:
            self._debts.greeting = now

    def session_lost(self, now: float) -> None:
        """The session is gone with all that it was doing. What the caller waits for stays owed.

        Agent audio that was sent plays on: it covers the gap. Who was speaking may not have been heard to the
        end, so they are owed an answer too.
        """
        floor = self._floor
        if floor.caller is Caller.SPEAKING:
            self._debts.owe_answer(now)
            floor.silent_since = now
        if floor.is_promised:
            self._debts.owe_answer(floor.promise.since)
        if floor.now is not Now.NOTHING:
            self._ladder.ends_with_session(floor.response)
        floor.move(On.SESSION_LOST)
        self._asking.session_lost()
        self._gate.audible_response_id, self._gate.model_hears = None, False
        if floor.greeting.response is not None:
            floor.greeting.session_lost(now)
        self._debts.session_lost()
        if (since := self._tools.theirs_lost()) is not None:
            self._debts.owe_answer(since)
        self._tools.session_lost()
        floor.interruption.session_lost()
        self._transcript.agent_finished(self._playout.agent_until)
        self._transcript.words_lost()
        floor.mark()

    def session_retold(self) -> None:
        """The next session has just been told all that is remembered, tool results included."""
        for running, result in self._tools.untold:
            if not result.is_quiet:
                self._debts.owe_answer(running.since)
        self._tools.untold.clear()
        self._news.session_retold()

    def session_stands(self, now: float) -> None:
        """A session stands and knows what was said: what is owed is asked of it."""
        untold, self._tools.untold = self._tools.untold, []
        for running, result in untold:
            item_id = self._tools.tell(running, result)
            if not result.is_quiet:
                self._debts.add_item(item_id, running.cause, running.since)
        self._news.session_stands()
        if self._floor.keys.pressed:
            self._floor.keys.finished_at = now
        self._asking.if_free(now)

    def model_gone(self, now: float) -> None:
        """There will be no other session: nothing more is owed, what was sent is still heard."""
        self.session_lost(now)
        self.owe_nothing()
        self._tools.forget()

    def owe_nothing(self) -> None:
        """What was owed so far is not answered any more; nor are keys that were not told yet."""
        self._asking.retry_at = None
        self._floor.greeting.response = None  # Also if it is cut now.
        self._floor.sayings.drop_all(self._floor.saying_asked)
        self._debts.forget()
        self._floor.keys.forget()

    def __repr__(self) -> str:
        return f"<Succession {self._floor!r}>"
