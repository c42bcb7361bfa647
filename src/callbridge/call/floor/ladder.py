"""The response ladder: a response from its birth to its end, and what keys and tools add to what is owed.

When the model is asked to speak is decided in `asking`, what a session leaves to the next in `succession`.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.codes import FATAL_CODES
from callbridge.call.facts import KeysPressed, noted, warned
from callbridge.call.floor.responses import LiveResponse
from callbridge.call.floor.table import Caller, Now, On
from callbridge.call.phases import Timer
from callbridge.call.sessions.trouble import Trouble
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events

if TYPE_CHECKING:
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.playout import Playout
    from callbridge.call.ear.tally import Tally
    from callbridge.call.events import ToolFinished
    from callbridge.call.floor.asking import Asking
    from callbridge.call.floor.floor import Floor
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions
    from callbridge.call.tools import ToolCalls
    from callbridge.call.transcript import Transcript

_ON_HOLD: Final = "it was not run: the caller is on hold, and waits for somebody else"


class Ladder:
    """The ladder of one call.

    Args:
        floor: who speaks, and what is owed.
        sessions: says whether there is a session.
        asking: is told when something may be asked.
        tools: which run, and for which response.
        gate: says which response may be heard.
        tally: says when anything came from the model.
        playout: what the phone was sent.
        transcript: who said what.
        out: where actions and consequences go.
    """

    def __init__(
        self,
        floor: Floor,
        sessions: Sessions,
        asking: Asking,
        tools: ToolCalls,
        *,
        gate: Gate,
        tally: Tally,
        playout: Playout,
        transcript: Transcript,
        out: Outbox,
    ) -> None:
        self._floor, self._debts, self._sessions = floor, floor.debts, sessions
        self._gate, self._tally, self._playout = gate, tally, playout
        self._transcript, self._out = transcript, out
        self._limits = sessions.plan.limits
        self._asking, self.tools = asking, tools
        self._has_gone_on = False
        """The answer was asked to go on after it had broken off."""

    # --- What can be asked ---

    @property
    def owes_goodbye(self) -> bool:
        """Whether last words are still to come: owed, asked for, or begun and not said.

        Words that we gave it are said when the response is done; the agent's own, once they sound.
        """
        floor, response = self._floor, self._floor.response
        debts = self._debts
        if debts.words or debts.sayings or debts.farewell is not None or floor.is_asked:
            return True
        is_silent = not any(self._playout.sent_ms(item_id) for item_id in response.items)
        return floor.now is not Now.NOTHING and (is_silent or bool(response.words))

    # --- A response, from its birth to its end ---

    def response_created(self, event: realtime_events.ResponseCreated, now: float) -> None:
        """A response begins, asked for by us or by the server's turn detection."""
        floor, waits_since = self._floor, self._asking.waits_since
        if floor.now is Now.MUTED:
            floor.interruption.settle(floor.response)
        elif floor.now is Now.AUDIBLE and self._is_said(floor.response):
            self._is_paid(floor.response)  # This one says that it is over.
        ask, is_late = floor.ask_of(event.response), floor.is_late(event.response)
        turn, since = floor.turn_of(ask), now if waits_since is None else waits_since
        response = LiveResponse(
            event.response.id,
            turn,
            since,
            self._tally.downlink_bytes,
            began_at=now,
            asked_at=None if ask is None else ask.asked_at,
            record=self._transcript.present,
            behind_tools=self.tools.called,
        )
        floor.response = response
        if ask is None:
            response.is_owed = floor.utterance_loud_ms >= self._limits.cough_ms
            floor.owes_older |= self._debts.is_anything_read
        else:
            response.words, response.is_owed = ask.words, not ask.is_for_sign
        floor.move(On.LATE_BEGAN if is_late else On.THEIRS_BEGAN if ask is None else On.OURS_BEGAN)
        self._playout.begin_response()
        self._asking.response_began(now)
        self._gate.model_hears = floor.caller is Caller.SPEAKING
        is_overtaken = floor.caller is Caller.SPEAKING or turn != floor.turn
        if floor.is_on_hold or is_late or (is_overtaken and not self._sessions.is_protecting):
            # It was asked for before the caller's latest word or key, or by nobody while they wait for
            # somebody else, or was given up: nobody is to hear it.
            floor.silence(now)
        else:
            self._gate.audible_response_id = event.response.id
        if not is_late:
            self._debts.pay(response, ask)
        if response.is_greeting:
            floor.greeting.begins(response, now)
        if response.saying is not None:
            floor.sayings.begins(response)

    def item_added(self, event: realtime_events.ItemKnown, now: float) -> None:
        """An item is in the conversation."""
        self._debts.item_added(event.item.id)

    def output_item_added(self, event: realtime_events.OutputItemAdded, now: float) -> None:
        """The response begins an item."""
        floor = self._floor
        response = floor.response if floor.is_in_progress(event.response_id) else floor.let_go
        if response is None or response.id != event.response_id or event.item.type != "message":
            return
        response.items.append(event.item.id)
        response.unfinished.add(event.item.id)
        floor.interruption.item_begun(event.item.id, response.behind_tools)
        if not response.is_muted:
            self._transcript.agent_began(event.item.id, response.asked_at, response.began_at)

    def audio_done(self, event: realtime_events.AudioDone, now: float) -> None:
        """An item's audio is whole: a mark proves when it was heard to its end."""
        if event.response_id == self._gate.audible_response_id:
            if self._playout.has_sent(event.item_id):  # Without a sound it is nothing to end with.
                self._floor.response.unfinished.discard(event.item_id)
            self._floor.mark()

    def agent_transcribed(self, event: realtime_events.AgentTranscript, now: float) -> None:
        """What the agent says in an item."""
        if event.transcript is not None:  # Otherwise the pieces that came say it.
            self._transcript.agent_says(event.item_id, event.transcript.strip())

    def output_item_done(self, event: realtime_events.OutputItemDone, now: float) -> None:
        """A function call of the response is whole."""
        why_not = _ON_HOLD if self._floor.is_on_hold else ""
        answered = self.tools.start(event, self._floor.in_progress, now, why_not)
        if answered is not None:
            self.tool_finished(answered, now)

    def response_done(self, event: realtime_events.ResponseDone, now: float) -> None:
        """The only reliable end of a response, whatever its status (Realtime reference, response.done)."""
        floor, done = self._floor, event.response
        if not floor.is_in_progress(done.id):
            self._out.note(warned("response_done_unexpected", response_id=done.id))
            if floor.let_go is not None and floor.let_go.id == done.id:
                # It went on after it was let go, and nobody heard that either.
                floor.interruption.settle(floor.let_go)
                floor.let_go = None
            return
        floor.move(On.FINISHED)
        if done.status == "completed":
            floor.response.unfinished.clear()
        if not floor.response.is_muted:
            self._gate.audible_response_id = None
            # response.output_audio.done has asked for this mark already, if it came: a failed response sends
            # none.
            floor.mark()
        began_ms, turn = self._out.ms(floor.response.began_at), floor.response.record
        self._out.note(
            noted("response_done", response_id=done.id, status=done.status, turn=turn, began_ms=began_ms)
        )
        if floor.response.is_muted:
            floor.interruption.settle(floor.response)
        elif done.status in {"failed", "incomplete"} or (done.status is None and not floor.response.items):
            self._fell_short(floor.response, done, now)
        elif done.status == "cancelled":
            self._was_cancelled(floor.response, now)
        elif floor.response.has_called or self._is_said(floor.response):
            self._is_paid(floor.response)
        else:
            self._brought_nothing(floor.response, now)
        self._transcript.agent_finished(self._playout.agent_until)
        self._asking.if_free(now)

    def _owe_again(self, response: LiveResponse) -> None:
        """It has not said what it began for."""
        if response in self._floor.sayings.sounding:
            self._floor.sayings.owed_again(response)
        elif response.saying is not None:
            return  # The words were whole, and it was told that they were heard.
        self._debts.owe_again(response)

    def _is_said(self, response: LiveResponse) -> bool:
        """Whether anything of it was sent to the caller. Only a response that is audible is asked about."""
        return self._tally.downlink_bytes > response.sent_before_bytes

    def _is_paid(self, response: LiveResponse) -> None:
        """A response has brought what it was to bring: words, or the call of a tool."""
        is_said = self._is_said(response)
        # An item of it without a sound goes: the model would believe that it said it.
        self._floor.interruption.settle(response)
        self._has_gone_on = False
        self._asking.response_paid(is_said=is_said)
        if is_said:
            self._floor.owes_older = False
        self._greeted(response)

    def _greeted(self, response: LiveResponse) -> None:
        greeting = self._floor.greeting
        if response is not greeting.response:
            return
        if self._is_said(response):
            greeting.is_made()
        else:
            greeting.is_unsaid()

    def _was_cancelled(self, response: LiveResponse, now: float) -> None:
        """The server has stopped a response that we have not: what was sent of it is still heard."""
        if response is self._floor.greeting.response:
            self._floor.greeting.is_cut(now)
        elif self._floor.caller is Caller.SILENT and not self._is_said(response):
            self._brought_nothing(response, now)

    def _brought_nothing(self, response: LiveResponse, now: float) -> None:
        """Complete, and without a sound: empty, text alone, or a transcript that nobody heard.

        What it left in the conversation goes, so that the model does not believe it said. A model that stays
        silent about a cough is right; otherwise the caller waits as before.
        """
        self._floor.interruption.settle(response)
        if response.is_owed:
            self._out.note(warned("response_without_sound", response_id=response.id))
            self._owe_again(response)
            self._asking.retry(None, "no sound", now, saying=response.saying)
        elif self._floor.owes_older:
            self._debts.owe_answer(response.since)
        else:
            self._debts.doubt(self._transcript.latest_caller_item, response.since)

    def _let_go(self, now: float) -> None:
        """The end of a response does not come that is muted, or said: nobody waits for it any longer."""
        floor, response = self._floor, self._floor.response
        if not response.is_muted:  # For the server it is in progress, and so in the way of the next one.
            self._out.tell_model(commands.CancelResponse(response_id=response.id))
        self._out.note(warned("response_done_missing", response_id=response.id))
        floor.move(On.LET_GO)
        floor.let_go = response
        if response.is_muted:
            floor.interruption.settle(response)
        else:
            self._is_paid(response)
        self._transcript.agent_finished(self._playout.agent_until)
        self._asking.if_free(now)

    def _fell_short(self, response: LiveResponse, done: realtime_events.Response, now: float) -> None:
        """A failed response is silent on the wire: unless we act, so is the telephone.

        Why it fell short stands in `status_details` (Realtime reference, response.done).
        """
        details = done.status_details or realtime_events.StatusDetails()
        error = details.error or realtime_events.FailureDetail()
        why = error.code or details.reason or done.status or "no status"
        self._out.note(warned("response_fell_short", status=done.status, why=why))
        if error.code in FATAL_CODES:
            self._asking.lost(Trouble(why, code=error.code))
        elif response.has_called:
            # The response failed after it had called a tool: the result asks for an answer when it comes, and
            # a retry before that might call the tool again.
            self._greeted(response)
        elif done.status == "failed" or not self._is_said(response):
            if not (response.is_owed or self._floor.owes_older or self._is_said(response)):
                self._debts.doubt(self._transcript.latest_caller_item, response.since)
                return  # Nobody waits, as far as is known: it is not worth a session.
            self._owe_again(response)
            self._asking.retry(error.code, why, now, error.message or "", response.saying)
        else:
            self._broke_off(response)

    def _broke_off(self, response: LiveResponse) -> None:
        """It ended after some words (max_output_tokens, content_filter): it goes on, once."""
        if response.is_greeting:
            self._floor.greeting.is_made()
        if self._has_gone_on:
            return
        self._has_gone_on = True
        if response.is_greeting:
            self._debts.owe_answer(response.since)  # To greet again would break off at the same place.
        else:
            self._owe_again(response)

    def ends_with_session(self, response: LiveResponse) -> None:
        """The session is gone in the middle of a response."""
        # Not for a muted one: the caller spoke into it, and is owed an answer to that. Not for one that
        # called a tool: its result asks by itself, and an answer before that might call the tool again.
        # Nor for the greeting, which knows by itself what becomes of it.
        # What began to sound is owed, whatever it answered: nobody is left with half a sentence.
        is_owed = response.is_owed or self._is_said(response)
        is_owed = is_owed and not response.is_muted and not response.is_greeting
        if is_owed and response not in self.tools.causes:
            self._owe_again(response)
        # The transcript's deltas come ahead of their audio: of an item that breaks off, only what its audio
        # had time for was said.
        self._floor.interruption.settle(response, is_session_lost=True)
        for item_id in response.items:
            self._transcript.agent_broke_off(item_id, self._playout.sent_ms(item_id))

    # --- Keys and tools ---

    def _keys_finished(self, now: float) -> None:
        """Enough keys, or a pause after them: the model is told, once there is one."""
        keys = self._floor.keys
        if not self._sessions.stands:
            keys.hold(now)
            return
        if keys.put_off(now):
            self._asking.if_free(now)
            return
        pressed = keys.tell(now)
        self._transcript.caller_pressed(pressed, now)
        self._out.note(KeysPressed(pressed, self._floor.turn, record=self._transcript.turns))
        if self._sessions.plan.reads_keys:
            return  # The agent's own code says what the model is told of them.
        text = f"[The caller pressed {' '.join(pressed)} on the telephone keypad.]"
        self._debts.add_item(self._out.add_message("user", text), None, now)
        self._asking.if_free(now)

    def tool_finished(self, event: ToolFinished, now: float) -> bool:
        """Posts the result, and asks for one response when all calls of a response are answered.

        The server does not go on by itself (Realtime guide, "Function calling").

        Answers whether the agent's wish stands, if it has one.
        """
        running = self.tools.finish(event)
        self._floor.sayings.tool_answered(event.call_id, self._floor.saying_asked)
        if running is None:
            return False
        cause = running.cause
        if not self._sessions.stands:
            self.tools.untold.append((running, event))
            return False
        self.tools.done_at = now
        item_id = self.tools.tell(running, event)
        # A caller who spoke since the agent had its wish has more to say: then it is a result like any other.
        is_overtaken = cause is not None and (
            (cause.is_muted and not cause.is_stopped) or cause.turn != self._floor.turn
        )
        stands = event.wish is not None and not running.is_foreign and not is_overtaken
        if stands:
            self._debts.farewell = running.since if cause is None or not cause.items else None
            self._debts.words = ""  # Nobody warns of an end, or asks who is there, after the goodbye.
        elif not event.is_quiet and (is_overtaken or not self._debts.has_last_words):
            self._debts.add_item(item_id, cause, running.since)
        self._asking.if_free(now)
        return stands

    # --- Time ---

    def add_due(self, due: dict[Timer, float]) -> None:
        """Adds when to look at what."""
        floor = self._floor
        if floor.caller is Caller.SILENT and floor.is_answering:
            # Audio goes past the machine: an answer that breaks off in the middle is waited for from its last
            # delta.
            silent_since = max(floor.due_since, self._tally.from_model_at)
            if self._sessions.is_protecting and floor.now is Now.AUDIBLE and not floor.response.items:
                # Whatever the caller says meanwhile: it stops nothing.
                silent_since = floor.response.began_at
            is_in_the_way = floor.now is Now.AUDIBLE and floor.response.is_whole and bool(self._debts)
            limits = self._limits
            timeout_s = limits.muted_timeout_s if is_in_the_way else limits.answer_timeout_s
            due[Timer.ANSWER] = silent_since + timeout_s
        if floor.now is Now.MUTED:
            due[Timer.MUTED] = floor.response.muted_at + self._limits.muted_timeout_s
        if self._asking.retry_at is not None:
            due[Timer.RETRY] = self._asking.retry_at
        if (keys_at := floor.keys.due_at) is not None:
            due[Timer.KEYS] = keys_at

    def expired(self, timer: Timer, now: float) -> None:
        """The time of one of them has come."""
        match timer:
            case Timer.ANSWER if self._floor.now is Now.AUDIBLE and self._floor.response.is_whole:
                self._let_go(now)
            case Timer.ANSWER:
                self._asking.lost(Trouble("the model fell silent while an answer was due"))
            case Timer.MUTED:
                self._let_go(now)
            case Timer.RETRY:
                self._asking.retry_at = None
                self._asking.if_free(now)
            case Timer.AMEND:
                self._asking.amendment_overdue(now)
            case _:
                assert timer is Timer.KEYS
                self._keys_finished(now)

    def __repr__(self) -> str:
        return f"<Ladder {self._floor!r}>"
