"""Child processes: each started on a core of its own, watched through /proc, and always ended. Linux only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.bridges import Launch

START_TIMEOUT_S = 30.0
_LOG_TAIL_BYTES = 2000
_CLOCK_OF_PROCESS = 2
"""In the numbers of Linux' CPU clocks: user and system time of all threads, in nanoseconds."""
_UTIME, _STIME = 11, 12
"""In /proc/PID/stat, counted from what follows the name of the command (fields 14 and 15 of the manual)."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the two processes run; the driver shares the generator's core."""

    bridge: frozenset[int]
    generator: frozenset[int]

    @property
    def are_shared(self) -> bool:
        """Whether the two disturb each other: the machine has one core."""
        return bool(self.bridge & self.generator)

    def __str__(self) -> str:
        return f"bridge on {_names(self.bridge)}, generator on {_names(self.generator)}"


def _names(cores: frozenset[int]) -> str:
    return "core " + ", ".join(map(str, sorted(cores)))


def choose_cores() -> Cores:
    """Two cores that share no arithmetic unit where the machine has them, else any two, else the only one."""
    allowed = sorted(os.sched_getaffinity(0))
    first = allowed[0]
    others = [core for core in allowed if core != first]
    strangers = [core for core in others if core not in _siblings(first)]
    second = next(iter([*strangers, *others, first]))
    return Cores(frozenset({first}), frozenset({second}))


def _siblings(core: int) -> set[int]:
    """The hardware threads of the same physical core."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = path.read_text(encoding="ascii")
    except OSError:
        return {core}
    return parse_core_list(text)


def parse_core_list(text: str) -> set[int]:
    """The numbers in a list such as `0-2,8`, the kernel's way to write a set of cores."""
    cores: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cores |= set(range(int(first), int(last or first) + 1))
    return cores


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds, in bytes."""

    rss: int
    pss: int
    """Pages shared with other processes counted in part."""


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU time of a process so far, all its threads together."""

    total_s: float
    """In nanoseconds, by the scheduler's clock."""
    user_s: float
    """In its own code, to a hundredth of a second."""
    system_s: float
    """In the kernel on its behalf; as coarse."""


@dataclass(frozen=True, slots=True)
class Process:
    """A child in a process group of its own."""

    inner: asyncio.subprocess.Process
    log: Path | None
    """Where what it says is kept; nothing when it is read by us."""

    @property
    def pid(self) -> int:
        """Its number."""
        return self.inner.pid

    async def wait_for_workers(self, count: int) -> None:
        """Returns when so many processes of it carry calls: one that starts the others listens before them.

        Raises:
            BenchError: they took too long.
        """
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while count > 1 and not self._have_begun(count):  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BenchError(f"its workers did not start:\n{self.log_tail()}") from None

    @property
    def pids(self) -> list[int]:
        """Its own number, and those of the processes that it has started."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        return [self.pid, *map(int, children.split())]

    def cpu(self) -> CpuTime:
        """CPU time used so far, by its children as well."""
        each = [_cpu_of(pid) for pid in self.pids]
        return CpuTime(
            sum(used.total_s for used in each),
            sum(used.user_s for used in each),
            sum(used.system_s for used in each),
        )

    def memory(self) -> Memory:
        """Memory held now, by its children as well."""
        each = [
            parse_kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))
            for pid in self.pids
        ]
        return Memory(sum(sizes["Rss"] for sizes in each), sum(sizes["Pss"] for sizes in each))

    def open_files(self) -> int:
        """File descriptors held now, sockets included, by its children as well."""
        return sum(1 for pid in self.pids for _ in Path(f"/proc/{pid}/fd").iterdir())

    def kill(self) -> None:
        """Ends it, its group and its children."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            for pid in reversed(self.pids):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _have_begun(self, count: int) -> bool:
        assert self.log is not None, "a bridge writes to a file"
        return self.log.read_bytes().count(b'"event": "ready"') >= count

    def log_tail(self) -> str:
        """The end of what it said."""
        return "" if self.log is None else self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")


def _cpu_of(pid: int) -> CpuTime:
    # What clock_getcpuclockid(3) answers; Python has no name for it.
    total_s = time.clock_gettime((~pid << 3) | _CLOCK_OF_PROCESS)
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    user_s, system_s = parse_user_and_system_s(stat)
    return CpuTime(total_s, user_s, system_s)


def parse_user_and_system_s(stat: str) -> tuple[float, float]:
    """The CPU times in a file `/proc/PID/stat`. The name of the command may hold spaces and brackets."""
    words = stat.rpartition(")")[2].split()
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    return int(words[_UTIME]) / ticks_per_s, int(words[_STIME]) / ticks_per_s


def parse_kilobytes(text: str) -> dict[str, int]:
    """The lines `Name: 123 kB` of a file in /proc, in bytes."""
    sizes = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            sizes[name] = int(words[0]) * 1024
    return sizes


@contextlib.asynccontextmanager
async def running(
    launch: Launch, cores: frozenset[int], folder: Path, *, log: Path | None, is_fed: bool = False
) -> AsyncIterator[Process]:
    """Runs one process for the length of the context; then nothing of its group is left.

    Args:
        launch: the command and its environment.
        cores: where it may run, its threads included.
        folder: its working directory: an empty one, so that no `.env` of the user is found.
        log: where its output goes; without one, it is the pipe `inner.stdout`.
        is_fed: whether `inner.stdin` is a pipe.
    """
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ours = os.sched_getaffinity(0)
    output = None if log is None else log.open("wb")
    # A thread inherits where it may run, so the child's every thread is pinned before it exists.
    os.sched_setaffinity(0, cores)
    try:
        inner = await asyncio.create_subprocess_exec(
            *launch.command,
            env=environment | launch.environment,
            cwd=folder,
            stdin=asyncio.subprocess.PIPE if is_fed else asyncio.subprocess.DEVNULL,
            stdout=output or asyncio.subprocess.PIPE,
            stderr=output and asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=16 * 1024 * 1024,  # One report is one line.
        )
    finally:
        os.sched_setaffinity(0, ours)
        if output is not None:
            output.close()
    process = Process(inner, log)
    try:
        yield process
    finally:
        process.kill()
        await inner.wait()


async def wait_until_listening(process: Process, port: int) -> None:
    """Returns when the process takes connections on `port`.

    Raises:
        BenchError: it ended, or took too long.
    """
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await _takes_connections(port):
                if process.inner.returncode is not None:
                    raise BenchError(f"the bridge ended before it listened:\n{process.log_tail()}")
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise BenchError(
            f"the bridge did not listen in {START_TIMEOUT_S:g} s:\n{process.log_tail()}"
        ) from None


async def _takes_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return True


def allow_many_files() -> None:
    """Raises the bound on open files, for this process and all that it starts: a call costs each side two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
