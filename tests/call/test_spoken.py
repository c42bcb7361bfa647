"""How much of a text was spoken: cut between words where there are spaces, between characters elsewhere."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.call.spoken import heard_part, part_with_time

CHINESE = "我们从九点开到六点。"
THAI = "เราเปิดตั้งแต่เก้าโมง"
FAMILY = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"


@pytest.mark.parametrize(
    ("words", "heard_percent", "heard"),
    [
        ("one two three four", 90, "one two three …"),
        ("one two", 43, "one …"),  # To the very end of the word.
        ("one two", 42, ""),
        ("안녕하세요 여섯 시까지 엽니다", 52, "안녕하세요 여섯 …"),  # Korean has spaces.
        (CHINESE, 50, "我们从九点…"),
        (CHINESE, 59, "我们从九点…"),
        (CHINESE, 9, ""),
        ("私たちはラーメンを売る", 60, "私たちはラー…"),
        (THAI, 10, ""),  # Two of its three characters: a vowel before and one behind the consonant.
        (THAI, 24, "เรา…"),
        (THAI, 30, "เราเปิ…"),
        (THAI, 40, "เราเปิด…"),  # A vowel and a tone stand above the next consonant.
        ("កម្ពុជា", 70, "ក…"),  # A consonant that stands below another is a part of it.
        ("កម្ពុជា", 75, "កម្ពុ…"),
        ("我有iPhone手机", 55, "我有…"),  # A word of another script is left whole.
        ("我有iPhone手机", 90, "我有iPhone手…"),
        (f"好{FAMILY}吗", 70, "好…"),
        (f"好{FAMILY}吗", 80, f"好{FAMILY} …"),
    ],
)
def test_a_text_is_cut_where_it_was_heard(words: str, heard_percent: int, heard: str) -> None:
    assert heard_part(words, heard_percent, 100) == heard


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("We are open from nine to twelve.", "We are open …"),  # 15 characters a second.
        ("九点开到六点", "九点开到六…"),  # 5
        (THAI, "เราเปิดตั้ง…"),  # 12
        ("여섯 시까지 엽니다", "여섯 시까지 …"),  # 7
        ("Short.", "Short."),
    ],
)
def test_unfinished_audio_had_time_for_so_much(words: str, said: str) -> None:
    """One second of it. A Chinese character takes longer than a Latin letter."""
    assert part_with_time(words, 1000) == said


SCRIPTS = "ab é가한我们かナเแาำัิ้กកខ្ជា。\N{GIRL}\N{ZERO WIDTH JOINER}"


@given(st.text(SCRIPTS, max_size=20).map(str.strip), st.integers(0, 100))
def test_whatever_is_heard_is_a_beginning_of_what_was_said(words: str, heard_percent: int) -> None:
    """More is never less, and no mark stands at the beginning of what was not heard."""
    heard = heard_part(words, heard_percent, 100)
    if heard == words:
        return
    part = heard.removesuffix("…").rstrip()
    assert words.startswith(part)
    assert not part or not unicodedata.category(words[len(part)]).startswith("M")
    more = heard_part(words, heard_percent + 1, 100).removesuffix("…").rstrip()
    assert more.startswith(part)
