"""Transfers in one call: who may be asked for now, what was asked for, and what became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.sendable import sendable
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner, ToolRefused, ToolResult
from callbridge.agents.transfers.briefing import KeptValues
from callbridge.agents.transfers.resolving import Closed, resolved
from callbridge.agents.transfers.result import TransferResult
from callbridge.call import agent_facts, facts
from callbridge.call import telephone_facts as tf
from callbridge.call import wants as w
from callbridge.call.memory import ToolStarted
from callbridge.call.outcomes import TransferOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.agents.context import Call
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import Transfer
    from callbridge.agents.transfers.plan import TransferPlan
    from callbridge.agents.wants import Wants
    from callbridge.call import wishes
    from callbridge.call.facts import Fact

TRANSFERS_MAX: Final = 5
"""In one call. Each costs the caller half a minute, and somebody else a telephone that rings."""

WORK: Final = "put through"
"""What the agent's own code has asked for. No tool can be called so."""
FAILED: Final = "transfer failed"
"""The user's code for one that did not work."""

_GOES: Final = (
    "The caller is put through to {name} once your last words were heard, unless they speak before. If you "
    "have not told them yet, say it in one short sentence now. Then say nothing more, and wait."
)
_SAID: Final = "The caller is told so, and then put through to {name}. Say nothing more, and wait."

_BY_CODE: Final = GivenTool(
    WORK, WORK, {"type": "object", "properties": {}}, lambda _, __: None, Manner(timeout_s=6.0)
)
"""Two functions of the user's have 2 s each. No model sees it."""

_NOT_FAILED: Final = frozenset({TransferOutcome.CONNECTED, TransferOutcome.CALLER_HUNG_UP})


class TransfersInCall:
    """The ability that puts callers through (`agents.abilities`).

    Args:
        plan: the people behind the agent.
        wants: where its facts and its wants go.
    """

    instructions = ""
    keys: w.KeysWanted | None = None

    def __init__(self, plan: TransferPlan, wants: Wants) -> None:
        self._plan, self._wants = plan, wants
        self._tools: dict[tuple[str, ...], GivenTool] = {}
        self.works: dict[str, AnyTool] = {WORK: _BY_CODE.doing(self._by_code)}
        if plan.failed is not None:
            self.works[FAILED] = plan.failed.work(lambda: self.results[-1])
        self._is_wanted = False
        """One was asked for, and the last words before it are not over."""
        self._is_closed = False
        """The user's code has asked for somebody who is not there at this hour."""
        # All that follows is folded from facts.
        self._step, self._values = "", KeptValues()
        self._count, self._is_on = 0, False
        self._handovers = 0
        """From one agent of the call to another."""
        self.results: list[TransferResult] = []
        """What became of those that are over."""
        self._unhandled = False
        """The last one failed, and the stream of before it had ended."""
        self._handler_id = ""
        """The latest run of the user's code for that."""

    @property
    def tools(self) -> Sequence[AnyTool]:
        """One, that leads to whom the step of the flow allows."""
        names = self._plan.names_in(self._step)
        if not names:
            return ()
        if names not in self._tools:
            self._tools[names] = self._plan.tool(names).doing(self._by_model)
        return (self._tools[names],)

    # --- What happens ---

    def restore(self, fact: Fact) -> None:
        """It happened on an earlier stream, or between two."""
        self._apply(fact)
        match fact:
            case facts.StreamStarted():
                self._unhandled = False
            case facts.Remembered(ToolStarted(name=name, is_ours=True)) if name == FAILED:
                self._unhandled = False
            case tf.TransferEnded(outcome=outcome):
                self._unhandled = outcome not in {*_NOT_FAILED, TransferOutcome.CLOSED}
            case _:
                pass

    def told(self, fact: Fact) -> None:
        """Something has happened. Of a transfer that did not work, the user's code is told at once."""
        self._apply(fact)
        match fact:
            case facts.StreamStarted() if self._unhandled:
                self._unhandled = False
                self._ask_handler()
            case tf.TransferEnded(outcome=outcome) if outcome not in {*_NOT_FAILED, TransferOutcome.CLOSED}:
                self._ask_handler()
            case facts.StreamEnded():  # In the same moment: it is for the next stream, which has the caller.
                self._wants.withdraw(self._handler_id)
            case _:
                pass

    def _apply(self, fact: Fact) -> None:
        self._values.apply(fact)
        match fact:
            case agent_facts.StepEntered(step):
                self._step = step
            case tf.TransferAsked():
                self._count += 1
                self._is_on, self._is_wanted = True, False
            case tf.TransferEnded(_, name, outcome, waited_ms):
                self._is_on = False
                self.results.append(TransferResult(name, outcome, waited_ms / 1000))
            case facts.StreamStarted():  # The caller is with the agent.
                self._is_on = self._is_wanted = False
            case agent_facts.AgentChanged():
                self._is_wanted = False
                self._handovers += 1
            case facts.CallerSpoke() | facts.KeysPressed() | facts.TurnEnded() | facts.SessionReplaced():
                self._is_wanted = False
            case _:
                pass

    def answered(self, tool: str, result: ToolResult, call: Call[Any]) -> None:  # noqa: ARG002 - the same for all
        """What the user's code has led to: the model is told, if there is anything to be told."""
        if tool == FAILED and result.outcome.is_answer and result.output not in {"", "null"}:
            text = f"[After the transfer: {result.output}]"
            self._wants.add(w.AgentTells(text, is_answered=result.wish is None))
        elif tool == WORK and not result.outcome.is_answer:
            is_closed, self._is_closed = self._is_closed, False
            if is_closed and FAILED in self.works:
                self._ask_handler()
            else:
                self._wants.add(w.AgentTells(f"[{_error_in(result.output)}]"))

    def pressed(self, keys: str) -> str | None:  # noqa: ARG002 - the same for all
        """Keys mean nothing to it."""
        return None

    def _ask_handler(self) -> None:
        if FAILED in self.works:
            self._handler_id = self._wants.new_id("transfer_failed")
            self._wants.add(w.WorkAsked(self._handler_id, FAILED))

    # --- What is asked for ---

    async def put_through(self, asked: Transfer, call: Call[Any], *, is_ours: bool) -> ToolResult:
        """What a function of the user's has ended with. Where nobody is rung, the model is told why.

        Args:
            asked: whom it wants.
            call: the call.
            is_ours: no model has asked for the function.
        """
        try:
            wish = await self._wish(asked, asked.reason, asked.summary, call)
        except ToolRefused as refused:
            return ToolResult(f"It did not lead to {str(asked)[:40]}: {refused}")
        result = self._result(wish, asked.say)
        # Words that stand already need no answer of the model's.
        return ToolResult("null") if is_ours and result.wish is None else result

    async def _by_model(self, arguments: dict[str, Any], call: Call[Any]) -> ToolResult:
        names = self._plan.names_in(self._step)
        if strange := arguments.keys() - {"to", "reason", "summary"}:
            raise ToolRefused(f"there is no argument {', '.join(sorted(strange))[:100]}")
        to, reason, summary = (arguments.get(name, "") for name in ("to", "reason", "summary"))
        if not isinstance(to, str) or to not in names:
            raise ToolRefused(f"to must be one of: {', '.join(names)}")
        if not isinstance(reason, str) or not isinstance(summary, str):
            raise ToolRefused("reason and summary must be texts")
        return self._result(await self._wish(to, reason, summary, call))

    async def _by_code(self, arguments: dict[str, Any], call: Call[Any]) -> ToolResult:
        given = (arguments["to"], arguments.get("reason", ""), arguments.get("summary", ""))
        try:
            wish = await self._wish(*given, call)
        except Closed:
            self._is_closed = True
            raise
        return self._result(wish, arguments.get("say", ""))

    async def _wish(self, name: str, reason: str, summary: str, call: Call[Any]) -> wishes.Transfer:
        destination = self._plan.by_name.get(name)
        if destination is None:
            raise ToolRefused(f"there is no such destination; there are: {', '.join(self._plan.by_name)}")
        if self._is_on or self._is_wanted:
            raise ToolRefused("the caller is being put through already; say nothing more, and wait")
        if self._count >= TRANSFERS_MAX:
            raise ToolRefused(
                f"the caller was put through {TRANSFERS_MAX} times in this call, and is not any more; "
                "offer what else you can do"
            )
        self._is_wanted, wish, handovers = True, None, self._handovers
        try:
            wish = await resolved(destination, call, self._values.with_those_of(call), reason, summary)
        except Closed:
            self._note_closed(name)
            raise
        finally:
            if wish is None:
                self._is_wanted = False
        if self._handovers > handovers:
            raise ToolRefused("the caller was handed over meanwhile, and is not put through")
        return wish

    def _result(self, wish: wishes.Transfer, say: str = "") -> ToolResult:
        """The wish, or the words and the wish, where they are exact."""
        words = say.strip() or self._plan.by_name[wish.name].says.strip()
        if not words:
            return ToolResult(_GOES.format(name=wish.name), wish=wish)
        self._wants.add(w.AgentSays(self._wants.new_id("say"), sendable(words)))
        self._wants.add(w.WishSet(wish, is_said=True))
        return ToolResult(_SAID.format(name=wish.name), is_momentary=True, is_quiet=True)

    def _note_closed(self, name: str) -> None:
        """That is an outcome like others: records and the user's code see it."""
        closed = sum(result.outcome is TransferOutcome.CLOSED for result in self.results)
        if closed < TRANSFERS_MAX:
            self._wants.add(tf.TransferEnded(f"closed_{closed + 1}", name, TransferOutcome.CLOSED))


def _error_in(output: str) -> str:
    """What a tool has refused, in words."""
    try:
        return str(json.loads(output)["error"])
    except (ValueError, KeyError, TypeError):
        return output
