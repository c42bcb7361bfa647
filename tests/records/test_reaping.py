"""What a process leaves behind that is gone: each call has exactly one end, whatever is seen first."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from callbridge.call import facts
from callbridge.records.leases import LEASE_S, RENEW_EVERY_S, unsettle
from callbridge.records.projecting import project
from callbridge.records.reading import Records
from callbridge.records.reaping import QUIET_LOOKS, Reaper
from callbridge.records.shipping import Shipping
from callbridge.state.journal import MemoryJournal
from records.shipments import HANGUP, STARTED, T0, entry, store, until_true

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from callbridge.call.facts import Fact
    from callbridge.records.database import Database
    from callbridge.records.projecting import Outgrowth
    from callbridge.records.story import CallStory
    from callbridge.state.journal import JournalEntry

BROKE = facts.StreamEnded(facts.EndReason.MEDIA_LOST, is_admitted=True)
QUIET_S = 90.0


class World:
    """Processes with one database, and one clock for all of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = 0.0
        self.grown: list[str] = []
        self.reapers: dict[str, Reaper] = {}
        self.records = Records(database)

    def process(self, name: str, outgrowths: Sequence[Outgrowth] = ()) -> Reaper:
        """One that begins now."""
        self.reapers[name] = Reaper(
            self.database,
            name,
            quiet_s=QUIET_S,
            outgrowths=outgrowths or [self._grow],
            clock=lambda: T0 + self.now,
            now=lambda: self.now,
        )
        return self.reapers[name]

    def goes_on(self, seconds: float, *, alive: tuple[str, ...]) -> float | None:
        """Time passes for those that are alive; answers when the first stream was given up, if one was."""
        given_up = None
        ends_at = self.now + seconds
        while self.now < ends_at:
            self.now += RENEW_EVERY_S
            for name in alive:
                if self.reapers[name].look() and given_up is None:
                    given_up = self.now
        return given_up

    def arrives(self, fact: JournalEntry) -> None:
        """A fact that is shipped by another process than that which noted it."""
        store(self.database, fact)
        with self.database.writing() as connection:
            unsettle(connection, [fact.process], T0 + self.now)
            project(connection, fact.call_sid, T0 + self.now, [self._grow])

    def reason(self, call_sid: str) -> str:
        story = self.records.story(call_sid)
        assert story is not None
        return f"{story.state}: {story.end_reason}"

    def _grow(self, _: Connection, story: CallStory) -> None:
        self.grown.append(story.call_sid)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_a_call_of_a_process_that_is_gone_ends_within_thirty_seconds(world: World) -> None:
    world.process("lost").look()
    world.process("other").look()
    store(world.database, entry("CA1", 1, STARTED, process="lost"))
    store(world.database, entry("CA2", 1, STARTED, process="other"))
    assert world.goes_on(20, alive=("lost", "other")) is None
    given_up = world.goes_on(30, alive=("other",))
    assert given_up is not None
    assert given_up - 20 <= 30
    assert world.reason("CA1") == "ended: process_lost"
    assert world.reason("CA2") == "live: "
    assert world.grown == ["CA1"]
    assert (world.reapers["other"].lost, world.reapers["lost"].lost) == (1, 0)
    assert [call.call_sid for call in world.records.calls()] == ["CA1"], "the other is not told by a reaper"


def test_a_fault_with_one_call_leaves_no_other_without_an_end(world: World) -> None:
    def grow(_: Connection, story: CallStory) -> None:
        if story.call_sid == "CA1":
            raise ValueError(story.call_sid)

    world.process("lost").look()
    world.process("other", [grow]).look()
    for call_sid in ("CA1", "CA2"):
        store(world.database, entry(call_sid, 1, STARTED, process="lost"))
    assert world.goes_on(30, alive=("other",)) is not None
    assert {world.reason(call_sid) for call_sid in ("CA1", "CA2")} == {"ended: process_lost"}


def test_who_has_much_to_end_renews_its_own_lease_in_time(world: World) -> None:
    """With a slow database: otherwise it would seem to be gone, and its own calls lost."""

    def grow(_: Connection, story: CallStory) -> None:
        world.now += 0.4 * LEASE_S
        world.grown.append(story.call_sid)

    world.process("lost").look()
    reaper = world.process("slow", [grow])
    reaper.look()
    for number in range(5):
        store(world.database, entry(f"CA{number}", 1, STARTED, process="lost"))
    ended = []
    world.now += LEASE_S
    while len(world.grown) < 5:
        world.now += RENEW_EVERY_S
        began_at = world.now
        ended.append(reaper.look())
        assert world.now - began_at + RENEW_EVERY_S < LEASE_S
    assert sum(ended) == 5


def test_a_database_that_was_away_makes_nobody_lost(world: World) -> None:
    """Nobody could renew. The one that is back first judges nobody before the others had their time."""
    world.process("one").look()
    world.process("other").look()
    store(world.database, entry("CA1", 1, STARTED, process="other"))
    world.now += 60
    assert world.goes_on(LEASE_S - RENEW_EVERY_S, alive=("one",)) is None
    assert world.goes_on(60, alive=("one", "other")) is None
    assert world.reason("CA1") == "live: "


def test_who_stood_still_judges_nobody_by_that(world: World) -> None:
    world.process("one").look()
    store(world.database, entry("CA1", 1, STARTED, process="other"))
    world.process("other").look()
    world.goes_on(10, alive=("one", "other"))
    world.now += LEASE_S  # Of "one" as well: a machine that was suspended.
    assert world.goes_on(RENEW_EVERY_S, alive=("one",)) is None


def test_a_stream_that_has_ended_by_itself_keeps_its_own_end(world: World) -> None:
    """Its process could not ship it any more; the next one with its journal does, after the reaper came."""
    world.process("lost").look()
    store(world.database, entry("CA1", 1, STARTED, process="lost"))
    world.process("next").look()
    world.goes_on(30, alive=("next",))
    assert world.reason("CA1") == "ended: process_lost"
    journal = MemoryJournal()
    journal.add(entry("CA1", 2, HANGUP, process="lost"))
    shipping = Shipping(world.database, journal, "next", outgrowths=[])
    shipping.start()
    until_true(lambda: world.reason("CA1") == "ended: caller_hangup")
    assert shipping.stop(5)
    world.goes_on(30, alive=("next",))
    assert world.reason("CA1") == "ended: caller_hangup"
    assert world.grown == ["CA1"]


def test_a_process_that_was_killed_before_it_could_renew_is_listed_all_the_same(world: World) -> None:
    """It has shipped that its call began, and nothing more."""
    journal = MemoryJournal()
    journal.add(entry("CA1", 1, STARTED, process="lost"))
    shipping = Shipping(world.database, journal, "lost")
    shipping.start()
    until_true(lambda: shipping.shipped == 1)
    assert shipping.stop(5)
    world.process("next").look()
    world.goes_on(30, alive=("next",))
    assert world.reason("CA1") == "ended: process_lost"


def test_streams_are_found_that_a_journal_tells_of_later(world: World) -> None:
    """The process was killed before it had shipped anything, and its journal is found by the next one."""
    journal = MemoryJournal()
    journal.add(entry("CA1", 1, STARTED, process="lost"))
    world.process("next").look()
    shipping = Shipping(world.database, journal, "next")
    shipping.start()
    until_true(lambda: shipping.shipped == 1)
    assert shipping.stop(5)
    world.goes_on(30, alive=("next",))
    assert world.reason("CA1") == "ended: process_lost"


def test_a_call_that_nobody_goes_on_with_ends_when_nothing_is_heard_of_it(world: World) -> None:
    """Its stream broke off, and Twilio never asked what follows. It keeps the end that it had."""
    world.process("one").look()
    store(world.database, entry("CA1", 1, STARTED, process="one"), entry("CA1", 2, BROKE, process="one"))
    store(world.database, entry("CA2", 1, STARTED, process="one"))
    with world.database.writing() as connection:
        for call_sid in ("CA1", "CA2"):
            project(connection, call_sid, T0)
    world.goes_on(QUIET_S, alive=("one",))
    assert world.reason("CA1") == "live: "
    world.goes_on(QUIET_LOOKS * RENEW_EVERY_S, alive=("one",))
    assert world.reason("CA1") == "ended: media_lost"
    assert world.reason("CA2") == "live: ", "its caller may be silent, and its process is there"
    assert world.reapers["one"].lost == 0, "a caller who does not come back is no process that is gone"


CALLS: tuple[tuple[str, str, Fact | None, str], ...] = (
    ("CA1", "a", HANGUP, "ended: caller_hangup"),
    ("CA2", "a", None, "ended: process_lost"),
    ("CA3", "b", HANGUP, "ended: caller_hangup"),
    ("CA4", "b", BROKE, "ended: media_lost"),
    ("CA5", "c", None, "live: "),
)
"""Calls, who carries them, how their streams end, and what is to be on record of them in the end."""


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.heavy) for seed in range(1, 12))])
def test_every_answered_call_has_one_end_whatever_comes_first(world: World, seed: int) -> None:
    """Facts of three processes in any order, twice or late; two of these die, with reapers in between."""
    rng = random.Random(seed)
    for name in ("a", "b", "c"):
        world.process(name).look()
    told = [
        entry(call_sid, number, fact, process=process, source=f"MZ{call_sid}")
        for call_sid, process, end, _ in CALLS
        for number, fact in enumerate([STARTED, *([end] if end else [])], 1)
    ]
    rng.shuffle(told)
    for fact in [*told, *rng.sample(told, 3)]:
        world.arrives(fact)
        if rng.random() < 0.4:
            world.goes_on(rng.choice([5, 25]), alive=("c",))
    world.goes_on(LEASE_S + 2 * QUIET_S, alive=("c",))
    found = {call.call_sid: f"{call.state}: {call.end_reason}" for call in world.records.calls()}
    assert found == {call_sid: end for call_sid, _, _, end in CALLS}
    assert sorted(world.grown) == ["CA1", "CA2", "CA3", "CA4"], "what follows an end follows once"
