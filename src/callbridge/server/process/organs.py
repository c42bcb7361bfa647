"""What the process cannot live without beside its calls: tasks that must run, a state that must be written.

Each is guarded. A fault is logged and the organ begins anew; one that fails over and over, or whose thread is
gone, makes the process give up in order: it hands its calls over and exits with 70, so that whoever runs it
starts another one. Without that it would decline everybody for ever and call itself alive.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callbridge.state.state import State

FAULTS_MAX: Final = 5
"""So many faults within `FAULTS_WITHIN_S` are no hiccup."""

FAULTS_WITHIN_S: Final = 60.0

REST_S: Final = 1.0
"""Before an organ begins anew: a fault that comes at once costs a line a second and no more."""

_log = structlog.get_logger()


async def guarded(
    organ: str,
    run: Callable[[], Awaitable[NoReturn]],
    *,
    give_up: Callable[[], object] | None,
    now: Callable[[], float],
    rest_s: float = REST_S,
) -> None:
    """Runs `run` again and again; returns once the process was told to give up.

    Args:
        organ: its name, for the log.
        run: one life of it, which ends by a fault only.
        give_up: has the process hand its calls over and exit; None where calls do not need this organ: it
            begins anew as often as it fails, with longer rests.
        now: a monotonic clock, in seconds.
        rest_s: the pause after a fault.
    """
    faults: deque[float] = deque(maxlen=FAULTS_MAX)
    while True:
        try:
            await run()
        except Exception:  # noqa: BLE001  # Whatever it is: an organ that is gone is worse than any fault in it.
            _log.exception("organ_failed", organ=organ)
        faults.append(now())
        if len(faults) == FAULTS_MAX and faults[-1] - faults[0] < FAULTS_WITHIN_S:
            if give_up is not None:
                _give_up(organ, f"it failed {FAULTS_MAX} times in {FAULTS_WITHIN_S:g} s", give_up)
                return
            await asyncio.sleep(FAULTS_WITHIN_S)
        await asyncio.sleep(rest_s)


async def watch_state(state: State, *, give_up: Callable[[], object]) -> None:
    """Waits until nothing can be written down any more in this process, then has it give up."""
    _give_up("state", await state.died(), give_up)


def _give_up(organ: str, reason: str, give_up: Callable[[], object]) -> None:
    _log.critical("organ_dead", organ=organ, reason=reason, remedy="calls are handed over; exit status 70")
    give_up()
