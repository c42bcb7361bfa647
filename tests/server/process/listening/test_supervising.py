"""The supervisor and its lines, with workers of a few lines: what reaches them, what their ends lead to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callbridge.server.process.listening.listening import tcp_listener
from callbridge.server.process.listening.seat import Board, Order, Seat, orders_in
from callbridge.switchboard.sharing import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parents[4] / "src"

WORKER = """
import os, signal, sys
from callbridge.server.process.listening.seat import BEAT, READY, Seat
seat = Seat.read(sys.argv[-1])
line = seat.open_line()
line.setblocking(True)
if os.path.exists("fails"):
    sys.exit(3)
line.send(READY)
try:
    os.unlink("hangs")
except FileNotFoundError:
    pass
else:
    line.send(BEAT)
    signal.pause()
heard = b""
while True:
    said = line.recv(1)
    heard += said
    print(seat.number, heard, flush=True)
    if not said or heard[-1:] in b"l3":
        sys.exit(0)
"""
"""Ends when it is told to leave or to stop, or when nobody is left who could tell it.

With a file `hangs` it has one heartbeat, and does nothing more.
"""

SUPERVISOR = """
import sys
from callbridge.server.process.listening import supervising
from callbridge.server.process.listening.listening import tcp_listener
from callbridge.server.process.listening.supervising import Supervisor
from callbridge.switchboard.workers import Workers
supervising.BEAT_S = 0.02
command = (sys.executable, "-c", sys.argv[1])
with tcp_listener() as public:
    sys.exit(Supervisor(command, [public], [], Workers(2, 5.0)).run())
"""


@contextlib.contextmanager
def supervised(folder: Path, *, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor of two such workers; what it leaves is killed with it."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-c", SUPERVISOR, WORKER],
            cwd=folder,
            env={"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"]},
            stdin=stdin,
            stdout=log,
            stderr=log,
            start_new_session=stdin == subprocess.DEVNULL,
            preexec_fn=None if stdin == subprocess.DEVNULL else take_terminal,  # noqa: PLW1509 - no threads
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


def take_terminal() -> None:
    """The terminal on standard input becomes that of a session of its own."""
    os.setsid()
    import fcntl  # noqa: PLC0415 - in the child alone
    import termios  # noqa: PLC0415

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def said(folder: Path, words: str, times: int = 1) -> None:
    """Until the log has these words so often."""
    async with asyncio.timeout(30):
        while (folder / "log").read_text().count(words) < times:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.02)


async def ended(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, 30)


@pytest.mark.heavy  # It starts several interpreters.
async def test_orders_come_over_the_line_and_nobody_is_left(tmp_path: Path) -> None:
    """Two are replaced one after the other; three signals are three orders; the exit status is 0."""
    with supervised(tmp_path) as process:
        await said(tmp_path, "worker_started", 2)
        process.send_signal(signal.SIGHUP)
        await said(tmp_path, "workers_restarted")
        log = (tmp_path / "log").read_text()
        assert log.index("0 b'l'") < log.index("1 b'l'")
        for order in ("b'1'", "b'12'", "b'123'"):
            process.send_signal(signal.SIGTERM)
            await said(tmp_path, order, 2)
        assert await ended(process) == 0
    assert "worker_died" not in (tmp_path / "log").read_text()


@pytest.mark.heavy  # It starts several interpreters.
async def test_workers_outlive_no_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path) as process:
        await said(tmp_path, "worker_started", 2)
        process.send_signal(signal.SIGHUP)
        await said(tmp_path, "workers_restarted")  # So that both listen.
        process.kill()
        await said(tmp_path, "0 b''")
        await said(tmp_path, "1 b''")


@pytest.mark.heavy  # It starts several interpreters.
async def test_a_start_that_fails_passes_its_status_on(tmp_path: Path) -> None:
    (tmp_path / "fails").touch()
    with supervised(tmp_path) as process:
        assert await ended(process) == 3
    log = (tmp_path / "log").read_text()
    assert (log.count("worker_started"), log.count("workers_given_up")) == (1, 1)


@pytest.mark.heavy  # It starts several interpreters.
async def test_a_worker_whose_loop_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    """Whatever keeps it from ending itself. The other one, which has no heartbeat at all, is left."""
    (tmp_path / "hangs").touch()
    with supervised(tmp_path) as process:
        await said(tmp_path, "worker_started", 3)
        process.send_signal(signal.SIGTERM)
        await said(tmp_path, "b'1'", 2)
    log = (tmp_path / "log").read_text()
    assert (log.count("worker_hung"), log.count("worker_died")) == (1, 1)
    assert log.index("worker_hung") < log.index("worker_died")


@pytest.mark.heavy  # It starts several interpreters.
async def test_a_terminal_that_is_closed_drains_and_replaces_nobody(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with supervised(tmp_path, stdin=theirs) as process:
        os.close(theirs)
        await said(tmp_path, "worker_started", 2)
        process.send_signal(signal.SIGHUP)  # The terminal is there: somebody wants new workers.
        await said(tmp_path, "workers_restarted")
        os.close(ours)
        await said(tmp_path, "b'1'", 2)


def test_a_seat_is_a_word_of_the_command_line() -> None:
    seat = Seat(number=1, of=3, line=7, board=8, public=(3, 4), control=None)
    assert Seat.read(str(seat)) == seat
    with_control = Seat(number=0, of=2, line=7, board=8, public=(3,), control=5)
    assert Seat.read(str(with_control)) == with_control
    assert with_control.descriptors == (7, 8, 3, 5)
    assert list(orders_in(b"1l3")) == [Order.DRAIN, Order.LEAVE, Order.STOP]
    assert [order.signals for order in Order] == [1, 1, 2, 3]


def test_the_board_is_shared(tmp_path: Path) -> None:
    with (tmp_path / "board").open("w+b") as file, tcp_listener():
        board = Board.made(file.fileno(), 3)
        other = Board(file.fileno(), 3)
        assert board.others(1) == [ABSENT, ABSENT]
        board.write(0, 12)
        other.write(2, 1_000_007)
        assert (other.others(1), board.others(0)) == ([12, 1_000_007], [ABSENT, 1_000_007])
        board.close()
        other.close()
