"""A caller's script in a TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from callbridge.simulators.audio import SpeechError
from callbridge.simulators.phone import caller as line
from callbridge.simulators.phone import plan
from callbridge.simulators.phone.plan import PlanError, load_plan, speech_of

SPEECH = b"\x10" * 800

EVERYTHING = """
steps = [
    {do = "wait_for_agent", quiet_ms = 300},
    {do = "say", file = "a.ulaw"},
    {do = "say", text = "Hello"},
    {do = "interrupt", after_ms = 1500, file = "a.ulaw"},
    {do = "interrupt_at", at_s = 7.5, file = "a.ulaw"},
    {do = "pause", ms = 250},
    {do = "press", keys = "12#"},
    {do = "wait_for_end"},
    {do = "vanish"},
    {do = "hang_up"},
]
"""


def written(folder: Path, text: str) -> Path:
    (folder / "a.ulaw").write_bytes(SPEECH)
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_every_kind_of_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "speak", lambda text: text.encode())
    assert load_plan(written(tmp_path, EVERYTHING)) == [
        line.WaitForAgent(quiet_ms=300),
        line.Say(SPEECH),
        line.Say(b"Hello"),
        line.Interrupt(1500, SPEECH),
        line.InterruptAt(7.5, SPEECH),
        line.Pause(250),
        line.Press("12#"),
        line.WaitForEnd(),
        line.Vanish(),
        line.HangUp(),
    ]


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
