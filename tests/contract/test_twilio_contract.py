"""What we send to Twilio, against the shapes that Twilio documents.

Vendor page: https://www.twilio.com/docs/voice/media-streams/websocket-messages
("Send WebSocket messages to Twilio"). A missing or an extra field is warning 31951, a binary frame 31950.
"""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.wire import media_streams as ms

STREAM = "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"

DOCUMENTED = {
    "media": {"event": "media", "streamSid": STREAM, "media": {"payload": "a3242sY="}},
    "mark": {"event": "mark", "streamSid": STREAM, "mark": {"name": "my label"}},
    "clear": {"event": "clear", "streamSid": STREAM},
}
"""The three examples of the page; the unused bits of its payload are zero here, as encoders write them."""

OURS: dict[str, ms.SendAudio | ms.SendMark | ms.Clear] = {
    "media": ms.SendAudio(STREAM, ms.Audio(base64.b64decode("a3242sY="))),
    "mark": ms.SendMark(STREAM, ms.MarkName("my label")),
    "clear": ms.Clear(STREAM),
}

MESSAGES = st.one_of(
    st.builds(ms.SendAudio, st.just(STREAM), st.builds(ms.Audio, st.binary(min_size=1))),
    st.builds(ms.SendMark, st.just(STREAM), st.builds(ms.MarkName, st.text("0123456789-", min_size=1))),
    st.builds(ms.Clear, st.just(STREAM)),
)


def shape(message: object) -> object:
    """The fields of `message` without their values."""
    if isinstance(message, dict):
        return {name: shape(value) for name, value in message.items()}
    return type(message)


@pytest.mark.parametrize("event", DOCUMENTED)
def test_our_message_is_the_documented_one(event: str) -> None:
    """Field by field, value by value, nothing missing and nothing more."""
    assert json.loads(ms.encode(OURS[event])) == DOCUMENTED[event]


@given(MESSAGES)
def test_every_message_has_exactly_the_documented_fields(
    message: ms.SendAudio | ms.SendMark | ms.Clear,
) -> None:
    """No value makes a field appear or vanish."""
    raw = json.loads(ms.encode(message))
    assert shape(raw) == shape(DOCUMENTED[raw["event"]])


@given(MESSAGES)
def test_every_message_is_one_line_of_text(message: ms.SendAudio | ms.SendMark | ms.Clear) -> None:
    """Messages go out as text frames: UTF-8 without raw control characters."""
    text = ms.encode(message).decode()
    assert text.isprintable()


@given(st.binary(min_size=1))
def test_the_payload_is_standard_base64_of_the_bare_audio(audio: bytes) -> None:
    """Standard alphabet with padding, no line breaks, no header before the audio."""
    payload = json.loads(ms.encode(ms.SendAudio(STREAM, ms.Audio(audio))))["media"]["payload"]
    assert base64.b64decode(payload, validate=True) == audio
    assert len(payload) == -(-len(audio) // 3) * 4
