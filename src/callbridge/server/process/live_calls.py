"""The calls that this process carries, by CallSid: found by webhooks, counted and handed over by the drain.

A list and nothing more. When a call begins, ends or hands over is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from callbridge.switchboard.liveness import LOOK_EVERY_S, Liveness

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.bridge.relay import HearWords
    from callbridge.observe.feed import Feed


class LiveCall(Protocol):
    """What can be asked of a call while it is on."""

    def hand_over(self) -> None:
        """End the stream at the next boundary between turns, so that the call goes on elsewhere."""

    def spend_ran_over(self) -> None:
        """All calls together cost more than they may: say goodbye and end."""

    def end_asked(self) -> None:
        """An operator wants it to end: say goodbye and end."""

    def phone_replaced(self) -> None:
        """The same phone call has opened a newer stream: this one carries it no more."""

    def caller_hung_up(self) -> None:
        """Twilio says that the call is over."""

    def stop(self) -> None:
        """The process stops: end at once."""

    def hear_words(self, hear: HearWords | None) -> None:
        """Tell these words of both sides as they come; None: nobody wants them."""

    @property
    def frames_heard(self) -> int:
        """How many frames of the caller's audio have come."""

    @property
    def has_ended(self) -> bool:
        """Whether its stream has: what is left of it lingers."""

    @property
    def runs_tools(self) -> bool:
        """Whether it has begun something that is not finished."""


async def falls_silent(call: LiveCall) -> bool:
    """Whether the stream of `call` has ended, or brings no frame for a second.

    Takes two at most, on a loop that is on time.
    """
    loop = asyncio.get_running_loop()
    liveness = Liveness(call.frames_heard, loop.time())
    while not call.has_ended:
        is_alive = liveness.is_alive(call.frames_heard, loop.time())
        if is_alive is not None:
            return not is_alive
        await asyncio.sleep(LOOK_EVERY_S)
    return True


class LiveCalls:
    """The live calls of one process. For its event loop alone: no lock."""

    def __init__(self) -> None:
        self._calls: dict[str, LiveCall] = {}
        self._lingering: list[LiveCall] = []
        """Their streams have ended, and they wait for what is late. They hold no place."""
        self._finishing: list[LiveCall] = []
        """Those of them whose tools still run. A drain waits for these as for live calls."""
        self._watchers: list[Callable[[int], None]] = []
        self._is_handing_over = False
        self._feed: Feed | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def __repr__(self) -> str:
        return f"<LiveCalls live={len(self)}>"

    def watch(self, watcher: Callable[[int], None]) -> None:
        """Has `watcher` told how many calls there are to wait for, each time that it was changed."""
        self._watchers.append(watcher)

    def add(self, call_sid: str, call: LiveCall) -> None:
        """From now on `call` carries the phone call; an older stream of it is told that it was replaced."""
        older = self._calls.get(call_sid)
        if older is call:
            return
        self._calls[call_sid] = call
        if self._feed is not None:
            call.hear_words(self._feed.hearer(call_sid))
        if older is not None:
            older.phone_replaced()
        else:
            self._count_changed()
        if self._is_handing_over:
            # It was on its way when all others were asked.
            asyncio.get_running_loop().call_soon(call.hand_over)

    def remove(self, call_sid: str, call: LiveCall) -> None:
        """`call` is over. Does nothing when a newer stream carries the phone call by now."""
        if self._calls.get(call_sid) is not call:
            return
        del self._calls[call_sid]
        self._count_changed()

    def lingers(self, call: LiveCall) -> None:
        """The stream of `call` has ended, and something of it may be late."""
        self._lingering.append(call)
        if call.runs_tools:
            self._finishing.append(call)

    def left(self, call: LiveCall) -> None:
        """Nothing of `call` is left."""
        self._lingering = [other for other in self._lingering if other is not call]
        if any(other is call for other in self._finishing):
            self._finishing = [other for other in self._finishing if other is not call]
            self._count_changed()

    def tell_words_to(self, feed: Feed) -> None:
        """The words of all calls, those that come included, go to `feed` while somebody wants them there."""
        self._feed = feed
        feed.words_wanted = self._ask_who_hears

    def _ask_who_hears(self) -> None:
        assert self._feed is not None
        for call_sid, call in self._calls.items():
            call.hear_words(self._feed.hearer(call_sid))

    @property
    def lingering(self) -> int:
        """How many wait for what is late; they hold no place."""
        return len(self._lingering)

    @property
    def call_sids(self) -> list[str]:
        """The calls that are on."""
        return list(self._calls)

    def stop_lingering(self) -> None:
        """The process stops: what is late by now will not come."""
        for call in self._lingering:
            call.stop()

    def find(self, call_sid: str) -> LiveCall | None:
        """What carries this phone call; nothing when this process does not."""
        return self._calls.get(call_sid)

    def hand_over_all(self) -> None:
        """Asks every call to hand over, those included that come later. Does not wait for it."""
        self._is_handing_over = True
        loop = asyncio.get_running_loop()
        for call in self._calls.values():
            # Each in a callback of its own: one that fails keeps no other from being asked.
            loop.call_soon(call.hand_over)

    def end_for_spend(self) -> None:
        """Tells every call that all together cost too much. Does not wait for it.

        Whoever admits a stream looks at the spending itself, so later calls know.
        """
        loop = asyncio.get_running_loop()
        for call in self._calls.values():
            # Later: it is a bill of one of them that leads to this, and nothing enters it again meanwhile.
            loop.call_soon(call.spend_ran_over)

    def _count_changed(self) -> None:
        for watcher in self._watchers:
            watcher(len(self) + len(self._finishing))
