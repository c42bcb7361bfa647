"""An agent in one call: its tools run here, its abilities are told here, and its own state is kept here.

The bridge tells it every fact and takes what it wants of the core. What the session of the model is to be is
derived from where the abilities stand; when that has changed, the session is amended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from callbridge.agents.all_abilities import AllAbilities
from callbridge.agents.asking import answer_of
from callbridge.agents.context import Call, Line, Spoken
from callbridge.agents.earlier import told_of
from callbridge.agents.mcp.in_call import McpInCall
from callbridge.agents.outside import NoOutside
from callbridge.agents.recording.in_call import RecordingInCall
from callbridge.agents.texting.in_call import TextsInCall
from callbridge.agents.texts import summary_of, text_of
from callbridge.agents.tools.confirming import ASK_FIRST, Confirmations
from callbridge.agents.tools.runs import ToolRuns, why_not
from callbridge.agents.tools.threads import ThreadsBusy
from callbridge.agents.tools.tool import ToolResult, Transfer, failure
from callbridge.agents.tools.unended import LATER, Unended
from callbridge.agents.transfers.in_call import WORK, TransfersInCall
from callbridge.agents.values import new_values, restored, stored
from callbridge.agents.wants import Wants
from callbridge.call import agent_facts, facts
from callbridge.call import wants as w
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wishes import HangUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from callbridge.agents.abilities import Ability
    from callbridge.agents.agent import Agent
    from callbridge.agents.context import About
    from callbridge.agents.outside import Outside
    from callbridge.agents.recording.recorder import Recorder
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.transfers.result import TransferResult
    from callbridge.agents.wants import Wanted
    from callbridge.call.actions import RunTool
    from callbridge.call.facts import Fact
    from callbridge.call.outcomes import TextOutcome
    from callbridge.wire.realtime_commands import FunctionTool
    from callbridge.wire.realtime_events import ServerEvent

MOMENT_S: Final = 1.0
"""What takes longer than this is covered by words or a soft sound. Most look-ups are done before, and the
caller has just heard the agent say something."""

LATER_S: Final = 60.0
"""What a tool that answers later may take, unless it says so itself."""

LATER_AT_ONCE_MAX: Final = 3
"""Tools of one call that answer later and run at a time: one place is left for those that answer now."""

WORDS_S: Final = 2.0
"""How long the words of something short are waited for. As a rule they come within a second of it."""

_RUNNING: Final[ContextVar[str]] = ContextVar("callbridge_running_tool", default="")
"""The `call_id` of the tool that this code runs for; empty where it runs for none."""

BEGUN: Final = (
    '{"status": "begun", "what_next": "It takes a while. Say so in a few words, and go on with the caller; '
    'you will be told what came of it. Do not call it again, and do not guess the result."}'
)


def _abilities(agent: Agent, about: About, outside: Outside, wants: Wants) -> Iterator[Ability]:
    yield from (make(wants, about) for make in agent.abilities)
    if agent.our_servers:
        taken = (*agent.toolbox.names, *agent.toolbox.reserved)
        yield McpInCall(agent.our_servers, outside.mcp, taken, wants)


class AgentInCall:
    """The agent of one stream. Made before the stream is admitted, with what is known of the call.

    Args:
        agent: who answers.
        about: what is known of the call.
        earlier: the facts of earlier streams, and of the webhook.
        outside: what the process does for it beyond the call.
    """

    def __init__(
        self, agent: Agent, about: About, earlier: Iterable[Fact] = (), outside: Outside | None = None
    ) -> None:
        self._agent, self._own_instructions = agent, ""
        self.greeting = ""
        """Its first words; empty where the model finds some."""
        self._loop = asyncio.get_running_loop()
        self.wants = Wants(self._loop)
        self.call: Call[Any] = Call(about, new_values(agent.values), self)
        self._confirmations = Confirmations()
        outside = outside or NoOutside()
        self.texts = TextsInCall(agent.texts, about, outside, self.wants)
        self._abilities = AllAbilities(_abilities(agent, about, outside, self.wants))
        self._transfers = self._abilities.first(TransfersInCall)
        self.recording = self._abilities.first(RecordingInCall)
        self.recorder: Recorder | None = None
        """Records the stream, where the agent wishes it; given before it begins."""
        self._turns: dict[int, tuple[str | None, str]] = {}
        """What was said, by turn: the caller's words, and what was heard of the agent's."""
        self._turns_before: list[dict[int, tuple[str | None, str]]] = []
        self._heard: dict[str, asyncio.Future[bool]] = {}
        """Words on their way, by their name."""
        self._is_over = False
        self._later: set[str] = set()
        """Works that are tools of the model's, which answer later."""
        self._unended = Unended()
        self._running: dict[tuple[bool, str], AnyTool] = {}
        """By whose each is and its `call_id`."""
        for fact in earlier:
            self._restore(fact)
        self._values = stored(self.call.values)
        self._session = self._session_now()
        self._keys: w.KeysWanted | None = None
        """As the core has them; at first it puts them together in the usual way."""
        self._is_stale = True
        """Something has happened that may have changed either: a fact, or an answer of a tool. Nothing else
        changes an ability, and most events of a call bring neither."""
        self._runs: ToolRuns | None = None
        self._is_clear = asyncio.Event()
        """Whether the caller's latest words were words; otherwise that is still to be seen."""
        self._is_clear.set()

    async def prepare(self, instructions: str, greeting: str, speak: str = "") -> None:
        """Finds the agent's texts, functions of the call among them; what it leaves open is given here.

        Args:
            instructions: for an agent that has none of its own.
            greeting: the same.
            speak: which language it speaks; follows its instructions, whoever wrote them.
        """
        agent, call = self._agent, self.call
        await self._abilities.prepare(call)
        own = await text_of(agent.instructions, call, instructions, "instructions")
        self._own_instructions = "\n\n".join(filter(None, (own, speak)))
        self.greeting = await text_of(agent.greeting, call, greeting, "greeting")
        if self.recording is not None:
            self.greeting = self.recording.greeting(self.greeting)
        self._session = self._session_now()
        self._keep_values()

    # --- What the session is to be ---

    @property
    def instructions(self) -> str:
        """All that the model is told."""
        return self._session[0]

    @property
    def definitions(self) -> tuple[FunctionTool, ...]:
        """The tools that the model has."""
        return self._session[1]

    def _session_now(self) -> tuple[str, tuple[FunctionTool, ...]]:
        told = told_of(self.call.earlier)
        texts = (self._own_instructions, told, *self._abilities.instructions)
        definitions = tuple(tool.definition for tool in self._tools_now().values())
        return "\n\n".join(filter(None, texts)), definitions

    def _tools_now(self) -> dict[str, AnyTool]:
        own: dict[str, AnyTool] = {
            tool.name: tool for tool in (*self._agent.toolbox.tools, *self.texts.tools)
        }
        return own | self._abilities.tools

    # --- What happens ---

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """The stream is admitted: `tasks` owns what runs from now on."""
        self._runs = ToolRuns(self.call, tasks)
        for text in self._unended.texts():
            self.wants.add(w.AgentTells(text, is_answered=False))
        self.texts.begin()
        if self.recording is not None:
            self.recording.begin(tasks, self.recorder)
        self._abilities.start(tasks)

    @property
    def hearer(self) -> Callable[[Literal["agent", "caller"], str, str], None] | None:
        """Who is to be told both sides' words as they come; None where nobody listens."""
        return self._abilities.hearer

    @property
    def watcher(self) -> Callable[[ServerEvent], None] | None:
        """Who is to be told what the model says, but for audio and pieces of words; None: nobody watches."""
        return self._abilities.watcher

    def _restore(self, fact: Fact) -> None:
        self._unended.restore(fact)
        self.texts.restore(fact)
        match fact:
            case agent_facts.ValuesSet(values):
                self.call.values = restored(self._agent.values, values)
            case facts.StreamStarted():
                self._turns_before.append(self._turns)
                self._turns = {}
            case _:
                self._hear(fact)
        self._abilities.restore(fact)

    def told(self, fact: Fact) -> None:
        """Something has happened in the call."""
        self._hear(fact)
        self._confirmations.told(fact)
        self.texts.told(fact)
        if isinstance(fact, facts.CallerSpoke):
            (self._is_clear.set if fact.is_clear else self._is_clear.clear)()
        if isinstance(fact, facts.Said):
            heard = self._heard.pop(fact.say_id, None)
            if heard is not None and not heard.done():
                heard.set_result(fact.heard_percent >= 100)
        if self._abilities:
            self._abilities.told(fact)
            self._is_stale = True
        # Where there are no abilities the core itself tells the model (`CallPlan.reads_keys`).
        if self._abilities and isinstance(fact, facts.KeysPressed) and not fact.is_menu:
            self._tell_of_keys(fact.keys)

    def _hear(self, fact: Fact) -> None:
        match fact:
            case facts.TurnEnded(turn, caller, agent):
                self._turns[turn] = caller, agent
            case facts.CallerWordsCame(turn, caller):
                self._turns[turn] = caller, self._turns.get(turn, (None, ""))[1]
            case _:
                pass

    def _tell_of_keys(self, keys: str) -> None:
        text = self._abilities.pressed(keys)
        if text is None:
            text = f"[The caller pressed {' '.join(keys)} on the telephone keypad.]"
        self.wants.add(w.AgentTells(text, is_callers=True))

    def take(self) -> Wanted | None:
        """What is wanted next; None when nothing is. Facts come first: they may change all else.

        A changed session comes before words: they are for the model as it is to be.
        """
        if (fact := self.wants.take_fact()) is not None:
            return fact
        if self.wants.take_change():
            self._is_stale = True
        if self._is_stale:
            if (session := self._session_now()) != self._session:
                self._session = session
                return w.SessionWanted(self.wants.new_id("amendment"), *session)
            self._is_stale = False
            if (keys := self._abilities.keys) != self._keys:
                self._keys = keys
                return keys or w.KeysWanted()
        return self.wants.take()

    # --- What the user's code may do to the call ---

    def say(self, words: str, *, while_running: bool = False) -> Spoken:
        """See `Call.say`."""
        words = words.encode("utf-8", "replace").decode()  # Half a character cannot be sent.
        say_id, heard = self.wants.new_id("say"), self._loop.create_future()
        if not words.strip():  # The model would find something to say.
            heard.set_result(True)
            return Spoken(heard)
        self._heard[say_id] = heard
        if self._is_over:  # Nobody is there who could hear it.
            with contextlib.suppress(asyncio.InvalidStateError):  # The end, in the loop's thread, was faster.
                heard.set_result(False)
        self.wants.add(w.AgentSays(say_id, words, until_tool=_RUNNING.get() if while_running else ""))
        return Spoken(heard)

    def end(self, words: str) -> None:
        """See `Call.end`."""
        is_said = bool(words.strip())
        if is_said:
            self.say(words)
        self.wants.add(w.WishSet(HangUp(), is_said=is_said))

    async def send_text(self, words: str, template: str, to: str) -> TextOutcome:
        """See `Call.send_text`."""
        return await self.texts.send(words, template, to)

    def press(self, keys: str) -> None:
        """See `Call.press`."""
        self.wants.add(w.KeysOut(keys))

    def pause_recording(self) -> None:
        """See `Call.pause_recording`."""
        if self.recording is not None:
            self.recording.pause()

    def resume_recording(self) -> None:
        """See `Call.resume_recording`."""
        if self.recording is not None:
            self.recording.resume()

    def transfer(self, name: str, words: str, reason: str, summary: str) -> None:
        """See `Call.transfer`."""
        if name not in self._agent.destinations:
            known = ", ".join(self._agent.destinations) or "none"
            raise ValueError(f"there is no destination {name!r}; the agent has: {known}")
        given = {"to": name, "say": words, "reason": reason, "summary": summary}
        self.wants.add(w.WorkAsked(self.wants.new_id("transfer"), WORK, json.dumps(given)))

    def transfers(self) -> Sequence[TransferResult]:
        """See `Call.transfers`."""
        return () if self._transfers is None else tuple(self._transfers.results)

    def transcript(self) -> Sequence[Line]:
        """See `Call.transcript`."""
        lines: list[Line] = []
        for turns in (*self._turns_before, self._turns):
            for turn in sorted(turns):
                caller, agent = turns[turn]
                lines += [Line("caller", caller)] if caller else []
                lines += [Line("agent", agent)] if agent else []
        return lines

    # --- Tools ---

    async def run(self, asked: RunTool, *, is_kept: bool) -> ToolResult:
        """Runs what the model, or the agent itself, has asked for; whatever goes wrong is an answer."""
        tool = self._tool_of(asked)
        if tool is None:
            names = ", ".join(self._tools_now())
            why = f"there is no tool {asked.name}; the tools are: {names}"
            return failure(why, ToolOutcome.REFUSED)
        if not asked.is_ours:
            is_asked_first = tool.manner.is_confirmed
            if is_asked_first and (fault := await self._fault_in(tool, asked)) is not None:
                return fault
            if is_asked_first or tool.manner.awaits_answer:
                await self._caller_is_clear()
            if is_asked_first and not self._confirmations.may_run(asked.name, asked.arguments):
                return failure(ASK_FIRST, ToolOutcome.UNCONFIRMED)
            if tool.manner.is_later:
                if tool.manner.is_irreversible and (why := why_not(asked, is_kept=is_kept)):
                    return failure(why, ToolOutcome.REFUSED)
                return self._begin_later(asked)
        self._running[asked.is_ours, asked.call_id] = tool
        try:
            result = await self._run_covered(tool, asked, is_kept=is_kept)
            if result.transfer is not None:
                result = await self._put_through(result.transfer, asked)
        finally:
            self._running.pop((asked.is_ours, asked.call_id), None)
        self._ended(asked, result)
        return replace(result, is_momentary=result.is_momentary or tool.manner.is_momentary)

    async def _fault_in(self, tool: AnyTool, asked: RunTool) -> ToolResult | None:
        """What is wrong with the arguments: the caller is not asked about what cannot be done."""
        judge = partial(tool.fault_in, asked.arguments, self.call)
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

    def _tool_of(self, asked: RunTool) -> AnyTool | None:
        tools = self._tools_now()
        if asked.is_ours and not self._is_later(asked):
            return self._abilities.work(asked.name)
        tool, double = tools.get(asked.name), self._agent.doubles.get(asked.name)
        return tool if tool is None or double is None else double(tool)

    def _is_later(self, asked: RunTool) -> bool:
        return asked.is_ours and asked.call_id in self._later

    def _begin_later(self, asked: RunTool) -> ToolResult:
        """The model is answered at once; the tool runs as a work of the agent's own."""
        if len(self._later) >= LATER_AT_ONCE_MAX:
            why = f"{len(self._later)} of what you began earlier still run; wait until one of them has ended"
            return failure(why, ToolOutcome.BUSY)
        later_id = self.wants.new_id(LATER)
        self._later.add(later_id)
        self.wants.add(w.WorkAsked(later_id, asked.name, asked.arguments))
        return ToolResult(BEGUN)

    async def _run_covered(self, tool: AnyTool, asked: RunTool, *, is_kept: bool) -> ToolResult:
        """Runs the tool; what takes longer than a moment is covered."""
        assert self._runs is not None, "it has begun"
        if self._is_later(asked):
            asked = replace(asked, timeout_s=LATER_S)
        cover = self._loop.call_later(MOMENT_S, self._cover, tool, asked)
        running = _RUNNING.set(asked.call_id)
        try:
            return await self._runs.run(tool, asked, is_kept=is_kept)
        finally:
            _RUNNING.reset(running)
            cover.cancel()

    def _cover(self, tool: AnyTool, asked: RunTool) -> None:
        if asked.is_ours:
            return  # The caller talks with the agent meanwhile.
        if words := tool.manner.while_running:
            self.wants.add(w.AgentSays(self.wants.new_id("say"), words, until_tool=asked.call_id))
        if tool.manner.has_waiting_sound:
            self.wants.add(w.SoundWanted(asked.call_id))

    async def _put_through(self, transfer: Transfer, asked: RunTool) -> ToolResult:
        """What comes of a result that names a destination."""
        if self._transfers is None:
            return failure(
                f"the tool wants a transfer to {str(transfer)[:40]}; the agent has no destinations"
            )
        is_ours = asked.is_ours and not self._is_later(asked)
        return await self._transfers.put_through(transfer, self.call, is_ours=is_ours)

    def _ended(self, asked: RunTool, result: ToolResult) -> None:
        if self._is_later(asked):
            self._later.discard(asked.call_id)
            text = f"[{asked.name}, which you began earlier, has ended. What came of it: {result.output}]"
            is_answered = result.wish is None and not result.is_quiet
            self.wants.add(w.AgentTells(text, is_answered=is_answered))
        if self._abilities:
            self._abilities.answered(asked.name, result, self.call)
            self._is_stale = True
        if asked.is_ours and result.wish is not None:  # Of the model's own call the core sees to it.
            self.wants.add(w.WishSet(result.wish))
        self._keep_values()

    def _keep_values(self) -> None:
        """What the user's code has changed of its own state is a fact."""
        values = stored(self.call.values)
        if values is not None and values != self._values:
            self._values = values
            self.wants.add(agent_facts.ValuesSet(values))

    async def summary(self) -> str | None:
        """What the user's own function makes of the call when it is over; None where there is none."""
        summarise = self._agent.summarise
        return None if summarise is None else await summary_of(summarise, self.call)

    def hang_up(self) -> None:
        """The stream has ended: nothing is said any more, and what does not want to finish ends."""
        self._is_over = True
        for heard in tuple(self._heard.values()):  # A plain tool may say something more in its thread.
            if not heard.done():
                heard.set_result(False)
        self._heard.clear()
        if self._runs is not None:
            self._runs.hang_up()
        self._abilities.hang_up()

    def cut_short(self, asked: RunTool) -> ToolResult:
        """What is to be said of a run that nobody waits for any longer."""
        assert self._runs is not None, "it has begun"
        return self._runs.cut_short(self._running.get((asked.is_ours, asked.call_id)))
