"""What every `State` promises, whether it keeps a file or not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callbridge.state.memory_state import MemoryState
from callbridge.state.opening import open_state
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import BODY_BYTES_MAX, OVER, QUIET_S, CallEvent, State, StateError
from state.wall_clock import Clock

CALL = "CA" + "1" * 32
OTHER = "CA" + "2" * 32
DAY_S = 24 * 3600.0


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


async def test_what_is_too_old_is_forgotten_within_the_minute(state: State, clock: Clock) -> None:
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
        state.append("long", "stream_reported", b"{}")
        await state.flush()
        await state.events("long")  # The writer prunes after a batch: an answer proves that it did.
        return len(await state.recent_calls(0)), len(await state.spend(0)), len(await state.events("old"))

    assert await after(1 * DAY_S) == (1, 1, 2)
    assert await after(1 * DAY_S + 61) == (0, 1, 0)
    assert await after(2 * DAY_S) == (0, 1, 0)
    assert await after(2 * DAY_S + 122) == (0, 0, 0)
    assert await state.events("endless") == ()
    assert len(await state.events("long")) == 5
    assert await state.claim_token(b"a" * 32, start + 30)


DETAIL_KINDS = ("turn_ended", "caller_words_came", "remembered")


async def kinds(state: State, call_sid: str = CALL) -> list[str]:
    return [event.kind for event in await state.events(call_sid)]


@pytest.mark.parametrize("is_flushed", [True, False])
async def test_when_a_call_is_over_what_was_said_is_gone(state: State, is_flushed: bool) -> None:
    """Also what is told later, while the call still lingers; the outline stays, and other calls do."""

    async def tell(*kinds: str, call_sid: str = CALL) -> None:
        for kind in kinds:
            state.append(call_sid, kind, b"{}")
        if is_flushed:
            await state.flush()

    await tell("stream_started", "turn_ended", call_sid=OTHER)
    await tell("call_offered", "stream_started", *DETAIL_KINDS, "stream_ended")
    assert len(await state.events(CALL)) == 6
    await tell("stream_asked", OVER, *DETAIL_KINDS)
    await tell(*DETAIL_KINDS, "call_reported", OVER)
    outline = ["call_offered", "stream_started", "stream_ended", "stream_asked", OVER, "call_reported", OVER]
    assert await kinds(state) == outline
    assert await kinds(state, OTHER) == ["stream_started", "turn_ended"]
    numbers = [event.sequence for event in await state.events(CALL)]
    assert numbers == sorted(set(numbers))


async def test_a_call_that_comes_back_all_the_same_is_remembered_again(state: State) -> None:
    for kind in ("stream_started", "turn_ended", OVER, "stream_started", "remembered"):
        state.append(CALL, kind, b"{}")
        await state.flush()
    assert await kinds(state) == ["stream_started", OVER, "stream_started", "remembered"]


async def test_of_a_call_that_nobody_asks_about_again_no_words_are_left(state: State, clock: Clock) -> None:
    """Its process was killed. One that has been told of since is live."""
    for call_sid in (CALL, OTHER):
        for kind in ("stream_started", *DETAIL_KINDS):
            state.append(call_sid, kind, b"{}")
    await state.flush()
    clock.now += QUIET_S - 1
    state.append(OTHER, "turn_ended", b"{}")
    await state.flush()
    assert len(await state.events(CALL)) == 4
    clock.now += 62
    state.note_spend(clock.now, 1)
    await state.flush()
    assert await kinds(state, OTHER) == ["stream_started", *DETAIL_KINDS, "turn_ended"]
    assert await kinds(state) == ["stream_started"]


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
