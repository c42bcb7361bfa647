"""What an assistant is told of calls without their words: lists, one in pages, bills. Pure, and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from callbridge.cli.mcp_server.told import Told, iso, more, short
from callbridge.records.call_list import summary_of
from callbridge.records.in_words import MICRODOLLARS, counted, length, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.call_list import CallSummary
    from callbridge.records.story import CallStory, Happening, Turn

TURNS_MAX: Final = 25
"""On one page of a call."""

HAPPENINGS_MAX: Final = 50
MODELS_MAX: Final = 5
TOOLS_MAX: Final = 8
"""In one turn."""

Seconds = Annotated[float, Meta(description="In seconds.")]


class CallLine(msgspec.Struct, frozen=True, kw_only=True):
    """One call in a list."""

    call_sid: str
    state: str
    began: str
    """ISO 8601."""
    length_s: Seconds
    direction: str
    caller: str
    """Masked, unless the service keeps numbers."""
    caller_key: str
    called: str
    agent: str
    ended: str
    """How it ended, or why it was declined; empty while it is live."""
    why: str
    """More of that, where there is more to say."""
    turns: int
    tools: int
    interruptions: int
    wait_p50_ms: int | None
    """How long the caller waited for answers."""
    wait_max_ms: int | None
    cost_dollars: float

    def line(self) -> str:
        """In one line."""
        ended = self.state if self.state == "live" or not self.ended else self.ended.replace("_", " ")
        ended += f" ({self.why})" if self.why else ""
        took = length(round(self.length_s * 1000))
        who = f"caller {self.caller or 'unknown'}, agent {self.agent or '-'}"
        figures = f"{took}, {counted(self.turns, 'turn')}, ${self.cost_dollars:.4f}"
        return f"{self.began} {self.call_sid} {ended}; {who}, {figures}"


def call_line(call: CallSummary) -> CallLine:
    """A call as a list has it."""
    return CallLine(
        call_sid=call.call_sid,
        state=call.state,
        began=iso(call.began_at),
        length_s=call.duration_ms / 1000,
        direction=call.direction,
        caller=call.caller,
        caller_key=call.caller_key,
        called=call.called,
        agent=call.agent,
        ended=call.end_reason,
        why=short(call.end_detail),
        turns=call.turns,
        tools=call.tools,
        interruptions=call.interruptions,
        wait_p50_ms=call.response_p50_ms,
        wait_max_ms=call.response_max_ms,
        cost_dollars=call.cost_microdollars / MICRODOLLARS,
    )


class CallList(Told, frozen=True, kw_only=True):
    """Calls, the latest first."""

    now: str
    """When this was asked, ISO 8601: times without a zone are meant in this one."""
    calls: list[CallLine]
    next: str | None
    """What the next page is `after`; nothing where there is none."""

    def lines(self) -> Iterator[str]:
        """A line for each."""
        found = counted(len(self.calls), "call") if self.calls else "No such call is on record"
        yield f"{found}. It is {self.now}."
        for call in self.calls:
            yield call.line()
        if self.next is not None:
            yield f"There are more: ask again with after={self.next!r}."


class ToolRead(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that was asked for."""

    name: str
    outcome: str
    """Empty for one that was started and of which nothing more is known."""
    took_ms: int | None


class TurnRead(msgspec.Struct, frozen=True, kw_only=True):
    """One utterance of the caller and the agent's answer, without words. A greeting has no utterance."""

    number: int
    at_ms: int
    """Since the beginning of the call, as all of these."""
    waited_ms: int | None
    """How long the caller waited for the answer."""
    was_interrupted: bool
    tools: list[ToolRead]

    def line(self) -> str:
        """In one line."""
        tools = ", ".join(f"{tool.name} {tool.outcome or 'was started'}" for tool in self.tools)
        parts = [
            f"{place(self.at_ms)} turn {self.number}",
            "" if self.waited_ms is None else f"answered after {self.waited_ms} ms",
            "interrupted" if self.was_interrupted else "",
            f"tools: {tools}" if tools else "",
        ]
        return "; ".join(filter(None, parts))


class HappeningRead(msgspec.Struct, frozen=True, kw_only=True):
    """What happened beside the turns: an error, a step, a transfer, a text, a lost session."""

    at_ms: int
    what: str
    detail: str

    def line(self) -> str:
        """In one line."""
        return f"{place(self.at_ms)} {self.what}{f' ({self.detail})' if self.detail else ''}"


class CallRead(Told, frozen=True, kw_only=True):
    """A call without the words in it."""

    call: CallLine
    models: list[str]
    streams: int
    """More than one where the call went on with another process, or was moved."""
    errors: int
    turns: list[TurnRead]
    """Those of this page."""
    happenings: list[HappeningRead]
    """With the first page."""
    next_turn: int | None
    """What the next page begins with; nothing where there is none."""
    left_out: int
    """Tools and happenings that are too many to be told."""

    def lines(self) -> Iterator[str]:
        """The outline: what happened, by its time."""
        call = self.call
        yield call.line()
        yield f"Caller key {call.caller_key or '-'}, model {', '.join(self.models) or '-'}."
        yield f"{counted(self.streams, 'stream')}, {counted(self.errors, 'error')} of the model."
        if call.wait_p50_ms is not None:
            waits = f"{call.wait_p50_ms} ms (median), {call.wait_max_ms} ms at most"
            yield f"The caller waited for answers {waits}, and interrupted {call.interruptions}."
        beside = [(one.at_ms, one.line()) for one in self.happenings]
        for _, line in sorted(beside + [(turn.at_ms, turn.line()) for turn in self.turns]):
            yield line
        yield from more(self.next_turn)
        if self.left_out:
            yield f"{self.left_out} more tools or happenings are left out."


def call_read(story: CallStory, first_turn: int) -> CallRead:
    """One page of a call that was told without its words."""
    later = [turn for turn in story.turns if turn.number >= first_turn]
    shown, happenings = later[:TURNS_MAX], story.happenings if first_turn == 1 else ()
    left_out = sum(max(len(turn.tools) - TOOLS_MAX, 0) for turn in shown)
    models = dict.fromkeys(short(stream.model) for stream in story.streams if stream.model)
    return CallRead(
        call=call_line(summary_of(story)),
        models=list(models)[:MODELS_MAX],
        streams=len(story.streams),
        errors=sum(stream.errors for stream in story.streams),
        turns=[_turn_read(turn) for turn in shown],
        happenings=[_happening_read(one) for one in happenings[:HAPPENINGS_MAX]],
        next_turn=later[TURNS_MAX].number if len(later) > TURNS_MAX else None,
        left_out=left_out + max(len(happenings) - HAPPENINGS_MAX, 0),
    )


def _turn_read(turn: Turn) -> TurnRead:
    return TurnRead(
        number=turn.number,
        at_ms=turn.began_ms,
        waited_ms=None if turn.latency is None else turn.latency.whole_ms,
        was_interrupted=turn.was_interrupted,
        tools=[
            ToolRead(name=short(tool.name), outcome=tool.outcome, took_ms=tool.duration_ms)
            for tool in turn.tools[:TOOLS_MAX]
        ],
    )


def _happening_read(happening: Happening) -> HappeningRead:
    detail = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in happening.detail.items())
    return HappeningRead(at_ms=happening.at_ms, what=short(happening.title), detail=short(detail))


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a bill."""

    name: str
    quantity: float
    unit: str
    dollars: float


class CallBill(Told, frozen=True, kw_only=True):
    """What one call cost, in US dollars."""

    call_sid: str
    dollars: float
    bill: list[BillLine]
    unheard_dollars: float
    """Of it, for audio that nobody heard."""
    silent_dollars: float
    """Of it, for time in which nobody spoke."""
    unpriced: list[str]
    """What has no price in the list, and is not in the sum."""
    prices_as_of: str

    def lines(self) -> Iterator[str]:
        """The bill."""
        yield f"{self.call_sid} cost ${self.dollars:.4f}, by prices of {self.prices_as_of or 'no list'}."
        for line in self.bill:
            yield f"{line.name}: {line.quantity:,.10g} {line.unit}, ${line.dollars:.4f}"
        yield f"Of it for audio that nobody heard: ${self.unheard_dollars:.4f}."
        yield f"Of it for time in which nobody spoke: ${self.silent_dollars:.4f}."
        if self.unpriced:
            yield f"Without a price, and not in the sum: {', '.join(self.unpriced)}"


def bill_of(story: CallStory) -> CallBill:
    """What a call cost."""
    cost = story.cost
    return CallBill(
        call_sid=story.call_sid,
        dollars=cost.microdollars / MICRODOLLARS,
        bill=[
            BillLine(
                name=line.name,
                quantity=line.quantity,
                unit=line.unit,
                dollars=line.microdollars / MICRODOLLARS,
            )
            for line in cost.lines
        ],
        unheard_dollars=cost.unheard_microdollars / MICRODOLLARS,
        silent_dollars=cost.silent_microdollars / MICRODOLLARS,
        unpriced=list(cost.unpriced),
        prices_as_of=cost.prices_as_of,
    )
