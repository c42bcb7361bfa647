"""What the account does to the world when it was asked something: the shell carries it out.

Pure values. A webhook is signed by whoever sends it, with the account's token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

NO_ANSWER: Final = 0
"""Instead of a status: nothing came back."""


@dataclass(frozen=True, slots=True)
class WebReply:
    """What a webhook answered."""

    url: str
    status: int
    """`NO_ANSWER` when none came."""
    content_type: str = ""
    body: bytes = b""
    code: int = 11200
    """Twilio's code for what went wrong, where something did."""
    detail: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it was answered with 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a webhook, signed."""

    url: str
    method: str
    form: Mapping[str, str]
    then: Callable[[WebReply], None]
    """Told what came back."""


@dataclass(frozen=True, slots=True)
class OnTheLine:
    """Do something to a leg: what it waits for is the exchange's business."""

    do: Callable[[], Awaitable[object] | object]


Effect: TypeAlias = Ask | OnTheLine
