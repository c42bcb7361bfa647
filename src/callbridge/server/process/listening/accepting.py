"""Accepts at a listening socket at which other workers accept, too, and leaves them what they should have.

The event loop's own server accepts all that there is as soon as it is woken: then one of two workers gets
three calls of four (`switchboard/sharing.py`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

REST_S: Final = 1.0
"""Without a descriptor for another connection none is asked for so long, as asyncio does it."""


class Acceptor:
    """Takes connections of one listening socket until it is closed. The socket stays open for the others.

    Args:
        listener: does not block.
        welcome: takes a connection over.
        waits_s: for how long the next connection is left to the others.
    """

    def __init__(
        self,
        listener: socket.socket,
        welcome: Callable[[socket.socket], None],
        waits_s: Callable[[], float],
    ) -> None:
        self._listener, self._welcome, self._waits_s = listener, welcome, waits_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = True
        self._watch()

    def close(self) -> None:
        """Takes none any more. Again: changes nothing."""
        if self._is_open:
            self._is_open = False
            self._stop_watching()
            if self._timer is not None:
                self._timer.cancel()

    def _watch(self) -> None:
        self._loop.add_reader(self._listener, self._has_come)

    def _stop_watching(self) -> None:
        self._loop.remove_reader(self._listener)

    def _has_come(self) -> None:
        """Somebody waits to be accepted."""
        rest_s = self._waits_s()
        if rest_s:
            self._rest(rest_s)
        else:
            self._accept()

    def _rest(self, rest_s: float) -> None:
        self._stop_watching()
        self._timer = self._loop.call_later(rest_s, self._go_on)

    def _go_on(self) -> None:
        """Whoever is still there was wanted by nobody else."""
        self._timer = None
        self._watch()
        self._accept()

    def _accept(self) -> None:
        """One of them: between two, the loop does what else is due."""
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # Another worker was first, or the peer has gone.
        except OSError:
            self._rest(REST_S)
            return
        connection.setblocking(False)
        self._welcome(connection)
