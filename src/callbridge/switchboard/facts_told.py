"""What the facts of a call so far say of it, whoever has noted them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from callbridge.call import facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.call.facts import Fact


def agent_in(told: Iterable[Fact]) -> str:
    """The name of who has a call, by its facts so far."""
    of_agents = (fact for fact in told if isinstance(fact, facts.CallOffered | facts.StreamStarted))
    return ([fact.agent for fact in of_agents if fact.agent] or [""])[-1]


def bare(fact: Fact) -> Fact:
    """What a fact says, whenever that was."""
    return msgspec.structs.replace(fact, call_sid="", source="", number=0, at_ms=0)


def is_same(read: Fact, noted: Fact) -> bool:
    """Whether what the state has is what was noted here."""
    return bare(read) == bare(facts.for_the_state(noted))
