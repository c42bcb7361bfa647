"""What truly happened in a session, for tests and for the demo to compare with. No decisions here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from callbridge.simulators.voice_model.conversation import Conversation
from callbridge.simulators.voice_model.recital import memory

if TYPE_CHECKING:
    from callbridge.simulators.voice_model.conversation import Item
    from callbridge.simulators.voice_model.schema import Json

NoteKind = Literal[
    "connected",
    "configured",
    "speech_started",
    "speech_stopped",
    "response_created",
    "response_done",
    "caller_said",
    "agent_said",
    "called",
    "truncated",
    "deleted",
    "refused",
    "left_out",
    "fault",
    "ended",
]


@dataclass(frozen=True, slots=True)
class Note:
    """One thing worth showing."""

    at: float
    kind: NoteKind
    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that was answered."""

    at: float
    code: str | None
    message: str
    param: str | None
    event_type: str
    """Type of the client's event; empty when no event caused it."""
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """A client event."""

    type: str
    at: float


@dataclass(frozen=True, slots=True)
class Heard:
    """Speech that started or stopped."""

    at: float
    audio_ms: int
    item_id: str


@dataclass(frozen=True, slots=True)
class Truncation:
    """A truncation that was accepted."""

    at: float
    item_id: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class Passed:
    """Audio that came or went: when, and how many bytes it made in all."""

    at: float
    bytes_in_all: int


@dataclass(slots=True)
class ResponseRecord:
    """One response, from its creation on."""

    id: str
    created_at: float
    instructions: str = ""
    """What it was told, in place of what the session is told; empty when nothing."""
    status: str = "in_progress"
    reason: str = ""
    """Why it was cancelled or is incomplete; the error code when it failed."""
    item_ids: list[str] = field(default_factory=list)
    first_audio_at: float | None = None
    done_at: float | None = None
    usage: Json = field(default_factory=dict)


@dataclass(slots=True)
class Journal:
    """One session. Times are the `now` that the session was given."""

    model: str
    session_id: str = ""
    opened_at: float = 0.0
    session: Json = field(default_factory=dict)
    """As it was configured last: instructions, audio, tools, all of it."""
    ended: str = ""
    """How it ended, and who ended it; empty while it lasts."""
    conversation: Conversation = field(default_factory=Conversation)
    """As it stands, and after the session as it was left."""
    responses: list[ResponseRecord] = field(default_factory=list)
    transcripts: list[tuple[float, str, Json]] = field(default_factory=list)
    """When each transcript was sent, the model that wrote it, and its usage."""
    refusals: list[Refusal] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    """Client events in order, appends left out."""
    speech_started: list[Heard] = field(default_factory=list)
    speech_stopped: list[Heard] = field(default_factory=list)
    truncations: list[Truncation] = field(default_factory=list)
    appends: int = 0
    appended_bytes: int = 0
    """Audio bytes as they came, before any decoding."""
    appended: bytearray | None = None
    """The bytes themselves, when they were asked for."""
    append_times: list[Passed] = field(default_factory=list)
    """With the bytes: when each append came. Counted as they came, in the format of the session."""
    delta_times: dict[str, list[Passed]] = field(default_factory=dict)
    """With the bytes: when each delta of an item went out. Counted as 8 kHz µ-law, whatever the format."""
    notes: list[Note] = field(default_factory=list)

    @property
    def items(self) -> dict[str, Item]:
        """Every item that there ever was, deleted ones too, by id."""
        return self.conversation.ever

    @property
    def memory(self) -> list[str]:
        """What the model remembers, oldest first, one line per item; see `recital`."""
        return memory(self.conversation.items())
