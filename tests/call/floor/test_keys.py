"""Keys of the telephone: they interrupt like speech, but the server does not hear them."""

from __future__ import annotations

from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import EndReason, Interrupted, ToolUsed, TurnEnded
from callbridge.call.phases import Phase, Timer
from playbook import About, Id, Playbook, after, at, deadline
from rigs import PLAYED, AudioToPhone
from vocabulary import (
    HANGS_UP,
    answering,
    ask,
    audio,
    cancel,
    clear,
    created,
    delete,
    done,
    ends,
    greeted,
    item,
    item_added,
    key,
    live,
    note,
    recorded,
    rests,
    run_tool,
    says,
    speech_started,
    speech_stopped,
    told,
    tool_call,
    tool_finished,
    tool_output,
    tool_result,
    truncate,
)


def pressed(keys: str) -> str:
    """What the model is told."""
    return f"[The caller pressed {keys} on the telephone keypad.]"


def speaking() -> Playbook:
    """At 4 s, 2 s of audio of the active response `answer` are on their way."""
    book = answering(greeted())
    book.rig.feed(item("answer", "long"))
    assert book >> audio("answer", "long", 2000) << AudioToPhone(2000)
    return book


def test_keys_are_told_together_after_a_pause() -> None:
    """The model gets them as words of the caller, and is asked to answer."""
    book = greeted()
    assert book >> at(3, key("4")) << note("key_pressed") >> at(3.5, key("2")) << note("key_pressed")
    assert book >> deadline(Timer.KEYS) << (told(Id(), pressed("4 2")), ask())
    assert book.rig.seconds == 3.5 + book.rig.limits.keys_timeout_s


def test_the_hash_key_ends_the_keys_at_once() -> None:
    """As callers are used to."""
    book = greeted()
    assert (
        book
        >> key("7")
        >> after(0.1, key("#"))
        >> deadline(Timer.KEYS)
        << (told(Id(), pressed("7 #")), ask())
    )
    assert book.rig.seconds == 3.1


def test_which_key_it_was_is_not_in_the_log() -> None:
    """It may be a digit of a card or a code."""
    book = greeted()
    (noted,) = book.rig.feed(key("7"))
    assert isinstance(noted, a.Note)
    assert "7" not in repr(noted)


def test_a_key_cuts_the_answer_and_cancels_the_response() -> None:
    """The server goes on talking unless we stop it."""
    book = speaking()
    assert (
        book
        >> at(4.5, key("1"))
        << cancel("answer")
        << (clear(), truncate("long", About(500)), recorded(Interrupted, truncated=(("long", About(500)),)))
    )
    assert book >> audio("answer", "long", 100) >> done("answer", "cancelled", reason="client_cancelled")
    assert book >> deadline(Timer.KEYS) << (told(Id(), pressed("1")), ask())


def test_a_key_after_the_response_is_done_cancels_nothing() -> None:
    """Only the phone still speaks."""
    book = speaking()
    assert book >> done("answer")
    assert book >> at(4.5, key("1")) << (clear(), truncate("long", About(500)), recorded(Interrupted))


def test_a_response_is_cancelled_once_however_many_keys_follow() -> None:
    """A second cancel would be an error."""
    book = speaking()
    book.rig.feed(key("1"))
    assert book >> key("2") >> key("3")


def test_a_key_before_the_first_audio_cancels_and_clears_nothing() -> None:
    """The phone has nothing to throw away."""
    book = answering(greeted())
    assert book >> item("answer", "long") >> key("1") << cancel("answer")
    assert book >> done("answer", "cancelled", reason="client_cancelled") << delete("long")


def test_the_servers_own_answer_is_not_heard_after_a_key() -> None:
    """It answers what was said before the keys; nobody types into a monologue."""
    book = greeted()
    assert book >> speech_started() >> at(4, speech_stopped()) >> at(4.1, key("1"))
    assert book >> at(4.2, created("answer")) << cancel("answer") >> says("answer", "long", 1000)
    assert book >> at(4.5, key("2"))
    assert book >> done("answer", "cancelled", reason="client_cancelled") << delete("long")
    assert book >> deadline(Timer.KEYS) << (told(Id(), pressed("1 2")), ask())


def test_keys_wait_for_the_response_that_is_active() -> None:
    """Never two at once: the keys are told, the response to them asked for at the end of the other."""
    output = Id("keys")
    book = greeted()
    assert book >> key("1") >> speech_started() << recorded(TurnEnded)
    assert book >> deadline(Timer.KEYS) << told(output, pressed("1")) >> item_added(output)
    assert book >> speech_stopped() >> created("servers_own") >> done("servers_own")
    assert rests(book)


def test_the_keys_are_the_callers_words_of_their_turn() -> None:
    """The record needs no transcript for them."""
    output = Id("keys")
    book = greeted()
    assert book >> key("9") >> deadline(Timer.KEYS) << (told(output, pressed("9")), ask())
    assert book >> item_added(output) >> created("answer") >> item("answer", "it")
    assert book >> after(0.5, audio("answer", "it", 200)) << AudioToPhone(200) >> done("answer")
    assert (
        book >> after(0.25, PLAYED) << recorded(TurnEnded, turn=2, caller="[keys 9]", response_ms=About(500))
    )


def test_a_key_while_the_agent_takes_its_leave_keeps_the_call() -> None:
    """Nobody is hung up upon while pressing keys."""
    book = answering(greeted())
    book.rig.feed(
        item("answer", "bye"),
        audio("answer", "bye", 1000),
        tool_call("answer", "end"),
        tool_finished("end", ends_call=True),
        done("answer"),
    )
    assert book.rig.phase.value == "leaving"
    assert (
        book
        >> after(0.5, key("0"))
        << (clear(), truncate("bye", About(500)), recorded(Interrupted))
        << note("farewell_withdrawn")
    )
    assert book.rig.phase is Phase.LIVE


def test_a_farewell_that_is_owed_is_taken_back_by_a_key() -> None:
    """The agent answers the keys instead."""
    output = Id("output")
    book = answering(greeted())
    assert book >> tool_call("answer", "end", "end_call") << run_tool("end", "end_call")
    assert (
        book
        >> tool_finished("end", ends_call=True, name="end_call")
        << (recorded(ToolUsed), tool_output(output, "end"))
    )
    assert book >> key("0") << cancel("answer") << note("farewell_withdrawn") >> item_added(output)
    assert book >> done("answer", "cancelled", reason="client_cancelled")
    assert book >> deadline(Timer.KEYS) << (told(Id(), pressed("0")), ask())
    assert book.rig.phase is Phase.LIVE


def test_keys_that_were_not_told_yet_do_not_hold_up_the_end() -> None:
    """A caller may hang up in the middle of a number."""
    book = greeted()
    book.rig.feed(key("1"))
    assert book >> HANGS_UP << (recorded(TurnEnded), *ends(EndReason.CALLER_HANGUP))
    assert book >> e.DeadlinePassed()


def test_an_answer_that_a_key_has_overtaken_is_not_heard() -> None:
    """We asked for it before the key: it is cancelled as soon as it has a name, and the keys are answered."""
    keys = Id("keys")
    book = answering(greeted())
    book.rig.feed(tool_call("answer", "call_1"), done("answer"))
    assert book >> tool_finished("call_1") << (*tool_result(Id(), "call_1"), ask())
    assert book >> after(0.1, key("1")) >> after(0.1, created("ours")) << cancel("ours")
    assert book >> says("ours", "unheard", 400)
    assert book >> done("ours", "cancelled", reason="client_cancelled") << delete("unheard")
    assert book >> deadline(Timer.KEYS) << (told(keys, pressed("1")), ask()) >> item_added(keys)
    assert book >> created("answers_the_key") >> says("answers_the_key", "heard", 400) << AudioToPhone(400)


def test_a_greeting_that_a_key_has_overtaken_is_not_heard() -> None:
    """It was asked for and has not begun."""
    book = live()
    assert book >> key("1") >> created("greeting") << cancel("greeting")
    assert book >> item("greeting", "hello") >> audio("greeting", "hello", 400)
