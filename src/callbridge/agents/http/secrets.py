"""Secrets that stand in an agent's file by their names in the environment, `${BOOKING_KEY}`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

HIDDEN: Final = "[secret]"
"""What is told in place of a secret."""

_SHORTEST: Final = 6
"""A shorter one stands in many a word, and hides nothing."""


class SecretFault(ValueError):  # noqa: N818  # Said of what somebody wrote down.
    """A secret is missing or cannot be one. The text never has its value."""


class Secrets:
    """The secrets of one agent. It keeps those that were asked for, and takes them out of what is told.

    Args:
        environment: where they are looked for.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._used: set[str] = set()
        self._forms: set[str] = set()
        """The secrets that were asked for, as they are and as they stand in JSON and in a URL."""

    def fill(self, text: str) -> str:
        """`text` with the secrets that it names.

        Raises:
            SecretFault: one is not set, or too short to be one.
        """
        if missing := [name for name in dict.fromkeys(_NAME.findall(text)) if not self._value_of(name)]:
            names = " and ".join(missing)
            raise SecretFault(f"{names} must be set in the environment, and not be empty")
        if "${" in _NAME.sub("", text):
            raise SecretFault("write a name of the environment as ${NAME}")
        for name in _NAME.findall(text):
            self._keep(name)
        return _NAME.sub(lambda found: self._value_of(found[1]), text)

    def _value_of(self, name: str) -> str:
        return self._environment.get(name, "").strip()

    def _keep(self, name: str) -> None:
        value = self._value_of(name)
        if len(value) < _SHORTEST:
            raise SecretFault(f"{name} has fewer than {_SHORTEST} characters, which is no secret")
        self._used.add(name)
        self._forms |= {value, json.dumps(value)[1:-1], quote(value, safe="")}

    def hide(self, value: Any) -> Any:
        """`value`, a text or what JSON has, without them."""
        match value:
            case str():
                for form in self._forms:
                    value = value.replace(form, HIDDEN)
                return value
            case list():
                return [self.hide(part) for part in value]
            case dict():
                return {self.hide(name): self.hide(part) for name, part in value.items()}
            case _:
                return value

    def __repr__(self) -> str:
        return f"<Secrets {', '.join(sorted(self._used)) or 'none'}>"


def names_a_secret(text: str) -> bool:
    """Whether a secret stands in `text` by its name."""
    return _NAME.search(text) is not None
