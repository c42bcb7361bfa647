"""What becomes of a call after its stream: the one place that decides it, for Twilio's `<Connect action>`.

The phone leg lives at Twilio, not in our process. When a stream ends, however it ends, Twilio asks what to do
next; so a call can go on with another stream, here or on another machine, or with a human.

Pure: what is known comes in, the decision comes out. Nothing here asks the store, reads a clock or makes XML.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from callbridge.call import memory
from callbridge.call.facts import EndReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONTINUATIONS_MAX = 3
"""A deploy costs a call one continuation, a rolling one perhaps a second, a bad network a third. A call that
needs a fourth has a cause that moves along with it, and may be what brings the processes down."""

CONTINUATIONS_WITHIN_S = 600.0
"""Three breaks of at most 3 s in ten minutes are 1.5 % of silence; a caller who has more wants a human."""

CALL_OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Values of `CallStatus` after which nobody listens any more."""


class Continuation(enum.StrEnum):
    """What Twilio is told to do with the call."""

    HANG_UP = "hang_up"
    """All was said, or the caller is gone."""

    FALL_BACK = "fall_back"
    """The agent cannot serve: the first step of the fallback."""

    RESUME = "resume"
    """Another stream, whose agent is told what was said before."""


AFTER_STREAM: dict[EndReason | None, Continuation] = {
    EndReason.CALLER_HANGUP: Continuation.HANG_UP,
    EndReason.AGENT_HANGUP: Continuation.HANG_UP,
    EndReason.LIMIT_DURATION: Continuation.HANG_UP,
    EndReason.LIMIT_COST: Continuation.HANG_UP,
    # The way between phone and agent broke; both are still there.
    EndReason.MEDIA_LOST: Continuation.RESUME,
    EndReason.HANDED_OVER: Continuation.RESUME,
    EndReason.SERVICE_STOPPED: Continuation.RESUME,
    # Nobody wrote down an end: the process crashed, or never saw the stream.
    None: Continuation.RESUME,
    # The bridge tried what could be tried before it gave up; another stream would meet the same model.
    EndReason.MODEL_UNAVAILABLE: Continuation.FALL_BACK,
    EndReason.MODEL_LOST: Continuation.FALL_BACK,
    # A fault of ours that this call brings out once, it brings out again.
    EndReason.INTERNAL_ERROR: Continuation.FALL_BACK,
    # Twilio itself asks, so the caller is real, whoever it was that opened the wrong stream.
    EndReason.REJECTED_AUTH: Continuation.FALL_BACK,
    EndReason.REJECTED_PROTOCOL: Continuation.FALL_BACK,
}
"""What follows each end of a stream, if the call still lives and the bounds allow it."""


def decide(
    *,
    call_status: str,
    ended: EndReason | None,
    continued_at: Sequence[float],
    now: float,
    can_continue: bool,
    never_began: bool = False,
) -> Continuation:
    """What follows a stream.

    Args:
        call_status: Twilio's `CallStatus` in the very request that asks.
        ended: how the stream ended; None when nobody knows.
        continued_at: when this call was continued before, in seconds on the clock of `now`.
        now: wall time in seconds: several processes write these times.
        can_continue: whether this process takes a stream of an old call now. Must be false while the history
            of calls cannot be read: an unknown past has no bound.
        never_began: whether the latest stream was promised and not admitted.
    """
    if call_status in CALL_OVER:
        return Continuation.HANG_UP
    follows = AFTER_STREAM[ended]
    if follows is not Continuation.RESUME:
        return follows
    # A time ahead of `now` is another machine's clock, or one set back since: it counts like any other.
    recent = sum(at > now - CONTINUATIONS_WITHIN_S for at in continued_at)
    # A stream that did not come about is tried once more: what kept two from it, keeps the third as well, and
    # the caller has heard nothing so far.
    is_hopeless = recent and never_began
    if can_continue and recent < CONTINUATIONS_MAX and not is_hopeless:
        return Continuation.RESUME
    return Continuation.FALL_BACK


# --- The history of a call ----------------------------------------------------------------------------


class StoredEvent(Protocol):
    """One event of one call, as the store gives it back."""

    @property
    def at(self) -> float:
        """Wall time in seconds."""

    @property
    def kind(self) -> str:
        """`started`, `memory`, `continued`, `ended`; others tell nothing of what follows a stream."""

    @property
    def body(self) -> bytes:
        """JSON."""


class StartedBody(msgspec.Struct, frozen=True):
    """The body of `started`: a stream was admitted."""

    caller: str = ""
    called: str = ""
    stream_sid: str = ""


class EndedBody(msgspec.Struct, frozen=True):
    """The body of `ended`: a stream was over."""

    reason: EndReason
    stream_sid: str = ""
    """Which stream; none: the latest."""


@dataclass(frozen=True, slots=True)
class CallHistory:
    """What the events of a call say about its going on."""

    ended: EndReason | None = None
    """How the latest stream ended; None when that was not written down, or by a process that knows more
    reasons than this one."""

    continued_at: tuple[float, ...] = ()
    caller: str = ""
    called: str = ""
    remembered: tuple[memory.Entry, ...] = ()
    """Everything since the call began, over all of its streams."""
    never_began: bool = False
    """Whether a stream was promised that was not admitted."""


def read_history(events: Iterable[StoredEvent]) -> CallHistory:
    """The history of one call from all of its events, in the order of the store.

    A body that cannot be read counts as not written. A crash cannot leave one, but another version of the
    service can, and a call with a hole in its memory is better than a call that is lost.
    """
    stream = StartedBody()
    ended: EndReason | None = None
    continued_at: list[float] = []
    remembered: list[memory.Entry] = []
    never_began = False
    for event in events:
        match event.kind:
            case "started":
                stream, ended = _read(event, StartedBody) or StartedBody(stream.caller, stream.called), None
                never_began = False
            case "continued":
                continued_at.append(event.at)
                ended, never_began = None, True
            case "ended":
                ended = _end_of(stream, _read(event, EndedBody), ended)
            case "memory":
                if entry := _entry(event):
                    remembered.append(entry)
    return CallHistory(
        ended, tuple(continued_at), stream.caller, stream.called, tuple(remembered), never_began
    )


def _end_of(stream: StartedBody, end: EndedBody | None, ended: EndReason | None) -> EndReason | None:
    """How `stream` ended, now that this end was written.

    An earlier stream may be found dead long after the call went on with another one: its end is none of this.
    """
    if end is None:
        return None
    is_of_another = end.stream_sid and stream.stream_sid and end.stream_sid != stream.stream_sid
    return ended if is_of_another else end.reason


_Body = TypeVar("_Body", StartedBody, EndedBody)


def _read(event: StoredEvent, kind: type[_Body]) -> _Body | None:
    try:
        return msgspec.json.decode(event.body, type=kind)
    except msgspec.DecodeError:
        return None


def _entry(event: StoredEvent) -> memory.Entry | None:
    try:
        entry: memory.Entry = memory.decode(event.body)
    except msgspec.DecodeError:
        return None
    return entry
