"""Who answers in this process: what `CALLBRIDGE_AGENT` names, or an agent made of the settings alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.gathering import roster_of
from callbridge.agents.choosing.loading import load_roster
from callbridge.server.config.settings import find_variables

if TYPE_CHECKING:
    from callbridge.agents.choosing.choice import Roster
    from callbridge.server.config.settings import Settings


def who_answers(settings: Settings) -> Roster:
    """The agents of this process.

    Raises:
        AgentError: those that the settings name cannot be loaded.
    """
    if settings.agent is None:
        return roster_of(Agent())
    return load_roster(settings.agent, find_variables().values)
