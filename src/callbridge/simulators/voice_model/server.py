"""The simulator on real sockets: a thin shell around `RealtimeSession`.

One coroutine per connection reads, wakes and writes: no task per delta, no queue, and no frame is
sent before the ones that the core put out earlier. Decisions are the core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, assert_never
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from callbridge.simulators.voice_model.faults import ConnectFault, Outages
from callbridge.simulators.voice_model.handshake import (
    PATH,
    HandshakeRefusal,
    fault_refusal,
    kind_of,
    model_of,
    reason_phrase,
    refusal,
)
from callbridge.simulators.voice_model.journal import Journal, Note
from callbridge.simulators.voice_model.organization import COSTS_PATH, costs, spent_in
from callbridge.simulators.voice_model.outputs import (
    Abort,
    Close,
    Mute,
    Output,
    Send,
    SendBinary,
    Stall,
)
from callbridge.simulators.voice_model.script import Prompter, Script
from callbridge.simulators.voice_model.session import RealtimeSession
from callbridge.simulators.voice_model.session_config import REALTIME_MODELS
from callbridge.simulators.voice_model.shared import SessionSettings

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Collection
    from uuid import UUID

MESSAGE_BYTES_MAX = 32 * 1024 * 1024
"""Above the 15 MiB of one append, so that too long an append is answered and not cut off."""

OPEN_TIMEOUT_S = 60.0
"""For a handshake; one that hangs must outlast every client."""

CLOSE_TIMEOUT_S = 1.0
"""For a client that does not answer a close frame."""

OnEvent = Callable[[Journal, Note], None]
"""Called in the event loop for each thing worth showing."""

OnRefusal = Callable[[HandshakeRefusal], None]
"""Called in the event loop for each handshake that was refused."""


@asynccontextmanager
async def serve_model(
    script: Script,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    keys: Collection[str] | None = None,
    models: Collection[str] = REALTIME_MODELS,
    settings: SessionSettings | None = None,
    refuse_by: Literal["http", "socket"] = "socket",
    on_event: OnEvent | None = None,
    on_refusal: OnRefusal | None = None,
    admin_keys: Collection[str] = (),
    prompter: Callable[[], Prompter] | None = None,
    wall_clock: Callable[[], float] = time.time,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[ModelServer]:
    """Serve the script to every client that connects, from its beginning or as `answers_go_on` says.

    Args:
        script: what the model says, with its audio filled in (`voices.voiced`).
        host: address to listen on.
        port: 0 for a free one; `ModelServer.url` has it.
        keys: API keys that are accepted; all when None.
        models: models that are served.
        settings: of every session; model, connection number and wall clock are filled in.
        refuse_by: how wrong keys, models and headers are refused: on a socket, as by the API, or over HTTP.
        on_event: told of everything worth showing in a session.
        on_refusal: told of every handshake that was refused.
        admin_keys: who may ask what it has cost (`organization.costs`).
        prompter: makes what chooses the answers of a session, in place of the script's own order.
        wall_clock: seconds since 1970, of what it says of times.
        tls: serve `wss` with it, for clients that dial nothing else.

    Raises:
        OSError: the port is taken.
    """
    model = ModelServer(
        script,
        settings or SessionSettings(),
        accepted=(keys, admin_keys, models),
        refuse_by=refuse_by,
        told=(on_event, on_refusal),
        prompter=prompter,
        wall_clock=wall_clock,
    )
    async with serve(
        model.converse,
        host,
        port,
        process_request=model.admit,
        # As the API does on every upgrade that offers it. A client pays for it and gains nothing.
        compression="deflate",
        max_size=MESSAGE_BYTES_MAX,
        open_timeout=OPEN_TIMEOUT_S,
        close_timeout=CLOSE_TIMEOUT_S,
        ssl=tls,
    ) as server:
        model.url = _url(host, server, is_encrypted=tls is not None)
        with contextlib.closing(model):
            yield model


def _url(host: str, server: Server, *, is_encrypted: bool) -> str:
    port = next(iter(server.sockets)).getsockname()[1]
    return f"{'wss' if is_encrypted else 'ws'}://{host}:{port}{PATH}"


class ModelServer:
    """A running simulator. Made by `serve_model`."""

    def __init__(
        self,
        script: Script,
        settings: SessionSettings,
        *,
        accepted: tuple[Collection[str] | None, Collection[str], Collection[str]],
        refuse_by: Literal["http", "socket"],
        told: tuple[OnEvent | None, OnRefusal | None],
        prompter: Callable[[], Prompter] | None,
        wall_clock: Callable[[], float],
    ) -> None:
        self.url = ""
        """Where it listens, without `?model=`."""
        self.sessions: list[Journal] = []
        """One per accepted connection, in the order in which they came."""
        self.refused: list[HandshakeRefusal] = []
        self._script = script
        self._keys, self._admin_keys, self._models = accepted
        self._settings = settings
        self._refuse_by = refuse_by
        self._on_event, self._on_refusal = told
        self._connections = 0
        self._outages = Outages(script.connect)
        shared = Prompter(script) if script.answers_go_on else None
        self._prompter: Callable[[], Prompter | None] = prompter or (lambda: shared)
        self._wall_clock = wall_clock
        self._released = asyncio.Event()
        self._admitted: dict[UUID, _Admission] = {}

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse an upgrade that the real server would refuse, or that the script wants refused."""
        if urlsplit(request.path).path == COSTS_PATH:
            return self._costs(request)
        self._connections += 1
        number = self._connections
        await asyncio.sleep(self._settings.handshake_ms / 1000)
        _go_on_if_there(connection)
        fault = self._outages.meet(number, asyncio.get_running_loop().time())
        if fault is not None and fault.kind == "hang":
            await self._hang(connection)
            _go_on_if_there(connection)
            return None
        is_refused = fault is not None and fault.kind == "refuse"
        found = fault_refusal(fault) if fault is not None and is_refused else self._wrong_with(request)
        if found is not None:
            self.refused.append(found)
            if self._on_refusal is not None:
                self._on_refusal(found)
            if self._refuse_by == "http" or found.close_code is None:
                return _response(found)
        # A wrong key goes before what the script would do with a right one.
        met = fault if found is None else found.as_fault()
        self._admitted[connection.id] = _Admission(number, met)
        return None

    async def converse(self, connection: ServerConnection) -> None:
        """One session, from the upgrade to the end of the socket."""
        admission = self._admitted.pop(connection.id)
        session = self._session(connection, admission)
        self.sessions.append(session.journal)
        await _Line(connection, session, self._on_event).run()

    def close(self) -> None:
        """Let go of those whose handshakes hang: the server stops, and would wait for them."""
        self._released.set()

    async def _hang(self, connection: ServerConnection) -> None:
        """Answer nothing until the client gives up or the server stops."""
        async with asyncio.TaskGroup() as tasks:
            waits = [
                tasks.create_task(wait, name="model-hang")
                for wait in (connection.wait_closed(), self._released.wait())
            ]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    def _wrong_with(self, request: Request) -> HandshakeRefusal | None:
        return refusal(
            request.path,
            request.headers.get_all("Authorization"),
            request.headers.get_all("OpenAI-Beta"),
            keys=self._keys,
            models=self._models,
        )

    def _costs(self, request: Request) -> Response:
        """What was spent, for an administrator."""
        wall_of_now = self._wall_clock() - asyncio.get_running_loop().time()
        spent = [one for journal in self.sessions for one in spent_in(journal, wall_of_now)]
        authorization = request.headers.get_all("Authorization")
        answer = costs(request.path, authorization, self._admin_keys, spent)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(answer.body))}
        return Response(
            answer.status,
            reason_phrase(answer.status),
            Headers(headers | {"Connection": "close"}),
            answer.body,
        )

    def _session(self, connection: ServerConnection, admission: _Admission) -> RealtimeSession:
        assert connection.request is not None  # the handshake is over
        settings = replace(
            self._settings,
            model=model_of(connection.request.path),
            kind=kind_of(connection.request.path),
            connection=admission.number,
            opened_unix_s=int(self._wall_clock()),
        )
        met = () if admission.fault is None else (_unconditional(admission.fault),)
        script = msgspec.structs.replace(self._script, connect=met)
        return RealtimeSession(script, settings, self._prompter())


@dataclass(frozen=True, slots=True)
class _Admission:
    number: int
    fault: ConnectFault | None
    """What the session meets, now that it is accepted."""


def _unconditional(fault: ConnectFault) -> ConnectFault:
    """The fault for the session that has met it."""
    return msgspec.structs.replace(fault, nth=None, first=1, last=None, until_s=None)


class _Line:
    """One socket and its session."""

    def __init__(
        self, connection: ServerConnection, session: RealtimeSession, on_event: OnEvent | None
    ) -> None:
        self._connection = connection
        self._session = session
        self._on_event = on_event
        self._told = 0
        self._clock = asyncio.get_running_loop().time

    async def run(self) -> None:
        """Carry messages and time to the session, and what it says to the socket."""
        try:
            await self._perform(self._session.open(self._clock()))
            while not self._session.is_over:
                await self._perform(await self._next())
        except ConnectionClosed as closed:
            self._session.client_gone(_how(closed), self._clock())
        self._tell()

    async def _next(self) -> list[Output]:
        # One timer per session: the wait for a message ends at the core's deadline.
        try:
            async with asyncio.timeout_at(self._session.deadline):
                message = await self._connection.recv()
        except TimeoutError:
            return self._session.wake(self._clock())
        return self._session.receive(message, self._clock())

    async def _perform(self, outputs: list[Output]) -> None:
        self._tell()
        for output in outputs:
            match output:
                case Send():
                    await self._connection.send(output.text)
                case SendBinary():
                    await self._connection.send(output.data)
                case Close():
                    await self._connection.close(output.code, output.reason)
                case Abort():
                    self._connection.transport.abort()
                case Stall():
                    self._connection.transport.pause_reading()
                    await self._connection.wait_closed()
                case Mute():
                    await _fall_mute(self._connection)
                case _:
                    assert_never(output)

    def _tell(self) -> None:
        if self._on_event is None:
            return
        journal = self._session.journal
        for note in journal.notes[self._told :]:
            self._on_event(journal, note)
        self._told = len(journal.notes)


class _Sink(asyncio.Protocol):
    """Takes what comes and answers nothing; tells the connection that was there before when it is lost."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has cut TCP."""
        self._connection.connection_lost(exc)


def _go_on_if_there(connection: ServerConnection) -> None:
    """A client that has given up is answered nothing. websockets before 17 would, and log that it failed.

    Raises:
        CancelledError: it has. To the library the handshake was given up, and there is nothing to log.
    """
    if connection.state is not State.CONNECTING:
        raise asyncio.CancelledError


async def _fall_mute(connection: ServerConnection) -> None:
    """Half open: TCP takes everything, and nobody is there. Until the client cuts it."""
    # The server's own pings would end it: nobody reads their pongs.
    if connection.keepalive_task is not None:
        connection.keepalive_task.cancel()
    connection.transport.set_protocol(_Sink(connection))
    await connection.wait_closed()


def _how(closed: ConnectionClosed) -> str:
    """How a connection ended, for the journal."""
    if closed.rcvd is None:
        return "server stopped" if closed.sent is not None else "client vanished"
    if not closed.rcvd_then_sent:
        return "server stopped"
    return f"client closed with {closed.rcvd.code} {closed.rcvd.reason}".rstrip()


def _response(found: HandshakeRefusal) -> Response:
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(found.body)),
            "Connection": "close",
        }
    )
    if found.retry_after_s is not None:
        headers["Retry-After"] = f"{found.retry_after_s:g}"
    return Response(found.status, reason_phrase(found.status), headers, found.body)
