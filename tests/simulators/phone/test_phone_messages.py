"""Twilio's messages as documented, and what it refuses."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.simulators.phone import messages
from callbridge.simulators.phone.messages import Refused, StreamIdentity

SID = "MZ" + "1" * 32
IDENTITY = StreamIdentity("AC" + "2" * 32, "CA" + "3" * 32, SID, (("token", "t"), ("b", "")))


AUDIO = base64.b64encode(b"\xff" * 160).decode()
FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
SIDS = {"accountSid": IDENTITY.account_sid, "callSid": IDENTITY.call_sid}
PARAMETERS = {"token": "t", "b": ""}
STARTED = {"streamSid": SID, "tracks": ["inbound"], "mediaFormat": FORMAT, "customParameters": PARAMETERS}


@pytest.mark.parametrize(
    ("event", "number", "text", "fields"),
    [
        ("start", 1, messages.start(IDENTITY, 1), SIDS | STARTED),
        (
            "media",
            4,
            messages.media(IDENTITY, 4, 2, 119, b"\xff" * 160),
            {"track": "inbound", "chunk": "2", "timestamp": "119", "payload": AUDIO},
        ),
        ("dtmf", 7, messages.dtmf(IDENTITY, 7, "#"), {"track": "inbound_track", "digit": "#"}),
        ("mark", 8, messages.mark(IDENTITY, 8, 'a "b"\n'), {"name": 'a "b"\n'}),
        ("stop", 9, messages.stop(IDENTITY, 9), SIDS),
    ],
)
def test_what_twilio_sends(event: str, number: int, text: str, fields: dict[str, Any]) -> None:
    expected = {"event": event, "sequenceNumber": str(number), event: fields, "streamSid": SID}
    assert json.loads(text) == expected


def test_connected_has_neither_number_nor_stream() -> None:
    assert json.loads(messages.CONNECTED) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}


def test_media_is_as_long_as_in_real_captures() -> None:
    """A capture of a real call has 216 base64 characters, and 373 to 379 in the whole message."""
    text = messages.media(IDENTITY, 4, 2, 119, b"\xff" * 160)
    assert len(json.loads(text)["media"]["payload"]) == 216
    assert 370 <= len(text) <= 379


MEDIA: dict[str, Any] = {"event": "media", "streamSid": SID, "media": {"payload": "AAAA"}}
MARK: dict[str, Any] = {"event": "mark", "streamSid": SID, "mark": {"name": "x"}}
CLEAR: dict[str, Any] = {"event": "clear", "streamSid": SID}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ('"clear"', "not a JSON object"),
        ({}, "unknown event None"),
        (CLEAR | {"event": "Clear"}, "unknown event 'Clear'"),
        (CLEAR | {"event": "start"}, "unknown event 'start'"),
        (CLEAR | {"event": ["clear"]}, "unknown event"),
        ({"event": "clear"}, "clear: missing field streamSid"),
        ({"event": "clear", "stream_sid": SID}, "clear: missing field streamSid"),
        (CLEAR | {"streamSid": "MZ0"}, "clear: wrong streamSid 'MZ0'"),
        (CLEAR | {"streamSid": None}, "clear: wrong streamSid None"),
        (CLEAR | {"track": "inbound"}, "clear: unexpected field track"),
        (CLEAR | {"sequenceNumber": "1"}, "clear: unexpected field sequenceNumber"),
        ({"event": "media", "streamSid": SID}, "media: missing field media"),
        (MEDIA | {"media": "AAAA"}, "media object: must be an object"),
        (MEDIA | {"media": {}}, "media object: missing field payload"),
        (MEDIA | {"media": {"payload": "AAAA", "track": "outbound"}}, "media object: unexpected field track"),
        (MEDIA | {"media": {"payload": 1}}, "media: payload must be a string"),
        (MEDIA | {"media": {"payload": "AAA"}}, "media: payload is not base64"),
        (MEDIA | {"media": {"payload": "AA\nAA"}}, "media: payload is not base64"),
        (MEDIA | {"media": {"payload": "äöü"}}, "media: payload is not base64"),
        (MARK | {"mark": {}}, "mark object: missing field name"),
        (MARK | {"mark": {"name": 5}}, "mark: name must be a string"),
        (MARK | {"mark": {"name": "x", "at": 1}}, "mark object: unexpected field at"),
    ],
)
def test_everything_else_is_31951(message: str | dict[str, Any], reason: str) -> None:
    text = message if isinstance(message, str) else json.dumps(message)
    refused = messages.read(text, SID)
    assert isinstance(refused, Refused)
    assert refused.code == 31951
    assert refused.detail.startswith(reason)


NAMES = st.sampled_from(["event", "streamSid", "media", "mark", "payload", "name", "x"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
    max_leaves=8,
)


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_never_raises_over_what_comes(message: str | bytes) -> None:
    messages.read(message, SID)
