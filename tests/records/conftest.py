"""Each database there may be, for what both promise; with PostgreSQL in the heavy run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.records.database import Database
from callbridge.records.migrating import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.heavy)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/records.db"
        return
    made: str = request.getfixturevalue("postgres_database")
    yield made


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with all tables."""
    made = Database(database_url)
    migrate(made)
    yield made
    made.close()
