"""The tools that the model has asked for: which run, for which response, and which session knows of them.

When their results are answered is decided in `floor`. How many run at a time is for the shell: it answers for
each, in its time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from callbridge.call.actions import RunTool
from callbridge.call.events import ToolFinished
from callbridge.call.facts import Remembered, ToolUsed, noted
from callbridge.call.memory import NOT_KNOWN, ToolAnswered, ToolStarted
from callbridge.call.outcomes import ToolOutcome
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from callbridge.call.floor.responses import LiveResponse
    from callbridge.call.limits import Limits
    from callbridge.call.memory import Memory
    from callbridge.call.outbox import Outbox
    from callbridge.call.transcript import Transcript
    from callbridge.call.wants import WorkAsked
    from callbridge.wire import realtime_events

_NAME_MAX = 64
"""OpenAI takes no longer names: what the model calls so is no tool."""

_NOT_ALLOWED_YET = '{"error": "the connection broke off before it was allowed; it was not done"}'

_KNOWN = frozenset({ToolOutcome.ANSWERED, ToolOutcome.TIMED_OUT, ToolOutcome.CANCELLED})
"""How a tool has ended that has done something, or may have."""

_Question: TypeAlias = tuple[str, bytes]
"""Name and arguments of a tool, however they are spelled."""


@dataclass(slots=True)
class Running:
    """A tool that runs."""

    tool: RunTool
    cause: LiveResponse | None
    """The response that called it; None once its session is gone."""
    since: float
    """Since when the caller waits for what comes of it."""
    turn: int
    """The turn in which it was asked for."""
    call_id: str
    """Under which it is answered. A later session that asks the same has another one than the first."""
    is_foreign: bool = False
    """The present session has never heard of this call."""
    is_begun: bool = True
    """False: it is answered without being run."""
    is_theirs: bool = False
    """The model's side runs it (MCP): it is lost with the session."""
    began_at: float = 0.0
    until: float = math.inf
    """When one of theirs is not waited for any longer."""


@dataclass(slots=True)
class Approval:
    """Of a tool that the model's side would run: it waits for a word of ours."""

    name: str
    arguments: str
    cause: LiveResponse | None
    since: float
    """Since when the caller waits for what comes of it."""
    until: float
    """When it is not waited for any longer: for a decision, then for the tool."""
    is_given: bool = False

    def is_for(self, name: str, arguments: str, cause: LiveResponse | None) -> bool:
        """Whether it was asked for this call: an item of its own, in the same response."""
        return (self.name, self.arguments) == (name, arguments) and self.cause is cause


class ToolCalls:
    """The tool calls of one call.

    Args:
        limits: the bounds.
        memory: what earlier sessions were answered.
        transcript: says which turn it is.
        out: where actions and facts go.
    """

    def __init__(self, limits: Limits, memory: Memory, transcript: Transcript, out: Outbox) -> None:
        self._limits, self._memory, self._transcript, self._out = limits, memory, transcript, out
        self.running: dict[str, Running] = {}
        """By the `call_id` under which each was started."""
        self._unasked: dict[str, Running] = {}
        """Those that run and whose results nobody will ask for."""
        self._works: dict[str, Running] = {}
        """Those of the agent's own. Apart: a model may give its calls the same names."""
        self.approvals: dict[str, Approval] = {}
        """What the model's side waits for before it runs a tool of its own, by the request."""
        self._seen: dict[str, str | None] = {}
        """The item of each, by its `call_id`."""
        self._response_id = ""
        self._in_response = 0
        self.untold: list[tuple[Running, ToolFinished]] = []
        """Those that finished while there was no session, with their results."""
        self._known = self._known_questions()
        """What earlier sessions have asked, with what is known of it; and what has no certain outcome."""
        self.called = 0
        """Calls of the model that have begun to run."""
        self.used = self.failed = 0
        self.done_at = float("-inf")
        """When one last answered."""

    @property
    def causes(self) -> list[LiveResponse]:
        """The responses that wait for a tool."""
        return [running.cause for running in self.running.values() if running.cause is not None]

    @property
    def is_any_running(self) -> bool:
        """Whether a tool runs, asked for or not."""
        return bool(self.running or self._unasked or self._works)

    def add_times(self, times: list[float]) -> None:
        """Adds since when the caller waits for each that runs, or whose result is to be told."""
        if self.approvals:
            times += [approval.since for approval in self.approvals.values()]
        if self.running or self.untold:
            times += [running.since for running in self.running.values()]
            times += [running.since for running, _ in self.untold]

    # --- A tool is asked for ---

    def start(
        self,
        event: realtime_events.OutputItemDone,
        cause: LiveResponse | None,
        now: float,
        why_not: str = "",
    ) -> ToolFinished | None:
        """A whole function call runs beside the audio, once; an interrupted one may lack arguments.

        It is told of as well (Realtime reference, response.output_item.done), with another status. Without a
        status it is whole unless the caller has interrupted it. What is not run is answered at once: then
        this is its answer, still to be taken in. `why_not`: nothing is run at this moment.
        """
        item = event.item
        is_whole = item.status == "completed" or (item.status is None and not (cause and cause.is_muted))
        if item.type != "function_call" or not is_whole or not item.call_id:
            return None
        if item.call_id in self._seen:  # It has its answer, or will have it.
            if self._seen[item.call_id] != item.id:  # Not the same one, told of twice.
                self._out.note(noted("tool_call_repeated", name=(item.name or "")[:_NAME_MAX]))
            return None
        self._seen[item.call_id] = item.id
        if cause is not None:
            cause.has_called = True
        name, arguments = (item.name or "")[:_NAME_MAX], item.arguments or "{}"
        tool = RunTool(item.call_id, name, arguments, self._limits.tool_timeout_s)
        since, turn = now if cause is None else cause.since, self._transcript.turns
        running = Running(tool, cause, since, turn, item.call_id)
        if why := why_not or self._fault(event):
            output = msgspec.json.encode({"error": why}).decode()
            return self._answered(running, output, ToolOutcome.REFUSED)
        if (question := _question(tool)) is not None:
            if self._goes_on(question, running):
                return None
            if (stored := self._stored(question, turn)) is not None:
                return self._answered(running, stored, ToolOutcome.STORED)
            # What is left under this question has begun, and how it ended is not known.
            running.tool = replace(tool, is_repeated=question in self._known)
        self.running[item.call_id] = running
        self.called += 1
        self._out.note(Remembered(ToolStarted(turn, item.call_id, name, arguments)))
        self._out.do(running.tool)
        return None

    def _answered(self, running: Running, output: str, outcome: ToolOutcome) -> ToolFinished:
        """It is answered without being run."""
        running.is_begun = False
        self.running[running.call_id] = running
        return ToolFinished(running.call_id, running.tool.name, output, 0, outcome=outcome)

    def _fault(self, event: realtime_events.OutputItemDone) -> str:
        """What is wrong with a call; empty when nothing is."""
        if event.response_id != self._response_id:
            self._response_id, self._in_response = event.response_id, 0
        self._in_response += 1
        limits, item = self._limits, event.item
        if self._in_response > limits.tool_calls_per_response_max:
            return f"the tool was not run: call at most {limits.tool_calls_per_response_max} at once"
        if len(item.name or "") > _NAME_MAX:
            return f"there is no tool with a name of more than {_NAME_MAX} characters"
        if len((item.arguments or "").encode("utf-8", "replace")) > limits.tool_arguments_bytes_max:
            return f"the arguments are longer than {limits.tool_arguments_bytes_max} bytes; pass less"
        return ""

    def begin_work(self, event: WorkAsked, now: float) -> None:
        """Code of the agent's own runs like a tool; no model waits for it."""
        if event.call_id in self._works:
            return
        turn = self._transcript.turns
        tool = RunTool(event.call_id, event.name, event.arguments, self._limits.tool_timeout_s, is_ours=True)
        self._works[event.call_id] = Running(tool, None, now, turn, event.call_id)
        self._out.note(
            Remembered(ToolStarted(turn, event.call_id, event.name, event.arguments, is_ours=True))
        )
        self._out.do(tool)

    def begin_theirs(
        self,
        item_id: str,
        name: str,
        arguments: str,
        cause: LiveResponse | None,
        since: float,
        now: float,
        until: float,
    ) -> None:
        """The model's side runs a tool of its own."""
        turn = self._transcript.turns
        tool = RunTool(item_id, name, arguments, until - now)
        self.running[item_id] = Running(
            tool, cause, since, turn, item_id, is_theirs=True, began_at=now, until=until
        )
        self.called += 1
        self._out.note(Remembered(ToolStarted(turn, item_id, name, arguments)))

    def theirs_lost(self) -> float | None:
        """The session is gone, and with it what its side ran: nobody knows how that ends.

        What it was not allowed to run yet has not run. Answers since when the caller waits for any of it;
        None where nothing was lost.
        """
        since = [approval.since for approval in self.approvals.values()]
        for running in [one for one in self.running.values() if one.is_theirs]:
            since.append(running.since)
            took_ms = round((self._out.now - running.began_at) * 1000)
            output, outcome = NOT_KNOWN, ToolOutcome.CANCELLED
            if (request_id := self.request_for(running)) is not None:
                del self.approvals[request_id]  # Of two calls that are the same it speaks for one.
                output, outcome = _NOT_ALLOWED_YET, ToolOutcome.REFUSED
            self.finish(ToolFinished(running.call_id, running.tool.name, output, took_ms, outcome=outcome))
        self.approvals.clear()
        return min(since, default=None)

    def request_for(self, running: Running) -> str | None:
        """The request that a call of theirs waits for, until it is decided; None for one that may run."""
        tool = running.tool
        for request_id, approval in self.approvals.items():
            if not approval.is_given and approval.is_for(tool.name, tool.arguments, running.cause):
                return request_id
        return None

    # --- What earlier sessions have asked ---

    def _known_questions(self) -> dict[_Question, ToolStarted | ToolAnswered]:
        """By what was asked: the result, or that it has begun."""
        known: dict[_Question, ToolStarted | ToolAnswered] = {}
        for entry in self._memory.entries:
            if isinstance(entry, ToolStarted | ToolAnswered):
                self._note_known(known, entry)
        return known

    @staticmethod
    def _note_known(
        known: dict[_Question, ToolStarted | ToolAnswered], entry: ToolStarted | ToolAnswered
    ) -> None:
        if isinstance(entry, ToolAnswered) and (
            entry.is_wish or entry.is_momentary or entry.outcome not in _KNOWN
        ):
            if entry.is_ours and (question := _question(entry)) is not None:
                known.pop(question, None)
            return  # What was not done may be asked for again.
        if (question := _question(entry)) is not None:
            known[question] = entry

    def _goes_on(self, question: _Question, again: Running) -> bool:
        """Whether the same tool, asked for by a lost session, still runs: then it answers this call."""
        for running in self.running.values():
            if running.is_foreign and _question(running.tool) == question:
                running.call_id, running.cause, running.is_foreign = again.call_id, again.cause, False
                return True
        return False

    def _stored(self, question: _Question, turn: int) -> str | None:
        """The result of an earlier session. Once: who asks again wants to know anew."""
        known = self._known.get(question)
        if not isinstance(known, ToolAnswered) or known.outcome is not ToolOutcome.ANSWERED:
            return None
        del self._known[question]
        return known.output if turn - known.turn <= self._limits.stored_result_turns else None

    # --- A tool has answered ---

    def finish(self, event: ToolFinished) -> Running | None:
        """A tool has answered: that is kept, and counted. None for one that nobody waits for."""
        running = None if event.is_ours else self.running.pop(event.call_id, None)
        ended = running or (self._works if event.is_ours else self._unasked).pop(event.call_id, None)
        if ended is None:
            return None
        self.used += 1
        self.failed += event.outcome.is_fault
        if ended.is_begun:
            self._remember(ended, event)
        self._out.note(
            ToolUsed(
                event.name,
                event.duration_ms,
                len(event.output),
                event.outcome,
                call_id=ended.tool.call_id,
                turn=ended.turn,
            )
        )
        return running

    def _remember(self, ended: Running, event: ToolFinished) -> None:
        tool = ended.tool
        answered = ToolAnswered(
            ended.turn,
            tool.call_id,
            tool.name,
            tool.arguments,
            event.output,
            event.outcome,
            is_wish=event.wish is not None,
            is_ours=tool.is_ours,
            is_momentary=event.is_momentary,
        )
        self._memory.add(answered)
        self._out.note(Remembered(answered))
        # Who has had an answer and asks the same session again wants to know anew.
        if ended.is_foreign or event.outcome is not ToolOutcome.ANSWERED:
            self._note_known(self._known, answered)

    def tell(self, running: Running, result: ToolFinished) -> str:
        """Posts a result and answers its item; a session that did not make the call is told of it first.

        A result names its call (Realtime guide, "Function calling").
        """
        tool = running.tool
        if running.is_foreign:
            item_id = self._out.next_item_id()
            call = commands.FunctionCall(item_id, running.call_id, tool.name, tool.arguments)
            self._out.tell_model(commands.CreateItem(item=call))
        item_id = self._out.next_item_id()
        output = commands.FunctionCallOutput(item_id, running.call_id, result.output)
        self._out.tell_model(commands.CreateItem(item=output))
        return item_id

    def session_lost(self) -> None:
        """The tools run on, for a session that knows nothing of them."""
        for running in self.running.values():
            running.cause, running.is_foreign = None, True
        self._known = self._known_questions()

    def forget(self) -> None:
        """Nobody will ask for their results."""
        self._unasked |= self.running
        self.running.clear()
        self.untold.clear()


def _question(tool: RunTool | ToolStarted | ToolAnswered) -> _Question | None:
    """What is asked, however the arguments are written; None where they cannot be read."""
    try:
        arguments = msgspec.json.decode(tool.arguments)
        return tool.name, msgspec.json.encode(arguments, order="deterministic")
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
