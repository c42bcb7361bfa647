"""The tables of an agent's file that say what it may not say, and what its tools may not be used for."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints

from callbridge.agents.guardrails.guardrail import EVERY, SAY_MAX
from callbridge.agents.guardrails.phrases import Phrases
from callbridge.agents.written.tables import Words, Written


def _checked(phrase: str) -> str:
    Phrases([phrase])
    return phrase


Phrase: TypeAlias = Annotated[str, StringConstraints(max_length=100), AfterValidator(_checked)]
"""Some words."""


GuardrailName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,47}$")]
"""What logs and records call a guardrail."""


class WrittenGuardrail(Written):
    """Something that the agent may not say: it falls silent in the middle of it."""

    name: GuardrailName
    """What logs and records call it."""
    phrases: Annotated[list[Phrase], Field(min_length=1, max_length=100)]
    """What may not be said. Each counts as whole words: `refund` is found in Refund and refund's, and not in
    refunds. With a `*` behind it, it counts as the beginning of a word: `refund*` is found in refunds, too.
    Capital letters make no difference."""
    about: str = ""
    """The rule, for the model: `Prices are told by the shop alone.`"""
    say: Annotated[str, StringConstraints(max_length=SAY_MAX)] = ""
    """What the caller hears in its place, exactly. Without it the model is asked for another answer."""
    every: Annotated[int, Field(ge=1)] = EVERY
    """Characters between two looks; the end of an answer is looked at in any case."""


class WrittenToolGuardrail(Written):
    """Something that tools may not be used for: the model is told, and the tool does not run."""

    name: GuardrailName
    """What logs and records call it."""
    tools: Annotated[list[Words], Field(min_length=1)] | None = None
    """The tools that it looks at, as the model knows them. Without it, all."""
    where: Words | None = None
    """A JMESPath expression over the arguments that says where it may not be: ``loaves > `40` ``. Without it,
    nowhere."""
    about: str = ""
    """What the model is told: `Not more than 40. Offer to have somebody call back.`"""
