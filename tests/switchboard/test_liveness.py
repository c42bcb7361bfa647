"""Whether a stream is alive, by what is heard of it."""

from __future__ import annotations

import pytest

from callbridge.switchboard.liveness import SILENT_S, WAIT_S, Liveness

LOOKS = [round(number * 0.05, 2) for number in range(61)]


@pytest.mark.parametrize(
    ("frames_until_s", "is_alive", "known_at_s"),
    [
        (0.0, False, SILENT_S),
        (0.5, False, 0.5 + SILENT_S),
        # What is buffered on the way of a stream that has ended is less than this.
        (0.95, False, 0.95 + SILENT_S),
        (1.05, True, WAIT_S),
        (9.0, True, WAIT_S),
    ],
)
def test_who_is_heard_is_there(frames_until_s: float, is_alive: bool, known_at_s: float) -> None:
    liveness = Liveness(7, 100.0)
    for at in LOOKS:
        verdict = liveness.is_alive(7 + round(min(at, frames_until_s) * 50), 100.0 + at)
        if verdict is not None:
            assert verdict is is_alive
            assert at == pytest.approx(known_at_s, abs=0.051)
            return
    raise AssertionError("it never came to a verdict")


@pytest.mark.parametrize(("brings_frames", "known_after_s"), [(True, WAIT_S), (False, SILENT_S)])
def test_a_loop_that_was_late_has_not_read_yet_what_came(brings_frames: bool, known_after_s: float) -> None:
    """Its time counts as that of one look. Who is silent then, too, is not there."""
    liveness, stalled_s = Liveness(7, 100.0), 3.0
    assert liveness.is_alive(7, 100.0 + stalled_s) is None
    for at in LOOKS[1:]:
        verdict = liveness.is_alive(8 + round(at * 50) if brings_frames else 7, 100.0 + stalled_s + at)
        if verdict is not None:
            assert verdict is brings_frames
            assert at == pytest.approx(known_after_s, abs=0.101)
            return
    raise AssertionError("it never came to a verdict")
