"""The phases of a call, and the reasons to wake it. Names only; what happens is in `machine`.

`StrEnum`, because these are keys that every event looks up: a string's hash costs nothing, a plain
`Enum`'s is a call of a Python function.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a call stands, in their order."""

    DIALLING = "dialling"
    """The model leg is being opened, for the first time or in place of one that was lost."""
    CONFIGURING = "configuring"
    """The session is asked for, and told what was said before, and not confirmed."""
    LIVE = "live"
    LEAVING = "leaving"
    """The agent says its last words, or has said them and they are not heard yet."""
    OVER = "over"


class Timer(StrEnum):
    """Why the machine wants to be woken."""

    START = "start"
    DIAL = "dial"
    REDIAL = "redial"
    CONFIGURE = "configure"
    CONNECT = "connect"
    RENEW = "renew"
    SPARE = "spare"
    CLIP = "clip"
    ANSWER = "answer"
    GIVE_UP = "give_up"
    RETRY = "retry"
    MUTED = "muted"
    KEYS = "keys"
    TRANSCRIPT = "transcript"
    MEDIA_GAP = "media_gap"
    LENGTH_WARNING = "length_warning"
    CALL_LENGTH = "call_length"
    CALLER_QUIET = "caller_quiet"
    GREETING = "greeting"
    UTTERANCE = "utterance"
    UNSEEN = "unseen"
    UNKEPT = "unkept"
    UNANSWERED = "unanswered"
    SIGN = "sign"
    CALLER_SILENT = "caller_silent"
    FAREWELL = "farewell"
    LEAVE = "leave"
    HAND_OVER = "hand_over"
    AMEND = "amend"
    WAITING_SOUND = "waiting_sound"
    HOLD_SOUND = "hold_sound"
    ON_HOLD = "on_hold"
    MCP = "mcp"
    LINGER = "linger"
