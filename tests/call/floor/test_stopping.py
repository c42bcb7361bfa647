"""The agent's own code stops what the agent is saying: as an interruption, but nobody has spoken."""

from __future__ import annotations

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import EndReason, GuardrailTripped, ItemHeard, Remembered, TurnEnded
from callbridge.call.phases import Phase, Timer
from callbridge.call.wants import AgentSays, AnswerStopped, WishSet
from callbridge.call.wishes import HangUp
from callbridge.wire.realtime_events import AnswerDelta
from playbook import About, Id, Playbook, after, at, deadline
from rigs import PLAYED, AudioToPhone, make_plan

WHY = "[Your answer was stopped: no prices. Do not say it again.]"
SORRY = "I may not tell you prices."
TEXT = "It is ninety-nine dollars, and cheap."
STOPS = AnswerStopped("no_prices", "long", WHY)
CORRECTS = AnswerStopped("no_prices", "long", WHY, AgentSays("say_1", SORRY))

HUNG_UP = v.said(100), v.recorded(TurnEnded), *v.lingers(EndReason.AGENT_HANGUP)


def speaking(duration_ms: int = 2000, *, is_done: bool = False) -> Playbook:
    """At 4 s, item `long` of response `answer` is on its way to the phone."""
    book = v.answering(v.greeted())
    book.rig.feed(v.item("answer", "long"), AnswerDelta(item_id="long", delta=TEXT))
    book.rig.feed(v.audio("answer", "long", duration_ms))
    if is_done:
        book.rig.feed(v.audio_done("answer", "long"), v.words("answer", "long", TEXT), v.done("answer"))
    return book


def tripped(*, was_cut: bool = True, **fields: object) -> a.Note:
    """It is told what became of it."""
    return v.recorded(GuardrailTripped, guardrail="no_prices", was_cut=was_cut, **fields)


def told() -> tuple[object, ...]:
    """The model is told why, and that is remembered for later sessions."""
    return v.recorded(Remembered), v.told(Id(), WHY, role="system")


def test_who_has_heard_nothing_of_what_was_stopped_waits_as_before() -> None:
    """The clip comes no later for that."""
    for stop in (STOPS, AnswerStopped("no_prices", "long", ""), CORRECTS):
        due = []
        for stops in ((), (stop,)):
            book = v.answering(v.greeted())
            book.rig.feed(v.item("answer", "long"))
            book.rig.now += 0.6
            book.rig.feed(*stops)
            due += [next(at_s for at_s, why, _ in book.rig.wakes(9) if why is Timer.CLIP)]
        assert due[0] == due[1]


def test_an_answer_in_progress_is_cut_cancelled_by_its_id_and_made_anew() -> None:
    book = speaking()
    assert (
        book
        >> at(4.48, STOPS)
        << (v.cancel("answer"), v.clear(), v.truncate("long", About(480)))
        << (tripped(item_id="long", heard_ms=About(480), withheld_ms=About(1520)), *told())
    )
    assert book >> v.audio("answer", "long", 400), "late deltas are not heard"
    assert book >> v.item_added("cb_item_1") >> v.done("answer", "cancelled") << v.ask()
    assert book >> v.answers("better", "it", 300) << AudioToPhone(300)
    assert book >> v.caller_said("How much?", "question")
    assert book >> after(0.4, PLAYED) << v.recorded(TurnEnded, turn=2, interrupted=True)
    assert v.ended(book).interruptions == 0, "nobody has interrupted"


def test_words_are_said_in_its_place_before_anything_else_that_waits() -> None:
    book = speaking()
    assert book >> v.agent_says("Another thing.", "say_2")
    cut = v.cancel("answer"), v.clear(), v.truncate("long", About(1000)), tripped(), *told()
    assert book >> at(5, CORRECTS) << cut
    assert book >> v.done("answer", "cancelled") << v.ask_saying(SORRY)
    assert book >> v.answers("sorry", "it", 300) << (AudioToPhone(300), v.ask_saying("Another thing."))


def test_words_in_its_place_come_before_the_goodbye_and_nothing_is_withdrawn() -> None:
    book = speaking()
    assert book >> WishSet(HangUp())
    cut = v.cancel("answer"), v.clear(), v.truncate("long", About(1000)), tripped(), *told()
    assert book >> at(5, CORRECTS) << cut
    assert book >> v.done("answer", "cancelled") << v.ask_saying(SORRY)
    assert book >> v.answers("sorry", "it", 300) << (AudioToPhone(300), v.ask_farewell())
    assert book >> v.answers("bye", "that", 300) << AudioToPhone(300)
    assert book >> after(0.7, PLAYED) << HUNG_UP


def test_an_answer_of_which_only_the_text_has_come_is_never_heard() -> None:
    """The usual case: the text runs ahead of the audio."""
    book = v.answering(v.greeted())
    book.rig.feed(v.item("answer", "long"), AnswerDelta(item_id="long", delta=TEXT))
    unheard = tripped(heard_ms=0, withheld_ms=0, heard_characters=0, withheld_characters=len(TEXT))
    assert book >> STOPS << (v.cancel("answer"), unheard, *told())
    assert book >> v.audio("answer", "long", 400)
    assert book >> v.done("answer", "cancelled") << (v.delete("long"), v.ask())


def test_an_answer_that_is_over_for_the_server_is_cut_where_the_phone_still_plays_it() -> None:
    book = speaking(is_done=True)
    heard = tripped(heard_characters=17, withheld_characters=len(TEXT) - 17)
    assert book >> at(5, STOPS) << (v.clear(), v.truncate("long", About(1000)), heard) << (*told(), v.ask())


def test_nothing_happens_once_all_was_heard() -> None:
    book = speaking(1000, is_done=True)
    too_late = tripped(was_cut=False, heard_characters=len(TEXT), withheld_characters=0)
    assert book >> after(0.99, CORRECTS) << too_late, "a few milliseconds of silence count as heard"
    assert book >> after(0.06, PLAYED) << v.recorded(ItemHeard) >> CORRECTS << too_late


def test_nothing_happens_once_the_caller_has_interrupted() -> None:
    book = speaking()
    book.rig.now += 0.5
    book.rig.feed(v.speech_started("wait"))
    assert book >> CORRECTS << tripped(was_cut=False, heard_ms=500, withheld_ms=1500)
    assert book >> v.done("answer", "cancelled") >> after(0.5, v.speech_stopped("wait"))
    assert book >> v.created("another") >> CORRECTS << tripped(was_cut=False)
    assert book >> v.says("another", "other", 200) << AudioToPhone(200)


def test_nobody_is_asked_twice_when_a_second_guardrail_trips() -> None:
    book = speaking()
    book.rig.feed(STOPS)
    assert book >> CORRECTS << tripped(was_cut=False)
    assert book >> v.done("answer", "cancelled") << v.ask()


def test_an_answer_that_is_queued_behind_it_goes_with_it_and_is_owed_again() -> None:
    book = speaking(is_done=True)
    book.rig.feed(v.agent_says("It is open.", "say_2"), v.created("behind"))
    book.rig.feed(*v.says("behind", "fine", 900))
    cut = v.cancel("behind"), v.clear(), v.truncate("long", About(1000)), v.delete("fine")
    assert book >> at(5, CORRECTS) << (*cut, tripped(), *told())
    assert book >> v.done("behind", "cancelled") << v.ask_saying(SORRY)
    assert book >> v.answers("sorry", "it", 300) << (AudioToPhone(300), v.ask_saying("It is open."))


def test_an_answer_behind_it_that_has_sent_nothing_goes_on() -> None:
    book = speaking(is_done=True)
    book.rig.feed(v.agent_says("It is open.", "say_2"), v.created("behind"))
    assert book >> at(5, CORRECTS) << (v.clear(), v.truncate("long", About(1000)), tripped(), *told())
    assert book >> v.says("behind", "fine", 200) << AudioToPhone(200)
    assert book >> v.done("behind") << v.ask_saying(SORRY)


def test_a_tool_that_the_answer_has_called_is_answered_and_its_wish_stands() -> None:
    book = speaking()
    book.rig.feed(v.tool_call("answer", "end"))
    cut = v.cancel("answer"), v.clear(), v.truncate("long", About(1000)), tripped(), *told()
    assert book >> at(5, CORRECTS) << cut
    assert book >> v.tool_finished("end", ends_call=True) << v.tool_result(Id(), "end")
    assert book.rig.phase is Phase.LEAVING
    assert book >> v.done("answer", "cancelled") << v.ask_saying(SORRY)
    assert book >> v.answers("sorry", "it", 300) << AudioToPhone(300)
    assert book >> after(0.4, PLAYED) << HUNG_UP


def test_a_greeting_that_is_stopped_is_not_said_again_and_may_be_interrupted_from_then_on() -> None:
    book = v.live(make_plan(is_greeting_interruptible=False))
    book.rig.feed(v.created("greeting"), *v.says("greeting", "long", 2000))
    book.rig.now += 0.5
    cut = v.cancel("greeting"), v.update(book.rig.plan.session), v.clear(), v.truncate("long", About(500))
    assert book >> CORRECTS << (*cut, tripped(), *told())
    assert book >> v.SESSION_UPDATED >> v.done("greeting", "cancelled") << v.ask_saying(SORRY)
    assert book >> v.answers("sorry", "it", 300) << AudioToPhone(300)
    assert book >> after(0.4, PLAYED) << (v.said(100), v.recorded(TurnEnded))
    assert v.rests(book), "no greeting is owed"


def test_an_answer_behind_a_greeting_takes_it_along_and_the_greeting_is_said_again() -> None:
    book = v.live(make_plan(is_greeting_interruptible=False))
    book.rig.feed(*v.answers("greeting", "hello", 4000))
    book.rig.feed(v.speech_started(), v.speech_stopped(), v.created("answer"), *v.says("answer", "long", 900))
    book.rig.now += 0.5
    cut = v.cancel("answer"), v.note("greeting_cut", heard_percent=12), v.clear()
    forgotten = v.truncate("hello", About(500)), v.delete("long")
    assert book >> CORRECTS << (*cut, *forgotten, tripped(), *told(), v.recorded(TurnEnded))
    assert book >> v.done("answer", "cancelled") << v.ask(options=book.rig.plan.greeting_options)


def test_words_that_no_session_says_leave_an_answer_owed() -> None:
    book = speaking()
    book.rig.feed(CORRECTS, v.done("answer", "cancelled"))
    for _ in range(2):
        book.rig.feed(v.created("sorry"), v.done("sorry", "failed"))
        assert book >> deadline(Timer.RETRY) << v.ask_saying(SORRY)
    book.rig.feed(v.created("sorry"), v.done("sorry", "failed"))
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    assert book >> v.SESSION_UPDATED << (v.has_replaced(), v.ask(), a.OpenUplink())


def test_words_of_a_lost_session_are_cut_too_and_the_next_one_is_told() -> None:
    book = speaking(4000)
    v.replaced(book)
    book.rig.now += 0.5
    note = "[You were stopped. Of your last words only this was heard: It …]"
    assert book >> STOPS << (v.clear(), v.told(Id(), note, role="system"), tripped(), *told())
