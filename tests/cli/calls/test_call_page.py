"""A call on a screen, character by character. Screens that are to change: run this file with `--write`."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from callbridge.cli.calls.call_page import show_call
from callbridge.records.story import CallStory, Span, Turn
from stories import RICH

SCREENS = Path(__file__).with_name("screens")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the machine is."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def shown(story: CallStory, width: int, *, encoding: str = "utf-8") -> str:
    """What a file of this encoding gets, as text; spaces at the ends of lines are left out."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    show_call(Console(file=file, width=width), story)
    return "".join(f"{line.rstrip()}\n" for line in raw.getvalue().decode(encoding).splitlines())


@pytest.mark.parametrize("width", [80, 120])
def test_a_rich_call_is_shown(width: int) -> None:
    """Without colours, because it goes into a file; what a terminal would obey is written out."""
    assert shown(RICH, width) == (SCREENS / f"call_{width}.txt").read_text(encoding="utf-8")


def test_a_call_of_which_nothing_is_known_yet_is_shown() -> None:
    live = CallStory("CA1", "live", 1_795_000_000.0)
    assert shown(live, 80).splitlines()[0] == "CA1  live"
    assert "no agent · 0 turns · $0.0000" in shown(live, 80)


def test_a_caller_whose_words_are_not_kept_has_spoken_for_a_while() -> None:
    wordless = msgspec.structs.replace(RICH, turns=(Turn(1, 0, "", (Span(0, 1700),)),))
    assert "caller  spoke for 1.7 s" in shown(wordless, 80)


def test_an_analysis_of_another_version_is_shown_as_it_is() -> None:
    other = msgspec.structs.replace(RICH, analysis='{"mood":"fine"}')
    assert 'analysis  {"mood":"fine"}' in shown(other, 80)


def test_a_wide_terminal_shows_no_wider_lines_and_one_without_blocks_letters() -> None:
    assert max(map(len, shown(RICH, 300).splitlines())) <= 120
    plain = msgspec.structs.replace(RICH, turns=RICH.turns[:1], happenings=(), captured={}, analysis="")
    bars = [line for line in shown(plain, 80, encoding="cp1252").splitlines() if line.startswith("agent  ")]
    assert set(bars[0].removeprefix("agent").strip()) <= set("_.:+#")


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    import os

    os.environ["TZ"] = "UTC"
    time.tzset()
    for width in (80, 120):
        (SCREENS / f"call_{width}.txt").write_text(shown(RICH, width), encoding="utf-8")
