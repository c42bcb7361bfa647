"""What every `State` promises, whether it keeps a file or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callbridge.state.memory_state import MemoryState
from callbridge.state.opening import open_state
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import BODY_BYTES_MAX, CallEvent, State, StateError

CALL = "CA" + "1" * 32
OTHER = "CA" + "2" * 32
DAY_S = 24 * 3600.0


class Clock:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def state(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[State]:
    made: State = MemoryState(clock) if request.param == "memory" else SqliteState(tmp_path / "s.db", clock)
    yield made
    await made.close()


async def test_events_come_back_in_order_numbered_from_one(state: State, clock: Clock) -> None:
    for number in range(5):
        clock.now += 1
        state.append(CALL, f"kind-{number}", b'{"n":%d}' % number)
        state.append(OTHER, "stream_started", b"{}")
    events = await state.events(CALL)
    assert events == tuple(
        CallEvent(number + 1, clock.now - 4 + number, f"kind-{number}", b'{"n":%d}' % number)
        for number in range(5)
    )


async def test_numbers_go_on_after_a_flush(state: State) -> None:
    state.append(CALL, "stream_started", b"1")
    await state.flush()
    assert (state.trouble, state.events_shed) == (None, 0)
    state.append(CALL, "stream_ended", b"2")
    assert [(event.sequence, event.body) for event in await state.events(CALL)] == [(1, b"1"), (2, b"2")]


async def test_an_unknown_call_has_no_events(state: State) -> None:
    assert await state.events(CALL) == ()
    assert await state.recent_calls(0) == ()
    assert await state.spend(0) == ()


async def test_bodies_are_kept_byte_for_byte(state: State) -> None:
    bodies = [b"", b"\x00\xff", '"grüß"'.encode(), b"x" * BODY_BYTES_MAX]
    for body in bodies:
        state.append(CALL, "turn_ended", body)
    await state.flush()
    assert [event.body for event in await state.events(CALL)] == bodies
    with pytest.raises(AssertionError):
        state.append(CALL, "turn_ended", b"x" * (BODY_BYTES_MAX + 1))


async def test_names_that_utf_8_cannot_write_hold_nothing_up(state: State) -> None:
    state.append("CA\ud800", "stream_started", b"1")
    state.append("CA\x00", "stream_started", b"2")
    state.note_call("\udcff", 1.0)
    state.append(CALL, "stream_started", b"3")
    await state.flush()
    assert state.trouble is None
    assert [event.body for event in await state.events("CA\ud800")] == [b"1"]
    assert [event.body for event in await state.events("CA\x00")] == [b"2"]
    assert len(await state.events(CALL)) == len(await state.recent_calls(0)) == 1


async def test_of_many_who_show_a_token_the_first_has_it(state: State, clock: Clock) -> None:
    """At once or later; another token is another matter."""
    claims = [state.claim_token(b"a" * 32, clock.now + 30) for _ in range(20)]
    assert await asyncio.gather(*claims) == [True] + [False] * 19
    assert not await state.claim_token(b"a" * 32, clock.now + 30)
    assert await state.claim_token(b"b" * 32, clock.now + 30)


async def test_a_used_token_stays_used_for_a_while_after_it_expired(state: State, clock: Clock) -> None:
    assert await state.claim_token(b"a" * 32, clock.now + 30)
    clock.now += 3600
    assert not await state.claim_token(b"a" * 32, clock.now - 3570)


async def test_callers_come_back_from_a_moment_on_oldest_first(state: State, clock: Clock) -> None:
    state.note_call("late", clock.now - 1)
    state.note_call("early", clock.now - 3)
    state.note_call("late", clock.now - 1)
    await state.flush()
    state.note_call("middle", clock.now - 2)
    assert await state.recent_calls(clock.now - 2) == (
        ("middle", clock.now - 2), ("late", clock.now - 1), ("late", clock.now - 1),
    )  # fmt: skip
    assert len(await state.recent_calls(0)) == 4


async def test_spend_comes_back_from_a_moment_on_oldest_first(state: State, clock: Clock) -> None:
    state.note_spend(clock.now - 1, 2**63 - 1)
    state.note_spend(clock.now - 3, 7)
    await state.flush()
    state.note_spend(clock.now - 2, -5)
    assert await state.spend(clock.now - 2) == ((clock.now - 2, -5), (clock.now - 1, 2**63 - 1))
    assert len(await state.spend(0)) == 3


@pytest.mark.parametrize("at", [float("nan"), float("inf")])
async def test_notes_have_a_time_and_a_size_that_can_be_kept(state: State, at: float) -> None:
    """One that no column holds would be tried again for ever."""
    with pytest.raises(AssertionError):
        state.note_call("caller", at)
    with pytest.raises(AssertionError):
        state.note_spend(at, 1)
    with pytest.raises(AssertionError):
        state.note_spend(1.0, 2**63)


async def test_what_is_too_old_is_forgotten_within_the_hour(state: State, clock: Clock) -> None:
    start = clock.now
    state.append("old", "stream_started", b"{}")
    state.append("old", "stream_ended", b"{}")
    state.append("endless", "stream_started", b"{}")
    state.append("long", "stream_started", b"{}")
    state.note_call("caller", start)
    state.note_spend(start, 1)
    await state.claim_token(b"a" * 32, start + 30)
    await state.flush()

    async def after(passed_s: float) -> tuple[int, int, int]:
        clock.now = start + passed_s
        state.append("long", "turn_ended", b"{}")
        await state.flush()
        await state.events("long")  # The writer prunes after a batch: an answer proves that it did.
        return len(await state.recent_calls(0)), len(await state.spend(0)), len(await state.events("old"))

    assert await after(1 * DAY_S) == (1, 1, 2)
    assert await after(1 * DAY_S + 3601) == (0, 1, 2)
    assert await after(2 * DAY_S + 7300) == (0, 0, 2)
    assert await after(7 * DAY_S) == (0, 0, 2)
    assert await after(7 * DAY_S + 3601) == (0, 0, 0)
    assert await state.events("endless") == ()
    assert len(await state.events("long")) == 6
    assert await state.claim_token(b"a" * 32, start + 30)


async def test_it_may_be_closed_twice_and_told_more(state: State) -> None:
    """The end of a process is untidy; nothing in it may raise."""
    await state.close()
    await state.close()
    state.append(CALL, "stream_ended", b"{}")
    state.note_call("caller", 1.0)
    assert [event.kind for event in await state.events(CALL)] == ["stream_ended"]
    assert await state.claim_token(b"a" * 32, 2e9)
    await state.flush()


async def test_a_path_chooses_the_file_and_none_memory(tmp_path: Path) -> None:
    assert isinstance(open_state(None), MemoryState)
    state = open_state(tmp_path / "state.db")
    assert isinstance(state, SqliteState)
    await state.close()
    assert (tmp_path / "state.db").exists()
    with pytest.raises(StateError):
        open_state(tmp_path)
