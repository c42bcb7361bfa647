"""The greeting: it is where a caller learns whom they speak to, and is owed until they have heard it."""

from __future__ import annotations

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import AgentReady, Interrupted, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.call.wants import AgentSays, AnswerStopped
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_commands as commands
from playbook import About, Id, Playbook, after, at, deadline
from rigs import PLAYED, AudioToPhone, Output, Rig, make_plan

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
    assert book >> at(1.4, v.speech_started())
    assert book >> at(1.9, v.speech_stopped()) >> v.created("answer")
    assert book >> v.says("answer", "yes", 500) << AudioToPhone(500) >> v.done("answer")
    # The greeting's own last mark has audio behind it: half a second after its end it was heard.
    assert book >> deadline(Timer.GREETING) << (FULL, v.recorded(TurnEnded))
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


def clip_at(book: Playbook) -> float:
    """When a caller who is still to be greeted hears the clip."""
    return next(woken for woken, why, _ in book.rig.wakes(10) if why is Timer.CLIP)


def test_who_has_heard_nothing_of_the_greeting_waits_as_before() -> None:
    """It only called a tool, or the session was lost: the clip comes no later for that."""
    patient, calling, losing = (v.live(PROTECTED, v.PATIENT) for _ in range(3))
    for book in (patient, calling, losing):
        book.rig.feed(v.created("greeting"))
        book.rig.now += 1
    calling.rig.feed(v.tool_call("greeting", "call_1"), v.done("greeting"))
    losing.rig.feed(v.gone(e.Leg.MODEL), e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    expected = clip_at(patient)
    assert clip_at(calling) == expected
    assert clip_at(losing) <= expected


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


def test_a_greeting_that_stalls_in_the_middle_is_protected_to_its_end() -> None:
    """Its length counts from where it went on, and not from its first sound."""
    book = v.live(PROTECTED)
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 200))
    book.rig.wakes(3)
    whole = v.audio("greeting", "hello", 1500), v.audio_done("greeting", "hello"), v.done("greeting")
    book.rig.feed(*whole)
    assert Timer.GREETING not in [why for _, why, _ in book.rig.wakes(4.4)]
    assert book >> at(4.6, PLAYED) << (FULL, v.recorded(TurnEnded))


def test_a_greeting_is_protected_as_long_as_a_phone_that_is_late_plays_it() -> None:
    """It stalls for a second behind the first 200 ms, as its echoes tell."""
    book = v.live(PROTECTED)
    pieces = [v.audio("greeting", "hello", 200) for _ in range(5)]
    book.rig.feed(v.created("greeting"), v.item("greeting", "hello"), *pieces)
    book.rig.feed(v.audio_done("greeting", "hello"), v.done("greeting"))
    for number, at_s in enumerate((1.25, 2.45, 2.65, 2.85), start=1):
        assert book >> at(at_s, v.echo(f"0-{number}"))
    assert [at_s for at_s, why, _ in book.rig.wakes(6) if why is Timer.GREETING] == [3.5]


def test_a_turn_is_recorded_when_what_the_caller_spoke_into_was_heard_or_stopped() -> None:
    """A greeting whose session was lost plays on, and they speak into it before the next session greets."""
    book = v.live(PROTECTED)
    book.rig.feed(v.created("greeting"), *v.says("greeting", "long", 2000))
    book.rig.feed(v.words("greeting", "long", "One two three four."))
    v.replaced(book)
    assert book >> after(0.3, v.speech_started("more")) >> after(0.3, v.speech_stopped("more"))
    outputs = book.rig.feed(AnswerStopped("no_prices", "long", "", AgentSays("say_1", "Sorry.")))
    (turn,) = [one.fact for one in outputs if isinstance(one, a.Note) and isinstance(one.fact, TurnEnded)]
    assert (turn.agent, turn.interrupted) == ("One …", True)


def test_what_the_caller_spoke_into_is_not_recorded_before_all_of_it_was_heard() -> None:
    """More of it comes after they spoke."""
    book = v.live(PROTECTED)
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 500))
    v.replaced(book)
    book.rig.feed(v.speech_started(), v.speech_stopped(), v.committed(), v.caller_said("Hello?"))
    book.rig.feed(v.created("answer"), *v.says("answer", "long", 1000), v.speech_started("more"))
    book.rig.feed(v.audio("answer", "long", 1000), v.words("answer", "long", "One two three four."))
    book.rig.feed(v.audio_done("answer", "long"), v.done("answer"))
    book.rig.now += 1.8
    outputs = book.rig.feed(v.speech_stopped("more"))
    outputs += book.rig.feed(AnswerStopped("no_prices", "long", "", AgentSays("say_1", "Sorry.")))
    turns = [one.fact for one in outputs if isinstance(one, a.Note) and isinstance(one.fact, TurnEnded)]
    assert [turn.interrupted for turn in turns if turn.caller == "Hello?"] == [True]


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
    assert book >> at(1.5, v.key("2"))
    assert book.rig.phase is Phase.LIVE


def test_a_greeting_whose_session_is_lost_wakes_nobody() -> None:
    """Its time comes while another session is dialled: then there is nobody who could be told."""
    book = v.live(PROTECTED, has_line=False)
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 500))
    book.rig.now += 11
    book.rig.feed(v.gone(e.Leg.MODEL))
    book.rig.now += 2
    book.rig.feed(e.DeadlinePassed())
    assert book.rig.deadline is not None
    assert book.rig.deadline[0] > book.rig.now


def test_keys_before_the_greeting_are_answered_behind_it() -> None:
    """It says what it is told and nothing else: that is no answer to them."""
    book = v.live(PROTECTED)
    book.rig.feed(v.key("1"), v.key("#"), e.DeadlinePassed(), v.item_added("cb_item_1"))
    assert book >> v.created("greeting") >> v.says("greeting", "hello", 500) << AudioToPhone(500)
    assert book >> v.done("greeting") << v.ask()


def test_a_question_before_the_greeting_survives_its_session() -> None:
    """The next session greets, and then answers."""
    book = v.live(PROTECTED)
    book.rig.feed(v.speech_started(), v.speech_stopped(), v.gone(e.Leg.MODEL))
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED)
    assert book.rig.phase is Phase.LIVE
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 500))
    assert book >> v.done("greeting") << v.ask()


def asks(outputs: list[Output]) -> bool:
    """Whether the model is asked to speak."""
    commands_sent = [output.command for output in outputs if isinstance(output, a.SendToModel)]
    return any(isinstance(command, commands.CreateResponse) for command in commands_sent)


def passes(book: Playbook, seconds: float) -> None:
    """Time passes: the phone plays what it has, and amendments are confirmed."""
    for _ in range(round(seconds / 0.25)):
        book.rig.now += 0.25
        outputs = [output for _, _, done in book.rig.wakes(book.rig.seconds) for output in done]
        if not book.rig.has_played_all:
            outputs += book.rig.feed(PLAYED)
        if any(isinstance(getattr(output, "command", None), commands.UpdateSession) for output in outputs):
            book.rig.feed(v.SESSION_UPDATED)


def greets_late(book: Playbook) -> bool:
    """Whether the model is asked for anything when an answer is interrupted, 13 s from now."""
    passes(book, 13)
    v.answering(book).rig.feed(*v.says("answer", "long", 3000), v.done("answer"))
    book.rig.now += 1
    outputs = book.rig.feed(v.speech_started("wait"))
    book.rig.now += 1
    outputs += book.rig.feed(v.speech_stopped("wait"), *v.answers("second", "it", 500))
    assert book.rig.phase is Phase.LIVE
    return asks(outputs)


def broken_off(book: Playbook) -> Playbook:
    """Of the greeting 300 ms were said, and 7 s later the session is lost."""
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 300))
    passes(book, 7)
    book.rig.feed(v.gone(e.Leg.MODEL))
    return book


def test_a_greeting_that_broke_off_is_protected_in_the_next_session_as_in_the_first() -> None:
    """Its 12 s are its own: those of the first one are over, and wake nobody while there is no session."""
    book = broken_off(v.live(PROTECTED))
    passes(book, 5.5)
    assert book.rig.deadline is not None
    assert book.rig.deadline[0] > book.rig.now
    outputs = book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED)
    assert asks(outputs)
    book.rig.feed(*v.answers("again", "hello2", 2000))
    book.rig.now += 0.5
    assert v.clear() not in book.rig.feed(v.speech_started())


def test_an_interruptible_greeting_that_broke_off_with_its_session_is_said_by_the_next() -> None:
    """Nobody has interrupted it: the caller heard half a word, and nothing since."""
    book = broken_off(v.live())
    assert asks(book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED))


def test_a_caller_who_pauses_while_the_greeting_goes_on_does_not_stop_it() -> None:
    """The model has noticed neither that they stopped nor that they went on; the line has."""
    book = v.live(PROTECTED, v.PATIENT, has_line=False)
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 8000), v.speech_started())
    for is_loud, seconds in ((True, 1), (False, 1.6), (True, 1)):
        for number in range(round(seconds / 0.02)):
            book.rig.now += 0.02
            payload = b"\x12\x92" * 80 if is_loud and number % 15 < 12 else b"\xfd" * 160
            book.rig.feed(ms.Media(ms.MediaChunk(payload)))
            book.rig.wakes(book.rig.seconds)
    assert book >> v.audio("greeting", "hello", 500) << AudioToPhone(500)
    assert book >> v.done("greeting")


def test_a_greeting_that_breaks_off_goes_on_once_and_is_not_begun_again() -> None:
    """At its greatest length (`max_output_tokens`) a second one would break off, too."""
    book = v.live(PROTECTED)
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 800))
    assert book >> v.done("greeting", "incomplete") << v.any_warning("response_fell_short") << v.ask()
    book.rig.feed(v.created("rest"), *v.says("rest", "more", 800), v.done("rest", "incomplete"))
    assert not greets_late(book)


def test_a_greeting_that_another_answer_follows_was_said() -> None:
    """Its end was never told."""
    book = v.live(PROTECTED)
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 1500))
    book.rig.now += 2
    book.rig.feed(v.speech_started(), v.speech_stopped(), *v.answers("answer1", "yes", 1000))
    assert not greets_late(book)


def test_words_of_ours_are_still_owed_after_a_tool_that_came_in_their_place() -> None:
    """The caller hears them while it runs."""
    book = v.live(PROTECTED)
    assert book >> v.created("greeting") >> v.tool_call("greeting", "call_1") << v.run_tool("call_1")
    assert book >> v.done("greeting") << v.ask(options=GREET)
    book.rig.feed(*v.answers("again", "hello", 1000))
    assert asks(book.rig.feed(v.tool_finished("call_1"), v.item_added("cb_item_1")))
    book.rig.feed(*v.answers("result", "it", 2000))
    assert not greets_late(book)


def test_an_agent_that_greets_in_its_own_words_may_look_something_up_before() -> None:
    """The answer to the tool is its greeting: it does not greet in the middle of the call."""
    book = v.live(make_plan(greeting="", is_greeting_interruptible=False))
    assert book >> v.created("greeting") >> v.tool_call("greeting", "call_1") << v.run_tool("call_1")
    assert book >> v.done("greeting")
    assert asks(book.rig.feed(v.tool_finished("call_1"), v.item_added("cb_item_1")))
    book.rig.feed(*v.answers("result", "hello", 2000))
    assert not greets_late(book)


def test_what_was_said_into_the_greeting_is_asked_about_where_the_server_forgets_it() -> None:
    """It neither answers nor refuses to: that costs two seconds, and no session."""
    book = v.live(PROTECTED, v.PATIENT)
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 1000))
    book.rig.now += 0.5
    book.rig.feed(v.speech_started())
    book.rig.now += 1
    book.rig.feed(v.speech_stopped(), v.done("greeting"), PLAYED, v.SESSION_UPDATED)
    assert book >> deadline(Timer.UNKEPT) << (v.any_warning("model_asked"), v.ask())
    assert book.rig.seconds == 2.5 + 2


def test_a_limit_that_ends_the_call_ends_the_greeting_with_it() -> None:
    """Who interrupts it then is not greeted again on their way out."""
    book = v.live(PROTECTED, Limits(call_length_max_s=14))
    book.rig.feed(*v.answers("greeting", "hello", 30_000))
    assert book >> deadline(Timer.GREETING) << FULL >> v.SESSION_UPDATED
    assert book >> deadline(Timer.CALL_LENGTH) << v.ask_words(v.SAY_IT_ENDS)
    book.rig.feed(*v.answers("bye", "goodbye", 1000))
    book.rig.now += 1
    book.rig.feed(v.speech_started())
    book.rig.now += 1
    assert not asks(book.rig.feed(v.speech_stopped(), *v.answers("answer", "yes", 500)))


def test_a_greeting_that_does_not_come_has_its_time_whatever_the_caller_says() -> None:
    """A caller who says "hello?" every second would wait for ever: nothing interrupts what is not there."""
    book = v.live(PROTECTED)
    book.rig.feed(v.created("greeting"))
    outputs: list[object] = []
    while a.DropModel() not in outputs:
        book.rig.now += 0.5
        outputs += book.rig.feed(e.DeadlinePassed(), v.speech_started())
        book.rig.now += 0.5
        outputs += book.rig.feed(v.speech_stopped(), v.error("conversation_already_has_active_response"))
        assert book.rig.seconds < 11


def test_who_was_not_greeted_yet_waits_from_the_beginning() -> None:
    """The session is lost before the first word: the clip comes as if it had never been there."""
    book = v.live(PROTECTED)
    assert book >> at(1.4, v.created("greeting"))
    book.rig.now += 0.1
    book.rig.feed(v.gone(e.Leg.MODEL))
    assert book >> deadline(Timer.CLIP) << v.clip()
    assert book.rig.seconds == 1.5


def test_the_session_is_amended_though_the_response_does_not_end() -> None:
    """Until then the server answers nobody who speaks. And a dead session confirms nothing."""
    book = v.live(PROTECTED)
    book.rig.feed(v.created("greeting"), *v.says("greeting", "hello", 1000))
    assert book >> v.audio_done("greeting", "hello") >> at(2.05, PLAYED) << FULL
