"""Says what a start would come to: the agent, the clip, the state. It is rehearsed in `server.preparing`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from callbridge.agents.handoffs.graph import agents_from, unused_in
from callbridge.agents.languages.codes import name_of
from callbridge.server.config import check_models
from callbridge.server.config.findings import Finding, ok, warning
from callbridge.server.config.plan import model_of, second_model_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from callbridge.agents.agent import Agent
    from callbridge.agents.choosing.choice import Roster
    from callbridge.server.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of all that a start does before it listens."""

    roster: Roster | None
    """Who would answer; nothing where that cannot be loaded."""

    faults: tuple[Finding, ...]
    """Why the service would not start."""

    notes: tuple[Finding, ...] = ()
    """What else there is to know of what it would begin with."""


def start(settings: Settings, rehearsal: Rehearsal, today: dt.date) -> Iterator[Finding]:
    """Who answers, with which voice, and what keeps the service from starting."""
    yield from rehearsal.faults
    if rehearsal.roster is not None:
        yield from _roster(settings, rehearsal.roster, today)
    if not rehearsal.faults:
        yield from _state(settings)
    yield from rehearsal.notes


def _roster(settings: Settings, roster: Roster, today: dt.date) -> Iterator[Finding]:
    if len(roster.agents) > 1:
        yield ok(f"the agents are {', '.join(roster.agents)}; {roster.default} answers in doubt")
    for name, agent in roster.agents.items():
        yield from of_agent(name, _agent(settings, roster, agent), roster)
        yield from _handed_over(name, agent)
        if agent.model is not None:
            yield check_models.model_of_agent(name, agent.model, today)
        if agent.reasoning_effort is not None:
            models = (model_of(settings, agent), second_model_of(settings, agent))
            yield from check_models.effort_of_agent(name, agent.reasoning_effort, models)


def _agent(settings: Settings, roster: Roster, agent: Agent) -> Iterator[Finding]:
    of_guest = () if agent.guest is None else agent.guest.tool_names
    tools = ", ".join((*agent.toolbox.names, *of_guest)) or "none"
    if settings.agent is None:
        yield ok("the agent is made from CALLBRIDGE_AGENT_INSTRUCTIONS and CALLBRIDGE_AGENT_GREETING")
    elif len(roster.agents) > 1:
        yield ok(f"its tools: {tools}")
    else:
        yield ok(f"the agent is {settings.agent}; its tools: {tools}")
    yield check_models.voice(settings, model_of(settings, agent), agent.voice or settings.realtime_voice)
    if agent.language:
        yield ok(f"its callers speak {name_of(agent.language)}")
    if _lives_by_utc(settings, agent):
        yield warning(
            "it asks its callers for days or times, and its clock shows UTC",
            "Set CALLBRIDGE_TIME_ZONE, or the agent's time_zone, to where it is at home: Europe/Berlin.",
        )
    in_menu = any(entry.dial for entry in settings.fallback_menu or ())
    if agent.person_key and settings.fallback_dial is None and not in_menu:
        yield warning(
            f"key {agent.person_key} leads to no person: nobody is named whom it could ring",
            "Set CALLBRIDGE_FALLBACK_DIAL to their number with its country code.",
        )


def _handed_over(name: str, agent: Agent) -> Iterator[Finding]:
    """To whom its callers may come, and what of these agents does not count then."""
    others = dict(tuple(agents_from(agent, name).items())[1:])
    if others:
        yield ok(f"agent {name}: its callers may be handed over to {', '.join(others)}")
    for other, found in others.items():
        if unused := unused_in(found, agent):
            yield warning(
                f"agent {other}: in calls that {name} takes, its {', '.join(unused)} does not count",
                f"What belongs to a call is that of the agent which takes it; set it for {name}.",
            )


def _lives_by_utc(settings: Settings, agent: Agent) -> bool:
    """Whether its callers' times are read by a clock that nobody has chosen."""
    steps = () if agent.flow is None else agent.flow.plan.steps
    forms = [*agent.forms.values(), *(step.captures for step in steps if step.captures is not None)]
    is_chosen = agent.time_zone is not None or "time_zone" in settings.model_fields_set
    return not is_chosen and any(form.goes_by_the_clock for form in forms)


def of_agent(name: str, findings: Iterable[Finding], roster: Roster) -> Iterator[Finding]:
    """The findings of one agent, with its name where there are several."""
    for finding in findings:
        yield replace(finding, what=f"agent {name}: {finding.what}") if len(roster.agents) > 1 else finding


def _state(settings: Settings) -> Iterator[Finding]:
    if settings.shared_state_url is not None:
        yield ok("live calls, limits and spending are shared with all who have the same DATABASE_URL")
        yield from _journal(settings)
    elif settings.state_path is not None:
        yield ok(f"what happens is kept in {settings.state_path}")
    elif not settings.is_public:
        yield ok("what happens is kept in memory only")
    else:
        yield _forgets()


def _journal(settings: Settings) -> Iterator[Finding]:
    if settings.state_path is not None:
        yield ok(f"what is on its way to the records waits in {settings.state_path}")
    elif settings.is_public:
        yield warning(
            "what is on its way to the records waits in memory, and is lost when the process is killed",
            "Set CALLBRIDGE_STATE_PATH to a file on a disk of this machine that outlives the process.",
        )


def _forgets() -> Finding:
    lost = "after a restart nothing is known of live calls, of callers' earlier calls and of the spending"
    return warning(
        f"CALLBRIDGE_STATE_PATH is not set: {lost}",
        "Set CALLBRIDGE_STATE_PATH to a file on a disk that outlives the process.",
    )
