"""Makes an agent of what was read, and finds what cannot be one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.agents.agent import Agent
from callbridge.agents.detection import SemanticVad, ServerVad
from callbridge.agents.fault import AgentFault
from callbridge.agents.recording.recording import Recording
from callbridge.agents.texting.texts import SEND_TEXT, Texts
from callbridge.agents.tools.schema import ToolError
from callbridge.agents.transfers.plan import TOOL
from callbridge.agents.written.file_model import SilenceDetection
from callbridge.agents.written.flows import flow_of
from callbridge.agents.written.forms import form_of
from callbridge.agents.written.guardrails import check_guarded, guardrails_of
from callbridge.agents.written.mcp_servers import servers_of
from callbridge.agents.written.requests import tool_of
from callbridge.agents.written.transfers import destination_of
from callbridge.agents.written.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.agents.tools.given import GivenTool
    from callbridge.agents.written.faults import Fault
    from callbridge.agents.written.file_model import AgentFile
    from callbridge.agents.written.forms import MadeForm

_HANG_UP: Final = "end_call"
_PRESS: Final = "press_keys"

_AS_THEY_ARE: Final = {
    *("greeting", "greeting_interruptible", "can_hang_up", "person_key", "language", "time_zone"),
    *(
        "can_press_keys",
        "handoff_description",
        "voice",
        "model",
        "reasoning_effort",
        "tool_timeout_s",
        "spend_max",
    ),
}
"""Keys that `Agent` has, too."""


def agent_of(
    file: AgentFile, stem: str, environment: Mapping[str, str], places: Sequence[int]
) -> tuple[Agent, list[Fault]]:
    """The agent that was read, and what is wrong with it. With faults it answers nobody.

    Args:
        file: what was read.
        stem: the agent's name, unless the file says another.
        environment: where secrets are looked for.
        places: where in the file each tool stands that was read.
    """
    workshop = Workshop(file.allow, environment)
    tools = _tools_of(workshop, file, places)
    forms = {name: form_of(workshop, name, form) for name, form in file.capture.items()}
    usable = {name: form for name, form in forms.items() if form is not None}
    in_steps = {name for step in file.steps for name in step.tools}
    everywhere = {name: tool for name, tool in tools.items() if name not in in_steps}
    people = [destination_of(workshop, name, one) for name, one in file.transfers.items()]
    texts, flow = _texts_of(workshop, file), None
    recording = _recording_of(workshop, file)
    servers = list(servers_of(workshop, file.mcp_servers))
    guardrails = list(guardrails_of(workshop, file))
    if not workshop.faults:
        names = {*everywhere, *_given_tools(file), *([TOOL] if people else [])}
        flow = flow_of(workshop, file, tools, usable, names)
    given = file.model_dump(include=_AS_THEY_ARE)
    agent = Agent()
    if not workshop.faults:
        try:
            agent = Agent(
                instructions=file.who,
                name=file.name or stem,
                turn_detection=_detection_of(file),
                tools=everywhere.values(),
                flow=flow,
                transfers=[one for one in people if one is not None],
                texts=texts,
                recording=recording,
                mcp_servers=servers,
                guardrails=guardrails,
                **given,
            )
            _add_forms(agent, file, usable)
            check_guarded(workshop, file, agent)
        except (AgentFault, ToolError, TypeError) as error:
            workshop.fault((), str(error))
    return agent, workshop.faults


def _given_tools(file: AgentFile) -> set[str]:
    """The tools that it has without writing them."""
    given = {
        _HANG_UP: file.can_hang_up,
        _PRESS: file.can_press_keys,
        SEND_TEXT: file.texts is not None,
    }
    of_recording = {} if file.recording is None else Recording(consent=file.recording.consent).tool_names
    return {name for name, has_it in given.items() if has_it}.union(of_recording)


def _texts_of(workshop: Workshop, file: AgentFile) -> Texts | None:
    """What it may send; None where that has faults, or nothing is written."""
    if file.texts is None:
        return None
    try:
        return Texts(**file.texts.model_dump(exclude_none=True))
    except AgentFault as fault:
        workshop.fault(("texts",), str(fault).removeprefix("texts, ").removeprefix("texts: "))
        return None


def _recording_of(workshop: Workshop, file: AgentFile) -> Recording | None:
    """Whether its calls are recorded; None where that has faults, or nothing is written."""
    if file.recording is None:
        return None
    try:
        return Recording(**file.recording.model_dump(exclude_none=True))
    except AgentFault as fault:
        workshop.fault(("recording",), str(fault).removeprefix("recording, "))
        return None


def _tools_of(workshop: Workshop, file: AgentFile, places: Sequence[int]) -> dict[str, GivenTool]:
    """The tools by name. Of two that have one name there is the first."""
    tools: dict[str, GivenTool] = {}
    taken = _given_tools(file)
    for place, written in zip(places, file.tools, strict=True):
        path = ("tools", place)
        tool = tool_of(workshop, path, written, file.tool_timeout_s)
        if written.name in taken:
            workshop.fault(path, f"there are two tools named {written.name}; rename one")
        elif tool is not None:
            tools[written.name] = tool
        taken.add(written.name)
    return tools


def _add_forms(agent: Agent, file: AgentFile, forms: Mapping[str, MadeForm]) -> None:
    """What no step captures is captured at any time."""
    in_steps = {step.captures for step in file.steps}
    for name, made in forms.items():
        if name not in in_steps:
            agent.capture(made.form.model, name=name, then=made.deliver)


def _detection_of(file: AgentFile) -> ServerVad | SemanticVad | None:
    if (found := file.turn_detection) is None:
        return None
    given = found.model_dump(exclude={"type"})
    return ServerVad(**given) if isinstance(found, SilenceDetection) else SemanticVad(**given)
