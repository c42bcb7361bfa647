"""A caller's script in a TOML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.audio import SpeechError
from callbridge.simulators.phone import plan
from callbridge.simulators.phone.caller import (
    HangUp,
    Interrupt,
    InterruptAt,
    Pause,
    Press,
    Say,
    Vanish,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.phone.plan import PlanError, load_plan, speech_of

if TYPE_CHECKING:
    from pathlib import Path

SPEECH = b"\x10" * 800

EVERYTHING = """
[[steps]]
do = "wait_for_agent"
quiet_ms = 300
[[steps]]
do = "say"
file = "a.ulaw"
[[steps]]
do = "interrupt"
after_ms = 1500
file = "a.ulaw"
[[steps]]
do = "interrupt_at"
at_s = 7.5
file = "a.ulaw"
[[steps]]
do = "pause"
ms = 250
[[steps]]
do = "press"
keys = "12#"
[[steps]]
do = "wait_for_end"
[[steps]]
do = "vanish"
[[steps]]
do = "hang_up"
"""


def written(folder: Path, text: str) -> Path:
    (folder / "a.ulaw").write_bytes(SPEECH)
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_every_kind_of_step(tmp_path: Path) -> None:
    assert load_plan(written(tmp_path, EVERYTHING)) == [
        WaitForAgent(quiet_ms=300),
        Say(SPEECH),
        Interrupt(1500, SPEECH),
        InterruptAt(7.5, SPEECH),
        Pause(250),
        Press("12#"),
        WaitForEnd(),
        Vanish(),
        HangUp(),
    ]


def test_text_is_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "speak", lambda text: text.encode())
    path = written(tmp_path, '[[steps]]\ndo = "say"\ntext = "Hello"')
    assert load_plan(path) == [Say(b"Hello")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("steps = [", "plan.toml"),
        ("", "missing required field `steps`"),
        ('[[steps]]\ndo = "sing"', "Invalid value 'sing'"),
        ('[[steps]]\ndo = "pause"', "missing required field `ms`"),
        ('[[steps]]\ndo = "pause"\nms = "long"', "Expected `float`"),
        ('[[steps]]\ndo = "hang_up"\nnow = true', "unknown field `now`"),
        ('[[steps]]\ndo = "say"', "either `file` or `text`"),
        ('[[steps]]\ndo = "say"\nfile = "a.ulaw"\ntext = "a"', "either `file` or `text`"),
        ('[[steps]]\ndo = "press"\nkeys = "x"', "not keys of a telephone"),
    ],
)
def test_says_what_is_wrong_with_a_plan(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        load_plan(written(tmp_path, text))


def test_a_missing_plan_or_speech_file(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        load_plan(tmp_path / "gone.toml")
    with pytest.raises(SpeechError, match=r"gone\.wav"):
        load_plan(written(tmp_path, '[[steps]]\ndo = "say"\nfile = "gone.wav"'))


def test_speech_is_a_file_by_its_name_and_words_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "speak", lambda text: text.encode())
    written(tmp_path, "")
    assert speech_of("a.ulaw", tmp_path) == SPEECH
    assert speech_of("Hello there.", tmp_path) == b"Hello there."
