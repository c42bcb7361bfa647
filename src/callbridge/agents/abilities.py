"""What an agent can do in one call beside talking: a form that it fills, a flow that it follows, keys.

An ability is told what happens and writes what it wants into `Wants`. It is synchronous and knows no socket,
no clock and no model. Where it stands changes only with a fact, its own or another, or in `answered`. What it
tells the model, and which tools the model has, is derived from that: `AgentInCall` looks after everything
that happens, and amends the session when it has changed.

Most abilities need no more than that. One may also be a `Preparing`, a `Hearing`, a `Watching` or a `Running`
one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import asyncio

    from callbridge.agents.context import Call
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.call.facts import Fact
    from callbridge.call.wants import KeysWanted
    from callbridge.wire.realtime_events import ServerEvent

PREPARED_WITHIN_S: Final = 1.0
"""What an ability has before the stream is admitted. The caller waits meanwhile."""


class Ability(Protocol):
    """One ability in one call."""

    @property
    def instructions(self) -> str:
        """What the model is told beside the agent's own instructions; empty for nothing."""

    @property
    def tools(self) -> Sequence[AnyTool]:
        """The tools that the model has because of it, at the moment."""

    @property
    def works(self) -> Mapping[str, AnyTool]:
        """Code that it may ask to be run (`WorkAsked`), by name. No model sees it."""

    @property
    def keys(self) -> KeysWanted | None:
        """How keys are to be put together at the moment; None where it does not care."""

    def restore(self, fact: Fact) -> None:
        """Something happened on an earlier stream of the call, in `choose`, or while another agent is on.

        In order; asks for nothing.
        """

    def told(self, fact: Fact) -> None:
        """Something has happened. `AgentChanged`: the caller was handed over to the agent of this ability."""

    def answered(self, tool: str, result: ToolResult, call: Call[Any]) -> None:
        """A tool or a work of this call has ended with this. The model is told behind it."""

    def pressed(self, keys: str) -> str | None:
        """The caller pressed these keys and is done: what the model is to be told of it.

        None where they mean nothing to it. The first ability that has a use for them has them.
        """


@runtime_checkable
class Preparing(Protocol):
    """An ability that has to look something up before anything can be said of the session."""

    async def prepare(self, call: Call[Any]) -> None:
        """Gets ready, within `PREPARED_WITHIN_S`: later it is cancelled, and the call goes on without."""


@runtime_checkable
class Hearing(Protocol):
    """An ability that listens to both sides' words."""

    def hears(self, by: Literal["agent", "caller"], item_id: str, words: str) -> None:
        """A piece of an item's words, as it comes. Those of the agent come before they are heard."""


@runtime_checkable
class Watching(Protocol):
    """An ability that sees what the model says of its responses and items: no audio, no piece of words."""

    def model_says(self, event: ServerEvent) -> None:
        """The model of the present session says this, and the core has taken it."""


@runtime_checkable
class Running(Protocol):
    """An ability with tasks of its own."""

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """The stream is admitted: `tasks` owns what runs from now on, and ends with the call."""

    def hang_up(self) -> None:
        """The stream has ended: what does not want to finish ends."""
