"""A session is renewed before it expires: made ready beside the old one, and moved to when nobody speaks."""

from __future__ import annotations

import msgspec
import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import EndReason, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.wire import realtime_events as rt
from playbook import Id, Playbook, after, at, deadline
from rigs import BEGINS_AT_S, PLAN, PLAYED, AudioToModel, AudioToPhone, Input, Rig, make_plan

LIMITS = Limits(renew_after_s=10, media_gap_warning_s=600, media_gap_timeout_s=600)
"""A minute is long enough to read about."""

PUT_OFF = (v.any_warning("renewal_put_off"), v.drops(e.Leg.SPARE))
DIALS = a.DialModel(PLAN.model)
DIALS_SPARE = a.DialModel(PLAN.model, e.Leg.SPARE)


def with_spare(book: Playbook | None = None) -> Playbook:
    """A spare is open, and has greeted us."""
    book = book or v.greeted(limits=LIMITS)
    book.rig.now = 1011.0
    assert a.DialModel(PLAN.model, e.Leg.SPARE) in book.rig.feed(e.DeadlinePassed())
    book.rig.feed(v.SPARE_CONNECTED)
    assert book >> v.spare(v.SESSION_CREATED) << v.update_silent(leg=e.Leg.SPARE)
    return book


def moving() -> Playbook:
    """The spare is being told the conversation; the caller's audio waits."""
    book = with_spare()
    assert (
        book
        >> v.spare(v.SESSION_UPDATED)
        << v.told(Id(), "Hello.", role="assistant", leg=e.Leg.SPARE)
        << (v.told(Id(), v.RENEWED, role="system", leg=e.Leg.SPARE), v.update(leg=e.Leg.SPARE))
    )
    return book


def test_a_session_is_renewed_in_good_time() -> None:
    """Counted from its readiness."""
    book = v.greeted(limits=LIMITS)
    assert book >> at(10.9, e.DeadlinePassed()) >> at(11, e.DeadlinePassed()) << DIALS_SPARE


def test_the_spare_takes_over_with_the_audio_that_was_held() -> None:
    book = moving()
    assert book >> after(0.1, v.frame())
    assert (
        book
        >> after(0.1, v.spare(v.SESSION_UPDATED))
        << (v.has_replaced("renewed", after_ms=200, items=2), a.SwitchModel())
        << (a.OpenUplink(), AudioToModel(20))
    )
    assert book.rig.phase is Phase.LIVE


def test_the_next_renewal_is_counted_from_the_move() -> None:
    book = moving()
    book.rig.feed(v.spare(v.SESSION_UPDATED))
    assert book >> at(20.9, e.DeadlinePassed()) >> at(21, e.DeadlinePassed()) << DIALS_SPARE


def test_a_spare_waits_for_a_quiet_moment_however_long_it_takes() -> None:
    """The caller speaks, the agent answers; only then it is told."""
    book = with_spare(v.answering(v.greeted(limits=LIMITS)))
    assert book >> v.spare(v.SESSION_UPDATED)
    assert v.hears(book)
    assert book >> v.says("answer", "it", 100) << AudioToPhone(100) >> v.done("answer") >> after(1.2, PLAYED)
    assert v.hears(book), "the caller's words have not come yet"
    outputs = book.rig.feed(v.caller_said("Are you open?", "question"))
    told_texts = [repr(output) for output in outputs if isinstance(output, a.SendToModel)]
    assert any("Are you open?" in text for text in told_texts)
    assert not v.hears(book)


@pytest.mark.parametrize(("asks_again", "moves_at_s"), [(False, 33.5), (True, 41)])
def test_a_spare_waits_for_words_that_are_late_and_not_for_ever(
    *, asks_again: bool, moves_at_s: float
) -> None:
    """The old session alone could tell them. In a call that is all talk some words may always be awaited."""
    book = v.answering(v.greeted(limits=LIMITS))
    book.rig.feed(*v.says("answer", "it", 200), v.done("answer"))
    assert book >> after(0.25, PLAYED)
    with_spare(book)
    assert book >> v.spare(v.SESSION_UPDATED)
    if asks_again:
        book.rig.now += 9
        book.rig.feed(v.speech_started("more"), v.speech_stopped("more"), v.committed("more"))
        book.rig.feed(*v.answers("again", "it_2", 200))
        assert book >> after(0.25, PLAYED)
    book.rig.now = BEGINS_AT_S + moves_at_s - 0.1
    book.rig.feed(e.DeadlinePassed())
    assert v.hears(book), "it waits"
    book.rig.now += 0.2
    book.rig.feed(e.DeadlinePassed())
    assert not v.hears(book), "it is told"


def test_a_spare_is_not_given_up_because_somebody_speaks_for_long() -> None:
    """It is ready, and a ready session costs nothing."""
    book = with_spare()
    book.rig.feed(v.speech_started("long"))
    assert book >> v.spare(v.SESSION_UPDATED) >> at(40, e.DeadlinePassed())
    assert v.hears(book)


@pytest.mark.parametrize("event", [v.speech_started(), v.key("1")], ids=["speech", "key"])
def test_a_move_is_put_off_when_somebody_speaks(event: Input) -> None:
    """The old session has their first word."""
    book = moving()
    book.rig.feed(v.frame())
    outputs = book.rig.feed(event)
    assert a.DropModel(e.Leg.SPARE) in outputs
    assert outputs[-2:] == [a.OpenUplink(), AudioToModel(20)]


@pytest.mark.parametrize(
    "event",
    [
        v.gone(e.Leg.SPARE),
        e.LegStalled(e.Leg.SPARE, "full"),
        v.spare(v.error("server_error")),
        v.spare(v.SESSION_UPDATED_WRONG),
    ],
    ids=["gone", "stalled", "error", "pcm"],
)
def test_a_spare_that_fails_during_the_move_leaves_the_caller_heard(event: Input) -> None:
    """Whatever went wrong with it, the old session goes on and gets what was held."""
    book = moving()
    assert book >> event << (*PUT_OFF, a.OpenUplink())
    assert v.hears(book)


def test_a_spare_that_cannot_be_read_is_given_up() -> None:
    bad = e.BadMessage(e.Leg.SPARE, "binary", is_fatal=True)
    assert moving() >> bad << (v.any_warning("bad_message"), *PUT_OFF, a.OpenUplink())


def test_a_move_that_takes_too_long_is_given_up() -> None:
    """The caller would notice."""
    book = moving()
    assert book >> deadline(Timer.SPARE) << (*PUT_OFF, a.OpenUplink())
    assert book.rig.seconds == 11 + LIMITS.move_timeout_s


def test_a_spare_that_does_not_come_about_is_tried_again_later() -> None:
    book = with_spare()
    assert book >> deadline(Timer.SPARE) << PUT_OFF
    again = book.rig.seconds + LIMITS.renew_again_after_s
    assert book >> at(again - 0.1, e.DeadlinePassed()) >> at(again, e.DeadlinePassed()) << DIALS_SPARE


def test_a_spare_that_could_not_be_dialled_is_tried_again_later() -> None:
    book = v.greeted(limits=LIMITS)
    book.rig.now = 1011.0
    book.rig.feed(e.DeadlinePassed())
    assert book >> e.ModelDialFailed("HTTP 503", 503, leg=e.Leg.SPARE) << PUT_OFF
    assert book >> v.gone(e.Leg.SPARE) >> v.spare(v.SESSION_CREATED) >> v.SPARE_CONNECTED


@pytest.mark.parametrize(
    "end", [v.error("session_expired"), v.gone(e.Leg.MODEL, 1001)], ids=["expired", "going away"]
)
def test_a_session_that_ends_before_a_quiet_moment_came_leaves_the_call_to_its_spare(end: Input) -> None:
    """It stands and is only to be told what was said: nobody is dialled."""
    book = with_spare(v.answering(v.greeted(limits=LIMITS)))
    assert book >> v.spare(v.SESSION_UPDATED)
    is_error = isinstance(end, rt.ErrorEvent)
    assert (
        book
        >> end
        << ((v.any_warning("model_error"),) if is_error else ())
        << (v.trouble(), v.drops(), a.SwitchModel())
        << v.told(Id(), "Hello.", role="assistant")
        << (v.told(Id(), v.BROKE_OFF, role="system"), v.update())
    )
    assert book.rig.phase is Phase.CONFIGURING
    assert book >> after(0.1, v.SESSION_UPDATED) << (v.has_replaced(after_ms=100), v.ask(), a.OpenUplink())
    assert v.hears(book)
    book.rig.feed(*v.answers("again", "words", 100))
    # Their words would have come from the session that is gone: nobody waits for them.
    assert book >> after(0.15, PLAYED) << v.recorded(TurnEnded)
    (renewed_at,) = [at_s for at_s, why, _ in book.rig.wakes(until_s=22) if why is Timer.RENEW]
    assert renewed_at == 11.1 + LIMITS.renew_after_s


def test_a_session_that_ends_during_the_move_leaves_the_call_to_its_spare() -> None:
    """It has been told already."""
    book = moving()
    assert book >> v.gone(e.Leg.MODEL) << (v.trouble(), v.drops(), a.SwitchModel())
    assert book >> after(0.1, v.SESSION_UPDATED) << (v.has_replaced(after_ms=100), a.OpenUplink())
    assert v.hears(book)


def test_a_spare_that_does_not_stand_yet_is_dropped_with_the_session() -> None:
    book = with_spare()
    (lost, _, dialled) = v.replaces()
    assert book >> v.gone(e.Leg.MODEL) << (lost, v.drops(e.Leg.SPARE), v.drops(), dialled)


def test_a_spare_that_fails_when_it_is_needed_is_replaced_by_a_dial() -> None:
    book = moving()
    assert book >> v.gone(e.Leg.MODEL) << (v.trouble(), v.drops(), a.SwitchModel())
    assert book >> v.gone(e.Leg.MODEL) << (v.trouble("configure"), v.drops())
    assert book >> deadline(Timer.REDIAL) << DIALS


# --- When -----------------------------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    ("event", "said", "renewed_after_s"),
    [
        ("created", 3600, 50 * 60),
        ("created", 7200, 50 * 60),  # No later than the documented 60 minutes need.
        ("created", 1800, 20 * 60),
        ("created", 900, 450),  # Ten minutes before would be a third of its life.
        ("created", 59, 50 * 60),  # A clock is wrong.
        ("created", -3600, 50 * 60),
        ("created", 1e300, 50 * 60),
        ("created", NAN, 50 * 60),
        ("created", "soon", 50 * 60),
        ("created", None, 50 * 60),
        ("updated", 900, 450),
        ("updated", NAN, 50 * 60),
    ],
)
def test_the_server_is_believed_when_it_says_that_a_session_ends_sooner(
    event: str, said: object, renewed_after_s: float
) -> None:
    unix_s = 1_800_000_000.0
    expires_at = unix_s + said if isinstance(said, int | float) else said
    saying = {"expires_at": expires_at}
    created, updated = v.SESSION_CREATED, v.SESSION_UPDATED
    if event == "created":
        created = rt.SessionCreated(msgspec.structs.replace(created.session, **saying))
    else:
        updated = rt.SessionUpdated(msgspec.structs.replace(updated.session, **saying))
    book = Playbook(Rig(limits=v.PATIENT))
    book.rig.feed(v.start(), v.admitted(), e.ModelConnected(unix_s=unix_s), created, updated)
    book.rig.feed(*v.answers("greeting", "hello", 100))
    book.rig.now += 0.15
    book.rig.feed(PLAYED)
    assert book >> deadline(Timer.RENEW) << DIALS_SPARE
    assert book.rig.seconds == renewed_after_s


def test_a_session_that_waited_for_its_call_is_renewed_when_the_stream_before_would_have() -> None:
    book = v.greeted(limits=LIMITS)
    *_, parked, _, _ = [None, *book.rig.feed(v.gone(e.Leg.PHONE))]
    assert parked == a.ParkModel(renew_at=1011.0)
    book = Playbook(Rig(limits=LIMITS))
    book.rig.now = 1004.0
    book.rig.feed(v.start(), v.admitted(is_continued=True))
    book.rig.feed(e.ModelConnected(is_warm=True, renew_at=1011.0), v.SESSION_UPDATED)
    book.rig.feed(*v.answers("on", "we go", 100))
    book.rig.now += 0.15
    book.rig.feed(PLAYED)
    assert book >> at(10.9, e.DeadlinePassed()) >> at(11, e.DeadlinePassed()) << DIALS_SPARE


def test_a_move_that_was_confirmed_twice_changes_nothing_more() -> None:
    book = moving()
    book.rig.feed(v.spare(v.SESSION_UPDATED))
    assert book >> v.SESSION_UPDATED >> v.spare(v.SESSION_UPDATED)


def test_a_first_word_right_after_the_move_is_the_new_sessions() -> None:
    book = moving()
    book.rig.feed(v.spare(v.SESSION_UPDATED))
    assert book >> v.speech_started("first")
    assert v.hears(book)


def test_a_hand_over_during_the_move_ends_the_call_where_it_is() -> None:
    book = moving()
    assert (
        book
        >> e.HandOverRequested()
        << (v.drops(e.Leg.SPARE), a.CloseLeg(e.Leg.MODEL, 1000, ""))
        << v.ends_without_model(EndReason.HANDED_OVER)
    )


def test_a_call_with_the_second_model_is_renewed_with_it() -> None:
    """The first does not exist any more."""
    book = Playbook(Rig(make_plan(second_model="other"), LIMITS))
    book.rig.feed(
        v.start(),
        v.admitted("", ""),
        e.ModelDialFailed("HTTP 404", 404),
        e.DeadlinePassed(),
        e.ModelConnected(),
        v.SESSION_CREATED,
        v.SESSION_UPDATED,
        *v.answers("hi", "it", 100),
    )
    book.rig.now += 10
    assert a.DialModel("other", e.Leg.SPARE) in book.rig.feed(e.DeadlinePassed())
