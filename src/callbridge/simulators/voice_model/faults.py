"""What can go wrong on purpose: while connecting, at a client event, at a time, or inside an answer.

Only what a fault is and how it is written. `session` and `server` carry it out.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

FaultKind = Literal[
    "close",
    "abort",
    "stall",
    "deaf",
    "garbage",
    "binary",
    "oversized",
    "unknown_event",
    "error",
    "duplicate",
    "ignore",
]

NO_HANDSHAKE_CODES = frozenset({1005, 1006, 1015})
"""Close codes that never stand in a close frame: the connection is cut instead (RFC 6455 7.4.1)."""

Milliseconds = Annotated[int, msgspec.Meta(ge=0)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that the real server would not do on a good day."""

    kind: FaultKind
    """`close` with `code`; `abort` cuts TCP; `stall` is silence for `seconds`, or for ever;
    `deaf` is silence for ever with nothing read from the socket;
    `garbage` is text that is not JSON; `binary` a binary frame; `oversized` one event of `size_bytes`;
    `unknown_event` an event of a type that nobody knows; `error` an `error` event; `duplicate` sends
    the next audio delta twice; `ignore` leaves the client event unanswered (with `on` only)."""
    at: Literal["start", "end"] | Milliseconds = "start"
    """In an answer: after `response.created`, before `response.done`, or once this many milliseconds of
    its audio were sent."""
    on: str = ""
    """In the script: when this client event comes, and in place of the answer to it."""
    nth: Annotated[int, msgspec.Meta(ge=1)] = 1
    """With `on`: which one of them."""
    after_ms: Milliseconds | None = None
    """In the script: this long after the session opened."""
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = 1011
    reason: str = ""
    seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    size_bytes: Annotated[int, msgspec.Meta(ge=1)] = 5 * 1024 * 1024
    """Above what a bridge should take: a leg to the model that accepts 4 MiB refuses it."""
    error_code: str = "server_error"
    error_type: str = "server_error"
    message: str = "The server had an error while processing your request. Sorry about that!"


class ConnectFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A connection that does not become a session."""

    kind: Literal["refuse", "silent", "close", "reject"]
    """`refuse` the handshake with HTTP `status`; accept and stay `silent`; accept and `close` with `code`;
    `reject`: accept, send an `error` event and close, as the live API does for a bad key."""
    nth: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Which connection, counted from 1; all when absent."""
    status: Literal[400, 401, 403, 404, 429, 500, 502, 503] = 503
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = 1011
    reason: str = ""
    error_code: str = "invalid_api_key"
    message: str = "Incorrect API key provided."


_FAULT_TEXT = re.compile(r"(?P<kind>[a-z_]+)(:(?P<value>[\d.]+))?(@(?P<answer>\d+)(\+(?P<ms>\d+))?)?")

FAULT_SYNTAX = "KIND[:VALUE][@ANSWER[+MS]], e.g. refuse:429, silent, close:1011@2+500, stall:3@1"


def parse_fault(text: str) -> tuple[int | None, Fault | ConnectFault]:
    """A fault as it is written on the command line, and the number of the answer that it is in.

    `refuse`, `silent` and `reject` are about connecting and have no answer. VALUE is the HTTP status, the
    close code, the seconds of a stall, or the bytes of an oversized frame.

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
    is_connecting = match["kind"] in {"refuse", "silent", "reject"} or answer is None
    try:
        fault: Fault | ConnectFault = (
            msgspec.convert(fields, ConnectFault) if is_connecting else msgspec.convert(fields, Fault)
        )
    except msgspec.ValidationError as error:
        raise ValueError(f"{text!r}: {error}; write {FAULT_SYNTAX}") from error
    return (int(answer) if answer is not None else None), fault


def _value_field(kind: str) -> str:
    fields = {"refuse": "status", "stall": "seconds", "oversized": "size_bytes"}
    return fields.get(kind, "code")
