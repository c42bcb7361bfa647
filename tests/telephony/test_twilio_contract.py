"""What we send to Twilio, against the shapes that Twilio documents.

Vendor page: https://www.twilio.com/docs/voice/media-streams/websocket-messages
("Send WebSocket messages to Twilio"). A missing or an extra field is warning 31951, a binary frame 31950.
For the TwiML: https://www.twilio.com/docs/voice/twiml/connect, and /stream, /dial, /number, /record, /say
beside it. What is unknown there is warning 12200.
"""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.telephony import connect, ladder, menu, twiml
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
    assert json.loads(ms.encode(OURS[event])) == DOCUMENTED[event]


@given(MESSAGES)
def test_every_message_has_exactly_the_documented_fields(
    message: ms.SendAudio | ms.SendMark | ms.Clear,
) -> None:
    """In one line of UTF-8 without raw control characters: messages go out as text frames."""
    text = ms.encode(message).decode()
    assert text.isprintable()
    raw = json.loads(text)
    assert shape(raw) == shape(DOCUMENTED[raw["event"]])


@given(st.binary(min_size=1))
def test_the_payload_is_standard_base64_of_the_bare_audio(audio: bytes) -> None:
    """Standard alphabet with padding, no line breaks, no header before the audio."""
    payload = json.loads(ms.encode(ms.SendAudio(STREAM, ms.Audio(audio))))["media"]["payload"]
    assert base64.b64decode(payload, validate=True) == audio
    assert len(payload) == -(-len(audio) // 3) * 4


HTTPS = r"https://\S+"
TWIML = {
    "Response": {},
    "Connect": {"action": HTTPS},
    "Stream": {"url": r"wss://[^?\s]+", "statusCallback": HTTPS},
    "Parameter": {"name": r"\w+", "value": r".{1,490}"},
    "Dial": {
        "action": HTTPS,
        "answerOnBridge": "true|false",
        "callerId": r"\+\d+",
        "timeout": r"[5-9]|[1-9]\d\d?",
    },
    "Number": {},
    "Gather": {
        "action": HTTPS,
        "actionOnEmptyResult": "true|false",
        "numDigits": "[1-9]",
        "timeout": r"[1-9]\d?",
    },
    "Say": {"voice": r"man|woman|Polly\.\w+|Google\.[\w-]+", "language": r"[a-z]{2,3}(-\w{2})?"},
    "Record": {
        "action": HTTPS,
        "finishOnKey": r"[0-9*#]*",
        "maxLength": r"[1-9]\d{0,4}",
        "playBeep": "true|false",
        "recordingStatusCallback": HTTPS,
        "trim": "trim-silence|do-not-trim",
    },
    "Hangup": {},
}
"""Every element that we send, with the documented values of the attributes that we give it."""

NESTING = {
    "Response": {"Connect", "Dial", "Say", "Record", "Hangup", "Gather"},
    "Gather": {"Say"},
    "Connect": {"Stream"},
    "Stream": {"Parameter"},
    "Dial": {"Number"},
}
"""Which elements may stand in which."""

PLAN = ladder.FallbackPlan(
    apology=twiml.Words("Sorry.", "woman", "en-gb"),
    dial="+14155550123",
    caller_id="+14155550199",
    has_voicemail=True,
    voicemail_prompt=twiml.Words("Sprich.", "Polly.Vicki", "de-DE"),
    dialed_url="https://example.com/dialed",
    voicemail_left_url="https://example.com/left",
    voicemail_status_url="https://example.com/status",
    closed=twiml.Words("Shut."),
    menu=menu.MenuPlan(twiml.Words("Press 1."), "https://example.com/menu?round=first&keys=1"),
)

DOCUMENTS = {
    "answer": connect.answer(
        stream_url="wss://example.com/media-stream",
        action_url="https://example.com/ended",
        stream_status_url="https://example.com/stream",
        token="x" * 72,
        caller="+14155550100",
        called="+14155550199",
        fallback=PLAN,
    ),
    "first step": ladder.first_step(PLAN),
    "nobody took the call": ladder.after_dial(PLAN, "no-answer", "false"),
    "a text, and the menu again": menu.said([twiml.Words("Nine.")], PLAN.menu),
    "a human talked": ladder.after_dial(PLAN, "completed", "true"),
    "apology": ladder.first_step(ladder.FallbackPlan(twiml.Words("Sorry."))),
    "silence": ladder.after_voicemail(PLAN, "0"),
    "goodbye": twiml.goodbye(twiml.Words("Goodbye.", "Google.en-GB-Standard-A")),
    "hang up": twiml.hang_up(),
    "nothing": twiml.empty(),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_our_twiml_is_documented(name: str) -> None:
    for element in ET.fromstring(DOCUMENTS[name]).iter():  # noqa: S314 - parses only what we made ourselves
        assert {child.tag for child in element} <= NESTING.get(element.tag, set())
        for attribute, value in element.attrib.items():
            assert re.fullmatch(TWIML[element.tag][attribute], value), (element.tag, attribute, value)
