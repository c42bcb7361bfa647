"""Twilio's REST API over a socket: how long is waited, what is asked again, and what a fault says."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from callbridge.telephony.rest.client import Patience, TwilioRest, open_rest
from callbridge.telephony.rest.credentials import Credentials
from callbridge.telephony.rest.fault import FaultKind, RestFault
from callbridge.telephony.rest.records import NewCall, SentMessage
from rest_peer import CLOSE, HANG, OK_CALL, Answer, RestPeer, refused, rest_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ACCOUNT, KEY, CALL = "AC" + "0" * 32, "SK" + "2" * 32, "CA" + "1" * 32
TO, FROM = "+14155550123", "+14155550199"
NEW_CALL = NewCall(TO, FROM, "https://calls.example.com/twilio/briefing")
HASTY = Patience(timeout_s=0.3, pauses_s=(0.01, 0.01))
PATIENT = Patience(timeout_s=8, pauses_s=(0.01, 0.01))


def credentials(url: str = "", **changes: str) -> Credentials:
    return Credentials(ACCOUNT, SecretStr("canary-secret"), api_url=url, **changes)


@asynccontextmanager
async def asking(
    *script: Answer | str, patience: Patience = PATIENT
) -> AsyncIterator[tuple[TwilioRest, RestPeer]]:
    async with rest_peer(*script) as peer, open_rest(credentials(peer.url), patience) as rest:
        yield rest, peer


@asynccontextmanager
async def failing() -> AsyncIterator[list[RestFault]]:
    found: list[RestFault] = []
    with pytest.raises(RestFault) as caught:
        yield found
    found.append(caught.value)


async def test_a_call_is_made() -> None:
    """What is asked and who asks, as Twilio wants it."""
    call = NewCall(
        TO,
        FROM,
        "https://x.example/b?t=1",
        "https://x.example/s",
        ring_s=20,
        send_digits="ww12#",
        call_token="%7B",
    )
    async with asking(OK_CALL) as (rest, peer):
        assert await rest.create_call(call) == CALL
    (asked,) = peer.asked
    assert (asked.method, asked.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json")
    assert asked.headers["authorization"] == credentials().authorization
    events = [("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")]
    assert sorted(asked.form) == sorted(
        [
            *(("To", TO), ("From", FROM), ("Url", "https://x.example/b?t=1"), ("Timeout", "20")),
            *(("SendDigits", "ww12#"), ("CallToken", "%7B"), ("StatusCallback", "https://x.example/s")),
            *events,
        ]
    )


async def test_a_trial_account_gets_no_more_than_it_takes() -> None:
    """Any parameter but these three is refused there."""
    async with asking(OK_CALL) as (rest, peer):
        await rest.create_call(NEW_CALL)
    assert {name for name, _ in peer.asked[0].form} == {"To", "From", "Url"}


async def test_a_hung_api_costs_the_time_limit_and_is_asked_once() -> None:
    """The library itself would wait for ever."""
    async with asking(HANG, patience=HASTY) as (rest, peer):
        started = asyncio.get_running_loop().time()
        async with failing() as found:
            await rest.create_call(NEW_CALL)
        assert asyncio.get_running_loop().time() - started < 2
    assert (found[0].kind, len(peer.asked)) == (FaultKind.UNKNOWN, 1)
    assert "has not answered within 0.3 s" in found[0].message


@pytest.mark.parametrize(
    "answer",
    [CLOSE, Answer(500, {"code": 20500, "message": "Oh", "status": 500}), Answer(503, text="<html>")],
)
async def test_a_call_that_may_have_been_made_is_never_made_again(answer: Answer | str) -> None:
    """An answer that was lost, and one that says nothing of what was done."""
    async with asking(answer, OK_CALL) as (rest, peer), failing() as found:
        await rest.create_call(NEW_CALL)
    assert found[0].kind is FaultKind.UNKNOWN
    assert found[0].may_be_done
    assert "may have been done" in str(found[0])
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    "answer", [Answer(201, text="<Response/>"), Answer(201, []), Answer(201, {"status": "queued"})]
)
async def test_an_answer_that_cannot_be_read_leaves_it_open(answer: Answer) -> None:
    async with asking(answer, OK_CALL) as (rest, peer), failing() as found:
        await rest.create_call(NEW_CALL)
    assert (found[0].kind, len(peer.asked)) == (FaultKind.UNKNOWN, 1)


async def test_what_was_certainly_not_done_is_asked_again() -> None:
    """20429 says that the request was not processed."""
    async with asking(refused(429, 20429), refused(429, 20429), OK_CALL) as (rest, peer):
        assert await rest.create_call(NEW_CALL) == CALL
    assert len(peer.asked) == 3


async def test_not_for_ever() -> None:
    async with asking(refused(429, 20429)) as (rest, peer), failing() as found:
        await rest.create_call(NEW_CALL)
    assert (found[0].kind, found[0].may_be_done, len(peer.asked)) == (FaultKind.BUSY, False, 3)


async def test_the_pauses_count_within_the_time_limit() -> None:
    """While one waits to ask again, nothing is under way that could have been done."""
    patience = Patience(timeout_s=0.2, pauses_s=(60,))
    async with asking(refused(429, 20429), patience=patience) as (rest, _), failing() as found:
        await rest.create_call(NEW_CALL)
    assert found[0].kind is FaultKind.UNREACHABLE


async def test_nobody_listens() -> None:
    """Refused, so nothing was done; and asked again, in case it starts in this moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with open_rest(credentials(url), PATIENT) as rest:
            async with failing() as found:
                await rest.create_call(NEW_CALL)
            assert (found[0].kind, found[0].status) == (FaultKind.UNREACHABLE, 0)
            assert "Nothing was done" in found[0].message
            assert f"Nothing listens at {url}, which CALLBRIDGE_TWILIO_API_URL names" in found[0].message


async def test_a_connection_that_never_came_about_has_sent_nothing() -> None:
    """A backlog that is full: packets vanish, as behind a dead route. Known from a request without answer."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        with socket.socket() as first, socket.socket() as second:
            for waiting in (first, second):
                waiting.setblocking(False)
                waiting.connect_ex(address)
            url = f"http://127.0.0.1:{address[1]}"
            async with open_rest(credentials(url), HASTY) as rest, failing() as found:
                await rest.create_call(NEW_CALL)
    assert found[0].kind is FaultKind.UNREACHABLE


@pytest.mark.parametrize("first", [Answer(503, text="<html>"), CLOSE, Answer(200, text="<html>")])
async def test_questions_may_be_asked_again(first: Answer | str) -> None:
    account = Answer(200, {"type": "Full", "status": "active", "auth_token": "canary-token"})
    async with asking(first, account) as (rest, peer):
        facts = await rest.account()
    assert (facts.type, facts.status, facts.is_trial) == ("Full", "active", False)
    assert "canary" not in repr(facts)
    assert [asked.method for asked in peer.asked] == ["GET", "GET"]


async def test_a_question_without_answer_has_done_nothing() -> None:
    async with asking(HANG, patience=HASTY) as (rest, _), failing() as found:
        await rest.account()
    assert found[0].kind is FaultKind.UNREACHABLE


@pytest.mark.parametrize(
    "answer",
    [refused(400, 21220), refused(404, 20404), Answer(404, {"message": "gone"}), Answer(404, text="x")],
)
async def test_a_call_that_is_gone_is_no_fault(answer: Answer) -> None:
    """An ended call answers 21220, later 404, with a code or without one."""
    async with asking(answer) as (rest, peer):
        assert not await rest.redirect_call(CALL, "https://x.example/room")
        assert not await rest.end_call(CALL)
    redirected, ended = peer.asked
    assert redirected.path == f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"
    assert sorted(redirected.form) == [("Method", "POST"), ("Url", "https://x.example/room")]
    assert ended.form == [("Status", "completed")]


async def test_a_live_call_is_led_and_ended() -> None:
    async with asking(Answer(200, {"sid": CALL, "status": "in-progress"})) as (rest, _):
        assert await rest.redirect_call(CALL, "https://x.example/room")
        assert await rest.end_call(CALL)


async def test_a_text_is_sent() -> None:
    message = {"sid": "SM" + "3" * 32, "status": "queued", "num_segments": "2", "error_code": None}
    async with asking(Answer(201, message)) as (rest, peer):
        sent = await rest.send_message(TO, FROM, "Grüße", "https://x.example/t", 600)
        assert sent == SentMessage("SM" + "3" * 32, "queued", 2)
        await rest.send_message(TO, "MG" + "4" * 32, "Hi")
    first, second = (dict(asked.form) for asked in peer.asked)
    assert first.pop("SmartEncoded") == "true"
    expected = {"To": TO, "From": FROM, "Body": "Grüße", "ValidityPeriod": "600"}
    assert first == expected | {"StatusCallback": "https://x.example/t"}
    assert (second["MessagingServiceSid"], "From" in second) == ("MG" + "4" * 32, False)


PROBLEM = {"type": "https://x", "title": "Bad", "status": 403, "code": 70051, "detail": "No permission"}


@pytest.mark.parametrize(
    ("answer", "kind", "code", "words"),
    [
        (refused(401, 20003, "Authenticate"), FaultKind.AUTH, 20003, "TWILIO_API_KEY_SECRET"),
        (Answer(401, text="no"), FaultKind.AUTH, 0, "TWILIO_AUTH_TOKEN"),
        (refused(403, 20008), FaultKind.AUTH, 20008, "test credentials"),
        (Answer(403, PROBLEM), FaultKind.AUTH, 70051, "The API key has no right"),
        (refused(400, 21215), FaultKind.REFUSED, 21215, "Geo permissions"),
        (refused(400, 21219), FaultKind.REFUSED, 21219, "Verify it"),
        (refused(400, 21210), FaultKind.REFUSED, 21210, "neither one of this account nor verified"),
        (
            refused(400, 99999, f"Not {TO}, +1 (415) 555-0123."),
            FaultKind.REFUSED,
            99999,
            "Not …, …. See https",
        ),
        (
            Answer(400, {"message": "Invalid - trial accounts have limited parameter access"}),
            FaultKind.REFUSED,
            0,
            "Upgrade the account",
        ),
    ],
)
async def test_a_refusal_says_what_to_do(answer: Answer, kind: FaultKind, code: int, words: str) -> None:
    """In both forms of error that Twilio has; without a number, and asked once."""
    async with asking(answer) as (rest, peer), failing() as found:
        await rest.create_call(NEW_CALL)
    fault = found[0]
    assert (fault.kind, fault.code, fault.status) == (kind, code, answer.status)
    assert words in fault.message
    assert "555" not in f"{fault} {fault!r}"
    assert fault.__suppress_context__, "the library's own words have numbers in them"
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [(refused(401, 20003), 20003), (Answer(403, PROBLEM), 70051), (Answer(403, text="x"), 0)],
)
async def test_a_list_that_is_refused_says_why(answer: Answer, code: int) -> None:
    """Of a list the library tells neither code nor status."""
    async with asking(answer) as (rest, _), failing() as found:
        await rest.numbers()
    assert (found[0].kind, found[0].code) == (FaultKind.AUTH, code)


async def test_a_cancellation_passes_through() -> None:
    """A call that ends meanwhile does not wait for it."""
    async with asking(HANG) as (rest, peer):
        task = asyncio.create_task(rest.create_call(NEW_CALL))
        await asyncio.wait_for(peer.has_been_asked.wait(), 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_nothing_is_left_open() -> None:
    """No session, no connection: a warning of aiohttp would fail this run."""
    async with asking(OK_CALL) as (rest, _):
        await rest.create_call(NEW_CALL)
    gc.collect()


async def test_who_asks_too_late_is_told_so() -> None:
    async with asking(OK_CALL) as (rest, peer):
        pass
    async with failing() as found:
        await rest.create_call(NEW_CALL)
    assert (found[0].kind, peer.asked) == (FaultKind.UNREACHABLE, [])
    assert "is closed" in found[0].message


async def test_the_log_has_no_number(caplog: pytest.LogCaptureFixture) -> None:
    """The library would write each address."""
    caplog.set_level(1)
    async with asking(Answer(200, {"incoming_phone_numbers": [], "next_page_uri": None})) as (rest, peer):
        await rest.numbers("4155550123")
    assert ("PhoneNumber", "4155550123") in peer.asked[0].query
    assert "4155550123" not in caplog.text
