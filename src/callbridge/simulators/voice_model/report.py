"""What a session came to, for who reads JSON: the words of both sides, tools with arguments and results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.simulators.voice_model.conversation import Item
    from callbridge.simulators.voice_model.journal import Journal


class Words(msgspec.Struct, frozen=True):
    """One message."""

    role: str
    """`system`, `user` or `assistant`."""
    text: str
    """Of the assistant: all that was said, also what was not heard."""
    truncated_at_ms: int | None
    """Where the bridge has cut it."""
    is_deleted: bool


class ToolCall(msgspec.Struct, frozen=True):
    """A tool that the model asked for."""

    name: str
    arguments: str
    output: str | None
    """What it was answered; None when it was not."""


class SessionReport(msgspec.Struct, frozen=True):
    """One session."""

    session_id: str
    model: str
    ended: str
    words: list[Words]
    """In the order of the conversation."""
    tools: list[ToolCall]
    refused: list[str]
    """Events of the client that were answered with an error."""


def session_reports(journals: Iterable[Journal]) -> list[SessionReport]:
    """The reports of these sessions, in their order."""
    return [_report(journal) for journal in journals]


def _report(journal: Journal) -> SessionReport:
    items = journal.items.values()
    outputs = {
        item.fields["call_id"]: item.fields.get("output")
        for item in items
        if item.type == "function_call_output"
    }
    return SessionReport(
        session_id=journal.session_id,
        model=journal.model,
        ended=journal.ended,
        words=[_words(item) for item in items if item.type == "message"],
        tools=[
            ToolCall(
                item.fields.get("name", ""),
                item.fields.get("arguments", ""),
                outputs.get(item.fields.get("call_id")),
            )
            for item in items
            if item.type == "function_call"
        ],
        refused=[f"{refusal.code}: {refusal.message}" for refusal in journal.refusals],
    )


def _words(item: Item) -> Words:
    return Words(item.role, item.transcript, item.truncated_at_ms, item.deleted)
