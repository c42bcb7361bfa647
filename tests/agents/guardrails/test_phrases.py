"""Words that an agent may not say, as they are found in what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.agents.guardrails.phrases import Phrases

SCRAPS = st.text("ab -'$ßé値1.\u00ad\u2019\u2011", max_size=12)


@pytest.mark.parametrize(
    ("phrase", "text", "is_in"),
    [
        ("refund", "You get a REFUND.", True),
        ("refund", "We give no refunds", True),
        ("refund", "It is prerefunded", False),
        ("refund", "prerefund, and a refund", True),
        ("Mill Lane", "the bakery in mill\u2010lane", True),
        ("Mill  Lane", "in Mill\nLane", True),
        ("don't", "I don\u2019t", True),
        ("refund", "re\u00adfund", True),
        ("$", "US$9", True),
        ("20", "It costs 120", False),
        ("20", "It costs 200", True),
        ("Straße", "in der HAUPT-STRASSE", True),
        ("\u5024\u6bb5", "\u3053\u306e\u5024\u6bb5\u306f", True),
    ],
)
def test_a_phrase_counts_from_the_beginning_of_a_word(phrase: str, text: str, *, is_in: bool) -> None:
    """How it is written makes no difference. Where words are not set apart, it counts anywhere."""
    assert Phrases(["nothing of the kind", phrase]).are_in(text) is is_in


@given(SCRAPS.filter(lambda phrase: phrase.strip(" -\u00ad\u2011") != ""), SCRAPS, SCRAPS)
def test_what_was_found_is_found_whatever_follows(phrase: str, before: str, after: str) -> None:
    """The text comes in pieces: nobody is stopped for the beginning of a word that is another one."""
    phrases = Phrases([phrase])
    assert phrases.are_in(f"{before} {phrase}")
    if phrases.are_in(before):
        assert phrases.are_in(before + after)


@pytest.mark.parametrize("phrase", ["", " - ", "\u00ad"])
def test_what_says_nothing_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="says nothing"):
        Phrases([phrase])
