"""Who follows calls live: what they are told, and that nobody waits for them."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from callbridge.call import facts
from callbridge.call.facts import CallOver, Fact
from callbridge.observe.feed import (
    Feed,
    FeedEnded,
    FeedItem,
    LiveFact,
    LiveWords,
    ProcessLeaves,
    Subscription,
    encode_event,
)

NOW = 1_800_000_000.0


def over(call_sid: str) -> Fact:
    return CallOver(call_sid=call_sid, source="http")


def fact(call_sid: str) -> LiveFact:
    return LiveFact(at=NOW, fact=over(call_sid))


def said(words: str) -> LiveWords:
    return LiveWords(at=NOW, call_sid="CA1", by="agent", item_id="item_1", words=words)


@pytest.fixture
def feed() -> Feed:
    return Feed(lambda: NOW)


async def read(events: Subscription) -> list[FeedItem]:
    """All that is there for a reader who then loses interest, or to the end."""
    asyncio.get_running_loop().call_soon(events.close)
    return [event async for event in events]


async def drained(events: Subscription) -> list[FeedItem]:
    return [event async for event in events]


async def test_facts_and_words_of_one_call_or_of_all(feed: Feed) -> None:
    """As they come."""
    feed(over("CA0"))
    all_calls, one = feed.subscribe(), feed.subscribe("CA1")
    wordless = feed.subscribe(with_words=False)
    hear = feed.hearer("CA1")
    assert hear is not None
    feed(over("CA1"))
    hear("agent", "item_1", "Good day.")
    feed(over("CA2"))
    feed.close()
    ended = FeedEnded(at=NOW, why="stopped")
    assert await drained(all_calls) == [fact("CA1"), said("Good day."), fact("CA2"), ended]
    assert await drained(one) == [fact("CA1"), said("Good day."), ended]
    assert await drained(wordless) == [fact("CA1"), fact("CA2"), ended]
    assert await drained(feed.subscribe()) == [ended], "who comes too late is told so"


async def test_a_process_that_is_replaced_says_so_once_and_tells_what_it_still_has(feed: Feed) -> None:
    """Its end is not that of the service."""
    events = feed.subscribe("CA1", with_words=False)
    feed.leave()
    feed.leave()
    feed(over("CA1"))
    feed.close()
    ended = FeedEnded(at=NOW, why="replaced")
    assert await drained(events) == [ProcessLeaves(at=NOW), fact("CA1"), ended]
    assert (feed.is_left, await drained(feed.subscribe())) == (True, [ended])


async def test_calls_are_asked_for_words_only_while_somebody_wants_them(feed: Feed) -> None:
    asked = list[bool]()
    feed.words_wanted = lambda: asked.append(feed.hearer("CA1") is not None)
    with feed.subscribe("CA1"), feed.subscribe("CA2", with_words=False):
        assert feed.hearer("CA2") is None
    feed.subscribe("CA2").close()
    assert asked == [True, False, False, False]


async def test_a_reader_waits_and_is_woken(feed: Feed) -> None:
    with feed.subscribe() as events:
        reading = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        feed(over("CA1"))
        assert await reading == fact("CA1")
        events.close()
        with pytest.raises(StopAsyncIteration):
            await anext(events)


@pytest.mark.parametrize(
    ("events_max", "bytes_max", "kept"), [(3, 10**6, 3), (99, 2 * len(encode_event(fact("CA1"))) + 9, 2)]
)
async def test_who_does_not_read_is_dropped_and_told(
    feed: Feed, events_max: int, bytes_max: int, kept: int
) -> None:
    """What they have is without a gap up to there. Others lose nothing by it."""
    slow, quick = feed.subscribe(events_max=events_max, bytes_max=bytes_max), feed.subscribe()
    for _ in range(9):
        feed(over("CA1"))
    assert await drained(slow) == [fact("CA1")] * kept + [FeedEnded(at=NOW, why="not_read")]
    assert await read(quick) == [fact("CA1")] * 9
    assert feed.hearer("CA1") is None, "both have left"


async def test_what_was_read_makes_room(feed: Feed) -> None:
    with feed.subscribe(events_max=2, bytes_max=1000) as events:
        for _ in range(50):
            feed(over("CA1"))
            assert await anext(events) == fact("CA1")


def test_events_are_json() -> None:
    """Whoever reads them elsewhere knows each by its type."""
    told = msgspec.json.decode(encode_event(fact("CA1")))
    assert (told["type"], told["fact"]["kind"], told["fact"]["call_sid"]) == ("fact", "call_over", "CA1")
    assert msgspec.json.decode(encode_event(said("Hm"))) == {
        "type": "words", "at": NOW, "call_sid": "CA1", "by": "agent", "item_id": "item_1", "words": "Hm",
    }  # fmt: skip
    assert facts.decode(facts.encode(over("CA1"))) == over("CA1")
