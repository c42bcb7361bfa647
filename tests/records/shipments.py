"""Facts as the journal has them, and a journal without a file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from callbridge.call import facts
from callbridge.records.shipping import add_facts
from callbridge.state.journal import JournalEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.facts import Fact
    from callbridge.records.database import Database

T0 = 1_750_000_000.0
STARTED = facts.StreamStarted("********01", "********02", agent="reception", caller_key="key-1")
HANGUP = facts.StreamEnded(facts.EndReason.CALLER_HANGUP, is_admitted=True)


def entry(
    call_sid: str,
    number: int,
    fact: Fact,
    *,
    source: str = "MZ1",
    at: float | None = None,
    process: str = "process-1",
    is_essential: bool = True,
) -> JournalEntry:
    """A fact on its way: the `number`-th of its source, a second after the one before."""
    at = T0 + number if at is None else at
    at_ms = number * 1000
    fact = msgspec.structs.replace(fact, call_sid=call_sid, source=source, number=number, at_ms=at_ms)
    return JournalEntry(
        at, process, call_sid, source, number, at_ms, fact.kind, facts.encode(fact), is_essential
    )


def store(database: Database, *entries: JournalEntry) -> None:
    """Writes facts into the database, as the shipping does."""
    with database.writing() as connection:
        add_facts(connection, entries)


def until_true(is_so: Callable[[], bool], within_s: float = 20.0) -> None:
    """Waits for what a thread does. The first look is free."""
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at, "it does not come"
        time.sleep(0.005)
