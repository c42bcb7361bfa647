"""Keys that the agent presses: behind its own words, through the caller's, and before the end."""

from __future__ import annotations

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call import wants as w
from callbridge.call.ear.keys_out import WAITING_MAX, are_pressable, rest_of
from callbridge.call.facts import Interrupted, StreamEnded
from callbridge.call.phases import Phase, Timer
from callbridge.call.wishes import HangUp
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_commands as commands
from playbook import Playbook
from rigs import PLAYED, AudioToPhone, Output


def pressed(outputs: list[Output]) -> list[str]:
    """The keys whose tones left."""
    return [output.keys for output in outputs if isinstance(output, a.PlayKeys)]


def is_cleared(outputs: list[Output]) -> bool:
    return any(
        isinstance(output, a.SendToPhone) and isinstance(output.message, ms.Clear) for output in outputs
    )


def commands_of(outputs: list[Output], kind: type) -> list[object]:
    """What the model is told, of one kind."""
    sent = [output.command for output in outputs if isinstance(output, a.SendToModel)]
    return [command for command in sent if isinstance(command, kind)]


def told(book: Playbook, ms_of_words: int) -> Playbook:
    """At 4 s an answer of so many milliseconds has been made, and its last byte sent."""
    book.rig.feed(*v.says("answer", "it", ms_of_words), v.done("answer"))
    return book


def test_keys_are_pressed_at_once_and_whoever_speaks_does_not_cut_them() -> None:
    """A menu goes on talking: all that was unheard are keys, so nothing is cleared, cut or counted."""
    rig = v.greeted().rig
    outputs = rig.feed(w.KeysOut("12#"))
    assert pressed(outputs) == ["12#"]
    assert AudioToPhone(600) in outputs
    rig.now += 0.15
    outputs = rig.feed(v.speech_started())
    assert not is_cleared(outputs)
    assert not [one for one in outputs if isinstance(one, a.Note) and isinstance(one.fact, Interrupted)]
    assert not commands_of(outputs, commands.TruncateItem)


def test_keys_wait_for_words_that_are_being_made() -> None:
    rig = v.answering(v.greeted()).rig
    rig.feed(*v.says("answer", "it", 500))
    assert pressed(rig.feed(w.KeysOut("1"), w.KeysOut("2"))) == []
    assert pressed(rig.feed(v.done("answer"))) == ["1", "2"]


def test_words_are_cut_and_the_keys_behind_them_are_pressed_all_the_same() -> None:
    rig = told(v.answering(v.greeted()), 2000).rig
    assert pressed(rig.feed(w.KeysOut("12#"))) == ["12#"]
    rig.now += 0.5
    outputs = rig.feed(v.speech_started("wait"))
    (cut,) = commands_of(outputs, commands.TruncateItem)
    assert isinstance(cut, commands.TruncateItem)
    assert abs(cut.audio_end_ms - 500) <= 60, "the keys count as no words"
    assert is_cleared(outputs)
    assert pressed(outputs[[is_cleared([one]) for one in outputs].index(True) :]) == ["12#"], (
        "behind the clear"
    )


def test_of_keys_that_are_cut_with_the_words_behind_them_only_the_rest_is_pressed_again() -> None:
    rig = v.greeted().rig
    rig.feed(w.KeysOut("12#"))
    v.answering(Playbook(rig), "other")  # Nothing is cut by it; the answer comes while the keys sound.
    rig.feed(w.KeysOut("4567"))
    assert pressed(rig.feed(v.done("other", "cancelled"))) == ["4567"]
    rig.feed(v.created("late"), *v.says("late", "it", 3000))
    rig.now += 0.25
    assert pressed(rig.feed(v.speech_started("wait"))) == ["567"], "the first was heard, the second for 50 ms"


@pytest.mark.parametrize(
    ("heard_ms", "rest"),
    [(0, "1w2"), (39, "1w2"), (40, "w2"), (199, "w2"), (699, "w2"), (700, "2"), (739, "2"), (740, "")],
)
def test_what_is_left_of_keys_begins_with_the_one_that_was_not_heard(heard_ms: int, rest: str) -> None:
    assert rest_of("1w2", heard_ms) == rest


def test_the_call_ends_when_the_keys_were_heard() -> None:
    rig = v.greeted().rig
    outputs = rig.feed(w.KeysOut("9"), w.WishSet(HangUp(), is_said=True))
    assert (pressed(outputs), rig.phase) == (["9"], Phase.LEAVING)
    rig.now += 0.25
    outputs = rig.feed(PLAYED)
    assert rig.phase is Phase.OVER
    assert any(isinstance(one, a.Note) and isinstance(one.fact, StreamEnded) for one in outputs)
    assert pressed(rig.feed(w.KeysOut("9"))) == []


def test_a_quiet_result_is_told_and_nothing_is_said_about_it() -> None:
    """The far end is to be listened to: the model is not asked, and the clip does not play into it."""
    rig = v.answering(v.greeted(limits=v.PATIENT)).rig
    rig.feed(v.tool_call("answer", "call_1"), v.done("answer"), w.KeysOut("1"))
    finished = e.ToolFinished("call_1", "press_keys", "pressed", 1, is_quiet=True)
    outputs = rig.feed(finished)
    assert len(commands_of(outputs, commands.CreateItem)) == 1
    rig.now += 0.25
    outputs += rig.feed(PLAYED)
    woken = rig.wakes(until_s=30)
    outputs += [output for _, _, some in woken for output in some]
    assert not commands_of(outputs, commands.CreateResponse)
    assert not {Timer.CLIP, Timer.GIVE_UP, Timer.ANSWER}.intersection(why for _, why, _ in woken)


def test_only_keys_can_be_pressed_and_a_loop_does_not_dial_for_ever() -> None:
    assert all(map(are_pressable, ("0123456789*#ABCDw", "1" * 32)))
    assert not any(map(are_pressable, ("", "1" * 33, "1 2", "a", "W", "+49", "1\n")))
    rig = v.answering(v.greeted()).rig
    rig.feed(*[w.KeysOut("1")] * (WAITING_MAX + 1))
    assert len(pressed(rig.feed(*v.says("answer", "it", 20), v.done("answer")))) == WAITING_MAX
