"""What Alembic runs first: it migrates over the connection that `migrating` hands it, in its transaction."""

from __future__ import annotations

from alembic import context

from callbridge.records.schema import VERSION_TABLE, tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables,
    version_table=VERSION_TABLE,
    # SQLite cannot change a column: Alembic makes the table anew and copies it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
