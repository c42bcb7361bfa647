"""What the command line may ask for: the three ready-made sets, and how words become values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from bench.bridges import BRIDGES, WITH_AGENT, WITH_RECORDING, WITH_RECORDS, WITH_WORKERS
from bench.guard import OURS, THEIRS
from bench.plan import Case, Leg, Pace, cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.bridges import BridgeKind

CALLS_MAX: Final = 5_000
"""Well below the ports that one loopback address has."""

Item = TypeVar("Item")


class WishError(ValueError):
    """A word on the command line that means nothing; says which and what would."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be measured."""

    bridges: tuple[BridgeKind, ...]
    legs: tuple[Leg, ...]
    calls: tuple[int, ...]
    repeats: int
    pace: Pace

    @property
    def cases(self) -> list[Case]:
        """In the order in which they are run."""
        return list(cases(self.bridges, self.legs, self.calls, self.repeats))

    def with_words(self, *, bridges: str | None, legs: str | None, calls: str | None) -> Wishes:
        """The same with what the user chose otherwise, each a list with commas.

        Raises:
            WishError: a word that names nothing.
        """
        return replace(
            self,
            bridges=self.bridges if bridges is None else _each(bridges, _bridge),
            legs=self.legs if legs is None else _each(legs, _leg),
            calls=self.calls if calls is None else _each(calls, _count),
        )


WHOLE: Final = Wishes(tuple(BRIDGES.values()), tuple(Leg), (10, 50, 250, 600, 1000), 3, Pace())
QUICK: Final = Wishes(
    tuple(
        kind
        for kind in BRIDGES.values()
        if kind.name not in {WITH_AGENT, WITH_RECORDS, WITH_RECORDING, WITH_WORKERS}
    ),
    (Leg.PLAIN,),
    (10, 50),
    1,
    Pace(window_s=2, warm_up_s=1, starts_per_s=100),
)
"""A minute is enough for one callbridge."""
GUARD: Final = Wishes(
    (BRIDGES[OURS], BRIDGES[THEIRS]),
    (Leg.PLAIN,),
    (250,),
    3,
    Pace(window_s=5, warm_up_s=2, starts_per_s=100),
)
"""As many calls as a core carries well, because the kernel counts user time in hundredths of a second."""


def _each(words: str, value_of: Callable[[str], Item]) -> tuple[Item, ...]:
    """Each value once, in the order given."""
    return tuple(dict.fromkeys(value_of(word.strip()) for word in words.split(",")))


def _bridge(word: str) -> BridgeKind:
    if word not in BRIDGES:
        raise WishError(f"no bridge is called {word!r}; there are {', '.join(BRIDGES)}")
    return BRIDGES[word]


def _leg(word: str) -> Leg:
    try:
        return Leg(word)
    except ValueError:
        raise WishError(f"a model leg is plain or tls, not {word!r}") from None


def _count(word: str) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= CALLS_MAX:
        raise WishError(f"a number of calls is 1 to {CALLS_MAX:,}, not {word!r}")
    return int(word)
