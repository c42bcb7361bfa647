"""Twilio's side of the Media Streams protocol: the messages it sends, and what it accepts.

Pure, and apart from the service's own parser on purpose. Shapes as documented on "Media Streams -
WebSocket Messages" (twilio.com/docs/voice/media-streams/websocket-messages): numbers are strings,
except inside `mediaFormat`.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from callbridge.wire.audio import silence

if TYPE_CHECKING:
    from collections.abc import Mapping

# --- What Twilio sends ------------------------------------------------------------------------

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
"""The first message. It has no sequence number and names no stream."""


@dataclass(frozen=True, slots=True)
class StreamIdentity:
    """Who a stream belongs to, as told by its `start` message."""

    account_sid: str
    call_sid: str
    stream_sid: str
    parameters: tuple[tuple[str, str], ...] = ()
    """The `<Parameter>`s of the TwiML, in their order."""


def start(identity: StreamIdentity, sequence: int) -> str:
    """The `start` message; `customParameters` is there even when empty."""
    body = {
        "accountSid": identity.account_sid,
        "streamSid": identity.stream_sid,
        "callSid": identity.call_sid,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": dict(identity.parameters),
    }
    return _text("start", sequence, identity, start=body)


def media(identity: StreamIdentity, sequence: int, chunk: int, timestamp_ms: int, audio: bytes) -> str:
    """A `media` message. Written out, because it is the one that is sent fifty times a second."""
    payload = _SILENT_PAYLOAD if audio == _SILENT_FRAME else _base64(audio)
    return (
        f'{{"event":"media","sequenceNumber":"{sequence}",'
        f'"media":{{"track":"inbound","chunk":"{chunk}","timestamp":"{timestamp_ms}",'
        f'"payload":"{payload}"}},"streamSid":"{identity.stream_sid}"}}'
    )


def _base64(audio: bytes) -> str:
    return binascii.b2a_base64(audio, newline=False).decode("ascii")


_SILENT_FRAME = silence(20)
_SILENT_PAYLOAD = _base64(_SILENT_FRAME)
"""Of most frames of a call."""


def dtmf(identity: StreamIdentity, sequence: int, digit: str) -> str:
    """A `dtmf` message; its track is called `inbound_track`, unlike that of `media`."""
    return _text("dtmf", sequence, identity, dtmf={"track": "inbound_track", "digit": digit})


def mark(identity: StreamIdentity, sequence: int, name: str) -> str:
    """The echo of a mark."""
    return _text("mark", sequence, identity, mark={"name": name})


def stop(identity: StreamIdentity, sequence: int) -> str:
    """The last message of a stream that the bridge did not end."""
    body = {"accountSid": identity.account_sid, "callSid": identity.call_sid}
    return _text("stop", sequence, identity, stop=body)


def _text(event: str, sequence: int, identity: StreamIdentity, **body: Mapping[str, Any]) -> str:
    message = {
        "event": event,
        "sequenceNumber": str(sequence),
        **body,
        "streamSid": identity.stream_sid,
    }
    return json.dumps(message, separators=(",", ":"))


# --- What Twilio accepts ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentAudio:
    """A valid `media` message."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class AgentMark:
    """A valid `mark` message."""

    name: str


@dataclass(frozen=True, slots=True)
class AgentClear:
    """A valid `clear` message."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that Twilio warns about and ignores."""

    code: int
    detail: str


FIELDS = {"media": "payload", "mark": "name", "clear": None}
"""Per event the one field of the object that bears its name; `clear` has no such object."""


def read(message: str | bytes, stream_sid: str) -> AgentAudio | AgentMark | AgentClear | Refused:
    """Take a message from the bridge exactly as strictly as Twilio does (warnings 31950, 31951)."""
    if isinstance(message, bytes):
        return Refused(31950, f"binary message of {len(message)} bytes")
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError):
        return Refused(31951, f"not JSON: {message[:80]!r}")
    if not isinstance(fields, dict):
        return Refused(31951, f"not a JSON object: {message[:80]!r}")
    return _typed(fields, stream_sid)


def _typed(fields: dict[str, Any], stream_sid: str) -> AgentAudio | AgentMark | AgentClear | Refused:
    event = fields.get("event")
    if not isinstance(event, str) or event not in FIELDS:
        return Refused(31951, f"unknown event {event!r}")
    inner = FIELDS[event]
    expected = {"event", "streamSid"} | ({event} if inner else set())
    fault = _shape_fault(event, fields, expected)
    if fault is None and inner:
        fault = _shape_fault(f"{event} object", fields[event], {inner})
    if fault:
        return Refused(31951, fault)
    if fields["streamSid"] != stream_sid:
        return Refused(31951, f"{event}: wrong streamSid {fields['streamSid']!r}")
    return _content(event, fields[event][inner] if inner else "")


def _shape_fault(where: str, fields: object, expected: set[str]) -> str | None:
    if not isinstance(fields, dict):
        return f"{where}: must be an object"
    if missing := expected - fields.keys():
        return f"{where}: missing field {', '.join(sorted(missing))}"
    if extra := fields.keys() - expected:
        return f"{where}: unexpected field {', '.join(sorted(extra))}"
    return None


def _content(event: str, value: object) -> AgentAudio | AgentMark | AgentClear | Refused:
    if not isinstance(value, str):
        return Refused(31951, f"{event}: {FIELDS[event]} must be a string")
    if event == "clear":
        return AgentClear()
    if event == "mark":
        return AgentMark(value)
    try:
        return AgentAudio(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return Refused(31951, f"media: payload is not base64: {value[:40]!r}")
