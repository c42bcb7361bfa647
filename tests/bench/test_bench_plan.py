"""What is measured, in which order, and within which bounds."""

from __future__ import annotations

from bench.bridges import BRIDGES
from bench.plan import Leg, Pace, cases

CALLBRIDGE, NODE = BRIDGES["callbridge"], BRIDGES["node"]


def test_bridges_take_turns_within_every_case() -> None:
    """A disturbance that lasts longer than a run hits all bridges."""
    order = [
        (case.leg, case.calls, case.bridge.name) for case in cases([CALLBRIDGE, NODE], list(Leg), [10, 50], 2)
    ]
    one_case = ["callbridge", "node", "callbridge", "node"]
    assert [name for _, _, name in order] == one_case * 4
    assert [key[:2] for key in order[::4]] == [("plain", 10), ("plain", 50), ("tls", 10), ("tls", 50)]


def test_a_case_is_told_in_words() -> None:
    (case,) = cases([NODE], [Leg.TLS], [250], 1)
    assert str(case) == "node, tls, 250 calls"
    assert [leg.has_tls for leg in Leg] == [False, True]


def test_a_run_is_bounded_by_the_sum_of_its_parts() -> None:
    """A ramp may take twice its time and some; what goes on beside the calls is named."""
    assert Pace(starts_per_s=50).ramp_bound_s(1000) == 50.0
    pace = Pace(window_s=4, warm_up_s=2, drain_s=0.5, starts_per_s=100)
    assert pace.run_bound_s(100) == 2 + 10 + 2 + 4 + 0.5
    assert Pace(window_s=4, warm_up_s=1).in_words(3) == "3 x 4 s after 1 s of warm-up"
    assert Pace(extra_starts_per_s=20).in_words(1).endswith("with 20 extra calls begun a second")
