"""Credentials, paths, methods, pages: what holds for every resource of the simulated account."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Literal

import pytest
from accounts import OURS, Desk

from callbridge.simulators.account import (
    AccountSettings,
    ApiKey,
    Fault,
    FaultKind,
    RestRequest,
    call_form,
    messages,
    numbers,
    participants,
)

PARAMETERS = {
    call_form.CREATE_PARAMETERS: "RecordingConfigurationId",
    messages.CREATE_PARAMETERS: "MessageIntent",
    numbers.BUY_PARAMETERS: "AreaCode",
    participants.CREATE_PARAMETERS: "AsyncAmd",
}
"""What may be asked of a resource, with one of the rarer."""


def test_the_account_says_what_it_is() -> None:
    desk = Desk(AccountSettings(type="Trial"))
    found = desk.ask("GET", ".json")
    assert (found["type"], found["status"]) == ("Trial", "active")
    assert found["auth_token"] == desk.password, "in clear, as the real one: nobody may log it"


def test_wrong_credentials_are_refused() -> None:
    desk = Desk()
    desk.password = "wrong"
    answer = desk.send("GET", "/Calls.json").answer
    assert answer.status == 401
    assert answer.body == {
        "code": 20003,
        "message": "Authenticate",
        "more_info": "https://www.twilio.com/docs/errors/20003",
        "status": 401,
    }
    assert answer.headers["Twilio-Request-Id"].startswith("RQ")
    path = f"/2010-04-01/Accounts/{desk.user}/Calls.json"
    assert desk.account.answer(RestRequest("GET", path)).answer.status == 401


@pytest.mark.parametrize(
    ("kind", "grants", "path", "said"),
    [
        ("standard", (), "/Calls.json", (200, None)),
        ("standard", (), ".json", (401, 20003)),
        ("main", (), ".json", (200, None)),
        ("restricted", (), "/Calls.json", (403, 70051)),
        ("restricted", ("Calls",), "/Calls.json", (200, None)),
        ("restricted", ("Calls",), "/v1/Alerts", (403, 70051)),
    ],
)
def test_a_key_may_what_its_kind_may(
    kind: Literal["main", "standard", "restricted"],
    grants: tuple[str, ...],
    path: str,
    said: tuple[int, int | None],
) -> None:
    key = ApiKey("SK" + "1" * 32, "secret", kind, frozenset(grants))
    desk = Desk(AccountSettings(keys=(key,)))
    desk.user, desk.password = key.sid, key.secret
    assert desk.code("GET", path) == said


def test_a_foreign_account_is_not_found() -> None:
    desk = Desk()
    answer = desk.send_to("GET", f"/2010-04-01/Accounts/AC{'0' * 32}/Calls.json").answer
    assert (answer.status, (answer.body or {})["code"]) == (404, 20404)


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/Faxes.json", (404, 20404)),
        ("GET", "/Calls/CA0.json", (404, 20404)),
        ("PUT", "/Calls.json", (405, 20004)),
        ("DELETE", "/Calls.json", (405, 20004)),
        ("GET", "/Calls", (406, 20406)),
        ("GET", "/Calls.json?PageSize=1001", (400, 20007)),
        ("GET", "/AvailablePhoneNumbers/XX/Local.json", (404, 20404)),
    ],
)
def test_what_there_is_not(method: str, path: str, said: tuple[int, int]) -> None:
    assert Desk().code(method, path) == said


def test_only_forms_are_read() -> None:
    desk = Desk()
    path = f"/2010-04-01/Accounts/{desk.user}/Messages.json"
    plain = desk.send_to("POST", path).answer
    request = RestRequest(
        "POST",
        path,
        headers={"authorization": _basic(desk), "content-type": "application/json"},
        body=b'{"To": "+14155550199"}',
    )
    assert desk.account.answer(request).answer.body == plain.body


def _basic(desk: Desk) -> str:
    return "Basic " + base64.b64encode(f"{desk.user}:{desk.password}".encode()).decode()


@pytest.mark.parametrize("parameters", [*PARAMETERS])
def test_parameters_are_names(parameters: frozenset[str]) -> None:
    """A string that is taken apart leaves its letters behind."""
    assert all(len(name) > 1 and name[0].isupper() for name in parameters)
    assert PARAMETERS[parameters] in parameters


def test_what_twilio_does_not_know_it_passes_over_and_warns() -> None:
    desk = Desk()
    number = desk.account.numbers[0]
    desk.ask("POST", f"/IncomingPhoneNumbers/{number.sid}.json", {"voiceUrl": "https://a.example/x"})
    assert number.voice_url.startswith("https://demo.twilio.com")
    assert desk.complained == [20001]


def test_lists_come_in_pages_with_relative_addresses() -> None:
    desk = Desk(AccountSettings(numbers=tuple(f"+1415555010{last}" for last in range(5))))
    path, seen, pages = "/IncomingPhoneNumbers.json?PageSize=2&FriendlyName=", [], []
    while path:
        page = desk.ask("GET", path)
        pages.append(page)
        seen += [number["phone_number"] for number in page["incoming_phone_numbers"]]
        path = (page["next_page_uri"] or "").removeprefix(f"/2010-04-01/Accounts/{desk.user}")
    assert seen == [number.address for number in desk.account.numbers]
    assert [(page["start"], page["end"], page["page"]) for page in pages] == [(0, 1, 0), (2, 3, 1), (4, 4, 2)]
    assert pages[1]["previous_page_uri"].startswith("/2010-04-01/")
    assert "FriendlyName=" in pages[0]["next_page_uri"], "filters stay"


def test_a_page_begins_behind_its_token_whatever_is_new() -> None:
    desk = Desk()
    for _ in range(3):
        desk.ask("POST", "/Messages.json", {"To": "+14155550199", "From": OURS, "Body": "Hi"})
    first = desk.ask("GET", "/Messages.json?PageSize=2")
    desk.ask("POST", "/Messages.json", {"To": "+14155550199", "From": OURS, "Body": "new"})
    second = desk.ask("GET", first["next_page_uri"].removeprefix(f"/2010-04-01/Accounts/{desk.user}"))
    assert [message["sid"] for message in second["messages"]] == [desk.account.messages[0].sid]


def test_alerts_come_in_pages_with_the_address_that_was_asked() -> None:
    desk = Desk()
    desk.host = "127.0.0.1:9000"
    for code in (11200, 31921, 13224):
        desk.account.ledger.complain(code, "something", "CA" + "0" * 32)
    page = desk.ask("GET", "/v1/Alerts?PageSize=2")
    assert [alert["error_code"] for alert in page["alerts"]] == ["13224", "31921"], "the newest first"
    assert page["meta"]["key"] == "alerts"
    assert page["meta"]["next_page_url"].startswith("http://127.0.0.1:9000/v1/Alerts?PageSize=2&Page=1")
    assert "request_variables" not in page["alerts"][0]
    assert "request_variables" in desk.ask("GET", f"/v1/Alerts/{page['alerts'][0]['sid']}")


def test_alerts_are_filtered_by_level_and_time() -> None:
    desk = Desk()
    desk.account.ledger.complain(11200, "old")
    desk.pass_time(3600)
    desk.account.ledger.complain(20001, "a warning")
    assert [a["error_code"] for a in desk.ask("GET", "/v1/Alerts?LogLevel=warning")["alerts"]] == ["20001"]
    newest = desk.ask("GET", "/v1/Alerts?LogLevel=warning")["alerts"][0]["date_generated"]
    found = desk.ask("GET", "/v1/Alerts", {"StartDate": newest})["alerts"]
    assert [alert["error_code"] for alert in found] == ["20001"]
    assert desk.code("GET", "/v1/Alerts?StartDate=2020-01-01")[0] == 400, "30 days are kept"


@pytest.mark.parametrize(
    ("fault", "status", "is_done", "is_lost"),
    [
        (Fault(FaultKind.FAILED), 500, True, False),
        (Fault(FaultKind.DOWN), 503, False, False),
        (Fault(FaultKind.BUSY), 429, False, False),
        (Fault(FaultKind.LOST), 201, True, True),
        (Fault(FaultKind.LOST, is_done=False), 200, False, True),
        (Fault(FaultKind.HANG, seconds=9), 201, True, False),
    ],
)
def test_a_fault_says_whether_it_was_done(fault: Fault, status: int, is_done: bool, is_lost: bool) -> None:
    desk = Desk()
    desk.account.faults.add(replace(fault, method="POST", resource="Messages"))
    assert desk.send("GET", "/Messages.json").answer.status == 200, "another method"
    sending = {"To": "+14155550199", "From": OURS, "Body": "Hi"}
    reply = desk.send("POST", "/Messages.json", sending)
    assert (reply.answer.status, reply.is_lost) == (status, is_lost)
    assert reply.delay_s == (9 if fault.kind is FaultKind.HANG else 0)
    assert len(desk.account.messages) == is_done
    assert desk.send("POST", "/Messages.json", sending).answer.status == 201, "once"


def test_a_suspended_account_may_do_nothing() -> None:
    desk = Desk()
    desk.account.ledger.status = "suspended"
    assert desk.code("GET", "/Calls.json") == (403, 20005)
    assert desk.ask("GET", ".json")["status"] == "suspended"


def test_more_requests_than_may_be_at_once_are_refused() -> None:
    desk = Desk()
    request = RestRequest("GET", "/v1/Alerts", headers={"authorization": _basic(desk)})
    assert desk.account.answer(request, 101).answer.status == 429
    assert desk.account.answer(request, 100).answer.headers["Twilio-Concurrent-Requests"] == "100"


@pytest.mark.parametrize(
    ("resource", "values", "said"),
    [
        ("Calls", {"From": "+15005550001", "To": "+14155550199", "Url": "https://a.example"}, (400, 21212)),
        ("Calls", {"From": "+14155550100", "To": "+14155550199", "Url": "https://a.example"}, (400, 21210)),
        ("Calls", {"From": "+15005550006", "To": "+15005550001", "Url": "https://a.example"}, (400, 21217)),
        ("Calls", {"From": "+15005550006", "To": "+15005550003", "Url": "https://a.example"}, (400, 21215)),
        ("Calls", {"From": "+15005550006", "To": "+14155550199", "Url": "https://a.example"}, (201, None)),
        ("IncomingPhoneNumbers", {"PhoneNumber": "+15005550000"}, (400, 21422)),
        ("IncomingPhoneNumbers", {"PhoneNumber": "+15005550006"}, (201, None)),
        ("IncomingPhoneNumbers", {"AreaCode": "533"}, (400, 21452)),
        ("IncomingPhoneNumbers", {"AreaCode": "500"}, (201, None)),
        ("Messages", {"From": "+15005550008", "To": "+14155550199", "Body": "a"}, (400, 21611)),
        ("Messages", {"From": "+15005550006", "To": "+15005550009", "Body": "a"}, (400, 21614)),
        ("Messages", {"From": "+15005550006", "To": "+14155550199", "Body": "a"}, (201, None)),
        ("Messages", {"From": "+15005550006", "To": "+14155550199"}, (400, 21602)),
    ],
)
def test_test_credentials_know_the_magic_numbers(
    resource: str, values: dict[str, str], said: tuple[int, int | None]
) -> None:
    desk = Desk()
    desk.user, desk.password = desk.account.settings.test_sid, desk.account.settings.test_token
    assert desk.code("POST", f"/{resource}.json", values) == said
    assert not desk.account.messages
    assert not desk.account.exchange.legs
    assert len(desk.account.numbers) == 1


def test_test_credentials_may_do_nothing_else() -> None:
    desk = Desk()
    desk.user, desk.password = desk.account.settings.test_sid, desk.account.settings.test_token
    assert desk.code("GET", "/Calls.json") == (403, 20008)
    assert desk.code("GET", "/v1/Alerts") == (403, 20008)
