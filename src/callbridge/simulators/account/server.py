"""The account on a socket: a plain ASGI application, and who carries out what the account leaves to be done.

Decisions are `SimulatedAccount`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, assert_never

import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from callbridge.simulators.account.effects import NO_ANSWER, Ask, OnTheLine, WebReply
from callbridge.simulators.account.rest import JSON, RestAnswer, RestRequest
from callbridge.simulators.guest_server import read_request, serving_as_guest
from callbridge.simulators.phone.twiml import WebAnswer
from callbridge.simulators.phone.webhooks import Line, Webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    from callbridge.simulators.account.account import SimulatedAccount
    from callbridge.simulators.account.effects import Effect

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

BODY_BYTES_MAX = 1_000_000
"""More of a request is not read."""


@asynccontextmanager
async def serve_account(
    account: SimulatedAccount,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    listener: socket.socket | None = None,
) -> AsyncIterator[AccountServer]:
    """Serve the REST API of an account.

    Args:
        account: what is served.
        host: address to listen on.
        port: 0 for a free one; `AccountServer.base_url` has it.
        listener: where it listens already, in place of these.

    Raises:
        OSError: the port is taken.
    """
    with contextlib.closing(listener or socket.create_server((host, port))) as listener:
        server = AccountServer(account, f"http://{host}:{listener.getsockname()[1]}")
        async with server.hooks, asyncio.TaskGroup() as tasks:
            working = tasks.create_task(server.work(), name="account-work")
            async with serving_as_guest(server.serve, listener, server.connections):
                try:
                    yield server
                finally:
                    server.release()
            working.cancel()


class AccountServer:
    """A running account. Made by `serve_account`."""

    def __init__(self, account: SimulatedAccount, base_url: str) -> None:
        self.account = account
        self.base_url = base_url
        """What takes the place of `https://api.twilio.com`, and of the other hosts."""
        settings = account.settings
        line = Line(settings.account_sid, settings.auth_token, "", "", "")
        self.hooks = Webhooks(line, frozenset())
        """Asks webhooks, signed."""
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}
        self._concurrent = 0
        self._released = asyncio.Event()
        self._has_work = asyncio.Event()
        account.ledger.on_work = self._has_work.set

    def release(self) -> None:
        """Let go of those whose answers hang: the server stops, and would wait for them."""
        self._released.set()

    # --- Requests -------------------------------------------------------------------------------

    @property
    def connections(self) -> type[_Connection]:
        """What uvicorn is to make for each connection: one that can be cut."""
        return type("_Connection", (_Connection,), {"transports": self._transports})

    async def serve(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        self._concurrent += 1
        try:
            request = await _read(scope, receive)
            reply = self.account.answer(request, self._concurrent)
            if reply.delay_s:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(reply.delay_s):
                        await self._released.wait()
            if reply.is_lost:
                if (transport := self._transports.get(scope["client"])) is not None:
                    transport.abort()  # Who does not wait any longer has gone.
                return
            await _write(reply.answer, send)
        finally:
            self._concurrent -= 1

    # --- What the account does --------------------------------------------------------------------

    async def work(self) -> None:
        """Carry out what the account leaves to be done, when it is due, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._has_work.clear()
                self.account.ledger.wake()
                effects = self.account.ledger.effects
                while effects:
                    tasks.create_task(self._perform(effects.popleft()), name="account-effect")
                await self._wait()

    async def _wait(self) -> None:
        deadline = self.account.ledger.deadline
        left_s = None if deadline is None else max(deadline - self.account.ledger.clock(), 0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._has_work.wait()

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Ask():
                effect.then(await self._ask(effect))
            case OnTheLine():
                done = effect.do()
                if inspect.isawaitable(done):
                    await done
            case _:
                assert_never(effect)

    async def _ask(self, ask: Ask) -> WebReply:
        self.hooks.auth_token = self.account.ledger.auth_token
        answer = await self.hooks.ask(ask.url, ask.method, ask.form)
        if isinstance(answer, WebAnswer):
            return WebReply(answer.url, answer.status, answer.content_type, answer.body)
        return WebReply(answer.url, NO_ANSWER, code=answer.code, detail=answer.detail)


class _Connection(H11Protocol):
    """One connection, known by its peer as long as it is open."""

    transports: ClassVar[dict[tuple[str, int], asyncio.Transport]]
    """Those of the server."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn.
        super().connection_made(transport)
        if self.client is not None:
            self.transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client is not None:
            self.transports.pop(self.client, None)
        super().connection_lost(exc)


async def _read(scope: Message, receive: Receive) -> RestRequest:
    headers, body = await read_request(scope, receive, BODY_BYTES_MAX)
    return RestRequest(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)


async def _write(answer: RestAnswer, send: Send) -> None:
    body = b"" if answer.body is None else msgspec.json.encode(answer.body)
    headers = dict(answer.headers)
    if answer.body is not None:
        headers |= {"Content-Type": JSON}
    if answer.status != 204:
        headers |= {"Content-Length": str(len(body))}
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
