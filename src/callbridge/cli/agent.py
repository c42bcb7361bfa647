"""`callbridge agent show`: what an agent is, can do and asks for, and the steps of its conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from callbridge.agents.choosing.loading import load_roster
from callbridge.agents.fault import AgentError
from callbridge.agents.handoffs.graph import handoffs_of
from callbridge.agents.tools.tool import Tool
from callbridge.agents.transfers.destination import By
from callbridge.observe.redaction import masked_number
from callbridge.server.config.settings import find_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from callbridge.agents.agent import Agent
    from callbridge.agents.capture import Form
    from callbridge.agents.choosing.choice import Roster
    from callbridge.agents.flow.flow import Flow
    from callbridge.agents.flow.steps import Step
    from callbridge.agents.guest import Guest
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import Manner
    from callbridge.agents.transfers.destination import Destination


NOBODY_NAMED: Final = """\
Nobody is named. For the `agent` in bakery.py: callbridge agent show bakery:agent. Or write
CALLBRIDGE_AGENT=bakery:agent into .env in this folder.
`callbridge init bakery` makes a project with an agent."""


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="Who answers, as CALLBRIDGE_AGENT names it: module:name, or a file or folder of agents.",
            show_default=False,
        ),
    ] = "",
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print its flow alone, as the text of a Mermaid diagram.")
    ] = False,
) -> None:
    """Show who answers: words, tools, forms, keys, and the flow as a drawing.

    Nothing is called, and no account is needed.
    """
    console = Console(soft_wrap=True, highlight=False)
    variables = find_variables().values
    name = name or variables.get("CALLBRIDGE_AGENT", "")
    if not name:
        _refuse(NOBODY_NAMED)
    try:
        roster = load_roster(name, variables)
    except AgentError as error:
        _refuse(f"{error}\n{error.where}".rstrip())
    agents = roster.all_agents
    drawings = [agent.flow.mermaid() for _, agent in agents if agent.flow is not None]
    if mermaid and not drawings:
        _refuse(f"{name} has no flow; give it one with Agent(flow=…)")
    parts = [_calls(roster), *(lines_of(*known) for known in agents)]
    texts = drawings if mermaid else [text + "\n" for part in parts if (text := "\n".join(part))]
    # As text, not markup: what a user writes may have brackets in it.
    console.print(Text("\n".join(texts)), end="")


def _refuse(why: str) -> None:
    typer.echo(why, err=True)
    raise typer.Exit(1)


def _calls(roster: Roster) -> Iterator[str]:
    """Which call leads to whom, where that is not always the same."""
    if len(roster.agents) == 1:
        return
    yield "Calls"
    if roster.chooser:
        yield f"  as {roster.chooser}() chooses; where it fails:"
    yield from (f"  {number}: {name}" for number, name in roster.numbers.items())
    yield f"  {'all others' if roster.numbers else 'all'}: {roster.default}"


def lines_of(name: str, agent: Agent) -> Iterator[str]:
    """All that is to be said of an agent."""
    yield f"Agent {name}"
    yield from (f"  {what}: {value}" for what, value in _traits(agent))
    yield from _part("Tools", (line for tool in agent.toolbox.tools for line in _tool_lines(tool)))
    yield from () if agent.guest is None else _guest(agent.guest)
    yield from _part("Forms", (line for form in agent.forms.values() for line in _form(form)))
    yield from _part("Transfers", (line for one in agent.destinations.values() for line in _destination(one)))
    yield from _part("Handoffs", _handoffs(agent))
    yield from _part("MCP servers", _servers(agent))
    yield from _part("Guardrails", _guardrails(agent))
    yield from _part("Keys", _keys(agent))
    if agent.flow is not None:
        for step in agent.flow.plan.steps:
            yield from _part(
                f"Step {step.name}{' (ends the call)' if step.ends else ''}", _step(agent.flow, step)
            )
        yield from _part("Flow", iter(agent.flow.mermaid().splitlines()))


def _traits(agent: Agent) -> Iterator[tuple[str, str]]:
    """What was said of it; what was left open the settings fill in."""
    if agent.guest is None:
        yield "instructions", _words(agent.instructions)
    else:
        yield "instructions", _words(agent.guest.instructions or "(a function, or none)")
    yield "greeting", _words("(the model's own)" if agent.greeting == "" else agent.greeting)
    for what in (
        "voice",
        "language",
        "time_zone",
        "model",
        "reasoning_effort",
        "tool_timeout_s",
        "spend_max",
    ):
        if (value := getattr(agent, what)) is not None:
            yield what.replace("_", " "), str(value)
    if agent.texts is not None:
        own = f"its own words, {agent.texts.words_max} characters" if agent.texts.words_max else ""
        yield "texts", ", ".join(filter(None, (*agent.texts.templates, own)))
    if agent.values is not None:
        yield "values", f"{agent.values.__name__}: {', '.join(agent.values.model_fields)}"


def _guest(guest: Guest) -> Iterator[str]:
    """The agents of another library that the call may be handed to, each with its tools."""
    for name, tools in guest.tools.items():
        lines = [line for tool in tools for line in _tool_lines(tool)]
        yield from _part(f"{name}, of the {guest.library}", iter(lines or ["has no tools"]))
    yield from _part("Left out", iter(guest.left_out))


def _handoffs(agent: Agent) -> Iterator[str]:
    """To whom its callers may be handed over within the call."""
    for handoff, other in handoffs_of(agent):
        given = ", ".join(_parameters(handoff.tool.definition.parameters))
        yield f"{handoff.tool_name}({given}): {other.name}"
        if handoff.description:
            yield f"  {handoff.description}"
        if handoff.say:
            yield f"  says: {handoff.say}"


def _servers(agent: Agent) -> Iterator[str]:
    """Whose tools it has, and which of them. No address in full: it may have a key in it."""
    for ours in agent.our_servers:
        handling = ours.handling
        chosen = (
            ", ".join(sorted(handling.tools))
            if isinstance(handling.tools, frozenset)
            else "as a function says"
        )
        renamed = f", as {handling.prefix}…" if handling.prefix else ""
        yield f"{ours.name}: {ours.place}"
        yield f"  tools: {'all' if handling.tools is None else chosen}{renamed}"
        for what, named in (
            ("asks the caller first", handling.confirmed),
            ("never done twice", handling.irreversible),
        ):
            if named:
                yield f"  {what}: {'all' if named is True else ', '.join(sorted(named))}"
    if agent.guest is not None:
        yield from (f"{theirs.name}: of the {agent.guest.library}" for theirs in agent.guest.servers)
    for theirs in agent.models_servers:
        allowed = "all" if theirs.allowed is None else ", ".join(theirs.allowed)
        approval = theirs.approval if isinstance(theirs.approval, str) else "as a function says"
        yield f"{theirs.name}: {theirs.shown_url}, by the model's side"
        yield f"  tools: {allowed}; approval: {approval}"


def _guardrails(agent: Agent) -> Iterator[str]:
    """What looks at its words, and at its tools before they run."""
    for one in agent.guardrails.of_words:
        yield f"{one.name}{': ' if one.about else ''}{one.about}"
        if one.say:
            yield f"  says: {one.say}"
    for other in agent.guardrails.of_tools:
        yield f"{other.name}, of tools{': ' if other.about else ''}{other.about}"


def _keys(agent: Agent) -> Iterator[str]:
    """What keys lead to in every step."""
    for key, tool in agent.keys.items():
        yield f"{key}: {tool.function_name if isinstance(tool, Tool) else tool.name}()"
    if agent.person_key:
        yield f"{agent.person_key}: a person"


def _destination(destination: Destination) -> Iterator[str]:
    """Who is rung, masked, and how."""
    yield f"{destination.name}: {_who(destination)}"
    if destination.when:
        yield f"  {destination.when}"
    asks = "warm, and asked before" if destination.warm else "asked before" if destination.asks else ""
    how = [f"rings {destination.ring_s} s", f"shows the {destination.shows}'s number", asks]
    how += [f"presses {len(destination.extension)} keys"] if destination.extension else []
    how += [f"hours: {destination.hours}"] if destination.hours is not None else []
    how += [f"says: {_words(destination.says)}"] if destination.says else []
    yield f"  {', '.join(filter(None, how))}"


def _who(destination: Destination) -> str:
    match destination.to:
        case str() as address:
            return masked_number(address)
        case By(value=value, addresses=addresses, otherwise=otherwise):
            each = [f"{name}: {masked_number(address)}" for name, address in addresses.items()]
            each += [f"otherwise: {masked_number(otherwise)}"] if otherwise else []
            return f"by {value} ({', '.join(each)})"
        case function:
            name = getattr(function, "__name__", function)
            return f"as {name}() answers, within {', '.join(destination.within)}"


def _words(text: object) -> str:
    if text is None:
        return "(from the settings)"
    return (
        " ".join(text.split())
        if isinstance(text, str)
        else f"(a function: {getattr(text, '__name__', text)})"
    )


def _part(title: str, lines: Iterator[str]) -> Iterator[str]:
    """A headline with what stands below it; nothing where nothing does."""
    for number, line in enumerate(lines):
        if number == 0:
            yield from ("", title)
        yield f"  {line}"


def _step(flow: Flow, step: Step) -> Iterator[str]:
    text = " ".join(step.text.split())
    if step.words_work is not None:
        text = f"(a function{'; meanwhile: ' if text else ''}{text})"
    yield from filter(None, (text,))
    for tool in flow.plan.tools(step):
        yield from _tool_lines(tool)
    if step.captures is not None:
        yield from _form(step.captures)
    if step.transfer:
        yield f"puts through to {step.transfer}"
    if step.hand_to:
        yield f"hands over to {step.hand_to}"
    if step.transfers is not None:
        yield f"may put through to: {', '.join(step.transfers) or 'nobody'}"
    for way in flow.plan.ways(step):
        yield f"{way.words} -> {way.to}"


def _form(form: Form[Any]) -> Iterator[str]:
    """What is captured, field by field, in the order of asking."""
    shown = form.schema()
    yield f"captures {form.name}{': ' if shown['about'] else ''}{shown['about']}"
    for field in shown["fields"]:
        marks = ["" if field["is_needed"] else "may be left out", "by keys, too" if field["has_keys"] else ""]
        text = f": {', '.join(filter(None, marks))}" if any(marks) else ""
        yield f"  {field['name']} ({_kind(field['schema'])}){text}"


# --- Tools --------------------------------------------------------------------------------------------


def _tool_lines(tool: AnyTool) -> Iterator[str]:
    definition = tool.definition
    yield f"{tool.name}({', '.join(_parameters(definition.parameters))})"
    yield f"  {definition.description.split(chr(10) * 2)[0].replace(chr(10), ' ')}"
    if manner := ", ".join(_manner(tool.manner)):
        yield f"  {manner}"


def _parameters(schema: Mapping[str, Any]) -> Iterator[str]:
    needed = schema.get("required", ())
    for name, told in schema.get("properties", {}).items():
        yield f"{name}: {_kind(told)}{'' if name in needed else ' (may be left out)'}"


def _kind(told: Mapping[str, Any]) -> str:
    """What may be passed, in a word or some."""
    if choices := told.get("enum"):
        return " | ".join(map(str, choices))
    if parts := told.get("anyOf"):
        return " | ".join(map(_kind, parts))
    if "$ref" in told:
        return str(told["$ref"]).rpartition("/")[2]
    if told.get("type") == "array":
        return f"list of {_kind(told.get('items', {}))}"
    return str(told.get("format") or told.get("type", "anything"))


def _manner(manner: Manner) -> Iterator[str]:
    if manner.is_confirmed:
        yield "asks the caller first"
    if manner.is_irreversible:
        yield "never done twice"
    if manner.is_later:
        yield "answers later"
    if manner.timeout_s is not None:
        yield f"at most {manner.timeout_s:g} s"
    if manner.while_running:
        yield f"meanwhile says: {manner.while_running}"
    if manner.has_waiting_sound:
        yield "a soft sound meanwhile"
    if manner.stops_at_hangup:
        yield "stops when the caller hangs up"
