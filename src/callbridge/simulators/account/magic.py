"""What an account's test credentials answer: Twilio's magic numbers. Nothing is dialled, nobody is asked.

Source: twilio.com/docs/iam/test-credentials. Those of messages are as generally known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.simulators.account import messages
from callbridge.simulators.account.formats import API, for_people, new_sid, rfc2822
from callbridge.simulators.account.phone_number import PhoneNumber
from callbridge.simulators.account.rest import Refusal, RestAnswer

if TYPE_CHECKING:
    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.form import Form
    from callbridge.simulators.account.ledger import Ledger

_NUMBER: Final = "+1500555000"
OWNED: Final = f"{_NUMBER}6"
"""The one number that test credentials own."""

_CALL_FROM: Final = {f"{_NUMBER}1": 21212}
_CALL_TO: Final = {f"{_NUMBER}1": 21217, f"{_NUMBER}2": 21214, f"{_NUMBER}3": 21215, f"{_NUMBER}4": 21216}
_BOUGHT: Final = {f"{_NUMBER}0": 21422, f"{_NUMBER}1": 21421}
_AREAS: Final = {"533": 21452}
_TEXT_FROM: Final = {f"{_NUMBER}1": 21212, f"{_NUMBER}7": 21606, f"{_NUMBER}8": 21611}
_TEXT_TO: Final = {
    f"{_NUMBER}1": 21211,
    f"{_NUMBER}2": 21612,
    f"{_NUMBER}3": 21408,
    f"{_NUMBER}4": 21610,
    f"{_NUMBER}9": 21614,
}


def answered(ledger: Ledger, asked: Asked, resource: str) -> RestAnswer:
    """The answer to test credentials.

    Raises:
        Refusal: 20008 for all but the three that they may ask; the code of the magic number.
    """
    path = asked.path.rpartition("/")[2].removesuffix(".json")
    if asked.request.method != "POST" or path != resource:
        raise Refusal(20008)
    match resource:
        case "Calls":
            return _call(ledger, asked.form)
        case "Messages":
            return _message(ledger, asked.form)
        case "IncomingPhoneNumbers":
            return _number(ledger, asked.form)
        case _:
            raise Refusal(20008)


def _refuse(table: dict[str, int], value: str, *about: str) -> None:
    if value in table:
        raise Refusal(table[value], value, *about)


def _call(ledger: Ledger, form: Form) -> RestAnswer:
    to, sender = form.get("To"), form.get("From")
    if not to or not sender:
        raise Refusal(21201 if not to else 21213)
    _refuse(_CALL_FROM, sender)
    if sender != OWNED:
        raise Refusal(21210, sender)
    _refuse(_CALL_TO, to)
    if not form.get("Url") and not form.get("Twiml") and not form.get("ApplicationSid"):
        raise Refusal(21205, "")
    sid = new_sid("CA")
    account = ledger.settings.test_sid
    call: dict[str, object] = {
        "sid": sid,
        "account_sid": account,
        "api_version": API,
        "date_created": None,
        "date_updated": None,
        "direction": "outbound-api",
        "from": sender,
        "from_formatted": for_people(sender),
        "to": to,
        "to_formatted": for_people(to),
        "status": "queued",
        "price_unit": "USD",
        "uri": f"/{API}/Accounts/{account}/Calls/{sid}.json",
        "subresource_uris": {},
    }
    empty = (
        *("parent_call_sid", "phone_number_sid", "start_time", "end_time", "duration", "price"),
        *("answered_by", "forwarded_from", "group_sid", "caller_name", "queue_time", "trunk_sid"),
    )
    return RestAnswer(201, call | dict.fromkeys(empty))


def _message(ledger: Ledger, form: Form) -> RestAnswer:
    to, sender = form.get("To"), form.get("From")
    _refuse(_TEXT_FROM, sender)
    _refuse(_TEXT_TO, to, sender)
    if sender and sender != OWNED:
        raise Refusal(21606, sender)
    message = messages.checked(ledger, form, is_test=True)
    return RestAnswer(201, message.resource(ledger.settings.test_sid))


def _number(ledger: Ledger, form: Form) -> RestAnswer:
    wanted, area = form.get("PhoneNumber"), form.get("AreaCode")
    _refuse(_BOUGHT, wanted)
    _refuse(_AREAS, area)
    if wanted not in {"", OWNED}:
        raise Refusal(21422, wanted)
    if not wanted and not area:
        raise Refusal(21421, "")
    now = ledger.clock()
    number = PhoneNumber(new_sid("PN"), wanted or f"+1{area}5550100", now)
    made = number.resource(ledger.settings.test_sid)
    return RestAnswer(201, made | {"date_created": rfc2822(now)})
