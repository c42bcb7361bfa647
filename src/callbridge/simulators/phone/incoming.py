"""Who calls whom, as the first request of a call tells it.

Pure. The names are those of twilio.com/docs/voice/twiml#request-parameters, their values as on real requests.
A bridge must live with all of them, and with more: Twilio adds parameters without notice.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

WITHHELD: Final = frozenset({"266696687", "7378742833", "86282452253", "8656696", "2562533"})
"""ANONYMOUS, RESTRICTED, UNAVAILABLE, UNKNOWN and BLOCKED as keys of a telephone: no country's numbers."""

COUNTRIES: Final = {
    "1": "US",
    "33": "FR",
    "34": "ES",
    "351": "PT",
    "39": "IT",
    "41": "CH",
    "43": "AT",
    "44": "GB",
    "49": "DE",
    "52": "MX",
    "55": "BR",
    "61": "AU",
    "81": "JP",
    "91": "IN",
}
"""Of some calling codes; of the others Twilio's value must be given."""

SIGNATURE_BYTES: Final = 64
"""ES256, which signs the tokens of a call."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a number belongs, best effort: Twilio leaves empty what it does not know."""

    country: str = ""
    """ISO 3166, as `GB`."""
    city: str = ""
    """In capitals."""
    state: str = ""
    zip: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a call's requests say beside its two numbers. The defaults are an ordinary call."""

    from_place: Place | None = None
    """By its number when None."""
    to_place: Place | None = None
    has_call_token: bool = True
    """`CallToken`: in the first request of a call, and never by GET."""
    passports: int = 0
    """Signed words of carriers on who calls; each makes `CallToken` longer by some 450 characters."""
    stir_verstat: str | None = None
    """How the caller's number was verified, as `TN-Validation-Passed-A`; mostly no carrier has signed it."""
    forwarded_from: str | None = None
    """The number that was dialled, when its owner diverts calls to ours. Not all carriers tell."""
    called_via: str | None = None
    """The same number by another name when None."""
    caller_name: str | None = None
    """Where the number looks up names: at most 15 characters."""
    add_ons: str | None = None
    """What add-ons found out, as JSON text."""
    sip_headers: Mapping[str, str] = field(default_factory=dict)
    """`X-…` headers of a SIP caller: told as `SipHeader_X-…`, and nobody has checked them."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Anything else, as the parameters of a caller from an app."""


def place_of(address: str, told: Place | None) -> Place | None:
    """Where an end of the call is; None for SIP and app callers, of whom no place is told."""
    if told is not None:
        return told
    if address.startswith(("sip:", "sips:", "client:")):
        return None
    digits = address.removeprefix("+")
    if digits in WITHHELD:
        return Place()
    return Place(next((COUNTRIES[digits[:size]] for size in (3, 2, 1) if digits[:size] in COUNTRIES), ""))


def is_number(address: str) -> bool:
    """Whether it can be shown to others as the caller's number."""
    return bool(re.fullmatch(r"\+[1-9][0-9]{3,14}", address)) and address.removeprefix("+") not in WITHHELD


def call_parameters(incoming: Incoming, numbers: tuple[str, str], call_sid: str) -> dict[str, str]:
    """What the first request of a call says beside the parameters of every request."""
    from_number, to_number = numbers
    told: dict[str, str | None] = {
        "CallerName": incoming.caller_name,
        "ForwardedFrom": incoming.forwarded_from,
        "CalledVia": incoming.called_via or incoming.forwarded_from,
        "AddOns": incoming.add_ons,
    }
    if is_number(from_number):
        told["StirVerstat"] = incoming.stir_verstat
    if from_number.startswith(("sip:", "sips:")):
        told |= _sip(from_number, to_number)
        told |= {f"SipHeader_{name}": value for name, value in incoming.sip_headers.items()}
    if incoming.has_call_token:
        told["CallToken"] = call_token(call_sid, numbers, incoming.passports)
    return {name: value for name, value in told.items() if value is not None} | dict(incoming.more)


def _sip(from_number: str, to_number: str) -> dict[str, str]:
    domain = to_number.partition("@")[2].partition(";")[0] or "example.sip.twilio.com"
    return {
        "SipDomain": domain,
        "SipDomainSid": f"SD{secrets.token_hex(16)}",
        "SipCallId": f"{secrets.token_hex(16)}@{from_number.partition('@')[2] or 'sip.example.com'}",
        "SipSourceIp": "203.0.113.9",
    }


# --- Tokens ------------------------------------------------------------------------------------------------


def call_token(call_sid: str, numbers: tuple[str, str], passports: int = 0) -> str:
    """A `CallToken` as Twilio forms it, percent-encoded JSON; nobody can check its signatures."""
    from_number, to_number = numbers
    issued_at = int(time.time())
    parent = {"callSid": call_sid, "from": from_number, "to": to_number, "iat": str(issued_at)}
    passport = {"attest": "A", "dest": {"tn": [to_number]}, "iat": issued_at, "orig": {"tn": from_number}}
    signer = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": "https://cert.example.com/a.pem"}
    token = {
        "parentCallInfoToken": _signed({"alg": "ES256"}, parent),
        "identityHeaderTokens": [_signed(signer, passport) for _ in range(passports)],
    }
    return quote(json.dumps(token, separators=(",", ":")), safe="")


def _signed(header: Mapping[str, object], claims: Mapping[str, object]) -> str:
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    return ".".join(_unpadded(part) for part in (*parts, secrets.token_bytes(SIGNATURE_BYTES)))


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
