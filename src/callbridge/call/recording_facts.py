"""What happened to the recording of a call: consent, its beginning, its pauses and where it lies.

No word of the caller's stands here, and no number.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from callbridge.call.fact_base import BaseFact

GREETING: Final = "greeting"
"""Under this name `Said` tells what was heard of the greeting, where something depends on it."""


class ConsentGiven(BaseFact, frozen=True):
    """The caller may be recorded. On disk before anything is."""

    how: Literal["announced", "asked"]
    """`announced`: they have heard the announcement to its end, and stayed. `asked`: they have agreed."""
    announcement: str = ""
    """What they were told, in the words that the agent was to say."""


class ConsentRefused(BaseFact, frozen=True):
    """The caller does not want to be recorded. What was recorded of this stream so far is deleted."""


class RecordingBegan(BaseFact, frozen=True):
    """Both sides are recorded from here on."""

    name: str
    """Of the recording: CallSid and StreamSid."""


class RecordingPaused(BaseFact, frozen=True):
    """Nothing of either side is recorded from here on, until `RecordingResumed`."""

    step: str = ""
    """The step of the flow that is not to be recorded; empty where the agent's code has asked for it."""


class RecordingResumed(BaseFact, frozen=True):
    """Both sides are recorded again."""

    step: str = ""
    """The step that was entered."""


class RecordingEnded(BaseFact, frozen=True):
    """The recording of a stream has ended before the stream; the call goes on."""

    name: str
    reason: str
    """`refused`, or what is wrong with the disk."""


class RecordingStored(BaseFact, frozen=True):
    """The recording of a stream is in its store, complete."""

    name: str
    """Under which it is found there: CallSid, StreamSid and the kind of file."""
    duration_ms: int
    bytes: int
    format: str
    """`opus` or `wav`."""


RecordingFact: TypeAlias = (
    ConsentGiven
    | ConsentRefused
    | RecordingBegan
    | RecordingPaused
    | RecordingResumed
    | RecordingEnded
    | RecordingStored
)

OF_RECORDINGS: Final = (
    ConsentGiven,
    ConsentRefused,
    RecordingBegan,
    RecordingPaused,
    RecordingResumed,
    RecordingEnded,
    RecordingStored,
)
