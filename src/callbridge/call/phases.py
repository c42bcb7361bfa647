"""The stages of a call, and the reasons to wake it. Names only; what happens is in `machine`.

`StrEnum`, because these are keys that every event looks up: a string's hash costs nothing, a plain
`Enum`'s is a call of a Python function.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The stages of a call, in their order."""

    WAITING = "waiting"
    """The phone's socket is open, no `start` yet."""
    ADMITTING = "admitting"
    """The stream's token is being checked."""
    DIALING = "dialing"
    """The model leg is being opened."""
    CONFIGURING = "configuring"
    """The session is asked for and not confirmed."""
    LIVE = "live"
    LEAVING = "leaving"
    """The agent has said its last words and they are not heard yet."""
    OVER = "over"


class Timer(StrEnum):
    """Why the machine wants to be woken."""

    START = "start"
    DIAL = "dial"
    CONFIGURE = "configure"
    MEDIA_GAP = "media_gap"
    CALL_LENGTH = "call_length"
    FAREWELL = "farewell"
    ANSWER = "answer"
    RETRY = "retry"
    KEYS = "keys"
    TRANSCRIPT = "transcript"
