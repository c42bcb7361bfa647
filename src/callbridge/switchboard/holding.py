"""How long a caller is told to wait while one process leaves and the next one is not there yet.

Behind one address nobody listens between the two. What Twilio asks in that gap is answered by nobody, and
ends the call: how often and how fast it tries again is not documented. So the caller waits at Twilio, where a
document is being spoken, and Twilio asks when the next process answers.

Pure: times come in, the wait comes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

PAUSE_S: Final = 3
"""After each "one moment, please": who hears nothing for longer takes the line for dead."""

WORDS_S: Final = 0.7
"""Of these words, at the least: a voice says them in 0.7 to 1.5 s."""

BACK_S: Final = 8.0
"""A round lasts 3.7 to 4.5 s, in a longer language 6; then Twilio needs a moment to ask."""

HOLDS_MAX: Final = 10
"""A process hands its calls over within 12 s, which is three rounds, and one more is its last word. Two such
processes in a row make eight."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A wait."""

    rounds: int
    """So often the caller hears the words and a pause."""
    asks_here: bool
    """Twilio asks again while this process is still here."""


def hold(*, others_live: bool, leaves_within_s: float, restart_s: float) -> Hold:
    """The wait of a caller whose stream has been handed over.

    Args:
        others_live: whether this process still has calls that it waits for. Then it is there for one more
            question, and may know by then when it leaves.
        leaves_within_s: the longest that this process can stay.
        restart_s: from its end until the next one answers.
    """
    if others_live and leaves_within_s >= BACK_S:
        return Hold(1, asks_here=True)
    return Hold(math.ceil((leaves_within_s + restart_s) / (PAUSE_S + WORDS_S)), asks_here=False)
