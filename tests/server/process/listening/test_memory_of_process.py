"""How the C library's memory is set up, and Python's."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from callbridge.server.process.listening import memory

PROGRAM = """
import ctypes
from callbridge.server.process.listening.memory import keep_large_blocks_apart

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
if {is_fixed}:
    assert keep_large_blocks_apart()
holes = [libc.malloc(256 * 1024) for _ in range(8)]  # Imports may leave holes in the heap: filled first.
libc.free(libc.malloc(1024 * 1024))  # From now on glibc cuts such blocks from the heap.
large = [libc.malloc(256 * 1024) for _ in range(60)]
heap = next(line.split()[0] for line in open("/proc/self/maps") if line.endswith("[heap]\\n"))
begin, end = (int(at, 16) for at in heap.split("-"))
print(sum(begin <= block < end for block in large))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's own")
def test_large_blocks_have_pages_of_their_own_even_after_one_was_freed() -> None:
    """Without the setting they are cut from the heap, whose pages are in use or soon will be."""
    assert blocks_on_the_heap(is_fixed=True) == 0
    assert blocks_on_the_heap(is_fixed=False) > 50


def blocks_on_the_heap(*, is_fixed: bool) -> int:
    """How many of 60 large blocks lie on the heap, in a process of its own."""
    command = [sys.executable, "-c", PROGRAM.format(is_fixed=is_fixed)]
    source = {"PYTHONPATH": str(Path(memory.__file__).parents[4])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=source)  # noqa: S603
    return int(done.stdout)


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert memory.keep_large_blocks_apart() is False


def test_what_is_loaded_is_never_looked_at_again() -> None:
    found = "import gc; from callbridge.server.process.listening import memory; "
    program = f"{found}memory.spare_what_is_loaded(); "
    command = [sys.executable, "-c", f"{program}print(gc.get_freeze_count(), gc.get_count()[2])"]
    source = {"PYTHONPATH": str(Path(memory.__file__).parents[4])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=source)  # noqa: S603 - our own
    assert int(done.stdout.split()[0]) > 1000
