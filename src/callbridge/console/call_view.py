"""A story as the rows of a page: what stands where, in words. Pure: no template, no clock.

`templates/call_parts.html` draws it. The pages of live and past calls show the same rows, and so do the
reports of tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from callbridge.records.analysis.result import AnalysisResult
from callbridge.records.in_words import counted, dollars, length, moment, place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callbridge.records.story import (
        CallStory,
        CostLine,
        Happening,
        Latency,
        Percentiles,
        Spoken,
        ToolUse,
        Turn,
    )

SCALE_MS_MIN: Final = 1000
"""The bars of all waits are to one scale; it is never finer than this."""

ENDED_WELL: Final = frozenset({"caller_hangup", "agent_hangup", "transferred", "limit_duration"})

_GOOD_OUTCOMES: Final = frozenset({"answered"})


# --- Turns ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SaidRow:
    """An item of the agent's: what was heard of it, and what was not."""

    heard: str
    cut: str
    """The rest, which nobody heard."""
    instead: str = ""
    """What is to be said of one whose words are not kept."""
    was_cut: bool = False


@dataclass(frozen=True, slots=True)
class ToolRow:
    """A tool."""

    name: str
    place: str
    arguments: str
    result: str
    outcome: str
    is_good: bool
    is_ours: bool
    took: str


@dataclass(frozen=True, slots=True)
class WaitPart:
    """A part of a wait."""

    name: str
    ms: int
    owner: str
    left: str
    width: str


@dataclass(frozen=True, slots=True)
class WaitRow:
    """How long the caller waited, as a stacked bar."""

    whole_ms: int
    ours_ms: int
    parts: tuple[WaitPart, ...]
    in_words: str


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A turn."""

    key: str
    number: int
    at_ms: int
    place: str
    caller: str
    caller_instead: str
    keys: str
    tools: tuple[ToolRow, ...]
    said: tuple[SaidRow, ...]
    interrupted: str
    wait: WaitRow | None
    kind: Literal["turn"] = "turn"


@dataclass(frozen=True, slots=True)
class BesideRow:
    """Something that happened beside the turns."""

    key: str
    at_ms: int
    place: str
    group: str
    """`step`, `transfer`, `text`, `session`, `capture`, `recording`, `warning` or `other`."""
    title: str
    details: tuple[tuple[str, str], ...]
    kind: Literal["beside"] = "beside"


Row: TypeAlias = TurnRow | BesideRow


# --- The rest -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name."""

    name: str
    value: str
    detail: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class CostRow:
    """A line of the bill."""

    name: str
    amount: str
    dollars: str
    is_aside: bool = False
    """A part of the sum above it, or something without a price."""


@dataclass(frozen=True, slots=True)
class CallView:
    """A call."""

    call_sid: str
    state: str
    end: str
    end_detail: str
    is_end_good: bool
    began: str
    began_iso: str
    facts: tuple[tuple[str, str], ...]
    """From whom, to whom, which agent, which models."""
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]
    costs: tuple[CostRow, ...]
    cost_sum: str
    captured: tuple[tuple[str, str], ...]
    values: str
    analysis: tuple[tuple[str, str], ...]
    """What a text model found, by name."""
    has_waits: bool
    """Something is known of how long the caller waited."""
    complaints: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether more will come."""
        return self.state == "live"


def view_of(story: CallStory, complaints: Sequence[str] = ()) -> CallView:
    """A story as a page shows it.

    Args:
        story: the call.
        complaints: what somebody found wrong with it, such as a test.
    """
    began = moment(story.began_at)
    return CallView(
        story.call_sid,
        story.state,
        story.end_reason.replace("_", " "),
        story.end_detail,
        not story.end_reason or story.end_reason in ENDED_WELL,
        f"{began:%a %d %b %Y, %H:%M:%S}",
        began.isoformat(timespec="seconds"),
        tuple(_who(story)),
        tuple(_figures(story)),
        tuple(_rows(story)),
        tuple(_costs(story)),
        dollars(story.cost.microdollars),
        tuple((form, pretty(data)) for form, data in story.captured.items()),
        pretty(story.values),
        tuple(_analysis(story.analysis)) if story.analysis else (),
        any(turn.latency is not None for turn in story.turns),
        tuple(complaints),
    )


def pretty(text: str) -> str:
    """JSON text on several lines where one would be long; other text as it is."""
    try:
        raw = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text
    if not isinstance(raw, dict | list):
        return text
    indent = 2 if len(text) > _SHORT else 0
    return msgspec.json.format(text.encode(), indent=indent).decode()


_SHORT: Final = 80


def _who(story: CallStory) -> Iterator[tuple[str, str]]:
    if story.caller:
        yield "from", story.caller
    if story.called:
        yield "to", story.called
    if story.direction != "inbound":
        yield "direction", story.direction
    if story.agent:
        yield "agent", story.agent
    models = ", ".join(dict.fromkeys(stream.model for stream in story.streams if stream.model))
    if models:
        yield "model", models


def _figures(story: CallStory) -> Iterator[Figure]:
    yield Figure("Duration", length(story.duration_ms))
    yield Figure("Turns", str(len(story.turns)))
    greeting = [stream.first_audio_ms for stream in story.streams if stream.first_audio_ms is not None]
    if greeting:
        yield Figure("Greeting after", f"{greeting[0]:,} ms")
    if story.response is not None:
        yield Figure("Wait p95", f"{story.response.p95:,} ms", _percentiles(story.response))
    if story.interruptions:
        silent = "" if story.barge_in is None else f"silent after {story.barge_in.p50:,} ms"
        yield Figure("Interruptions", str(story.interruptions), silent)
    tools = [tool for turn in story.turns for tool in turn.tools]
    if tools:
        bad = sum(tool.outcome not in _GOOD_OUTCOMES and bool(tool.outcome) for tool in tools)
        yield Figure("Tools", str(len(tools)), f"{bad} not answered" if bad else "", is_bad=bool(bad))
    replaced = sum(happening.kind == "session_replaced" for happening in story.happenings)
    if replaced:
        yield Figure("Sessions replaced", str(replaced))
    errors = sum(stream.errors for stream in story.streams)
    if errors:
        yield Figure("Errors", str(errors), is_bad=True)
    yield Figure("Cost", dollars(story.cost.microdollars))


def _percentiles(of: Percentiles) -> str:
    return f"p50 {of.p50:,} · p90 {of.p90:,} · most {of.max:,} ms, of {of.count}"


# --- The course of the call -----------------------------------------------------------------------------


def _rows(story: CallStory) -> Iterator[Row]:
    """Turns and what happened beside them, by their times."""
    scale_ms = max(
        [SCALE_MS_MIN, *(turn.latency.whole_ms for turn in story.turns if turn.latency is not None)]
    )
    beside = [_beside(number, happening) for number, happening in enumerate(story.happenings, 1)]
    beside.sort(key=lambda row: row.at_ms)
    for turn in story.turns:
        while beside and beside[0].at_ms < turn.began_ms:
            yield beside.pop(0)
        yield _turn(turn, scale_ms)
    yield from beside


def _turn(turn: Turn, scale_ms: int) -> TurnRow:
    spoke_ms = sum(span.ended_ms - span.began_ms for span in turn.spans)
    stopped = "" if turn.barge_in_ms is None else f", the agent was silent after {turn.barge_in_ms:,} ms"
    return TurnRow(
        f"turn-{turn.number}",
        turn.number,
        turn.began_ms,
        place(turn.began_ms),
        turn.caller or "",
        f"spoke for {length(spoke_ms)}" if turn.spans and not turn.caller else "",
        turn.keys,
        tuple(map(_tool, turn.tools)),
        tuple(map(_said, turn.agent)),
        f"The caller interrupted{stopped}." if turn.was_interrupted else "",
        None if turn.latency is None else _wait(turn.latency, scale_ms),
    )


def _said(spoken: Spoken) -> SaidRow:
    if not spoken.words and not spoken.heard_ms:
        return SaidRow("", "", f"nothing heard of {length(spoken.sent_ms)}", spoken.was_cut)
    if not spoken.words:
        of_all = f" of {length(spoken.sent_ms)}" if spoken.heard_ms < spoken.sent_ms else ""
        return SaidRow("", "", f"heard for {length(spoken.heard_ms)}{of_all}", spoken.was_cut)
    return SaidRow(*heard_and_cut(spoken), was_cut=spoken.was_cut)


def heard_and_cut(spoken: Spoken) -> tuple[str, str]:
    """What was heard of an item, and the rest that was not. All that was to be said is in the two."""
    words, heard = spoken.words.strip(), spoken.heard.strip()
    if words == heard:
        return words, ""
    # One that was cut between two sentences ends as it stands, within one with dots.
    beginning = heard.removesuffix("…").rstrip()
    if words.startswith(beginning):
        return beginning, words[len(beginning) :].strip()
    return heard, words


def _tool(tool: ToolUse) -> ToolRow:
    return ToolRow(
        tool.name,
        place(tool.began_ms),
        pretty(tool.arguments),
        pretty(tool.result),
        tool.outcome.replace("_", " "),
        tool.outcome in _GOOD_OUTCOMES,
        tool.is_ours,
        "" if tool.duration_ms is None else f"{tool.duration_ms:,} ms",
    )


def _wait(latency: Latency, scale_ms: int) -> WaitRow:
    parts, at_ms = [], 0
    for part in latency.parts:
        parts.append(
            WaitPart(part.name, part.ms, part.owner, _share(at_ms, scale_ms), _share(part.ms, scale_ms))
        )
        at_ms += part.ms
    in_words = ", ".join(f"{part.name} {part.ms:,} ms ({part.owner})" for part in latency.parts if part.ms)
    return WaitRow(latency.whole_ms, latency.ours_ms, tuple(parts), in_words)


def _share(ms: int, of_ms: int) -> str:
    return f"{100 * ms / of_ms:.2f}%"


_GROUPS: Final = (
    ("step", ("step_entered", "attempt_failed", "agent_changed")),
    ("transfer", ("transfer", "person", "caller_led_back", "fallback", "menu", "voicemail")),
    ("text", ("text", "caller_texted")),
    ("session", ("session", "model_trouble", "clip", "process_lost", "stream_started")),
    ("capture", ("field", "capture")),
    ("recording", ("recording", "consent")),
    ("warning", ("noted", "not_kept", "carrier_alert")),
)


def _beside(number: int, happening: Happening) -> BesideRow:
    group = next((name for name, kinds in _GROUPS if happening.kind.startswith(kinds)), "other")
    details = tuple(
        (name.replace("_", " "), str(value))
        for name, value in happening.detail.items()
        if group != "recording"  # Names of files.
    )
    return BesideRow(
        f"beside-{number}", happening.at_ms, place(happening.at_ms), group, happening.title, details
    )


def _analysis(text: str) -> Iterator[tuple[str, str]]:
    try:
        found = msgspec.json.decode(text, type=AnalysisResult)
    except msgspec.DecodeError:  # Another version wrote it.
        yield "found", pretty(text)
        return
    yield "summary", found.summary
    yield "wanted", found.intent
    yield "outcome", found.outcome.replace("_", " ")
    yield "sentiment", f"{found.sentiment:+.1f}"
    yield "lead score", str(found.lead_score)
    for entry in found.follow_ups:
        yield "to do", entry
    for promise in found.promises:
        by = f", tool {promise.tool}" if promise.tool else ""
        became = f"{promise.verdict.value.replace('_', ' ')}{by}, turn {promise.turn}"
        yield "promised", f"“{promise.words}”: {became}"


# --- Money ----------------------------------------------------------------------------------------------


def _costs(story: CallStory) -> Iterator[CostRow]:
    cost = story.cost
    for line in cost.lines:
        yield CostRow(line.name, _amount(line), dollars(line.microdollars))
    as_of = f", prices of {cost.prices_as_of}" if cost.prices_as_of else ""
    yield CostRow(f"together{as_of}", "", dollars(cost.microdollars))
    if cost.unheard_microdollars:
        yield CostRow("of it for what nobody heard", "", dollars(cost.unheard_microdollars), is_aside=True)
    if cost.silent_microdollars:
        yield CostRow("of it while nobody spoke", "", dollars(cost.silent_microdollars), is_aside=True)
    for thing in cost.unpriced:
        yield CostRow(f"{thing} has no price here", "", "", is_aside=True)


def _amount(line: CostLine) -> str:
    unit = line.unit.removesuffix("s") if line.quantity == 1 else line.unit
    return f"{line.quantity:,.10g} {unit}"


def size_in_words(story: CallStory) -> str:
    """A call in a few words: for the title of a page."""
    return f"{length(story.duration_ms)}, {counted(len(story.turns), 'turn')}"
