"""What a call is to be: the session to ask for and the first words. Made once per agent, never changed."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from callbridge.wire.realtime_commands import ResponseOptions, ServerVad, Session


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The configuration of a call as the wire wants it."""

    model: str
    """For the records; the model itself is chosen by the address that is dialled."""
    session: Session
    """The whole session, both formats and every field of turn detection included."""
    greeting: str = ""
    """What the agent says first. Empty: the model greets as its instructions tell it."""

    @property
    def greeting_options(self) -> ResponseOptions | None:
        """How the first response differs from the session."""
        if not self.greeting:
            return None
        return ResponseOptions(
            instructions=f"Greet the caller. Say exactly this and nothing else: {self.greeting}"
        )

    @property
    def has_transcription(self) -> bool:
        """Whether the caller's words are asked for."""
        return self.session.audio.input.transcription is not None

    @property
    def server_interrupts(self) -> bool:
        """Whether the server itself cancels the response when the caller speaks."""
        return self.session.audio.input.turn_detection.interrupt_response

    @property
    def silence_ms(self) -> int:
        """Silence that turn detection waits for, part of `audio_end_ms`. Unknown for semantic VAD: 0."""
        detection = self.session.audio.input.turn_detection
        return detection.silence_duration_ms if isinstance(detection, ServerVad) else 0

    def without_transcription(self) -> CallPlan:
        """The same plan for a server that refuses the transcription model."""
        audio_input = msgspec.structs.replace(self.session.audio.input, transcription=None)
        audio = msgspec.structs.replace(self.session.audio, input=audio_input)
        return CallPlan(self.model, msgspec.structs.replace(self.session, audio=audio), self.greeting)
