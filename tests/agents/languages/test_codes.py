"""Which languages can be named, and what is said of the others."""

from __future__ import annotations

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.fault import AgentFault
from callbridge.agents.languages.codes import LanguageFault, checked_language, name_of


@pytest.mark.parametrize("code", ["en", "ja", "pt-BR", "cy", "de-LI"])
def test_a_language_is_itself(code: str) -> None:
    assert checked_language(code) == code
    assert Agent(language=code).language == code


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("jp", "Perhaps ja is meant"),
        ("cz-CZ", "Perhaps cs is meant"),
        ("xx", "ISO-639-1"),
        ("german", "two small letters"),
        ("de_DE", "such as de-AT"),
        ("", "two small letters"),
    ],
)
def test_what_is_no_language_is_refused_with_what_to_write(code: str, what: str) -> None:
    with pytest.raises(LanguageFault, match=what):
        checked_language(code)
    if code:
        with pytest.raises(AgentFault, match=f"language='{code}' must be .*{what}"):
            Agent(language=code)


def test_the_model_is_told_a_name_that_people_use() -> None:
    assert [name_of(code) for code in ("el", "nb", "pt-BR")] == ["Greek", "Norwegian", "Portuguese (pt-BR)"]
