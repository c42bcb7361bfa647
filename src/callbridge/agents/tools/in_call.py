"""How the tools of one call are run: the caller is asked first, waits with words or a sound, or talks on.

Which tool it is, and what follows from its result, is for `AgentInCall`.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from callbridge.agents.asking import answer_of
from callbridge.agents.tools.confirming import ASK_FIRST, Confirmations
from callbridge.agents.tools.runs import ToolRuns, why_not
from callbridge.agents.tools.threads import ThreadsBusy
from callbridge.agents.tools.tool import ToolResult, failure
from callbridge.agents.tools.unended import LATER, Unended
from callbridge.call import facts
from callbridge.call import wants as w
from callbridge.call.outcomes import ToolOutcome

if TYPE_CHECKING:
    from callbridge.agents.context import Call
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.wants import Wants
    from callbridge.call.actions import RunTool
    from callbridge.call.facts import Fact

MOMENT_S: Final = 1.0
"""What takes longer than this is covered by words or a soft sound. Most look-ups are done before, and the
caller has just heard the agent say something."""

LATER_S: Final = 60.0
"""What a tool that answers later may take, unless it says so itself."""

LATER_AT_ONCE_MAX: Final = 3
"""Tools of one call that answer later and run at a time: one place is left for those that answer now."""

WORDS_S: Final = 2.0
"""How long the words of something short are waited for. As a rule they come within a second of it."""

RUNNING: Final[ContextVar[str]] = ContextVar("callbridge_running_tool", default="")
"""The `call_id` of the tool that this code runs for; empty where it runs for none."""

BEGUN: Final = (
    '{"status": "begun", "what_next": "It takes a while. Say so in a few words, and go on with the caller; '
    'you will be told what came of it. Do not call it again, and do not guess the result."}'
)


class ToolsInCall:
    """The tools of one call, as they are run.

    Args:
        call: what they are given that ask for it.
        wants: where is written what covers them, and what is to run later.
    """

    def __init__(self, call: Call[Any], wants: Wants) -> None:
        self._call, self._wants = call, wants
        self._confirmations, self._unended = Confirmations(), Unended()
        self._later: dict[str, AnyTool] = {}
        """Works that are tools of the model's, which answer later."""
        self._running: dict[tuple[bool, str], AnyTool] = {}
        """By whose each is and its `call_id`."""
        self._runs: ToolRuns | None = None
        self._is_clear = asyncio.Event()
        """Whether the caller's latest words were words; otherwise that is still to be seen."""
        self._is_clear.set()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """The stream is admitted: `tasks` owns what runs from now on."""
        self._runs = ToolRuns(self._call, tasks)
        for text in self._unended.texts():
            self._wants.add(w.AgentTells(text, is_answered=False))

    def restore(self, fact: Fact) -> None:
        """Something happened on an earlier stream."""
        self._unended.restore(fact)

    def told(self, fact: Fact) -> None:
        """Something has happened."""
        self._confirmations.told(fact)
        if isinstance(fact, facts.CallerSpoke):
            (self._is_clear.set if fact.is_clear else self._is_clear.clear)()

    # --- Before it is run ---

    async def answer_at_once(
        self, tool: AnyTool, asked: RunTool, wants: Wants, *, is_kept: bool
    ) -> ToolResult | None:
        """What the model is told of a tool that is not to run now; None of one that is.

        Args:
            tool: the one that `asked` names.
            asked: what the model has asked for.
            wants: those of the agent that it belongs to.
            is_kept: whether it is on disk that it begins.
        """
        is_asked_first = tool.manner.is_confirmed
        if is_asked_first and (fault := await self._fault_in(tool, asked)) is not None:
            return fault
        if is_asked_first or tool.manner.awaits_answer:
            await self._caller_is_clear()
        if is_asked_first and not self._confirmations.may_run(asked.name, asked.arguments):
            return failure(ASK_FIRST, ToolOutcome.UNCONFIRMED)
        if not tool.manner.is_later:
            return None
        if tool.manner.is_irreversible and (why := why_not(asked, is_kept=is_kept)):
            return failure(why, ToolOutcome.REFUSED)
        return self._begin_later(tool, asked, wants)

    async def _fault_in(self, tool: AnyTool, asked: RunTool) -> ToolResult | None:
        """What is wrong with the arguments: the caller is not asked about what cannot be done."""
        judge = partial(tool.fault_in, asked.arguments, self._call)
        if not tool.is_plain:
            return judge()
        # The user's types may block, as the function itself. What is not seen in time the run will tell.
        with contextlib.suppress(TimeoutError, ThreadsBusy):
            return cast("ToolResult | None", await answer_of(judge, {}, WORDS_S))
        return None

    async def _caller_is_clear(self) -> None:
        """Returns when it is known whether the caller has said something, or is not to be known soon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WORDS_S):
                await self._is_clear.wait()
        self._is_clear.set()  # What has not come by now is not waited for again.

    # --- Later ---

    def later(self, asked: RunTool) -> AnyTool | None:
        """The tool of the model's that this work runs; None where it is no such work."""
        return self._later.get(asked.call_id) if asked.is_ours else None

    def _begin_later(self, tool: AnyTool, asked: RunTool, wants: Wants) -> ToolResult:
        """The model is answered at once; the tool runs as a work of the agent's own."""
        if len(self._later) >= LATER_AT_ONCE_MAX:
            why = f"{len(self._later)} of what you began earlier still run; wait until one of them has ended"
            return failure(why, ToolOutcome.BUSY)
        later_id = wants.new_id(LATER)
        self._later[later_id] = tool
        wants.add(w.WorkAsked(later_id, asked.name, asked.arguments))
        return ToolResult(BEGUN)

    def ended_later(self, asked: RunTool, result: ToolResult) -> None:
        """Such a work has ended: the model is told."""
        del self._later[asked.call_id]
        text = f"[{asked.name}, which you began earlier, has ended. What came of it: {result.output}]"
        is_answered = result.wish is None and not result.is_quiet
        self._wants.add(w.AgentTells(text, is_answered=is_answered))

    # --- The run ---

    async def run(self, tool: AnyTool, asked: RunTool, *, is_kept: bool) -> ToolResult:
        """Runs the tool; what takes longer than a moment is covered."""
        assert self._runs is not None, "it has begun"
        if self.later(asked) is not None:
            asked = replace(asked, timeout_s=LATER_S)
        self._running[asked.is_ours, asked.call_id] = tool
        cover = asyncio.get_running_loop().call_later(MOMENT_S, self._cover, tool, asked)
        running = RUNNING.set(asked.call_id)
        try:
            return await self._runs.run(tool, asked, is_kept=is_kept)
        finally:
            RUNNING.reset(running)
            cover.cancel()
            self._running.pop((asked.is_ours, asked.call_id), None)

    def _cover(self, tool: AnyTool, asked: RunTool) -> None:
        if asked.is_ours:
            return  # The caller talks with the agent meanwhile.
        if words := tool.manner.while_running:
            self._wants.add(w.AgentSays(self._wants.new_id("say"), words, until_tool=asked.call_id))
        if tool.manner.has_waiting_sound:
            self._wants.add(w.SoundWanted(asked.call_id))

    def hang_up(self) -> None:
        """The stream has ended: what does not want to finish ends."""
        if self._runs is not None:
            self._runs.hang_up()

    def cut_short(self, asked: RunTool) -> ToolResult:
        """What is to be said of a run that nobody waits for any longer."""
        assert self._runs is not None, "it has begun"
        return self._runs.cut_short(self._running.get((asked.is_ours, asked.call_id)))
