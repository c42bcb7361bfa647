"""The people behind one agent, and the tool by which its model asks for one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.fault import AgentFault
from callbridge.agents.languages.codes import name_of
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner
from callbridge.agents.transfers.destination import Destination
from callbridge.agents.transfers.resolving import REASON_MAX, SUMMARY_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from callbridge.agents.forms.users_code import Handler

TOOL: Final = "transfer"
"""What the model calls it."""

DESTINATIONS_MAX: Final = 50
"""More names no model tells apart."""

_MANNER: Final = Manner(timeout_s=6.0, is_momentary=True)
"""Two functions of the user's have 2 s each. What it answers holds at that moment."""

_TEXT: Final = (
    "Put the caller through to a person or a department. Call this when the caller asks for them, or needs "
    "what only they can do; not to get rid of somebody whom you can help. Tell the caller in the same "
    "answer, in one short sentence, that you put them through. You do not know the numbers of these people: "
    "never say one, and never promise that somebody will answer."
)


class TransferPlan:
    """The destinations of one agent.

    Args:
        destinations: all of them.
        steps: which of them the model has in the steps of a flow, where it does not have all.
        entered: to whom steps lead by themselves.
        language: of its callers.

    Raises:
        AgentFault: two have one name, there are too many, or a step names one that does not exist.
    """

    def __init__(
        self,
        destinations: Iterable[Destination],
        steps: Mapping[str, Sequence[str]],
        entered: Mapping[str, str],
        language: str | None = None,
    ) -> None:
        given = tuple(destinations)
        _refuse_others(given)
        self.by_name: Mapping[str, Destination] = {one.name: one for one in given}
        self._language, self.steps = language, steps
        self.failed: Handler | None = None
        """The user's code for a transfer that did not work."""
        self._tools: dict[tuple[str, ...], GivenTool] = {}
        if len({one.name.casefold() for one in given}) < len(given):
            raise AgentFault("transfers: two destinations have the same name; rename one")
        if len(given) > DESTINATIONS_MAX:
            raise AgentFault(f"transfers: an agent has at most {DESTINATIONS_MAX} destinations")
        for step, names in (*steps.items(), *((step, (name,)) for step, name in entered.items())):
            if strange := ", ".join(name for name in names if name not in self.by_name):
                known = ", ".join(self.by_name) or "none; give the agent some with transfers="
                raise AgentFault(f"step {step}: there is no destination {strange}; there are: {known}")

    def names_in(self, step: str) -> tuple[str, ...]:
        """Whom the model may ask for in a step of the flow; outside of a flow, all."""
        return tuple(self.steps.get(step, self.by_name))

    def tool(self, names: tuple[str, ...]) -> GivenTool:
        """The tool that leads to these. What it does is said in each call."""
        if names not in self._tools:
            self._tools[names] = GivenTool(TOOL, _TEXT, self._schema(names), lambda _, __: None, _MANNER)
        return self._tools[names]

    def _schema(self, names: tuple[str, ...]) -> dict[str, Any]:
        destinations = [self.by_name[name] for name in names]
        properties: dict[str, Any] = {
            "to": {"type": "string", "enum": list(names), "description": _choices(destinations)},
            "reason": {
                "type": "string",
                "description": f"Why, in a few words, at most {REASON_MAX} characters.",
            },
        }
        if any(one.wants_summary for one in destinations):
            properties["summary"] = {"type": "string", "description": self._summary_text(destinations)}
        return {
            "type": "object",
            "properties": properties,
            "required": ["to", "reason"],
            "additionalProperties": False,
        }

    def _summary_text(self, destinations: Sequence[Destination]) -> str:
        asked = [one for one in destinations if one.wants_summary]
        languages = {one.name: one.language or self._language for one in asked}
        spoken = [f"in {name_of(code)} for {name}" for name, code in languages.items() if code]
        return (
            "What the person must know before they take the call, in two or three plain sentences, at most "
            f"{SUMMARY_MAX} characters, without telephone numbers"
            + (f"; {', '.join(spoken)}" if spoken else "")
            + f". It is for: {', '.join(one.name for one in asked)}."
        )


def _refuse_others(given: Sequence[object]) -> None:
    for one in given:
        if not isinstance(one, Destination):
            raise AgentFault(f"transfers: {one!r} is no Destination; write Destination('sales', '+1…')")


def _choices(destinations: Sequence[Destination]) -> str:
    return "Whom. " + " ".join(filter(None, map(_choice, destinations)))


def _choice(destination: Destination) -> str:
    when = f" when {destination.when.removeprefix('when ').rstrip('.')}" if destination.when else ""
    says = "; they are told by themselves, so say nothing before" if destination.says else ""
    return f"{destination.name}:{when}{says}." if when or says else ""
