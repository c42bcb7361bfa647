"""The opening handshake of a model leg, read whole before picows sees it.

picows judges an answer by its first packet: the words of a refusal are lost when they come in a second one,
and a `Connection` with more than one word is no upgrade to it. So the answer is collected here and handed on
in its plainest form. With the upgrade picows' protocol takes this one's place at the event loop, so that no
packet of the call passes through here.
"""

from __future__ import annotations

import asyncio
from http.client import HTTPException, parse_headers
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from http.client import HTTPMessage

    from callbridge.bridge.legs.picows_protocol import LegProtocol

ANSWER_BYTES_MAX: Final = 12 * 1024
"""Of head and body together. A refusal with more words is not read further."""

ARRIVALS_BYTES: Final = 4096


class Handshake(asyncio.BufferedProtocol):
    """The asyncio protocol of a connection that dials, up to the upgrade. From there on `socket` has it."""

    def __init__(self, socket: LegProtocol) -> None:
        self.socket = socket
        self.refusal_body = b""
        """What a peer said who refused, in whatever pieces."""
        self.date = ""
        """Its `Date` (RFC 9110, section 6.6.1): what time it has."""
        self._answer = b""
        self._arrivals = bytearray(ARRIVALS_BYTES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The peer has answered the telephone: the request goes out."""
        self._transport = transport
        self.socket.connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone before it was upgraded."""
        self.socket.connection_lost(error)

    def get_buffer(self, _size_hint: int) -> bytearray:
        """Where the event loop is to put what it reads."""
        return self._arrivals

    def buffer_updated(self, size: int) -> None:
        """The event loop has read something."""
        self._answer += self._arrivals[:size]
        self._judge(is_last=len(self._answer) > ANSWER_BYTES_MAX)

    def eof_received(self) -> Any:
        """The peer has said its last: its answer is what came so far."""
        self._judge(is_last=True)
        return self.socket.eof_received()

    def _judge(self, *, is_last: bool) -> None:
        """Hands on what picows needs of the answer, as soon as it is complete."""
        head, blank, body = self._answer.partition(b"\r\n\r\n")
        if not blank and not is_last:
            return
        status_line, _, lines = head.partition(b"\r\n")
        try:
            headers = parse_headers(BytesIO(lines + b"\r\n\r\n"))
        except HTTPException:  # Not HTTP, which picows will say.
            self._hand_on(head + blank)
            return
        self.date = headers.get("Date", "")
        if status_line.split(b" ")[1:2] == [b"101"]:
            self._hand_on(status_line + b"\r\n" + _upgrade(headers, lines) + blank + body)
        elif is_last or _is_whole(headers, body):
            self.refusal_body = _joined(body) if _is_chunked(headers) else body
            self._hand_on(head + blank)

    def _hand_on(self, answer: bytes) -> None:
        self._transport.set_protocol(self.socket)
        self.socket.feed(answer)


def _upgrade(headers: HTTPMessage, lines: bytes) -> bytes:
    """The header of an upgrade, without the words that a proxy adds (RFC 6455, section 4.1)."""
    words = [word.strip().lower() for word in headers.get("Connection", "").split(",")]
    if "upgrade" not in words or "Sec-WebSocket-Extensions" in headers:
        return lines  # picows says what is wrong, or an extension's frames are refused.
    accept = headers.get("Sec-WebSocket-Accept", "")
    upgrade = headers.get("Upgrade", "")
    return f"Upgrade: {upgrade}\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}".encode()


def _is_chunked(headers: HTTPMessage) -> bool:
    return bool(headers.get("Transfer-Encoding", "").lower() == "chunked")


def _is_whole(headers: HTTPMessage, body: bytes) -> bool:
    """Whether this is all of a refusal's body (RFC 9112, section 6.3)."""
    if _is_chunked(headers):
        return body.endswith(b"0\r\n\r\n")
    length = headers.get("Content-Length", "")
    return bool(length.isdecimal() and len(body) >= int(length))


def _joined(chunks: bytes) -> bytes:
    """The chunks of a body as one (RFC 9112, section 7.1); as much of them as makes sense."""
    body = b""
    while chunks:
        size_line, _, rest = chunks.partition(b"\r\n")
        try:
            size = int(size_line.partition(b";")[0], 16)
        except ValueError:
            break
        body, chunks = body + rest[:size], rest[size + 2 :]
        if size == 0:
            break
    return body
