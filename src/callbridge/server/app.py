"""The FastAPI app: routes put together with what they need. No decision is taken here."""

from __future__ import annotations

import secrets
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.routing import WebSocketRoute

from callbridge.agents.agent import Agent
from callbridge.agents.loading import load_agent
from callbridge.bridge.dialer import ModelDialer
from callbridge.call.facts import CallEnded, EndReason, Fact
from callbridge.observe.call_log import CallLog
from callbridge.server.calls import Continuation, EndedCalls
from callbridge.server.media import MediaDoor
from callbridge.server.plan import call_plan
from callbridge.server.settings import MEDIA_STREAM_PATH, Settings
from callbridge.server.webhooks import Telephone, webhook_router
from callbridge.telephony.tokens import StreamTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.bridge.bridge import Observe
    from callbridge.call.limits import Limits
    from callbridge.call.machine import Call

TOKEN_BYTES = 24
"""192 random bits: more than the 128 that make guessing hopeless."""


def create_app(
    settings: Settings,
    agent: Agent | None = None,
    *,
    observers: Sequence[Observe] = (),
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The service for one configuration.

    Args:
        settings: the whole configuration.
        agent: who answers; by default the one that the settings name, or one made of their texts.
        observers: get every fact of every call, beside the log.
        limits: the bounds of every call; the ordinary ones by default.
        clock: seconds that never run backwards, for what outlives a request: tokens and ended calls.

    Raises:
        AgentError: the agent that the settings name cannot be loaded.
    """
    if agent is None:
        agent = load_agent(settings.agent) if settings.agent else Agent()
    ended_calls = EndedCalls()
    telephone = Telephone(
        settings,
        StreamTokens(lambda: secrets.token_urlsafe(TOKEN_BYTES)),
        ended_calls,
        clock,
        reason_not_ready=lambda: None,
    )
    door = MediaDoor(
        telephone,
        call_plan(settings, agent),
        agent.toolbox,
        model_dialer(settings),
        _fan_out(CallLog(with_transcripts=settings.log_transcripts), _Ending(ended_calls, clock), *observers),
        limits,
    )
    app = FastAPI(title="callbridge", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(webhook_router(telephone))
    # Starlette's route, not FastAPI's: there is nothing to inject, and FastAPI's frames stay for the whole
    # call, 5 KB of them.
    app.router.routes.append(WebSocketRoute(MEDIA_STREAM_PATH, door.answer))
    return app


def model_dialer(settings: Settings) -> ModelDialer:
    """How all calls reach the model, with the one TLS context of the process."""
    return ModelDialer(
        url=f"{settings.realtime_url}?{urlencode({'model': settings.realtime_model})}",
        key=settings.openai_api_key.get_secret_value(),
        tls=ssl.create_default_context() if settings.realtime_url.startswith("wss:") else None,
    )


class _Ending:
    """Notes how a call's stream ended, before its socket closes and Twilio asks what is next."""

    def __init__(self, ended_calls: EndedCalls, clock: Callable[[], float]) -> None:
        self._ended_calls = ended_calls
        self._clock = clock

    def __call__(self, call: Call, fact: Fact) -> None:
        if not isinstance(fact, CallEnded) or fact.reason in _UNPROVEN:
            return
        what_next = Continuation.HANG_UP if fact.reason.is_normal else Continuation.APOLOGIZE
        self._ended_calls.remember(call.call_sid, what_next, fact.reason.value, self._clock())


_UNPROVEN = frozenset({EndReason.REJECTED_AUTH, EndReason.REJECTED_PROTOCOL})
"""After these the socket may have claimed the CallSid of somebody else's call."""


def _fan_out(*observers: Observe) -> Observe:
    def observe(call: Call, fact: Fact) -> None:
        for observer in observers:
            observer(call, fact)

    return observe
