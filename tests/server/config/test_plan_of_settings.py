"""Settings and agent into the plan of a call: each stands where the wire wants it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callbridge.agents.agent import Agent
from callbridge.call.limits import Limits
from callbridge.server.config.plan import call_limits, call_plan
from callbridge.server.config.prices import price_of
from callbridge.wire import realtime_commands as commands
from desks import made_settings


def session_of(environment: dict[str, str] | None = None, agent: Agent | None = None) -> dict[str, Any]:
    """The session as JSON, as it goes to the model."""
    plan = call_plan(made_settings(environment), agent or Agent())
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
    greeting = call_plan(made_settings(OF_SETTINGS), agent).greeting
    assert (session["instructions"], audio["output"]["voice"], greeting) == said


def test_the_tools_of_the_agent_are_offered() -> None:
    def look_up(what: str) -> str:
        """Looks something up."""
        return what

    names = [tool["name"] for tool in session_of(agent=Agent(tools=[look_up]))["tools"]]
    assert "look_up" in names


SERVER_VAD = {"CALLBRIDGE_VAD_THRESHOLD": "0.7", "CALLBRIDGE_VAD_PREFIX_PADDING_MS": "200"}
SERVER_VAD |= {"CALLBRIDGE_VAD_SILENCE_DURATION_MS": "400"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            SERVER_VAD,
            {"type": "server_vad", "threshold": 0.7, "prefix_padding_ms": 200, "silence_duration_ms": 400},
        ),
        (
            {"CALLBRIDGE_VAD_KIND": "semantic_vad", "CALLBRIDGE_VAD_EAGERNESS": "low"},
            {"type": "semantic_vad", "eagerness": "low"},
        ),
    ],
    ids=["server", "semantic"],
)
def test_turn_detection(settings: dict[str, str], expected: dict[str, object]) -> None:
    detection = session_of(settings)["audio"]["input"]["turn_detection"]
    assert {name: detection[name] for name in expected} == expected


def test_noise_reduction_can_be_switched_off() -> None:
    near = session_of({"CALLBRIDGE_NOISE_REDUCTION": "near_field"})["audio"]["input"]
    assert near["noise_reduction"] == {"type": "near_field"}
    off = call_plan(made_settings({"CALLBRIDGE_NOISE_REDUCTION": "off"}), Agent())
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
    assert call_plan(made_settings(settings), Agent()).session.truncation == expected


def test_money_and_models() -> None:
    """The cap in microdollars, the price of the model, and whom to dial when it is gone."""
    models = {"CALLBRIDGE_REALTIME_MODEL": "gpt-realtime-2.1", "CALLBRIDGE_REALTIME_SECOND_MODEL": "off"}
    settings = made_settings(models | {"CALLBRIDGE_SPEND_PER_CALL_MAX": "1.25"})
    plan = call_plan(settings, Agent())
    assert (plan.model, plan.second_model) == ("gpt-realtime-2.1", None)
    assert plan.spend_max_microdollars == 1_250_000
    assert plan.price == price_of("gpt-realtime-2.1")
    assert plan.price is not None


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
