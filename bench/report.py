"""What the load generator says about a run, as typed values. Pure."""

from __future__ import annotations

from typing import Final, Literal

import msgspec


class Histogram(msgspec.Struct, frozen=True):
    """Durations in buckets whose width is 1.6 % of their value."""

    count: int
    max_ns: int
    buckets: tuple[tuple[int, int], ...]
    """Upper edge in ns and count, in rising order, empty ones left out."""

    def at(self, share: float) -> float:
        """The duration in ms below which `share` (0 to 1) of all lie; 0 when there are none."""
        wanted, passed = share * self.count, 0
        for edge_ns, count in self.buckets:
            passed += count
            if passed >= wanted:
                return min(edge_ns, self.max_ns) / 1e6
        return 0.0

    @property
    def max_ms(self) -> float:
        """The longest of all, exact."""
        return self.max_ns / 1e6


class Direction(msgspec.Struct, frozen=True):
    """Audio frames one way. `up` is from the phone to the model, `down` back."""

    sent: int
    """Written in the measured window."""
    received: int
    """Those of `sent` that arrived before the end of the drain, each counted once."""
    sent_before: int
    received_before: int
    """The same for frames written before the window: while calls were set up and warmed up."""
    duplicated: int
    reordered: int
    unreadable: int
    """Audio that arrived changed, or in another size than it was sent."""
    latency: Histogram
    """From writing a frame at one end to reading it at the other."""

    @property
    def lost(self) -> int:
        """Frames of the window that did not arrive."""
        return self.sent - self.received


class GeneratorHealth(msgspec.Struct, frozen=True):
    """Whether the load generator itself was fast enough to be believed."""

    cpu_s: float
    """CPU time that it used in the window."""
    lateness: Histogram
    """How late it did what was due."""
    turn: Histogram
    """From each wake-up to the next wait: how long an arriving frame may have waited to be read."""


class Report(msgspec.Struct, frozen=True, tag_field="kind", tag="report"):
    """The whole of one run. Counts are of measured calls; extra calls come and go beside them."""

    outcome: Literal["complete", "failed"]
    reason: str
    """Why it failed, or why the first lost call was lost."""
    calls: int
    calls_up: int
    calls_lost: int
    extras_up: int
    window_s: float
    marks_received: int
    clears_received: int
    up: Direction
    down: Direction
    set_up: Histogram
    """From dialling a call to audio at both ends."""
    generator: GeneratorHealth


class SecondOfDirection(msgspec.Struct, frozen=True):
    """One second of one direction."""

    sent: int
    received: int
    p50_us: float
    p99_us: float
    max_us: float


class Second(msgspec.Struct, frozen=True, tag_field="kind", tag="second"):
    """One second of a run, while it runs."""

    at_s: float
    phase: str
    calls_up: int
    calls_lost: int
    up: SecondOfDirection
    down: SecondOfDirection


class WindowEdge(msgspec.Struct, frozen=True):
    """The measured window begins or ends at this very moment."""

    is_begin: bool


Line = Report | Second | WindowEdge

_EDGES: Final = {b"WINDOW_BEGIN": WindowEdge(is_begin=True), b"WINDOW_END": WindowEdge(is_begin=False)}
_decode: Final = msgspec.json.Decoder(Report | Second).decode


def parse_line(line: bytes) -> Line:
    """One line of the generator's standard output.

    Raises:
        ValueError: it is none.
    """
    edge = _EDGES.get(line.strip())
    return _decode(line) if edge is None else edge
