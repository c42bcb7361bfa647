"""What `POST Calls` was asked for, checked as Twilio checks it.

Sources: twilio.com/docs/voice/api/call-resource, /docs/usage/trials/try-out-voice.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from callbridge.simulators.account.formats import is_e164
from callbridge.simulators.account.rest import Refusal
from callbridge.simulators.account.telephone import NewLeg

if TYPE_CHECKING:
    from callbridge.simulators.account.form import Form
    from callbridge.simulators.account.ledger import Ledger

CREATE_PARAMETERS: Final = frozenset(
    {
        *("To", "From", "Method", "FallbackUrl", "FallbackMethod", "StatusCallback", "StatusCallbackEvent"),
        *("StatusCallbackMethod", "SendDigits", "Timeout", "Record", "RecordingChannels"),
        *("RecordingStatusCallback", "RecordingStatusCallbackMethod", "SipAuthUsername", "SipAuthPassword"),
        *("MachineDetection", "MachineDetectionTimeout", "RecordingStatusCallbackEvent", "Trim"),
        *("CallerId", "MachineDetectionSpeechThreshold", "MachineDetectionSpeechEndThreshold"),
        *("MachineDetectionSilenceTimeout", "AsyncAmd", "AsyncAmdStatusCallback"),
        *("AsyncAmdStatusCallbackMethod", "Byoc", "CallReason", "CallToken", "RecordingTrack", "TimeLimit"),
        *("ClientNotificationUrl", "Url", "Twiml", "ApplicationSid", "Passports"),
        "RecordingConfigurationId",
    }
)
UNSIMULATED: Final = frozenset({"Record", "CallerId", "Byoc", "ClientNotificationUrl"})
"""What this account could not keep: a call with it is refused."""

TWIML_CHARACTERS_MAX: Final = 4000
TRIAL_PARAMETERS: Final = frozenset({"To", "From", "Url"})
EVENTS: Final = frozenset({"initiated", "ringing", "answered", "completed"})

_OTHERS: Final = ("sip:", "sips:", "client:", "app:")
_AMD_BOUNDS: Final = {
    "MachineDetectionTimeout": (3, 59),
    "MachineDetectionSpeechThreshold": (1000, 6000),
    "MachineDetectionSpeechEndThreshold": (500, 5000),
    "MachineDetectionSilenceTimeout": (2000, 10_000),
}


def new_leg(ledger: Ledger, form: Form, live_callers: dict[str, str]) -> NewLeg:
    """The call that is asked for.

    Args:
        ledger: of the account.
        form: what was sent.
        live_callers: the number of the caller of each inbound call that is on, for `CallToken`.

    Raises:
        Refusal: with the code of what is wrong with it.
    """
    to, sender = form.get("To"), form.get("From")
    if not to:
        raise Refusal(21201)
    if not sender:
        raise Refusal(21213)
    if ledger.is_trial and (more := form.unknown(TRIAL_PARAMETERS)):
        raise Refusal(None, ", ".join(more))
    check_called(ledger, to)
    check_sender(ledger, sender, to, shown=_shown_by(form, live_callers))
    form.refuse(UNSIMULATED)
    url, twiml = _document(ledger, form)
    detection = form.get("MachineDetection")
    if detection not in {"", "Enable", "DetectMessageEnd"}:
        raise Refusal(21234, "MachineDetection", detection)
    for name, bounds in _AMD_BOUNDS.items():
        form.number(name, bounds, bounds[0], 21234)
    is_async, amd_callback = form.is_true("AsyncAmd"), form.url("AsyncAmdStatusCallback", 21609)
    if is_async and not amd_callback:
        ledger.complain(21262, f"call to {to}")
    return NewLeg(
        to_address=to,
        from_address=sender,
        url=url,
        method=form.method("Method"),
        twiml=twiml,
        fallback_url=form.url("FallbackUrl", 21205),
        fallback_method=form.method("FallbackMethod"),
        status_callback=form.url("StatusCallback", 21609),
        status_callback_method=form.method("StatusCallbackMethod"),
        status_callback_events=events(ledger, form),
        send_digits=_digits(form),
        timeout_s=form.number("Timeout", (1, 600), 60, 21208),
        time_limit_s=form.number("TimeLimit", (1, 14_400), 14_400, 20422),
        machine_detection="" if form.get("SendDigits") else detection,
        is_amd_async=is_async,
        amd_callback=amd_callback,
        amd_method=form.method("AsyncAmdStatusCallbackMethod"),
    )


def check_called(ledger: Ledger, to: str) -> None:
    """Refuses what cannot be called: 21211 and 21217 its form, 21214 to 21216 as scripted, 21219."""
    if to.startswith(_OTHERS):
        return
    if not re.fullmatch(r"\+?[0-9 ().-]+", to):
        raise Refusal(21211, to)
    if not is_e164(to):
        raise Refusal(21217, to)
    if code := ledger.settings.call_refusals.get(to):
        raise Refusal(code, to)
    if ledger.is_trial and to not in ledger.settings.verified_numbers:
        raise Refusal(21219, to)


def check_sender(ledger: Ledger, sender: str, to: str, *, shown: str = "") -> None:
    """Refuses what may not call: 21212 its form, 21210 neither ours nor verified, and no `CallToken`."""
    if not to.startswith(("+", *"0123456789")):
        return
    if not is_e164(sender) or sender in ledger.settings.do_not_originate:
        raise Refusal(21212, sender)
    if sender != shown and not ledger.owns_or_has_verified(sender):
        raise Refusal(21210, sender)


def _shown_by(form: Form, live_callers: dict[str, str]) -> str:
    """The number that `CallToken` lets be shown: that of the caller of a call that is on."""
    try:
        token = json.loads(unquote(form.get("CallToken")))
        coded = token["parentCallInfoToken"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
        shown = str(claims["from"])
        return shown if live_callers.get(claims["callSid"]) == shown else ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, binascii.Error):
        return ""


def _document(ledger: Ledger, form: Form) -> tuple[str, str]:
    """Address or TwiML of the call."""
    url, twiml, application = form.get("Url"), form.get("Twiml"), form.get("ApplicationSid")
    if application:
        if application not in ledger.settings.applications:
            raise Refusal(21218, application)
        return ledger.settings.applications[application], ""
    if not url and not twiml:
        raise Refusal(21205, "")
    return document(ledger, form)


def document(ledger: Ledger, form: Form, about: str = "") -> tuple[str, str]:
    """`Url`, else `Twiml`, as a call goes on with it.

    Raises:
        Refusal: 21205, 32018.
    """
    url, twiml = form.url("Url", 21205), form.get("Twiml")
    if len(twiml) > TWIML_CHARACTERS_MAX:
        raise Refusal(32018, len(twiml))
    if url:
        if twiml:
            ledger.complain(32019, "Twiml was passed over", about)
        return url, ""
    return "", twiml


def events(ledger: Ledger, form: Form) -> tuple[str, ...]:
    """What is told of a call. Several in one value are taken, and then only the first is honoured.

    Twilio passes over names that it does not know, and so does this, with a complaint.
    """
    sent = form.all("StatusCallbackEvent")
    found = []
    for value in sent:
        names = value.split()
        if len(names) > 1:
            ledger.complain(20001, f"StatusCallbackEvent={value!r}: one value each, repeated")
        if unknown := [name for name in names if name not in EVENTS]:
            ledger.complain(20001, f"StatusCallbackEvent: no event {', '.join(unknown)}")
        found += [name for name in names[:1] if name in EVENTS]
    return tuple(found) if sent else ("completed",)


def _digits(form: Form) -> str:
    digits = form.get("SendDigits")
    if not re.fullmatch(r"[0-9A-D#*wW]{0,32}", digits):
        raise Refusal(21206, digits)
    return digits
