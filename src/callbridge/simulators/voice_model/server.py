"""The simulator on real sockets: a thin shell around `RealtimeSession`.

One coroutine per connection reads, wakes and writes: no task per delta, no queue, and no frame is
sent before the ones that the core put out earlier. Decisions are the core's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import msgspec
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from callbridge.simulators.voice_model.handshake import (
    PATH,
    HandshakeRefusal,
    fault_refusal,
    model_of,
    reason_phrase,
    refusal,
)
from callbridge.simulators.voice_model.journal import Journal, Note
from callbridge.simulators.voice_model.outputs import Abort, Close, Output, Send, SendBinary, Stall
from callbridge.simulators.voice_model.session import RealtimeSession
from callbridge.simulators.voice_model.session_config import REALTIME_MODELS
from callbridge.simulators.voice_model.stage import SessionSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from callbridge.simulators.voice_model.faults import ConnectFault
    from callbridge.simulators.voice_model.script import Script

MESSAGE_BYTES_MAX = 32 * 1024 * 1024
"""Above the 15 MiB of one append, so that too long an append is answered and not cut off."""

CLOSE_TIMEOUT_S = 2.0
"""For a client that does not answer a close frame."""

OnEvent = Callable[[Journal, Note], None]
"""Called in the event loop for each thing worth showing."""


@asynccontextmanager
async def serve_model(
    script: Script,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    keys: Collection[str] | None = None,
    models: Collection[str] = REALTIME_MODELS,
    settings: SessionSettings | None = None,
    refuse_by: Literal["http", "socket"] = "http",
    on_event: OnEvent | None = None,
) -> AsyncIterator[ModelServer]:
    """Serve the script to every client that connects, from its beginning.

    Args:
        script: what the model says, with its audio filled in (`voices.voiced`).
        host: address to listen on.
        port: 0 for a free one; `ModelServer.url` has it.
        keys: API keys that are accepted; any when None.
        models: models that are served.
        settings: of every session; model, connection number and wall clock are filled in.
        refuse_by: how wrong keys, models and headers are refused: with an HTTP error, or on the socket.
        on_event: told of everything worth showing.

    Raises:
        OSError: the port is taken.
    """
    model = ModelServer(
        script,
        keys=keys,
        models=models,
        settings=settings or SessionSettings(),
        refuse_by=refuse_by,
        on_event=on_event,
    )
    async with serve(
        model.converse,
        host,
        port,
        process_request=model.admit,
        # Audio does not compress; deflate would cost more than everything else here.
        compression=None,
        max_size=MESSAGE_BYTES_MAX,
        close_timeout=CLOSE_TIMEOUT_S,
    ) as server:
        bound = next(iter(server.sockets)).getsockname()
        model.url = f"ws://{host}:{bound[1]}{PATH}"
        yield model


class ModelServer:
    """A running simulator. Made by `serve_model`."""

    def __init__(
        self,
        script: Script,
        *,
        keys: Collection[str] | None,
        models: Collection[str],
        settings: SessionSettings,
        refuse_by: Literal["http", "socket"],
        on_event: OnEvent | None,
    ) -> None:
        self.url = ""
        """Where it listens, without `?model=`."""
        self.sessions: list[Journal] = []
        """One per accepted connection, in the order in which they came."""
        self.refused: list[HandshakeRefusal] = []
        self._script = script
        self._keys = keys
        self._models = models
        self._settings = settings
        self._refuse_by = refuse_by
        self._on_event = on_event
        self._connections = 0

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse an upgrade that the real server would refuse, or that the script wants refused."""
        self._connections += 1
        connection.number = self._connections  # type: ignore[attr-defined]  # read in `converse`
        fault = self._script.connect_fault(self._connections)
        found = self._refusal(request)
        if found is None and fault is not None and fault.kind == "refuse":
            found = fault_refusal(fault)
        elif found is not None and self._refuse_by == "socket":
            return None
        if found is None:
            return None
        self.refused.append(found)
        return _response(found)

    async def converse(self, connection: ServerConnection) -> None:
        """One session, from the upgrade to the end of the socket."""
