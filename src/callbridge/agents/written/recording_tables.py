"""The table of an agent's file that says whether its calls are recorded."""

from __future__ import annotations

from typing import Literal

from callbridge.agents.written.tables import Words, Written


class WrittenRecording(Written):
    """The calls are recorded, where `CALLBRIDGE_RECORDINGS` says where to."""

    consent: Literal["announced", "asked", "none"] = "announced"
    """`announced`: the caller is told in front of the greeting, and may refuse. `asked`: they are asked
    behind it, and recorded once they agree. `none`: recorded from the beginning; where the law allows it."""
    announcement: Words | None = None
    """What they are told or asked, said exactly. Without it, the usual words in the agent's language."""
