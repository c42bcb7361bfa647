"""What `callbridge init` makes: its tests pass, and find whatever is wrong with its agent.

Ten faults are put into the agent, one after the other. Each must be found by a test that stands in the
project, and none of these may fail while nothing is wrong.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.cli.init import make_project
from callbridge.testing import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Mutation:
    """A fault, put into the agent's file in place of what stands there."""

    name: str
    there: str
    instead: str


MUTATIONS = (
    Mutation("a tool has another name", "async def opening_hours", "async def shop_hours"),
    Mutation("the wrong day closes early", 'if day == "Sunday" else', 'if day == "Monday" else'),
    Mutation("a day is missing from the schema", '"Saturday", "Sunday"]', '"Saturday"]'),
    Mutation("a tool is not registered", "@agent.tool\nasync def price", "async def price"),
    Mutation("a tool fails", "return PRICES[cake]", "return PRICES[cake.title()]"),
    Mutation("a price is wrong", '"walnut": "21 dollars"', '"walnut": "12 dollars"'),
    Mutation("it cannot say goodbye", "agent = Agent(", "agent = Agent(\n    can_hang_up=False,"),
    Mutation(
        "it hangs up whatever is asked",
        "return PRICES[cake]",
        "from callbridge import EndCall\n    return EndCall()",
    ),
    Mutation("an order is not confirmed", "@agent.tool(confirm=True)", "@agent.tool"),
    Mutation(
        "a tool takes its time", "return PRICES[cake]", "import asyncio; await asyncio.sleep(20); return ''"
    ),
    Mutation("the greeting is gone", "How can I help you?", ""),
    Mutation("an order is lost", 'call.values["ordered"] = ', "_ = "),
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make_project(tmp_path / "bakery")
    return tmp_path / "bakery"


@pytest.fixture(autouse=True)
def _own_agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`from agent import agent` is the project's, and nobody else's."""
    monkeypatch.delitem(sys.modules, "agent", raising=False)
    yield
    sys.modules.pop("agent", None)


def of_project(project: Path, mutation: Mutation | None = None) -> dict[str, Callable[[Line], Any]]:
    """The tests of the project, whose agent has this fault."""
    source = (project / "agent.py").read_text(encoding="utf-8")
    if mutation is not None:
        assert source.count(mutation.there) == 1, "the agent has no such place"
        source = source.replace(mutation.there, mutation.instead)
    agent = ModuleType("agent")
    sys.modules["agent"] = agent
    exec(compile(source, "agent.py", "exec", dont_inherit=True), vars(agent))  # noqa: S102 - our own template
    tests = ModuleType("tests_of_the_project")
    text = (project / "tests" / "test_agent.py").read_text(encoding="utf-8")
    exec(compile(text, "test_agent.py", "exec", dont_inherit=True), vars(tests))  # noqa: S102 - our own template
    return {name: test for name, test in vars(tests).items() if inspect.iscoroutinefunction(test)}


def failures(project: Path, mutation: Mutation | None = None) -> list[str]:
    """The names of the tests that fail."""
    found = []
    for name, test in of_project(project, mutation).items():
        try:
            asyncio.run(test(Line()))
        except AssertionError:
            found.append(name)
    return found


def test_a_new_project_passes(project: Path) -> None:
    assert failures(project) == []


@pytest.mark.heavy
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_fault_is_found(project: Path, mutation: Mutation) -> None:
    assert failures(project, mutation) != []


@pytest.mark.parametrize(
    "runs", [pytest.param(20, marks=pytest.mark.heavy), pytest.param(200, marks=pytest.mark.long)]
)
def test_nothing_is_found_where_nothing_is_wrong(project: Path, runs: int) -> None:
    """A test that sometimes fails is of no use to anybody."""
    for _ in range(runs):
        assert failures(project) == []
