"""Children: where they run, what they hold, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest
from bench.bridges import Launch
from bench.errors import BenchError, UnavailableError
from bench.process import (
    Cores,
    choose_cores,
    parse_core_list,
    parse_kilobytes,
    parse_user_and_system_s,
    running,
    wait_until_listening,
)
from bench.toolchain import Toolchain


class TestCores:
    @pytest.mark.parametrize(
        ("text", "cores"), [("0\n", {0}), ("0,4\n", {0, 4}), ("0-2,8-9", {0, 1, 2, 8, 9}), ("3-3", {3})]
    )
    def test_the_kernels_lists_are_read(self, text: str, cores: set[int]) -> None:
        assert parse_core_list(text) == cores

    def test_the_two_run_apart_where_there_is_more_than_one_core(self) -> None:
        cores = choose_cores()
        assert cores.bridge | cores.generator <= os.sched_getaffinity(0)
        assert cores.are_shared == (len(os.sched_getaffinity(0)) == 1)
        assert Cores(frozenset({0}), frozenset({0})).are_shared
        assert str(Cores(frozenset({0}), frozenset({2}))) == "bridge on core 0, generator on core 2"


def test_user_and_system_time_are_told_apart() -> None:
    """Whatever the command is called."""
    words = ["S", *("0" for _ in range(10)), "250", "75", "9", "9"]
    stat = f"4711 (a) b (c) {' '.join(words)}\n"
    ticks = os.sysconf("SC_CLK_TCK")
    assert parse_user_and_system_s(stat) == (250 / ticks, 75 / ticks)


async def test_a_process_that_computes_spends_user_time(tmp_path: Path) -> None:
    launch = Launch((sys.executable, "-c", "while True: sum(range(1000))"), {})
    async with asyncio.timeout(10), running(launch, all_cores(), tmp_path, log=None) as process:
        while (cpu := process.cpu()).user_s < 0.1:  # noqa: ASYNC110 - nobody tells how long it has computed
            await asyncio.sleep(0.02)
    assert cpu.user_s > cpu.system_s
    assert cpu.total_s == pytest.approx(cpu.user_s + cpu.system_s, abs=0.05)


def test_sizes_in_proc_are_read_in_bytes() -> None:
    text = "00400000-7ffe00000000 ---p 00:00 0  [rollup]\nRss:   1024 kB\nPss:  10 kB\nTHPeligible:  0\n"
    assert parse_kilobytes(text) == {"Rss": 1024 * 1024, "Pss": 10 * 1024}


class TestRunning:
    PROGRAM = (
        "import subprocess, sys; subprocess.Popen(['sleep', '60']); print('up', flush=True); sys.stdin.read()"
    )

    async def test_a_process_runs_where_it_was_told_and_leaves_nothing(self, tmp_path: Path) -> None:
        ours = os.sched_getaffinity(0)
        core = frozenset({min(ours)})
        launch = Launch((sys.executable, "-c", self.PROGRAM), {})
        async with asyncio.timeout(10), running(launch, core, tmp_path, log=None, is_fed=True) as process:
            assert process.inner.stdout is not None
            assert await process.inner.stdout.readline() == b"up\n"
            assert os.sched_getaffinity(process.pid) == core
            assert process.cpu().total_s > 0
            assert process.memory().rss >= process.memory().pss > 0
            assert process.open_files() >= 3
        assert os.sched_getaffinity(0) == ours
        assert not [pid for pid in group_of(process.pid) if not is_dead(pid)]

    async def test_it_gets_no_more_of_our_environment_than_it_needs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A key of the user's own never reaches a bridge under test."""
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
        log = tmp_path / "log"
        launch = Launch((sys.executable, "-c", "import os; print(sorted(os.environ))"), {"PORT": "1"})
        async with asyncio.timeout(10), running(launch, all_cores(), tmp_path, log=log) as process:
            await process.inner.wait()
        assert "OPENAI_API_KEY" not in process.log_tail()
        assert "'PORT'" in process.log_tail()

    async def test_a_bridge_that_ends_at_once_is_an_error_with_its_last_words(self, tmp_path: Path) -> None:
        launch = Launch((sys.executable, "-c", "raise SystemExit('no such setting')"), {})
        async with (
            asyncio.timeout(10),
            running(launch, all_cores(), tmp_path, log=tmp_path / "log") as process,
        ):
            with pytest.raises(BenchError, match="no such setting"):
                await wait_until_listening(process, 1)


def all_cores() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0))


def group_of(leader: int) -> list[int]:
    return [
        int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal() and leads(path, leader)
    ]


def leads(path: Path, leader: int) -> bool:
    try:
        return os.getpgid(int(path.name)) == leader
    except ProcessLookupError:
        return False


def is_dead(pid: int) -> bool:
    """Killed by us, and gone as soon as the machine has noticed."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


class TestToolchain:
    def test_a_missing_tool_is_named_and_ends_with_its_own_code(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        toolchain = Toolchain(tmp_path, with_tls=True)
        tools = {"generator": "cc", "node": "node", "node_relay": "npm", "certificate": "openssl"}
        for tool, name in tools.items():
            with pytest.raises(UnavailableError, match=f"`{name}` was not found") as error:
                getattr(toolchain, tool)
            assert error.value.exit_code == 2
        monkeypatch.setenv("CC", "no-such-compiler")
        with pytest.raises(UnavailableError, match="`no-such-compiler` was not found"):
            _ = Toolchain(tmp_path, with_tls=False).relay
