"""The circuit: when it opens, when it is probed, when it closes; told as a timeline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.switchboard.circuit import FAILURES_IN_A_ROW, OPEN_S, WANTED_S, Circuit, Circuits, State


def opened(at: float = 100.0) -> Circuit:
    subject = Circuit()
    subject.failed(at, is_fatal=True)
    assert subject.is_open(at)
    return subject


def told(outcomes: str, *, every_s: float, circuit: Circuit | None = None) -> tuple[Circuit, float]:
    """A circuit that was told `outcomes` (F failed, S succeeded), and the time of the last one."""
    subject = circuit or Circuit()
    now = 0.0
    for number, outcome in enumerate(outcomes):
        now = number * every_s
        if outcome == "F":
            subject.failed(now)
        else:
            subject.succeeded(now)
    return subject, now


def test_new_circuit_is_closed() -> None:
    subject = Circuit()
    assert subject.state(0.0) is State.CLOSED
    assert not subject.is_open(0.0)
    assert not subject.probe_due(0.0)
    assert subject.next_probe_at is None
    assert subject.opened_at is None
    assert repr(subject) == "<Circuit closed>"


@pytest.mark.parametrize(
    ("outcomes", "every_s", "is_open"),
    [
        ("FFFF", 1.0, False),
        ("FFFFF", 1.0, True),
        ("FFFFF", 2.5, True),  # The first and the last are 10 s apart.
        ("FFFFF", 2.6, False),
        ("FFFFSF", 0.1, False),
        ("FFFFS" * 3, 0.1, True),  # More than half of the latest twenty.
        ("SF" * 9, 1.0, False),
        ("SF" * 10, 1.0, True),
        ("SSF" * 20, 1.0, False),
        ("SF" * 10, 20.0, False),  # Ten failures, but not of the last five minutes.
        ("F" * 9, 60.0, False),
        ("S" * 100 + "FFFFF", 0.05, True),
        (("S" * 19 + "F") * 20, 0.05, False),  # Ten failures in ten seconds, of twenty starts a second.
    ],
)
def test_when_it_opens(outcomes: str, every_s: float, is_open: bool) -> None:
    """Five failures in a row in ten seconds, or half of the latest twenty attempts."""
    subject, now = told(outcomes, every_s=every_s)
    assert subject.is_open(now) is is_open


def test_timeline_of_an_outage() -> None:
    """Open for 15 s, then a probe every 5 s; never a call; closed by the first success."""
    subject = opened(100.0)
    assert subject.next_probe_at == 115.0
    subject.succeeded(100.2)  # A dial that was under way before proves nothing.
    for moment in range(101, 115):
        subject.failed(float(moment))  # Dials of live calls put no probe off.
    assert subject.state(100.0) is State.OPEN
    assert not subject.probe_due(114.9)
    assert subject.state(115.0) is State.HALF_OPEN
    assert subject.is_open(115.0)
    assert subject.probe_due(115.0)
    assert not subject.probe_due(115.0)
    subject.failed(116.0)
    assert subject.is_open(116.0)
    assert not subject.probe_due(119.9)
    assert subject.probe_due(120.0)
    subject.succeeded(120.3)
    assert not subject.is_open(120.3)
    assert not subject.probe_due(125.0)


def test_how_long_it_waits_can_be_set() -> None:
    circuits = Circuits(lambda: Circuit(open_s=2.0, probe_every_s=0.5))
    circuits.failed("down", 100.0, is_fatal=True)
    assert repr(circuits) == "<Circuits {'down': <Circuit open since 100.0>}>"
    assert circuits.next_probe_at == 102.0
    due = [circuits.probes_due(now) for now in (101.9, 102.0, 102.4, 102.5)]
    assert due == [[], ["down"], [], ["down"]]


@pytest.mark.parametrize(("outcomes", "fails_again_after"), [("FFFFF", FAILURES_IN_A_ROW), ("SF" * 10, 2)])
def test_closed_circuit_begins_anew(outcomes: str, fails_again_after: int) -> None:
    """Failures of the last outage, in a row or half of the latest, do not count towards the next."""
    subject, now = told(outcomes, every_s=1.0)
    assert subject.probe_due(now + OPEN_S)
    subject.succeeded(now + OPEN_S)
    for _ in range(fails_again_after - 1):
        subject.failed(now + OPEN_S)
    assert not subject.is_open(now + OPEN_S)


def test_what_another_process_has_found_is_looked_at_at_once() -> None:
    """No call is tried until it is: the first success closes, and what fails stays open like any other."""
    circuits = Circuits()
    assert not circuits.is_open("wanted", 0.0)
    for model in ("wanted", "of no call here"):
        circuits.suspected(model, 100.0)
    assert circuits.open_models(100.0) == ["wanted"]
    assert circuits.probes_due(100.0) == ["wanted"]
    circuits.failed("wanted", 101.0)
    assert (circuits.is_open("wanted", 101.0), circuits.next_probe_at) == (True, 105.0)
    circuits.succeeded("wanted", 105.0)
    assert circuits.open_models(105.0) == []


def test_a_hint_lengthens_no_outage_and_opens_nothing_that_is_well() -> None:
    """A model that is back elsewhere is probed now and not in fifteen seconds."""
    subject = opened(at=100.0)
    subject.suspected(104.0)
    assert (subject.opened_at, subject.next_probe_at) == (100.0, 100.0 + OPEN_S)
    subject.hoped_for(106.0)
    assert subject.probe_due(106.0)
    subject.succeeded(106.5)
    subject.hoped_for(107.0)
    assert subject.state(107.0) is State.CLOSED


STEPS = st.lists(
    st.tuples(st.sampled_from("FSXP"), st.floats(0, 7, allow_nan=False)), min_size=1, max_size=120
)
"""Failed, succeeded, failed for good, probe asked for; each some time after the one before."""


@given(STEPS)
def test_probes_are_rare_and_only_in_an_outage(steps: list[tuple[str, float]]) -> None:
    """Whatever happens: at most one probe in 5 s, none of a closed circuit, none in the first 15 s."""
    subject = Circuit()
    now, probed_at = 0.0, -100.0
    for step, after_s in steps:
        now += after_s
        was_open = subject.is_open(now)
        opened_at = subject.opened_at
        if step == "P" and subject.probe_due(now):
            assert was_open
            assert opened_at is not None
            assert now >= opened_at + OPEN_S
            assert now - probed_at >= 5
            probed_at = now
        elif step == "S":
            subject.succeeded(now)
        elif step in "FX":
            subject.failed(now, is_fatal=step == "X")
            assert subject.is_open(now) or (step == "F" and not was_open)


@given(st.lists(st.booleans(), max_size=40), st.floats(0.01, 2), st.floats(0, 60), st.floats(0, 6))
def test_outage_is_noticed_and_so_is_its_end(
    before: list[bool], every_s: float, down_s: float, dial_s: float
) -> None:
    """Five failures open it. From recovery to closed is less than 30 s, for any dial of up to 6 s."""
    subject, now = told("".join("FS"[success] for success in before), every_s=every_s)
    for _ in range(FAILURES_IN_A_ROW):
        subject.failed(now)
    assert subject.is_open(now)
    recovered_at = now + down_s
    clock = now
    while subject.is_open(clock):
        clock += 0.25  # How often the server asks.
        if subject.probe_due(clock):
            began_at = clock
            if began_at >= recovered_at:
                subject.succeeded(began_at + dial_s)
            else:
                subject.failed(began_at + dial_s)
        assert clock - recovered_at < 30 - dial_s


def test_the_outage_of_one_model_closes_no_line_of_another() -> None:
    """Each has its own failures, probes and recovery."""
    circuits = Circuits()
    circuits.failed("down", 100.0, is_fatal=True)
    for _ in range(FAILURES_IN_A_ROW - 1):
        circuits.failed("shaky", 101.0)
    circuits.succeeded("well", 101.0)
    are_open = [circuits.is_open(model, 101.0) for model in ("down", "shaky", "well", "new")]
    assert are_open == [True, False, False, False]
    circuits.failed("shaky", 104.0)
    assert circuits.open_models(104.0) == ["down", "shaky"]
    assert circuits.next_probe_at == 100.0 + OPEN_S
    assert circuits.probes_due(100.0 + OPEN_S) == ["down"]
    circuits.succeeded("down", 116.0)
    assert (circuits.open_models(116.0), circuits.next_probe_at) == (["shaky"], 104.0 + OPEN_S)
    circuits.succeeded("shaky", 120.0)
    assert circuits.next_probe_at is None


@pytest.mark.parametrize(("asked_at", "probed"), [(None, []), (WANTED_S, ["down"])])
def test_a_model_that_nobody_asks_for_is_forgotten(asked_at: float | None, probed: list[str]) -> None:
    """After an hour without a call: its probes end, and a later call finds it as any new one."""
    circuits = Circuits()
    circuits.failed("down", 0.0, is_fatal=True)
    assert circuits.probes_due(WANTED_S) == ["down"]
    if asked_at is not None:
        assert circuits.is_open("down", asked_at)
    later = WANTED_S + 10
    assert circuits.probes_due(later) == circuits.open_models(later) == probed
    assert circuits.is_open("down", later) is bool(probed)
