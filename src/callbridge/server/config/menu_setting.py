"""How CALLBRIDGE_FALLBACK_MENU is read: JSON, by its keys. What is wrong is told with its key."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator

from callbridge.agents.office_hours import HoursFault, OfficeHours
from callbridge.switchboard.fallback_menu import Menu, MenuEntry

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS_MAX: Final = 5
"""More than five keys nobody keeps in mind."""

LABEL_CHARACTERS_MAX: Final = 80
SAID_CHARACTERS_MAX: Final = 1000
"""A minute of it. Twilio's voices take 3000."""

EXAMPLE: Final = '{"1": {"label": "sales", "dial": "+14155550123"}}'

_KEY: Final = re.compile("[0-9]", re.ASCII)
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_LEADS: Final = ("dial", "voicemail", "say")


def read_menu(value: object) -> object:
    """The entries of a menu in the order in which they were written.

    Raises:
        ValueError: the text is none; says why, and at which key.
    """
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value, object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"is not JSON ({error.msg}, character {error.pos + 1}). Write it as {EXAMPLE}, all on one line."
        ) from None
    except RecursionError:
        found = None
    if not isinstance(found, dict) or not found:
        raise ValueError(f"must be an object of keys. Write it as {EXAMPLE}.")
    if len(found) > KEYS_MAX:
        raise ValueError(f"has {len(found)} keys. Leave {KEYS_MAX} at most: nobody keeps more in mind.")
    return tuple(_entry(key, given) for key, given in found.items())


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has {twice!r} twice. Remove one of them.")
    return found


def _entry(key: str, given: object) -> MenuEntry:
    if not _KEY.fullmatch(key):
        raise ValueError(f"has key {key!r}. A key is one digit, 0 to 9.")
    if not isinstance(given, dict):
        raise _fault(key, "is no object", f"Write it as {EXAMPLE}")
    for name in given:
        if name not in _READERS:
            known = ", ".join(_READERS)
            raise _fault(key, f"has {name!r}, which it cannot have", f"It may have {known}")
    read = {name: _READERS[name](key, value) for name, value in given.items()}
    leads = [name for name in _LEADS if read.get(name)]
    if len(leads) != 1:
        what = f"leads to {' and '.join(leads)}" if leads else "leads nowhere"
        raise _fault(key, what, f"Set exactly one of {', '.join(_LEADS)}")
    if not read.get("label") and not read.get("prompt"):
        raise _fault(key, "has no label", "Set what callers hear: For LABEL, press KEY; or a whole prompt")
    return MenuEntry(key, **read)


def _fault(key: str, what: str, remedy: str) -> ValueError:
    return ValueError(f"at key {key} {what}. {remedy}.")


def _text(name: str, characters_max: int) -> Callable[[str, object], str]:
    def read(key: str, value: object) -> str:
        text = " ".join(value.split()) if isinstance(value, str) else ""
        if not text or not text.isprintable() or len(text) > characters_max:
            raise _fault(key, f"has no usable {name}", f"It is a text of 1 to {characters_max} characters")
        return text

    return read


def _dial(key: str, value: object) -> str:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise _fault(key, "dials no telephone number", "Write it with its country code, such as +14155550123")
    return value


def _voicemail(key: str, value: object) -> bool:
    if value is not True:
        raise _fault(key, "has a voicemail that is not true", "Write true, without quotes, or leave it out")
    return True


def _hours(key: str, value: object) -> OfficeHours:
    try:
        return OfficeHours.parse(value if isinstance(value, str) else "")
    except HoursFault as fault:
        raise _fault(key, "has hours that cannot be read", str(fault)) from None


_READERS: Final[dict[str, Callable[[str, object], Any]]] = {
    "label": _text("label", LABEL_CHARACTERS_MAX),
    "prompt": _text("prompt", 2 * LABEL_CHARACTERS_MAX),
    "dial": _dial,
    "voicemail": _voicemail,
    "say": _text("say", SAID_CHARACTERS_MAX),
    "hours": _hours,
}


def read_hours(value: object) -> object:
    """Office hours.

    Raises:
        ValueError: the text is none; says why.
    """
    if not isinstance(value, str):
        return value
    try:
        return OfficeHours.parse(value)
    except HoursFault as fault:
        raise ValueError(f"cannot be read: {fault}") from None


FallbackMenu = Annotated[Menu | None, BeforeValidator(read_menu)]
Hours = Annotated[OfficeHours | None, BeforeValidator(read_hours)]
