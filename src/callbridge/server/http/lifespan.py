"""What runs beside the calls of an app, for as long as they are served, and what is said when it begins."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from callbridge.server.config.check_money import in_words, models_without_price, spend_caps
from callbridge.server.process.after_calls import lives_of_records
from callbridge.server.process.measuring.refusals import count_refusals
from callbridge.server.process.measuring.tracing import sent
from callbridge.server.process.neighbours import live_among_neighbours
from callbridge.server.process.organs import guarded, watch_state
from callbridge.server.process.probe import probe_forever
from callbridge.switchboard.spending import ENDS_CALLS_AT_PERCENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from fastapi import FastAPI

    from callbridge.agents.mcp.lasting import Link, Server
    from callbridge.server.http.entry import Run
    from callbridge.server.process.desk import Desk
    from callbridge.server.process.texting import Texting

BEFORE_CALLS_S: Final = 5.0
"""What the MCP servers of guests have before calls are taken: a guest asks them once, when a call begins."""

_log = structlog.get_logger()


def lifespan_of(
    desk: Desk, texting: Texting, run: Run
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    """What runs beside the calls, for as long as they are served."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        run.begin()
        _say_what_calls_may_cost(desk)
        give_up = desk.drain.give_up
        async with sent(desk.tracing), desk.opened(), asyncio.TaskGroup() as tasks:
            lives: dict[str, Callable[[], Awaitable[NoReturn]]] = {
                "refusals": lambda: count_refusals(desk.refused, desk.now),
                "model probe": lambda: probe_forever(desk),
                "news of texts": texting.watch_forever,
                "neighbours": lambda: live_among_neighbours(desk),
            }
            organs = [
                tasks.create_task(guarded(organ, live, give_up=give_up, now=desk.now), name=organ)
                for organ, live in lives.items()
            ]
            organs += [
                tasks.create_task(guarded(organ, live, give_up=None, now=desk.now), name=organ)
                for organ, live in {**lives_of_records(desk), "MCP servers": _mcp_servers(desk)}.items()
            ]
            organs.append(tasks.create_task(watch_state(desk.state, give_up=give_up), name="state watch"))
            await desk.mcp.tried(_guests_servers(desk), BEFORE_CALLS_S)
            with run.on():
                yield
            for organ in organs:
                organ.cancel()

    return lifespan


def _mcp_servers(desk: Desk) -> Callable[[], Awaitable[NoReturn]]:
    """Keeps the connections with those of all agents, whoever they are at the moment."""
    plans = desk.plans
    return lambda: desk.mcp.live_forever(
        lambda: [
            *(server for _, agent in plans.roster.all_agents for server in agent.our_servers),
            *_guests_servers(desk),
        ]
    )


def _guests_servers(desk: Desk) -> list[Server[Link]]:
    """MCP servers that guests bring along."""
    guests = (agent.guest for _, agent in desk.plans.roster.all_agents)
    return [server for guest in guests if guest is not None for server in guest.servers]


def _say_what_calls_may_cost(desk: Desk) -> None:
    """At every start: the caps, and who is rung when one is reached."""
    settings, plan = desk.settings, desk.fallback
    caps, unpriced = spend_caps(settings), models_without_price(settings, desk.plans.roster)
    first = "a menu" if settings.fallback_menu else ""
    steps = [first, plan.dial, "voicemail" if plan.has_voicemail else "the apology"]
    is_bounded = not unpriced and not caps.keys().isdisjoint({"an hour", "a day"})
    (_log.info if is_bounded else _log.warning)(
        "spend_caps",
        caps=in_words(caps),
        cannot_hold_for=list(unpriced),
        live_calls_end_at=f"{ENDS_CALLS_AT_PERCENT} %",
        fallback=", then ".join(filter(None, steps)),
    )
