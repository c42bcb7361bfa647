"""Addresses of people: telephone numbers, SIP addresses, clients, and the bounds of what a function may say.

Numbers are those of E.164 with eight digits at least: emergency and other short numbers have fewer. Numbers
that cost the account more than a call (premium rate) are refused, because they are what fraud is after.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{7,14}")
_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?"
_SIP: Final = re.compile(
    rf"(sips?):([A-Za-z0-9_.!~*'()+%-]{{1,64}})@({_HOST})((?:;(?:transport|edge)=[A-Za-z0-9-]{{1,32}})*)"
)
"""Parameters that lead it elsewhere (`maddr`), and headers, are not taken."""
_CLIENT: Final = re.compile(r"client:([A-Za-z0-9_.@+-]{1,121})")

_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}")
_SIP_BOUND: Final = re.compile(rf"(sips?):(\*|[A-Za-z0-9_.!~'()+%-]{{1,64}})@({_HOST})")
_CLIENT_BOUND: Final = re.compile(r"client:(\*|[A-Za-z0-9_.@+-]{1,121})")


class AddressFault(ValueError):  # noqa: N818  # Said of what somebody has written.
    """Nobody can be rung there. The text says why, without the address."""


def checked_address(address: object) -> str:
    """`address`, if somebody can be rung there.

    Raises:
        AddressFault: otherwise.
    """
    if not isinstance(address, str):
        raise AddressFault(f"an address is a text, and not a {type(address).__name__}")
    if _SIP.fullmatch(address) or _CLIENT.fullmatch(address):
        return address
    if address.startswith(("sip:", "sips:")):
        raise AddressFault("a SIP address is written like sip:sales@pbx.example.com")
    if address.startswith("client:"):
        raise AddressFault("a client is written like client:anna, with letters, digits and _ . @ + -")
    if not _NUMBER.fullmatch(address):
        raise AddressFault(
            "a number has + and 8 to 15 digits, like +14155550100; emergency and short numbers are never rung"
        )
    if _is_premium(address):
        raise AddressFault("this is a premium-rate number, which is never rung for a caller")
    return address


def is_number(address: str) -> bool:
    """Whether it is a telephone number."""
    return address.startswith("+")


def checked_bound(bound: object) -> str:
    """`bound`, if it is one: `+4930` for the numbers that begin so, `sip:*@pbx.example.com`, `client:*`.

    Raises:
        AddressFault: otherwise.
    """
    patterns = (_PREFIX, _SIP_BOUND, _CLIENT_BOUND)
    if isinstance(bound, str) and any(pattern.fullmatch(bound) for pattern in patterns):
        return bound
    raise AddressFault(
        f"within: {bound!r} is no bound; write the beginning of numbers (+4930), sip:*@pbx.example.com, or "
        "client:*"
    )


def is_within(address: str, bounds: Sequence[str]) -> bool:
    """Whether one of the bounds allows this address, which was checked."""
    return any(_allows(bound, address) for bound in bounds)


def _allows(bound: str, address: str) -> bool:
    if is_number(bound):
        return is_number(address) and address.startswith(bound)
    if (client := _CLIENT.fullmatch(address)) is not None:
        return bound in {"client:*", f"client:{client[1]}"}
    sip, wanted = _SIP.fullmatch(address), _SIP_BOUND.fullmatch(bound)
    if sip is None or wanted is None:
        return False
    is_there = (sip[1], sip[3].lower()) == (wanted[1], wanted[3].lower())
    return is_there and wanted[2] in {"*", sip[2]}


def _is_premium(number: str) -> bool:
    # It brings the numbers of all countries along, and an agent without people behind it needs none of them.
    import phonenumbers as pn  # noqa: PLC0415 - see above

    try:
        return pn.number_type(pn.parse(number)) == pn.PhoneNumberType.PREMIUM_RATE
    except pn.NumberParseException:
        return False  # A country code that does not exist: nobody answers there.
