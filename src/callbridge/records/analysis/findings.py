"""What the text model is to answer, field by field, and how its answer is read. Types and their schema.

The schema is in the subset that structured outputs take: every object closed, every property required.
https://developers.openai.com/api/docs/guides/structured-outputs
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS_MAX: Final = 2000
"""Characters of one text. A model that goes on and on is not believed to have summed up anything."""

ENTRIES_MAX: Final = 20
"""Of one list."""

CUSTOM: Final = "custom"
"""Under which the fields of the agent's own stand."""

Words = Annotated[str, Field(max_length=WORDS_MAX)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Promise(_Closed):
    """Something that the agent told the caller it had done, does or will do."""

    words: Words
    """The agent's own words, as they stand in the transcript."""
    what: Words
    tool: str | None
    """Which of the tools would do it; nothing where none would."""


class Findings(_Closed):
    """What was found in one call."""

    summary: Words
    intent: Words
    sentiment: Annotated[float, Field(ge=-1, le=1)]
    lead_score: Annotated[int, Field(ge=0, le=100)]
    outcome: Literal["resolved", "partly_resolved", "unresolved", "transferred", "abandoned", "other"]
    follow_ups: Annotated[list[Words], Field(max_length=ENTRIES_MAX)]
    promises: Annotated[list[Promise], Field(max_length=ENTRIES_MAX)]


_TEXT: Final = {"type": "string"}
_ASKED: Final[dict[str, Any]] = {
    "summary": _TEXT | {"description": "What the call was about and how it went, in two or three sentences."},
    "intent": _TEXT | {"description": "What the caller wanted, in a few words."},
    "sentiment": {
        "type": "number",
        "minimum": -1,
        "maximum": 1,
        "description": "How the caller felt at the end, from -1 (angry) to 1 (delighted).",
    },
    "lead_score": {
        "type": "integer",
        "minimum": 0,
        "maximum": 100,
        "description": "How likely the caller is to buy. 0 where nothing is for sale.",
    },
    "outcome": {
        "type": "string",
        "enum": ["resolved", "partly_resolved", "unresolved", "transferred", "abandoned", "other"],
        "description": "What became of the caller's wish.",
    },
    "follow_ups": {
        "type": "array",
        "items": _TEXT,
        "description": "What somebody has to do now, one entry each. Empty where there is nothing.",
    },
    "promises": {
        "type": "array",
        "description": "Everything that the agent said it had done, does or will do for the caller.",
        "items": {
            "type": "object",
            "properties": {
                "words": _TEXT | {"description": "The agent's own words, copied from the transcript."},
                "what": _TEXT | {"description": "What was promised, in a few words."},
                "tool": {
                    "type": ["string", "null"],
                    "description": "The name of the tool that does it; null where none of the tools does.",
                },
            },
            "required": ["words", "what", "tool"],
            "additionalProperties": False,
        },
    },
}


class UnfitAnswer(ValueError):  # noqa: N818  # What is wrong is a model's answer, and no program.
    """The answer is not what was asked for. The text says what is wrong with it, for the model."""


@dataclass(frozen=True, slots=True)
class Custom:
    """Fields of the agent's own.

    Args:
        schema: of an object, as structured outputs take it.
        read: makes plain data of what the model answered there. Raises ValueError, with words.
    """

    schema: dict[str, Any]
    read: Callable[[object], object]


def schema_of(custom: Custom | None) -> dict[str, Any]:
    """What the model is to answer."""
    asked, shared = dict(_ASKED), {}
    if custom is not None:
        own = dict(custom.schema)
        shared = {"$defs": own.pop("$defs")} if "$defs" in own else {}  # Its references lead to the top.
        asked |= {CUSTOM: own}
    closed = {"type": "object", "properties": asked, "required": list(asked), "additionalProperties": False}
    return closed | shared


def read_answer(text: str, custom: Custom | None) -> tuple[Findings, object]:
    """What the model has found, and the agent's own fields as plain data.

    Raises:
        UnfitAnswer: it is not JSON, or not as asked. A schema is a wish: some endpoints do not keep it.
    """
    try:
        answered = json.loads(text)
    except ValueError as error:
        raise UnfitAnswer(f"It is not JSON: {error}.") from error
    if not isinstance(answered, dict):
        raise UnfitAnswer("It is not a JSON object.")
    own = answered.pop(CUSTOM, None)
    try:
        findings = Findings.model_validate(answered, strict=True)
        return findings, None if custom is None else custom.read(own)
    except ValidationError as error:
        raise UnfitAnswer(_in_words(error)) from error
    except ValueError as error:
        raise UnfitAnswer(f"{CUSTOM}: {error}") from error


def _in_words(error: ValidationError) -> str:
    """Where and what, without the value: it is made of a caller's words."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:5])
