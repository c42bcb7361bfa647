"""TwiML: what the documents say to a reader of XML that is not ours."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from callbridge.telephony import twiml

APOLOGY = "We are sorry."


def document(caller: str = "+14155550100", called: str = "+14155550199") -> str:
    return twiml.answer(
        stream_url="wss://example.com/media-stream",
        action_url="https://example.com/twilio/stream-ended",
        stream_status_url="https://example.com/twilio/stream-status",
        token="t0ken",
        caller=caller,
        called=called,
        apology=APOLOGY,
    )


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - parses only what we made ourselves


def parameters(text: str) -> dict[str | None, str | None]:
    return {element.get("name"): element.get("value") for element in parsed(text).iter("Parameter")}


def test_answer_connects_the_stream_and_keeps_a_last_resort() -> None:
    """The call goes to the media socket, and a spoken apology stands behind it."""
    root = parsed(document())
    assert root.tag == "Response"
    assert [verb.tag for verb in root] == ["Connect", "Say", "Hangup"]
    connect, say, _ = root
    assert connect.attrib == {"action": "https://example.com/twilio/stream-ended"}
    assert say.text == APOLOGY
    (stream,) = connect
    assert stream.attrib == {
        "url": "wss://example.com/media-stream",
        "statusCallback": "https://example.com/twilio/stream-status",
    }


def test_answer_passes_token_and_both_numbers() -> None:
    """The token and who calls whom travel as parameters, not in the URL."""
    assert parameters(document()) == {
        "token": "t0ken",
        "caller": "+14155550100",
        "called": "+14155550199",
    }


def test_empty_numbers_are_left_out() -> None:
    """A caller without a number gives no empty parameter."""
    assert parameters(document(caller="")) == {"token": "t0ken", "called": "+14155550199"}


def test_long_values_stay_under_500_characters() -> None:
    """Name and value together never reach the length that Twilio refuses."""
    value = parameters(document(caller="sip:" + "x" * 600))["caller"]
    assert value is not None
    assert len("caller" + value) == 499


@given(caller=st.text(), called=st.text())
def test_any_caller_gives_a_document_that_parses(caller: str, called: str) -> None:
    """No caller id, however odd, breaks the XML."""
    text = document(caller=caller, called=called)
    assert text.startswith("<?xml")
    assert [verb.tag for verb in parsed(text)] == ["Connect", "Say", "Hangup"]


def test_markup_in_a_caller_id_stays_text() -> None:
    """A caller id cannot add verbs of its own."""
    evil = '"/><Dial>+1900</Dial>'
    assert parameters(document(caller=evil))["caller"] == evil
    assert list(parsed(document(caller=evil)).iter("Dial")) == []


def test_hang_up_and_empty_and_apology() -> None:
    """The small documents have exactly the verbs that their names say."""
    assert [verb.tag for verb in parsed(twiml.hang_up())] == ["Hangup"]
    assert [verb.tag for verb in parsed(twiml.empty())] == []
    say, hangup = parsed(twiml.apology("Sorry & goodbye <now>"))
    assert (say.tag, say.text, hangup.tag) == ("Say", "Sorry & goodbye <now>", "Hangup")
