"""What the floor keeps in mind of an ask, of a promise, and of a response in progress. Values, no rules.

Each carries from its birth the number of the caller's turn. It is one more at each `speech_started` and each
first key, so what was overtaken is known by comparing numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Saying:
    """Words that the agent's code wants said, and no others."""

    id: str
    words: str
    since: float
    until_tool: str = ""
    """The tool whose answer makes them useless; empty for none."""
    is_answer: bool = False
    """The caller waits for them: where they cannot be said, something else is."""
    comes_first: bool = False
    """They stand in the place of words that were stopped: nothing else is said before."""

    @property
    def instructions(self) -> str:
        """How the model is asked to say them."""
        return f"Say exactly this to the caller and nothing else: {self.words}"


@dataclass(frozen=True, slots=True)
class Ask:
    """Our response.create."""

    id: str
    """Its `event_id`: it stands in the error that answers it, and in the metadata of the response."""
    turn: int
    since: float
    """Since when the caller waits for what it asks for."""
    words: str
    """What the agent was told to say; empty for an ordinary answer."""
    is_greeting: bool = False
    is_farewell: bool = False
    is_for_sign: bool = False
    """Nobody waits for an answer: the model is to show that it is there."""
    is_verbatim: bool = False
    """What it asks for is to say what it is told, and nothing else."""
    saying: Saying | None = None
    """Words of the agent's code, if those are what it is told."""
    asked_at: float = 0.0
    """When it left."""


@dataclass(frozen=True, slots=True)
class Promise:
    """The caller stopped, and the server answers by itself."""

    turn: int
    since: float
    """When they stopped."""
    is_unseen: bool = False
    """The line says so. The model has not noticed."""
    is_behind: bool = False
    """They spoke into a greeting that goes on: the server cannot answer before that is over."""


@dataclass(slots=True)
class LiveResponse:
    """A response in progress."""

    id: str
    turn: int
    since: float
    """Since when the caller waits for it."""
    sent_before_bytes: int = 0
    """Agent audio that had left for the phone when it began."""
    began_at: float = 0.0
    asked_at: float | None = None
    """When we asked for it; None for one that the server made by itself."""
    record: int = 0
    """The turn of the record that it answers in (`TurnEnded.turn`)."""
    behind_tools: int = 0
    """How many tools the model had called in this stream when it began."""
    words: str = ""
    """What it was told to say, when it was told anything."""
    saying: Saying | None = None
    """Words of the agent's code, if it says those."""
    is_greeting: bool = False
    is_farewell: bool = False
    is_owed: bool = True
    """Whether the caller waits for it: nobody waits for an answer to a cough."""
    has_called: bool = False
    """It has called a tool."""
    is_muted: bool = False
    muted_at: float = 0.0
    is_stopped: bool = False
    """The agent's own code has stopped it, and not the caller."""
    items: list[str] = field(default_factory=list)
    """Its spoken items, in order."""
    unfinished: set[str] = field(default_factory=set)
    """Those of them whose audio is not whole."""
    settled: set[str] = field(default_factory=set)
    """Spoken items that an interruption has truncated, deleted or found heard to the end."""

    @property
    def is_whole(self) -> bool:
        """Whether all that it has begun to say is made: then only its end is missing."""
        return bool(self.items) and not self.unfinished
