"""One setting makes a line of another language: what the model is told, greets with and hears for."""

from __future__ import annotations

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.context import About, Caller
from callbridge.agents.languages.texts import language_texts
from callbridge.call.plan import CallPlan
from callbridge.server.config.plan import planned
from desks import made_settings


async def plan_of(agent: Agent, **given: str) -> CallPlan:
    settings = made_settings({f"CALLBRIDGE_{name}": value for name, value in given.items()})
    plan, _ = await planned(settings, agent, About("CA1", Caller(""), ""))
    return plan


def hint(plan: CallPlan) -> str | None:
    """What the transcription is told of the language."""
    transcription = plan.session.audio.input.transcription
    assert transcription is not None
    return transcription.language


@pytest.mark.parametrize(
    ("of_agent", "of_settings", "language"),
    [(None, "ja", "ja"), ("ja", "de", "ja"), (None, "de-AT", "de"), ("it", "", "it"), (None, "", None)],
)
async def test_the_language_decides_what_nobody_has_set(
    of_agent: str | None, of_settings: str, language: str | None
) -> None:
    """That of the agent comes before that of the settings. The vendor's hint has no country."""
    plan = await plan_of(Agent(language=of_agent), LANGUAGE=of_settings)
    texts = language_texts(of_agent or of_settings)
    told = "\n\n".join(filter(None, (texts.agent_instructions, texts.speak)))
    assert (plan.session.instructions, plan.greeting, hint(plan)) == (told, texts.greeting, language)


async def test_an_agent_of_another_language_does_not_greet_in_that_of_the_settings() -> None:
    given = {"LANGUAGE": "de", "AGENT_GREETING": "Bäckerei Nord, guten Tag!", "AGENT_INSTRUCTIONS": "Backe."}
    assert (await plan_of(Agent(language="de-AT"), **given)).greeting == "Bäckerei Nord, guten Tag!"
    japanese = await plan_of(Agent(language="ja"), **given)
    assert japanese.greeting == language_texts("ja").greeting
    assert japanese.session.instructions.startswith("Backe.")
    # Where nothing is said of the language, it is that of the callers.
    assert (await plan_of(Agent(language="ja"), AGENT_GREETING="もしもし")).greeting == "もしもし"


async def test_what_is_set_by_hand_stays_and_the_language_is_told_behind_it() -> None:
    of_settings = await plan_of(
        Agent(), LANGUAGE="fr", AGENT_INSTRUCTIONS="Sell bread.", AGENT_GREETING="Allô."
    )
    of_agent = await plan_of(Agent(instructions=lambda: "Sell bread.", greeting="Allô."), LANGUAGE="fr")
    for plan in (of_settings, of_agent):
        assert plan.session.instructions == f"Sell bread.\n\n{language_texts('fr').speak}"
        assert plan.greeting == "Allô."
