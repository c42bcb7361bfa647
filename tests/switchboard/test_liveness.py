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
