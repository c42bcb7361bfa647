"""An agent of the SDK becomes one of ours: how it is found, named, checked, and what of it is left out."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

from agents import Agent as TextAgent
from agents import FunctionTool, WebSearchTool, function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, realtime_handoff
from agents.realtime.testing import ScriptedRealtimeModel

from callbridge import Agent, AgentFault, Roster, SemanticVad, ServerVad
from callbridge.agents.choosing.gathering import roster_of
from callbridge.agents.choosing.loading import load_roster
from callbridge.agents.context import About, Caller
from callbridge.agents.fault import AgentError
from callbridge.agents.openai_agents import unpublished
from callbridge.agents.openai_agents.hosting import OfAgent
from callbridge.agents.openai_agents.settings import as_ours
from callbridge.agents.tools.schema import ToolError
from callbridge.cli.agent import lines_of
from callbridge.openai_agents import guest

if TYPE_CHECKING:
    from pathlib import Path

    from agents import Tool

ABOUT = About("CA1", Caller("+14155550100"), "+14155550111")


@function_tool
def weather(city: str) -> str:
    """Get the weather in a city."""
    return "sunny"


def agent(name: str = "Front Desk", **more: Any) -> RealtimeAgent[Any]:
    return RealtimeAgent(name=name, instructions="You greet.", **more)


# --- Found --------------------------------------------------------------------------------------------


def test_one_is_called_as_its_variable_where_its_own_name_cannot_be_told() -> None:
    assert list(roster_of(agent(), name="front").agents) == ["front"]
    assert list(roster_of(agent("Front.1")).agents) == ["Front.1"]
    assert list(roster_of(RealtimeRunner(agent("Runner"))).agents) == ["Runner"]


def test_numbers_may_lead_to_one_beside_our_own() -> None:
    front, own = agent(), Agent(name="own")
    variables = {"front_desk": front, "own": own}
    roster = roster_of({"+14155550100": front, "+14155550101": own, "*": front}, variables)
    assert roster.agents["own"] is own
    assert roster.numbers == {"+14155550100": "front_desk", "+14155550101": "own"}
    assert roster.default == "front_desk"


def test_a_roster_may_have_one_and_refuses_what_is_none() -> None:
    roster = Roster({"front": agent(), "own": Agent()}, numbers={"+14155550100": "front"})
    found = roster.agents["front"].guest
    assert found is not None
    assert found.tool_names == ()
    with pytest.raises(AgentError, match=r"agent writer: a text agent .* answers no call"):
        Roster({"writer": TextAgent(name="Writer")})  # type: ignore[dict-item]  # As somebody may write it.


async def test_a_function_may_choose_one() -> None:
    day, night = agent("Day"), RealtimeRunner(agent("Night"))

    async def choose() -> Any:
        return night

    roster = roster_of(choose, {"day": day, "night": night})
    assert (roster.default, (await roster.choose(ABOUT)).name) == ("Day", "Night")


def test_a_module_may_have_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from agents.realtime import RealtimeAgent\ntriage = RealtimeAgent(name='Triage Agent')\n"
    (tmp_path / "of_the_sdk.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert list(load_roster("of_the_sdk:triage", {}).agents) == ["triage"]
    with pytest.raises(AgentError, match=r"has no agent; did you mean triage\?"):
        load_roster("of_the_sdk:agent", {})


@pytest.mark.parametrize("what", ["import", "use"])
def test_without_the_sdk_it_is_said_what_to_install(what: str, tmp_path: Path) -> None:
    """`None` in the place of a module is a module that is not there."""
    (tmp_path / "needs.py").write_text("from agents.realtime import RealtimeAgent\n")
    hidden = "import sys; sys.modules['agents'] = None\n"
    used = {
        "use": "import callbridge.openai_agents as found\nfound.guest",
        "import": (
            "from callbridge.agents.choosing.loading import load_roster\nload_roster('needs:agent', {})"
        ),
    }
    ran = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", hidden + used[what]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "pip install 'callbridge[openai-agents]'" in ran.stderr


def test_an_old_sdk_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lacks a name that is imported: the module is imported anew, as in a process that has it."""
    monkeypatch.delitem(sys.modules, "callbridge.agents.openai_agents.hosting")
    monkeypatch.delitem(sys.modules, "callbridge.agents.openai_agents.host")
    monkeypatch.delattr("agents.realtime.RealtimeModelEndOfStreamEvent")
    with pytest.raises(AgentError, match=r"or is too old: pip install 'callbridge\[openai-agents\]'"):
        roster_of(agent())


# --- Checked ------------------------------------------------------------------------------------------


def broken_schema() -> Tool:
    async def answer(_context: Any, _arguments: str) -> str:
        return ""

    schema = {"type": "object", "properties": {"n": {"type": "whole"}}}
    return FunctionTool("count", "Counts.", schema, answer, strict_json_schema=False)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda: agent(tools=[WebSearchTool()]), "tool web_search: a WebSearchTool runs at the vendor"),
        (lambda: agent(handoffs=[agent("B", tools=[broken_schema()])]), "tool count: "),
    ],
)
def test_a_tool_that_no_call_can_have_is_refused_at_load(wrong: Any, why: str) -> None:
    with pytest.raises(ToolError, match=why):
        guest(wrong())
    with pytest.raises(AgentError, match=why):
        roster_of(wrong())


def test_what_is_none_of_the_sdk_is_refused() -> None:
    with pytest.raises(AgentFault, match=r"a text agent .* answers no call"):
        guest(TextAgent(name="Writer"))  # type: ignore[arg-type]  # As somebody may write it.
    with pytest.raises(ToolError, match="weather"):
        guest(agent(tools=[weather]), tools=[weather_of_ours])


async def weather_of_ours(city: str) -> str:
    """Get the weather."""
    return city


weather_of_ours.__name__ = "weather"


def test_whom_handoffs_lead_to_is_known_and_nothing_is_run_for_it() -> None:
    ran: list[str] = []
    back = agent("Back", tools=[weather])
    front = agent("Front", handoffs=[realtime_handoff(back, on_handoff=lambda _: ran.append("handed over"))])
    back.handoffs.append(front)
    found = guest(front).guest
    assert found is not None
    assert {name: [tool.name for tool in tools] for name, tools in found.tools.items()} == {
        "Front": ["transfer_to_back"],
        "Back": ["weather", "transfer_to_front"],
    }
    assert ran == []


def test_it_is_shown_with_all_whom_it_may_hand_over_to() -> None:
    shown = "\n".join(lines_of("front", guest(agent(handoffs=[agent("Back", tools=[weather])]))))
    assert "instructions: You greet." in shown
    assert "greeting: (the model's own)" in shown
    assert "Back, of the OpenAI Agents SDK\n  weather(city: string)\n    Get the weather in a city." in shown


# --- Settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "taken", "left_out"),
    [
        ({}, {}, []),
        (
            {"model_name": "gpt-realtime-2.1", "voice": "cedar", "reasoning": {"effort": "low"}},
            {"model": "gpt-realtime-2.1", "voice": "cedar", "reasoning_effort": "low"},
            [],
        ),
        (
            {
                "audio": {
                    "input": {
                        "format": "g711_ulaw",
                        "turn_detection": {"type": "semantic_vad", "eagerness": "low"},
                    },
                    "output": {"voice": "marin", "format": {"type": "audio/pcmu"}},
                }
            },
            {"voice": "marin", "turn_detection": SemanticVad(eagerness="low")},
            [],
        ),
        (
            {
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.6,
                    "interrupt_response": True,
                    "create_response": False,
                },
                "tool_choice": "auto",
                "modalities": ["audio"],
                "tracing": None,
            },
            {"turn_detection": ServerVad(threshold=0.6)},
            ["create_response=False (a caller is always answered)"],
        ),
        (
            {"turn_detection": None, "speed": 1.2, "input_audio_format": "pcm16", "tool_choice": "required"},
            {},
            [
                "turn_detection=None",
                "speed=1.2",
                "format='pcm16' (a telephone has µ-law (audio/pcmu) and nothing else)",
                "tool_choice='required'",
            ],
        ),
        ({"reasoning": {"effort": "endless"}}, {}, ["reasoning={'effort': 'endless'}"]),
    ],
)
def test_settings_are_taken_or_named(settings: Any, taken: Any, left_out: list[str]) -> None:
    assert as_ours(settings) == (taken, left_out)


def test_a_runner_brings_its_settings_and_what_is_said_of_the_agent_goes_before() -> None:
    settings: Any = {"voice": "cedar", "model_name": "gpt-realtime-2.1"}
    runner = RealtimeRunner(agent(), model=ScriptedRealtimeModel(), config={"model_settings": settings})
    made = guest(runner, voice="marin", greeting="Hello!", can_hang_up=True, language="de")
    assert (made.voice, made.model, made.greeting, made.language) == (
        *("marin", "gpt-realtime-2.1"),
        *("Hello!", "de"),
    )
    assert made.toolbox.names == ("end_call",)
    assert made.guest is not None
    assert made.guest.left_out == ("model=ScriptedRealtimeModel",)


def test_what_may_be_said_beside_it_an_agent_takes() -> None:
    taken = set(inspect.signature(Agent).parameters)
    assert set(OfAgent.__annotations__) <= taken - {"instructions", "greeting", "can_hang_up", "flow"}


@pytest.mark.parametrize(("approval_s", "has_events"), [(0, True), (289, True), (60, False)])
def test_an_approval_has_a_time_that_can_be_kept(approval_s: float, *, has_events: bool) -> None:
    async def events(*_given: Any) -> None: ...

    with pytest.raises(AgentFault, match="approval_s"):
        guest(agent(), approval_s=approval_s, events=events if has_events else None)


# --- The SDK itself -----------------------------------------------------------------------------------


def test_the_sdk_has_all_that_is_used_of_it_and_not_published() -> None:
    """A newer one that has not is named here, name by name, before anything else fails."""
    assert unpublished.missing() == ()


def test_a_version_of_the_sdk_that_is_not_known_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpublished, "_OF_A_SESSION", ("_event_queue", "_renamed"))
    monkeypatch.setattr(unpublished, "realtime_handoff", lambda _: realtime_handoff(agent("Other")))
    unpublished.missing.cache_clear()
    try:
        with pytest.raises(
            AgentFault, match=r"no RealtimeSession\._renamed, an agent in the .*: pip install"
        ):
            guest(agent())
    finally:
        unpublished.missing.cache_clear()
