"""Sessions that wait: each is in the hands of one call or closed, whatever happens and whenever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from callbridge.bridge.legs.dialer import ModelDialer
from callbridge.bridge.legs.leg import Dialer, DialError, SocketLeg
from callbridge.bridge.waiting import WAITS_S, Waiting, WaitingRoom
from callbridge.call.events import Leg, LegGone, ModelDialFailed
from lanes import BOUND_S, MODEL, Ear, begun, model_listener
from leftovers import leaves_nothing
from memory_call import MemoryDialer, MemoryLeg, until
from raw_peer import RawPeer, closing, text

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

REFUSED = DialError(ModelDialFailed("the model refused the connection", 503))


@pytest.fixture(autouse=True)
async def _bound() -> AsyncIterator[None]:
    """Nothing is left of any test."""
    async with leaves_nothing():
        yield


@asynccontextmanager
async def opened(dialer: Dialer, waits_s: float = WAITS_S) -> AsyncIterator[WaitingRoom]:
    """A room; it is left in time or the test fails."""
    async with asyncio.timeout(BOUND_S), WaitingRoom(dialer, waits_s) as room:
        yield room


def taken(room: WaitingRoom, call_sid: str = "CA1", model: str = MODEL) -> Waiting:
    waiting = room.take(call_sid, model)
    assert waiting is not None
    return waiting


async def stands(room: WaitingRoom, dialer: MemoryDialer, call_sid: str = "CA1") -> None:
    """A session was dialled for a call, and waits."""
    count = len(dialer.opened)
    room.predial(call_sid, MODEL)
    await until(lambda: len(dialer.opened) > count)


async def test_a_session_that_stands_is_adopted() -> None:
    """It is cold, the room forgets it, and whoever has it closes it."""
    leg = MemoryLeg()
    dialer = MemoryDialer(leg)
    async with opened(dialer) as room:
        await stands(room, dialer)
        assert len(room) == 1
        waiting = taken(room)
        assert not waiting.is_warm
        assert await waiting.adopt() is leg
        assert len(room) == 0
        assert room.take("CA1", MODEL) is None
    assert leg.closed == []
    assert dialer.models == [MODEL]


async def test_a_session_is_adopted_as_soon_as_it_stands() -> None:
    """The stream may be faster than the model."""
    leg = MemoryLeg()
    dialer = MemoryDialer(leg)
    dialer.picks_up.clear()
    async with opened(dialer) as room:
        room.predial("CA1", MODEL)
        async with asyncio.TaskGroup() as tasks:
            adopting = tasks.create_task(taken(room).adopt())
            await dialer.rings()
            assert not adopting.done()
            dialer.picks_up.set()
        assert adopting.result() is leg
    assert leg.closed == []


async def test_a_call_is_dialled_for_once() -> None:
    """Twilio may repeat its webhook."""
    dialer = MemoryDialer()
    async with opened(dialer) as room:
        room.predial("CA1", MODEL)
        room.predial("CA1", MODEL)
        await stands(room, dialer, "CA2")
    assert len(dialer.models) == 2


OURS = ZeroDivisionError("ours")


@pytest.mark.parametrize("failure", [REFUSED, OURS])
async def test_a_dial_that_failed_is_told_to_who_takes_it(failure: Exception) -> None:
    """As if the call had dialled itself: it decides whether to try again. The sessions beside it wait on."""
    leg = MemoryLeg()
    dialer = MemoryDialer(failure, leg)
    with structlog.testing.capture_logs() as logs:
        async with opened(dialer) as room:
            room.predial("CA1", MODEL)
            await stands(room, dialer, "CA2")
            with pytest.raises(type(failure)) as failed:
                await taken(room).adopt()
            assert await taken(room, "CA2").adopt() is leg
    assert failed.value is failure
    assert logs == []


@pytest.mark.parametrize(("failure", "shown"), [(REFUSED, None), (OURS, OURS)])
async def test_a_dial_that_failed_and_is_not_taken_harms_nobody(
    failure: Exception, shown: Exception | None
) -> None:
    """One line; a fault of ours is shown where it happened."""
    dialer = MemoryDialer(failure)
    with structlog.testing.capture_logs() as logs:
        async with opened(dialer) as room:
            room.predial("CA1", MODEL)
            await dialer.rings()
    assert [(line["event"], line["exc_info"]) for line in logs] == [("predial_failed", shown)]


async def test_a_session_with_another_model_is_not_given() -> None:
    """The next try of the call may be for its second model; the session is still there for the first."""
    leg = MemoryLeg()
    dialer = MemoryDialer(leg)
    async with opened(dialer) as room:
        await stands(room, dialer)
        assert room.take("CA1", "two") is None
        assert room.take("CA2", MODEL) is None
        assert await taken(room).adopt() is leg


@pytest.mark.parametrize("how", ["dialled", "parked"])
async def test_a_session_is_closed_when_its_time_is_over(how: str) -> None:
    leg = MemoryLeg()
    async with opened(MemoryDialer(leg), waits_s=0.01) as room:
        with structlog.testing.capture_logs() as logs:
            if how == "dialled":
                room.predial("CA1", MODEL)
            else:
                room.park("CA1", leg, MODEL)
            await until(lambda: bool(leg.closed))
        assert room.take("CA1", MODEL) is None
        assert [line["event"] for line in logs] == ["waiting_session_discarded"]
    assert leg.closed == [(1000, "")]


async def test_a_dial_is_given_up_when_its_time_is_over() -> None:
    dialer = MemoryDialer()
    dialer.picks_up.clear()
    async with opened(dialer, waits_s=0.01) as room:
        room.predial("CA1", MODEL)
        await until(lambda: dialer.was_cancelled)
        assert len(room) == 0


async def test_a_session_that_is_taken_in_the_moment_its_time_is_over_is_the_taker_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The timer has gone off, and the task that waits for it has not been told."""
    leg, adopting, is_taken = MemoryLeg(), [], asyncio.Event()
    timed_out = asyncio.Timeout._on_timeout  # type: ignore[attr-defined]  # The moment in question.
    async with asyncio.TaskGroup() as tasks, opened(MemoryDialer(leg), waits_s=0.02) as room:

        def time_out_and_take(timeout: asyncio.Timeout) -> None:
            timed_out(timeout)
            adopting.append(tasks.create_task(taken(room).adopt()))
            is_taken.set()

        room.predial("CA1", MODEL)
        monkeypatch.setattr(asyncio.Timeout, "_on_timeout", time_out_and_take)
        await is_taken.wait()
        monkeypatch.undo()
        assert await adopting[0] is leg
    assert leg.closed == []


@pytest.mark.parametrize("picks_up", [True, False])
async def test_a_session_that_is_discarded_is_closed_or_given_up(*, picks_up: bool) -> None:
    leg = MemoryLeg()
    dialer = MemoryDialer(leg)
    if not picks_up:
        dialer.picks_up.clear()
    async with opened(dialer) as room:
        room.predial("CA1", MODEL)
        await until(lambda: bool(dialer.opened if picks_up else dialer.models))
        room.discard("CA1")
        room.discard("CA1")
        assert len(room) == 0
        await until(lambda: bool(leg.closed) or dialer.was_cancelled)
    assert leg.closed == ([(1000, "")] if picks_up else [])
    assert dialer.was_cancelled is not picks_up


async def test_a_parked_session_is_adopted_warm() -> None:
    leg = MemoryLeg()
    async with opened(MemoryDialer()) as room:
        assert room.park("CA1", leg, MODEL, renew_at=7.0)
        waiting = taken(room)
        assert (waiting.is_warm, waiting.renew_at) == (True, 7.0)
        assert await waiting.adopt() is leg
    assert leg.closed == []


async def test_a_parked_session_takes_the_place_of_one_that_waits() -> None:
    """It knows the conversation."""
    cold, warm = MemoryLeg(), MemoryLeg()
    dialer = MemoryDialer(cold)
    async with opened(dialer) as room:
        await stands(room, dialer)
        assert room.park("CA1", warm, MODEL)
        room.predial("CA1", MODEL)
        assert await taken(room).adopt() is warm
        await until(lambda: bool(cold.closed))
    assert (cold.closed, warm.closed) == ([(1000, "")], [])


async def test_a_closed_room_parks_nothing() -> None:
    """The leg stays with who has it; nothing is dialled either, so that nothing is left to do."""
    leg = MemoryLeg()
    room = WaitingRoom(MemoryDialer())
    assert not room.park("CA1", leg, MODEL)
    async with room:
        pass
    assert not room.park("CA1", leg, MODEL)
    room.predial("CA1", MODEL)
    assert room.take("CA1", MODEL) is None
    assert leg.closed == []


async def test_a_room_that_is_closed_closes_all_that_waits() -> None:
    """Those that stand, those that are parked, and those that are dialled; it does not wait for a dial."""
    dialled, parked = MemoryLeg(), MemoryLeg()
    dialer = MemoryDialer(dialled, REFUSED)
    async with opened(dialer) as room:
        await stands(room, dialer)
        room.predial("CA2", MODEL)
        await dialer.rings(2)
        dialer.picks_up.clear()
        room.predial("CA3", MODEL)
        room.park("CA4", parked, MODEL)
        await dialer.rings(3)
        room.predial("CA5", MODEL)  # It has not taken its first step.
        assert repr(room) == "<WaitingRoom 5 waiting>"
    assert len(room) == 0
    assert dialled.closed == parked.closed == [(1000, "")]
    assert dialer.was_cancelled


async def test_a_call_that_waits_for_its_session_is_told_that_the_room_closes() -> None:
    """A dial may take five seconds: the process does not."""
    dialer = MemoryDialer()
    dialer.picks_up.clear()
    async with asyncio.TaskGroup() as tasks:
        async with opened(dialer) as room:
            room.predial("CA1", MODEL)
            adopting = tasks.create_task(_failed_adoption(taken(room)))
            await dialer.rings()
        assert "the process stops" in await adopting


async def _failed_adoption(waiting: Waiting) -> str:
    with pytest.raises(DialError) as failed:
        await waiting.adopt()
    return str(failed.value)


async def test_a_room_that_is_left_by_an_error_closes_all_the_same() -> None:
    leg = MemoryLeg()

    async def breaks() -> None:
        async with opened(MemoryDialer()) as room:
            room.park("CA1", leg, MODEL)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await breaks()
    assert leg.closed == [(1000, "")]


@asynccontextmanager
async def at_a_socket() -> AsyncIterator[tuple[WaitingRoom, SocketLeg, RawPeer]]:
    """A room, with a leg that a call has talked to, and the server at its far end."""
    with model_listener() as (listener, url):
        dialer = ModelDialer(url, "sk-test")
        async with opened(dialer) as room, asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(RawPeer.accept(listener))
            leg, peer = await dialer.dial(MODEL), await answering
            ear = Ear()
            reading = await begun(leg.read(ear))
            await peer.send(text("for the first call"))
            await ear.hears()
            reading.cancel()
            room.park("CA1", leg, MODEL)
            try:
                yield room, leg, peer
            finally:
                peer.close()


async def test_a_parked_session_is_read_on_by_the_next_call() -> None:
    """What was said in between was for nobody. However late its first reader goes, it takes nobody's ear."""
    async with at_a_socket() as (room, leg, peer):
        assert await taken(room).adopt() is leg
        late, ear = Ear(), Ear()
        leaving = await begun(leg.read(late))
        await peer.send(text("for the late one"))
        await late.hears()
        reading = await begun(leg.read(ear))
        await peer.send(text("1"))
        await ear.hears()
        leaving.cancel()
        await asyncio.wait([leaving])
        await peer.send(text("2"), closing(1000))
        assert await reading == LegGone(Leg.MODEL, 1000, "")
        assert (late.heard, ear.heard) == (["for the late one"], ["1", "2"])
        await leg.close(1000, "")
