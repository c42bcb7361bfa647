"""What one call is to be: agent, session, prices, limits. Plain data, made when its stream is admitted.

Whose number was dialled decides the agent, so a plan belongs to one call and never to the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from callbridge.call.limits import Limits
from callbridge.call.price import LinePrice, Price, TranscriptionPrice
from callbridge.wire.realtime_commands import ResponseOptions, ServerVad, Session, SessionTool


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The configuration of a call as the wire wants it."""

    model: str
    """What is dialled."""
    session: Session
    """The whole session, both formats and every field of turn detection included."""
    greeting: str = ""
    """What the agent says first. Empty: the model greets as its instructions tell it."""
    second_model: str | None = None
    """What is dialled when the first does not exist any more."""
    price: Price | None = None
    """What the model's tokens cost; None when it is not known."""
    second_price: Price | None = None
    """The same of the second model."""
    transcription_price: TranscriptionPrice | None = None
    """What the caller's words cost to be written down."""
    line_price: LinePrice | None = None
    """What the caller's line costs; None where nothing of it is counted."""
    spend_max_microdollars: int | None = None
    """The most that one call may cost, as far as prices are known: above it the agent says goodbye. None: as
    much as it likes."""
    limits: Limits = field(default_factory=Limits)
    agent: str = ""
    """The name under which the agent was chosen."""
    is_greeting_interruptible: bool = False
    """Whether the caller's first word stops the greeting."""
    tells_greeting: bool = False
    """Whether it is told, as `Said` of `GREETING`, how much of the greeting was heard: something in it must
    have been."""
    menu_keys: frozenset[str] = frozenset()
    """Keys that the agent has a use for, each by itself. The model is not told of them."""
    person_key: str = ""
    """The key that leads to a human, also while there is no model; empty for none."""
    reads_keys: bool = False
    """The agent's own code reads all keys (`KeysPressed`), and says what the model is told of them."""
    rings_apart: bool = False
    """Whether a person can be asked, in a call of their own, while the caller waits."""

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
    def transcription_model(self) -> str:
        """What writes them down; nothing where they are not asked for."""
        transcription = self.session.audio.input.transcription
        return "" if transcription is None else transcription.model

    @property
    def server_interrupts(self) -> bool:
        """Whether the server itself cancels the response when the caller speaks."""
        return self.session.audio.input.turn_detection.interrupt_response

    @property
    def silence_ms(self) -> int:
        """Silence that turn detection waits for, part of `audio_end_ms`. Unknown for semantic VAD: 0."""
        detection = self.session.audio.input.turn_detection
        return detection.silence_duration_ms if isinstance(detection, ServerVad) else 0

    @property
    def padding_ms(self) -> int:
        """Audio before the speech that is part of `audio_start_ms`. Unknown for semantic VAD: 0."""
        detection = self.session.audio.input.turn_detection
        return detection.prefix_padding_ms if isinstance(detection, ServerVad) else 0

    @property
    def silent_session(self) -> Session:
        """The session as long as it must not answer: it is still being told what was said before."""
        detection = self.session.audio.input.turn_detection
        return self._with_input(turn_detection=msgspec.structs.replace(detection, create_response=False))

    @property
    def protected_session(self) -> Session:
        """The session as long as the greeting is to be heard: the server does not interrupt."""
        detection = self.session.audio.input.turn_detection
        return self._with_input(turn_detection=msgspec.structs.replace(detection, interrupt_response=False))

    @property
    def has_logprobs(self) -> bool:
        """Whether it is asked how sure the transcription is of the caller's words."""
        return self.session.include is not None

    def without_logprobs(self) -> CallPlan:
        """The same plan for a server that does not say how sure its transcription is."""
        return replace(self, session=msgspec.structs.replace(self.session, include=None))

    def without_transcription(self) -> CallPlan:
        """The same plan for a server that refuses the transcription model."""
        session = msgspec.structs.replace(self._with_input(transcription=None), include=None)
        return replace(self, session=session)

    def with_agent(self, instructions: str, tools: tuple[SessionTool, ...]) -> CallPlan:
        """The same plan with what the agent says of itself by now."""
        return replace(
            self, session=msgspec.structs.replace(self.session, instructions=instructions, tools=tools)
        )

    def with_model(self, model: str) -> CallPlan:
        """The same plan with `model`, which is its first or its second one."""
        if model == self.model:
            return self
        return replace(self, model=model, price=self.second_price)

    def is_too_dear(self, cost_microdollars: int) -> bool:
        """Whether a call that has cost so much has reached the most that it may cost."""
        return self.spend_max_microdollars is not None and cost_microdollars >= self.spend_max_microdollars

    def _with_input(self, **changes: Any) -> Session:
        audio_input = msgspec.structs.replace(self.session.audio.input, **changes)
        audio = msgspec.structs.replace(self.session.audio, input=audio_input)
        return msgspec.structs.replace(self.session, audio=audio)
