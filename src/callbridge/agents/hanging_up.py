"""The agent ends the call by itself."""

from __future__ import annotations

from callbridge.agents.tools.tool import EndCall


async def end_call() -> EndCall:  # Not in a thread: it is over at once.
    """End the telephone call. Say goodbye in the same answer, before you call this."""
    return EndCall("The call ends when your last words were heard, unless the caller speaks again.")
