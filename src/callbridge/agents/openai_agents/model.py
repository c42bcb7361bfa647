"""The call, as the SDK's session sees its model: a `RealtimeModel` without a socket.

What the session sends is wanted of the call, or answers a tool that the model waits for. What a call has no
use for is an error of which the session is told, and never a fault of the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import structlog
from agents.realtime import (
    RealtimeModel,
    RealtimeModelErrorEvent,
    RealtimeModelSendAudio,
    RealtimeModelSendInterrupt,
    RealtimeModelSendSessionUpdate,
    RealtimeModelSendToolOutput,
    RealtimeModelSendUserInput,
    RealtimeModelTranscriptDeltaEvent,
)

from callbridge.agents.guardrails.in_call import SAY_GOODBYE, TRIPS_MAX
from callbridge.agents.openai_agents.telling import function_call
from callbridge.agents.openai_agents.tools import HostedTool
from callbridge.agents.sendable import sendable
from callbridge.agents.tools.schema import ToolError
from callbridge.agents.tools.tool import success
from callbridge.agents.tools.toolbox import TOOLS_MAX
from callbridge.call import wants as w
from callbridge.call.wishes import HangUp

if TYPE_CHECKING:
    from agents import Handoff, Tool
    from agents.realtime import (
        RealtimeModelConfig,
        RealtimeModelEvent,
        RealtimeModelListener,
        RealtimeModelSendEvent,
        RealtimeSessionModelSettings,
    )

    from callbridge.agents.openai_agents.tools import Ask, Waits
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import GuardrailTripped

UNTOLD_MAX: Final = 2_000
"""Events that wait for listeners of the user's. A lively call has some fifty in a second."""

REASONS_MAX: Final = 10
"""Why tools are left out, in one line of the log; of the rest it has the number."""

RESPONSES_KEPT: Final = 8
"""Of so many it is known what was said in them: a guardrail may take its time."""

TRIPPED: Final = "guardrail triggered: "
"""So begins what the session sends behind the interrupt of a guardrail."""

STOPPED: Final = "What you were saying was stopped. Do not say it again."
SAY_OTHERWISE: Final = "Say what you may."

_log = structlog.get_logger()


@dataclass(slots=True)
class Asked:
    """A tool that the session does at the moment."""

    answer: asyncio.Future[ToolResult]
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    """One that needs approval is approved, or has its answer because it is not."""
    is_for_good: bool = False
    """It was approved for the rest of the call."""


class CallModel(RealtimeModel):
    """The model of one session of the SDK, in one call.

    Args:
        wants: what the call is wanted to do.
        ask: runs a tool that the model calls.
        waits: how the caller waits for it.
        taken: names of other tools of the call, which no tool of the session's may have.
    """

    def __init__(self, wants: Wants, ask: Ask, waits: Waits, taken: Collection[str] = ()) -> None:
        self._wants, self._ask, self._waits, self._taken = wants, ask, waits, taken
        self.instructions = ""
        self.tools: tuple[HostedTool, ...] = ()
        self.is_connected = self.is_over = False
        self.settings_taken = 0
        """How often it was said what the session is to be."""
        self.asked: dict[str, Asked] = {}
        """By its `call_id`."""
        self._listeners: list[RealtimeModelListener] = []
        self._untold: asyncio.Queue[tuple[RealtimeModelEvent, RealtimeModelListener | None]] = asyncio.Queue(
            UNTOLD_MAX
        )
        """With who is told of it already."""
        self._has_overflown = False
        self._said: dict[str, str] = {}
        """Of each response the item of which the caller was to hear words last, newest last."""
        self._stopped: w.AnswerStopped | None = None
        """What is to be stopped, as long as it may be said why."""
        self._tripped: w.AnswerStopped | None = None
        """What a guardrail has stopped last, as long as it is not known what came of it."""
        self._trips = 0

    # --- The SDK's side -------------------------------------------------------------------------------

    async def connect(self, options: RealtimeModelConfig) -> None:
        """The call has its own connections: kept is what the session is to be."""
        self._take(options.get("initial_model_settings", {}))
        self.is_connected = True

    def add_listener(self, listener: RealtimeModelListener) -> None:
        """See `RealtimeModel`."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def remove_listener(self, listener: RealtimeModelListener) -> None:
        """See `RealtimeModel`."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def send_event(self, event: RealtimeModelSendEvent) -> None:
        """See `RealtimeModel`. Nothing here waits: it is wanted in the order of sending."""
        self._send(event)

    async def send_event_if(self, event: RealtimeModelSendEvent, send_if: Callable[[], bool]) -> bool:
        """See `RealtimeModel`. Asked and sent in one step of the loop, so nothing comes in between."""
        if not send_if():
            return False
        self._send(event)
        return True

    async def close(self) -> None:
        """The call ends by itself."""

    # --- The call's side ------------------------------------------------------------------------------

    def tell(self, event: RealtimeModelEvent, told: RealtimeModelListener | None = None) -> None:
        """All listeners are to be told this, behind what they are to be told already; `told` knows it."""
        if self.is_over:
            return
        if isinstance(event, RealtimeModelTranscriptDeltaEvent):
            self._is_said(event.response_id, event.item_id)
        try:
            self._untold.put_nowait((event, told))
        except asyncio.QueueFull:
            if not self._has_overflown:
                _log.warning("openai_agents_events_lost", reason="a listener takes too long")
            self._has_overflown = True

    async def all_told(self) -> None:
        """Returns when all listeners have been told all."""
        await self._untold.join()

    async def tell_next(self) -> None:
        """Tells the listeners the next event, one listener after the other."""
        event, told = await self._untold.get()
        try:
            for listener in tuple(self._listeners):
                if listener is not told:
                    await listener.on_event(event)
        finally:
            self._untold.task_done()

    def tripped(self, fact: GuardrailTripped) -> None:
        """What came of a guardrail. Where all was heard the model is told all the same, and speaks of it."""
        if (tripped := self._tripped) is None or tripped.item_id != fact.item_id:
            return
        self._tripped = None
        if not fact.counts:
            return
        self._trips += 1
        if not fact.was_cut and tripped.is_answered:
            self._wants.add(w.AgentTells(tripped.tells))
        if self._trips >= TRIPS_MAX:
            self._wants.add(w.WishSet(HangUp()))

    # --- What the session wants -----------------------------------------------------------------------

    def _send(self, event: RealtimeModelSendEvent) -> None:
        match event:
            case RealtimeModelSendToolOutput():
                self._answered(event)
            case RealtimeModelSendSessionUpdate(session_settings):
                self._take(session_settings)
            case RealtimeModelSendUserInput(user_input):
                self._told(user_input)
            case RealtimeModelSendInterrupt():
                self._stop(event)
            case RealtimeModelSendAudio():
                self._refuse("audio", "the caller is heard over the telephone, and nothing else is")
            case _:
                self._refuse("a raw message", "callbridge alone speaks with the vendor's server")

    def _take(self, settings: RealtimeSessionModelSettings) -> None:
        """What the session is to be. Only words and tools: audio stays as it is, and so does the voice."""
        self.settings_taken += 1
        self.instructions = settings.get("instructions", "")
        tools: dict[str, HostedTool] = {}
        left_out: list[str] = []
        for tool in (*settings.get("tools", ()), *settings.get("handoffs", ())):
            try:
                hosted = self._hosted(tool)
            except ToolError as error:
                left_out.append(str(error))
            else:
                tools[hosted.name] = hosted
        if len(tools) > TOOLS_MAX:
            left_out.append(f"the model takes no more than {TOOLS_MAX} tools")
        if left_out:  # One line: an MCP server may list many.
            reasons, count = left_out[:REASONS_MAX], len(left_out)
            _log.warning("openai_agents_tools_left_out", reasons=reasons, count=count)
        self.tools = tuple(tools.values())[:TOOLS_MAX]
        self._wants.changed()

    def _hosted(self, tool: Tool | Handoff[Any, Any]) -> HostedTool:
        """One of them. What an MCP server lists is known only now.

        Raises:
            ToolError: the call cannot have it.
        """
        hosted = HostedTool(tool, self._ask, self._waits)
        if hosted.name in self._taken:
            raise ToolError(f"tool {hosted.name}: the call has another one of this name")
        return hosted

    def _answered(self, event: RealtimeModelSendToolOutput) -> None:
        call = event.tool_call
        asked = self.asked.get(call.call_id)
        if asked is None or asked.answer.done():
            _log.info("openai_agents_output_late", tool=call.name)
            return
        # One that is too long is replaced: the model is told nothing else, and nothing else is kept.
        answer = replace(success(sendable(event.output)), is_quiet=not event.start_response)
        self.tell(function_call(call.call_id, call.name, call.arguments, answer.output))
        asked.answer.set_result(answer)
        asked.decided.set()

    def _told(self, user_input: object) -> None:
        if isinstance(user_input, str):
            text = user_input
            if self._stopped is not None and text.startswith(TRIPPED):
                self._stop_now(text)
                return
        else:
            content = user_input.get("content", ()) if isinstance(user_input, Mapping) else ()
            parts = [part for part in content if isinstance(part, Mapping)]
            text = "\n".join(str(part["text"]) for part in parts if part.get("text"))
            if any(part.get("type") != "input_text" for part in parts):
                self._refuse("an image", "a call takes text; say in words what it shows")
        if text:
            self._wants.add(w.AgentTells(text, is_callers=True))

    def _is_said(self, response_id: str, item_id: str) -> None:
        if self._said.get(response_id) != item_id:
            self._said.pop(response_id, None)
            self._said[response_id] = item_id
            if len(self._said) > RESPONSES_KEPT:
                del self._said[next(iter(self._said))]

    def _stop(self, event: RealtimeModelSendInterrupt) -> None:
        """What the agent says is not to be heard any further, if it is still what is meant.

        A guardrail says in the same step of the loop why, if the model is to make another answer.
        """
        if event.response_id is None:
            item_id = next(reversed(self._said.values()), None)
        else:
            item_id = self._said.get(event.response_id)
        if item_id is None or event.cancel_response_only:
            return  # Nothing of it can be heard: an answer in text is never asked for.
        self._stop_now()
        self._stopped = w.AnswerStopped("session.interrupt", item_id, is_answered=False)
        asyncio.get_running_loop().call_soon(self._stop_now)

    def _stop_now(self, why: str = "") -> None:
        if (stopped := self._stopped) is None:
            return
        if why:
            name = why.removeprefix(TRIPPED)
            what_next = SAY_GOODBYE if self._trips + 1 >= TRIPS_MAX else SAY_OTHERWISE
            tells, is_answered = f"[{why}. {STOPPED} {what_next}]", self._trips < TRIPS_MAX
            stopped = w.AnswerStopped(name, stopped.item_id, tells, is_answered=is_answered)
            self._tripped = stopped
        self._stopped = None
        self._wants.add(stopped)

    def _refuse(self, what: str, why: str) -> None:
        message = f"{what} cannot be sent: {why}"
        _log.warning("openai_agents_not_sent", reason=message)
        self.tell(RealtimeModelErrorEvent({"message": message}))
