"""The slow lane by itself: its outbox, and the leg at an ASGI server's end that the test holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from callbridge.bridge.asgi_leg import AsgiLeg, AsgiMessage, Outbox
from callbridge.bridge.legs import Patience
from callbridge.call.actions import BadMessage, Leg, LegGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BOUND_S = 5.0
"""Nothing here takes so long unless it hangs."""


@pytest.fixture(autouse=True)
async def _bound() -> AsyncIterator[None]:
    """Every test leaves no task of its own behind."""
    before = asyncio.all_tasks()
    yield
    async with asyncio.timeout(BOUND_S):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left)


async def turns(count: int = 5) -> None:
    """Lets everything that is ready run, as often as the longest chain of wake-ups here needs."""
    for _ in range(count):
        await asyncio.sleep(0)


# --- The outbox -------------------------------------------------------------------------------------


class SlowWriter:
    """A transport that takes one frame for every `take`."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self._permits = asyncio.Semaphore(0)

    def take(self, count: int = 1) -> None:
        for _ in range(count):
            self._permits.release()

    async def write(self, frame: bytes) -> None:
        await self._permits.acquire()
        self.taken.append(frame)


class TestOutbox:
    async def test_frames_are_written_in_order(self) -> None:
        """Those put before the writer runs and those put while it does."""
        writer = SlowWriter()
        writer.take(4)
        outbox = Outbox(writer.write, Patience())
        outbox.put(b"1")
        outbox.put(b"2")
        await outbox.flush()
        outbox.put(b"3")
        outbox.put(b"4")
        await outbox.flush()
        assert writer.taken == [b"1", b"2", b"3", b"4"]

    async def test_putting_never_waits(self) -> None:
        """However slow the peer is, the other leg is not held up."""
        writer = SlowWriter()
        outbox = Outbox(writer.write, Patience())
        for _ in range(1000):
            outbox.put(b"x")
        assert writer.taken == []
        writer.take(1000)
        await outbox.flush()
        assert len(writer.taken) == 1000

    async def test_a_peer_that_takes_nothing_stalls_by_time(self) -> None:
        outbox = Outbox(SlowWriter().write, Patience(send_timeout_s=0.01))
        outbox.put(b"x")
        async with asyncio.timeout(BOUND_S):
            assert await outbox.write_forever() == "a message was not taken for 0.01 s"

    async def test_a_peer_for_which_too_much_waits_stalls_by_bytes(self) -> None:
        outbox = Outbox(SlowWriter().write, Patience(outbox_bytes_max=10))
        outbox.put(b"x" * 6)
        outbox.put(b"x" * 5)
        async with asyncio.timeout(BOUND_S):
            assert await outbox.write_forever() == "more than 10 bytes wait for it"

    async def test_the_bound_itself_may_wait(self) -> None:
        writer = SlowWriter()
        writer.take(2)
        outbox = Outbox(writer.write, Patience(outbox_bytes_max=10))
        outbox.put(b"x" * 5)
        outbox.put(b"y" * 5)
        await outbox.flush()
        assert writer.taken == [b"x" * 5, b"y" * 5]

    async def test_a_peer_that_only_trickles_stalls_too(self) -> None:
        """It takes every message in time, and falls behind all the same."""
        writer = SlowWriter()
        outbox = Outbox(writer.write, Patience(outbox_bytes_max=10))
        writing = asyncio.ensure_future(outbox.write_forever())
        async with asyncio.timeout(BOUND_S):
            while not writing.done():
                outbox.put(b"xxxx")
                outbox.put(b"xxxx")
                writer.take()
                await asyncio.sleep(0)
        assert writing.result() == "more than 10 bytes wait for it"

    async def test_what_waits_for_a_stalled_peer_is_bounded(self) -> None:
        """Beyond the bound nothing is kept, even before the writer has noticed."""
        writer = SlowWriter()
        outbox = Outbox(writer.write, Patience(outbox_bytes_max=10))
        for _ in range(1000):
            outbox.put(b"xxxx")
        writer.take(1000)
        await outbox.flush()
        assert len(writer.taken) == 2

    async def test_a_gap_is_never_written(self) -> None:
        """After a frame was thrown away no later one follows, not even one that would fit."""
        writer = SlowWriter()
        outbox = Outbox(writer.write, Patience(outbox_bytes_max=9))
        for frame in (b"1111", b"2222", b"3333", b"4"):
            outbox.put(frame)
        writer.take(4)
        await outbox.flush()
        assert writer.taken == [b"1111", b"2222"]

    async def test_a_shut_outbox_forgets_and_takes_nothing(self) -> None:
        writer = SlowWriter()
        writer.take(9)
        outbox = Outbox(writer.write, Patience())
        outbox.put(b"1")
        outbox.shut()
        outbox.put(b"2")
        await outbox.flush()
        assert writer.taken == []
        assert not outbox.is_open

    async def test_a_peer_that_is_gone_is_not_called_stalled(self) -> None:
        """What waited for it is forgotten: its end is the reader's to tell."""
        writes, breaks = asyncio.Event(), asyncio.Event()

        async def gone(_frame: bytes) -> None:
            writes.set()
            await breaks.wait()
            outbox.shut()

        outbox = Outbox(gone, Patience(outbox_bytes_max=10))
        writing = asyncio.ensure_future(outbox.write_forever())
        outbox.put(b"x" * 6)
        await writes.wait()
        outbox.put(b"x" * 6)
        outbox.put(b"x" * 6)
        breaks.set()
        await turns()
        assert not writing.done()
        writing.cancel()
        await asyncio.wait([writing])


# --- The leg -----------------------------------------------------------------------------------------


class AsgiEnd:
    """An ASGI server's end of a WebSocket."""

    def __init__(self, *incoming: AsgiMessage) -> None:
        self._incoming = asyncio.Queue[AsgiMessage]()
        for message in incoming:
            self._incoming.put_nowait(message)
        self.sent: list[AsgiMessage] = []
        self.sent_something = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()
        self.broken: Exception | None = None

    async def receive(self) -> AsgiMessage:
        return await self._incoming.get()

    async def send(self, message: AsgiMessage) -> None:
        await self.takes.wait()
        if self.broken is not None:
            raise self.broken
        self.sent.append(message)
        self.sent_something.set()


def text(message: str) -> AsgiMessage:
    return {"type": "websocket.receive", "text": message}


GONE = {"type": "websocket.disconnect", "code": 1000, "reason": "bye"}


class TestAsgiLeg:
    async def test_every_message_is_handed_over_in_order_until_the_peer_is_gone(self) -> None:
        heard: list[str | bytes] = []
        leg = AsgiLeg(AsgiEnd(text("1"), text("2"), text("3"), GONE))
        assert await leg.read(heard.append) == LegGone(Leg.PHONE, 1000, "bye")
        assert heard == ["1", "2", "3"]

    async def test_no_close_frame_is_1005(self) -> None:
        """RFC 6455, section 7.1.5; uvicorn leaves code and reason out or empty then."""
        for message in ({"type": "websocket.disconnect"}, {**GONE, "code": None, "reason": None}):
            assert await AsgiLeg(AsgiEnd(message)).read(print) == LegGone(Leg.PHONE, 1005, "")

    async def test_a_binary_frame_ends_the_reading(self) -> None:
        """Twilio sends text only; uvicorn hands over `bytes`, with or without an empty `text`."""
        heard: list[str | bytes] = []
        for extra in ({}, {"text": None}):
            leg = AsgiLeg(AsgiEnd({"type": "websocket.receive", "bytes": b"\x00", **extra}, text("no")))
            assert await leg.read(heard.append) == BadMessage(Leg.PHONE, "a binary frame", is_fatal=True)
        assert heard == []

    async def test_frames_go_out_as_text_in_order_and_before_the_close(self) -> None:
        end = AsgiEnd()
        leg = AsgiLeg(end)
        leg.send(b'{"n":1}')
        leg.send('{"n":"ä"}'.encode())
        await leg.close(1011, "model_lost")
        assert end.sent == [
            {"type": "websocket.send", "text": '{"n":1}'},
            {"type": "websocket.send", "text": '{"n":"ä"}'},
            {"type": "websocket.close", "code": 1011, "reason": "model_lost"},
        ]

    async def test_the_writer_writes_as_it_is_told(self) -> None:
        end = AsgiEnd()
        leg = AsgiLeg(end)
        end.takes.clear()
        writing = asyncio.ensure_future(leg.write())
        leg.send(b"1")
        end.takes.set()
        async with asyncio.timeout(BOUND_S):
            await end.sent_something.wait()
        writing.cancel()
        await asyncio.wait([writing])
        assert end.sent == [{"type": "websocket.send", "text": "1"}]

    async def test_a_phone_that_does_not_read_is_stalled_and_its_close_is_bounded(self) -> None:
        end = AsgiEnd()
        end.takes.clear()
        leg = AsgiLeg(end, Patience(send_timeout_s=0.01, close_timeout_s=0.01))
        leg.send(b"1")
        async with asyncio.timeout(BOUND_S):
            assert await leg.write() == "a message was not taken for 0.01 s"
            leg.send(b"2")
            await leg.close(1011, "media_lost")
        assert end.sent == []

    async def test_a_phone_that_falls_behind_is_stalled(self) -> None:
        end = AsgiEnd()
        end.takes.clear()
        leg = AsgiLeg(end, Patience(outbox_bytes_max=100))
        for _ in range(3):
            leg.send(b"x" * 50)
        async with asyncio.timeout(BOUND_S):
            assert await leg.write() == "more than 100 bytes wait for it"

    @pytest.mark.parametrize("broken", [RuntimeError("closed"), ConnectionResetError(), BrokenPipeError()])
    async def test_a_phone_that_goes_while_we_send_is_no_error(self, broken: Exception) -> None:
        """The reader tells; nothing more is sent and the close is not tried."""
        end = AsgiEnd(GONE)
        end.broken = broken
        leg = AsgiLeg(end)
        writing = asyncio.ensure_future(leg.write())
        leg.send(b"1")
        assert await leg.read(print) == LegGone(Leg.PHONE, 1000, "bye")
        leg.send(b"2")
        await leg.close(1000, "")
        writing.cancel()
        await asyncio.wait([writing])
        assert writing.cancelled()
        assert end.sent == []

    @pytest.mark.parametrize("broken", [RuntimeError("closed"), ConnectionResetError()])
    async def test_a_phone_that_goes_while_we_close_is_no_error(self, broken: Exception) -> None:
        end = AsgiEnd()
        end.broken = broken
        await AsgiLeg(end).close(1000, "")
        assert end.sent == []

    async def test_a_leg_is_closed_once(self) -> None:
        end = AsgiEnd()
        leg = AsgiLeg(end)
        await leg.close(1000, "")
        await leg.close(1011, "")
        assert [message.get("code") for message in end.sent] == [1000]

    async def test_a_leg_that_is_gone_is_not_closed(self) -> None:
        """ASGI forbids to send after the disconnect."""
        end = AsgiEnd(GONE)
        leg = AsgiLeg(end)
        await leg.read(print)
        leg.send(b"1")
        await leg.close(1000, "")
        assert end.sent == []
