"""The way in of one session of the model. Where it leads changes, the reader in front of it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbridge.bridge.legs.leg import Read


class Door:
    """What the reader of a leg calls with each message."""

    __slots__ = ("leads_to",)

    def __init__(self, leads_to: Read) -> None:
        self.leads_to = leads_to

    def __call__(self, text: str | bytes) -> None:  # noqa: D102  # See the class.
        leads_to = self.leads_to
        leads_to(text)


def nowhere(_text: str | bytes) -> None:
    """What a session says that is not of this call any more."""
