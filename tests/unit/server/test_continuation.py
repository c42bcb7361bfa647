"""What follows a stream, and what the events of a call say about it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.call import memory
from callbridge.call.facts import EndReason
from callbridge.records.state import CallEvent
from callbridge.server.continuation import (
    AFTER_STREAM,
    CALL_OVER,
    CONTINUATIONS_MAX,
    CONTINUATIONS_WITHIN_S,
    CallHistory,
    Continuation,
    EndedBody,
    StartedBody,
    decide,
    read_history,
)

NOW = 1_800_000_000.0


def decided(
    ended: EndReason | None,
    *continued_ago_s: float,
    call_status: str = "in-progress",
    can_continue: bool = True,
) -> Continuation:
    return decide(
        call_status=call_status,
        ended=ended,
        continued_at=[NOW - ago for ago in continued_ago_s],
        now=NOW,
        can_continue=can_continue,
    )


# --- The table ----------------------------------------------------------------------------------------


WHAT_FOLLOWS: dict[str, list[str | None]] = {
    "hang_up": ["caller_hangup", "agent_hangup", "limit_duration", "limit_cost"],
    "resume": ["media_lost", "handed_over", "service_stopped", None],
    "fall_back": ["model_unavailable", "model_lost", "internal_error", "rejected_auth", "rejected_protocol"],
}


def test_what_follows_each_end() -> None:
    """Every end, and none, has its row; what somebody meant is hung up, and nothing else."""
    rows = {
        None if value is None else EndReason(value): follows
        for follows, values in WHAT_FOLLOWS.items()
        for value in values
    }
    assert rows == AFTER_STREAM
    for ended, follows in rows.items():
        assert decided(ended) == follows
        assert (follows == "hang_up") == (ended is not None and ended.is_normal)


@pytest.mark.parametrize("status", sorted(CALL_OVER))
@pytest.mark.parametrize("ended", AFTER_STREAM)
def test_a_call_that_is_over_is_over(status: str, ended: EndReason | None) -> None:
    assert decided(ended, call_status=status) is Continuation.HANG_UP


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress", "", "unheard-of"])
def test_any_other_status_keeps_the_call(status: str) -> None:
    assert decided(EndReason.MEDIA_LOST, call_status=status) is Continuation.RESUME


# --- The bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ago_s", "follows"),
    [
        ([], "resume"),
        ([1, 2], "resume"),
        ([1, 2, 3], "fall_back"),
        ([1, 2, 599.9], "fall_back"),
        ([1, 2, 600], "resume"),
        ([601, 602, 603, 604, 1, 2], "resume"),
        ([-5, -5, -5], "fall_back"),
    ],
)
def test_three_continuations_in_ten_minutes(ago_s: list[float], follows: str) -> None:
    """Times ahead of our clock count too: the bound must hold whatever the clocks do."""
    assert decided(None, *ago_s) == follows


@pytest.mark.parametrize("ended", AFTER_STREAM)
def test_where_nothing_can_be_continued_a_human_takes_over(ended: EndReason | None) -> None:
    would = decided(ended)
    wants = Continuation.FALL_BACK if would is Continuation.RESUME else would
    assert decided(ended, can_continue=False) is wants


@given(st.lists(st.floats(0, 120), max_size=60))
def test_a_call_that_breaks_again_and_again_is_not_resumed_for_ever(breaks_after_s: list[float]) -> None:
    continued: list[float] = []
    now = NOW
    for after_s in breaks_after_s:
        now += after_s
        follows = decide(
            call_status="in-progress", ended=None, continued_at=continued, now=now, can_continue=True
        )
        if follows is Continuation.RESUME:
            continued.append(now)
    for first, fourth in zip(continued, continued[CONTINUATIONS_MAX:], strict=False):
        assert fourth - first >= CONTINUATIONS_WITHIN_S


# --- The history --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    at: float
    kind: str
    body: bytes


def event(kind: str, body: object = None, at: float = NOW) -> Event:
    """An event with a body as JSON, or with bytes as they are."""
    return Event(at, kind, body if isinstance(body, bytes) else json.dumps(body or {}).encode())


def started(stream_sid: str = "MZ1") -> Event:
    return event("started", {"caller": "+14155550100", "called": "+14155550199", "stream_sid": stream_sid})


def ended(reason: str, stream_sid: str = "") -> Event:
    return event("ended", {"reason": reason, "stream_sid": stream_sid})


def continued(at: float = NOW) -> Event:
    return event("continued", at=at)


def test_of_a_call_without_events_nothing_is_known() -> None:
    assert read_history([]) == CallHistory(None, (), "", "", ())


def test_a_whole_history() -> None:
    turn = memory.TurnSaid(1, "Are you open?", "Until six.")
    tool = memory.ToolAnswered(2, "call_1", "look_up", "{}", "42")
    assert read_history(
        [
            started("MZ1"),
            event("memory", memory.encode(turn)),
            ended("media_lost", "MZ1"),
            continued(NOW + 1),
            started("MZ2"),
            event("memory", memory.encode(tool)),
            ended("handed_over", "MZ2"),
            continued(NOW + 9),
            started("MZ3"),
            ended("agent_hangup", "MZ3"),
        ]
    ) == CallHistory(EndReason.AGENT_HANGUP, (NOW + 1, NOW + 9), "+14155550100", "+14155550199", (turn, tool))


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([started()], None),
        ([started(), ended("media_lost")], "media_lost"),
        ([ended("rejected_auth")], "rejected_auth"),
        # The one after the last start or continuation counts.
        ([started(), ended("media_lost"), continued()], None),
        ([started(), ended("media_lost"), continued(), started("MZ2")], None),
        ([started(), started("MZ2")], None),
        ([started(), ended("media_lost"), continued(), started("MZ2"), ended("model_lost")], "model_lost"),
        # A repeated webhook continues twice.
        ([started(), ended("media_lost"), continued(), continued()], None),
        # The end of an earlier stream comes late.
        ([started(), continued(), started("MZ2"), ended("media_lost", "MZ1")], None),
        (
            [
                started(),
                continued(),
                started("MZ2"),
                ended("agent_hangup", "MZ2"),
                ended("media_lost", "MZ1"),
            ],
            "agent_hangup",
        ),
        # Where a stream is not named it is the latest.
        ([started(""), ended("media_lost", "MZ1")], "media_lost"),
    ],
)
def test_the_end_of_the_latest_stream_counts(events: list[Event], reason: str | None) -> None:
    assert read_history(events).ended == (None if reason is None else EndReason(reason))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"null", b"[]", b'"x"', b'{"reason": "of_tomorrow"}', b'{"reason": 1}']
)
def test_an_end_that_cannot_be_read_is_an_unknown_one(body: bytes) -> None:
    """Such as one that a newer version of the service wrote."""
    assert read_history([started(), ended("media_lost"), event("ended", body)]).ended is None


def test_a_start_that_cannot_be_read_is_one() -> None:
    """It leaves the numbers of the call as they were known, and any end is its end."""
    history = read_history([started("MZ1"), event("started", b"{"), ended("agent_hangup", "MZ2")])
    assert history.caller == "+14155550100"
    assert history.ended is EndReason.AGENT_HANGUP


def test_a_memory_that_cannot_be_read_is_left_out() -> None:
    turn = memory.TurnSaid(2, None, "Hello.")
    bodies = ({"kind": "of_tomorrow"}, b"{", memory.encode(turn))
    assert read_history(event("memory", body) for body in bodies).remembered == (turn,)


def test_events_of_other_kinds_change_nothing() -> None:
    """Nor do fields that others add."""
    events = [started(), event("ended", {"reason": "media_lost", "detail": "stalled", "duration_ms": 5})]
    history = read_history([*events, event("voicemail", {"url": "x"}), event("of_tomorrow", b"{")])
    assert history == read_history([started(), ended("media_lost")])


def test_the_bodies_are_read_as_they_are_written() -> None:
    """Who writes an event and who reads it use the same types, and the store gives it back as it was."""
    start = StartedBody(caller="+14155550100", called="+14155550199", stream_sid="MZ1")
    end = EndedBody(EndReason.HANDED_OVER, "MZ1")
    bodies = {"started": msgspec.json.encode(start), "ended": msgspec.json.encode(end)}
    history = read_history(CallEvent(1, NOW, kind, body) for kind, body in bodies.items())
    assert history == CallHistory(EndReason.HANDED_OVER, (), "+14155550100", "+14155550199", ())


@given(st.lists(st.tuples(st.sampled_from(["started", "memory", "continued", "ended", "x"]), st.binary())))
def test_no_body_breaks_the_reading(bodies: list[tuple[str, bytes]]) -> None:
    read_history(Event(NOW, kind, body) for kind, body in bodies)
