"""What is measured, in which order, and for how long. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.bridges import BridgeKind

_SET_UP_S = 10.0
"""How long the last call of a ramp may take until audio has passed both ways."""


class Leg(enum.StrEnum):
    """How the bridge reaches the model."""

    PLAIN = "plain"
    TLS = "tls"

    @property
    def has_tls(self) -> bool:
        """Whether the model leg is encrypted, as it is with the vendor."""
        return self is Leg.TLS


@dataclass(frozen=True, slots=True)
class Case:
    """One bridge, one kind of model leg, one number of calls."""

    bridge: BridgeKind
    leg: Leg
    calls: int

    def __str__(self) -> str:
        return f"{self.bridge.name}, {self.leg}, {self.calls} calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long each part of a run takes."""

    window_s: float = 10.0
    warm_up_s: float = 3.0
    """Caches fill, buffers grow, compilers compile."""
    drain_s: float = 0.5
    """After the window: how long audio that is on its way may take before it counts as lost."""
    starts_per_s: float = 50.0
    """Calls begun a second while a run ramps up."""
    extra_starts_per_s: float = 0.0
    """Calls begun a second in the window, beside those that are measured."""
    extra_life_s: float = 2.0
    """How long each of them lasts."""

    def in_words(self, repeats: int) -> str:
        """For the reader of a table."""
        words = f"{repeats} x {self.window_s:g} s after {self.warm_up_s:g} s of warm-up"
        if self.extra_starts_per_s:
            words += f", with {self.extra_starts_per_s:g} extra calls begun a second"
        return words

    def ramp_bound_s(self, calls: int) -> float:
        """When a ramp that has not ended by itself is given up: twice as long as it should take."""
        return 2 * calls / self.starts_per_s + _SET_UP_S

    def run_bound_s(self, calls: int) -> float:
        """The longest that all parts of one run take together."""
        return self.ramp_bound_s(calls) + self.warm_up_s + self.window_s + self.drain_s


def cases(
    bridges: Sequence[BridgeKind], legs: Sequence[Leg], calls: Sequence[int], repeats: int
) -> Iterator[Case]:
    """Every case `repeats` times.

    The bridges take turns (A B C, A B C), so that a machine that grows slower or is disturbed for a while
    does so for all of them, and a ratio compares runs that lie close together.
    """
    for leg in legs:
        for count in calls:
            for _ in range(repeats):
                for bridge in bridges:
                    yield Case(bridge, leg, count)
