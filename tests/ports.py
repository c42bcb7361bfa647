"""Ports for processes that are told theirs by number.

One that the system gives out may be gone a moment later: each connection that anybody on this machine opens
takes one of the same range. These lie below that range, and each worker of pytest has its own share of them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import Final

from callbridge.server.process.listening.listening import tcp_listener

FIRST: Final = 10_000
SHARE: Final = 1_000
SHARES: Final = 20
"""The system's own range begins at 32,768, or higher."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_counted = itertools.count(os.getpid() * 97)
"""Two runs at the same time hardly begin at the same one."""


def free_port() -> int:
    """One on which nobody listens, and that nobody else is given."""
    while True:
        port = FIRST + _worker % SHARES * SHARE + next(_counted) % SHARE
        with contextlib.suppress(OSError), tcp_listener(port=port):
            return port


def free_ports(count: int) -> int:
    """The first of so many in a row."""
    while True:
        first = free_port()
        if first % SHARE + count > SHARE:  # The rest of them are another worker's.
            continue
        with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
            for port in range(first, first + count):
                opened.enter_context(tcp_listener(port=port))
            for _ in range(count - 1):
                next(_counted)
            return first
