"""`Analysis`: what an agent's author wants to know of a call when it is over, beside what is always asked."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from callbridge.agents.fault import AgentFault

INSTRUCTIONS_CHARACTERS_MAX: Final = 4000

_LEFT_OUT: Final = ("default", "title", "discriminator")
"""Keywords of pydantic's that structured outputs refuse, and that say nothing to the model."""
_COUNTED: Final = ("minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties")
"""Those that are refused, and are held against the answer."""


class Analysis:
    """What is asked about each call of an agent, where calls are analysed (`CALLBRIDGE_ANALYSIS_MODEL`).

    Args:
        instructions: what the model is told besides: what counts as an outcome here, for example.
        fields: a pydantic model: what you want to know besides summary, intent, sentiment, lead score,
            outcome, follow-ups and promises. Its docstring and the descriptions of its fields are read.

    Raises:
        AgentFault: the model would not take these fields.

    Example:
        ```python
        class Order(BaseModel):
            product: str = Field(description="What they want to buy; empty if nothing.")
            is_urgent: bool

        agent = Agent(analysis=Analysis(fields=Order))
        ```
    """

    def __init__(self, *, instructions: str = "", fields: type[BaseModel] | None = None) -> None:
        if len(instructions) > INSTRUCTIONS_CHARACTERS_MAX:
            raise AgentFault(
                f"the instructions of the analysis have {len(instructions)} characters; "
                f"{INSTRUCTIONS_CHARACTERS_MAX} are the most"
            )
        self.instructions, self.fields = instructions, fields
        self.schema: dict[str, Any] | None = None if fields is None else _schema_of(fields)
        """Of the fields, as structured outputs take it. Its `$defs` belong on top of the whole schema."""

    def read(self, answered: object) -> object:
        """What the model has answered for the fields, as plain data.

        Raises:
            ValueError: it does not fit them. The text says where, and repeats nothing of it.
        """
        assert self.fields is not None, "nobody was asked for them"
        try:
            return self.fields.model_validate_json(json.dumps(answered)).model_dump(mode="json")
        except ValidationError as error:
            faults = error.errors(include_input=False, include_url=False, include_context=False)
            said = (f"{'.'.join(map(str, fault['loc']))} ({fault['type']})" for fault in faults[:5])
            raise ValueError(f"these do not fit: {', '.join(said)}") from None


def _schema_of(fields: type[BaseModel]) -> dict[str, Any]:
    if not issubclass(fields, BaseModel):
        raise AgentFault(f"the fields of an analysis are a pydantic model, and not {fields!r}")
    closed = _closed(fields.model_json_schema(), fields.__name__)
    assert isinstance(closed, dict)
    return closed


def _closed(node: Any, where: str) -> Any:
    """The schema in the subset that structured outputs take: objects closed, all properties required.

    https://developers.openai.com/api/docs/guides/structured-outputs
    """
    if isinstance(node, list):
        return [_closed(part, where) for part in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("additionalProperties"), dict) or "patternProperties" in node:
        raise AgentFault(f"{where}: a dictionary cannot be asked for; use a list of models")
    if "prefixItems" in node:
        raise AgentFault(f"{where}: a tuple cannot be asked for; use a list, or a model")
    if "allOf" in node:
        raise AgentFault(f"{where}: this combination of types cannot be asked for; use one model")
    kept = {key: part for key, part in node.items() if key not in (*_LEFT_OUT, *_COUNTED)}
    if "oneOf" in kept:
        kept["anyOf"] = kept.pop("oneOf")
    for named in ("properties", "$defs"):
        if named in kept:
            kept[named] = {name: _closed(part, f"{where}.{name}") for name, part in kept[named].items()}
    for key in ("items", "anyOf"):
        if key in kept:
            kept[key] = _closed(kept[key], where)
    if kept.get("type") == "object":
        kept |= {"required": list(kept.get("properties", {})), "additionalProperties": False}
    return kept
