"""Why Twilio has not done what was asked, in words that say what to do; and whether it may have been done."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final


class FaultKind(Enum):
    """What is certain after a request that failed."""

    REFUSED = "refused"
    """It was not done, and would be refused again."""
    AUTH = "auth"
    """It was not done: the credentials are wrong, or may not do this."""
    BUSY = "busy"
    """It was not done: too many requests at once (20429)."""
    UNREACHABLE = "unreachable"
    """It was not done: Twilio cannot be reached; or it was a question, and nothing was to be done."""
    UNKNOWN = "unknown"
    """It may have been done: no answer came, or none that can be read. Asking again could do it twice."""


class RestFault(Exception):  # noqa: N818  # A word of ours, as its kinds are.
    """A request to Twilio that failed.

    Attributes:
        kind: what is certain about it.
        code: Twilio's error code; 0 where it told none.
        status: the HTTP status; 0 where no answer came.
        message: what is wrong and what to do, without numbers of people.
    """

    def __init__(self, kind: FaultKind, message: str, code: int = 0, status: int = 0) -> None:
        super().__init__(f"{message} (Twilio: {code})" if code else message)
        self.kind, self.code, self.status, self.message = kind, code, status, message

    @property
    def may_be_done(self) -> bool:
        """Whether Twilio may have done it all the same."""
        return self.kind is FaultKind.UNKNOWN

    @property
    def may_pass(self) -> bool:
        """Whether it was certainly not done, and may be in a moment."""
        return self.kind in {FaultKind.BUSY, FaultKind.UNREACHABLE}

    @property
    def is_of_nothing(self) -> bool:
        """Whether what it is about is not there any more: an ended call answers 21220, later 404."""
        return self.code in {20404, 21220} or self.status == _NOT_FOUND


def refusal(status: int, code: int, words: str, *, reads: bool) -> RestFault:
    """The fault behind an answer that is none of success.

    Args:
        status: of the answer.
        code: of Twilio; many answers of proxies have none, and then it is 0 or repeats the status.
        words: Twilio's own.
        reads: whether it was a question only.
    """
    code = 0 if code == status else code
    kind = _kind(status, code, reads=reads)
    return RestFault(kind, _message(kind, status, code, words), code, status)


def lost(words: str, *, may_be_done: bool) -> RestFault:
    """The fault where no answer came."""
    kind = FaultKind.UNKNOWN if may_be_done else FaultKind.UNREACHABLE
    return RestFault(kind, f"{words}. {_WHETHER_DONE[kind]}")


def nobody_at(api_url: str) -> RestFault:
    """The fault where a simulated account was to be, and is not."""
    return RestFault(
        FaultKind.UNREACHABLE,
        f"Nothing listens at {api_url}, which CALLBRIDGE_TWILIO_API_URL names in the place of Twilio. "
        "Nothing was done. A simulated account is there while `callbridge simulate account` runs, or a "
        "`callbridge simulate call`.",
    )


_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TIMED_OUT, _TOO_MANY, _SERVER = 401, 403, 404, 408, 429, 500
_AUTH_CODES: Final = {20003, 20005, 20006, 20008, 70051}


def _kind(status: int, code: int, *, reads: bool) -> FaultKind:
    if status == _TOO_MANY:
        return FaultKind.BUSY
    if status in {_UNAUTHORIZED, _FORBIDDEN} or code in _AUTH_CODES:
        return FaultKind.AUTH
    if status >= _SERVER or status == _TIMED_OUT:
        return FaultKind.UNREACHABLE if reads else FaultKind.UNKNOWN
    return FaultKind.REFUSED


def _message(kind: FaultKind, status: int, code: int, words: str) -> str:
    if code in _WORDS:
        return _WORDS[code]
    if "limited parameter access" in words:  # It has no code of its own.
        return f"A trial account may do this with To, From and Url alone. {_UPGRADE}"
    if kind in _WHETHER_DONE:
        return f"Twilio answered with HTTP {status}. {_WHETHER_DONE[kind]}"
    if kind is FaultKind.AUTH:
        return _WORDS[20003]
    said = _without_numbers(words).rstrip(". ")
    more = f" See https://www.twilio.com/docs/errors/{code}." if code else ""
    return f"Twilio refuses with HTTP {status}{f': {said}' if said else ''}.{more}"


_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z])\+?\(?\d(?:[ ().-]{0,2}\d){5,14}(?![0-9A-Za-z])")
_WORDS_MAX: Final = 300


def _without_numbers(words: str) -> str:
    return " ".join(_NUMBER.sub("…", words).split())[:_WORDS_MAX]


_CONSOLE: Final = "https://console.twilio.com"
_UPGRADE: Final = f"Upgrade the account at {_CONSOLE}."
_ADDRESSES: Final = "PUBLIC_BASE_URL must be https:// and a host that Twilio reaches, without an underscore"

_WHETHER_DONE: Final = {
    FaultKind.UNKNOWN: "It may have been done all the same, so it was not asked again.",
    FaultKind.UNREACHABLE: "Nothing was done. See https://status.twilio.com, "
    "and whether this machine reaches https://api.twilio.com.",
    FaultKind.BUSY: "Nothing was done. Try again in some seconds.",
}

_NOT_REACHED: Final = "The number cannot be called: there is none, or Twilio does not reach it. Correct it."
_NOT_OURS: Final = (
    "The number that is to be shown is neither one of this account nor verified. "
    f"Use one of yours, or verify it at {_CONSOLE}."
)
_NO_TEXTS_FROM: Final = (
    "Texts cannot be sent from this number to there. Use a number of this account that can send texts, "
    "and whose country fits."
)
_NEEDS_ADDRESS: Final = f"This country's numbers need an address. Enter one at {_CONSOLE}, and buy there."
_NEEDS_PAPERS: Final = (
    f"This country's numbers need documents (a regulatory bundle). Hand them in at {_CONSOLE}, and buy there."
)
_NO_RECIPIENT: Final = "Texts do not reach this number. Give another one."
_NO_MOBILE: Final = "The number is no mobile one: it takes no texts. Give another one."

_WORDS: Final = {
    10001: f"The account is not active. See {_CONSOLE}.",
    20003: "Twilio does not take these credentials. Copy TWILIO_AUTH_TOKEN, or TWILIO_API_KEY_SID with "
    f"TWILIO_API_KEY_SECRET, from {_CONSOLE} again. Each region has its own: see TWILIO_REGION.",
    20005: f"The account is not active. See {_CONSOLE}.",
    20006: "These credentials may not do this. Use an API key with more rights, or the auth token.",
    20008: "These are test credentials, which can do next to nothing. Use the live ones.",
    20404: "There is no such thing in this account, or not any more. What is in another region is not seen: "
    "TWILIO_REGION says in which one to look.",
    20429: "The account has too many requests at Twilio at once. Nothing was done. Try again later.",
    21201: "Nobody was named who is to be called.",
    21202: "Premium numbers are not called. Give another number.",
    21203: f"The account may not call abroad. Allow it at {_CONSOLE}, under Voice, Geo permissions.",
    21205: f"Twilio cannot use the address of the call's document. {_ADDRESSES}.",
    21206: "The keys to press must be at most 32 of 0 to 9, A to D, #, *, w and W.",
    21208: "A call may ring for 5 to 600 s. Correct it.",
    21210: _NOT_OURS,
    21211: "The number to reach is not valid. Write it with its country code, such as +14155550123.",
    21212: _NOT_OURS,
    21213: "No number was named that is to be shown. Name one of this account.",
    21214: _NOT_REACHED,
    21215: f"The account may not call that country. Allow it at {_CONSOLE}, under Voice, Geo permissions.",
    21216: "Twilio does not let this account call that number. In the USA and Canada an approved customer "
    f"profile is needed: see {_CONSOLE}, under Trust Hub.",
    21217: "The number to reach is not valid. Write it with its country code, such as +14155550123.",
    21219: f"A trial account calls verified numbers only. Verify it at {_CONSOLE}, or upgrade the account.",
    21220: "The call is not in progress: it still rings, or has ended.",
    21402: f"Twilio cannot use an address. {_ADDRESSES}.",
    21404: f"A trial account has one number only. {_UPGRADE}",
    21408: "The account may send no texts to that country. "
    f"Allow it at {_CONSOLE}, under Messaging, Geo permissions.",
    21421: "This is no number that can be bought. Write it with its country code, such as +14155550123.",
    21422: "Somebody else has bought this number meanwhile. Choose another one.",
    21451: "There is no such area code. Choose another one.",
    21452: "There is no number with this area code. Choose another one.",
    21601: _NO_TEXTS_FROM,
    21602: "The text is empty.",
    21603: "No number was named that sends the text. Name one of this account.",
    21604: "Nobody was named who is to get the text.",
    21606: _NO_TEXTS_FROM,
    21607: _NO_TEXTS_FROM,
    21608: f"A trial account texts verified numbers only. Verify it at {_CONSOLE}, or upgrade the account.",
    21609: f"Twilio cannot use the address for reports. {_ADDRESSES}.",
    21610: "They have told that they want no texts of this number (STOP). Send none until they write START.",
    21611: "Too many texts wait to be sent from this number. Send fewer, or from another number.",
    21612: _NO_RECIPIENT,
    21614: _NO_MOBILE,
    21615: _NEEDS_ADDRESS,
    21617: "The text is longer than 1600 characters. Shorten it.",
    21631: _NEEDS_ADDRESS,
    21635: _NO_MOBILE,
    21649: _NEEDS_PAPERS,
    21650: _NEEDS_PAPERS,
    21651: _NEEDS_PAPERS,
    21659: _NO_TEXTS_FROM,
    21660: _NO_TEXTS_FROM,
    21661: _NO_TEXTS_FROM,
    22005: "Too many calls of this account wait to be made. Try again later.",
    70051: "The API key has no right to this. Give it the right at "
    f"{_CONSOLE}, under API keys, or use a standard key.",
}
"""By Twilio's error code. See https://www.twilio.com/docs/api/errors."""
