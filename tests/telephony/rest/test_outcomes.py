"""What Twilio's codes and statuses mean: every one that is documented for a text or for a call."""

from __future__ import annotations

import pytest

from callbridge.call.outcomes import TextOutcome, TransferOutcome
from callbridge.telephony.rest.fault import FaultKind, RestFault
from callbridge.telephony.rest.outcomes import call_outcome, call_outcome_of, text_outcome, text_outcome_of

TEXTS = {
    TextOutcome.OPTED_OUT: "21610",
    TextOutcome.NO_MOBILE: "21614 21635 30006",
    TextOutcome.UNREACHABLE: "21211 21612 21408 21608 30003 30005",
    TextOutcome.BLOCKED: "30004 30007",
    TextOutcome.UNREGISTERED: "21606 21607 21659 21660 21661 30018 30024 30032 30033 30034 30035",
    TextOutcome.FAILED: "21602 21603 21605 21609 21617 21624 30001 30002 30008 30010 30017 30019 30022 30023 "
    "30027 30036 20429 99999",
}


@pytest.mark.parametrize(
    ("code", "outcome"), [(code, outcome) for outcome, codes in TEXTS.items() for code in codes.split()]
)
def test_what_a_code_says_of_a_text(code: str, outcome: TextOutcome) -> None:
    """As a number at the API, as text in a report; it goes before the status."""
    assert text_outcome(code, "undelivered") is text_outcome(int(code)) is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *(
            (status, TextOutcome.ACCEPTED)
            for status in ("accepted", "queued", "scheduled", "sending", "sent")
        ),
        *((status, TextOutcome.DELIVERED) for status in ("delivered", "read", "partially_delivered")),
        *((status, TextOutcome.FAILED) for status in ("undelivered", "failed", "canceled")),
        *((status, TextOutcome.UNKNOWN) for status in ("", "receiving", "lost")),
    ],
)
def test_what_a_status_says_of_a_text(status: str, outcome: TextOutcome) -> None:
    assert text_outcome("", status) is text_outcome("0", status) is outcome


CALLS = {
    TransferOutcome.UNREACHABLE: "21202 21203 21211 21214 21215 21216 21217 21219 13223 13224 13225 13226 "
    "13227 32009",
    TransferOutcome.CARRIER_FAULT: "21201 21205 21206 21210 21212 21213 13214 13247 10001 20003 22005 99999",
}


@pytest.mark.parametrize(
    ("code", "outcome"), [(code, outcome) for outcome, codes in CALLS.items() for code in codes.split()]
)
def test_what_a_code_says_of_a_call(code: str, outcome: TransferOutcome) -> None:
    """It is about the person, or about us: then nothing is known of them."""
    assert call_outcome(code, "failed") is outcome
    assert call_outcome_of(RestFault(FaultKind.REFUSED, "No.", int(code), 400)) is outcome


@pytest.mark.parametrize(
    ("status", "sip_code", "outcome"),
    [
        ("busy", "", TransferOutcome.BUSY),
        ("busy", "486", TransferOutcome.BUSY),
        ("busy", "600", TransferOutcome.BUSY),
        ("busy", "603", TransferOutcome.DECLINED),
        ("no-answer", "", TransferOutcome.NO_ANSWER),
        ("no-answer", "487", TransferOutcome.NO_ANSWER),
        ("failed", "480", TransferOutcome.NO_ANSWER),
        ("no-answer", "408", TransferOutcome.NO_ANSWER),
        ("canceled", "487", TransferOutcome.NO_ANSWER),
        ("failed", "", TransferOutcome.UNREACHABLE),
        ("failed", "404", TransferOutcome.UNREACHABLE),
        ("failed", "484", TransferOutcome.UNREACHABLE),
        ("failed", "604", TransferOutcome.UNREACHABLE),
        ("failed", "500", TransferOutcome.CARRIER_FAULT),
        ("failed", "503", TransferOutcome.CARRIER_FAULT),
        ("failed", "?", TransferOutcome.UNREACHABLE),
        ("completed", "200", TransferOutcome.DECLINED),
        *((status, "", None) for status in ("queued", "initiated", "ringing", "in-progress", "")),
    ],
)
def test_what_a_status_says_of_a_call(status: str, sip_code: str, outcome: TransferOutcome | None) -> None:
    """The SIP code is more exact; while a call is not over, nothing is said."""
    assert call_outcome("", status, sip_code) is outcome


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind is not FaultKind.REFUSED])
def test_what_could_not_be_asked_says_nothing_of_anybody(kind: FaultKind) -> None:
    """A text that may have been sent is not called a failure."""
    fault = RestFault(kind, "No answer.")
    assert call_outcome_of(fault) is TransferOutcome.CARRIER_FAULT
    expected = TextOutcome.UNKNOWN if kind is FaultKind.UNKNOWN else TextOutcome.FAILED
    assert text_outcome_of(fault) is expected


def test_a_refused_text_says_why() -> None:
    assert text_outcome_of(RestFault(FaultKind.REFUSED, "No.", 21610, 400)) is TextOutcome.OPTED_OUT
