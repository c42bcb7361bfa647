"""How many calls one caller has, over all processes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from callbridge.state.neighbours import LEASE_S
from callbridge.state.places import DAY_S, RESERVED_S, TEN_MINUTES_S, CallerBounds, CallerCounts
from callbridge.state.writes import PlaceCarried

if TYPE_CHECKING:
    from callbridge.state.state import State
    from state.conftest import Opening
    from state.wall_clock import Clock

CALLER = "caller"
TWO = CallerBounds(at_once=2)
ANY = CallerBounds()


@pytest.mark.parametrize(
    ("counts", "is_allowed"),
    [
        (CallerCounts(), True),
        (CallerCounts(1, 4, 19), True),
        (CallerCounts(live=2), False),
        (CallerCounts(in_10_minutes=5), False),
        (CallerCounts(in_day=20), False),
    ],
)
def test_one_more_call_is_within_all_bounds(counts: CallerCounts, is_allowed: bool) -> None:
    assert CallerBounds(at_once=2, per_10_minutes=5, per_day=20).allows(counts) is is_allowed
    assert ANY.allows(counts)


async def claim(state: State, clock: Clock, call_sid: str, bounds: CallerBounds = TWO) -> bool | None:
    return await state.claim_place(call_sid, CALLER, bounds, clock.now)


async def test_a_caller_has_as_many_calls_as_are_live(state: State, clock: Clock) -> None:
    assert await claim(state, clock, "one")
    assert await claim(state, clock, "two")
    assert not await claim(state, clock, "three")
    assert await state.claim_place("four", "somebody else", TWO, clock.now)
    state.free_place("one")
    assert await claim(state, clock, "three")
    assert len(await state.recent_calls(0)) == 4


async def test_a_call_that_is_asked_about_again_keeps_its_place_and_is_counted_once(
    state: State, clock: Clock
) -> None:
    """Also when it is over: a webhook may come late."""
    bounds = CallerBounds(at_once=1, per_day=1)
    for _ in range(2):
        assert await claim(state, clock, "one", bounds)
    state.carry("one", CALLER)
    assert await claim(state, clock, "one", bounds)
    state.free_place("one")
    assert await claim(state, clock, "one", bounds)
    assert await state.recent_calls(0) == ((CALLER, clock.now),)
    assert not await claim(state, clock, "two", bounds)


async def test_a_place_is_reserved_until_its_stream_comes(state: State, clock: Clock) -> None:
    """And again between two streams."""
    one = CallerBounds(at_once=1)
    assert await claim(state, clock, "one", one)
    clock.now += RESERVED_S - 1
    assert not await claim(state, clock, "two", one)
    clock.now += 1
    assert await claim(state, clock, "two", one)
    state.carry("two", CALLER)
    await state.flush()
    clock.now += RESERVED_S - 1
    assert not await claim(state, clock, "three", one)
    state.keep_place("two", 30.0)
    await state.flush()
    clock.now += 29
    assert not await claim(state, clock, "three", one)
    clock.now += 1
    assert await claim(state, clock, "three", one)


async def test_starts_count_for_ten_minutes_and_a_day(state: State, clock: Clock) -> None:
    bounds = CallerBounds(per_10_minutes=2, per_day=3)
    state.note_call(CALLER, clock.now)  # It was turned away.
    assert await claim(state, clock, "one", bounds)
    assert not await claim(state, clock, "two", bounds)
    clock.now += TEN_MINUTES_S
    assert await claim(state, clock, "two", bounds)
    clock.now += TEN_MINUTES_S
    assert not await claim(state, clock, "three", bounds)
    clock.now += DAY_S - 2 * TEN_MINUTES_S
    assert await claim(state, clock, "three", bounds)


async def test_bounds_hold_over_all_processes(opening: Opening, clock: Clock) -> None:
    one, other = opening("one"), opening("other")
    assert await claim(one, clock, "CA1")
    one.carry("CA1", CALLER)
    await one.flush()
    assert await claim(other, clock, "CA2")
    assert not await claim(one, clock, "CA3")
    assert not await claim(other, clock, "CA3")
    other.free_place("CA1")  # Whoever hears that a call is over says so.
    assert await claim(other, clock, "CA3")


async def test_of_a_storm_over_three_processes_the_bound_comes_in(opening: Opening, clock: Clock) -> None:
    states = [opening(f"process-{number}") for number in range(3)]
    claims = [claim(states[number % 3], clock, f"CA{number}") for number in range(60)]
    assert sum(bool(is_granted) for is_granted in await asyncio.gather(*claims)) == 2


async def test_what_a_process_carries_counts_while_it_is_alive(opening: Opening, clock: Clock) -> None:
    dead, other = opening("dead"), opening("other")
    one = CallerBounds(at_once=1)
    dead.carry("CA1", CALLER)
    await dead.flush()
    await opening.kill(dead)
    clock.now += LEASE_S - 1
    assert not await claim(other, clock, "CA2", one)
    clock.now += 1
    assert await claim(other, clock, "CA2", one)


async def test_a_place_is_given_back_by_who_reserved_it_and_not_under_a_stream(
    opening: Opening, clock: Clock
) -> None:
    """A webhook comes twice, and the process that declines must not take what the other one has given."""
    one, other = opening("one"), opening("other")
    single = CallerBounds(at_once=1)
    assert await claim(one, clock, "CA1", single)
    assert await claim(other, clock, "CA1", single)
    other.give_back_place("CA1")
    assert not await claim(other, clock, "CA2", single)
    other.carry("CA1", CALLER)
    await other.flush()
    other.give_back_place("CA1")
    assert not await claim(other, clock, "CA2", single)
    other.free_place("CA1")
    assert await claim(other, clock, "CA2", single)
    other.give_back_place("CA2")
    assert await claim(other, clock, "CA3", single)


async def test_who_was_cut_off_takes_no_call_from_who_carries_it_by_now(
    opening: Opening, clock: Clock
) -> None:
    """What it has told of a stream waited for long, and the call has moved on since."""
    before, after = opening("before"), opening("after")
    after.carry("CA1", CALLER)
    await after.flush()
    clock.now += 5
    before._writer.put(PlaceCarried("CA1", CALLER, time.monotonic() - 10))
    before.keep_place("CA1", 0.0)
    await before.flush()
    assert [seen.calls for seen in await before.others()] == [1]
    before.carry("CA1", CALLER)
    await before.flush()
    assert [seen.calls for seen in await before.others()] == [0]


async def test_a_call_that_goes_on_elsewhere_is_kept_by_who_carries_it(
    opening: Opening, clock: Clock
) -> None:
    """What the process before says of it later changes nothing."""
    before, after = opening("before"), opening("after")
    one = CallerBounds(at_once=1)
    before.carry("CA1", CALLER)
    await before.flush()
    after.carry("CA1", CALLER)
    await after.flush()
    before.keep_place("CA1", 0.0)
    await before.flush()
    assert not await claim(before, clock, "CA2", one)
    assert [seen.calls for seen in await before.others()] == [1]
    assert [seen.calls for seen in await after.others()] == [0]
    await after.close()  # It ends in order: what it carried counts no longer.
    assert await claim(before, clock, "CA2", one)
