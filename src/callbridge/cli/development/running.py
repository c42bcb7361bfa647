"""One run of `callbridge dev`: serves until it is told to stop, and meanwhile is public, if it is to be.

The tunnel stands before the service, because its name is in the settings; a number is pointed here only when
the name leads to this very process, and put back before the tunnel goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callbridge.cli.development.borrowed_number import RESTORE
from callbridge.cli.development.own_modules import OwnModules
from callbridge.cli.development.public_name import PublicName
from callbridge.cli.development.reloading import Reloading
from callbridge.cli.development.trouble import DevTrouble
from callbridge.server.errands.kept_pointings import KeptError
from callbridge.server.errands.numbers import NumberError
from callbridge.server.errands.webhook_probe import probe_webhook
from callbridge.server.http.process_proof import ProcessProof
from callbridge.server.process.listening.listening import CallServer, uvicorn_config
from callbridge.telephony.rest.fault import RestFault

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from types import FrameType

    from callbridge.cli.development.borrowed_number import BorrowedNumber
    from callbridge.cli.development.configuration import Told
    from callbridge.cli.development.pages import Pages
    from callbridge.cli.development.screen import Screen
    from callbridge.cli.development.tunnels import Tunnel
    from callbridge.server.config.settings import Settings
    from callbridge.server.preparing import Prepared

GIVE_BACK_S: Final = 5.0
"""Who presses Ctrl-C waits no longer for Twilio."""

_AT_ONCE: Final = 2
"""Signals."""


class DevServer(CallServer):
    """Tells its listening to whoever waits for it, and not the log. The second signal ends it at once."""

    def __init__(self, prepared: Prepared, settings: Settings) -> None:
        super().__init__(
            uvicorn_config(prepared.app, settings), settings, prepared.drain, loop_watch=prepared.loop_watch
        )
        self.is_listening = asyncio.Event()
        self._signals = 0

    def say_ready(self) -> None:
        """It listens."""
        self.is_listening.set()

    def stop(self) -> None:
        """As if it were told to by a signal."""
        self._signalled()

    def _signalled(self) -> None:
        self._signals += 1
        super()._signalled()
        if self._signals == _AT_ONCE:  # To `serve` it says that live calls are handed over: here, to nobody.
            super()._signalled()


@dataclass(frozen=True, slots=True)
class Public:
    """How this process is to be reached from outside."""

    tunnel: Tunnel
    number: BorrowedNumber | None = None


@dataclass(slots=True)
class Run:
    """One run.

    Args:
        prepared: the service.
        settings: those it was made with.
        told: what they were made of.
        screen: where it says what happens.
        pages: what a browser is shown meanwhile.
        public: how it is reached from outside; None where only this machine reaches it.
        next_step: what to do once it serves.
    """

    prepared: Prepared
    settings: Settings
    told: Told
    screen: Screen
    pages: Pages
    public: Public | None = None
    next_step: str = ""
    trouble: DevTrouble | None = field(default=None, init=False)
    """What has ended it; None where the user has."""

    async def serve(self, listeners: list[socket.socket]) -> None:
        """Serves until it is told to stop."""
        proof = ProcessProof()
        proof.add_to(self.prepared.app)
        # A machine that is busy with an editor, a browser and tests declines nobody: it is said that it is.
        self.prepared.app.state.desk.loop_watch = None
        server = DevServer(self.prepared, self.settings)
        plans = self.prepared.app.state.desk.plans
        reloading = Reloading(self.settings, plans, OwnModules(Path.cwd()), self.screen)
        async with (
            self.pages.served(self.prepared, self.told, self.settings, reloading.notice),
            asyncio.TaskGroup() as tasks,
        ):
            beside = tasks.create_task(self._beside(server, proof), name="dev")
            watching = tasks.create_task(reloading.watch_forever(), name="reload")
            try:
                await server.serve(listeners)
            finally:
                beside.cancel()
                watching.cancel()

    async def _beside(self, server: DevServer, proof: ProcessProof) -> None:
        """Public until the tunnel ends, or until this is cancelled. The number is given back either way."""
        await server.is_listening.wait()
        self.screen.row("talk", self.pages.address)
        await self.pages.open()
        if self.public is None:
            self.screen.next_step(f"{self.next_step} (Ctrl-C ends this.)")
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                leading = tasks.create_task(self._lead_here(self.public, server, proof), name="public name")
                why = await self.public.tunnel.ended()
                leading.cancel()
            self._fails(
                server, DevTrouble(f"the tunnel is gone: {why}", "Start again: it has another name then.")
            )
        finally:
            # Outside of the group: it would keep a second Ctrl-C to itself.
            if self.public.number is not None:
                await self._give_back(self.public.number)

    def _fails(self, server: DevServer, trouble: DevTrouble) -> None:
        self.trouble = trouble
        server.stop()

    async def _lead_here(self, public: Public, server: DevServer, proof: ProcessProof) -> None:
        """Waits for the name, points the number, and looks after both. What cannot be ends the run."""
        try:
            await self._wait_and_point(PublicName(self.settings.public_base_url, proof), public)
        except DevTrouble as trouble:
            self._fails(server, trouble)
        except (RestFault, NumberError, KeptError) as fault:
            self._fails(server, DevTrouble(str(fault).removesuffix(".")))

    async def _wait_and_point(self, name: PublicName, public: Public) -> None:
        url, say = self.settings.public_base_url, self.screen.say
        after_s = await name.wait(lambda why: say(f"Waiting for {url}: {why}."))
        self.screen.row("public", f"{url}, by {public.tunnel.name}: leads here after {after_s:.1f} s")
        if public.number is not None:
            await self._point(public.number)
        await name.watch(say)

    async def _point(self, number: BorrowedNumber) -> None:
        await number.point(number.plan(self.settings))
        self.screen.row("number", f"{number.number.number} leads here, until Ctrl-C")
        probed = await probe_webhook(self.settings, self.settings.voice_url, number.number.number)
        if not probed.is_ours:
            raise DevTrouble(probed.finding.what, probed.finding.remedy)
        self.screen.next_step(f"Call {number.number.number}. (Ctrl-C ends this.)")

    async def _give_back(self, number: BorrowedNumber) -> None:
        """Whatever comes: it is given back, or it is said how."""
        told = number.number.number
        if not number.is_taken:
            return
        try:
            # Not `timeout`: in a task that was cancelled, as this one by Ctrl-C, Python before 3.11.3 tells
            # its end as another cancellation. There `wait_for` makes a task, which helps a request, too.
            await asyncio.wait_for(number.give_back(), GIVE_BACK_S)
            self.screen.say(f"{told} is put back where it led before.")
        except DevTrouble as trouble:
            self.screen.say(f"{trouble}.")
        except asyncio.CancelledError:
            self.screen.trouble(f"{told} still leads here: Twilio was not waited for", f"Run: {RESTORE}")
            raise
        except (RestFault, NumberError, KeptError, TimeoutError) as fault:
            why = str(fault).removesuffix(".") or f"Twilio did not answer within {GIVE_BACK_S:g} s"
            self.trouble = DevTrouble(f"{told} still leads here: {why}", f"Run: {RESTORE}")


@contextlib.contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """SIGTERM and SIGHUP are what Ctrl-C is, before the server has its own way with them: nothing is left."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # Who started us with `nohup` wants us to outlive the terminal.
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
