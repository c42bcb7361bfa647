"""The small documents, and the one way in which Twilio's voice is made to speak."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from callbridge.telephony import twiml
from callbridge.telephony.twiml import Words


def verbs(text: str) -> list[tuple[str, dict[str, str], str | None]]:
    root = ET.fromstring(text)  # noqa: S314 - parses only what we made ourselves
    return [(verb.tag, verb.attrib, verb.text) for verb in root]


def test_hang_up_empty_and_goodbye() -> None:
    assert verbs(twiml.hang_up()) == [("Hangup", {}, None)]
    assert verbs(twiml.empty()) == []
    say, hangup = verbs(twiml.goodbye(Words("Sorry & goodbye <now>")))
    assert say == ("Say", {}, "Sorry & goodbye <now>")
    assert hangup[0] == "Hangup"


def test_words_are_said_in_their_voice_and_language() -> None:
    (say, _) = verbs(twiml.goodbye(Words("Auf Wiedersehen", "Polly.Vicki", "de-DE")))
    assert say == ("Say", {"voice": "Polly.Vicki", "language": "de-DE"}, "Auf Wiedersehen")


@pytest.mark.parametrize("text", ["", " \n", "\x00"])
def test_nothing_to_say_is_not_said(text: str) -> None:
    """An empty `<Say>` is an error of its own (13520)."""
    assert [tag for tag, _, _ in verbs(twiml.goodbye(Words(text, "woman", "de")))] == ["Hangup"]
