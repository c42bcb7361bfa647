"""What Twilio's debugger says, read leniently; each code has a remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.simulators.phone.carrier_codes import CARRIER_CODES
from callbridge.telephony.alert_codes import ALERT_CODES, alert_code
from callbridge.telephony.debugger_events import DebuggerEvent, read_debugger_event, text_of_alert

SID, CALL = "NO" + "a" * 32, "CA" + "1" * 32


def form(payload: Any, **changes: str) -> dict[str, str]:
    """The form of the webhook, as Twilio's page shows it."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    told = {"Sid": SID, "Level": "ERROR", "PayloadType": "application/json", "Payload": text}
    return told | {"Timestamp": "2026-11-28T17:00:00Z", "AccountSid": "AC" + "0" * 32} | changes


def test_an_event_is_read() -> None:
    payload = {
        "resource_sid": CALL,
        "service_sid": None,
        "error_code": "31920",
        "more_info": {"Msg": "Handshake", "LogLevel": "ERROR"},
        "webhook": {"type": "application/json", "request": {"parameters": {"From": "+14155550100"}}},
    }
    assert read_debugger_event(form(payload)) == DebuggerEvent(SID, "31920", "error", CALL, "Handshake")


@pytest.mark.parametrize(
    ("payload", "code", "text"),
    [
        ({"error_code": 11200}, "11200", ""),
        ({"error_code": "11200", "more_info": "a text", "resource_sid": "CA1"}, "11200", "a text"),
        ({"error_code": "11200", "more_info": {"message": "m"}}, "11200", "m"),
        ({"error_code": "11200", "more_info": ["x"], "resource_sid": [1]}, "11200", ""),
        ({"error_code": "11200", "more_info": {"msg": 7}}, "11200", ""),
    ],
)
def test_fields_that_change_are_read_as_they_come(payload: Any, code: str, text: str) -> None:
    found = read_debugger_event(form(payload, Level="WARNING"))
    assert found == DebuggerEvent(SID, code, "warning", "", text)


@pytest.mark.parametrize(
    "told",
    [
        {},
        form("no json"),
        form([]),
        form({}),
        form({"error_code": "1; DROP"}),
        form({"error_code": "9" * 99}),
        form({"error_code": "11200"}, Sid="NO1"),
        form("[" * 50_000),
    ],
)
def test_what_is_no_event_is_none(told: dict[str, str]) -> None:
    assert read_debugger_event(told) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error_code", "resource_sid", "more_info", "Msg"]), inner, max_size=4
            )
        ),
    )
)
def test_no_payload_makes_it_raise(payload: Any) -> None:
    read_debugger_event(form(payload))


def test_the_text_of_an_alert_is_pairs_or_words() -> None:
    assert text_of_alert("sourceComponent=14100&Msg=Got+HTTP+502&ErrorCode=11200") == "Got HTTP 502"
    assert text_of_alert("just words") == "just words"
    assert text_of_alert("&".join(f"a{n}=1" for n in range(100))) == ""
    assert text_of_alert("") == ""


def test_each_code_that_a_bridge_can_earn_has_a_remedy() -> None:
    """Those that the simulated phone reports are all known here."""
    assert {str(code) for code in CARRIER_CODES} <= set(ALERT_CODES)
    assert all(code.meaning and code.remedy for code in ALERT_CODES.values())


def test_an_unknown_code_leads_to_its_page() -> None:
    assert alert_code("99999").remedy.endswith("/errors/99999")
    assert alert_code("x\x1b[31m").remedy.endswith("/errors/")
