"""A phone number answered by a realtime voice model.

What users import: to write an agent, and to serve its calls in a program of their own. Everything else is
reached through the `callbridge` command.

Each name is imported when it is asked for: an agent's module needs nothing of the server, which takes half a
second, and pytest, which loads the plugin of `callbridge.testing` in every run, needs neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from callbridge.agents.guardrails.guardrail import Guardrail, ToolGuardrail, guardrail, tool_guardrail
    from callbridge.agents.handoffs.handoff import Handoff
    from callbridge.agents.mcp.servers import McpServer
    from callbridge.agents.recording.recording import Recording
    from callbridge.agents.texting.texts import Texts
    from callbridge.agents.tools.of_steps import tool
    from callbridge.agents.tools.tool import EndCall, HandTo, ToolRefused, Transfer
    from callbridge.agents.transfers.destination import Destination, by
    from callbridge.agents.transfers.result import TransferResult
    from callbridge.call.outcomes import TextOutcome, TransferOutcome
    from callbridge.observe.feed import FeedEnded, LiveFact, LiveWords, ProcessLeaves, Subscription
    from callbridge.records.outbox.requests import WebhookRequest
    from callbridge.records.story import CallStory
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
    "Guardrail",
    "HandTo",
    "Handoff",
    "Line",
    "LiveFact",
    "LiveWords",
    "McpServer",
    "ProcessLeaves",
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
    "ToolGuardrail",
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
    "guardrail",
    "key",
    "read_settings",
    "refused",
    "serving",
    "tool",
    "tool_guardrail",
    "unreached",
    "visited",
]

_WHERE = {
    "agents.agent": ("Agent",),
    "agents.analysis": ("Analysis",),
    "agents.capture": ("Form",),
    "agents.choosing.choice": ("Roster",),
    "agents.context": ("Call", "Caller", "CallerKind", "Line", "Spoken"),
    "agents.detection": ("SemanticVad", "ServerVad"),
    "agents.earlier": ("Earlier", "Reply"),
    "agents.fault": ("AgentFault",),
    "agents.flow.checking": ("FlowFault",),
    "agents.flow.flow": ("Flow",),
    "agents.flow.steps": ("Step",),
    "agents.flow.transitions": (
        "answered",
        "asked",
        "captured",
        "confidence",
        "failed",
        "key",
        "refused",
        "unreached",
        "visited",
    ),
    "agents.guardrails.guardrail": ("Guardrail", "ToolGuardrail", "guardrail", "tool_guardrail"),
    "agents.handoffs.handoff": ("Handoff",),
    "agents.mcp.servers": ("McpServer",),
    "agents.recording.recording": ("Recording",),
    "agents.texting.texts": ("Texts",),
    "agents.tools.of_steps": ("tool",),
    "agents.tools.tool": ("EndCall", "HandTo", "ToolRefused", "Transfer"),
    "agents.transfers.destination": ("Destination", "by"),
    "agents.transfers.result": ("TransferResult",),
    "call.outcomes": ("TextOutcome", "TransferOutcome"),
    "observe.feed": ("FeedEnded", "LiveFact", "LiveWords", "ProcessLeaves", "Subscription"),
    "records.outbox.requests": ("WebhookRequest",),
    "records.story": ("CallStory",),
    "server.config.settings": ("read_settings",),
    "server.http.app": ("create_app", "follow", "serving"),
}
"""In which module of the package each name stands."""


def __getattr__(name: str) -> object:
    for module, names in _WHERE.items():
        if name in names:
            found: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found  # Asked for again, it is simply there.
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
