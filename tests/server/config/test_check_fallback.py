"""What `check` says of the fallback, and with which voice each text is read."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from callbridge.server.config import check_fallback, say
from callbridge.server.config.findings import Level
from callbridge.server.config.setting_problems import SettingsError
from callbridge.simulators.phone.say_voices import voice_fault
from desks import made_settings

TODAY = dt.date(2026, 11, 27)
GERMAN = {
    "CALLBRIDGE_LANGUAGE": "de",
    "CALLBRIDGE_APOLOGY": "Leider.",
    "CALLBRIDGE_GOODBYE": "Tschüss.",
    "CALLBRIDGE_VOICEMAIL_PROMPT": "Bitte sprechen.",
    "CALLBRIDGE_CALLER_LIMIT_MESSAGE": "Bitte rufen Sie später wieder an.",
    "CALLBRIDGE_ONE_MOMENT": "Einen Moment, bitte.",
}


def read(**given: str) -> list[tuple[str, str, str]]:
    """Text, voice and language of all that Twilio's voice reads."""
    settings = made_settings({f"CALLBRIDGE_{name}": value for name, value in given.items()})
    found = (say.words(settings, field) for field in ("voicemail_prompt", "apology"))
    return [(words.text[:3], words.voice, words.language) for words in found]


def test_a_text_is_read_in_its_own_language() -> None:
    """A usual text is read by a voice that speaks it, whatever voice reads what somebody has written."""
    assert read(LANGUAGE="de", APOLOGY="So!") == [
        ("Wir", "Polly.Vicki", "de-DE"),
        ("So!", "Polly.Vicki", "de-DE"),
    ]
    assert read(LANGUAGE="de", SAY_VOICE="Polly.Hans")[0] == ("Wir", "Polly.Hans", "")
    assert read(LANGUAGE="de", SAY_VOICE="Polly.Amy")[0] == ("Wir", "Polly.Vicki", "de-DE")
    assert read(LANGUAGE="it", APOLOGY="Già.") == [("We ", "", ""), ("Già", "Polly.Carla", "it-IT")]
    assert read(APOLOGY="So!", SAY_VOICE="Polly.Hans")[0] == ("We ", "", "")
    assert read(APOLOGY="So!", SAY_VOICE="Polly.Amy") == [("We ", "Polly.Amy", ""), ("So!", "Polly.Amy", "")]


@pytest.mark.parametrize(
    ("given", "voice", "language"),
    [
        ({}, "", ""),
        ({"LANGUAGE": "en"}, "", ""),
        ({"LANGUAGE": "fr"}, "Polly.Lea", "fr-FR"),
        ({"LANGUAGE": "eo"}, "", ""),
        ({"LANGUAGE": "de-AT"}, "Polly.Hannah-Neural", "de-AT"),
        ({"LANGUAGE": "de-LI"}, "Polly.Vicki", "de-DE"),
        ({"LANGUAGE": "en-GB"}, "", "en-GB"),
        ({"LANGUAGE": "fr", "SAY_LANGUAGE": "fr-CA"}, "Polly.Chantal", "fr-CA"),
        ({"LANGUAGE": "fr", "SAY_VOICE": "Google.fr-CA-Standard-A"}, "Google.fr-CA-Standard-A", ""),
        ({"SAY_LANGUAGE": "en-GB"}, "", "en-GB"),
        ({"SAY_LANGUAGE": "eu-ES"}, "", "eu-ES"),
    ],
)
def test_who_reads_what_somebody_has_written(given: dict[str, str], voice: str, language: str) -> None:
    assert read(APOLOGY="Own.", **given)[1] == ("Own", voice, language)


def test_every_usual_voice_speaks_its_language() -> None:
    """As the simulator of Twilio has it, which knows the lists by itself."""
    for callers, language in say.LANGUAGES.items():
        voice = say.usual_voice(language)
        assert voice, callers
        assert voice_fault(voice, language) is None


@pytest.mark.parametrize("language", ["sv-SE", "de-AT", "en-IE", "fr-BE", "pt-PT", "arb"])
def test_a_language_alone_gets_a_voice_that_speaks_it(language: str) -> None:
    assert voice_fault(say.usual_voice(language), language) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAY_VOICE", "Vicki"),
        ("SAY_VOICE", 'x" loop="0'),
        ("SAY_LANGUAGE", "German"),
        ("SAY_LANGUAGE", "de_DE"),
        ("FALLBACK_CALLER_ID", "0415"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"CALLBRIDGE_{name} must be"):
        made_settings({f"CALLBRIDGE_{name}": value})


def warned(environment: dict[str, str]) -> list[str]:
    settings = made_settings(environment)
    found = [
        *check_fallback.fallback(settings),
        *check_fallback.office(settings, TODAY),
        *check_fallback.spoken(settings),
    ]
    return [finding.what for finding in found if finding.level is Level.WARNING]


@pytest.mark.parametrize("environment", [{}, {"CALLBRIDGE_LANGUAGE": "en"}, GERMAN])
def test_nothing_is_said_of_what_callers_understand(environment: dict[str, str]) -> None:
    assert warned(environment) == []


@pytest.mark.parametrize(
    ("environment", "what"),
    [
        ({"CALLBRIDGE_SAY_VOICE": "Polly.Nobody"}, "not known"),
        ({"CALLBRIDGE_SAY_VOICE": "Polly.Vicki", "CALLBRIDGE_SAY_LANGUAGE": "de-AT"}, "does not speak de-AT"),
        ({"CALLBRIDGE_SAY_VOICE": "woman", "CALLBRIDGE_SAY_LANGUAGE": "sv-SE"}, "does not speak sv-SE"),
        ({"CALLBRIDGE_SAY_LANGUAGE": "eu-ES"}, "has no voice"),
        ({"CALLBRIDGE_LANGUAGE": "eo"}, "callers speak eo"),
        ({"CALLBRIDGE_SAY_VOICE": "Polly.Amy"}, "reads Polly.Amy"),
    ],
)
def test_a_voice_that_cannot_read_the_texts_is_warned_of(environment: dict[str, str], what: str) -> None:
    (first, *_) = warned(GERMAN | environment)
    assert what in first


def test_english_for_callers_who_speak_something_else_is_warned_of() -> None:
    """The texts of a language that is shipped are in it: then there is nothing to warn of."""
    assert warned({"CALLBRIDGE_LANGUAGE": "de", "CALLBRIDGE_GOODBYE": ""}) == []
    (warning,) = warned(GERMAN | {"CALLBRIDGE_LANGUAGE": "it", "CALLBRIDGE_GOODBYE": ""})
    assert warning == "CALLBRIDGE_GOODBYE: not set, so callers hear English"


def test_a_german_voice_without_a_language_is_told_which_setting_is_meant() -> None:
    settings = made_settings({"CALLBRIDGE_SAY_VOICE": "Polly.Hans"})
    (finding,) = check_fallback.spoken(settings)
    assert finding.remedy == "Set CALLBRIDGE_LANGUAGE=de, which brings all of them."


def test_a_human_who_is_a_number_of_the_account_is_warned_of() -> None:
    number = "+14155550123"
    both = {"CALLBRIDGE_FALLBACK_DIAL": number, "CALLBRIDGE_FALLBACK_CALLER_ID": number}
    (warning,) = warned(both)
    assert "comes back here" in warning
    assert warned(both | {"CALLBRIDGE_FALLBACK_CALLER_ID": "+14155550188"}) == []


@pytest.mark.parametrize(
    ("language", "what"),
    [
        ("ja", "callers speak Japanese, and so do the agent, the clip and all texts that are not set"),
        ("it", "callers speak Italian, and so does the agent; the clip is two tones"),
    ],
)
def test_what_the_language_of_a_line_has_brought_is_told(language: str, what: str) -> None:
    found = check_fallback.spoken(made_settings({"CALLBRIDGE_LANGUAGE": language}))
    assert any(finding.what.startswith(what) for finding in found if finding.level is Level.OK)


SALES = {"1": {"label": "sales", "dial": "+14155550123"}}
BERLIN = {"CALLBRIDGE_TIME_ZONE": "Europe/Berlin", "CALLBRIDGE_FALLBACK_DIAL": "+14155550123"}


def with_menu(**changes: str) -> dict[str, str]:
    return {"CALLBRIDGE_FALLBACK_MENU": json.dumps({"1": SALES["1"] | changes})}


@pytest.mark.parametrize(
    ("environment", "what"),
    [
        (with_menu(), ""),
        (with_menu() | {"CALLBRIDGE_FALLBACK_VOICEMAIL": "false"}, ""),
        (BERLIN | {"CALLBRIDGE_OFFICE_HOURS": "Mo-Fr 9-17, !12-25"}, ""),
        (
            BERLIN | {"CALLBRIDGE_OFFICE_HOURS": "Mo closed"},
            "CALLBRIDGE_OFFICE_HOURS, 'Mo closed', never open",
        ),
        (BERLIN | with_menu(hours="Mo closed"), "the hours of key 1, 'Mo closed', never open"),
        ({"CALLBRIDGE_OFFICE_HOURS": "Mo-Fr 9-17"}, "there are office hours, and the clock shows UTC"),
        (with_menu(hours="Mo-Fr 9-17"), "the clock shows UTC"),
        (
            with_menu() | {"CALLBRIDGE_FALLBACK_CALLER_ID": "+14155550123"},
            "key 1 of CALLBRIDGE_FALLBACK_MENU dials CALLBRIDGE_FALLBACK_CALLER_ID",
        ),
    ],
)
def test_hours_and_menus_that_lead_nobody_anywhere_are_warned_of(
    environment: dict[str, str], what: str
) -> None:
    found = warned(environment)
    assert len(found) == bool(what)
    assert all(what in text for text in found)


def test_what_callers_hear_first_is_told() -> None:
    settings = made_settings(BERLIN | with_menu() | {"CALLBRIDGE_OFFICE_HOURS": "Mo-Fr 9-17"})
    found = [*check_fallback.fallback(settings), *check_fallback.office(settings, TODAY)]
    told = " | ".join(finding.what for finding in found)
    assert "hears a menu first: 1 for sales" in told
    assert (
        "by SIP or from an app, is not offered its humans: that takes CALLBRIDGE_FALLBACK_CALLER_ID" in told
    )
    assert "a human is rung Mo-Fr 9-17, by the clock of Europe/Berlin" in told


def test_a_word_for_hours_that_are_in_no_language_of_the_callers_is_warned_of() -> None:
    hours = {"CALLBRIDGE_OFFICE_HOURS": "Mo-Fr 9-17", "CALLBRIDGE_TIME_ZONE": "Europe/Rome"}
    (found,) = warned(GERMAN | hours | {"CALLBRIDGE_LANGUAGE": "it"})
    assert found == "CALLBRIDGE_CLOSED_MESSAGE: not set, so callers hear English"
