"""From the phone's socket to a live call: admission, dial, configuration, and all that can refuse."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import AgentReady, EndReason, StreamStarted
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.wire import media_streams as ms
from callbridge.wire.realtime_events import ErrorEvent
from playbook import Id, Like, Playbook, at, deadline
from rigs import PLAN, AudioToModel, Rig, make_plan

ADMITTED = v.admitted("+15550100001", "+15550100002")


def dialing() -> Playbook:
    book = Playbook(Rig())
    book.rig.feed(v.start(), ADMITTED)
    return book


def configuring(rig: Rig | None = None) -> Playbook:
    book = Playbook(rig or Rig())
    book.rig.feed(v.start(), ADMITTED, e.ModelConnected())
    return book


def test_each_phase_has_its_place_in_the_repr() -> None:
    """A person sees in a log or a debugger which call this is and how far it is."""
    rig = Rig()
    assert repr(rig) == "<Entrance waiting ->"
    rig.feed(v.start())
    assert repr(rig) == "<Entrance admitting CA1>"
    rig.feed(v.admitted())
    assert repr(rig) == "<CallMachine CA1 dialling turn 0>"


def test_caller_audio_is_held_until_the_session_is_confirmed_and_then_sent_in_order() -> None:
    """The greeting is asked for before the held audio goes: the caller's "hello?" must not come first."""
    book = Playbook(Rig(has_line=False))
    assert book >> v.start() << Like(a.AdmitStream, {}) >> at(0.02, v.frame(20))
    assert (
        book
        >> ADMITTED
        << v.recorded(StreamStarted)
        << v.dials()
        >> at(0.04, v.frame(40))
        >> e.ModelConnected()
    )
    assert book >> at(0.06, v.frame(60)) >> v.SESSION_CREATED << v.update() >> at(0.08, v.frame(80))
    assert (
        book
        >> at(0.1, v.SESSION_UPDATED)
        << v.recorded(AgentReady)
        << v.ask(options=PLAN.greeting_options)
        << (a.OpenUplink(), AudioToModel(20), AudioToModel(40), AudioToModel(60), AudioToModel(80))
    )
    assert book >> at(0.12, v.frame(20)) << AudioToModel(20)


GREETING = (v.ask(options=PLAN.greeting_options), a.OpenUplink())
"""What follows the confirmed session."""


def test_without_a_greeting_text_the_model_greets_as_its_instructions_tell_it() -> None:
    """An empty greeting is no instruction at all."""
    book = configuring(Rig(make_plan(greeting="")))
    assert book >> v.SESSION_CREATED << v.update()
    assert book >> v.SESSION_UPDATED << (v.recorded(AgentReady), v.ask(options=None), a.OpenUplink())


def test_the_greeting_is_to_be_said_exactly() -> None:
    """The greeting's words stand in the first response's own instructions."""
    assert PLAN.greeting_options is not None
    assert "Hello." in (PLAN.greeting_options.instructions or "")


@pytest.mark.parametrize("event", [v.frame(), v.echo("0-1"), v.key("1")], ids=["media", "mark", "dtmf"])
def test_anything_before_start_is_a_protocol_fault(event: ms.Message) -> None:
    """Nothing is stored and nothing dialled for a socket that has not said who it is."""
    book = Playbook(Rig())
    name = type(event).__name__
    assert book >> event << v.ends_without_model(EndReason.REJECTED_PROTOCOL, detail=f"{name} before start")


def test_stop_before_start_is_a_protocol_fault() -> None:
    """A stream that ends before it began has told nothing."""
    book = Playbook(Rig())
    assert (
        book >> ms.Stopped() << v.ends_without_model(EndReason.REJECTED_PROTOCOL, detail="stop before start")
    )


def test_a_stream_that_is_not_mulaw_is_refused() -> None:
    """Anything else would be loud static in both directions."""
    book = Playbook(Rig())
    assert book >> v.start(encoding="audio/l16") << v.ends_without_model(EndReason.REJECTED_PROTOCOL)


def test_the_same_start_again_is_noted_and_changes_nothing() -> None:
    """A repeated start is odd, and harmless."""
    book = v.live()
    assert book >> v.start() << v.warning("start_repeated")
    assert book.rig.phase is Phase.LIVE


@pytest.mark.parametrize("other", [v.start("CA2"), v.start(stream_sid="MZ2")], ids=["call", "stream"])
def test_a_start_that_names_another_stream_ends_the_call(other: ms.Start) -> None:
    """Two callers on one socket would hear each other."""
    book = v.live()
    assert book >> other << v.ends(EndReason.REJECTED_PROTOCOL)


def test_a_start_that_never_comes_is_not_waited_for() -> None:
    """A socket without a start is closed at its bound."""
    book = Playbook(Rig())
    assert (
        book
        >> deadline(Timer.START)
        << (
            a.CloseLeg(e.Leg.PHONE, 1008, "rejected_protocol"),
            *v.ends_without_model(EndReason.REJECTED_PROTOCOL, detail="no start in time")[1:],
        )
    )
    assert book.rig.seconds == Limits().start_timeout_s


def test_the_bound_for_start_holds_until_the_stream_is_admitted() -> None:
    """A token check that never answers does not hold the socket open."""
    book = Playbook(Rig())
    assert book >> at(4, v.start()) << Like(a.AdmitStream, {})
    assert book >> deadline(Timer.START) << v.ends_without_model(EndReason.REJECTED_PROTOCOL)
    assert book.rig.seconds == Limits().start_timeout_s


def test_a_refused_token_closes_the_phone_with_a_policy_code() -> None:
    """1008 of RFC 6455: the peer broke a rule of ours. Nothing was dialled."""
    book = Playbook(Rig())
    assert book >> v.start() << Like(a.AdmitStream, {})
    assert (
        book
        >> e.StreamRefused("the token was used before")
        << a.CloseLeg(e.Leg.PHONE, 1008, "rejected_auth")
        << v.ends_without_model(EndReason.REJECTED_AUTH, detail="the token was used before")[1]
    )


@pytest.mark.parametrize("is_started", [False, True], ids=["waiting", "admitting"])
def test_a_socket_that_closes_before_the_stream_began_is_no_lost_call(is_started: bool) -> None:
    """There was no caller yet who could have been lost."""
    book = Playbook(Rig())
    if is_started:
        book.rig.feed(v.start())
    assert book >> v.gone(e.Leg.PHONE, 1005) << v.ends_without_model(EndReason.REJECTED_PROTOCOL)


def test_a_model_that_cannot_be_dialled_ends_the_call_for_the_apology() -> None:
    """The record says why, as the dialler told it."""
    book = dialing()
    assert (
        book
        >> e.ModelDialFailed("HTTP 401: invalid_api_key", 401, "invalid_api_key")
        << (v.trouble("dial", status=401, is_fatal=True), v.drops())
        << (
            a.CloseLeg(e.Leg.PHONE, 1011, "model_unavailable"),
            *v.ends_without_model(EndReason.MODEL_UNAVAILABLE, detail="HTTP 401: invalid_api_key")[1:],
        )
    )


def test_a_session_that_does_not_echo_mulaw_both_ways_ends_the_call() -> None:
    """PCM played as µ-law is static: better an apology."""
    book = configuring()
    book.rig.feed(v.SESSION_CREATED)
    assert (
        book
        >> v.SESSION_UPDATED_WRONG
        << (v.trouble("configure", is_fatal=True), v.drops())
        << v.ends_without_model(EndReason.MODEL_UNAVAILABLE)
    )


def test_a_refused_transcription_is_left_out_and_the_session_asked_for_again() -> None:
    """The transcript is the one part of a session that a call can do without."""
    book = configuring()
    without = PLAN.without_transcription().session
    first, second = Id("first"), Id("second")
    assert book >> v.SESSION_CREATED << v.update(id=first)
    assert (
        book
        >> v.error("invalid_value", answers=first, param="session.audio.input.transcription.model")
        << v.warning("transcription_refused", code="invalid_value", message="It went wrong.")
        << v.update(without, id=second)
    )
    assert book >> v.SESSION_UPDATED << (v.recorded(AgentReady, has_transcription=False), *GREETING)
    assert first.value != second.value
    assert without.audio.input.transcription is None
    assert without.audio.output == PLAN.session.audio.output


@pytest.mark.parametrize(
    "refusal",
    [
        v.error(None, message="The transcription model is not available."),
        v.error("invalid_model", message="No such transcription model.", answers="cb_1"),
        v.error("invalid_model", param="session.audio.input.transcription.model"),
    ],
)
def test_a_refusal_that_names_transcription_anywhere_is_understood(refusal: ErrorEvent) -> None:
    """Not every refusal has a param, or a code. It is not the session's own model that is unknown."""
    book = configuring()
    book.rig.feed(v.SESSION_CREATED)
    assert (
        book
        >> refusal
        << v.any_warning("transcription_refused")
        << v.update(PLAN.without_transcription().session)
    )


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Unknown parameter: 'session.include'.", "session.include"),
        ("Unknown parameter: 'session.include[0]'.", None),
        ("The transcription of this model has no logprobs.", "session.audio.input.transcription"),
    ],
)
def test_how_sure_the_words_are_is_left_out_first_and_the_words_next(message: str, param: str | None) -> None:
    include = ("item.input_audio_transcription.logprobs",)
    rated = replace(PLAN, session=msgspec.structs.replace(PLAN.session, include=include))
    book = configuring(Rig(rated))
    first, second, third = Id("first"), Id("second"), Id("third")
    assert book >> v.SESSION_CREATED << v.update(rated.session, id=first)
    assert (
        book
        >> v.error("unknown_parameter", message=message, answers=first, param=param)
        << v.warning("logprobs_refused", code="unknown_parameter", message=message)
        << v.update(PLAN.session, id=second)
    )
    refusal = v.error("invalid_value", answers=second, param="session.audio.input.transcription.model")
    without = PLAN.without_transcription().session
    assert book >> refusal << v.any_warning("transcription_refused") << v.update(without, id=third)
    assert book >> v.SESSION_UPDATED << (v.recorded(AgentReady, has_transcription=False), *GREETING)


def test_a_session_that_is_refused_a_second_time_is_given_up() -> None:
    """Without transcription there is nothing left that could be left out."""
    book = configuring()
    refusal = v.error("invalid_value", param="session.audio.input.transcription", answers="cb_1")
    book.rig.feed(v.SESSION_CREATED, refusal)
    assert (
        book
        >> refusal
        << (v.trouble("configure", is_fatal=True), v.drops())
        << v.ends_without_model(EndReason.MODEL_UNAVAILABLE, errors=2)
    )


def test_any_other_refusal_is_our_own_fault_and_ends_the_call_at_once() -> None:
    """The update is all or nothing: no part of it was taken."""
    book = configuring()
    book.rig.feed(v.SESSION_CREATED)
    assert (
        book
        >> v.error("unknown_parameter", message="Unknown parameter: 'rate'.", answers="cb_1")
        << (v.trouble("configure", code="unknown_parameter", is_fatal=True), v.drops())
        << v.ends_without_model(
            EndReason.MODEL_UNAVAILABLE, detail="unknown_parameter: Unknown parameter: 'rate'.", errors=1
        )
    )


@pytest.mark.parametrize("code", [1000, 1006, 1011])
def test_a_model_that_closes_twice_before_it_spoke_was_never_available(code: int) -> None:
    """The leg is gone, so nothing is sent to it."""
    book = configuring()
    assert book >> v.gone(e.Leg.MODEL, code) << (v.trouble("configure"), v.drops())
    assert book >> deadline(Timer.REDIAL) << v.dials() >> e.ModelConnected()
    assert (
        book
        >> v.gone(e.Leg.MODEL, code)
        << (v.trouble("configure"), v.drops())
        << v.ends_without_model(EndReason.MODEL_UNAVAILABLE, detail=f"model leg closed with {code}")
    )


def test_a_caller_who_hangs_up_while_the_session_is_configured_closes_the_model_too() -> None:
    """The model leg was open."""
    book = configuring()
    assert book >> ms.Stopped() << v.ends(EndReason.CALLER_HANGUP)


def test_audio_is_held_only_as_long_as_it_can_be_answered() -> None:
    """Beyond the bound the oldest audio goes, and is counted."""
    book = Playbook(Rig(has_line=False))
    book.rig.feed(v.start(), ADMITTED, v.frame(), *[v.frame(1000)] * 9, e.ModelConnected(), v.SESSION_CREATED)
    assert book >> v.SESSION_UPDATED << (v.recorded(AgentReady), *GREETING, *[AudioToModel(1000)] * 9)
    assert v.ended(book).frames_dropped == 1


def test_the_limits_keep_their_relations() -> None:
    """A limit that contradicts another is refused when it is made."""
    with pytest.raises(AssertionError, match="first words must survive the dial"):
        Limits(held_audio_ms_max=5000)
    with pytest.raises(AssertionError, match="60 minutes"):
        Limits(renew_after_s=3600)
    with pytest.raises(AssertionError, match="no silence of 4 s"):
        Limits(clip_after_s=4)
    with pytest.raises(AssertionError, match="no silence of 4 s"):
        Limits(connect_clip_after_s=3.5)
    with pytest.raises(AssertionError, match="replaced before it is given up"):
        Limits(answer_timeout_s=15)
    with pytest.raises(AssertionError):
        Limits(media_gap_warning_s=20)
    with pytest.raises(AssertionError):
        replace(Limits(), heard_tail_ms=Limits().mark_every_ms)
