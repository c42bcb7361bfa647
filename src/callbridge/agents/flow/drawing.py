"""A flow as a drawing: Mermaid's `stateDiagram-v2`, as text that repositories and editors show.

Syntax: https://mermaid.js.org/syntax/stateDiagram.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.agents.flow.steps import Plan

_WORDS_OF_MERMAID: Final = frozenset(
    {"as", "class", "classdef", "click", "default", "direction", "end", "hide", "href", "note", "scale"}
    | {"state", "style"}
)
"""No state may be called so."""

_SIGNS: Final = str.maketrans({":": ",", ";": ",", "#": "", "<": "", ">": "", '"': "'", "{": "(", "}": ")"})
"""What means something to Mermaid, or to the page around it, and what stands in its place."""


def mermaid(plan: Plan) -> str:
    """The text of the diagram."""
    return "\n    ".join(["stateDiagram-v2", *_lines(plan)]) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if _id(step.name) != step.name:
            yield f'state "{step.name}" as {_id(step.name)}'
        if step.captures is not None:
            yield f"{_id(step.name)}: {step.name}"
            yield f"{_id(step.name)}: captures {_label(step.captures.name)}"
    yield f"[*] --> {_id(plan.steps[0].name)}"
    for step in plan.steps:
        for way in plan.ways(step):
            yield f"{_id(step.name)} --> {_id(way.to)}: {_label(way.words)}"
        if step.ends:
            yield f"{_id(step.name)} --> [*]"


def _id(name: str) -> str:
    return f"{name}_" if name.lower() in _WORDS_OF_MERMAID else name


def _label(text: str) -> str:
    return " ".join(text.translate(_SIGNS).split())
