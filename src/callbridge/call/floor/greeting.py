"""The greeting: owed until the caller has heard it, and not stopped by their first word.

It is where a caller learns whom they speak to, and perhaps that it is a machine. The first thing that most
people say is "hello?", into its first word: a server that may interrupt drops the greeting for that. So the
first session may not interrupt; the caller is listened to all the same, and answered behind the greeting.
When it was heard one more `session.update` allows interruptions. An agent may have its greeting interrupted
like anything else (`Agent(greeting_interruptible=True)`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.facts import Said, noted
from callbridge.call.recording_facts import GREETING

if TYPE_CHECKING:
    from callbridge.call.ear.playout import Playout
    from callbridge.call.floor.debts import Debts
    from callbridge.call.floor.responses import LiveResponse
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions

HEARD_ENOUGH: Final = 0.8
"""Of a greeting that was cut off, so much is as good as all of it."""

ECHO_LATE_S: Final = 0.5
"""How long after the end of the greeting its last mark may come back; then the clock says that it is over.
With an answer queued behind it the echo of that mark is no event, and nothing else would say so."""


class Greeting:
    """The greeting of one call.

    Args:
        sessions: has the session that may not interrupt, and amends it.
        playout: says what was heard.
        debts: where it is owed.
        out: where facts go.
    """

    def __init__(self, sessions: Sessions, playout: Playout, debts: Debts, out: Outbox) -> None:
        self._sessions, self._playout, self._debts, self._out = sessions, playout, debts, out
        self._limits = sessions.plan.limits
        self._may_be_interrupted = sessions.plan.is_greeting_interruptible
        self.response: LiveResponse | None = None
        """The one that says it, until enough was heard."""
        self._is_whole = False
        """All of it was made, its response says. Before that nobody knows how long it is."""
        self._begun_at = 0.0
        """When that response began."""

    def begins(self, response: LiveResponse, now: float) -> None:
        """A response begins that was asked to greet."""
        self.response, self._is_whole, self._begun_at = response, False, now

    def is_made(self) -> None:
        """No more of it will come: that response is over, or another one begins."""
        self._is_whole = True

    def is_unsaid(self) -> None:
        """It has called a tool, and said nothing.

        Words of ours are owed as before; where there are none, the answer to the tool greets.
        """
        assert self.response is not None
        if self._sessions.plan.greeting:
            self._debts.greeting = self.response.since
        self.response = None

    def session_lost(self, now: float) -> None:
        """The session is gone. What was sent plays on: of a greeting that is whole nothing is missing.

        One that broke off is said again, also where callers may interrupt it: nobody has.
        """
        if self.response is not None and not self._is_made(self.response):
            self._owe_again(now)

    def is_cut(self, now: float) -> None:
        """It was interrupted, or broke off: enough was heard of it, or it stays owed."""
        assert self.response is not None
        share = self._share_heard(self.response, now)
        if share >= HEARD_ENOUGH or (self._may_be_interrupted and share):
            self.response = None
            self._tell(share)
        else:
            self._owe_again(now)

    def is_stopped(self, now: float) -> None:
        """The agent's own code has stopped it: what is said in its place greets."""
        assert self.response is not None
        share, self.response = self._share_heard(self.response, now), None
        self._tell(share)
        self._sessions.amend()

    def _tell(self, share: float) -> None:
        if self._sessions.plan.tells_greeting:
            self._out.note(Said(GREETING, int(100 * share)))

    def _owe_again(self, now: float) -> None:
        assert self.response is not None
        share = self._share_heard(self.response, now)
        # The caller waits from the beginning: what they heard of it is the playout's to say.
        self._debts.greeting, self.response = self.response.since, None
        self._out.note(noted("greeting_cut", heard_percent=round(100 * share)))

    def settle(self, now: float) -> None:
        """After every event, while it is said: whether it was heard."""
        response = self.response
        if response is None or not self._is_made(response):
            return
        if self._share_of_sent(response, now) >= 1:
            self.response = None
            self._tell(1.0)
            self._sessions.amend()

    @property
    def due(self) -> float | None:
        """When it is over at the latest; None before its first sound, and when it may be interrupted."""
        sessions, began_at = self._sessions, self._playout.began_at
        is_owed = self._debts.greeting is not None  # It has not begun, or is to begin again.
        if began_at is None or is_owed or not (sessions.is_protecting and sessions.stands):
            return None
        # What sounded before may have been a greeting that broke off.
        began_at = max(began_at, self._begun_at)
        if self.response is None or not self._is_made(self.response):
            return began_at + self._limits.greeting_protected_s
        heard_by = self._playout.heard_by(self.response.items)
        return min(heard_by + ECHO_LATE_S, began_at + self._limits.greeting_protected_s)

    def _is_made(self, response: LiveResponse) -> bool:
        # The end of a response may stay out whose audio is whole.
        return self._is_whole or response.is_whole

    def _share_of_sent(self, response: LiveResponse, now: float) -> float:
        sent_ms, heard_ms = self._playout.sent_and_heard_ms(response.items, now)
        return heard_ms / sent_ms if sent_ms else 0.0

    def _share_heard(self, response: LiveResponse, now: float) -> float:
        share = self._share_of_sent(response, now)
        # One that broke off while it was made was to be longer than what was sent of it: who has heard all of
        # that has still not heard enough.
        return share if self._is_made(response) else min(share, HEARD_ENOUGH / 2)
