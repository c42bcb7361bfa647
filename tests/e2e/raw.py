"""A media socket by hand: for what the phone simulator is too well-behaved to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from callbridge.simulators.phone import messages
from callbridge.simulators.phone.messages import StreamIdentity
from callbridge.simulators.phone.signature import sign, sign_form
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN
from raw_peer import RawPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from e2e.stack import Stack

CALLER = "+15550100001"
CALLED = "+15550100002"


def ringing(url: str, call_sid: str, caller: str = CALLER) -> dict[str, Any]:
    """What Twilio posts when it offers a call, signed for `url`: the arguments of a request."""
    form = {"CallSid": call_sid, "AccountSid": ACCOUNT_SID, "From": caller, "To": CALLED}
    form["CallStatus"] = "ringing"
    return {"data": form, "headers": {"X-Twilio-Signature": sign_form(url, form, AUTH_TOKEN)}}


def sids_of(caller: str, calls: int) -> list[str]:
    """By what so many calls of one caller are known."""
    return [f"CA{random.Random(f'{caller} {number}').getrandbits(128):032x}" for number in range(calls)]


def fewest_taken(reasons: Iterable[str], most: int) -> int:
    """How many calls of a caller must have been taken who may have `most`, by why others were declined.

    On a busy machine the database may answer too late for some of so many at once: then they are not taken,
    either, and what they were given is given back only with time.
    """
    return most - sum(reason != "caller_limit" for reason in reasons)


async def offered(public_url: str, caller: str, calls: int) -> list[bool]:
    """So many calls of one caller, offered at once; whether each was taken."""
    url = f"{public_url}/twilio/voice"
    sids = sids_of(caller, calls)
    limits = httpx.Limits(max_connections=calls)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=20) as client:
        answers = await asyncio.gather(*(client.post(url, **ringing(url, sid, caller)) for sid in sids))
    assert {answer.status_code for answer in answers} == {200}
    return ["<Connect" in answer.text for answer in answers]


async def asked_of(running: Stack, path: str, call_sid: str, status: str, query: str = "") -> str:
    """The TwiML for a request of Twilio's, made anew or captured: they look the same."""
    url = f"{running.settings.public_base_url}{path}{query}"
    form = {"CallSid": call_sid, "AccountSid": ACCOUNT_SID, "From": CALLER, "To": CALLED}
    form["CallStatus"] = status
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"X-Twilio-Signature": sign_form(url, form, AUTH_TOKEN)}
        return (await client.post(url, data=form, headers=headers)).text


async def ask_for_token(running: Stack, call_sid: str) -> str:
    """The stream token of a new call, as the webhook gives it out."""
    url = running.settings.voice_url
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(url, **ringing(url, call_sid))
    return token_of(answer.text)


def token_of(document: str) -> str:
    """The stream token that a TwiML document gives out."""
    token = re.search(r'name="token" value="([^"]+)"', document)
    assert token is not None, document
    return token.group(1)


@contextlib.asynccontextmanager
async def media_socket(running: Stack) -> AsyncIterator[ClientConnection]:
    """An open media socket, signed as Twilio signs it; nothing was sent on it yet."""
    url = running.settings.stream_url
    headers = {"x-twilio-signature": sign(url, AUTH_TOKEN)}
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as socket:
        yield socket


@contextlib.asynccontextmanager
async def raw_phone(
    running: Stack, *, hasty: bytes = b"", receive_buffer_bytes: int | None = None
) -> AsyncIterator[RawPeer]:
    """The same on a plain socket, of which every byte is the test's."""
    url = running.settings.stream_url
    place = urlsplit(url)
    assert place.port is not None
    headers = {"X-Twilio-Signature": sign(url, AUTH_TOKEN)}
    peer = await RawPeer.connect(
        place.port, place.path, headers, hasty=hasty, receive_buffer_bytes=receive_buffer_bytes
    )
    try:
        yield peer
    finally:
        peer.close()


def identity(call_sid: str, token: str = "") -> StreamIdentity:
    parameters = (("token", token), ("caller", CALLER), ("called", CALLED))
    return StreamIdentity(ACCOUNT_SID, call_sid, "MZ" + call_sid[2:], parameters)


def start(call_sid: str, token: str, **changes: Any) -> dict[str, Any]:
    """Twilio's `start`; `changes` are made to its facts."""
    message: dict[str, Any] = json.loads(messages.start(identity(call_sid, token), 1))
    message["start"] |= changes
    return message


def media(call_sid: str) -> dict[str, Any]:
    """A frame of silence."""
    message: dict[str, Any] = json.loads(messages.media(identity(call_sid), 2, 1, 99, b"\xff" * 160))
    return message


def stop(call_sid: str) -> dict[str, Any]:
    """Twilio's `stop`: the caller has hung up."""
    message: dict[str, Any] = json.loads(messages.stop(identity(call_sid), 3))
    return message


async def send(socket: ClientConnection, *messages: dict[str, Any]) -> None:
    """Sends messages as text."""
    for message in messages:
        await socket.send(json.dumps(message))


async def closed_with(socket: ClientConnection, timeout_s: float = 30.0) -> tuple[int | None, str]:
    """Reads to the end; the code and the reason with which the service closed."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(timeout_s):
            while True:
                await socket.recv()
    return socket.close_code, socket.close_reason or ""
