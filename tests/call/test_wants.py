"""What the agent's own code asks of the core: words, news, another session, sounds, keys, wishes, works."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call import wants as w
from callbridge.call.facts import (
    CallerSpoke,
    EndReason,
    Interrupted,
    ItemHeard,
    KeysPressed,
    Remembered,
    Said,
    SessionAmended,
    StreamEnded,
    ToolUsed,
    TurnEnded,
)
from callbridge.call.limits import Limits
from callbridge.call.memory import Told, ToolAnswered, ToolStarted
from callbridge.call.phases import Phase, Timer
from callbridge.call.wishes import HangUp, SayGoodbye
from callbridge.wire import realtime_commands as commands
from playbook import Id, Playbook, after, deadline
from rigs import BEGINS_AT_S, PLAN, PLAYED, AudioToPhone, Input, Output, Rig, make_plan

ALIVE = v.item_added("of_another")
"""The model has said something, if only that."""

GOES_ON = (v.told(Id(), v.CALL_GOES_ON, role="system"), v.note("farewell_withdrawn"))

REPLACES: tuple[Input, ...] = (
    *(v.gone(e.Leg.MODEL), e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED),
)
"""The session is lost, and another one stands."""


def facts_of(outputs: list[Output], kind: type) -> list[Any]:
    """The facts of one kind."""
    return [one.fact for one in outputs if isinstance(one, a.Note) and isinstance(one.fact, kind)]


def ticking(*, call_id: str = "call_1") -> Playbook:
    """At 4 s the model has asked for a tool, and says nothing meanwhile."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    assert book >> v.tool_call("answer", call_id) << v.run_tool(call_id) >> v.done("answer")
    return book


# --- Words ----------------------------------------------------------------------------------------------


def test_words_are_said_when_nobody_speaks_and_counted_when_the_phone_has_played_them() -> None:
    book = v.greeted()
    assert book >> v.agent_says() << v.ask_saying()
    assert book >> v.created("words") >> v.says("words", "it", 500) << AudioToPhone(500) >> v.done("words")
    assert book >> after(0.3, e.DeadlinePassed())
    assert book >> after(0.25, PLAYED) << (v.said(100), v.recorded(TurnEnded))


def test_words_wait_for_the_caller_and_stand_behind_their_answer() -> None:
    book = v.greeted()
    book.rig.feed(v.speech_started())
    assert book >> after(0.5, v.agent_says()) >> after(0.5, v.speech_stopped())
    assert book >> v.answers("answer", "it", 200) << (AudioToPhone(200), v.ask_saying())


def test_words_that_are_cut_are_heard_in_part() -> None:
    book = v.greeted()
    assert book >> v.agent_says() << v.ask_saying()
    assert book >> v.created("words") >> v.says("words", "it", 2000) << AudioToPhone(2000)
    assert not facts_of(book.rig.feed(v.done("words")), Said)
    book.rig.now += 0.5
    (cut,) = facts_of(book.rig.feed(v.speech_started()), Said)
    assert (cut.say_id, 20 < cut.heard_percent < 30) == ("say_1", True), cut
    assert not facts_of(book.rig.feed(PLAYED), Said), "once"


def test_words_that_were_asked_for_before_the_caller_spoke_are_not_heard() -> None:
    book = v.greeted()
    assert book >> v.agent_says() << v.ask_saying() >> v.speech_started()
    assert book >> v.created("words") << (v.cancel("words"), v.said(0))
    assert book >> v.done("words", "cancelled")


def test_several_words_are_said_in_their_order() -> None:
    book = v.greeted()
    assert book >> v.agent_says("One.") << v.ask_saying("One.") >> v.agent_says("Two.", "say_2")
    assert book >> v.answers("one", "it", 200) << (AudioToPhone(200), v.ask_saying("Two."))


def test_words_without_a_sound_are_asked_for_again() -> None:
    book = v.greeted()
    assert book >> v.agent_says() << v.ask_saying() >> v.created("words")
    assert book >> v.done("words") << v.any_warning("response_without_sound")
    assert book >> deadline(Timer.RETRY) << v.ask_saying()


def test_words_that_were_heard_are_not_said_again_though_their_response_fails() -> None:
    """They were whole, and it was told how much was heard of them."""
    book = v.greeted()
    assert book >> v.agent_says() << v.ask_saying()
    assert book >> v.created("words") >> v.says("words", "it", 200) << AudioToPhone(200)
    assert book >> v.audio_done("words", "it") >> after(0.3, PLAYED) << v.said(100)
    assert book >> v.done("words", "failed") << (v.any_warning("response_fell_short"), v.recorded(TurnEnded))
    assert v.rests(book)


def test_words_are_for_the_next_session_when_theirs_is_lost() -> None:
    """Whether they were asked for, or had begun."""
    for begun in ((), (v.created("words"), *v.says("words", "it", 2000))):
        book = v.greeted()
        assert book >> v.agent_says() << v.ask_saying()
        book.rig.feed(*begun)
        v.retelling(book)
        assert book >> v.SESSION_UPDATED << (v.has_replaced(), v.ask_saying(), a.OpenUplink())


def test_words_for_the_time_of_a_tool_are_dropped_when_it_answers_first() -> None:
    book = ticking()
    book.rig.feed(v.speech_started("more"))
    assert book >> v.agent_says(until_tool="call_1")
    assert (
        book
        >> v.tool_finished("call_1")
        << (*v.tool_result(Id(), "call_1")[:2], v.said(0))
        << (v.tool_output(Id(), "call_1"))
    )


def test_words_for_the_time_of_a_tool_are_told_of_once_though_it_answers_while_they_are_asked_for() -> None:
    book = ticking()
    assert book >> v.agent_says(until_tool="call_1") << v.ask_saying()
    assert book >> v.tool_finished("call_1") << v.tool_result(Id(), "call_1")
    assert book >> v.created("words") >> v.says("words", "it", 200) << AudioToPhone(200)
    assert book >> v.done("words") << v.ask()
    assert book >> after(0.3, PLAYED) << v.said(100)


def test_words_for_the_time_of_a_tool_are_said_while_it_runs() -> None:
    book = ticking()
    assert book >> v.agent_says(until_tool="call_1") << v.ask_saying()
    assert book >> v.created("words") >> v.says("words", "it", 2000) << AudioToPhone(2000)
    assert book >> v.done("words")
    assert book >> after(0.2, v.tool_finished("call_1")) << (*v.tool_result(Id(), "call_1"), v.ask())
    assert book >> after(2, PLAYED) << v.said(100), "they had begun"


@pytest.mark.parametrize("is_answer", [False, True])
def test_words_that_no_session_can_say_cost_one_session_and_not_the_call(*, is_answer: bool) -> None:
    """Too long, or against the vendor's rules: the next session is not asked for them.

    Where the caller waits for them, as for the first words of an agent they were handed to, it is asked for
    an answer in its own words.
    """
    book = v.greeted()
    rig = book.rig
    rig.feed(v.agent_says(is_answer=is_answer))
    for attempt in range(rig.limits.response_attempts_max):
        outputs = rig.feed(v.created(f"words_{attempt}"), v.done(f"words_{attempt}"))
        if attempt < rig.limits.response_attempts_max - 1:
            assert book >> deadline(Timer.RETRY) << v.ask_saying()
    (said,) = facts_of(outputs, Said)
    assert (said.say_id, said.heard_percent, rig.phase) == ("say_1", 0, Phase.DIALLING)
    assert asks(rig.feed(*REPLACES[1:])) == is_answer
    assert rig.phase is Phase.LIVE


def test_of_words_that_wait_the_oldest_are_dropped_and_told_of() -> None:
    """An agent that says something at every key must not talk for an hour."""
    book = v.greeted(limits=Limits(sayings_waiting_max=2))
    outputs = book.rig.feed(*(v.agent_says(say_id=f"say_{n}") for n in range(4)))
    assert [fact.say_id for fact in facts_of(outputs, Said)] == ["say_1", "say_2"], "the first is asked for"


@pytest.mark.parametrize("is_asked", [False, True])
def test_words_that_a_limit_overtakes_are_told_of_once(*, is_asked: bool) -> None:
    """Whoever waits for them must know. What was asked for already is heard."""
    book = v.greeted()
    rig = book.rig
    if not is_asked:
        rig.feed(v.speech_started())
    rig.feed(v.agent_says())
    outputs = rig.feed(e.SpendRanOver())
    assert [fact.heard_percent for fact in facts_of(outputs, Said)] == ([] if is_asked else [0])
    if is_asked:
        rig.feed(v.created("words"), *v.says("words", "it", 200), v.done("words"))
        rig.now += 0.3
        assert [fact.heard_percent for fact in facts_of(rig.feed(PLAYED), Said)] == [100]


# --- News -----------------------------------------------------------------------------------------------


def news(text: str = "The taxi is there.", *, is_callers: bool = False) -> a.Note:
    return a.Note(Remembered(Told(1, text, is_callers)))


@pytest.mark.parametrize("is_callers", [False, True])
def test_news_are_told_and_answered(*, is_callers: bool) -> None:
    book, item = v.greeted(), Id("news")
    role = "user" if is_callers else "system"
    assert (
        book
        >> w.AgentTells("The taxi is there.", is_callers=is_callers)
        << (news(is_callers=is_callers), v.told(item, "The taxi is there.", role=role), v.ask())
    )
    assert book >> v.item_added(item) >> v.answers("answer", "it", 100) << AudioToPhone(100)
    assert v.rests(book)


def test_news_that_are_only_to_be_known_are_not_answered() -> None:
    book = v.greeted()
    want = w.AgentTells("The taxi is there.", is_answered=False)
    assert book >> want << (news(), v.told(Id(), "The taxi is there.", role="system"))
    assert v.rests(book)


def told_texts(outputs: list[Output]) -> list[str]:
    """What the model is told in messages."""
    sent = [one.command for one in outputs if isinstance(one, a.SendToModel)]
    items = [one.item for one in sent if isinstance(one, commands.CreateItem)]
    return [item.content[0].text for item in items if isinstance(item, commands.Message)]


def asks(outputs: list[Output]) -> int:
    """How often the model is asked to speak."""
    return sum(
        isinstance(one, a.SendToModel) and isinstance(one.command, commands.CreateResponse) for one in outputs
    )


@pytest.mark.parametrize("comes", ["while dialling", "while configuring", "while retelling"])
def test_news_without_a_session_are_told_the_next_one_once_and_answered(comes: str) -> None:
    book = v.greeted()
    rig = book.rig
    place = {"while dialling": 1, "while configuring": 3, "while retelling": 4}[comes]
    outputs = rig.feed(*REPLACES[:place], w.AgentTells("The taxi is there."), *REPLACES[place:])
    assert rig.phase is Phase.LIVE
    assert (told_texts(outputs).count("The taxi is there."), asks(outputs)) == (1, 1), outputs


@pytest.mark.parametrize("is_answered", [True, False])
def test_news_while_a_session_is_renewed_are_not_lost_with_the_old_one(*, is_answered: bool) -> None:
    """The next one was told the conversation without them: it waits for another moment."""
    book = v.greeted(limits=Limits(renew_after_s=10, media_gap_warning_s=600, media_gap_timeout_s=600))
    rig = book.rig
    rig.now = BEGINS_AT_S + 11
    rig.feed(e.DeadlinePassed(), v.SPARE_CONNECTED, v.spare(v.SESSION_CREATED), v.spare(v.SESSION_UPDATED))
    outputs = rig.feed(w.AgentTells("The taxi is there.", is_answered=is_answered))
    assert told_texts(outputs) == ["The taxi is there."]
    assert v.drops(e.Leg.SPARE) in outputs
    assert a.SwitchModel() not in rig.feed(v.spare(v.SESSION_UPDATED))


def test_news_of_an_earlier_stream_are_retold() -> None:
    rig = Rig()
    memory = (Told(1, "The taxi is there."), Told(1, "[pressed 4 2]", is_callers=True))
    rig.feed(v.start(), v.admitted(is_continued=True, memory=memory), e.ModelConnected(), v.SESSION_CREATED)
    outputs = rig.feed(v.SESSION_UPDATED)
    assert told_texts(outputs) == ["The taxi is there.", "[pressed 4 2]", v.CONTINUED]


# --- Another session ------------------------------------------------------------------------------------


def test_a_session_is_amended_whole_and_asked_nothing_before_it_has_confirmed() -> None:
    book = v.greeted()
    update = v.update_wanted()
    assert book >> v.session_wanted() << update >> v.agent_says()
    session = update.command.session  # type: ignore[union-attr]  # It is an update.
    assert session.audio == PLAN.session.audio, "with both formats"
    assert book >> after(0.1, v.SESSION_UPDATED) << (v.amended(), v.ask_saying())


def test_a_session_is_not_amended_while_the_caller_speaks_or_an_answer_is_promised_or_made() -> None:
    book = v.greeted()
    assert book >> v.speech_started() >> v.session_wanted() >> after(0.5, v.speech_stopped())
    assert book >> v.created("answer") >> v.says("answer", "it", 400) << AudioToPhone(400)
    assert book >> v.done("answer") << v.update_wanted()


def test_what_waits_is_replaced_by_what_is_wanted_later() -> None:
    book = v.greeted()
    assert book >> v.speech_started() >> v.session_wanted() >> v.session_wanted("Say no.", "a_2")
    assert (
        book
        >> after(0.5, v.speech_stopped())
        >> v.answers("answer", "it", 400)
        << (
            AudioToPhone(400),
            v.update_wanted("Say no."),
        )
    )
    assert book >> v.SESSION_UPDATED << v.amended(amendment_id="a_2")


def test_a_session_that_refuses_stays_as_it_was_and_the_call_goes_on() -> None:
    book, update_id = v.greeted(), Id("update")
    wanted = PLAN.with_agent("Take orders.", ()).session
    assert book >> v.session_wanted() << v.update(wanted, id=update_id) >> v.agent_says()
    refusal = v.error("invalid_value", answers=update_id)
    assert (
        book
        >> refusal
        << (v.any_warning("model_error"), v.any_warning("session_not_amended"))
        << (v.amended(is_confirmed=False), v.ask_saying())
    )
    v.retelling(book)
    assert book.rig.feed(v.SESSION_UPDATED), "the old instructions hold in the next session, too"


def test_the_next_session_is_opened_as_the_last_one_that_was_taken() -> None:
    book, update_id = v.greeted(), Id("update")
    assert book >> v.session_wanted() << v.update_wanted() >> v.SESSION_UPDATED << v.amended()
    wanted = PLAN.with_agent("Say no.", ()).session
    assert book >> v.session_wanted("Say no.", "a_2") << v.update(wanted, id=update_id)
    refusal = v.error("invalid_value", answers=update_id.value)
    book.rig.feed(refusal, v.gone(e.Leg.MODEL), e.ModelConnected())
    assert book >> v.SESSION_CREATED << v.update(PLAN.with_agent("Take orders.", ()).silent_session)


def test_who_does_not_confirm_is_asked_all_the_same() -> None:
    book = v.greeted()
    assert book >> v.session_wanted() << v.update_wanted() >> v.agent_says()
    assert (
        book
        >> after(0.5, ALIVE)
        >> deadline(Timer.AMEND)
        << (v.any_warning("session_not_amended"), v.ask_saying())
    )
    assert book.rig.seconds == 3 + book.rig.limits.amend_timeout_s
    assert book >> after(1, v.SESSION_UPDATED) << v.amended(), "late is not never"


@pytest.mark.parametrize("comes_first", ["nothing", "late"])
def test_a_confirmation_that_never_comes_is_not_taken_from_the_next_update(comes_first: str) -> None:
    """What it shows says which update it confirms."""
    book = v.greeted()
    assert book >> v.session_wanted() << v.update_wanted()
    assert book >> after(0.5, ALIVE) >> deadline(Timer.AMEND) << v.any_warning("session_not_amended")
    assert book >> v.session_wanted("Say no.", "a_2") << v.update_wanted("Say no.") >> v.agent_says()
    if comes_first == "late":
        assert book >> v.session_updated("Take orders.") << v.amended(), "the second is still waited for"
        assert book >> v.session_updated("Say no.") << (v.amended(amendment_id="a_2"), v.ask_saying())
    else:
        assert (
            book
            >> v.session_updated("Say no.")
            << (v.amended(is_confirmed=False), v.amended(amendment_id="a_2"), v.ask_saying())
        )


@pytest.mark.parametrize("shown", ["Take orders. ", 7, None])
def test_who_shows_other_instructions_than_it_was_told_confirms_in_order(shown: object) -> None:
    """A vendor may tidy up what it shows, or show nothing."""
    book = v.greeted()
    assert book >> v.session_wanted() << v.update_wanted() >> v.agent_says()
    assert book >> v.session_updated(shown) << (v.amended(), v.ask_saying())


def test_a_late_answer_to_one_update_says_nothing_of_the_next() -> None:
    """The first is refused after the second has left: that one holds, and is waited for."""
    book, first, second = v.greeted(), Id("first"), Id("second")
    assert book >> v.session_wanted() << v.update(PLAN.with_agent("Take orders.", ()).session, id=first)
    assert book >> after(0.5, ALIVE) >> deadline(Timer.AMEND) << v.any_warning("session_not_amended")
    wanted = PLAN.with_agent("Say no.", ()).session
    assert book >> v.session_wanted("Say no.", "a_2") << v.update(wanted, id=second) >> v.agent_says()
    assert (
        book
        >> v.error("invalid_value", answers=first)
        << (v.any_warning("model_error"), v.any_warning("session_not_amended"))
        << v.amended(is_confirmed=False)
    )
    assert book >> v.SESSION_UPDATED << (v.amended(amendment_id="a_2"), v.ask_saying())
    book.rig.feed(v.gone(e.Leg.MODEL), e.ModelConnected())
    assert book >> v.SESSION_CREATED << v.update(PLAN.with_agent("Say no.", ()).silent_session)


@pytest.mark.parametrize("was_sent", [True, False])
def test_a_session_that_is_lost_meanwhile_is_replaced_by_one_as_it_is_wanted(*, was_sent: bool) -> None:
    """It is opened so, and told nothing twice."""
    book = v.greeted()
    if not was_sent:
        book.rig.feed(v.speech_started())
    assert book >> v.session_wanted() << (v.update_wanted() if was_sent else ())
    book.rig.feed(v.gone(e.Leg.MODEL), e.ModelConnected())
    assert book >> v.SESSION_CREATED << v.update(PLAN.with_agent("Take orders.", ()).silent_session)
    outputs = book.rig.feed(v.SESSION_UPDATED, v.SESSION_UPDATED)
    sent = [one.command for one in outputs if isinstance(one, a.SendToModel)]
    updates = [one.session for one in sent if isinstance(one, commands.UpdateSession)]
    assert updates == [PLAN.with_agent("Take orders.", ()).session]
    assert [fact.is_confirmed for fact in facts_of(outputs, SessionAmended)] == [True]
    assert asks(outputs) == (not was_sent), "who was speaking is owed an answer"


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_what_is_wanted_while_a_session_is_had_it_is_told_as_soon_as_it_stands(place: int) -> None:
    book = v.greeted()
    book.rig.feed(*REPLACES[:place], v.session_wanted(), v.agent_says())
    outputs = book.rig.feed(*REPLACES[place:])
    assert v.update_wanted().command.session in sessions_sent(outputs)  # type: ignore[union-attr]  # An update.
    assert not asks(outputs)
    assert book >> v.SESSION_UPDATED << (v.amended(), v.ask_saying())


def sessions_sent(outputs: list[Output]) -> list[commands.Session]:
    """What the model is told to be."""
    sent = [one.command for one in outputs if isinstance(one, a.SendToModel)]
    return [one.session for one in sent if isinstance(one, commands.UpdateSession)]


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_spare_that_was_opened_before_is_amended(*, is_lost: bool) -> None:
    """Whether it takes over in good time or from a session that is lost."""
    book = v.greeted(limits=Limits(renew_after_s=10, media_gap_warning_s=600, media_gap_timeout_s=600))
    rig = book.rig
    rig.now = BEGINS_AT_S + 11
    rig.feed(e.DeadlinePassed(), v.SPARE_CONNECTED, v.spare(v.SESSION_CREATED), v.session_wanted())
    rig.feed(v.SESSION_UPDATED)
    if is_lost:
        rig.feed(v.speech_started(), v.spare(v.SESSION_UPDATED))
        outputs = rig.feed(v.gone(e.Leg.MODEL), v.SESSION_UPDATED)
    else:
        outputs = rig.feed(v.spare(v.SESSION_UPDATED), v.spare(v.SESSION_UPDATED))
    assert a.SwitchModel() in outputs
    assert sessions_sent(outputs)[-1] == PLAN.with_agent("Take orders.", ()).session
    assert not asks(outputs)
    assert asks(rig.feed(v.SESSION_UPDATED)) == is_lost


def test_a_protected_greeting_stays_protected_when_the_session_is_amended() -> None:
    """And what the greeting's end amends leaves nothing of it out."""
    plan = make_plan(is_greeting_interruptible=False)
    rig = Rig(plan)
    rig.feed(v.start(), v.admitted(), e.ModelConnected(), v.SESSION_CREATED, v.session_wanted())
    wanted = plan.with_agent("Take orders.", ())
    outputs = rig.feed(v.SESSION_UPDATED)
    assert (sessions_sent(outputs), asks(outputs)) == ([wanted.protected_session], 0)
    assert asks(rig.feed(v.SESSION_UPDATED)) == 1
    rig.feed(v.created("greeting"), *v.says("greeting", "hello", 500), v.done("greeting"))
    rig.now += 0.6
    assert sessions_sent(rig.feed(PLAYED)) == [wanted.session]


# --- Sounds and keys ------------------------------------------------------------------------------------


def test_a_soft_sound_is_heard_every_two_seconds_while_a_tool_runs_and_nobody_speaks() -> None:
    book = ticking()
    rig = book.rig
    rig.feed(w.SoundWanted("call_1"), w.SoundWanted("unknown"))
    sounds = [at_s for at_s, why, _ in rig.wakes(until_s=9) if why is Timer.WAITING_SOUND]
    assert len(sounds) == 3
    assert all(2 <= later - sooner <= 2.5 for sooner, later in pairwise(sounds)), sounds
    rig.feed(v.speech_started("more"))
    assert not [why for _, why, _ in rig.wakes(until_s=12) if why is Timer.WAITING_SOUND]
    rig.feed(v.speech_stopped("more"), *v.answers("yes", "it", 100))
    assert [why for _, why, _ in rig.wakes(until_s=15) if why is Timer.WAITING_SOUND]
    rig.feed(v.tool_finished("call_1"))
    assert not [why for _, why, _ in rig.wakes(until_s=17) if why is Timer.WAITING_SOUND]


def test_the_clip_and_the_soft_sound_are_not_heard_at_once() -> None:
    """A session is lost while a tool runs: both are due when the caller has heard nothing for a while."""
    book = ticking()
    rig = book.rig
    rig.feed(w.SoundWanted("call_1"))
    rig.feed(v.gone(e.Leg.MODEL))
    due = [at_s for at_s, why, _ in rig.wakes(until_s=14) if why in {Timer.WAITING_SOUND, Timer.CLIP}]
    assert due
    assert all(later - sooner >= 1.5 for sooner, later in pairwise(due)), due


def test_a_sound_that_is_wanted_too_late_is_not_heard() -> None:
    book = ticking()
    book.rig.feed(v.tool_finished("call_1"), w.SoundWanted("call_1"), *v.answers("so", "it", 100))
    assert not [why for _, why, _ in book.rig.wakes(until_s=8) if why is Timer.WAITING_SOUND]


def test_so_many_keys_are_enough_and_the_pause_is_as_it_is_wanted() -> None:
    book = v.greeted()
    assert book >> w.KeysWanted(length_max=2, pause_s=5.0) >> v.key("4")
    assert book >> after(1, v.key("2"))
    (pressed,) = facts_of(book.rig.feed(e.DeadlinePassed()), KeysPressed)
    assert (pressed.keys, book.rig.seconds) == ("42", 4)
    book.rig.feed(*v.answers("so", "it", 60), v.key("7"))
    due = book.rig.due(BEGINS_AT_S + 60)
    assert due is not None
    assert [at_s for at_s, why, _ in book.rig.wakes(until_s=12) if why is Timer.KEYS] == [9]


PERSON = replace(PLAN, person_key="0", menu_keys=frozenset("12"), reads_keys=True)


def test_the_key_to_a_person_is_heard_in_every_phase() -> None:
    steps = (v.start(), v.admitted(), e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    for begun in range(2, len(steps) + 1):
        rig = Rig(PERSON)
        rig.feed(*steps[:begun])
        (ended,) = facts_of(rig.feed(v.key("0")), StreamEnded)
        assert ended.reason is EndReason.PERSON_WANTED, begun
    book = v.answering(v.greeted(PERSON))
    book.rig.feed(*v.takes_leave(1000), v.done("answer"))
    assert book.rig.phase is Phase.LEAVING
    (ended,) = facts_of(book.rig.feed(v.key("0")), StreamEnded)
    assert ended.reason is EndReason.PERSON_WANTED


def test_the_key_to_a_person_is_alone_behind_keys_that_nobody_could_be_told() -> None:
    book = v.greeted(PERSON)
    book.rig.feed(v.gone(e.Leg.MODEL), v.key("7"))
    book.rig.now += book.rig.limits.keys_timeout_s
    book.rig.feed(e.DeadlinePassed())
    (ended,) = facts_of(book.rig.feed(v.key("0")), StreamEnded)
    assert ended.reason is EndReason.PERSON_WANTED


def test_who_leans_on_a_key_of_the_menu_is_followed_so_often_in_a_minute_and_no_more() -> None:
    book = v.greeted(PERSON, Limits(menu_keys_per_minute_max=3, caller_silence_s=0))
    pressed = 0
    for _ in range(650):
        book.rig.now += 0.1
        pressed += len(facts_of(book.rig.feed(v.key("1")), KeysPressed))
    assert pressed == 6


def test_within_a_number_no_key_means_anything_by_itself() -> None:
    book = v.greeted(PERSON)
    book.rig.feed(w.KeysWanted(are_digits=True))
    for digit in "101":
        assert book >> after(0.1, v.key(digit))
    (pressed,) = [fact for _, _, out in book.rig.wakes(until_s=8) for fact in facts_of(out, KeysPressed)]
    assert (pressed.keys, pressed.is_menu) == ("101", False)


def test_a_key_of_the_menu_interrupts_and_is_told_to_no_model() -> None:
    book = v.answering(v.greeted(PERSON))
    book.rig.feed(v.item("answer", "long"))
    assert book >> v.audio("answer", "long", 2000) << AudioToPhone(2000)
    outputs = book.rig.feed(v.key("1"))
    (pressed,) = facts_of(outputs, KeysPressed)
    assert (pressed.keys, pressed.is_menu) == ("1", True)
    assert facts_of(outputs, Interrupted)
    assert not told_texts(outputs)


# --- Wishes and works -----------------------------------------------------------------------------------


def test_a_wish_without_words_is_granted_when_the_model_has_said_goodbye() -> None:
    book = v.greeted()
    assert book >> w.WishSet(HangUp()) << v.ask_farewell()
    assert book.rig.phase is Phase.LEAVING
    assert book >> v.answers("bye", "it", 500) << AudioToPhone(500)
    assert book >> after(0.6, PLAYED) << (v.recorded(TurnEnded), *v.ends(EndReason.AGENT_HANGUP))


def test_a_wish_with_words_is_granted_when_they_were_heard() -> None:
    book = v.greeted()
    assert book >> v.agent_says("Goodbye.") << v.ask_saying("Goodbye.") >> w.WishSet(HangUp(), is_said=True)
    assert book >> v.answers("bye", "it", 500) << AudioToPhone(500)
    assert (
        book
        >> after(0.6, PLAYED)
        << (v.said(100), v.recorded(TurnEnded), *v.ends(EndReason.AGENT_HANGUP, follows=HangUp()))
    )


def test_a_caller_who_speaks_withdraws_a_wish() -> None:
    book = v.greeted()
    assert book >> w.WishSet(HangUp()) << v.ask_farewell() >> v.speech_started() << GOES_ON
    assert book.rig.phase is Phase.LIVE


def test_whom_the_agent_leaves_is_heard_in_a_session_that_was_had_meanwhile() -> None:
    """They may still keep it: their audio is not held for ever."""
    book = v.greeted()
    book.rig.feed(v.gone(e.Leg.MODEL), w.WishSet(HangUp()))
    assert a.OpenUplink() in book.rig.feed(*REPLACES[1:])


def test_a_goodbye_that_was_not_begun_is_not_said_once_its_wish_is_withdrawn() -> None:
    """It waits behind the answer; the caller has more to say."""
    book = v.answering(v.greeted())
    assert book >> v.agent_says("Goodbye.") >> w.WishSet(HangUp(), is_said=True)
    assert book >> v.says("answer", "it", 500) << AudioToPhone(500)
    outputs = book.rig.feed(v.speech_started("wait"))
    (said,) = facts_of(outputs, Said)
    assert (said.say_id, said.heard_percent) == ("say_1", 0)
    book.rig.feed(v.done("answer", "cancelled"), v.speech_stopped("wait"))
    assert not asks(book.rig.feed(*v.answers("more", "it_2", 100)))


def test_a_wish_that_is_withdrawn_by_the_agent_leaves_no_goodbye_owed() -> None:
    book = v.answering(v.greeted())
    assert book >> w.WishSet(HangUp()) >> w.WishWithdrawn() << v.told(Id(), v.CALL_GOES_ON, role="system")
    assert book >> v.says("answer", "it", 100) << AudioToPhone(100) >> v.done("answer")
    assert book.rig.phase is Phase.LIVE
    assert v.rests(book)


def test_a_goodbye_that_nobody_is_left_to_say_is_said_by_twilio() -> None:
    book = v.answering(v.greeted())
    assert book >> v.agent_says("Goodbye.") >> w.WishSet(HangUp(), is_said=True)
    (ended,) = facts_of(
        [one for _, _, out in [(0, 0, book.rig.feed(v.gone(e.Leg.MODEL))), *book.rig.wakes()] for one in out],
        StreamEnded,
    )
    assert (ended.reason, ended.follows) == (EndReason.AGENT_HANGUP, SayGoodbye())


RUNS_WORK = a.RunTool("w_1", "deliver", '{"a":1}', 8.0, is_ours=True)
WORK = w.WorkAsked("w_1", "deliver", '{"a":1}')


def test_a_work_runs_like_a_tool_and_no_model_is_told() -> None:
    book = v.greeted()
    begun = Remembered(ToolStarted(1, "w_1", "deliver", '{"a":1}', is_ours=True))
    assert book >> WORK << (a.Note(begun), RUNS_WORK)
    ended = Remembered(ToolAnswered(1, "w_1", "deliver", '{"a":1}', "yes", is_ours=True))
    finished = v.tool_finished("w_1", name="deliver", is_ours=True)
    assert book >> after(1, finished) << (a.Note(ended), v.recorded(ToolUsed))
    assert not told_texts(v.retelling(book).rig.feed(v.SESSION_UPDATED))
    assert v.rests(book)


@pytest.mark.parametrize("is_over", [False, True])
def test_a_call_that_ends_waits_for_a_work(*, is_over: bool) -> None:
    """Also for one that its end has led to."""
    book = v.greeted()
    book.rig.feed(*((v.HANGS_UP, WORK) if is_over else (WORK, v.HANGS_UP)))
    assert book.rig.deadline == (book.rig.now + book.rig.limits.linger_s, Timer.LINGER)
    assert (
        book
        >> v.tool_finished("w_1", name="deliver", is_ours=True)
        << (v.recorded(Remembered), v.recorded(ToolUsed))
    )
    assert book.rig.deadline is None


def test_a_call_of_the_models_that_is_named_like_a_work_is_another_run() -> None:
    """A model names its calls as it likes."""
    book = v.answering(v.greeted())
    rig = book.rig
    rig.feed(WORK, v.tool_call("answer", "w_1", "{}"))
    assert not [one for one in rig.feed(WORK) if isinstance(one, a.RunTool)], "the same work again is none"
    (ours,) = facts_of(rig.feed(v.tool_finished("w_1", "sent", name="deliver", is_ours=True)), Remembered)
    (theirs,) = facts_of(rig.feed(v.tool_finished("w_1", "found")), Remembered)
    assert [(fact.entry.is_ours, fact.entry.output) for fact in (ours, theirs)] == [
        (True, "sent"),
        (False, "found"),
    ]


# --- What the agent is told of --------------------------------------------------------------------------


def test_the_agent_is_told_what_was_heard_and_that_the_caller_has_spoken() -> None:
    book = v.answering(v.greeted())
    outputs = book.rig.feed(*v.says("answer", "it", 500), v.done("answer"))
    assert not facts_of(outputs, ItemHeard)
    book.rig.now += 0.6
    (heard,) = facts_of(book.rig.feed(PLAYED), ItemHeard)
    assert heard.item_id == "it"
    book.rig.feed(v.speech_started("more"))
    book.rig.now += 1
    (spoke,) = facts_of(book.rig.feed(v.speech_stopped("more")), CallerSpoke)
    assert (spoke.turn, 600 < spoke.loud_ms < 1000) == (2, True), spoke


def test_an_item_that_is_cut_was_not_heard() -> None:
    book = v.answering(v.greeted())
    book.rig.feed(*v.says("answer", "it", 2000), v.done("answer"))
    book.rig.now += 0.5
    outputs = book.rig.feed(v.speech_started("wait"), PLAYED)
    assert not facts_of(outputs, ItemHeard)


def test_a_cough_is_no_word_of_the_callers_until_its_words_come() -> None:
    """A yes is as short. Where nobody says what it was, it has to do."""
    for has_transcription in (True, False):
        plan = PLAN if has_transcription else PLAN.without_transcription()
        book = v.greeted(plan)
        book.rig.feed(v.speech_started("short"))
        book.rig.now += 0.2
        outputs = book.rig.feed(v.speech_stopped("short"), v.committed("short"))
        assert [fact.is_clear for fact in facts_of(outputs, CallerSpoke)] == [not has_transcription]
        outputs = book.rig.feed(v.caller_said("Yes.", "short")) if has_transcription else []
        assert [fact.is_clear for fact in facts_of(outputs, CallerSpoke)] == [True] * has_transcription


def test_what_was_heard_says_behind_which_calls_of_tools_it_was_said() -> None:
    """Words before a call, in one response with it, do not ask about it, though they are heard later."""
    book = v.answering(v.greeted())
    rig = book.rig
    rig.feed(*v.says("answer", "before", 500), v.tool_call("answer", "call_1"), v.done("answer"))
    rig.feed(v.tool_finished("call_1"))
    rig.now += 0.6
    heard = facts_of(rig.feed(PLAYED), ItemHeard)
    rig.feed(v.created("behind"), *v.says("behind", "question", 500), v.done("behind"))
    rig.now += 0.6
    heard += facts_of(rig.feed(PLAYED), ItemHeard)
    assert [(fact.item_id, fact.behind_tools) for fact in heard] == [("before", 0), ("question", 1)]
