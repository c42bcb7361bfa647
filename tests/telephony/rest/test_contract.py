"""Each request beside what Twilio documents of it: host, path, names of parameters. No socket is opened."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from twilio.http.response import Response  # type: ignore[import-untyped]  # it ships no types

from callbridge.telephony.rest.client import TwilioRest
from callbridge.telephony.rest.credentials import Credentials
from callbridge.telephony.rest.library import Library
from callbridge.telephony.rest.records import NewCall, Pointing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

ACCOUNT, CALL, NUMBER = "AC" + "0" * 32, "CA" + "1" * 32, "PN" + "5" * 32
TO, FROM, URL = "+14155550123", "+14155550199", "https://calls.example.com/twilio/x"


@dataclass
class NotingHttp:
    """In place of the library's HTTP client: notes what is asked, and gives one answer."""

    body: object = field(default_factory=lambda: {"sid": CALL})
    asked: list[tuple[str, str, Mapping[str, object], Mapping[str, object]]] = field(default_factory=list)
    is_async = True

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        **more: object,
    ) -> Response:
        assert more["auth"] is None, "aiohttp warns of it"
        self.asked.append((method, url, params or {}, data or {}))
        return Response({"GET": 200, "DELETE": 204}.get(method, 201), json.dumps(self.body))

    async def close(self) -> None:
        """Nothing is open."""


def asking(http: NotingHttp, **where: str) -> TwilioRest:
    return TwilioRest(Library(Credentials(ACCOUNT, SecretStr("s"), **where), http))


EVERYTHING = NewCall(TO, FROM, URL, URL, ring_s=20, time_limit_s=600, send_digits="w1", call_token="t")
ALL_POINTED = Pointing(URL, "POST", URL, "POST", URL, "POST", URL, "POST", "", "", "")
SINCE = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)

NUMBER_FIELDS = {
    *("VoiceUrl", "VoiceMethod", "VoiceFallbackUrl", "VoiceFallbackMethod", "StatusCallback"),
    *("StatusCallbackMethod", "SmsUrl", "SmsMethod", "VoiceApplicationSid", "TrunkSid", "SmsApplicationSid"),
}
REQUESTS: list[tuple[str, Callable[[TwilioRest], Awaitable[object]], str, set[str]]] = [
    (
        "POST /2010-04-01/Accounts/AC/Calls.json",
        lambda rest: rest.create_call(EVERYTHING),
        "a call",
        {
            *("To", "From", "Url", "StatusCallback", "StatusCallbackEvent", "Timeout", "TimeLimit"),
            *("SendDigits", "CallToken"),
        },
    ),
    ("POST /2010-04-01/Accounts/AC/Calls/CA.json", lambda rest: rest.end_call(CALL), "a call", {"Status"}),
    (
        "POST /2010-04-01/Accounts/AC/Calls/CA.json",
        lambda rest: rest.redirect_call(CALL, URL),
        "a call",
        {"Url", "Method"},
    ),
    (
        "POST /2010-04-01/Accounts/AC/Messages.json",
        lambda rest: rest.send_message(TO, FROM, "Hi", URL, 600),
        "a text",
        {"To", "From", "Body", "StatusCallback", "ValidityPeriod", "SmartEncoded"},
    ),
    ("GET /2010-04-01/Accounts/AC.json", lambda rest: rest.account(), "the account", set()),
    (
        "GET /2010-04-01/Accounts/AC/IncomingPhoneNumbers.json",
        lambda rest: rest.numbers(TO),
        "incoming_phone_numbers",
        {"PhoneNumber", "PageSize"},
    ),
    (
        "POST /2010-04-01/Accounts/AC/IncomingPhoneNumbers/PN.json",
        lambda rest: rest.update_number(NUMBER, ALL_POINTED),
        "a number",
        NUMBER_FIELDS,
    ),
    (
        "POST /2010-04-01/Accounts/AC/IncomingPhoneNumbers.json",
        lambda rest: rest.buy_number(TO, ALL_POINTED),
        "a number",
        {"PhoneNumber"} | NUMBER_FIELDS,
    ),
    (
        "GET /2010-04-01/Accounts/AC/AvailablePhoneNumbers/US/TollFree.json",
        lambda rest: rest.available_numbers("US", "toll_free", "415", "5*5", 20),
        "available_phone_numbers",
        {"AreaCode", "Contains", "VoiceEnabled", "PageSize"},
    ),
    ("GET /v1/Alerts", lambda rest: rest.alerts(SINCE, 20), "alerts", {"StartDate", "PageSize"}),
]


@pytest.mark.parametrize(("line", "ask", "key", "names"), REQUESTS, ids=[request[0] for request in REQUESTS])
async def test_a_request_has_the_names_that_twilio_documents(
    line: str, ask: Callable[[TwilioRest], Awaitable[object]], key: str, names: set[str]
) -> None:
    """Twilio ignores a name that it does not know, so a slip would be silent. Every value is text or a list
    of it: what aiohttp cannot write into an address or a form, it refuses.
    """
    page: dict[str, object] = (
        {key: [], "next_page_uri": None} if "/v1" not in line else {key: [], "meta": {"key": key}}
    )
    http = NotingHttp(page if "_" in key or key == "alerts" else {"sid": CALL, "type": "Full"})
    await ask(asking(http))
    ((method, url, params, data),) = http.asked
    shown = urlsplit(url).path
    for sid in (ACCOUNT, CALL, NUMBER):
        shown = shown.replace(sid, sid[:2])
    assert f"{method} {shown}" == line
    sent = {**params, **data}
    assert set(sent) == names
    assert all(type(value) in {str, int} or isinstance(value, list) for value in sent.values()), sent


@pytest.mark.parametrize(
    ("where", "host"),
    [
        ({}, "api.twilio.com"),
        ({"region": "ie1"}, "api.dublin.ie1.twilio.com"),
        ({"region": "us1"}, "api.ashburn.us1.twilio.com"),
        ({"region": "au1", "edge": "singapore"}, "api.singapore.au1.twilio.com"),
        ({"edge": "dublin"}, "api.dublin.us1.twilio.com"),
        ({"region": "ie1", "api_url": "http://127.0.0.1:9100/"}, "127.0.0.1:9100"),
    ],
)
async def test_the_host_is_that_of_the_region(
    where: dict[str, str], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each product, whatever the process has in variables that the library reads by itself."""
    monkeypatch.setenv("TWILIO_REGION", "br1")
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    http = NotingHttp()
    await asking(http, **where).end_call(CALL)
    http.body = {"alerts": [], "meta": {"key": "alerts"}}
    await asking(http, **where).alerts(SINCE)
    api, monitor = (urlsplit(url).netloc for _, url, _, _ in http.asked)
    assert (api, monitor) == (host, host.replace("api.", "monitor."))


async def test_a_number_is_read_whole() -> None:
    """All three that decide who answers, and what is not set as nothing."""
    body = {
        "sid": NUMBER,
        "phone_number": FROM,
        "friendly_name": "Shop",
        "voice_url": URL,
        "voice_method": "POST",
        "voice_application_sid": "AP1",
        "trunk_sid": None,
        "status_callback": "",
        "voice_fallback_url": URL,
        "capabilities": {"voice": True, "SMS": True, "mms": False},
    }
    http = NotingHttp({"incoming_phone_numbers": [body], "next_page_uri": None})
    (number,) = await asking(http).numbers()
    assert (number.sid, number.number, number.voice_url, number.voice_method) == (NUMBER, FROM, URL, "POST")
    assert (number.application_sid, number.trunk_sid, number.status_url) == ("AP1", "", "")
    assert (number.fallback_url, number.has_voice, number.has_sms) == (URL, True, True)
    assert FROM not in repr(number)


async def test_numbers_for_sale_are_read() -> None:
    body = {
        "phone_number": TO,
        "friendly_name": "(415) 555-0123",
        "locality": "San Francisco",
        "region": "CA",
        "iso_country": "US",
        "address_requirements": "none",
        "capabilities": {"voice": True, "SMS": False},
    }
    http = NotingHttp({"available_phone_numbers": [body], "uri": "/x"})
    (number,) = await asking(http).available_numbers("US")
    assert (number.number, number.locality, number.country) == (TO, "San Francisco", "US")
    assert (number.address_requirements, number.has_voice, number.has_sms) == ("none", True, False)


async def test_alerts_are_read() -> None:
    """On a page of the newer kind, with a date of its kind."""
    body = {
        "sid": "NO" + "7" * 32,
        "error_code": "11200",
        "log_level": "error",
        "resource_sid": CALL,
        "alert_text": "Msg=timeout",
        "date_generated": "2026-11-25T12:00:01Z",
    }
    http = NotingHttp({"alerts": [body], "meta": {"key": "alerts", "next_page_url": None}})
    (alert,) = await asking(http).alerts(SINCE)
    assert (alert.code, alert.level, alert.resource_sid, alert.text) == (
        "11200",
        "error",
        CALL,
        "Msg=timeout",
    )
    assert alert.at == dt.datetime(2026, 11, 25, 12, 0, 1, tzinfo=dt.UTC)
    assert http.asked[0][2]["StartDate"] == "2026-11-25T12:00:00Z"
