"""What is the slow lane's own: its outbox, and an ASGI server that raises. The rest: test_leg_promises.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.bridge.legs.asgi_leg import AsgiLeg, AsgiMessage, Outbox
from callbridge.bridge.legs.leg import Patience
from callbridge.call.events import Leg, LegGone
from lanes import BOUND_S, Ear
from leftovers import leaves_nothing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
async def _bound() -> AsyncIterator[None]:
    async with asyncio.timeout(BOUND_S), leaves_nothing():
        yield


async def written(outbox_bytes_max: int, *frames: bytes) -> list[bytes]:
    """What of the frames is written for a peer that takes nothing before all were put."""
    taken: list[bytes] = []

    async def write(frame: bytes) -> None:
        taken.append(frame)

    outbox = Outbox(write, Patience(outbox_bytes_max=outbox_bytes_max))
    for frame in frames:
        outbox.put(frame)
    await outbox.flush()
    return taken


async def test_what_waits_is_bounded_and_a_gap_is_never_written() -> None:
    """The bound itself may wait. Of what is beyond it nothing is kept, not even a frame that would fit."""
    assert await written(10, b"1" * 5, b"2" * 5) == [b"1" * 5, b"2" * 5]
    assert await written(10, *[b"xxxx"] * 1000) == [b"xxxx"] * 2
    assert await written(9, b"1111", b"2222", b"3333", b"4") == [b"1111", b"2222"]


async def test_a_peer_that_goes_while_it_is_behind_is_not_called_stalled() -> None:
    """What waited for it is forgotten: its end is the reader's to tell."""
    writes, breaks, has_broken = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def gone(_frame: bytes) -> None:
        writes.set()
        await breaks.wait()
        outbox.shut()
        asyncio.get_running_loop().call_soon(has_broken.set)  # After the writer has looked at it.

    outbox = Outbox(gone, Patience(outbox_bytes_max=10))
    writing = asyncio.create_task(outbox.write_forever())
    outbox.put(b"x" * 6)
    await writes.wait()
    outbox.put(b"x" * 6)
    outbox.put(b"x" * 6)
    breaks.set()
    await has_broken.wait()
    assert not writing.done()
    writing.cancel()
    await asyncio.wait([writing])


GONE = {"type": "websocket.disconnect", "code": 1000, "reason": "bye"}


class AsgiEnd:
    """An ASGI server's end of a WebSocket that has one thing to say, and cannot send."""

    def __init__(self, incoming: AsgiMessage, broken: Exception) -> None:
        self.incoming = incoming
        self.broken = broken
        self.has_raised = asyncio.Event()
        self.may_tell = asyncio.Event()
        self.may_tell.set()

    async def receive(self) -> AsgiMessage:
        await self.may_tell.wait()
        return self.incoming

    async def send(self, _message: AsgiMessage) -> None:
        assert not self.has_raised.is_set(), "ASGI forbids to send after the disconnect"
        self.has_raised.set()
        raise self.broken


@pytest.mark.parametrize("left_out", [{"code": None, "reason": None}, {}])
async def test_a_disconnect_without_a_code_is_1005(left_out: dict[str, Any]) -> None:
    """Servers leave code and reason out or empty then."""
    leg = AsgiLeg(AsgiEnd({"type": "websocket.disconnect", **left_out}, OSError()))
    assert await leg.read(Ear()) == LegGone(Leg.PHONE, 1005, "")


@pytest.mark.parametrize("extra", [{}, {"text": None}])
async def test_bytes_are_binary_with_or_without_an_empty_text(extra: dict[str, None]) -> None:
    """Servers do either, too."""
    leg = AsgiLeg(AsgiEnd({"type": "websocket.receive", "bytes": b"\x00", **extra}, OSError()))
    assert "binary" in repr(await leg.read(Ear()))


@pytest.mark.parametrize("broken", [RuntimeError("closed"), ConnectionResetError(), BrokenPipeError()])
@pytest.mark.parametrize("at", ["send", "close"])
async def test_a_phone_that_goes_while_we_send_or_close_is_no_error(at: str, broken: Exception) -> None:
    """It is told where it is read; nothing more is sent and the close is not tried again."""
    end = AsgiEnd(GONE, broken)
    end.may_tell.clear()
    leg = AsgiLeg(end)
    reading = asyncio.create_task(leg.read(Ear()))
    if at == "send":
        leg.send(b"1")
        await end.has_raised.wait()
        leg.send(b"2")
    await leg.close(1000, "")
    await leg.close(1000, "")
    end.may_tell.set()
    assert await reading == LegGone(Leg.PHONE, 1000, "bye")
