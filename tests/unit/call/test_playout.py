"""The ledger of agent audio, by tables: what the caller has heard at every moment.

Times are seconds since the first audio was sent. In all of it the phone is `ROUND_TRIP` away, there and back.
"""

from __future__ import annotations

import pytest

from callbridge.call.limits import Limits
from callbridge.call.playout import CLIP, CutItem, Playout
from callbridge.wire.mulaw import BYTES_PER_MS

ROUND_TRIP = 0.12
T = 10.0
"""When the audio of interest is sent, where a ledger has a past."""


def said(playout: Playout, item_id: str, duration_ms: int, now: float) -> str | None:
    """Audio of an item is sent."""
    return playout.sent(item_id, duration_ms * BYTES_PER_MS, now)


def with_round_trip() -> Playout:
    """A ledger that has measured the round trip, well before `T`."""
    playout = Playout()
    name = said(playout, "earlier", 200, 1.0)
    assert name is not None
    assert playout.echoed(name, 1.0 + 0.2 + ROUND_TRIP)
    return playout


# --- The heard position -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "unheard_ms"), [(0.0, 1000), (0.001, 999), (0.25, 750), (0.999, 1), (1.0, 0), (5.0, 0)]
)
def test_audio_plays_from_the_moment_it_is_sent(now: float, unheard_ms: int) -> None:
    """In sending time: the delay to the phone is the delay of a clear."""
    playout = Playout()
    said(playout, "it", 1000, 0.0)
    assert playout.unheard_ms(now) == pytest.approx(unheard_ms, abs=1)


def test_audio_that_follows_in_time_queues_behind_what_plays() -> None:
    """Deltas come faster than they play."""
    playout = Playout()
    said(playout, "it", 400, 0.0)
    said(playout, "it", 400, 0.1)
    assert playout.unheard_ms(0.5) == 300
    assert playout.cut(0.5) == (CutItem("it", 800, 500),)


def test_audio_after_a_pause_begins_to_play_when_it_is_sent() -> None:
    """The phone ran dry: what was heard before stays heard."""
    playout = Playout()
    said(playout, "it", 400, 0.0)
    said(playout, "it", 400, 1.0)
    assert playout.unheard_ms(1.1) == 300
    assert playout.cut(1.1) == (CutItem("it", 800, 500),)


def test_each_item_is_cut_for_itself() -> None:
    """The queue is one, the positions are the items' own."""
    playout = Playout()
    for item_id in ("a", "b", "c"):
        said(playout, item_id, 300, 0.0)
    assert playout.cut(0.45) == (CutItem("a", 300, 300), CutItem("b", 300, 150), CutItem("c", 300, 0))


def test_nothing_sent_is_nothing_heard() -> None:
    """A cut of an empty queue names no item."""
    playout = Playout()
    assert playout.unheard_ms(3.0) == 0
    assert playout.cut(3.0) == ()
    assert playout.is_drained


def test_a_byte_too_few_for_a_millisecond_is_not_overstated() -> None:
    """Positions are rounded down: the server refuses what is beyond the item."""
    playout = Playout()
    playout.sent("it", 8 * 100 + 7, 0.0)
    assert playout.sent_ms("it") == 100
    assert playout.unheard_ms(0.0) == 101
    assert playout.cut(9.0) == (CutItem("it", 100, 100),)


# --- Marks --------------------------------------------------------------------------------------------


def test_a_mark_follows_every_so_much_audio() -> None:
    """Not every delta: very many marks add delay."""
    playout = Playout()
    names = [said(playout, "it", 60, 0.0) for _ in range(8)]
    assert names == [None, None, None, "0-1", None, None, None, "0-2"]


def test_the_end_of_audio_is_marked_once() -> None:
    """All that is marked already needs no other mark."""
    playout = Playout()
    assert playout.mark() is None
    said(playout, "it", 100, 0.0)
    assert playout.mark() == "0-1"
    assert playout.mark() is None


def test_marks_are_bounded_and_come_again_when_echoes_do() -> None:
    """At the bound no mark is sent; the unmarked audio is not forgotten."""
    playout = Playout(Limits(marks_outstanding_max=2))
    assert [said(playout, "it", 200, 0.0) for _ in range(4)] == ["0-1", "0-2", None, None]
    assert playout.mark() is None
    assert playout.echoed("0-1", 0.2)
    assert not playout.is_drained
    assert playout.mark() == "0-3"
    assert playout.echoed("0-3", 0.8)
    assert playout.is_drained


def test_only_echoes_prove_that_all_was_played() -> None:
    """What a clock believes is not enough to hang up."""
    playout = Playout()
    said(playout, "it", 100, 0.0)
    assert not playout.is_drained
    name = playout.mark()
    assert name is not None
    assert playout.unheard_ms(50.0) == 0
    assert not playout.is_drained
    playout.echoed(name, 50.0)
    assert playout.is_drained


def test_an_echo_stands_for_those_before_it() -> None:
    """A phone plays in order."""
    playout = Playout()
    names = [said(playout, "it", 200, 0.0) for _ in range(3)]
    assert playout.echoed(names[1] or "", 0.4)
    assert not playout.echoed(names[0] or "", 0.5)
    assert playout.echoed(names[2] or "", 0.6)
    assert playout.is_drained


@pytest.mark.parametrize("name", ["", "0-9", "greeting", "1-1"])
def test_an_echo_that_is_not_ours_proves_nothing(name: str) -> None:
    """Anybody may name a mark."""
    playout = Playout()
    said(playout, "it", 200, 0.0)
    assert not playout.echoed(name, 0.1)
    assert playout.unheard_ms(0.1) == 100


def test_an_echo_after_a_cut_proves_nothing() -> None:
    """A clear echoes marks that were never played; the new epoch has its own names."""
    playout = Playout()
    name = said(playout, "it", 1000, 0.0)
    playout.cut(0.1)
    assert playout.is_drained
    assert not playout.echoed(name or "", 0.2)
    assert said(playout, "next", 200, 0.3) == "1-2"


# --- Late phones --------------------------------------------------------------------------------------


def test_the_round_trip_is_not_heard_time() -> None:
    """An echo comes a round trip after its place; the position stays where the clock has it."""
    playout = with_round_trip()
    name = said(playout, "it", 200, T)
    said(playout, "it", 1000, T)
    playout.echoed(name or "", T + 0.2 + ROUND_TRIP)
    assert playout.unheard_ms(T + 0.5) == pytest.approx(700, abs=1)


def test_an_echo_that_is_later_than_the_round_trip_moves_the_position_back() -> None:
    """The phone began late, or ran dry. Three echoes agree before the ledger is sure."""
    playout = with_round_trip()
    names = [said(playout, "it", 200, T) for _ in range(10)]
    for number, name in enumerate(names[:4], start=1):
        playout.echoed(name or "", T + 0.2 * number + ROUND_TRIP + 0.3)
    assert playout.unheard_ms(T + 1.3) == pytest.approx(1000, abs=1)


def test_an_echo_that_is_overdue_stops_the_clock() -> None:
    """A phone that stalls cannot be further than the mark that is overdue, and the round trip."""
    playout = with_round_trip()
    names = [said(playout, "it", 200, T) for _ in range(5)]
    playout.echoed(names[0] or "", T + 0.2 + ROUND_TRIP)
    assert playout.unheard_ms(T + 0.5) == pytest.approx(500, abs=1)
    assert playout.unheard_ms(T + 3.0) == pytest.approx(1000 - 400 - ROUND_TRIP * 1000, abs=1)


def test_one_delayed_echo_among_punctual_ones_moves_nothing() -> None:
    """The least late of three counts: networks delay single packets."""
    playout = with_round_trip()
    names = [said(playout, "it", 200, T) for _ in range(10)]
    for number, (name, delay) in enumerate(zip(names[:3], (0.0, 0.08, 0.0), strict=True), start=1):
        playout.echoed(name or "", T + 0.2 * number + ROUND_TRIP + delay)
    assert playout.unheard_ms(T + 0.75) == pytest.approx(1250, abs=1)


def test_what_was_proven_is_heard_whatever_the_clock_says() -> None:
    """An echo is a proof; a clock that runs behind gives way."""
    playout = Playout()
    names = [said(playout, "it", 200, 0.0) for _ in range(3)]
    playout.echoed(names[2] or "", 0.1)
    assert playout.unheard_ms(0.1) == 0


def test_a_run_that_follows_a_late_one_cannot_have_begun_before_its_end() -> None:
    """The last echo of the run before shows when the phone was done with it."""
    playout = with_round_trip()
    name = said(playout, "first", 200, T)
    said(playout, "second", 1000, T + 0.21)
    playout.echoed(name or "", T + 0.2 + ROUND_TRIP + 0.4)
    assert playout.unheard_ms(T + 0.81) == pytest.approx(790, abs=1)


# --- The books ----------------------------------------------------------------------------------------


def test_items_of_earlier_responses_are_forgotten_when_the_next_begins() -> None:
    """Except those that still play: they can be cut."""
    playout = Playout()
    said(playout, "old", 100, 0.0)
    said(playout, "playing", 1000, 1.0)
    playout.begin_response()
    assert playout.sent_ms("old") == 0
    assert playout.sent_ms("playing") == 1000
    assert playout.sent_ms("never heard of") == 0


def test_withheld_audio_is_handed_over_once() -> None:
    """Late deltas of a muted response, by item."""
    playout = Playout()
    playout.withheld("a", 800)
    playout.withheld("a", 80)
    playout.withheld("b", 8)
    assert playout.forget_withheld() == {"a": 880, "b": 8}
    assert playout.forget_withheld() == {}


def test_the_first_audio_is_known_for_the_call_and_for_the_turn() -> None:
    """The machine resets the turn's own."""
    playout = Playout()
    said(playout, "it", 100, 3.0)
    said(playout, "it", 100, 3.1)
    assert playout.began_at == playout.first_sent_at == 3.0
    playout.first_sent_at = None
    said(playout, "it", 100, 4.0)
    assert [playout.began_at, playout.first_sent_at] == [3.0, 4.0]


# --- Clips, and silence -------------------------------------------------------------------------------


def test_a_clip_plays_behind_what_is_queued_and_is_no_item_of_the_model() -> None:
    """It is heard like any audio, and cut like any audio."""
    playout = Playout()
    said(playout, "it", 1000, T)
    playout.clip_sent(500 * BYTES_PER_MS, T + 0.5)
    assert playout.unheard_ms(T + 0.5) == 1000
    assert playout.cut(T + 1.25) == (CutItem("it", 1000, 1000), CutItem(CLIP, 500, 250))


def test_the_end_of_the_agents_words_does_not_move_with_a_clip() -> None:
    """The caller's patience is with the agent."""
    playout = Playout()
    assert playout.agent_until == float("-inf")
    said(playout, "it", 1000, T)
    playout.clip_sent(500 * BYTES_PER_MS, T + 2)
    assert playout.agent_until == T + 1
    assert playout.quiet_at == T + 2.5


def test_it_is_quiet_when_all_was_heard_at_a_phone_that_began_late() -> None:
    """As echoes have proven."""
    playout = with_round_trip()
    name = said(playout, "it", 1000, T)
    assert name is not None
    playout.echoed(name, T + 1 + ROUND_TRIP + 0.3)
    assert playout.quiet_at == pytest.approx(T + 1.3)


def test_an_echo_that_never_comes_does_not_put_the_silence_off() -> None:
    """What is asked for with the time of now would never be reached."""
    playout = with_round_trip()
    said(playout, "it", 1000, T)
    playout.unheard_ms(T + 60)  # Believes in a phone that is late by as much.
    assert playout.quiet_at == T + 1
