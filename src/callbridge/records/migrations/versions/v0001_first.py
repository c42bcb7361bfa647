"""The first version: all tables, as a new database gets them."""

from __future__ import annotations

from alembic import op

from callbridge.records.schema import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes them."""
    tables.create_all(op.get_bind())
