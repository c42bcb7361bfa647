"""Words that an agent may not say, as they are found in what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.agents.guardrails.phrases import Phrases
from callbridge.agents.guardrails.watching import Spoken, Watch

PIECES = st.lists(st.text("ab -'$ßé値1.\u00ad\u2019\u2011", max_size=3), max_size=8)
PHRASES = st.lists(st.sampled_from(["a", "ab", "b a", "1", "ss", "$", "a$", "値", "é*", "ab*"]), min_size=1)
WORDS = st.lists(st.text("ab1é", min_size=1, max_size=3), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("phrase", "text", "is_in"),
    [
        ("refund", "You get a REFUND.", True),
        ("refund", "We give no refunds", False),
        ("refund*", "We give no refunds", True),
        ("refund*", "refund", True),
        ("refund*", "It is prerefunded", False),
        ("refund", "prerefund, and a refund", True),
        ("refund", "It is non-refundable, but there is a refund-desk", True),
        ("ass", "I am an assistant", False),
        ("Mill Lane", "the bakery in mill\u2010lane", True),
        ("Mill Lane", "of Mill Lane\u2019s bakery", True),
        ("Mill Lane", "down Mill Lanes", False),
        ("Mill  Lane", "in Mill\nLane", True),
        ("Mill La*", "in Mill Lane", True),
        ("argent", "de l\u2019argent", True),
        ("don't", "I don\u2019t", True),
        ("don't", "I don\u00b4t", True),
        ("refund", "re\u00adfund", True),
        ("$", "US$9", True),
        ("20", "It costs 120", False),
        ("20", "It costs 200", False),
        ("20", "20, no more", True),
        ("Straße", "in der HAUPT-STRASSE", True),
        ("iade", "\u0130ade yok", True),
        ("\u0437\u0430\u043c\u043e\u043a", "\u0437\u0430\u0301\u043c\u043e\u043a", True),
        ("\u0437\u0430", "\u0437\u0430\u0301\u043c\u043e\u043a", False),
        ("\u5024\u6bb5", "\u3053\u306e\u5024\u6bb5\u306f", True),
        ("PDF", "\u3053\u306ePDF\u306f", True),
        ("\u0e23\u0e32\u0e04\u0e32", "\u0e1a\u0e2d\u0e01\u0e23\u0e32\u0e04\u0e32\u0e44\u0e14\u0e49", True),
        ("\ud658\ubd88", "\ud658\ubd88\uc740 \uc548 \ub429\ub2c8\ub2e4", True),
    ],
)
def test_a_phrase_counts_as_whole_words(phrase: str, text: str, *, is_in: bool) -> None:
    """How it is written makes no difference. Where words are not set apart, it counts anywhere."""
    assert Phrases(["nothing of the kind", phrase]).are_in(text) is is_in


@pytest.mark.parametrize(
    ("text", "hangs"),
    [
        ("I am an ass", True),
        ("I am an ass\u00ad", True),
        ("I am an ass.", False),
        ("I am an assistant", False),
        ("an ass, an ass", False),
        ("It costs $", False),
        ("no refund", False),
        ("\u3053\u306e\u5024\u6bb5", False),
    ],
)
def test_a_phrase_at_the_very_end_may_become_another_word(text: str, *, hangs: bool) -> None:
    """But not where one stands before it, nor one that is found whatever follows."""
    assert Phrases(["ass", "$", "refund*", "\u5024\u6bb5"]).hang_on_more(text) is hangs


@given(WORDS, WORDS, st.sampled_from([" ", "-", "'", ", "]), st.sampled_from(["", "*"]))
def test_words_are_compared_one_by_one(phrase: list[str], text: list[str], gap: str, star: str) -> None:
    *heads, last = phrase[:2]
    lasts = enumerate(text[len(heads) :])
    expected = any(
        text[at : at + len(heads)] == heads and (word.startswith(last) if star else word == last)
        for at, word in lasts
    )
    assert Phrases([gap.join([*heads, last]) + star]).are_in(gap.join(text)) is expected


@given(PHRASES, PIECES)
def test_in_whatever_pieces_a_text_comes_it_is_judged_as_a_whole(
    written: list[str], pieces: list[str]
) -> None:
    """Nobody is stopped for the beginning of another word, and nothing that was said is missed."""
    phrases, said = Phrases(written), Spoken()
    watch, found = Watch(1, phrases.hang_on_more), []
    for piece in pieces:
        said.adds("one", piece)
        found += [phrases.are_in(due[1])] if (due := watch.next(said)) else []
    said.are_over()
    found += [phrases.are_in(due[1])] if (due := watch.next(said)) else []
    assert any(found) is phrases.are_in("".join(pieces))


@pytest.mark.parametrize("phrase", ["", " - ", "\u00ad", "*", " *"])
def test_what_says_nothing_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="says nothing"):
        Phrases([phrase])


@pytest.mark.parametrize("phrase", ["*fund", "re*fund", "refund *", "refund**"])
def test_a_star_stands_at_the_end_alone(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"at the end, .*: refund\*"):
        Phrases([phrase])
