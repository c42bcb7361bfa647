"""`PostalAddress`: the parts of an address as the caller gives them. Nobody is asked whether it exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from callbridge.agents.fields.ready import Ready
from callbridge.agents.fields.said import quoted, text_of
from callbridge.agents.fields.spelling.tongues import tongue_of

if TYPE_CHECKING:
    from callbridge.agents.fields.ready import At

_PART_MAX: Final = 120
_NAMES: Final = {
    "street": "the street",
    "house_number": "the house number",
    "postal_code": "the postal code",
    "city": "the city",
    "addition": "the addition",
    "state": "the state",
    "country": "the country",
}
_NEEDED: Final = ("street", "city")
_WITH_DIGITS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 \-]{1,9}")
"""Postal codes of all countries look like that."""


class PostalAddressReady(Ready):
    """A postal address."""

    description = (
        "A postal address in its parts. Ask for street and house number, postal code and city; for the "
        "country only if it may be another one."
    )

    def schema(self) -> dict[str, Any]:
        """An object of texts; what is not known is left out."""
        schema = PostalAddress.model_json_schema()
        parts = {
            name: {"type": "string", "description": part["description"]}
            for name, part in schema["properties"].items()
        }
        return {
            "type": "object",
            "description": self.description,
            "properties": parts,
            "required": list(_NEEDED),
            "additionalProperties": False,
        }

    def read(self, said: object, at: At) -> dict[str, str]:  # noqa: ARG002 - it is the same everywhere
        """Its parts, those that are not known as empty texts."""
        if not isinstance(said, dict):
            raise ValueError(f"the address must be an object of {', '.join(_NAMES)}")  # noqa: TRY004 - see Ready
        if odd := [str(name) for name in said if name not in _NAMES]:
            raise ValueError(f"an address has no part {quoted(odd[0])}; it has {', '.join(_NAMES)}")
        parts = {name: _part(said.get(name), name) for name in _NAMES}
        if missing := [_NAMES[name] for name in _NEEDED if not parts[name]]:
            raise ValueError(f"the address lacks {' and '.join(missing)}; ask the caller")
        code = parts["postal_code"]
        if code and not _WITH_DIGITS.fullmatch(code):
            raise ValueError(f"{quoted(code)} is no postal code; ask the caller for it")
        return parts

    def read_back(self, value: Any, at: At) -> str:
        """In the order of the language, the postal code sign by sign."""
        said = dict(value) | {"postal_code": " ".join(value["postal_code"].replace(" ", ""))}
        lines = (" ".join(filter(None, map(said.get, line))) for line in tongue_of(at.language).address)
        return ", ".join(filter(None, lines))


def _part(said: object, name: str) -> str:
    """One part. The model may write a number or null for a text."""
    if said is None or said == "":
        return ""
    if isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 10**10:
        said = str(said)
    text = text_of(said, f"{_NAMES[name]} of the address")
    if len(text) > _PART_MAX:
        raise ValueError(f"{_NAMES[name]} of the address has {len(text)} characters; write it alone")
    return text


class PostalAddress(BaseModel):
    """Where somebody lives. What the caller has not said is empty."""

    model_config = ConfigDict(extra="forbid")
    ready: ClassVar[Ready] = PostalAddressReady()

    street: str = Field(description="The street without the house number.")
    house_number: str = Field(default="", description="The house number, '12 B' for example.")
    postal_code: str = Field(default="", description="The postal code.")
    city: str = Field(description="The city or village.")
    addition: str = Field(default="", description="Flat, floor, building or 'care of', if there is any.")
    state: str = Field(default="", description="The state or province, where addresses have one.")
    country: str = Field(default="", description="The country, if it is another one than where the call is.")
