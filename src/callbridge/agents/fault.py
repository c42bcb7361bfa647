"""What is said of an agent that cannot be as it is written, or cannot be loaded."""

from __future__ import annotations


class AgentFault(TypeError):  # noqa: N818  # Said of the agent, by its makers.
    """An agent cannot be as it is written. The text says what to change."""


class AgentError(ValueError):
    """An agent cannot be loaded. The text says why; `where` is the traceback, if the user's code raised."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(what)
        self.where = where
