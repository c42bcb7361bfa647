"""The agent: what answers the telephone. A plain object that lives in the user's own module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from pydantic import BaseModel

from callbridge.agents.arguments import (
    check_single_values,
    checked_servers,
    checked_values,
    language_or_fault,
)
from callbridge.agents.capture import Form
from callbridge.agents.fault import AgentFault
from callbridge.agents.flow.transitions import KEYS
from callbridge.agents.forms.users_code import handler_of
from callbridge.agents.guardrails.guardrail import EVERY, Guardrail, Guardrails, ToolGuardrail
from callbridge.agents.guardrails.in_call import GuardrailsInCall
from callbridge.agents.hanging_up import end_call
from callbridge.agents.mcp.servers import McpServer, ModelsServer, OurServer
from callbridge.agents.menu import MenuInCall, work_of
from callbridge.agents.pressing import press_keys_tool
from callbridge.agents.texting.texts import SEND_TEXT
from callbridge.agents.tools.given import AnyTool
from callbridge.agents.tools.of_steps import tool, tool_of
from callbridge.agents.tools.tool import Tool
from callbridge.agents.tools.toolbox import Toolbox
from callbridge.agents.transfers.in_call import TransfersInCall
from callbridge.agents.transfers.plan import TOOL, TransferPlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from callbridge.agents.abilities import Ability
    from callbridge.agents.analysis import Analysis
    from callbridge.agents.context import About
    from callbridge.agents.detection import SemanticVad, ServerVad
    from callbridge.agents.flow.flow import Flow
    from callbridge.agents.guardrails.guardrail import AnyGuardrail, Looks
    from callbridge.agents.guest import Guest
    from callbridge.agents.handoffs.handoff import Handoff
    from callbridge.agents.recording.recording import Recording
    from callbridge.agents.texting.texts import Texts
    from callbridge.agents.texts import Text
    from callbridge.agents.transfers.destination import Destination
    from callbridge.agents.wants import Wants

    Function = TypeVar("Function", bound=Callable[..., object])
    Look = TypeVar("Look", bound=Looks)
    Summarise: TypeAlias = Callable[..., str | Awaitable[str]]
    MakeAbility: TypeAlias = Callable[[Wants, About], Ability]
    Model = TypeVar("Model", bound=BaseModel)

ReasoningEffort: TypeAlias = Literal["minimal", "low", "medium", "high", "xhigh"]


class Agent:
    """Who answers.

    What is left out is filled from the settings (`CALLBRIDGE_AGENT_INSTRUCTIONS`,
    `CALLBRIDGE_AGENT_GREETING`, `CALLBRIDGE_REALTIME_VOICE`, …).

    Args:
        instructions: who the agent is and how it behaves. A function gets the call, and may be async.
        greeting: its first words, said exactly. A function gets the call, and may be async.
        name: known to logs, records and the stream token; by default that of its variable or file.
        voice: a voice of the model.
        language: the language of its callers, `de` or `de-AT` for example: what it is told to speak, and what
            its calls hear of Twilio's voice and the clip.
        time_zone: where it is at home, `Europe/Berlin` for example: what `call.local_time` shows.
        model: the realtime model.
        turn_detection: how the end of the caller's turn is found.
        reasoning_effort: how hard the model thinks before it speaks.
        tool_timeout_s: seconds that a tool may take unless it says so itself, at most 12.
        spend_max: US dollars that one call may cost; then the agent says goodbye.
        values: a pydantic model, with a default for every field: what `call.values` is. Without it that is a
            dictionary.
        summarise: says what is remembered of a call, where callers are (`CALLBRIDGE_CALLER_MEMORY_DAYS`): a
            function that gets the call when it is over, may be async, and has 5 s. Without it those are the
            last turns as they were heard.
        tools: functions with type hints and a docstring, or what `callbridge.tool` has made of them. More may
            be added with the `tool` decorator.
        can_hang_up: whether the agent may end the call by itself, after a goodbye.
        can_press_keys: whether the agent may press keys of the telephone by itself (digits, * and #), for a
            recorded menu. They are tones in the audio, which the other side may or may not understand.
        greeting_interruptible: whether the caller's first word stops the greeting. Otherwise it is heard: the
            caller is listened to meanwhile, and answered behind it.
        person_key: a key that leads to a human at any time, also while there is no model: `0` or `*`.
        texts: which text messages it may send; without them the model sends none.
        flow: the steps of its conversations, each with instructions and tools of its own.
        transfers: people to whom it can put its callers through.
        handoffs: other agents to whom it may hand its callers over within the call, each as it is or as a
            `Handoff`. Agents may lead to each other: `orders.handoffs.append(billing)` when both are there.
        handoff_description: what it is for, as the agents read it that may hand over to it.
        mcp_servers: MCP servers whose tools it has beside its own.
        analysis: what is asked about its calls when they are over, where calls are analysed.
        recording: has its calls recorded, and says how the caller is asked; without it none is.
        guardrails: functions that look at what it says, or what `callbridge.guardrail` and
            `callbridge.tool_guardrail` have made of them. More may be added with the decorators.

    Raises:
        AgentFault: something of this cannot be so.
        FlowFault: the flow cannot be so.
        ToolError: a function cannot be a tool as it is written.

    Example:
        ```python
        agent = Agent(instructions="You answer for Harbour Bakery.", greeting="Harbour Bakery, hello!")

        @agent.tool
        async def opening_hours(day: str) -> str:
            "When the shop is open on a day of the week."
            return "7 to 18"
        ```
    """

    guest: Guest | None = None
    """What it stands for, where another library runs it."""

    def __init__(
        self,
        *,
        instructions: Text | None = None,
        greeting: Text | None = None,
        name: str = "",
        voice: str | None = None,
        language: str | None = None,
        time_zone: str | None = None,
        model: str | None = None,
        turn_detection: ServerVad | SemanticVad | None = None,
        reasoning_effort: ReasoningEffort | None = None,
        tool_timeout_s: float | None = None,
        spend_max: float | None = None,
        values: type[BaseModel] | None = None,
        summarise: Summarise | None = None,
        tools: Iterable[Callable[..., object] | AnyTool] = (),
        can_hang_up: bool = True,
        can_press_keys: bool = False,
        greeting_interruptible: bool = False,
        person_key: str = "",
        texts: Texts | None = None,
        flow: Flow | None = None,
        transfers: Iterable[Destination] = (),
        handoffs: Iterable[Agent | Handoff] = (),
        handoff_description: str = "",
        mcp_servers: Iterable[McpServer] = (),
        analysis: Analysis | None = None,
        recording: Recording | None = None,
        guardrails: Iterable[Looks | AnyGuardrail] = (),
    ) -> None:
        check_single_values(name, time_zone, tool_timeout_s, spend_max, person_key)
        self.name, self.instructions, self.greeting = name, instructions, greeting
        self.voice, self.model, self.reasoning_effort = voice, model, reasoning_effort
        self.language, self.time_zone = language_or_fault(language), time_zone
        self.turn_detection, self.greeting_interruptible = turn_detection, greeting_interruptible
        self.tool_timeout_s, self.spend_max, self.person_key = tool_timeout_s, spend_max, person_key
        self.values, self.summarise, self.analysis = checked_values(values), summarise, analysis
        self.texts, self.flow, self.recording = texts, flow, recording
        self.mcp_servers = checked_servers(mcp_servers)
        self.handoffs: list[Agent | Handoff] = list(handoffs)
        """To whom it may hand its callers over. More may be appended until it is served."""
        self.handoff_description = handoff_description
        self.forms: dict[str, Form[Any]] = {}
        """What it captures, by name."""
        self.keys: dict[str, AnyTool] = {}
        """What single keys lead to."""
        self.abilities: list[MakeAbility] = []
        """What it can do beside talking, each made anew for a call."""
        self.doubles: Mapping[str, Callable[[AnyTool], AnyTool]] = {}
        """By the names of tools: what runs in their place, made of the tool itself. For tests."""
        self.toolbox = Toolbox()
        self._take_tools(tools, can_hang_up=can_hang_up, can_press_keys=can_press_keys)
        in_steps = ({}, {}) if flow is None else (flow.transfers, flow.entered_transfers)
        self._transfers = TransferPlan(transfers, *in_steps, self.language)
        self._take_abilities(person_key)
        self.guardrails = Guardrails()
        for one in guardrails:
            self._is_guarded_by(one)

    def _take_tools(
        self,
        tools: Iterable[Callable[..., object] | AnyTool],
        *,
        can_hang_up: bool,
        can_press_keys: bool,
    ) -> None:
        """Those that it is given, behind those that it has by itself."""
        if can_hang_up:
            self.toolbox.add(Tool(end_call))
        if self.texts is not None:
            self.toolbox.reserve([SEND_TEXT])
            for form in () if self.flow is None else self.flow.forms:
                self.texts.check(form)
        if can_press_keys:
            self.toolbox.add(press_keys_tool())
        for given in tools:
            self.toolbox.add(tool_of(given))

    def _take_abilities(self, person_key: str) -> None:
        """What it can do in a call because of its flow and its destinations, and what its recording needs."""
        if self.flow is not None:
            names = (*self.toolbox.names, *([TOOL] if self.destinations else []))
            self.flow.check(names, person_key)
            self.toolbox.reserve(self.flow.tool_names)
            self.abilities.append(self.flow.in_call)
        if self.recording is not None:
            self.toolbox.reserve(self.recording.tool_names)
        if self.destinations:
            self.toolbox.reserve([TOOL])
            self.abilities.append(lambda wants, _about: TransfersInCall(self._transfers, wants))

    @property
    def our_servers(self) -> tuple[OurServer, ...]:
        """The MCP servers that we connect to for it."""
        return tuple(server for server in self.mcp_servers if isinstance(server, OurServer))

    @property
    def models_servers(self) -> tuple[ModelsServer, ...]:
        """Those whose tools the model's side runs."""
        return tuple(server for server in self.mcp_servers if isinstance(server, ModelsServer))

    @property
    def destinations(self) -> Mapping[str, Destination]:
        """To whom it can put its callers through, by name."""
        return self._transfers.by_name

    @overload
    def tool(self, function: Function) -> Function: ...

    @overload
    def tool(
        self,
        *,
        timeout_s: float | None = None,
        irreversible: bool = False,
        confirm: bool = False,
        while_running: str = "",
        waiting_sound: bool = False,
        when_caller_hangs_up: Literal["finish", "cancel"] = "finish",
        answers: Literal["now", "later"] = "now",
    ) -> Callable[[Function], Function]: ...

    def tool(
        self,
        function: Function | None = None,
        *,
        timeout_s: float | None = None,
        irreversible: bool = False,
        confirm: bool = False,
        while_running: str = "",
        waiting_sound: bool = False,
        when_caller_hangs_up: Literal["finish", "cancel"] = "finish",
        answers: Literal["now", "later"] = "now",
    ) -> Function | Callable[[Function], Function]:
        """Makes `function` a tool of this agent. Usable as a decorator, with or without what follows.

        A parameter annotated `Call` is given the call; the model does not see it.

        Args:
            function: with type hints and a docstring.
            timeout_s: seconds that it may take, at most 12; 300 if it answers later. None:
                `CALLBRIDGE_TOOL_SECONDS`, or 60.
            irreversible: it must not happen twice, like a payment: it runs only once its start is on disk,
                and not again as long as it is not known how an earlier run ended.
            confirm: it runs only once the caller was asked about exactly these arguments, has heard the
                question to its end, and has answered.
            while_running: what the agent says, exactly, when it takes longer than a second.
            waiting_sound: whether the caller then hears a soft sound, for as long as it runs.
            when_caller_hangs_up: whether it goes on, for at most 8 s, or is stopped. An irreversible one
                always goes on.
            answers: `later`: the agent goes on with the caller at once, and brings the result up when it is
                there.

        Raises:
            ToolError: a parameter has no type hint, the docstring is missing, the name is taken, or the model
                would refuse its schema.
        """
        make = tool(
            timeout_s=timeout_s,
            irreversible=irreversible,
            confirm=confirm,
            while_running=while_running,
            waiting_sound=waiting_sound,
            when_caller_hangs_up=when_caller_hangs_up,
            answers=answers,
        )

        def add(function: Function) -> Function:
            self.toolbox.add(make(function))
            return function

        return add if function is None else add(function)

    def key(self, key: str) -> Callable[[Function], Function]:
        """Makes a function what a key of the telephone leads to, without the model: `@agent.key("1")`.

        The key counts by itself, while no number is being keyed in; it stops the agent's words like speech.
        The function may take the call. What it answers the model is told, and speaks about; it may just as
        well answer nothing, and do it all itself (`call.say`, `call.end`).

        Args:
            key: a digit or `*`. `#` ends what was keyed in.

        Raises:
            AgentFault: there is no such key, or it is taken.
        """
        if key not in KEYS or key in self.keys or key == self.person_key:
            taken = "it leads to something already" if key in KEYS else "a key is one of 0 to 9 and *"
            raise AgentFault(f"key {key!r}: {taken}")
        if self.flow is not None and key in self.flow.keys:
            raise AgentFault(f"key {key!r}: it leads to a step of the flow; take another one")

        def add(function: Function) -> Function:
            if not self.keys:
                self.abilities.append(lambda wants, _about: MenuInCall(wants, self.keys))
            self.keys[key] = Tool(function, name=work_of(key))
            return function

        return add

    def transfer_failed(self, function: Function) -> Function:
        """Runs `function` when nobody took a call, and the caller is back with the agent.

        It is given the call, in a parameter annotated `Call`, and the `TransferResult`. The model is told
        anyway what happened; the function may say something (`call.say`), end the call, or put the caller
        through to somebody else. What it answers the model is told, too.

        Raises:
            AgentFault: it has other parameters, there is one already, or nobody to be put through to.
        """
        if not self.destinations or self._transfers.failed is not None:
            why = "there is one already; keep one" if self.destinations else "give the agent transfers="
            raise AgentFault(f"transfer_failed: {why}")
        self._transfers.failed = handler_of(function, "transfer_failed", "transfer failed")
        return function

    def guardrail(self, *, every: int = EVERY, say: str = "") -> Callable[[Look], Look]:
        """Makes a function look at what the agent says, while it says it: `@agent.guardrail(say="…")`.

        What it gets and may answer stands at `callbridge.guardrail`.

        Args:
            every: characters between two looks.
            say: what is said, exactly, in place of what was stopped.

        Raises:
            AgentFault: it has other parameters, or there is one of this name.
        """

        def add(function: Look) -> Look:
            self._is_guarded_by(Guardrail(function, every=every, say=say))
            return function

        return add

    def tool_guardrail(self, function: Look) -> Look:
        """Makes a function look at every tool that the model wants to use: `@agent.tool_guardrail`.

        What it gets and may answer stands at `callbridge.tool_guardrail`.

        Raises:
            AgentFault: it has other parameters, or there is one of this name.
        """
        self._is_guarded_by(ToolGuardrail(function))
        return function

    def _is_guarded_by(self, guardrail: Looks | AnyGuardrail) -> None:
        had_none = not self.guardrails.of_words
        self.guardrails.add(guardrail)
        if had_none and self.guardrails.of_words:
            self.abilities.append(lambda wants, _about: GuardrailsInCall(wants, self.guardrails.of_words))

    def capture(
        self,
        model: type[Model],
        *,
        name: str = "",
        then: Callable[..., object] | None = None,
        refused: Callable[..., object] | None = None,
    ) -> Form[Model]:
        """Lets the agent ask its caller for all that `model` needs, and pass it on as one object.

        What is easily misheard is read back and confirmed; the caller may correct anything until all of it is
        there. A field without a default is needed, one with a default may be left out.

        Args:
            model: a pydantic model. Its docstring says what it is for.
            name: what the form is called; by default it has the name of the model.
            then: gets the call and the object, once. Or decorate it with `captured` of what this answers.
            refused: gets the call and the field's name, when the caller does not want to give what is needed.

        Raises:
            AgentFault: the model or a function cannot be used so, or there is a form of this name.
            ToolError: the model of a call would refuse the schema of a field, or a tool has a form's name.

        Example:
            ```python
            class Booking(BaseModel):
                "A table for tonight."
                name: PersonName
                guests: int

            booking = agent.capture(Booking)

            @booking.captured
            async def booked(call: Call, booking: Booking) -> str:
                return f"Table {await reserve(booking)} is reserved."
            ```
        """
        form = Form(model, name=name, then=then, refused=refused)
        if self.texts is not None:
            self.texts.check(form)
        if form.name in self.forms or (self.flow is not None and form.name in self.flow.form_names):
            raise AgentFault(f"there are two forms named {form.name}; give one another name=…")
        self.toolbox.reserve(form.tool_names)
        self.forms[form.name] = form
        self.abilities.append(form.in_call)
        return form

    def __repr__(self) -> str:
        name = f" {self.name}" if self.name else ""
        return f"<Agent{name} with tools: {', '.join(self.toolbox.names) or 'none'}>"
