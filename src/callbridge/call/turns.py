"""The Realtime turn protocol: who may ask for a response, what an interruption does, what tools owe.

All that is particular to a model with client-side turns stands here: the response ladder, truncate, delete
and cancel. A model without them will stand beside this module, not inside it.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from callbridge.call.actions import Action, Record, RunTool, SendToModel, SendToPhone, ToolFinished
from callbridge.call.codes import FATAL_CODES, HARMLESS_CODES
from callbridge.call.facts import EndReason, Interrupted, ToolUsed, Usage, noted, warned
from callbridge.call.playout import CutItem
from callbridge.call.transcript import Transcript
from callbridge.wire import media_streams, realtime
from callbridge.wire import realtime_commands as commands
from callbridge.wire.mulaw import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.limits import Limits
    from callbridge.call.plan import CallPlan
    from callbridge.call.playout import Gate, Playout, Tally


@dataclass(slots=True)
class _Response:
    """A response in progress."""

    id: str
    items: list[str] = field(default_factory=list)
    """Its spoken items, in order."""
    settled: set[str] = field(default_factory=set)
    """Spoken items that an interruption has truncated, deleted or found heard to the end."""
    is_muted: bool = False
    is_greeting: bool = False
    is_overtaken: bool = False
    """The caller has spoken, or pressed a key, since it began."""


@dataclass(slots=True)
class _Owed:
    """An item of ours that the model has not answered yet."""

    cause: _Response | None
    """The response whose tool call it answers."""
    is_added: bool = False
    """The server has said that the item is in the conversation."""
    passed: int = 0
    """Responses of our asking that began since. One may have crossed the item on the wire."""

    @property
    def is_settled(self) -> bool:
        """Whether the response that begins reads the item, or the server must have refused it."""
        return self.is_added or self.passed > 1


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
        end: Callable[[EndReason, str], None],
    ) -> None:
        self.limits = limits
        self.server_interrupts = plan.server_interrupts
        self.silence_ms = plan.silence_ms
        self.has_transcription = plan.has_transcription
        self.transcript = Transcript(limits.transcript_timeout_s)
        self.usage = Usage()
        self.interruptions = 0
        self.tools_used = 0
        self.errors = 0
        self.has_spoken = False
        """Whether any response of the model ever began."""
        self._gate, self._playout, self._tally = gate, playout, tally
        self._do, self._end = do, end
        self._stream_sid = ""

        # Who speaks.
        self._caller_speaks = False
        self._server_will_answer = False
        """The caller's turn ended and the server makes the response by itself."""
        self._active: _Response | None = None
        self._asked_id: str | None = None
        """Our response.create that neither a response nor an error has answered."""

        # What is owed.
        self._greeting: commands.ResponseOptions | None = None
        self._owes_greeting = False
        self._owes_retry = False
        self._owes_farewell = False
        self._owed: dict[str, _Owed] = {}
        self._running: dict[str, _Response | None] = {}
        """Tools that run, with the response that called them."""
        self._calls_seen: set[str] = set()
        self._failed_attempts = 0
        self._is_lost = False
        """The call ends because of the model: nothing more is asked of it."""

        # Keys pressed and not yet told to the model.
        self._keys = ""

        # When to wake up.
        self.retry_at: float | None = None
        self.keys_at: float | None = None
        self.answer_by: float | None = None
        self._events_at_watch = 0

        self._command_count = 0
        self._item_count = 0

    # --- Asked by the machine ---

    @property
    def is_idle(self) -> bool:
        """Nobody speaks, nothing runs, nothing is owed."""
        return not (self._is_busy or self._is_owing or self._running or self._keys or self.retry_at)

    # --- The stages of a call ---

    def begin(self, stream_sid: str, greeting: commands.ResponseOptions | None, now: float) -> None:
        """The session stands: the agent greets first."""
        self._stream_sid = stream_sid
        self._greeting = greeting
        self._owes_greeting = True
        self._ask_if_free(now)

    def next_command_id(self) -> str:
        """A new `event_id`: it comes back in the error that answers a command."""
        self._command_count += 1
        return f"cb_{self._command_count}"

    # --- The caller ---

    def speech_started(self, event: realtime.SpeechStarted, now: float) -> None:
        """The caller speaks. Whatever is unheard of the agent's words stops here."""
        self._do(Record(noted("speech_started", audio_start_ms=event.audio_start_ms)))
        self._barge_in(now, server_cancels=self.server_interrupts)
        self._begin_turn(now)
        self._caller_speaks = True
        self._server_will_answer = False

    def speech_stopped(self, event: realtime.SpeechStopped, now: float) -> None:
        """The caller's turn is over; the server answers by itself."""
        # `audio_end_ms` counts the audio appended and includes the silence that was waited for.
        behind_ms = self._tally.uplink_ms - event.audio_end_ms + self.silence_ms
        self.transcript.caller_stopped(now - max(behind_ms, 0) / 1000, awaits_words=self.has_transcription)
        self._caller_speaks = False
        self._server_will_answer = True
        self._watch(now)

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
        """Enough keys, or a pause after them: the model is told."""
        keys, self._keys, self.keys_at = self._keys, "", None
        self.transcript.caller_pressed(keys, now)
        text = commands.InputText(f"[The caller pressed {' '.join(keys)} on the telephone keypad.]")
        item_id = self._next_item_id()
        self._send(commands.CreateItem(item=commands.Message(item_id, "user", (text,))))
        self._owed[item_id] = _Owed(cause=None)
        self._ask_if_free(now)

    # --- The response ladder ---

    def response_created(self, event: realtime.ResponseCreated, now: float) -> None:
        """A response begins, asked for by us or by the server's turn detection."""
        active = self._active = _Response(event.response.id, is_greeting=self._owes_greeting)
        self.has_spoken = True
        self._playout.begin_response()
        is_ours = self._asked_id is not None and not self._server_will_answer
        self._asked_id = None
        self._server_will_answer = False
        # It reads all that is in the conversation, so whatever was owed before is answered by it.
        self._owes_greeting = self._owes_retry = self._owes_farewell = False
        self.retry_at = None
        for owed in self._owed.values():
            owed.passed += is_ours
        self._owed = {item: owed for item, owed in self._owed.items() if not owed.is_settled}
        self._watch(now)
        if self._caller_speaks:  # Ours crossed the caller's first word: nobody would hear it.
            active.is_muted = True
            self._send(commands.CancelResponse(response_id=active.id))
        else:
            self._gate.audible_response_id = active.id

    def item_added(self, event: realtime.ItemAdded, now: float) -> None:
        """An item entered the conversation."""
        if event.item.id in self._owed:
            self._owed[event.item.id].is_added = True

    def output_item_added(self, event: realtime.OutputItemAdded, now: float) -> None:
        """The response begins an item."""
        active = self._active
        if active is None or event.response_id != active.id or event.item.type != "message":
            return
        active.items.append(event.item.id)
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
        """A whole function call runs beside the audio; an interrupted one may lack arguments."""
        item = event.item
        if item.type != "function_call" or item.status != "completed" or not item.call_id:
            return
        if item.call_id in self._calls_seen:
            return
        self._calls_seen.add(item.call_id)
        self._running[item.call_id] = self._active
        self._do(RunTool(item.call_id, item.name or "", item.arguments or "{}", self.limits.tool_timeout_s))

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
            self._settle_late_audio(active)
        elif response.status in {"failed", "incomplete"}:
            self._fell_short(active, response, now)
        else:
            self._failed_attempts = 0
        self.transcript.agent_finished()
        self._ask_if_free(now)

    def _fell_short(self, active: _Response, response: realtime.Response, now: float) -> None:
        """A failed response is silent on the wire: unless we act, so is the telephone."""
        details = response.status_details or realtime.StatusDetails()
        error = details.error or realtime.FailureDetail()
        why = error.code or details.reason or response.status or "no status"
        self._do(Record(warned("response_fell_short", status=response.status, why=why)))
        if error.code in FATAL_CODES:
            self._give_up(why)
        elif active in self._running.values():
            pass  # The tool's result asks again; an earlier retry might run the tool twice.
        elif response.status == "failed" or not active.items:
            self._owes_greeting = active.is_greeting
            self._retry(why, now)

    def _retry(self, why: str, now: float) -> None:
        self._failed_attempts += 1
        if self._failed_attempts >= self.limits.response_attempts_max:
            self._give_up(f"{self._failed_attempts} responses failed: {why}")
        else:
            self.retry_at = now + self.limits.retry_delay_s

    def retry_due(self, now: float) -> None:
        """Long enough since a response failed."""
        self.retry_at = None
        self._owes_retry = True
        self._ask_if_free(now)

    # --- Interruption ---

    def _barge_in(self, now: float, *, server_cancels: bool) -> None:
        """Stops the agent's words and makes the model forget what was not heard of them.

        If everything was heard nothing is sent at all: truncation would take the item's transcript from
        the model's memory.
        """
        active = self._active
        self._owes_farewell = False
        for response in (active, *self._running.values()):
            if response is not None:
                response.is_overtaken = True
        if active is not None and not active.is_muted:
            active.is_muted = True
            self._gate.audible_response_id = None
            if not server_cancels:
                self._send(commands.CancelResponse(response_id=active.id))
        unheard_ms = self._playout.unheard_ms(now)
        if unheard_ms <= self.limits.heard_tail_ms:
            return
        # The heard position is frozen before the clear: a clear echoes marks that were never played.
        cuts = self._playout.cut(now)
        self._do(SendToPhone(media_streams.Clear(self._stream_sid)))
        truncated, deleted = self._forget_unheard(cuts)
        forgotten = {*truncated, *deleted}
        if active is not None:
            active.settled |= forgotten
        self.interruptions += 1
        self.transcript.agent_was_cut(cut for cut in cuts if cut.item_id in forgotten)
        self._do(Record(Interrupted(tuple(truncated.items()), tuple(deleted), unheard_ms)))

    def _forget_unheard(self, cuts: tuple[CutItem, ...]) -> tuple[dict[str, int], list[str]]:
        """Truncates the item in play, deletes those never begun, leaves those heard to the end."""
        truncated: dict[str, int] = {}
        deleted: list[str] = []
        for cut in cuts:
            if cut.sent_ms - cut.heard_ms <= self.limits.heard_tail_ms and cut.heard_ms:
                continue
            if cut.heard_ms:
                truncated[cut.item_id] = cut.heard_ms
                self._truncate(cut.item_id, cut.heard_ms)
            else:  # Truncation to 0 ms is refused.
                deleted.append(cut.item_id)
                self._send(commands.DeleteItem(item_id=cut.item_id))
        return truncated, deleted

    def _settle_late_audio(self, response: _Response) -> None:
        """Items of a muted response that went on after the cut, or were never sent to the phone."""
        withheld = self._playout.forget_withheld()
        for item_id in response.items:
            if item_id in response.settled:
                continue
            sent_ms = self._playout.sent_ms(item_id)
            late_ms = milliseconds(withheld.get(item_id, 0))
            if not sent_ms:
                self._send(commands.DeleteItem(item_id=item_id))
                self.transcript.agent_was_cut([CutItem(item_id, late_ms or 1, 0)])
            elif late_ms:  # All that was sent was heard, but the server made more.
                self._truncate(item_id, sent_ms)
                self.transcript.agent_was_cut([CutItem(item_id, sent_ms + late_ms, sent_ms)])

    def _truncate(self, item_id: str, heard_ms: int) -> None:
        self._send(commands.TruncateItem(item_id=item_id, audio_end_ms=heard_ms, content_index=0))

    # --- Tools ---

    def tool_finished(self, event: ToolFinished, now: float) -> bool:
        """Posts the result, and asks for one response when all calls of a response are answered.

        Answers whether the agent wants to end the call.
        """
        if event.call_id not in self._running:
            return False
        cause = self._running.pop(event.call_id)
        self.tools_used += 1
        self._do(Record(ToolUsed(event.name, event.duration_ms, len(event.output))))
        item_id = self._next_item_id()
        output = commands.FunctionCallOutput(item_id, event.call_id, event.output)
        self._send(commands.CreateItem(item=output))
        # Who spoke since the agent wanted to hang up has more to say: then it is a result like any other.
        ends_call = event.ends_call and not (cause is not None and (cause.is_muted or cause.is_overtaken))
        if ends_call:
            self._owes_farewell = cause is None or not cause.items
        else:
            self._owed[item_id] = _Owed(cause)
        self._ask_if_free(now)
        return ends_call

    # --- Asking for responses: this is the only place ---

    @property
    def _is_busy(self) -> bool:
        """A response runs, was asked for, or will come by the server's own doing."""
        return bool(self._active or self._asked_id or self._caller_speaks or self._server_will_answer)

    @property
    def _is_owing(self) -> bool:
        return bool(self._owed or self._owes_greeting or self._owes_retry or self._owes_farewell)

    def _ask_if_free(self, now: float) -> None:
        if self._is_lost or self._is_busy or self.retry_at is not None or not self._may_ask():
            return
        options = None
        if self._owes_greeting:
            options = self._greeting
        elif self._owes_farewell:
            options = commands.ResponseOptions(tool_choice="none")
        self._asked_id = self._send(commands.CreateResponse(response=options))
        self._watch(now)

    def _may_ask(self) -> bool:
        """Whether something is owed that can be answered now.

        A result waits for its siblings: the model is asked once, when all calls of a response have outputs.
        """
        if self._owes_greeting or self._owes_retry or self._owes_farewell:
            return True
        waiting = [cause for cause in self._running.values() if cause is not None]
        return any(owed.cause not in waiting for owed in self._owed.values())

    # --- Errors and silence ---

    def error(self, event: realtime.ErrorEvent, now: float) -> None:
        """An error leaves the session open, unless its code says that nothing will work again."""
        error = event.error
        self.errors += 1
        note = noted if error.code in HARMLESS_CODES else warned
        self._do(Record(note("model_error", code=error.code, message=error.message, param=error.param)))
        if error.code in FATAL_CODES or error.code == "session_expired":
            self._give_up(error.code or "")
        elif self._is_of_an_answer(error):
            # Also when another response is said to be active: if it is, it takes the retry back.
            self._asked_id, self._server_will_answer = None, False
            self._retry(error.code or error.message, now)

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
        if self.answer_by is not None:
            self._watch(now)

    def answer_overdue(self, now: float) -> None:
        """Nothing for too long while an answer was due."""
        self.answer_by = None
        if not self._is_busy or self._caller_speaks:
            return
        if self._tally.events_from_model > self._events_at_watch:
            self._watch(now)
        else:
            self._give_up("the model fell silent while an answer was due")

    def _give_up(self, why: str) -> None:
        self._is_lost = True
        self._end(EndReason.MODEL_LOST, why)

    def _watch(self, now: float) -> None:
        self.answer_by = now + self.limits.answer_timeout_s
        self._events_at_watch = self._tally.events_from_model

    # --- Small parts ---

    def mark(self) -> None:
        """Marks the end of the audio sent so far, unless it is marked."""
        if (name := self._playout.mark()) is not None:
            mark = media_streams.SendMark(self._stream_sid, media_streams.MarkName(name))
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
        command_id = self.next_command_id()
        self._do(SendToModel(msgspec.structs.replace(command, event_id=command_id)))
        return command_id

    def _next_item_id(self) -> str:
        self._item_count += 1
        return f"cb_item_{self._item_count}"
