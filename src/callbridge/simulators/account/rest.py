"""One request to the REST API and its answer, as plain values, and how Twilio refuses.

Sources: twilio.com/docs/usage/requests-to-twilio, /docs/usage/twilios-response, /docs/api/errors. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class RestRequest:
    """What came over HTTP."""

    method: str
    path: str
    """Unquoted, from the root on."""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in small letters."""
    body: bytes = b""

    @property
    def origin(self) -> str:
        """Where the client found us: list pages of the v1 API name it."""
        return f"http://{self.headers.get('host', 'localhost')}"


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """What goes back."""

    status: int
    body: Mapping[str, object] | None = None
    """As JSON; nothing at all when None, as after a DELETE."""
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818 - it is an answer
    """The request is refused, and certainly nothing was done."""

    def __init__(self, code: int | None, *about: object, status: int | None = None) -> None:
        """`about` fills the places in the code's message."""
        found, words = REFUSALS[code or 0]
        self.code = code
        self.status = status or found
        self.message = words.format(*about)
        super().__init__(self.message)

    @property
    def answer(self) -> RestAnswer:
        """The error body of the 2010 API. `code` is missing where Twilio has no useful one."""
        body: dict[str, object] = {"message": self.message, "status": self.status}
        if self.code is not None:
            more = f"https://www.twilio.com/docs/errors/{self.code}"
            body = {"code": self.code, "message": self.message, "more_info": more, "status": self.status}
        return RestAnswer(self.status, body)


def not_found(path: str) -> Refusal:
    """There is no such thing in this account, at this host."""
    return Refusal(20404, path)


_TO_INVALID = "The phone number you are attempting to call, {}, is not valid."
_NOT_CALLER_ID = (
    "The source phone number provided, {}, is not yet verified for your account. You may only make calls "
    "from phone numbers that you've verified or purchased from Twilio."
)

REFUSALS: dict[int, tuple[int, str]] = {
    0: (
        400,
        "Invalid or disallowed parameters provided - trial accounts have limited parameter access: {}",
    ),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20005: (403, "Account not active"),
    20007: (400, "Page size too large: {}. At most 1000."),
    20008: (403, "Resource not accessible with Test Account Credentials"),
    20009: (409, "{} is still in progress and cannot be deleted"),
    20404: (404, "The requested resource {} was not found"),
    20406: (406, "{}: without .json the API answers XML, which this simulator does not; write .json"),
    20409: (409, "The resource {} was changed by somebody else at the same time"),
    20422: (400, "Invalid parameter: {}"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    20503: (503, "Service Unavailable"),
    16001: (400, "Cannot change the conference: {}"),
    16028: (400, "The call to coach is not in the conference: {}"),
    16022: (400, "Conference {} is over"),
    21201: (400, "No 'To' number is specified"),
    21202: (400, "{} is a premium number: calling it is not enabled for your account"),
    21203: (400, "International calling is not enabled for your account: {}"),
    21205: (400, "Url is not a valid URL: {}"),
    21206: (400, "Invalid SendDigits: {}"),
    21208: (400, "Invalid Timeout: {}"),
    21209: (400, "Invalid {} method: {}"),
    21210: (400, _NOT_CALLER_ID),
    21211: (400, _TO_INVALID),
    21212: (400, "The source phone number provided, {}, is not valid or may not originate calls."),
    21213: (400, "No 'From' number is specified"),
    21214: (400, "The phone number you are attempting to call, {}, cannot be reached."),
    21215: (
        400,
        "Account not authorized to call {}. Perhaps you need to enable some international permissions",
    ),
    21216: (400, "Account not allowed to call {}: blocked"),
    21217: (400, "Phone number {} does not match the expected form"),
    21218: (400, "Invalid ApplicationSid: {}"),
    21219: (400, "The number {} is unverified. Trial accounts may only make calls to verified numbers."),
    21220: (400, "Call is not in-progress. Cannot redirect."),
    21234: (400, "Invalid {}: {}"),
    21402: (400, "{} is not a valid URL: {}"),
    21403: (400, "{} is not a valid HTTP method: {}"),
    21404: (400, "Trial accounts are allowed only one Twilio number"),
    21405: (400, "Fallback URL cannot be set without setting Url: {}"),
    21408: (
        400,
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {}",
    ),
    21420: (400, "Invalid application: {}"),
    21421: (400, "PhoneNumber is invalid: {}"),
    21422: (400, "PhoneNumber is not available: {}"),
    21451: (400, "Invalid AreaCode: {}"),
    21452: (400, "No phone numbers found in area code {}"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (
        400,
        "The From phone number {} is not a valid, SMS-capable phone number or short code for your account.",
    ),
    21608: (400, "The number {} is unverified. Trial accounts cannot send messages to unverified numbers."),
    21609: (400, "The StatusCallback URL {} is not a valid URL"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (400, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "Message cannot be sent with the current combination of 'To' ({}) and 'From' numbers"),
    21614: (400, "To number: {}, is not a mobile number"),
    21615: (400, "PhoneNumber requires an Address: {}"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21620: (400, "Invalid media URL: {}"),
    21623: (400, "Number of media files exceeds allowed limit: {}"),
    21624: (400, "Invalid validity period: {}"),
    21635: (400, "{} is a landline: it takes no messages"),
    21649: (400, "PhoneNumber requires a Bundle: {}"),
    21659: (400, "'From' {} is not a Twilio phone number or Short Code country mismatch"),
    21660: (400, "Mismatch between the 'From' number {} and the account"),
    21661: (400, "'From' {} is not SMS-capable"),
    32018: (400, "Twiml is longer than 4000 characters: {}"),
    70051: (403, "Authorization Error: the API key has no permission for {}"),
}
"""HTTP status and words of each code. 0 is Twilio's refusal without a code, of trial accounts."""
