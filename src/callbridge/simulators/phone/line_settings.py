"""What happens on the line when a verb needs the world to answer: a ring, a recording, keys of the caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class DialOutcome(StrEnum):
    """What became of a `<Dial>`."""

    COMPLETED = "completed"
    """They talked, and who was rung hung up."""
    HUNG_UP = "hung-up"
    """They talked, and the caller hung up: the action is told, and its answer is not executed."""
    MAILBOX = "mailbox"
    """A mailbox picked up. Only who is let through by a whisper is a human for sure."""
    DECLINED = "declined"
    """Somebody picked up and declined: no key at the whisper, or they hung up in it."""
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"
    """The caller hung up while it rang."""

    @property
    def status(self) -> str:
        """`DialCallStatus`: that somebody, or something, picked up is `completed`."""
        return "completed" if self.is_picked_up else self.value

    @property
    def is_picked_up(self) -> bool:
        """Whether the ringing was answered, by whomever."""
        return self in _PICKED_UP

    @property
    def caller_left(self) -> bool:
        """Whether the caller hung up."""
        return self in {DialOutcome.HUNG_UP, DialOutcome.CANCELED}

    def is_bridged(self, *, has_whisper: bool) -> bool:
        """`DialBridged`: whether the two were connected."""
        if self is DialOutcome.MAILBOX:
            return not has_whisper
        return self in {DialOutcome.COMPLETED, DialOutcome.HUNG_UP}


_PICKED_UP = frozenset(
    {DialOutcome.COMPLETED, DialOutcome.HUNG_UP, DialOutcome.MAILBOX, DialOutcome.DECLINED}
)


RECORDING_KEY = "#"
"""What a caller presses who ends a message with a key."""


class RecordingEnd(StrEnum):
    """What the caller does at the end of a `<Record>`."""

    SILENCE = "silence"
    """They say nothing more, and wait."""
    KEY = "key"
    """They press #."""
    HUNG_UP = "hung-up"
    """They hang up: the action is told, and its answer is not executed."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What happens on the line when a verb needs the world to answer."""

    dial_outcome: DialOutcome = DialOutcome.COMPLETED
    dial_duration_s: int = 30
    """How long a talk at `<Dial>` lasted."""
    tells_dial_bridged: bool = True
    """Whether the account is one whose requests have `DialBridged`; older ones lack it."""
    refused_numbers: Mapping[str, int] = field(default_factory=dict)
    """Numbers that the account cannot ring, with Twilio's code: 13224, 13225 (blocked), 13227 (country)."""
    gather_inputs: tuple[str, ...] = ()
    """What the caller enters at each `<Gather>` in turn: keys, or words. Nothing when used up."""
    recording_s: int = 5
    """How long the caller speaks at a `<Record>`; 0 is silence."""
    recording_end: RecordingEnd = RecordingEnd.SILENCE
    silence_falls_through: bool = False
    """Twilio's present page on `<Record>`: silence is saved like words, `action` is asked of it, and no verb
    behind is ever reached. Older pages: silence is not handed on, and the document goes on."""
    do_not_originate: frozenset[str] = frozenset()
    """Numbers that may never be shown as `callerId`: lines that only take calls."""
    verified_numbers: frozenset[str] = frozenset()
    """Numbers that may be shown as `callerId` besides the two of the call."""
    is_trial: bool = False
    """Whether the account is one on trial, whose documents lose what those may not use."""
    fallback_url: str | None = None
    """Asked once when a document cannot be fetched or executed."""
    fallback_method: str = "POST"
