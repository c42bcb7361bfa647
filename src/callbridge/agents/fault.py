"""`AgentFault`: an agent, or a part of one, cannot be as it is written."""

from __future__ import annotations


class AgentFault(TypeError):  # noqa: N818  # Said of the agent, by its makers.
    """An agent cannot be as it is written. The text says what to change."""
