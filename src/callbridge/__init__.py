"""A phone number answered by a realtime voice model.

What users import to write an agent. Everything else is reached through the `callbridge` command.
"""

from callbridge.agents.agent import Agent
from callbridge.agents.tools import EndCall

__all__ = ["Agent", "EndCall"]
