"""The FastAPI app: routes put together with what they need, to be served alone or mounted in another app."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.routing import Route, WebSocketRoute

from callbridge.agents.choosing.gathering import roster_of
from callbridge.observe.call_log import CallLog
from callbridge.server.config.addresses import MEDIA_STREAM_PATH
from callbridge.server.config.clip import load_clip
from callbridge.server.config.plan import Plans, call_limits
from callbridge.server.config.settings import read_settings
from callbridge.server.config.who_answers import who_answers
from callbridge.server.http.debugger import debugger_router
from callbridge.server.http.entry import Entry, Run
from callbridge.server.http.fallback import fallback_router
from callbridge.server.http.health import health_router
from callbridge.server.http.lifespan import lifespan_of
from callbridge.server.http.media import MediaDoor
from callbridge.server.http.news import news_router
from callbridge.server.http.nowhere import Nowhere
from callbridge.server.http.text_messages import texts_router
from callbridge.server.http.transfers import transfer_router
from callbridge.server.http.trust import Trust
from callbridge.server.http.webhooks import webhook_router
from callbridge.server.process.after_calls import open_all_records
from callbridge.server.process.desk import Desk, open_desk
from callbridge.server.process.measuring.tracing import open_tracing
from callbridge.server.process.opened_state import opened_state
from callbridge.server.process.reporting import Journal, ModelHealth, SpendMeter
from callbridge.server.process.texting import Texting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from fastapi import APIRouter

    from callbridge.agents.choosing.gathering import Answering
    from callbridge.bridge.admitting import Observe
    from callbridge.call.facts import Fact
    from callbridge.call.limits import Limits
    from callbridge.observe.feed import Subscription
    from callbridge.observe.loop_watch import LoopWatch
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.drain import Drain
    from callbridge.server.process.live_calls import LiveCalls
    from callbridge.state.state import State
    from callbridge.switchboard.circuit import Circuits


def create_app(
    settings: Settings | None = None,
    agent: Answering | None = None,
    *,
    observers: Sequence[Observe] = (),
    limits: Limits | None = None,
    state: State | None = None,
    drain: Drain | None = None,
    live_calls: LiveCalls | None = None,
    loop_watch: LoopWatch | None = None,
    circuits: Circuits | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> FastAPI:
    """The service for one configuration.

    It may be mounted in an app of yours, under the path in which PUBLIC_BASE_URL ends; `serving` then runs
    what stands beside its calls. One such app is served once.

    Args:
        settings: the whole configuration; by default that of this process and its `.env` file.
        agent: who answers: an agent, a mapping of called numbers to agents, a function that chooses one, or a
            roster. By default what the settings name, or one made of their texts.
        observers: get every fact of every call, beside the log.
        limits: the bounds of every call; by default those of the settings.
        state: what survives the process; by default what the settings name, or nothing.
        drain: decides when the process may stop; by default nobody asks for that.
        live_calls: the calls that `drain` waits for.
        loop_watch: says whether the event loop is too late to take another call.
        circuits: say whether a model is tried at all; by default with the bounds of their module.
        clock: seconds that never run backwards, for what outlives a request.
        wall_clock: seconds since 1970, for what other processes read.

    Raises:
        SettingsError: the configuration cannot be used; says all that is wrong with it.
        AgentError: who answers cannot be loaded, or is nobody.
        ClipError: the clip that the settings name cannot be used.
        StateError: the file or the shared database that the settings name cannot be used.
        RecordsError: so with the database of the records.
        WebhooksError: who is told of calls cannot be read, or there are no records to tell of.
        TracesError: traces are wanted, and `callbridge[otel]` is not installed.
    """
    settings = settings or read_settings()
    roster = who_answers(settings) if agent is None else roster_of(agent)
    desk = open_desk(
        settings,
        Plans(settings, roster, limits or call_limits(settings)),
        state=state or opened_state(settings, wall_clock),
        drain=drain,
        live_calls=live_calls,
        loop_watch=loop_watch,
        circuits=circuits,
        now=clock,
        wall_now=wall_clock,
    )
    open_all_records(desk)
    desk.tracing = open_tracing(settings, wall_clock, loop_watch)
    return _app(desk, _media_door(desk, observers))


def _app(desk: Desk, door: MediaDoor) -> FastAPI:
    run = Run(desk.settings)
    app = FastAPI(
        title="callbridge",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # They would send Twilio to whatever address the request names itself, and without TLS.
        redirect_slashes=False,
        lifespan=lifespan_of(desk, door.texting, run),
    )
    app.add_middleware(Entry, run=run, now=desk.now)
    for router in (
        webhook_router,
        transfer_router,
        fallback_router,
        news_router,
        debugger_router,
        health_router,
    ):
        app.include_router(_with_slashes(router(desk)))
    app.include_router(_with_slashes(texts_router(desk, door.texting)))
    app.state.desk, app.state.media_door = desk, door
    # Starlette's route, not FastAPI's: there is nothing to inject, and FastAPI's frames stay for the whole
    # call, 5 KB of them.
    app.router.routes.append(WebSocketRoute(MEDIA_STREAM_PATH, door.answer))
    app.router.default = Nowhere(desk)
    return app


def _with_slashes(router: APIRouter) -> APIRouter:
    """Every address is as good with a slash behind it: people type the webhook into a form by hand."""
    for route in tuple(router.routes):
        assert isinstance(route, Route)
        router.routes.append(Route(f"{route.path}/", route.endpoint, methods=route.methods))
    return router


def _media_door(desk: Desk, observers: Sequence[Observe]) -> MediaDoor:
    settings = desk.settings
    observe = _fan_out(
        # The state first: what is logged of a call's end can be read by whoever goes on with it.
        Journal(desk),
        *([] if desk.records is None else [desk.records.note]),
        ModelHealth(desk),
        SpendMeter(desk),
        CallLog(desk.refused, desk.now, with_transcripts=settings.log_transcripts),
        desk.feed,
        desk.metrics,
        *([] if desk.tracing is None else [desk.tracing]),
        *observers,
    )
    clip = load_clip(settings.clip) if settings.clip else b""
    return MediaDoor(desk, clip, observe, Trust(desk), Texting(desk))


def follow(app: FastAPI, call_sid: str | None = None, *, with_words: bool = True) -> Subscription:
    """What happens from now on in the calls of an app that `create_app` made: for a page, or another system.

    ```python
    with callbridge.follow(app) as events:
        async for event in events:
            if isinstance(event, callbridge.LiveWords):
                print(event.call_sid, event.by, event.words)
    ```

    To be read in the event loop in which the calls are served. No call waits for a reader: one who lets too
    much lie is dropped, and the last event says so (`FeedEnded`).

    Args:
        app: whose calls.
        call_sid: one of them; by default all.
        with_words: the pieces of what both sides say, too, as they come. Nobody keeps them.
    """
    found: Subscription = app.state.desk.feed.subscribe(call_sid, with_words=with_words)
    return found


@contextlib.asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[None]:
    """Runs what stands beside the calls of an app that `create_app` made and that is mounted in another one.

    A server runs the lifespan of the outer app alone: there, write `async with callbridge.serving(calls):`.

    Raises:
        RuntimeError: this app is served already, or was before.
    """
    async with app.router.lifespan_context(app):
        yield


def _fan_out(*observers: Observe) -> Observe:
    def observe(fact: Fact) -> None:
        for observer in observers:
            observer(fact)

    return observe
