"""A tap on the wire from Twilio to a service: what is asked is seen, and may be held up, lost or told twice.

A moment has the name of what is asked then: the last part of its path, and where it tells of one the status
or event: `briefing`, `person-status ringing`, `room-status conference-start`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from callbridge.simulators.phone.twiml import WebAnswer, WebFailure
from callbridge.simulators.phone.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    Hook = Callable[[], Any]

_TAPS: dict[int, Tap] = {}
"""By the port of the service."""

LOST = WebAnswer("", 204, "", b"")
"""What who asked believes to have been told: nobody has heard the question."""


class Tap:
    """What is asked of one service."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """Every moment, in its order."""
        self.lost: set[str] = set()
        """What never arrives."""
        self.repeated: set[str] = set()
        """What arrives twice."""
        self.forms: list[tuple[str, Mapping[str, str]]] = []
        """What was told at each moment."""
        self._before: dict[str, list[Hook]] = defaultdict(list)
        self._after: dict[str, list[Hook]] = defaultdict(list)
        self._answered: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def before(self, moment: str, do: Hook) -> None:
        """Does this, and waits for it, before it is asked; once."""
        self._before[moment].append(do)

    def after(self, moment: str, do: Hook) -> None:
        """The same before the answer is taken."""
        self._after[moment].append(do)

    def at(self, moment: str, do: Hook) -> None:
        """Either, by its words: `before briefing`, `after briefing-key`."""
        when, _, what = moment.partition(" ")
        if when in {"before", "after"}:
            (self.before if when == "before" else self.after)(what, do)

    async def reached(self, moment: str, timeout_s: float = 10.0) -> None:
        """Returns when it was asked and answered for the first time."""
        async with asyncio.timeout(timeout_s):
            await self._answered[moment].wait()

    async def pass_on(
        self, ask: Callable[[int], Awaitable[WebAnswer | WebFailure]], moments: set[str], times: int
    ) -> WebAnswer | WebFailure:
        """Asks, or not."""
        if moments & self.lost:
            return LOST
        await self._do(self._before, moments)
        answer = await ask(times + bool(moments & self.repeated))
        for moment in moments:
            self._answered[moment].set()
        await self._do(self._after, moments)
        return answer

    async def _do(self, hooks: dict[str, list[Hook]], moments: set[str]) -> None:
        for moment in moments:
            for hook in hooks.pop(moment, []):
                done = hook()
                if inspect.isawaitable(done):
                    await done


@contextlib.contextmanager
def tap_on(port: int) -> Iterator[Tap]:
    """A tap on what is asked at this port."""
    tap = _TAPS[port] = Tap()
    try:
        yield tap
    finally:
        del _TAPS[port]


_ask = Webhooks.ask


async def _asked(
    self: Webhooks, url: str, method: str, parameters: Mapping[str, str], times: int = 1
) -> WebAnswer | WebFailure:
    where = urlsplit(url)
    if (tap := _TAPS.get(where.port or 0)) is None:
        return await _ask(self, url, method, parameters, times)
    path = where.path.rpartition("/")[2]
    detail = parameters.get("StatusCallbackEvent") or parameters.get("CallStatus", "")
    tap.asked.append(f"{path} {detail}".strip())
    tap.forms.append((path, parameters))

    async def ask(times: int) -> WebAnswer | WebFailure:
        return await _ask(self, url, method, parameters, times)

    return await tap.pass_on(ask, {path, f"{path} {detail}"}, times)


Webhooks.ask = _asked  # type: ignore[method-assign]  # Each leg makes its own: there is no other place.
