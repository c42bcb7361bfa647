"""What a bridge is given to work with: who admits a stream, and who is told what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callbridge.agents.in_call import AgentInCall
    from callbridge.call.events import StreamAdmitted, StreamRefused
    from callbridge.call.facts import Fact
    from callbridge.wire.media_streams import StartFacts

Admit: TypeAlias = "Callable[[StartFacts], Awaitable[tuple[StreamAdmitted, AgentInCall] | StreamRefused]]"
"""Checks a stream's token, uses it up, and says what the call is to be and who answers."""

Observe: TypeAlias = "Callable[[Fact], None]"
"""Gets every fact of every call as it happens: the log, the demo, a test."""
