"""Finding the agent that `CALLBRIDGE_AGENT=module:name` names."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.choice import Roster
from callbridge.agents.choosing.loading import load_roster
from callbridge.agents.context import About, Caller
from callbridge.agents.fault import AgentError
from callbridge.agents.handoffs.graph import handoffs_of

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


def loaded(name: str) -> Roster:
    return load_roster(f"{MODULE}{name}", {})


def only_agent(name: str) -> Agent:
    (agent,) = loaded(name).agents.values()
    return agent


def test_an_agent_may_live_in_a_package(folder: Path) -> None:
    (folder / MODULE).mkdir()
    (folder / MODULE / "__init__.py").write_text("")
    (folder / MODULE / "desk.py").write_text("import callbridge\nagent = callbridge.Agent(voice='cedar')")
    assert only_agent(".desk:agent").voice == "cedar"


def test_the_current_folder_goes_first_and_only_once(folder: Path) -> None:
    """A module of the user's wins, and a second load changes nothing."""
    write(folder, "import callbridge\nagent = callbridge.Agent(greeting='Harbour Bakery, hello!')")
    first = only_agent(":agent")
    assert first.greeting == "Harbour Bakery, hello!"
    assert only_agent(":agent") is first
    assert sys.path.count(str(folder)) == 1
    assert sys.path[0] == str(folder)


SHOWN_HOW = r"write it as module:name, for example shop\.agent:agent, or as a file or a folder of "


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
            load_roster(name, {})


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
        loaded(":agent")
    assert type(failed.value.__cause__).__name__ == kind
    assert f" at {folder / MODULE}.py:{line}: {kind}" in str(failed.value)
    assert text.splitlines()[line - 1] in failed.value.where
    assert "importlib" not in failed.value.where


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("shop = callbridge.Agent()", f"{MODULE} has no agent; did you mean shop"),
        ("", rf"{MODULE} has no agent, in .*{MODULE}\.py"),
        ("agent = 'hello'", "a str answers no call: give an Agent, "),
        ("agent = callbridge.Agent", "a type answers no call: give an Agent, "),  # A common slip.
    ],
)
def test_a_name_that_is_no_agents(folder: Path, text: str, complaint: str) -> None:
    write(folder, f"import callbridge\n{text}")
    with pytest.raises(AgentError, match=complaint):
        loaded(":agent")


def test_agents_are_called_as_they_say_or_as_their_variables(folder: Path) -> None:
    """One agent, agents by number, and a function with all that its module has."""
    write(
        folder,
        """
import callbridge
bakery, default = callbridge.Agent(), callbridge.Agent(name="clinic.of-berlin")
numbers = {"+14155550100": bakery, "*": default, "+1 415 555 0101": bakery}
more = {"night": callbridge.Agent(), "+1": callbridge.Agent(name="day")}
def choose(call: callbridge.Call) -> callbridge.Agent:
    return bakery
""",
    )
    assert list(loaded(":bakery").agents) == ["bakery"]
    assert list(loaded(":default").agents) == ["clinic.of-berlin"]
    by_number = loaded(":numbers")
    assert (list(by_number.agents), by_number.default) == (["bakery", "clinic.of-berlin"], "clinic.of-berlin")
    chosen = loaded(":choose")
    assert list(chosen.agents) == ["bakery", "clinic.of-berlin", "night", "day"]
    assert chosen.default == "clinic.of-berlin"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("agent = {'+14155550100': callbridge.Agent()}", r"the agent for \+14155550100 has no name"),
        ("agent = {'4155550100': callbridge.Agent(name='a')}", "is no number that is called"),
        ("agent = {'*': 'bakery'}", "is no called number, as text, with its agent"),
        ("agent = {}", "there is no agent"),
        (f"{'x' * 49} = callbridge.Agent()\nagent = {{'*': {'x' * 49}}}", "at most 48 letters"),
        (
            "agent = {'+14155550100': callbridge.Agent(name='a'), '*': callbridge.Agent(name='a')}",
            "two agents are called a",
        ),
        (
            "agent = {n: callbridge.Agent(name=f'a{len(n)}') for n in ('+14155550100', '+1 (415) 555-0100')}",
            "is answered by a12 and by a17",
        ),
        ("def agent(call): ...", "has no agent to answer with"),
        ("others = [callbridge.Agent()]\ndef agent(call): ...", "has no name"),
    ],
)
def test_agents_that_cannot_be_told_apart(folder: Path, text: str, complaint: str) -> None:
    write(folder, f"import callbridge\n{text}")
    with pytest.raises(AgentError, match=f"^CALLBRIDGE_AGENT={MODULE}:agent: .*{complaint}"):
        loaded(":agent")


# --- Written in TOML ----------------------------------------------------------------------------------


def written(folder: Path, **files: str) -> None:
    (folder / "agents").mkdir()
    for name, more in files.items():
        (folder / "agents" / f"{name}.toml").write_text(f"who = 'You answer.'\n{more}")


def test_a_folder_of_written_agents(folder: Path) -> None:
    """Each is called as its file, unless it says another name; of a file alone it is one agent."""
    written(
        folder,
        bakery="numbers = ['+14155550100', 'sip:desk@example.sip.twilio.com']",
        clinic="numbers = ['*']\nname = 'night-clinic'",
    )
    (folder / "agents" / "._bakery.toml").write_bytes(b"\x00 of another system")
    (folder / "agents" / "README.md").write_text("Our agents.")
    roster = load_roster("agents", {})
    assert (list(roster.agents), roster.default) == (["bakery", "night-clinic"], "night-clinic")
    about = About("CA1", Caller(""), "sip:Desk@example.sip.twilio.com")
    assert asyncio.run(roster.choose(about)).name == "bakery"
    assert list(load_roster("agents/bakery.toml", {}).agents) == ["bakery"]


def test_written_agents_hand_over_to_each_other(folder: Path) -> None:
    written(
        folder,
        desk="handoffs.orders = { description = 'They want bread.', say = 'Orders, hello.' }",
        orders="name = 'orders'\nhandoff_description = 'Unused.'\nhandoffs.desk = {}\n"
        "[[steps]]\nname = 'back'\nhand_to = 'desk'",
    )
    roster = load_roster("agents", {})
    (handoff, orders), (back, desk) = (next(handoffs_of(agent)) for agent in roster.agents.values())
    assert (orders, desk) == (roster.agents["orders"], roster.agents["desk"])
    assert (handoff.tool_name, handoff.description, handoff.say) == (
        *("transfer_to_orders", "They want bread."),
        "Orders, hello.",
    )
    assert (back.tool_name, back.description) == ("transfer_to_desk", "")
    flow = roster.agents["orders"].flow
    assert flow is not None
    assert flow.hands_to == {"back": "desk"}


@pytest.mark.parametrize(
    ("files", "complaints"),
    [
        ({"a": "handoffs.c = {}", "b": ""}, [r"a\.toml: handoffs\.c: there is no agent c .*: a, b"]),
        ({"a": "handoffs.a = {}"}, ["agent a: .*leads to itself"]),
        (
            {"a": "handoffs.b = {}\n[[steps]]\nname = 'x'\nhand_to = 'c'", "b": ""},
            [r"line 5, steps\[1\]\.hand_to: there is no agent called c under `handoffs`"],
        ),
        ({}, ["there is no file that ends in .toml"]),
        ({"a": "numbers = ['*']", "b": "numbers = ['*']"}, [r"\* is answered by a and by b"]),
        ({"a": "name = 'b'", "b": ""}, ["two agents are called b"]),
        ({"a": "nonsense = 1", "b": "numbers = 7"}, [r"a\.toml", r"b\.toml"]),
    ],
)
def test_written_agents_that_cannot_be_used(
    folder: Path, files: dict[str, str], complaints: list[str]
) -> None:
    """All that is wrong is told at once."""
    written(folder, **files)
    with pytest.raises(AgentError) as failed:
        load_roster("agents", {})
    for complaint in complaints:
        assert re.search(complaint, str(failed.value))


def test_a_file_that_is_not_there(folder: Path) -> None:
    with pytest.raises(AgentError, match=r"clinic\.toml cannot be read: No such file"):
        load_roster(str(folder / "clinic.toml"), {})
