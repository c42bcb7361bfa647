"""The thread that writes the log: nobody waits for a reader, and what is lost is counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from callbridge.observe.log_writer import CHUNK_BYTES, LineQueue
from callbridge.observe.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_at_the_bound_the_oldest_lines_go() -> None:
    queue = LineQueue(lines_max=3)
    for number in range(5):
        queue.put(f"{number}")
    assert (len(queue), queue.take()) == (3, (2, ["2", "3", "4"]))
    assert queue.take() == (0, [])


def test_no_more_is_taken_than_is_written_at_once() -> None:
    queue = LineQueue()
    for _ in range(3):
        queue.put("x" * CHUNK_BYTES)
    assert [len(queue.take()[1]) for _ in range(4)] == [1, 1, 1, 0]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Where it is read, where it is written."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def fill(descriptor: int) -> int:
    """Writes until a pipe takes no more; answers how much that was."""
    os.set_blocking(descriptor, False)
    size = 0
    try:
        while True:
            size += os.write(descriptor, b"\n" * 512)
    except BlockingIOError:
        os.set_blocking(descriptor, True)
    return size


def read(descriptor: int, until: str) -> list[dict[str, Any]]:
    """Lines up to the first of an event."""
    text = b""
    while f'"event": "{until}"'.encode() not in text or not text.endswith(b"\n"):
        text += os.read(descriptor, CHUNK_BYTES)
    return [json.loads(line) for line in text.decode().splitlines() if line]


def test_what_a_full_pipe_could_not_take_is_counted_when_it_is_read_again(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    full = fill(writes)
    configure_logging(stream=os.fdopen(writes, "w", closefd=False))
    log = structlog.get_logger()
    for number in range(5000):
        log.info("line", number=number)
    while full:
        full -= len(os.read(reads, full))
    lines = read(reads, "log_lines_dropped")
    numbers = [line["number"] for line in lines if line["event"] == "line"]
    dropped = sum(line["count"] for line in lines if line["event"] == "log_lines_dropped")
    assert numbers[-1] == 4999, "the last lines say most"
    assert len(numbers) + dropped == 5000
    assert dropped > 2000


def test_a_pipe_that_does_not_wait_loses_nothing(pipe: tuple[int, int]) -> None:
    """Whoever shares it with us may have set it so."""
    reads, writes = pipe
    full = fill(writes)
    os.set_blocking(writes, False)
    configure_logging(stream=os.fdopen(writes, "w", closefd=False))
    structlog.get_logger().info("first")
    while full:
        full -= len(os.read(reads, full))
    structlog.get_logger().info("second")
    assert [line["event"] for line in read(reads, "second")] == ["first", "second"]


def test_a_flush_waits_for_the_last_line(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    configure_logging(stream=os.fdopen(writes, "w", closefd=False))
    structlog.get_logger().info("last")
    configure_logging()
    os.set_blocking(reads, False)
    assert b'"last"' in os.read(reads, CHUNK_BYTES)


# --- Processes ----------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys, threading, time, warnings
import structlog
from callbridge.observe.logs import configure_logging, log_crashes

configure_logging()
log_crashes()
log = structlog.get_logger()

async def main():
    longest = 0
    for number in range(300):
        began_at = time.monotonic()
        log.info("line", number=number, filling="x" * 400)
        await asyncio.sleep(0)
        longest = max(longest, time.monotonic() - began_at)
    sys.stdout.write(f"{longest:.3f}")
    sys.stdout.flush()
"""


def run(program: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM + program]
    return subprocess.run(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, text=True, timeout=60, check=False, **options
    )


def test_a_process_whose_log_nobody_reads_goes_on_and_ends(pipe: tuple[int, int]) -> None:
    """No turn of its loop takes what a write that nobody reads takes, which is for ever."""
    fill(pipe[1])
    ended = run("asyncio.run(main())", stderr=pipe[1])
    assert ended.returncode == 0
    assert float(ended.stdout) < 1


def test_a_process_whose_reader_is_gone_goes_on_and_ends() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        ended = run("asyncio.run(main())", stderr=writes)
    finally:
        os.close(writes)
    assert (ended.returncode, ended.stdout != "") == (0, True)


def test_a_process_without_standard_error_goes_on_and_ends() -> None:
    """The next descriptor that it opens is not the one to which C writes its last words."""
    program = "asyncio.run(main())\nimport os; sys.stdout.write(f' {os.open(os.devnull, 0)}')"
    ended = run(program, preexec_fn=lambda: os.close(2))
    assert ended.returncode == 0
    longest, opened = ended.stdout.split(" ")
    assert (float(longest) < 1, int(opened) > 2) == (True, True)


def last_lines(program: str) -> tuple[int, list[dict[str, Any]]]:
    ended = run(program, stderr=subprocess.PIPE)
    return ended.returncode, [json.loads(line) for line in ended.stderr.splitlines()]


def test_what_ends_a_process_is_its_last_line() -> None:
    status, lines = last_lines("log.info('before')\nraise ValueError('no +447700900123')")
    assert [(line["event"], line["level"]) for line in lines] == [("before", "info"), ("crashed", "critical")]
    assert status == 1
    assert "ValueError: no +********23" in lines[-1]["exception"]


def test_what_ends_a_thread_and_what_python_warns_of_are_lines() -> None:
    status, lines = last_lines(
        "thread = threading.Thread(target=lambda: [][1], name='writer')\n"
        "thread.start()\nthread.join()\nwarnings.warn('old\\x1b')"
    )
    assert (status, [line["event"] for line in lines][:1]) == (0, ["thread_crashed"])
    assert (lines[0]["thread"], lines[0]["error"]) == ("writer", "IndexError")
    assert r"UserWarning: old\x1b" in lines[1]["event"]


def test_ctrl_c_is_no_crash() -> None:
    # A shell has its background jobs ignore Ctrl-C, and the test may be in one.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
    status, lines = last_lines(f"{heard}\nsignal.raise_signal(signal.SIGINT)")
    assert (status, lines) == (-signal.SIGINT, [])


def test_a_process_that_a_tool_forks_off_has_a_log_too() -> None:
    """The thread stays in the parent, and so does the lock where another thread held it."""
    status, lines = last_lines(
        "import logging, os\n"
        "writer = logging.getLogger().handlers[0]\n"
        "with writer._wake:\n"
        "    child = os.fork()\n"
        "if child == 0:\n"
        "    log.info('in the child')\n"
        "    logging.shutdown()\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    assert (status, [line["event"] for line in lines]) == (0, ["in the child"])
