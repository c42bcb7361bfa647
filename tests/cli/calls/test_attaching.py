"""Which streams a follower reads while workers are replaced and lost, by tables; and one call among them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from callbridge.call import facts
from callbridge.call.facts import EndReason, Fact
from callbridge.cli.calls.attaching import (
    BACK_WITHIN_S,
    PAUSE_S,
    Action,
    Attaching,
    Begun,
    BrokeOff,
    Ended,
    Event,
    Finish,
    Greeted,
    Leaves,
    News,
    Open,
    Say,
    TimePassed,
)
from callbridge.cli.calls.whereabouts import AWAITED_S, LOOK_S, Whereabouts
from callbridge.cli.control_client import NoAnswerError, ServiceError
from callbridge.observe.feed import LiveFact, LiveWords
from callbridge.records.story import CallStory, StreamPart

AWAY, TIME = NoAnswerError("away"), TimePassed()


@dataclass
class World:
    """The decisions of one who follows two workers: streams 1 and 2. And the time."""

    attaching: Attaching = field(default_factory=lambda: Attaching(2))
    now: float = 100.0

    def tell(self, *events: Event, after_s: float = 0.0) -> list[Action]:
        self.now += after_s
        return [action for event in events for action in self.attaching.handle(event, self.now)]

    def due_in_s(self) -> float | None:
        deadline = self.attaching.deadline
        return None if deadline is None else deadline - self.now


@pytest.fixture
def both() -> World:
    """Both answer."""
    world = World()
    assert world.tell(Begun()) == [Open(1, 0), Open(2, 1)]
    assert world.tell(Greeted(1), Greeted(2)) == []
    return world


def test_a_service_that_stops_is_over(both: World) -> None:
    assert both.tell(Ended(1), Ended(2)) == [Finish(None)]


def test_one_that_is_replaced_is_read_to_its_end_and_its_successor_beside_it(both: World) -> None:
    """Each of them once, however often it says so; and so on with the next restart."""
    assert both.tell(Leaves(1)) == [Open(3, 0, is_again=True)]
    assert both.tell(Leaves(1)) == []
    assert both.tell(Greeted(3)) == [Say(News.REPLACED, 0)]
    assert both.tell(Ended(1)) == []
    assert both.tell(Leaves(3), Greeted(4)) == [Open(4, 0, is_again=True), Say(News.REPLACED, 0)]
    # Killed, since it took too long to leave: its calls go on with those that are followed.
    assert both.tell(BrokeOff(3, AWAY)) == []
    assert both.due_in_s() is None
    assert both.tell(Ended(4), Ended(2)) == [Finish(None)]


def test_one_that_leaves_already_has_no_successor_at_its_own_place() -> None:
    """It answers at the last port: who follows the others follows its calls."""
    world = World()
    assert world.tell(Begun(), Greeted(1), Greeted(2, is_leaving=True), BrokeOff(2, AWAY)) == [
        Open(1, 0),
        Open(2, 1),
    ]
    assert world.tell(Ended(1)) == [Finish(None)]


def test_one_that_is_lost_is_awaited_and_its_successor_followed(both: World) -> None:
    assert both.tell(BrokeOff(2, AWAY)) == [Say(News.LOST, 1)]
    assert both.due_in_s() == PAUSE_S
    assert both.tell(TIME) == []
    assert both.tell(TIME, after_s=PAUSE_S) == [Open(3, 1, is_again=True)]
    assert both.due_in_s() is None, "it is being tried"
    assert both.tell(BrokeOff(3, AWAY), after_s=20) == []
    assert both.tell(TIME, after_s=PAUSE_S) == [Open(4, 1, is_again=True)]
    assert both.tell(Greeted(4)) == [Say(News.BACK, 1)]
    assert both.tell(BrokeOff(4, AWAY)) == [Say(News.LOST, 1)], "the next loss is one of its own"


def test_nobody_is_awaited_for_ever(both: World) -> None:
    """Those who are left are followed on, and the end says that somebody is missing."""
    both.tell(BrokeOff(2, AWAY))
    both.tell(TIME, after_s=PAUSE_S)
    assert both.tell(BrokeOff(3, AWAY), after_s=BACK_WITHIN_S) == [Say(News.GIVEN_UP, 1)]
    assert both.due_in_s() is None
    assert both.tell(Ended(1)) == [Finish(AWAY)]


def test_one_that_hangs_or_starts_while_the_others_are_followed_is_awaited() -> None:
    """Its supervisor listens for it. Who is alone and does not answer is told of at once."""
    world = World()
    world.tell(Begun())
    assert world.tell(Greeted(2), BrokeOff(1, AWAY)) == [Say(News.LOST, 0)]
    assert world.tell(TIME, after_s=PAUSE_S) == [Open(3, 0, is_again=True)]
    alone = World(Attaching(1))
    assert alone.tell(Begun(), BrokeOff(1, AWAY)) == [Open(1, 0), Finish(AWAY)]


NOT_THERE = BrokeOff(1, AWAY, nobody_listens=True)


@pytest.mark.parametrize("first", [NOT_THERE, Ended(1, AWAY)], ids=["not there", "refused"])
def test_who_was_never_there_is_not_awaited(first: Event) -> None:
    """With others it keeps nobody from hearing them; when nobody is there, the first says why."""
    world = World()
    world.tell(Begun())
    assert world.tell(first, Greeted(2), Ended(2)) == [Finish(None)]
    world = World()
    world.tell(Begun())
    assert world.tell(first, BrokeOff(2, NoAnswerError("also"), nobody_listens=True)) == [Finish(AWAY)]


def test_a_successor_that_refuses_is_told(both: World) -> None:
    """Eight readers follow already, say."""
    refusal = ServiceError("8 readers")
    assert both.tell(BrokeOff(1, AWAY), TIME) == [Say(News.LOST, 0)]
    both.tell(TIME, after_s=PAUSE_S)
    assert both.tell(Ended(3, refusal), Ended(2)) == [Finish(refusal)]


# --- One call ---


def told(fact: Fact) -> LiveFact:
    return LiveFact(at=1.0, fact=fact)


SPOKEN = LiveWords(at=1.0, call_sid="CA1", by="agent", item_id="item_1", words="Hello.")
HANDED_OVER = told(facts.StreamEnded(EndReason.HANDED_OVER, call_sid="CA1"))
BEGUN = told(facts.StreamStarted("+1", "+2", is_continued=True, call_sid="CA1"))


def test_a_call_whose_carrier_is_gone_is_waited_for_until_it_goes_on_somewhere() -> None:
    """A worker that only answered its webhooks, or that of another call, takes nothing with it."""
    call = Whereabouts("CA1")
    call.take(0, SPOKEN, 100)
    call.take(1, told(facts.CallOffered("+1", "+2", call_sid="CA1", source="http")), 100)
    call.take(1, told(facts.StreamStarted("+1", "+2", call_sid="CA2")), 100)
    call.lost(1, 100)
    assert not call.is_out_of_sight(999)
    call.lost(0, 200)
    assert not call.is_out_of_sight(199 + AWAITED_S)
    assert call.is_out_of_sight(200 + AWAITED_S)
    call.take(1, BEGUN, 201)
    assert not call.is_out_of_sight(999)


def test_a_call_that_was_handed_over_to_where_nobody_looks_is_not_followed_for_ever() -> None:
    call = Whereabouts("CA1")
    call.take(0, HANDED_OVER, 100)
    assert (call.is_out_of_sight(101), call.is_out_of_sight(100 + AWAITED_S)) == (False, True)
    call.take(0, told(facts.StreamEnded(EndReason.TRANSFERRED, call_sid="CA1")), 100)
    assert not call.is_out_of_sight(99_999), "a person talks with the caller, as long as they like"
    assert not call.is_over
    call.take(1, told(facts.CallOver(call_sid="CA1", source="http")), 100)
    assert call.is_over


def on_record(*processes: str, state: str = "live", reason: str = "") -> CallStory:
    """A call whose streams these processes have carried."""
    streams = tuple(StreamPart(f"MZ{process}", 0, process=process) for process in processes)
    return CallStory("CA1", state, 1.0, streams=streams, end_reason=reason)  # type: ignore[arg-type]


def test_where_a_call_goes_on_is_asked_of_its_record_only_while_it_is_awaited() -> None:
    """Once a second, and not at once: another process of the machine is seen to go on with it."""
    call = Whereabouts("CA1")
    call.take(0, SPOKEN, 100)
    assert not call.asks_record(999)
    call.take(0, HANDED_OVER, 1000)
    asked = [at for at in (1000.0, 1000.9, 1001.0, 1001.5, 1002.0) if call.asks_record(at)]
    assert asked == [1000 + LOOK_S, 1000 + 2 * LOOK_S]
    call.take(0, BEGUN, 1003)
    assert not call.asks_record(1009)


def test_its_record_tells_of_the_machine_at_which_it_goes_on() -> None:
    """Of none that is followed: a new worker there is about to be, too. An older version says none."""
    call = Whereabouts("CA1")
    call.greeted("web-1-aa")
    for latest in ("web-1-aa", "web-1-bb", "dd"):
        assert call.on_record(on_record("web-2-cc", latest)) is None, latest
    assert call.on_record(on_record()) is None
    moved = call.on_record(on_record("web-1-aa", "web-2-cc"))
    assert moved is not None
    assert moved.process == "web-2-cc"
    call.nobody_is_followed()
    assert call.on_record(on_record("web-1-aa")) is None
    assert call.on_record(on_record("web-1-aa", "web-1-bb")) is not None


def test_a_record_that_is_behind_does_not_tell_where_a_call_came_from() -> None:
    """It went from there to here and on, and the last two of its streams are not written down yet."""
    call = Whereabouts("CA1")
    call.greeted("web-1-aa")
    seen = facts.StreamEnded(EndReason.HANDED_OVER, call_sid="CA1", source="MZweb-1-aa")
    call.take(0, told(seen), 100)
    assert call.on_record(on_record("web-2-cc")) is None
    assert call.on_record(on_record("web-2-cc", "web-1-aa")) is None
    moved = call.on_record(on_record("web-2-cc", "web-1-aa", "web-3-dd"))
    assert moved is not None
    assert moved.process == "web-3-dd"


@pytest.mark.parametrize(("reason", "is_over"), [("caller_hangup", True), ("process_lost", False)])
def test_its_record_tells_that_it_is_over(reason: str, *, is_over: bool) -> None:
    """The end of a process is none of its calls."""
    call = Whereabouts("CA1")
    call.greeted("web-1-aa")
    assert call.on_record(on_record("web-1-aa", state="ended", reason=reason)) is None
    assert call.is_over is is_over
