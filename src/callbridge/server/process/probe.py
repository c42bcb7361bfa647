"""Dials the model while the circuit is open, so that no caller has to find out whether it is back."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from callbridge.bridge.legs.leg import DialError
from callbridge.call.events import ModelDialFailed
from callbridge.server.process.tellings import CIRCUIT_CLOSED
from callbridge.wire import realtime_events
from callbridge.wire.errors import ProtocolError

if TYPE_CHECKING:
    from callbridge.bridge.legs.leg import SocketLeg
    from callbridge.server.process.desk import Desk

GREETED_WITHIN_S: Final = 3.0
"""A model that is well says `session.created` at once. One that refuses a key may open the socket for it."""

_log = structlog.get_logger()


async def probe_forever(desk: Desk) -> NoReturn:
    """Sleeps until the circuit opens, then probes until it is closed, over and over."""
    while True:
        await desk.circuit_opened.wait()
        _log.error(
            "model_outage",
            models=desk.circuits.open_models(desk.now()),
            remedy="new calls get the fallback until a probe succeeds",
        )
        while (due_at := desk.circuits.next_probe_at) is not None:
            await asyncio.sleep(max(0.0, due_at - desk.now()))
            await probe_what_is_due(desk)
        desk.circuit_opened.clear()
        _log.info("model_back")


async def probe_what_is_due(desk: Desk) -> None:
    """Dials each model whose turn it is."""
    for model in desk.circuits.probes_due(desk.now()):
        await _probe(desk, model)


async def _probe(desk: Desk, model: str) -> None:
    """Opens one session in which nothing is said: it costs nothing, and tells whether one could be had."""
    failure = await _failure(desk, model)
    if failure is not None:
        _log.warning("model_probe_failed", model=model, why=failure.why)
        # A rate limit says that the model is well.
        if failure.status != 429 or failure.code == "insufficient_quota":
            desk.circuits.failed(model, desk.now())
            return
    desk.circuits.succeeded(model, desk.now())
    if model in desk.told_down:
        desk.told_down.discard(model)
        desk.state.tell_all(CIRCUIT_CLOSED, model.encode())


async def _failure(desk: Desk, model: str) -> ModelDialFailed | None:
    try:
        leg = await desk.dialer.dial(model)
    except DialError as error:
        return error.event
    try:
        return None if await _is_greeted(leg) else ModelDialFailed("the session was not begun")
    finally:
        await leg.close(1000, "")


async def _is_greeted(leg: SocketLeg) -> bool:
    """Whether the first thing that the server says is that there is a session."""
    heard = asyncio.Event()
    words: list[str | bytes] = []

    def said(text: str | bytes) -> None:
        words.append(text)
        heard.set()

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(leg.read(said), name="probe reader")
        reading.add_done_callback(lambda _: heard.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GREETED_WITHIN_S):
                await heard.wait()
        reading.cancel()
    if not words:
        return False
    try:
        return isinstance(realtime_events.parse(words[0]), realtime_events.SessionCreated)
    except ProtocolError:
        return False
