"""Several machines with one number, each with a folder, a wire to the one database, a voice model of its own.

`fleet` brings them up behind one address. A machine is killed, told to stop, started again, or cut off from
the database, which itself may be away for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from callbridge.simulators.voice_model import SessionSettings, serve_model
from e2e.commands import run
from e2e.processes import READY_S, Front, Service, end_all, start, until_ready
from e2e.stack import variables
from ports import free_port
from wires import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    import postgres
    from callbridge.simulators.voice_model import Journal, ModelServer, Script
    from e2e.stack import Stack

ENDED_S: Final = 40.0

# --- The machines -----------------------------------------------------------------------------------


@dataclass
class Host:
    """One machine."""

    folder: Path
    wire: Wire
    model: ModelServer
    given: dict[str, str]
    starts: list[Service] = field(default_factory=list)

    @property
    def service(self) -> Service:
        """What runs on it, or ran last."""
        return self.starts[-1]

    @property
    def sessions(self) -> Sequence[Journal]:
        """What its voice model has seen: sessions of calls on this machine."""
        return self.model.sessions

    async def start(self) -> None:
        """Starts the service, for the first time or again: with what its disk has, and at the same port."""
        own = self.folder / f"start {len(self.starts)}"
        own.mkdir(parents=True)
        self.starts.append(await start(own, self.given))

    async def ready(self) -> None:
        """Until it takes calls."""
        async with asyncio.timeout(READY_S):
            await until_ready(self.service)

    async def lost(self) -> None:
        """The machine is gone from one moment to the next."""
        self.service.signal(signal.SIGKILL)
        assert await self.service.ended(5) == -signal.SIGKILL

    def events(self, name: str) -> list[dict[str, object]]:
        """What its log has of one event, over all starts."""
        return [line for service in self.starts for line in service.events(name)]

    @property
    def faults(self) -> list[str]:
        """What a reader of its logs would take for a fault of the service."""
        return [line for service in self.starts for line in service.faults]


@dataclass
class Fleet:
    """All of them, and the address before them."""

    front: Front
    hosts: list[Host]

    @property
    def line(self) -> Stack:
        """For placing calls over the public address."""
        return self.hosts[0].service.line(self.hosts[0].model)

    def take_calls(self, *hosts: Host) -> None:
        """From now on the address leads to these, by turns; to all where none is named."""
        self.front.send_to(*(host.service for host in hosts or self.hosts))

    @property
    def faults(self) -> list[str]:
        """Of all of them."""
        return [line for host in self.hosts for line in host.faults]

    def events(self, name: str) -> list[dict[str, object]]:
        """Of all of them."""
        return [line for host in self.hosts for line in host.events(name)]


@contextlib.asynccontextmanager
async def fleet(
    folder: Path, database: str, scripts: Sequence[Script], **settings: str
) -> AsyncIterator[Fleet]:
    """A machine for each of `scripts`, which says what its voice model says; all of them ready.

    Args:
        folder: has a folder for each machine afterwards.
        database: the URL of the one that all of them share, empty so far.
        scripts: one for each machine.
        settings: of all of them, by their names in the environment.
    """
    session, far = SessionSettings(keep_audio=False), urlsplit(database)
    assert far.port is not None
    hosts: list[Host] = []
    async with contextlib.AsyncExitStack() as context:
        front = await context.enter_async_context(Front().open())
        for number, script in enumerate(scripts):
            wire = await context.enter_async_context(Wire(far.port))
            model = await context.enter_async_context(serve_model(script, settings=session))
            own = folder / f"machine {number}"
            over_wire = far._replace(netloc=far.netloc.replace(str(far.port), str(wire.port))).geturl()
            shared = {
                "DATABASE_URL": over_wire,
                "CALLBRIDGE_SHARED_STATE": "database",
                "CALLBRIDGE_MACHINE": own.name.replace(" ", "-"),
                "CALLBRIDGE_STATE_PATH": str(own / "state.db"),
                "PORT": str(free_port()),
                "CALLBRIDGE_CONTROL_PORT": str(free_port()),
            }
            hosts.append(Host(own, wire, model, variables(front.url, model.url, **(shared | settings))))
        made = await run(folder, "migrate", variables=hosts[0].given)
        assert made.status == 0, made
        brought_up = Fleet(front, hosts)
        try:
            for host in hosts:
                await host.start()
            for host in hosts:
                await host.ready()
            brought_up.take_calls()
            yield brought_up
        finally:
            await end_all([service for host in hosts for service in host.starts])


@contextlib.asynccontextmanager
async def away(server: postgres.Server) -> AsyncIterator[None]:
    """The database is stopped for the length of the context."""
    await asyncio.to_thread(server.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(server.start)
