"""How late the machine was while a test ran, so that it can be told from a fault of ours."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

BEAT_S: Final = 0.005


class Machine:
    """A heart in the loop of a test. Its context is the time that it watches.

    A beat that comes late while this process used the processor is our own doing. It is the machine's when
    the process did not run.
    """

    def __init__(self) -> None:
        self.late_ms = 0.0
        """The longest time for which the machine kept the loop from running."""
        self.loop_late_ms = 0.0
        """The longest time for which the loop was late, with its own work.

        Where the phone and the service share a loop, what one caller heard is known no better than this."""

    async def __aenter__(self) -> Self:
        self._heart = asyncio.create_task(self._beat(), name="heart of a test")
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        self._heart.cancel()
        await asyncio.wait([self._heart])

    async def _beat(self) -> None:
        while True:
            began_at, used_s = time.perf_counter(), time.process_time()
            await asyncio.sleep(BEAT_S)
            late_s = time.perf_counter() - began_at - BEAT_S
            by_machine_s = late_s - (time.process_time() - used_s)
            self.loop_late_ms = max(self.loop_late_ms, late_s * 1000)
            self.late_ms = max(self.late_ms, by_machine_s * 1000)

    def judge(self, faults: Sequence[str], tolerates_ms: float) -> None:
        """Fails for bounds of time that were not kept; where the machine was later than that, says so.

        Args:
            faults: the bounds that were not kept, in words.
            tolerates_ms: how late the machine may be at most, for the bounds to hold.
        """
        if faults and self.late_ms > tolerates_ms:
            pytest.skip(f"not judged: the machine was late by {self.late_ms:.0f} ms; {'; '.join(faults)}")
        assert not faults, "; ".join(faults)
