"""A caller's script in a TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from callbridge.simulators.audio import SpeechError
from callbridge.simulators.phone import caller as line
from callbridge.simulators.phone import plan
from callbridge.simulators.phone.incoming import Incoming, Place
from callbridge.simulators.phone.line_settings import DialOutcome, LineSettings, RecordingEnd
from callbridge.simulators.phone.people import Answers, Moment, Person
from callbridge.simulators.phone.plan import Plan, PlanError, load_plan, speech_of
from callbridge.simulators.phone.surroundings import Background, ComfortNoise, Echo, Surroundings
from callbridge.simulators.sounds import SoundKind, dbfs

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
    assert load_plan(written(tmp_path, EVERYTHING)) == Plan(
        [
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
    )


WHOLE = """
steps = [{do = "say", file = "a.ulaw", level_dbfs = -47}]

[call]
from = "+447700900123"
from_place = {country = "GB", city = "LONDON"}
stir_verstat = ""
forwarded_from = "+15550100009"
add_ons = '{"status":"successful"}'

[around]
background = "babble"
level_dbfs = -45
comfort_noise_dbfs = [-55, -60]
echo_loss_db = 25
"""


LINE = """
steps = []

[line]
dial = "declined"
dial_s = 7
dial_bridged = false
refused = {"+15550100003" = 13227}
recording_s = 0
recording_end = "key"
silence = "falls-through"
"""


def test_a_plan_says_what_happens_outside_of_streams(tmp_path: Path) -> None:
    assert load_plan(written(tmp_path, LINE)).line == LineSettings(
        dial_outcome=DialOutcome.DECLINED,
        dial_duration_s=7,
        tells_dial_bridged=False,
        refused_numbers={"+15550100003": 13227},
        recording_s=0,
        recording_end=RecordingEnd.KEY,
        silence_falls_through=True,
    )


def test_a_plan_says_who_calls_and_from_where(tmp_path: Path) -> None:
    read = load_plan(written(tmp_path, WHOLE))
    (said,) = read.steps
    assert isinstance(said, line.Say)
    assert dbfs(said.audio) == pytest.approx(-47, abs=1)
    assert (read.from_number, read.to_number) == ("+447700900123", None)
    assert read.incoming == Incoming(
        from_place=Place("GB", "LONDON"),
        stir_verstat=None,
        forwarded_from="+15550100009",
        add_ons='{"status":"successful"}',
    )
    assert read.surroundings == Surroundings(
        Background(SoundKind.BABBLE, -45), ComfortNoise((-55, -60)), Echo(25)
    )


def test_people_are_planned(tmp_path: Path) -> None:
    text = """
steps = []
[people."+15550100031"]
after_s = 4
presses = ["", "1"]
leaves = "keys"
[people."client:bob"]
answers = "no answer"
"""
    assert load_plan(written(tmp_path, text)).people == {
        "+15550100031": Person(after_s=4, presses=("", "1"), leaves=Moment.KEYS),
        "client:bob": Person(answers=Answers.NO_ANSWER),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("steps = [", "plan.toml"),
        ('steps = []\n[people.bob]\nanswers = "sings"', "Invalid enum value 'sings'"),
        ("", "missing required field `steps`"),
        ('[[steps]]\ndo = "sing"', "Invalid value 'sing'"),
        ('[[steps]]\ndo = "pause"', "missing required field `ms`"),
        ('[[steps]]\ndo = "pause"\nms = "long"', "Expected `float`"),
        ('[[steps]]\ndo = "hang_up"\nnow = true', "unknown field `now`"),
        ('[[steps]]\ndo = "say"', "either `file` or `text`"),
        ('[[steps]]\ndo = "say"\nfile = "a.ulaw"\ntext = "a"', "either `file` or `text`"),
        ('[[steps]]\ndo = "press"\nkeys = "x"', "not keys of a telephone"),
        ('steps = []\n[around]\nbackground = "birds"', "Invalid enum value 'birds'"),
        ("steps = []\n[call]\nnumber = 1", "unknown field `number`"),
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
