"""Which worker's event loop has not beaten for so long that its supervisor ends it.

A process watches its own loop (`observe/loop_watch.py`): it shows where the loop hangs, and ends itself after
10 s, after 15 where no Python can run. This is for what cannot end itself: a process that was stopped as a
whole, or whose watch is gone. So no worker is watched only by itself.

Pure. Looks are counted, not seconds: a supervisor that did not run itself, or a machine that slept, has seen
nothing that would be anybody's fault.
"""

from __future__ import annotations

from typing import Final

BEAT_S: Final = 1.0
"""A worker beats so often, and is looked at so often."""

LOOKS_MAX: Final = 17
"""In a row without a beat: whoever can end itself, with the stack that says why, has done so by then."""


class Heartbeats:
    """The decisions. A worker is looked at from its first beat on: one of an older version has none."""

    def __init__(self) -> None:
        self._looks: dict[int, int] = {}
        """Since the last beat of each."""

    def beat(self, worker: int) -> None:
        """Its loop runs."""
        self._looks[worker] = 0

    def ends(self, worker: int) -> None:
        """Its loop ends, as it should, or it is gone."""
        self._looks.pop(worker, None)

    def look(self) -> list[int]:
        """Those who hang, each once."""
        self._looks = {worker: looks + 1 for worker, looks in self._looks.items()}
        hung = [worker for worker, looks in self._looks.items() if looks >= LOOKS_MAX]
        for worker in hung:
            self.ends(worker)
        return hung
