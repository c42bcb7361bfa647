"""What the caller does in a test, step after step. Types only: `calling` carries them out.

In Python and in TOML alike: a plain text is `Say(text)`, everything else a table that names its `step`
(`{step = "interrupt", after_ms = 900, say = "And Monday?"}`).
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

Milliseconds = Annotated[int, msgspec.Meta(ge=0)]

QUIET_MS = 700
"""A pause in speech after which a polite caller takes the turn."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="step"):
    """One thing that the caller does. Steps follow each other; none begins before the one ahead is done."""


class Say(Step, frozen=True, tag="say"):
    """Waits until the agent has finished, then says this. A plain `str` is the same."""

    text: str
    """The words. They reach the transcript as they stand here."""
    audio: str = ""
    """A `.wav` or `.ulaw` file in which they are spoken; made of the text when empty."""
    quiet_ms: Milliseconds = QUIET_MS
    """So long the agent has been quiet by then. 0: it is said at once, whatever the agent does."""


class Interrupt(Step, frozen=True, tag="interrupt"):
    """Says this into an utterance of the agent, once so much of it was heard.

    It is the present utterance, if the agent speaks, else the next one. When none lasts so long for 20 s
    nothing is said, and that is a complaint of the call.
    """

    after_ms: Milliseconds
    """What was heard of the utterance by then; pauses within it count."""
    say: str
    audio: str = ""
    """As in `Say`."""


class Backchannel(Step, frozen=True, tag="backchannel"):
    """A soft sound of somebody who listens, into an utterance of the agent. It asks for nothing.

    Whether the agent is cut by it is up to the detection of the model, as in life. Where it takes the sound
    for speech, the model answers it with its next move.
    """

    after_ms: Milliseconds
    say: str = "mhm"
    audio: str = ""
    """As in `Say`."""


class Press(Step, frozen=True, tag="press"):
    """Waits until the agent has finished, then presses keys, one after the other.

    Raises:
        ValueError: they are no keys of a telephone (`0` to `9`, `*`, `#`).
    """

    keys: str
    quiet_ms: Milliseconds = QUIET_MS
    """As in `Say`."""

    def __post_init__(self) -> None:
        if not self.keys or self.keys.strip("0123456789*#"):
            raise ValueError(f"keys={self.keys!r}: write keys of a telephone, of 0 to 9, * and #")


class Pause(Step, frozen=True, tag="pause"):
    """Is silent on purpose for so long, whatever the agent does. The time counts as the caller's own."""

    ms: Milliseconds


class WaitForAgent(Step, frozen=True, tag="wait_for_agent"):
    """Listens until the agent has spoken, and has then been quiet for so long.

    `Say` and `Press` do so by themselves. A wait goes on while a tool runs or an answer is on its way.
    """

    quiet_ms: Milliseconds = QUIET_MS


class HangUp(Step, frozen=True, tag="hang_up"):
    """Hangs up at once. Without it the caller waits for the agent's last answer, and hangs up then."""


class Vanish(Step, frozen=True, tag="vanish"):
    """Is gone without a word, as when a mobile network loses them."""


CallerStep: TypeAlias = str | Say | Interrupt | Backchannel | Press | Pause | WaitForAgent | HangUp | Vanish
"""One step of a caller, as it may be written."""
