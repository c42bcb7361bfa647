"""What a guardrail looks at, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.agents.guardrails.watching import ITEMS_MAX, TEXT_MAX, Spoken, Watch, is_begun_of


def at_once(_text: str) -> bool:
    """Nothing is waited for."""
    return False


def spoken(**words: str) -> Spoken:
    """What was said, by item."""
    said = Spoken()
    for item_id, text in words.items():
        said.adds(item_id, text)
    return said


def test_text_is_looked_at_every_so_many_characters() -> None:
    said, watch = spoken(one="1234"), Watch(5, at_once)
    assert watch.next(said) is None
    said.adds("one", "56")
    assert watch.next(said) == ("one", "123456")
    assert watch.next(said) is None, "once"
    said.adds("one", "7890")
    assert watch.next(said) is None
    said.adds("one", "1")
    assert watch.next(said) == ("one", "12345678901")


def test_the_end_of_an_item_is_looked_at_in_any_case() -> None:
    said, watch = spoken(one="12"), Watch(5, at_once)
    said.are_over()
    assert watch.next(said) == ("one", "12")
    assert watch.next(said) is None


def test_a_look_that_hangs_on_what_follows_waits_for_that() -> None:
    said, watch = spoken(one="12345", two="1234-"), Watch(5, lambda text: text.endswith("-"))
    assert [watch.next(said), watch.next(said)] == [("one", "12345"), None]
    said.adds("two", "-")
    assert watch.next(said) is None
    said.adds("two", "5")
    assert watch.next(said) == ("two", "1234--5")
    said.adds("two", "6789-")
    assert watch.next(said) is None
    said.are_over()
    assert watch.next(said) == ("two", "1234--56789-")


def test_one_look_at_a_time_and_the_newest_text_is_next() -> None:
    said, watch = spoken(one="12345"), Watch(5, at_once)
    watch.is_looking = True
    said.adds("one", "67890")
    said.adds("one", "12345")
    assert watch.next(said) is None
    watch.is_looking, watch.is_held = False, True
    assert watch.next(said) is None, "its thread hangs"
    watch.is_held = False
    assert watch.next(said) == ("one", "123456789012345")


def test_the_newest_item_comes_first_and_a_stopped_one_never() -> None:
    said, watch = spoken(one="12345", two="12345", three="12345"), Watch(5, at_once)
    assert said.stops("three")
    assert not said.stops("three"), "it was stopped before"
    assert [watch.next(said), watch.next(said), watch.next(said)] == [
        ("two", "12345"),
        ("one", "12345"),
        None,
    ]


def test_an_item_may_be_stopped_before_its_words_are_known() -> None:
    said = Spoken()
    assert said.stops("one")
    said.adds("one", "12345")
    assert Watch(5, at_once).next(said) is None


@given(pieces=st.lists(st.tuples(st.sampled_from("abcdefghijklm"), st.text(max_size=3000)), max_size=30))
def test_what_is_kept_has_a_bound_and_each_character_is_looked_at(pieces: list[tuple[str, str]]) -> None:
    """As long as no more than the text's bound comes between two looks."""
    said, watch, seen = Spoken(), Watch(1, at_once), ""
    for item_id, words in pieces:
        said.adds(item_id, words)
        if words:
            found = watch.next(said)
            assert found is not None
            assert found[0] == item_id
            assert found[1].endswith(words)
            seen += words
        assert len(said.items) <= ITEMS_MAX
        assert sum(len(item.text) for item in said.items.values()) <= ITEMS_MAX * TEXT_MAX
    assert watch.next(said) is None


@pytest.mark.parametrize(
    ("text", "is_begun"),
    [
        ("I may", True),
        ("I may not tell - you PRICES", True),
        ("I may not tell you prices. But", False),
        ("It is ninety", False),
    ],
)
def test_a_sentence_that_was_to_be_said_is_known_from_its_beginning(text: str, is_begun: bool) -> None:
    assert is_begun_of(text, "I may not tell you prices.") is is_begun
