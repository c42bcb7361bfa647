"""What follows from an answer, and when."""

from __future__ import annotations

import pytest

from callbridge.records.outbox.schedule import DELAYS_S, Verdict, asked_delay_s, verdict

NOW = 1_800_000_000.0


def test_it_is_tried_for_two_days_and_then_no_more() -> None:
    """Each delay is its own, up to a fifth longer or shorter."""
    for roll, share in ((0.0, 0.8), (0.5, 1.0), (1.0, 1.2)):
        delays = [verdict(500, failed, roll).again_s for failed in range(len(DELAYS_S) + 1)]
        assert delays == [*(delay * share for delay in DELAYS_S), None]
    assert sum(DELAYS_S) > 2 * 24 * 3600


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_any_2xx_is_done(code: int) -> None:
    assert verdict(code, 0, 0.5) == Verdict(is_done=True)


@pytest.mark.parametrize("code", [301, 400, 404, 500])
def test_everything_else_is_tried_again(code: int) -> None:
    assert verdict(code, 0, 0.5) == Verdict(again_s=5.0)


def test_who_is_not_reached_is_left_alone_for_a_moment() -> None:
    assert verdict(None, 0, 0.5) == Verdict(again_s=5.0, rest_s=5.0)


def test_who_is_gone_is_asked_no_more() -> None:
    assert verdict(410, 0, 0.5, asked_s=5.0) == Verdict(is_gone=True, rest_s=5.0)


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_who_has_too_much_to_do_gets_rest(code: int) -> None:
    assert verdict(code, 1, 0.5) == Verdict(again_s=30.0, rest_s=30.0)


def test_what_a_receiver_asks_for_is_done_within_bounds() -> None:
    assert verdict(503, 0, 0.5, asked_s=90.0) == Verdict(again_s=90.0, rest_s=90.0)
    assert verdict(429, 0, 0.5, asked_s=0.0) == Verdict(again_s=1.0, rest_s=1.0)
    assert verdict(429, 0, 0.5, asked_s=1e9) == Verdict(again_s=24 * 3600.0, rest_s=600.0)
    assert verdict(429, len(DELAYS_S), 0.5, asked_s=5.0) == Verdict()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 15 Jan 2027 08:01:30 GMT", 90.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("9" * 40, None),
    ],
)
def test_retry_after_in_both_forms(text: str, seconds: float | None) -> None:
    assert asked_delay_s(text, NOW) == seconds
