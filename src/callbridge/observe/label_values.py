"""Values of labels: few by construction, whatever a peer or a caller says. Pure.

A label whose values grow with calls makes a new series with each of them, until Prometheus falls over. So a
value is one of a closed list, or a name of the operator's own making, of which so many are kept apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

OTHER: Final = "other"
"""In the place of a value that is not one of the list, or one too many."""

NAMES_MAX: Final = 64
"""Names that are kept apart: more tools than an agent can use, more models than anybody runs."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}")
_PERSONAL: Final = re.compile(r"[A-Z]{2}[0-9a-f]{32}|\d{7}|[0-9a-f]{16}", re.IGNORECASE)
"""A SID, digits that may be a telephone, a key: never the name of a thing."""


class Listed:
    """One of a closed list."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = tuple(dict.fromkeys([*values, OTHER]))
        self._known = frozenset(self.values)

    def of(self, value: str) -> str:
        """The value, if it is one."""
        return value if value in self._known else OTHER


class Named:
    """A name that an operator has given to something."""

    def __init__(self, names_max: int = NAMES_MAX) -> None:
        self._names_max = names_max
        self._known: set[str] = set()

    def of(self, name: str) -> str:
        """The name, if it is known or there is room for another one."""
        if name in self._known:
            return name
        if len(self._known) >= self._names_max or not _NAME.fullmatch(name) or _PERSONAL.search(name):
            return OTHER
        self._known.add(name)
        return name

    def if_known(self, name: str) -> str:
        """The name, if it was told of before: for names that a model may have made up."""
        return name if name in self._known else OTHER
