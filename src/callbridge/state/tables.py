"""The tables of the state, in a file or in PostgreSQL."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
)

from callbridge.state.state import DETAILS

tables = MetaData()

schema_version = Table("schema_version", tables, Column("version", Integer, nullable=False))

call_events = Table(
    "call_events",
    tables,
    Column("call_sid", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("call_events_at", "at"),
)

IS_DETAIL = call_events.c.kind.in_([literal_column(f"'{kind}'") for kind in sorted(DETAILS)])
"""What was said. Not by parameters, or SQLite could not know that the next index has all of these."""

details_index = Index(
    "call_events_words", call_events.c.at, sqlite_where=IS_DETAIL, postgresql_where=IS_DETAIL
)
"""What is looked for every minute, among the many outlines of a day."""

used_tokens = Table(
    "used_tokens",
    tables,
    Column("digest", LargeBinary, primary_key=True),
    Column("expires_at", Float, nullable=False),
    Column("claimed_by", Text, nullable=False, server_default=""),
)

caller_notes = Table(
    "caller_notes",
    tables,
    Column("at", Float, nullable=False),
    Column("caller_key", Text, nullable=False),
    Column("call_sid", Text, nullable=False, server_default=""),
    Index("caller_notes_at", "at"),
    Index("caller_notes_caller", "caller_key", "at"),
    Index("caller_notes_call", "call_sid"),
)

spend_notes = Table(
    "spend_notes",
    tables,
    Column("at", Float, nullable=False),
    Column("microdollars", BigInteger, nullable=False),
    Column("process", Text, nullable=False, server_default=""),
    Column("number", BigInteger, nullable=False, server_default="0"),
    Index("spend_notes_at", "at"),
    Index("spend_notes_process", "process", "number"),
)

places = Table(
    "places",
    tables,
    Column("call_sid", Text, primary_key=True),
    Column("caller_key", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("carried_since", Float, nullable=False),
    Column("is_carried", Boolean, nullable=False),
    Column("reserved_until", Float, nullable=False),
    Index("places_caller", "caller_key"),
    Index("places_process", "process"),
)
"""Live calls; `carried_since` says when one was last taken up by a process."""

leases = Table(
    "leases",
    tables,
    Column("process", Text, primary_key=True),
    Column("renewed_at", Float, nullable=False),
    Column("is_leaving", Boolean, nullable=False),
)
"""Processes that are alive, or were a moment ago."""

mailbox = Table(
    "mailbox",
    tables,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("for_process", Text, nullable=False),
    Column("call_sid", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("mailbox_process", "for_process", "id"),
    sqlite_autoincrement=True,  # Whoever has taken a message knows it by its number.
)
"""What processes tell each other; empty `call_sid` for what all are told."""

caller_records = Table(
    "caller_records",
    tables,
    Column("caller_key", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("going_on", LargeBinary, nullable=False),
    Index("caller_records_at", "at"),
)

text_notes = Table(
    "text_notes",
    tables,
    Column("caller_key", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("shelf", Text, nullable=False),
    Column("words", Text, nullable=False),
    Index("text_notes_caller", "caller_key", "at"),
)

batches = Table(
    "batches",
    tables,
    Column("process", Text, primary_key=True),
    Column("through", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
)
"""Of each process, up to which of its writes all is written: whoever lost the connection while it committed
reads it there."""

journal = Table(
    "journal",
    tables,
    Column("place", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("process", Text, nullable=False),
    Column("call_sid", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("is_essential", Boolean, nullable=False),
    sqlite_autoincrement=True,  # A place that was dropped would be given again, and be behind the reader.
)

SHARED = [table for table in tables.sorted_tables if table is not journal]
"""What PostgreSQL has of them: the journal is a machine's own."""
