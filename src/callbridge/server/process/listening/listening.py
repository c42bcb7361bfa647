"""How uvicorn serves calls: strict sockets, one line when ready, a stop that drops no call.

One process, because a call and its audio live in it; more calls are served by more workers beside it
(`working`), and by more machines.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog
import uvicorn

from callbridge.bridge.legs.leg import PHONE_MESSAGE_BYTES_MAX
from callbridge.server.config.descriptors import Room
from callbridge.server.process.listening.fast_lane import FastLaneProtocol
from callbridge.server.process.listening.http_protocol import Crowd, bounded_http
from callbridge.server.process.listening.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from starlette.types import ASGIApp

    from callbridge.observe.loop_watch import LoopWatch
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.drain import Drain
    from callbridge.server.process.listening.serving import GuestServer

HANDLERS_END_S = 10
"""After the sockets were closed: how long their calls may take to write their records. The slowest end of a
socket takes half of it (`fast_lane.LINGER_S`)."""

_log = structlog.get_logger()


def uvicorn_config(app: ASGIApp, settings: Settings, room: Room | None = None) -> uvicorn.Config:
    """Uvicorn, set up for media sockets behind a proxy that ends TLS.

    Args:
        app: what is served.
        settings: the configuration of this process.
        room: what its file descriptors allow; by default as many as ever are used.
    """
    room = room or Room.of(sys.maxsize, settings.calls_max)
    crowd = Crowd(room.connections_max)
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="auto",  # uvloop where it is installed
        http=bounded_http(crowd),  # type: ignore[arg-type]  # Whatever makes a protocol will do.
        ws=FastLaneProtocol,
        ws_max_size=PHONE_MESSAGE_BYTES_MAX,
        # Deflate costs memory and time for every socket, and Twilio never asks for it.
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # A phone is never silent: the call watches for gaps in its audio.
        lifespan="on",
        # Logging is set up by `configure_logging`; the routes log what matters of a request.
        log_config=None,
        access_log=False,
        server_header=False,
        # Public addresses come from the settings, so nothing a proxy says is believed.
        proxy_headers=False,
        backlog=room.backlog,
        callback_notify=crowd.tell_rest,
        timeout_notify=10,
        timeout_graceful_shutdown=HANDLERS_END_S,
        # When it is we who close, a request may be on its way already, and of `<Connect action>` that is the
        # end of the call. So the other end has to close: proxies do it after 60 s (nginx), 90 (cloudflared,
        # Heroku), 120 (Caddy), 600 (Google's), 900 (Cloudflare), and 20 s more are for a slow network.
        timeout_keep_alive=settings.keep_alive_seconds,
    )


CONTROL_CONNECTIONS_MAX: Final = 16
"""Operators and deploy scripts are few, and their descriptors are not to be had by calls. Half of them may
follow calls."""


def control_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """The same for the control listener, which has no sockets and no life of its own."""
    config = uvicorn_config(app, settings)
    crowd = Crowd(CONTROL_CONNECTIONS_MAX)
    config.http = bounded_http(crowd)  # type: ignore[assignment]  # As above.
    config.host, config.port = settings.control_host, settings.control_port
    config.backlog = CONTROL_CONNECTIONS_MAX
    config.callback_notify = crowd.tell_rest
    config.lifespan = "off"
    return config


def pages_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """The same for the pages of a developer: a browser keeps several connections, and one socket talks."""
    config = control_config(app, settings)
    config.host, config.port = "127.0.0.1", 0
    return config


def tcp_listener(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening socket to pass to a server; port 0 takes a free one, `::` takes IPv4 as well.

    Not `socket.create_server`: the event loops switch Nagle's algorithm off only for sockets that
    name TCP as their protocol, and its sockets do not. A small message, such as a `clear`, would
    then wait up to 40 ms for the peer's delayed acknowledgement (measured).
    """
    listener = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            # Both families, whatever the machine's own default is; a plain address has one anyway.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def tcp_listeners(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address that `host` stands for: `localhost` has one of each family.

    Addresses that this machine has not are left out while there is another one: `localhost` may have one of
    IPv6 where that is switched off.

    Raises:
        OSError: the name is not known, or one cannot listen there; then nothing is listened on.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    missing: list[OSError] = []
    with contextlib.ExitStack() as opened:
        listeners = []
        for address in dict.fromkeys(str(address[0]) for *_, address in found):
            try:
                listeners.append(opened.enter_context(tcp_listener(address, port)))
            except OSError as error:
                if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    raise
                missing.append(error)
        if not listeners:
            raise missing[0]
        opened.pop_all()
    return listeners


Control: TypeAlias = tuple[uvicorn.Config, socket.socket]
"""What answers operators, and where it listens."""


class CallServer(uvicorn.Server):
    """uvicorn that says, once it listens, what to do next, and that stops only when the drain is done.

    uvicorn's own stop closes every WebSocket at once, then raises the signal again, so that the process does
    not end with 0. Here signals go to the drain, and meanwhile everything is served as before, so that live
    calls keep their webhooks. A signal after the drain makes uvicorn wait for nothing more.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        settings: Settings,
        drain: Drain,
        *,
        loop_watch: LoopWatch | None = None,
        control: Control | None = None,
        agents: Iterable[str] = (),
    ) -> None:
        """A server that does not yet listen.

        Args:
            config: what `uvicorn_config` made.
            settings: for the line that says it is ready.
            drain: decides when to stop.
            loop_watch: watches the loop for as long as this serves.
            control: where operators ask, for as long as this serves.
            agents: the names of who answers.
        """
        super().__init__(config)
        self._settings = settings
        self._drain = drain
        self._loop_watch = loop_watch
        self._control = control
        self._agents = ", ".join(agents)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.control_server: GuestServer | None = None
        """While this serves, where there is one."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until the drain is done."""
        self._loop = asyncio.get_running_loop()
        control = contextlib.nullcontext() if self._control is None else serving(*self._control)
        async with self._loop_watch or contextlib.nullcontext(), control as self.control_server:
            await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen, then logs the one line that an operator waits for."""
        await self.listen(sockets)
        if self.started:
            self.say_ready()

    async def listen(self, sockets: list[socket.socket] | None) -> None:
        """Begins to listen."""
        await super().startup(sockets)

    def say_ready(self) -> None:
        """It listens: what an operator does next."""
        _log.info(
            "ready",
            agents=self._agents,
            webhook=self._settings.voice_url,
            next_step="callbridge number point, or Twilio console > Phone Numbers > your number > "
            "A call comes in: enter this webhook, HTTP POST",
        )

    async def main_loop(self) -> None:
        """Serves as uvicorn does, until the drain is done."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().main_loop(), name="uvicorn")
            await self._drain.run_until_stopped()
            self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT, as uvicorn does, and SIGHUP: a terminal that is closed must not cut calls."""
        is_ours = threading.current_thread() is threading.main_thread()
        # Who started us with `nohup` wants us to outlive the terminal.
        if not is_ours or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            with super().capture_signals():
                yield
            return
        before = signal.signal(signal.SIGHUP, self.handle_exit)
        try:
            with super().capture_signals():
                yield
        finally:
            signal.signal(signal.SIGHUP, before)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop: tells the drain. uvicorn's own would note the signal, to raise it at the end."""
        del sig, frame
        assert self._loop is not None
        # Between any two instructions of the loop's own thread: what is not a callback may be half done.
        self._loop.call_soon_threadsafe(self._signalled)

    def _signalled(self) -> None:
        if self.should_exit:
            self.force_exit = True
        else:
            self._drain.signalled()
