"""Admission: every refusal, places that are never oversold and never leak."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.state.places import RESERVED_S
from callbridge.switchboard import admission as places
from callbridge.switchboard.admission import Admission, Condition, DeclineReason, callers_own
from callbridge.switchboard.callers import ANONYMOUS
from callbridge.switchboard.circuit import Circuits
from callbridge.switchboard.spending import Spending

MODEL = "gpt-realtime-2.1"


@dataclass
class Desk:
    """An admission and the parts that it asks."""

    calls_max: int = 3
    starts_per_second: int = 100
    circuits: Circuits = field(default_factory=Circuits)
    spending: Spending = field(default_factory=lambda: Spending(per_hour_max_microdollars=100))
    condition: Condition = field(default_factory=Condition)

    def __post_init__(self) -> None:
        self.admission = Admission(
            calls_max=self.calls_max,
            starts_per_second=self.starts_per_second,
            circuits=self.circuits,
            spending=self.spending,
            condition=self.condition,
        )

    def offer(self, call_sid: str, now: float = 0.0) -> DeclineReason | None:
        return self.admission.offer(call_sid, MODEL, now)

    def take(self, call_sid: str, now: float = 0.0) -> None:
        """A call that is offered, taken and live."""
        assert self.offer(call_sid, now) is None
        assert self.admission.started(call_sid, now)


# Refusals. Those of everybody are in test_webhooks.py.


def test_whose_limit_it_is_is_told_apart() -> None:
    """Both are the callers' own: no human is rung for them, whatever else is so. Nothing else is."""
    own = {callers_own("a key"), callers_own(ANONYMOUS)}
    assert own == {reason for reason in DeclineReason if reason.is_callers_own}
    assert len(own) == 2


def test_the_outage_of_a_model_refuses_only_those_who_ask_for_it() -> None:
    desk = Desk()
    desk.circuits.failed("another", 0.0, is_fatal=True)
    assert desk.admission.offer("CA1", "another", 0.0) is DeclineReason.MODEL_OUTAGE
    assert desk.admission.reasons_to_decline("another", 0.0) == [DeclineReason.MODEL_OUTAGE]
    assert desk.admission.reasons_to_decline(MODEL, 0.0) == []
    assert desk.offer("CA1") is None


def test_too_many_begin_at_once() -> None:
    """A second's worth may begin at once, then one each time that another is due."""
    desk = Desk(calls_max=100, starts_per_second=4)
    taken = [desk.offer(f"CA{number}", 10.0) for number in range(6)]
    assert taken == [None] * 4 + [DeclineReason.STARTS] * 2
    assert desk.admission.live(10.0) == 4
    assert desk.offer("CA6", 10.24) is DeclineReason.STARTS
    assert desk.offer("CA7", 10.25) is None
    assert desk.offer("CA8", 10.25) is DeclineReason.STARTS
    assert [desk.offer(f"CB{number}", 99.0) for number in range(5)] == [None] * 4 + [DeclineReason.STARTS]


def test_refused_calls_take_no_start() -> None:
    desk = Desk(calls_max=1, starts_per_second=2)
    desk.take("CA1")
    for number in range(50):
        assert desk.offer(f"CB{number}") is DeclineReason.CAPACITY
    desk.admission.ended("CA1", 0.0)
    assert desk.offer("CA2") is None


def test_place_from_offer_to_end() -> None:
    """Reserved, started, free again."""
    desk = Desk(calls_max=1)
    admission = desk.admission
    assert desk.offer("CA1") is None
    assert (admission.live(0.0), admission.reserved(0.0)) == (1, 1)
    assert desk.offer("CA2") is DeclineReason.CAPACITY
    assert admission.started("CA1", 1.0)
    assert (admission.live(900.0), admission.reserved(900.0)) == (1, 0)
    assert repr(admission) == "<Admission places=1 of 1 reserved=0>"
    admission.ended("CA1", 900.0)
    assert admission.live(900.0) == 0
    assert desk.offer("CA2", 900.0) is None
    assert repr(admission) == "<Admission places=1 of 1 reserved=1>"


def test_repeated_webhook_is_one_call() -> None:
    """Twilio repeats a request whose answer it did not get: same place, one start, fresh time to come."""
    desk = Desk(calls_max=1, starts_per_second=1)
    assert desk.offer("CA1", 0.0) is None
    desk.condition.is_draining = True
    assert desk.offer("CA1", 14.0) is None
    assert desk.admission.live(28.9) == 1
    assert desk.admission.live(29.0) == 0


def test_call_that_brings_no_stream_loses_its_place() -> None:
    """After 15 s the place is another's."""
    desk = Desk(calls_max=1)
    assert desk.offer("CA1") is None
    assert desk.offer("CA0", RESERVED_S - 0.1) is DeclineReason.CAPACITY
    assert desk.offer("CA2", RESERVED_S) is None


def test_call_that_is_over_before_its_stream_gives_up_its_place() -> None:
    """A caller who hangs up while it rings; told again, or of a live call, it changes nothing."""
    desk = Desk(calls_max=1)
    assert desk.offer("CA1") is None
    for _ in range(2):
        desk.admission.abandoned("CA1", 1.0)
    assert desk.admission.live(1.0) == 0
    assert not desk.admission.started("CA1", 1.0)
    assert desk.offer("CA3", 1.0) is None
    assert desk.admission.live(20.0) == 0
    desk.admission.abandoned("CA3", 20.0)  # Its reservation had lapsed already.
    assert not desk.admission.started("CA3", 20.0)
    desk.take("CA2", 21.0)
    desk.admission.abandoned("CA2", 22.0)
    assert desk.admission.live(22.0) == 1


def test_end_of_a_stream_that_never_started_is_a_fault_of_ours() -> None:
    """A place given back twice would be sold twice."""
    desk = Desk()
    assert desk.offer("CA1") is None
    assert not desk.admission.started("CA2", 0.0), "only a webhook makes a call"
    for call_sid in ("CA1", "CA2"):
        with pytest.raises(AssertionError):
            desk.admission.ended(call_sid, 0.0)


def test_call_comes_back_whatever_is_against_new_ones() -> None:
    """Full, model down, money spent: it goes on."""
    desk = Desk(calls_max=1)
    desk.take("CA1")
    desk.circuits.failed(MODEL, 0.0, is_fatal=True)
    desk.spending.add(0.0, 100)
    desk.condition.is_loop_late = True
    assert desk.admission.continue_("CA2", 0.0) is None
    assert desk.admission.started("CA2", 0.0)
    assert desk.admission.live(0.0) == 2


@pytest.mark.parametrize("old_ends_first", [True, False])
def test_call_keeps_its_place_between_two_streams(old_ends_first: bool) -> None:
    desk = Desk()
    admission = desk.admission
    desk.take("CA1")
    assert admission.continue_("CA1", 10.0) is None
    if old_ends_first:
        admission.ended("CA1", 10.5)
        assert admission.live(10.5) == 1
    assert admission.started("CA1", 11.0)
    if not old_ends_first:
        admission.ended("CA1", 11.5)
    assert admission.live(99.0) == 1
    admission.ended("CA1", 99.0)
    assert admission.live(99.0) == 0


def test_call_that_was_to_come_back_and_did_not() -> None:
    desk = Desk()
    desk.take("CA1")
    desk.admission.ended("CA1", 5.0)
    assert desk.admission.continue_("CA1", 5.0) is None
    assert desk.admission.live(19.9) == 1
    assert desk.admission.live(20.0) == 0


def test_rate_limit_lowers_the_limit_for_a_minute() -> None:
    """Nine tenths of what is live, once for all who tell of it; each begins the minute anew."""
    desk = Desk(calls_max=50)
    for number in range(20):
        desk.take(f"CA{number}")
    for moment in range(91, 101):
        desk.admission.rate_limited(float(moment))
    assert desk.admission.limit(100.0) == 18
    assert desk.offer("CB1", 100.0) is DeclineReason.CAPACITY
    assert desk.admission.live(100.0) == 20
    for number in range(3):
        desk.admission.ended(f"CA{number}", 110.0)
    assert desk.offer("CB1", 110.0) is None
    assert desk.admission.limit(159.9) == 18
    assert desk.admission.limit(160.0) == 50


@pytest.mark.parametrize(("calls_max", "live"), [(3, 0), (3, 1), (1, 10)])
def test_rate_limit_leaves_one_call_and_raises_nothing(calls_max: int, live: int) -> None:
    """A limit of nothing could never be seen to have passed. Calls that came back may exceed the limit."""
    desk = Desk(calls_max=calls_max)
    for number in range(live):
        assert desk.admission.continue_(f"CA{number}", 0.0) is None
    desk.admission.rate_limited(1.0)
    assert desk.admission.limit(1.0) == 1


def test_without_descriptors_no_call_is_taken_for_a_while() -> None:
    """The live ones stay, and may come back."""
    desk = Desk()
    desk.take("CA1")
    desk.admission.descriptors_ran_out(5.0)
    assert desk.offer("CA2", 5.0 + places.RAN_OUT_S - 0.1) is DeclineReason.DESCRIPTORS
    assert desk.admission.continue_("CA1", 6.0) is None
    assert desk.offer("CA2", 5.0 + places.RAN_OUT_S) is None


def test_all_processes_together_take_no_more_than_they_have_places() -> None:
    """The streams of one's calls may all have come to the others, beyond the places that these have."""
    desk = Desk(calls_max=3)
    desk.take("CA1")
    desk.condition.others, desk.condition.calls_of_others = 2, 7
    assert desk.offer("CA2") is None
    assert desk.offer("CA3") is DeclineReason.CAPACITY
    desk.condition.calls_of_others = 6
    assert desk.offer("CA3") is None
    assert desk.offer("CA4") is DeclineReason.CAPACITY, "its own places are taken"
    desk.condition.others = desk.condition.calls_of_others = 0
    desk.admission.ended("CA1", 0.0)
    assert desk.offer("CA4") is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["offer", "offer", "offer", "start", "start", "end", "abandon", "return", "limit"]),
        st.integers(0, 7),
        st.sampled_from([0.0, 0.0, 0.3, 2.0, 9.0, 40.0]),
    ),
    max_size=120,
)
"""What, of which call, and how long after what was before."""


@given(STEPS)
def test_places_are_never_oversold_and_never_leak(steps: list[tuple[str, int, float]]) -> None:
    """New calls never exceed the limit, and at the end every place is free."""
    desk = Desk(calls_max=4, starts_per_second=3)
    admission = desk.admission
    streams: list[str] = []
    now = 0.0
    for step, number, after_s in steps:
        now += after_s
        call_sid = f"CA{number}"
        before = admission.live(now)
        match step:
            case "offer":
                taken = admission.offer(call_sid, MODEL, now) is None
                assert admission.live(now) in ((before, before + 1) if taken else (before,))
            case "start" if admission.started(call_sid, now):
                streams.append(call_sid)
            case "end" if streams:
                admission.ended(streams.pop(number % len(streams)), now)
            case "abandon":
                admission.abandoned(call_sid, now)
            case "return":
                assert admission.continue_(call_sid, now) is None
            case "limit":
                admission.rate_limited(now)
        if step in {"offer", "start"} and admission.live(now) > before:
            assert admission.live(now) <= admission.limit(now)
        assert admission.live(now) - admission.reserved(now) <= len(set(streams)) <= admission.live(now)
    for call_sid in streams:
        admission.ended(call_sid, now)
    assert admission.live(now) == admission.reserved(now)
    assert admission.live(now + RESERVED_S) == 0


@given(st.lists(st.floats(0, 1.5), max_size=100))
def test_starts_in_any_second_are_bounded(gaps_s: list[float]) -> None:
    """However calls arrive, no window of a second sees more than twice what may begin in one."""
    desk = Desk(calls_max=1_000, starts_per_second=5)
    now, begun = 0.0, []
    for number, gap_s in enumerate(gaps_s):
        now += gap_s / 5
        if desk.offer(f"CA{number}", now) is None:
            begun.append(now)
    for index, start in enumerate(begun):
        # A full bucket, and what flows in meanwhile.
        assert sum(1 for later in begun[index:] if later - start < 1) <= 5 + 5
    assert len(begun) <= 5 + 5 * now + 1e-6
