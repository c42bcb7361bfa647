"""Text messages from outside: opt-out words, the number's webhook, and what its answer says.

Sources: twilio.com/docs/messaging/guides/webhook-request, /docs/messaging/twiml,
help.twilio.com/articles/223134027 (words that opt out).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from callbridge.simulators.account.effects import Ask, WebReply
from callbridge.simulators.account.formats import API, new_sid
from callbridge.simulators.account.message import Message
from callbridge.simulators.account.messages import send
from callbridge.simulators.account.segments import segments
from callbridge.simulators.phone.incoming import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.simulators.account.ledger import Ledger
    from callbridge.simulators.account.phone_number import PhoneNumber

STOP_WORDS: Final = frozenset({"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"})
START_WORDS: Final = frozenset({"START", "YES", "UNSTOP"})
HELP_WORDS: Final = frozenset({"HELP", "INFO"})

REPLIES_MAX: Final = 10
REPLY_LOOP_MAX: Final = 15
REPLY_LOOP_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Reply:
    """A `<Message>` of an answer."""

    body: str
    to: str
    callback: str


def text_in(
    ledger: Ledger, from_address: str, to_address: str, body: str, media: tuple[str, ...] = ()
) -> Message:
    """Somebody has sent a message to a number of ours: its webhook is asked, whatever the message says.

    Twilio itself heeds the words that opt out and back in, and answers them.

    Raises:
        ValueError: `to_address` is not a number of the account.
    """
    number = ledger.number(to_address)
    if number is None:
        raise ValueError(f"{to_address} is not a number of the account")
    now = ledger.clock()
    sid = new_sid("MM" if media else "SM")
    message = Message(
        sid, "inbound", from_address, to_address, body, "received", now, media=media, statuses=["received"]
    )
    ledger.messages[sid] = message
    word = body.strip().upper()
    pair = (to_address, from_address)
    if word in STOP_WORDS:
        ledger.opted_out.add(pair)
    elif word in START_WORDS:
        ledger.opted_out.discard(pair)
    if number.sms_url and not number.sms_application_sid:
        _ask(ledger, number, message, (number.sms_url, number.sms_method), is_fallback=False)
    return message


def _ask(
    ledger: Ledger, number: PhoneNumber, message: Message, hook: tuple[str, str], *, is_fallback: bool
) -> None:
    url, method = hook

    def answered(reply: WebReply) -> None:
        fault = _fault_in(reply)
        if fault is None:
            _obey(ledger, number, message, reply)
            return
        code, detail = fault
        ledger.complain(code, detail, message.sid, url=url)
        if number.sms_fallback_url and not is_fallback:
            fallback = (number.sms_fallback_url, number.sms_fallback_method)
            _ask(ledger, number, message, fallback, is_fallback=True)

    ledger.do(Ask(url, method, _parameters(ledger, message), answered))


def _parameters(ledger: Ledger, message: Message) -> dict[str, str]:
    told = {
        "ToCountry": "",
        "MessageSid": message.sid,
        "SmsMessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsStatus": "received",
        "AccountSid": ledger.settings.account_sid,
        "ApiVersion": API,
        "From": message.from_address,
        "To": message.to_address,
        "Body": message.body,
        "NumMedia": str(len(message.media)),
        "NumSegments": str(segments(message.body)),
    }
    for whose, address in (("From", message.from_address), ("To", message.to_address)):
        place = place_of(address, None)
        if place is not None:
            parts = {"City": place.city, "State": place.state, "Zip": place.zip, "Country": place.country}
            told |= {f"{whose}{part}": value for part, value in parts.items()}
    for index, url in enumerate(message.media):
        told |= {f"MediaUrl{index}": url, f"MediaContentType{index}": "image/jpeg"}
    kinds = {"STOP": STOP_WORDS, "START": START_WORDS, "HELP": HELP_WORDS}
    kind = next((kind for kind, words in kinds.items() if message.body.strip().upper() in words), None)
    if kind is not None and ledger.settings.has_advanced_opt_out:
        told["OptOutType"] = kind
    return told


# --- The answer ---------------------------------------------------------------------------------------


def _fault_in(reply: WebReply) -> tuple[int, str] | None:
    if not reply.is_good:
        return reply.code, reply.detail or f"{reply.url} answered {reply.status}"
    kind = reply.content_type.partition(";")[0].strip().lower()
    if not reply.body.strip() or kind == "text/plain":
        return None
    if kind not in {"text/xml", "application/xml", "text/html"}:
        return 12300, f"Content-Type {reply.content_type!r}"
    if b"<!DOCTYPE" in reply.body or b"<!ENTITY" in reply.body:
        return 12100, "a document type definition is not allowed"
    try:
        root = ET.fromstring(reply.body)  # noqa: S314 - no DTD, at most 64 kB
    except ET.ParseError as error:
        return 12100, str(error)
    return None if root.tag == "Response" else (12102, f"the root element is <{root.tag}>")


def _obey(ledger: Ledger, number: PhoneNumber, message: Message, reply: WebReply) -> None:
    """Send what the answer says. Plain text is a message, too: "OK" reaches the sender."""
    kind = reply.content_type.partition(";")[0].strip().lower()
    text = reply.body.decode("utf-8", "replace").strip()
    if not text:
        return
    if kind == "text/plain":
        _send_back(ledger, message, [_Reply(text, message.from_address, "")])
        return
    root = ET.fromstring(reply.body)  # noqa: S314 - it was read before
    replies: list[_Reply] = []
    for verb in root:
        if verb.tag == "Redirect":
            _send_back(ledger, message, replies)
            address = urljoin(reply.url, (verb.text or "").strip())
            _ask(ledger, number, message, (address, verb.get("method", "POST")), is_fallback=True)
            return
        if verb.tag in {"Message", "Sms"}:
            replies.append(_reply_of(verb, message, reply.url))
        else:
            ledger.complain(14110, f"<{verb.tag}>", message.sid, url=reply.url)
    _send_back(ledger, message, replies)


def _reply_of(verb: ET.Element, message: Message, base: str) -> _Reply:
    bodies = [(body.text or "") for body in verb.iter("Body")]
    callback = verb.get("statusCallback") or verb.get("action") or ""
    return _Reply(
        body="".join(bodies) or (verb.text or "").strip(),
        to=verb.get("to") or message.from_address,
        callback=urljoin(base, callback) if callback else "",
    )


def _send_back(ledger: Ledger, message: Message, replies: list[_Reply]) -> None:
    if len(replies) > REPLIES_MAX:
        ledger.complain(14109, f"{len(replies)} messages", message.sid)
    for reply in replies[:REPLIES_MAX]:
        if sum(1 for _ in _recent(ledger, message.to_address, reply.to)) >= REPLY_LOOP_MAX:
            ledger.complain(14107, f"{message.to_address} and a sender", message.sid)
            return
        if (message.to_address, reply.to) in ledger.opted_out:
            ledger.complain(21610, "a reply to somebody who has opted out", message.sid)
            continue
        sent = Message(
            sid=new_sid("SM"),
            direction="outbound-reply",
            from_address=message.to_address,
            to_address=reply.to,
            body=reply.body,
            status="queued",
            created_at=ledger.clock(),
            status_callback=reply.callback,
            statuses=["queued"],
        )
        ledger.messages[sent.sid] = sent
        send(ledger, sent)


def _recent(ledger: Ledger, ours: str, theirs: str) -> Iterator[Message]:
    """Replies of the last 30 s between two numbers."""
    since = ledger.clock() - REPLY_LOOP_S
    for message in ledger.messages.values():
        is_recent = message.direction == "outbound-reply" and message.created_at >= since
        if is_recent and (message.from_address, message.to_address) == (ours, theirs):
            yield message
