"""MCP servers of a session: what they list, calls that end after their response, and approvals."""

from __future__ import annotations

from typing import Any

import pytest

from callbridge.simulators.voice_model import Answer, McpCall, McpListing
from model_driver import Event, ModelClient, scripted

TILL = {"server_label": "till", "server_url": "https://till.example"}
STOCK = McpCall(
    server="till", name="stock", arguments={"bread": "rye"}, output='{"loaves": 12}', takes_ms=2000
)


def connected(*answers: Answer, approval: Any = "never", **listing: Any) -> ModelClient:
    """A session with a server, which has answered."""
    script = scripted(*answers, mcp=(McpListing(label="till", tools=("stock",), **listing),))
    client = ModelClient(script)
    till = {"type": "mcp", **TILL}
    tools = [till if approval is None else till | {"require_approval": approval}]
    client.send("session.update", session={"type": "realtime", "tools": tools})
    client.run(1)
    return client


def kinds(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def test_a_call_ends_after_its_response_and_nobody_goes_on() -> None:
    client = connected(Answer(mcp=(STOCK,)))
    events = client.respond(1.5)
    assert kinds(events)[-2:] == ["response.done", "rate_limits.updated"]
    asked = next(event for event in events if event["type"] == "response.mcp_call_arguments.done")
    assert asked["arguments"] == '{"bread":"rye"}'
    ended = client.run(10)
    assert kinds(ended) == [
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
    ]
    assert ended[1]["item"]["output"] == '{"loaves": 12}'
    assert client.session.journal.memory == ['tool stock({"bread":"rye"}): {"loaves": 12}']


def test_a_call_that_fails_says_why() -> None:
    client = connected(Answer(mcp=(McpCall(server="till", name="stock", error="shut"),)))
    client.respond(0.5)
    failed, item, _ = client.run(3)[-3:]
    assert failed["type"] == "response.mcp_call.failed"
    assert item["item"]["error"] == {"type": "tool_execution_error", "message": "shut"}


def test_a_list_that_fails_has_no_tools() -> None:
    client = connected(Answer(mcp=(STOCK,)), Answer(say=("Hm.",)), fails=True)
    events = client.respond(5)
    assert "response.mcp_call.in_progress" not in kinds(events)
    assert any("till.stock" in note.text for note in client.session.journal.notes if note.kind == "left_out")


@pytest.mark.parametrize("approval", [None, "always", {"always": {"tool_names": ["stock"]}}])
def test_a_call_waits_for_an_approval(approval: Any) -> None:
    """Without a word of the client's about approvals all of them do."""
    client = connected(Answer(mcp=(STOCK,)), approval=approval)
    events = client.respond(3)
    assert "response.mcp_call.in_progress" not in kinds(events)
    call, request = events[-2]["response"]["output"]
    assert (call["type"], call["output"], call["approval_request_id"]) == ("mcp_call", None, None)
    assert (request["type"], request["name"]) == ("mcp_approval_request", "stock")
    assert request["arguments"] == call["arguments"] == '{"bread":"rye"}'
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    client.send("conversation.item.create", item=answer)
    ran = client.run(3)
    assert kinds(ran) == [
        *("response.mcp_call.in_progress", "response.mcp_call.completed"),
        *("conversation.item.done", "response.output_item.done"),
    ]
    assert {event["item_id"] for event in ran[:2]} == {call["id"]}
    assert (ran[2]["item"]["id"], ran[2]["item"]["approval_request_id"]) == (call["id"], request["id"])
    again = client.send("conversation.item.create", item=answer)
    assert again[0]["error"]["code"] == "item_not_found"


def test_what_is_refused_is_not_run() -> None:
    client = connected(Answer(mcp=(STOCK,)), approval="always")
    (request,) = (
        event["item"] for event in client.respond(3) if event["type"] == "response.output_item.done"
    )
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": False}
    client.send("conversation.item.create", item=answer | {"reason": "no"})
    assert client.run(5) == []


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"server_url": "https://till.example"}, "session.tools[0].server_label"),
        ({"server_label": "till"}, "session.tools[0].server_url"),
        (TILL | {"require_approval": "sometimes"}, "session.tools[0].require_approval"),
        (TILL | {"allowed_tools": {"names": []}}, "session.tools[0].allowed_tools.names"),
    ],
)
def test_what_the_server_refuses_is_refused(tool: dict[str, Any], param: str) -> None:
    client = ModelClient(scripted(Answer(say=("Hello.",))))
    session = {"type": "realtime", "tools": [{"type": "mcp", **tool}]}
    (refused,) = client.send("session.update", session=session)
    assert refused["error"]["param"] == param
