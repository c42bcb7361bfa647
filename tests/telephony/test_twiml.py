"""The small documents, and the one way in which Twilio's voice is made to speak."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from callbridge.simulators.phone.say_voices import text_fault
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


def test_a_caller_who_waits_hears_a_word_in_each_round() -> None:
    after = "https://a.example/b?c=1&d=2#rc=5"
    said, waited = ("Say", {"voice": "woman"}, "One moment."), ("Pause", {"length": "3"}, None)
    document = twiml.hold(Words("One moment.", "woman"), rounds=2, pause_s=3, next_url=after)
    assert verbs(document) == [said, waited, said, waited, ("Redirect", {}, after)]
    assert [tag for tag, _, _ in verbs(twiml.hold(Words(""), rounds=1, pause_s=1, next_url="/b"))] == [
        *("Pause", "Redirect")
    ]


@pytest.mark.parametrize("text", ["", " \n", "\x00"])
def test_nothing_to_say_is_not_said(text: str) -> None:
    """An empty `<Say>` is an error of its own (13520)."""
    assert [tag for tag, _, _ in verbs(twiml.goodbye(Words(text, "woman", "de")))] == ["Hangup"]


@pytest.mark.parametrize("text", ["a" * 9000, "お電話を" * 1000, "é " * 3000, "😀" * 2000])
def test_of_a_long_text_as_much_is_said_as_twilio_reads(text: str) -> None:
    """One sign more, and the caller would hear none of it."""
    said = twiml.Words(text).spoken
    assert text_fault(said, "Polly.Joanna") is None
    assert text.startswith(said)
    assert len(said) >= 370
