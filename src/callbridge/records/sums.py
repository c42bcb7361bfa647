"""What the calls of some days cost, added up: by day, by agent, by call, and by the lines of their bills.

A day is one in UTC, as the vendors bill, and a call belongs to the day on which it began. Blocking.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
from sqlalchemy import select

from callbridge.records.reading import story_of
from callbridge.records.schema import calls
from callbridge.records.story import CostLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.records.database import Database
    from callbridge.records.story import CallStory

By: TypeAlias = Literal["day", "agent", "call"]


class CallCost(msgspec.Struct, frozen=True):
    """What one call cost, as it stands in the list of calls."""

    call_sid: str
    began_at: float
    agent: str
    duration_ms: int
    cost_microdollars: int

    @property
    def day(self) -> str:
        """When it began, as `2026-11-28`."""
        return dt.datetime.fromtimestamp(self.began_at, dt.UTC).date().isoformat()


class CostSum(msgspec.Struct, frozen=True):
    """What several calls cost together."""

    name: str
    """The day, the agent or the CallSid."""
    calls: int = 0
    duration_ms: int = 0
    microdollars: int = 0


class Bill(msgspec.Struct, frozen=True):
    """The lines of several bills, added up."""

    calls: int = 0
    lines: tuple[CostLine, ...] = ()
    unpriced: tuple[str, ...] = ()
    unheard_microdollars: int = 0
    silent_microdollars: int = 0


def costs_between(database: Database, since: float, until: float) -> list[CallCost]:
    """The calls that began from `since` on and before `until`, in seconds since 1970; the first one first.

    Raises:
        RecordsError: the database cannot be read.
    """
    columns = [calls.c[name] for name in CallCost.__struct_fields__]
    is_within = (calls.c.began_at >= since, calls.c.began_at < until)
    query = select(*columns).where(*is_within).order_by(calls.c.began_at, calls.c.call_sid)
    with database.reading() as connection:
        return [CallCost(*row) for row in connection.execute(query)]


def stories_between(database: Database, since: float, until: float) -> Iterator[CallStory]:
    """The same calls, each told from its facts.

    Raises:
        RecordsError: the database cannot be read.
    """
    for cost in costs_between(database, since, until):
        with database.reading() as connection:
            if (story := story_of(connection, cost.call_sid)) is not None:
                yield story


def summed(costs: Iterable[CallCost], by: By) -> list[CostSum]:
    """Added up, in the order in which the first of each came."""
    sums: dict[str, CostSum] = {}
    for cost in costs:
        name = {"day": cost.day, "agent": cost.agent, "call": cost.call_sid}[by]
        known = sums.get(name, CostSum(name))
        sums[name] = CostSum(
            name,
            known.calls + 1,
            known.duration_ms + cost.duration_ms,
            known.microdollars + cost.cost_microdollars,
        )
    return list(sums.values())


def billed(stories: Iterable[CallStory]) -> Bill:
    """The bills of calls, line by line."""
    lines: dict[tuple[str, str], CostLine] = {}
    unpriced: dict[str, None] = {}
    count = unheard = silent = 0
    for story in stories:
        cost, count = story.cost, count + 1
        unheard, silent = unheard + cost.unheard_microdollars, silent + cost.silent_microdollars
        unpriced |= dict.fromkeys(cost.unpriced)
        for line in cost.lines:
            known = lines.get((line.name, line.unit), CostLine(line.name, 0, line.unit, 0))
            lines[line.name, line.unit] = CostLine(
                line.name, known.quantity + line.quantity, line.unit, known.microdollars + line.microdollars
            )
    return Bill(count, tuple(lines.values()), tuple(unpriced), unheard, silent)
