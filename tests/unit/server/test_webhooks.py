"""Webhooks over ASGI: genuine requests get their TwiML, all others get nothing."""

from __future__ import annotations

import itertools
import time
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import structlog
from fastapi import FastAPI

from callbridge.server.calls import Continuation, EndedCalls
from callbridge.server.settings import read_settings
from callbridge.server.webhooks import FORM_BYTES_MAX, FORM_FIELDS_MAX, Telephone, webhook_router
from callbridge.telephony.signatures import sign
from callbridge.telephony.tokens import PendingCall, StreamTokens

AUTH_TOKEN = "f" * 32
ACCOUNT = "AC" + "0" * 32
CALL = "CA" + "1" * 32
BASE = "https://calls.example.com"
APOLOGY = "Nobody is in."
FORM = {
    "CallSid": CALL,
    "AccountSid": ACCOUNT,
    "From": "+14155550100",
    "To": "+14155550199",
    "CallStatus": "ringing",
    "Direction": "inbound",
    "ApiVersion": "2010-04-01",
    "CallerName": " Zoë & Söhne ",
    "SomethingNew": "",
}
TWILIO_PATHS = [
    "/twilio/voice",
    "/twilio/stream-ended",
    "/twilio/stream-status",
    "/twilio/call-status",
]


@dataclass
class World:
    """One service without a socket, and a Twilio that signs."""

    environment: dict[str, str] = field(default_factory=dict)
    outstanding_max: int = 10
    now: float = 100.0
    reason_not_ready: str | None = None

    def __post_init__(self) -> None:
        numbers = itertools.count()
        settings = read_settings(
            {
                "OPENAI_API_KEY": "sk-test",
                "TWILIO_ACCOUNT_SID": ACCOUNT,
                "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
                "PUBLIC_BASE_URL": BASE,
                "APOLOGY": APOLOGY,
            }
            | self.environment
        )
        self.telephone = Telephone(
            settings,
            StreamTokens(lambda: f"token-{next(numbers)}", outstanding_max=self.outstanding_max),
            EndedCalls(),
            lambda: self.now,
            lambda: self.reason_not_ready,
        )
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.app.include_router(webhook_router(self.telephone))
        # The host of the requests is a proxy's: nothing may depend on it.
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://10.0.0.7:8080"
        )

    async def post(self, path: str, form: Mapping[str, str] = FORM, query: str = "") -> httpx.Response:
        target = f"{path}?{query}" if query else path
        signature = sign(AUTH_TOKEN, BASE + target, form.items())
        return await self.client.post(target, data=dict(form), headers={"X-Twilio-Signature": signature})

    async def get(self, path: str, form: Mapping[str, str] = FORM) -> httpx.Response:
        target = f"{path}?{urlencode(form)}"
        signature = sign(AUTH_TOKEN, BASE + target)
        return await self.client.get(target, headers={"X-Twilio-Signature": signature})


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with made.client:
        yield made


def verbs(response: httpx.Response) -> list[str]:
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/xml")
    assert response.content.startswith(b"<?xml")
    return [verb.tag for verb in ET.fromstring(response.text)]  # noqa: S314 - our own document


def token_in(response: httpx.Response) -> str | None:
    root = ET.fromstring(response.text)  # noqa: S314 - our own document
    return next((p.get("value") for p in root.iter("Parameter") if p.get("name") == "token"), None)


# Voice.


@pytest.mark.parametrize("method", ["get", "post"])
async def test_call_is_connected_to_the_media_socket(world: World, method: str) -> None:
    """A genuine webhook, by POST or GET, gets the stream and a token that is good for this call."""
    response = await getattr(world, method)("/twilio/voice")
    assert verbs(response) == ["Connect", "Say", "Hangup"]
    assert 'url="wss://calls.example.com/media-stream"' in response.text
    assert 'action="https://calls.example.com/twilio/stream-ended"' in response.text
    assert 'statusCallback="https://calls.example.com/twilio/stream-status"' in response.text
    assert APOLOGY in response.text
    redeemed = world.telephone.tokens.redeem(token_in(response), CALL, ACCOUNT, world.now)
    assert redeemed == PendingCall(CALL, ACCOUNT, "+14155550100", "+14155550199", 130.0)


async def test_repeated_webhook_is_answered_again(world: World) -> None:
    """A delivery that Twilio repeats gets a token of its own."""
    first, second = await world.post("/twilio/voice"), await world.post("/twilio/voice")
    assert verbs(first) == verbs(second)
    assert token_in(first) != token_in(second)


async def test_webhook_with_a_query_of_its_own(world: World) -> None:
    """A number may be configured with a query; it is part of what was signed."""
    assert verbs(await world.post("/twilio/voice", query="shop=7&x=%20"))[0] == "Connect"


async def test_call_without_a_number_is_answered(world: World) -> None:
    """A caller who withholds the number is a caller."""
    form = {"CallSid": CALL, "AccountSid": ACCOUNT}
    assert verbs(await world.post("/twilio/voice", form))[0] == "Connect"


async def test_call_is_declined_in_words_while_not_ready(world: World) -> None:
    """A process that takes no calls says so to the caller, and opens no stream."""
    world.reason_not_ready = "draining"
    response = await world.post("/twilio/voice")
    assert verbs(response) == ["Say", "Hangup"]
    assert APOLOGY in response.text
    assert len(world.telephone.tokens) == 0


async def test_call_is_declined_in_words_when_too_many_wait() -> None:
    """At the bound of outstanding tokens the caller hears the apology."""
    world = World(outstanding_max=1)
    async with world.client:
        assert verbs(await world.post("/twilio/voice"))[0] == "Connect"
        assert verbs(await world.post("/twilio/voice")) == ["Say", "Hangup"]


async def test_answer_is_fast(world: World) -> None:
    """A hundred answers take less than the 150 ms that each one may take."""
    await world.post("/twilio/voice")
    world.telephone.tokens.redeem("token-0", CALL, ACCOUNT, world.now)
    slowest = 0.0
    for number in range(1, 100):
        began = time.perf_counter()
        response = await world.post("/twilio/voice")
        slowest = max(slowest, time.perf_counter() - began)
        world.telephone.tokens.redeem(f"token-{number}", CALL, ACCOUNT, world.now)
        assert response.status_code == 200
    assert slowest < 0.150


# After the stream.


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("continuation", "expected"),
    [
        (Continuation.HANG_UP, ["Hangup"]),
        (Continuation.APOLOGIZE, ["Say", "Hangup"]),
        (None, ["Say", "Hangup"]),
    ],
)
async def test_call_goes_on_as_its_stream_ended(
    world: World, method: str, continuation: Continuation | None, expected: list[str]
) -> None:
    """A stream that ended well ends the call; one that failed, or is unknown, ends in an apology."""
    if continuation is not None:
        world.telephone.ended_calls.remember(CALL, continuation, "some_reason", world.now)
    form = FORM | {"CallStatus": "in-progress"}
    assert verbs(await getattr(world, method)("/twilio/stream-ended", form)) == expected


@pytest.mark.parametrize("status", ["completed", "failed", "canceled"])
async def test_nobody_is_left_to_apologize_to(world: World, status: str) -> None:
    """When the call itself is over, there is nothing to say."""
    form = FORM | {"CallStatus": status}
    assert verbs(await world.post("/twilio/stream-ended", form)) == ["Hangup"]


async def test_old_end_counts_as_unknown(world: World) -> None:
    """What is remembered is forgotten by the same clock."""
    world.telephone.ended_calls.remember(CALL, Continuation.HANG_UP, "caller_hung_up", world.now)
    world.now += 3_600
    form = FORM | {"CallStatus": "in-progress"}
    assert verbs(await world.post("/twilio/stream-ended", form)) == ["Say", "Hangup"]


# Status callbacks.


async def test_stream_error_is_logged_as_a_warning(world: World) -> None:
    """The only news of a stream that never reached us must not be overlooked."""
    form = {
        "CallSid": CALL,
        "AccountSid": ACCOUNT,
        "StreamSid": "MZ1",
        "StreamEvent": "stream-error",
        "StreamError": "31920",
        "Timestamp": "2026-11-20T12:00:00.000000000Z",
    }
    with structlog.testing.capture_logs() as logs:
        assert verbs(await world.post("/twilio/stream-status", form)) == []
    assert logs == [
        {
            "event": "stream_status",
            "log_level": "warning",
            "call_sid": CALL,
            "stream_sid": "MZ1",
            "status": "stream-error",
            "error": "31920",
        }
    ]


async def test_stream_start_is_plain_news(world: World) -> None:
    """A stream that starts as it should is no warning."""
    form = FORM | {"StreamSid": "MZ1", "StreamEvent": "stream-started"}
    with structlog.testing.capture_logs() as logs:
        assert verbs(await world.post("/twilio/stream-status", form)) == []
    assert [(line["log_level"], line["status"]) for line in logs] == [("info", "stream-started")]


async def test_call_status_is_logged(world: World) -> None:
    """Twilio's own view of the call stands in the logs beside ours."""
    form = FORM | {"CallStatus": "completed", "CallDuration": "61", "SequenceNumber": "3"}
    with structlog.testing.capture_logs() as logs:
        assert verbs(await world.post("/twilio/call-status", form)) == []
    assert logs == [
        {
            "event": "call_status",
            "log_level": "info",
            "call_sid": CALL,
            "status": "completed",
            "duration_s": "61",
            "sequence_number": "3",
        }
    ]


# Strangers.


@pytest.mark.parametrize("path", TWILIO_PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        {"X-Twilio-Signature": "\u00fc".encode("latin-1")},
        {"X-Twilio-Signature": sign("0" * 32, BASE + "/twilio/voice", FORM.items())},
        {"X-Twilio-Signature": sign(AUTH_TOKEN, "http://10.0.0.7:8080/twilio/voice", FORM.items())},
    ],
    ids=["missing", "empty", "made up", "not ascii", "other account", "address of the proxy"],
)
async def test_forged_request_is_refused_without_details(world: World, path: str, headers: Any) -> None:
    """Whoever cannot sign gets 403 and learns nothing."""
    for response in (
        await world.client.post(path, data=FORM, headers=headers),
        await world.client.get(path, params=FORM, headers=headers),
    ):
        assert response.status_code == 403
        assert response.json() == {"detail": "Forbidden"}
    assert len(world.telephone.tokens) == 0


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-Proto", "Host", "Forwarded"])
async def test_headers_have_no_say_in_the_address(world: World, name: str) -> None:
    """A request signed for an attacker's host is refused, whatever its headers claim."""
    signature = sign(AUTH_TOKEN, "https://evil.example/twilio/voice", FORM.items())
    value = "host=evil.example;proto=https" if name == "Forwarded" else "evil.example"
    response = await world.client.post(
        "/twilio/voice", data=FORM, headers={"X-Twilio-Signature": signature, name: value}
    )
    assert response.status_code == 403


async def test_tampered_form_is_refused(world: World) -> None:
    """A signature covers each parameter."""
    signature = sign(AUTH_TOKEN, BASE + "/twilio/voice", FORM.items())
    response = await world.client.post(
        "/twilio/voice",
        data=FORM | {"From": "+19005550000"},
        headers={"X-Twilio-Signature": signature},
    )
    assert response.status_code == 403


async def test_repeated_parameters_are_all_signed(world: World) -> None:
    """A form in which a name comes twice is checked as Twilio signs it."""
    form = [*FORM.items(), ("MediaUrl", "b"), ("MediaUrl", "a")]
    response = await world.client.post(
        "/twilio/voice",
        content=urlencode(form),
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": sign(AUTH_TOKEN, BASE + "/twilio/voice", form),
        },
    )
    assert verbs(response)[0] == "Connect"


async def test_another_account_is_refused(world: World) -> None:
    """A signed form of another account is none of ours."""
    form = FORM | {"AccountSid": "AC" + "9" * 32}
    assert (await world.post("/twilio/voice", form)).status_code == 403


@pytest.mark.parametrize("path", TWILIO_PATHS)
@pytest.mark.parametrize("name", ["CallSid", "AccountSid"])
@pytest.mark.parametrize("value", [None, ""])
async def test_form_of_no_call_is_refused_in_words(
    world: World, path: str, name: str, value: str | None
) -> None:
    """A genuine request without its call says what is missing."""
    form = {key: entry for key, entry in FORM.items() if key != name}
    if value is not None:
        form[name] = value
    response = await world.post(path, form)
    assert response.status_code == 400
    assert response.json() == {"detail": f"The parameter {name} is missing."}


async def test_oversized_form_is_refused(world: World) -> None:
    """An unsigned request cannot make the process hold much."""
    response = await world.client.post("/twilio/voice", content=b"a" * (FORM_BYTES_MAX + 1))
    assert response.status_code == 413
    response = await world.client.post("/twilio/voice", content=b"a=1&" * (FORM_FIELDS_MAX + 1))
    assert response.status_code == 400


@pytest.mark.parametrize("content", [b"\xff\xfe=%ff&=&&&=%", b"{}", b"%00=%00", b""])
async def test_garbage_is_refused_not_an_error(world: World, content: bytes) -> None:
    """Bytes that are no form are a stranger's, not a fault of ours."""
    response = await world.client.post("/twilio/voice", content=content)
    assert response.status_code == 403


async def test_request_that_breaks_off_is_not_an_error_of_ours(world: World) -> None:
    """A client that leaves in the middle of its form leaves no traceback."""
    messages = iter(
        [
            {"type": "http.request", "body": b"CallSid=", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/twilio/voice",
        "query_string": b"",
        "headers": [],
    }
    await world.app(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_other_methods_are_not_known(world: World) -> None:
    """Only POST and GET are Twilio's."""
    for method in ("PUT", "DELETE", "PATCH"):
        assert (await world.client.request(method, "/twilio/voice")).status_code == 405


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/", "/twilio"])
async def test_nothing_else_answers(world: World, path: str) -> None:
    """No page tells a stranger what runs here."""
    assert (await world.client.get(path)).status_code == 404


async def test_switched_off_check_lets_unsigned_requests_in() -> None:
    """On loopback, with the check switched off, a plain form is enough; the account must fit."""
    world = World(
        {
            "TWILIO_VALIDATE_SIGNATURES": "false",
            "HOST": "127.0.0.1",
            "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
        }
    )
    async with world.client:
        response = await world.client.post("/twilio/voice", data=FORM)
        assert verbs(response)[0] == "Connect"
        assert 'url="ws://127.0.0.1:8080/media-stream"' in response.text
        other = FORM | {"AccountSid": "AC" + "9" * 32}
        assert (await world.client.post("/twilio/voice", data=other)).status_code == 403
    assert world.telephone.is_genuine_upgrade(None)


def test_upgrade_needs_the_signature_of_its_own_address() -> None:
    """The media socket's upgrade is genuine only when its wss address was signed with our token."""
    telephone = World().telephone
    assert telephone.is_genuine_upgrade(sign(AUTH_TOKEN, "wss://calls.example.com/media-stream"))
    assert not telephone.is_genuine_upgrade(sign(AUTH_TOKEN, f"{BASE}/media-stream"))
    assert not telephone.is_genuine_upgrade(None)


async def test_refusals_are_logged_without_the_form(world: World) -> None:
    """A forged request leaves one line, and nothing of what it claimed."""
    with structlog.testing.capture_logs() as logs:
        await world.client.post("/twilio/voice", data=FORM)
    assert logs == [
        {
            "event": "webhook_refused",
            "log_level": "warning",
            "path": "/twilio/voice",
            "reason": "wrong signature",
        }
    ]


# Health.


async def test_health_and_readiness(world: World) -> None:
    """The process lives in any case; it is ready only while it takes calls, and says why not."""
    assert (await world.client.get("/readyz")).json() == {"status": "ready"}
    world.reason_not_ready = "draining"
    response = await world.client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reason": "draining"}
    assert (await world.client.get("/healthz")).status_code == 200
