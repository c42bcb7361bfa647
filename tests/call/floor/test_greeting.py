"""The greeting: it is where a caller learns whom they speak to, and is owed until they have heard it."""

from __future__ import annotations

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import AgentReady, Interrupted, TurnEnded
from callbridge.call.phases import Phase, Timer
from playbook import About, Id, Playbook, after, at, deadline
from rigs import PLAYED, AudioToPhone, Rig, make_plan

PROTECTED = make_plan(is_greeting_interruptible=False)
GREET = PROTECTED.greeting_options
FULL = v.update(PROTECTED.session)


def greeting(heard_ms: int = 2000, *, interruptible: bool = False) -> Playbook:
    """At 1 s the session stands and the greeting, of so many milliseconds, was sent whole."""
    book = v.live(make_plan(is_greeting_interruptible=interruptible))
    book.rig.feed(*v.answers("greeting", "hello", heard_ms))
    return book


def test_the_first_session_may_not_interrupt() -> None:
    """The caller is heard, and answered by the server; only nobody stops the agent's first words."""
    book = Playbook(Rig(PROTECTED))
    book.rig.feed(v.start(), v.admitted(), e.ModelConnected())
    assert book >> v.SESSION_CREATED << v.update(PROTECTED.protected_session)
    detection = PROTECTED.protected_session.audio.input.turn_detection
    assert (detection.create_response, detection.interrupt_response) == (True, False)


def test_hello_into_the_greeting_stops_nothing_and_is_answered_behind_it() -> None:
    """Nothing is cleared, truncated or cancelled; the server's answer plays when the greeting is over."""
    book = greeting()
    assert book >> at(1.4, v.speech_started()) << v.recorded(TurnEnded)
    assert book >> at(1.9, v.speech_stopped()) >> v.created("answer")
    assert book >> v.says("answer", "yes", 500) << AudioToPhone(500) >> v.done("answer")
    # The greeting's own last mark has audio behind it: half a second after its end it was heard.
    assert book >> deadline(Timer.GREETING) << FULL
    assert book.rig.seconds == 1 + 2 + 0.5
    assert book >> v.SESSION_UPDATED >> after(0.1, PLAYED)
    assert book.rig.phase is Phase.LIVE


def test_a_greeting_that_is_born_while_the_caller_speaks_is_heard() -> None:
    """Their "hello?" was on the line before the agent had said a word."""
    book = v.live(PROTECTED)
    assert book >> v.speech_started() >> v.created("greeting")
    assert book >> v.says("greeting", "hello", 500) << AudioToPhone(500)


def test_the_session_is_amended_when_the_last_mark_of_the_greeting_came_back() -> None:
    """From then on the caller may interrupt; the server does it, once it has confirmed."""
    book = greeting()
    assert book >> at(3.05, PLAYED) << (FULL, v.recorded(TurnEnded)) >> v.SESSION_UPDATED
    v.answering(book)
    assert book >> v.says("answer", "long", 2000) << AudioToPhone(2000)
    assert (
        book
        >> after(0.5, v.speech_started("wait"))
        << (v.clear(), v.truncate("long", About(500)), v.recorded(Interrupted))
    )


def test_a_greeting_whose_response_is_never_done_was_heard_all_the_same() -> None:
    """Its audio is whole. The caller may interrupt from then on, and is not greeted again."""
    book = v.live(PROTECTED)
    book.rig.feed(
        v.created("greeting"), *v.says("greeting", "hello", 2000), v.audio_done("greeting", "hello")
    )
    assert book >> at(3.05, PLAYED) << FULL >> v.SESSION_UPDATED
    assert book >> at(5, v.speech_started("when"))
    assert book >> v.done("greeting", "cancelled") << v.recorded(TurnEnded)
    assert book >> at(6, v.speech_stopped("when")) >> v.answers("answer", "it", 500) << AudioToPhone(500)
    assert v.rests(book)


def test_until_the_amendment_is_confirmed_we_cancel_ourselves() -> None:
    """Otherwise the server would go on making an answer that nobody hears."""
    book = greeting()
    assert book >> at(3.05, PLAYED) << (FULL, v.recorded(TurnEnded))
    v.answering(book)
    assert book >> v.says("answer", "long", 2000) << AudioToPhone(2000)
    assert (
        book
        >> after(0.5, v.speech_started("wait"))
        << v.cancel("answer")
        << (v.clear(), v.truncate("long", About(500)), v.recorded(Interrupted))
    )


def test_an_amendment_that_is_refused_leaves_the_call_as_it_is() -> None:
    """We go on cancelling ourselves, and say so in the log."""
    amendment = Id("amendment")
    book = greeting()
    assert book >> at(3.05, PLAYED) << (v.update(PROTECTED.session, id=amendment), v.recorded(TurnEnded))
    assert (
        book
        >> v.error("invalid_value", answers=amendment)
        << (v.any_warning("model_error"), v.any_warning("session_not_amended"))
    )
    assert book.rig.phase is Phase.LIVE


def test_a_greeting_that_takes_too_long_may_be_interrupted_after_12_s() -> None:
    """And is still owed if less than most of it was heard."""
    book = greeting(20_000)
    assert book >> deadline(Timer.GREETING) << FULL >> v.SESSION_UPDATED
    assert book.rig.seconds == 13
    assert (
        book
        >> at(15, v.speech_started())
        << (v.clear(), v.truncate("hello", About(14_000)), v.recorded(Interrupted), v.recorded(TurnEnded))
    )
    assert book >> at(16, v.speech_stopped()) >> v.created("answer")
    assert (
        book >> v.says("answer", "yes", 500) << AudioToPhone(500) >> v.done("answer") << v.ask(options=GREET)
    )


def test_who_has_heard_most_of_it_is_not_greeted_again() -> None:
    book = greeting(15_000)
    assert book >> deadline(Timer.GREETING) << FULL >> v.SESSION_UPDATED
    book.rig.now += 0.5
    book.rig.feed(v.speech_started())
    book.rig.now += 0.5
    book.rig.feed(v.speech_stopped(), v.created("answer"), *v.says("answer", "yes", 500))
    assert book >> v.done("answer")


def test_a_greeting_may_be_interruptible() -> None:
    """Whoever wants that takes it as said as soon as anything of it was heard."""
    book = greeting(interruptible=True)
    assert (
        book
        >> at(1.5, v.speech_started())
        << (v.clear(), v.truncate("hello", About(500)), v.recorded(Interrupted), v.recorded(TurnEnded))
    )
    assert book >> at(2, v.speech_stopped()) >> v.created("answer")
    assert book >> v.says("answer", "yes", 500) << AudioToPhone(500) >> v.done("answer")


def test_of_an_interruptible_greeting_something_must_have_been_heard() -> None:
    book = v.live(make_plan())
    assert book >> v.created("greeting") >> v.speech_started()
    assert book >> v.done("greeting", "cancelled", reason="turn_detected")
    assert book >> at(2, v.speech_stopped()) >> v.created("answer")
    assert book >> v.says("answer", "yes", 500) << AudioToPhone(500)
    assert book >> v.done("answer") << v.ask(options=GREET)


def test_an_answer_of_the_servers_own_is_no_greeting() -> None:
    """It came first, to a word of the caller's: the greeting is said behind it."""
    asked = Id("asked")
    book = Playbook(Rig(PROTECTED))
    book.rig.feed(v.start(), v.admitted(), e.ModelConnected(), v.SESSION_CREATED)
    assert (
        book
        >> at(1, v.SESSION_UPDATED)
        << (v.recorded(AgentReady), v.ask(id=asked, options=GREET), a.OpenUplink())
        >> v.speech_started()
        >> v.speech_stopped()
        >> v.created("answer")
        >> v.error("conversation_already_has_active_response", answers=asked)
        >> v.says("answer", "yes", 500)
        << AudioToPhone(500)
        >> v.done("answer")
        << v.ask(options=GREET)
    )


def test_a_key_does_not_stop_a_protected_greeting() -> None:
    """It is kept, and told when the greeting was said."""
    book = greeting()
    assert book >> at(1.5, v.key("2")) << v.recorded(TurnEnded)
    assert book.rig.phase is Phase.LIVE
