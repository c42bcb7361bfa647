"""Which of several workers lets a connection pass, and for how long."""

from __future__ import annotations

import random

import pytest

from callbridge.switchboard.sharing import ABSENT, DRAINS, FIRST_GO_S, FRESH_S, OTHERS_GO_S, Share, waits_s


@pytest.mark.parametrize(
    ("load", "others", "wait_s"),
    [
        (0, [0], 0.0),
        (3, [3, 9], 0.0),
        (4, [3, 9], FIRST_GO_S),
        (4, [], 0.0),
        (4, [ABSENT, ABSENT], 0.0),
        (4, [ABSENT, 0], FIRST_GO_S),
        (DRAINS, [ABSENT, 900], OTHERS_GO_S),
        (DRAINS, [DRAINS, ABSENT], 0.0),
        (DRAINS + 2, [DRAINS], FIRST_GO_S),
        (7, [DRAINS], 0.0),
    ],
)
def test_who_has_more_leaves_it_to_the_others(load: int, others: list[int], wait_s: float) -> None:
    """One who takes no calls leaves them more time: its own answer would be that it does not."""
    assert waits_s(load, others) == wait_s


def test_what_was_just_accepted_counts_until_it_is_known_what_it_is() -> None:
    share = Share()
    for now in (10.0, 10.2, 10.9):
        share.accepted(now)
    assert share.load(4, 10.9, drains=False) == 7
    assert share.load(5, 10.2 + FRESH_S, drains=False) == 6
    assert share.load(5, 99.0, drains=False) == 5
    assert share.load(5, 99.0, drains=True) == 5 + DRAINS


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_calls_are_shared_evenly_whoever_is_woken_first(workers: int) -> None:
    """The kernel may prefer one as much as it likes, while all are on time."""
    rng = random.Random(workers)
    shares, calls, now = [Share() for _ in range(workers)], [0] * workers, 0.0
    for _ in range(100 * workers):
        now += 0.05
        loads = [share.load(live, now, drains=False) for share, live in zip(shares, calls, strict=True)]
        order = sorted(range(workers), key=lambda number: (rng.random() > 0.9, number))
        waits = {number: waits_s(loads[number], loads[:number] + loads[number + 1 :]) for number in order}
        taker = min(order, key=lambda number: waits[number])
        shares[taker].accepted(now)
        calls[taker] += 1
    # A call is counted twice for a second, so that one may be ahead by a few.
    assert max(calls) - min(calls) <= 20
