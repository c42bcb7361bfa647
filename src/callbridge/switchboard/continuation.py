"""What becomes of a call after its stream: the one place that decides it, for Twilio's `<Connect action>`.

The phone leg lives at Twilio, not in our process. When a stream ends, however it ends, Twilio asks what to do
next; so a call can go on with another stream, here or on another machine, or with a human.

Pure: what is known comes in, the decision comes out. Nothing here asks the store, reads a clock or makes XML.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from callbridge.call import facts, memory
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.telephone_facts import TransferEnded
from callbridge.call.transfer_words import words_of
from callbridge.call.wishes import FallBack, HangUp, PutThrough, Resume, SayGoodbye
from callbridge.switchboard.holding import HOLDS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.call.facts import EndReason
    from callbridge.call.wishes import Following

CONTINUATIONS_MAX = 3
"""A deploy costs a call one continuation, a rolling one perhaps a second, a bad network a third. A call that
needs a fourth has a cause that moves along with it, and may be what brings the processes down."""

CONTINUATIONS_WITHIN_S = 600.0
"""Three breaks of at most 3 s in ten minutes are 1.5 % of silence; a caller who has more wants a human."""

CALL_OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Values of `CallStatus` after which nobody listens any more."""


_SETTLED = frozenset({TransferOutcome.CONNECTED, TransferOutcome.CALLER_HUNG_UP})


class Continuation(enum.StrEnum):
    """What Twilio is told to do with the call."""

    HANG_UP = "hang_up"
    """All was said, or the caller is gone."""

    SAY_GOODBYE = "say_goodbye"
    """It is to end, and nobody has said so yet: a word of goodbye, and hang up."""

    FALL_BACK = "fall_back"
    """The agent cannot serve: the first step of the fallback."""

    PUT_THROUGH = "put_through"
    """A person is rung for the caller, or waits for them."""

    RETURN = "return"
    """Another stream: nobody took the call, and the agent has the caller back."""

    RESUME = "resume"
    """Another stream, whose agent is told what was said before."""

    HOLD = "hold"
    """This process leaves: the caller waits, and Twilio asks the next one."""

    MOVED = "moved"
    """Somebody has sent the call elsewhere, it seems: nothing is done to it. If it is still here, Twilio asks
    again in a moment."""


def decide(
    *,
    call_status: str,
    follows: Following | None,
    continued_at: Sequence[float],
    now: float,
    can_continue: bool,
    never_began: bool = False,
    is_stopped: bool = False,
    held: int = 0,
    is_leaving: bool = False,
    transfer: TransferOutcome | None = None,
) -> Continuation:
    """What follows a stream.

    Args:
        call_status: Twilio's `CallStatus` in the very request that asks.
        follows: what its last fact says is to follow; None when nobody wrote down an end: the process
            crashed, or never saw the stream.
        continued_at: when this call was continued before, in seconds on the clock of `now`.
        now: wall time in seconds: several processes write these times.
        can_continue: whether this process takes a stream of an old call now. Must be false while the history
            of calls cannot be read: an unknown past has no bound.
        never_began: whether the latest stream was promised and not admitted.
        is_stopped: whether it was Twilio that stopped the stream.
        held: how often the caller was told to wait since.
        is_leaving: whether this process hands its calls over.
        transfer: what became of the transfer that follows the stream; None while that is open.
    """
    if call_status in CALL_OVER:
        return Continuation.HANG_UP
    if is_stopped and not held:
        # The caller is there, so it was not they who ended the stream. Of a call that was redirected over
        # Twilio's REST API the action is asked all the same, and the answer ignored.
        return Continuation.MOVED
    if (wanted := _wanted(follows, transfer, is_stopped=is_stopped)) is not None:
        return wanted
    # That nobody took the call is no fault of the line: the agent bounds how often it puts somebody through.
    comes_back = isinstance(follows, PutThrough)
    # A time ahead of `now` is another machine's clock, or one set back since: it counts like any other.
    recent = sum(at > now - CONTINUATIONS_WITHIN_S for at in continued_at)
    # A stream that did not come about is tried once more: what kept two from it, keeps the third as well, and
    # the caller has heard nothing so far.
    is_hopeless = recent and never_began
    if not comes_back and (recent >= CONTINUATIONS_MAX or is_hopeless):
        return Continuation.FALL_BACK
    if is_leaving:
        # Also without a record of the past: who comes next has one, and the address counts how often.
        return Continuation.HOLD if held < HOLDS_MAX else Continuation.FALL_BACK
    if not can_continue:
        return Continuation.FALL_BACK
    return Continuation.RETURN if comes_back else Continuation.RESUME


def _wanted(
    follows: Following | None, transfer: TransferOutcome | None, *, is_stopped: bool
) -> Continuation | None:
    """What somebody wanted to follow; None where the call is to go on."""
    match follows:
        case HangUp() if is_stopped:
            return None  # It was asked again, so the call is still here.
        case HangUp():
            return Continuation.HANG_UP
        case SayGoodbye():
            return Continuation.SAY_GOODBYE
        case FallBack():
            return Continuation.FALL_BACK
        case PutThrough() if transfer is None:
            return Continuation.PUT_THROUGH
        case PutThrough() if transfer in _SETTLED:
            return Continuation.HANG_UP
        case Resume() | PutThrough() | None:
            return None


# --- The history of a call ----------------------------------------------------------------------------


class StoredEvent(Protocol):
    """One event of one call, as the store gives it back."""

    @property
    def at(self) -> float:
        """Wall time in seconds."""

    @property
    def sequence(self) -> int:
        """1, 2, 3, … within the call."""

    @property
    def body(self) -> bytes:
        """A fact, as `facts.encode` made it."""


@dataclass(frozen=True, slots=True)
class CallHistory:
    """What the facts of a call say about its going on."""

    ended: EndReason | None = None
    """How the latest stream ended; None when that was not written down, or by a process that knows more
    reasons than this one."""
    follows: Following | None = None
    """What is to follow it; None as above."""
    continued_at: tuple[float, ...] = ()
    agent: str = ""
    """Who answered last, by name."""
    remembered: tuple[memory.Entry, ...] = ()
    """Everything since the call began, over all of its streams."""
    never_began: bool = False
    """Whether a stream was promised that was not admitted."""
    leads_back: bool = False
    """Whether the human of the fallback has forwarded the call here: they are not rung for it."""
    is_back: bool = False
    """Whether the next stream follows a transfer that nobody took."""


def read_facts(events: Iterable[StoredEvent]) -> list[tuple[float, facts.Fact]]:
    """The facts of one call with the wall time of each, from its events in the order of the store.

    One that cannot be read counts as not written. A crash cannot leave one, but another version of the
    service can, and a call with a hole in its memory is better than a call that is lost. What webhooks learn
    gets its place from the store: several processes may write it, and only the store sees them all.
    """
    found: list[tuple[float, facts.Fact]] = []
    began_at: float | None = None
    for event in events:
        began_at = event.at if began_at is None else began_at
        try:
            fact = facts.decode(event.body)
        except msgspec.DecodeError:
            continue
        if fact.source == facts.HTTP:
            at_ms = max(0, round((event.at - began_at) * 1000))
            fact = msgspec.structs.replace(fact, number=event.sequence, at_ms=at_ms)
        found.append((event.at, fact))
    return found


def _correct(remembered: list[memory.Entry], place: int | None, came: facts.CallerWordsCame) -> None:
    """Words came late: they stand where they were spoken. The record of their turn may have been shed."""
    turn = memory.TurnSaid(came.turn, None, "") if place is None else remembered[place]
    assert isinstance(turn, memory.TurnSaid)
    awaits = tuple(item_id for item_id in turn.awaits if item_id != came.item_id)
    turn = msgspec.structs.replace(turn, caller=came.caller, awaits=awaits)
    if place is None:
        remembered.append(turn)
    else:
        remembered[place] = turn


def read_history(events: Iterable[StoredEvent]) -> CallHistory:
    """The history of one call from all of its events, in the order of the store."""
    started = facts.StreamStarted("", "")
    ended: facts.StreamEnded | None = None
    continued_at: list[float] = []
    remembered: list[memory.Entry] = []
    tools: dict[tuple[str, str], int] = {}  # Where a tool stands among what is remembered.
    awaited: dict[str, int] = {}  # Where the words of an item belong there.
    never_began = leads_back = is_back = False
    for at, fact in read_facts(events):
        match fact:
            case facts.CallOffered():
                leads_back = leads_back or fact.leads_back
            case facts.StreamStarted():
                started, ended, never_began = fact, None, False
            case facts.StreamAsked(follows=Continuation.RESUME.value):
                continued_at.append(at)
                ended, never_began, is_back = None, True, False
            case facts.StreamAsked(follows=Continuation.RETURN.value):
                ended, never_began, is_back = None, True, True
            case TransferEnded(source=facts.HTTP):
                # Of another source its stream has told the agent, and remembered that.
                turn = max((entry.turn for entry in remembered), default=0)
                words = words_of(fact.name, fact.outcome, fact.waited_ms / 1000)
                remembered.append(memory.Told(turn, words))
            case facts.StreamEnded() if fact.source == started.source or not started.source:
                # The end of an earlier stream, found dead long after the call went on, is none of this.
                ended = fact
                # Asked about too early, by whatever process did not see it: the stream was still on then.
                never_began = False
            case facts.TurnEnded(turn, caller, agent, awaits=awaits) if caller or agent or awaits:
                awaited |= dict.fromkeys(awaits, len(remembered))
                remembered.append(memory.TurnSaid(turn, caller, agent, awaits))
            case facts.CallerWordsCame():
                _correct(remembered, awaited.get(fact.item_id), fact)
            case facts.Remembered(memory.Told() as told):
                remembered.append(told)
            case facts.Remembered(memory.ToolStarted() | memory.ToolAnswered() as entry):
                # A tool stands where it has begun, whenever it answers.
                # The agent's own names of its runs begin anew with each stream.
                place = tools.setdefault((fact.source, entry.call_id), len(remembered))
                remembered[place : place + 1] = [entry]
            case _:
                pass
    return CallHistory(
        None if ended is None else ended.reason,
        None if ended is None else ended.follows,
        tuple(continued_at),
        started.agent,
        tuple(remembered),
        never_began,
        leads_back,
        is_back,
    )
