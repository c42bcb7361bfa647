"""What a connection for requests may have: bytes, fields, pieces, time; and who goes when they are too many.

h11 bounds what it has not understood yet, and reads nothing while an answer is out. What it leaves open is
closed here: how many fields a head has, how many pieces a body, and whether anything comes after it. Pure.
"""

from __future__ import annotations

import enum
import heapq
import re
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import h11

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD_BYTES_MAX: Final = 32 * 1024
"""Twilio's heads have 1 kB; proxies add another one."""

FIELDS_MAX: Final = 100
"""Twilio and a proxy send 20. A head that is all fields costs time: 8,000 of them 16 ms (measured)."""

PIECES_MAX: Final = 1024
"""Of one body. Each costs a turn through the parser: a million chunks of one byte block the loop for half a
second at a time (measured). The longest form, 64 KiB, in the smallest packets that there are, is 125."""

HEAD_WITHIN_S: Final = 10.0
BODY_WITHIN_S: Final = 10.0
"""From the end of the head. Twilio's 2 kB come in one packet with it."""

ANSWER_WITHIN_S: Final = 30.0
"""From the end of the request until its answer is on its way. Twilio waits for 15 s."""

READ_WITHIN_S: Final = 10.0
"""How long the peer may take to read what is on its way, when more is waiting than a connection buffers."""

CLOSE_WITHIN_S: Final = 10.0
"""How long the peer of a connection that we close may take to read what is left."""


class Phase(enum.Enum):
    """What a connection waits for."""

    FRESH = enum.auto()
    """The first byte that it says at all."""
    HEAD = enum.auto()
    """The rest of a head."""
    BODY = enum.auto()
    """The rest of a body."""
    ANSWER = enum.auto()
    """Us."""
    IDLE = enum.auto()
    """The next request."""
    CLOSING = enum.auto()
    """That its peer reads the rest."""


WITHIN_S: Final = {
    Phase.HEAD: HEAD_WITHIN_S,
    Phase.BODY: BODY_WITHIN_S,
    Phase.ANSWER: ANSWER_WITHIN_S,
    Phase.CLOSING: CLOSE_WITHIN_S,
}
"""How long each may last. One that is idle, or that never said a word, has the time of keep-alive."""


class Refusal(enum.Enum):
    """Why a request is not read further: the status line, and what to do about it."""

    NOT_HTTP = (b"400 Bad Request", b"This is no HTTP/1.1 that can be read.")
    TRAILERS = (b"400 Bad Request", b"A request may have no trailers.")
    SLOW_HEAD = (b"408 Request Timeout", b"A head must come within %d s." % HEAD_WITHIN_S)
    MANY_PIECES = (b"413 Content Too Large", b"A body may come in %d pieces." % PIECES_MAX)
    LARGE_HEAD = (
        b"431 Request Header Fields Too Large",
        b"A head may have %d bytes and %d fields." % (HEAD_BYTES_MAX, FIELDS_MAX),
    )

    @property
    def answer(self) -> bytes:
        """The whole answer. The connection is closed behind it."""
        status, words = self.value
        return (
            b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n%b" % (status, len(words), words)
        )


class BoundedConnection(h11.Connection):
    """h11's parser of requests. What it may not read it does not read: it says so, and waits for ever."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self.refusal: Refusal | None = None
        """Why nothing more is read."""
        self._pieces = 0

    def next_event(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
        """The next event, as h11 has it; NEED_DATA after a refusal."""
        if self.their_state is h11.IDLE and is_large_head(self.trailing_data[0]):
            self.refusal = Refusal.LARGE_HEAD
        if self.refusal is not None:
            return h11.NEED_DATA
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            # 431 is its word for whatever has no end: a head, trailers, the length of a chunk.
            is_large = error.error_status_hint == 431
            self.refusal = Refusal.LARGE_HEAD if is_large else Refusal.NOT_HTTP
        else:
            self.refusal = self._refusal_of(event)
        return h11.NEED_DATA if self.refusal is not None else event

    def _refusal_of(self, event: object) -> Refusal | None:
        match event:
            case h11.Request():
                self._pieces = 0
            case h11.Data():
                self._pieces += 1
                return Refusal.MANY_PIECES if self._pieces > PIECES_MAX else None
            case h11.EndOfMessage(headers=trailers) if trailers:
                return Refusal.TRAILERS
            case _:
                pass
        return None

    def phase(self, *, has_served: bool) -> Phase:
        """What the connection waits for, `has_served` telling whether it has had an answer before."""
        match self.their_state:
            case h11.IDLE if self.trailing_data[0]:
                return Phase.HEAD
            case h11.IDLE:
                return Phase.IDLE if has_served else Phase.FRESH
            case h11.SEND_BODY:
                return Phase.BODY
            case _:
                return Phase.ANSWER


_BLANK_LINE: Final = re.compile(rb"\n\r?\n")


def is_large_head(data: bytes) -> bool:
    """Whether the head with which `data` begins, whole or not, has too many bytes or fields."""
    if len(data) <= HEAD_BYTES_MAX and data.count(b"\n") <= FIELDS_MAX + 1:
        return False
    end = _BLANK_LINE.search(data)
    size = len(data) if end is None else end.start() + 1
    return size > HEAD_BYTES_MAX or data.count(b"\n", 0, size) > FIELDS_MAX + 1


class Waits(Protocol):
    """A connection that waits for its peer, as far as it matters for who goes."""

    is_genuine: bool
    """A request that Twilio has signed came by it, from Twilio itself or its way through a proxy."""
    since: float
    """When it began to wait."""


_Waits = TypeVar("_Waits", bound=Waits)


def least_wanted(waiting: Iterable[_Waits], connections_max: int) -> list[_Waits]:
    """Who goes first when there are too many: the longest idle of those who are more.

    A proxy's connections bring Twilio's requests; those of a stranger who opens thousands do not, whatever
    else they ask for. So neither kind drives the other away: a proxy keeps its own, and who has just come is
    heard. To find the oldest costs a look at all: so one of 64 goes at once, and the next ones that come cost
    none.
    """
    known: list[_Waits] = []
    strangers: list[_Waits] = []
    for one in waiting:
        (known if one.is_genuine else strangers).append(one)
    more = known if len(known) > len(strangers) else strangers
    return heapq.nsmallest(max(1, connections_max // 64), more, key=lambda one: one.since)
