"""`Messages`: text messages out, with what becomes of them.

Source: twilio.com/docs/messaging/api/message-resource. The first status is in the answer only: callbacks
begin with the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.simulators.account.effects import Ask, WebReply
from callbridge.simulators.account.formats import API, SID, day_of, is_e164, new_sid
from callbridge.simulators.account.message import FAILED, NEVER_SENT, Delivery, Message
from callbridge.simulators.account.pages import PAGING, page_2010
from callbridge.simulators.account.rest import Refusal, RestAnswer, not_found
from callbridge.simulators.account.segments import SMART, segments

if TYPE_CHECKING:
    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.form import Form
    from callbridge.simulators.account.ledger import Ledger

BODY_CHARACTERS_MAX: Final = 1600
MEDIA_MAX: Final = 10
QUEUE_S_MAX: Final = 36_000.0
"""Ten hours of messages may wait at one number."""

CREATE_PARAMETERS: Final = frozenset(
    {
        *("To", "From", "MessagingServiceSid", "Body", "MediaUrl", "ContentSid", "ContentVariables"),
        *("StatusCallback", "ValidityPeriod", "ScheduleType", "SendAt", "SmartEncoded", "ShortenUrls"),
        *("SendAsMms", "ProvideFeedback", "Attempt", "RiskCheck", "ContentRetention", "AddressRetention"),
        *("PersistentAction", "TrafficType", "FallbackFrom", "ApplicationSid", "MaxPrice", "ForceDelivery"),
        "MessageIntent",
    }
)
UPDATE_PARAMETERS: Final = frozenset({"Body", "Status"})
LIST_PARAMETERS: Final = PAGING | {"To", "From", "DateSent", "DateSent<", "DateSent>"}

DELIVERED: Final = Delivery()


def created(ledger: Ledger, asked: Asked) -> RestAnswer:
    """POST to the list."""
    message = checked(ledger, asked.form)
    ledger.messages[message.sid] = message
    send(ledger, message)
    return RestAnswer(201, message.resource(ledger.settings.account_sid))


def checked(ledger: Ledger, form: Form, *, is_test: bool = False) -> Message:
    """The message that is asked for; nothing is sent.

    Args:
        ledger: of the account.
        form: what was sent.
        is_test: asked with test credentials, which have magic numbers in place of the account's.

    Raises:
        Refusal: with the code of what is wrong with it.
    """
    to, sender, service = (form.get(name) for name in ("To", "From", "MessagingServiceSid"))
    body, media = form.get("Body"), tuple(form.all("MediaUrl"))
    if not to:
        raise Refusal(21604)
    if not sender and not service:
        raise Refusal(21603)
    _check_content(form, body, media)
    callback = form.url("StatusCallback", 21609)
    form.number("ValidityPeriod", (1, 36_000), 14_400, 21624)
    if not is_e164(to):
        raise Refusal(21211, to)
    if service and not (SID.fullmatch(service) and service.startswith("MG")):
        raise Refusal(20422, f"MessagingServiceSid {service}")
    if sender and not is_test:
        _check_sender(ledger, sender)
    if not is_test:
        _check_recipient(ledger, sender, to)
    return Message(
        sid=new_sid("MM" if media else "SM"),
        direction="outbound-api",
        from_address=sender,
        to_address=to,
        body=body.translate(SMART) if form.is_true("SmartEncoded") else body,
        status="queued" if sender else "accepted",
        created_at=ledger.clock(),
        service_sid=service or None,
        media=media,
        status_callback=callback,
        statuses=["queued" if sender else "accepted"],
    )


def _check_content(form: Form, body: str, media: tuple[str, ...]) -> None:
    if not body and not media and "ContentSid" not in form:
        raise Refusal(21602)
    if len(body) > BODY_CHARACTERS_MAX:
        raise Refusal(21617)
    if len(media) > MEDIA_MAX:
        raise Refusal(21623, len(media))
    for url in media:
        if not form.is_webhook(url):
            raise Refusal(21620, url)


def _check_sender(ledger: Ledger, sender: str) -> None:
    number = ledger.number(sender)
    if number is None:
        raise Refusal(21606, sender)
    if not number.capabilities.get("sms"):
        raise Refusal(21661, sender)


def _check_recipient(ledger: Ledger, sender: str, to: str) -> None:
    delivery = ledger.deliveries.get(to, DELIVERED)
    if ledger.is_trial and to not in ledger.settings.verified_numbers:
        raise Refusal(21608, to)
    if to in ledger.settings.landlines:
        raise Refusal(21614, to)
    if delivery.refused is not None:
        raise Refusal(delivery.refused, to, sender)
    if (sender, to) in ledger.opted_out:
        raise Refusal(21610)
    if ledger.free_at.get(sender, 0.0) - ledger.clock() > QUEUE_S_MAX:
        raise Refusal(21611)


# --- What becomes of it -------------------------------------------------------------------------------


def send(ledger: Ledger, message: Message) -> None:
    """Let a message go its way: through the queue of its number, one segment after another."""
    if not message.from_address:
        ledger.later(0.0, lambda: _choose_sender(ledger, message))
        return
    delivery = ledger.deliveries.get(message.to_address, DELIVERED)
    now = ledger.clock()
    leaves_at = max(now, ledger.free_at.get(message.from_address, now))
    ledger.free_at[message.from_address] = leaves_at + segments(message.body) / ledger.settings.segments_per_s
    wait_s = leaves_at - now + delivery.sent_after_s
    code = 30002 if ledger.status != "active" else delivery.code
    if code in NEVER_SENT:
        ledger.later(wait_s, lambda: _fail(ledger, message, delivery, code))
        return
    arrives_s = wait_s + delivery.delivered_after_s
    ledger.later(wait_s, lambda: _advance(ledger, message, delivery, "sent"))
    if code is not None:
        ledger.later(arrives_s, lambda: _fail(ledger, message, delivery, code))
    elif delivery.is_confirmed:
        ledger.later(arrives_s, lambda: _advance(ledger, message, delivery, "delivered"))


def _choose_sender(ledger: Ledger, message: Message) -> None:
    """A messaging service takes one of its numbers, after it was asked: here the first that can."""
    owned = [number.address for number in ledger.numbers.values() if number.capabilities.get("sms")]
    if not owned:
        _fail(ledger, message, DELIVERED, 21703)
        return
    message.from_address = owned[0]
    message.becomes("queued", ledger.clock())
    send(ledger, message)


def _fail(ledger: Ledger, message: Message, delivery: Delivery, code: int) -> None:
    message.error_code = code
    ledger.complain(code, f"message {message.sid} was not delivered", message.sid)
    _advance(ledger, message, delivery, "failed" if code in FAILED else "undelivered")


def _advance(ledger: Ledger, message: Message, delivery: Delivery, status: str) -> None:
    if message.status == "canceled":
        return
    message.becomes(status, ledger.clock())
    if status == "sent":
        message.sent_at = ledger.clock()
        if delivery.tells_backwards:
            return
    told = ("delivered", "sent") if delivery.tells_backwards and status == "delivered" else (status,)
    for one in told:
        for _ in range(2 if delivery.tells_twice else 1):
            _tell(ledger, message, one)


def _tell(ledger: Ledger, message: Message, status: str) -> None:
    if not message.status_callback:
        return
    form = {
        "ApiVersion": API,
        "AccountSid": ledger.settings.account_sid,
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "MessageStatus": status,
        "SmsStatus": status,
        "To": message.to_address,
        "From": message.from_address,
    }
    if message.service_sid is not None:
        form["MessagingServiceSid"] = message.service_sid
    if message.error_code is not None and status in {"failed", "undelivered"}:
        form["ErrorCode"] = str(message.error_code)

    def answered(reply: WebReply) -> None:
        if not reply.is_good:
            ledger.complain(reply.code, reply.detail or f"status {reply.status}", message.sid, url=reply.url)

    ledger.do(Ask(message.status_callback, message.status_callback_method, form, answered))


# --- Reading and changing -----------------------------------------------------------------------------


def _one(ledger: Ledger, asked: Asked) -> Message:
    message = ledger.messages.get(asked.sid)
    if message is None:
        raise not_found(asked.path)
    return message


def fetched(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET of one."""
    return RestAnswer(200, _one(ledger, asked).resource(ledger.settings.account_sid))


def updated(ledger: Ledger, asked: Asked) -> RestAnswer:
    """POST to one: an empty `Body` takes its words away, `Status=canceled` stops one that waits."""
    message, form = _one(ledger, asked), asked.form
    if "Body" in form:
        if form.get("Body"):
            raise Refusal(20422, "Body can only be made empty")
        if not message.is_finished:
            raise Refusal(20009, message.sid)
        message.body = ""
    if form.get("Status") == "canceled":
        if message.status not in {"scheduled", "accepted"}:
            raise Refusal(20009, message.sid)
        message.becomes("canceled", ledger.clock())
    elif "Status" in form:
        raise Refusal(20422, f"Status {form.get('Status')}")
    return RestAnswer(200, message.resource(ledger.settings.account_sid))


def deleted(ledger: Ledger, asked: Asked) -> RestAnswer:
    """DELETE of one that is finished."""
    message = _one(ledger, asked)
    if not message.is_finished:
        raise Refusal(20009, message.sid)
    del ledger.messages[message.sid]
    return RestAnswer(204)


def listed(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET of the list, the newest first."""
    form = asked.form
    found = [
        message.resource(ledger.settings.account_sid)
        for message in reversed(ledger.messages.values())
        if form.get("To") in {"", message.to_address}
        and form.get("From") in {"", message.from_address}
        and _is_of_day(message, form)
    ]
    return page_2010(asked, "messages", found)


def _is_of_day(message: Message, form: Form) -> bool:
    day = day_of(message.sent_at or message.created_at).isoformat()
    on, until, since = (form.get(name)[:10] for name in ("DateSent", "DateSent<", "DateSent>"))
    return on in {"", day} and (not until or day <= until) and (not since or day >= since)
