"""What a peer may do to a WebSocket: the real service's phone socket in both lanes, and the model's leg."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from callbridge.bridge.legs.leg import MODEL_MESSAGE_BYTES_MAX
from callbridge.call.events import BadMessage, Leg, LegGone
from callbridge.call.facts import EndReason
from callbridge.simulators.voice_model import Script
from e2e.raw import raw_phone
from e2e.stack import Log, Stack, stack
from lanes import BOUND_S, Ear, opened
from leftovers import leaves_nothing, until
from raw_peer import Frame, Opcode, closing, more, text
from websocket_cases import CASES, DELIVERED, MESSAGE, Case

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.call.facts import StreamEnded
    from lanes import Connect, PhoneLane
    from raw_peer import RawPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Door:
    """The media socket of a running service."""

    def __init__(self, running: Stack, lane: PhoneLane) -> None:
        self.running = running
        self.lane = lane

    @contextlib.asynccontextmanager
    async def knock(self, *, hasty: bytes = b"") -> AsyncIterator[RawPeer]:
        """A signed phone that has said nothing yet; with all of it gone at the end."""
        async with asyncio.timeout(BOUND_S), leaves_nothing(), raw_phone(self.running, hasty=hasty) as peer:
            yield peer

    async def ended(self, count_before: int) -> StreamEnded:
        """The record of the one call since then."""
        assert await until(lambda: len(self.running.ends) > count_before)
        (ended,) = self.running.ends[count_before:]
        return ended


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["fast", pytest.param("slow", marks=pytest.mark.heavy)],
)
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    """A service whose sockets take one of the two lanes."""
    async with stack(Script(), lane=request.param) as running:
        yield Door(running, request.param)


def pongs_of(frames: list[Frame]) -> tuple[bytes, ...]:
    return tuple(frame.payload for frame in frames if frame.opcode == Opcode.PONG)


def code_of(frame: Frame) -> int:
    """The code of a close frame; 1005 for one that has none (RFC 6455, section 7.1.5)."""
    assert frame.opcode == Opcode.CLOSE, frame
    return int.from_bytes(frame.payload[:2]) if frame.payload else 1005


def is_short(case: Case) -> bool:
    """Whether it is worth being said byte by byte."""
    return sum(len(frame.payload) for frame in case.frames) < 500


CASES_AND_WAYS = [
    pytest.param(case, way, id=f"{case}, {way}", marks=[] if way == "at once" else pytest.mark.heavy)
    for case in CASES
    for way in (["at once", "byte by byte"] if is_short(case) else ["at once"])
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_phone(door: Door, case: Case, log: Log) -> None:
    """Heard, or refused with the right code."""
    await judged(door, case, "at once", log)


@pytest.mark.parametrize("door", ["fast"], indirect=True)  # uvicorn's library has tests of its own.
@pytest.mark.parametrize("case", [*filter(is_short, CASES)], ids=str)
async def test_a_phone_byte_by_byte(door: Door, case: Case, log: Log) -> None:
    """The same in as many packets as there are bytes."""
    await judged(door, case, "byte by byte", log)


async def judged(door: Door, case: Case, way: str, log: Log) -> None:
    """What becomes of the case, for the phone, for the call and in the log."""
    count = len(door.running.ends)
    async with door.knock() as peer:
        with contextlib.suppress(ConnectionError):  # Who is refused need not be heard to the end.
            await (peer.send if way == "at once" else peer.send_bytewise)(*case.frames)
        *before, last = await peer.read_to_close()
        ended = await door.ended(count)
    ends = case.ends if door.lane == "fast" or case.slow is None else case.slow
    assert pongs_of(before) == case.pongs
    assert len(before) == len(case.pongs)
    # uvicorn says 1012 of a socket when it stops; nobody takes the trouble to tell a phone's from that.
    assert ended.reason is (EndReason.SERVICE_STOPPED if ends == 1012 else EndReason.REJECTED_PROTOCOL), ended
    if ends == DELIVERED:
        assert last == closing(1008, "rejected_protocol")
        assert ended.detail == "stop before start"
    else:
        assert code_of(last) == ends
        assert ended.detail.startswith(f"phone leg closed with {case.told or ends}"), ended.detail
    if (door.lane, ends) != ("slow", 1007):  # uvicorn logs how the decoding failed.
        assert log.tracebacks == []


@pytest.mark.parametrize(
    "wrong", [closing(4000), Frame(3), text(MESSAGE, fin=False)], ids=["close", "nonsense", "text"]
)
async def test_a_phone_that_goes_on_after_its_close(door: Door, wrong: Frame) -> None:
    """The call is told of the close. The peer is as well, unless picows has read on and found the fault."""
    count = len(door.running.ends)
    async with door.knock() as peer:
        await peer.send(closing(1000), wrong)
        (last,) = await peer.read_to_close()
        assert code_of(last) in ({1000, 1002} if door.lane == "fast" else {1000})
        ended = await door.ended(count)
    assert ended.detail == "phone leg closed with 1000"


@pytest.mark.parametrize(
    "frames",
    [
        [Frame(Opcode.BINARY, MESSAGE.encode())],
        [Frame(Opcode.BINARY)],
        [Frame(Opcode.BINARY, b"\xff" * 20, fin=False), more(b"\xff", fin=True)],
    ],
    ids=["a message", "an empty one", "one in fragments"],
)
async def test_a_phone_that_sends_binary(door: Door, frames: list[Frame]) -> None:
    """The protocol is text: refused in the same words in both lanes."""
    count = len(door.running.ends)
    async with door.knock() as peer:
        await peer.send(*frames, text(MESSAGE))
        assert await peer.read_to_close() == [closing(1008, "rejected_protocol")]
        ended = await door.ended(count)
    assert ended.detail == "phone leg sent a binary frame"


async def test_a_phone_that_speaks_in_the_packet_of_its_upgrade(door: Door) -> None:
    """RFC 6455, section 4.1: it has to wait for the answer. uvicorn drops what it says before.

    What it says after the answer is heard as ever.
    """
    count = len(door.running.ends)
    async with door.knock(hasty=text('{"event":"connected"}').encode(masks=True)) as peer:
        await peer.send(text(MESSAGE))
        assert await peer.read_to_close() == [closing(1008, "rejected_protocol")]
        assert (await door.ended(count)).detail == "stop before start"


@pytest_asyncio.fixture(loop_scope="module")
async def connect() -> AsyncIterator[Connect]:
    """How to get a model's leg, of which nothing is left when the test is over."""
    async with opened("model") as dialled, leaves_nothing():
        yield dialled


def of_a_model(case: Case) -> Case:
    """The same case of a model, whose messages may be longer."""
    if not case.name.startswith("an oversized"):
        return case
    longer = b"x" * (MODEL_MESSAGE_BYTES_MAX - 10)
    first, *rest = case.frames
    return Case(
        name=case.name, frames=(Frame(first.opcode, longer + b"x" * 11, first.fin), *rest), ends=case.ends
    )


@pytest.mark.parametrize(("case", "way"), CASES_AND_WAYS)
async def test_a_model(connect: Connect, case: Case, way: str) -> None:
    """The same for the other leg, which must not mask what the phone has to."""
    ear = Ear()
    case = of_a_model(case)
    async with connect() as line:
        reading = asyncio.create_task(line.leg.read(ear))
        with contextlib.suppress(ConnectionError):
            await (line.peer.send if way == "at once" else line.peer.send_bytewise)(*case.frames)
        if case.ends == DELIVERED:
            await line.peer.send(Frame(Opcode.PING, b"alive?"))
            told = [await line.peer.read_frame() for _ in range(len(case.pongs) + 1)]
            assert told == [Frame(Opcode.PONG, payload) for payload in (*case.pongs, b"alive?")]
            assert ear.heard == list(case.heard)
            reading.cancel()
            await asyncio.wait([reading])
        else:
            *before, last = await line.peer.read_to_close()
            assert (before, code_of(last)) == ([], case.ends)
            gone = await reading
            assert isinstance(gone, LegGone)
            assert gone.code == (case.told or case.ends)
            assert MESSAGE not in ear.heard


async def test_a_model_that_sends_binary(connect: Connect) -> None:
    ear = Ear()
    async with connect() as line:
        await line.peer.send(Frame(Opcode.BINARY, MESSAGE.encode()), more(), text(b"\xff"), text(MESSAGE))
        assert await line.leg.read(ear) == BadMessage(Leg.MODEL, "a binary frame", is_fatal=True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(line.leg.close(1000, "ours"))
            assert await line.peer.read_to_close() == [closing(1000, "ours")]
    assert ear.heard == []
