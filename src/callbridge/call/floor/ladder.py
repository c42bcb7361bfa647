"""The response ladder: when the model is asked to speak, what comes of it, and what its tools owe.

This is the only place that asks for a response. There is never more than one, and none while the server makes
one by itself: `response.create` is refused while a response is active
(conversation_already_has_active_response).

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.codes import FATAL_CODES, HARMLESS_CODES
from callbridge.call.events import SessionFailed
from callbridge.call.facts import noted, warned
from callbridge.call.floor.responses import Ask, LiveResponse
from callbridge.call.floor.table import Caller, Next, Now, On
from callbridge.call.phases import Timer
from callbridge.call.sessions.trouble import Trouble
from callbridge.call.tools import ToolCalls
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events

if TYPE_CHECKING:
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.playout import Playout
    from callbridge.call.ear.tally import Tally
    from callbridge.call.events import ToolFinished
    from callbridge.call.floor.floor import Floor
    from callbridge.call.memory import Memory
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions
    from callbridge.call.transcript import Transcript


class Ladder:
    """The ladder of one call.

    Args:
        floor: who speaks, and what is owed.
        sessions: says whether there is a session that can be asked.
        gate: says which response may be heard.
        tally: says when anything came from the model.
        playout: what the phone was sent.
        transcript: who said what.
        memory: what earlier sessions of the call were answered.
        out: where actions and consequences go.
    """

    def __init__(
        self,
        floor: Floor,
        sessions: Sessions,
        *,
        gate: Gate,
        tally: Tally,
        playout: Playout,
        transcript: Transcript,
        memory: Memory,
        out: Outbox,
    ) -> None:
        self._floor, self._debts, self._sessions = floor, floor.debts, sessions
        self._gate, self._tally, self._playout = gate, tally, playout
        self._transcript, self._out = transcript, out
        self._limits = sessions.plan.limits
        self.tools = ToolCalls(self._limits, memory, transcript, out)
        self._failed_attempts = 0
        self._retry_at: float | None = None
        """Nothing is asked for before; None: at any time."""
        self._is_given_up = False
        """The session was found to be of no use, and what follows from that is still to come."""

    # --- What can be asked ---

    @property
    def is_idle(self) -> bool:
        """Nobody speaks, nothing runs, nothing is owed."""
        floor, tools = self._floor, self.tools
        if floor.caller is Caller.SPEAKING or floor.next is not Next.NOTHING or floor.now is not Now.NOTHING:
            return False
        return not (tools.running or tools.untold or floor.keys.pressed or self._debts)

    @property
    def waits_since(self) -> float | None:
        """Since when the caller waits for the agent; None while they do not. Who speaks does not wait yet."""
        floor = self._floor
        if floor.caller is Caller.SPEAKING:
            return None
        times: list[float] = []
        if floor.now is Now.AUDIBLE:
            times.append(floor.response.since)
        if floor.is_asked:
            times.append(floor.ask.since)
        if floor.is_promised:
            times.append(floor.promise.since)
        if floor.keys.held_since is not None:
            times.append(floor.keys.held_since)
        self._debts.add_times(times)
        self.tools.add_times(times)
        return max(min(times), floor.silent_since) if times else None

    @property
    def can_be_left(self) -> bool:
        """Whether the session can be left for a later stream of the call.

        Not while a tool of ours runs: it would wait for the result for ever. Not while a response is to come:
        it has no id yet by which it could be cancelled, and would be spoken to nobody.
        """
        return self._floor.next is Next.NOTHING and not self.tools.running

    # --- Sessions come and go ---

    def begin(self, now: float, *, is_continued: bool) -> None:
        """The stream is admitted: the caller waits for a greeting, or for the call to go on."""
        if is_continued:
            self._debts.answer = now
        else:
            self._debts.greeting = now

    def session_stands(self, now: float) -> None:
        """A session stands and knows what was said: what is owed is asked of it."""
        untold, self.tools.untold = self.tools.untold, []
        for running, result in untold:
            self._debts.add_item(self.tools.tell(running, result), running.cause, running.since)
        if self._floor.keys.pressed:
            self._floor.keys.finished_at = now
        self._ask_if_free(now)

    def session_retold(self) -> None:
        """The next session has just been told all that is remembered, tool results included."""
        for running, _ in self.tools.untold:
            self._debts.owe_answer(running.since)
        self.tools.untold.clear()

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
            self._broken_off(floor.response)
        floor.move(On.SESSION_LOST)
        self._retry_at, self._failed_attempts, self._is_given_up = None, 0, False
        self._gate.audible_response_id, self._gate.hears_caller = None, False
        self._debts.session_lost()
        self.tools.session_lost()
        floor.interruption.session_lost()
        self._transcript.agent_finished()
        self._transcript.words_lost()
        floor.mark()

    def _broken_off(self, response: LiveResponse) -> None:
        """The session is gone in the middle of a response."""
        is_said = any(self._playout.sent_ms(item_id) for item_id in response.items)
        # Not for a muted one: the caller spoke into it, and is owed an answer to that. Not for one that
        # called a tool: its result asks by itself, and an answer before that might call the tool again.
        if not response.is_muted and response not in self.tools.causes:
            response.is_greeting = response.is_greeting and not is_said
            self._debts.owe_again(response)
        # The transcript's deltas come ahead of their audio: of an item that breaks off, only what its audio
        # had time for was said.
        self._floor.interruption.settle(response, is_session_lost=True)
        for item_id in response.items:
            self._transcript.agent_broke_off(item_id, self._playout.sent_ms(item_id))

    def model_gone(self, now: float) -> None:
        """There will be no other session: nothing more is owed, what was sent is still heard."""
        self.session_lost(now)
        self._debts.forget()
        self.tools.forget()
        self._floor.keys.take()

    # --- A response, from its birth to its end ---

    def response_created(self, event: realtime_events.ResponseCreated, now: float) -> None:
        """A response begins, asked for by us or by the server's turn detection."""
        floor, waits_since = self._floor, self.waits_since
        if floor.now is Now.MUTED:
            floor.interruption.settle(floor.response)
        ask = floor.ask_of(event.response)
        turn, since = floor.turn_of(ask), now if waits_since is None else waits_since
        floor.response = LiveResponse(event.response.id, turn, since, "" if ask is None else ask.words)
        floor.move(On.THEIRS_BEGAN if ask is None else On.OURS_BEGAN)
        self._debts.pay(floor.response, is_ours=ask is not None)
        self._playout.begin_response()
        self._retry_at, self._gate.hears_caller = None, False
        if floor.caller is Caller.SPEAKING or turn != floor.turn:
            # It was asked for before the caller's latest word or key: nobody is to hear it.
            floor.silence(now)
        else:
            self._gate.audible_response_id = event.response.id

    def item_added(self, event: realtime_events.ItemAdded, now: float) -> None:
        """An item entered the conversation."""
        self._debts.item_added(event.item.id)

    def output_item_added(self, event: realtime_events.OutputItemAdded, now: float) -> None:
        """The response begins an item."""
        floor = self._floor
        response = floor.response if floor.is_in_progress(event.response_id) else floor.let_go
        if response is None or response.id != event.response_id or event.item.type != "message":
            return
        response.items.append(event.item.id)
        floor.interruption.item_begun(event.item.id)
        if not response.is_muted:
            self._transcript.agent_began(event.item.id)

    def audio_done(self, event: realtime_events.AudioDone, now: float) -> None:
        """An item's audio is whole: a mark proves when it was heard to its end."""
        if event.response_id == self._gate.audible_response_id:
            self._floor.mark()

    def agent_transcribed(self, event: realtime_events.AgentTranscript, now: float) -> None:
        """What the agent says in an item."""
        self._transcript.agent_says(event.item_id, event.transcript.strip())

    def output_item_done(self, event: realtime_events.OutputItemDone, now: float) -> None:
        """A function call of the response is whole."""
        in_progress = None if self._floor.now is Now.NOTHING else self._floor.response
        if (answered := self.tools.start(event, in_progress, now)) is not None:
            self.tool_finished(answered, now)

    def response_done(self, event: realtime_events.ResponseDone, now: float) -> None:
        """The only reliable end of a response, whatever its status."""
        floor, done = self._floor, event.response
        if not floor.is_in_progress(done.id):
            self._out.note(warned("response_done_unexpected", response_id=done.id))
            if floor.let_go is not None and floor.let_go.id == done.id:
                # It went on after it was let go, and nobody heard that either.
                floor.interruption.settle(floor.let_go)
                floor.let_go = None
            return
        floor.move(On.FINISHED)
        if not floor.response.is_muted:
            self._gate.audible_response_id = None
            # response.output_audio.done has asked for this mark already, if it came: a failed response sends
            # none.
            floor.mark()
        self._out.note(noted("response_done", response_id=done.id, status=done.status))
        if floor.response.is_muted:
            floor.interruption.settle(floor.response)
        elif done.status in {"failed", "incomplete"}:
            self._fell_short(floor.response, done, now)
        else:
            self._failed_attempts = 0
        self._transcript.agent_finished()
        self._ask_if_free(now)

    def _let_go(self, now: float) -> None:
        """The end of a muted response does not come: it keeps nobody waiting any longer."""
        floor = self._floor
        self._out.note(warned("response_done_missing", response_id=floor.response.id))
        floor.move(On.LET_GO)
        floor.let_go = floor.response
        floor.interruption.settle(floor.response)
        self._transcript.agent_finished()
        self._ask_if_free(now)

    def _fell_short(self, response: LiveResponse, done: realtime_events.Response, now: float) -> None:
        """A failed response is silent on the wire: unless we act, so is the telephone."""
        details = done.status_details or realtime_events.StatusDetails()
        error = details.error or realtime_events.FailureDetail()
        why = error.code or details.reason or done.status or "no status"
        self._out.note(warned("response_fell_short", status=done.status, why=why))
        if error.code in FATAL_CODES:
            self._lost(Trouble(why, code=error.code))
        elif response in self.tools.causes:
            # The response failed after it had called a tool: the result asks for an answer when it comes, and
            # a retry before that might call the tool again.
            pass
        elif done.status == "failed" or not response.items:
            self._debts.owe_again(response)
            self._retry(error.code, why, now)

    def _retry(self, code: str | None, why: str, now: float) -> None:
        self._failed_attempts += 1
        self._retry_at = now + self._limits.retry_delay_s
        if self._failed_attempts >= self._limits.response_attempts_max:
            self._lost(Trouble(f"{self._failed_attempts} responses failed: {why}", code=code))

    def _lost(self, trouble: Trouble) -> None:
        self._is_given_up = True
        self._out.then(SessionFailed(trouble))

    # --- Keys and tools ---

    def _keys_finished(self, now: float) -> None:
        """Enough keys, or a pause after them: the model is told, once there is one."""
        keys = self._floor.keys
        if not self._sessions.stands:
            keys.hold(now)
            return
        pressed = keys.take()
        self._transcript.caller_pressed(pressed, now)
        text = commands.InputText(f"[The caller pressed {' '.join(pressed)} on the telephone keypad.]")
        item_id = self._out.next_item_id()
        self._out.tell_model(commands.CreateItem(item=commands.Message(item_id, "user", (text,))))
        self._debts.add_item(item_id, None, now)
        self._ask_if_free(now)

    def tool_finished(self, event: ToolFinished, now: float) -> bool:
        """Posts the result, and asks for one response when all calls of a response are answered.

        Answers whether the agent's wish stands, if it has one.
        """
        running = self.tools.finish(event)
        if running is None:
            return False
        cause = running.cause
        if not self._sessions.stands:
            self.tools.untold.append((running, event))
            return False
        self.tools.done_at = now
        item_id = self.tools.tell(running, event)
        # A caller who spoke since the agent had its wish has more to say: then it is a result like any other.
        is_overtaken = cause is not None and (cause.is_muted or cause.turn != self._floor.turn)
        stands = event.wish is not None and not running.is_foreign and not is_overtaken
        if stands:
            self._debts.farewell = running.since if cause is None or not cause.items else None
            self._debts.words = ""  # Nobody warns of an end, or asks who is there, after the goodbye.
        else:
            self._debts.add_item(item_id, cause, running.since)
        self._ask_if_free(now)
        return stands

    # --- Asking: this is the only place ---

    def say(self, words: str, now: float) -> None:
        """The agent is to be told to say something as soon as nobody speaks."""
        self._debts.owe_words(words, now)
        self._ask_if_free(now)

    def _ask_if_free(self, now: float) -> None:
        floor = self._floor
        # Who is still pressing keys is not talked over: they are told within seconds, and asked about then.
        is_busy = floor.caller is Caller.SPEAKING or floor.is_answering or floor.keys.finished_at is not None
        # A session that this very event has shown to be of no use is still there, and is asked nothing more.
        is_there = self._sessions.stands and not self._is_given_up
        if is_busy or self._retry_at is not None or not is_there:
            return
        if self._debts.may_ask(running := self.tools.causes):
            since, words = self.waits_since, self._debts.next_words(running)
            ask_id = self._out.ask_model(self._debts.options(running, self._sessions.plan.greeting_options))
            floor.ask = Ask(ask_id, floor.turn, now if since is None else since, words)
            floor.move(On.ASKED)
            floor.due_since = now

    # --- Errors ---

    def error(self, event: realtime_events.ErrorEvent, now: float) -> None:
        """An error leaves the session open, unless its code says that nothing will work again."""
        error = event.error
        note = noted if error.code in HARMLESS_CODES else warned
        self._out.note(note("model_error", code=error.code, message=error.message, param=error.param))
        if error.code in FATAL_CODES or error.code == "session_expired":
            self._lost(Trouble(error.code or "", code=error.code))
            return
        is_of_ask, is_of_promise = self._refused_by(error)
        if is_of_promise:  # A debt, and not a failed attempt: nobody has asked yet.
            self._floor.move(On.PROMISE_REFUSED)
            self._debts.owe_answer(self._floor.promise.since)
            self._retry_at = now + self._limits.retry_delay_s
        if is_of_ask:
            self._floor.move(On.ASK_REFUSED)
            self._retry(error.code, error.code or error.message, now)

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

    # --- Time ---

    def add_due(self, due: dict[Timer, float]) -> None:
        """Adds when to look at what."""
        floor = self._floor
        if floor.caller is Caller.SILENT and floor.is_answering:
            # Audio goes past the machine: an answer that breaks off in the middle is waited for from its last
            # delta.
            silent_since = max(floor.due_since, self._tally.from_model_at)
            due[Timer.ANSWER] = silent_since + self._limits.answer_timeout_s
        if floor.now is Now.MUTED:
            due[Timer.MUTED] = floor.response.muted_at + self._limits.muted_timeout_s
        if self._retry_at is not None:
            due[Timer.RETRY] = self._retry_at
        if floor.keys.finished_at is not None:
            due[Timer.KEYS] = floor.keys.finished_at

    def expired(self, timer: Timer, now: float) -> None:
        """The time of one of them has come."""
        match timer:
            case Timer.ANSWER:
                self._lost(Trouble("the model fell silent while an answer was due"))
            case Timer.MUTED:
                self._let_go(now)
            case Timer.RETRY:
                self._retry_at = None
                self._ask_if_free(now)
            case _:
                assert timer is Timer.KEYS
                self._keys_finished(now)

    def __repr__(self) -> str:
        return f"<Ladder {self._floor!r}>"
