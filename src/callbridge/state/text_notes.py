"""What is kept of text messages from one call to the next, by the key of a caller, which is no number.

That some were sent counts against a day's limit; that they want none is kept until they want some again; what
they have written is for the agent of their next call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

REPLIES_MAX: Final = 5
"""Texts of a caller that are kept, the latest of them."""

WORDS_MAX: Final = 500
"""Characters of each."""

SENT_KEPT_S: Final = 24 * 3600.0
"""The limits on texts are a day's."""


class NoteKind(StrEnum):
    """What happened."""

    SENT = "sent"
    STOPPED = "stopped"
    """They want no texts of ours any more."""
    STARTED = "started"
    """They want some again."""
    REPLY = "reply"
    """They have written one."""


WISHES: Final = frozenset({NoteKind.STOPPED, NoteKind.STARTED})
"""Of these the last one stands, however old it is."""


@dataclass(frozen=True, slots=True)
class TextNote:
    """One note."""

    caller_key: str
    """Empty for all callers of the process together."""
    at: float
    """In seconds since 1970."""
    kind: NoteKind
    shelf: str = ""
    """Whose it is, as with the record of a call: the agent that has sent, or is answered."""
    words: str = ""
    """What a caller has written."""

    def __post_init__(self) -> None:
        assert math.isfinite(self.at)
        assert len(self.words) <= WORDS_MAX


class TextNotes(Protocol):
    """Keeps them. No method raises because of a disk or a file."""

    def note_text(self, note: TextNote) -> None:
        """Queues a note."""

    async def texts(self, caller_key: str, since: float) -> tuple[TextNote, ...]:
        """What is noted of a caller, oldest first: at `since` or later, and what they wish in any case."""


def with_note(notes: tuple[TextNote, ...], note: TextNote) -> tuple[TextNote, ...]:
    """The notes of one caller, in order, with one more: of wishes the last stands, of texts the last few."""
    if note.kind in WISHES:
        notes = tuple(other for other in notes if other.kind not in WISHES)
    notes = tuple(sorted((*notes, note), key=lambda one: one.at))
    if note.kind is NoteKind.REPLY:
        kept = [other for other in notes if other.kind is NoteKind.REPLY][-REPLIES_MAX:]
        notes = tuple(other for other in notes if other.kind is not NoteKind.REPLY or other in kept)
    return notes


def without_words_of(notes: tuple[TextNote, ...]) -> tuple[TextNote, ...]:
    """The same once the caller is forgotten: what they wish still holds, and so does a day's limit."""
    return tuple(note for note in notes if note.kind is not NoteKind.REPLY)


def since(notes: tuple[TextNote, ...], moment: float) -> tuple[TextNote, ...]:
    """Those that are asked for."""
    return tuple(note for note in notes if note.at >= moment or note.kind in WISHES)


def still_kept(note: TextNote, now: float, callers_s: float) -> bool:
    """Whether a note is kept; `callers_s` is how long callers are remembered."""
    if note.kind in WISHES:
        return True
    if note.kind is NoteKind.REPLY:
        return note.at > now - callers_s
    return note.at >= now - (max(SENT_KEPT_S, callers_s) if note.caller_key else SENT_KEPT_S)
