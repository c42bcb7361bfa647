"""Keys of the telephone: they interrupt like speech, but the server does not hear them."""

from __future__ import annotations

from itertools import pairwise

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import EndReason, Interrupted, ToolUsed, TurnEnded
from callbridge.call.phases import Phase, Timer
from callbridge.wire import realtime_commands as commands
from playbook import About, Id, Playbook, after, at, deadline
from rigs import PLAYED, AudioToPhone, Input

GOES_ON = (v.told(Id(), v.CALL_GOES_ON, role="system"), v.note("farewell_withdrawn"))


def pressed(keys: str) -> str:
    """What the model is told."""
    return f"[The caller pressed {keys} on the telephone keypad.]"


def speaking() -> Playbook:
    """At 4 s, 2 s of audio of the active response `answer` are on their way."""
    book = v.answering(v.greeted())
    book.rig.feed(v.item("answer", "long"))
    assert book >> v.audio("answer", "long", 2000) << AudioToPhone(2000)
    return book


def test_keys_are_told_together_after_a_pause() -> None:
    """The model gets them as words of the caller, and is asked to answer."""
    book = v.greeted()
    assert book >> at(3, v.key("4")) << v.note("key_pressed") >> at(3.5, v.key("2"))
    assert book >> deadline(Timer.KEYS) << (v.told(Id(), pressed("4 2")), v.ask())
    assert book.rig.seconds == 3.5 + book.rig.limits.keys_timeout_s


def test_which_key_it_was_is_not_in_the_log() -> None:
    """It may be a digit of a card or a code."""
    book = v.greeted()
    (noted,) = book.rig.feed(v.key("7"))
    assert isinstance(noted, a.Note)
    assert "7" not in repr(noted)


def test_a_key_after_the_response_is_done_cancels_nothing() -> None:
    """Only the phone still speaks."""
    book = speaking()
    assert book >> v.done("answer")
    assert book >> at(4.5, v.key("1")) << (v.clear(), v.truncate("long", About(500)), v.recorded(Interrupted))


def test_a_response_is_cancelled_once_however_many_keys_follow() -> None:
    """A second cancel would be an error."""
    book = speaking()
    book.rig.feed(v.key("1"))
    assert book >> v.key("2") >> v.key("3")


def test_a_key_before_the_first_audio_cancels_and_clears_nothing() -> None:
    """The phone has nothing to throw away."""
    book = v.answering(v.greeted())
    assert book >> v.item("answer", "long") >> v.key("1") << v.cancel("answer")
    assert book >> v.done("answer", "cancelled", reason="client_cancelled") << v.delete("long")


def test_the_servers_own_answer_is_not_heard_after_a_key() -> None:
    """It answers what was said before the keys; nobody types into a monologue."""
    book = v.greeted()
    assert book >> v.speech_started() >> at(4, v.speech_stopped()) >> at(4.1, v.key("1"))
    assert book >> at(4.2, v.created("answer")) << v.cancel("answer") >> v.says("answer", "long", 1000)
    assert book >> at(4.5, v.key("2"))
    assert book >> v.done("answer", "cancelled", reason="client_cancelled") << v.delete("long")
    assert book >> deadline(Timer.KEYS) << (v.told(Id(), pressed("1 2")), v.ask())


def test_keys_wait_for_the_response_that_is_active() -> None:
    """Never two at once: the keys are told, the response to them asked for at the end of the other."""
    output = Id("keys")
    book = v.greeted()
    assert book >> v.key("1") >> v.speech_started() << v.recorded(TurnEnded)
    assert book >> deadline(Timer.KEYS) << v.told(output, pressed("1")) >> v.item_added(output)
    assert book >> v.speech_stopped() >> v.answers("servers_own", "it", 100) << AudioToPhone(100)
    assert v.rests(book)


def test_the_keys_are_the_callers_words_of_their_turn() -> None:
    """The record needs no transcript for them."""
    output = Id("keys")
    book = v.greeted()
    assert book >> v.key("9") >> deadline(Timer.KEYS) << (v.told(output, pressed("9")), v.ask())
    assert book >> v.item_added(output) >> v.created("answer") >> v.item("answer", "it")
    assert book >> after(0.5, v.audio("answer", "it", 200)) << AudioToPhone(200) >> v.done("answer")
    assert (
        book
        >> after(0.25, PLAYED)
        << v.recorded(TurnEnded, turn=2, caller="[keys 9]", response_ms=About(500))
    )


def test_a_key_while_the_agent_takes_its_leave_keeps_the_call() -> None:
    """Nobody is hung up upon while pressing keys."""
    book = v.answering(v.greeted())
    book.rig.feed(
        *v.takes_leave(1000),
        v.done("answer"),
    )
    assert book.rig.phase.value == "leaving"
    assert (
        book
        >> after(0.5, v.key("0"))
        << (v.clear(), v.truncate("bye", About(500)), v.recorded(Interrupted))
        << (v.told(Id(), v.CALL_GOES_ON, role="system"), v.note("farewell_withdrawn"))
    )
    assert book.rig.phase is Phase.LIVE


def test_a_farewell_that_is_owed_is_taken_back_by_a_key() -> None:
    """The agent answers the keys instead."""
    output = Id("output")
    book = v.answering(v.greeted())
    assert book >> v.tool_call("answer", "end", "end_call") << v.run_tool("end", "end_call")
    assert (
        book
        >> v.tool_finished("end", ends_call=True, name="end_call")
        << (v.recorded(ToolUsed), v.tool_output(output, "end"))
    )
    assert book >> v.key("0") << v.cancel("answer") << GOES_ON >> v.item_added(output)
    assert book >> v.done("answer", "cancelled", reason="client_cancelled")
    assert book >> deadline(Timer.KEYS) << (v.told(Id(), pressed("0")), v.ask())
    assert book.rig.phase is Phase.LIVE


def test_keys_that_were_not_told_yet_do_not_hold_up_the_end() -> None:
    """A caller may hang up in the middle of a number."""
    book = v.greeted()
    book.rig.feed(v.key("1"))
    assert book >> v.HANGS_UP << (v.recorded(TurnEnded), *v.ends(EndReason.CALLER_HANGUP))
    assert book >> e.DeadlinePassed()


def test_an_answer_that_a_key_has_overtaken_is_not_heard() -> None:
    """We asked for it before the key: it is cancelled as soon as it has a name, and the keys are answered."""
    keys = Id("keys")
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"), v.done("answer"))
    assert book >> v.tool_finished("call_1") << (*v.tool_result(Id(), "call_1"), v.ask())
    assert book >> after(0.1, v.key("1")) >> after(0.1, v.created("ours")) << v.cancel("ours")
    assert book >> v.says("ours", "unheard", 400)
    assert book >> v.done("ours", "cancelled", reason="client_cancelled") << v.delete("unheard")
    assert book >> deadline(Timer.KEYS) << (v.told(keys, pressed("1")), v.ask()) >> v.item_added(keys)
    assert (
        book >> v.created("answers_the_key") >> v.says("answers_the_key", "heard", 400) << AudioToPhone(400)
    )


def test_keys_are_answered_though_the_end_of_what_they_cancelled_does_not_come() -> None:
    """Until it is let go nothing can be asked for: `response.create` is refused while one is active."""
    book = speaking()
    book.rig.now += 1
    book.rig.feed(v.key("1"))
    book.rig.now += 0.1
    book.rig.feed(v.item_added("of_another"))  # It is alive.
    assert book >> deadline(Timer.KEYS) << v.told(Id(), pressed("1"))
    missing = v.warning("response_done_missing", response_id="answer")
    assert book >> deadline(Timer.MUTED) << (missing, v.ask())
    assert book.rig.seconds == 5 + book.rig.limits.muted_timeout_s


def test_who_has_pressed_their_keys_while_nobody_is_there_waits_from_then_on() -> None:
    """From the first that were whole: a caller who sends more of them has waited all the while."""
    book = v.greeted()
    assert book >> v.gone(e.Leg.MODEL) << v.replaces()
    for seconds in (4, 4.5):
        assert book >> at(seconds, v.key("1")) >> v.key("#") >> e.DeadlinePassed()
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 4 + book.rig.limits.connect_clip_after_s


def test_a_greeting_that_a_key_has_overtaken_is_not_heard() -> None:
    """It was asked for and has not begun."""
    book = v.live()
    assert book >> v.key("1") >> v.created("greeting") << v.cancel("greeting")
    assert book >> v.item("greeting", "hello") >> v.audio("greeting", "hello", 400)


# --- However fast they are pressed ----------------------------------------------------------------------


def test_the_hash_alone_is_no_message_and_interrupts_nobody() -> None:
    """Ten times a second: nobody would answer whom it cuts short."""
    book = speaking()
    for _ in range(20):
        assert book >> after(0.1, v.key("#"))
    assert book >> v.done("answer")
    assert v.rests(book)


def flooded(keys: str, seconds: int) -> list[tuple[float, str]]:
    """Ten keys a second into a call whose model answers at once. When the model was told what."""
    book, told = v.greeted(limits=v.PATIENT), []
    for number in range(seconds * 10):
        book.rig.now += 0.1
        events: list[Input] = [v.key(keys[number % len(keys)]), e.DeadlinePassed()]
        for output in book.rig.feed(*events):
            match output:
                case a.SendToModel(commands.CreateItem(item=commands.Message(id, content=(text,)))):
                    told.append((book.rig.seconds, text.text))
                    book.rig.feed(v.item_added(id))
                case a.SendToModel(commands.CreateResponse()):
                    book.rig.feed(*v.answers(f"answer_{number}", f"item_{number}", 60))
    return told


def test_keys_are_answered_once_in_two_seconds_and_ten_times_a_minute() -> None:
    """What is pressed meanwhile is told with the next, up to a bound."""
    told = flooded("1#", 115)
    times = [at_s for at_s, _ in told]
    assert len(told) == 2 * 10
    assert all(round(later - sooner, 3) >= 2 for sooner, later in pairwise(times))
    assert all(round(later - sooner, 3) >= 60 for sooner, later in zip(times, times[10:], strict=False))
    assert [told[0][1], told[1][1]] == [pressed("1 #"), pressed(" ".join("1#" * 10))]
    assert max(len(text) for _, text in told) == len(pressed(" ".join("1#" * 32)))


def test_who_never_stops_pressing_is_told_of_all_the_same() -> None:
    """A full message is finished by the keys that it has no room for."""
    (first, *_) = flooded("12", 20)
    assert first == (3 + 6.4 + 2, pressed(" ".join("12" * 32)))


def test_keys_that_wait_for_their_turn_hold_up_no_other_answer() -> None:
    output = Id("output")
    book = v.answering(v.greeted())
    book.rig.feed(v.tool_call("answer", "call_1"), v.done("answer"), v.key("1"), v.key("#"))
    keys = Id("keys")
    assert book >> deadline(Timer.KEYS) << (v.told(keys, pressed("1 #")), v.ask())
    assert book >> v.item_added(keys) >> v.answers("one", "it", 60) << AudioToPhone(60)
    assert book >> after(0.1, v.key("2")) << v.recorded(TurnEnded) >> v.key("#") >> e.DeadlinePassed()
    assert book >> after(0.1, v.tool_finished("call_1")) << (*v.tool_result(output, "call_1"), v.ask())
    assert book >> v.item_added(output) >> v.answers("two", "more", 60) << AudioToPhone(60)
    assert book >> deadline(Timer.KEYS) << (v.told(Id(), pressed("2 #")), v.ask())
    assert book.rig.seconds == 4 + book.rig.limits.keys_gap_s


def test_keys_that_wait_for_their_turn_are_told_the_session_that_replaces_the_lost_one() -> None:
    book = v.greeted()
    book.rig.feed(v.key("1"), v.key("#"), e.DeadlinePassed(), *v.answers("one", "it", 60))
    assert book >> after(0.1, v.key("2")) << v.recorded(TurnEnded) >> v.key("#") >> e.DeadlinePassed()
    v.replaced(book)
    assert book >> deadline(Timer.KEYS) << v.ask() >> v.answers("on", "more", 60) << AudioToPhone(60)
    assert book >> deadline(Timer.KEYS) << (v.told(Id(), pressed("2 #")), v.ask())
    assert book.rig.seconds == 3 + book.rig.limits.keys_gap_s
