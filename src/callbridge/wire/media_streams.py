"""Twilio Media Streams: the six messages that come in and the three that may go out.

Vendor page: https://www.twilio.com/docs/voice/media-streams/websocket-messages
Numbers arrive as strings, except inside `mediaFormat`. Unknown fields are ignored on the way in, because
Twilio adds fields without notice; on the way out one extra field makes the message invalid (warning 31951),
so every outgoing message is formed here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeAlias, get_args

import msgspec

from callbridge.wire.errors import UNREADABLE, ProtocolError
from callbridge.wire.side_fields import without_odd_ones

# --- Incoming ---------------------------------------------------------------------------------------

INBOUND: Final = "inbound"
"""The track of the caller, and the only one of a stream that we may answer on."""

OTHER_TRACK: Final = "media of the outbound track"
"""What the caller hears, sent as if they had said it: as a message it is unknown, so that nobody hears it."""


class Incoming(msgspec.Struct, frozen=True, tag_field="event", rename="camel", gc=False, omit_defaults=True):
    """Base of all that Twilio sends."""


class Connected(Incoming, tag="connected", frozen=True):
    """The socket is open. Carries no identity yet."""


class MediaFormat(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The audio format of both directions. Twilio has one: what it does not say clearly is that one."""

    encoding: str = "audio/x-mulaw"
    sample_rate: int = 8000
    channels: int = 1

    @property
    def is_telephone_mulaw(self) -> bool:
        """Whether this is 8 kHz mono µ-law, the only format documented and the only one we carry."""
        return (self.encoding, self.sample_rate, self.channels) == ("audio/x-mulaw", 8000, 1)


class StartFacts(msgspec.Struct, frozen=True, rename="camel"):
    """What `start` tells about the stream."""

    stream_sid: str
    account_sid: str
    call_sid: str
    media_format: MediaFormat = MediaFormat()
    custom_parameters: dict[str, str] = {}
    tracks: tuple[str, ...] = (INBOUND,)

    @property
    def has_outbound(self) -> bool:
        """Whether it carries what the caller hears, too. `<Connect>` refuses that (31941), `<Start>` not."""
        return any(map(_is_outbound, self.tracks))


class Start(Incoming, tag="start", frozen=True, gc=True):
    """The stream begins. Sent once, first of all numbered messages."""

    start: StartFacts


class MediaChunk(msgspec.Struct, frozen=True, gc=False):
    """One frame of caller audio."""

    payload: bytes
    """µ-law, base64 on the wire; 160 bytes (20 ms) in every capture seen."""
    track: Literal["inbound"] = INBOUND
    """Of another track no frame is made: see `OTHER_TRACK`."""


class Media(Incoming, tag="media", frozen=True):
    """Caller audio. Fifty of these a second, silence included: its other fields are not even looked at."""

    media: MediaChunk


class Key(msgspec.Struct, frozen=True, gc=False):
    """One pressed key: 0 to 9, `*`, `#`, or one of the A to D that few telephones have."""

    digit: Annotated[str, msgspec.Meta(pattern=r"\A[0-9*#A-D]\Z")]


class Dtmf(Incoming, tag="dtmf", frozen=True):
    """The caller pressed a key."""

    dtmf: Key


class MarkName(msgspec.Struct, frozen=True, gc=False):
    """The name we gave to a mark."""

    name: str


class MarkEchoed(Incoming, tag="mark", frozen=True):
    """The audio before our mark was played, or thrown away by a `clear`: the echo looks the same."""

    mark: MarkName


class Stopped(Incoming, tag="stop", frozen=True):
    """The stream ended at Twilio's side. Not guaranteed to come before the socket closes."""


class UnknownMessage(msgspec.Struct, frozen=True, gc=False):
    """A message whose event name we do not know; counted, otherwise ignored."""

    event: str


Message: TypeAlias = Connected | Start | Media | Dtmf | MarkEchoed | Stopped
Parsed: TypeAlias = Message | UnknownMessage


class _Envelope(msgspec.Struct, gc=False):
    event: str


class _Track(msgspec.Struct, gc=False):
    track: str = INBOUND


class _Tracked(msgspec.Struct, gc=False):
    media: _Track


decode: Final[Callable[[str | bytes | msgspec.Raw], Message]] = msgspec.json.Decoder(Message).decode
"""`parse` for those fifty a second: raises one of `UNREADABLE` for all that is not a known message."""
_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_decode_tracked: Final = msgspec.json.Decoder(_Tracked).decode
_KNOWN: Final = {member.__struct_config__.tag: member for member in get_args(Message)}


def parse(text: str | bytes) -> Parsed:
    """The message in `text`.

    Raises:
        ProtocolError: it is not JSON, or a known event in which a needed field is missing or wrongly typed.
    """
    try:
        return decode(text)  # The common case: one pass, no look at the name.
    except UNREADABLE:
        return _parse_odd(text)


def _parse_odd(text: str | bytes) -> Parsed:
    try:
        event = _decode_envelope(text).event
    except UNREADABLE as error:
        raise ProtocolError("not a JSON object with an `event`") from error
    if event not in _KNOWN:
        return UnknownMessage(event)
    if _KNOWN[event] is Media and _is_outbound(_track_of(text)):
        return UnknownMessage(OTHER_TRACK)
    try:
        return decode(without_odd_ones(text, _KNOWN[event]))
    except UNREADABLE as error:
        raise ProtocolError(f"`{event}`: {error}") from error


def _track_of(text: str | bytes) -> str:
    """The track of an odd media message; what it does not say clearly is the caller's."""
    try:
        return _decode_tracked(text).media.track
    except UNREADABLE:
        return INBOUND


def _is_outbound(track: str) -> bool:
    return track.startswith("outbound")


# --- Outgoing ---------------------------------------------------------------------------------------


class Outgoing(msgspec.Struct, frozen=True, tag_field="event", rename="camel", gc=False):
    """Base of all that Twilio accepts. `stream_sid` must be the current one."""

    stream_sid: str


class Audio(msgspec.Struct, frozen=True, gc=False):
    """µ-law without any header, base64 on the wire, of any length."""

    payload: bytes


class SendAudio(Outgoing, tag="media", frozen=True):
    """Audio to be queued and played in order. Twilio holds ten minutes of it."""

    media: Audio


class SendMark(Outgoing, tag="mark", frozen=True):
    """Asks for an echo once all audio sent so far was played."""

    mark: MarkName


class Clear(Outgoing, tag="clear", frozen=True):
    """Empties Twilio's queue and echoes every outstanding mark at once."""


_encode: Final = msgspec.json.Encoder().encode


def encode(message: SendAudio | SendMark | Clear) -> bytes:
    """`message` as the UTF-8 text of one frame."""
    return _encode(message)


def audio_head(stream_sid: str) -> bytes:
    """What every audio message of a stream begins with, for `encode_audio`."""
    head, _nothing, tail = encode(SendAudio(stream_sid, Audio(b""))).rpartition(b'""')
    assert tail == _AUDIO_TAIL, "the payload is the last word of the message"
    return head


def encode_audio(head: bytes, payload: bytes) -> bytes:
    """`encode` for `SendAudio`, at half the price: only the payload is new in every message."""
    return head + _encode(payload) + _AUDIO_TAIL


_AUDIO_TAIL: Final = b"}}"
