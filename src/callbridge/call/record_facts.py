"""What happened to the record of a call: what was late, whose process was lost, what was found later."""

from __future__ import annotations

from typing import Final

from callbridge.call.fact_base import BaseFact

REAPER: Final = "reaper"
"""The source of what is written down of processes that are gone."""

ANALYSIS: Final = "analysis"
"""The source of what a text model has found."""


class NotKept(BaseFact, frozen=True):
    """Something was done although it was not on disk in time that it is."""

    what: str
    """What it was: `start`, `consent`, `end`, or the name of a tool."""
    waited_ms: int


class ProcessLost(BaseFact, frozen=True):
    """The process that carried a stream is gone: so the stream has ended, unless its own end is known."""

    stream_sid: str
    process: str


class CallAnalysed(BaseFact, frozen=True):
    """A text model has looked at the call, after its end."""

    result: str
    """What it found, as JSON text."""
    model: str
    """As the endpoint names it."""
    tokens_in: int
    tokens_out: int
