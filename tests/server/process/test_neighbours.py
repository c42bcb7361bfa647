"""What other processes tell, and what comes of it here."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING

import pytest
import structlog

from callbridge.bridge.legs.leg import DialError
from callbridge.call import facts
from callbridge.call.bill_facts import Billed
from callbridge.call.events import ModelDialFailed
from callbridge.call.usage import Usage
from callbridge.server.process.neighbours import live_among_neighbours, take
from callbridge.server.process.reporting import ModelHealth, SpendMeter
from callbridge.server.process.taking import carried
from callbridge.state.neighbours import News, SpentElsewhere, ToAll, ToCarrier
from callbridge.switchboard.admission import DeclineReason
from callbridge.switchboard.circuit import FAILURES_IN_A_ROW
from desks import CALL, CALLER, FrontDesk, LiveCall
from leftovers import until
from several_desks import machines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from callbridge.bridge.legs.leg import SocketLeg
    from callbridge.server.process.desk import Desk

DOLLAR = 1_000_000


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is fifty milliseconds."""
    monkeypatch.setattr("callbridge.switchboard.liveness.SILENT_S", 0.05)
    monkeypatch.setattr("callbridge.switchboard.liveness.WAIT_S", 0.1)
    monkeypatch.setattr("callbridge.server.process.live_calls.LOOK_EVERY_S", 0.001)


async def told(front: FrontDesk, *news: News) -> None:
    """All of it is heard, and done."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as acts:
        for one in news:
            take(front.desk, one, acts)


@contextlib.asynccontextmanager
async def listening(*desks: Desk) -> AsyncIterator[None]:
    """Each hears what the others tell."""
    tasks = [asyncio.create_task(live_among_neighbours(desk)) for desk in desks]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("what", "is_heard", "does"),
    [
        ("ended", False, ["hung up"]),
        ("ended", True, []),
        ("replaced", False, ["phone replaced"]),
        ("replaced", True, []),
        *(("end", is_heard, ["end asked"]) for is_heard in (True, False)),
        *(("hand_over", is_heard, ["hand over"]) for is_heard in (True, False)),
        ("a word of next year", False, []),
    ],
)
async def test_what_is_told_of_a_call_reaches_it(what: str, is_heard: bool, does: list[str]) -> None:
    """A stream that is heard goes on, whatever others think of it. An operator's word needs no proof."""
    front, call = FrontDesk(), LiveCall(frames_left=math.inf if is_heard else 0)
    front.desk.live_calls.add(CALL, call)
    await told(front, ToCarrier(CALL, what), ToCarrier("CA of nobody here", what))
    assert call.told == does


async def test_what_others_spend_reaches_the_caps() -> None:
    """At the cap no call begins here either; a fifth above it the live ones end."""
    front, call = FrontDesk({"CALLBRIDGE_SPEND_PER_HOUR_MAX": "10"}), LiveCall()
    front.desk.live_calls.add(CALL, call)
    with structlog.testing.capture_logs() as logs:
        await told(front, *[SpentElsewhere(front.wall_now - 1, DOLLAR)] * 11)
        assert call.told == []
        await told(front, SpentElsewhere(front.wall_now + 5, DOLLAR))
    assert await until(lambda: call.told == ["spend ran over"])
    assert [line["follows"] for line in logs] == ["new calls are declined", "live calls end"]


class Model:
    """Of a machine of its own: whether it can be reached from there."""

    def __init__(self, *, is_there: bool) -> None:
        self.is_there, self.dials = is_there, 0

    async def dial(self, _model: str) -> SocketLeg:
        """A session, or none."""
        self.dials += 1
        if self.is_there:
            return _Session()  # type: ignore[return-value]  # Only `read` and `close` are asked of it.
        raise DialError(ModelDialFailed("cannot connect"))


class _Session:
    async def read(self, said: object) -> None:
        assert callable(said)
        said('{"type":"session.created","session":{}}')
        await asyncio.Event().wait()

    async def close(self, _code: int, _reason: str) -> None:
        pass


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_model_that_is_down_elsewhere_is_looked_at_from_here(is_there: bool) -> None:
    """At once, and what that comes to counts: one machine whose way is broken closes nobody else's line."""
    front, model = FrontDesk(), Model(is_there=is_there)
    front.desk.dialer = model
    name = front.desk.settings.realtime_model
    assert front.desk.reasons_to_decline() == []
    await told(front, ToAll("circuit_opened", name.encode()), ToAll("circuit_opened", b"of no call"))
    assert model.dials == 1
    assert (front.desk.reasons_to_decline() == []) is is_there
    assert front.desk.circuit_opened.is_set() is not is_there
    model.is_there = True
    await told(front, ToAll("circuit_closed", name.encode()))
    assert (front.desk.reasons_to_decline(), model.dials) == ([], 1 if is_there else 2)


@pytest.mark.usefixtures("quick")
async def test_three_processes_tell_each_other(
    home_of_machines: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through what they share: money, a model that is down, a call that has come back to another process."""
    monkeypatch.setattr("callbridge.state.sqlite_file.SqliteHome.poll_every_s", 0.02)
    caps = {"CALLBRIDGE_SPEND_PER_HOUR_MAX": "10"}
    async with machines(home_of_machines, 3, caps) as (first, second, third):
        desks = [front.desk for front in (first, second, third)]
        call, model = LiveCall(), desks[0].settings.realtime_model
        desks[0].live_calls.add(CALL, call)
        carried(desks[0], CALL, CALLER, continues=False)
        await desks[0].state.flush()
        for desk in desks:
            await desk.restore()
            assert desk.reasons_to_decline() == []
            desk.dialer = Model(is_there=desk is desks[2])
        async with listening(*desks):
            for desk in desks:
                for _ in range(4):
                    SpendMeter(desk)(Billed(Usage(), DOLLAR))
            for _ in range(FAILURES_IN_A_ROW):
                ModelHealth(desks[0])(
                    facts.ModelTrouble(
                        "dial", "no", None, None, is_fatal=False, is_rate_limit=False, model=model
                    )
                )
            carried(desks[1], CALL, CALLER, continues=True)
            spendings = [desk.spending for desk in desks]
            assert await until(lambda: {it.hour_microdollars(100.0) for it in spendings} == {12 * DOLLAR})
            assert await until(lambda: "spend ran over" in call.told)
            assert await until(desks[1].circuit_opened.is_set)
            assert await until(lambda: "phone replaced" in call.told)
            assert [desk.circuits.open_models(100.0) for desk in desks] == [[model], [model], []]


async def test_calls_that_have_come_to_another_process_take_places(home_of_machines: Path | str) -> None:
    """All webhooks here, all streams there: together they take as many as both have places."""
    async with machines(home_of_machines, 2, {"CALLBRIDGE_CALLS_MAX": "2"}) as (first, second):
        for number in range(4):
            carried(second.desk, f"CA{number}", CALLER, continues=False)
        await second.desk.state.flush()
        async with listening(first.desk):
            assert await until(lambda: first.desk.reasons_to_decline() == [DeclineReason.CAPACITY])
        assert first.places == 0


async def test_a_state_that_was_away_at_the_start_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others have spent is not known until then."""
    monkeypatch.setattr("callbridge.server.process.neighbours.ASK_AGAIN_S", 0.001)
    front = FrontDesk({"CALLBRIDGE_SPEND_PER_HOUR_MAX": "10"})
    front.state.told_trouble = "the database is away"
    await front.desk.restore()
    front.state.note_spend(front.wall_now, 12 * DOLLAR)
    call = LiveCall()
    front.desk.live_calls.add(CALL, call)
    async with listening(front.desk):
        await asyncio.sleep(0.01)
        assert front.desk.spending.hour_microdollars(front.now) == 0
        front.state.told_trouble = None
        assert await until(lambda: call.told == ["spend ran over"])
