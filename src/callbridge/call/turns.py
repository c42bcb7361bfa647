"""The Realtime turn protocol: who may ask for a response, who interrupts, what tools owe.

All that is particular to a model with client-side turns stands here and in `cutting`: the response ladder,
truncate, delete and cancel. A model without them will stand beside these modules, not inside them.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from callbridge.call.actions import Action, Record, SendToModel, SendToPhone, ToolFinished
from callbridge.call.codes import FATAL_CODES, HARMLESS_CODES
from callbridge.call.cutting import Cutting
from callbridge.call.facts import ToolUsed, Usage, noted, warned
from callbridge.call.naming import Names
from callbridge.call.owing import Owing
from callbridge.call.responses import Response
from callbridge.call.session import Trouble
from callbridge.call.silence import AnswerWatch
from callbridge.call.tool_calls import ToolCalls
from callbridge.call.transcript import Transcript
from callbridge.wire import media_streams, realtime
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.limits import Limits
    from callbridge.call.plan import CallPlan
    from callbridge.call.playout import Gate, Playout, Tally


class Turns:
    """The model's side of the conversation in one call."""

    def __init__(
        self,
        plan: CallPlan,
        limits: Limits,
        gate: Gate,
        playout: Playout,
        tally: Tally,
        do: Callable[[Action], None],
        lost: Callable[[Trouble], None],
    ) -> None:
        self.limits = limits
        self.server_interrupts = plan.server_interrupts
        self.silence_ms = plan.silence_ms
        self.has_transcription = plan.has_transcription
        self.transcript = Transcript(limits.transcript_timeout_s)
        self.usage = Usage()
        self.tools_used = 0
        self.errors = 0
        self.has_spoken = False
        """Whether any response of the model ever began."""
        self.waits_since: float | None = None
        """Since when the caller waits to hear the agent; nothing while they do not."""
        self.tool_done_at = float("-inf")
        """When a tool last answered: the patience with the agent begins anew, but not that with silence."""
        self._gate, self._playout, self._tally = gate, playout, tally
        self._do, self._lost = do, lost
        self._is_open = False
        """Whether there is a session that can be told anything."""

        # Who speaks.
        self.caller_speaks = False
        self._server_will_answer = False
        """The caller's turn ended and the server makes the response by itself."""
        self._active: Response | None = None
        self._asked_id: str | None = None
        """Our response.create that neither a response nor an error has answered."""

        self._owing = Owing()
        self._failed_attempts = 0
        self._keys = ""
        """Pressed, and not yet told to the model."""
        self.retry_at: float | None = None
        self.keys_at: float | None = None
        self.watch = AnswerWatch(limits, tally)

        self.names = names = Names()
        self.tools = ToolCalls(limits.tool_timeout_s, do, self._send, names.next_item_id)
        self.cutting = Cutting(limits, playout, self.transcript, do, self._send, names.next_item_id)

    # --- Asked by the machine ---

    @property
    def is_idle(self) -> bool:
        """Nobody speaks, nothing runs, nothing is owed."""
        return not (self._is_busy or self._is_owing or len(self.tools) or self._keys or self.retry_at)

    # --- Sessions come and go ---

    def begin(self, greeting: commands.ResponseOptions | None, now: float) -> None:
        """The first session stands: the agent greets first."""
        self._owing.greet(greeting)
        self._waits(now)
        self._open(now)

    def go_on(self, now: float, *, owes_answer: bool = False) -> None:
        """Another session stands and knows what was said: what is owed is asked of it."""
        self._owing.answer = self._owing.answer or owes_answer
        self._open(now)

    def _open(self, now: float) -> None:
        self._is_open = True
        untold, self.tools.untold = self.tools.untold, []
        for running, result in untold:
            self._owing.add_item(self.tools.tell(running, result), running.cause)
        if self._keys:
            self.keys_at = now
        if self._is_owing:
            self._waits(now)
        self._ask_if_free(now)

    def retold(self) -> None:
        """The next session has just been told all that is remembered, tool results included."""
        self._owing.answer = self._owing.answer or bool(self.tools.untold)
        self.tools.untold.clear()

    def session_lost(self, now: float) -> None:
        """The session is gone with all that it was doing. What the caller waits for stays owed.

        Agent audio that was sent plays on: it covers the gap. Who was speaking may not have been heard to
        the end, so they are owed an answer too.
        """
        if self.caller_speaks or self._server_will_answer:
            self._owing.answer = True
        self._is_open = self.caller_speaks = self._server_will_answer = False
        if self._active is not None:
            self._broken_off(self._active)
        self._active = self._asked_id = self.retry_at = self.watch.by = None
        self._gate.audible_response_id = None
        self._failed_attempts = 0
        self._owing.session_lost()
        self.tools.session_lost()
        self.cutting.session_lost()
        self.transcript.agent_finished()
        self.mark()
        if self._is_owing or len(self.tools):
            self._waits(now)

    def _broken_off(self, active: Response) -> None:
        """The session is gone in the middle of a response."""
        is_said = any(self._playout.sent_ms(item_id) for item_id in active.items)
        # Who spoke in between waits for another answer, and a tool's result asks by itself: an earlier
        # answer might run the tool twice.
        if not active.is_muted and active not in self.tools.causes:
            active.is_greeting = active.is_greeting and not is_said
            self._owing.owe_again(active)
        # Text runs ahead of audio: words of which nothing was sent were never said.
        self.cutting.settle_late_audio(active.items, active.settled)
        for item_id in active.items:
            self.transcript.agent_broke_off(item_id, self._playout.sent_ms(item_id))

    def model_gone(self, now: float) -> None:
        """There will be no other session: nothing more is owed, what was sent is still heard."""
        self.session_lost(now)
        self._owing.forget()
        self._keys = ""
        self.tools.forget()
        self.keys_at = self.waits_since = None

    def over(self) -> None:
        """The call is over: nothing is asked any more, whatever is half done."""
        self._is_open = False

    def _waits(self, now: float) -> None:
        """Something is owed. Who speaks does not wait yet, however long they speak."""
        if self.waits_since is None and not self.caller_speaks:
            self.waits_since = now

    def rest(self) -> None:
        """Nothing is owed: the caller does not wait."""
        self.waits_since = None

    def say(self, words: str, now: float) -> None:
        """The agent is to be told to say something as soon as nobody speaks."""
        self._owing.words = words
        self._waits(now)
        self._ask_if_free(now)

    # --- The caller ---

    def speech_started(self, event: realtime.SpeechStarted, now: float) -> None:
        """The caller speaks. Whatever is unheard of the agent's words stops here."""
        self._do(Record(noted("speech_started", audio_start_ms=event.audio_start_ms)))
        self._barge_in(now, server_cancels=self.server_interrupts)
        self._begin_turn(now)
        self.caller_speaks = True
        self._server_will_answer = False
        self.waits_since = None

    def speech_stopped(self, event: realtime.SpeechStopped, now: float) -> None:
        """The caller's turn is over; the server answers by itself."""
        # `audio_end_ms` counts the audio appended and includes the silence that was waited for.
        behind_ms = self._tally.uplink_ms - event.audio_end_ms + self.silence_ms
        stopped_at = now - max(behind_ms, 0) / 1000
        self.transcript.caller_stopped(stopped_at, awaits_words=self.has_transcription)
        self.waits_since = stopped_at
        self.caller_speaks = False
        self._server_will_answer = True
        self.watch.begin(now)

    def speech_ended_unseen(self, stopped_at: float) -> None:
        """The line is quiet, and the model has not noticed: an answer is due all the same."""
        self.waits_since = stopped_at
        self.caller_speaks = False
        self._server_will_answer = True
        self.watch.begin(stopped_at)

    def speech_goes_on(self) -> None:
        """It was only a pause."""
        self.waits_since = self.watch.by = None
        self.caller_speaks = True
        self._server_will_answer = False

    def input_committed(self, event: realtime.InputCommitted, now: float) -> None:
        """The caller's words have an item."""
        self.transcript.caller_committed(event.item_id)

    def caller_transcribed(self, event: realtime.CallerTranscript, now: float) -> None:
        """The caller's words came."""
        self.transcript.caller_said(event.item_id, event.transcript.strip())

    def caller_not_transcribed(self, event: realtime.CallerTranscriptFailed, now: float) -> None:
        """The caller's words will not come."""
        self.transcript.caller_said(event.item_id, None)

    def key_pressed(self, digit: str, now: float) -> None:
        """A key interrupts like speech, but the server does not know: we cancel."""
        self._barge_in(now, server_cancels=False)
        if not self._keys:
            self._begin_turn(now)
        self._keys += digit
        self.keys_at = now if digit == "#" else now + self.limits.keys_timeout_s

    def keys_finished(self, now: float) -> None:
        """Enough keys, or a pause after them: the model is told, once there is one."""
        self._waits(now)
        if not self._is_open:
            self.keys_at = None
            return
        keys, self._keys, self.keys_at = self._keys, "", None
        self.transcript.caller_pressed(keys, now)
        text = commands.InputText(f"[The caller pressed {' '.join(keys)} on the telephone keypad.]")
        item_id = self.names.next_item_id()
        self._send(commands.CreateItem(item=commands.Message(item_id, "user", (text,))))
        self._owing.add_item(item_id, cause=None)
        self._ask_if_free(now)

    # --- The response ladder ---

    def response_created(self, event: realtime.ResponseCreated, now: float) -> None:
        """A response begins, asked for by us or by the server's turn detection."""
        is_ours = self._asked_id is not None and not self._server_will_answer
        active = self._active = Response(event.response.id)
        self._owing.begins(active, is_ours=is_ours)
        self.has_spoken = True
        self._playout.begin_response()
        self._asked_id = None
        self._server_will_answer = False
        self.retry_at = None
        self.watch.begin(now)
        if self.caller_speaks:  # Ours crossed the caller's first word: nobody would hear it.
            active.is_muted = True
            self._send(commands.CancelResponse(response_id=active.id))
        else:
            self._gate.audible_response_id = active.id

    def item_added(self, event: realtime.ItemAdded, now: float) -> None:
        """An item entered the conversation."""
        self._owing.item_added(event.item.id)

    def output_item_added(self, event: realtime.OutputItemAdded, now: float) -> None:
        """The response begins an item."""
        active = self._active
        if active is None or event.response_id != active.id or event.item.type != "message":
            return
        active.items.append(event.item.id)
        self.cutting.item_begun(event.item.id)
        if not active.is_muted:
            self.transcript.agent_began(event.item.id)

    def audio_done(self, event: realtime.AudioDone, now: float) -> None:
        """An item's audio is whole: a mark proves when it was heard to its end."""
        if event.response_id == self._gate.audible_response_id:
            self.mark()

    def agent_transcribed(self, event: realtime.AgentTranscript, now: float) -> None:
        """What the agent says in an item."""
        self.transcript.agent_says(event.item_id, event.transcript.strip())

    def output_item_done(self, event: realtime.OutputItemDone, now: float) -> None:
        """A function call of the response is whole."""
        self.tools.start(event.item, self._active)

    def response_done(self, event: realtime.ResponseDone, now: float) -> None:
        """The only reliable end of a response, whatever its status."""
        response = event.response
        self.usage = self.usage.plus(response.usage)
        active = self._active
        if active is None or response.id != active.id:
            self._do(Record(warned("response_done_unexpected", response_id=response.id)))
            return
        self._active = None
        if self._gate.audible_response_id == active.id:
            self._gate.audible_response_id = None
            self.mark()  # In case the item's own end was not announced.
        self._do(Record(noted("response_done", response_id=response.id, status=response.status)))
        if active.is_muted:
            self.cutting.settle_late_audio(active.items, active.settled)
        elif response.status in {"failed", "incomplete"}:
            self._fell_short(active, response, now)
        else:
            self._failed_attempts = 0
        self.transcript.agent_finished()
        self._ask_if_free(now)

    def _fell_short(self, active: Response, response: realtime.Response, now: float) -> None:
        """A failed response is silent on the wire: unless we act, so is the telephone."""
        details = response.status_details or realtime.StatusDetails()
        error = details.error or realtime.FailureDetail()
        why = error.code or details.reason or response.status or "no status"
        self._do(Record(warned("response_fell_short", status=response.status, why=why)))
        if error.code in FATAL_CODES:
            self._lost(Trouble(why, code=error.code))
        elif active in self.tools.causes:
            pass  # The tool's result asks again; an earlier retry might run the tool twice.
        elif response.status == "failed" or not active.items:
            self._owing.owe_again(active)
            self._retry(error.code, why, now)

    def _retry(self, code: str | None, why: str, now: float) -> None:
        self._failed_attempts += 1
        if self._failed_attempts >= self.limits.response_attempts_max:
            self._lost(Trouble(f"{self._failed_attempts} responses failed: {why}", code=code))
        else:
            self.retry_at = now + self.limits.retry_delay_s

    def retry_due(self, now: float) -> None:
        """Long enough since a response failed."""
        self.retry_at = None
        self._ask_if_free(now)

    # --- Interruption ---

    def _barge_in(self, now: float, *, server_cancels: bool) -> None:
        """Stops the agent's words and makes the model forget what was not heard of them.

        If everything was heard nothing is sent at all: truncation would take the item's transcript from
        the model's memory.
        """
        active = self._active
        self._owing.farewell = False
        for response in self.tools.causes if active is None else (active, *self.tools.causes):
            response.is_overtaken = True
        if active is not None and not active.is_muted:
            self._mute(active, cancels=not server_cancels)
        forgotten = self.cutting.cut(now)
        if active is not None:
            active.settled |= forgotten

    def _mute(self, active: Response, *, cancels: bool) -> None:
        active.is_muted = True
        self._gate.audible_response_id = None
        self.cutting.muted(active.items)
        if cancels:
            self._send(commands.CancelResponse(response_id=active.id))

    def answer_ran_away(self, now: float) -> None:
        """More is unheard than anybody would say: what was sent will do."""
        if self._active is not None and not self._active.is_muted:
            self._do(Record(warned("answer_ran_away", unheard_ms=self._playout.unheard_ms(now))))
            self._mute(self._active, cancels=True)

    def leave_behind(self, now: float) -> None:
        """The phone is gone and the session stays: it is to know what was heard, and be silent."""
        if self._active is not None and not self._active.is_muted:
            self._mute(self._active, cancels=True)
        elif self._asked_id is not None or self._server_will_answer:
            self._send(commands.CancelResponse())  # It has no name yet, and nobody would hear it.
        self.cutting.cut(now, clears=False)

    # --- Tools ---

    def tool_finished(self, event: ToolFinished, now: float) -> bool:
        """Posts the result, and asks for one response when all calls of a response are answered.

        Answers whether the agent wants to end the call.
        """
        running = self.tools.finish(event.call_id)
        if running is None:
            return False
        cause = running.cause
        self.tools_used += 1
        self._do(Record(ToolUsed(event.name, event.duration_ms, len(event.output))))
        if not self._is_open:
            self.tools.untold.append((running, event))
            return False
        self.tool_done_at = now
        if not self.caller_speaks:
            self._waits(now)
        item_id = self.tools.tell(running, event)
        # Who spoke since the agent wanted to hang up has more to say: then it is a result like any other.
        is_overtaken = cause is not None and (cause.is_muted or cause.is_overtaken)
        ends_call = event.ends_call and not running.is_foreign and not is_overtaken
        if ends_call:
            self._owing.farewell = cause is None or not cause.items
            self._owing.words = ""  # Nobody warns of an end, or asks who is there, after the goodbye.
        else:
            self._owing.add_item(item_id, cause)
        self._ask_if_free(now)
        return ends_call

    # --- Asking for responses: this is the only place ---

    @property
    def _is_busy(self) -> bool:
        """A response runs, was asked for, or will come by the server's own doing."""
        return bool(self._active or self._asked_id or self.caller_speaks or self._server_will_answer)

    @property
    def _is_owing(self) -> bool:
        return bool(self._owing or self.tools.untold)

    def _ask_if_free(self, now: float) -> None:
        if not self._is_open or self._is_busy or self.retry_at is not None:
            return
        if self._owing.may_ask(running := self.tools.causes):
            self._asked_id = self._send(commands.CreateResponse(response=self._owing.ask(running)))
            self.watch.begin(now)

    # --- Errors and silence ---

    def error(self, event: realtime.ErrorEvent, now: float) -> None:
        """An error leaves the session open, unless its code says that nothing will work again."""
        error = event.error
        self.errors += 1
        note = noted if error.code in HARMLESS_CODES else warned
        self._do(Record(note("model_error", code=error.code, message=error.message, param=error.param)))
        if error.code in FATAL_CODES or error.code == "session_expired":
            self._lost(Trouble(error.code or "", code=error.code))
        elif self._is_of_an_answer(error):
            # Also when another response is said to be active: if it is, it takes the retry back.
            self._owing.answer = self._owing.answer or self._server_will_answer
            self._asked_id, self._server_will_answer = None, False
            self._retry(error.code, error.code or error.message, now)

    def _is_of_an_answer(self, error: realtime.ErrorDetail) -> bool:
        """Whether no answer may come because of this error. Faults inside the server name no command."""
        if error.event_id is not None:
            return error.event_id == self._asked_id
        if error.code == "conversation_already_has_active_response":
            return self._server_will_answer  # The server's own was refused: ours is still being cancelled.
        awaits_answer = self._active is None and (self._asked_id is not None or self._server_will_answer)
        return awaits_answer and error.code not in HARMLESS_CODES

    def model_is_alive(self, now: float) -> None:
        """Anything came from the model, audio aside: the wait for an answer begins anew."""
        if self.watch.by is not None:
            self.watch.begin(now)

    def answer_overdue(self, now: float) -> None:
        """Nothing for too long while an answer was due."""
        if not self._is_busy or self.caller_speaks:
            self.watch.by = None
        elif self.watch.is_silent(now):
            self.watch.by = None
            self._lost(Trouble("the model fell silent while an answer was due"))

    # --- Small parts ---

    def mark(self) -> None:
        """Marks the end of the audio sent so far, unless it is marked."""
        if (name := self._playout.mark()) is not None:
            mark = media_streams.SendMark(self.cutting.stream_sid, media_streams.MarkName(name))
            self._do(SendToPhone(mark))

    def close_turn(self, now: float) -> None:
        """Ends the open turn for the record."""
        awaits_agent = self._active is not None
        self.transcript.close(now, self._playout.first_sent_at, awaits_agent=awaits_agent)
        self._playout.first_sent_at = None

    def _begin_turn(self, now: float) -> None:
        self.close_turn(now)
        self.transcript.caller_began()

    def _send(self, command: commands.AnyCommand) -> str:
        """Sends a command. Without a session nothing is sent: there is nobody who would need to know."""
        command_id = self.names.next_command_id()
        if self._is_open:
            self._do(SendToModel(msgspec.structs.replace(command, event_id=command_id)))
        return command_id
