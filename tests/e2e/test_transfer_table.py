"""Every kind of destination with every outcome: what the agent is told, what the caller hears, and how long.

The table in docs/transfers.md is what these calls have come to. Where they come to something else, the test
says with what to replace it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from callbridge.call.facts import TurnEnded
from callbridge.simulators.phone.people import Answers, Moment, Person
from e2e.crowd import Crowd
from e2e.stack import FinishedCall
from e2e.transfers import ASKING, COLD, PACE, SALES, WARM, People, Way, people_behind

if TYPE_CHECKING:
    from machine import Machine

KINDS: Final = {"number": SALES, "SIP": "sip:sales@pbx.example.com", "client": "client:anna"}
WAYS: Final[tuple[Way, ...]] = (COLD, ASKING, WARM)

PEOPLE: Final = {
    "takes it": Person(presses=("1",), talks_s=10.0),
    "is busy": Person(answers=Answers.BUSY),
    "does not answer": Person(answers=Answers.NO_ANSWER),
    "pushes the call away": Person(answers=Answers.DECLINES),
    "answers, and presses another key": Person(presses=("5",), talks_s=10.0),
    "hangs up at the briefing": Person(leaves=Moment.BRIEFING, leaves_after_s=1.0),
    "has a mailbox": Person(answers=Answers.MAILBOX, talks_s=10.0),
    "cannot be reached": Person(answers=Answers.UNREACHABLE),
}
CALLER_LEAVES: Final = "rings, and the caller hangs up"
ONLY_ASKED: Final = {"answers, and presses another key", "hangs up at the briefing"}

TABLE: Final = Path(__file__).parents[2] / "docs" / "transfers.md"
BEGIN, END = "<!-- made by tests/e2e/test_transfer_table.py -->\n", "<!-- end -->"
HEAD: Final = ("Way", "The person …", "Outcome", "The caller hears", "Waits, in s")

TOLERANCE_S: Final = range(-3, 31)
"""How much longer the caller may wait: a tenth of a second of a busy machine is two of a person's."""

LATE_MS_MAX: Final = 100


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    way: str
    person: str
    outcome: str
    heard: str
    waited_s: int

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.way, self.person, f"`{self.outcome}`", self.heard, str(self.waited_s))


def heard_in(call: FinishedCall, way: Way) -> str:
    """What the caller heard from the words of the agent on, in the words of the table."""
    is_held = way == WARM
    names = {"agent": "the agent", "<Dial>": "ringing"} | dict.fromkeys(KINDS.values(), "the person")
    # Between hold and talk there is a word, if the person needs a moment to the room.
    between = {"<Say>", "<Conference>"}
    heard = [names.get(piece.what, piece.what) for piece in call.report.heard if piece.what not in between]
    told = [name for name, _ in groupby(heard)]
    if is_held:  # The agent and the sound on hold come out of one stream.
        told.insert(1, "the sound on hold")
        told += ["the agent"] * any("Sorry" in turn.agent for turn in call.of(TurnEnded))
    return ", ".join(told)


async def row_of(kind: str, way: Way, person: str) -> Row:
    """One call, and what came of it."""
    script = PEOPLE.get(person, Person(answers=Answers.NO_ANSWER))
    async with people_behind(way, script, address=KINDS[kind]) as line:
        call = await (leaves_while_it_rings(line) if person == CALLER_LEAVES else line.call())
        ended = await line.ended(call)
    assert not call.report.findings, (kind, way, person)
    assert not call.report.warnings, (kind, way, person)
    assert call.report.longest_silence_ms < 4000, (kind, way, person)
    return Row(way, person, ended.outcome.value, heard_in(call, way), round(ended.waited_ms / 1000 / PACE))


async def leaves_while_it_rings(line: People) -> FinishedCall:
    """The caller hangs up as soon as the person's telephone rings."""
    phone = line.phone()
    calling = asyncio.create_task(line.stack.finish(phone))
    await line.until(lambda: any(leg.status == "ringing" for leg in line.people_legs))
    phone.hang_up()
    return await calling


def markdown(rows: list[Row]) -> str:
    """The table as it stands in the page."""
    lines = [HEAD, tuple("---" for _ in HEAD), *(row.cells for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def documented() -> list[Row]:
    """What the page says."""
    text = TABLE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()[2:]]
    return [Row(way, who, outcome.strip("`"), heard, int(s)) for way, who, outcome, heard, s in cells]


def cases() -> list[tuple[Way, str]]:
    """Nobody presses a key who is not asked for one."""
    return [
        (way, person)
        for way in WAYS
        for person in (*PEOPLE, CALLER_LEAVES)
        if way != COLD or person not in ONLY_ASKED
    ]


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
async def test_the_page_says_what_becomes_of_every_transfer(kind: str, machine: Machine) -> None:
    """Numbers, SIP addresses and clients all behave alike: one table holds for them."""
    runs = {f"{way}, {person}": partial(row_of, kind, way, person) for way, person in cases()}
    rows = (await Crowd[Row](at_once=3).play(runs)).values()
    told = documented()
    as_page = f"write this into {TABLE.name}:\n{markdown(list(rows))}"
    assert [row.cells[:4] for row in rows] == [row.cells[:4] for row in told], as_page
    longer = {row.waited_s - page.waited_s for row, page in zip(rows, told, strict=True)}
    machine.judge([] if longer <= set(TOLERANCE_S) else [as_page], LATE_MS_MAX)


@pytest.mark.parametrize(
    ("way", "person"),
    [
        (WARM, "has a mailbox"),
        (WARM, "is busy"),
        (ASKING, "answers, and presses another key"),
        (COLD, "is busy"),
    ],
)
async def test_some_of_its_lines(way: Way, person: str) -> None:
    row = await row_of("number", way, person)
    (page,) = [page for page in documented() if (page.way, page.person) == (way, person)]
    assert row.cells[:4] == page.cells[:4]
