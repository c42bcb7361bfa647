"""What an agent's file says of people to whom it can put its callers through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.fault import AgentError
from callbridge.agents.written.reading import read_agent
from callbridge.call import agent_facts, facts, wishes
from callbridge.call import wants as w
from transfer_calls import Calling

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.agents.agent import Agent

FILE = """
who = "You answer for a shop."

[capture.where.fields]
city = {}

[transfers.sales]
to = "${SALES}"
when = "the caller wants to buy something"
ring_s = 25
extension = "w1"
shows = "line"
warm = true
briefing = "It is about {reason}, in {city}."
hours = "0-24"
language = "de"

[transfers.branch]
by = "city"
addresses = { Berlin = "+493012345678", Bonn = "sip:bonn@pbx.example.com" }
otherwise = "client:anna"
says = "One moment."

[[steps]]
name = "welcome"
captures = "where"
transfers = ["sales"]
go = [{ to = "person", key = "1" }]

[[steps]]
name = "person"
transfer = "branch"
go = [{ to = "welcome", unreached = true }]
"""


def read(folder: Path, text: str = FILE) -> Agent:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return read_agent(path, {"SALES": "+14155550100"}).agent


async def test_people_are_rung_as_the_file_says(tmp_path: Path) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        calling = Calling(read(tmp_path), tasks)
        calling.tells(facts.StreamStarted("", ""))
        assert calling.choices() == ["sales"]
        calling.tells(agent_facts.FieldKept("where", "city", '"Berlin"', is_confirmed=True))
        result = await calling.asks(to="sales", reason="a cake")
        assert result.wish == wishes.Transfer(
            *("sales", "+14155550100", 25, "w1", "line", True, True, "It is about a cake, in Berlin.", "de"),
            "a cake",
        )
        calling.tells(facts.CallerSpoke(1, 700), facts.KeysPressed("1", 1))
        await calling.works()
        (done,) = calling.of(w.WishSet)
        assert (done.wish.name, done.wish.address, done.is_said) == ("branch", "+493012345678", True)
        calling.tells(
            facts.StreamStarted("", ""),
        )
        assert calling.choices() == ["sales", "branch"]


@pytest.mark.parametrize(
    ("was", "written", "why"),
    [
        ('to = "${SALES}"', "", "transfers.sales: say `to`, or `by` with its `addresses`"),
        ('to = "${SALES}"', 'to = "911"', "line 7, transfers.sales: a number has + and 8 to 15 digits"),
        ('to = "${SALES}"', 'to = "${NOBODY}"', "NOBODY must be set in the environment"),
        ('to = "${SALES}"', 'to = "client:a"\nby = "city"', "say `to`, or `by`"),
        ('to = "${SALES}"', 'to = "+14155550100"\notherwise = "client:a"', "are said with `by`"),
        ("addresses = {", 'when = "{" # {', "line 19, transfers.branch.by: say the `addresses`"),
        ('Bonn = "sip', 'berlin = "sip', "give each value one address"),
        ("ring_s = 25", "ring_s = 500", "it should be less than or equal to 120"),
        ("[transfers.sales]", '[transfers."my sales"]', "write a letter, and at most 39 more letters"),
        ('hours = "0-24"', 'hours = "always"', "'always' is neither a day"),
        ('"w1"', '"wx"', "extension='wx': write digits"),
        ('language = "de"', 'language = "xx"', "language='xx' must be a language"),
        ('transfers = ["sales"]', 'transfers = ["sale"]', "there is nobody called sale under `transfers`"),
        ('transfer = "branch"', 'transfer = "bank"', "there is nobody called bank under `transfers`"),
        ("ring_s = 25", "rings = 25", "there is no such key; did you mean ring_s?"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(tmp_path: Path, was: str, written: str, why: str) -> None:
    assert was in FILE
    with pytest.raises(AgentError) as found:
        read(tmp_path, FILE.replace(was, written, 1))
    assert why in str(found.value)
    assert "+14155550100" not in str(found.value).replace("like +14155550100", "")
