"""What every `State` promises of callers: one record each, for a time, and none when they are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.state.callers import CALLERS_IN_MEMORY_MAX, GOES_ON_WITHIN_S, RECORD_BYTES_MAX, CallerRecord
from callbridge.state.forgetting import forget_in_file
from callbridge.state.memory_state import MemoryState
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import PRUNE_EVERY_S, Retention
from state.wall_clock import BEGAN, Clock, text_in

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.state.state import State

KEPT = Retention(callers_s=1000.0)
KEY, AGENT = "f00d" * 16, "shop"


@pytest.fixture
def kept() -> Retention:
    return KEPT


def record(body: bytes = b"body", at: float = BEGAN, going_on: bytes = b"") -> CallerRecord:
    return CallerRecord(at, body, going_on)


@pytest.mark.parametrize("is_flushed", [True, False])
async def test_the_last_record_of_a_caller_and_an_agent_stands(state: State, *, is_flushed: bool) -> None:
    """Also while it waits to be written. A name that UTF-8 cannot write holds nothing up."""
    for agent, body in ((AGENT, b"first"), ("other", b"another"), (AGENT, b"second"), ("\ud800", b"odd")):
        state.remember(KEY, agent, record(body))
        if is_flushed:
            assert await state.flush()
    found = [await state.recall(KEY, agent, BEGAN) for agent in (AGENT, "other", "nobody")]
    assert found == [record(b"second"), record(b"another"), None]
    assert await state.recall("another caller", AGENT, BEGAN) is None
    state.forget(KEY)
    assert [await state.recall(KEY, agent, BEGAN) for agent in (AGENT, "other")] == [None, None]
    state.remember(KEY, AGENT, record(b"third"))
    assert await state.recall(KEY, AGENT, BEGAN) == record(b"third")


@pytest.mark.parametrize("is_pruned", [True, False])
async def test_what_it_takes_to_go_on_is_kept_for_ten_minutes_and_the_rest_for_its_time(
    state: State, clock: Clock, *, is_pruned: bool
) -> None:
    """To the second, whenever it is pruned."""
    whole = record(going_on=b"facts")
    state.remember(KEY, AGENT, whole)
    ages = {GOES_ON_WITHIN_S - 1: whole, GOES_ON_WITHIN_S: record(), 999.0: record(), 1000.0: None}
    for age_s, expected in ages.items():
        if is_pruned:
            clock.now = BEGAN + age_s
            state.note_call("somebody else", clock.now)
            await state.flush()
        assert await state.recall(KEY, AGENT, BEGAN + age_s) == expected


async def test_a_clock_that_was_set_back_loses_nothing(state: State) -> None:
    state.remember(KEY, AGENT, record(at=BEGAN + 60))
    assert await state.recall(KEY, AGENT, BEGAN) is not None


async def test_a_record_has_a_bound(tmp_path: Path) -> None:
    """One above it is a mistake of ours."""
    state = SqliteState(tmp_path / "state.db", Clock(), KEPT)
    with pytest.raises(AssertionError):
        state.remember(KEY, AGENT, record(b"x" * (RECORD_BYTES_MAX + 1)))
    await state.close()


async def test_without_a_file_the_oldest_callers_make_room() -> None:
    state = MemoryState(Clock(), KEPT)
    for number in range(CALLERS_IN_MEMORY_MAX):
        state.remember(str(number), AGENT, record())
    state.remember("0", AGENT, record())
    state.remember("one more", AGENT, record())
    found = {key: await state.recall(key, AGENT, BEGAN) for key in ("0", "1", "2", "one more")}
    assert [key for key, known in found.items() if known is None] == ["1"]


# --- The file -----------------------------------------------------------------------------------------


async def test_of_what_was_deleted_no_byte_is_left(tmp_path: Path, clock: Clock) -> None:
    """Neither of what it took to go on, nor of a record that another one has replaced or that is too old."""
    state = SqliteState(tmp_path / "state.db", clock, KEPT)
    state.remember(KEY, AGENT, record(b"first words", going_on=b"first facts"))
    await state.flush()
    state.remember(KEY, AGENT, record(b"second words", going_on=b"second facts"))
    await state.flush()

    async def left_after(age_s: float) -> set[bytes]:
        """What is left when the next prune is over."""
        clock.now = BEGAN + age_s
        state.note_spend(clock.now, 1)
        assert await state.flush()
        assert await state.spend(clock.now)  # Answered behind the prune.
        words = (b"first words", b"first facts", b"second words", b"second facts")
        return {text for text in words if text in text_in(tmp_path)}

    assert await left_after(PRUNE_EVERY_S) == {b"second words", b"second facts"}
    assert await left_after(GOES_ON_WITHIN_S) == {b"second words"}
    assert await left_after(1000.0) == set()
    await state.close()


async def test_a_caller_is_forgotten_beside_a_control_client(tmp_path: Path, clock: Clock) -> None:
    """At once, in all bytes of its files; the service goes on writing, and knows them no more."""
    path = tmp_path / "state.db"
    state = SqliteState(path, clock, KEPT)
    for agent in (AGENT, "other"):
        state.remember(KEY, agent, record(b"secret words", going_on=b"secret facts"))
    state.remember("another caller", AGENT, record(b"kept words"))
    assert await state.flush()
    assert b"secret words" in text_in(tmp_path)
    assert forget_in_file(path, KEY) == (2, True)
    assert b"secret" not in text_in(tmp_path)
    assert b"kept words" in text_in(tmp_path)
    assert await state.recall(KEY, AGENT, BEGAN) is None
    assert forget_in_file(path, KEY) == (0, True)
    state.remember(KEY, AGENT, record(b"new words"))
    assert await state.flush()
    assert state.trouble is None
    await state.close()
