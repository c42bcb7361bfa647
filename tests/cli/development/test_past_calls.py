"""The calls on record, as pages ask for them; a database that cannot answer is told, and no fault."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from callbridge.cli.development.past_calls import RecordedCalls
from callbridge.console.sources import SourceError
from callbridge.records.call_list import Filter
from callbridge.records.database import Database
from callbridge.records.migrating import migrate

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_database_is_asked_in_a_thread(tmp_path: Path) -> None:
    with contextlib.closing(Database(f"sqlite:///{tmp_path / 'records.db'}")) as database:
        migrate(database)
        past = RecordedCalls(database)
        assert await past.calls(Filter()) == []
        assert await past.story("CAnone") is None


async def test_tables_that_are_not_there_are_told(tmp_path: Path) -> None:
    empty = contextlib.closing(Database(f"sqlite:///{tmp_path / 'empty.db'}"))
    with empty as database, pytest.raises(SourceError, match=r".+"):
        await RecordedCalls(database).calls(Filter())
