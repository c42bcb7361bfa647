"""Makes a server's list readable entry by entry, before the library reads it. Pure.

The library takes a list as a whole or not at all, so one odd entry would cost all the others. Here each is
brought down to what we use, as the protocol writes it; where that cannot be, an entry stands that says why.

Specification: https://modelcontextprotocol.io/specification/2025-11-25/server/tools#tool
"""

from __future__ import annotations

from typing import Any, Final

from mcp.shared.inbound import find_invalid_x_mcp_header
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse

NAME_MAX: Final = 128
"""Characters of a tool's name, as the protocol has it: it goes over the wire with every call."""

FAULT: Final = "callbridge/fault"
"""Where an entry says in `_meta` why it could not be read. What a server writes there itself is not kept."""


def readable(item: SessionMessage | Exception) -> SessionMessage | Exception:
    """The message, with each tool that it lists as the library can read it."""
    message = item.message if isinstance(item, SessionMessage) else None
    if isinstance(message, JSONRPCResponse) and isinstance(listed := message.result.get("tools"), list):
        message.result["tools"] = [_entry(one) for one in listed]
    return item


def _entry(one: Any) -> dict[str, Any]:
    """What we use of an entry: its name, its description, its schema."""
    if not isinstance(one, dict):
        return _odd("", "it is no object")
    name, schema = one.get("name"), one.get("inputSchema")
    if not isinstance(name, str) or not name:
        return _odd("", "it has no name")
    if len(name) > NAME_MAX:
        return _odd(name, f"its name has more than {NAME_MAX} characters")
    if not isinstance(one.get("description"), str | None):
        return _odd(name, "its description is no text")
    if not isinstance(schema, dict) or (fault := _fault_in(schema)):
        return _odd(name, fault if isinstance(schema, dict) else "it has no schema")
    schema = {key: value for key, value in schema.items() if key != "$schema" and value is not None}
    return {"name": name, "description": one.get("description"), "inputSchema": {"type": "object", **schema}}


def _fault_in(schema: dict[str, Any]) -> str:
    """Why the library would not read this schema; empty when it would. The model's own rules come later."""
    if schema.get("type", "object") != "object":
        return "its schema must be of type object"
    properties, required = schema.get("properties"), schema.get("required")
    if properties is not None and not (
        isinstance(properties, dict) and all(isinstance(one, dict | bool) for one in properties.values())
    ):
        return "the properties in its schema are none"
    if required is not None and not (
        isinstance(required, list) and all(isinstance(one, str) for one in required)
    ):
        return "what its schema requires is no list of names"
    return find_invalid_x_mcp_header(schema) or ""


def _odd(name: str, fault: str) -> dict[str, Any]:
    return {"name": name[:NAME_MAX], "inputSchema": {"type": "object"}, "_meta": {FAULT: fault}}
