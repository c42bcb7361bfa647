"""A phone number answered by a realtime voice model.

What users import: to write an agent, and to serve its calls in a program of their own. Everything else is
reached through the `callbridge` command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.agents.agent import Agent
from callbridge.agents.analysis import Analysis
from callbridge.agents.capture import Form
from callbridge.agents.choosing.choice import Roster
from callbridge.agents.context import Call, Caller, CallerKind, Line, Spoken
from callbridge.agents.detection import SemanticVad, ServerVad
from callbridge.agents.earlier import Earlier, Reply
from callbridge.agents.fault import AgentFault
from callbridge.agents.flow.checking import FlowFault
from callbridge.agents.flow.flow import Flow
from callbridge.agents.flow.steps import Step
from callbridge.agents.flow.transitions import (
    answered,
    asked,
    captured,
    confidence,
    failed,
    key,
    refused,
    unreached,
    visited,
)
from callbridge.agents.recording.recording import Recording
from callbridge.agents.texting.texts import Texts
from callbridge.agents.tools.of_steps import tool
from callbridge.agents.tools.tool import EndCall, ToolRefused, Transfer
from callbridge.agents.transfers.destination import Destination, by
from callbridge.agents.transfers.result import TransferResult
from callbridge.call.outcomes import TextOutcome, TransferOutcome
from callbridge.observe.feed import FeedEnded, LiveFact, LiveWords, Subscription
from callbridge.records.outbox.requests import WebhookRequest
from callbridge.records.story import CallStory

if TYPE_CHECKING:
    from callbridge.server.config.settings import read_settings
    from callbridge.server.http.app import create_app, follow, serving

__all__ = [
    "Agent",
    "AgentFault",
    "Analysis",
    "Call",
    "CallStory",
    "Caller",
    "CallerKind",
    "Destination",
    "Earlier",
    "EndCall",
    "FeedEnded",
    "Flow",
    "FlowFault",
    "Form",
    "Line",
    "LiveFact",
    "LiveWords",
    "Recording",
    "Reply",
    "Roster",
    "SemanticVad",
    "ServerVad",
    "Spoken",
    "Step",
    "Subscription",
    "TextOutcome",
    "Texts",
    "ToolRefused",
    "Transfer",
    "TransferOutcome",
    "TransferResult",
    "WebhookRequest",
    "answered",
    "asked",
    "by",
    "captured",
    "confidence",
    "create_app",
    "failed",
    "follow",
    "key",
    "read_settings",
    "refused",
    "serving",
    "tool",
    "unreached",
    "visited",
]


def __getattr__(name: str) -> object:
    """What brings the server along is imported when it is asked for: an agent's module needs none of it."""
    # Half a second, of FastAPI and pydantic most of it.
    if name == "read_settings":
        from callbridge.server.config.settings import read_settings  # noqa: PLC0415 - see above

        return read_settings
    if name in {"create_app", "follow", "serving"}:
        from callbridge.server.http import app  # noqa: PLC0415 - see above

        found: object = getattr(app, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
