"""How the model is reached: one address, one key, one TLS context for all calls of a process."""

from __future__ import annotations

import asyncio
import errno
import functools
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import aiofastnet
import msgspec
from picows import WSError
from picows.common import WSHandshakeError
from picows.url import parse_url

from callbridge.bridge.legs.callback_leg import CallbackLeg
from callbridge.bridge.legs.client_protocol import Handshake
from callbridge.bridge.legs.leg import MODEL_MESSAGE_BYTES_MAX, MODEL_PATIENCE, DialError, Patience
from callbridge.bridge.legs.picows_protocol import LegProtocol
from callbridge.call.events import Leg, ModelDialFailed
from callbridge.wire.errors import UNREADABLE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable


def nobody_hears(_date: str) -> None:
    """Then nobody asks what time the model has."""


@dataclass(frozen=True, slots=True)
class ModelDialer:
    """How to reach the model. One per process: it carries the one TLS context of all calls."""

    url: str
    """The address without the model."""
    key: str
    tls: ssl.SSLContext | None = None
    """Needed for `wss`. A context of its own for every connection costs 17 ms of blocked loop each."""
    open_timeout_s: float = 5.0
    patience: Patience = MODEL_PATIENCE
    hears_date: Callable[[str], None] = nobody_hears
    """Gets the `Date` of each answer to a dial that has one."""

    def __repr__(self) -> str:
        return f"<ModelDialer {self.url.rpartition('@')[2]}>"  # No name and no password.

    async def dial(self, model: str) -> CallbackLeg:
        """Opens a socket to `model`.

        Raises:
            DialError: refused, unreachable or too slow.
        """
        leg = CallbackLeg(Leg.MODEL, MODEL_MESSAGE_BYTES_MAX, self.patience)
        try:
            async with asyncio.timeout(self.open_timeout_s):
                await self._open(leg, f"{self.url}?{urlencode({'model': model})}")
        except TimeoutError as error:
            raise DialError(ModelDialFailed(f"no answer in {self.open_timeout_s:g} s")) from error
        except (OSError, WSError, ValueError) as error:
            # ValueError: a host name or port that no address can have, or TLS missing for `wss`.
            why = f"{type(error).__name__}: {error}"
            raise DialError(ModelDialFailed(why, lacks_descriptors=_lacks_descriptors(error))) from error
        return leg

    async def _open(self, leg: CallbackLeg, address: str) -> None:
        url = parse_url(address)
        if url.is_secure and self.tls is None:
            raise ValueError("wss needs a TLS context")
        host = url.netloc.rpartition("@")[2]  # No name and no password in `Host`.
        headers = {"Authorization": f"Bearer {self.key}"}
        protocol = LegProtocol(leg, host=host, resource=url.resource_name, headers=headers)
        _, handshake = await _connector(url.host, url.port)(
            lambda: Handshake(protocol),
            url.host,
            url.port,
            ssl=self.tls if url.is_secure else None,
            ssl_shutdown_timeout=self.patience.close_timeout_s if url.is_secure else None,
        )
        try:
            await protocol.wait_until_handshake_complete()
        except WSHandshakeError as refused:
            protocol.transport.disconnect(graceful=False)
            raise DialError(_refusal(refused, handshake.refusal_body)) from refused
        except BaseException:  # Whatever ends the dial, a cancellation too, takes the socket with it.
            protocol.transport.disconnect(graceful=False)
            raise
        finally:
            if handshake.date:
                self.hears_date(handshake.date)
        if not leg.is_connected:
            raise ConnectionResetError("closed during the handshake")


def _connector(host: str, port: int) -> Callable[..., Awaitable[tuple[Any, Any]]]:
    """aiofastnet's, which needs descriptors; the loop's own, where that has a network without any."""
    loop = asyncio.get_running_loop()
    network = getattr(loop, "network", None)
    if network is not None and network.has(host, port):
        return loop.create_connection
    return functools.partial(aiofastnet.create_connection, loop)


NO_DESCRIPTOR: Final = frozenset({errno.EMFILE, errno.ENFILE})


def _lacks_descriptors(failure: Exception) -> bool:
    """Whether it failed because this process can open no socket.

    Tried as well: who looks for a name's address without one is told that there is no such name.
    """
    if not isinstance(failure, OSError):
        return False
    try:
        socket.socket().close()
    except OSError as error:
        return error.errno in NO_DESCRIPTOR
    return failure.errno in NO_DESCRIPTOR


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    code: str | None = None


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _Error = _Error()


_STATUS: Final = re.compile(rb"HTTP/1\.\d (?!101 )(\d{3}) ")
"""Read here, because picows knows the statuses of the books alone; what stands before a model has others."""


def _refusal(refused: WSHandshakeError, body: bytes) -> ModelDialFailed:
    """What an HTTP answer instead of a socket means. The vendor's errors are JSON, a proxy's anything."""
    answer = _STATUS.match(refused.raw_header or b"")
    if answer is None:
        return ModelDialFailed(f"{type(refused).__name__}: {refused}")
    status = int(answer[1])
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except UNREADABLE:
        error = _Error()
    why = f"the model refused the connection with HTTP {status}: {error.message or error.code or 'no reason'}"
    return ModelDialFailed(why, status, error.code, _retry_after_s(refused.raw_header or b""))


_RETRY_AFTER: Final = re.compile(rb"^retry-after:[ \t]*(\d{1,6})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
"""In seconds (RFC 9110, section 10.2.3). A date instead is always far away: it counts as no word at all."""


def _retry_after_s(header: bytes) -> float | None:
    found = _RETRY_AFTER.search(header)
    return None if found is None else float(found[1])
