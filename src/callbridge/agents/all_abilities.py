"""All abilities of an agent in one call, as one: each is told what happens, and asked for what it has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import structlog

from callbridge.agents.abilities import PREPARED_WITHIN_S, Hearing, Preparing, Running, Watching
from callbridge.agents.texts import NoAnswer
from callbridge.call.listening import together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callbridge.agents.abilities import Ability
    from callbridge.agents.context import Call
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.call.facts import Fact
    from callbridge.call.wants import KeysWanted
    from callbridge.wire.realtime_events import ServerEvent

    Kind = TypeVar("Kind")


class AllAbilities:
    """In the order in which the agent has them. Where two have an answer, the first one's counts."""

    def __init__(self, abilities: Iterable[Ability]) -> None:
        self._abilities = tuple(abilities)

    def __bool__(self) -> bool:
        return bool(self._abilities)

    def first(self, kind: type[Kind]) -> Kind | None:
        """That of a kind; None where there is none."""
        return next((one for one in self._abilities if isinstance(one, kind)), None)

    # --- What they have

    @property
    def instructions(self) -> list[str]:
        """What the model is told because of each."""
        return [ability.instructions for ability in self._abilities]

    @property
    def tools(self) -> dict[str, AnyTool]:
        """What the model has because of them, by name."""
        return {tool.name: tool for ability in self._abilities for tool in ability.tools}

    @property
    def keys(self) -> KeysWanted | None:
        """How keys are put together; None where none of them cares."""
        return next((keys for ability in self._abilities if (keys := ability.keys) is not None), None)

    def work(self, name: str) -> AnyTool | None:
        """Code that one of them has asked for."""
        return next((work for one in self._abilities if (work := one.works.get(name))), None)

    # --- What they are told

    def restore(self, fact: Fact) -> None:
        """See `Ability`."""
        for ability in self._abilities:
            ability.restore(fact)

    def told(self, fact: Fact) -> None:
        """See `Ability`."""
        for ability in self._abilities:
            ability.told(fact)

    def answered(self, tool: str, result: ToolResult, call: Call[Any]) -> None:
        """See `Ability`."""
        for ability in self._abilities:
            ability.answered(tool, result, call)

    def pressed(self, keys: str) -> str | None:
        """What the first says that has a use for these keys; None where none has."""
        return next((text for one in self._abilities if (text := one.pressed(keys)) is not None), None)

    @property
    def hearer(self) -> Callable[[Literal["agent", "caller"], str, str], None] | None:
        """Who is to be told both sides' words as they come; None where none of them listens."""
        return together(one.hears for one in self._abilities if isinstance(one, Hearing))

    @property
    def watcher(self) -> Callable[[ServerEvent], None] | None:
        """Who is to be told what the model says; None where none of them watches."""
        return together(one.model_says for one in self._abilities if isinstance(one, Watching))

    # --- When they run

    async def prepare(self, call: Call[Any]) -> None:
        """Side by side. One that fails is logged, and the call goes on without what it would have had."""
        preparing = [one.prepare(call) for one in self._abilities if isinstance(one, Preparing)]
        within = (asyncio.wait_for(one, PREPARED_WITHIN_S) for one in preparing)
        for failed in await asyncio.gather(*within, return_exceptions=True):
            if isinstance(failed, Exception):
                reason = failed.why if isinstance(failed, NoAnswer) else type(failed).__name__
                structlog.get_logger().warning("ability_not_prepared", reason=reason)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """The stream is admitted."""
        for ability in self._abilities:
            if isinstance(ability, Running):
                ability.start(tasks)

    def hang_up(self) -> None:
        """The stream has ended."""
        for ability in self._abilities:
            if isinstance(ability, Running):
                ability.hang_up()
