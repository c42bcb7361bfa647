"""Agents of OpenAI's Agents SDK, for who wants to say more of one than that it answers.

`pip install 'callbridge[openai-agents]'`. A `RealtimeAgent` or a `RealtimeRunner` is served as it is; `guest`
makes an `Agent` of it that greets, hangs up, transfers, and lets the user's own code read what happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.agents.openai_agents.recognising import maker

if TYPE_CHECKING:
    from callbridge.agents.openai_agents.hosting import guest

__all__ = ["guest"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return maker()
