"""Tools of MCP servers that the model's side runs by itself: which are under way, and who approves them.

The vendor runs them beside the response that has asked for them, and says when each is done. No response
follows by itself: an answer is owed then, as behind a tool of ours. They are counted and remembered like
those; what is different is that nobody here can stop one, and that it is lost with its session.

Vendor page: https://developers.openai.com/api/docs/guides/realtime-mcp. What follows an approval stands in
OpenAI's own example alone (openai-ruby, examples/realtime/mcp_approval.rb): the call is an item of the
response that asks for it, the request to approve it another one that asks the same, and once approved the
call runs by itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from callbridge.call.events import ToolFinished
from callbridge.call.facts import warned
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.tools import Approval
from callbridge.call.wants import WorkAsked
from callbridge.wire import realtime_events as rt
from callbridge.wire.realtime_commands import CreateItem, McpApproval

if TYPE_CHECKING:
    from callbridge.call.floor.asking import Asking
    from callbridge.call.floor.debts import Debts
    from callbridge.call.floor.responses import LiveResponse
    from callbridge.call.limits import Limits
    from callbridge.call.outbox import Outbox
    from callbridge.call.phases import Timer
    from callbridge.call.tools import Running, ToolCalls
    from callbridge.call.wants import McpDecided

    Kept = TypeVar("Kept")

APPROVE: Final = "mcp_approval"
"""The work that decides whether a tool may be run."""

OUTPUT_FOLLOWS_S: Final = 0.25
"""How long what a tool has answered is waited for once it is done: its item comes within milliseconds."""

BEGINS_WITHIN_S: Final = 1.0
"""How long an approved tool is waited for of which no call is known. It may wait to be asked for."""

KNOWN_MAX: Final = 64
"""Items that are held in mind in a call, of each kind. A session has a handful."""

NAME_MAX: Final = 64
"""Characters of the name of a tool, or of a server."""

_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LATE: Final = (
    "[{} has not answered yet, and nobody knows when it will. Tell the caller so. It may still take effect: "
    "do not say that it failed, and do not call it again.]"
)


@dataclass(slots=True)
class _Begun:
    """A call whose arguments are not whole yet."""

    name: str
    cause: LiveResponse | None
    since: float


class McpCalls:
    """Those of one call.

    Args:
        limits: the bounds.
        tools: all that run, these among them.
        debts: what is owed.
        asking: is told when something may be asked.
        out: where actions and facts go.
    """

    def __init__(self, limits: Limits, tools: ToolCalls, debts: Debts, asking: Asking, out: Outbox) -> None:
        self._limits, self._tools, self._debts = limits, tools, debts
        self._asking, self._out = asking, out
        self._begun: dict[str, _Begun] = {}
        self._ended: dict[str, ToolOutcome] = {}
        """Those that are done, and whose answers are still to come."""
        self._servers: dict[str, str] = {}
        """By the item of the list that was asked for."""
        self._seen: dict[str, None] = {}
        """Requests and calls that were taken up: each once."""
        self._refused: dict[str, Approval] = {}
        """What was not approved, by the request: a call that is written only then does not run."""

    # --- What servers have ---

    def known(self, event: rt.ItemKnown, cause: LiveResponse | None, now: float) -> None:
        """An item is in the conversation: a list that was asked for, a request, a call that was approved."""
        item = event.item
        match item.type:
            case "mcp_list_tools":
                _keep(self._servers, item.id, (item.server_label or "")[:NAME_MAX])
            case "mcp_call":
                self.begins(item, None, now)
                self.done(item, None, now)
            case "mcp_approval_request" if isinstance(event, rt.ItemDone):
                self._requested(item, cause, now)

    def list_failed(self, event: rt.McpListFailed, _now: float) -> None:
        """A server does not say what it has: the session goes on without it."""
        self._out.note(warned("mcp_tools_not_listed", server=self._servers.get(event.item_id, "")))

    # --- A call, from its birth to its end ---

    def begins(self, item: rt.Item, cause: LiveResponse | None, now: float) -> None:
        """The model writes a call; `cause`: the response that does, or nobody where it was approved."""
        if item.type != "mcp_call" or item.id in self._seen:
            return
        _keep(self._seen, item.id, None)
        since = now if cause is None else cause.since
        if cause is not None:
            cause.has_called = True
        approval = self._tools.approvals.get(item.approval_request_id or "")
        if approval is None or not approval.is_given:
            _keep(self._begun, item.id, _Begun(_name(item), cause, since))
        else:  # Its arguments were whole when it was asked about.
            begun = _Begun(_name(item), approval.cause, approval.since)
            self._starts(item.id, begun, item.arguments or approval.arguments, now)

    def asked(self, event: rt.McpArgumentsDone, now: float) -> None:
        """The arguments are whole: the vendor runs it."""
        if (begun := self._begun.pop(event.item_id, None)) is not None:
            self._starts(event.item_id, begun, event.arguments, now)

    def _starts(self, item_id: str, begun: _Begun, arguments: str, now: float) -> None:
        theirs = [running for running in self._tools.running.values() if running.is_theirs]
        if len(theirs) >= self._limits.tool_calls_per_response_max:
            return  # The answer behind the others is the answer to it as well.
        arguments = arguments[: self._limits.tool_arguments_bytes_max]
        for request_id, approval in tuple(self._tools.approvals.items()):
            if approval.is_given and approval.is_for(begun.name, arguments, begun.cause):
                del self._tools.approvals[request_id]
        if any(refused.is_for(begun.name, arguments, begun.cause) for refused in self._refused.values()):
            return
        until = now + self._limits.tool_timeout_s
        self._tools.begin_theirs(item_id, begun.name, arguments, begun.cause, begun.since, now, until)

    def completed(self, event: rt.McpCallCompleted, now: float) -> None:
        """It has answered."""
        self._is_done(event.item_id, ToolOutcome.ANSWERED, now)

    def failed(self, event: rt.McpCallFailed, now: float) -> None:
        """It has failed."""
        self._is_done(event.item_id, ToolOutcome.FAILED, now)

    def _is_done(self, item_id: str, outcome: ToolOutcome, now: float) -> None:
        if (running := self._tools.running.get(item_id)) is not None and running.is_theirs:
            running.until = now + OUTPUT_FOLLOWS_S
            self._ended[item_id] = outcome

    def done(self, item: rt.Item, cause: LiveResponse | None, now: float) -> None:
        """An item is whole: what a call has answered, or a request to approve one."""
        if item.type == "mcp_approval_request":
            self._requested(item, cause, now)
        elif item.type == "mcp_call" and item.error is not None:
            self._answers(item, ToolOutcome.FAILED, json.dumps({"error": item.error.message[:1000]}), now)
        elif item.type == "mcp_call" and item.output is not None:
            output = item.output[: self._limits.tool_arguments_bytes_max]
            self._answers(item, ToolOutcome.ANSWERED, output, now)

    def _answers(self, item: rt.Item, outcome: ToolOutcome, output: str, now: float) -> None:
        """A call has answered: it has run, also where nobody has said so."""
        if (begun := self._begun.pop(item.id, None)) is not None:
            self._starts(item.id, begun, item.arguments or "{}", now)
        self._finish(item.id, outcome, output, now)

    def _finish(self, item_id: str, outcome: ToolOutcome, output: str, now: float) -> Running | None:
        """It is over: that is kept and counted, and an answer is owed. None: it was over before."""
        running = self._tools.running.get(item_id)
        if running is None or not running.is_theirs:
            return None
        self._ended.pop(item_id, None)
        took_ms = round((now - running.began_at) * 1000)
        self._tools.finish(ToolFinished(item_id, running.tool.name, output, took_ms, outcome=outcome))
        self._tools.done_at = now
        if outcome in {ToolOutcome.ANSWERED, ToolOutcome.FAILED}:
            self._owe(item_id, running.cause, running.since, now, is_there=True)
        return running

    def _owe(
        self, item_id: str, cause: LiveResponse | None, since: float, now: float, *, is_there: bool
    ) -> None:
        """An answer is owed to what this item says. `is_there`: the server has it."""
        if not self._debts.has_last_words:
            self._debts.add_item(item_id, cause, since)
        if is_there:
            self._debts.item_added(item_id)
        self._asking.if_free(now)

    # --- Approvals ---

    def _requested(self, item: rt.Item, cause: LiveResponse | None, now: float) -> None:
        """The server wants to know whether a tool may be run: the agent's code says it."""
        if item.id in self._seen:
            return
        _keep(self._seen, item.id, None)
        since = now if cause is None else cause.since
        if cause is not None:
            cause.has_called = True
        limits, arguments = self._limits, item.arguments or "{}"
        until, bound = now + limits.tool_timeout_s, limits.tool_arguments_bytes_max
        self._tools.approvals[item.id] = Approval(_name(item), arguments[:bound], cause, since, until)
        if len(self._tools.approvals) > limits.tool_calls_per_response_max:
            self._decide(item.id, "too much is asked for at once", now, is_given=False)
        elif len(item.name or "") > NAME_MAX or len(item.server_label or "") > NAME_MAX:
            self._decide(item.id, f"no name has more than {NAME_MAX} characters", now, is_given=False)
        elif len(arguments.encode("utf-8", "replace")) > limits.tool_arguments_bytes_max:
            why = f"the arguments are longer than {limits.tool_arguments_bytes_max} bytes; pass less"
            self._decide(item.id, why, now, is_given=False)
        else:
            told = {
                "request": item.id,
                "server": item.server_label,
                "tool": item.name,
                "arguments": arguments,
            }
            self._tools.called += 1  # What was said before asks the caller about nothing of it.
            self._tools.begin_work(WorkAsked(item.id, APPROVE, json.dumps(told)), now)

    def decided(self, event: McpDecided, now: float) -> None:
        """The agent's code has said whether a tool may be run."""
        approval = self._tools.approvals.get(event.request_id)
        if approval is not None and not approval.is_given:
            self._decide(event.request_id, event.reason, now, is_given=event.is_given)

    def work_ended(self, work_id: str, now: float) -> None:
        """A work of the agent's is over: if it was to decide, it has by now, or nobody will."""
        approval = self._tools.approvals.get(work_id)
        if approval is not None and not approval.is_given:
            approval.until = min(approval.until, now + OUTPUT_FOLLOWS_S)

    def _decide(self, request_id: str, reason: str, now: float, *, is_given: bool) -> None:
        item_id = self._out.next_item_id()
        answer = McpApproval(item_id, request_id, is_given, reason or None)
        self._out.tell_model(CreateItem(item=answer))
        approval = self._tools.approvals[request_id]
        running = self._asked_about(approval)
        if not is_given:
            del self._tools.approvals[request_id]
            _keep(self._refused, request_id, approval)
            if running is not None:
                self._finish(running.call_id, ToolOutcome.REFUSED, json.dumps({"error": reason}), now)
            self._owe(item_id, approval.cause, approval.since, now, is_there=False)
        elif running is None:
            approval.is_given, approval.until = True, now + BEGINS_WITHIN_S
        else:
            del self._tools.approvals[request_id]
            running.until = now + self._limits.tool_timeout_s

    def _asked_about(self, approval: Approval) -> Running | None:
        """The call that a request is about; None where it is not written yet."""
        for running in self._tools.running.values():
            tool = running.tool
            if running.is_theirs and approval.is_for(tool.name, tool.arguments, running.cause):
                return running
        return None

    # --- Time ---

    def add_due(self, due: dict[Timer, float], timer: Timer) -> None:
        """Adds when the first of them is not waited for any longer."""
        times = [running.until for running in self._allowed()]
        times += [approval.until for approval in self._tools.approvals.values()]
        if times:
            due[timer] = min(times)

    def expired(self, now: float) -> None:
        """The time of one of them has come."""
        for running in self._allowed():
            if running.until <= now:
                self._is_late(running.call_id, running, now)
        for request_id, approval in tuple(self._tools.approvals.items()):
            if approval.until > now:
                continue
            if approval.is_given:
                del self._tools.approvals[request_id]
                self._owe(request_id, approval.cause, approval.since, now, is_there=True)
            else:
                self._decide(request_id, "nobody has decided in time", now, is_given=False)

    def _allowed(self) -> list[Running]:
        """The calls that may run: the time of one that waits for its approval has not begun."""
        tools = self._tools
        return [one for one in tools.running.values() if one.is_theirs and tools.request_for(one) is None]

    def _is_late(self, item_id: str, running: Running, now: float) -> None:
        """It is done and does not say what came of it, or is not done in time."""
        if (outcome := self._ended.get(item_id)) is not None:
            self._finish(item_id, outcome, "", now)
            return
        words = _LATE.format(running.tool.name)
        self._finish(item_id, ToolOutcome.TIMED_OUT, words, now)
        told = self._out.add_message("system", words)
        self._owe(told, running.cause, running.since, now, is_there=False)


def _name(item: rt.Item) -> str:
    """How a tool is called in facts, and to a session that has never heard of it: server and tool."""
    return _UNFIT.sub("_", f"{item.server_label or 'mcp'}_{item.name or ''}")[:NAME_MAX]


def _keep(kept: dict[str, Kept], item_id: str, value: Kept) -> None:
    """The oldest is forgotten above the bound: a peer makes these up."""
    kept[item_id] = value
    if len(kept) > KNOWN_MAX:
        del kept[next(iter(kept))]
