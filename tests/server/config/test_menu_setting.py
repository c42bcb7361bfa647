"""The settings of office hours and of the fallback's menu: what is read, what refused, how it sounds."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from callbridge.agents.languages.texts import SHIPPED
from callbridge.server.config import say
from callbridge.server.config.setting_problems import SettingsError
from callbridge.simulators.phone.say_voices import voice_fault
from callbridge.switchboard.fallback_menu import MenuEntry
from callbridge.telephony import menu
from callbridge.telephony.menu import MenuPlan
from desks import made_settings

HUMAN = "+493012345678"
MENU: dict[str, dict[str, Any]] = {
    "1": {"label": "sales", "dial": HUMAN},
    "2": {"label": "a message", "voicemail": True},
    "3": {"label": " our  opening hours", "say": "We open at nine.", "hours": "Mo-Fr 9-17"},
    "0": {"prompt": "Press 0 for {the} rest.", "say": "There is none."},
}


def read(given: object) -> Any:
    text = given if isinstance(given, str) else json.dumps(given)
    return made_settings({"CALLBRIDGE_FALLBACK_MENU": text}).fallback_menu


def test_a_menu_is_read_in_its_order() -> None:
    sales, message, opening, rest = read(MENU)
    assert sales == MenuEntry("1", "sales", dial=HUMAN)
    assert message == MenuEntry("2", "a message", voicemail=True)
    assert (opening.label, opening.say, str(opening.hours)) == (
        "our opening hours",
        "We open at nine.",
        "Mo-Fr 9-17",
    )
    assert rest.prompt == "Press 0 for {the} rest."
    assert read("") is None


def entry(**changes: object) -> dict[str, object]:
    return {"1": {"label": "sales", "dial": HUMAN} | changes}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("sales=1", "is not JSON (Expecting value, character 1)"),
        ("[1]", "must be an object of keys"),
        ("{}", "must be an object of keys"),
        ("[" * 10_000, "CALLBRIDGE_FALLBACK_MENU "),
        ({str(key): MENU["2"] for key in range(6)}, "has 6 keys"),
        ('{"1": {"label": "a", "say": "b"}, "1": {"label": "a", "say": "b"}}', "has '1' twice"),
        ({"#": MENU["2"]}, "has key '#'. A key is one digit"),
        ({"12": MENU["2"]}, "has key '12'"),
        ({"1": "sales"}, "at key 1 is no object"),
        (entry(number=HUMAN), "at key 1 has 'number', which it cannot have. It may have label, prompt, dial"),
        (entry(say="Hello."), "at key 1 leads to dial and say. Set exactly one of dial, voicemail, say"),
        ({"4": {"label": "nothing"}}, "at key 4 leads nowhere"),
        ({"1": {"dial": HUMAN}}, "at key 1 has no label"),
        (entry(label=" "), "at key 1 has no usable label"),
        (entry(label="x" * 81), "at key 1 has no usable label"),
        (entry(label="bell\a"), "at key 1 has no usable label"),
        (entry(dial="030 12345"), "at key 1 dials no telephone number"),
        (entry(dial=493012345678), "at key 1 dials no telephone number"),
        ({"2": {"label": "a", "voicemail": "true"}}, "at key 2 has a voicemail that is not true"),
        (entry(hours="Mo 25-26"), "at key 1 has hours that cannot be read. '25-26' has no such time"),
        (entry(hours=9), "at key 1 has hours that cannot be read"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(given: object, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(given)
    (problem,) = caught.value.problems
    assert words in str(problem)
    assert str(problem).startswith("CALLBRIDGE_FALLBACK_MENU ")
    assert problem.remedy


def test_office_hours_that_cannot_be_read_are_refused() -> None:
    assert made_settings({"CALLBRIDGE_OFFICE_HOURS": "Mo-Fr 9-17"}).office_hours is not None
    with pytest.raises(SettingsError, match="CALLBRIDGE_OFFICE_HOURS cannot be read: '25-26' has no such"):
        made_settings({"CALLBRIDGE_OFFICE_HOURS": "Mo 25-26"})


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("", "Please choose. For sales, press 1. For a message, press 2."),
        ("de", "Bitte wählen Sie. Für sales drücken Sie die 1."),
        ("es", "Por favor, elija una opción. Para sales, pulse 1."),
        ("fr", "Veuillez faire votre choix. Pour sales, tapez 1."),
        ("ja", "番号をお選びください。 salesは、1を押してください。"),
        ("it", "For sales, press 1."),
    ],
)
def test_a_menu_is_spoken_in_the_callers_language(language: str, words: str) -> None:
    """By a voice that speaks it. Where no words are shipped, the labels decide who reads."""
    settings = made_settings({"CALLBRIDGE_LANGUAGE": language, "CALLBRIDGE_FALLBACK_MENU": json.dumps(MENU)})
    spoken = say.menu(settings, settings.fallback_menu or ())
    assert spoken.text.startswith(words)
    assert "Press 0 for {the} rest." in spoken.text
    assert voice_fault(spoken.voice or None, spoken.language or None) is None
    assert (spoken.voice, spoken.language) == say.reader(settings)
    own = say.own(settings, "We open at nine.")
    assert (own.voice, own.language) == say.reader(settings)
    document = menu.said([own], MenuPlan(spoken, "https://example.com/menu"))
    assert [verb.tag for verb in ET.fromstring(document)] == ["Say", "Gather", "Hangup"]  # noqa: S314 - our own


def test_every_language_ends_a_menu_in_its_own_words() -> None:
    said = {say.menu_goodbye(made_settings({"CALLBRIDGE_LANGUAGE": language})).text for language in SHIPPED}
    assert len(said) == len(SHIPPED)
