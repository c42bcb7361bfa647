"""Faults that a peer can have and Twilio should not: what a bridge must survive all the same.

Pure. A `Spoiler` stands between the stream and the socket and bends what goes out. To vanish without
closing is a step of the caller's script instead.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from callbridge.simulators.phone.stream import Send


class Misbehaviour(StrEnum):
    """One way to misbehave. They can be combined."""

    UNSIGNED_WEBHOOK = "unsigned webhook"
    FORGED_WEBHOOK = "forged webhook"
    """Signed with another auth token."""
    WEBHOOK_TWICE = "webhook twice"
    """Every request is delivered twice: the first answer got lost on its way."""
    LATE_CALLBACKS = "late callbacks"
    """Status callbacks come when the call is over, the latest first."""
    CALLBACKS_TWICE = "callbacks twice"
    """Status callbacks are delivered twice, with the same idempotency token."""
    UNSIGNED_SOCKET = "unsigned socket"
    FORGED_SOCKET = "forged socket"
    WRONG_TOKEN = "wrong token"  # noqa: S105 - the name of a fault
    """Every `<Parameter>` value is altered in `start`."""
    NO_START = "no start"
    """`connected` and then nothing, on a socket that stays open."""
    MEDIA_BEFORE_START = "media before start"
    DUPLICATE_START = "duplicate start"
    GARBAGE = "garbage"
    """A text message that is not JSON."""
    BINARY = "binary"
    """A binary message."""
    OVERSIZED = "oversized"
    """A text message of 1 MiB."""
    BROKEN_FRAME = "broken frame"
    """Bytes that are no WebSocket frame."""
    BOTH_TRACKS = "both tracks"
    """A `start` of a stream that also carries what the caller hears, as `<Start>` can begin one."""
    OUTBOUND_MEDIA = "outbound media"
    """With each frame of the caller comes one of the outbound track: what they hear, as loud as can be."""
    KEY_FLOOD = "key flood"
    """As many keys as nobody can press."""
    AUDIO_FLOOD = "audio flood"
    """From then on audio comes at a hundred times real time."""
    NEVER_READ = "never read"
    """What the bridge sends is never taken off the socket."""


SPOILED_CHUNK = 10
"""The caller frame after which the single faults are sent."""

OVERSIZED_BYTES = 1024 * 1024

FLOOD_KEYS = 2000

FLOOD_SPEED = 100


@dataclass(frozen=True, slots=True)
class RawBytes:
    """Bytes for the TCP connection itself, past the WebSocket layer."""

    data: bytes


Wire: TypeAlias = str | bytes | RawBytes
"""A text message, a binary message, or bytes below both."""


class Spoiler:
    """Turns the messages of a stream into what goes on the wire."""

    def __init__(self, misbehaviours: AbstractSet[Misbehaviour]) -> None:
        self._misbehaviours = misbehaviours
        self._start = ""
        self._media_sent = 0

    def spoil(self, message: Send) -> list[Wire]:
        """What is sent in place of `message`. Without misbehaviours, the message itself."""
        if not self._misbehaviours:
            return [message.text]
        if message.event == "connected":
            return [message.text]
        if Misbehaviour.NO_START in self._misbehaviours:
            return []
        if message.event == "start":
            return self._spoil_start(message.text)
        if message.event == "media":
            self._media_sent += 1
            return self._spoil_media(message.text)
        return [message.text]

    def _spoil_media(self, text: str) -> list[Wire]:
        wires: list[Wire] = [text]
        if Misbehaviour.OUTBOUND_MEDIA in self._misbehaviours:
            wires.append(_outbound_like(text))
        if self._media_sent >= SPOILED_CHUNK and Misbehaviour.AUDIO_FLOOD in self._misbehaviours:
            wires *= FLOOD_SPEED
        if self._media_sent == SPOILED_CHUNK:
            wires += self._single_faults()
            if Misbehaviour.KEY_FLOOD in self._misbehaviours:
                wires += [_key_like(text)] * FLOOD_KEYS
        return wires

    def _spoil_start(self, text: str) -> list[Wire]:
        self._start = text
        if Misbehaviour.WRONG_TOKEN in self._misbehaviours:
            text = _with_wrong_parameters(text)
        if Misbehaviour.BOTH_TRACKS in self._misbehaviours:
            text = text.replace('"tracks":["inbound"]', '"tracks":["inbound","outbound"]')
        if Misbehaviour.MEDIA_BEFORE_START in self._misbehaviours:
            return [_media_like(text), text]
        return [text]

    def _single_faults(self) -> list[Wire]:
        faults: dict[Misbehaviour, Wire] = {
            Misbehaviour.DUPLICATE_START: self._start,
            Misbehaviour.GARBAGE: '{"event":"media","media":',
            Misbehaviour.BINARY: b"\x00\xff" * 80,
            Misbehaviour.OVERSIZED: '{"event":"' + "x" * OVERSIZED_BYTES + '"}',
            # Reserved bits set, a reserved opcode, not masked: three faults of RFC 6455 section 5.2.
            Misbehaviour.BROKEN_FRAME: RawBytes(b"\xf3\x05hello"),
        }
        return [fault for kind, fault in faults.items() if kind in self._misbehaviours]


def _with_wrong_parameters(start: str) -> str:
    message = json.loads(start)
    parameters = message["start"]["customParameters"]
    message["start"]["customParameters"] = {name: f"{value[::-1]}x" for name, value in parameters.items()}
    return json.dumps(message, separators=(",", ":"))


def _outbound_like(media: str) -> str:
    """The twin of a frame on the outbound track: what `<Start>` with `both_tracks` sends beside it."""
    message = json.loads(media)
    # The loudest that µ-law has (G.711): half of each byte's waves up, half down.
    loudest = base64.b64encode(b"\x80\x80\x80\x80\x00\x00\x00\x00" * 20).decode()
    message["media"] |= {"track": "outbound", "payload": loudest}
    return json.dumps(message, separators=(",", ":"))


def _key_like(media: str) -> str:
    message = json.loads(media)
    fields = {"event": "dtmf", "streamSid": message["streamSid"], "sequenceNumber": message["sequenceNumber"]}
    return json.dumps(fields | {"dtmf": {"track": "inbound_track", "digit": "5"}}, separators=(",", ":"))


def _media_like(start: str) -> str:
    """A frame of silence that carries the sequence number of the `start` it precedes."""
    message = json.loads(start)
    audio = {"track": "inbound", "chunk": "1", "timestamp": "79", "payload": "/" * 213 + "w=="}
    return json.dumps(
        {
            "event": "media",
            "sequenceNumber": message["sequenceNumber"],
            "media": audio,
            "streamSid": message["streamSid"],
        },
        separators=(",", ":"),
    )
