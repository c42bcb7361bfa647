"""The agents' side of one call: their tools run here, their abilities are told here, values are kept here.

The bridge tells it every fact and takes what it wants of the core. What the session of the model is to be is
derived from who is on, and where the abilities of that agent stand; when it has changed, the session is
amended. What belongs to one agent alone stands in `handoffs.one_agent`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from callbridge.agents.context import Call, Line, Spoken
from callbridge.agents.earlier import told_of
from callbridge.agents.guardrails.tools import refusal_of
from callbridge.agents.handoffs.in_call import HandoffsInCall
from callbridge.agents.handoffs.words import not_run, of_who_was_left
from callbridge.agents.outside import NoOutside
from callbridge.agents.recording.in_call import RecordingInCall
from callbridge.agents.sendable import sendable
from callbridge.agents.texting.in_call import TextsInCall
from callbridge.agents.texts import summary_of, text_of
from callbridge.agents.tools.in_call import RUNNING, ToolsInCall
from callbridge.agents.tools.tool import HandTo, ToolResult, Transfer, failure
from callbridge.agents.transfers.in_call import WORK
from callbridge.agents.values import new_values, restored, stored
from callbridge.agents.wants import Wants
from callbridge.call import agent_facts, facts
from callbridge.call import wants as w
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wishes import HangUp
from callbridge.wire.realtime_commands import FunctionTool, McpTool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pydantic import BaseModel

    from callbridge.agents.agent import Agent
    from callbridge.agents.context import About
    from callbridge.agents.handoffs.one_agent import OneAgent
    from callbridge.agents.outside import Outside
    from callbridge.agents.recording.recorder import Recorder
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.transfers.result import TransferResult
    from callbridge.agents.wants import Wanted
    from callbridge.call.actions import RunTool
    from callbridge.call.facts import Fact
    from callbridge.call.outcomes import TextOutcome
    from callbridge.wire.realtime_commands import SessionTool
    from callbridge.wire.realtime_events import ServerEvent


class AgentInCall:
    """The agent of one stream. Made before the stream is admitted, with what is known of the call.

    Args:
        agent: who answers. The caller may be handed over to others from there.
        about: what is known of the call.
        earlier: the facts of earlier streams, and of the webhook.
        outside: what the process does for it beyond the call.
    """

    def __init__(
        self, agent: Agent, about: About, earlier: Iterable[Fact] = (), outside: Outside | None = None
    ) -> None:
        self._agent = agent
        self.greeting = ""
        """Its first words; empty where the model finds some."""
        self._loop = asyncio.get_running_loop()
        self.wants = Wants(self._loop)
        self.call: Call[Any] = Call(about, new_values(agent.values), self)
        outside = outside or NoOutside()
        self._tools = ToolsInCall(self.call, self.wants)
        self.texts = TextsInCall(agent.texts, about, outside, self.wants)
        self._handoffs = HandoffsInCall(agent, about, outside, self.wants)
        self.recording = self._recording_of(agent)
        self.recorder: Recorder | None = None
        """Records the stream, where the agent wishes it; given before it begins."""
        self._turns: dict[int, tuple[str | None, str]] = {}
        """What was said, by turn: the caller's words, and what was heard of the agent's."""
        self._turns_before: list[dict[int, tuple[str | None, str]]] = []
        self._heard: dict[str, asyncio.Future[bool]] = {}
        """Words on their way, by their name."""
        self._is_over = False
        for fact in earlier:
            self._restore(fact)
        self._values = stored(self.call.values)
        self._session = self._session_now()
        self._keys: w.KeysWanted | None = None
        """As the core has them; at first it puts them together in the usual way."""
        self._is_stale = True
        """Something has happened that may have changed either: a fact, or an answer of a tool. Nothing else
        changes an ability, and most events of a call bring neither."""

    async def prepare(self, instructions: str, greeting: str, speak: str = "") -> None:
        """Finds the agent's texts, functions of the call among them; what it leaves open is given here.

        Args:
            instructions: for an agent that has none of its own.
            greeting: the same.
            speak: which language it speaks; follows its instructions, whoever wrote them.
        """
        await self._handoffs.prepare(self.call, instructions, speak)
        self.greeting = await text_of(self._agent.greeting, self.call, greeting, "greeting")
        if self.recording is not None:
            self.greeting = self.recording.greeting(self.greeting)
        self._session = self._session_now()
        self._keep_values()

    def _recording_of(self, agent: Agent) -> RecordingInCall | None:
        """As the agent wants it that takes the call. What the flow of any agent leaves out is left out."""
        if agent.recording is None:
            return None
        flows = {one.name: one.agent.flow for one in self._handoffs.all}
        unrecorded = {name: flow.unrecorded for name, flow in flows.items() if flow is not None}
        return RecordingInCall(agent.recording, self.wants, unrecorded, self._handoffs.on.name)

    # --- What the session is to be ---

    @property
    def agents(self) -> tuple[Agent, ...]:
        """All to whom the caller may come in this call, as the user wrote them."""
        return tuple(one.agent for one in self._handoffs.all)

    @property
    def agent_on(self) -> str:
        """See `Call.agent`."""
        return self._handoffs.on.name

    @property
    def reads_keys(self) -> bool:
        """Whether anybody but the model may have a use for keys. It stays so for the whole call."""
        return self._handoffs.reads_keys

    @property
    def instructions(self) -> str:
        """All that the model is told."""
        return self._session[0]

    @property
    def definitions(self) -> tuple[FunctionTool, ...]:
        """The functions that the model has."""
        return tuple(tool for tool in self._session[1] if isinstance(tool, FunctionTool))

    @property
    def models_servers(self) -> tuple[McpTool, ...]:
        """The MCP servers whose tools the model's side runs."""
        return tuple(tool for tool in self._session[1] if isinstance(tool, McpTool))

    def _session_now(self) -> tuple[str, tuple[SessionTool, ...]]:
        told = told_of(self.call.earlier)
        on, recording = self._handoffs.on, self.recording
        of_call = () if recording is None else (recording.instructions,)
        texts = (on.own_instructions, told, *of_call, *on.abilities.instructions)
        tools: list[SessionTool] = [tool.definition for tool in self._tools_now().values()]
        tools += [server.tool for server in on.agent.models_servers]
        return "\n\n".join(filter(None, texts)), tuple(tools)

    def _tools_now(self) -> dict[str, AnyTool]:
        """Those of the agent that is on, and of the call."""
        of_call = (*self.texts.tools, *(() if self.recording is None else self.recording.tools))
        own = self._handoffs.on.tools | {tool.name: tool for tool in of_call}
        return own | self._handoffs.tools(self.call)

    # --- What happens ---

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """The stream is admitted: `tasks` owns what runs from now on."""
        self._tools.begin(tasks)
        self.texts.begin()
        if self.recording is not None:
            self.recording.begin(tasks, self.recorder)
        self._handoffs.start(tasks)

    @property
    def hearer(self) -> Callable[[Literal["agent", "caller"], str, str], None] | None:
        """Who is to be told both sides' words as they come; None where nobody listens."""
        return self._handoffs.hearer

    @property
    def watcher(self) -> Callable[[ServerEvent], None] | None:
        """Who is to be told what the model says, but for audio and pieces of words; None: nobody watches."""
        return self._handoffs.watcher

    def _restore(self, fact: Fact) -> None:
        fact = self._handoffs.heard_by(fact)
        self._tools.restore(fact)
        self.texts.restore(fact)
        match fact:
            case agent_facts.ValuesSet(values):
                self.call.values = restored(self._agent.values, values)
            case facts.StreamStarted():
                self._turns_before.append(self._turns)
                self._turns = {}
            case _:
                self._hear(fact)
        if self.recording is not None:
            self.recording.restore(fact)
        self._handoffs.restore(fact)
        self._serve_changed(fact)

    def told(self, fact: Fact) -> None:
        """Something has happened in the call."""
        fact = self._handoffs.heard_by(fact)
        self._hear(fact)
        self._tools.told(fact)
        self.texts.told(fact)
        if isinstance(fact, facts.Said):
            heard = self._heard.pop(fact.say_id, None)
            if heard is not None and not heard.done():
                heard.set_result(fact.heard_percent >= 100)
        if self.recording is not None:
            self.recording.told(fact)
        if self.reads_keys or self.recording is not None:
            self._handoffs.told(fact)
            self._serve_changed(fact)
            self._is_stale = True
        # Where there are no abilities the core itself tells the model (`CallPlan.reads_keys`).
        if self.reads_keys and isinstance(fact, facts.KeysPressed) and not fact.is_menu:
            self._tell_of_keys(fact.keys)

    def _serve_changed(self, fact: Fact) -> None:
        """Another agent may be on: what belongs to the call is of use to that one."""
        if isinstance(fact, agent_facts.AgentChanged):
            self.texts.serve(self._handoffs.on.agent.texts)

    def _hear(self, fact: Fact) -> None:
        match fact:
            case facts.TurnEnded(turn, caller, agent):
                self._turns[turn] = caller, agent
            case facts.CallerWordsCame(turn, caller):
                self._turns[turn] = caller, self._turns.get(turn, (None, ""))[1]
            case _:
                pass

    def _tell_of_keys(self, keys: str) -> None:
        on = self._handoffs.on
        text = on.abilities.pressed(keys)
        if text is None:
            text = f"[The caller pressed {' '.join(keys)} on the telephone keypad.]"
        # They may have led to a step that hands over: then the other agent speaks.
        is_answered = not self._handoffs.by_code.is_coming(on)
        self.wants.add(w.AgentTells(text, is_callers=True, is_answered=is_answered))

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
            if (keys := self._handoffs.on.abilities.keys) != self._keys:
                self._keys = keys
                return keys or w.KeysWanted()
        return self.wants.take()

    # --- What the user's code may do to the call ---

    def say(self, words: str, *, while_running: bool = False) -> Spoken:
        """See `Call.say`."""
        words = sendable(words)
        say_id, heard = self.wants.new_id("say"), self._loop.create_future()
        if not words.strip():  # The model would find something to say.
            heard.set_result(True)
            return Spoken(heard)
        self._heard[say_id] = heard
        if self._is_over:  # Nobody is there who could hear it.
            with contextlib.suppress(asyncio.InvalidStateError):  # The end, in the loop's thread, was faster.
                heard.set_result(False)
        self.wants.add(w.AgentSays(say_id, words, until_tool=RUNNING.get() if while_running else ""))
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
        on = self._handoffs.on
        if name not in on.agent.destinations:
            known = ", ".join(on.agent.destinations) or "none"
            raise ValueError(f"there is no destination {name!r}; the agent has: {known}")
        given = {"to": name, "say": words, "reason": reason, "summary": summary}
        on.wants.add(w.WorkAsked(on.wants.new_id("transfer"), WORK, json.dumps(given)))

    def hand_to(self, name: str, words: str, given: BaseModel | None) -> None:
        """See `Call.hand_to`."""
        self._handoffs.by_code.ask(HandTo(name, say=words, given=given))

    def transfers(self) -> Sequence[TransferResult]:
        """See `Call.transfers`."""
        return self._handoffs.transfers()

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
        owner, tool = self._asked_of(asked)
        if tool is None:
            names = ", ".join(self._tools_now())
            why = f"there is no tool {asked.name}; the tools are: {names}"
            return failure(why, ToolOutcome.REFUSED)
        if not asked.is_ours:
            instead = await self._instead_of(owner, tool, asked, is_kept=is_kept)
            if instead is not None:
                return instead
            tool = self._handoffs.of_one(owner, tool)
        result = await self._tools.run(tool, asked, is_kept=is_kept)
        if asked.is_ours:
            owner.wants.ended(asked.call_id)
        if not self._handoffs.has_left(owner):
            result = await self._led_on(owner, result, asked)
        if self._handoffs.has_left(owner):
            result = of_who_was_left(result)
        result = self._handoffs.by_code.held_back(owner, result)  # What has run may have handed over.
        self._ended(owner, asked, result)
        result = self._handoffs.by_code.held_back(owner, result)  # Or a step to which its answer has led.
        return replace(result, is_momentary=result.is_momentary or tool.manner.is_momentary)

    async def _instead_of(
        self, owner: OneAgent, tool: AnyTool, asked: RunTool, *, is_kept: bool
    ) -> ToolResult | None:
        """What the model is told of a tool of its own that is not run now; None where it is."""
        # Before the caller is asked: not about what is not allowed.
        guardrails = owner.agent.guardrails.of_tools
        refusal = await refusal_of(guardrails, asked.name, asked.arguments, self.call)
        if refusal is not None:
            return refusal
        if self._handoffs.has_left(owner):
            return failure(not_run(asked.name), ToolOutcome.REFUSED)
        return await self._tools.answer_at_once(tool, asked, owner.wants, is_kept=is_kept)

    def _asked_of(self, asked: RunTool) -> tuple[OneAgent, AnyTool | None]:
        """Whose it is, and what is run. A model has the tools of the agent that is on, and no others."""
        if asked.is_ours:
            owner = self._handoffs.owner(asked.call_id)
            return owner, self._tools.later(asked) or self._handoffs.work(owner, asked.name)
        on, tool = self._handoffs.on, self._tools_now().get(asked.name)
        return on, None if tool is None else on.tool_for_call(tool)

    async def _led_on(self, owner: OneAgent, result: ToolResult, asked: RunTool) -> ToolResult:
        """What comes of a result that names somebody else to talk with the caller."""
        if result.transfer is not None:
            return await self._put_through(owner, result.transfer, asked)
        if result.hand_to is not None:
            is_told = not asked.is_ours or self._tools.later(asked) is not None
            return await self._handoffs.by_code.hand_to(
                owner, result.hand_to, asked.name, self.call, is_told=is_told
            )
        return result

    async def _put_through(self, owner: OneAgent, transfer: Transfer, asked: RunTool) -> ToolResult:
        """What comes of a result that names a destination."""
        if owner.transfers is None:
            return failure(
                f"the tool wants a transfer to {str(transfer)[:40]}; the agent has no destinations"
            )
        is_ours = asked.is_ours and self._tools.later(asked) is None
        return await owner.transfers.put_through(transfer, self.call, is_ours=is_ours)

    def _ended(self, owner: OneAgent, asked: RunTool, result: ToolResult) -> None:
        is_later = self._tools.later(asked) is not None
        if is_later:
            self._tools.ended_later(asked, result)
        # What a tool answers moves no flow of an agent that rests.
        if (asked.is_ours and not is_later) or not self._handoffs.has_left(owner):
            owner.abilities.answered(asked.name, result, self.call)
        if asked.is_ours:
            self._handoffs.by_code.answered(owner, asked.name, result)
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
        self._tools.hang_up()
        self._handoffs.hang_up()

    def cut_short(self, asked: RunTool) -> ToolResult:
        """What is to be said of a run that nobody waits for any longer."""
        return self._tools.cut_short(asked)
