"""What follows a stream, and what the events of a call say about it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.call import facts, memory
from callbridge.call.endings import FOLLOWS
from callbridge.call.facts import EndReason, StreamEnded
from callbridge.call.wishes import HangUp, Resume, SayGoodbye
from callbridge.state.state import CallEvent
from callbridge.switchboard import continuation
from callbridge.switchboard.continuation import Continuation, decide, read_facts, read_history
from callbridge.switchboard.holding import HOLDS_MAX

NOW = 1_800_000_000.0


def decided(
    ended: EndReason | None,
    *continued_ago_s: float,
    call_status: str = "in-progress",
    can_continue: bool = True,
) -> Continuation:
    return decide(
        call_status=call_status,
        follows=None if ended is None else FOLLOWS[ended],
        continued_at=[NOW - ago for ago in continued_ago_s],
        now=NOW,
        can_continue=can_continue,
    )


WHAT_FOLLOWS: dict[str, list[str | None]] = {
    "hang_up": [
        *("caller_hangup", "agent_hangup", "limit_duration", "limit_cost", "limit_responses"),
        *("limit_spend_total", "operator_hangup"),
    ],
    "resume": ["media_lost", "handed_over", "service_stopped", "process_lost", None],
    "fall_back": [
        *("model_unavailable", "model_lost", "internal_error", "rejected_auth", "rejected_protocol"),
        "person_wanted",
        "transferred",
    ],
}
"""For `transferred` the end itself says to whom; of a transfer that nobody knows there is the fallback."""


def test_what_follows_each_end() -> None:
    """Every end, and none, has its row; what somebody meant is hung up, and nothing else."""
    rows = {
        None if value is None else EndReason(value): follows
        for follows, values in WHAT_FOLLOWS.items()
        for value in values
    }
    assert set(rows) == {*EndReason, None}
    for ended, follows in rows.items():
        assert decided(ended) == follows
        is_meant = ended is not None and ended.is_normal and ended is not EndReason.TRANSFERRED
        assert (follows == "hang_up") == is_meant


@pytest.mark.parametrize(
    ("status", "expected"),
    [("in-progress", Continuation.SAY_GOODBYE), ("completed", Continuation.HANG_UP)],
)
def test_a_goodbye_that_the_agent_has_not_said_is_said_by_twilio(status: str, expected: Continuation) -> None:
    end = event(StreamEnded(EndReason.LIMIT_DURATION, follows=SayGoodbye(), source="MZ1"))
    follows = read_history([started(), end]).follows
    assert (
        decide(call_status=status, follows=follows, continued_at=(), now=NOW, can_continue=True) is expected
    )


@pytest.mark.parametrize("status", sorted(continuation.CALL_OVER))
@pytest.mark.parametrize("ended", [*EndReason, None])
def test_a_call_that_is_over_is_over(status: str, ended: EndReason | None) -> None:
    assert decided(ended, call_status=status) is Continuation.HANG_UP


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress", "", "unheard-of"])
def test_any_other_status_keeps_the_call(status: str) -> None:
    assert decided(EndReason.MEDIA_LOST, call_status=status) is Continuation.RESUME


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


@pytest.mark.parametrize("ended", [*EndReason, None])
def test_where_nothing_can_be_continued_a_human_takes_over(ended: EndReason | None) -> None:
    would = decided(ended)
    wants = Continuation.FALL_BACK if would is Continuation.RESUME else would
    assert decided(ended, can_continue=False) is wants


@pytest.mark.parametrize(
    ("held", "is_leaving", "follows"),
    [
        # Twilio has stopped the stream of a call that is on: it is asked again whether it is still here.
        (0, False, Continuation.MOVED),
        (0, True, Continuation.MOVED),
        (1, False, Continuation.RESUME),
        (1, True, Continuation.HOLD),
    ],
)
def test_a_stopped_stream_of_a_call_that_goes_on_was_moved(
    held: int, is_leaving: bool, follows: Continuation
) -> None:
    for status, expected in (("in-progress", follows), ("completed", Continuation.HANG_UP)):
        told = decide(
            call_status=status,
            follows=HangUp(),
            continued_at=(),
            now=NOW,
            can_continue=True,
            is_stopped=True,
            held=held,
            is_leaving=is_leaving,
        )
        assert told is expected


@pytest.mark.parametrize("ended", [*EndReason, None])
def test_a_process_that_leaves_holds_whom_it_would_resume(ended: EndReason | None) -> None:
    """Not for ever, and not whom nothing would help."""
    follows = None if ended is None else FOLLOWS[ended]
    for held, instead in ((0, Continuation.HOLD), (HOLDS_MAX, Continuation.FALL_BACK)):
        told = decide(
            call_status="in-progress",
            follows=follows,
            continued_at=(),
            now=NOW,
            can_continue=False,
            held=held,
            is_leaving=True,
        )
        would = decided(ended)
        assert told is (instead if would is Continuation.RESUME else would)
    assert decided(None, 1, 2, 3) is Continuation.FALL_BACK


@given(st.lists(st.floats(0, 120), max_size=60))
def test_a_call_that_breaks_again_and_again_is_not_resumed_for_ever(breaks_after_s: list[float]) -> None:
    continued: list[float] = []
    now = NOW
    for after_s in breaks_after_s:
        now += after_s
        follows = decide(
            call_status="in-progress", follows=None, continued_at=continued, now=now, can_continue=True
        )
        if follows is Continuation.RESUME:
            continued.append(now)
    for first, fourth in zip(continued, continued[continuation.CONTINUATIONS_MAX :], strict=False):
        assert fourth - first >= continuation.CONTINUATIONS_WITHIN_S


def event(fact: facts.Fact | bytes, at: float = NOW) -> CallEvent:
    """A fact as the store gives it back, or a body as it is."""
    return CallEvent(1, at, "", fact if isinstance(fact, bytes) else facts.encode(fact))


def started(stream_sid: str = "MZ1") -> CallEvent:
    return event(facts.StreamStarted("+14155550100", "+14155550199", agent="clinic", source=stream_sid))


def ended(reason: str, stream_sid: str = "MZ1") -> CallEvent:
    return event(StreamEnded(EndReason(reason), follows=FOLLOWS[EndReason(reason)], source=stream_sid))


def continued(at: float = NOW) -> CallEvent:
    return event(facts.StreamAsked("resume", source="http"), at)


def test_of_a_call_without_events_nothing_is_known() -> None:
    assert read_history([]) == continuation.CallHistory(None, None, (), "", ())


def test_a_tool_that_has_begun_is_remembered_until_it_has_answered() -> None:
    """It stands where it was asked for, whenever it answers: also after the end of its stream."""
    begun = memory.ToolStarted(2, "call_1", "pay", "{}")
    answered = memory.ToolAnswered(2, "call_1", "pay", "{}", "paid")
    events = [
        started("MZ1"),
        event(facts.Remembered(begun)),
        event(facts.TurnEnded(2, "Please pay.", "One moment.", 500, interrupted=False)),
        ended("handed_over", "MZ1"),
    ]
    said = memory.TurnSaid(2, "Please pay.", "One moment.")
    assert read_history(events).remembered == (begun, said)
    assert read_history([*events, event(facts.Remembered(answered))]).remembered == (answered, said)


def test_runs_of_two_streams_that_are_named_alike_are_two() -> None:
    """The agent's own names of its runs begin anew with each stream."""
    begun = memory.ToolStarted(1, "work_1", "deliver", "{}", is_ours=True)
    answered = memory.ToolAnswered(2, "work_1", "deliver", "{}", "sent", is_ours=True)
    events = [
        *(started("MZ1"), event(facts.Remembered(begun, source="MZ1")), ended("media_lost", "MZ1")),
        *(started("MZ2"), event(facts.Remembered(answered, source="MZ2"))),
    ]
    assert read_history(events).remembered == (begun, answered)


def test_a_whole_history() -> None:
    tool = memory.ToolAnswered(2, "call_1", "look_up", "{}", "42")
    assert read_history(
        [
            started("MZ1"),
            event(facts.TurnEnded(1, "Are you open?", "Until six.", 500, interrupted=False)),
            event(facts.TurnEnded(2, None, "", 500, interrupted=True)),
            ended("media_lost", "MZ1"),
            continued(NOW + 1),
            started("MZ2"),
            event(facts.Remembered(tool)),
            ended("handed_over", "MZ2"),
            continued(NOW + 9),
            started("MZ3"),
            ended("agent_hangup", "MZ3"),
        ]
    ) == continuation.CallHistory(
        EndReason.AGENT_HANGUP,
        HangUp(),
        (NOW + 1, NOW + 9),
        "clinic",
        (memory.TurnSaid(1, "Are you open?", "Until six."), tool),
    )


def test_words_that_came_late_stand_in_their_turn() -> None:
    """Also when another stream of the call tells them, and when the record of their turn was lost."""
    turns: list[facts.Fact] = [
        facts.TurnEnded(2, None, "Until six.", 500, interrupted=False, awaits=("one",)),
        facts.TurnEnded(3, "Hello?", "", None, interrupted=True, awaits=("two", "three")),
        facts.TurnEnded(4, "And on Sunday?", "No.", 500, interrupted=False, source="MZ2"),
    ]
    late: list[facts.Fact] = [
        facts.CallerWordsCame(3, "Hello? Hello?", "two"),
        facts.CallerWordsCame(2, "Are you open?", "one", source="MZ2"),
        facts.CallerWordsCame(1, "Good morning.", "shed"),
    ]
    assert read_history([started("MZ1"), *(event(fact) for fact in (*turns, *late))]).remembered == (
        memory.TurnSaid(2, "Are you open?", "Until six."),
        memory.TurnSaid(3, "Hello? Hello?", "", ("three",)),
        memory.TurnSaid(4, "And on Sunday?", "No."),
        memory.TurnSaid(1, "Good morning.", ""),
    )


def test_what_is_to_follow_is_read_and_not_concluded() -> None:
    """An end of its own may ask for what no other end of the same reason asks for."""
    end = event(StreamEnded(EndReason.AGENT_HANGUP, follows=Resume(), source="MZ1"))
    assert read_history([started(), end]).follows == Resume()


@pytest.mark.parametrize(
    ("events", "is_so"),
    [
        ([], False),
        ([started(), continued()], True),
        ([started(), continued(), started("MZ2")], False),
        ([started(), event(facts.StreamAsked("fall_back", source="http"))], False),
        # It was asked about while it was on, by whatever process did not see that.
        ([started(), continued(), ended("media_lost")], False),
    ],
)
def test_a_stream_that_was_promised_and_never_began(events: list[CallEvent], is_so: bool) -> None:
    assert read_history(events).never_began is is_so


AGAIN = [started(), continued(), started("MZ2")]
LOST = [started(), ended("media_lost")]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([started()], None),
        (LOST, "media_lost"),
        ([ended("media_lost")], "media_lost"),
        # The one after the last start or continuation counts.
        ([*LOST, continued()], None),
        ([*LOST, continued(), started("MZ2")], None),
        ([started(), started("MZ2")], None),
        ([*AGAIN, ended("model_lost", "MZ2")], "model_lost"),
        # A repeated webhook continues twice.
        ([*LOST, continued(), continued()], None),
        # The end of an earlier stream comes late.
        ([*AGAIN, ended("media_lost", "MZ1")], None),
        ([*AGAIN, ended("agent_hangup", "MZ2"), ended("media_lost", "MZ1")], "agent_hangup"),
        # Where a stream is not named it is the latest.
        ([started(""), ended("media_lost", "MZ1")], "media_lost"),
    ],
)
def test_the_end_of_the_latest_stream_counts(events: list[CallEvent], reason: str | None) -> None:
    assert read_history(events).ended == (None if reason is None else EndReason(reason))


UNREADABLE = [
    *(b"", b"{", b"\xff", b"null", b"[]", b'"x"', b'{"kind":"of_tomorrow"}', b'{"kind":"stream_started"}'),
    *(b'{"kind":"stream_ended","reason":"of_tomorrow"}', b'{"kind":"stream_ended","reason":1}'),
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_what_cannot_be_read_counts_as_not_written(body: bytes) -> None:
    """Such as what a newer version of the service wrote: the call goes on with what is known."""
    assert read_facts([event(body)]) == []
    assert read_history([started(), event(body)]) == read_history([started()])


def test_a_call_that_the_human_forwarded_stays_one() -> None:
    """Whatever Twilio says of it later. Facts of an earlier version do not know of it."""
    older, offered = (
        b'{"kind":"call_offered","caller":"","called":""}',
        facts.CallOffered("", "", leads_back=True),
    )
    assert not read_history([event(older), started()]).leads_back
    assert read_history([event(offered), started(), event(older)]).leads_back


def test_other_facts_change_nothing() -> None:
    """Nor do fields that others add."""
    more = ended("media_lost").body[:-1] + b',"of_tomorrow":5}'
    others = [event(fact) for fact in (facts.VoicemailLeft("x"), facts.CallReported("completed"))]
    assert read_history([started(), event(more), *others]) == read_history([started(), ended("media_lost")])


def test_what_a_webhook_learnt_gets_its_place_from_the_store() -> None:
    """Several processes write it, and only the store sees them all; the facts of a stream have theirs."""
    start = facts.StreamStarted("", "", call_sid="CA1", source="MZ1", number=1, at_ms=40)
    status = facts.CallReported("in-progress", call_sid="CA1", source="http")
    clocks = (NOW, NOW + 1.5, NOW - 9)  # One machine's clock is behind.
    events = [
        CallEvent(1, clocks[0], "", facts.encode(start)),
        CallEvent(2, clocks[1], "", facts.encode(status)),
        CallEvent(3, clocks[2], "", facts.encode(status)),
    ]
    second, third = (
        msgspec.structs.replace(status, number=number, at_ms=at_ms) for number, at_ms in ((2, 1500), (3, 0))
    )
    assert read_facts(events) == list(zip(clocks, (start, second, third), strict=True))


@given(st.lists(st.sampled_from([started().body, continued().body, ended("media_lost").body]) | st.binary()))
def test_no_body_breaks_the_reading(bodies: list[bytes]) -> None:
    read_history(map(event, bodies))
