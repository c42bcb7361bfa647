"""A real MCP server, written with the `mcp` package: a shop's, which can also hang, die, flood and lie.

    python tests/mcp_server.py [--http PORT] [--list silent|many|odd|old|deaf]

Its tools say themselves what they do. Over HTTP it is at `/mcp`, and at `/sse` for clients of before 2025. It
wants the header `Authorization: Bearer <TOKEN>` there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import mcp_types as types
import uvicorn
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.session import ServerSession
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.message import SessionMessage
from mcp.shared.subscriptions import ToolsListChanged

TOKEN = "till-token-7f3a"
"""What the server wants to be shown; over stdio it finds it in its environment."""

BREADS = {"rye": 12, "wheat": 3}
_TEXT = {"type": "string"}


def _tool(name: str, description: str, **properties: Any) -> types.Tool:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return types.Tool(name=name, description=description, input_schema=schema)


TOOLS = [
    _tool("stock", "How many loaves of a bread there are.", bread=_TEXT),
    _tool("order", "Order a bread.", bread=_TEXT),
    _tool("hang", "Never answers."),
    _tool("die", "Ends the server in the middle of it."),
    _tool("change", "Adds a tool, and says so."),
    _tool("flap", "Changes its tools, and says so, again and again."),
    _tool("flood", "Says that its tools have changed, without end."),
    _tool("huge", "Answers with more than anybody wants."),
    _tool("endless", "Answers with a message of a megabyte."),
    _tool("lie", "Answers otherwise than its schema says."),
    _tool("picture", "Answers with a picture."),
    _tool("ask", "Wants a person at a screen to fill in a form."),
    _tool("fail", "Fails, in words."),
    _tool("held", "How many wait for an answer of hang, and what was given up."),
]
TOOLS[9] = TOOLS[9].model_copy(update={"output_schema": {"type": "object", "required": ["loaves"]}})

ODD = [
    types.Tool(name="no properties", description="fits, spelt anew", input_schema={"type": "object"}),
    types.Tool(name="top", input_schema={"type": "object", "anyOf": []}),
    types.Tool(name="list", input_schema={"type": "object", "properties": {"x": {"type": "array"}}}),
    types.Tool(name="kind", input_schema={"type": "object", "properties": {"x": {"type": "telephone"}}}),
    *[_tool("stock", "How many loaves of a bread there are.", bread=_TEXT)] * 2,
]
"""Of these a model takes the first, and the last once."""

UNREADABLE: list[Any] = [
    "no object",
    {"inputSchema": {"type": "object"}},
    {"name": "schemaless", "description": "half a loaf: \ud83e"},
    {"name": "lettered", "description": 3, "inputSchema": {"type": "object"}},
    {"name": "all", "inputSchema": {"type": "object", "required": True}},
    {"name": "x" * 200, "inputSchema": {"type": "object"}},
    {"name": "deep", "inputSchema": {"properties": {"x": json.loads('{"items":' * 300 + "{}" + "}" * 300)}}},
]
"""They stand before these over the wire: no library reads a list that has one."""


class Shop:
    """The server's own state."""

    def __init__(self, listing: str) -> None:
        self.listing, self.more = listing, 0
        self.bus = InMemorySubscriptionBus()
        self.held, self.given_up = 0, 0

    async def list_tools(self, _context: Any, params: types.PaginatedRequestParams | None) -> Any:
        """What it has, as the command line wants it listed."""
        match self.listing:
            case "silent":
                await asyncio.Event().wait()
            case "many":
                at = int(params.cursor) if params is not None and params.cursor else 0
                page = [_tool(f"tool_{n}", "One of very many.") for n in range(at, at + 50)]
                return types.ListToolsResult(
                    tools=page, next_cursor=str(at + 50), ttl_ms=0, cache_scope="public"
                )
            case "odd":
                return types.ListToolsResult(tools=ODD, ttl_ms=0, cache_scope="public")
        more = [_tool(f"more_{n}", "Came later.") for n in range(self.more)]
        return types.ListToolsResult(tools=[*TOOLS, *more], ttl_ms=0, cache_scope="public")

    async def call_tool(self, context: Any, params: types.CallToolRequestParams) -> Any:
        """Does what a tool says of itself."""
        arguments = params.arguments or {}
        do: Callable[..., Awaitable[Any]] = getattr(self, f"_{params.name}", self._unknown)
        return await do(context, **arguments)

    async def _stock(self, _context: Any, bread: str) -> types.CallToolResult:
        loaves = BREADS.get(bread)
        if loaves is None:
            return _said(f"there is no {bread}", is_error=True)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=f"{loaves} loaves")],
            structured_content={"bread": bread, "loaves": loaves},
        )

    async def _order(self, _context: Any, bread: str) -> types.CallToolResult:
        return _said(f"{bread} is ordered, {os.environ.get('TILL_TOKEN', 'no token')}")

    async def _hang(self, _context: Any) -> None:
        await asyncio.Event().wait()

    async def _die(self, _context: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def _change(self, context: Any) -> types.CallToolResult:
        self.more += 1
        await self._tell(context)
        return _said("changed")

    async def _flap(self, context: Any) -> types.CallToolResult:
        async def flap() -> None:
            while True:
                self.more = 1 - self.more
                await self._tell(context)
                await asyncio.sleep(0.2)

        self._flapping = asyncio.create_task(flap())
        return _said("it flaps")

    async def _flood(self, context: Any) -> None:
        while True:
            await self._tell(context)

    async def _tell(self, context: Any) -> None:
        session: ServerSession = context.session
        await session.send_tool_list_changed()
        await self.bus.publish(ToolsListChanged())

    async def _huge(self, _context: Any) -> types.CallToolResult:
        return _said("z" * 20_000)

    async def _endless(self, _context: Any) -> types.CallToolResult:
        return _said("z" * 1_000_000)

    async def _lie(self, _context: Any) -> types.CallToolResult:
        return types.CallToolResult(content=[], structured_content={"cakes": 3})

    async def _picture(self, _context: Any) -> types.CallToolResult:
        picture = types.ImageContent(type="image", data="aGVsbG8=", mime_type="image/png")
        return types.CallToolResult(content=[picture, types.TextContent(type="text", text="a loaf")])

    async def _ask(self, context: Any) -> types.CallToolResult:
        answer = await context.session.elicit_form("Which bread?", {"type": "object", "properties": {}})
        return _said(f"the person said {answer.action}")

    async def _fail(self, _context: Any) -> types.CallToolResult:
        return _said("the oven is cold", is_error=True)

    async def _held(self, _context: Any) -> types.CallToolResult:
        return types.CallToolResult(
            content=[], structured_content={"held": self.held, "given_up": self.given_up}
        )

    async def _unknown(self, _context: Any, **_arguments: Any) -> types.CallToolResult:
        return _said("done")


def _said(text: str, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=is_error)


def server(shop: Shop) -> Server[Any]:
    """The shop's server, as the package serves it."""
    return Server(
        "shop",
        version="1",
        on_list_tools=shop.list_tools,
        on_call_tool=shop.call_tool,
        on_subscriptions_listen=ListenHandler(shop.bus),
    )


def odd(text: str) -> str:
    """What goes from a server that was written by hand: its list has entries that no library can read."""
    return text.replace('"tools":[', f'"tools":[{json.dumps(UNREADABLE)[1:-1]},')


class OddOutput:
    """Its standard output."""

    async def write(self, text: str) -> None:
        """A message."""
        sys.stdout.write(odd(text))

    async def flush(self) -> None:
        """The message is whole."""
        sys.stdout.flush()


class Old:
    """What comes to a server that was written before 2026: it does not know the question that comes first."""

    def __init__(self, read: Any, write: Any) -> None:
        self._read, self._write = read, write

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        item = await self._read.__anext__()
        if getattr(item.message, "method", "") != "server/discover":
            return item
        error = types.ErrorData(code=types.METHOD_NOT_FOUND, message="Method not found")
        await self._write.send(
            SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=item.message.id, error=error))
        )
        return await self.__anext__()

    async def __aenter__(self) -> Self:
        await self._read.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> Any:
        return await self._read.__aexit__(*raised)


async def over_stdio(served: Server[Any], listing: str) -> None:
    """Until its input ends."""
    options = served.create_initialization_options(NotificationOptions(tools_changed=True))
    output: Any = OddOutput() if listing == "odd" else None
    async with stdio_server(stdout=output) as (read, write):
        incoming: Any = Old(read, write) if listing == "old" else read
        await served.run(incoming, write, options)


@dataclass
class Deaf:
    """Before a server in the network, for one of before 2026 that does not heed what is given up."""

    app: Any
    shop: Shop

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        request = await receive()
        while request.get("more_body"):
            request["body"] += (more := await receive())["body"]
            request["more_body"] = more["more_body"]
        message = json.loads(request["body"])
        unread = [request]

        async def again() -> Any:
            return unread.pop() if unread else await receive()

        match message.get("method"):
            case "server/discover":
                error = {"code": types.METHOD_NOT_FOUND, "message": "Method not found"}
                await _answer(send, 200, {"jsonrpc": "2.0", "id": message["id"], "error": error})
            case "notifications/cancelled":
                self.shop.given_up += 1
                await _answer(send, 202)
            case "tools/call" if message["params"]["name"] == "hang":
                self.shop.held += 1
                try:
                    await self.app(scope, again, send)
                finally:
                    self.shop.held -= 1
            case _:
                await self.app(scope, again, send)


def odd_over_http(app: Any) -> Any:
    """The same in the network."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def send_odd(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [one for one in message["headers"] if one[0] != b"content-length"]
                message = {**message, "headers": headers}
            elif message["type"] == "http.response.body":
                message = {**message, "body": odd(message.get("body", b"").decode()).encode()}
            await send(message)

        await app(scope, receive, send_odd)

    return answer


async def _answer(send: Any, status: int, body: Any = None) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if body is None else json.dumps(body).encode()})


def with_events(served: Server[Any], app: Any) -> Any:
    """Before a server in the network, for clients that speak with it by HTTP and server-sent events."""
    transport = SseServerTransport("/messages/")

    async def route(scope: Any, receive: Any, send: Any) -> None:
        match scope.get("path"):
            case "/sse":
                async with transport.connect_sse(scope, receive, send) as (read, write):
                    await served.run(read, write, served.create_initialization_options())
            case "/messages/":
                await transport.handle_post_message(scope, receive, send)
            case _:
                await app(scope, receive, send)

    return route


def over_http(shop: Shop, port: int) -> None:
    """Until it is told to end."""
    served = server(shop)
    app = with_events(served, served.streamable_http_app())
    if shop.listing == "deaf":
        app = Deaf(app, shop)
    if shop.listing == "odd":
        app = odd_over_http(app)

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] == "http" and headers.get(b"authorization") != f"Bearer {TOKEN}".encode():
            await _answer(send, 401)
            return
        await app(scope, receive, send)

    uvicorn.run(guarded, host="127.0.0.1", port=port, log_level="warning", ws="none")


def command(*more: str) -> list[str]:
    """How it is started, for `McpServer.stdio`: the program and its arguments."""
    return [sys.executable, str(Path(__file__)), *more]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int)
    parser.add_argument("--list", default="")
    given = parser.parse_args()
    if given.http is None:
        asyncio.run(over_stdio(server(Shop(given.list)), given.list))
    else:
        over_http(Shop(given.list), given.http)
