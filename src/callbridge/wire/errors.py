"""The one exception of this floor. Only the two `parse` functions raise it."""

from __future__ import annotations


class ProtocolError(Exception):
    """A peer broke its protocol. The text says how, without quoting what a person said."""
