"""`AvailablePhoneNumbers`: numbers that may be bought. Those that exist here are reserved for fiction.

Source: twilio.com/docs/phone-numbers/api/availablephonenumber-resource.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from callbridge.simulators.account.formats import for_people
from callbridge.simulators.account.pages import PAGING
from callbridge.simulators.account.rest import Refusal, RestAnswer, not_found

if TYPE_CHECKING:
    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.ledger import Ledger

Kind: TypeAlias = Literal["local", "mobile", "toll-free"]

KINDS: Final[dict[str, Kind]] = {"Local": "local", "Mobile": "mobile", "TollFree": "toll-free"}

PARAMETERS: Final = PAGING | {
    *("AreaCode", "Contains", "SmsEnabled", "MmsEnabled", "VoiceEnabled", "FaxEnabled", "Beta"),
    *("ExcludeAllAddressRequired", "ExcludeLocalAddressRequired", "ExcludeForeignAddressRequired"),
    *("NearNumber", "NearLatLong", "Distance", "InPostalCode", "InRegion", "InRateCenter", "InLata"),
    "InLocality",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A number that nobody has."""

    address: str
    country: str
    kind: Kind
    locality: str = ""
    region: str = ""
    postal_code: str = ""
    address_requirements: Literal["none", "any", "local", "foreign"] = "none"
    takes_texts: bool = True

    @property
    def capabilities(self) -> dict[str, bool]:
        """What it can do."""
        mms = self.takes_texts and self.country in {"US", "CA"}
        return {"voice": True, "sms": self.takes_texts, "mms": mms, "fax": False}

    @property
    def resource(self) -> dict[str, object]:
        """As the API has it."""
        return {
            "friendly_name": for_people(self.address),
            "phone_number": self.address,
            "lata": None,
            "locality": self.locality or None,
            "rate_center": self.locality.upper() or None,
            "latitude": None,
            "longitude": None,
            "region": self.region or None,
            "postal_code": self.postal_code or None,
            "iso_country": self.country,
            "address_requirements": self.address_requirements,
            "beta": False,
            "capabilities": self.capabilities,
        }


_AREAS: Final = {
    "212": ("US", "New York", "NY", "10001"),
    "312": ("US", "Chicago", "IL", "60601"),
    "415": ("US", "San Francisco", "CA", "94102"),
    "512": ("US", "Austin", "TX", "78701"),
    "808": ("US", "Hilo", "HI", "96720"),
    "416": ("CA", "Toronto", "ON", "M5H"),
    "604": ("CA", "Vancouver", "BC", "V6B"),
}
OF_EACH: Final = 20
"""How many numbers of each area there are."""


@cache
def offers() -> tuple[Offer, ...]:
    """All that there is."""
    found = [
        Offer(f"+1{area}55501{last:02}", country, "local", locality, region, code)
        for area, (country, locality, region, code) in _AREAS.items()
        for last in range(OF_EACH)
    ]
    found += [Offer(f"+180055501{last:02}", "US", "toll-free") for last in range(OF_EACH)]
    found += [
        Offer(f"+447700900{last:03}", "GB", "mobile", address_requirements="any") for last in range(OF_EACH)
    ]
    found += [
        Offer(f"+442079460{last:03}", "GB", "local", "London", address_requirements="any", takes_texts=False)
        for last in range(OF_EACH)
    ]
    found += [
        Offer(
            f"+493023125{last:03}", "DE", "local", "Berlin", address_requirements="local", takes_texts=False
        )
        for last in range(OF_EACH)
    ]
    return tuple(found)


def listed(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET `AvailablePhoneNumbers/{CC}/{Local|Mobile|TollFree}`: one page, without paging.

    Raises:
        Refusal: 20404 for a country or kind without numbers, 20007 for too large a page.
    """
    country, kind = asked.parts
    found = [offer for offer in offers() if offer.country == country and offer.kind == KINDS.get(kind)]
    if not found:
        raise not_found(asked.path)
    size = asked.form.number("PageSize", (1, 1000), 50, 20007)
    taken = {number.address for number in ledger.numbers.values()}
    shown = [offer.resource for offer in found if offer.address not in taken and _fits(offer, asked)]
    return RestAnswer(200, {"available_phone_numbers": shown[:size], "uri": asked.path})


def _fits(offer: Offer, asked: Asked) -> bool:
    form = asked.form
    contains = form.get("Contains")
    if contains and len(contains) < 2:
        raise Refusal(20422, "Contains needs two signs at least")
    area = form.get("AreaCode")
    return (
        (not area or offer.address.startswith(f"+1{area}"))
        and (not contains or _contains(offer.address, contains))
        and form.get("InRegion") in {"", offer.region}
        and form.get("InLocality").lower() in {"", offer.locality.lower()}
        and form.get("InPostalCode") in {"", offer.postal_code}
        and _is_able(offer, asked)
        and not (form.is_true("ExcludeAllAddressRequired") and offer.address_requirements != "none")
        and not (form.is_true("ExcludeLocalAddressRequired") and offer.address_requirements == "local")
        and not (form.is_true("ExcludeForeignAddressRequired") and offer.address_requirements == "foreign")
    )


def _contains(address: str, wanted: str) -> bool:
    """`*` is any digit; letters are keys of a telephone."""
    keys = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")
    signs = wanted.upper().translate(keys)
    return (
        re.search("".join("[0-9]" if sign == "*" else re.escape(sign) for sign in signs), address) is not None
    )


def _is_able(offer: Offer, asked: Asked) -> bool:
    """`SmsEnabled=true` and the like; `false` asks for those that cannot."""
    able = offer.capabilities
    wanted = ((name, asked.form.get(f"{name.capitalize()}Enabled").lower()) for name in able)
    return all(text not in {"true", "false"} or able[name] == (text == "true") for name, text in wanted)


# --- Buying -------------------------------------------------------------------------------------------


def chosen(ledger: Ledger, number: str, area: str) -> Offer:
    """The offer that is to be bought: this number, or any of an area code of +1.

    Raises:
        Refusal: 21421 is no number, 21422 not to be had, 21451 no area code, 21452 none there.
    """
    taken = {owned.address for owned in ledger.numbers.values()}
    free = [offer for offer in offers() if offer.address not in taken]
    if number:
        if not re.fullmatch(r"\+?[0-9]{8,15}", number):
            raise Refusal(21421, number)
        found = [offer for offer in free if offer.address == number]
        if not found:
            raise Refusal(21422, number)
        return found[0]
    if not re.fullmatch(r"[2-9][0-9]{2}", area):
        raise Refusal(21451, area)
    found = [offer for offer in free if offer.kind == "local" and offer.address.startswith(f"+1{area}")]
    if not found:
        raise Refusal(21452, area)
    return found[0]
