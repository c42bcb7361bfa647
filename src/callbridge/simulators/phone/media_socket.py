"""The media socket over asyncio: a thin shell that drives one `PhoneStream`.

One task reads, one task drives, one timer wakes the driver; nothing is made per frame. Each way has
a `Link`, so that network delay is felt by what the caller hears as it would be on a real line.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, assert_never

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from callbridge.simulators.link import Link
from callbridge.simulators.phone.misbehaviour import Misbehaviour, RawBytes, Spoiler, Wire
from callbridge.simulators.phone.signature import sign
from callbridge.simulators.phone.stream import Abort, Close, Output, PhoneStream, Send
from callbridge.simulators.phone.webhooks import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from callbridge.simulators.phone.events import PhoneEvent

USER_AGENT = "Twilio.TmeWs/1.0"
"""As captured from a live upgrade; there is no Origin, no subprotocol and no extension."""

OPEN_TIMEOUT_S = 10.0
"""For the TCP connection and the handshake together; then 31901."""

CLOSE_TIMEOUT_S = 1.0
"""How long a bridge may take to answer a close frame."""

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""Ten minutes of audio, the whole play-out buffer, are 6.4 MB in base64."""

SEND_BUFFER_BYTES = 32 * 1024
"""Of the kernel, which by default would hide a bridge that does not read for over a minute."""

UNSENT_BYTES_MAX = 64 * 1024
"""About 3 s of frames that the bridge does not take; more caller audio is thrown away (31930)."""

PROTOCOL_FAULT_CODES = frozenset({1002, 1003, 1007, 1009})
"""Codes with which the WebSocket library closes when the peer breaks RFC 6455."""


@dataclass(frozen=True, slots=True)
class Network:
    """The way between the caller and the bridge; both directions alike unless told otherwise."""

    delay_ms: float = 0
    """From the phone to the bridge."""
    jitter_ms: float = 0
    back_delay_ms: float | None = None
    """From the bridge to the phone; as `delay_ms` when None."""
    back_jitter_ms: float | None = None
    seed: int = 0
    """Of the jitter."""

    def links(self) -> tuple[Link[Output], Link[Arrival]]:
        """The line to the bridge and the one back."""
        rng = random.Random(self.seed)  # noqa: S311 - a replayable network, not a secret
        back = self.delay_ms if self.back_delay_ms is None else self.back_delay_ms
        back_jitter = self.jitter_ms if self.back_jitter_ms is None else self.back_jitter_ms
        return Link(self.delay_ms, self.jitter_ms, rng), Link(back, back_jitter, rng)


@dataclass(frozen=True, slots=True)
class Closed:
    """The bridge closed the socket, or it broke (code None)."""

    code: int | None
    reason: str
    is_protocol_fault: bool = False


Arrival: TypeAlias = str | bytes | Closed


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A socket that could not be opened, with Twilio's code for it."""

    code: int
    detail: str


class _DirectConnect(connect):
    """Twilio does not follow a redirect of the handshake: anything but 101 is 31920."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_socket(
    url: str, auth_token: str, misbehaviours: AbstractSet[Misbehaviour]
) -> ClientConnection | Unreachable:
    """Open a media socket with Twilio's headers, signed over exactly `url`."""
    headers = {}
    if Misbehaviour.UNSIGNED_SOCKET not in misbehaviours:
        is_forged = Misbehaviour.FORGED_SOCKET in misbehaviours
        headers["x-twilio-signature"] = sign(url, f"not {auth_token}" if is_forged else auth_token)
    try:
        connection = await _DirectConnect(
            url,
            compression=None,
            additional_headers=headers,
            user_agent_header=USER_AGENT,
            proxy=None,
            ssl=tls_context() if url.startswith("wss:") else None,
            # Twilio is not known to ping; it answers pings, as the library does.
            ping_interval=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MESSAGE_BYTES_MAX,
            # Never reached: the driver must not block on a bridge that does not read, it drops
            # caller audio instead.
            write_limit=1024 * UNSENT_BYTES_MAX,
        )
    except TimeoutError:
        return Unreachable(31901, f"{url}: no answer within {OPEN_TIMEOUT_S:.0f} s")
    except ssl.SSLError as error:
        return Unreachable(31910, f"{url}: {error}")
    except InvalidURI as error:
        return Unreachable(31923, str(error))
    except (InvalidHandshake, EOFError) as error:
        return Unreachable(31920, f"{url}: {error}")
    except OSError as error:
        return Unreachable(_failure_code(error), f"{url}: {error}")
    tcp = connection.transport.get_extra_info("socket")
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return connection


class MediaSocket:
    """Drives a stream over an open socket until one side has ended it."""

    def __init__(
        self,
        stream: PhoneStream,
        connection: ClientConnection,
        *,
        network: Network,
        misbehaviours: AbstractSet[Misbehaviour],
        hang_up_at: float,
        on_event: Callable[[PhoneEvent], None],
    ) -> None:
        self.stream = stream
        self._connection = connection
        self._misbehaviours = misbehaviours
        self._hang_up_at = hang_up_at
        self._on_event = on_event
        self._uplink, self._downlink = network.links()
        self._spoiler = Spoiler(misbehaviours)
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Drive the stream to its end; the socket is closed when this returns."""
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(self._read(), name="phone-reader")
            try:
                await self._drive()
            finally:
                reader.cancel()
                await self._connection.close()

    # --- From outside ---------------------------------------------------------------------

    def hang_up(self) -> None:
        """The caller hangs up now, whatever their script says."""
        now = self._loop.time()
        self._put(self.stream.hang_up(now), now)
        self._woken.set()

    def stop(self) -> None:
        """Twilio stops the stream now, and the caller is still there."""
        now = self._loop.time()
        self._put(self.stream.stop(now), now)
        self._woken.set()

    def press(self, digit: str) -> None:
        """The caller presses a key now."""
        now = self._loop.time()
        self._put(self.stream.press(digit, now), now)
        self._woken.set()

    # --- The driver -----------------------------------------------------------------------

    async def _drive(self) -> None:
        now = self._loop.time()
        self._put(self.stream.open(now), now)
        while True:
            self._woken.clear()
            now = self._loop.time()
            self._advance(now)
            for output in self._uplink.due(now):
                await self._perform(output)
            if self.stream.end is not None and not self._uplink:
                return
            await self._sleep()

    def _advance(self, now: float) -> None:
        """Everything that has happened up to now, in one go and without waiting."""
        for arrival in self._downlink.due(now):
            self._receive(arrival, now)
        self._put(self.stream.wake(now), now)
        if now >= self._hang_up_at:
            self._put(self.stream.hang_up(now), now)
        for event in self.stream.take_events():
            self._on_event(event)

    def _receive(self, arrival: Arrival, now: float) -> None:
        if not isinstance(arrival, Closed):
            self._put(self.stream.receive(arrival, now), now)
        elif arrival.is_protocol_fault:
            self.stream.protocol_broken(arrival.reason, now)
        else:
            self.stream.peer_closed(arrival.code, arrival.reason, now)

    def _put(self, outputs: list[Output], now: float) -> None:
        for output in outputs:
            self._uplink.send(output, now)

    async def _sleep(self) -> None:
        """Wait for the nearest deadline or a message: one timer, whatever is going on."""
        deadlines = (
            self.stream.deadline,
            self._uplink.deadline,
            self._downlink.deadline,
            self._hang_up_at if self.stream.is_open else None,
        )
        nearest = min(deadline for deadline in deadlines if deadline is not None)
        timer = self._loop.call_at(nearest, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            timer.cancel()

    # --- The socket -----------------------------------------------------------------------

    async def _perform(self, output: Output) -> None:
        try:
            match output:
                case Send():
                    await self._send(output)
                case Close(code, reason):
                    await self._connection.close(code, reason)
                case Abort():
                    self._connection.transport.abort()
                case _:
                    assert_never(output)
        except ConnectionClosed as closed:
            self._downlink.send(_closed(closed), self._loop.time())

    async def _send(self, message: Send) -> None:
        unsent = self._connection.transport.get_write_buffer_size()
        if message.event == "media" and unsent > UNSENT_BYTES_MAX:
            self.stream.complain(31930, f"{unsent} bytes not taken", self._loop.time())
            return
        for wire in self._spoiler.spoil(message):
            await self._send_wire(wire)

    async def _send_wire(self, wire: Wire) -> None:
        if isinstance(wire, RawBytes):
            self._connection.transport.write(wire.data)
        else:
            await self._connection.send(wire)

    async def _read(self) -> None:
        if Misbehaviour.NEVER_READ in self._misbehaviours:
            return
        try:
            while True:
                self._arrived(await self._connection.recv())
        except ConnectionClosed as closed:
            self._arrived(_closed(closed))

    def _arrived(self, arrival: Arrival) -> None:
        self._downlink.send(arrival, self._loop.time())
        self._woken.set()


def _failure_code(error: OSError) -> int:
    """Twilio's code for a TCP connection that did not come about."""
    # A name with several addresses fails with one text for all of them, without an errno.
    if error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return 31902
    return 31903 if isinstance(error, ConnectionError) else 31904


def _closed(closed: ConnectionClosed) -> Closed:
    ours, theirs = closed.sent, closed.rcvd
    if ours is not None and ours.code in PROTOCOL_FAULT_CODES and not closed.rcvd_then_sent:
        return Closed(ours.code, ours.reason or str(closed), is_protocol_fault=True)
    if theirs is None:
        return Closed(None, str(closed))
    return Closed(theirs.code, theirs.reason)
