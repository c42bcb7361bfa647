"""What the first request of a call says, beside real ones of other countries, SIP and apps."""

from __future__ import annotations

import base64
import json
from urllib.parse import unquote

import pytest

from callbridge.simulators.phone.incoming import Incoming, Place
from callbridge.simulators.phone.webhooks import Line, first_parameters, voice_parameters

CALL_SID = "CA" + "3" * 32
SIP = "sip:alice@office.sip.example.com"


def asked(
    from_number: str, to_number: str = "+15550100002", incoming: Incoming | None = None
) -> dict[str, str]:
    return first_parameters(
        Line("AC" + "2" * 32, "token", CALL_SID, from_number, to_number, incoming or Incoming())
    )


@pytest.mark.parametrize(
    ("from_number", "to_number", "countries"),
    [
        ("+15550100001", "+15550100002", ("US", "US")),
        ("+447700900123", "+15550100002", ("GB", "US")),
        ("+351911000000", "+4930123456", ("PT", "DE")),
        ("+99955501000", "+15550100002", ("", "US")),
        ("+266696687", "+15550100002", ("", "US")),
    ],
)
def test_a_number_has_a_country_and_little_else(
    from_number: str, to_number: str, countries: tuple[str, str]
) -> None:
    form = asked(from_number, to_number)
    assert (form["FromCountry"], form["ToCountry"]) == countries
    assert (form["CallerCountry"], form["CalledCountry"]) == countries
    assert {form[f"{who}{part}"] for who in ("From", "Caller") for part in ("City", "State", "Zip")} == {""}


def test_a_place_is_told_as_the_plan_says() -> None:
    place = Place("US", "CHICAGO", "IL", "60712")
    form = asked("+17735550100", incoming=Incoming(from_place=place))
    told = ("CallerCity", "FromCity", "FromState", "FromZip", "ToCity")
    assert [form[name] for name in told] == ["CHICAGO", "CHICAGO", "IL", "60712", ""]


def test_a_caller_without_a_number_has_no_place_and_is_not_verified() -> None:
    for caller in (SIP, "client:alice"):
        form = asked(caller)
        assert not [name for name in form if name.startswith(("FromC", "CallerC", "FromState", "FromZip"))]
        assert form["ToCountry"] == "US"
        assert "StirVerstat" not in form
    for caller in ("anonymous", "Anonymous", "+266696687", "+7378742833"):
        assert "StirVerstat" not in asked(caller, incoming=Incoming(stir_verstat="TN-Validation-Passed-A"))
    assert "StirVerstat" not in asked("+17735550100"), "mostly no carrier has signed a number"


def test_sip_headers_are_told() -> None:
    form = asked(SIP, "sip:desk@us.sip.example.com", Incoming(sip_headers={"X-Customer": "42"}))
    assert form["SipDomain"] == "us.sip.example.com"
    assert form["SipHeader_X-Customer"] == "42"
    assert form["SipCallId"].endswith("@office.sip.example.com")


def test_a_diverted_call_tells_by_whom() -> None:
    form = asked("+15550100001", incoming=Incoming(forwarded_from="+15550100009", add_ons='{"results":{}}'))
    assert (form["ForwardedFrom"], form["CalledVia"]) == ("+15550100009", "+15550100009")
    assert form["AddOns"] == '{"results":{}}'
    assert not {"ForwardedFrom", "CalledVia", "AddOns", "CallerName"} & asked("+15550100001").keys()


@pytest.mark.parametrize("passports", [0, 1])
def test_the_token_of_a_call_is_encoded_json(passports: int) -> None:
    token = asked("+15550100001", incoming=Incoming(passports=passports))["CallToken"]
    assert 300 <= len(token) <= 900
    assert not set(token) & set('{}":,')
    told = json.loads(unquote(token))
    assert len(told["identityHeaderTokens"]) == passports
    header, claims, signature = told["parentCallInfoToken"].split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (decoded["callSid"], decoded["from"]) == (CALL_SID, "+15550100001")
    assert (header, len(signature)) == ("eyJhbGciOiJFUzI1NiJ9", 86)


def test_later_requests_have_no_token() -> None:
    line = Line("AC" + "2" * 32, "token", CALL_SID, "+15550100001", "+15550100002")
    assert not {"CallToken", "StirVerstat"} & voice_parameters(line, "in-progress").keys()
