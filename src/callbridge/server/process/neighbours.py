"""What the other processes of the number tell this one, and what it does then.

Any of them may be told how a call goes on, by Twilio or by an operator; the one that carries it has to act.
What is told is a hint wherever this process can see for itself: a stream that is heard goes on, and a model
is probed from here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from callbridge.server.process.live_calls import falls_silent
from callbridge.server.process.probe import probe_what_is_due
from callbridge.server.process.reporting import money_was_spent
from callbridge.server.process.tellings import CIRCUIT_CLOSED, CIRCUIT_OPENED, ENDED
from callbridge.state.neighbours import SpentElsewhere, ToAll, ToCarrier
from callbridge.switchboard.spending import SpendLevel

if TYPE_CHECKING:
    from callbridge.server.process.desk import Desk
    from callbridge.server.process.live_calls import LiveCall
    from callbridge.state.neighbours import News

ASK_AGAIN_S: Final = 1.0

LOOK_EVERY_S: Final = 2.0
"""All together may take as many calls too many as begin in this time: a hundred processes ask fifty times a
second."""

_log = structlog.get_logger()


async def live_among_neighbours(desk: Desk) -> NoReturn:
    """Takes the news of the other processes, for as long as this one serves."""
    async with asyncio.TaskGroup() as acts:
        acts.create_task(_know_spending(desk), name="spending of others")
        acts.create_task(_look_at_others(desk), name="calls of others")
        async for news in desk.state.news():
            take(desk, news, acts)
        await asyncio.get_running_loop().create_future()  # The state is closed, and so is all else soon.
    raise AssertionError("nobody settles that future")


async def _look_at_others(desk: Desk) -> NoReturn:
    """How many calls they carry: a stream may come to another process than its webhook."""
    while True:
        serving = [other for other in await desk.others() if not other.is_leaving]
        desk.condition.others = len(serving)
        desk.condition.calls_of_others = sum(other.calls for other in serving)
        await asyncio.sleep(LOOK_EVERY_S)


async def _know_spending(desk: Desk) -> None:
    """Where the state was away when this process began, its account is empty so far."""
    while not desk.knows_spending:
        await asyncio.sleep(ASK_AGAIN_S)
        if desk.state.trouble is None:
            await desk.restore()
            if desk.spending.level(desk.now()) is SpendLevel.CALLS_END:
                desk.live_calls.end_for_spend()


def take(desk: Desk, news: News, acts: asyncio.TaskGroup) -> None:
    """One of them. What takes its time is done in `acts`; what a newer version tells is left."""
    match news:
        case SpentElsewhere(at, microdollars):
            money_was_spent(desk, microdollars, age_s=desk.wall_now() - at)
        case ToCarrier(call_sid, what):
            call = desk.live_calls.find(call_sid)
            _log.info("neighbour_told", call_sid=call_sid, what=what, is_live=call is not None)
            if call is not None:
                _act(call, what, acts)
        case ToAll(what, body) if what in {CIRCUIT_OPENED, CIRCUIT_CLOSED}:
            acts.create_task(_look_at_model(desk, what, body.decode(errors="replace")), name=what)
        case _:
            pass


def _act(call: LiveCall, what: str, acts: asyncio.TaskGroup) -> None:
    match what:
        case "end":
            call.end_asked()
        case "hand_over":
            call.hand_over()
        case "ended" | "replaced":
            acts.create_task(_gone(call, what), name=f"stream {what}")
        case _:
            pass


async def _gone(call: LiveCall, what: str) -> None:
    """The stream of a call carries it no more, as it seems to others."""
    if await falls_silent(call):
        call.caller_hung_up() if what == ENDED else call.phone_replaced()


async def _look_at_model(desk: Desk, what: str, model: str) -> None:
    now = desk.now()
    if what == CIRCUIT_OPENED:
        desk.circuits.suspected(model, now)
    else:
        desk.circuits.hoped_for(model, now)
    await probe_what_is_due(desk)
    if model in desk.circuits.open_models(desk.now()):
        desk.circuit_opened.set()
