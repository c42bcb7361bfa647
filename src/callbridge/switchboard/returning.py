"""A caller who calls again: what is remembered of a call that is over, and what of it the next one is told.

Pure. A caller who was cut off goes on where they were: the facts of that call become facts of the new one, so
whatever goes on with a call, another stream, process or agent, needs to know nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from callbridge.call import agent_facts, facts, memory
from callbridge.call.agent_facts import OF_AGENTS
from callbridge.call.facts import EndReason, Fact
from callbridge.state.callers import GOING_ON_BYTES_MAX, RECORD_BYTES_MAX, CallerRecord
from callbridge.state.writes import storable
from callbridge.switchboard.continuation import CallHistory, read_facts, read_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.switchboard.continuation import StoredEvent

SUMMARY_CHARACTERS_MAX: Final = 2_000
"""About 500 tokens, which every answer of the next call reads."""

CALLED_AGAIN: Final = (
    "[That call ended here before it was done, and the caller has called again. If they want something else "
    "now, leave what was said above. They are known by their number alone, which can be forged: tell nothing "
    "private of it before you know that it is the same person.]"
)


class _Body(msgspec.Struct, frozen=True):
    """What is kept of a call. A later version of it cannot be read by this one, and counts as none."""

    version: Literal[1]
    summary: str
    values: str


_encode: Final = msgspec.json.Encoder().encode
_read_body: Final = msgspec.json.Decoder(_Body).decode
_read_facts: Final = msgspec.json.Decoder(list[Fact]).decode


# --- When a call is over ------------------------------------------------------------------------------


def record_of(events: Iterable[StoredEvent], at: float, summary: str | None = None) -> CallerRecord | None:
    """What is to be remembered of a call, or nothing: of one in which the caller said and did nothing.

    Args:
        events: its own, in their order.
        at: when it ended, in seconds since 1970.
        summary: what it was about; by default its last turns.
    """
    events = tuple(events)
    history, told = read_history(events), [fact for _, fact in read_facts(events)]
    of_agent = [fact for fact in told if isinstance(fact, OF_AGENTS)]
    turns = [entry for entry in history.remembered if isinstance(entry, memory.TurnSaid)]
    if not _has_said_anything(turns, of_agent):
        return None
    summary = _last_turns(turns) if summary is None else storable(summary)[:SUMMARY_CHARACTERS_MAX]
    body = _encode(_Body(1, summary, _values(told)))
    if len(body) > RECORD_BYTES_MAX:
        return None
    is_unfinished = is_cut_off(history) and not _is_at_its_end(of_agent)
    going_on = _going_on(history, of_agent) if is_unfinished else b""
    return CallerRecord(at, body, going_on if len(going_on) <= GOING_ON_BYTES_MAX else b"")


def _has_said_anything(turns: Sequence[memory.TurnSaid], of_agent: Iterable[Fact]) -> bool:
    """Whether the caller has. Where nobody writes down their words, what follows the greeting is an answer.

    Values and a first step are there without them.
    """
    fields = agent_facts.FieldKept | agent_facts.FieldRefused
    return (
        len(turns) > 1
        or any(turn.caller for turn in turns)
        or any(isinstance(fact, fields) for fact in of_agent)
    )


def is_cut_off(history: CallHistory) -> bool:
    """Whether a call ended before it was done: neither by the agent's goodbye nor at a limit.

    A lost line and a caller who hangs up are the same to us.
    """
    reason, remembered = history.ended, history.remembered
    if reason is not None and reason.is_normal and reason is not EndReason.CALLER_HANGUP:
        return False
    last = max((entry.turn for entry in remembered), default=0)
    # They hung up into the goodbye.
    return not any(
        isinstance(entry, memory.ToolAnswered) and entry.is_wish and entry.turn == last
        for entry in remembered
    )


def _is_at_its_end(of_agent: Iterable[Fact]) -> bool:
    """Whether the flow of the agent that was on was in a step that ends it: nothing leads on from there."""
    on, ends = "", dict[str, bool]()
    for fact in of_agent:
        match fact:
            case agent_facts.AgentChanged(agent, was):
                ends.setdefault(was, ends.pop("", False))
                on = agent
            case agent_facts.StepEntered(ends=is_last):
                ends[on] = is_last
            case _:
                pass
    return ends.get(on, False)


def _last_turns(said: Iterable[memory.TurnSaid]) -> str:
    """As they were heard; where they are too long the oldest are left out."""
    lines = []
    for turn in said:
        lines += [f"caller: {turn.caller}"] if turn.caller else []
        lines += [f"agent: {turn.agent}"] if turn.agent else []
    while len(lines) > 1 and sum(map(len, lines)) + len(lines) - 1 > SUMMARY_CHARACTERS_MAX:
        del lines[0]
    return "\n".join(lines)[-SUMMARY_CHARACTERS_MAX:]


def _values(told: Iterable[Fact]) -> str:
    """The agent's own state, as JSON text. A call that sets none leaves that of the call before."""
    values = ""
    for fact in told:
        if isinstance(fact, agent_facts.ValuesSet | agent_facts.CalledBefore):
            values = fact.values
    return values


def _going_on(history: CallHistory, of_agent: Sequence[Fact]) -> bytes:
    """What was said, then what the agent made of it, as facts of another call."""
    last = max((entry.turn for entry in history.remembered), default=0)
    said: list[Fact] = [_as_fact(entry) for entry in history.remembered]
    said.append(facts.Remembered(memory.Told(last + 1, CALLED_AGAIN)))
    latest = [fact for fact in of_agent if isinstance(fact, agent_facts.ValuesSet)][-1:]
    others = [fact for fact in of_agent if not isinstance(fact, agent_facts.ValuesSet)]
    placeless = {"call_sid": "", "source": "", "number": 0, "at_ms": 0}
    return _encode([*said, *(msgspec.structs.replace(fact, **placeless) for fact in [*others, *latest])])


def _as_fact(entry: memory.Entry) -> Fact:
    if isinstance(entry, memory.TurnSaid):  # Words that are still to come do not come in another call.
        return facts.TurnEnded(entry.turn, entry.caller, entry.agent, None, interrupted=False)
    return facts.Remembered(entry)


# --- When the caller calls again ----------------------------------------------------------------------


def facts_of(record: CallerRecord, *, goes_on: bool) -> list[Fact]:
    """What the new call is told, as facts of its own; nothing where the record cannot be read.

    Args:
        record: what is remembered.
        goes_on: whether this is the call that may go on with it: there is one.
    """
    try:
        body = _read_body(record.body)
        earlier = _read_facts(record.going_on) if goes_on and record.going_on else []
    except msgspec.DecodeError:
        return []
    before = agent_facts.CalledBefore(record.at, body.summary, body.values, goes_on=bool(earlier))
    return [before, *earlier]
