"""The facts of one call, told as its story. Pure: rows go in, a `CallStory` comes out, the same at any time.

Rows come from several sources, late, twice, or not at all, and some are of another version of the service:
whatever is known is told, and nothing here raises. What is not known stays empty, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from callbridge.call import facts
from callbridge.call.agent_facts import CalledBefore, Captured, ValuesSet
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.call.record_facts import ANALYSIS, REAPER, CallAnalysed, ProcessLost
from callbridge.call.recording_facts import RecordingStored
from callbridge.records.costs import NO_PRICES, costs_of
from callbridge.records.happenings import happening_of
from callbridge.records.latency import percentiles
from callbridge.records.story import CallStory, Happening, StreamPart
from callbridge.records.stream_facts import StreamFacts, Timed
from callbridge.records.turns import turns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.call.facts import Fact
    from callbridge.call.price_list import PriceList

_OVER: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Values of Twilio's `CallStatus` after which nobody listens any more."""


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A fact as it is kept."""

    source: str
    """The StreamSid; for what webhooks learnt, a name that begins with `http`."""
    number: int
    """1, 2, 3, … within the source, though not without gaps."""
    at: float
    """When it was written down, in seconds since 1970."""
    fact: Fact | None
    """None for a kind that this version does not know."""
    process: str = ""
    """Which process wrote it."""


def tell(call_sid: str, rows: Iterable[StoredFact], prices: PriceList = NO_PRICES) -> CallStory:
    """The story of a call, as far as it is known.

    Args:
        call_sid: Twilio's name of it.
        rows: its facts, in any order.
        prices: what it costs is told by them.
    """
    known = _sorted(rows)
    if not known:
        return CallStory(call_sid, "live", 0.0)
    began_at = known[0].at
    streams, learnt = _apart(known, began_at)
    turns = turns_of(streams)
    told = sorted((*learnt, *(timed for stream in streams for timed in stream.facts)), key=_time)
    end = _end(streams, learnt)
    last_ms = max((timed.at_ms for timed in told), default=0)
    ended_ms = last_ms if end.at_ms is None else end.at_ms
    who = _who(told)
    usage, cost = costs_of(streams, learnt, prices)
    return CallStory(
        call_sid,
        end.state,
        began_at,
        ended_at=None if end.at_ms is None else began_at + end.at_ms / 1000,
        caller=who.caller,
        caller_key=who.caller_key,
        called=who.called,
        agent=who.agent,
        end_reason=end.reason,
        end_detail=end.detail,
        duration_ms=ended_ms,
        streams=tuple(_stream_part(stream, _lost_ms(stream, learnt)) for stream in streams),
        turns=turns,
        happenings=_happenings(told),
        captured=_captured(streams),
        values=_values(told),
        interruptions=sum(isinstance(timed.fact, facts.Interrupted) for timed in told),
        response=percentiles(turn.latency.whole_ms for turn in turns if turn.latency is not None),
        barge_in=percentiles(turn.barge_in_ms for turn in turns if turn.barge_in_ms is not None),
        usage=usage,
        cost=cost,
        analysis=_analysis(learnt),
        recordings=_recordings(told),
    )


def _time(timed: Timed) -> int:
    return timed.at_ms


# --- Rows in order --------------------------------------------------------------------------------------


def _sorted(rows: Iterable[StoredFact]) -> list[StoredFact]:
    """Each row of a known kind once, by its time; within a source its number says what came first."""
    once = {(row.source, row.number): row for row in rows if row.fact is not None}
    return sorted(once.values(), key=lambda row: (row.at, row.source, row.number))


def _is_of_no_stream(row: StoredFact) -> bool:
    return row.source.startswith(facts.HTTP) or row.source in {REAPER, ANALYSIS}


def _apart(rows: Sequence[StoredFact], began_at: float) -> tuple[list[StreamFacts], list[Timed]]:
    """The facts of each stream, in the order in which they began, and what was learnt beside them."""
    by_source: dict[str, list[StoredFact]] = {}
    learnt: list[Timed] = []
    for row in rows:
        assert row.fact is not None, "those of unknown kinds are left out"
        if _is_of_no_stream(row):
            learnt.append(Timed(_since(row.at, began_at), row.fact))
        else:
            by_source.setdefault(row.source, []).append(row)
    return [_stream(source, of_source, began_at) for source, of_source in by_source.items()], learnt


def _stream(source: str, rows: list[StoredFact], began_at: float) -> StreamFacts:
    """The facts of a stream have a clock of their own, which is finer than that of the store."""
    rows = sorted(rows, key=lambda row: row.number)
    first = rows[0]
    assert first.fact is not None
    offset_ms = _since(first.at, began_at) - first.fact.at_ms
    told = [Timed(max(row.fact.at_ms + offset_ms, 0), row.fact) for row in rows if row.fact is not None]
    return StreamFacts(source, offset_ms, tuple(told), first.process)


def _since(at: float, began_at: float) -> int:
    return max(round((at - began_at) * 1000), 0)


# --- Who ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Who:
    caller: str = ""
    caller_key: str = ""
    called: str = ""
    agent: str = ""


def _who(told: Iterable[Timed]) -> _Who:
    """Who called whom, and who answered: the latest agent, and the first word on everything else."""
    who = _Who()
    for timed in told:
        fact = timed.fact
        if isinstance(fact, facts.CallOffered | facts.StreamStarted):
            who.caller, who.called = who.caller or fact.caller, who.called or fact.called
            who.caller_key = who.caller_key or fact.caller_key
            who.agent = fact.agent or who.agent
    return who


# --- Streams --------------------------------------------------------------------------------------------


def _lost_ms(stream: StreamFacts, learnt: Iterable[Timed]) -> int | None:
    """What was heard last of a stream whose process is gone: that it is gone was seen some 20 s later."""
    is_lost = any(
        isinstance(timed.fact, ProcessLost) and timed.fact.stream_sid == stream.source for timed in learnt
    )
    return max(timed.at_ms for timed in stream.facts) if is_lost else None


def _stream_part(stream: StreamFacts, lost_ms: int | None) -> StreamPart:
    _, ready = stream.first(facts.AgentReady)
    ended_ms, end = stream.first(facts.StreamEnded)
    if end is None and lost_ms is not None:
        ended_ms, reason = lost_ms, facts.EndReason.PROCESS_LOST.value
    else:
        reason = "" if end is None else end.reason.value
    return StreamPart(
        stream.source,
        stream.facts[0].at_ms,
        model="" if ready is None else ready.model,
        ended_ms=ended_ms,
        reason=reason,
        detail="" if end is None else end.detail,
        first_audio_ms=None if end is None else end.first_audio_ms,
        first_delta_ms=_greeting_delta_ms(stream),
        errors=0 if end is None else end.errors,
        process=stream.process,
    )


def _greeting_delta_ms(stream: StreamFacts) -> int | None:
    """From our `response.create` for the first words of the stream to their first delta."""
    _, first = stream.first(facts.TurnEnded)
    if first is None or first.speech or first.answer is None:
        return None
    asked_ms, sent_ms = first.answer.asked_ms, first.answer.sent_ms
    return None if asked_ms is None or sent_ms is None else max(sent_ms - asked_ms, 0)


# --- The end --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _End:
    state: Literal["declined", "live", "ended"]
    at_ms: int | None = None
    reason: str = ""
    detail: str = ""


def _end(streams: Sequence[StreamFacts], learnt: Sequence[Timed]) -> _End:
    """Exactly one: how the last stream ended, if nothing has followed it, or why there never was one."""
    over_ms = next((timed.at_ms for timed in learnt if _says_over(timed.fact)), None)
    if not streams:
        return _end_without_stream(learnt, over_ms)
    ended_ms, end = streams[-1].first(facts.StreamEnded)
    lost_ms = _lost_ms(streams[-1], learnt)
    if ended_ms is None or end is None:
        if lost_ms is not None:
            return _End("ended", lost_ms if over_ms is None else over_ms, facts.EndReason.PROCESS_LOST.value)
        return _End("live") if over_ms is None else _End("ended", over_ms)
    if lost_ms is None and _lingers(streams[-1]):
        return _End("live")
    is_last_word = end.reason.is_normal and end.reason is not facts.EndReason.TRANSFERRED
    if is_last_word and not _is_moved(learnt, ended_ms):
        return _End("ended", ended_ms, end.reason.value, end.detail)
    over_ms = lost_ms if over_ms is None else over_ms
    if over_ms is None:
        return _End("live")
    return _End("ended", max(ended_ms, over_ms), end.reason.value, end.detail)


def _lingers(stream: StreamFacts) -> bool:
    """Whether the words of the caller, or a tool, are still waited for: some seconds, up to `CallClosed`."""
    awaited: set[str] = set()
    running: set[tuple[str, bool]] = set()
    for timed in stream.facts:
        match timed.fact:
            case facts.TurnEnded(awaits=awaits):
                awaited.update(awaits)
            case facts.CallerWordsCame(item_id=item_id):
                awaited.discard(item_id)
            case facts.Remembered(ToolStarted() as tool):
                running.add((tool.call_id, tool.is_ours))
            case facts.Remembered(ToolAnswered() as tool):
                running.discard((tool.call_id, tool.is_ours))
            case facts.CallClosed():
                return False
            case _:
                pass
    return bool(awaited or running)


def _end_without_stream(learnt: Sequence[Timed], over_ms: int | None) -> _End:
    offers = [timed.fact for timed in learnt if isinstance(timed.fact, facts.CallOffered)]
    declined = next((offer.declined for offer in offers if offer.declined), "")
    if declined:
        return _End("declined", learnt[-1].at_ms, declined)
    if over_ms is None:
        return _End("live")
    statuses = [timed.fact.status for timed in learnt if isinstance(timed.fact, facts.CallReported)]
    return _End("ended", over_ms, "no_stream", statuses[-1] if statuses else "")


def _says_over(fact: Fact) -> bool:
    is_reported = isinstance(fact, facts.CallReported) and fact.status in _OVER
    return is_reported or isinstance(fact, facts.CallOver)


def _is_moved(learnt: Iterable[Timed], ended_ms: int) -> bool:
    """Whether Twilio said later that the caller was still there when the stream ended."""
    return any(
        isinstance(timed.fact, facts.StreamAsked)
        and timed.fact.follows == "moved"
        and timed.at_ms >= ended_ms
        for timed in learnt
    )


def _recordings(told: Iterable[Timed]) -> tuple[str, ...]:
    """Each once, though it may have been stored twice."""
    stored = (timed.fact.name for timed in told if isinstance(timed.fact, RecordingStored))
    return tuple(dict.fromkeys(stored))


# --- What happened beside the turns ---------------------------------------------------------------------


def _happenings(told: Iterable[Timed]) -> tuple[Happening, ...]:
    found = (happening_of(timed.at_ms, timed.fact) for timed in told)
    return tuple(happening for happening in found if happening is not None)


def _analysis(learnt: Iterable[Timed]) -> str:
    found = (timed.fact.result for timed in learnt if isinstance(timed.fact, CallAnalysed))
    return next(found, "")


def _captured(streams: Iterable[StreamFacts]) -> dict[str, str]:
    """By form, the latest. What an earlier call has captured stands among the facts of webhooks."""
    captures = (timed.fact for stream in streams for timed in stream.facts)
    return {fact.form: fact.data for fact in captures if isinstance(fact, Captured)}


def _values(told: Iterable[Timed]) -> str:
    values = ""
    for timed in told:
        if isinstance(timed.fact, ValuesSet | CalledBefore):
            values = timed.fact.values
    return values
