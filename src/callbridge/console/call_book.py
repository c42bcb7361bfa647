"""The calls of this process since it began, as they go on: facts, the words as they come, the log of each.

For the event loop of the calls: an event costs an append. Stories are told in a thread, by whoever shows one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, TypeVar

from callbridge.call.facts import HTTP, CallerWordsCame, TurnEnded
from callbridge.observe.feed import FeedEnded, LiveFact, LiveWords
from callbridge.observe.log_line import TRACEBACKS, console_line
from callbridge.records.call_list import is_wanted, summary_of
from callbridge.records.costs import NO_PRICES
from callbridge.records.telling import StoredFact, tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from callbridge.call.facts import Fact
    from callbridge.call.price_list import PriceList
    from callbridge.console.sources import Follow
    from callbridge.observe.feed import Subscription
    from callbridge.records.call_list import CallSummary, Filter
    from callbridge.records.story import CallStory

T = TypeVar("T")

CALLS_MAX: Final = 200
"""The oldest that are over go first."""

FACTS_MAX: Final = 50_000
"""Of one call: a day of talk. Then nothing more of it is taken."""

LOG_LINES_MAX: Final = 400
"""Of one call: the latest."""

_ON_EVERY_LINE: Final = frozenset({"call_sid", "stream_sid"})


@dataclass(frozen=True, slots=True)
class Saying:
    """What somebody is saying, as far as it came."""

    item_id: str
    by: str
    words: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log of a call, as a terminal shows it."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A call at one moment: nothing in it changes any more."""

    call_sid: str
    changes: int
    rows: tuple[StoredFact, ...]
    saying: tuple[Saying, ...]
    log: tuple[LogLine, ...]
    log_count: int
    """How many lines there ever were; the last of them are in `log`."""


@dataclass(slots=True)
class BookedCall:
    """One call."""

    call_sid: str
    changes: int = 0
    """Goes up with everything that comes."""
    rows: list[StoredFact] = field(default_factory=list)
    saying: dict[str, Saying] = field(default_factory=dict)
    log: deque[LogLine] = field(default_factory=lambda: deque(maxlen=LOG_LINES_MAX))
    log_count: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    story: CallStory | None = None
    """As it was told last."""
    _told_rows: int = 0

    def take(self, at: float, fact: Fact) -> None:
        """Something has happened."""
        if len(self.rows) >= FACTS_MAX:
            return
        # What webhooks learn is numbered by the store, which is not asked here.
        source, number = fact.source or HTTP, fact.number
        if source == HTTP:
            number = len(self.rows) + 1
        self.rows.append(StoredFact(source, number, at, fact))
        if isinstance(fact, TurnEnded):
            self._turn_is_told(fact)
        elif isinstance(fact, CallerWordsCame):
            self.saying.pop(fact.item_id, None)
        self.has_changed()

    def hear(self, said: LiveWords) -> None:
        """Somebody goes on speaking."""
        before = self.saying.get(said.item_id)
        words = said.words if before is None else before.words + said.words
        self.saying[said.item_id] = Saying(said.item_id, said.by, words)
        self.has_changed()

    def _turn_is_told(self, turn: TurnEnded) -> None:
        """What stands in its record is no longer being said. Words that it awaits are told when they come."""
        items = {item.item_id for item in turn.items}
        left = {
            item_id: saying
            for item_id, saying in self.saying.items()
            if item_id not in items and not (saying.by == "caller" and item_id not in turn.awaits)
        }
        self.saying = left

    def log_line(self, line: LogLine) -> None:
        """A line of its log."""
        self.log.append(line)
        self.log_count += 1
        self.has_changed()

    def has_changed(self) -> None:
        """Wakes whoever shows it."""
        self.changes += 1
        self._changed.set()

    async def changed(self, since: int) -> None:
        """Returns when something has come behind `since`."""
        while self.changes == since:
            self._changed.clear()
            await self._changed.wait()

    @property
    def is_told(self) -> bool:
        """Whether nothing has come since it was told."""
        return self.story is not None and self._told_rows == len(self.rows)

    def told(self, story: CallStory, rows: int) -> None:
        """Its story, of so many facts."""
        if self.story is None or rows >= self._told_rows:
            self.story, self._told_rows = story, rows

    @property
    def may_go_on(self) -> bool:
        """Whether more may come, as far as it was told."""
        return not self.is_told or self.story is None or self.story.state == "live"

    def snapshot(self) -> Snapshot:
        """As it is now."""
        return Snapshot(
            self.call_sid,
            self.changes,
            tuple(self.rows),
            tuple(self.saying.values()),
            tuple(self.log),
            self.log_count,
        )


def _as_it_is(fact: Fact) -> Fact:
    return fact


def _text(line: Mapping[str, object]) -> str:
    """As a terminal has it, but of one row: a page breaks it where it has to. Tracebacks stand below."""
    rest = {key: value for key, value in line.items() if key not in _ON_EVERY_LINE and key not in TRACEBACKS}
    rows = [" ".join(console_line(rest, has_colours=False).split())]
    rows += [str(line[key]) for key in TRACEBACKS if line.get(key)]
    return "\n".join(rows)


class CallBook:
    """The calls of one process. `kept` keeps it for as long as they are served.

    Args:
        follow: subscribes to what happens.
        prices: what calls cost is told by these.
        shown: a fact as it may be shown.
    """

    def __init__(
        self, follow: Follow, prices: PriceList = NO_PRICES, shown: Callable[[Fact], Fact] = _as_it_is
    ) -> None:
        self._follow, self._prices, self._shown = follow, prices, shown
        self._calls: dict[str, BookedCall] = {}
        self._listeners = 0
        self._is_heard = asyncio.Event()
        """Somebody wants the words as they come."""
        self._hearing: Subscription | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="call book")
        self.is_closed = False
        """The pages end."""
        self.all = BookedCall("")
        """Changes when any call begins, changes or ends; has no facts of its own."""

    # --- What comes ---

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[Self]:
        """Takes what happens. When the service has ended nothing more comes, and all stays as it was."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            taking = [
                tasks.create_task(self._take_facts(), name="call book"),
                tasks.create_task(self._hear_words(), name="words for the call book"),
            ]
            try:
                yield self
            finally:
                self.close()
                for task in taking:
                    task.cancel()
        self._thread.shutdown(wait=False)

    def close(self) -> None:
        """Nothing is shown any more: whoever shows a call is woken."""
        self.is_closed = True
        for call in (*self._calls.values(), self.all):
            call.has_changed()

    async def _take_facts(self) -> None:
        with self._follow(None, with_words=False) as events:
            async for event in events:
                if isinstance(event, LiveFact) and event.fact.call_sid:
                    self._call(event.fact.call_sid).take(event.at, self._shown(event.fact))
                    self.all.has_changed()

    async def _hear_words(self) -> None:
        while True:
            await self._is_heard.wait()
            with self._follow(None, with_words=True) as self._hearing:
                async for event in self._hearing:
                    if isinstance(event, LiveWords):
                        self._call(event.call_sid).hear(event)
                    elif isinstance(event, FeedEnded) and event.why != "not_read":
                        return

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While this is open the words of calls are asked for."""
        self._listeners += 1
        self._is_heard.set()
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._is_heard.clear()
                if self._hearing is not None:
                    self._hearing.close()

    def log_line(self, line: Mapping[str, object]) -> None:
        """A line of the log, as redacted as it is written. In any thread."""
        call_sid = line.get("call_sid")
        if self._loop is None or not isinstance(call_sid, str):
            return
        told = LogLine(str(line.get("level", "")), _text(line))
        with contextlib.suppress(RuntimeError):  # The loop has ended.
            self._loop.call_soon_threadsafe(self._take_line, call_sid, told)

    def _take_line(self, call_sid: str, line: LogLine) -> None:
        if call_sid in self._calls:
            self._calls[call_sid].log_line(line)

    def _call(self, call_sid: str) -> BookedCall:
        call = self._calls.get(call_sid)
        if call is None:
            call = self._calls[call_sid] = BookedCall(call_sid)
            if len(self._calls) > CALLS_MAX:
                over = (sid for sid, one in self._calls.items() if not one.may_go_on)
                del self._calls[next(over, next(iter(self._calls)))]
        return call

    # --- What is told ---

    def find(self, call_sid: str) -> BookedCall | None:
        """A call that this process has carried."""
        return self._calls.get(call_sid)

    async def in_thread(self, make: Callable[[], T]) -> T:
        """What takes milliseconds is made beside the calls, one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, make)

    async def pause(self, for_s: float) -> None:
        """Lets changes gather; no longer than the service lasts."""
        if not self.is_closed:
            await asyncio.sleep(for_s)

    async def told(self, call: BookedCall) -> CallStory:
        """The story of a call as it is now."""
        if call.story is None or not call.is_told:
            rows = tuple(call.rows)
            story = await self.in_thread(lambda: tell(call.call_sid, rows, self._prices))
            call.told(story, len(rows))
            return story
        return call.story

    async def live(self) -> list[CallStory]:
        """The calls that are on, the latest first."""
        stories = [await self.told(call) for call in tuple(self._calls.values()) if call.may_go_on]
        return [story for story in reversed(stories) if story.state == "live"]

    # --- As what is past, where nothing else keeps it ---

    async def story(self, call_sid: str) -> CallStory | None:
        """One call."""
        call = self.find(call_sid)
        return None if call is None or not call.rows else await self.told(call)

    async def calls(self, wanted: Filter) -> list[CallSummary]:
        """Those that are wanted and over, the latest first."""
        stories = [await self.told(call) for call in tuple(self._calls.values()) if call.rows]
        found = [story for story in stories if is_wanted(story, wanted)]
        found.sort(key=lambda story: (story.began_at, story.call_sid), reverse=True)
        summaries = [summary_of(story) for story in found]
        places = [summary.cursor for summary in summaries]
        begin = places.index(wanted.after) + 1 if wanted.after in places else 0
        return summaries[begin : begin + wanted.limit]
