"""Barge-in: the phone falls silent, and the model forgets what was not heard. No more and no less."""

from __future__ import annotations

import pytest

import vocabulary as v
from callbridge.call.facts import Interrupted, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Timer
from playbook import About, Id, Playbook, after, at, deadline
from rigs import PLAYED, AudioToPhone, make_plan

TAIL_MS = Limits().heard_tail_ms


def speaking(
    duration_ms: int = 2000, *, server_interrupts: bool = True, marked: Id | None = None
) -> Playbook:
    """At 4 s, item `long` of the active response `answer` is on its way to the phone, one mark behind it."""
    book = v.answering(v.greeted(make_plan(server_interrupts=server_interrupts)))
    book.rig.feed(v.item("answer", "long"))
    assert (
        book
        >> v.audio("answer", "long", duration_ms)
        << (AudioToPhone(duration_ms), v.mark(marked if marked is not None else Id()))
    )
    assert book.rig.seconds == 4
    return book


def cuts(
    truncated: dict[str, int], deleted: tuple[str, ...] = (), *, unheard_ms: int | None = None
) -> tuple[object, ...]:
    """The phone is cleared, the model forgets what was not heard, and it is recorded. In this order."""
    heard = tuple((item_id, About(heard_ms)) for item_id, heard_ms in truncated.items())
    fields: dict[str, object] = {} if unheard_ms is None else {"unheard_ms": About(unheard_ms)}
    forgets = (*(v.truncate(*one) for one in heard), *map(v.delete, deleted))
    return v.clear(), *forgets, v.recorded(Interrupted, truncated=heard, deleted=deleted, **fields)


def test_an_answer_in_progress_is_cut_where_it_was_heard() -> None:
    """Clear first, so that the phone falls silent; the server cancels the response by itself."""
    book = speaking()
    assert book >> at(4.48, v.speech_started("wait")) << cuts({"long": 480}, unheard_ms=1520)
    assert book >> v.done("answer", "cancelled", reason="turn_detected")


def test_an_item_of_which_nothing_was_heard_is_deleted() -> None:
    """A truncation to 0 ms is refused by the server."""
    book = speaking()
    assert book >> v.speech_started("wait") << cuts({}, ("long",), unheard_ms=2000)
    assert book >> v.done("answer", "cancelled", reason="turn_detected")


def test_an_interruption_before_the_first_audio_only_mutes() -> None:
    """The phone has nothing to clear; what comes late is withheld, and the model forgets the item."""
    book = v.answering(v.greeted())
    assert book >> v.item("answer", "long") >> v.speech_started("wait") >> v.audio("answer", "long", 300)
    assert book >> v.audio_done("answer", "long")
    assert book >> v.done("answer", "cancelled", reason="turn_detected") << v.delete("long")


def test_an_interruption_before_the_first_item_only_mutes() -> None:
    """An item that is announced afterwards is forgotten like the rest."""
    book = v.answering(v.greeted())
    assert book >> v.speech_started("wait") >> v.item("answer", "late")
    assert book >> v.done("answer", "cancelled", reason="turn_detected") << v.delete("late")


def test_an_interrupted_answer_whose_end_does_not_come_is_let_go_and_forgotten_even_later() -> None:
    """It keeps nobody waiting. If it goes on, nobody hears it, and the model forgets that too."""
    book = v.answering(v.greeted())
    assert book >> v.item("answer", "late") >> at(4, v.speech_started("wait")) >> v.speech_stopped("wait")
    missing = v.warning("response_done_missing", response_id="answer")
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book >> deadline(Timer.MUTED) << (missing, v.delete("late"))
    assert book >> v.item("answer", "later") >> v.audio("answer", "later", 300)
    unexpected = v.warning("response_done_unexpected", response_id="answer")
    assert book >> v.done("answer", "cancelled") << (unexpected, v.delete("later"))
    assert book >> v.done("answer", "cancelled") << unexpected


def test_an_answer_that_was_heard_to_its_end_is_left_alone() -> None:
    """Truncation would take its transcript from the model's memory."""
    book = speaking(1000)
    assert book >> at(4.1, v.done("answer")) >> at(5.05, PLAYED) >> at(5.1, v.speech_started("wait"))


@pytest.mark.parametrize("left_ms", [1, TAIL_MS - 1])
def test_an_answer_with_next_to_nothing_left_counts_as_heard(left_ms: int) -> None:
    """Three frames of trailing silence are not worth the transcript."""
    book = speaking(1000)
    assert book >> at(4.1, v.done("answer")) >> at(5 - left_ms / 1000, v.speech_started("wait"))


def test_an_answer_with_more_left_than_the_tail_is_cut() -> None:
    """The bound is a bound."""
    book = speaking(1000)
    cut_ms = 1000 - TAIL_MS - 2
    assert book >> at(4.1, v.done("answer"))
    assert book >> at(4 + cut_ms / 1000, v.speech_started("wait")) << cuts({"long": cut_ms})


def test_nothing_said_means_nothing_to_interrupt() -> None:
    """Most speech begins in silence."""
    book = v.greeted()
    assert book >> v.speech_started()


def test_an_item_that_was_heard_before_a_pause_is_left_alone_also_when_nothing_is_cut() -> None:
    """The response had begun a second item without audio; only that one goes."""
    book = speaking(1000)
    assert book >> at(5.05, PLAYED) >> at(6, v.item("answer", "second")) >> at(6.4, v.speech_started("wait"))
    assert book >> v.done("answer", "cancelled", reason="turn_detected") << v.delete("second")


def test_two_responses_in_the_phones_queue_are_both_cut() -> None:
    """The second began while the first was still playing."""
    book = speaking(1000)
    assert book >> v.done("answer") >> at(4.1, v.created("more"))
    assert book >> v.says("more", "second", 2000) << AudioToPhone(2000)
    assert book >> at(4.5, v.speech_started("wait")) << cuts({"long": 500}, ("second",))
    assert book >> v.done("more", "cancelled", reason="turn_detected")


def test_audio_that_comes_after_the_clear_never_reaches_the_phone() -> None:
    """Deltas in flight, a new item among them. The truncated item stays truncated, the new one goes."""
    book = speaking()
    assert book >> at(4.5, v.speech_started("wait")) << cuts({"long": 500})
    assert (
        book
        >> v.audio("answer", "long", 400)
        >> v.says("answer", "late", 400)
        >> v.audio_done("answer", "late")
    )
    assert book >> v.done("answer", "cancelled", reason="turn_detected") << v.delete("late")
    assert v.ended(book).deltas_dropped == 2


def test_an_item_of_which_all_that_was_sent_was_heard_is_cut_there_when_more_was_made() -> None:
    """The caller spoke in a pause of the delivery: the server believes that the rest was heard too."""
    book = speaking(1000)
    assert book >> at(4.99, v.speech_started("wait")) >> v.audio("answer", "long", 400)
    assert book >> v.done("answer", "cancelled", reason="turn_detected") << v.truncate("long", 1000)


def test_an_item_of_which_all_was_sent_and_heard_is_left_alone() -> None:
    """The response was cancelled before it made more."""
    book = speaking(1000)
    assert book >> at(4.99, v.speech_started("wait")) >> v.done("answer", "cancelled", reason="turn_detected")


def test_the_echoes_that_a_clear_causes_prove_nothing() -> None:
    """Twilio echoes every outstanding mark at once. The next answer is measured on its own."""
    old = Id("old")
    book = speaking(marked=old)
    assert book >> at(4.5, v.speech_started("wait")) << cuts({"long": 500})
    assert book >> at(4.55, v.echo(old)) >> v.done("answer", "cancelled", reason="turn_detected")
    assert book >> at(5, v.speech_stopped("wait")) >> v.created("second")
    assert book >> v.says("second", "again", 2000) << AudioToPhone(2000) >> v.echo(old)
    assert book >> at(5.25, v.speech_started("no")) << cuts({"again": 250})
    assert v.ended(book).interruptions == 2


def test_a_second_word_while_nothing_plays_interrupts_nothing() -> None:
    """The agent is silent already: the caller goes on after a breath."""
    book = speaking()
    assert book >> at(4.5, v.speech_started("wait")) << cuts({"long": 500})
    assert book >> at(4.6, v.speech_stopped("wait")) >> at(4.7, v.speech_started("wait, please"))
    assert book >> v.done("answer", "cancelled", reason="turn_detected")
    assert v.ended(book).interruptions == 1


def test_a_response_that_the_server_would_not_stop_is_cancelled() -> None:
    """With `interrupt_response` off the server goes on talking."""
    book = speaking(server_interrupts=False)
    assert book >> at(4.5, v.speech_started("wait")) << (v.cancel("answer"), *cuts({"long": 500}))
    assert book >> v.audio("answer", "long", 100) >> v.done("answer", "cancelled", reason="client_cancelled")


def test_a_response_that_is_done_is_not_cancelled() -> None:
    """There is nothing to cancel: the server would answer with an error."""
    book = speaking(server_interrupts=False)
    assert book >> v.done("answer")
    assert book >> at(4.5, v.speech_started("wait")) << cuts({"long": 500})


def test_what_is_cut_is_the_part_of_the_item_that_is_its_audio() -> None:
    """An item may begin with a text. Of another part nothing could be cut. The next item has its own."""
    book = v.answering(v.greeted())
    book.rig.feed(v.item("answer", "long"), v.audio("answer", "long", 2000, part=1))
    assert (
        book
        >> at(4.5, v.speech_started("wait"))
        << (v.clear(), v.truncate("long", About(500), part=1), v.recorded(Interrupted))
    )
    assert book >> v.done("answer", "cancelled", reason="turn_detected")
    assert book >> at(5, v.speech_stopped("wait")) >> v.created("second")
    assert book >> v.says("second", "again", 2000) << AudioToPhone(2000)
    assert book >> at(5.5, v.speech_started("no")) << cuts({"again": 500})


def test_what_comes_late_is_cut_from_the_part_that_is_its_audio() -> None:
    """All was heard when the caller spoke, and the server made more before it knew."""
    book = v.answering(v.greeted())
    book.rig.feed(v.item("answer", "long"), v.audio("answer", "long", 500, part=1))
    assert book >> at(4.6, PLAYED) >> at(4.7, v.speech_started("wait"))
    assert book >> v.audio("answer", "long", 300, part=1)
    assert (
        book
        >> v.done("answer", "cancelled", reason="turn_detected")
        << v.truncate("long", About(500), part=1)
    )


def test_the_record_has_what_was_heard_of_the_words() -> None:
    """In proportion to the audio, at a word's end."""
    book = speaking(2000)
    text = "We are open from seven in the morning."
    assert book >> v.caller_said("When?", "question")
    assert book >> at(5, v.speech_started("wait")) << cuts({"long": 1000})
    assert book >> v.words("answer", "long", text)
    assert (
        book
        >> v.done("answer", "cancelled", reason="turn_detected")
        << v.recorded(TurnEnded, caller="When?", agent="We are open from …", interrupted=True)
    )


def test_words_of_an_item_that_was_not_heard_are_not_in_the_record() -> None:
    """The record is the call as the caller lived it."""
    book = speaking(1000)
    assert (
        book >> v.caller_said("When?", "question") >> v.says("answer", "second", 1000) << AudioToPhone(1000)
    )
    assert book >> v.words("answer", "long", "From seven to six.")
    assert book >> v.words("answer", "second", "On Sundays from nine.") >> v.done("answer")
    assert (
        book
        >> at(4.98, v.speech_started("wait"))
        << cuts({}, ("second",))
        << v.recorded(TurnEnded, agent="From seven to six.", interrupted=True)
    )


def test_an_interruption_is_recorded_with_the_turn_that_it_cut() -> None:
    """The turn waits for the words of both; the next turn is the caller's new one."""
    book = speaking(2000)
    assert book >> at(4.5, v.speech_started("wait")) << cuts({"long": 500})
    assert book >> v.words("answer", "long", "One two three four.")
    assert book >> v.done("answer", "cancelled", reason="turn_detected")
    assert (
        book
        >> after(0.2, v.caller_said("Count!", "question"))
        << v.recorded(TurnEnded, turn=2, caller="Count!", agent="One …", interrupted=True)
    )
    assert book >> at(5.5, v.speech_stopped("wait")) >> v.committed("wait")
    assert v.ended(book).turns == 3
