"""The statements, as far as the contract of a state does not reach: pruning in portions, numbers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from callbridge.state.sqlite_file import open_file, writing
from callbridge.state.sqlite_rows import CALLS_PRUNED_MAX, prune, stored_events, write_batch
from callbridge.state.state import CALL_KEPT_S
from callbridge.state.writes import EventWrite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with contextlib.closing(open_file(tmp_path / "state.db")) as opened:
        yield opened


def event(call_sid: str, at: float = 1.0) -> EventWrite:
    return EventWrite(call_sid, "turn_ended", at, b"{}")


def test_much_that_is_old_is_deleted_in_portions(connection: Connection) -> None:
    """Nobody waits long for the write lock."""
    with writing(connection):
        write_batch(
            connection, [event(f"CA{number}") for number in range(CALLS_PRUNED_MAX + 1) for _ in "ab"]
        )
        write_batch(connection, [event("young", 10.0)])
        assert prune(connection, CALL_KEPT_S + 5.0)
        assert not prune(connection, CALL_KEPT_S + 5.0)
    left = connection.exec_driver_sql("SELECT call_sid FROM call_events").scalars().all()
    assert left == ["young"]


def test_a_call_is_kept_whole_as_long_as_it_is_kept(connection: Connection) -> None:
    with writing(connection):
        write_batch(connection, [event("CA", 1.0), event("CA", 10.0)])
        prune(connection, CALL_KEPT_S + 5.0)
    assert len(stored_events(connection, "CA")) == 2


def test_numbers_go_on_from_batch_to_batch_for_every_call(connection: Connection) -> None:
    for _ in range(3):
        with writing(connection):
            write_batch(connection, [event("one"), event("two"), event("one")])
    assert [found.sequence for found in stored_events(connection, "one")] == [1, 2, 3, 4, 5, 6]
    assert [found.sequence for found in stored_events(connection, "two")] == [1, 2, 3]
