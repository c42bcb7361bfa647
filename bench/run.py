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
from bench.calls import ACCOUNT_SID, Caller, CallLine
from bench.errors import BenchError
from bench.process import Process, running, wait_until_listening
from bench.report import Report, Second, WindowEdge, parse_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.plan import Case, Pace
    from bench.process import Cores, CpuTime, Memory
    from bench.toolchain import Toolchain

Progress: TypeAlias = Callable[[Second], None]
"""Told every second how a run goes."""

Announce: TypeAlias = Callable[[int], Awaitable[CallLine]]
"""Makes the call with this number known to the bridge."""

_SLACK_S = 15.0
"""Beside its phases: what a run may take to start and to close."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the bridge's process had used and held at an edge of the window."""

    cpu: CpuTime
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
        async with _bounded(self._pace.run_bound_s(case.calls) + _SLACK_S, str(case)) as folder:
            certificate = self._toolchain.certificate if case.leg.has_tls else None
            port, model_port = _free_ports(2)
            setting = Setting(port, model_port, certificate, folder)
            bridge_launch = case.bridge.launch(self._toolchain, setting)
            load_launch = self._generator_for(case, setting)
            log = folder / "bridge.log"
            async with running(bridge_launch, self._cores.bridge, folder, log=log) as bridge:
                await wait_until_listening(bridge, setting.port)
                await bridge.wait_for_workers(case.bridge.processes)
                async with (
                    running(load_launch, self._cores.generator, folder, log=None, is_fed=True) as load,
                    _announcer(case.bridge, setting) as announce,
                ):
                    calls = _Calls(load, announce, self._pace, case.calls)
                    return await _Measurement(case, bridge, load, calls, self._progress).carry_out()

    async def run_alone(self, calls: int) -> Report:
        """Measures the generator: its phone side talks to its own model side, with no bridge between.

        Raises:
            BenchError: it did not finish.
        """
        (model_port,) = _free_ports(1)
        launch = self._generator({"--model-port": model_port}, calls, "--self")
        async with (
            _bounded(self._pace.run_bound_s(calls) + _SLACK_S, "the generator alone") as folder,
            running(launch, self._cores.generator, folder, log=None, is_fed=True) as load,
        ):
            feed = _Calls(load, _without_webhook, self._pace, calls)
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(feed.feed(), name="calls")
                report = await _report_of(load, lambda _: None, self._progress)
                feeding.cancel()
        if report is None:
            raise BenchError("the generator ended without a report")
        return report

    def _generator_for(self, case: Case, setting: Setting) -> Launch:
        arguments: dict[str, object] = {
            "--bridge-port": setting.port,
            "--model-port": setting.model_port,
            "--path": MEDIA_PATH,
            "--signature": case.bridge.signature(setting),
            "--account-sid": ACCOUNT_SID,
        }
        if setting.certificate:
            arguments |= {"--certificate": setting.certificate, "--key": self._toolchain.key}
        return self._generator(arguments, case.calls)

    def _generator(self, arguments: dict[str, object], calls: int, *flags: str) -> Launch:
        pace = self._pace
        arguments = arguments | {
            "--calls": calls,
            "--ramp-max": pace.ramp_bound_s(calls),
            "--warm-up": pace.warm_up_s,
            "--window": pace.window_s,
            "--drain": pace.drain_s,
            "--extra-life": pace.extra_life_s,
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        return Launch((str(self._toolchain.generator), *words, *flags), {})


class _Calls:
    """Gives the generator its calls, one by one, as a telephone would ring."""

    def __init__(self, load: Process, announce: Announce, pace: Pace, measured: int) -> None:
        self._load, self._announce, self._pace, self._measured = load, announce, pace, measured
        self._next = 0
        self.refusal = ""
        """Why the bridge did not take a call."""
        self.window_begins = asyncio.Event()

    async def feed(self) -> None:
        """First those that are measured; in the window the extra ones, until this is cancelled."""
        try:
            await self._ring_steadily(self._pace.starts_per_s, until=self._measured)
            if self._pace.extra_starts_per_s:
                await self.window_begins.wait()
                await self._ring_steadily(self._pace.extra_starts_per_s, until=None)
        except (BenchError, httpx.HTTPError) as error:
            self.refusal = f"call {self._next} was not taken: {str(error) or type(error).__name__}"
            assert self._load.inner.stdin is not None, "the generator is started with a pipe"
            self._load.inner.stdin.close()  # It knows then that it will never have all calls.
        except ConnectionError:
            pass  # It ended already: its report says why.

    async def _ring_steadily(self, starts_per_s: float, until: int | None) -> None:
        assert self._load.inner.stdin is not None, "the generator is started with a pipe"
        loop = asyncio.get_running_loop()
        due = loop.time()
        while until is None or self._next < until:
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += 1 / starts_per_s
            line = await self._announce(self._next)
            self._next += 1
            self._load.inner.stdin.write(line.encode())
            await self._load.inner.stdin.drain()


class _Measurement:
    """The time in which bridge and generator both run."""

    def __init__(self, case: Case, bridge: Process, load: Process, calls: _Calls, progress: Progress) -> None:
        self._case, self._progress = case, progress
        self._bridge, self._load, self._calls = bridge, load, calls
        self._edges: list[Watched] = []

    async def carry_out(self) -> Run:
        """From the first call to the generator's report."""
        idle = self._bridge.memory()
        async with asyncio.TaskGroup() as tasks:
            feeding = tasks.create_task(self._calls.feed(), name="calls")
            report = await _report_of(self._load, self._at_edge, self._progress)
            feeding.cancel()
        if report is None:
            raise BenchError(f"{self._case}: the generator ended without a report")
        if self._calls.refusal:
            report = msgspec.structs.replace(report, reason=self._calls.refusal)
        begin, end = [*self._edges, None, None][:2]
        return Run(self._case, report, idle, begin, end)

    def _at_edge(self, edge: WindowEdge) -> None:
        with contextlib.suppress(OSError):  # The bridge is dead: the report counts its calls as lost.
            cpu = self._bridge.cpu()  # First: it must be read at the very edge.
            self._edges.append(Watched(cpu, self._bridge.memory(), self._bridge.open_files()))
        if edge.is_begin:
            self._calls.window_begins.set()


async def _report_of(
    load: Process, at_edge: Callable[[WindowEdge], None], progress: Progress
) -> Report | None:
    """Reads what the generator says to its end; nothing when it ended without a report."""
    assert load.inner.stdout is not None, "the generator is started with a pipe"
    async for text in load.inner.stdout:
        line = parse_line(text)
        if isinstance(line, WindowEdge):
            at_edge(line)
        elif isinstance(line, Second):
            progress(line)
        else:
            return line
    return None


@contextlib.asynccontextmanager
async def _bounded(bound_s: float, what: str) -> AsyncIterator[Path]:
    """An empty folder, and no more time than that."""
    with tempfile.TemporaryDirectory(prefix="callbridge-bench-") as folder:
        try:
            async with asyncio.timeout(bound_s):
                yield Path(folder)
        except TimeoutError:
            raise BenchError(f"{what}: not finished in {bound_s:g} s") from None


@contextlib.asynccontextmanager
async def _announcer(bridge: BridgeKind, setting: Setting) -> AsyncIterator[Announce]:
    if bridge.voice_path is None:
        yield _without_webhook
        return
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Caller(http, setting.base_url + bridge.voice_path).ring


async def _without_webhook(number: int) -> CallLine:
    return CallLine(number, "-")


def _free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as sockets:
        found = []
        for _ in range(count):
            taken = sockets.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            found.append(taken.getsockname()[1])
        return found
