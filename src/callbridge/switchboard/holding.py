"""How long a caller is told to wait while one process leaves and the next one is not there yet.

Behind one address nobody listens between the two. What Twilio asks in that gap is answered by nobody, and
ends the call: how often and how fast it tries again is not documented. So the caller waits at Twilio, where a
document is being spoken, and Twilio asks when the next process answers.

How long that is, the process knows when its last call has ended. Until then the waits are short, and it stays
for those who come back: a moment of silence first, in which most of the others end as well, then rounds of
words and a pause. The last wait spans the gap.

Where another process serves the same number there is no gap: the caller waits a moment, and whoever is asked
next goes on with them. It may be this one once more, so a few moments are followed by words.

Pure: times come in, the wait comes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MOMENT_S: Final = 1
"""The first wait, without a word: nobody notices it behind a sentence."""

PAUSE_S: Final = 3
"""After each "one moment, please": who hears nothing for longer takes the line for dead."""

MOMENTS_MAX: Final = 2
"""In a row: with the next question behind each they are the silence that nobody notices. Then come words."""

WORDS_S: Final = 0.7
"""Of these words, at the least: a voice says them in 0.7 to 1.5 s."""

MOMENT_BACK_S: Final = 3.0
"""Within it Twilio asks again after a moment, on a slow day."""

ROUND_BACK_S: Final = 8.0
"""The same for a round: it lasts 3.7 to 4.5 s, in a longer language 6."""

HOLDS_MAX: Final = 10
"""A process hands its calls over within 12 s, which is a moment and three rounds; one more is its last word.
Two such processes in a row make ten."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A wait."""

    rounds: int
    """So often the caller hears the words and a pause; 0 is a moment of silence."""
    back_within_s: float | None
    """This process must still be here so long: Twilio asks it again. None after its last word."""


def hold(
    *,
    held: int,
    others_live: bool,
    stays_s: float,
    leaves_within_s: float,
    restart_s: float,
    is_alone: bool = True,
) -> Hold:
    """The wait of a caller whose stream has been handed over.

    Args:
        held: how often this caller has waited before.
        others_live: whether this process waits for other calls.
        stays_s: how long it may stay if it must.
        leaves_within_s: how long it stays at the most as things stand.
        restart_s: from its end until the next one answers.
        is_alone: whether no other process serves the number.
    """
    if not is_alone:
        rounds, back_s = (0, MOMENT_BACK_S) if held < MOMENTS_MAX else (1, ROUND_BACK_S)
        return Hold(rounds, back_s if stays_s >= back_s else None)
    if not held and stays_s >= MOMENT_BACK_S:
        return Hold(0, MOMENT_BACK_S)
    if others_live and stays_s >= ROUND_BACK_S:
        return Hold(1, ROUND_BACK_S)
    return Hold(max(1, math.ceil((leaves_within_s + restart_s) / (PAUSE_S + WORDS_S))), None)
