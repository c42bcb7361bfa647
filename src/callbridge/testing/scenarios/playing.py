"""Plays a scenario once: the agent is had, the line is made, and what is expected is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from callbridge.server.config.setting_problems import SettingsError
from callbridge.testing.call_data import ToolNotOfferedError
from callbridge.testing.expecting.expectations import Expectations
from callbridge.testing.expecting.unmet import ExpectationError
from callbridge.testing.line import Line
from callbridge.testing.persona.persona import Persona
from callbridge.testing.persona.text_models import TextModelFault
from callbridge.testing.scenarios.agents import agent_of
from callbridge.testing.scenarios.expect import ask
from callbridge.testing.scenarios.running import Judged
from callbridge.testing.speech import Speech
from callbridge.testing.steps import Backchannel, Interrupt, Say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.agents.choosing.choice import Roster
    from callbridge.testing.call_data import CallData
    from callbridge.testing.line import CallArguments
    from callbridge.testing.scenarios.file_model import Scenario, Setting
    from callbridge.testing.scenarios.reading import Found
    from callbridge.testing.steps import CallerStep


class ScenarioPlayer:
    """Plays scenarios with one agent.

    Args:
        roster: who answers.
        agent: the name under which they were loaded.
        speech: how texts become speech.
    """

    def __init__(self, roster: Roster, agent: str, speech: Speech = Speech.SYNTHETIC) -> None:
        self._roster, self.agent, self.speech = roster, agent, speech

    @classmethod
    def of(cls, found: Found, speech: Speech = Speech.SYNTHETIC) -> Self:
        """With the agent that the scenario names, and its speech, if it says how.

        Raises:
            AgentError: it cannot be had.
        """
        return cls(*agent_of(found.scenario.agent, found.path), found.scenario.speech or speech)

    def play(self, found: Found, seed: int) -> Judged:
        """See `Player`.

        Raises:
            TextModelMissing: a text model is wanted, and there is none.
        """
        scenario, line = found.scenario, Line()
        try:
            call = line.play(self._roster, **_arguments(found, seed, self.speech))
        except ToolNotOfferedError as error:  # The call is there to be looked at.
            return Judged(line.calls[-1], (str(error).partition("\n")[0],))
        except (ValueError, SettingsError, TextModelFault) as error:
            return Judged(None, (str(error),))
        return Judged(call, _unmet(scenario, call), _judgement(call))


def _arguments(found: Found, seed: int, speech: Speech) -> CallArguments:
    """The scenario as a line takes it. What it does not say is left to the line."""
    scenario = found.scenario
    given: CallArguments = {
        "caller": caller_of(found),
        "model": scenario.model,
        "tools": scenario.tools,
        "effects": scenario.effects,
        "speech": speech,
        "seed": seed,
        "settings": settings_of(scenario),
        "title": scenario.name,
        "real_sockets": scenario.real_sockets,
    }
    if scenario.people is not None:
        given["people"] = scenario.people
    if scenario.from_number is not None:
        given["from_number"] = scenario.from_number
    if scenario.to_number is not None:
        given["to_number"] = scenario.to_number
    if scenario.at is not None:
        given["at"] = scenario.at
    if scenario.max_call_s is not None:
        given["max_call_s"] = scenario.max_call_s
    return given


def _unmet(scenario: Scenario, call: CallData) -> tuple[str, ...]:
    """What of `[expect]` is not so, and what the judge does not say yes to."""
    try:
        ask(scenario.expect, Expectations(call), scenario.judge)
    except ExpectationError as error:
        return tuple(one.text for one in error.unmet)
    except TextModelFault as error:
        return (f"the judge could not be asked: {error}",)
    except ValueError as error:  # An outcome that there is not, say.
        return (f"[expect]: {error}",)
    return ()


def _judgement(call: CallData) -> str:
    """All that the judge has said."""
    verdicts = call.judged[-1].judgements[-1].verdicts if call.judged else ()
    return "\n".join(
        f"{one.criterion}: {one.answer} ({one.confidence:.2f}): {one.reason}" for one in verdicts
    )


def caller_of(found: Found) -> Sequence[CallerStep] | Persona:
    """The caller; their audio files are looked for beside the scenario."""
    if isinstance(found.scenario.caller, Persona):
        return found.scenario.caller
    return [
        msgspec.structs.replace(step, audio=str(found.path.parent / step.audio))
        if isinstance(step, Say | Interrupt | Backchannel) and step.audio
        else step
        for step in found.scenario.caller
    ]


def settings_of(scenario: Scenario) -> dict[str, str]:
    """The settings as the environment would have them."""
    return {name: _as_text(value) for name, value in scenario.settings.items()}


def _as_text(value: Setting) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
