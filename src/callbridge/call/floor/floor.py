"""Who has the floor: the three states of `table`, what goes with them, and what the caller does to them.

The caller's words and keys come in here, and stop the agent's. What the model does stands in `ladder`, when
it is asked to speak in `asking`, what a cut does to the conversation in `interruption`, what is owed in
`debts`.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.facts import CallerSpoke, KeysPressed, Noted, noted, warned
from callbridge.call.floor.debts import Debts
from callbridge.call.floor.greeting import Greeting
from callbridge.call.floor.interruption import Interruption
from callbridge.call.floor.keys import Keys
from callbridge.call.floor.responses import Ask, LiveResponse, Promise
from callbridge.call.floor.sayings import Sayings
from callbridge.call.floor.table import TABLE, Caller, Next, Now, On, Stays
from callbridge.call.lived import Speech
from callbridge.call.transcript import UNINTELLIGIBLE
from callbridge.wire import media_streams, realtime_events
from callbridge.wire import realtime_commands as commands
from callbridge.wire.audio import FRAME_MS, milliseconds

if TYPE_CHECKING:
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.playout import Playout
    from callbridge.call.ear.tally import Tally
    from callbridge.call.events import AnswerRanAway
    from callbridge.call.floor.responses import Saying
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions
    from callbridge.call.transcript import Transcript


class Floor:
    """The floor of one call.

    Args:
        sessions: says whether there is a session, and as what it is configured.
        gate: says which response may be heard.
        tally: what the relay counted.
        playout: what the phone was sent, and the caller has heard.
        transcript: who said what.
        out: where actions and consequences go.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        gate: Gate,
        tally: Tally,
        playout: Playout,
        transcript: Transcript,
        out: Outbox,
    ) -> None:
        self._sessions, self._gate, self._tally, self._playout = sessions, gate, tally, playout
        self._transcript, self._out = transcript, out

        self.caller, self.next, self.now = Caller.SILENT, Next.NOTHING, Now.NOTHING
        # An ask, a promise and a response are kept after they are settled: whether one counts is said by the
        # states alone.
        self.ask = Ask("", 0, 0.0, "")
        self.promise = Promise(0, 0.0)
        self.response = LiveResponse("", 0, 0.0)
        self.let_go: LiveResponse | None = None
        """A response whose end did not come in time: muted, or said. It may go on yet."""
        self.is_on_hold = False
        """The caller waits for a person: the agent says nothing, and is told nothing of them."""
        self.turn = 0
        """The number of the caller's turn: one more at each `speech_started` and each first key."""
        self.caller_at = out.now
        """When the caller last began or stopped to speak, or pressed a key."""
        self.understood_at = out.now
        """When they last said something that was understood, or pressed a key."""
        self._words_due_since: float | None = None
        """Since when the words of something loud are to come; None while there is nothing of the kind."""
        self.noise_since: float | None = None
        """Since when something is heard that is not, or not yet; None while there is nothing of the kind."""
        self.speaking_since = out.now
        """When the model last said that they began to speak."""
        self.silent_since = out.now
        """Since when they have not spoken."""
        self.due_since = 0.0
        """Since when the model has had an answer to give."""
        self.owes_older = False
        """When they last began to speak, or the server to answer them, something else was to be answered, or
        was being said: it still is, even if this is only a cough."""

        self._cough_ms, self._padding_ms = sessions.plan.limits.cough_ms, sessions.plan.padding_ms
        self._spoke_from, self._speech = out.now, Speech(0, 0)
        """When they last began to speak, on the line; and their latest utterance."""
        self._loud_before = 0
        """Loud frames of the line before their latest utterance."""
        self.utterance_loud_ms = 0
        """How much of their latest utterance was loud."""
        self._is_unclear = False
        """Only its words will say whether it was more than a cough."""

        self.debts = Debts()
        self.greeting = Greeting(sessions, playout, self.debts, out)
        self.sayings = Sayings(sessions.plan.limits, playout, self.debts, out)
        self.keys = Keys(sessions.plan.limits)
        self.interruption = Interruption(
            sessions.plan.limits.heard_tail_ms, playout, transcript, sessions, out
        )

    def move(self, on: On) -> None:
        """Does to the three states what the table says."""
        caller, following, now = TABLE[on]
        for cell in (caller[self.caller], following[self.next], now[self.now]):
            if isinstance(cell, Caller):
                self.caller = cell
            elif isinstance(cell, Next):
                self.next = cell
            elif isinstance(cell, Now):
                self.now = cell
            else:
                assert isinstance(cell, Stays), f"{on.value}, {self!r}: {cell.why}"

    # --- What can be asked ---

    @property
    def is_asked(self) -> bool:
        """Whether our response.create is out."""
        return self.next is Next.ASKED or self.next is Next.BOTH

    @property
    def saying_asked(self) -> Saying | None:
        """What of the agent's code the model was asked to say, and has not begun with."""
        return self.ask.saying if self.is_asked else None

    @property
    def is_promised(self) -> bool:
        """Whether the server answers by itself."""
        return self.next is Next.PROMISED or self.next is Next.BOTH

    @property
    def is_answering(self) -> bool:
        """Whether the model has a response to make, or to finish."""
        return self.next is not Next.NOTHING or self.now is not Now.NOTHING

    @property
    def in_progress(self) -> LiveResponse | None:
        """The response that the server has not finished, if any."""
        return None if self.now is Now.NOTHING else self.response

    def is_in_progress(self, response_id: str) -> bool:
        """Whether this is the response that the server has not finished."""
        return self.now is not Now.NOTHING and response_id == self.response.id

    def ask_of(self, response: realtime_events.Response) -> Ask | None:
        """Whose response began: the ask that it answers; None for one of the server's own making.

        `response.create` carries our id in its metadata, which the response should echo (Realtime reference,
        response.create, "metadata"). Where it does not, the order of asking decides: with an ask out it is
        ours, unless the caller has spoken and stopped since. Then the server has dropped the ask, and answers
        them.
        """
        if (named := _named_ask(response)) is not None:
            return self.ask if named == self.ask.id else None
        return self.ask if self.next is Next.ASKED else None

    def is_late(self, response: realtime_events.Response) -> bool:
        """Whether it answers an ask that was given up, and followed by another.

        The server was thought to have dropped it. Whatever it asked for is still owed, or overtaken.
        """
        return _named_ask(response) not in {None, self.ask.id}

    def turn_of(self, ask: Ask | None) -> int:
        """The caller's turn that a new response answers. `ask`: what it was asked for with, if by us."""
        if ask is not None:
            return ask.turn
        return self.promise.turn if self.is_promised else self.turn

    # --- The caller's words ---

    def speech_started(self, event: realtime_events.SpeechStarted, now: float) -> None:
        """The caller speaks. Whatever is unheard of the agent's words stops here."""
        self._out.note(Noted("speech_started", (("audio_start_ms", event.audio_start_ms),)))
        # From here on the line says when they stopped: a server that stalls would never.
        loudness = self._tally.loudness
        self._gate.model_hears, loudness.quiet_for = True, 0
        self._loud_before, self.speaking_since = loudness.loud_in_all - loudness.loud_for, now
        behind_ms = milliseconds(self._tally.uplink_bytes) - (event.audio_start_ms or 0) - self._padding_ms
        behind_ms_max = (now - self.caller_at) * 1000 + self._gate.held_ms_max
        if event.audio_start_ms is None or not 0 <= behind_ms <= behind_ms_max:  # As in `_stopped_at`.
            behind_ms = 0
        self._spoke_from = spoke_from = now - behind_ms / 1000
        debts, cuts = self.debts, self.interruption.count
        is_due = self.next is not Next.NOTHING or self.now is Now.AUDIBLE
        self.owes_older |= is_due or bool(debts.items) or debts.answer is not None
        if self._sessions.is_protecting:
            self.move(On.SPOKEN_INTO)
        else:
            cancels = not self._sessions.server_interrupts
            self._interrupt(On.SPEECH_BEGAN, now, cancels=cancels, spoke_from=spoke_from)
        self.owes_older |= self.interruption.count > cuts
        self._begin_turn(now, spoke_from)

    def speech_stopped(self, event: realtime_events.SpeechStopped, now: float) -> None:
        """The caller's turn is over; the server answers by itself."""
        stopped_at = self._stopped_at(event.audio_end_ms, now)
        self.caller_at = now
        awaits_words = self._sessions.plan.has_transcription
        self._transcript.caller_stopped(stopped_at, now, awaits_words=awaits_words)
        self._speech_ended(stopped_at, now, due_since=now)

    def speech_unseen(self, now: float) -> None:
        """The caller has been speaking, and the model has not noticed: a turn of theirs, so far."""
        self._begin_turn(now)
        self._is_unclear = True
        self._transcript.caller_stopped(now, now, awaits_words=self._sessions.plan.has_transcription)

    def utterance_ends(self, now: float) -> None:
        """The model says that they speak, and has said so for too long: their turn is over."""
        self._transcript.caller_stopped(now, now, awaits_words=self._sessions.plan.has_transcription)
        self._speech_ended(now, now, due_since=now)

    def _stopped_at(self, audio_end_ms: int | None, now: float) -> float:
        """When the caller stopped, whatever the event says of it.

        `audio_end_ms` counts the audio appended and includes the silence that was waited for. The event comes
        at once, unless audio was held and then sent faster than it was spoken: a place that is further back,
        or ahead of all audio, is none.
        """
        uplink_ms = self._tally.uplink_ms
        behind_ms = uplink_ms - (uplink_ms if audio_end_ms is None else audio_end_ms)
        behind_ms_max = (now - self.caller_at) * 1000 + self._gate.held_ms_max
        if not 0 <= behind_ms <= behind_ms_max:
            behind_ms = 0
        return now - (behind_ms + self._sessions.plan.silence_ms) / 1000

    def line_fell_quiet(self, quiet_s: float, now: float) -> None:
        """The caller stopped, and the model has not noticed: an answer is due all the same."""
        # Where their voice hardly stands out of the noise, the line cannot say when they stop.
        is_judged = self._loud_ms >= self._cough_ms or (
            bool(self._loud_ms) and quiet_s >= self._sessions.plan.limits.quiet_after_word_s
        )
        if self.caller is Caller.SPEAKING and is_judged:
            self._out.note(noted("speech_ended_unseen", quiet_s=round(quiet_s, 1)))
            self._speech_ended(now - quiet_s, now, due_since=now - quiet_s, is_unseen=True)
            # If it was only a pause, the line will say so.
            self._gate.model_hears = True

    def _speech_ended(
        self, stopped_at: float, now: float, *, due_since: float, is_unseen: bool = False
    ) -> None:
        self.move(On.SPEECH_ENDED)
        self._gate.model_hears = False
        self.utterance_loud_ms = self._loud_ms
        # Where nobody says what it was, whatever was loud at all has to do.
        enough_ms = self._cough_ms if self._sessions.plan.has_transcription else 1
        self._is_unclear = self.utterance_loud_ms < enough_ms
        self._speech = Speech(self._out.ms(self._spoke_from), self._out.ms(max(stopped_at, self._spoke_from)))
        self._note_spoken(is_clear=not self._is_unclear)
        if self.utterance_loud_ms >= self._cough_ms:
            self._words_are_due(stopped_at, now)
        self.promise = Promise(self.turn, stopped_at, is_unseen, is_behind=self.now is Now.AUDIBLE)
        self.silent_since, self.due_since = stopped_at, due_since

    def _note_spoken(self, *, is_clear: bool) -> None:
        record = self._transcript.turns
        self._out.note(CallerSpoke(self.turn, self.utterance_loud_ms, is_clear, self._speech, record))

    def _words_are_due(self, since: float, now: float) -> None:
        """They have said something. Where nobody ever says what it was, it counts as understood."""
        if not self._sessions.plan.has_transcription:
            self._is_understood(now)
        elif self._words_due_since is None:
            self._words_due_since = since
        elif since - self._words_due_since > self._sessions.plan.limits.transcript_timeout_s:
            self._is_understood(now)  # Transcription has stopped, as far as anybody knows.

    @property
    def _loud_ms(self) -> int:
        """How much of what they have been saying was loud."""
        return (self._tally.loudness.loud_in_all - self._loud_before) * FRAME_MS

    def line_is_loud(self) -> None:
        """It was only a pause: the caller goes on with what they were saying."""
        if self.caller is Caller.SILENT:
            # Nobody is interrupted by it: what is audible then is a greeting that was spoken into.
            self.move(On.SPOKEN_INTO if self.now is Now.AUDIBLE else On.SPEECH_BEGAN)

    def caller_is_back(self, now: float) -> None:
        """From hold. So far they have waited for somebody else, and were asked nothing."""
        self.is_on_hold, self.silent_since = False, now
        self._is_understood(now)

    def input_committed(self, event: realtime_events.InputCommitted, now: float) -> None:
        """The caller's words have an item."""
        self._transcript.caller_committed(event.item_id)

    def caller_transcribed(self, event: realtime_events.CallerTranscript, now: float) -> None:
        """The caller's words came, before, during or after the answer to them. None at all: it was a noise.

        Realtime reference, conversation.item.input_audio_transcription.completed: nothing waits for it.
        """
        words, self._words_due_since = event.transcript, None
        if words is not None and words.strip():
            self._is_understood(now)
            if event.item_id == self._transcript.latest_caller_item:  # A "yes" is as short as a cough.
                if self._is_unclear:
                    self._is_unclear = False
                    self._note_spoken(is_clear=True)
                self.utterance_loud_ms = max(self.utterance_loud_ms, self._cough_ms)
                self.response.is_owed |= self.response.turn == self.turn
        elif event.item_id == self._transcript.latest_caller_item and not self.owes_older:
            self.debts.answer = None  # Nobody waits for an answer to it.
        self.debts.words_came(event.item_id, are_any=words is not None and bool(words.strip()))
        self._transcript.caller_said(event.item_id, UNINTELLIGIBLE if words is None else words.strip())

    def caller_not_transcribed(self, event: realtime_events.CallerTranscriptFailed, now: float) -> None:
        """The caller's words cannot be made out, and will not come. That is no fault of theirs."""
        if self._words_due_since is not None:
            self._is_understood(now)
        self._words_due_since = None
        self._transcript.caller_said(event.item_id, UNINTELLIGIBLE)

    def key_pressed(self, digit: str, now: float) -> None:
        """A key interrupts like speech, but the server does not know: we cancel.

        Twilio tells it in a message of its own (docs, "DTMF message"); what the server hears is the audio.
        Nothing is interrupted by `#` with no key before it: it is no message, so nobody would answer who was
        cut short.
        """
        if self.caller is Caller.SILENT:  # Keys do not put off the look at the line of who speaks.
            self.caller_at = now
        self._is_understood(now)
        if digit == self.keys.wanted.end and not self.keys.pressed:
            return
        is_first = not self.keys.pressed
        self._stopped_by_key(now, is_first=is_first)
        self.keys.press(digit, now)

    def menu_key_pressed(self, digit: str, now: float) -> None:
        """A key by itself that the agent's own code has a use for: the model is not told."""
        if self.caller is Caller.SILENT:
            self.caller_at = now
        self._stopped_by_key(now, is_first=True)
        self._transcript.caller_pressed(digit, now)
        self._out.note(KeysPressed(digit, self.turn, is_menu=True, record=self._transcript.turns))

    def _stopped_by_key(self, now: float, *, is_first: bool) -> None:
        self._is_understood(now)
        if is_first:  # Once for all that become one message: somebody may lean on a key.
            self._out.note(noted("key_pressed"))
        if not self._sessions.is_protecting:
            self._interrupt(On.KEY_PRESSED, now, cancels=True)
        if is_first:
            self._begin_turn(now)
            self._is_understood(now)

    def _is_understood(self, now: float) -> None:
        self.understood_at, self.noise_since = now, None

    def _begin_turn(self, now: float, spoke_from: float | None = None) -> None:
        self.turn += 1
        self.caller_at = now
        if self.noise_since is None:
            self.noise_since = now
        first_sent_at, self._playout.first_sent_at = self._playout.first_sent_at, None
        self._transcript.caller_began(
            now,
            first_sent_at,
            awaits_agent=self.now is not Now.NOTHING,
            spoke_from=spoke_from,
            plays_until=self._playout.agent_until if self._sessions.is_protecting else 0.0,
        )

    def close_turn(self, now: float) -> None:
        """Ends the open turn for the record."""
        first_sent_at, self._playout.first_sent_at = self._playout.first_sent_at, None
        self._transcript.close(now, first_sent_at, awaits_agent=self.now is not Now.NOTHING)

    # --- Interruption ---

    def _interrupt(self, on: On, now: float, *, cancels: bool, spoke_from: float | None = None) -> None:
        """Stops the agent's words and makes the model forget what was not heard of them."""
        if self.greeting.response is not None:
            self.greeting.is_cut(now)
        if self.sayings.sounding:
            self.sayings.are_cut(now)
        was_audible = self.now is Now.AUDIBLE
        self.move(on)
        self.debts.farewell = None
        if was_audible:
            self._mute(now, cancels=cancels)
        self._gate.audible_response_id = None
        if self.let_go is not None:  # It may go on yet: that is not heard any more either.
            self.let_go.is_muted = True
        muted = self.response if self.now is Now.MUTED else self.let_go
        self.interruption.cut(now, muted, spoke_from=spoke_from)

    def _mute(self, now: float, *, cancels: bool) -> None:
        """The response in progress is to be heard no more.

        `cancels`: the server does not stop it itself. On the caller's voice it does, unless
        `interrupt_response` is off (Realtime reference, session.audio.input.turn_detection).
        """
        response = self.response
        response.is_muted, response.muted_at = True, now
        self._gate.audible_response_id = None
        if cancels:
            # By its id: a cancel that crosses the server's own interruption was seen to hit the next
            # response.
            self._out.tell_model(commands.CancelResponse(response_id=response.id))

    def silence(self, now: float) -> None:
        """The response in progress is not to be heard any more, though nobody has interrupted it."""
        self.move(On.SILENCED)
        self._mute(now, cancels=True)

    def answer_ran_away(self, event: AnswerRanAway, now: float) -> None:
        """More is unheard than anybody would say: what was sent will do."""
        if self.now is Now.AUDIBLE:
            self._out.note(warned("answer_ran_away", unheard_ms=self._playout.unheard_ms(now)))
            self.silence(now)
            self.greeting.is_made()

    def settle(self, now: float) -> None:
        """After every event: whether what had to be heard was."""
        if self.greeting.response is not None:
            self.greeting.settle(now)
        if self.sayings.sounding:
            self.sayings.settle(self.in_progress, now)

    def leave_behind(self, now: float) -> None:
        """The phone is gone and the session stays: it is to know what was heard, and be silent."""
        if self.now is Now.AUDIBLE:
            self.silence(now)
        self.interruption.cut(now, None, clears=False)

    def mark(self) -> None:
        """Marks the end of the audio sent so far, unless it is marked: it comes back when that was played.

        Twilio docs, "Mark message".
        """
        if (name := self._playout.mark(self._out.now)) is not None:
            mark = media_streams.SendMark(self._out.stream_sid, media_streams.MarkName(name))
            self._out.tell_phone(mark)

    def __repr__(self) -> str:
        return f"<Floor turn {self.turn}: caller {self.caller}, next {self.next}, now {self.now}>"


def _named_ask(response: realtime_events.Response) -> str | None:
    """The id of the ask that a response says it answers, if it says so."""
    metadata = response.metadata
    named = metadata.get(commands.ASK_ID) if isinstance(metadata, dict) else None
    return named if isinstance(named, str) else None
