"""What happens in live calls, for whoever follows them: pages, outlets, `callbridge calls follow`.

Facts as they are noted, and the words of both sides as they come, which nobody keeps. For the event loop of
the calls alone: no lock. A subscriber never makes a call wait: one that does not read is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias

import msgspec

from callbridge.call.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

EVENTS_MAX: Final = 1000
BYTES_MAX: Final = 256 * 1024
"""What may wait for a subscriber, counted as JSON. A minute of a lively call is 300 events, 60 KiB."""


class LiveEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all that a subscription holds."""

    at: float
    """Seconds since 1970."""


class LiveFact(LiveEvent, frozen=True, tag="fact"):
    """Something has happened. A fact of a webhook has neither number nor place: those are the store's."""

    fact: Fact


class LiveWords(LiveEvent, frozen=True, tag="words"):
    """A piece of what somebody says, as it comes. The fact `turn_ended` says it whole, as it was heard."""

    call_sid: str
    by: Literal["agent", "caller"]
    item_id: str
    """Pieces of one utterance have the same."""
    words: str


class ProcessLeaves(LiveEvent, frozen=True, tag="leaves"):
    """This worker is replaced. Its calls are told here as long as it has them; they go on with the others.

    Whoever asks anew where this one answered is answered by its successor.
    """


class FeedEnded(LiveEvent, frozen=True, tag="ended"):
    """The last of a subscription that did not end itself."""

    why: Literal["not_read", "stopped", "replaced"]
    """`not_read`: more was waiting than may, and what came next is lost; `stopped`: the service stops;
    `replaced`: this worker has left, and the others go on."""


FeedItem: TypeAlias = LiveFact | LiveWords | ProcessLeaves | FeedEnded

encode_event: Final = msgspec.json.Encoder().encode
"""An event as JSON text."""


class Subscription:
    """The events of one call, or of all: an async iterator for one reader. Leave its `with` to end it.

    ```python
    with feed.subscribe() as events:
        async for event in events:
            ...
    ```
    """

    def __init__(
        self, leave: Callable[[Subscription], None], call_sid: str | None, bounds: tuple[int, int]
    ) -> None:
        self.call_sid = call_sid
        """Whose events these are; None for those of all calls."""
        self._leave = leave
        self._events_max, self._bytes_max = bounds
        self._waiting: deque[tuple[FeedItem, int]] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FeedItem:
        while not self._waiting:
            if self._is_over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        event, size = self._waiting.popleft()
        self._bytes -= size
        return event

    def close(self) -> None:
        """Nothing more is wanted. Again: does nothing."""
        self._waiting.clear()
        self._end()

    def put(self, event: FeedItem, size: int) -> None:
        """Something for its reader; the end of it when too much is unread."""
        is_too_much = len(self._waiting) >= self._events_max or self._bytes + size > self._bytes_max
        if is_too_much and not isinstance(event, FeedEnded):
            event, size = FeedEnded(at=event.at, why="not_read"), 0
        self._waiting.append((event, size))
        self._bytes += size
        self._news.set()
        if isinstance(event, FeedEnded):
            self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._news.set()
            self._leave(self)


class Feed:
    """Tells every fact and every word to all who have subscribed. An observer of facts itself."""

    def __init__(self, wall_now: Callable[[], float]) -> None:
        self._wall_now = wall_now
        self._with_words: list[Subscription] = []
        self._without_words: list[Subscription] = []
        self._is_closed = False
        self.is_left = False
        """Whether the process is replaced."""
        self.words_wanted: Callable[[], None] = _nobody
        """Called when somebody wants words, or wants none any more: calls are asked for none in vain."""

    def __call__(self, fact: Fact) -> None:
        """Something has happened."""
        if self._with_words or self._without_words:
            self._tell(
                [*self._with_words, *self._without_words],
                fact.call_sid,
                LiveFact(at=self._wall_now(), fact=fact),
            )

    def subscribe(
        self,
        call_sid: str | None = None,
        *,
        with_words: bool = True,
        events_max: int = EVENTS_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> Subscription:
        """What happens from now on.

        Args:
            call_sid: in this call; by default in all.
            with_words: the pieces of both sides' words, too.
            events_max: how many may wait for the reader.
            bytes_max: how much that may be, counted as JSON.
        """
        found = Subscription(self._left, call_sid, (events_max, bytes_max))
        if self._is_closed:
            found.put(self._stopped(), 0)
            return found
        (self._with_words if with_words else self._without_words).append(found)
        if with_words:
            self.words_wanted()
        return found

    def hearer(self, call_sid: str) -> Callable[[Literal["agent", "caller"], str, str], None] | None:
        """Who is to be told the words of this call; None where nobody wants them."""
        if not any(one.call_sid in (None, call_sid) for one in self._with_words):
            return None

        def hear(by: Literal["agent", "caller"], item_id: str, words: str) -> None:
            said = LiveWords(at=self._wall_now(), call_sid=call_sid, by=by, item_id=item_id, words=words)
            self._tell(self._with_words, call_sid, said)

        return hear

    def leave(self) -> None:
        """The process is replaced: all are told. Again: does nothing."""
        if not self.is_left:
            self.is_left = True
            for one in [*self._with_words, *self._without_words]:
                one.put(ProcessLeaves(at=self._wall_now()), 0)

    def close(self) -> None:
        """The process stops: all are told, and whoever comes later is."""
        self._is_closed = True
        for one in [*self._with_words, *self._without_words]:
            one.put(self._stopped(), 0)

    def _stopped(self) -> FeedEnded:
        return FeedEnded(at=self._wall_now(), why="replaced" if self.is_left else "stopped")

    def _tell(self, subscriptions: list[Subscription], call_sid: str, event: LiveFact | LiveWords) -> None:
        concerned = [one for one in subscriptions if one.call_sid in (None, call_sid)]
        if concerned:
            size = len(encode_event(event))
            for one in concerned:
                one.put(event, size)

    def _left(self, one: Subscription) -> None:
        if one in self._without_words:
            self._without_words.remove(one)
        elif one in self._with_words:
            self._with_words.remove(one)
            self.words_wanted()


def _nobody() -> None:
    """Nobody has words to give."""
