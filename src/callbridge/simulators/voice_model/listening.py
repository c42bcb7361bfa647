"""The caller's side: appended audio, turns by detection or by hand, transcripts, the idle timeout.

Decides when a turn becomes an item and asks for the response; what a response is, is not known here.
"""

from __future__ import annotations

import binascii
import math
from typing import TYPE_CHECKING

from callbridge.simulators.voice_model.conversation import Item
from callbridge.simulators.voice_model.formats import Decoder
from callbridge.simulators.voice_model.input_buffer import COMMIT_MIN_MS, InputBuffer
from callbridge.simulators.voice_model.items import decoded
from callbridge.simulators.voice_model.journal import Heard, Passed
from callbridge.simulators.voice_model.schema import ClientError
from callbridge.simulators.voice_model.usage import caller_tokens, text_tokens
from callbridge.simulators.voice_model.vad import (
    SpeechStarted,
    SpeechStopped,
    TurnDetection,
    holds_speech,
)

if TYPE_CHECKING:
    from callbridge.simulators.voice_model.faults import Fault
    from callbridge.simulators.voice_model.responses import ResponseRun
    from callbridge.simulators.voice_model.schema import Json
    from callbridge.simulators.voice_model.script import Answer
    from callbridge.simulators.voice_model.shared import Shared
    from callbridge.simulators.voice_model.speaking import Speaking

_TRANSCRIPTION = "conversation.item.input_audio_transcription"

DICTATION_EVERY_S = 0.3
"""Between the words that a streaming transcription model writes while the caller speaks."""

TRANSCRIBED = TurnDetection(threshold=0.22)
"""Of an utterance that was committed by hand: what is transcribed may be softer than what is detected."""

IDLE_TEXT = "The caller has been silent for a while."
"""What the system says of an idle timeout; the API has its own words."""


class Listening:
    """What one session hears."""

    def __init__(self, shared: Shared, speaking: Speaking) -> None:
        self._shared = shared
        self._speaking = speaking
        speaking.when_done = self.response_done
        shared.when_vad_fails = self.spoil
        self._decoder = Decoder(shared.config.input_format)
        self._buffer = InputBuffer(shared.config.turn_detection)
        self._turn: Heard | None = None
        """The turn under way: where it began, and the item that it will become."""
        self._noise_id = ""
        """The item of the last turn that noise began."""
        self._vad_fault: Fault | None = None
        self._idle_watch = 0
        self._untold: list[tuple[Item, Answer]] = []
        """Transcripts that wait for the end of the answer."""
        self._dictated: dict[str, tuple[Answer, list[str]]] = {}
        """What is written of turns as they are spoken, by item: whose caller's words, and what of them is
        still to be written."""

    def configure(self) -> None:
        """The configuration has changed."""
        config = self._shared.config
        if config.input_format != self._decoder.kind:
            self._decoder = Decoder(config.input_format)
        self._buffer.detect(config.turn_detection)
        if not self._buffer.is_speaking:
            self._drop_turn()

    # --- Commands -----------------------------------------------------------------------------

    def append(self, event: Json) -> None:
        """`input_audio_buffer.append`: never answered, but by what is heard in it."""
        self._take(decoded(event["audio"], "audio", self._decoder.kind))

    def append_at_once(self, audio: str) -> bool | None:
        """The same for the base64 in an event without fault.

        Returns:
            Whether a turn began or ended in it; None, and nothing is done, when it is no base64 of anything.
        """
        try:
            data = binascii.a2b_base64(audio, strict_mode=True)
        except ValueError:
            return None
        return self._take(data) if data else None

    def _take(self, audio: bytes) -> bool:
        journal = self._shared.journal
        journal.appends += 1
        journal.appended_bytes += len(audio)
        if journal.appended is not None:
            journal.appended += audio
            journal.append_times.append(Passed(self._shared.now, journal.appended_bytes))
        has_heard = False
        for heard in self._buffer.append(self._decoder.decode(audio)):
            has_heard = True
            if isinstance(heard, SpeechStarted):
                self._start(heard)
                self._begin_dictation()
            else:
                self._stop(heard)
        return has_heard

    def commit(self, _event: Json) -> None:
        """`input_audio_buffer.commit`: an item, and no response."""
        held_ms = self._buffer.held_ms
        if held_ms < COMMIT_MIN_MS:
            raise ClientError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{COMMIT_MIN_MS}ms of audio, but buffer only has {held_ms:.2f}ms of audio.",
            )
        turn, self._turn = self._turn, None
        item_id = turn.item_id if turn is not None else self._shared.ids.make("item")
        audio = self._buffer.take_all()
        has_speech = turn is not None or holds_speech(audio, TRANSCRIBED)
        self._commit(item_id, audio, has_speech=has_speech)

    def clear(self, _event: Json) -> None:
        """`input_audio_buffer.clear`."""
        self._buffer.take_all()
        self._drop_turn()
        self._shared.send({"type": "input_audio_buffer.cleared"})

    # --- Faults -------------------------------------------------------------------------------

    def spoil(self, fault: Fault) -> None:
        """A fault of turn detection begins, or happens, now."""
        if fault.kind == "vad_noise":
            self._take_noise()
        elif fault.kind in {"vad_deaf", "vad_stuck"}:
            self._vad_fault = fault
            self._buffer.spoil(fault.kind)
            if fault.seconds is not None:
                self._shared.plan(fault.seconds, lambda: self._mend(fault))

    def _mend(self, fault: Fault) -> None:
        # Not when another fault has begun meanwhile.
        if self._vad_fault is fault:
            self._buffer.spoil(None)

    def _take_noise(self) -> None:
        heard = self._buffer.take_noise()
        if heard is not None:
            self._noise_id = self._start(heard).item_id

    # --- Turns --------------------------------------------------------------------------------

    def _start(self, heard: SpeechStarted) -> Heard:
        shared = self._shared
        self._idle_watch += 1
        self._turn = turn = Heard(shared.now, heard.audio_start_ms, shared.ids.make("item"))
        shared.journal.speech_started.append(self._turn)
        shared.note("speech_started", f"at {heard.audio_start_ms} ms of audio")
        shared.send(
            {
                "type": "input_audio_buffer.speech_started",
                "audio_start_ms": heard.audio_start_ms,
                "item_id": self._turn.item_id,
            }
        )
        detection = shared.config.turn_detection
        if detection is not None and detection.interrupt_response:
            self._speaking.interrupt()
        return turn

    def _stop(self, heard: SpeechStopped) -> None:
        shared, turn = self._shared, self._turn
        assert turn is not None  # what stops has started
        self._turn = None
        shared.journal.speech_stopped.append(Heard(shared.now, heard.audio_end_ms, turn.item_id))
        shared.note("speech_stopped", f"at {heard.audio_end_ms} ms of audio")
        shared.send(
            {
                "type": "input_audio_buffer.speech_stopped",
                "audio_end_ms": heard.audio_end_ms,
                "item_id": turn.item_id,
            }
        )
        self._commit(turn.item_id, self._buffer.take_turn(turn.audio_ms, heard.audio_end_ms))
        detection = shared.config.turn_detection
        if detection is not None and detection.create_response:
            self._respond()

    def _drop_turn(self) -> None:
        if self._turn is not None:
            self._dictated.pop(self._turn.item_id, None)
        self._turn = None

    def _commit(self, item_id: str, audio: bytes, *, has_speech: bool = True) -> None:
        shared = self._shared
        self._idle_watch += 1
        item = Item(item_id, "message", "user", audio=audio)
        item.content = [{"type": "input_audio", "transcript": None}]
        previous_item_id = shared.conversation.add(item)
        shared.send(
            {
                "type": "input_audio_buffer.committed",
                "previous_item_id": previous_item_id,
                "item_id": item_id,
            }
        )
        shared.send_item(item, previous_item_id)
        self._transcribe(item, has_speech=has_speech)

    def _respond(self) -> None:
        try:
            self._speaking.create({})
        except ClientError as error:
            # No client event caused it: with barge-in off the caller spoke over the answer.
            self._shared.refuse(error)

    # --- Transcripts --------------------------------------------------------------------------

    def _begin_dictation(self) -> None:
        turn = self._turn
        if turn is None or not self._shared.config.transcribes_at_once:
            return
        answer = self._shared.prompter.caller_says()
        if answer.caller and answer.transcript != "never" and answer.transcript_error is None:
            self._dictated[turn.item_id] = (answer, _pieces(answer.caller))
            self._shared.plan(DICTATION_EVERY_S, lambda: self._write_next(turn))

    def _write_next(self, turn: Heard) -> None:
        # Before the turn is committed: its item is announced, and not there.
        if turn is not self._turn or turn.item_id not in self._dictated:
            return
        _, pieces = self._dictated[turn.item_id]
        if pieces:
            where = {"item_id": turn.item_id, "content_index": 0}
            self._shared.send({"type": f"{_TRANSCRIPTION}.delta", **where, "delta": pieces.pop(0)})
            self._shared.plan(DICTATION_EVERY_S, lambda: self._write_next(turn))

    def _transcribe(self, item: Item, *, has_speech: bool) -> None:
        answer, _ = self._dictated.get(item.id) or (self._shared.prompter.caller_said(), None)
        if has_speech and not self._is_noise(item):
            item.transcript = answer.caller or f"(speech of {item.audio_ms / 1000:.1f} s)"
        if self._shared.config.transcription is None or answer.transcript == "never":
            return
        if answer.transcript == "before":
            self._tell(item, answer)
        elif answer.transcript == "during":
            self._shared.plan(answer.transcript_after_ms / 1000, lambda: self._tell(item, answer))
        else:
            self._untold.append((item, answer))

    def _is_noise(self, item: Item) -> bool:
        # The caller may have begun to speak in the middle of it.
        detection = self._shared.config.turn_detection or TurnDetection()
        return item.id == self._noise_id and not holds_speech(item.audio, detection)

    def _tell(self, item: Item, answer: Answer) -> None:
        shared, settings = self._shared, self._shared.config.transcription
        where: Json = {"item_id": item.id, "content_index": 0}
        _, pieces = self._dictated.pop(item.id, (answer, _pieces(item.transcript)))
        if answer.transcript_error is not None:
            error = answer.transcript_error
            details = {"type": error.type, "code": error.code, "message": error.text}
            shared.send({"type": f"{_TRANSCRIPTION}.failed", **where, "error": details | {"param": None}})
            return
        shared.note("caller_said", item.transcript)
        model = settings["model"] if settings is not None else "gpt-transcribe"
        is_whole = model == "whisper-1"
        for piece in [item.transcript] if is_whole and pieces else pieces:
            shared.send({"type": f"{_TRANSCRIPTION}.delta", **where, "delta": piece})
        item.content = [{"type": "input_audio", "transcript": item.transcript}]
        usage = _usage(item, in_seconds=is_whole or model == "gpt-realtime-whisper")
        shared.journal.transcripts.append((shared.now, model, usage))
        shared.send(
            {
                "type": f"{_TRANSCRIPTION}.completed",
                **where,
                "transcript": item.transcript,
                **self._logprobs(item, answer),
                "usage": usage,
            }
        )

    def _logprobs(self, item: Item, answer: Answer) -> Json:
        """How probable each piece is, where the session includes that."""
        if not self._shared.config.values["include"]:
            return {}
        logprob = math.log(answer.confidence)
        pieces = _pieces(item.transcript)
        return {
            "logprobs": [{"token": one, "logprob": logprob, "bytes": list(one.encode())} for one in pieces]
        }

    # --- After an answer ----------------------------------------------------------------------

    def response_done(self, run: ResponseRun) -> None:
        """A response of the conversation is over."""
        untold, self._untold = self._untold, []
        for item, answer in untold:
            self._tell(item, answer)
        detection = self._shared.config.turn_detection
        if detection is None or detection.idle_timeout_ms is None:
            return
        # "The response.done time plus audio playback duration": the server knows no other queue.
        self._idle_watch += 1
        watch, idle_ms = self._idle_watch, detection.idle_timeout_ms
        self._shared.plan((run.sent_ms + idle_ms) / 1000, lambda: self._time_out(watch, idle_ms))

    def _time_out(self, watch: int, idle_ms: int) -> None:
        if watch != self._idle_watch or self._turn is not None or self._speaking.active is not None:
            return
        end_ms = self._buffer.appended_ms
        start_ms, item_id = max(0, end_ms - idle_ms), self._shared.ids.make("item")
        self._shared.send(
            {
                "type": "input_audio_buffer.timeout_triggered",
                "audio_start_ms": start_ms,
                "audio_end_ms": end_ms,
                "item_id": item_id,
            }
        )
        system = Item(self._shared.ids.make("item"), "message", "system", transcript=IDLE_TEXT)
        system.content = [{"type": "input_text", "text": IDLE_TEXT}]
        self._shared.send_item(system, self._shared.conversation.add(system))
        self._commit(item_id, self._buffer.take_turn(start_ms, end_ms), has_speech=False)
        self._respond()


def _pieces(text: str) -> list[str]:
    first, *rest = text.split() or [""]
    return [first, *(f" {word}" for word in rest)] if first else []


def _usage(item: Item, *, in_seconds: bool) -> Json:
    if in_seconds:
        # Whole seconds; nothing was said in a turn without a word.
        return {"type": "duration", "seconds": -(-item.audio_ms // 1000) if item.transcript else 0}
    audio, written = caller_tokens(item.audio_ms), text_tokens(item.transcript)
    return {
        "type": "tokens",
        "total_tokens": audio + written,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": written,
    }
