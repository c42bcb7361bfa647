"""Webhooks that are asked on this machine under the name that Twilio would use."""

from __future__ import annotations

import httpx
import pytest

from callbridge.cli.development.asking import Asking
from callbridge.server.http.app import create_app, serving
from callbridge.simulators.phone.twiml import ConnectStream, Document, WebAnswer, WebFailure, read_answer
from callbridge.simulators.phone.webhooks import Line, first_parameters
from desks import NEEDED, made_settings


@pytest.mark.parametrize("public_url", ["https://calls.example.com", "https://example.com/phone/line"])
async def test_the_service_takes_it_for_twilio_whatever_its_public_name(public_url: str) -> None:
    """Signed for the public name, which nobody asks: what answers is this very process."""
    settings = made_settings({"PUBLIC_BASE_URL": public_url})
    line = Line(settings.twilio_account_sid, "", "CA" + "1" * 32, "+15550100001", "+15550100002")
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with serving(app), Asking(public_url, 1, NEEDED["TWILIO_AUTH_TOKEN"], transport) as asking:
        for method in ("POST", "GET"):
            told = first_parameters(line)
            answer = await asking.ask(f"{settings.voice_url}?branch=a%20b#rc=5", method, told)
            assert isinstance(answer, WebAnswer)
            document = read_answer(answer)
            assert isinstance(document, Document), document
            assert isinstance(document.verbs[0], ConnectStream), method
    async with serving(create_app(settings)), Asking(public_url, 1, "another", transport) as stranger:
        refused = await stranger.ask(settings.voice_url, "POST", first_parameters(line))
        assert isinstance(refused, WebAnswer)
        assert refused.status >= 400


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example/voice", "https://calls.example.com.evil.example/x"]
)
async def test_nobody_else_is_asked(url: str) -> None:
    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    async with Asking("https://calls.example.com", 1, "token", httpx.MockTransport(never)) as asking:
        answer = await asking.ask(url, "POST", {})
    assert isinstance(answer, WebFailure)
    assert "is no address of this service" in answer.detail


async def test_a_service_that_does_not_answer_is_a_webhook_that_fails() -> None:
    def gone(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with Asking("https://calls.example.com", 1, "token", httpx.MockTransport(gone)) as asking:
        answer = await asking.ask("https://calls.example.com/voice", "POST", {})
    assert answer == WebFailure(
        "https://calls.example.com/voice", 11200, "https://calls.example.com/voice: refused"
    )
