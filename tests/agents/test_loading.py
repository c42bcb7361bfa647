"""Finding the agent that `CALLBRIDGE_AGENT=module:name` names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from callbridge.agents.loading import AgentError, load_agent

MODULE = "agent_of_this_test"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's own folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == MODULE]:
        del sys.modules[name]


def write(folder: Path, text: str, name: str = MODULE) -> None:
    (folder / f"{name}.py").write_text(text)


def test_an_agent_may_live_in_a_package(folder: Path) -> None:
    (folder / MODULE).mkdir()
    (folder / MODULE / "__init__.py").write_text("")
    (folder / MODULE / "desk.py").write_text("import callbridge\nagent = callbridge.Agent(voice='cedar')")
    assert load_agent(f"{MODULE}.desk:agent").voice == "cedar"


def test_the_current_folder_goes_first_and_only_once(folder: Path) -> None:
    """A module of the user's wins, and a second load changes nothing."""
    write(folder, "import callbridge\nagent = callbridge.Agent(greeting='Harbour Bakery, hello!')")
    first = load_agent(f"{MODULE}:agent")
    assert first.greeting == "Harbour Bakery, hello!"
    assert load_agent(f"{MODULE}:agent") is first
    assert sys.path.count(str(folder)) == 1
    assert sys.path[0] == str(folder)


SHOWN_HOW = r"write it as module:name, for example shop\.agent:agent"


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["", "shop", "shop.agent", ":agent", "shop:", ":"], SHOWN_HOW),
        (
            ["no_such_module_here:agent", "json.no_such:agent"],
            "there is no module .*no_such.* in .*, nor is one",
        ),
        (["..x:agent", ".:agent"], "importing .* failed"),
    ],
)
def test_a_name_of_nothing(names: list[str], complaint: str) -> None:
    for name in names:
        with pytest.raises(AgentError, match=complaint):
            load_agent(name)


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("import no_such_module_here", "ModuleNotFoundError", 1),
        ("1 / 0", "ZeroDivisionError", 1),
        ("def broken(:", "SyntaxError", 1),
        ("import callbridge\nagent = callbridge.Agent()\n@agent.tool\ndef f(x): 'Do it.'", "ToolError", 3),
    ],
)
def test_a_module_that_fails_says_how(folder: Path, text: str, kind: str, line: int) -> None:
    """The fault of the user's own code is named with its place, chained, and shown as Python shows it."""
    write(folder, text)
    with pytest.raises(AgentError, match=kind) as failed:
        load_agent(f"{MODULE}:agent")
    assert type(failed.value.__cause__).__name__ == kind
    assert f" at {folder / MODULE}.py:{line}: {kind}" in str(failed.value)
    assert text.splitlines()[line - 1] in failed.value.where
    assert "importlib" not in failed.value.where


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("shop = callbridge.Agent()", f"{MODULE} has no agent; did you mean shop"),
        ("", rf"{MODULE} has no agent, in .*{MODULE}\.py"),
        ("agent = 'hello'", "agent is a str, not a callbridge.Agent"),
        ("agent = callbridge.Agent", "agent is a type, not a callbridge.Agent"),  # A common slip.
    ],
)
def test_a_name_that_is_no_agents(folder: Path, text: str, complaint: str) -> None:
    write(folder, f"import callbridge\n{text}")
    with pytest.raises(AgentError, match=complaint):
        load_agent(f"{MODULE}:agent")
