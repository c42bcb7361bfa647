"""Twilio's codes for what the REST API and its webhooks only warn of, each with what to do about it.

Those of the phone are in `phone.carrier_codes`. Meanings are those of twilio.com/docs/api/errors.
"""

from __future__ import annotations

from typing import Final

from callbridge.simulators.phone.carrier_codes import CARRIER_CODES, CarrierCode, Level

_ERROR, _WARNING = Level.ERROR, Level.WARNING

ACCOUNT_CODES: Final[dict[int, CarrierCode]] = {
    14107: CarrierCode(
        _ERROR, "two numbers answer each other: the 15 replies of 30 s are used up", "do not answer a machine"
    ),
    14109: CarrierCode(_ERROR, "more than 10 messages in one reply", "send fewer, longer ones"),
    14110: CarrierCode(
        _WARNING, "the reply to a message holds a verb of voice calls", "use <Message> and <Redirect> only"
    ),
    20001: CarrierCode(
        _WARNING, "the API does not know a parameter and has passed over it",
        "names are case-sensitive, in PascalCase",
    ),
    21262: CarrierCode(
        _WARNING, "AsyncAmd without its callback: nobody is told", "give it"
    ),
    21263: CarrierCode(_WARNING, "AsyncAmd where it is implied", "leave it out for participants"),
    21703: CarrierCode(
        _ERROR, "the messaging service has no number", "add one to its pool, or send with From"
    ),
    30001: CarrierCode(_ERROR, "the queue of the sender is full", "send fewer, or from more numbers"),
    30002: CarrierCode(_ERROR, "the account is suspended", "look into the Console"),
    30003: CarrierCode(_ERROR, "the handset is off or out of reach", "try again later, or call"),
    30004: CarrierCode(_ERROR, "the message is blocked by the recipient or a carrier", "do not send again"),
    30005: CarrierCode(_ERROR, "the number is unknown or no longer exists", "check the number"),
    30006: CarrierCode(_ERROR, "a landline, or a carrier that takes no messages", "call instead"),
    30007: CarrierCode(_ERROR, "filtered as unwanted", "look at what is sent, and to whom"),
    30008: CarrierCode(_ERROR, "the carrier does not say why", "try once more"),
    30032: CarrierCode(_ERROR, "the toll-free number is not verified", "verify it in the Console"),
    30034: CarrierCode(
        _ERROR, "the number is not registered for A2P 10DLC", "register brand and campaign in the Console"
    ),
    32019: CarrierCode(_WARNING, "Url and Twiml: Twiml was passed over", "give one of the two"),
}  # fmt: skip
"""Codes that only this package reports."""


def meaning_of(code: int) -> CarrierCode | None:
    """What a code says; None for one that neither this package nor the phone knows."""
    return ACCOUNT_CODES.get(code) or CARRIER_CODES.get(code)
