"""People as they are written on a command line: `+14155550100=takes`, `client:bob=no-answer`.

Pure.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from callbridge.simulators.phone.people import Answers, Moment, Person

if TYPE_CHECKING:
    from collections.abc import Iterable

TALK_S: Final = 20.0
"""How long they talk before they hang up."""

MANNERS: Final = {
    # A key counts where somebody asks for it.
    "takes": Person(presses=("1",), talks_s=TALK_S),
    "busy": Person(answers=Answers.BUSY),
    "no-answer": Person(answers=Answers.NO_ANSWER),
    "mailbox": Person(answers=Answers.MAILBOX, talks_s=TALK_S),
    "declines": Person(answers=Answers.DECLINES),
    "unreachable": Person(answers=Answers.UNREACHABLE),
    "hangs-up": Person(leaves=Moment.BRIEFING, leaves_after_s=1.0, talks_s=1.0),
}
PRESSES: Final = "presses"

SYNTAX: Final = f"one of {', '.join(MANNERS)}, or '{PRESSES} KEYS'"

_WRITTEN: Final = re.compile(
    r"(?P<manner>[a-z-]+)(?: +(?P<keys>[^\s@]+))?(?:@(?P<after_s>[0-9]+(?:\.[0-9]+)?))?"
)
_KEYS: Final = re.compile(r"[0-9*#]+")
_ADDRESS: Final = re.compile(r"\+[1-9][0-9]{6,14}|sips?:[^\s=@]+@\S+|client:\S+")


def written_people(texts: Iterable[str]) -> dict[str, list[Person]]:
    """Who is at which address. Of several at one address each answers one ring, the last one all others.

    Raises:
        ValueError: one is not written so; the text says what is wrong, and how it is written.
    """
    people: dict[str, list[Person]] = {}
    for text in texts:
        address, person = written_person(text)
        people.setdefault(address, []).append(person)
    return people


def written_person(text: str) -> tuple[str, Person]:
    """Who is where: `ADDRESS=MANNER`, and behind it `@SECONDS`, if need be, for how long it rings.

    Raises:
        ValueError: it is not written so; the text says what is wrong, and how it is written.
    """
    # From the right: parameters of a SIP address have an equals sign, too.
    address, equals, manner = text.rpartition("=")
    if not equals:
        raise ValueError(f"{text!r}: write ADDRESS=MANNER, as +14155550100=takes; MANNER is {SYNTAX}")
    if _ADDRESS.fullmatch(address) is None:
        raise ValueError(f"{text!r}: {address!r} is no number such as +14155550100, no sip:… and no client:…")
    return address, _person(text, manner.strip())


def _person(text: str, manner: str) -> Person:
    found = _WRITTEN.fullmatch(manner)
    if found is None or (found["manner"] not in MANNERS and found["manner"] != PRESSES):
        raise ValueError(f"{text!r}: {manner!r} is not what a person does; MANNER is {SYNTAX}")
    person = _pressing(text, found["keys"]) if found["manner"] == PRESSES else MANNERS[found["manner"]]
    if found["keys"] and found["manner"] != PRESSES:
        raise ValueError(f"{text!r}: only '{PRESSES}' has keys; MANNER is {SYNTAX}")
    return person if found["after_s"] is None else replace(person, after_s=float(found["after_s"]))


def _pressing(text: str, keys: str | None) -> Person:
    if keys is None or _KEYS.fullmatch(keys) is None:
        raise ValueError(f"{text!r}: write which keys, of 0 to 9, * and #: '{PRESSES} 5'")
    return Person(presses=(keys,), talks_s=TALK_S)
