"""What goes wrong with records, in words."""

from __future__ import annotations


class RecordsError(Exception):
    """The records cannot be used. The message says why and what to do."""


class RecordsAway(RecordsError):  # noqa: N818 - not a fault of anybody's: it is tried again
    """Not at the moment: the server is away or stopping, or somebody holds a lock."""
