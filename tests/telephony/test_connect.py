"""The document of a stream: what it says to a reader of XML that is not ours."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import example, given
from hypothesis import strategies as st

from callbridge.telephony import connect, ladder
from callbridge.telephony.ladder import FallbackPlan
from callbridge.telephony.twiml import Words

APOLOGY = "We are sorry."


def document(caller: str = "+14155550100", called: str = "+14155550199") -> str:
    return connect.answer(
        stream_url="wss://example.com/media-stream",
        action_url="https://example.com/twilio/stream-ended",
        stream_status_url="https://example.com/twilio/stream-status",
        token="t0ken",
        caller=caller,
        called=called,
        fallback=FallbackPlan(Words(APOLOGY)),
    )


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - parses only what we made ourselves


def parameters(text: str) -> dict[str | None, str | None]:
    return {element.get("name"): element.get("value") for element in parsed(text).iter("Parameter")}


def test_answer_connects_the_stream_and_keeps_a_last_resort() -> None:
    root = parsed(document())
    assert root.tag == "Response"
    assert [verb.tag for verb in root] == ["Connect", "Say", "Hangup"]
    connected, *behind = root
    assert connected.attrib == {"action": "https://example.com/twilio/stream-ended"}
    first_step = parsed(ladder.first_step(FallbackPlan(Words(APOLOGY))))
    assert [ET.tostring(verb) for verb in behind] == [ET.tostring(verb) for verb in first_step]
    (stream,) = connected
    assert stream.attrib == {
        "url": "wss://example.com/media-stream",
        "statusCallback": "https://example.com/twilio/stream-status",
    }


def test_parameters_carry_the_token_and_both_numbers() -> None:
    """A missing number gives no empty parameter; none has the 500 characters that Twilio refuses."""
    numbers = {"caller": "+14155550100", "called": "+14155550199"}
    assert parameters(document()) == {"token": "t0ken"} | numbers
    assert parameters(document(caller="")) == {"token": "t0ken", "called": "+14155550199"}
    value = parameters(document(caller="sip:" + "x" * 600))["caller"]
    assert value is not None
    assert len("caller" + value) == 499


def test_a_caller_id_stays_text() -> None:
    """It cannot add verbs of its own."""
    evil = '"/><Dial>+1900</Dial>'
    assert parameters(document(caller=evil))["caller"] == evil


@given(st.text() | st.text(" \t\x00ab", min_size=480, max_size=520))
@example("x" * 492 + " y")
def test_what_a_parameter_carries_is_settled_at_once(value: str) -> None:
    """The media socket may clean what it got once more, and has what the webhook had. No XML is broken."""
    carried = connect.parameter_value("caller", value)
    assert connect.parameter_value("caller", carried) == carried
    text = document(caller=value, called=value)
    assert text.startswith("<?xml")
    assert [verb.tag for verb in parsed(text)] == ["Connect", "Say", "Hangup"]
    assert parameters(text).get("caller", "") == carried
