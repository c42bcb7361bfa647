"""What stands on a tape, in the order in which it happened.

The machine is a function of what is here and of nothing else. What the relay moves past it comes in two ways:
what has a time of its own (audio sent, echoes) is an entry; what is only counted (frames, loudness) is looked
at whenever the machine is asked, because nobody reads it in between: a frame of the caller's costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from callbridge.call.actions import Action
    from callbridge.call.bad_messages import BadMessages
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.tally import Tally
    from callbridge.call.events import Event, StreamAdmitted
    from callbridge.call.facts import Fact
    from callbridge.call.phases import Timer

SHAPE: Final = 1
"""Of the entries below. It goes up when older tapes cannot be played any more."""

Counts: TypeAlias = tuple[float, ...]
"""What the relay has counted, in the order of `counts_of`."""


def counts_of(tally: Tally) -> Counts:
    """What of the tally the relay writes."""
    loudness = tally.loudness
    return (
        tally.frames_from_phone,
        tally.frames_to_model,
        tally.frames_dropped,
        tally.uplink_bytes,
        tally.frames_to_phone,
        tally.downlink_bytes,
        tally.from_model_at,
        tally.deltas_dropped,
        loudness.loud_for,
        loudness.loud_before,
        loudness.loud_in_all,
        loudness.quiet_for,
    )


def count_again(tally: Tally, counts: Counts) -> None:
    """Makes a tally show what `counts_of` has read."""
    loudness, as_it_was = tally.loudness, iter(counts)
    tally.frames_from_phone = int(next(as_it_was))
    tally.frames_to_model = int(next(as_it_was))
    tally.frames_dropped = int(next(as_it_was))
    tally.uplink_bytes = int(next(as_it_was))
    tally.frames_to_phone = int(next(as_it_was))
    tally.downlink_bytes = int(next(as_it_was))
    tally.from_model_at = next(as_it_was)
    tally.deltas_dropped = int(next(as_it_was))
    loudness.loud_for = int(next(as_it_was))
    loudness.loud_before = int(next(as_it_was))
    loudness.loud_in_all = int(next(as_it_was))
    loudness.quiet_for = int(next(as_it_was))


# --- What the machine was asked -------------------------------------------------------------------------


class Asked(msgspec.Struct, kw_only=True):
    """The machine was asked something. What it answered is filled in when it has."""

    now: float
    """Monotonic seconds."""
    counts: Counts
    does: tuple[Action, ...] | None = None
    """What it asked for; None: it broke."""
    gate: Gate | None = None
    """What may pass from then on, where that has changed."""


class Began(Asked, kw_only=True):
    """The stream was admitted, and there is a call: the first entry of every tape."""

    shape: int = SHAPE
    callbridge: str = ""
    """The version that wrote the tape."""
    code: str = ""
    """A digest of the code that a call is made of."""
    call_sid: str
    stream_sid: str
    admitted: StreamAdmitted
    """Its plan included, without the numbers of anybody."""
    gate_before: Gate
    spread: float
    call_began_at: float
    """On the clock of `now`; the age of the call is not taken off yet."""
    facts_noted: int = 0
    """Before: what was odd on the way in."""
    starts_repeated: int = 0
    unknown_events: int = 0
    bad_from_phone: BadMessages


class Handled(Asked, kw_only=True):
    """An event."""

    event: Event


class Passed(Asked, kw_only=True):
    """A fact that it only gives its place."""

    fact: Fact


class Failed(Asked, kw_only=True):
    """Our own code broke: it is to end the call."""

    detail: str


class Closed(Asked, kw_only=True):
    """Nothing of the stream is left: the last entry."""


class Due(msgspec.Struct):
    """When it wants to be woken next, where that has changed; it was asked at this point."""

    counts: Counts
    at: float | None
    why: Timer | None


# --- What the relay wrote past it -----------------------------------------------------------------------


class Sent(msgspec.Struct):
    """Agent audio left for the phone."""

    item_id: str
    byte_count: int
    now: float
    mark: str | None
    """That was due."""


class ClipSent(msgspec.Struct):
    """Audio of ours did."""

    byte_count: int
    now: float
    name: str


class Marked(msgspec.Struct):
    """A mark was asked for behind it."""

    now: float
    mark: str | None


class Withheld(msgspec.Struct):
    """Audio of a muted item was kept from the phone."""

    item_id: str
    byte_count: int


class IsPart(msgspec.Struct):
    """Which part of an item its audio is."""

    item_id: str
    content_index: int


class Echoed(msgspec.Struct):
    """A mark came back."""

    name: str
    now: float
    was_taken: bool
    """Otherwise the machine was told."""


class Added(msgspec.Struct):
    """Words of the agent, as far as they came without the machine being asked anything."""

    item_id: str
    words: str


PastMachine: TypeAlias = Sent | ClipSent | Marked | Withheld | IsPart | Echoed | Added
Entry: TypeAlias = Began | Handled | Passed | Failed | Closed | Due | PastMachine
