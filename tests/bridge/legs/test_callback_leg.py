"""What is the fast lane's own: no logger, no task, a watch on silent models, and faults that picows finds."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from callbridge.bridge.legs import picows_protocol
from callbridge.bridge.legs.callback_leg import CallbackLeg
from callbridge.bridge.legs.leg import MODEL_MESSAGE_BYTES_MAX, PHONE_ODD_FRAMES_AT_ONCE_MAX, Patience
from callbridge.call.events import BadMessage, Leg, LegGone, LegStalled
from lanes import Connect, Ear, Lane, opened
from leftovers import leaves_nothing, until
from machine import BEAT_S, Machine
from raw_peer import Frame, Opcode, closing, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module", loop_factories=["asyncio", "uvloop"])


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fast", "model"])
async def lane(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Lane, Connect]]:
    """The leg as a server and as a client, and how to get one."""
    async with opened(request.param) as connect:
        yield request.param, connect


@pytest_asyncio.fixture(loop_scope="module")
async def connect(lane: tuple[Lane, Connect]) -> AsyncIterator[Connect]:
    """How to get a leg; nothing of it is left when the test is over."""
    async with leaves_nothing():
        yield lane[1]


@pytest_asyncio.fixture(loop_scope="module")
async def dial() -> AsyncIterator[Connect]:
    """How to get a model's leg."""
    async with leaves_nothing(), opened("model") as connect:
        yield connect


MORE_THAN_THE_KERNEL_KEEPS = b"x" * 2**24
"""For a peer that does not read."""


def a_leg() -> CallbackLeg:
    return CallbackLeg(Leg.MODEL, MODEL_MESSAGE_BYTES_MAX, Patience())


async def test_a_leg_that_was_never_connected_is_closed_by_nothing() -> None:
    """A dial that failed has a leg, too."""
    leg = a_leg()
    assert not leg.is_connected
    leg.send(b"nobody hears it")
    await leg.close(1000, "")
    assert not leg.is_connected


@pytest.fixture
def soon_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens at 20 s happens at 0.4 s."""
    monkeypatch.setattr(picows_protocol, "PING_AFTER_S", 0.4)


@pytest.mark.usefixtures("soon_asked")
async def test_a_model_that_gives_no_sign_of_life_is_gone(dial: Connect) -> None:
    """It is asked once; then its connection is dropped, whether it would read the close or not."""
    async with dial() as line:
        reading = asyncio.create_task(line.leg.read(Ear()))
        asked = await line.peer.read_frame()
        assert asked is not None
        assert asked.opcode == Opcode.PING
        gone = await reading
        assert isinstance(gone, LegGone)
        assert gone.code == 1001
        assert "ping" in gone.reason


@pytest.mark.usefixtures("soon_asked")
async def test_a_model_that_answers_may_be_silent(dial: Connect) -> None:
    """And whatever it says between ping and pong is heard."""
    ear = Ear()
    async with dial() as line:
        reading = asyncio.create_task(line.leg.read(ear))
        for number in range(2):
            asked = await line.peer.read_frame()
            assert asked is not None
            assert asked.opcode == Opcode.PING
            await line.peer.send(text(str(number)), Frame(Opcode.PONG, asked.payload))
        await line.peer.send(closing(1000))
        assert await reading == LegGone(Leg.MODEL, 1000, "")
    assert ear.heard == ["0", "1"]


@pytest.mark.usefixtures("soon_asked")
async def test_a_model_that_talks_is_not_asked(dial: Connect) -> None:
    async with Machine() as machine, dial() as line:
        is_over = asyncio.get_running_loop().time() + 2 * picows_protocol.PING_AFTER_S
        while asyncio.get_running_loop().time() < is_over:
            await line.peer.send(text("still talking"))
            await asyncio.sleep(BEAT_S)
        await line.peer.send(closing(1000))
        heard = await line.peer.read_to_end()
    machine.judge([] if heard == [closing(1000)] else [f"it got {heard}"], tolerates_ms=100)


FAULTS = {
    "reserved opcode": [Frame(3, b"x")],
    "fragmented ping": [Frame(Opcode.PING, b"x", fin=False)],
    "long ping": [Frame(Opcode.PING, b"x" * 126)],
    "wrong mask": [Frame(Opcode.TEXT, b"x", is_wrongly_masked=True)],
    "close with 999": [closing(999)],
    "close with one byte": [Frame(Opcode.CLOSE, b"x")],
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_fault_that_picows_finds_nothing_is_heard(
    connect: Connect, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on reading for a while, and would hand over what follows: in this packet or in the next.

    The call is told, and nobody else: strangers can cause it, so at no level may it fill the log.
    """
    caplog.set_level(logging.DEBUG)
    ear = Ear()
    async with connect() as line:
        reading = asyncio.create_task(line.leg.read(ear))
        await line.peer.send(text("before"), Frame(Opcode.PING, b"?"))
        assert await line.peer.read_frame() == Frame(Opcode.PONG, b"?")
        await line.peer.send(*FAULTS[fault], text("late"))
        told = await line.peer.read_frame()
        assert told is not None
        assert (told.opcode, told.payload[:2]) == (Opcode.CLOSE, (1002).to_bytes(2))
        await line.peer.send(text("later"), Frame(Opcode.PING, b"?"), closing(1000))
        gone = await reading
        assert isinstance(gone, LegGone)
        assert gone.code == 1002
        assert await line.peer.read_to_end() == []
    assert ear.heard == ["before"]
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert not [record for record in caplog.records if "opcode" in record.getMessage()]


async def test_a_fault_is_told_even_when_the_peer_does_not_let_the_socket_go(connect: Connect) -> None:
    """It reads nothing, so that picows' close waits behind what is queued; the call must not."""
    async with connect(Patience(close_timeout_s=0.05), 4096) as line:
        line.leg.send(MORE_THAN_THE_KERNEL_KEEPS)
        await line.peer.send(Frame(3))
        gone = await line.leg.read(Ear())
        assert isinstance(gone, LegGone)
        assert gone.code == 1002


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[CallbackLeg]:
    """One entry for each look at whether a peer still takes something."""
    looks: list[CallbackLeg] = []
    look = CallbackLeg._has_it_stalled

    def noted(leg: CallbackLeg) -> None:
        looks.append(leg)
        look(leg)

    monkeypatch.setattr(CallbackLeg, "_has_it_stalled", noted)
    return looks


async def test_a_peer_that_does_not_read_gets_no_pongs(connect: Connect) -> None:
    """They would wait in our memory, as many as it likes."""
    ear = Ear()
    async with connect(Patience(close_timeout_s=0.05), 4096) as line:
        assert isinstance(line.leg, CallbackLeg)
        line.leg.send(MORE_THAN_THE_KERNEL_KEEPS)
        reading = asyncio.create_task(line.leg.read(ear))
        waiting = line.leg._bytes_waiting()
        await line.peer.send(*[Frame(Opcode.PING, b"p" * 125)] * 200, text("that was all"))
        await ear.hears()
        assert line.leg._bytes_waiting() <= waiting
        reading.cancel()
        await asyncio.wait([reading])


async def test_a_phone_that_floods_is_not_read_any_more(lane: tuple[Lane, Connect]) -> None:
    """What it has sent stays in the kernel, so that no flood keeps the loop. A proxy may cut finely."""
    async with leaves_nothing(), lane[1](Patience(close_timeout_s=0.05)) as line:
        assert isinstance(line.leg, CallbackLeg)
        reading = asyncio.create_task(line.leg.read(Ear()))
        await line.peer.send(*[Frame(Opcode.PONG)] * (PHONE_ODD_FRAMES_AT_ONCE_MAX + 50), closing(1000))
        end = await reading
        assert line.leg._transport is not None
        is_read = line.leg._transport.underlying_transport.is_reading()
        if lane[0] == "model":
            assert end == LegGone(Leg.MODEL, 1000, "")
        else:
            assert isinstance(end, BadMessage)
            assert (end.is_fatal, is_read) == (True, False)


async def test_a_peer_that_takes_nothing_has_stalled_at_the_second_look(
    connect: Connect, looks: list[CallbackLeg]
) -> None:
    """At the first one its kernel may have taken what it has room for."""
    patience = Patience(outbox_bytes_max=2**30, send_timeout_s=0.3, close_timeout_s=0.05)
    async with connect(patience, 4096) as line:
        line.leg.send(MORE_THAN_THE_KERNEL_KEEPS)
        assert await line.leg.read(Ear()) == LegStalled(line.whose, "nothing was taken for 0.3 s")
    assert len(looks) <= 2


async def test_a_peer_that_takes_something_in_time_has_not_stalled(
    connect: Connect, looks: list[CallbackLeg]
) -> None:
    """However little it was: it is looked at again."""
    patience = Patience(outbox_bytes_max=2**30, send_timeout_s=0.2)
    async with Machine() as machine, connect(patience, 65536) as line:
        reading = asyncio.create_task(line.leg.read(Ear()))
        line.leg.send(b"x" * 2**26)
        while len(looks) < 3:
            assert await line.peer.read_some(4096)
            await asyncio.wait([reading], timeout=0.001)
            if reading.done():
                break
        reading.cancel()
        await asyncio.wait([reading])
    machine.judge([] if reading.cancelled() else [repr(reading.result())], tolerates_ms=50)


async def test_a_leg_that_is_cut_tells_both_sides(connect: Connect) -> None:
    """The server stops: whoever reads learns it at once, and the peer is told why."""
    async with connect() as line:
        assert isinstance(line.leg, CallbackLeg)
        assert line.leg.is_connected
        line.leg.send(b"last")
        line.leg.cut(1012)
        line.leg.send(b"late")
        assert await line.leg.read(Ear()) == LegGone(line.whose, 1012, "")
        assert await line.peer.read_to_end() == [text("last"), closing(1012)]


async def test_a_leg_that_is_gone_is_garbage(connect: Connect) -> None:
    """No timer, no future and no socket holds it, not even after a peer that did not read."""
    gc.freeze()  # What other tests have left is not looked at each time, nor by those that follow.
    async with connect(Patience(outbox_bytes_max=2**30, close_timeout_s=0.01), 4096) as line:
        line.leg.send(MORE_THAN_THE_KERNEL_KEEPS)  # Now it is watched.
        await line.end(1000, "")
        remains = weakref.ref(line.leg)
        del line.leg
        line.leg = a_leg()  # For the context to close.
        assert await until(lambda: gc.collect() >= 0 and remains() is None)
