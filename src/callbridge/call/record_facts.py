"""What happened to the record of a call: what was not written down in time, and whose process was lost."""

from __future__ import annotations

from typing import Final

from callbridge.call.fact_base import BaseFact

REAPER: Final = "reaper"
"""The source of what is written down of processes that are gone."""


class NotKept(BaseFact, frozen=True):
    """Something was done although it was not on disk in time that it is."""

    what: str
    """What it was: `start`, `consent`, `end`, or the name of a tool."""
    waited_ms: int


class ProcessLost(BaseFact, frozen=True):
    """The process that carried a stream is gone: so the stream has ended, unless its own end is known."""

    stream_sid: str
    process: str
