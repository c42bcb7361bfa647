"""The first version: all tables as they were when callbridge was first released. Never changed any more."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes them."""
    _analyses()
    _calls()
    _captures()
    _deliveries()
    _facts()
    _processes()
    _raw_events()
    _stopped_webhooks()
    _tools()
    _turns()


def _analyses() -> None:
    op.create_table(
        "analyses",
        sa.Column("call_sid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("leased_until", sa.Double(), nullable=True),
        sa.Column("done_at", sa.Double(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_sid", name=op.f("analyses_pkey")),
    )
    op.create_index("analyses_due", "analyses", ["state", "due_at"])


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("call_sid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("began_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("caller_key", sa.Text(), nullable=False),
        sa.Column("called", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("end_reason", sa.Text(), nullable=False),
        sa.Column("end_detail", sa.Text(), nullable=False),
        sa.Column("streams", sa.Integer(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("tools", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("response_p50_ms", sa.Integer(), nullable=True),
        sa.Column("response_p95_ms", sa.Integer(), nullable=True),
        sa.Column("response_max_ms", sa.Integer(), nullable=True),
        sa.Column("cost_microdollars", sa.BigInteger(), nullable=False),
        sa.Column("call_values", sa.Text(), nullable=False),
        sa.Column("outgrown_at", sa.Double(), nullable=True),
        sa.Column("wordless_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("call_sid", name=op.f("calls_pkey")),
    )
    op.create_index("calls_agent", "calls", ["agent", "began_at"])
    op.create_index("calls_began_at", "calls", ["began_at"])
    op.create_index("calls_caller_key", "calls", ["caller_key", "began_at"])
    op.create_index("calls_state", "calls", ["state", "began_at"])


def _captures() -> None:
    op.create_table(
        "captures",
        sa.Column("call_sid", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_sid", "form", name=op.f("captures_pkey")),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("webhook", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("call_sid", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("leased_until", sa.Double(), nullable=False),
        sa.Column("last_code", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.Double(), nullable=True),
        sa.Column("attempts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("deliveries_pkey")),
        sa.UniqueConstraint("event_id", "webhook", name="deliveries_once"),
    )
    op.create_index("deliveries_due", "deliveries", ["webhook", "state", "due_at"])
    op.create_index("deliveries_of_call", "deliveries", ["call_sid", "webhook", "id"])


def _facts() -> None:
    op.create_table(
        "facts",
        sa.Column("call_sid", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_sid", "source", "number", name=op.f("facts_pkey")),
    )
    op.create_index("facts_at", "facts", ["at"])
    op.create_index("facts_process", "facts", ["process", "kind"])


def _processes() -> None:
    op.create_table(
        "processes",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("began_at", sa.Double(), nullable=False),
        sa.Column("renewed_at", sa.Double(), nullable=False),
        sa.Column("renewals", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("processes_pkey")),
    )
    op.create_index("processes_is_settled", "processes", ["is_settled"])


def _raw_events() -> None:
    op.create_table(
        "raw_events",
        sa.Column("call_sid", sa.Text(), nullable=False),
        sa.Column("stream_sid", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("call_sid", "stream_sid", "number", name=op.f("raw_events_pkey")),
    )
    op.create_index("raw_events_at", "raw_events", ["at"])


def _stopped_webhooks() -> None:
    op.create_table(
        "stopped_webhooks",
        sa.Column("webhook", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("stopped_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("webhook", name=op.f("stopped_webhooks_pkey")),
    )


def _tools() -> None:
    op.create_table(
        "tools",
        sa.Column("call_sid", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("is_ours", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("call_sid", "position", name=op.f("tools_pkey")),
    )
    op.create_index("tools_name", "tools", ["name", "outcome"])


def _turns() -> None:
    op.create_table(
        "turns",
        sa.Column("call_sid", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("heard", sa.Text(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("was_interrupted", sa.Boolean(), nullable=False),
        sa.Column("barge_in_ms", sa.Integer(), nullable=True),
        sa.Column("response_ms", sa.Integer(), nullable=True),
        sa.Column("ours_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("call_sid", "number", name=op.f("turns_pkey")),
    )
