"""Many cases at once, which wait for audio and for clocks most of the time: as many as the machine carries.

Who is next begins when the loop runs on time. A case that went wrong while it did not is played once more,
alone: what was the machine's does not come again, and what is a fault of ours does.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from typing import TypeAlias

T = TypeVar("T")
Case: TypeAlias = "Callable[[], Awaitable[T]]"

AT_ONCE: Final = 24
"""More would wait for each other, and not for the service."""

TICK_S: Final = 0.05
LATE_S: Final = 0.01
"""Any timer is a little late."""

CALM_S: Final = 0.02
"""So late a tick may be for another case to begin."""

SPELL_S: Final = 0.15
"""Who waited for the loop so long at once may have gone wrong for that."""

SHARE: Final = 0.05
"""Or in all, of the time that they took."""

ROUNDS: Final = 3
"""Each of those that went wrong on a busy machine has as many chances."""

PLAYED_AGAIN: Final[list[str]] = []
"""Of the present test, for its report: the cases, each with what was wrong at first."""


@dataclass
class Lateness:
    """How late the loop of the test was, and when: what a busy machine adds to a silence is not ours."""

    spells: list[tuple[float, float]] = field(default_factory=list)
    """From when it should have run to when it did."""
    is_calm: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by each tick that is on time."""

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[Lateness]:
        """Watches for as long as something runs."""
        watching = asyncio.create_task(self._watch(), name="lateness")
        try:
            yield self
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due_at = clock() + TICK_S
            await asyncio.sleep(TICK_S)
            late_s = clock() - due_at
            if late_s > LATE_S:
                self.spells.append((due_at, due_at + late_s))
            if late_s < CALM_S:
                self.is_calm.set()

    def between(self, since: float, until: float) -> float:
        """Seconds of it in a stretch of time."""
        return sum(self._spells(since, until))

    def excuses(self, since: float, until: float) -> bool:
        """Whether it was so late in a stretch of time that it may be to blame for what went wrong then."""
        longest_s = max(self._spells(since, until), default=0.0)
        return longest_s > SPELL_S or self.between(since, until) > SHARE * (until - since)

    def _spells(self, since: float, until: float) -> Iterable[float]:
        return (
            min(end, until) - max(begin, since) for begin, end in self.spells if end > since and begin < until
        )


@dataclass
class Outcome(Generic[T]):
    """What came of one case."""

    name: str
    faults: list[str]
    result: T | None = None
    is_excused: bool = False
    """It went wrong while the loop was late."""


class Crowd(Generic[T]):
    """Plays cases.

    Args:
        wrong: what is not as promised in what a case answers; an assertion that it breaks counts as well.
        at_once: how many cases at the most.
    """

    def __init__(self, wrong: Callable[[T], Iterable[str]] = lambda _: (), at_once: int = AT_ONCE) -> None:
        self.lateness = Lateness()
        self._wrong = wrong
        self._places = asyncio.Semaphore(at_once)
        self._turn = asyncio.Lock()

    async def play(self, cases: Mapping[str, Case[T]]) -> dict[str, T]:
        """What each case has answered, by its name.

        Raises:
            AssertionError: some went wrong; all that was wrong with all of them.
        """
        async with self.lateness.watched():
            found = await self._all_at_once(cases)
            for _ in range(ROUNDS - 1):
                for name, outcome in found.items():
                    if outcome.is_excused:
                        PLAYED_AGAIN.append(f"{name}: {'; '.join(outcome.faults)}"[:200])
                        found[name] = await self._one(name, cases[name])
        faults = [f"{name}: {fault}" for name, outcome in found.items() for fault in outcome.faults]
        assert not faults, "\n" + "\n".join(faults)
        # None is what some cases answer.
        return {name: outcome.result for name, outcome in found.items()}  # type: ignore[misc]

    async def _all_at_once(self, cases: Mapping[str, Case[T]]) -> dict[str, Outcome[T]]:
        async with asyncio.TaskGroup() as tasks:
            running = {
                name: tasks.create_task(self._in_turn(name, case), name=name) for name, case in cases.items()
            }
        return {name: task.result() for name, task in running.items()}

    async def _in_turn(self, name: str, case: Case[T]) -> Outcome[T]:
        async with self._places:
            async with self._turn:
                self.lateness.is_calm.clear()
                await self.lateness.is_calm.wait()
            return await self._one(name, case)

    async def _one(self, name: str, case: Case[T]) -> Outcome[T]:
        clock = asyncio.get_running_loop().time
        began_at, result = clock(), None
        try:
            result = await case()
            faults = list(self._wrong(result))
        except (AssertionError, TimeoutError, ExceptionGroup) as error:
            faults = [first_of(error)]
        is_excused = bool(faults) and self.lateness.excuses(began_at, clock())
        return Outcome(name, faults, result, is_excused)


def first_of(error: BaseException) -> str:
    """What was wrong first, whatever has wrapped it since."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__} {error}"
