"""MCP servers of a session: what they list, the calls of their tools, and who approves them.

The server of the session runs these calls by itself, beside the response that has asked for them: as a rule
that is done before they are. No answer comes of it by itself: the client asks for a response.

https://developers.openai.com/api/docs/guides/realtime-mcp. It does not say what follows an approval. OpenAI's
own example does (openai-ruby, examples/realtime/mcp_approval.rb): the call is written in the response that
asks for it, the request to approve it is another item behind it, and once approved it runs by itself. What
becomes of one that is refused nobody has written down: nothing, here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callbridge.simulators.voice_model.conversation import Item
from callbridge.simulators.voice_model.schema import ClientError
from callbridge.simulators.voice_model.script import McpListing

if TYPE_CHECKING:
    from callbridge.simulators.voice_model.schema import Json
    from callbridge.simulators.voice_model.script import McpCall
    from callbridge.simulators.voice_model.shared import Shared


class McpServers:
    """Those of one session."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._asked: set[str] = set()
        """Labels of those that were asked for their tools."""
        self._listed: dict[str, McpListing] = {}
        self._waiting: dict[str, tuple[Item, McpCall, Json]] = {}
        """By the request to approve it: a call, what it would come to, and its place."""

    # --- What they have ---

    def configured(self) -> None:
        """The session may name others than before: these are asked."""
        for tool in self._named():
            if tool["server_label"] not in self._asked:
                self._asked.add(tool["server_label"])
                self._list(tool)

    def _named(self) -> list[Json]:
        return [tool for tool in self._shared.config.values["tools"] if tool["type"] == "mcp"]

    def _list(self, tool: Json) -> None:
        shared, label = self._shared, tool["server_label"]
        scripted = {listing.label: listing for listing in shared.script.mcp}
        listing = scripted.get(label, McpListing(label=label))
        item = Item(shared.ids.make("mcpl"), "mcp_list_tools", fields={"server_label": label, "tools": []})
        about = {"previous_item_id": shared.conversation.add(item)}
        shared.send({"type": "conversation.item.added", **about, "item": item.as_json()})
        shared.send({"type": "mcp_list_tools.in_progress", "item_id": item.id})

        def listed() -> None:
            if listing.fails:
                shared.send({"type": "mcp_list_tools.failed", "item_id": item.id})
                return
            self._listed[label] = listing
            schema = {"type": "object", "properties": {}}
            item.fields["tools"] = [{"name": name, "input_schema": schema} for name in listing.tools]
            shared.send({"type": "mcp_list_tools.completed", "item_id": item.id})
            shared.send({"type": "conversation.item.done", **about, "item": item.as_json()})

        shared.plan(listing.after_ms / 1000, listed)

    def offered(self, settings: Json) -> set[str]:
        """What may be called, as `McpCall.key` has it: of servers that have answered, what is allowed."""
        found: set[str] = set()
        for tool in settings["tools"] if settings["tool_choice"] != "none" else ():
            listing = self._listed.get(tool.get("server_label", ""))
            if listing is not None:
                allowed = _names(tool.get("allowed_tools"))
                found |= {
                    f"{listing.label}.{name}" for name in listing.tools if allowed is None or name in allowed
                }
        return found

    def needs_approval(self, call: McpCall) -> bool:
        """Whether the client is asked before it runs: unless it has said otherwise."""
        asked = next(
            tool.get("require_approval") for tool in self._named() if tool["server_label"] == call.server
        )
        if isinstance(asked, dict):
            never, always = (_names(asked.get(word)) or [] for word in ("never", "always"))
            return call.name in always or call.name not in never
        return bool(asked != "never")

    # --- What becomes of a call ---

    def waits(self, request_id: str, item: Item, call: McpCall, place: Json) -> None:
        """An approval is asked for; the rest is as with `begins`."""
        self._waiting[request_id] = item, call, place

    def begins(self, item: Item, call: McpCall, place: Json) -> None:
        """A call is under way: what comes of it comes later.

        Args:
            item: its item.
            call: what it will come to.
            place: where it stands in its response.
        """
        if call.takes_ms != "for_ever":
            self._shared.plan(call.takes_ms / 1000, lambda: self._ends(item, call, place))

    def _ends(self, item: Item, call: McpCall, place: Json) -> None:
        shared = self._shared
        if call.error:
            item.fields["error"] = {"type": "tool_execution_error", "message": call.error}
        else:
            item.fields["output"] = call.output
        about = {"item_id": item.id, "output_index": place["output_index"]}
        shared.send({"type": f"response.mcp_call.{'failed' if call.error else 'completed'}", **about})
        shared.send({"type": "conversation.item.done", "previous_item_id": None, "item": item.as_json()})
        shared.send({"type": "response.output_item.done", **place, "item": item.as_json()})

    def decided(self, response: Item) -> None:
        """The client has approved a call, or has not.

        Raises:
            ClientError: nobody has asked for that, or it is decided already.
        """
        shared, request_id = self._shared, response.fields["approval_request_id"]
        if request_id not in self._waiting:
            message = f"Error adding item: no approval request with id '{request_id}'."
            raise ClientError("item_not_found", message)
        item, call, place = self._waiting.pop(request_id)
        if not response.fields["approve"]:
            return
        item.fields["approval_request_id"] = request_id
        about = {"item_id": item.id, "output_index": place["output_index"]}

        def approved() -> None:
            shared.send({"type": "response.mcp_call.in_progress", **about})
            self.begins(item, call, place)

        shared.plan(0.0, approved)


def fields_of(call: McpCall) -> Json:
    """The item's own fields, before anything has come of it."""
    return {
        "server_label": call.server,
        "name": call.name,
        "arguments": "",
        "approval_request_id": None,
        "output": None,
        "error": None,
    }


def _names(filtered: Any) -> list[str] | None:
    """Names of tools in a filter; None where it has none."""
    if isinstance(filtered, dict):
        filtered = filtered.get("tool_names")
    return None if filtered is None else list(filtered)
