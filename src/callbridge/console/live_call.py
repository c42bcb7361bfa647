"""One live call as parts of its page: all of it for who comes, and then only what has changed.

Made once for all who look at it, in a thread, and only when somebody asks: who reads slowly gets fewer and
larger parts, who does not read gets none, and nothing is kept for them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from callbridge.console.call_view import CallView, view_of
from callbridge.console.lanes import lanes_of
from callbridge.console.pages import part

if TYPE_CHECKING:
    from callbridge.console.call_book import BookedCall, CallBook, LogLine, Snapshot
    from callbridge.console.call_view import Row
    from callbridge.console.lanes import Lanes
    from callbridge.records.story import CallStory

STEPS_KEPT: Final = 60
"""So many changes a reader may be behind before all is sent again: ten seconds."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows at one moment."""

    changes: int
    """As far as the call is in it."""
    snapshot: Snapshot
    story: CallStory
    view: CallView
    drawn: Lanes


@dataclass(slots=True)
class LiveCall:
    """The page of one call while it is on.

    Args:
        book: where its story is told.
        call: which.
    """

    book: CallBook
    call: BookedCall
    shown: Shown | None = None
    _steps: deque[tuple[int, int, str]] = field(default_factory=lambda: deque(maxlen=STEPS_KEPT))
    """Parts that lead from one count of changes to another."""
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def now(self) -> Shown:
        """As it is now."""
        async with self._making:
            if self.shown is None or self.shown.changes != self.call.changes:
                await self._make()
            assert self.shown is not None
            return self.shown

    async def since(self, changes: int) -> tuple[int, str, bool]:
        """What a page needs that shows the call up to `changes`.

        Returns:
            Up to where it then is, the parts, and whether the call is over.
        """
        shown = await self.now()
        is_over = not shown.view.is_live
        if changes == shown.changes:
            return changes, "", is_over
        steps = list(self._steps)
        begin = next((at for at, (since, _, _) in enumerate(steps) if since == changes), None)
        if begin is None:
            return shown.changes, await self.book.in_thread(lambda: all_parts(shown)), is_over
        return shown.changes, "".join(parts for _, _, parts in steps[begin:]), is_over

    async def _make(self) -> None:
        snapshot, before = self.call.snapshot(), self.shown
        story = await self.book.told(self.call)
        shown, parts = await self.book.in_thread(lambda: _step(snapshot, story, before))
        if not shown.view.is_live:
            self._steps.clear()  # A call may be looked at for as long as it is in the book, and is whole now.
        elif before is not None:
            self._steps.append((before.changes, shown.changes, parts))
        self.shown = shown


def _step(snapshot: Snapshot, story: CallStory, before: Shown | None) -> tuple[Shown, str]:
    """In the thread. Between two pieces of work calls may go first: otherwise they would wait for 5 ms."""
    if before is not None and before.story is story:
        view, drawn = before.view, before.drawn
    else:
        view = view_of(story)
        time.sleep(0)
        drawn = lanes_of(story)
        time.sleep(0)
    shown = Shown(snapshot.changes, snapshot, story, view, drawn)
    return shown, "" if before is None else changed_parts(before, shown)


def all_parts(shown: Shown) -> str:
    """Everything, for a page that shows something older."""
    return part(
        "calls/live_parts.html",
        view=shown.view,
        drawn=shown.drawn,
        course=shown.view.rows,
        is_whole_course=True,
        changed=(),
        added=(),
        saying=shown.snapshot.saying,
        log=shown.snapshot.log,
        is_whole_log=True,
    )


def changed_parts(before: Shown, after: Shown) -> str:
    """Only what differs."""
    changed, added, is_whole = _rows(before.view.rows, after.view.rows)
    lines = _new_lines(before.snapshot, after.snapshot)
    return part(
        "calls/live_parts.html",
        view=None if before.view == after.view else after.view,
        drawn=None if before.drawn == after.drawn else after.drawn,
        course=after.view.rows if is_whole else (),
        is_whole_course=is_whole,
        changed=changed,
        added=added,
        saying=None if before.snapshot.saying == after.snapshot.saying else after.snapshot.saying,
        log=after.snapshot.log if lines is None else lines,
        is_whole_log=lines is None,
    )


def _rows(before: tuple[Row, ...], after: tuple[Row, ...]) -> tuple[tuple[Row, ...], tuple[Row, ...], bool]:
    """Rows that have changed, those that stand behind them, and whether neither is enough."""
    known = [row.key for row in before]
    if [row.key for row in after[: len(known)]] != known:
        return (), (), True
    changed = tuple(new for old, new in zip(before, after, strict=False) if old != new)
    return changed, after[len(before) :], False


def _new_lines(before: Snapshot, after: Snapshot) -> tuple[LogLine, ...] | None:
    """Those that came; None where not all of them are there any more."""
    count = after.log_count - before.log_count
    if count > len(after.log):
        return None
    return after.log[len(after.log) - count :]
