"""Every way a live call ends: one reason, the right close codes, one record, and nothing afterwards."""

from __future__ import annotations

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.entrance import Step
from callbridge.call.facts import CallClosed, EndReason, StreamEnded, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_events as rt
from playbook import Playbook, after, at
from rigs import Rig


def test_the_record_of_a_call_answers_what_a_person_would_ask() -> None:
    """Times are counted from the admission."""
    book = v.greeted(has_line=False)
    for _ in range(3):
        book.rig.feed(v.frame())
    assert (
        book
        >> at(4, v.HANGS_UP)
        << v.ends(
            EndReason.CALLER_HANGUP,
            duration_ms=4000,
            turns=1,
            interruptions=0,
            tools_used=0,
            frames_from_phone=3,
            frames_to_model=3,
            frames_dropped=0,
            frames_to_phone=1,
            audio_to_phone_ms=1000,
            first_audio_ms=1000,
            response_ms_p50=None,
            response_ms_max=None,
            errors=0,
            detail="",
        )
    )


def test_the_first_audio_is_known_also_when_the_caller_speaks_at_once() -> None:
    """Audio goes past the machine: the next event may already begin another turn."""
    book = v.live()
    book.rig.feed(rt.ResponseCreated(rt.Response("greeting")), v.item("greeting", "hello"))
    book.rig.now += 0.5
    book.rig.feed(v.audio("greeting", "hello", 1000), v.speech_started())
    assert v.ended(book).first_audio_ms == 1500


def test_an_open_turn_is_recorded_with_the_end_and_what_was_heard_of_it() -> None:
    """Also one that waits for words. The answer in progress is not paid for any longer than it is heard."""
    book = v.answering(v.greeted())
    book.rig.feed(*v.says("answer", "it", 500), v.words("answer", "it", "Yes, we are open."))
    assert (
        book
        >> after(0.4, v.HANGS_UP)
        << v.cancel("answer")
        << v.recorded(TurnEnded, turn=2, caller=None, agent="Yes, we are …", interrupted=True)
        << v.lingers(EndReason.CALLER_HANGUP)
    )


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1011, 1013])
def test_a_model_that_goes_in_mid_call_is_replaced(code: int) -> None:
    """Whatever the code: the caller is still there."""
    book = v.greeted()
    assert book >> v.gone(e.Leg.MODEL, code) << v.replaces(why=f"model leg closed with {code}")


def test_a_model_that_goes_once_too_often_is_lost() -> None:
    """The caller is owed a word, so the phone is closed with 1011."""
    book = v.greeted()
    for _ in range(book.rig.limits.reconnects_max):
        v.replaced(book)
    assert (
        book
        >> e.LegGone(e.Leg.MODEL, 1011, "internal error")
        << (v.trouble(), v.drops())
        << (
            a.CloseLeg(e.Leg.PHONE, 1011, "model_lost"),
            v.ends(EndReason.MODEL_LOST, detail="model leg closed with 1011 internal error")[2],
        )
    )


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006])
def test_a_phone_that_goes_without_a_stop_is_lost(code: int) -> None:
    """Twilio does not promise a stop, but its absence is worth knowing: the call may come back."""
    book = v.greeted()
    assert book >> v.gone(e.Leg.PHONE, code) << v.parks(detail=f"phone leg closed with {code}")


def test_a_session_that_was_asked_for_a_response_is_not_left_behind() -> None:
    """It has no name yet by which it could be cancelled, and a cancel without a name may hit another one."""
    assert v.live() >> v.gone(e.Leg.PHONE) << v.ends(EndReason.MEDIA_LOST)


def test_a_phone_leg_that_our_own_server_closed_is_a_stopped_service() -> None:
    """Uvicorn closes its sockets with this code when it is told to stop."""
    book = v.greeted()
    assert (
        book
        >> v.gone(e.Leg.PHONE, v.SERVER_STOPS)
        << (
            a.CloseLeg(e.Leg.MODEL, 1000, ""),
            a.CloseLeg(e.Leg.PHONE, 1001, "service_stopped"),
            v.ends(EndReason.SERVICE_STOPPED)[2],
        )
    )


@pytest.mark.parametrize("code", sorted(v.PROTOCOL_CODES))
def test_a_phone_leg_that_was_closed_for_its_frames_was_not_a_phone(code: int) -> None:
    """Binary, broken or oversized frames."""
    book = v.greeted()
    assert book >> v.gone(e.Leg.PHONE, code) << v.ends(EndReason.REJECTED_PROTOCOL)


def test_a_phone_that_stops_reading_is_lost() -> None:
    """Its socket is still open, so it is closed."""
    book = v.greeted()
    assert (
        book
        >> e.LegStalled(e.Leg.PHONE, "4 MiB wait to be sent")
        << v.parks(detail="phone leg stalled: 4 MiB wait to be sent")
    )


def test_a_model_that_stops_reading_is_replaced() -> None:
    """It does not hear the caller any more."""
    book = v.greeted()
    assert book >> e.LegStalled(e.Leg.MODEL, "full") << v.replaces(why="model leg stalled: full")


def test_one_bad_message_is_a_warning_and_the_rest_are_counted() -> None:
    """A peer may send nothing else: the log must not fill up."""
    book = v.greeted()
    bad = e.BadMessage(e.Leg.PHONE, "not JSON")
    assert book >> bad << v.warning("bad_message", leg="phone", why="not JSON") >> bad >> bad


def unreadable(leg: e.Leg) -> Playbook:
    """A call in which the next bad message of a leg is one too many."""
    book = v.greeted()
    for _ in range(book.rig.limits.bad_messages_max):
        book.rig.feed(e.BadMessage(leg, "not JSON"))
    assert book.rig.phase is Phase.LIVE
    return book


def test_a_phone_that_cannot_be_read_is_given_up_at_a_bound() -> None:
    """It does not speak the protocol."""
    assert (
        unreadable(e.Leg.PHONE)
        >> e.BadMessage(e.Leg.PHONE, "not JSON")
        << v.ends(EndReason.REJECTED_PROTOCOL, detail="phone leg sent 51 bad messages: not JSON")
    )


def test_a_model_that_cannot_be_read_is_replaced_at_a_bound_and_the_next_begins_anew() -> None:
    """The next session has sent nothing bad yet."""
    book = unreadable(e.Leg.MODEL)
    bad = e.BadMessage(e.Leg.MODEL, "not JSON")
    assert book >> bad << v.replaces(why="model leg sent 51 bad messages: not JSON")
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED)
    assert book >> bad << v.any_warning("bad_message") >> bad
    assert book.rig.phase is Phase.LIVE


@pytest.mark.parametrize("leg", e.Leg)
def test_bad_messages_count_against_a_peer_for_ten_seconds(leg: e.Leg) -> None:
    """One that says something strange now and then speaks the protocol, however long the call."""
    book = unreadable(leg)
    book.rig.now += 10
    for number in range(200):
        book.rig.now += 0.21
        book.rig.feed(e.BadMessage(leg, f"strange {number}"))
    assert book.rig.phase is Phase.LIVE


def test_bad_messages_before_a_call_count_for_ten_seconds_too() -> None:
    """The start may be long in coming where the limits say so."""
    rig = Rig(limits=Limits(start_timeout_s=100, bad_messages_max=1))
    bad = e.BadMessage(e.Leg.PHONE, "not JSON")
    assert Playbook(rig) >> bad >> after(10, bad)
    assert (
        Playbook(rig)
        >> after(9.9, bad)
        << v.ends_without_model(EndReason.REJECTED_PROTOCOL, detail="phone leg sent 2 bad messages: not JSON")
    )


def test_the_legs_bad_messages_are_counted_apart() -> None:
    """Neither pays for the other."""
    book = v.greeted()
    for leg in e.Leg:
        for _ in range(book.rig.limits.bad_messages_max):
            book.rig.feed(e.BadMessage(leg, "not JSON"))
    assert book.rig.phase is Phase.LIVE


def test_a_fatal_bad_message_ends_the_call_at_once() -> None:
    """After a binary frame nothing that follows can be trusted."""
    book = v.greeted()
    assert (
        book
        >> e.BadMessage(e.Leg.PHONE, "a binary frame", is_fatal=True)
        << v.any_warning("bad_message")
        << v.ends(EndReason.REJECTED_PROTOCOL)
    )


def test_a_frame_that_is_no_telephones_is_a_bad_message() -> None:
    """Empty, or seconds long."""
    book = v.greeted(has_line=False)
    assert book >> v.frame(0) << v.any_warning("bad_message") >> v.frame(3000)
    assert v.ended(book).frames_from_phone == 0


@pytest.mark.parametrize("event", [ms.UnknownMessage("video"), rt.UnknownEvent("response.video.delta")])
def test_an_event_type_that_is_new_is_a_warning_once(event: ms.UnknownMessage | rt.UnknownEvent) -> None:
    """A new type may come with every response."""
    book = v.greeted()
    assert book >> event << v.any_warning("unknown_event") >> event


def test_an_event_type_that_is_left_alone_on_purpose_is_no_warning() -> None:
    """The list of ignored types is there for that."""
    book = v.greeted()
    assert book >> rt.UnknownEvent("response.content_part.added")


def test_a_spent_rate_limit_is_a_warning() -> None:
    """Failed responses follow."""
    book = v.greeted()
    limits = (rt.RateLimit("requests", 399, 0.1), rt.RateLimit("tokens", 0, 12.5))
    assert (
        book >> rt.RateLimitsUpdated(limits) << v.warning("rate_limit_reached", limit="tokens", resets_s=12.5)
    )


def test_a_process_that_goes_away_closes_both_legs() -> None:
    """1001 of RFC 6455: going away."""
    book = v.greeted()
    assert (
        book
        >> e.ShutdownRequested()
        << (
            a.CloseLeg(e.Leg.MODEL, 1000, ""),
            a.CloseLeg(e.Leg.PHONE, 1001, "service_stopped"),
            v.ends(EndReason.SERVICE_STOPPED)[2],
        )
    )


def test_our_own_fault_ends_the_call_with_a_record() -> None:
    """The bridge calls this when anything in the call raised."""
    book = v.greeted()
    outputs = book.rig.fail("ZeroDivisionError()")
    assert [type(output) for output in outputs] == [a.CloseLeg, a.CloseLeg, a.Note]
    (last,) = outputs[2:]
    assert isinstance(last, a.Note)
    assert isinstance(last.fact, StreamEnded)
    assert (last.fact.reason, last.fact.detail) == (EndReason.INTERNAL_ERROR, "ZeroDivisionError()")
    assert book.rig.fail("again") == []


def test_the_last_fact_of_a_stream_says_how_long_its_end_took() -> None:
    """In milliseconds, from the end to the moment in which nothing is left. A call that goes on has none."""
    rig = v.greeted().rig
    assert rig.close() == []
    rig.feed(v.HANGS_UP)
    rig.now += 0.0126
    (last,) = rig.close()
    assert isinstance(last, a.Note)
    assert isinstance(last.fact, CallClosed)
    assert last.fact.after_ms == 13


def test_a_stream_that_became_no_call_has_counted_nothing_of_one() -> None:
    """Its record has the frames that came, and nothing else."""
    rig = Rig()
    rig.feed(v.start(), *[v.frame()] * 3)
    (*_, last) = rig.feed(e.StreamRefused("no"))
    assert isinstance(last, a.Note)
    counts = {name: getattr(last.fact, name) for name in last.fact.__struct_fields__}
    assert {name: count for name, count in counts.items() if count and isinstance(count, int)} == {
        "number": last.fact.number,
        "frames_from_phone": 3,
    }


def test_time_that_runs_backwards_is_our_own_fault() -> None:
    """Deadlines and positions would be nonsense."""
    rig = v.greeted().rig
    rig.now -= 1
    with pytest.raises(AssertionError, match="time does not run backwards"):
        rig.handle(e.ShutdownRequested())


@pytest.mark.parametrize("is_open", [False, True], ids=["before start", "live"])
def test_a_call_that_is_over_wants_nothing_and_answers_nothing(is_open: bool) -> None:
    """No second end, no timer, no audio."""
    book = v.greeted() if is_open else Playbook(Rig())
    rig = book.rig
    rig.feed(e.ShutdownRequested())
    assert rig.phase in {Phase.OVER, Step.SHUT}
    assert rig.deadline is None
    assert (
        book >> v.HANGS_UP >> v.start() >> v.frame() >> v.SESSION_UPDATED >> v.audio("greeting", "hello", 100)
    )
    assert (
        book >> v.speech_started() >> v.caller_said("Hello?") >> v.gone(e.Leg.MODEL) >> e.ShutdownRequested()
    )
    assert book >> at(100, e.DeadlinePassed())


def test_every_reason_has_a_close_code_that_fits_it() -> None:
    """1000 only where somebody meant the call to end, or where the phone is gone anyway."""
    normal = {reason for reason in EndReason if reason not in v.CLOSE_CODES}
    assert normal == {
        EndReason.CALLER_HANGUP,
        EndReason.AGENT_HANGUP,
        EndReason.PERSON_WANTED,
        EndReason.LIMIT_DURATION,
        EndReason.LIMIT_COST,
        EndReason.LIMIT_SPEND_TOTAL,
        EndReason.LIMIT_RESPONSES,
        EndReason.OPERATOR_HANGUP,
        EndReason.TRANSFERRED,
        EndReason.MEDIA_LOST,
    }
    assert {reason for reason in EndReason if reason.is_normal} == normal - {
        EndReason.MEDIA_LOST,
        EndReason.PERSON_WANTED,
    }
