"""`Calls` of the simulated account: what may be asked, and in which state."""

from __future__ import annotations

import pytest
from accounts import OURS, THEIRS, Desk

from callbridge.simulators.account import AccountSettings
from callbridge.simulators.account.effects import OnTheLine
from callbridge.simulators.phone.incoming import call_token

URL = "https://bridge.example.com/twilio/briefing"
GOOD = {"To": THEIRS, "From": OURS, "Url": URL}
HELD = AccountSettings(
    numbers=(OURS,),
    do_not_originate=frozenset({"+14155550111"}),
    call_refusals={"+14155550122": 21215},
    takes_loopback=False,
)


def carried_out(desk: Desk) -> int:
    """What the shell would do on the line, done."""
    effects = list(desk.account.ledger.effects)
    desk.account.ledger.effects.clear()
    for effect in effects:
        assert isinstance(effect, OnTheLine)
        done = effect.do()
        if hasattr(done, "send"):
            with pytest.raises(StopIteration):
                done.send(None)
    return len(effects)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"To": ""}, 21201),
        ({"From": ""}, 21213),
        ({"Url": ""}, 21205),
        ({"Url": "/briefing"}, 21205),
        ({"Url": "https://under_score.example.com/x"}, 21205),
        ({"Url": "http://localhost:8000/x"}, 21205),
        ({"To": "sales"}, 21211),
        ({"To": "4155550199"}, 21217),
        ({"To": "+14155550122"}, 21215),
        ({"From": "+14155550198"}, 21210),
        ({"From": "anonymous"}, 21212),
        ({"From": "+14155550111"}, 21212),
        ({"Timeout": "601"}, 21208),
        ({"SendDigits": "1,2"}, 21206),
        ({"SendDigits": "1" * 33}, 21206),
        ({"Method": "PUT"}, 21209),
        ({"MachineDetection": "true"}, 21234),
        ({"MachineDetectionSpeechThreshold": "999"}, 21234),
        ({"StatusCallback": "/status"}, 21609),
        ({"Url": "", "Twiml": "x" * 4001}, 32018),
        ({"Url": "", "ApplicationSid": "AP0"}, 21218),
    ],
)
def test_what_is_wrong_with_a_call_is_told_by_its_code(changed: dict[str, str], code: int) -> None:
    desk = Desk(HELD)
    assert desk.code("POST", "/Calls.json", {**GOOD, **changed}) == (400, code)
    assert not desk.network.legs, "refused means not done"


def test_a_call_is_queued_first_and_one_leaves_in_a_second() -> None:
    desk = Desk()
    first, second = (desk.ask("POST", "/Calls.json", GOOD) for _ in range(2))
    assert (first["status"], first["direction"]) == ("queued", "outbound-api")
    assert desk.ask("GET", f"/Calls/{first['sid']}.json")["status"] == "ringing"
    assert desk.ask("GET", f"/Calls/{second['sid']}.json")["status"] == "queued"
    desk.pass_time(1)
    assert desk.ask("GET", f"/Calls/{second['sid']}.json")["queue_time"] == "1000"
    desk.pass_time(60)
    assert desk.ask("GET", f"/Calls/{first['sid']}.json")["status"] == "no-answer"


def test_times_of_a_call_are_told_as_text() -> None:
    desk = Desk()
    sid = desk.ask("POST", "/Calls.json", GOOD)["sid"]
    assert desk.ask("GET", f"/Calls/{sid}.json")["duration"] is None
    desk.network.legs[sid].answer()
    desk.pass_time(42)
    desk.network.legs[sid].hang_up()
    call = desk.ask("GET", f"/Calls/{sid}.json")
    assert (call["status"], call["duration"]) == ("completed", "42")
    assert call["end_time"] == "Fri, 15 Jan 2027 08:00:42 +0000"
    assert call["uri"] == f"/2010-04-01/Accounts/{desk.user}/Calls/{sid}.json"


def test_what_is_asked_of_a_call_reaches_the_network() -> None:
    desk = Desk()
    asked = {**GOOD, "Timeout": "25", "TimeLimit": "600", "SendDigits": "1w2", "FallbackUrl": f"{URL}/f"}
    sid = desk.ask("POST", "/Calls.json", {**asked, "FallbackMethod": "GET", "Method": "GET"})["sid"]
    leg = desk.network.legs[sid].asked
    assert (leg.timeout_s, leg.time_limit_s, leg.send_digits) == (25, 600, "1w2")
    assert (leg.method, leg.fallback_url, leg.fallback_method) == ("GET", f"{URL}/f", "GET")
    assert desk.code("POST", "/Calls.json", {**GOOD, "TimeLimit": "soon"}) == (400, 20422)


def test_keys_turn_machine_detection_off_and_nobody_is_told_without_an_address() -> None:
    desk = Desk()
    asked = {**GOOD, "MachineDetection": "Enable", "AsyncAmd": "true"}
    first = desk.ask("POST", "/Calls.json", asked)["sid"]
    assert desk.complained == [21262]
    where = {"AsyncAmdStatusCallback": URL, "AsyncAmdStatusCallbackMethod": "GET"}
    second = desk.ask("POST", "/Calls.json", {**asked, **where, "SendDigits": "1"})["sid"]
    legs = [desk.network.legs[sid].asked for sid in (first, second)]
    assert [leg.machine_detection for leg in legs] == ["Enable", ""]
    assert (legs[1].amd_callback, legs[1].amd_method) == (URL, "GET")
    assert desk.complained == [21262]


def test_url_and_twiml_is_url_and_a_warning() -> None:
    desk = Desk()
    sid = desk.ask("POST", "/Calls.json", {**GOOD, "Twiml": "<Response/>"})["sid"]
    assert desk.network.legs[sid].asked.url == URL
    assert desk.complained == [32019]


def test_events_in_one_value_are_honoured_in_part() -> None:
    desk = Desk()
    one: dict[str, str | list[str]] = {
        **GOOD,
        "StatusCallback": URL,
        "StatusCallbackEvent": "ringing completed",
    }
    several: dict[str, str | list[str]] = {**one, "StatusCallbackEvent": ["ringing", "completed"]}
    first, second = (desk.ask("POST", "/Calls.json", asked)["sid"] for asked in (one, several))
    assert desk.network.legs[first].asked.status_callback_events == ("ringing",)
    assert desk.network.legs[second].asked.status_callback_events == ("ringing", "completed")
    assert desk.complained == [20001]
    desk.ask("POST", "/Calls.json", {**several, "StatusCallbackEvent": ["ended", "ringing"]})
    assert desk.complained == [20001] * 2, "there is no such event"


@pytest.mark.parametrize("values", [{"Url": URL}, {"Twiml": "<Response/>"}])
def test_only_a_call_in_progress_can_be_redirected(values: dict[str, str]) -> None:
    desk = Desk()
    leg = desk.network.call_in(THEIRS, OURS)
    path = f"/Calls/{leg.sid}.json"
    assert desk.code("POST", path, values) == (400, 21220), "still ringing while its webhook is answered"
    leg.answer()
    desk.ask("POST", path, values)
    assert leg.documents == [], "the answer comes before the effect"
    assert carried_out(desk) == 1
    assert leg.documents == list(values.values())
    leg.hang_up()
    assert desk.code("POST", path, values) == (400, 21220)


def test_a_callback_is_read_together_with_an_address_only() -> None:
    desk = Desk()
    leg = desk.network.call_in(THEIRS, OURS)
    leg.answer()
    path, told = f"/Calls/{leg.sid}.json", {"StatusCallback": f"{URL}/s", "StatusCallbackMethod": "GET"}
    desk.ask("POST", path, {**told, "Twiml": "<Response/>"})
    assert leg.reports_to == ("", "POST")
    desk.ask("POST", path, {**told, "Url": URL})
    assert leg.reports_to == (f"{URL}/s", "GET")
    assert desk.code("POST", path, {**told, "Url": URL, "StatusCallback": "/s"}) == (400, 21609)


@pytest.mark.parametrize("more", [{"Record": "true"}, {"CallerId": OURS}, {"Byoc": "BY1"}])
def test_what_is_not_simulated_is_refused_rather_than_forgotten(more: dict[str, str]) -> None:
    desk = Desk()
    answer = desk.send("POST", "/Calls.json", {**GOOD, **more}).answer
    assert "not simulated" in str((answer.body or {})["message"])
    assert not desk.network.legs
    assert desk.send("POST", "/Calls.json", {**GOOD, "Record": "false"}).answer.status == 201


@pytest.mark.parametrize(
    ("state", "status", "becomes"),
    [
        ("ringing", "canceled", "canceled"),
        ("ringing", "completed", "canceled"),
        ("in-progress", "canceled", None),
        ("in-progress", "completed", "completed"),
        ("completed", "completed", None),
    ],
)
def test_a_call_is_ended_by_its_state(state: str, status: str, becomes: str | None) -> None:
    desk = Desk()
    sid = desk.ask("POST", "/Calls.json", GOOD)["sid"]
    leg = desk.network.legs[sid]
    if state != "ringing":
        leg.answer()
    if state == "completed":
        leg.hang_up()
    if becomes is None:
        assert desk.code("POST", f"/Calls/{sid}.json", {"Status": status}) == (400, 21220)
        return
    desk.ask("POST", f"/Calls/{sid}.json", {"Status": status})
    carried_out(desk)
    assert leg.status == becomes


def test_an_ended_call_is_forgotten_later() -> None:
    desk = Desk()
    desk.account.calls.forgets_ended_s = 60
    leg = desk.network.call_in(THEIRS, OURS)
    leg.hang_up()
    ending = {"Status": "completed"}
    assert desk.code("POST", f"/Calls/{leg.sid}.json", ending) == (400, 21220)
    desk.pass_time(60)
    assert desk.code("POST", f"/Calls/{leg.sid}.json", ending) == (404, 20404)


def test_the_number_of_a_caller_may_be_shown_by_their_token_while_they_call() -> None:
    desk = Desk()
    caller = desk.network.call_in("+14155550133", OURS)
    token = call_token(caller.sid, ("+14155550133", OURS))
    asked = {**GOOD, "From": "+14155550133"}
    assert desk.code("POST", "/Calls.json", asked) == (400, 21210)
    assert desk.send("POST", "/Calls.json", {**asked, "CallToken": token}).answer.status == 201
    forged = call_token("CA" + "0" * 32, ("+14155550133", OURS))
    assert desk.code("POST", "/Calls.json", {**asked, "CallToken": forged}) == (400, 21210)
    caller.hang_up()
    assert desk.code("POST", "/Calls.json", {**asked, "CallToken": token}) == (400, 21210)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (GOOD, (400, 21219)),
        ({**GOOD, "To": "+14155550133"}, (201, None)),
        ({**GOOD, "To": "+14155550133", "Timeout": "20"}, (400, None)),
        ({"To": "+14155550133", "From": OURS, "Twiml": "<Response/>"}, (400, None)),
    ],
)
def test_a_trial_account_may_do_little(values: dict[str, str], said: tuple[int, int | None]) -> None:
    verified = frozenset({"+14155550133"})
    desk = Desk(AccountSettings(type="Trial", numbers=(OURS,), verified_numbers=verified))
    assert desk.code("POST", "/Calls.json", values) == said


def test_a_call_is_at_the_host_of_its_region_only() -> None:
    desk = Desk()
    leg = desk.network.call_in(THEIRS, OURS)
    path = f"/2010-04-01/Accounts/{desk.user}/Calls/{leg.sid}.json"
    assert desk.send_to("GET", path).answer.status == 200
    assert desk.send_to("GET", f"/ie1{path}").answer.status == 404, "by the path"
    desk.host = "api.dublin.ie1.twilio.com"
    assert desk.send_to("GET", path).answer.status == 404, "by the name of the host"
    made = desk.ask("POST", "/Calls.json", GOOD)["sid"]
    assert desk.ask("GET", f"/Calls/{made}.json")["sid"] == made
    assert [call["sid"] for call in desk.ask("GET", "/Calls.json")["calls"]] == [made]
    desk.host = "api.twilio.com"
    assert desk.code("GET", f"/Calls/{made}.json") == (404, 20404)


def test_calls_are_listed_by_what_they_are() -> None:
    desk = Desk()
    inbound = desk.network.call_in(THEIRS, OURS)
    made = desk.ask("POST", "/Calls.json", GOOD)["sid"]
    assert [call["sid"] for call in desk.ask("GET", "/Calls.json")["calls"]] == [made, inbound.sid]
    assert [call["sid"] for call in desk.ask("GET", "/Calls.json", {"To": OURS})["calls"]] == [inbound.sid]
    assert desk.ask("GET", "/Calls.json?Status=completed")["calls"] == []
    assert desk.code("DELETE", f"/Calls/{made}.json") == (409, 20009)
    inbound.hang_up()
    assert desk.send("DELETE", f"/Calls/{inbound.sid}.json").answer.status == 204
    assert desk.code("GET", f"/Calls/{inbound.sid}.json") == (404, 20404)


def test_notifications_are_those_of_the_call() -> None:
    desk = Desk()
    leg = desk.network.call_in(THEIRS, OURS)
    desk.account.ledger.complain(11200, "a webhook", leg.sid)
    desk.account.ledger.complain(12200, "an attribute", leg.sid)
    desk.account.ledger.complain(11200, "of another", "CA" + "0" * 32)
    found = desk.ask("GET", f"/Calls/{leg.sid}/Notifications.json")["notifications"]
    assert [(note["error_code"], note["log"]) for note in found] == [("12200", "1"), ("11200", "0")]
    errors = desk.ask("GET", f"/Calls/{leg.sid}/Notifications.json?Log=0")["notifications"]
    assert [note["error_code"] for note in errors] == ["11200"]
