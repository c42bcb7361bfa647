"""Scripts of the simulated voice model: written in TOML, refused with a remedy, voiced, prompted."""

from __future__ import annotations

from pathlib import Path

import pytest

from callbridge.simulators import voice_model as vm
from callbridge.simulators.voice_model.script import Prompter
from callbridge.simulators.voice_model.vad import EnergyVad, TurnDetection
from callbridge.simulators.voice_model.voices import clips

WHOLE = """
name = "bakery"
pace = 4
delta_bytes = [200, 900]
after_ms = 250
truncate_at_zero = "refused"
reasoning_tokens = 0
answers_go_on = true

answer = [
    {say = ["Good morning.", {text = "How can I help?", speech = "help.ulaw"}]},
    {caller = "Are you open on Sunday?", transcript = "after", say = ["Let me see."], calls = [
        {name = "opening_hours", arguments = {day = "Sunday"}}], faults = [
        {kind = "close", code = 1011, at = 500}]},
    {status = "failed", error = {code = "rate_limit_exceeded", message = "Slow down."}},
    {silent = true},
    {recites = true},
    {absent = true},
    {say = ["On and on."], endless = true, faults = [{kind = "quota", at = 100, connection = 2}]},
]
fault = [{kind = "error", on = "session.update"}]
connect = [
    {kind = "refuse", status = 429, nth = 2},
    {kind = "refuse", status = 503, retry_after_s = 0.5, first = 3, last = 4, until_s = 3},
]
default = {say = ["That is all."]}
out_of_band = {say = ["A summary."]}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "script.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_can_use_everything_that_there_is(tmp_path: Path) -> None:
    script = vm.load_script(written(tmp_path, WHOLE))
    assert (script.name, script.pace, script.delta_bytes) == ("bakery", 4, (200, 900))
    greeting, question, failure, silent, recital, absent, endless = script.answers
    assert (script.answers_go_on, silent.silent, recital.recites, absent.absent) == (True,) * 4
    assert (endless.endless, endless.faults) == (True, (vm.Fault(kind="quota", at=100, connection=2),))
    assert greeting.speeches == (
        vm.Say(text="Good morning."),
        vm.Say(text="How can I help?", speech="help.ulaw"),
    )
    assert question.calls == (vm.Call(name="opening_hours", arguments={"day": "Sunday"}),)
    assert question.faults == (vm.Fault(kind="close", code=1011, at=500),)
    assert (failure.status, failure.error.code) == ("failed", "rate_limit_exceeded")
    assert script.default.say == ("That is all.",)
    assert script.out_of_band is not None
    assert script.faults == (vm.Fault(kind="error", on="session.update"),)
    assert script.connect_fault(1) is None
    assert script.connect_fault(2) == vm.ConnectFault(kind="refuse", status=429, nth=2)
    outage = vm.ConnectFault(kind="refuse", status=503, retry_after_s=0.5, first=3, last=4, until_s=3)
    assert script.connect_fault(3) == outage


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("pace = ", "not TOML"),
        ("speed = 3", "unknown field `speed`"),
        ("speed = 3", "what may stand there: name, answer, default, out_of_band, fault, odd, connect"),
        ("[[answer]]\nsay = [{words = 'Hi'}]", "what may stand there: text, form, speech, audio"),
        ("pace = 0", "> 0.0 - at `$.pace`"),
        ("pace = 'fast'", "got `str` - at `$.pace`"),
        ("[[answer]]\nsay = 'Hi'", "at `$.answer[0].say`"),
        ("[[answer]]\nsay = ['Hi']\nwait_ms = 3", "unknown field `wait_ms` - at `$.answer[0]`"),
        ("[[answer]]\nsay = ['Hi']\nafter_ms = -1", "at `$.answer[0].after_ms`"),
        ("[[answer]]\ncaller = 'Hi'", "answer 1: says nothing; add `say` or `calls`"),
        ("[[answer]]\nsay = ['Hi']\nstatus = 'odd'", "at `$.answer[0].status`"),
        ("[[answer]]\nsay = ['Hi']\ncalls = [{arguments = {}}]", "missing required field `name`"),
        ("[[answer]]\nsay = ['Hi']\nfaults = [{kind = 'explode'}]", "at `$.answer[0].faults[0].kind`"),
        (
            "[[answer]]\nsay = ['Hi']\nfaults = [{kind = 'close', on = 'session.update'}]",
            "answer 1, fault close: inside an answer it is placed by `at`",
        ),
        (
            "[[answer]]\nsay = ['Hi']\nfaults = [{kind = 'ignore'}]",
            "answer 1, fault ignore: has its place in [[fault]]",
        ),
        ("[[answer]]\nsay = ['Hi']\ndelta_bytes = [9, 3]", "write the smaller number first"),
        ("delta_bytes = [9, 3]", "write the smaller number first"),
        ("[default]\nsay = []", "default: says nothing"),
        ("[[fault]]\nkind = 'close'", "fault close: say when, with `on` or with `after_ms`"),
        ("[[fault]]\nkind = 'close'\non = 'x'\ncode = 99", "at `$.fault[0].code`"),
        ("[[connect]]\nkind = 'refuse'\nstatus = 418", "at `$.connect[0].status`"),
    ],
)
def test_a_bad_script_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(vm.ScriptError) as caught:
        vm.load_script(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert complaint in str(caught.value)


def test_speech_comes_from_file_clip_speaker_or_tone(tmp_path: Path) -> None:
    """In this order; audio that is there already is left alone."""
    (tmp_path / "help.ulaw").write_bytes(b"\x42" * 800)
    shipped = vm.caller_speech("caller_goodbye")
    said = (
        vm.Say(text="x", audio=b"\x01"),
        vm.Say(text="x", speech="help.ulaw"),
        vm.Say(text=shipped.text),
        vm.Say(text="New words."),
    )
    script = vm.Script(answers=(vm.Answer(say=said),), out_of_band=vm.Answer(say=("Aside.",)))
    spoken = vm.voiced(script, folder=tmp_path, speaker=lambda text: text.encode())
    assert [say.audio for say in spoken.answers[0].speeches] == [
        b"\x01",
        b"\x42" * 800,
        shipped.audio,
        b"New words.",
    ]
    assert spoken.default.speeches[0].audio == vm.caller_speech("agent_has_nothing_more").audio
    assert spoken.out_of_band is not None
    assert spoken.out_of_band.speeches[0].audio == b"Aside."
    assert vm.voiced(script, folder=tmp_path).answers[0].speeches[3].audio == vm.tone("New words.")


def test_a_missing_speech_file_is_refused(tmp_path: Path) -> None:
    script = vm.Script(answers=(vm.Answer(say=(vm.Say(text="Hello", speech="none.wav"),)),))
    with pytest.raises(vm.ScriptError, match=r"'Hello' cannot be spoken: .*none.wav"):
        vm.voiced(script, folder=tmp_path)


@pytest.mark.parametrize("text", ["", "Hi.", "A sentence.", "A much longer sentence " * 4])
def test_a_tone_is_as_long_as_the_text_and_never_silent(text: str) -> None:
    """60 ms a character, at least 400, loud enough for any detector throughout."""
    audio = vm.tone(text)
    assert len(audio) == 8 * max(400, 60 * len(text))
    assert len(EnergyVad(TurnDetection(threshold=0.6, silence_duration_ms=60)).hear(audio)) == 1


def test_texts_sound_different() -> None:
    assert vm.tone("One sentence.")[:800] != vm.tone("Two sentence.")[:800]


def test_the_shipped_speech_is_small_and_complete() -> None:
    assert sum(len(clip.audio) for clip in clips().values()) < 400_000
    for clip in clips().values():
        assert 1.0 < len(clip.audio) / 8000 < 10.0
        assert clip.text.endswith((".", "?", "!"))
    assert sum(name.startswith("caller_") for name in clips()) == 4


def test_the_demo_can_be_interrupted() -> None:
    script = vm.demo_script()
    assert all(say.audio for answer in script.answers for say in answer.speeches)
    seconds = [sum(len(say.audio) for say in answer.speeches) / 8000 for answer in script.answers]
    assert sum(7 <= length <= 9 for length in seconds) == 1
    calls = [call.name for answer in script.answers for call in answer.calls]
    assert calls == ["opening_hours", "end_call"]


def test_answers_come_in_their_order_and_then_the_default() -> None:
    """One per response; the next one's `caller` is what is heard before it."""
    script = vm.Script(answers=(vm.Answer(say=("One.",), caller="First?"), vm.Answer(say=("Two.",))))
    prompter = Prompter(script)
    assert prompter.caller_said().caller == "First?"
    assert prompter.next([]).say == ("One.",)
    assert prompter.next([]).say == ("Two.",)
    assert prompter.next([]) == script.default
    assert prompter.out_of_band([]) == script.default


def test_what_is_for_the_beginning_is_passed_over_when_the_model_knows_better() -> None:
    opening, back = vm.Answer(say=("Hello.",), unless_told="They are back"), vm.Answer(say=("Sorry.",))
    script = vm.Script(answers=(opening, opening, back))
    assert [Prompter(script).next([], told).say for told in ("", "[They are back with you.]")] == [
        ("Hello.",),
        ("Sorry.",),
    ]


@pytest.mark.parametrize(
    ("text", "answer", "fault"),
    [
        ("refuse:429", None, vm.ConnectFault(kind="refuse", status=429)),
        ("refuse", None, vm.ConnectFault(kind="refuse", status=503)),
        ("silent", None, vm.ConnectFault(kind="silent")),
        ("reject:3000", None, vm.ConnectFault(kind="reject", code=3000)),
        ("close:1013", None, vm.ConnectFault(kind="close", code=1013)),
        ("close:1011@2", 2, vm.Fault(kind="close", code=1011)),
        ("close:1011@2+500", 2, vm.Fault(kind="close", code=1011, at=500)),
        ("abort@1", 1, vm.Fault(kind="abort")),
        ("stall:2.5@1", 1, vm.Fault(kind="stall", seconds=2.5)),
        ("stall@3+0", 3, vm.Fault(kind="stall", at=0)),
        ("oversized:6000000@1", 1, vm.Fault(kind="oversized", size_bytes=6_000_000)),
        ("unknown_event@1", 1, vm.Fault(kind="unknown_event")),
        ("refuse:429#1", None, vm.ConnectFault(kind="refuse", status=429, nth=1)),
        ("refuse#2-4", None, vm.ConnectFault(kind="refuse", status=503, first=2, last=4)),
        ("hang#3-", None, vm.ConnectFault(kind="hang", first=3)),
        ("close:1013#2", None, vm.ConnectFault(kind="close", code=1013, nth=2)),
        ("abort@2+500#1", 2, vm.Fault(kind="abort", at=500, connection=1)),
        ("quota@1", 1, vm.Fault(kind="quota")),
        ("expire@1+20#2", 1, vm.Fault(kind="expire", at=20, connection=2)),
    ],
)
def test_a_fault_can_be_written_in_a_word(
    text: str, answer: int | None, fault: vm.Fault | vm.ConnectFault
) -> None:
    assert vm.parse_fault(text) == (answer, fault)


@pytest.mark.parametrize(
    "text",
    [
        *("", "Explode", "garbage", "explode@1", "close:99@1", "refuse:200", "close@", "stall:x@1"),
        *("refuse#", "refuse#0", "abort@1#2-3", "abort#1@1", "refuse#1-x"),
    ],
)
def test_a_word_that_is_no_fault_is_refused_with_the_syntax(text: str) -> None:
    with pytest.raises(ValueError, match=r"write KIND\[:VALUE\]"):
        vm.parse_fault(text)


def test_a_fault_is_placed_in_its_answer() -> None:
    script = vm.placed(vm.demo_script(), 4, vm.Fault(kind="abort"))
    assert [len(answer.faults) for answer in script.answers] == [0, 0, 0, 1, 0, 0]
    with pytest.raises(vm.ScriptError, match="there is no answer 7"):
        vm.placed(vm.demo_script(), 7, vm.Fault(kind="abort"))
