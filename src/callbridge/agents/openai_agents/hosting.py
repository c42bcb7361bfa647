"""Makes an agent of ours that stands for one of the SDK. What a call has not is found here, in words."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

import structlog
from agents import Handoff
from agents.realtime import OpenAIRealtimeWebSocketModel, RealtimeAgent, RealtimeRunner, realtime_handoff

from callbridge.agents.agent import Agent
from callbridge.agents.arguments import is_agent_name
from callbridge.agents.fault import AgentFault
from callbridge.agents.guest import Guest
from callbridge.agents.openai_agents.graph import reachable
from callbridge.agents.openai_agents.host import Hosting
from callbridge.agents.openai_agents.in_call import GuestInCall, ListeningGuest
from callbridge.agents.openai_agents.mcp_servers import SdkServer
from callbridge.agents.openai_agents.recognising import INSTALL, is_guest, kind_of
from callbridge.agents.openai_agents.settings import as_ours
from callbridge.agents.openai_agents.tools import APPROVAL_S_MAX, HostedTool, Waits
from callbridge.agents.openai_agents.unpublished import made_of, missing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from agents.realtime import RealtimePlaybackTracker, RealtimeRunConfig, RealtimeSession
    from pydantic import BaseModel
    from typing_extensions import Unpack

    from callbridge.agents.agent import ReasoningEffort, Summarise
    from callbridge.agents.analysis import Analysis
    from callbridge.agents.context import Call
    from callbridge.agents.detection import SemanticVad, ServerVad
    from callbridge.agents.guardrails.guardrail import AnyGuardrail, Looks
    from callbridge.agents.handoffs.handoff import Handoff as OurHandoff
    from callbridge.agents.mcp.servers import McpServer
    from callbridge.agents.recording.recording import Recording
    from callbridge.agents.texting.texts import Texts
    from callbridge.agents.texts import Text
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.transfers.destination import Destination


class OfAgent(TypedDict, total=False):
    """What of `Agent` may be said beside the SDK's agent. See there."""

    name: str
    voice: str | None
    language: str | None
    time_zone: str | None
    model: str | None
    turn_detection: ServerVad | SemanticVad | None
    reasoning_effort: ReasoningEffort | None
    tool_timeout_s: float | None
    spend_max: float | None
    values: type[BaseModel] | None
    summarise: Summarise | None
    tools: Iterable[Callable[..., object] | AnyTool]
    can_press_keys: bool
    greeting_interruptible: bool
    person_key: str
    texts: Texts | None
    guardrails: Iterable[Looks | AnyGuardrail]
    transfers: Iterable[Destination]
    handoffs: Iterable[Agent | OurHandoff]
    handoff_description: str
    mcp_servers: Iterable[McpServer]
    analysis: Analysis | None
    recording: Recording | None


def guest(
    agent: RealtimeAgent[Any] | RealtimeRunner,
    *,
    context: Callable[..., Any] | None = None,
    events: Callable[[RealtimeSession, Call[Any]], Awaitable[None]] | None = None,
    playback_tracker: Callable[[Call[Any]], RealtimePlaybackTracker] | None = None,
    while_running: str = "",
    waiting_sound: bool = True,
    approval_s: float | None = None,
    greeting: Text | None = "",
    can_hang_up: bool = False,
    **more: Unpack[OfAgent],
) -> Agent:
    """An agent that stands for one of the OpenAI Agents SDK, whose own session does what that is made of.

    `CALLBRIDGE_AGENT=module:name` takes a `RealtimeAgent` or a `RealtimeRunner` as it is. This is for who has
    more to say.

    Args:
        agent: the agent that begins, or a runner with it and its configuration.
        context: makes what the SDK's tools find as `context` of a call: a function of the call, may be async,
            has a second. Without it that is the `Call`.
        events: an async function that gets the SDK's session and the call, and may read `async for event in
            session`, approve tools, send messages. It runs as long as the call. Without it a tool that needs
            approval is refused.
        while_running: what the agent says, exactly, when a tool of the SDK takes longer than a second.
        waiting_sound: whether the caller then hears a soft sound, for as long as it runs.
        approval_s: seconds that somebody has to approve a tool that needs it, at most 288. The agent goes on
            with the caller at once, and brings up what came of it. Without it the caller waits, for 8 s.
        playback_tracker: makes a tracker for a call; it is told what the caller has heard.
        greeting: see `Agent`; by default the model finds its first words, as its instructions tell it.
        can_hang_up: whether the model has the tool `end_call` beside those of the SDK's agent.
        more: what else `Agent` takes, but `instructions` and `flow`. It goes before the model settings of a
            runner.

    Raises:
        AgentFault: this is no agent of the SDK, or something of it cannot be so.
        ToolError: one of its tools cannot be one of a call.

    Example:
        ```python
        agent = guest(triage_agent, greeting="Harbour Airline, good day!", can_hang_up=True)
        ```
    """
    start, config, left_out = _read(agent)
    taken, not_taken = as_ours(config.get("model_settings") or {})
    agents = reachable(start)
    settings: dict[str, Any] = {"name": _name_of(start)} | taken | dict(more)
    made = Agent(instructions="", greeting=greeting, can_hang_up=can_hang_up, **settings)
    waits = Waits(while_running, waiting_sound, _checked(approval_s, events))
    hosting = Hosting(start, agents, config, context, events, playback_tracker, waits)
    made.guest = _shown(agent, hosting, [*left_out, *not_taken])
    made.toolbox.reserve(made.guest.tool_names)
    return made


def _read(agent: object) -> tuple[RealtimeAgent[Any], RealtimeRunConfig, list[str]]:
    """Who begins, with what configuration, and what of a runner a call has not."""
    if not is_guest(agent):
        raise AgentFault(
            f"a {kind_of(agent)} answers no call: give a RealtimeAgent or a RealtimeRunner of the SDK"
        )
    if lacking := ", ".join(missing()):
        raise AgentFault(
            f"this version of the OpenAI Agents SDK is not known; it has no {lacking}: {INSTALL}"
        )
    if isinstance(agent, RealtimeAgent):
        return agent, {}, []
    start, config, model = made_of(agent)
    left_out = [] if type(model) is OpenAIRealtimeWebSocketModel else [f"model={type(model).__name__}"]
    return start, config or {}, left_out


def _listens(hosting: Hosting) -> bool:
    """Whether anybody looks at words before they are whole. Otherwise they cost nothing."""
    are_guarded = any(agent.output_guardrails for agent in hosting.agents.values())
    return hosting.events is not None or are_guarded or bool(hosting.config.get("output_guardrails"))


def _shown(of: object, hosting: Hosting, left_out: list[str]) -> Guest:
    """What is known of it before there is a call. What a call has not of it is told in the log as well."""
    start, agents = hosting.start, hosting.agents
    left_out += [f"prompt of {one.name}: write its instructions out" for one in agents.values() if one.prompt]
    # Examples of the SDK say a format of audio, and a caller hears a right one whatever that is.
    if minded := [one for one in left_out if not one.startswith("format=")]:
        log = structlog.get_logger()
        log.warning("openai_agents_left_out", agent=start.name, settings="; ".join(minded))
    instructions = start.instructions if isinstance(start.instructions, str) else None
    tools = {name: _tools_of(one, hosting.waits) for name, one in agents.items()}
    servers = dict.fromkeys(SdkServer(server) for one in agents.values() for server in one.mcp_servers)
    kind = ListeningGuest if _listens(hosting) else GuestInCall
    return Guest(
        "OpenAI Agents SDK", of, instructions, tools, partial(kind, hosting), tuple(servers), tuple(left_out)
    )


def _tools_of(agent: RealtimeAgent[Any], waits: Waits) -> list[HostedTool]:
    """Those that are known before there is a call."""
    handoffs = [one if isinstance(one, Handoff) else realtime_handoff(one) for one in agent.handoffs]
    return [HostedTool(tool, waits=waits) for tool in (*agent.tools, *handoffs)]


def _checked(approval_s: float | None, events: object) -> float | None:
    if approval_s is None:
        return None
    if not 0 < approval_s <= APPROVAL_S_MAX:
        raise AgentFault(f"approval_s={approval_s:g}; set it above 0, to {APPROVAL_S_MAX:g}")
    if events is None:
        raise AgentFault("approval_s: nobody could approve anything; give events= a function that does")
    return approval_s


def _name_of(agent: RealtimeAgent[Any]) -> str:
    """Its own name where a call can be told of it; otherwise that of its variable, as with any agent."""
    return agent.name if is_agent_name(agent.name) else ""
