"""Makes guardrails of what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.agents.guardrails.guardrail import Guardrail
from callbridge.agents.guardrails.phrases import Phrases

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.agents.written.guardrail_tables import WrittenGuardrail
    from callbridge.agents.written.workshop import Workshop


def guardrails_of(workshop: Workshop, written: Iterable[WrittenGuardrail]) -> Iterator[Guardrail]:
    """The guardrails that were written down. The record tells them apart by their names."""
    names = set[str]()
    for place, one in enumerate(written):
        if one.name in names:
            workshop.fault(("guardrails", place), f"there are two guardrails named {one.name}; rename one")
        names.add(one.name)
        yield _guardrail_of(one)


def _guardrail_of(one: WrittenGuardrail) -> Guardrail:
    phrases = Phrases(one.phrases)

    async def looks(text: str) -> bool:  # Beside the call: it is done before a thread would begin.
        return phrases.are_in(text)

    looks.__name__, looks.__doc__ = one.name, one.about
    return Guardrail(looks, every=one.every, say=one.say)
