"""What the agent's side of one call wants of its core, in order, until the bridge takes it.

Abilities write here and nobody is called back. Any thread may write: a plain tool runs in one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from callbridge.call import wants as w
from callbridge.call.fact_base import BaseFact

if TYPE_CHECKING:
    from callbridge.call.facts import Fact

Wanted: TypeAlias = "w.Want | Fact"


class Wants:
    """The wants of one call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Looked at from their ends only: another thread may write meanwhile.
        self._facts: deque[Fact] = deque()
        self._waiting: deque[w.Want] = deque()
        self._withdrawn: set[str] = set()
        """Works that are not to run after all."""
        self._changed = asyncio.Event()
        """What an ability is has changed without a fact."""
        self._written = asyncio.Event()
        self._ids = itertools.count(1)

    def new_id(self, kind: str) -> str:
        """A name that nothing else in this stream has."""
        return f"{kind}_{next(self._ids)}"

    def add(self, wanted: Wanted) -> None:
        """One more. From the loop's own thread it can be taken at once."""
        if isinstance(wanted, BaseFact):
            self._facts.append(wanted)
        else:
            self._waiting.append(wanted)
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        if is_here:
            self._written.set()
        else:
            with contextlib.suppress(RuntimeError):  # The process ends: nobody takes anything any more.
                self._loop.call_soon_threadsafe(self._written.set)

    def changed(self) -> None:
        """What an ability tells the model, or has as tools, has changed without a fact. On the loop alone."""
        self._changed.set()
        self._written.set()

    def take_change(self) -> bool:
        """Whether that was said since it was asked last."""
        has_changed = self._changed.is_set()
        self._changed.clear()
        return has_changed

    def withdraw(self, work_id: str) -> None:
        """A work is not to run after all, if nobody has taken it yet."""
        self._withdrawn.add(work_id)

    def take_fact(self) -> Fact | None:
        """The oldest fact; None when there is none."""
        return self._facts.popleft() if self._facts else None

    def take(self) -> w.Want | None:
        """The oldest of what is no fact; None when there is nothing at all."""
        while self._waiting:
            want = self._waiting.popleft()
            if not (isinstance(want, w.WorkAsked) and want.call_id in self._withdrawn):
                return want
        if not self._facts:  # Whoever writes between this and the next line sets it again.
            self._written.clear()
        return None

    async def written(self) -> None:
        """Returns when there is something to be taken."""
        await self._written.wait()


class OwnWants(Wants):
    """The wants of a call as one of its agents writes them: the same ones, and whose a work is stays known.

    Works of two agents may have one name; their ids differ.
    """

    def __init__(self, wants: Wants) -> None:
        vars(self).update(vars(wants))  # The queues themselves.
        self._works: dict[str, str] = {}
        """The names of those that have not ended, by their ids."""

    def add(self, wanted: Wanted) -> None:
        """One more."""
        if isinstance(wanted, w.WorkAsked):
            self._works[wanted.call_id] = wanted.name
        super().add(wanted)

    def has_asked(self, work_id: str) -> bool:
        """Whether this agent has asked for a work that has not ended."""
        return work_id in self._works

    def awaits(self, work: str) -> bool:
        """Whether it has asked for one of this name that has not ended."""
        return work in tuple(self._works.values())  # In one step: another thread may ask for one.

    def ended(self, work_id: str) -> None:
        """A work has ended, perhaps one of this agent's."""
        self._works.pop(work_id, None)
