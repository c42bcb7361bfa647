"""The one exception of this storey, raised by the two `parse` functions only, and what it stands for."""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What a decoder raises for text of a peer: not the message, not UTF-8, or nested without end."""


class ProtocolError(Exception):
    """A peer broke its protocol. The text says how, without quoting what a person said."""
