"""How one session comes about: which trouble is tried again, when, and what it takes to be ready."""

from __future__ import annotations

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import AgentReady, EndReason, ModelTrouble
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from playbook import Playbook, after, deadline
from rigs import PLAN, Output, Rig, make_plan

SECOND = "gpt-realtime-2.1-mini"
JITTER = 0.5
"""250 ms, and half of the spread."""


def dialling(*, spread: float = 0.5, second: str | None = SECOND, is_continued: bool = False) -> Playbook:
    book = Playbook(Rig(make_plan(second_model=second), v.PATIENT, spread=spread))
    book.rig.feed(v.start(), v.admitted("", "", is_continued=is_continued))
    return book


def configuring(*, is_continued: bool = False) -> Playbook:
    """The session was asked for, with the command `cb_1`."""
    book = dialling(is_continued=is_continued)
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED)
    return book


def fails(book: Playbook, event: e.Event) -> tuple[ModelTrouble, float | None]:
    """A try fails: with which trouble, and after how long the next is made, if any."""
    facts = [output.fact for output in book.rig.feed(event) if isinstance(output, a.Note)]
    (seen,) = [fact for fact in facts if isinstance(fact, ModelTrouble)]
    failed_at = book.rig.now
    while (due := book.rig.deadline) is not None and due[1] is Timer.CLIP:
        book.rig.now = max(due[0], book.rig.now)
        book.rig.feed(e.DeadlinePassed())
    if due is None:
        return seen, None
    assert due[1] is Timer.REDIAL
    return seen, round(due[0] - failed_at, 6)


failed = e.ModelDialFailed


@pytest.mark.parametrize(
    ("event", "delay_s", "is_fatal", "is_rate_limit"),
    [
        (failed("the name did not resolve"), JITTER, False, False),
        *((failed("it failed", status), JITTER, False, False) for status in (500, 502, 503)),
        (failed("HTTP 503", 503, retry_after_s=1.5), 1.5, False, False),
        (failed("HTTP 503", 503, retry_after_s=60), None, False, False),
        (failed("HTTP 429", 429, "rate_limit_exceeded", 2.0), 2.0, False, True),
        (failed("HTTP 429", 429, "rate_limit_exceeded", 2.1), None, False, True),
        (failed("HTTP 429", 429), JITTER, False, True),
        (failed("busy", None, "inference_rate_limit_exceeded"), JITTER, False, True),
        (failed("HTTP 401", 401), None, True, False),
        (failed("HTTP 403", 403), None, True, False),
        *(
            (failed("no", 429, code), None, True, False)
            for code in sorted(v.FATAL_CODES - v.UNKNOWN_MODEL_CODES)
        ),
        (failed("HTTP 404", 404), 0.0, True, False),
        *((failed("gone", None, code), 0.0, True, False) for code in sorted(v.UNKNOWN_MODEL_CODES)),
    ],
    ids=str,
)
def test_when_a_session_is_tried_for_again(
    event: e.ModelDialFailed, delay_s: float | None, is_fatal: bool, is_rate_limit: bool
) -> None:
    """Nothing: there is no second try. An empty account is no rate limit, though the status is the same."""
    seen, delay = fails(dialling(), event)
    assert (seen.doing, seen.why, seen.status, seen.code) == ("dial", event.why, event.status, event.code)
    assert (seen.is_fatal, seen.is_rate_limit) == (is_fatal, is_rate_limit)
    assert delay == delay_s


@pytest.mark.parametrize(("spread", "delay_s"), [(0.0, 0.25), (0.5, 0.5), (1.0, 0.75)])
def test_calls_that_fail_together_try_again_apart(spread: float, delay_s: float) -> None:
    assert fails(dialling(spread=spread), failed("busy"))[1] == delay_s


def test_there_is_one_second_try() -> None:
    """A third would let the caller wait for longer than the fallback."""
    book = dialling()
    assert book >> failed("it failed", 503) << (v.trouble("dial", status=503), v.drops())
    assert book >> deadline(Timer.REDIAL) << v.dials()
    assert (
        book
        >> failed("it failed")
        << (v.trouble("dial"), v.drops())
        << v.ends_without_model(EndReason.MODEL_UNAVAILABLE, detail="it failed")
    )


def test_each_session_has_its_own_tries() -> None:
    """The first was had at the second try; the one in its place may have a second one as well."""
    book = dialling()
    assert fails(book, failed("busy"))[1] == JITTER
    assert book >> deadline(Timer.REDIAL) << v.dials()
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, e.LegGone(e.Leg.MODEL, 1006))
    assert fails(book, failed("busy"))[1] == JITTER


def test_the_second_model_is_tried_once_and_has_its_own_two_tries() -> None:
    book = dialling()
    assert fails(book, failed("timeout"))[1] == JITTER
    assert book >> deadline(Timer.REDIAL) << v.dials()
    assert fails(book, failed("HTTP 404", 404))[1] == 0.0
    assert book >> deadline(Timer.REDIAL) << v.dials(SECOND)
    assert fails(book, failed("timeout"))[1] == JITTER
    assert book >> deadline(Timer.REDIAL) << v.dials(SECOND)
    assert fails(book, failed("HTTP 404", 404))[1] is None


@pytest.mark.parametrize("second", [None, PLAN.model])
def test_without_another_model_an_unknown_one_is_the_end(second: str | None) -> None:
    assert fails(dialling(second=second), failed("HTTP 404", 404))[1] is None


@pytest.mark.parametrize(("after_s", "is_tried"), [(7.4, True), (7.5, False)])
def test_a_second_try_that_would_come_too_late_is_not_made(after_s: float, *, is_tried: bool) -> None:
    """All tries together have a bound: the fallback is the better answer."""
    book = dialling()
    book.rig.now += after_s
    assert (fails(book, failed("slow"))[1] is not None) is is_tried


def test_all_tries_together_have_a_bound() -> None:
    book = dialling()
    book.rig.feed(failed("busy"))
    book.rig.now += 1
    assert v.dials() in book.rig.feed(e.DeadlinePassed())
    book.rig.now += 7
    assert a.CloseLeg(e.Leg.PHONE, 1011, "model_unavailable") in book.rig.feed(e.DeadlinePassed())
    assert book.rig.seconds == Limits().connect_timeout_s


def test_a_dial_that_is_answered_after_it_was_given_up_changes_nothing() -> None:
    """Between two tries nothing is dialled."""
    book = dialling()
    book.rig.feed(failed("busy"))
    assert book >> e.ModelConnected() >> failed("late")
    assert book.rig.phase is Phase.DIALLING


def test_a_session_that_is_never_confirmed_is_tried_again() -> None:
    book = dialling()
    book.rig.feed(e.ModelConnected())
    assert book >> after(1.5, e.DeadlinePassed()) << v.clip()
    assert book >> deadline(Timer.CONFIGURE) << (v.trouble("configure"), v.drops())
    assert book >> deadline(Timer.REDIAL) << v.dials()


def test_a_greeting_that_comes_twice_configures_once_and_a_confirmation_before_it_nothing() -> None:
    book = dialling()
    book.rig.feed(e.ModelConnected())
    assert book >> v.SESSION_UPDATED >> v.SESSION_CREATED << v.update() >> v.SESSION_CREATED
    assert a.OpenUplink() in book.rig.feed(v.SESSION_UPDATED)


@pytest.mark.parametrize(
    ("code", "answers"), [("server_error", None), ("server_error", "cb_1"), (None, None), (None, "cb_1")]
)
def test_a_fault_of_the_server_is_tried_again(code: str | None, answers: str | None) -> None:
    """Only a refused request is our own fault."""
    detail = rt.ErrorDetail("server_error", code, "It went wrong.", None, answers)
    seen, delay = fails(configuring(), rt.ErrorEvent(detail))
    assert (seen.doing, seen.is_fatal, delay) == ("configure", False, JITTER)


NO_SUCH_MODEL = 'Model "gpt-realtime-of-2031" is not supported in realtime mode.'
OPEN_TO = pytest.mark.parametrize("is_greeted", [False, True], ids=["connected", "greeted"])
"""A refusal comes on a socket that opens, and may come after `session.created`: then our update is out."""


def opened(*, is_greeted: bool, second: str | None = SECOND) -> Playbook:
    book = dialling(second=second)
    book.rig.feed(e.ModelConnected(), *((v.SESSION_CREATED,) if is_greeted else ()))
    return book


def closes(code: int, reason: str = "") -> e.LegGone:
    return e.LegGone(e.Leg.MODEL, code, reason)


@OPEN_TO
@pytest.mark.parametrize(
    "refusal",
    [
        v.error("invalid_model", message=NO_SUCH_MODEL),
        v.error("invalid_model", message=f"{NO_SUCH_MODEL} It may be used for transcription."),
        v.error("model_not_found"),
        closes(4000, "invalid_request_error.invalid_model"),
        closes(4004),
    ],
    ids=["invalid_model", "good for something else", "model_not_found", "close 4000", "close 4004"],
)
def test_a_model_that_is_refused_on_the_socket_is_left_for_the_second(
    refusal: e.Event, *, is_greeted: bool
) -> None:
    book = opened(is_greeted=is_greeted)
    seen, delay = fails(book, refusal)
    assert (seen.is_fatal, seen.is_configuration, delay) == (True, False, 0.0)
    assert book >> deadline(Timer.REDIAL) << v.dials(SECOND)
    assert fails(opened(is_greeted=is_greeted, second=None), refusal)[1] is None


@OPEN_TO
@pytest.mark.parametrize("words", [None, "You didn't provide an API key."])
def test_a_key_that_is_refused_is_not_tried_again(words: str | None, *, is_greeted: bool) -> None:
    """The error of a missing key has no code: the close that follows has one."""
    book = opened(is_greeted=is_greeted)
    if words is not None:
        assert book >> v.error(None, message=words) << v.any_warning("model_error")
    seen, delay = fails(book, closes(3000, "invalid_request_error"))
    assert (seen.code, seen.is_fatal, delay) == ("invalid_api_key", True, None)
    closed = "model leg closed with 3000 invalid_request_error"
    assert seen.why == (closed if words is None else f"{words} ({closed})")


def test_a_key_that_is_withdrawn_in_mid_call_ends_it() -> None:
    """No other session would be had with it."""
    book = v.greeted()
    assert (
        book
        >> closes(3000)
        << (v.trouble(is_fatal=True), v.drops())
        << v.ends_without_model(EndReason.MODEL_LOST, detail="model leg closed with 3000")
    )


@pytest.mark.parametrize("answer", [None, closes(1006), closes(4000, "invalid_request_error")])
def test_an_error_that_does_not_say_what_it_is_of_is_tried_again(answer: e.Event | None) -> None:
    """Neither does the close, nor within half a second."""
    book = opened(is_greeted=True)
    assert book >> v.error(None, message="It went wrong.") << v.any_warning("model_error")
    if answer is None:
        assert book >> deadline(Timer.CONFIGURE) << (v.trouble("configure", why="It went wrong."), v.drops())
        assert book.rig.seconds == book.rig.limits.refusal_timeout_s
        assert book >> deadline(Timer.REDIAL) << v.dials()
    else:
        assert fails(book, answer)[1] == JITTER


def test_an_error_that_says_nothing_gives_no_more_time() -> None:
    book = opened(is_greeted=True)
    assert book >> after(1.5, e.DeadlinePassed()) << v.clip()
    assert book >> after(1.4, v.error(None)) << v.any_warning("model_error")
    assert book >> deadline(Timer.CONFIGURE) << (v.trouble("configure"), v.drops())
    assert book.rig.seconds == book.rig.limits.configure_timeout_s


def test_an_error_that_says_nothing_and_leads_to_nothing_is_none() -> None:
    """The session is confirmed all the same."""
    book = opened(is_greeted=True)
    assert book >> v.error(None) << v.any_warning("model_error")
    assert a.OpenUplink() in book.rig.feed(v.SESSION_UPDATED)


@pytest.mark.parametrize("code", sorted(v.HARMLESS_CODES))
def test_a_late_answer_to_the_stream_before_is_no_refusal(code: str) -> None:
    """A warm session was cleaned when the phone was lost: a cancel or truncate may have come too late."""
    book = configuring()
    assert book >> v.error(code, answers="cb_17")
    assert book.rig.phase is Phase.CONFIGURING


def test_a_refused_transcription_stays_silent_while_it_must() -> None:
    """What is left out does not let the session answer too early."""
    book = configuring(is_continued=True)
    assert (
        book
        >> v.error("invalid_value", param="audio.input.transcription", answers="cb_1")
        << v.any_warning("transcription_refused")
        << v.update(PLAN.without_transcription().silent_session)
    )


def sent_ids(outputs: list[Output], kind: type) -> list[str | None]:
    """The names of commands of a kind."""
    sent = [output.command for output in outputs if isinstance(output, a.SendToModel)]
    return [command.event_id for command in sent if isinstance(command, kind)]


@pytest.mark.parametrize("answers", ["an item", "the configuration"])
def test_an_item_that_is_refused_is_no_reason_to_have_no_session(answers: str) -> None:
    """The configuration that follows the items is: without it nobody would be answered."""
    book = v.greeted()
    book.rig.feed(e.LegGone(e.Leg.MODEL, 1006), e.ModelConnected(), v.SESSION_CREATED)
    outputs = book.rig.feed(v.SESSION_UPDATED)
    kind = commands.CreateItem if answers == "an item" else commands.UpdateSession
    refusal = v.error("invalid_value", answers=sent_ids(outputs, kind)[0])
    if answers == "an item":
        assert book >> refusal << v.any_warning("not_retold")
        assert book >> v.SESSION_UPDATED << (v.has_replaced(), a.OpenUplink())
    else:
        seen, delay = fails(book, refusal)
        assert (seen.is_fatal, delay) == (True, None)


def test_anything_but_mulaw_is_our_fault_also_in_mid_call() -> None:
    seen, delay = fails(v.retelling(v.greeted()), v.SESSION_UPDATED_WRONG)
    assert (seen.doing, seen.is_fatal, delay) == ("configure", True, None)


def test_a_model_that_does_not_exist_is_left_for_the_second_and_never_asked_for_again() -> None:
    """Neither to replace nor to renew."""
    book = dialling()
    assert book >> failed("HTTP 404", 404) << (v.trouble("dial", is_fatal=True), v.drops())
    assert book >> deadline(Timer.REDIAL) << v.dials(SECOND) >> e.ModelConnected()
    assert book >> v.SESSION_CREATED << v.update()
    assert (
        book
        >> v.SESSION_UPDATED
        << (v.recorded(AgentReady), v.ask(options=PLAN.greeting_options), a.OpenUplink())
    )
    assert book >> e.LegGone(e.Leg.MODEL, 1006) << (v.trouble(), v.drops(), v.dials(SECOND))
