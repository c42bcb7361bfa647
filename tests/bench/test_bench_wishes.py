"""Words of the command line as values."""

from __future__ import annotations

import pytest
from bench.plan import Leg
from bench.wishes import CALLS_MAX, GUARD, QUICK, WHOLE, WishError

LONGEST_QUICK_S = 60


def test_words_replace_what_they_name_and_nothing_else() -> None:
    wishes = WHOLE.with_words(bridges="node, callbridge", legs="tls", calls=None)
    assert [bridge.name for bridge in wishes.bridges] == ["node", "callbridge"]
    assert wishes.legs == (Leg.TLS,)
    assert (wishes.calls, wishes.repeats, wishes.pace) == (WHOLE.calls, WHOLE.repeats, WHOLE.pace)
    assert WHOLE.with_words(bridges=None, legs=None, calls="10,50,10").calls == (10, 50)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            {"bridges": "asterisk"},
            "'asterisk'; there are callbridge, with-agent, with-records, with-recording, with-workers, node",
        ),
        ({"legs": "quic"}, "plain or tls, not 'quic'"),
        ({"calls": "10,many"}, "not 'many'"),
        ({"calls": "0"}, "not '0'"),
        ({"calls": str(CALLS_MAX + 1)}, "1 to 5,000"),
        ({"calls": ""}, "not ''"),
    ],
)
def test_a_word_that_means_nothing_is_refused_in_words(words: dict[str, str], told: str) -> None:
    with pytest.raises(WishError, match=told):
        WHOLE.with_words(**{"bridges": None, "legs": None, "calls": None, **words})


def test_the_quick_set_fits_a_minute() -> None:
    """Starting a bridge takes about a second, bringing its calls up as long as the ramp."""
    pace = QUICK.pace
    took_s = sum(
        2 + case.calls / pace.starts_per_s + pace.warm_up_s + pace.window_s + pace.drain_s
        for case in QUICK.cases
    )
    assert took_s < LONGEST_QUICK_S


def test_the_guard_compares_two_bridges_in_one_case() -> None:
    assert {str(case) for case in GUARD.cases} == {"callbridge, plain, 250 calls", "node, plain, 250 calls"}
