"""What can go wrong on purpose: while connecting, at a client event, at a time, or inside an answer.

Only what a fault is and how it is written. `session` and `server` carry it out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

FaultKind = Literal[
    "close",
    "abort",
    "stall",
    "deaf",
    "garbage",
    "binary",
    "oversized",
    "unknown_event",
    "wrong_type",
    "error",
    "quota",
    "expire",
    "duplicate",
    "ignore",
    "vad_deaf",
    "vad_stuck",
    "vad_noise",
]

LASTING_FAULTS: frozenset[FaultKind] = frozenset({"stall", "vad_deaf", "vad_stuck"})
"""Those that may have an end, by `seconds`."""

SERVER_ERROR_MESSAGE = "The server had an error while processing your request. Sorry about that!"

NO_HANDSHAKE_CODES = frozenset({1005, 1006, 1015})
"""Close codes that never stand in a close frame: the connection is cut instead (RFC 6455 7.4.1)."""

Milliseconds = Annotated[int, msgspec.Meta(ge=0)]

Count = Annotated[int, msgspec.Meta(ge=1)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that the real server would not do on a good day."""

    kind: FaultKind
    """`close` with `code`; `abort` cuts TCP; `stall` is silence for `seconds`, or for ever, not broken by
    errors either; `deaf` is silence for ever with nothing read from the socket;
    `vad_deaf`: for `seconds`, or for ever, turn detection takes nothing for speech, though all else goes on;
    `vad_stuck`: speech that starts does not stop any more, as on a loud street;
    `vad_noise`: it takes quiet noise for speech, at once and until it has been quiet for long enough: a turn
    with an empty transcript, unless the caller speaks in it, which interrupts and is answered like any other;
    `garbage` is text that is not JSON; `binary` a binary frame; `oversized` one event of `size_bytes`;
    `unknown_event` an event of a type that nobody knows; `wrong_type` a known one with fields of wrong types;
    `error` an `error` event; `quota` the one of an account without credit; `expire` the end of a session that
    is too old, 1001 included; `duplicate` sends the next audio delta twice; `ignore` leaves the client event
    unanswered (with `on` only)."""
    at: Literal["start", "end"] | Milliseconds = "start"
    """In an answer: after `response.created`, before `response.done`, or once this many milliseconds of
    its audio were sent."""
    on: str = ""
    """In the script: when this client event comes, and in place of the answer to it."""
    nth: Count = 1
    """With `on`: which one of them."""
    after_ms: Milliseconds | None = None
    """In the script: this long after the session opened."""
    connection: Count | None = None
    """On which connection, counted from 1; on all when absent."""
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = 1011
    reason: str = ""
    seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """How long a `stall`, `vad_deaf` or `vad_stuck` lasts; for ever when absent."""
    pongs: bool = True
    """With `stall`: pings are still answered. Without, the connection is half open: what the client sends is
    taken and lost, a ping and a close frame too. That has no end."""
    size_bytes: Annotated[int, msgspec.Meta(ge=1)] = 5 * 1024 * 1024
    """Above what a bridge should take: a leg to the model that accepts 4 MiB refuses it."""
    error_code: str = "server_error"
    error_type: str = "server_error"
    message: str = SERVER_ERROR_MESSAGE


class ConnectFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A connection that does not become a session."""

    kind: Literal["refuse", "hang", "silent", "close", "reject"]
    """`refuse` the handshake with HTTP `status`; never answer it (`hang`); accept and stay `silent`; accept
    and `close` with `code`; `reject`: accept, send an `error` event and close, as the live API does for a bad
    key."""
    nth: Count | None = None
    """Which connection, counted from 1; all when absent."""
    first: Count = 1
    """From which connection on: with `last` an outage of so many connections."""
    last: Count | None = None
    """Up to which one, that one included; to the end when absent."""
    until_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """An outage of so many seconds: over for connections that come this long after the first that it hit.
    Kept by `Outages`, as a session alone does not know of others."""
    status: Literal[400, 401, 403, 404, 429, 500, 502, 503] = 503
    retry_after_s: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """With `refuse`: the `Retry-After` header of the answer."""
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = 1011
    reason: str = ""
    error_code: str | None = None
    """What goes with `status` when absent; for `reject` with `code`: `invalid_model` with 4000,
    `model_not_found` with 4004, else `invalid_api_key`. Null when empty. `insufficient_quota` brings its
    own message."""
    message: str | None = None
    """As `error_code`."""

    def is_for(self, connection: int) -> bool:
        """Whether it is about the n-th connection, whatever the time."""
        if self.nth is not None and self.nth != connection:
            return False
        return self.first <= connection and (self.last is None or connection <= self.last)


class Outages:
    """The connect faults of one server: which one, if any, a connection meets.

    Args:
        faults: the first that fits counts.
    """

    def __init__(self, faults: Sequence[ConnectFault]) -> None:
        self._faults = faults
        self._hit_at: dict[int, float] = {}
        """When each fault hit its first connection, by its place."""

    def meet(self, connection: int, now: float) -> ConnectFault | None:
        """What is wrong with the n-th connection, which comes at `now` (seconds on any clock)."""
        for place, fault in enumerate(self._faults):
            if not fault.is_for(connection):
                continue
            begun_at = self._hit_at.setdefault(place, now)
            if fault.until_s is None or now < begun_at + fault.until_s:
                return fault
        return None


QUOTA_CODE = "insufficient_quota"
"""As code and as type, in HTTP bodies, `error` events and failed responses."""

QUOTA_MESSAGE = "You exceeded your current quota, please check your plan and billing details."

INVALID_KEY_CODE = "invalid_api_key"

INVALID_KEY_MESSAGE = "Incorrect API key provided."

INVALID_MODEL_CODE = "invalid_model"
"""A model that is none of this API's, or none at all."""

MODEL_NOT_FOUND_CODE = "model_not_found"

MODEL_NOT_FOUND_MESSAGE = "The model does not exist or you do not have access to it."

REJECTIONS = {
    4000: (INVALID_MODEL_CODE, "The model is not supported in realtime mode."),
    4004: (MODEL_NOT_FOUND_CODE, MODEL_NOT_FOUND_MESSAGE),
}
"""Code and message of the `error` event that goes before these close codes; before others that of the key."""

_FAULT_TEXT = re.compile(
    r"(?P<kind>[a-z_]+)(:(?P<value>[\d.]+))?(@(?P<answer>\d+)(\+(?P<ms>\d+))?)?"
    r"(#(?P<first>\d+)(?P<range>-(?P<last>\d+)?)?)?"
)

FAULT_SYNTAX = (
    "KIND[:VALUE][@ANSWER[+MS]][#CONNECTION[-LAST]], "
    "e.g. refuse:429, silent, close:1011@2+500, stall:3@1, abort@2+500#1, refuse:503#2-4"
)


def parse_fault(text: str) -> tuple[int | None, Fault | ConnectFault]:
    """A fault as it is written on the command line, and the number of the answer that it is in.

    `refuse`, `hang`, `silent` and `reject` are about connecting and have no answer. VALUE is the HTTP status,
    the close code, the seconds that a fault lasts, or the bytes of an oversized frame. CONNECTION is the one
    connection that the fault is for, counted from 1; faults of connecting may have a range of them.

    Raises:
        ValueError: not of the form of `FAULT_SYNTAX`; the text says what is wrong.
    """
    match = _FAULT_TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no fault; write {FAULT_SYNTAX}")
    value, answer = match["value"], match["answer"]
    fields: dict[str, object] = {"kind": match["kind"]}
    if value is not None:
        fields[_value_field(match["kind"])] = float(value) if "." in value else int(value)
    if answer is not None:
        fields["at"] = int(match["ms"]) if match["ms"] else "start"
    is_connecting = match["kind"] in {"refuse", "hang", "silent", "reject"} or answer is None
    fields |= _connections(match, is_connecting=is_connecting)
    try:
        fault: Fault | ConnectFault = (
            msgspec.convert(fields, ConnectFault) if is_connecting else msgspec.convert(fields, Fault)
        )
    except msgspec.ValidationError as error:
        raise ValueError(f"{text!r}: {error}; write {FAULT_SYNTAX}") from error
    return (int(answer) if answer is not None else None), fault


def _connections(match: re.Match[str], *, is_connecting: bool) -> dict[str, int]:
    """Which connections a fault in words is for, as fields."""
    if match["first"] is None:
        return {}
    first = int(match["first"])
    if not is_connecting:
        if match["range"] is not None:
            raise ValueError(f"{match[0]!r}: a fault in an answer has one connection; write {FAULT_SYNTAX}")
        return {"connection": first}
    if match["range"] is None:
        return {"nth": first}
    return {"first": first} if match["last"] is None else {"first": first, "last": int(match["last"])}


def _value_field(kind: str) -> str:
    if kind in LASTING_FAULTS:
        return "seconds"
    fields = {"refuse": "status", "oversized": "size_bytes"}
    return fields.get(kind, "code")
