"""One measured run: one bridge, one number of calls, one kind of model leg."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import httpx
import msgspec

from bench.bridges import MEDIA_PATH, BridgeKind, Launch, Setting
from bench.calls import ACCOUNT_SID, CallLine, Caller
from bench.errors import BenchError
from bench.process import Process, running, wait_until_listening
from bench.report import Report, Second, WindowEdge, parse_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bench.plan import Case, Pace
    from bench.process import Cores, Memory
    from bench.toolchain import Toolchain

Progress: TypeAlias = Callable[[Second], None]
"""Told every second how a run goes."""

Announce: TypeAlias = Callable[[int], Awaitable[CallLine]]
"""Makes the call with this number known to the bridge."""

_SLACK_S = 15.0
"""Beside its phases: what a run may take to start and to close."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What /proc says about the bridge at an edge of the window."""

    cpu_s: float
    memory: Memory
    open_files: int


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured."""

    case: Case
    report: Report
    idle: Memory
    """Before the first call."""
    begin: Watched | None
    """At the window's begin; nothing when the calls never came up."""
    end: Watched | None

    @property
    def is_complete(self) -> bool:
        """Whether all calls came up and the window was measured to its end."""
        return self.report.outcome == "complete" and self.begin is not None and self.end is not None


class Bench:
    """Carries out cases, one after the other."""

    def __init__(self, toolchain: Toolchain, cores: Cores, pace: Pace, progress: Progress) -> None:
        self._toolchain = toolchain
        self._cores = cores
        self._pace = pace
        self._progress = progress

    async def run(self, case: Case) -> Run:
        """Measures one case.

        Raises:
            BenchError: the bridge or the generator could not be run at all. A bridge that does not carry the
                calls is a result, not an error.
        """
        bound_s = self._pace.run_bound_s(case.calls) + _SLACK_S
        with tempfile.TemporaryDirectory(prefix="callbridge-bench-") as name:
            try:
                async with asyncio.timeout(bound_s):
                    return await self._run_in(Path(name), case)
            except TimeoutError:
                raise BenchError(f"{case}: not finished in {bound_s:g} s") from None

    async def _run_in(self, folder: Path, case: Case) -> Run:
        certificate = self._toolchain.certificate if case.leg.has_tls else None
        with _free_ports(2) as (port, model_port):
            setting = Setting(port, model_port, certificate)
        launch = case.bridge.launch(self._toolchain, setting)
        async with running(launch, self._cores.bridge, folder, log=folder / "bridge.log") as bridge:
            await wait_until_listening(bridge, port)
            generator = self._generator(case, setting)
            async with running(generator, self._cores.generator, folder, log=None, is_fed=True) as load:
                return await _Measurement(case, setting, bridge, load, self._pace, self._progress).carry_out()

    def _generator(self, case: Case, setting: Setting) -> Launch:
        pace = self._pace
        arguments = {
            "--bridge-port": setting.port,
            "--model-port": setting.model_port,
            "--path": MEDIA_PATH,
            "--signature": case.bridge.signature(setting),
            "--account-sid": ACCOUNT_SID,
            "--calls": case.calls,
            "--warm-up": pace.warm_up_s,
            "--window": pace.window_s,
            "--drain": pace.drain_s,
            "--ramp-max": pace.ramp_bound_s(case.calls),
        }
        if setting.certificate:
            arguments |= {"--certificate": setting.certificate, "--key": self._toolchain.key}
        words = [str(word) for pair in arguments.items() for word in pair]
        return Launch((str(self._toolchain.generator), *words), {})


class _Measurement:
    """The time in which bridge and generator both run."""

    def __init__(
        self, case: Case, setting: Setting, bridge: Process, load: Process, pace: Pace, progress: Progress
    ) -> None:
        self._case, self._setting, self._pace, self._progress = case, setting, pace, progress
        self._bridge, self._load = bridge, load
        self._edges: list[Watched] = []
        self._refusal = ""

    async def carry_out(self) -> Run:
        """From the first call to the generator's report."""
        idle = self._bridge.memory()
        async with asyncio.TaskGroup() as tasks:
            feeding = tasks.create_task(self._feed(), name="calls")
            report = await self._read_report()
            feeding.cancel()
        if self._refusal:
            report = msgspec.structs.replace(report, reason=self._refusal)
        begin, end = [*self._edges, None, None][:2]
        return Run(self._case, report, idle, begin, end)

    async def _feed(self) -> None:
        """Gives the generator its calls, one by one at the pace of the ramp, as a telephone would ring."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        stdin = self._load.inner.stdin
        assert stdin is not None, "the generator is started with a pipe"
        try:
            async with _announcer(self._case.bridge, self._setting) as announce:
                for number in range(self._case.calls):
                    await asyncio.sleep(max(0.0, began_at + number / self._pace.starts_per_s - loop.time()))
                    stdin.write((await announce(number)).encode())
                    await stdin.drain()
        except (BenchError, httpx.HTTPError) as error:
            self._refusal = f"call {number} was not taken: {error or type(error).__name__}"
            stdin.close()  # The generator knows then that it will never have all calls, and ends.
        except ConnectionError:
            pass  # It ended already: its report says why.

    async def _read_report(self) -> Report:
        stdout = self._load.inner.stdout
        assert stdout is not None, "the generator is started with a pipe"
        async for text in stdout:
            line = parse_line(text)
            if isinstance(line, WindowEdge):
                self._watch()
            elif isinstance(line, Second):
                self._progress(line)
            else:
                return line
        raise BenchError(f"{self._case}: the generator ended without a report")

    def _watch(self) -> None:
        try:
            cpu_s = self._bridge.cpu_s()  # First: it must be read at the very edge.
            self._edges.append(Watched(cpu_s, self._bridge.memory(), self._bridge.open_files()))
        except OSError:
            pass  # The bridge is dead: the report counts its calls as lost.


@contextlib.asynccontextmanager
async def _announcer(bridge: BridgeKind, setting: Setting) -> AsyncIterator[Announce]:
    if bridge.voice_path is None:
        yield _without_webhook
        return
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Caller(http, setting.base_url + bridge.voice_path).ring


async def _without_webhook(number: int) -> CallLine:
    return CallLine(number, "-")


@contextlib.contextmanager
def _free_ports(count: int) -> Iterator[list[int]]:
    """Ports that nobody listens on; kept until the context ends, so that they differ."""
    with contextlib.ExitStack() as sockets:
        found = []
        for _ in range(count):
            taken = sockets.enter_context(socket.socket())
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", 0))
            found.append(taken.getsockname()[1])
        yield found
