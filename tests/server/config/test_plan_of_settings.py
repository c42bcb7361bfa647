"""Settings and agent into the plan of a call: each stands where the wire wants it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.gathering import roster_of
from callbridge.agents.context import About, Call, Caller
from callbridge.agents.detection import SemanticVad, ServerVad
from callbridge.call.limits import Limits
from callbridge.call.plan import CallPlan
from callbridge.server.config.plan import Plans, call_limits
from callbridge.server.config.prices import read_prices
from callbridge.wire import realtime_commands as commands
from desks import CALL, CALLED, CALLER, made_settings

ABOUT = About(CALL, Caller(CALLER), CALLED)


def plan_of(environment: dict[str, str] | None = None, agent: Agent | None = None) -> CallPlan:
    """The plan of a call that this agent answers."""

    async def opened() -> CallPlan:
        settings = made_settings(environment)
        plans = Plans(settings, roster_of(agent or Agent()), call_limits(settings))
        return (await plans.open("default", ABOUT, ()))[0]

    return asyncio.run(opened())


def session_of(environment: dict[str, str] | None = None, agent: Agent | None = None) -> dict[str, Any]:
    """The session as JSON, as it goes to the model."""
    plan = plan_of(environment, agent)
    sent: dict[str, Any] = json.loads(commands.encode(commands.UpdateSession(session=plan.session)))
    session: dict[str, Any] = sent["session"]
    return session


OF_SETTINGS = {
    "CALLBRIDGE_AGENT_INSTRUCTIONS": "Of the settings.",
    "CALLBRIDGE_REALTIME_VOICE": "cedar",
    "CALLBRIDGE_AGENT_GREETING": "Hi.",
}


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (Agent(), ("Of the settings.", "cedar", "Hi.")),
        (
            Agent(instructions="Of the agent.", voice="marin", greeting="Hello."),
            ("Of the agent.", "marin", "Hello."),
        ),
        (Agent(instructions="", greeting=""), ("", "cedar", "")),  # Empty is an answer, and not nothing.
    ],
)
def test_what_the_agent_says_comes_before_the_settings(agent: Agent, said: tuple[str, ...]) -> None:
    """Both ways it is µ-law: what Twilio sends goes to the model as it is, and back."""
    session = session_of(OF_SETTINGS, agent)
    audio = session["audio"]
    assert audio["input"]["format"] == audio["output"]["format"] == {"type": "audio/pcmu"}
    greeting = plan_of(OF_SETTINGS, agent).greeting
    assert (session["instructions"], audio["output"]["voice"], greeting) == said


def test_the_tools_of_the_agent_are_offered() -> None:
    def look_up(what: str) -> str:
        """Looks something up."""
        return what

    names = [tool["name"] for tool in session_of(agent=Agent(tools=[look_up]))["tools"]]
    assert "look_up" in names


def test_instructions_and_greeting_may_be_functions_of_the_call() -> None:
    """One that fails leaves its text to the settings."""

    async def instructions(call: Call) -> str:
        return f"You talk with {call.caller.number}."

    def greeting(call: Call) -> str:
        return f"Hello, {call.parameters['name']}."

    plan = plan_of(OF_SETTINGS, Agent(instructions=instructions, greeting=greeting))
    assert (plan.session.instructions, plan.greeting) == ("You talk with +14155550100.", "Hi.")


SERVER_VAD = {"CALLBRIDGE_VAD_THRESHOLD": "0.7", "CALLBRIDGE_VAD_PREFIX_PADDING_MS": "200"}
SERVER_VAD |= {"CALLBRIDGE_VAD_SILENCE_DURATION_MS": "400"}


SEMANTIC_VAD = {"CALLBRIDGE_VAD_KIND": "semantic_vad", "CALLBRIDGE_VAD_EAGERNESS": "low"}


@pytest.mark.parametrize(
    ("settings", "own", "expected"),
    [
        (
            SERVER_VAD,
            None,
            {"type": "server_vad", "threshold": 0.7, "prefix_padding_ms": 200, "silence_duration_ms": 400},
        ),
        (
            SEMANTIC_VAD,
            None,
            {"type": "semantic_vad", "eagerness": "low"},
        ),
        (
            SERVER_VAD,
            ServerVad(threshold=0.0, silence_duration_ms=900),
            {"type": "server_vad", "threshold": 0.0, "prefix_padding_ms": 200, "silence_duration_ms": 900},
        ),
        (SERVER_VAD, SemanticVad(), {"type": "semantic_vad", "eagerness": "auto"}),
        (SEMANTIC_VAD, SemanticVad(), {"type": "semantic_vad", "eagerness": "low"}),
        (SEMANTIC_VAD, ServerVad(), {"type": "server_vad", "silence_duration_ms": 500}),
    ],
)
def test_turn_detection(
    settings: dict[str, str], own: ServerVad | SemanticVad | None, expected: dict[str, object]
) -> None:
    """The agent's own kind; what it leaves open, the settings fill."""
    session = session_of(settings, Agent(turn_detection=own))
    detection = session["audio"]["input"]["turn_detection"]
    assert {name: detection[name] for name in expected} == expected


def test_noise_reduction_can_be_switched_off() -> None:
    near = session_of({"CALLBRIDGE_NOISE_REDUCTION": "near_field"})["audio"]["input"]
    assert near["noise_reduction"] == {"type": "near_field"}
    off = plan_of({"CALLBRIDGE_NOISE_REDUCTION": "off"})
    assert off.session.audio.input.noise_reduction is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"CALLBRIDGE_TRUNCATION": "auto"}, "auto"),
        ({"CALLBRIDGE_TRUNCATION": "disabled"}, "disabled"),
        ({"CALLBRIDGE_TRUNCATION": "0.8"}, commands.RetentionRatio(0.8, None)),
        (
            {"CALLBRIDGE_TRUNCATION": "0.8", "CALLBRIDGE_TRUNCATION_POST_INSTRUCTIONS_TOKENS": "9000"},
            commands.RetentionRatio(0.8, commands.TokenLimits(9000)),
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_truncation(settings: dict[str, str], expected: object) -> None:
    assert plan_of(settings).session.truncation == expected


def test_money_and_models() -> None:
    """The cap in microdollars, the price of the model, and whom to dial when it is gone."""
    models = {"CALLBRIDGE_REALTIME_MODEL": "gpt-realtime-2.1", "CALLBRIDGE_REALTIME_SECOND_MODEL": "off"}
    plan = plan_of(models | {"CALLBRIDGE_SPEND_PER_CALL_MAX": "1.25"})
    assert (plan.model, plan.second_model) == ("gpt-realtime-2.1", None)
    assert plan.spend_max_microdollars == 1_250_000
    assert plan.price == read_prices().list.model("gpt-realtime-2.1")
    assert plan.price is not None


OWN = Agent(
    model="gpt-realtime-2.1-mini",
    language="ja",
    reasoning_effort="high",
    tool_timeout_s=11,
    spend_max=0.5,
    person_key="0",
)
OTHERS = {"CALLBRIDGE_LANGUAGE": "en", "CALLBRIDGE_TOOL_SECONDS": "5", "CALLBRIDGE_SPEND_PER_CALL_MAX": "2"}


def test_what_an_agent_says_of_its_own_is_its_plan() -> None:
    """Model and prices, the hint to the transcription, effort and patience, tools, money, a key."""
    plan = plan_of(OTHERS, OWN)
    assert (plan.model, plan.second_model) == ("gpt-realtime-2.1-mini", None)
    assert (
        plan.price
        == read_prices().list.model("gpt-realtime-2.1-mini")
        != read_prices().list.model("gpt-realtime-2.1")
    )
    assert plan.session.audio.input.transcription == commands.Transcription("gpt-transcribe", "ja")
    assert plan.session.reasoning == commands.Reasoning("high")
    assert (plan.spend_max_microdollars, plan.person_key, plan.agent) == (500_000, "0", "default")
    limits = plan.limits
    assert (limits.tool_timeout_s, limits.answer_timeout_s, limits.give_up_after_s) == (11.0, 20.0, 27.0)


def test_what_it_leaves_open_the_settings_fill() -> None:
    plan = plan_of(OTHERS | {"CALLBRIDGE_REASONING_EFFORT": "medium"})
    assert (plan.model, plan.second_model) == ("gpt-realtime-2.1", "gpt-realtime-2.1-mini")
    assert plan.session.audio.input.transcription == commands.Transcription("gpt-transcribe", "en")
    assert plan.session.reasoning == commands.Reasoning("medium")
    assert plan.spend_max_microdollars == 2_000_000
    assert (plan.limits.tool_timeout_s, plan.limits.answer_timeout_s) == (5.0, 12.0)


def test_effort_of_the_settings_is_meant_for_a_model_that_reasons() -> None:
    """An agent with another model would be refused its whole session; nor is it waited for any longer."""
    plan = plan_of({"CALLBRIDGE_REASONING_EFFORT": "xhigh"}, Agent(model="gpt-realtime-1.5"))
    assert plan.session.reasoning is None
    assert plan.limits.answer_timeout_s == Limits().answer_timeout_s


def test_patience_that_is_set_holds_for_every_agent() -> None:
    plan = plan_of({"CALLBRIDGE_ANSWER_PATIENCE_SECONDS": "5"}, Agent(reasoning_effort="xhigh"))
    assert plan.limits.answer_timeout_s == 5.0


def test_limits_are_those_of_the_settings() -> None:
    given = {"CALL_MINUTES_MAX": "12", "CALLER_SILENCE_SECONDS": "45", "TOOL_SECONDS": "12"}
    limits = call_limits(made_settings({f"CALLBRIDGE_{name}": value for name, value in given.items()}))
    assert (limits.call_length_max_s, limits.caller_silence_s, limits.tool_timeout_s) == (720.0, 45.0, 12.0)
    assert limits.dial_timeout_s == Limits().dial_timeout_s


@pytest.mark.parametrize(("patience_s", "gives_up_after_s"), [("2", 15.0), ("", 15.0), ("20", 27.0)])
def test_impatience_with_the_model_leaves_a_tool_its_time(patience_s: str, gives_up_after_s: float) -> None:
    """Patience with a silent model moves the fallback back, and never forward: 12 s of a tool come before."""
    given = {"CALLBRIDGE_ANSWER_PATIENCE_SECONDS": patience_s, "CALLBRIDGE_TOOL_SECONDS": "12"}
    assert call_limits(made_settings(given)).give_up_after_s == gives_up_after_s
