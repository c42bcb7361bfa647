"""All that is used of the SDK and is not published by it, and whether the SDK that is installed has it.

Beside these names a call leans on three habits of the SDK, whose end tests of whole calls would show: it runs
plain tools in the loop's pool (`plain_tools`), it runs a tool within `on_event` where `async_tool_calls` is
off (`session`), and the message behind a guardrail that trips begins with the same words (`model.TRIPPED`).
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from agents import Handoff
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession, realtime_handoff

if TYPE_CHECKING:
    import asyncio

    from agents.realtime import RealtimeModel, RealtimeRunConfig, RealtimeSessionModelSettings

_OF_A_RUNNER: Final = ("_starting_agent", "_config", "_model")
_OF_A_SESSION: Final = ("_pending_tool_calls", "_event_queue", "_get_updated_model_settings_from_agent")


class OpenSession(RealtimeSession):
    """A session of the SDK, as far as a call looks into it."""

    def awaits_approval(self, call_id: str) -> bool:
        """Whether a tool is not run before it is approved."""
        return call_id in self._pending_tool_calls

    def forget(self, call_id: str) -> None:
        """Nobody waits for a tool any longer: it may not be approved any more."""
        self._pending_tool_calls.pop(call_id, None)

    @property
    def unread(self) -> asyncio.Queue[Any]:
        """Its events that nobody has read."""
        return self._event_queue

    def asked(self, agent: RealtimeAgent[Any]) -> RealtimeAgent[Any]:
        """Whom it asks for instructions, tools and handoffs when `agent` is to speak."""
        return agent

    async def _get_updated_model_settings_from_agent(
        self, starting_settings: RealtimeSessionModelSettings | None, agent: RealtimeAgent[Any]
    ) -> RealtimeSessionModelSettings:
        return await super()._get_updated_model_settings_from_agent(starting_settings, self.asked(agent))


def made_of(runner: RealtimeRunner) -> tuple[RealtimeAgent[Any], RealtimeRunConfig | None, RealtimeModel]:
    """Who begins, the configuration, and the model: a runner has no other way of saying it."""
    return runner._starting_agent, runner._config, runner._model


def led_to(handoff: Handoff[Any, Any]) -> object:
    """Whom a handoff leads to; None where only its function knows, which runs when the call is handed over.

    `realtime_handoff` keeps the agent nowhere but in the variables of its function.
    """
    invoke = handoff.on_invoke_handoff
    made = invoke.args[0] if isinstance(invoke, functools.partial) and invoke.args else invoke
    return inspect.getclosurevars(made).nonlocals.get("agent") if inspect.isfunction(made) else None


@functools.cache
def missing() -> tuple[str, ...]:
    """What of all this the SDK that is installed has not; nothing of one that fits."""
    agent: RealtimeAgent[Any] = RealtimeAgent(name="nobody")
    runner = RealtimeRunner(agent)
    model: Any = None
    session = RealtimeSession(model, agent, None)
    lacking = [f"RealtimeRunner.{name}" for name in _OF_A_RUNNER if not hasattr(runner, name)]
    lacking += [f"RealtimeSession.{name}" for name in _OF_A_SESSION if not hasattr(session, name)]
    if led_to(realtime_handoff(agent)) is not agent:
        lacking.append("an agent in the function of realtime_handoff")
    return tuple(lacking)
