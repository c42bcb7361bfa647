"""What `SocketLeg` promises, kept by every leg over real sockets, on asyncio's loop and on the service's.

What becomes of every right and wrong frame stands in a table of its own: tests/websocket_cases.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import string
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from callbridge.bridge.legs.leg import MODEL_MESSAGE_BYTES_MAX, PHONE_MESSAGE_BYTES_MAX, Patience
from callbridge.call.events import Leg, LegGone, LegStalled
from lanes import BOUND_S, Connect, Ear, Lane, Line, begun, opened
from leftovers import leaves_nothing
from raw_peer import Frame, Opcode, closing, more, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.bridge.legs.leg import LegEnd

pytestmark = pytest.mark.asyncio(loop_scope="module", loop_factories=["asyncio", "uvloop"])

MESSAGE_BYTES_MAX = {Leg.PHONE: PHONE_MESSAGE_BYTES_MAX, Leg.MODEL: MODEL_MESSAGE_BYTES_MAX}

SMALL_BUFFER_BYTES = 4096
"""Of a peer that is to fall behind soon."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fast", "slow", "model"])
async def lane(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Lane, Connect]]:
    """One of the three, and how to get a leg of it."""
    async with opened(request.param) as connect:
        yield request.param, connect


@pytest_asyncio.fixture(loop_scope="module")
async def connect(lane: tuple[Lane, Connect]) -> AsyncIterator[Connect]:
    """How to get a leg; nothing of it is left when the test is over."""
    async with leaves_nothing():
        yield lane[1]


@contextlib.asynccontextmanager
async def reading(line: Line) -> AsyncIterator[asyncio.Task[LegEnd]]:
    """Somebody reads, as in a call: what is sent is only then sure to be written."""
    task = asyncio.create_task(line.leg.read(Ear()))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def numbered(number: int, size: int) -> bytes:
    """A message that says which one it is, and nothing else."""
    return str(number).encode().ljust(size)


async def texts_to_end(line: Line) -> list[bytes]:
    """What the peer gets until the end, close frame aside."""
    return [frame.payload for frame in await line.peer.read_to_end() if frame.opcode == Opcode.TEXT]


@pytest.mark.parametrize("code", [1000, 4000])
async def test_every_message_is_handed_over_in_order_until_the_peer_is_gone(
    connect: Connect, code: int
) -> None:
    """The end is told with the peer's own code and reason."""
    ear = Ear()
    async with connect() as line:
        await line.peer.send(*(text(str(number)) for number in range(5)), closing(code, "why"))
        assert await line.leg.read(ear) == LegGone(line.whose, code, "why")
    assert ear.heard == [str(number) for number in range(5)]


@pytest.mark.parametrize("begun", [b"", b"\x81"], ids=len)
@pytest.mark.parametrize("how", ["half_close", "close", "reset"])
async def test_a_connection_that_ends_without_a_close_frame_is_told(
    lane: tuple[Lane, Connect], connect: Connect, how: str, begun: bytes
) -> None:
    """In the middle of a frame or not. RFC 6455 wants 1006, uvicorn says 1005: the call takes both alike.

    A reset together with the last byte that was read is one event to libuv, which then watches the socket no
    more: no read comes to find the error. The next write does, and a call writes a frame each 20 ms.
    """
    ear = Ear()
    async with connect() as line:
        await line.peer.send(text("last"))
        reading = asyncio.create_task(line.leg.read(ear))
        await ear.hears()  # A reset would overtake what is still on its way.
        await line.peer.send(begun)
        getattr(line.peer, how)()
        while (lane[0], how) == ("model", "reset") and not reading.done():
            line.leg.send(b"{}")
            await asyncio.wait([reading], timeout=0.02)
        gone = await reading
    expected = (
        LegGone(line.whose, 1005, "") if lane[0] == "slow" else LegGone(line.whose, 1006, "no close frame")
    )
    assert gone == expected
    assert ear.heard == ["last"]


@pytest.mark.parametrize("fragments", [1, 2])
async def test_a_message_of_just_the_bound_is_heard_and_a_longer_one_ends_the_leg(
    connect: Connect, fragments: int
) -> None:
    ear = Ear()
    async with connect() as line:
        reading = asyncio.create_task(line.leg.read(ear))
        whole = b"x" * MESSAGE_BYTES_MAX[line.whose]
        await line.peer.send(*in_fragments(whole, fragments))
        await ear.hears()
        with contextlib.suppress(ConnectionError):  # It need not take what is too long.
            await line.peer.send(*in_fragments(whole + b"x", fragments))
        gone = await reading
        assert isinstance(gone, LegGone)
        assert gone.code == 1009
    assert [len(message) for message in ear.heard] == [len(whole)]


def in_fragments(message: bytes, count: int) -> list[Frame]:
    """The message in one frame, or in two."""
    return (
        [text(message)]
        if count == 1
        else [text(message[:30_000], fin=False), more(message[30_000:], fin=True)]
    )


async def test_what_comes_before_the_reading_is_delivered(connect: Connect) -> None:
    """A peer may speak first; by its pong it is known that its words were here before anybody listened."""
    ear = Ear()
    async with connect() as line:
        await line.peer.send(text("early"), Frame(Opcode.PING, b"?"))
        assert await line.peer.read_frame() == Frame(Opcode.PONG, b"?")
        await line.peer.send(text("later"), closing(1000))
        assert await line.leg.read(ear) == LegGone(line.whose, 1000, "")
    assert ear.heard == ["early", "later"]


async def test_an_end_before_the_reading_is_told_after_what_came_before_it(connect: Connect) -> None:
    ear = Ear()
    async with connect() as line:
        await line.peer.send(text("early"), closing(1000, "bye"), text("late"))
        assert await texts_to_end(line) == []
        assert await line.leg.read(ear) == LegGone(line.whose, 1000, "bye")
    assert ear.heard == ["early"]


async def test_nothing_is_delivered_after_our_close(connect: Connect) -> None:
    """A peer may go on speaking until it has seen the close; the call is over."""
    ear = Ear()
    async with connect() as line, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(line.leg.read(ear))
        await line.peer.send(text("1"))
        await ear.hears()
        tasks.create_task(line.leg.close(1000, "bye"))
        assert await line.peer.read_frame() == closing(1000, "bye")
        await line.peer.send(text("late"), closing(1000, "bye"))
        assert await line.peer.read_to_end() == []
        assert await reading == LegGone(line.whose, 1000, "bye")
    assert ear.heard == ["1"]


async def test_nothing_is_delivered_once_nobody_reads(connect: Connect) -> None:
    """A reader that was cancelled hears no more."""
    ear = Ear()
    async with connect() as line:
        reading = asyncio.create_task(line.leg.read(ear))
        await line.peer.send(text("1"), Frame(Opcode.PING, b"?"))
        assert await line.peer.read_frame() == Frame(Opcode.PONG, b"?")
        await ear.hears()  # One lane has a queue in between.
        reading.cancel()
        await asyncio.wait([reading])
        await line.peer.send(text("2"), Frame(Opcode.PING, b"!"))
        assert await line.peer.read_frame() == Frame(Opcode.PONG, b"!")
    assert ear.heard == ["1"]


@pytest.mark.parametrize("is_early", [True, False])
async def test_what_the_listener_raises_is_raised_by_the_reading(connect: Connect, is_early: bool) -> None:
    """Nothing more is handed over, and the leg can still be closed in words."""
    heard: list[str | bytes] = []

    def stumble(message: str | bytes) -> None:
        heard.append(message)
        raise LookupError("ours")

    async with connect() as line:
        reading = None if is_early else await begun(line.leg.read(stumble))
        await line.peer.send(text("1"), text("2"), Frame(Opcode.PING, b"?"))
        assert await line.peer.read_frame() == Frame(Opcode.PONG, b"?")
        with pytest.raises(LookupError, match="ours"):
            await (reading or line.leg.read(stumble))
        await line.peer.send(text("3"))
        await closed_in_words(line, 1011, "internal_error")
    assert len(heard) == 1


async def test_frames_go_out_as_text_in_order_and_before_the_close(connect: Connect) -> None:
    """Those sent before anybody reads, and those sent while somebody does."""
    async with connect() as line:
        line.leg.send(b'{"n":1}')
        async with reading(line):
            line.leg.send('{"n":"ä"}'.encode())
            assert await line.peer.read_frame() == text('{"n":1}')
            assert await line.peer.read_frame() == text('{"n":"ä"}')
            line.leg.send(b"3")
            await closed_in_words(line, 1011, "model_lost", text("3"))


async def closed_in_words(line: Line, code: int, reason: str, *before: Frame) -> None:
    """Closes the leg, whose peer gets the code and the reason, and nothing after them."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(line.leg.close(code, reason))
        told = [await line.peer.read_frame() for _ in range(len(before) + 1)]
        await line.peer.send(closing(code))
    assert told == [*before, closing(code, reason)]
    assert await line.peer.read_to_end() == []


async def test_a_frame_of_any_length_arrives_unchanged(connect: Connect) -> None:
    """The three forms of a length (RFC 6455, section 5.2), and both ways in which they are written."""
    async with connect() as line, reading(line):
        for size in (0, 125, 126, 127, 8192, 8193, 65535, 65536, 1_000_000):
            message = (string.ascii_lowercase.encode() * (size // 26 + 1))[:size]
            line.leg.send(message)
            assert await line.peer.read_frame() == text(message)


async def test_a_peer_that_does_not_read_is_still_heard(connect: Connect) -> None:
    """Sending never waits: neither does anything else."""
    ear = Ear()
    async with connect(Patience(outbox_bytes_max=2**30), SMALL_BUFFER_BYTES) as line:
        fall_behind(line)
        hearing = asyncio.create_task(line.leg.read(ear))
        await line.peer.send(text("still here"))
        await ear.hears()
        hearing.cancel()
        await asyncio.wait([hearing])
    assert ear.heard == ["still here"]


async def test_a_peer_that_takes_nothing_stalls_by_time(connect: Connect) -> None:
    patience = Patience(outbox_bytes_max=2**30, send_timeout_s=0.05, close_timeout_s=0.05)
    async with connect(patience, SMALL_BUFFER_BYTES) as line:
        fall_behind(line)
        stalled = await line.leg.read(Ear())
        assert isinstance(stalled, LegStalled)
        assert stalled.leg is line.whose
        assert stalled.why.endswith("taken for 0.05 s")


def fall_behind(line: Line, count: int = 16, size: int = 2**20) -> None:
    """Sends far more than the kernel keeps for a peer that does not read."""
    for number in range(count):
        line.leg.send(numbered(number, size))


async def test_a_peer_that_only_trickles_stalls_by_bytes(connect: Connect) -> None:
    """It takes something all the time, and falls behind all the same."""
    patience = Patience(outbox_bytes_max=200_000, close_timeout_s=0.05)
    async with connect(patience) as line, reading(line) as ended:
        while not ended.done():
            line.leg.send(b"x" * 20_000)
            await asyncio.wait([ended], timeout=0.001)
            assert await line.peer.read_some(10_000)
        assert ended.result() == LegStalled(line.whose, "more than 200000 bytes wait for it")


async def test_a_peer_that_reads_slowly_gets_everything(connect: Connect) -> None:
    """Behind, but within the bounds: no stall, no gap."""
    count, size = 400, 9000
    async with connect(receive_buffer_bytes=SMALL_BUFFER_BYTES) as line, reading(line) as ended:
        for number in range(count):
            line.leg.send(numbered(number, size))
        for number in range(count):
            assert await line.peer.read_frame() == text(numbered(number, size))
        assert not ended.done()


@pytest.mark.parametrize("stalled_by", ["time", "bytes"])
async def test_after_a_stall_no_gap_is_written(connect: Connect, stalled_by: str) -> None:
    """A peer that comes back gets what was sent first and nothing after the first thing that was lost."""
    count, size = 600, 10_000
    outbox_bytes_max = 2**30 if stalled_by == "time" else 300_000
    # It takes as long as it likes to come back: what is judged is the order.
    patience = Patience(outbox_bytes_max=outbox_bytes_max, send_timeout_s=0.1, close_timeout_s=BOUND_S)
    async with connect(patience, SMALL_BUFFER_BYTES) as line, reading(line) as ended:
        for number in range(count):
            line.leg.send(numbered(number, size))
        assert isinstance(await ended, LegStalled)
        line.leg.send(numbered(count, size))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(line.end(1011, "media_lost"))
            frames = await line.peer.read_to_close()
        got = [frame.payload for frame in frames if frame.opcode == Opcode.TEXT]
    assert 0 < len(got) <= count
    assert got == [numbered(number, size) for number in range(len(got))]


async def test_what_is_sent_to_a_peer_that_is_gone_goes_nowhere(connect: Connect) -> None:
    """It is gone, which is told once, and has not stalled."""
    async with connect() as line:
        line.peer.reset()
        for number in range(50):
            line.leg.send(numbered(number, 1000))
        assert isinstance(await line.leg.read(Ear()), LegGone)
        for number in range(50):
            line.leg.send(numbered(number, 1000))
        await line.end(1000, "")


async def test_a_leg_is_closed_once(connect: Connect) -> None:
    """The first code counts, whether the second close comes during the first or after it."""
    async with connect() as line:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(line.leg.close(1008, "first"))
            tasks.create_task(line.leg.close(1011, "second"))
            assert await line.peer.read_frame() == closing(1008, "first")
            await line.peer.send(closing(1008))
        await line.leg.close(1000, "third")
        line.leg.send(b"late")
        assert await line.peer.read_to_end() == []


@pytest.mark.parametrize("how", ["close frame", "reset"])
async def test_a_leg_that_is_gone_is_not_closed(connect: Connect, how: str) -> None:
    """The answer to a close frame is all that its peer gets."""
    async with connect() as line:
        if how == "reset":
            line.peer.reset()
        else:
            await line.peer.send(closing(4000, "bye"))
        await line.leg.read(Ear())
        line.leg.send(b"late")
        await line.leg.close(1011, "")
        if how != "reset":
            assert [frame.payload[:2] for frame in await line.peer.read_to_end()] == [(4000).to_bytes(2)]


async def test_the_close_of_a_peer_that_does_not_answer_is_bounded(connect: Connect) -> None:
    """It got the code and keeps silent; the connection is dropped."""
    async with connect(Patience(close_timeout_s=0.05)) as line:
        await line.leg.close(1000, "bye")
        assert await line.peer.read_frame() == closing(1000, "bye")


async def test_the_close_of_a_peer_that_does_not_read_is_bounded(connect: Connect) -> None:
    patience = Patience(outbox_bytes_max=2**30, close_timeout_s=0.05)
    async with connect(patience, SMALL_BUFFER_BYTES) as line:
        fall_behind(line)
        await line.leg.close(1011, "media_lost")
        await line.leg.close(1011, "media_lost")
