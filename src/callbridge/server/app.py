"""The FastAPI app: routes put together with what they need. No decision is taken here."""

from __future__ import annotations

import secrets
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fastapi import FastAPI

from callbridge.agents.agent import Agent
from callbridge.agents.loading import load_agent
from callbridge.bridge.legs import ModelDialer
from callbridge.call.facts import CallEnded, Fact
from callbridge.observe.call_log import CallLog
from callbridge.server.calls import Continuation, EndedCalls
from callbridge.server.media import MediaDoor
from callbridge.server.plan import call_plan
from callbridge.server.settings import MEDIA_STREAM_PATH, Settings
from callbridge.server.webhooks import Telephone, webhook_router
from callbridge.telephony.tokens import StreamTokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.bridge.bridge import Observe
    from callbridge.call.machine import Call

TOKEN_BYTES = 24
"""192 random bits: more than the 128 that make guessing hopeless."""


def create_app(
    settings: Settings, agent: Agent | None = None, *, observers: Sequence[Observe] = ()
) -> FastAPI:
    """The service for one configuration.

    Args:
        settings: the whole configuration.
        agent: who answers; by default the one that the settings name, or one made of their texts.
        observers: get every fact of every call, beside the log.

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
        time.monotonic,
        reason_not_ready=lambda: None,
    )
    door = MediaDoor(
        telephone,
        call_plan(settings, agent),
        agent.toolbox,
        model_dialer(settings),
        _fan_out(CallLog(with_transcripts=settings.log_transcripts), _Ending(ended_calls), *observers),
    )
    app = FastAPI(title="callbridge", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(webhook_router(telephone))
    app.add_api_websocket_route(MEDIA_STREAM_PATH, door.answer)
    return app


def model_dialer(settings: Settings) -> ModelDialer:
    """How all calls reach the model, with the one TLS context of the process."""
    return ModelDialer(
        url=f"{settings.realtime_url}?{urlencode({'model': settings.realtime_model})}",
        key=settings.openai_api_key.get_secret_value(),
        tls=ssl.create_default_context() if settings.realtime_url.startswith("wss:") else None,
    )


class _Ending:
    """Notes which calls ended as somebody meant, before their socket closes and Twilio asks what is next.

    Only those: a call of which nothing is known gets an apology, and a socket that was refused may have
    claimed the CallSid of somebody else's call.
    """

    def __init__(self, ended_calls: EndedCalls) -> None:
        self._ended_calls = ended_calls

    def __call__(self, call: Call, fact: Fact) -> None:
        if isinstance(fact, CallEnded) and fact.reason.is_normal:
            reason = fact.reason.value
            self._ended_calls.remember(call.call_sid, Continuation.HANG_UP, reason, time.monotonic())


def _fan_out(*observers: Observe) -> Observe:
    def observe(call: Call, fact: Fact) -> None:
        for observer in observers:
            observer(call, fact)

    return observe
