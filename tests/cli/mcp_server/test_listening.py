"""By HTTP: who gets an answer at all, and that a real client does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import structlog

pytest.importorskip("mcp.client")

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from asked_calls import ENDED, LIVE, asked_phone
from callbridge.cli.mcp_server.answering import phone_server
from callbridge.cli.mcp_server.listening import BODY_BYTES_MAX, PATH, listening
from callbridge.cli.mcp_server.tools import offered
from callbridge.server.process.listening.listening import CONTROL_CONNECTIONS_MAX, tcp_listener
from leftovers import leaves_nothing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from callbridge.cli.mcp_server.phone import Phone

TOKEN = "t" * 32
RIGHT = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream"}
NAME = "phone.example.com"
WITHIN_S = 30.0
"""No test waits longer."""
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with asked_phone(tmp_path_factory.mktemp("asked")) as phone:
        yield phone


@dataclass(frozen=True)
class Door:
    """Where it listens."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    async def ask(self, method: str = "POST", path: str = PATH, **given: Any) -> httpx.Response:
        """A request with what is given, else a right one; the answer."""
        headers = {name: value for name, value in (RIGHT | given.pop("headers", {})).items() if value}
        body = given.pop("content", json.dumps(LIST) if method == "POST" else None)
        url = f"http://127.0.0.1:{self.port}{path}"
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.request(
                method, url, headers={"Content-Type": "application/json"} | headers, content=body
            )


@contextlib.asynccontextmanager
async def opened(phone: Phone) -> AsyncIterator[Door]:
    """Not a fixture: those are left in another task than they were entered in."""
    server = phone_server(phone, offered(words=True), "http")
    with contextlib.closing(tcp_listener()) as listener:
        async with (
            asyncio.timeout(WITHIN_S),
            leaves_nothing(),
            listening(server, phone.settings, TOKEN, listener, (NAME,)),
        ):
            yield Door(listener.getsockname()[1])


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_with_the_token_is_answered(phone: Phone, mode: Any) -> None:
    """One of today, and one that begins with a handshake, as most do."""
    with structlog.testing.capture_logs() as logs:
        async with (
            opened(phone) as door,
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as wire,
            Client(streamable_http_client(door.url, http_client=wire), mode=mode) as client,
        ):
            assert [tool.name for tool in (await client.list_tools()).tools] == list(offered(words=True))
            listed = await client.call_tool("list_calls", {"state": "live"})
            read = await client.call_tool("read_call", {"call_sid": ENDED})
    assert [call["call_sid"] for call in listed.structured_content["calls"]] == [LIVE]
    assert read.structured_content["call"]["call_sid"] == ENDED
    assert [(line["by"], line["tool"], line["outcome"]) for line in logs] == [
        ("http", "list_calls", "answered"),
        ("http", "read_call", "answered"),
    ]
    assert all(line["assistant"] not in {"", "unknown"} for line in logs)


ASKED: tuple[tuple[int, dict[str, Any]], ...] = (
    (200, {}),
    (401, {"headers": {"Authorization": ""}}),
    (401, {"headers": {"Authorization": f"Bearer {TOKEN}t"}}),
    (401, {"headers": {"Authorization": f"Basic {TOKEN}"}}),
    (401, {"headers": {"Authorization": b"Bearer \xe9"}}),
    (401, {"path": "/", "headers": {"Authorization": ""}}),
    (404, {"path": "/"}),
    (405, {"method": "GET"}),
    (405, {"method": "DELETE"}),
    (200, {"headers": {"Host": NAME, "Origin": f"https://{NAME}"}}),
    (200, {"headers": {"Host": f"{NAME}:443"}}),
    (421, {"headers": {"Host": "evil.example"}}),
    (421, {"headers": {"Host": f"{NAME}.evil.example"}}),
    (200, {"headers": {"Origin": "http://localhost:6274"}}),
    (403, {"headers": {"Origin": "https://evil.example"}}),
    (403, {"headers": {"Origin": "null"}}),
    (400, {"headers": {"Content-Type": "text/plain"}}),
    (413, {"content": json.dumps(LIST | {"params": {"x": "x" * BODY_BYTES_MAX}})}),
    (400, {"content": "{" * 1000}),
)
"""Each with the status of its answer."""


async def test_who_is_let_in(phone: Phone) -> None:
    async with opened(phone) as door:
        for status, given in ASKED:
            assert (await door.ask(**given)).status_code == status, given


async def test_a_body_whose_length_is_not_told_is_bounded_too(phone: Phone) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    async with opened(phone) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(
            head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * (BODY_BYTES_MAX // 0x4000)
        )
        writer.write(chunk)  # One too many, and not the last.
        assert (await reader.readline()).split()[1] == b"413"
        writer.close()


async def test_strangers_cost_a_line_in_the_log_and_keep_nobody_out(phone: Phone) -> None:
    """They open more connections than there may be, ask with wrong tokens, and hold on.

    Who has shown the token before keeps the connection, too.
    """
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: Bearer "
    with structlog.testing.capture_logs() as logs:
        async with opened(phone) as door, contextlib.AsyncExitStack() as held:
            known, asking = await asyncio.open_connection("127.0.0.1", door.port)
            held.callback(asking.close)
            asking.write(f"{head}{TOKEN}\r\n\r\n".encode())
            assert (await known.readuntil(b"\r\n")).split()[1] == b"400"  # An empty question.
            for _ in range(3 * CONTROL_CONNECTIONS_MAX):
                reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
                held.callback(writer.close)
                writer.write(f"{head}x\r\n\r\n".encode())
                assert (await reader.readline()).split()[1] == b"401"
            assert (await door.ask()).status_code == 200
            asking.write(f"{head}{TOKEN}\r\n\r\n".encode())
            await known.readuntil(b"HTTP/1.1 400 ")
    assert [line["reason"] for line in logs if line["event"] == "assistant_refused"] == ["wrong token"]
    assert TOKEN not in str(logs)


async def test_a_websocket_is_refused(phone: Phone) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    async with opened(phone) as door:
        asked = await door.ask("GET", headers=headers | {"Sec-WebSocket-Key": "A" * 22 + "=="})
        assert asked.status_code == 403
