"""What processes with one state tell each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callbridge.state import writer
from callbridge.state.neighbours import (
    FORGOTTEN_S,
    LEASE_S,
    News,
    ProcessSeen,
    SpentElsewhere,
    ToAll,
    ToCarrier,
)
from callbridge.state.places import RESERVED_S, CallerBounds
from callbridge.state.watch import Watch
from state.seeing import WITHIN_S, all_seen, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from callbridge.state.state import State
    from state.conftest import Opening
    from state.wall_clock import Clock

CALLER = "caller"


async def heard(news: AsyncIterator[News], number: int) -> list[News]:
    """The next so many."""
    async with asyncio.timeout(WITHIN_S):
        return [await anext(news) for _ in range(number)]


async def test_a_process_has_a_name_and_no_news_of_its_own(state: State) -> None:
    state.carry("CA1", CALLER)
    state.tell_carrier("CA1", "end")
    state.tell_all("circuit_opened")
    state.note_spend(1.0, 5)
    await state.spend(0)
    listening = asyncio.ensure_future(anext(state.news(), None))
    assert await state.flush()
    assert state.process
    assert await state.others() == ()
    assert not listening.done()
    await state.close()
    async with asyncio.timeout(WITHIN_S):
        assert await listening is None


async def test_who_carries_a_call_is_told_of_it_in_order(opening: Opening) -> None:
    carrier, other, third = opening("carrier"), opening("other"), opening("third")
    carrier.carry("CA1", CALLER)
    assert await carrier.flush()
    for number in range(5):
        other.tell_carrier("CA1", "end", b"%d" % number)
    other.tell_carrier("CA2", "end")  # Nobody carries it.
    other.carry("CA1", CALLER)
    other.tell_carrier("CA1", "end", b"to itself")
    assert await other.flush()
    third.tell_carrier("CA1", "ended")
    assert await heard(carrier.news(), 5) == [ToCarrier("CA1", "end", b"%d" % number) for number in range(5)]
    assert await heard(other.news(), 1) == [ToCarrier("CA1", "ended")]


async def test_all_others_are_told(opening: Opening) -> None:
    states = [opening(f"process-{number}") for number in range(3)]
    await all_seen(*states)
    states[0].tell_all("circuit_opened", b"a model")
    states[1].tell_all("circuit_closed", b"a model")
    told = [ToAll("circuit_opened", b"a model"), ToAll("circuit_closed", b"a model")]
    assert await heard(states[1].news(), 1) == told[:1]
    assert await heard(states[0].news(), 1) == told[1:]
    assert sorted(map(repr, await heard(states[2].news(), 2))) == sorted(map(repr, told))


async def test_what_others_spend_comes_once_and_what_was_read_does_not(opening: Opening) -> None:
    one, other = opening("one"), opening("other")
    await all_seen(one, other)
    one.note_spend(1.0, 10)
    assert await one.flush()
    assert await other.spend(0) == ((1.0, 10),)
    news = other.news()
    for number in range(2, 5):
        other.note_spend(9.0, 1_000)
        one.note_spend(float(number), 10 * number)
        assert await one.flush()
    assert await heard(news, 3) == [SpentElsewhere(float(number), 10 * number) for number in range(2, 5)]


async def test_what_was_told_to_a_process_that_is_gone_is_dropped(opening: Opening, clock: Clock) -> None:
    """Its own name never comes back, and nobody else would take it."""
    gone, other = opening("gone"), opening("other")
    await all_seen(gone, other)
    gone.carry("CA1", CALLER)
    gone.carry("CA2", CALLER)
    assert await gone.flush()
    await opening.kill(gone)
    other.tell_carrier("CA1", "end")
    assert await other.flush()
    clock.now += LEASE_S + FORGOTTEN_S
    assert await other.flush()
    other.carry("CA1", CALLER)  # It went on here.
    assert await other.flush()
    again = opening("gone")
    await all_seen(again, other)
    assert [seen.calls for seen in await other.others()] == [1]
    other.tell_carrier("CA2", "ended")
    assert await other.flush()
    assert await heard(again.news(), 1) == [ToCarrier("CA2", "ended")]


async def test_a_place_of_a_process_that_has_just_begun_is_kept(
    opening: Opening, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not told yet that it is alive when another one looks what is to be deleted."""
    monkeypatch.setattr(Watch, "_look", lambda *_: None)
    one, other = opening("one"), opening("other")
    bound = CallerBounds(at_once=1)
    assert await one.claim_place("CA1", CALLER, bound, clock.now)
    clock.now += RESERVED_S - 1
    monkeypatch.setattr(writer, "PRUNE_EVERY_S", 1.0)
    other.note_call("somebody else", clock.now)
    assert await other.flush()
    assert await other.others() == ()
    assert not await other.claim_place("CA2", CALLER, bound, clock.now)


async def test_the_others_are_seen_while_they_are_alive(opening: Opening, clock: Clock) -> None:
    one, other = opening("one"), opening("other")
    await all_seen(one, other)
    one.carry("CA1", CALLER)
    one.carry("CA2", CALLER)
    assert await one.flush()
    one.say(is_leaving=True)

    async def is_known() -> bool:
        return await other.others() == (ProcessSeen("one", is_leaving=True, calls=2),)

    await until(is_known)
    await opening.kill(one)
    clock.now += LEASE_S
    assert await other.others() == ()
