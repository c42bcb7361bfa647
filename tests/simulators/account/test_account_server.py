"""The account on a socket: read by Twilio's own library, its webhooks signed, its faults met by a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx
import pytest
from accounts import OURS, THEIRS
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]  # It ships no types.
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # It ships no types.
from twilio.rest import Client  # type: ignore[import-untyped]  # It ships no types.

from callbridge.simulators.account import (
    AccountServer,
    AccountSettings,
    Fault,
    FaultKind,
    QuietExchange,
    SimulatedAccount,
    serve_account,
)
from callbridge.simulators.phone.leg_record import Recording
from leftovers import until
from small_server import Asked, answered, small_server

T = TypeVar("T")


@asynccontextmanager
async def served(settings: AccountSettings | None = None) -> AsyncIterator[tuple[AccountServer, Client]]:
    account = SimulatedAccount(settings=settings or AccountSettings(numbers=(OURS,)))
    async with serve_account(account) as server:
        client = Client(account.settings.account_sid, account.settings.auth_token, environment={"X": "1"})
        client.api.base_url = client.monitor.base_url = server.base_url
        yield server, client


async def of(ask: Callable[[], T]) -> T:
    """What the library, which waits, says."""
    return await asyncio.to_thread(ask)


async def test_twilios_library_reads_every_answer() -> None:
    async with served() as (server, client):
        account = await of(client.api.accounts(client.account_sid).fetch)
        assert (account.type, account.status) == ("Full", "active")
        number = (await of(lambda: client.incoming_phone_numbers.list(phone_number=OURS)))[0]
        changed = await of(lambda: number.update(voice_url="https://a.example/voice"))
        assert (changed.voice_url, changed.capabilities["voice"]) == ("https://a.example/voice", True)
        offer = (await of(lambda: client.available_phone_numbers("US").local.list(area_code=415, limit=1)))[0]
        bought = await of(lambda: client.incoming_phone_numbers.create(phone_number=offer.phone_number))
        assert await of(bought.delete)
        call = await of(lambda: client.calls.create(to=THEIRS, from_=OURS, url="https://a.example/x"))
        exchange = server.account.exchange
        assert isinstance(exchange, QuietExchange)
        exchange.legs[str(call.sid)].answer()
        await of(lambda: client.calls(str(call.sid)).update(twiml="<Response/>"))
        ended = await of(lambda: client.calls(str(call.sid)).update(status="completed"))
        assert ended.queue_time == "0"
        assert (await of(client.calls.list))[0].date_created.year >= 2026
        message = await of(lambda: client.messages.create(to=THEIRS, from_=OURS, body="Hi"))
        assert (message.num_segments, message.error_code) == ("1", None)
        assert len(await of(lambda: client.messages.list(limit=20))) == 1
        kept = Recording("RE" + "1" * 32, 5, datetime.now(UTC))
        exchange.legs[str(call.sid)].recordings.append(kept)
        found = await of(client.recordings(kept.sid).fetch)
        assert (found.channels, found.duration, found.source) == (1, "5", "RecordVerb")
        server.account.ledger.complain(11200, "a webhook", str(call.sid))
        assert len(await of(client.calls(str(call.sid)).notifications.list)) == 1
        alerts = await of(lambda: client.monitor.v1.alerts.list(page_size=1))
        assert alerts[0].resource_sid == call.sid
        assert server.account.complaints[:-1] == [], "nothing that the library sends is unknown"


async def test_twilios_library_turns_pages() -> None:
    async with served(AccountSettings(numbers=tuple(f"+1415555010{n}" for n in range(3)))) as (
        server,
        client,
    ):
        assert len(await of(lambda: client.incoming_phone_numbers.list(page_size=1))) == 3
        for code in (11200, 13224, 31921):
            server.account.ledger.complain(code, "something")
        assert len(await of(lambda: client.monitor.v1.alerts.list(page_size=1))) == 3


async def test_twilios_library_reads_refusals() -> None:
    async with served() as (_, client):
        with pytest.raises(TwilioRestException) as refused:
            await of(lambda: client.calls("CA" + "0" * 32).update(status="completed"))
        assert (refused.value.status, refused.value.code) == (404, 20404)
        with pytest.raises(TwilioRestException) as invalid:
            await of(lambda: client.messages.create(to=THEIRS, from_="+14155550198", body="Hi"))
        assert (invalid.value.status, invalid.value.code) == (400, 21606)


async def test_webhooks_are_signed_with_the_token_of_the_account() -> None:
    came: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()

    def answer(asked: Asked) -> bytes:
        came.set_result(asked)
        return answered("<Response/>", kind="text/xml")

    async with small_server(answer) as bridge, served() as (server, _):
        server.account.numbers[0].sms_url = f"{bridge.origin}/twilio/text?x=1"
        server.account.text_in(THEIRS, OURS, "Hello")
        asked = await asyncio.wait_for(came, 5)
        form = dict(parse_qsl(asked.body.decode(), keep_blank_values=True))
        assert form["Body"] == "Hello"
        validator = RequestValidator(server.account.settings.auth_token)
        signature = asked.headers["x-twilio-signature"]
        assert validator.validate(f"{bridge.origin}/twilio/text?x=1", form, signature)


async def test_a_lost_answer_is_no_answer_and_the_thing_is_done() -> None:
    async with served() as (server, _), httpx.AsyncClient() as http:
        server.account.faults.add(Fault(FaultKind.LOST, method="POST"))
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(**sending(server))
        assert len(server.account.messages) == 1


async def test_an_answer_that_hangs_outlasts_the_client_but_not_the_server() -> None:
    async with served() as (server, _), httpx.AsyncClient() as http:
        server.account.faults.add(Fault(FaultKind.HANG, seconds=60))
        with pytest.raises(httpx.ReadTimeout):
            await http.post(**sending(server), timeout=httpx.Timeout(10, read=0.1))
        assert await until(lambda: len(server.account.messages) == 1)


def sending(server: AccountServer) -> dict[str, Any]:
    """A message, as httpx posts it."""
    sid = server.account.settings.account_sid
    return {
        "url": f"{server.base_url}/2010-04-01/Accounts/{sid}/Messages.json",
        "auth": (sid, server.account.settings.auth_token),
        "data": {"To": THEIRS, "From": OURS, "Body": "Hi"},
    }
