"""How picows' protocol is set up for a leg, as a client and as a server.

Its own `ws_connect` and `ws_create_server` are not used: the first leaves the socket open when it is
cancelled during the handshake and follows redirects with the key in its hand, the second must own the port.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import structlog
from picows import WSAutoPingStrategy
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # Its stubs leave the class out.

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.bridge.legs.callback_leg import CallbackLeg

READ_BUFFER_BYTES: Final = 2048
"""Of one socket, at first: the least that picows takes. It doubles until the longest message fits."""

PING_AFTER_S: Final = 20.0
"""So long a model may say nothing before it is asked for a sign of life; so long it may take to give one.

A write finds out sooner, and a call writes all the time. On uvloop a write is needed for one thing: a reset
that comes with the last bytes is one event to libuv, which then watches the socket no more."""

_log = structlog.get_logger()
_SILENT: Final = logging.Logger("callbridge.sockets", logging.CRITICAL + 1)  # noqa: LOG001  # No setting may open it.


class _FaultWatch(logging.LoggerAdapter[logging.Logger]):
    """Tells a leg of a fault that picows found in its socket.

    A line of its log is the only word that picows has for it. Everything else that it would log, a call
    learns as the end of the leg. An adapter, because picows makes a logger for every connection out of
    anything else.
    """

    def __init__(self, leg: CallbackLeg) -> None:
        super().__init__(_SILENT)
        self._leg = leg

    def error(self, *_said: object, **_more: object) -> None:
        """The peer broke the protocol."""
        self._leg.fault_found()

    def exception(self, *_said: object, **_more: object) -> None:
        """Our code broke, or picows' own."""
        _log.exception("socket_broken")
        self._leg.fault_found()


class LegProtocol(WSProtocol):  # type: ignore[misc]  # See above.
    """The asyncio protocol of one leg's socket. Whoever makes it bounds the time of its handshake."""

    def __init__(
        self,
        leg: CallbackLeg,
        *,
        host: str | None = None,
        resource: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """A client when it is told `host` and `resource` (path and query), else a server.

        Only a silent model is pinged. A phone is never silent: the call watches for gaps in its audio.
        """
        is_client = host is not None
        super().__init__(
            host,
            resource,
            is_client,
            lambda *_request: leg,
            _FaultWatch(leg),
            True,  # Disconnects after an exception of the leg.
            None,  # No handshake timeout of its own.
            is_client,
            PING_AFTER_S,
            PING_AFTER_S,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,  # The leg answers pings: this would answer one with reserved bits.
            leg.message_bytes_max,
            headers,
            READ_BUFFER_BYTES,
        )

    def feed(self, data: bytes) -> None:
        """Hands over bytes that were read before it had the connection."""
        while data:
            buffer = LegProtocol.get_buffer(self, len(data))
            part = data[: len(buffer)]
            buffer[: len(part)] = part
            data = data[len(part) :]
            LegProtocol.buffer_updated(self, len(part))
