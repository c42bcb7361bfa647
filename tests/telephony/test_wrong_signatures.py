"""What the log says of a refused signature: which of the two sides to change, or that it was a stranger."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from callbridge.telephony.signatures import sign, websocket_url
from callbridge.telephony.wrong_signatures import (
    CHARACTERS_LOOKED_AT_MAX,
    Asked,
    Explanation,
    explain,
    fault_at_first_sight,
)

TOKEN, OTHER = "12345", "67890"
ACCOUNT = "AC" + "1" * 32
OURS = "https://old.example"
ROUTE = "/twilio/voice"
FORM = [("AccountSid", ACCOUNT), ("CallSid", "CA1")]
ENTER = "Enter {} at https://console.twilio.com"


def explained(
    signed: str,
    headers: dict[str, str] | None = None,
    *,
    ours: str = OURS,
    token: str = TOKEN,
    path: str = ROUTE,
    account_sid: str = ACCOUNT,
    is_upgrade: bool = False,
    padding: int = 0,
) -> Explanation:
    """What is said of a request that Twilio signed for `signed`, and whose headers are these."""
    form = [] if is_upgrade else [*FORM, ("Padding", "x" * padding)]
    all_headers = Headers({**(headers or {}), "X-Twilio-Signature": sign(token, signed, form)})
    account_sid = "" if is_upgrade else account_sid
    asked = Asked(ROUTE, path, "", form, all_headers, account_sid, is_upgrade=is_upgrade)
    return explain((TOKEN, OTHER), ours, ACCOUNT, asked)


def set_to(base: str) -> str:
    return f"Set PUBLIC_BASE_URL={base}"


NEW = "https://new.example"
CASES = {
    "a tunnel of yesterday": (NEW, OURS, ROUTE, {"host": "new.example"}, set_to(NEW)),
    "behind a proxy that rewrites Host": (
        *(NEW, OURS, ROUTE),
        {"host": "10.0.0.7:8080", "x-forwarded-host": "new.example, 10.0.0.7"},
        set_to(NEW),
    ),
    "the same with Forwarded": (
        NEW,
        OURS,
        ROUTE,
        {"forwarded": 'for=1.2.3.4; Host="new.example"'},
        set_to(NEW),
    ),
    "a port that voice drops": (
        *(NEW, OURS, ROUTE),
        {"host": "new.example:8443"},
        set_to("https://new.example:8443"),
    ),
    "capitals": ("https://Old.Example", OURS, ROUTE, {"host": "Old.Example"}, set_to("https://Old.Example")),
    "http": ("http://old.example", OURS, ROUTE, {}, ENTER.format(OURS + ROUTE) + ", with https://"),
    "http at another host": (
        *("http://new.example", OURS, ROUTE),
        {"host": "new.example"},
        ENTER.format(NEW + ROUTE) + f", with https://; and set PUBLIC_BASE_URL={NEW}",
    ),
    "mounted, and no word of it": (f"{OURS}/calls", OURS, f"/calls{ROUTE}", {}, set_to(f"{OURS}/calls")),
    "a prefix that a proxy takes away": (
        *(f"{OURS}/calls", OURS, ROUTE),
        {"x-forwarded-prefix": "/calls/"},
        set_to(f"{OURS}/calls"),
    ),
    "a prefix that is none": (OURS, f"{OURS}/calls", ROUTE, {}, set_to(OURS)),
}
"""The base address that Twilio asked, ours, the path as it came, what the headers say, and what to do."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("is_upgrade", [False, True])
def test_an_address_that_twilio_signed_is_named(case: str, is_upgrade: bool) -> None:
    """Both addresses stand in the line, with what to change; under any of the known tokens."""
    base, ours, path, headers, remedy = CASES[case]
    signed = (websocket_url(base) if is_upgrade else base) + ROUTE
    for token in (TOKEN, OTHER):
        found = explained(signed, headers, ours=ours, path=path, token=token, is_upgrade=is_upgrade)
        assert found == Explanation(f"PUBLIC_BASE_URL is {ours}, and Twilio asked {signed}", remedy)


def test_a_slash_at_the_end_of_the_webhook_is_named() -> None:
    found = explained(f"{OURS}{ROUTE}/")
    assert found.reason == f"PUBLIC_BASE_URL is {OURS}, and Twilio asked {OURS}{ROUTE}/"
    assert found.remedy == ENTER.format(OURS + ROUTE) + ", without a slash at its end"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "new.example"},
        {
            "host": "new.example/@evil",
            "x-forwarded-host": "[::1",
            "forwarded": "host=;",
            "x-forwarded-prefix": "//",
        },
        {"host": "new.example:99999", "x-forwarded-prefix": "/a" * 5000},
        {"host": "\u00fc.example", "forwarded": "host=" + "a" * 9000},
    ],
)
def test_what_nobody_signed_is_not_named(headers: dict[str, str]) -> None:
    """Whatever a stranger's headers say, nothing of it comes into the log."""
    found = explained(NEW + ROUTE, headers, token="a stranger's")
    assert found == explained(NEW + ROUTE, token="a stranger's")
    assert "another auth token" in found.reason
    assert OURS + ROUTE in found.reason
    upgrade = explained(NEW + ROUTE, headers, token="a stranger's", is_upgrade=True)
    assert f"wss://old.example{ROUTE}" in upgrade.reason
    assert "CALLBRIDGE_OTHER_AUTH_TOKENS" in found.remedy


def test_another_account_is_named_if_it_can_be_one() -> None:
    """That of a subaccount, whose number was pointed here; no words of a stranger."""
    found = explained(OURS + ROUTE, token="the subaccount's", account_sid="AC" + "2" * 32)
    assert found.reason == f"the request is for account AC{'2' * 32}, and TWILIO_ACCOUNT_SID is {ACCOUNT}"
    assert "another auth token" in explained(OURS + ROUTE, token="x", account_sid="AC\nready").reason


def test_a_form_that_is_no_twilios_is_not_reckoned_with() -> None:
    """What an unsigned request can make us compute has a bound."""
    short, long = (
        explained(NEW + ROUTE, {"host": "new.example"}, padding=padding)
        for padding in (100, CHARACTERS_LOOKED_AT_MAX)
    )
    assert short.remedy == set_to(NEW)
    assert "another auth token" in long.reason


def test_what_is_seen_at_first_sight() -> None:
    """A missing signature and one by a SharedKey have words of their own."""
    assert fault_at_first_sight(Headers({"X-Twilio-Signature": "x"})) is None
    missing = fault_at_first_sight(Headers({"X-Twilio-Signature": ""}))
    assert missing is not None
    assert missing == fault_at_first_sight(Headers({}))
    assert "X-Twilio-Signature" in missing.reason
    settings = {"X-Twilio-Webhooks-Signature-Settings": "key=x,algorithm=HMAC_SHA256"}
    shared = fault_at_first_sight(Headers({"X-Twilio-Signature": "x"} | settings))
    assert shared is not None
    assert "SharedKey" in shared.reason
