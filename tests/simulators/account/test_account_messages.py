"""Messages of the simulated account: what is refused, what becomes of them, what comes in."""

from __future__ import annotations

import pytest
from accounts import OURS, THEIRS, Desk

from callbridge.simulators.account import AccountSettings, Delivery
from callbridge.simulators.account.effects import Ask, WebReply
from callbridge.simulators.account.segments import segments

CALLBACK = "https://bridge.example.com/twilio/text-status"
GOOD = {"To": THEIRS, "From": OURS, "Body": "Your table is booked.", "StatusCallback": CALLBACK}


def asks(desk: Desk) -> list[Ask]:
    """The webhooks that were to be asked since."""
    effects = list(desk.account.ledger.effects)
    desk.account.ledger.effects.clear()
    return [effect for effect in effects if isinstance(effect, Ask)]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"To": "4155550199"}, 21211),
        ({"From": "+14155550198"}, 21606),
        ({"StatusCallback": "/status"}, 21609),
        ({"ValidityPeriod": "0"}, 21624),
        ({"MediaUrl": ["https://a.example/x"] * 11}, 21623),
        ({"MediaUrl": "x.png"}, 21620),
        ({"To": "+14155550144"}, 21614),
        ({"To": "+14155550155"}, 21612),
    ],
)
def test_what_is_wrong_with_a_message_is_told_by_its_code(
    changed: dict[str, str | list[str]], code: int
) -> None:
    desk = Desk(AccountSettings(numbers=(OURS,), landlines=frozenset({"+14155550144"})))
    desk.account.deliveries["+14155550155"] = Delivery(refused=21612)
    assert desk.code("POST", "/Messages.json", {**GOOD, **changed}) == (400, code)
    assert not desk.account.messages


def test_the_first_status_is_in_the_answer_only() -> None:
    desk = Desk()
    made = desk.ask("POST", "/Messages.json", GOOD)
    assert (made["status"], made["num_segments"], made["error_code"]) == ("queued", "1", None)
    assert (made["direction"], made["date_sent"]) == ("outbound-api", None)
    assert asks(desk) == []
    desk.pass_time(5)
    told = asks(desk)
    assert [ask.form["MessageStatus"] for ask in told] == ["sent", "delivered"]
    assert {ask.form["MessageSid"] for ask in told} == {made["sid"]}
    assert "ErrorCode" not in told[-1].form
    assert desk.ask("GET", f"/Messages/{made['sid']}.json")["status"] == "delivered"


@pytest.mark.parametrize(
    ("code", "told"),
    [(30003, ["sent", "undelivered"]), (30034, ["undelivered"]), (30001, ["failed"])],
)
def test_what_carriers_refuse_is_told_later(code: int, told: list[str]) -> None:
    desk = Desk()
    desk.account.deliveries[THEIRS] = Delivery(code=code)
    made = desk.ask("POST", "/Messages.json", GOOD)
    desk.pass_time(5)
    callbacks = asks(desk)
    assert [ask.form["MessageStatus"] for ask in callbacks] == told
    assert callbacks[-1].form["ErrorCode"] == str(code)
    found = desk.ask("GET", f"/Messages/{made['sid']}.json")
    assert (found["error_code"], found["status"]) == (code, told[-1]), "a number here"
    assert desk.complained == [code]


def test_callbacks_come_twice_and_in_any_order() -> None:
    desk = Desk()
    desk.account.deliveries[THEIRS] = Delivery(tells_twice=True, tells_backwards=True)
    desk.ask("POST", "/Messages.json", GOOD)
    desk.pass_time(5)
    assert [ask.form["MessageStatus"] for ask in asks(desk)] == ["delivered"] * 2 + ["sent"] * 2


def test_one_segment_leaves_a_number_in_a_second() -> None:
    desk = Desk()
    sids = [desk.ask("POST", "/Messages.json", {**GOOD, "Body": "x" * 161})["sid"] for _ in range(2)]
    desk.pass_time(1.5)
    assert [desk.account.ledger.messages[sid].status for sid in sids] == ["delivered", "queued"]
    canceling = desk.code("POST", f"/Messages/{sids[1]}.json", {"Status": "canceled"})
    assert canceling == (409, 20009), "that is for those which are scheduled"
    desk.pass_time(2)
    assert desk.account.ledger.messages[sids[1]].status == "delivered"


def test_who_opts_out_is_refused_at_the_api_until_they_opt_in() -> None:
    desk = Desk()
    desk.account.numbers[0].sms_url = "https://bridge.example.com/twilio/text"
    desk.account.text_in(THEIRS, OURS, " stop ")
    assert asks(desk)[0].form["Body"] == " stop ", "the webhook is asked all the same"
    assert desk.code("POST", "/Messages.json", GOOD) == (400, 21610)
    desk.account.text_in(THEIRS, OURS, "Please do not stop")
    assert desk.code("POST", "/Messages.json", GOOD) == (400, 21610), "the word alone counts"
    desk.account.text_in(THEIRS, OURS, "START")
    assert desk.send("POST", "/Messages.json", GOOD).answer.status == 201


@pytest.mark.parametrize(
    ("kind", "body", "replies", "codes"),
    [
        ("text/xml", "<Response/>", [], []),
        ("text/xml", "<Response><Message>Hi</Message></Response>", ["Hi"], []),
        ("text/xml", "<Response><Message><Body>Hi</Body></Message></Response>", ["Hi"], []),
        ("text/plain", "OK", ["OK"], []),
        ("text/xml", "<Response><Say>Hi</Say></Response>", [], [14110]),
        ("text/xml", "<Response>" + "<Message>x</Message>" * 11 + "</Response>", ["x"] * 10, [14109]),
        ("application/json", "{}", [], [12300]),
        ("text/xml", "<Response>", [], [12100]),
        ("text/xml", "<Reply/>", [], [12102]),
        ("text/xml", "<!DOCTYPE x><Response><Message>Hi</Message></Response>", [], [12100]),
    ],
)
def test_the_answer_to_a_message_is_read_as_twilio_reads_it(
    kind: str, body: str, replies: list[str], codes: list[int]
) -> None:
    desk = Desk()
    number = desk.account.numbers[0]
    number.sms_url = "https://bridge.example.com/twilio/text"
    desk.account.text_in(THEIRS, OURS, "Until when are you open?")
    (ask,) = asks(desk)
    assert (ask.form["From"], ask.form["NumMedia"], ask.form["NumSegments"]) == (THEIRS, "0", "1")
    ask.then(WebReply(ask.url, 200, kind, body.encode()))
    found = [message for message in desk.account.messages if message.direction == "outbound-reply"]
    assert [message.body for message in found] == replies
    assert desk.complained == codes


def test_a_webhook_that_fails_is_complained_of_and_its_fallback_asked() -> None:
    desk = Desk()
    number = desk.account.numbers[0]
    number.sms_url, number.sms_fallback_url = "https://a.example/text", "https://b.example/text"
    desk.account.text_in(THEIRS, OURS, "Hello")
    (first,) = asks(desk)
    first.then(WebReply(first.url, 500))
    (second,) = asks(desk)
    assert second.url == "https://b.example/text"
    second.then(WebReply(second.url, 500))
    assert asks(desk) == []
    assert desk.complained == [11200, 11200]


def test_each_complaint_reaches_the_debugger_and_its_own_failure_is_none() -> None:
    desk = Desk(AccountSettings(debugger_url="https://bridge.example.com/twilio/debugger"))
    desk.account.ledger.complain(31921, "the stream was closed", "CA" + "0" * 32)
    (ask,) = asks(desk)
    assert "CallSid" not in ask.form
    assert (ask.form["Level"], ask.form["PayloadType"]) == ("ERROR", "application/json")
    assert '"resource_sid": "CA0000' in ask.form["Payload"]
    assert '"error_code": "31921"' in ask.form["Payload"], "as text"
    ask.then(WebReply(ask.url, 500))
    assert desk.complained == [31921]
    assert asks(desk) == []


def test_words_are_taken_away_when_they_are_finished() -> None:
    desk = Desk()
    sid = desk.ask("POST", "/Messages.json", GOOD)["sid"]
    path = f"/Messages/{sid}.json"
    assert desk.code("POST", path, {"Body": ""}) == (409, 20009)
    assert desk.code("DELETE", path) == (409, 20009)
    desk.pass_time(5)
    assert desk.ask("POST", path, {"Body": ""})["body"] == ""
    assert desk.code("POST", path, {"Body": "other words"}) == (400, 20422)
    assert desk.send("DELETE", path).answer.status == 204
    assert desk.code("GET", path) == (404, 20404)


def test_a_service_has_no_sender_at_first() -> None:
    desk = Desk()
    asked = {"To": THEIRS, "MessagingServiceSid": "MG" + "1" * 32, "Body": "Hi"}
    made = desk.ask("POST", "/Messages.json", asked)
    assert (made["status"], made["from"], made["num_segments"]) == ("accepted", None, "0")
    desk.pass_time(5)
    assert desk.ask("GET", f"/Messages/{made['sid']}.json")["from"] == OURS


def test_a_trial_account_texts_verified_numbers_only() -> None:
    desk = Desk(AccountSettings(type="Trial", numbers=(OURS,), verified_numbers=frozenset({"+14155550133"})))
    assert desk.code("POST", "/Messages.json", GOOD) == (400, 21608)
    assert desk.send("POST", "/Messages.json", {**GOOD, "To": "+14155550133"}).answer.status == 201


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ü" * 160, 1),
        ("ç" * 70, 1),
        ("ç" * 71, 2),
        ("x" * 70 + "ș", 2),
        ("👍" * 35, 1),
        ("👍" * 36, 2),
    ],
)
def test_segments_are_counted_by_the_alphabet(body: str, count: int) -> None:
    assert segments(body) == count
