"""An agent that is loaded anew: the next call gets it, unless it has a fault; nothing is left of the old."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callbridge.cli.development.own_modules import OwnModules
from callbridge.cli.development.reloading import Reloading
from callbridge.server.config.plan import Plans, call_limits
from callbridge.server.config.who_answers import who_answers
from desks import made_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.agents.agent import Agent

AGENT = """
from callbridge import Agent
from bakery_prices import CAKE

agent = Agent(greeting={greeting!r})

@agent.tool
def price() -> int:
    '''What a cake costs.'''
    return CAKE
"""


class Said:
    """A screen that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, words: str) -> None:
        self.lines.append(words)

    def trouble(self, what: str, remedy: str = "") -> None:
        self.lines += [what, remedy]


class Project:
    """A folder with an agent in two modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("Hello one", cake=10)
        settings = made_settings({"CALLBRIDGE_AGENT": "bakery_of_a_test:agent"})
        self.screen = Said()
        self.plans = Plans(settings, who_answers(settings), call_limits(settings))
        self.reloading = Reloading(settings, self.plans, OwnModules(folder), self.screen)  # type: ignore[arg-type]  # As a screen does.

    def write(self, greeting: str, *, cake: int) -> None:
        self.folder.joinpath("bakery_of_a_test.py").write_text(AGENT.format(greeting=greeting))
        self.folder.joinpath("bakery_prices.py").write_text(f"CAKE = {cake}\n")

    def break_it(self) -> None:
        self.folder.joinpath("bakery_prices.py").write_text("CAKE = 11\n\nCAKE +\n")

    @property
    def agent(self) -> Agent:
        """Who answers the next call."""
        return self.plans.roster.find("")[1]

    @property
    def price(self) -> int:
        """What its tool says: the number is the other module's."""
        found: int = sys.modules["bakery_of_a_test"].price()
        return found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield Project(tmp_path)
    for name in ("bakery_of_a_test", "bakery_prices"):
        sys.modules.pop(name, None)


async def test_the_next_call_gets_the_new_agent_and_who_has_the_old_one_keeps_it(project: Project) -> None:
    old = project.agent
    project.write("Hello two", cake=20)  # In the same second, and as long as before.
    assert await project.reloading.load({"bakery_of_a_test.py"})
    assert (old.greeting, project.agent.greeting) == ("Hello one", "Hello two")
    assert project.price == 20, "what it imports is loaded anew, too"
    assert project.screen.lines == ["bakery_of_a_test.py has changed: the next call gets it."]
    notice = project.reloading.notice()
    assert notice is not None
    assert not notice.is_bad


async def test_a_fault_is_told_and_the_agent_before_goes_on(project: Project) -> None:
    before, modules = project.agent, dict(OwnModules(project.folder).loaded())
    project.break_it()
    assert not await project.reloading.load({"bakery_prices.py"})
    assert project.agent is before
    assert OwnModules(project.folder).loaded() == modules
    notice = project.reloading.notice()
    assert notice is not None
    assert notice.is_bad
    assert "SyntaxError" in notice.words
    assert f"{project.folder / 'bakery_prices.py'}:3" in notice.words
    assert "SyntaxError" in notice.detail
    assert "The agent before goes on answering." in project.screen.lines
    project.write("Hello two", cake=20)
    assert await project.reloading.load({"bakery_prices.py"})
    assert (project.agent.greeting, project.price) == ("Hello two", 20)
    assert not project.reloading.notice().is_bad  # type: ignore[union-attr]  # There is one.


async def test_of_the_agents_before_nothing_is_left(project: Project) -> None:
    """Four are loaded: the present one lives, and perhaps the one before it in a cache."""
    agents: list[weakref.ref[Agent]] = []
    for number in range(4):
        project.write(f"Hello {number}", cake=number)
        assert await project.reloading.load({"bakery_of_a_test.py"})
        agents.append(weakref.ref(project.agent))
    gc.collect()
    alive = [number for number, agent in enumerate(agents) if agent() is not None]
    assert alive[-1] == 3
    assert len(alive) <= 2, alive


async def test_an_agent_without_code_is_loaded_anew_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "agents" / "bakery.toml"
    file.parent.mkdir()
    file.write_text('who = "You answer for a bakery."\ngreeting = "Hello one"\n')
    settings = made_settings({"CALLBRIDGE_AGENT": "agents/bakery.toml"})
    plans = Plans(settings, who_answers(settings), call_limits(settings))
    reloading = Reloading(settings, plans, OwnModules(tmp_path), Said())  # type: ignore[arg-type]  # As a screen does.
    assert reloading.folders() == {file.parent}
    file.write_text('who = "You answer for a bakery."\ngreeting = "Hello two"\nnonsense = 1\n')
    assert not await reloading.load({"bakery.toml"})
    file.write_text('who = "You answer for a bakery."\ngreeting = "Hello two"\n')
    assert await reloading.load({"bakery.toml"})
    assert plans.roster.find("")[1].greeting == "Hello two"


def test_only_the_folders_of_its_own_modules_are_watched(project: Project) -> None:
    assert project.reloading.folders() == {project.folder.resolve()}
    assert OwnModules(project.folder).loaded().keys() == {"bakery_of_a_test", "bakery_prices"}
    assert OwnModules(Path(sys.prefix)).loaded() == {}, "what is installed is nobody's own"
