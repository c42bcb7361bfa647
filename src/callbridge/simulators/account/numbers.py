"""`IncomingPhoneNumbers`: the account's numbers; to list, set, buy and give back.

Source: twilio.com/docs/phone-numbers/api/incomingphonenumber-resource.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callbridge.simulators.account.for_sale import KINDS, chosen
from callbridge.simulators.account.formats import SID, new_sid
from callbridge.simulators.account.pages import PAGING, page_2010
from callbridge.simulators.account.phone_number import PhoneNumber
from callbridge.simulators.account.rest import Refusal, RestAnswer, not_found

if TYPE_CHECKING:
    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.form import Form
    from callbridge.simulators.account.ledger import Ledger

LIST_PARAMETERS: Final = PAGING | {"PhoneNumber", "FriendlyName", "Beta", "Origin"}

_URLS: Final = {
    "VoiceUrl": "voice_url",
    "VoiceFallbackUrl": "voice_fallback_url",
    "StatusCallback": "status_callback",
    "SmsUrl": "sms_url",
    "SmsFallbackUrl": "sms_fallback_url",
}
_METHODS: Final = {
    "VoiceMethod": "voice_method",
    "VoiceFallbackMethod": "voice_fallback_method",
    "StatusCallbackMethod": "status_callback_method",
    "SmsMethod": "sms_method",
    "SmsFallbackMethod": "sms_fallback_method",
}
_APPLICATIONS: Final = {
    "VoiceApplicationSid": ("voice_application_sid", "AP"),
    "SmsApplicationSid": ("sms_application_sid", "AP"),
    "TrunkSid": ("trunk_sid", "TK"),
}
_TEXTS: Final = {
    "EmergencyStatus": "emergency_status",
    "EmergencyAddressSid": "emergency_address_sid",
    "AddressSid": "address_sid",
    "IdentitySid": "identity_sid",
    "BundleSid": "bundle_sid",
}

UPDATE_PARAMETERS: Final = frozenset(
    {*_URLS, *_METHODS, *_APPLICATIONS, *_TEXTS, "FriendlyName", "VoiceCallerIdLookup", "VoiceReceiveMode"}
    | {"AccountSid", "ApiVersion"}
)
BUY_PARAMETERS: Final = UPDATE_PARAMETERS | {"PhoneNumber", "AreaCode"}


def listed(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET of the list. `PhoneNumber` is a part of the number, with `*` for any digit."""
    form = asked.form
    kind = KINDS.get(asked.path.rpartition("/")[2].removesuffix(".json"))
    found = [
        number.resource(ledger.settings.account_sid)
        for number in ledger.numbers.values()
        if _holds(number.address, form.get("PhoneNumber"))
        and form.get("FriendlyName") in {"", number.friendly_name}
        and form.get("Origin", "twilio") in {"", "twilio"}
        and not form.is_true("Beta")
        and kind in {None, number.type}
    ]
    return page_2010(asked, "incoming_phone_numbers", found)


def _holds(address: str, wanted: str) -> bool:
    pattern = "".join("[0-9]" if sign == "*" else re.escape(sign) for sign in wanted)
    return re.search(pattern, address) is not None


def fetched(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET of one."""
    return RestAnswer(200, _one(ledger, asked).resource(ledger.settings.account_sid))


def updated(ledger: Ledger, asked: Asked) -> RestAnswer:
    """POST to one."""
    number = _one(ledger, asked)
    _set(number, asked.form)
    number.updated_at = ledger.clock()
    return RestAnswer(200, number.resource(ledger.settings.account_sid))


def released(ledger: Ledger, asked: Asked) -> RestAnswer:
    """DELETE: the number is lost."""
    del ledger.numbers[_one(ledger, asked).sid]
    return RestAnswer(204)


def bought(ledger: Ledger, asked: Asked) -> RestAnswer:
    """POST to the list: `PhoneNumber`, or one of an `AreaCode`.

    Raises:
        Refusal: 21404 of a trial account; 21421, 21422, 21451, 21452; 21615 and 21649 where its country wants
            an address and a bundle.
    """
    form = asked.form
    if ledger.is_trial and ledger.numbers:
        raise Refusal(21404)
    offer = chosen(ledger, form.get("PhoneNumber"), form.get("AreaCode"))
    number = PhoneNumber(new_sid("PN"), offer.address, ledger.clock(), type=offer.kind)
    number.address_requirements = offer.address_requirements
    number.capabilities = offer.capabilities
    _set(number, form)
    if offer.address_requirements != "none" and not number.address_sid:
        raise Refusal(21615, offer.address)
    if offer.country == "GB" and not number.bundle_sid:
        raise Refusal(21649, offer.address)
    ledger.numbers[number.sid] = number
    return RestAnswer(201, number.resource(ledger.settings.account_sid))


def _one(ledger: Ledger, asked: Asked) -> PhoneNumber:
    number = ledger.numbers.get(asked.sid)
    if number is None:
        raise not_found(asked.path)
    return number


def _set(number: PhoneNumber, form: Form) -> None:
    """Set what was sent; all of it or nothing.

    An application and a trunk stand before the address of the webhook, and setting one deletes the other.
    """
    found: dict[str, object] = {field: form.url(name, 21402) for name, field in _URLS.items() if name in form}
    found |= {field: form.method(name, 21403) for name, field in _METHODS.items() if name in form}
    found |= {field: form.get(name) for name, field in _TEXTS.items() if name in form}
    for name, (field, prefix) in _APPLICATIONS.items():
        if name in form:
            found[field] = _application(form.get(name), prefix)
    if found.get("voice_application_sid"):
        found["trunk_sid"] = ""
    elif found.get("trunk_sid"):
        found["voice_application_sid"] = ""
    if "FriendlyName" in form:
        found["friendly_name"] = form.get("FriendlyName")[:64]
    if "VoiceCallerIdLookup" in form:
        found["voice_caller_id_lookup"] = form.is_true("VoiceCallerIdLookup")
    if "VoiceReceiveMode" in form:
        found["voice_receive_mode"] = "fax" if form.get("VoiceReceiveMode") == "fax" else "voice"
    for kind in ("voice", "sms"):
        fallback = found.get(f"{kind}_fallback_url", getattr(number, f"{kind}_fallback_url"))
        if fallback and not found.get(f"{kind}_url", getattr(number, f"{kind}_url")):
            raise Refusal(21405, fallback)
    for field, value in found.items():
        setattr(number, field, value)


def _application(sid: str, prefix: str) -> str:
    if sid and not (SID.fullmatch(sid) and sid.startswith(prefix)):
        raise Refusal(21420, sid)
    return sid
