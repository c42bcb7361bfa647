"""What the action of a `<Gather>` or a `<Record>` is told.

Pure. Sources: twilio.com/docs/voice/twiml/gather and …/record.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from callbridge.simulators.phone.line_settings import RecordingEnd

if TYPE_CHECKING:
    from callbridge.simulators.phone.twiml import Gather

Result = list[tuple[str, str]]

KEYS = frozenset("0123456789*#")

NOTHING_ENTERED: Result = [("Digits", ""), ("FinishedOnKey", "")]


def gathered(verb: Gather, entered: str) -> tuple[Result, float]:
    """What was entered, as far as it is listened to, and how long Twilio waits for more behind it.

    Nothing when there was nothing, or it is of a kind that is not listened to. Keys are at an end with one of
    `finishOnKey`, which is no part of them, or when there are `numDigits` of them; otherwise when no other
    key has come for the `timeout`.
    """
    if not entered or not KEYS.issuperset(entered):
        is_heard = bool(entered) and verb.takes_speech
        words: Result = [("SpeechResult", entered), ("Confidence", "0.9")]
        return (words, 0.0) if is_heard else ([], verb.timeout_s)
    if not verb.takes_keys:
        return [], verb.timeout_s
    digits = ""
    for key in entered:
        if key in verb.finish_keys:
            return [("Digits", digits), ("FinishedOnKey", key)], 0.0
        digits += key
        if len(digits) == verb.digits_max:
            return [("Digits", digits), ("FinishedOnKey", "")], 0.0
    return [("Digits", digits), ("FinishedOnKey", "")], verb.timeout_s


def new_recording_sid() -> str:
    """A SID of Twilio's form."""
    return f"RE{secrets.token_hex(16)}"


def recorded(sid: str, seconds: int, end: RecordingEnd) -> Result:
    """A recording, and how it ended."""
    digits = {RecordingEnd.KEY: "#", RecordingEnd.HUNG_UP: "hangup"}.get(end)
    return [
        ("RecordingUrl", f"https://api.twilio.com/2010-04-01/Accounts/AC{'5' * 32}/Recordings/{sid}"),
        ("RecordingSid", sid),
        ("RecordingDuration", str(seconds)),
        *([] if digits is None else [("Digits", digits)]),
    ]
