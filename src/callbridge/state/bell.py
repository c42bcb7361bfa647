"""Wakes a thread that waits for sockets, or for nothing but the bell."""

from __future__ import annotations

import contextlib
import select
import socket


class Bell:
    """May be rung from any thread; one thread waits."""

    def __init__(self) -> None:
        self._hears, self._rings = socket.socketpair()
        self._hears.setblocking(False)
        self._rings.setblocking(False)

    def ring(self) -> None:
        """Has `wait` return, now or when it is called next."""
        with contextlib.suppress(OSError):  # Full: it rings already. Closed: nobody waits.
            self._rings.send(b"!")

    def wait(self, timeout_s: float, *sockets: int) -> None:
        """Returns when it rings, when one of these sockets has something to read, or after this time."""
        waiting = select.poll()  # `select` knows no descriptors above 1,023.
        for descriptor in (self._hears.fileno(), *sockets):
            waiting.register(descriptor, select.POLLIN)
        heard = dict(waiting.poll(timeout_s * 1000))
        if self._hears.fileno() in heard:
            with contextlib.suppress(BlockingIOError):
                while self._hears.recv(4096):
                    pass

    def close(self) -> None:
        """Nobody waits any more."""
        self._hears.close()
        self._rings.close()
