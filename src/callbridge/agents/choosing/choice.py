"""Which agent answers a call: the roster of a process, by name, and what chooses among them.

The name rides in the stream token, so that whichever process gets the stream has the same agent. Whatever
goes wrong while one is chosen, the call is answered: by the default agent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog

from callbridge.agents.agent import Agent
from callbridge.agents.arguments import is_agent_name
from callbridge.agents.choosing.called_numbers import ANY, is_number, spelled
from callbridge.agents.choosing.guests import Guests
from callbridge.agents.context import Call
from callbridge.agents.fault import AgentError, AgentFault
from callbridge.agents.handoffs.graph import agents_from
from callbridge.agents.openai_agents.recognising import kind_of
from callbridge.agents.texts import NoAnswer, asked_about
from callbridge.agents.values import stored

if TYPE_CHECKING:
    from callbridge.agents.context import About
    from callbridge.agents.openai_agents.recognising import Guest as OfSdk

Choose: TypeAlias = Callable[..., Agent | Awaitable[Agent]]
"""`async def choose(call: Call) -> Agent`, or a plain function, which runs in a thread."""

CHOICE_TIMEOUT_S: Final = 1.0
"""What a function has to choose an agent. The phone rings meanwhile, and Twilio waits for at most 15 s."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who answers a call."""

    name: str
    values: str | None = None
    """`call.values` as the choosing function has left it, as JSON text; None where it has set nothing."""


class Roster:
    """The agents of a process, and which of them answers a call.

    Args:
        agents: by name; a `RealtimeAgent` or `RealtimeRunner` of the OpenAI Agents SDK is one, too.
        default: the name of who answers where nothing else is said; otherwise that of `*` in `numbers`, the
            one that is called `agent` or `default`, or the first.
        numbers: the names of those who answer a called number, such as `+14155550100`, or a SIP address.
        choose: a function of the call that answers with one of the agents. The numbers decide where it fails.

    Raises:
        AgentError: a name or a number cannot be one, or nobody has it.
    """

    def __init__(
        self,
        agents: Mapping[str, Agent | OfSdk],
        *,
        default: str = "",
        numbers: Mapping[str, str] | None = None,
        choose: Choose | None = None,
    ) -> None:
        guests = Guests()
        self.agents: Mapping[str, Agent] = {name: _agent(name, one, guests) for name, one in agents.items()}
        for name, agent in self.agents.items():
            _check_name(name)
            _check_handoffs(name, agent)
        self._by_called = _checked_numbers(numbers or {}, self.agents)
        self.default = default or self._by_called.pop(ANY, "") or self._usual_default()
        if self.default not in self.agents:
            raise AgentError(f"there is no agent {self.default}; the agents are: {', '.join(self.agents)}")
        self._choose = choose

    def _usual_default(self) -> str:
        if not self.agents:
            raise AgentError("there is no agent: a call must be answered by one")
        return next((name for name in ("agent", "default") if name in self.agents), next(iter(self.agents)))

    def __repr__(self) -> str:
        return f"<Roster {', '.join(self.agents)}>"

    @property
    def numbers(self) -> Mapping[str, str]:
        """The names of those who answer a called number; all others are answered by the default."""
        return {number: name for number, name in self._by_called.items() if number != ANY}

    @property
    def all_agents(self) -> tuple[tuple[str, Agent], ...]:
        """Who answers, and behind them to whom their callers may be handed over; each once, with its name."""
        found = list(self.agents.items())
        for name, agent in self.agents.items():
            for known_as, other in agents_from(agent, name).items():
                if all(other is not known for _, known in found):
                    found.append((known_as, other))
        return tuple(found)

    @property
    def chooser(self) -> str:
        """The name of the function that chooses; empty where none does."""
        return "" if self._choose is None else getattr(self._choose, "__name__", "a function")

    def find(self, name: str) -> tuple[str, Agent]:
        """The agent of this name, with it; the default one where nobody has it: a deploy came in between."""
        found = self.agents.get(name)
        return (self.default, self.agents[self.default]) if found is None else (name, found)

    async def choose(self, about: About) -> Chosen:
        """Who answers a call."""
        if self._choose is None:
            return Chosen(self._by_number(about))
        call: Call[dict[str, Any]] = Call(about, {})
        try:
            found = await asked_about(call, self._choose, CHOICE_TIMEOUT_S)
        except NoAnswer as none:
            return self._default_because(about, none.why)
        name = next((name for name, agent in self.agents.items() if _is_meant(agent, found)), None)
        if name is None:
            what = "an agent" if isinstance(found, Agent) else f"a {type(found).__name__}"
            known = ", ".join(self.agents)
            return self._default_because(about, f"it answered with {what} that is none of these: {known}")
        return Chosen(name, stored(call.values) if call.values else None)

    def _default_because(self, about: About, why: str) -> Chosen:
        instead = self._by_number(about)
        _log.warning("agent_not_chosen", call_sid=about.sid, agent=instead, reason=why)
        return Chosen(instead)

    def _by_number(self, about: About) -> str:
        return self._by_called.get(spelled(about.called), self.default)


def _agent(name: str, value: object, guests: Guests) -> Agent:
    if (agent := guests.agent_in(value)) is None:
        raise AgentError(f"agent {name}: a {kind_of(value)} answers no call; give an Agent")
    return agent


def _is_meant(agent: Agent, found: object) -> bool:
    return agent is found or (agent.guest is not None and agent.guest.of is found)


def _check_handoffs(name: str, agent: Agent) -> None:
    try:
        agents_from(agent, name)
    except AgentFault as fault:
        raise AgentError(f"agent {name}: {fault}") from fault


def _check_name(name: str) -> None:
    if not is_agent_name(name):
        raise AgentError(
            f"agent {name!r}: a name has at most 48 letters a to z, digits, _, . and -; give it Agent(name=…)"
        )


def _checked_numbers(numbers: Mapping[str, str], agents: Mapping[str, Agent]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, name in numbers.items():
        if number != ANY and not is_number(number):
            raise AgentError(
                f"{number!r} is no number that is called: write it with its country code (+14155550100), as "
                "a SIP address (sip:desk@example.sip.twilio.com), or * for all others"
            )
        if name not in agents:
            raise AgentError(f"{number} is answered by {name}; the agents are: {', '.join(agents)}")
        if found.setdefault(spelled(number), name) != name:
            raise AgentError(f"{number} is answered by {found[spelled(number)]} and by {name}")
    return found
