"""One request on its way: how it ends when nobody waits for its answer, and that its fault is no other's."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("mcp.client", reason="the extra mcp is not installed")

import httpx2

from callbridge.agents.mcp import over_http
from callbridge.agents.mcp.bounds import Volume
from callbridge.agents.mcp.over_http import Bounded
from leftovers import SETTLE_TIMEOUT_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CALL = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "hang"}}
GIVEN_UP = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
HANGS = ["head", "text/event-stream", "application/json"]
"""Where: before it answers at all, or in the middle of its answer, of this kind."""


class Body(httpx2.AsyncByteStream):
    """Begins, and goes on never, or breaks off."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"\n"
        if self._network.breaks_off:
            raise httpx2.ReadError("the cable is out")
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self._network.held -= 1


class Network(httpx2.AsyncBaseTransport):
    """A server that answers no tool, in this way."""

    def __init__(self, hangs: str, *, is_deaf: bool = False, breaks_off: bool = False) -> None:
        self.hangs, self.is_deaf, self.breaks_off = hangs, is_deaf, breaks_off
        self.asked: list[str] = []
        self.held = 0
        """Answers that somebody waits for."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(json.loads(request.content)["method"])
        if self.asked[-1] != "tools/call":
            await asyncio.sleep(60 if self.is_deaf else 0)
            return httpx2.Response(202)
        self.held += 1
        if self.hangs == "head":
            try:
                await asyncio.Event().wait()
            finally:
                self.held -= 1
        return httpx2.Response(200, headers={"content-type": self.hangs}, stream=Body(self))


class Client(httpx2.AsyncClient):
    """What the library has in its hands."""

    def __init__(self, network: httpx2.AsyncBaseTransport) -> None:
        super().__init__(transport=Bounded(network, Volume(lambda _why: None)), trust_env=False)

    async def say(self, message: dict[str, Any]) -> httpx2.Response:
        return await self.post("http://till.example/mcp", json=message, timeout=httpx2.Timeout(None))


async def ended(call: asyncio.Task[httpx2.Response]) -> str:
    """How it ended, within the time: not as a fault of the network, which would be the end of all calls."""
    try:
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            return str((await call).json()["error"]["message"])
    except httpx2.StreamError as error:
        return str(error)
    except httpx2.SSEError as error:
        return str(error)


@pytest.mark.parametrize("hangs", HANGS)
async def test_a_tool_that_is_given_up_keeps_no_connection(
    hangs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is told; whatever it makes of that."""
    monkeypatch.setattr(over_http, "TOOL_WITHIN_S", math.inf)
    network = Network(hangs)
    async with Client(network) as client:
        call = asyncio.create_task(client.say(CALL))
        assert await until(lambda: network.held == 1)
        await client.say(GIVEN_UP)
        assert await ended(call) == "the server has not answered in time"
        await client.say(GIVEN_UP)  # Nobody waits any more: nothing happens.
    assert (network.held, network.asked) == (0, ["tools/call", *["notifications/cancelled"] * 2])


async def test_a_server_that_takes_no_note_of_it_holds_up_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(over_http, "NOTED_WITHIN_S", 0.05)
    monkeypatch.setattr(over_http, "TOOL_WITHIN_S", math.inf)
    network = Network("text/event-stream", is_deaf=True)
    async with Client(network) as client:
        call = asyncio.create_task(client.say(CALL))
        assert await until(lambda: network.held == 1)
        assert (await client.say(GIVEN_UP)).status_code == 502
        assert await ended(call) == "the server has not answered in time"
    assert network.held == 0


@pytest.mark.parametrize("hangs", HANGS)
async def test_nobody_waits_for_a_tool_for_ever(hangs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it could not be given up, since so much else was to be said to the server."""
    assert math.isfinite(over_http.TOOL_WITHIN_S)
    monkeypatch.setattr(over_http, "TOOL_WITHIN_S", 0.05)
    network = Network(hangs)
    async with Client(network) as client:
        assert await ended(asyncio.create_task(client.say(CALL))) == "the server has not answered in time"
    assert network.held == 0


async def test_an_answer_that_breaks_off_is_a_fault_of_that_request() -> None:
    network = Network("application/json", breaks_off=True)
    async with Client(network) as client:
        told = await ended(asyncio.create_task(client.say(CALL)))
    assert told == "the connection with the server broke off"
    assert network.held == 0


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_a_list_is_legible_when_it_is_read(kind: str) -> None:
    """In whatever pieces it comes. What else is said in a stream of events stays as it is."""
    around = {
        "application/json": b"%b",
        "text/event-stream": b": [\r\nid: {\r\ndata: %b\r\n\r\n: [\r\n\r\ndata: {}",
    }
    sent = around[kind] % b'{"tools":[%b{}%b]}' % (b"[" * 300, b"]" * 300)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(sent), 50):
            yield sent[at : at + 50]

    network = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers={"content-type": kind}, content=pieces())
    )
    async with Client(network) as client:
        listed = await client.say({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert listed.content == around[kind] % b'{"tools":[%b0%b]}' % (b"[" * 62, b"]" * 62)
