"""The caller is put through: at once, or once a person who was asked apart takes the call."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from msgspec import structs
from test_wants import facts_of

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call import wants as w
from callbridge.call.actions import OwnSound, PlaySound
from callbridge.call.facts import EndReason, Remembered, StreamEnded
from callbridge.call.limits import Limits
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.phases import Phase, Timer
from callbridge.call.telephone_facts import TransferAsked, TransferEnded
from callbridge.call.transfer_words import words_of
from callbridge.call.wishes import FallBack, HangUp, PutThrough, Resume, Transfer
from callbridge.wire import realtime_commands as commands
from playbook import Playbook
from rigs import PLAN, PLAYED, AudioToModel, AudioToPhone, Input, Output, Rig

COLD = Transfer("sales", "+15550100042")
WARM = structs.replace(COLD, is_asked=True, is_warm=True, briefing="Ann calls.")
APART = replace(PLAN, rings_apart=True)
TRANSFER_ID = "MZ1-1"


def leaving(transfer: Transfer, plan: object = APART, limits: Limits = v.PATIENT) -> Playbook:
    """The model has called the tool in the answer in which it said "one moment": nobody has heard it yet."""
    book = v.answering(v.greeted(plan, limits))  # type: ignore[arg-type]
    finished = e.ToolFinished("end", "end_call", "Say one sentence.", 5, transfer)
    book.rig.feed(
        *v.says("answer", "bye", 500), v.tool_call("answer", "end", "end_call"), finished, v.done("answer")
    )
    assert book.rig.phase is Phase.LEAVING
    return book


def on_hold(plan: object = APART) -> Playbook:
    """The last words were heard; a person is being asked."""
    book = leaving(WARM, plan)
    book.rig.now += 0.6
    heard = book.rig.feed(PLAYED)
    (asked,) = facts_of(heard, TransferAsked)
    assert (asked.transfer_id, asked.transfer, asked.is_held) == (TRANSFER_ID, WARM, True)
    assert PlaySound(OwnSound.ON_HOLD) in heard
    assert not facts_of(heard, StreamEnded)
    return book


def tells(outcome: TransferOutcome, *, is_to_ring: bool = False) -> e.TransferTold:
    """What became of it."""
    return e.TransferTold(TRANSFER_ID, outcome, "", is_to_ring)


def comes_back(book: Playbook, outputs: list[Output], outcome: TransferOutcome) -> None:
    """The agent has the caller, knows why, and is asked to say so."""
    (ended,) = facts_of(outputs, TransferEnded)
    assert (ended.transfer_id, ended.name, ended.outcome) == (TRANSFER_ID, "sales", outcome)
    commanded = [one.command for one in outputs if isinstance(one, a.SendToModel)]
    told = next(command for command in commanded if isinstance(command, commands.CreateItem))
    assert words_of("sales", outcome, ended.waited_ms / 1000) in repr(told)
    assert any(isinstance(command, commands.CreateResponse) for command in commanded)
    assert v.hears(book)


@pytest.mark.parametrize("plan", [APART, PLAN])
def test_a_caller_who_is_put_through_at_once_leaves_when_the_last_words_were_heard(plan: object) -> None:
    """Also one who was to wait, where nobody can be rung apart."""
    book = leaving(COLD if plan is APART else WARM, plan)
    book.rig.now += 0.6
    outputs = book.rig.feed(PLAYED)
    (asked,), (ended,) = facts_of(outputs, TransferAsked), facts_of(outputs, StreamEnded)
    assert not asked.is_held
    assert (ended.reason, ended.follows) == (EndReason.TRANSFERRED, PutThrough(TRANSFER_ID, "sales"))


def test_a_caller_who_speaks_first_is_not_put_through() -> None:
    book = leaving(COLD)
    outputs = book.rig.feed(v.speech_started("wait"))
    assert book.rig.phase is Phase.LIVE
    assert "still with you" in repr(outputs)
    assert v.ended(book).reason is EndReason.CALLER_HANGUP


def test_without_a_model_the_caller_is_put_through_all_the_same() -> None:
    book = leaving(COLD)
    outputs = book.rig.feed(v.gone(e.Leg.MODEL))
    book.rig.now += 0.6
    (ended,) = facts_of([*outputs, *book.rig.feed(PLAYED)], StreamEnded)
    assert (ended.reason, ended.follows) == (EndReason.TRANSFERRED, PutThrough(TRANSFER_ID, "sales"))


def test_on_hold_the_sound_has_no_gap_and_nobody_hears_the_caller() -> None:
    book = on_hold()
    assert not v.hears(book)
    sounds = [at_s for at_s, why, _ in book.rig.wakes(until_s=20) if why is Timer.HOLD_SOUND]
    assert len(sounds) > 5
    assert all(later - sooner < 1.61 for sooner, later in pairwise(sounds)), sounds


def test_on_hold_the_agent_says_nothing_and_is_not_asked_whether_the_caller_is_there() -> None:
    book = on_hold()
    outputs = book.rig.feed(v.agent_says("Hello?"), w.AgentTells("[News.]"))
    outputs += [one for _, _, out in book.rig.wakes(until_s=60) for one in out]
    asked = [one for one in outputs if isinstance(one, a.SendToModel)]
    assert not any(isinstance(one.command, commands.CreateResponse) for one in asked)
    # Afterwards both are made good.
    outputs = book.rig.feed(tells(TransferOutcome.BUSY))
    assert any(isinstance(getattr(one, "command", None), commands.CreateResponse) for one in outputs)


@pytest.mark.parametrize(
    "outcome", [each for each in TransferOutcome if each is not TransferOutcome.CONNECTED]
)
def test_the_agent_has_the_caller_back_when_nobody_takes_the_call(outcome: TransferOutcome) -> None:
    book = on_hold()
    book.rig.now += 5
    comes_back(book, book.rig.feed(tells(outcome)), outcome)


def test_when_the_person_takes_the_call_the_stream_ends() -> None:
    book = on_hold()
    assert not book.rig.feed(e.TransferTold("MZ0-1", TransferOutcome.CONNECTED))  # Another transfer's.
    (ended,) = facts_of(book.rig.feed(tells(TransferOutcome.CONNECTED)), StreamEnded)
    assert (ended.reason, ended.follows) == (EndReason.TRANSFERRED, PutThrough(TRANSFER_ID, "sales"))


def test_where_nobody_can_be_asked_apart_the_caller_hears_it_ring() -> None:
    outputs = on_hold().rig.feed(tells(TransferOutcome.CARRIER_FAULT, is_to_ring=True))
    (ended,) = facts_of(outputs, StreamEnded)
    assert ended.follows == PutThrough(TRANSFER_ID, "sales")
    assert not facts_of(outputs, TransferEnded)


def test_a_key_brings_the_agent_back() -> None:
    book = on_hold()
    outputs = book.rig.feed(v.key("5"))
    (ended,) = facts_of(outputs, TransferEnded)
    assert ended.outcome is TransferOutcome.CALLER_RETURNED
    assert v.hears(book)


def test_words_that_were_on_their_way_bring_the_agent_back() -> None:
    book = on_hold()
    (ended,) = facts_of(book.rig.feed(v.speech_started("wait")), TransferEnded)
    assert ended.outcome is TransferOutcome.CALLER_RETURNED


def test_the_wait_ends_though_nobody_says_what_became_of_it() -> None:
    book = on_hold()
    woken = book.rig.wakes(until_s=120)
    at_s, outputs = next((at_s, out) for at_s, why, out in woken if why is Timer.ON_HOLD)
    (ended,) = facts_of(outputs, TransferEnded)
    assert ended.outcome is TransferOutcome.CARRIER_FAULT
    assert 80 <= at_s <= 90


def test_a_session_that_is_lost_on_hold_is_replaced_in_silence() -> None:
    book = on_hold()
    outputs = book.rig.feed(v.gone(e.Leg.MODEL), e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    outputs += book.rig.feed(v.SESSION_UPDATED)
    assert not v.hears(book)
    assert not any(isinstance(getattr(one, "command", None), commands.CreateResponse) for one in outputs)
    comes_back(book, book.rig.feed(tells(TransferOutcome.DECLINED)), TransferOutcome.DECLINED)


@pytest.mark.parametrize("outcome", [TransferOutcome.CONNECTED, TransferOutcome.BUSY])
def test_without_a_model_the_caller_waits_on(outcome: TransferOutcome) -> None:
    book = on_hold()
    hopeless = e.ModelDialFailed("no such model", 401)
    assert not facts_of(book.rig.feed(v.gone(e.Leg.MODEL), hopeless), StreamEnded)
    (ended,) = facts_of(book.rig.feed(tells(outcome)), StreamEnded)
    is_taken = outcome is TransferOutcome.CONNECTED
    assert ended.follows == (PutThrough(TRANSFER_ID, "sales") if is_taken else FallBack())


def test_who_hangs_up_on_hold_is_known_to_have() -> None:
    (ended,) = facts_of(on_hold().rig.feed(v.HANGS_UP), TransferEnded)
    assert ended.outcome is TransferOutcome.CALLER_HUNG_UP


def test_a_stream_that_breaks_off_on_hold_goes_on_and_the_next_one_knows() -> None:
    outputs = on_hold().rig.feed(v.gone(e.Leg.PHONE))
    (ended,), (told,) = facts_of(outputs, StreamEnded), facts_of(outputs, Remembered)
    assert ended.follows == Resume()
    assert told.entry.text == words_of("sales", TransferOutcome.CARRIER_FAULT)
    assert not any(isinstance(one, a.ParkModel) for one in outputs)


def test_a_process_that_leaves_waits_a_while_for_the_person() -> None:
    book = on_hold()
    assert not facts_of(book.rig.feed(e.HandOverRequested()), StreamEnded)
    woken = book.rig.wakes(until_s=60)
    (ended,) = [fact for _, _, out in woken for fact in facts_of(out, StreamEnded)]
    assert (ended.reason, ended.follows) == (EndReason.HANDED_OVER, Resume())


def test_a_stream_with_a_caller_who_is_back_begins_with_what_became_of_it() -> None:
    rig = Rig(PLAN)
    admitted = replace(v.admitted(is_continued=True), is_back=True)
    outputs = rig.feed(v.start(), admitted, e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    assert "they are back with you" in repr(outputs)


# --- What was left behind ------------------------------------------------------------------------------


def asks_for_words(outputs: list[Output]) -> bool:
    """Whether the model is asked to speak."""
    return any(isinstance(getattr(one, "command", None), commands.CreateResponse) for one in outputs)


def test_what_was_owed_on_hold_keeps_nobody_waiting_before_they_are_back() -> None:
    """The words that nobody could hear are said afterwards, in the time that words have."""
    book = on_hold()
    book.rig.feed(v.agent_says("Hello?"), w.AgentTells("[News.]"))
    book.rig.wakes(until_s=60)
    assert asks_for_words(book.rig.feed(tells(TransferOutcome.BUSY)))
    assert not any(facts_of(out, StreamEnded) for _, _, out in book.rig.wakes(until_s=62))


def frames_sent(book: Playbook, *events: Input) -> int:
    """How many frames of the caller's the model gets while this happens."""
    return sum(isinstance(one, AudioToModel) for one in book.rig.feed(*events))


ANOTHER = (e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED)


def test_of_what_the_caller_says_on_hold_nothing_reaches_a_session_that_comes_meanwhile() -> None:
    book = on_hold()
    sent = frames_sent(book, v.gone(e.Leg.MODEL), v.frame(), v.frame(), *ANOTHER, v.frame())
    assert sent + frames_sent(book, tells(TransferOutcome.BUSY)) == 0
    assert v.hears(book)


def test_who_is_back_before_there_is_a_session_is_heard_from_their_first_word() -> None:
    book = on_hold()
    assert frames_sent(book, v.gone(e.Leg.MODEL), v.frame(), tells(TransferOutcome.BUSY), v.frame()) == 0
    assert frames_sent(book, *ANOTHER) == 1
    assert v.hears(book)


def test_an_answer_that_nobody_has_asked_for_is_not_heard_on_hold_and_runs_no_tool() -> None:
    book = on_hold()
    outputs = book.rig.feed(
        *v.says("odd", "odd_item", 500), v.tool_call("odd", "odd_call", "look_up"), v.done("odd")
    )
    assert not any(isinstance(one, a.RunTool | AudioToPhone) for one in outputs)
    assert "was not run" in repr(outputs)


@pytest.mark.parametrize("is_held", [False, True])
def test_a_limit_that_a_transfer_has_overtaken_counts_for_who_stays(is_held: bool) -> None:
    """Put through, the call costs nothing any more; with the agent it would go on without an end."""
    rig = leaving(WARM).rig
    if is_held:
        rig.now += 0.6
        rig.feed(PLAYED, e.SpendRanOver())
    else:
        rig.feed(e.SpendRanOver())
    assert not asks_for_words(rig.feed())
    rig.feed(v.speech_started("wait"))
    assert rig.phase is Phase.LEAVING
    ended = [fact for _, _, out in rig.wakes() for fact in facts_of(out, StreamEnded)]
    assert [fact.reason for fact in ended] == [EndReason.LIMIT_SPEND_TOTAL]


def test_the_length_of_a_call_is_not_forgotten_over_a_transfer_that_was_not_to_be() -> None:
    rig = leaving(WARM, limits=replace(v.PATIENT, call_length_max_s=6.0)).rig
    rig.wakes(until_s=6.5)
    assert rig.phase is Phase.LEAVING
    rig.feed(v.speech_started("wait"))
    assert rig.phase is Phase.LEAVING


def test_on_hold_nobody_else_is_wanted_and_a_goodbye_has_its_time_afterwards() -> None:
    book = on_hold()
    book.rig.feed(w.WishSet(structs.replace(WARM, name="other"), is_said=True))
    book.rig.feed(w.WishSet(HangUp()))
    book.rig.wakes(until_s=40)
    outputs = book.rig.feed(tells(TransferOutcome.BUSY))
    assert asks_for_words(outputs)
    assert not any(facts_of(out, StreamEnded) for _, _, out in book.rig.wakes(until_s=42))


def test_a_goodbye_that_is_taken_back_long_after_a_transfer_is_not_one_of_it() -> None:
    book = on_hold()
    book.rig.feed(tells(TransferOutcome.BUSY), v.created("sorry"), *v.says("sorry", "sorry_item", 100))
    book.rig.feed(w.WishSet(HangUp(), is_said=True))
    assert "goes on" in repr(book.rig.feed(v.speech_started("oh")))


def test_who_wants_a_person_at_once_is_back_by_their_own_wish() -> None:
    outputs = on_hold(replace(APART, person_key="0")).rig.feed(v.key("0"))
    (ended,), (stream,) = facts_of(outputs, TransferEnded), facts_of(outputs, StreamEnded)
    assert ended.outcome is TransferOutcome.CALLER_RETURNED
    assert stream.follows == FallBack()
