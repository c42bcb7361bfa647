"""`PhoneNumber`: as E.164 has it, judged by the rules of its country."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import phonenumbers as pn

from callbridge.agents.fields.ready import Ready
from callbridge.agents.fields.said import quoted, text_of
from callbridge.agents.fields.spelling.letters import grouped
from callbridge.agents.fields.spelling.tongues import tongue_of

if TYPE_CHECKING:
    from callbridge.agents.fields.ready import At

_WRITTEN: Final = re.compile(
    r"\+?[\s().\-/]{0,9}\d[\d\s().\-/]*(?:(?:;ext=|ext\.?|extension|x)\s*(?P<extension>\d{1,7}))?",
    re.IGNORECASE | re.ASCII,
)

_WRONG: Final = {
    pn.ValidationResult.TOO_SHORT: "has too few digits",
    pn.ValidationResult.TOO_LONG: "has too many digits",
    pn.ValidationResult.INVALID_LENGTH: "has a wrong number of digits",
    pn.ValidationResult.INVALID_COUNTRY_CODE: "has a country code that does not exist",
    pn.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "has no area code",
}


class PhoneNumberReady(Ready):
    """A phone number.

    Args:
        region: where a number without a country code belongs; None for where the call is.

    Raises:
        ValueError: there is no such region.
    """

    description = (
        "A phone number in digits, with + and the country code if the caller has said it, for example "
        "'+14155550100'; otherwise as it is dialled at home. Write digits for spoken numbers."
    )

    def __init__(self, region: str | None = None) -> None:
        if region is not None and region not in pn.SUPPORTED_REGIONS:
            raise ValueError(f"phone_number: there is no region {region!r}; write it like 'US' or 'DE'")
        self._region = region

    def read(self, said: object, at: At) -> str:
        """`+14155550100`, an extension behind it as `;ext=5`."""
        text = text_of(said, "the phone number")
        written = _WRITTEN.fullmatch(text)
        if written is None:
            raise ValueError("a phone number is written in digits alone, perhaps with a + before it")
        number = self._parsed(text, at)
        _refuse_impossible(number, text)
        extension = f";ext={written['extension']}" if written["extension"] else ""
        return pn.format_number(number, pn.PhoneNumberFormat.E164) + extension

    def _parsed(self, text: str, at: At) -> pn.PhoneNumber:
        digits = re.split(r"[;a-z]", text, maxsplit=1, flags=re.IGNORECASE)[0]
        region = self._region or at.region
        try:
            return pn.parse(digits, region if region in pn.SUPPORTED_REGIONS else None)
        except pn.NumberParseException as error:
            if error.error_type == pn.NumberParseException.INVALID_COUNTRY_CODE:
                why = "has no country code that exists; ask for the number with its country code"
            elif error.error_type == pn.NumberParseException.TOO_LONG:
                why = "has too many digits; ask for it again"
            else:
                why = "has too few digits; ask for it again"
            raise ValueError(f"{quoted(text)} {why}") from error

    def read_back(self, value: Any, at: At) -> str:
        """As it is dialled where the call is, or with the country code, in groups."""
        e164, _, extension = str(value).partition(";ext=")
        number = pn.parse(e164)
        is_home = pn.region_code_for_number(number) == (self._region or at.region)
        style = pn.PhoneNumberFormat.NATIONAL if is_home else pn.PhoneNumberFormat.INTERNATIONAL
        written = pn.format_number(number, style)
        groups = ", ".join(grouped(digits) for digits in re.findall(r"\d+", written))
        tongue = tongue_of(at.language)
        plus = "" if is_home else f"{tongue.signs['+'][0]} "
        return f"{plus}{groups}" + (f", {tongue.extension} {grouped(extension)}" if extension else "")


def _refuse_impossible(number: pn.PhoneNumber, text: str) -> None:
    reason = pn.is_possible_number_with_reason(number)
    if reason != pn.ValidationResult.IS_POSSIBLE:
        raise ValueError(
            f"{quoted(text)} {_WRONG[reason]} for a number of +{number.country_code}; ask for it again"
        )
    if not pn.is_valid_number(number):
        raise ValueError(
            f"{quoted(text)} cannot be a number of +{number.country_code}: none begins like that; read it "
            "back digit by digit and ask what is wrong, or for the country code"
        )


def phone_number(region: str | None = None) -> PhoneNumberReady:
    """A phone number that belongs to `region` where it has no country code.

    It stands in `Annotated[str, phone_number(region="DE")]`.

    Raises:
        ValueError: there is no such region.
    """
    return PhoneNumberReady(region)


PhoneNumber: TypeAlias = Annotated[str, phone_number()]
"""A phone number as E.164 has it, `+14155550100`. Without a country code it is one of the call's region."""
