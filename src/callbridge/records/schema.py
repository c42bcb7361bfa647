"""The tables of the records, one schema for SQLite and PostgreSQL.

`facts` is the only source; `calls`, `turns`, `tools` and `captures` are made of it and can be made again.
Times end in their unit: `…_at` is in seconds since 1970, `…_ms` counts from the beginning of the call. A
change here goes with a version in `migrations/`; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from callbridge.records.sealed_columns import SealedBefore, SealedBytes, SealedText

HEAD: Final = "0001"
"""The latest version in `migrations/versions`."""

VERSION_TABLE: Final = "records_version"
"""Where it stands in a database: Alembic's own name may be another program's in a database that is shared."""

tables: Final = MetaData(
    naming_convention={"pk": "%(table_name)s_pkey", "uq": "%(table_name)s_%(column_0_name)s_key"}
)

_ID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself in a column of exactly this type."""

facts: Final = Table(
    "facts",
    tables,
    Column("call_sid", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("body", SealedBefore, nullable=False),
    Index("facts_process", "process", "kind"),
    Index("facts_at", "at"),
)
"""Append-only. Its rows are JSON as `call.facts.encode` makes it, without what may not be kept."""

calls: Final = Table(
    "calls",
    tables,
    Column("call_sid", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("began_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("last_at", Double, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("direction", Text, nullable=False),
    Column("caller", SealedText, nullable=False),
    Column("caller_key", Text, nullable=False),
    Column("called", SealedText, nullable=False),
    Column("agent", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("end_reason", Text, nullable=False),
    Column("end_detail", SealedText, nullable=False),
    Column("streams", Integer, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("tools", Integer, nullable=False),
    Column("interruptions", Integer, nullable=False),
    Column("response_p50_ms", Integer),
    Column("response_p95_ms", Integer),
    Column("response_max_ms", Integer),
    Column("cost_microdollars", BigInteger, nullable=False),
    Column("call_values", SealedText, nullable=False),
    Column("outgrown_at", Double),
    Column("wordless_at", Double),
    Index("calls_began_at", "began_at"),
    Index("calls_caller_key", "caller_key", "began_at"),
    Index("calls_agent", "agent", "began_at"),
    Index("calls_state", "state", "began_at"),
)
"""One row per call. `last_at`: when its latest fact was noted. No projections are `outgrown_at`: when what
follows an end, once, was begun; and `wordless_at`: when its words were deleted."""

turns: Final = Table(
    "turns",
    tables,
    Column("call_sid", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("caller", SealedText),
    Column("agent", SealedText, nullable=False),
    Column("heard", SealedText, nullable=False),
    Column("keys", SealedText, nullable=False),
    Column("was_interrupted", Boolean, nullable=False),
    Column("barge_in_ms", Integer),
    Column("response_ms", Integer),
    Column("ours_ms", Integer),
)
"""`agent` is all that was to be said, `heard` what the caller heard of it."""

tools: Final = Table(
    "tools",
    tables,
    Column("call_sid", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("turn", Integer, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("arguments", SealedText, nullable=False),
    Column("result", SealedText, nullable=False),
    Column("is_ours", Boolean, nullable=False),
    Index("tools_name", "name", "outcome"),
)

captures: Final = Table(
    "captures",
    tables,
    Column("call_sid", Text, primary_key=True),
    Column("form", Text, primary_key=True),
    Column("data", SealedText, nullable=False),
)

deliveries: Final = Table(
    "deliveries",
    tables,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False),
    Column("webhook", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("call_sid", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("content", SealedText, nullable=False),
    Column("state", Text, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("lease", Text, nullable=False),
    Column("leased_until", Double, nullable=False),
    Column("last_code", Integer),
    Column("last_error", SealedText, nullable=False),
    Column("settled_at", Double),
    Column("attempts", SealedText, nullable=False),
    UniqueConstraint("event_id", "webhook", name="deliveries_once"),
    Index("deliveries_due", "webhook", "state", "due_at"),
    Index("deliveries_of_call", "call_sid", "webhook", "id"),
)
"""The outbox: what is to be told to whom, and whether it was."""

stopped_webhooks: Final = Table(
    "stopped_webhooks",
    tables,
    Column("webhook", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("stopped_at", Double, nullable=False),
)
"""Who wants to be told nothing more."""

analyses: Final = Table(
    "analyses",
    tables,
    Column("call_sid", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("leased_until", Double),
    Column("done_at", Double),
    Column("model", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("analyses_due", "state", "due_at"),
)
"""Which calls a text model is to look at. What it found is a fact of the call."""

raw_events: Final = Table(
    "raw_events",
    tables,
    Column("call_sid", Text, primary_key=True),
    Column("stream_sid", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("body", SealedBytes, nullable=False),
    Index("raw_events_at", "at"),
)

processes: Final = Table(
    "processes",
    tables,
    Column("process", Text, primary_key=True),
    Column("began_at", Double, nullable=False),
    Column("renewed_at", Double, nullable=False),
    Column("renewals", BigInteger, nullable=False),
    Column("ended_at", Double),
    Column("is_settled", Boolean, nullable=False),
    Index("processes_is_settled", "is_settled"),
)
"""Who has calls. `is_settled`: it is gone, and so are all streams that it had."""
