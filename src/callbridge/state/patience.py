"""Cuts connections on which somebody waits too long: no thread hangs in a server that is cut off.

TCP's own bounds do not see a peer that takes bytes and never answers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKS_EVERY_S: Final = 0.25


class Patience:
    """Looks after the connections of one home, in a thread that begins with the first of them.

    Args:
        patience_s: how long one transaction may take.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._due: dict[int, float] = {}
        """By descriptor, until when somebody waits."""
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def over(self, descriptor: int) -> Iterator[None]:
        """While this lasts somebody waits for an answer on this socket, which is open until it ends."""
        with self._lock:
            self._due[descriptor] = time.monotonic() + self._patience_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="state-patience", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._due.pop(descriptor, None)

    def close(self) -> None:
        """Nobody waits any more."""
        self._is_over.set()

    def _run(self) -> None:
        while not self._is_over.wait(_LOOKS_EVERY_S):
            now = time.monotonic()
            with self._lock:  # Whoever waits cannot leave, and so not close the socket, until this is done.
                for descriptor in [one for one, due in self._due.items() if due < now]:
                    del self._due[descriptor]
                    _cut(descriptor)


def _cut(descriptor: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as own:
        own.shutdown(socket.SHUT_RDWR)
