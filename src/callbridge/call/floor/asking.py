"""When the model is asked to speak, and when it is asked again.

This is the only place that asks for a response. There is never more than one, and none while the server makes
one by itself: only one at a time may write to the conversation (Realtime reference, response.create), and
another is refused (conversation_already_has_active_response). What comes of a response stands in `ladder`,
what is owed in `debts`.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.call.codes import FATAL_CODES, HARMLESS_CODES
from callbridge.call.events import LimitReached, SessionFailed
from callbridge.call.facts import EndReason, noted, warned
from callbridge.call.floor.pace import Pace
from callbridge.call.floor.responses import Ask
from callbridge.call.floor.table import Caller, Next, Now, On
from callbridge.call.sessions.trouble import Trouble
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from callbridge.call.floor.floor import Floor
    from callbridge.call.floor.responses import Saying
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions
    from callbridge.call.tools import ToolCalls
    from callbridge.wire import realtime_events

_TRY_AGAIN_IN: Final = re.compile(r"try again in (\d{1,4}(?:\.\d{1,6})?) ?(ms|s)\b", re.IGNORECASE)
"""As the vendor's rate limit errors word it."""


class Asking:
    """What is asked of the model in one call.

    Args:
        floor: who speaks, and what is owed.
        sessions: says whether there is a session that can be asked.
        tools: which run, and for which response.
        out: where actions and consequences go.
    """

    def __init__(self, floor: Floor, sessions: Sessions, tools: ToolCalls, out: Outbox) -> None:
        self._floor, self._debts, self._sessions = floor, floor.debts, sessions
        self._tools, self._out = tools, out
        self._limits = sessions.plan.limits
        self._begun = Pace(2 * self._limits.responses_per_minute_max)
        """The responses, whoever has caused them."""
        self._failed_attempts = self._silent_rounds = 0
        self.retry_at: float | None = None
        """Nothing is asked for before; None: at any time."""
        self._is_given_up = False
        """The session was found to be of no use, and what follows from that is still to come."""

    # --- Who waits ---

    @property
    def is_idle(self) -> bool:
        """Nobody speaks, nothing runs, nothing is owed."""
        floor, tools = self._floor, self._tools
        if floor.caller is Caller.SPEAKING or floor.next is not Next.NOTHING or floor.now is not Now.NOTHING:
            return False
        return not (tools.running or tools.approvals or tools.untold or floor.keys.pressed or self._debts)

    @property
    def waits_since(self) -> float | None:
        """Since when the caller waits for the agent; None while they do not.

        Who speaks does not wait yet, and who is on hold waits for somebody else.
        """
        floor = self._floor
        if floor.caller is Caller.SPEAKING or floor.is_on_hold:
            return None
        times: list[float] = []
        if floor.now is Now.AUDIBLE and not floor.response.is_whole:
            times.append(floor.response.since)
        if floor.is_asked and not floor.ask.is_for_sign:
            times.append(floor.ask.since)
        if floor.is_promised:
            times.append(floor.promise.since)
        if floor.keys.held_since is not None:
            times.append(floor.keys.held_since)
        self._debts.add_times(times)
        self._tools.add_times(times)
        return max(min(times), floor.silent_since) if times else None

    # --- What becomes of what was asked ---

    def response_began(self, now: float) -> None:
        """A response begins, whoever has caused it: nothing has to be tried again."""
        self.retry_at = None
        # The server cannot be kept from answering the caller, but the call can be ended.
        if self._begun.free_at(2 * self._limits.responses_per_minute_max) > now:
            self._out.then(LimitReached(EndReason.LIMIT_RESPONSES))
        self._begun.note(now)

    def response_paid(self, *, is_said: bool) -> None:
        """A response has brought what it was to bring: words, or only the call of a tool."""
        self._failed_attempts = 0
        self._silent_rounds = 0 if is_said else self._silent_rounds + 1

    def session_lost(self) -> None:
        """The next session has a clean record."""
        self.retry_at, self._failed_attempts, self._is_given_up = None, 0, False

    def retry(
        self, code: str | None, why: str, now: float, message: str = "", saying: Saying | None = None
    ) -> None:
        """A response failed, or was refused: what it was to say is tried again, or the model is given up.

        `saying`: words of the agent's code that it was to say. They may be why: no other session is lost
        because of them.
        """
        self._failed_attempts += 1
        self.retry_at = now + self._delay_s(message)
        if self._failed_attempts >= self._limits.response_attempts_max:
            if saying is not None:
                self._floor.sayings.drop(saying)
                if saying.is_answer:
                    self._debts.owe_answer(saying.since)
            self.lost(Trouble(f"{self._failed_attempts} responses failed: {why}", code=code))

    def _delay_s(self, message: str) -> float:
        """How long to wait before the next try. An error may say it: "Please try again in 7.2s"."""
        limits = self._limits
        named = _TRY_AGAIN_IN.search(message)
        if named is None:
            return limits.retry_delay_s
        delay_s = float(named[1]) / (1000 if named[2] == "ms" else 1)
        return min(max(delay_s, limits.retry_delay_s), limits.retry_delay_max_s)

    def lost(self, trouble: Trouble) -> None:
        """The session was found to be of no use: nothing more is asked of it."""
        self._is_given_up = True
        self._out.then(SessionFailed(trouble))

    # --- Asking ---

    def tell(self, note: str) -> None:
        """The model is told something that the caller does not hear, and that is not answered by itself."""
        if self._sessions.stands:
            self._out.add_message("system", note)

    def say(self, words: str, now: float) -> None:
        """The agent is to be told to say something as soon as nobody speaks."""
        self._debts.owe_words(words, now)
        self.if_free(now)

    def if_free(self, now: float) -> None:
        """Asks for what is owed, if nobody speaks, no answer is due, and nothing is to be waited for."""
        floor = self._floor
        # Who is still pressing keys is not talked over: they are told within seconds, and asked about then.
        is_busy = floor.caller is Caller.SPEAKING or floor.is_answering or floor.keys.finished_at is not None
        is_busy = is_busy or floor.is_on_hold
        # A session that this very event has shown to be of no use is still there, and is asked nothing more.
        is_there = self._sessions.stands and not self._is_given_up
        if is_busy or self.retry_at is not None or not is_there:
            return
        self._sessions.amend_as_wanted(now)
        if self._sessions.amendments.is_pending:
            return  # What is owed is answered by the agent as it is to be.
        if self._debts.may_ask(running := self._tools.causes):
            since, words = self.waits_since, self._debts.next_words(running)
            free_at = self._begun.free_at(self._limits.responses_per_minute_max)
            if free_at > now and not words:  # Words of ours are few, and the last of them end the call.
                self.retry_at = free_at
                return
            self._ask(
                self._debts.options(running, self._sessions.plan.greeting_options),
                now,
                since=now if since is None else since,
                words=words,
                saying=self._debts.next_saying(running),
                is_greeting=self._debts.greeting is not None,
                is_farewell=not words and self._debts.greeting is None and self._debts.farewell is not None,
            )

    def _ask(
        self,
        options: commands.ResponseOptions | None,
        now: float,
        *,
        since: float,
        words: str = "",
        saying: Saying | None = None,
        is_greeting: bool = False,
        is_farewell: bool = False,
        is_for_sign: bool = False,
    ) -> None:
        """The one place in which a response is asked for."""
        if self._silent_rounds >= self._limits.silent_rounds_max:
            # Tool after tool, and not a word: the caller has waited long enough for both.
            options = msgspec.structs.replace(options or commands.ResponseOptions(), tool_choice="none")
        ask_id, floor = self._out.ask_model(options), self._floor
        is_verbatim = options is not None and options.instructions is not None
        floor.ask = Ask(
            ask_id,
            floor.turn,
            since,
            words,
            is_greeting,
            is_farewell,
            is_for_sign,
            is_verbatim=is_verbatim,
            saying=saying,
            asked_at=now,
        )
        floor.move(On.ASKED)
        floor.due_since = now

    def for_sign(self, now: float) -> None:
        """The model is to show that it is there: whatever it makes of what it has heard."""
        if not self._floor.is_answering and self.retry_at is None and self._sessions.stands:
            self._ask(None, now, since=now, is_for_sign=True)

    def amendment_overdue(self, now: float) -> None:
        """The model does not confirm what it is to be: it is asked all the same."""
        self._sessions.amendments.overdue()
        self.if_free(now)

    def promise_broken(self, now: float) -> None:
        """The server does not answer by itself what it has not noticed: it is asked."""
        if self._floor.is_promised:
            self._debts.owe_answer(self._floor.promise.since)
            self._floor.move(On.PROMISE_REFUSED)
        self.if_free(now)

    # --- Errors ---

    def error(self, event: realtime_events.ErrorEvent, now: float) -> None:
        """An error leaves the session open (Realtime reference, error), unless nothing will work again.

        That is so for fatal codes, and after 60 minutes (Realtime guide, "Session lifecycle events").
        """
        error = event.error
        note = noted if error.code in HARMLESS_CODES else warned
        self._out.note(note("model_error", code=error.code, message=error.message, param=error.param))
        if self._sessions.not_amended(error):
            self.if_free(now)
            return
        if error.code in FATAL_CODES or error.code == "session_expired":
            self.lost(Trouble(error.code or "", code=error.code))
            return
        is_of_ask, is_of_promise = self._refused_by(error)
        if is_of_promise:  # A debt, and not a failed attempt: nobody has asked yet.
            self._promise_refused(now)
        if is_of_ask:
            self._floor.move(On.ASK_REFUSED)
            self.retry(error.code, error.code or error.message, now, error.message, self._floor.ask.saying)

    def _promise_refused(self, now: float) -> None:
        floor = self._floor
        floor.move(On.PROMISE_REFUSED)
        # The model noticed late that they had stopped: it was asked before, and answers just that. Not so of
        # words that began on an earlier stream, in turn 0: it was asked in the middle of them.
        is_answered = floor.now is Now.AUDIBLE and floor.response.turn == floor.promise.turn > 0
        if not is_answered:
            self._debts.owe_answer(floor.promise.since)
            self.retry_at = now + self._limits.retry_delay_s

    def _refused_by(self, error: realtime_events.ErrorDetail) -> tuple[bool, bool]:
        """Whether our ask, and whether the server's own answer, will not come because of this error."""
        floor = self._floor
        if error.event_id is not None:
            return floor.is_asked and error.event_id == floor.ask.id, False
        if error.code == "conversation_already_has_active_response":
            # Server VAD wanted to answer while the response that we cancel is still there. The error answers
            # no command of ours, so it has no event_id.
            return False, floor.is_promised
        if floor.now is not Now.NOTHING or error.code in HARMLESS_CODES:
            return False, False
        # A server_error names no command (Realtime reference, error.event_id): whatever was to come will not.
        return floor.is_asked, floor.is_promised

    def __repr__(self) -> str:
        return f"<Asking {self._floor!r}>"
