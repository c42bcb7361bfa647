"""The texts of each language: all there, in it, polite; and what holds where one is not shipped."""

from __future__ import annotations

import re
from array import array
from dataclasses import asdict
from importlib.resources import files

import pytest

from callbridge.agents.languages.codes import checked_language
from callbridge.agents.languages.texts import SHIPPED, clip_of, language_texts
from callbridge.wire.audio import milliseconds

ENGLISH = language_texts("en")
SPOKEN = (
    *("greeting", "voicemail_prompt", "apology", "goodbye", "caller_limit_message", "one_moment"),
    *("take_the_call", "caller_has_gone", "connecting", "a_caller_waits"),
    *("closed_message", "menu_intro", "menu_goodbye"),
)
"""What callers hear, and people who are rung for them."""

OF_THE_LANGUAGE = {
    "en": (r"\b(the|call|please|moment)\b", r"xx"),
    "de": (r"\b(Sie|bitte|Auf Wiederhören)\b", r"\b([Dd]u|[Dd]ir|[Dd]ein\w*)\b"),
    "es": (r"\b(su|le|por favor|gracias|llamada)\b", r"\b(tú|tu|te|inténtalo|deja)\b"),
    "fr": (r"\b(vous|veuillez|votre|merci)\b", r"\b(tu|toi|ton|ta)\b"),
    "ja": (r"(です|ます|ません|ください|でしょう)", r"(だよ|だね|してね)"),
}
"""What each text of a language has some of, and what would be rude towards a caller."""


def test_every_language_that_has_a_file_is_named() -> None:
    names = {file.name.removesuffix(".toml") for file in files("callbridge.agents.languages").iterdir()}
    assert {name for name in names if len(name) == 2} == set(SHIPPED) == set(OF_THE_LANGUAGE)
    assert [checked_language(language) for language in SHIPPED] == list(SHIPPED)


@pytest.mark.parametrize("language", SHIPPED)
def test_the_texts_of_a_language_are_in_it_and_polite(language: str) -> None:
    texts = asdict(language_texts(language))
    polite, rude = (re.compile(pattern, re.IGNORECASE) for pattern in OF_THE_LANGUAGE[language])
    heard = {name: texts[name] for name in SPOKEN}
    unmarked = ["greeting"] if language == "en" else []
    assert [name for name, text in heard.items() if rude.search(text)] == []
    assert [name for name, text in heard.items() if not polite.search(text)] == unmarked
    assert all(text.strip() == text and text[-1] in ".?。" for text in heard.values())
    if language != "en":
        assert not {*texts.values()} & {*asdict(ENGLISH).values()}
    assert texts["written_in"] == language


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "Speak English with the caller. Change"),
        ("de", "Speak German with the caller. Address the caller with Sie. Change"),
        ("fr", "with vous"),
        ("es", "with usted"),
        ("ja", "敬語"),
        ("de-AT", "Speak German (de-AT) with the caller. Address the caller with Sie."),
        ("it", "Speak Italian with the caller. Change"),
    ],
)
def test_the_model_is_told_what_to_speak_and_how_politely(language: str, told: str) -> None:
    assert told in language_texts(language).speak


def test_a_country_has_the_texts_of_its_language() -> None:
    german = language_texts("de")
    assert asdict(language_texts("de-AT")) | {"speak": ""} == asdict(german) | {"speak": ""}


def test_a_language_that_is_not_shipped_leaves_the_greeting_to_the_model() -> None:
    """An English greeting, said exactly, would be wrong; Twilio's voice can only say what is written."""
    italian = language_texts("it")
    assert (italian.written_in, italian.greeting) == ("en", "")
    assert (italian.apology, italian.agent_instructions) == (ENGLISH.apology, ENGLISH.agent_instructions)


def test_a_language_that_is_detected_is_not_spoken_of() -> None:
    detected = language_texts(None)
    assert detected.speak == ""
    assert (detected.greeting, detected.apology) == (ENGLISH.greeting, ENGLISH.apology)


def loudness(clip: bytes) -> float:
    """The mean of what µ-law says of each sample's size, 0 to 127; a step of 16 is 6 dB."""
    return sum(127 - (byte & 0x7F) for byte in array("B", clip)) / len(clip)


def test_each_clip_is_of_its_language_and_as_loud_as_the_others() -> None:
    clips = {language: clip_of(language) for language in (*SHIPPED, "it")}
    assert len(set(clips.values())) == len(clips)
    for clip in clips.values():
        assert 1_000 <= milliseconds(len(clip)) <= 2_000
        assert loudness(clip) == pytest.approx(loudness(clips["en"]), abs=16)
    assert (clip_of("de-AT"), clip_of(None)) == (clips["de"], clips["en"])
