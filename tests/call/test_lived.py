"""A turn as it was lived: when each side was heard, to the millisecond, and how the answer came to be.

In these calls the phone is 50 ms away, there and back, and the model has all audio of the line from the
beginning on: its clock is that of the call.
"""

from __future__ import annotations

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import CallerSpoke, Fact, Interrupted, ItemHeard, KeysPressed, TurnEnded
from callbridge.call.lived import Answer, SaidItem, Speech
from playbook import Playbook
from rigs import BEGINS_AT_S, PLAYED, AllPlayed, Input, make_plan

PADDING_MS = 300
SILENCE_MS = 500


class Lived:
    """A call whose greeting was heard; `at` is where all times of a script are named."""

    def __init__(self, book: Playbook | None = None) -> None:
        self.rig = (book or v.greeted()).rig
        self.told: list[Fact] = []

    def at(self, seconds: float, *events: Input) -> None:
        self.rig.now = BEGINS_AT_S + seconds
        outputs = self.rig.feed(*events)
        self.told += [output.fact for output in outputs if isinstance(output, a.Note)]

    def asks(self, item_id: str = "question") -> None:
        """They speak from 3.1 to 3.5 s, which is known 0.2 s and half a second later."""
        self.at(3.3, v.speech_started(item_id, 3100 - PADDING_MS))
        self.at(4.0, v.speech_stopped(item_id), v.committed(item_id), v.caller_said("When?", item_id))

    def turn(self, number: int = 2) -> TurnEnded:
        """The record of a turn, of which there is one."""
        (found,) = [fact for fact in self.told if isinstance(fact, TurnEnded) and fact.turn == number]
        return found


ASKED = (Speech(3100, 3500),)


def test_an_answer_that_is_heard_to_its_end() -> None:
    """What is heard counts from when its first echo could be here."""
    call = Lived()
    call.asks()
    call.at(4.1, v.created("answer"))
    call.at(4.3, *v.says("answer", "it", 1000), v.words("answer", "it", "At seven."), v.done("answer"))
    call.at(5.35, PLAYED)
    turn = call.turn()
    assert turn.speech == ASKED
    assert turn.items == (SaidItem("it", "At seven.", "At seven.", 1000, 1000, 4350, 5350),)
    assert turn.answer == Answer(4000, 3500, None, 4100, 4300, 4350)
    (spoke,) = [fact for fact in call.told if isinstance(fact, CallerSpoke)]
    (heard,) = [fact for fact in call.told if isinstance(fact, ItemHeard)]
    assert (spoke.speech, spoke.record) == (ASKED[0], 2)
    assert (heard.sent_ms, heard.began_ms, heard.ended_ms) == (1000, 4350, 5350)


def test_a_phone_that_begins_late_is_known_by_the_first_echo() -> None:
    """An earlier one cannot tell: it is of another answer."""
    call = Lived()
    call.asks()
    call.at(4.1, v.created("answer"), *v.says("answer", "it", 1000), v.done("answer"))
    call.at(5.35, PLAYED)
    assert (call.turn().items[0].began_ms, call.turn().items[0].ended_ms) == (4350, 5350)
    assert call.turn().answer == Answer(4000, 3500, None, 4100, 4100, 4350)


def test_an_answer_that_is_cut() -> None:
    """Where each item was left, and how long the caller had to speak before they were heard."""
    call = Lived()
    call.asks()
    call.at(4.0, v.created("answer"), *v.says("answer", "it", 1000), *v.says("answer", "more", 2000))
    call.at(4.0, v.words("answer", "it", "At seven."), v.words("answer", "more", "On Sundays at eight."))
    call.at(4.0, *v.says("answer", "last", 500), v.words("answer", "last", "Anything else?"))
    call.at(5.05, AllPlayed("it"))
    call.at(6.0, v.speech_started("wait", 5900 - PADDING_MS), v.done("answer", "cancelled"))
    call.at(7.0, v.speech_stopped("wait"), v.committed("wait"), v.caller_said("Wait.", "wait"), v.HANGS_UP)
    turn = call.turn()
    assert turn.items == (
        SaidItem("it", "At seven.", "At seven.", 1000, 1000, 4050, 5050),
        SaidItem("more", "On Sundays at eight.", "On Sundays …", 2000, 1000, 5050, 6050, was_cut=True),
        SaidItem("last", "Anything else?", "", 500, 0, None, None, was_cut=True),
    )
    (cut,) = [fact for fact in call.told if isinstance(fact, Interrupted)]
    assert cut.after_ms == 100
    assert call.turn(3).speech == (Speech(5900, 6500),)
    assert call.turn(3).answer is None


def test_an_answer_that_comes_by_a_tool_was_asked_for() -> None:
    """The first sound counts, whichever response made it."""
    call = Lived()
    call.asks()
    call.at(4.1, v.created("look"), v.tool_call("look", "call_1"), v.done("look"))
    call.at(4.9, v.tool_finished("call_1"), v.item_added("cb_item_1"))
    call.at(5.0, v.created("answer"))
    call.at(5.2, *v.says("answer", "it", 1000), v.done("answer"))
    call.at(6.25, PLAYED)
    assert call.turn().answer == Answer(4000, 3500, 4900, 5000, 5200, 5250)


def test_a_greeting_has_an_answer_and_no_speech() -> None:
    """It was asked for when the session stood, at 1 s."""
    call = Lived(v.live())
    call.at(1.2, v.created("greeting"))
    call.at(1.5, *v.says("greeting", "hello", 1000), v.words("greeting", "hello", "Hello."))
    call.at(1.6, v.done("greeting"))
    call.at(2.55, PLAYED)
    turn = call.turn(1)
    assert (turn.speech, turn.answer) == ((), Answer(None, None, 1000, 1200, 1500, 1550))


def test_who_presses_keys_did_not_speak() -> None:
    """They waited from when they were done with it."""
    call = Lived()
    call.at(3.0, v.key("1"), v.key("#"), e.DeadlinePassed(), v.item_added("cb_item_1"))
    call.at(3.2, v.created("answer"), *v.says("answer", "it", 500), v.done("answer"))
    call.at(3.75, PLAYED)
    answer = call.turn().answer
    assert answer is not None
    assert (call.turn().speech, answer.ended_ms, answer.stopped_ms) == ((), 3000, 3000)
    assert [fact.record for fact in call.told if isinstance(fact, KeysPressed)] == [2]


def test_an_item_that_stops_in_the_middle_began_when_it_began() -> None:
    """The phone ran dry in it, and played on later."""
    call = Lived()
    call.asks()
    call.at(4.0, v.created("answer"), *v.says("answer", "it", 400))
    call.at(4.45, PLAYED)
    call.at(5.0, v.audio("answer", "it", 400), v.done("answer"))
    call.at(5.45, PLAYED)
    assert call.turn().items == (SaidItem("it", "", "", 800, 800, 4050, 5450),)


def test_what_is_in_the_air_at_the_end_was_heard_so_far() -> None:
    """The caller has hung up in the middle of it, and while they spoke."""
    call = Lived(v.greeted(make_plan(is_greeting_interruptible=True)))
    call.asks()
    call.at(4.0, v.created("answer"), *v.says("answer", "it", 3000), v.words("answer", "it", "One two."))
    call.at(5.0, v.HANGS_UP)
    (said,) = call.turn().items
    assert (said.sent_ms, said.heard_ms, said.began_ms, said.ended_ms) == (3000, 1000, 4050, 5050)
    assert said.was_cut


def test_speech_that_the_server_places_wrongly_began_when_it_was_told() -> None:
    """A place ahead of all audio is none."""
    call = Lived()
    call.asks("first")
    call.at(8.0, v.speech_started("second", 99_000), v.HANGS_UP)
    assert call.turn(3).speech == (Speech(8000, 8000),)
