"""What a request may have, judged without a socket; and who goes when connections are too many."""

from __future__ import annotations

from dataclasses import dataclass

import h11
import pytest

from callbridge.server.process.listening.http_bounds import (
    FIELDS_MAX,
    HEAD_BYTES_MAX,
    PIECES_MAX,
    BoundedConnection,
    Phase,
    Refusal,
    least_wanted,
)

START = b"GET / HTTP/1.1\r\nHost: a\r\n"
POSTED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def fields(number: int) -> bytes:
    return b"".join(b"X-%d: 1\r\n" % n for n in range(number))


def long(size: int) -> bytes:
    """A head of so many bytes."""
    return START + b"X: " + b"x" * (size - len(START) - 7) + b"\r\n\r\n"


def read(*arrivals: bytes) -> tuple[list[object], Refusal | None]:
    """What is made of it, and why it is not read further."""
    connection, events = BoundedConnection(), list[object]()
    for arrival in arrivals:
        connection.receive_data(arrival)
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            events.append(type(event))
    return events, connection.refusal


@pytest.mark.parametrize(
    "head",
    [
        START + fields(FIELDS_MAX - 1) + b"\r\n",
        START.replace(b"\r\n", b"\n") + fields(FIELDS_MAX - 1).replace(b"\r\n", b"\n") + b"\n",
        long(HEAD_BYTES_MAX),
        START + b"\r\n" + b"\n" * 400_000,  # What waits behind a request is not yet looked at.
    ],
)
def test_the_largest_head_is_read(head: bytes) -> None:
    events, refusal = read(head)
    assert (events[:1], refusal) == ([h11.Request], None)


@pytest.mark.parametrize(
    "head",
    [
        START + fields(FIELDS_MAX) + b"\r\n",
        START + fields(FIELDS_MAX + 1),
        START + b" folded\r\n" * (FIELDS_MAX + 1),
        long(HEAD_BYTES_MAX + 5),
        START + b"X: " + b"x" * HEAD_BYTES_MAX,
        b"x" * 300_000,
    ],
)
def test_a_larger_head_is_refused_before_it_is_parsed(head: bytes) -> None:
    assert read(head) == ([], Refusal.LARGE_HEAD)
    assert read(*(head[at : at + 1000] for at in range(0, len(head), 1000)))[1] is Refusal.LARGE_HEAD


def test_the_second_head_of_a_connection_has_the_same_bounds() -> None:
    connection = BoundedConnection()
    connection.receive_data(START + b"\r\n" + START + fields(FIELDS_MAX) + b"\r\n")
    assert isinstance(connection.next_event(), h11.Request)
    assert isinstance(connection.next_event(), h11.EndOfMessage)
    assert connection.next_event() is h11.PAUSED
    connection.send(h11.Response(status_code=204, headers=[]))
    connection.send(h11.EndOfMessage())
    connection.start_next_cycle()
    assert connection.next_event() is h11.NEED_DATA
    assert connection.refusal is Refusal.LARGE_HEAD


def test_a_body_may_come_in_so_many_pieces() -> None:
    chunk = b"1\r\nx\r\n"
    events, refusal = read(POSTED, chunk * PIECES_MAX, b"0\r\n\r\n")
    assert refusal is None
    assert events == [h11.Request, *[h11.Data] * PIECES_MAX, h11.EndOfMessage]
    assert read(POSTED, chunk * 100_000) == ([h11.Request, *[h11.Data] * PIECES_MAX], Refusal.MANY_PIECES)


@pytest.mark.parametrize(
    ("rest", "refusal"),
    [
        (b"0\r\nX: 1\r\n\r\n", Refusal.TRAILERS),
        (b"0\r\n" + b"X: 1\r\n" * 10_000, Refusal.LARGE_HEAD),
        (b"1;" + b"x" * 40_000, Refusal.LARGE_HEAD),
        (b"nothing\r\n", Refusal.NOT_HTTP),
    ],
)
def test_nothing_may_stand_behind_a_body_or_in_its_seams(rest: bytes, refusal: Refusal) -> None:
    assert read(POSTED, rest) == ([h11.Request], refusal)


def test_after_a_refusal_nothing_is_read() -> None:
    assert read(b"\x16\x03\x01", START + b"\r\n") == ([], Refusal.NOT_HTTP)


def test_each_phase_is_known_by_what_has_come() -> None:
    connection, phases = BoundedConnection(), []
    for arrival in (b"POST", b" / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", b"a", b"b"):
        phases.append(connection.phase(has_served=False))
        connection.receive_data(arrival)
        while connection.next_event() is not h11.NEED_DATA:
            pass
    phases.append(connection.phase(has_served=False))
    assert phases == [Phase.FRESH, Phase.HEAD, Phase.BODY, Phase.BODY, Phase.ANSWER]
    assert BoundedConnection().phase(has_served=True) is Phase.IDLE


@dataclass
class One:
    is_genuine: bool
    since: float


def test_the_longest_idle_go_first_of_whoever_are_more() -> None:
    """Thousands of strangers drive no proxy away, and a proxy's many no newcomer."""
    known = [One(is_genuine=True, since=float(at)) for at in range(40)]
    strangers = [One(is_genuine=False, since=100.0 - at) for at in range(60)]
    assert least_wanted([*known, *strangers], 64 * 3) == [strangers[59], strangers[58], strangers[57]]
    assert least_wanted([*known, *strangers[:1]], 20) == [known[0]]
    assert least_wanted([strangers[0]], 20) == [strangers[0]]
