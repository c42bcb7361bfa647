"""The signed probe: what it meets on the way is told in words, and the service counts no call for it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callbridge.server.config.findings import Level
from callbridge.server.config.settings import read_settings
from callbridge.server.errands.webhook_probe import Found, base_of, probe_webhook
from callbridge.simulators.voice_model import Script
from callbridge.telephony.probes import (
    PROBE_FIELD,
    is_proven,
    probe_form,
    probe_in,
    probe_signature,
    proofs,
    sent_address,
)
from callbridge.telephony.signatures import SignatureCheck
from e2e.stack import stack, variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.server.config.settings import Settings

NUMBER = "+14155550199"
NONCE = "0f" * 16
CERTIFICATE = Path(__file__).parents[2] / "loopback.pem"


def settings_for(public_url: str, **more: str) -> Settings:
    return read_settings(variables(public_url, "ws://127.0.0.1:9", **more))


@contextlib.asynccontextmanager
async def answering(head: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says this to whoever asks, and its port."""
    ended: list[asyncio.Event] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.Event())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if not head:
                await reader.read()  # Until who has asked is gone.
            writer.write(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()
        ended[-1].set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            for each in ended:
                await each.wait()


async def test_this_service_is_known_and_takes_no_call() -> None:
    """By POST and by GET, with a query and Twilio's fragment, however often."""
    async with stack(Script()) as running:
        settings = running.settings
        for url in (settings.voice_url, f"{settings.voice_url}?shop=7#rc=5"):
            for method in ("POST", "GET"):
                probed = await probe_webhook(settings, url, NUMBER, method=method)
                assert (probed.found, probed.finding.level) == (Found.OURS, Level.OK), probed
        assert (running.facts, running.model.sessions) == ({}, [])


async def test_a_wrong_public_address_is_told_from_a_wrong_token() -> None:
    async with stack(Script()) as running:
        own, base = running.settings, running.settings.public_base_url
        other_name = own.voice_url.replace("127.0.0.1", "localhost")
        probed = await probe_webhook(own, other_name, NUMBER)
        assert probed.found is Found.OTHER_PUBLIC_URL
        assert f"PUBLIC_BASE_URL={base.replace('127.0.0.1', 'localhost')} " in probed.finding.remedy
        stranger = settings_for(base, TWILIO_AUTH_TOKEN="that-of-another-account-0001")
        probed = await probe_webhook(stranger, own.voice_url, NUMBER)
        assert probed.found is Found.WRONG_SIGNATURE
        assert "TWILIO_AUTH_TOKEN" in probed.finding.remedy


ANSWERS = {
    "200 OK\r\nContent-Type: text/html": (Found.ANOTHER_SERVER, "HTTP 200, text/html"),
    "200 OK\r\nX-Callbridge-Proof: " + "0" * 64: (Found.ANOTHER_SERVER, "HTTP 200"),
    "404 Not Found": (Found.ANOTHER_SERVER, "HTTP 404"),
    "301 Moved\r\nLocation: https://elsewhere.example/": (Found.ANOTHER_SERVER, "https://elsewhere.example/"),
    "530 Nothing\r\nServer: cloudflare": (Found.TUNNEL_IS_DOWN, "HTTP 530"),
    "404 Not Found\r\nNgrok-Error-Code: ERR_NGROK_3200": (Found.TUNNEL_IS_DOWN, "ERR_NGROK_3200"),
    "502 Bad Gateway\r\nNgrok-Error-Code: ERR_NGROK_8012": (Found.NOBODY_BEHIND, "ERR_NGROK_8012"),
    "502 Bad Gateway": (Found.NOBODY_BEHIND, "HTTP 502"),
    "403 Forbidden": (Found.WRONG_SIGNATURE, "403"),
    "nonsense": (Found.NO_CONNECTION, "cannot be reached"),
}


@pytest.mark.parametrize("head", ANSWERS)
async def test_who_answers_instead_is_told(head: str) -> None:
    found, words = ANSWERS[head]
    async with answering(head) as port:
        url = f"http://127.0.0.1:{port}/twilio/voice"
        probed = await probe_webhook(settings_for("http://127.0.0.1:8080"), url, NUMBER)
    assert probed.found is found
    assert words in probed.finding.what
    assert probed.finding.level is Level.ERROR
    assert probed.finding.remedy


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("", Found.NO_ADDRESS),
        ("ftp://x/y", Found.NO_ADDRESS),
        ("http://127.0.0.1:9/twilio/voice", Found.NO_CONNECTION),
        ("http://no-such-name.invalid/twilio/voice", Found.NO_SUCH_NAME),
    ],
)
async def test_nobody_is_there(url: str, found: Found) -> None:
    probed = await probe_webhook(settings_for("http://127.0.0.1:8080"), url, NUMBER)
    assert probed.found is found


async def test_a_certificate_that_nobody_trusts_is_told() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    async with answering("200 OK", tls) as port:
        url = f"https://127.0.0.1:{port}/twilio/voice"
        probed = await probe_webhook(settings_for("http://127.0.0.1:8080"), url, NUMBER)
    assert probed.found is Found.TLS_FAULT
    assert "certificate" in probed.finding.what


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async with answering("") as port:
        url = f"http://127.0.0.1:{port}/twilio/voice"
        probed = await probe_webhook(settings_for("http://127.0.0.1:8080"), url, NUMBER, answer_s=0.2)
    assert probed.found is Found.NO_ANSWER


def test_a_probe_is_signed_as_twilio_signs() -> None:
    """Without user and fragment; the form is in the address of a GET."""
    form = probe_form("AC" + "0" * 32, NUMBER, NONCE)
    check = SignatureCheck(("token",), "https://x.example")
    url = "https://me:key@x.example/twilio/voice?a=1#rc=5"
    signature = probe_signature("token", url, "POST", form)
    assert check.accepts_post("/twilio/voice", "a=1", form.items(), signature)
    got = sent_address(url, "GET", form)
    assert "#" not in got
    signature = probe_signature("token", url, "GET", form)
    assert check.accepts_get("/twilio/voice", got.partition("?")[2], signature)


def test_the_proof_is_that_of_one_token_and_one_nonce() -> None:
    said = proofs(("old", "new"), NONCE)
    assert is_proven("new", NONCE, said)
    assert is_proven("old", NONCE, said)
    for token, nonce, words in (("x", NONCE, said), ("new", "f0" * 16, said), ("new", NONCE, "é")):
        assert not is_proven(token, nonce, words)


def test_only_a_whole_mark_makes_a_probe() -> None:
    """A call is never taken for one, whatever parameters Twilio invents."""
    form = probe_form("AC" + "0" * 32, NUMBER, NONCE)
    assert form["CallStatus"] == "completed"
    assert probe_in(form) == NONCE
    for changed in ({"CallSid": "CA" + "1" * 32}, {PROBE_FIELD: "x"}, {PROBE_FIELD: ""}):
        assert probe_in(form | changed) is None


def test_the_base_of_a_voice_url() -> None:
    assert base_of("https://x.example/calls/twilio/voice/?a=1#rc=5") == "https://x.example/calls"
