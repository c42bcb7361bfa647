"""Addresses of nobody: what is answered, and the one line that says what to change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from callbridge.agents.agent import Agent
from callbridge.server.http.app import create_app
from desks import made_settings

SIGNED = {"X-Twilio-Signature": "AAAA"}
WEBHOOK = "https://calls.example.com/twilio/voice"


@pytest.fixture
async def app() -> AsyncIterator[FastAPI]:
    """The service, while it runs."""
    app = create_app(made_settings(), Agent())
    async with app.router.lifespan_context(app):
        yield app


async def asked(
    app: FastAPI, method: str, path: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
        return await client.request(method, path, headers=headers)


async def test_a_webhook_that_was_entered_wrongly_is_told_once_with_the_right_one(app: FastAPI) -> None:
    with structlog.testing.capture_logs() as logs:
        for path in ("/twilio/voices", "/voice", "/x" * 5000):
            assert (await asked(app, "POST", path, SIGNED)).status_code == 404
    (line,) = logs
    assert (line["event"], line["log_level"], line["path"]) == ("wrong_path", "warning", "/twilio/voices")
    assert WEBHOOK in line["remedy"]


async def test_strangers_do_not_hide_it(app: FastAPI) -> None:
    """They ask for whatever others have; of all that there is one line, and it is short."""
    with structlog.testing.capture_logs() as logs:
        for path in ("/" + "w" * 5000, "/.env", "/wp-login.php"):
            assert (await asked(app, "GET", path)).status_code == 404
        await asked(app, "POST", "/voice", SIGNED)
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("unknown_path", "info"),
        ("wrong_path", "warning"),
    ]
    assert len(logs[0]["path"]) == 100


@pytest.mark.parametrize("path", ["/media-stream", "/media-stream/"])
async def test_an_upgrade_that_a_proxy_has_lost_is_told(app: FastAPI, path: str) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            assert (await asked(app, "GET", path, SIGNED)).status_code == 426
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("upgrade_lost", "warning")
    assert "Upgrade" in line["remedy"]


async def test_a_socket_to_a_wrong_path_is_refused_and_told(app: FastAPI) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope: dict[str, Any] = {"type": "websocket", "path": "/media", "query_string": b""}
    scope["headers"] = [(b"x-twilio-signature", b"AAAA")]
    with structlog.testing.capture_logs() as logs:
        await app(scope, receive, send)
    assert sent == ["websocket.close"]
    assert [line["event"] for line in logs] == ["wrong_path"]


@pytest.mark.parametrize("path", ["/twilio/voice/", "/twilio/stream-ended/"])
async def test_a_slash_behind_an_address_leads_nowhere_else(app: FastAPI, path: str) -> None:
    """It is answered as without it, here by a refusal: never by the way to an address of the stranger's."""
    answer = await asked(app, "POST", path)
    assert answer.status_code == 403
    assert "location" not in answer.headers
    assert (await asked(app, "GET", "/healthz/")).status_code == 200
    twice = await asked(app, "POST", f"{path}/")
    assert twice.status_code == 404
    assert "location" not in twice.headers
