"""Who gets a place: one caller's calls count once, over all processes that share a state."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from callbridge.server.process.taking import carried, offer, stream_ended
from callbridge.state.places import RESERVED_S
from callbridge.switchboard.admission import DeclineReason
from desks import CALL, CALLER, FrontDesk
from several_desks import machines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODEL = "gpt-realtime-2.1"
MANY = {"CALLBRIDGE_CALL_STARTS_PER_SECOND": "100"}


async def storm(desks: Sequence[FrontDesk], calls: int, caller: str) -> Counter[DeclineReason | None]:
    """So many calls of one caller in one moment, at one process after the other: what they are told."""
    told = [offer(desks[n % len(desks)].desk, f"{caller}-{n}", caller, MODEL) for n in range(calls)]
    return Counter(await asyncio.gather(*told))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, too, the state's own answer is waited for."""
    monkeypatch.setattr("callbridge.server.process.taking.CLAIM_S", 20.0)


@pytest.mark.usefixtures("patient")
async def test_a_storm_of_one_caller_counts_once(home_of_machines: Path | str) -> None:
    """At three processes with one file: as many are taken as one of them would take."""
    callers = {"+14155550100": 2, "+14155550200": 12, "anonymous": 10}
    limits = {"CALLBRIDGE_CALLS_PER_CALLER_OF": "+14155550200=12"} | MANY
    async with machines(home_of_machines, 3, limits) as desks:
        for caller, taken in callers.items():
            told = await storm(desks, 30, caller)
            assert (told.pop(None), told.total()) == (taken, 30 - taken)
            assert all(reason is not None and reason.is_callers_own for reason in told)
        assert sum(front.places for front in desks) == sum(callers.values())


@pytest.mark.usefixtures("patient")
async def test_starts_of_one_caller_count_once(home_of_machines: Path | str) -> None:
    """Five in ten minutes, however many of them are over."""
    async with machines(home_of_machines, 3, {"CALLBRIDGE_CALLS_PER_CALLER": "0"} | MANY) as desks:
        assert (await storm(desks, 12, CALLER))[None] == 5
        for n in range(12):
            desks[0].desk.release(f"{CALLER}-{n}")
        await desks[0].desk.state.flush()
        told = [await offer(front.desk, f"again {n}", CALLER, MODEL) for n, front in enumerate(desks)]
        assert told == [DeclineReason.CALLER_LIMIT] * 3


@pytest.mark.usefixtures("patient")
async def test_a_place_follows_its_call(home_of_machines: Path | str) -> None:
    """Claimed at one process, carried by another, kept while the stream comes back, free at its end."""
    limits = {"CALLBRIDGE_CALLS_PER_CALLER": "1", "CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES": "0"}
    async with machines(home_of_machines, 3, limits) as (first, second, third):

        async def is_taken(call_sid: str) -> bool:
            for front in (first, second):
                await front.desk.state.flush()
            return await offer(third.desk, call_sid, CALLER, MODEL) is None

        assert await offer(first.desk, CALL, CALLER, MODEL) is None
        carried(second.desk, CALL, CALLER, continues=False)
        assert not await is_taken("CB1")
        stream_ended(second.desk, CALL, comes_back=True)
        assert not await is_taken("CB2")
        carried(first.desk, CALL, CALLER, continues=True)
        stream_ended(second.desk, CALL, comes_back=False)  # The old stream: nothing of the new one.
        assert not await is_taken("CB3")
        stream_ended(first.desk, CALL, comes_back=False)
        assert await is_taken("CB4")


async def test_a_caller_over_their_own_limit_is_told_that_whatever_else_is_so() -> None:
    """Other refusals ring a human: who calls too often rings nobody, while the money is spent neither.

    So those who are declined for another reason count as calls, and hold no place.
    """
    front = FrontDesk({"CALLBRIDGE_SPEND_PER_HOUR_MAX": "1"})
    front.desk.spending.add(front.now, 1_000_000)
    told = [await offer(front.desk, f"CA{number}", CALLER, MODEL) for number in range(7)]
    assert told == [DeclineReason.SPEND] * 5 + [DeclineReason.CALLER_LIMIT] * 2
    assert await offer(front.desk, "CB1", "+14155550111", MODEL) is DeclineReason.SPEND
    assert (front.places, len(await front.state.recent_calls(0.0))) == (0, 6)


async def test_a_call_that_brings_no_stream_holds_its_callers_place_for_a_moment() -> None:
    """That they called stays counted. A repetition is one call."""
    front = FrontDesk({"CALLBRIDGE_CALLS_PER_CALLER": "1", "CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES": "2"})
    for _ in range(2):
        assert await offer(front.desk, CALL, CALLER, MODEL) is None
    assert await offer(front.desk, "CB1", CALLER, MODEL) is DeclineReason.CALLER_LIMIT
    front.wall_now += RESERVED_S
    assert await offer(front.desk, "CB2", CALLER, MODEL) is None
    front.wall_now += RESERVED_S
    assert await offer(front.desk, "CB3", CALLER, MODEL) is DeclineReason.CALLER_LIMIT


@pytest.mark.parametrize("is_shared", [True, False])
async def test_who_cannot_be_judged_in_time(is_shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that all share may have given the last place away elsewhere: the call is declined, counted
    once that can be written, and holds nothing. A disk of one's own that hesitates keeps nobody out.
    """
    monkeypatch.setattr("callbridge.server.process.taking.CLAIM_S", 0.01)
    shared = {"CALLBRIDGE_SHARED_STATE": "database", "DATABASE_URL": "postgresql://127.0.0.1/calls"}
    front = FrontDesk(shared if is_shared else {})
    front.state.is_stalled = True
    told = await offer(front.desk, CALL, CALLER, MODEL)
    assert told is (DeclineReason.STATE if is_shared else None)
    assert front.places == (not is_shared)
    assert len(await front.state.recent_calls(0.0)) == is_shared


async def test_a_state_in_trouble_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a graver reason comes first."""
    front = FrontDesk()

    async def cannot_say(*_: object) -> None:
        return None

    monkeypatch.setattr(front.state, "claim_place", cannot_say)
    front.state.told_trouble = "the database is away"
    assert await offer(front.desk, CALL, CALLER, MODEL) is DeclineReason.STATE
    front.desk.drain.begin()
    assert await offer(front.desk, "CA2", CALLER, MODEL) is DeclineReason.DRAINING
    assert front.places == 0
