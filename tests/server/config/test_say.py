"""On a line of each language a phone as strict as Twilio reads every text, in a voice that speaks it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Final

import pytest

from callbridge.agents.languages.texts import SHIPPED, language_texts
from callbridge.server.config import say
from callbridge.server.config.fallback import fallback_plan
from callbridge.simulators.phone import program as pg
from callbridge.simulators.phone.line_settings import LineSettings
from callbridge.simulators.phone.twiml import WebAnswer
from callbridge.telephony import ladder, twiml
from desks import made_settings

NUMBERS = ("+14155550100", "+14155550199")
LINES = {
    **{language: language for language in SHIPPED},
    "de-AT": "de",
    "de-LI": "de",
    "es-MX": "es",
    "fr-CA": "fr",
    "en-GB": "en",
    "it": "en",
    "eo": "en",
    "": "en",
}
"""What is set, and the language of the texts."""

VOICES: Final[tuple[dict[str, str], ...]] = (
    {},
    {"CALLBRIDGE_SAY_VOICE": "Polly.Amy"},
    {"CALLBRIDGE_SAY_VOICE": "woman"},
    {"CALLBRIDGE_SAY_VOICE": "Polly.Hans", "CALLBRIDGE_SAY_LANGUAGE": "en-US"},
)
"""Whatever is set besides: the last says nothing at all when it is asked to read."""


def heard(document: str) -> list[str]:
    """The words that a phone says, which must have nothing to complain about."""
    program = pg.Program("https://example.com/voice", "POST", NUMBERS, LineSettings(recording_s=12))
    step: pg.Step = program.begin()
    while not isinstance(step, pg.End):
        match step:
            case pg.Fetch():
                is_first = step.url.endswith("/voice")
                body = document if is_first else twiml.hang_up()
                step = program.answered(WebAnswer(step.url, 200, twiml.MEDIA_TYPE, body.encode()))
            case pg.Spend():
                step = program.spent()
            case pg.OpenStream():
                raise AssertionError("no stream was asked for")
    assert program.complaints == []
    return [done.detail for done in program.executed if done.verb == "Say"]


@pytest.mark.parametrize("besides", VOICES, ids=str)
@pytest.mark.parametrize(("language", "written_in"), LINES.items())
def test_every_text_of_a_line_is_read_by_a_voice_that_speaks_it(
    language: str, written_in: str, besides: dict[str, str]
) -> None:
    settings = made_settings({"CALLBRIDGE_LANGUAGE": language, "CALLBRIDGE_APOLOGY": "", **besides})
    plan, texts = fallback_plan(settings), language_texts(language)
    documents = {
        ladder.first_step(plan): texts.voicemail_prompt,
        ladder.after_voicemail(plan, "0"): texts.apology,
        twiml.goodbye(say.words(settings, "goodbye")): texts.goodbye,
        twiml.goodbye(say.words(settings, "caller_limit_message")): texts.caller_limit_message,
        twiml.hold(
            say.words(settings, "one_moment"), rounds=1, pause_s=1, next_url="https://example.com/next"
        ): texts.one_moment,
    }
    for document, words in documents.items():
        assert heard(document)[0] == words
        for said in ET.fromstring(document).iter("Say"):  # noqa: S314 - our own
            assert written_in in spoken_by(said.get("voice", ""), said.get("language", ""))


@pytest.mark.parametrize(
    ("set_for", "callers", "is_read"),
    [("de", "de-AT", True), ("de", "ja", False), ("de", "it", False), ("", "ja", True), ("de", None, True)],
)
def test_a_text_of_another_language_is_not_read_to_an_agents_callers(
    set_for: str, callers: str | None, *, is_read: bool
) -> None:
    """In the voice of their language nobody would understand it."""
    settings = made_settings({"CALLBRIDGE_LANGUAGE": set_for, "CALLBRIDGE_GOODBYE": "Tschüss."})
    said = say.words(settings, "goodbye", callers)
    assert said.text == ("Tschüss." if is_read else language_texts(callers).goodbye)


def spoken_by(voice: str, language: str) -> set[str]:
    """What is read: the language that is asked for, else whatever the voice speaks. Twilio's own: English."""
    if language:
        return {language.partition("-")[0]}
    if voice in {"", "woman"}:
        return {"en"}
    return {spoken.partition("-")[0] for spoken in say.languages_of(voice) or ()}
