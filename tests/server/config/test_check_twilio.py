"""What Twilio has told is weighed rightly, and each finding comes with its remedy."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from callbridge.server.config import check_twilio as judge
from callbridge.server.config.findings import Level, error
from callbridge.telephony.alert_codes import alert_code
from callbridge.telephony.rest.fault import FaultKind, RestFault
from callbridge.telephony.rest.records import AccountFacts, Alert
from desks import BASE, made_settings
from twilio_numbers import NUMBER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.server.config.findings import Finding
    from callbridge.telephony.rest.records import OwnedNumber

SETTINGS = made_settings()
POINTED = replace(
    NUMBER,
    voice_url=f"{BASE}/twilio/voice#rc=1",
    status_url=f"{BASE}/twilio/call-status",
    fallback_url="https://handler.twilio.com/twiml/EH1",
    sms_url=f"{BASE}/twilio/text",
)
REFUSED = RestFault(FaultKind.AUTH, "Twilio does not take these credentials.", 20003, 401)
KEY = {"TWILIO_API_KEY_SID": "SK" + "2" * 32, "TWILIO_API_KEY_SECRET": "x" * 32}


def weighed(found: list[Finding]) -> list[tuple[str, str]]:
    """Levels and the beginnings of what is said; a fault without a remedy fails."""
    assert all(finding.remedy for finding in found if finding.level is not Level.OK)
    return [(finding.level.value, finding.what) for finding in found]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (AccountFacts("Full", "active"), [("ok", "full one")]),
        (AccountFacts("Trial", "active"), [("error", "trial account")]),
        (AccountFacts("Full", "suspended"), [("error", "suspended")]),
        (AccountFacts("Trial", "closed"), [("error", "closed"), ("error", "trial account")]),
    ],
)
def test_the_account(facts: AccountFacts, expected: list[tuple[str, str]]) -> None:
    found = weighed(list(judge.account(facts)))
    assert [level for level, _ in found] == [level for level, _ in expected]
    assert all(words in what for (_, what), (_, words) in zip(found, expected, strict=True))


def test_wrong_credentials_take_no_call_but_a_key_with_few_rights_does() -> None:
    assert judge.of_fault(REFUSED, "x", SETTINGS).level is Level.ERROR
    few = RestFault(FaultKind.AUTH, "The API key has no right to this.", 70051, 401)
    found = judge.of_fault(few, "about the account", made_settings(KEY))
    assert (found.level, "SK2" in found.what) == (Level.WARNING, True)
    gone = RestFault(FaultKind.UNREACHABLE, "Twilio cannot be reached")
    assert judge.of_fault(gone, "x", SETTINGS).level is Level.WARNING


def numbers(
    *found: OwnedNumber, sends_texts: bool = False, environment: Mapping[str, str] | None = None
) -> tuple[list[tuple[str, str]], list[Finding]]:
    said = list(judge.numbers(found, made_settings(environment), sends_texts=sends_texts))
    return weighed(said), said


def test_a_number_that_is_well_pointed_has_nothing_to_say() -> None:
    assert numbers(POINTED, NUMBER, sends_texts=True)[0] == [
        ("ok", "calls to +14155550199 are answered here, by POST")
    ]


@pytest.mark.parametrize(
    ("number", "level", "what", "remedy"),
    [
        (replace(POINTED, trunk_sid="TK1"), "error", "SIP trunk TK1", "--force"),
        (replace(POINTED, application_sid="AP1"), "error", "application AP1", "--force"),
        (replace(POINTED, has_voice=False), "error", "takes no calls", "available"),
        (replace(POINTED, status_url=""), "warning", "is not set: nobody tells", "/twilio/call-status"),
        (replace(POINTED, fallback_url=""), "warning", "no fallback URL", "TwiML Bin"),
        (replace(POINTED, fallback_url=f"{BASE}/x"), "warning", "has just failed", "elsewhere"),
        (replace(POINTED, sms_url="https://shop.example"), "warning", "SMS URL", "--texts"),
        (replace(POINTED, sms_application_sid="AP2"), "warning", "application AP2", "console"),
        (replace(POINTED, has_sms=False), "warning", "sends no texts", "available"),
    ],
)
def test_what_is_amiss_at_a_number_is_told(number: OwnedNumber, level: str, what: str, remedy: str) -> None:
    found, said = numbers(number, sends_texts=True)
    ((told, words),) = [finding for finding in found if finding[0] != "ok"]
    assert (told, what in words) == (level, True), words
    assert remedy in " ".join(finding.remedy for finding in said)


def test_no_number_leads_here() -> None:
    """Others do not count, and those of another region are not seen."""
    (one,), (finding,) = numbers(NUMBER, environment={"TWILIO_REGION": "ie1"})
    assert one[0] == "warning"
    assert "no number in region ie1 has the voice URL" in one[1]
    assert finding.remedy.startswith(f"callbridge number point {NUMBER.number}")
    (none,), (finding,) = numbers()
    assert ("no number in region us1" in none[1], "buy" in finding.remedy) == (True, True)


def test_the_number_that_is_shown_must_be_the_accounts() -> None:
    shown = {"CALLBRIDGE_FALLBACK_CALLER_ID": "+14155550188"}
    found, _ = numbers(POINTED, environment=shown)
    assert "+14155550188" in found[-1][1]
    found, _ = numbers(POINTED, replace(NUMBER, number="+14155550188"), environment=shown)
    assert [level for level, _ in found] == ["ok"]


@pytest.mark.parametrize(
    ("ahead_s", "words"), [(0.4, ""), (-4.9, ""), (7, "7 s ahead of"), (-3600, "3600 s behind")]
)
def test_the_clock(ahead_s: float, words: str) -> None:
    finding = judge.clock(ahead_s)
    assert (finding.level is Level.WARNING) is bool(words)
    assert words in finding.what


def alert(code: str, url: str = "", text: str = "", level: str = "error", hour: int = 12) -> Alert:
    at = dt.datetime(2026, 11, 28, hour, tzinfo=dt.UTC)
    return Alert("NO" + "1" * 32, code, level, text, "CA" + "1" * 32, url, at)


def test_alerts_about_our_addresses_are_told_by_code() -> None:
    """The newest is shown; what other services have done, and every planned end of a stream, is not."""
    unusable, not_upgraded = alert_code("11200"), alert_code("31920")
    words = "Msg=Bad\x1b[31m+gateway&ErrorCode=11200"
    found = list(
        judge.alerts(
            [
                alert("11200", f"{BASE}/twilio/voice", words, hour=15),
                alert("11200", f"{BASE}/twilio/voice", hour=9),
                alert("31920", text="Msg=x"),
                alert("31921"),
                alert("11200", "https://shop.example/voice"),
                alert("12100", f"{BASE}/twilio/voice", level="notice"),
            ],
            SETTINGS,
        )
    )
    assert weighed(found) == [
        ("warning", f"Twilio has logged 11200 2 times, last at 28 Nov 15:00 UTC: {unusable.meaning}"),
        ("warning", f"Twilio has logged 31920 once, last at 28 Nov 12:00 UTC: {not_upgraded.meaning}"),
    ]
    assert found[0].detail == "Bad [31m gateway"
    many = [alert(str(code), f"{BASE}/x") for code in range(11200, 11230)]
    assert "22 more codes" in weighed(list(judge.alerts(many, SETTINGS)))[-1][1]
    assert weighed(list(judge.alerts([], SETTINGS)))[0][0] == "ok"


def test_what_is_not_there_yet_keeps_no_call_away() -> None:
    finding = judge.before_a_start(error("x", "Start it."))
    assert (finding.level, finding.remedy) == (
        Level.WARNING,
        "Start it. Fine before the service is started.",
    )
