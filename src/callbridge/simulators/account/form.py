"""The parameters of a request, checked as the REST API checks them.

Names are case-sensitive PascalCase; lists are repeated keys; truth values are text. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from callbridge.simulators.account.rest import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection

METHODS: Final = ("GET", "POST")
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Form:
    """What was sent, of a query or of a form body."""

    def __init__(self, text: str, *, takes_loopback: bool = True) -> None:
        self.pairs: Final = parse_qsl(text, keep_blank_values=True)
        self._takes_loopback = takes_loopback

    def __contains__(self, name: str) -> bool:
        return any(name == found for found, _ in self.pairs)

    def get(self, name: str, default: str = "") -> str:
        """The value; of several the last."""
        return next((value for found, value in reversed(self.pairs) if found == name), default)

    def all(self, name: str) -> list[str]:
        """Every value of a repeated name."""
        return [value for found, value in self.pairs if found == name]

    def unknown(self, known: Collection[str]) -> list[str]:
        """Names that Twilio does not know, and passes over."""
        return sorted({name for name, _ in self.pairs} - set(known))

    def refuse(self, unsimulated: Collection[str]) -> None:
        """Refuse what Twilio would do and this account does not, rather than pretend.

        Raises:
            Refusal: 20422.
        """
        wanted = {name for name, value in self.pairs if value.lower() not in {"", "false"}}
        if found := sorted(wanted.intersection(unsimulated)):
            raise Refusal(20422, f"not simulated: {', '.join(found)}")

    def is_true(self, name: str, *, default: bool = False) -> bool:
        """A truth value, `true` or `false` in whatever letters; anything else is its default."""
        return {"true": True, "false": False}.get(self.get(name).lower(), default)

    def number(self, name: str, within: tuple[int, int], default: int, code: int) -> int:
        """A whole number.

        Raises:
            Refusal: with `code`, when it is none or out of bounds.
        """
        text = self.get(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit()) or not within[0] <= int(text[:9]) <= within[1]:
            raise Refusal(code, *((name, text) if code == 21234 else (text,)))
        return int(text)

    def method(self, name: str, code: int = 21209, default: str = "POST") -> str:
        """How a webhook is asked.

        Raises:
            Refusal: with `code`, when it is neither GET nor POST.
        """
        text = self.get(name, default) or default
        if text.upper() not in METHODS:
            raise Refusal(code, name, text)
        return text.upper()

    def url(self, name: str, code: int) -> str:
        """The address of a webhook, empty when none was sent.

        Raises:
            Refusal: with `code`, when Twilio could not ask it.
        """
        text = self.get(name)
        if text and not self.is_webhook(text):
            raise Refusal(code, *((name, text) if code == 21402 else (text,)))
        return text

    def is_webhook(self, url: str) -> bool:
        """Whether Twilio takes it: absolute, HTTP, a host name without underscore.

        Twilio refuses this machine's own names as well; here they are taken, unless the account says not to.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.scheme not in {"http", "https"} or not host or "_" in host or port == 0:
            return False
        if host in LOOPBACK:
            return self._takes_loopback
        return "." in host and " " not in url
