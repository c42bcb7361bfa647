"""What the model is told that nobody has said: news of the agent's own code, keys that it has read.

It stands in the conversation, and in the memory for later sessions. What is to be answered is owed like
anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.facts import Remembered
from callbridge.call.memory import Told

if TYPE_CHECKING:
    from callbridge.call.floor.debts import Debts
    from callbridge.call.memory import Memory
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions
    from callbridge.call.transcript import Transcript
    from callbridge.call.wants import AgentTells


class News:
    """Those of one call.

    Args:
        sessions: says whether there is anybody to be told.
        debts: where an answer is owed.
        memory: what a later session is told.
        transcript: says which turn it is.
        out: where commands and facts go.
    """

    def __init__(
        self, sessions: Sessions, debts: Debts, memory: Memory, transcript: Transcript, out: Outbox
    ) -> None:
        self._sessions, self._debts, self._memory = sessions, debts, memory
        self._transcript, self._out = transcript, out
        self._untold: list[tuple[AgentTells, float]] = []
        """What nobody could be told, with since when."""

    def came(self, event: AgentTells, now: float, waits_since: float | None = None) -> None:
        """Something new. If there is no session, the next one is told.

        `waits_since`: since when the caller waits for what it leads to, if that is longer.
        """
        since = now if waits_since is None else waits_since
        told = Told(self._transcript.turns, event.text, event.is_callers)
        self._memory.add(told)
        self._out.note(Remembered(told))
        if self._sessions.renewal.moving_since is not None:  # It was told the conversation without this.
            self._sessions.spare_failed("the model is told something", now)
        if self._sessions.stands:
            self._tell(event, since)
        else:
            self._untold.append((event, since))

    def _tell(self, event: AgentTells, since: float) -> None:
        item_id = self._out.add_message("user" if event.is_callers else "system", event.text)
        if event.is_answered:
            self._debts.add_item(item_id, None, since)

    def session_retold(self) -> None:
        """The next session has just been told all that is remembered, and this with it."""
        for event, since in self._untold:
            if event.is_answered:
                self._debts.owe_answer(since)
        self._untold.clear()

    def session_stands(self) -> None:
        """A session stands. What it was not told before, it is told now."""
        for event, since in self._untold:
            self._tell(event, since)
        self._untold.clear()
