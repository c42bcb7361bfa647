"""Makes a flow of what was read: steps, and the ways between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.flow.checking import faults_of
from callbridge.agents.flow.flow import Flow
from callbridge.agents.flow.steps import Step
from callbridge.agents.flow.transitions import (
    answered,
    asked,
    captured,
    confidence,
    failed,
    key,
    refused,
    unreached,
    visited,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from callbridge.agents.flow.transitions import Transition
    from callbridge.agents.http.answers import Path
    from callbridge.agents.tools.given import GivenTool
    from callbridge.agents.written.file_model import AgentFile
    from callbridge.agents.written.flow_tables import WrittenStep, WrittenWay
    from callbridge.agents.written.forms import MadeForm
    from callbridge.agents.written.key_lines import KeyPath
    from callbridge.agents.written.workshop import Workshop

_REASONS: Final = (
    *("asked", "captured", "refused", "answered", "unreached", "failed", "visited", "key", "sure_of"),
)


def flow_of(
    workshop: Workshop,
    file: AgentFile,
    tools: Mapping[str, GivenTool],
    forms: Mapping[str, MadeForm],
    everywhere: Collection[str],
) -> Flow | None:
    """The flow that was written down; None where there is none, or that has faults.

    Args:
        workshop: what it is made with.
        file: what was read.
        tools: all of the agent's, by name.
        forms: the same.
        everywhere: names of the tools that the model has in every step.
    """
    count = len(workshop.faults)
    steps = [
        _step_of(workshop, ("steps", place), step, tools, forms, file)
        for place, step in enumerate(file.steps)
    ]
    anywhere = [_way_of(workshop, ("anywhere", place), way) for place, way in enumerate(file.anywhere)]
    if not steps:
        if anywhere:
            workshop.fault(("anywhere",), "there are no `steps` that these ways lead out of")
        return None
    flow = Flow(*steps, anywhere=[way for way in anywhere if way is not None])
    if len(workshop.faults) == count:
        places: dict[str, KeyPath] = {step.name: ("steps", place) for place, step in enumerate(file.steps)}
        for text in faults_of(flow.plan, everywhere, file.person_key):
            where, _, rest = text.partition(": ")
            path = places.get(where.removeprefix("step "))
            workshop.fault(path or ("steps",), rest if path else text)
    return flow if len(workshop.faults) == count else None


def _step_of(
    workshop: Workshop,
    path: KeyPath,
    step: WrittenStep,
    tools: Mapping[str, GivenTool],
    forms: Mapping[str, MadeForm],
    file: AgentFile,
) -> Step:
    for name in step.tools:
        if name not in tools:
            workshop.fault((*path, "tools"), f"there is no tool {name}")
    if step.captures is not None and step.captures not in forms:
        workshop.fault((*path, "captures"), f"there is nothing called {step.captures} under `capture`")
    for name in (*(step.transfers or ()), *([step.transfer] if step.transfer else ())):
        if name not in file.transfers:
            workshop.fault(path, f"there is nobody called {name} under `transfers`")
    if step.hand_to is not None and step.hand_to not in file.handoffs:
        workshop.fault((*path, "hand_to"), f"there is no agent called {step.hand_to} under `handoffs`")
    form = forms.get(step.captures or "")
    ways = [_way_of(workshop, (*path, "go", place), way) for place, way in enumerate(step.go)]
    return Step(
        step.name,
        step.instructions,
        tools=[tools[name] for name in step.tools if name in tools],
        captures=None if form is None else form.form,
        go=[way for way in ways if way is not None],
        ends=step.ends,
        transfers=step.transfers,
        transfer=step.transfer or "",
        hand_to=step.hand_to or "",
        recorded=step.recorded,
    )


def _way_of(workshop: Workshop, path: KeyPath, way: WrittenWay) -> Transition | None:
    said = [reason for reason in _REASONS if getattr(way, reason) is not None]
    if len(said) != 1:
        workshop.fault(path, f"say one of {', '.join(_REASONS)}" + (", and no other" if said else ""))
        return None
    reason = said[0]
    if way.where is not None and reason not in {"captured", "answered"}:
        workshop.fault((*path, "where"), f"this is not said of `{reason}`")
    if reason != "sure_of" and not {"at_least", "below", "source"}.isdisjoint(way.model_fields_set):
        workshop.fault(path, "`at_least`, `below` and `source` are said of `sure_of` alone")
    when = None
    if way.where is not None:
        found = workshop.path((*path, "where"), way.where)
        when = None if found is None else _predicate(found, way.where)
    return _transition(way, reason, when)


def _transition(way: WrittenWay, reason: str, when: Callable[[Any], bool] | None) -> Transition:
    match reason:
        case "asked":
            return asked(way.to, str(way.asked))
        case "captured":
            return captured(to=way.to, when=when)
        case "refused":
            return refused(way.refused if isinstance(way.refused, str) else "", to=way.to)
        case "answered":
            return answered(str(way.answered), to=way.to, when=when)
        case "unreached":
            return unreached(to=way.to)
        case "failed":
            return failed(way.failed or 0, to=way.to)
        case "visited":
            return visited(way.visited or 0, to=way.to)
        case "key":
            return key(str(way.key), to=way.to)
        case _:
            return confidence(
                str(way.sure_of),
                to=way.to,
                at_least=way.at_least,
                below=way.below,
                source=way.source or "model",
            )


def _predicate(path: Path, text: str) -> Callable[[Any], bool]:
    """Whether the expression finds something that is not empty, 0 or false. It is called as it is written."""

    def holds(value: Any) -> bool:
        return bool(path.find(value))

    holds.__name__ = text
    return holds
