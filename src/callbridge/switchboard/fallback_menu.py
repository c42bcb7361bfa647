"""The menu of the fallback: its keys, and what follows each of them.

A caller hears it, and once more if they press a wrong key or none; then the fallback goes on without it.
After a text that a key has read to them they hear it a last time. So no call goes round in it. All that the
next answer depends on travels in the address that Twilio asks, and signs: no process has to remember
anything, and whoever asks twice is told the same.

Pure: keys and times come in.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, assert_never

from callbridge.agents.office_hours import OfficeHours

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.switchboard.office import Office


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One key, and what it leads to: exactly one of `dial`, `voicemail` and `say`."""

    key: str
    """A digit."""
    label: str = ""
    """What it leads to, in words that stand behind "for": `sales`."""
    prompt: str = ""
    """The whole sentence, in place of "For `label`, press `key`."."""
    dial: str = ""
    """The telephone number of a human."""
    voicemail: bool = False
    say: str = ""
    """A text that is read to the caller."""
    hours: OfficeHours | None = None
    """When it is offered. Nothing: a human in the office hours, the others at any time."""

    def is_offered(self, office: Office, now: float) -> bool:
        """Whether callers hear of it at this time."""
        hours = self.hours or (office.hours if self.dial else None)
        return office.keeps(hours, now)


Menu: TypeAlias = tuple[MenuEntry, ...]


def offered(menu: Menu, office: Office, now: float, may_ring: Callable[[str], bool]) -> str:
    """The keys that a call is offered.

    Args:
        menu: as it is set; empty for none.
        office: where its humans are.
        now: wall time in seconds.
        may_ring: whether the call may be put through to the human of this number.
    """
    return "".join(
        entry.key
        for entry in menu
        if entry.is_offered(office, now) and (not entry.dial or may_ring(entry.dial))
    )


class Round(enum.StrEnum):
    """Which time the caller hears the menu."""

    FIRST = "first"
    AGAIN = "again"
    """They pressed a wrong key, or none."""
    LAST = "last"
    """A text was read to them."""


class Otherwise(enum.Enum):
    """What follows a wrong key, and silence."""

    MENU = enum.auto()
    """The menu once more."""
    LADDER = enum.auto()
    """The fallback as it is without a menu."""
    GOODBYE = enum.auto()


_KEYS = re.compile("[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MenuQuestion:
    """What follows the keys of a caller: one question of Twilio's, by its address."""

    round: Round
    keys: str
    """Those that were offered."""
    rings_human: bool
    """Whether the human of the fallback may be rung if none of them is pressed."""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> MenuQuestion:
        """The question of an address. One of another version, which makes no sense here, leads on."""
        told, keys = query.get("round", ""), query.get("keys", "")
        return cls(
            Round(told) if told in set(Round) else Round.AGAIN,
            keys if _KEYS.fullmatch(keys) else "",
            query.get("human") == "1",
        )

    @property
    def query(self) -> str:
        """What its address ends in."""
        return f"round={self.round}&keys={self.keys}&human={int(self.rings_human)}"

    def chosen(self, digits: str, menu: Menu) -> MenuEntry | None:
        """What the caller has chosen; nothing where they pressed a key that was not offered, or none."""
        is_offered = len(digits) == 1 and digits in self.keys
        return next((entry for entry in menu if is_offered and entry.key == digits), None)

    @property
    def otherwise(self) -> Otherwise:
        """What follows when nothing was chosen."""
        match self.round:
            case Round.FIRST:
                return Otherwise.MENU
            case Round.AGAIN:
                return Otherwise.LADDER
            case Round.LAST:
                return Otherwise.GOODBYE
            case never:
                assert_never(never)

    def at(self, menu_round: Round) -> MenuQuestion:
        """The same menu, heard another time."""
        return replace(self, round=menu_round)
