"""One call on a screen: who and when, the speech of both sides as bars, each turn, the waits, the money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from callbridge.cli.calls.analysis_lines import analysis_lines
from callbridge.cli.calls.in_words import quoted, short
from callbridge.cli.calls.speech_bars import bar, marks
from callbridge.observe.redaction import escaped
from callbridge.records.in_words import counted, dollars, length, moment, place
from callbridge.records.timeline import timeline
from callbridge.state.neighbours import machine_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType

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

WIDTH_MAX: Final = 120
_NAME_WIDTH: Final = 8
"""Of what stands at the beginning of a line."""

_ENDED_WELL: Final = frozenset({"caller_hangup", "agent_hangup", "transferred", "limit_duration"})


def show_call(console: Console, story: CallStory) -> None:
    """Shows it, as wide as the console is."""
    width = min(console.width, WIDTH_MAX)
    for part in _page(story, width, is_plain=not _has_blocks(console)):
        console.print(part, width=width, highlight=False)


def _has_blocks(console: Console) -> bool:
    return console.encoding.lower().startswith("utf")


def _page(story: CallStory, width: int, *, is_plain: bool) -> Iterator[RenderableType]:
    yield from _head(story)
    if story.duration_ms:
        yield ""
        yield from _bars(story, width - _NAME_WIDTH - 1, is_plain=is_plain)
    if story.turns or story.happenings:
        yield ""
        yield _course(story)
    yield ""
    yield _sums(story)


# --- The head -----------------------------------------------------------------------------------------


def _head(story: CallStory) -> Iterator[Text]:
    state = Text(story.state, "green" if story.state == "live" else "bold")
    parts = [Text(story.call_sid, "bold"), state, _end(story), _machines(story)]
    yield Text("  ").join(part for part in parts if part)
    began = moment(story.began_at)
    agent = f"agent {escaped(story.agent)}" if story.agent else "no agent"
    models = ", ".join(dict.fromkeys(escaped(stream.model) for stream in story.streams if stream.model))
    yield Text(
        " · ".join(
            filter(
                None,
                (
                    f"{began:%a %d %b %Y %H:%M:%S %Z}",
                    f"from {escaped(story.caller or 'nobody known')}",
                    f"to {escaped(story.called)}" if story.called else "",
                    story.direction if story.direction != "inbound" else "",
                ),
            )
        )
    )
    yield Text(" · ".join(filter(None, (agent, models, *_size(story)))))


def _end(story: CallStory) -> Text:
    if not story.end_reason:
        return Text("")
    style = "green" if story.end_reason in _ENDED_WELL else "yellow"
    detail = f" ({escaped(story.end_detail)})" if story.end_detail else ""
    return Text.assemble((story.end_reason.replace("_", " "), style), detail)


def _machines(story: CallStory) -> Text:
    """Which of them carried it, in order: the last one does where it is live."""
    machines = dict.fromkeys(filter(None, (machine_of(stream.process) for stream in story.streams)))
    return Text(f"at {escaped(', '.join(machines))}" if machines else "", "dim")


def _size(story: CallStory) -> Iterator[str]:
    if story.duration_ms:
        yield length(story.duration_ms)
    yield counted(len(story.turns), "turn")
    if story.interruptions:
        yield counted(story.interruptions, "interruption")
    yield dollars(story.cost.microdollars)


# --- The bars -----------------------------------------------------------------------------------------


def _bars(story: CallStory, width: int, *, is_plain: bool) -> Iterator[Text]:
    lines, whole_ms = timeline(story), story.duration_ms
    numbers = marks(((turn.began_ms, str(turn.number)) for turn in story.turns), whole_ms, width)
    events = [(tool.began_ms, "t") for turn in story.turns for tool in turn.tools]
    events += [(happening.at_ms, "*") for happening in story.happenings]
    yield _bar("caller", bar(lines.caller, whole_ms, width, is_plain=is_plain), "cyan")
    yield _bar("agent", bar(lines.agent, whole_ms, width, is_plain=is_plain), "green")
    yield _bar("turn", numbers, "dim")
    if events:
        yield _bar("", marks(events, whole_ms, width), "yellow")
    end = place(whole_ms)
    yield _bar("", f"{place(0)}{end:>{width - len(place(0))}}", "dim")


def _bar(name: str, line: str, style: str) -> Text:
    return Text.assemble((f"{name:<{_NAME_WIDTH}} ", "bold"), (line, style))


# --- What was said and done -----------------------------------------------------------------------------


def _course(story: CallStory) -> Table:
    """Turns and what happened beside them, by their times."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", style="bold")
    grid.add_column(justify="right", style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    beside = sorted(story.happenings, key=lambda happening: happening.at_ms)
    for turn in story.turns:
        while beside and beside[0].at_ms < turn.began_ms:
            _add_happening(grid, beside.pop(0))
        _add_turn(grid, turn)
    for happening in beside:
        _add_happening(grid, happening)
    return grid


def _add_happening(grid: Table, happening: Happening) -> None:
    detail = ", ".join(f"{name} {short(value)}" for name, value in happening.detail.items())
    line = Text.assemble((escaped(happening.title), "yellow"), (f"  {detail}" if detail else "", "dim"))
    grid.add_row("", place(happening.at_ms), Text("*", "yellow"), line)


def _add_turn(grid: Table, turn: Turn) -> None:
    rows = list(_rows(turn))
    for place_in_turn, (who, line) in enumerate(rows):
        is_first = place_in_turn == 0
        grid.add_row(
            str(turn.number) if is_first else "", place(turn.began_ms) if is_first else "", who, line
        )


def _rows(turn: Turn) -> Iterator[tuple[Text, Text]]:
    if turn.caller is not None or turn.spans:
        yield Text("caller", "cyan"), _caller_words(turn)
    if turn.keys:
        yield Text("caller", "cyan"), Text(f"pressed {escaped(turn.keys)}")
    for tool in turn.tools:
        yield Text("tool", "magenta"), _tool(tool)
    for spoken in turn.agent:
        yield Text("agent", "green"), _agent_words(spoken)
    if turn.was_interrupted:
        stopped = "" if turn.barge_in_ms is None else f", silent after {turn.barge_in_ms} ms"
        yield Text("", "yellow"), Text(f"interrupted{stopped}", "yellow")
    if turn.latency is not None:
        yield Text("wait", "dim"), _wait(turn.latency)


def _caller_words(turn: Turn) -> Text:
    if turn.caller:  # Empty where words are not kept.
        return Text(quoted(turn.caller))
    spoke_ms = sum(span.ended_ms - span.began_ms for span in turn.spans)
    return Text(f"spoke for {length(spoke_ms)}", "dim")


def _agent_words(spoken: Spoken) -> Text:
    """What was heard, and apart from it what was not."""
    if not spoken.words:
        of_all = f" of {length(spoken.sent_ms)}" if spoken.heard_ms < spoken.sent_ms else ""
        return Text(f"heard for {length(spoken.heard_ms)}{of_all}", "dim")
    if spoken.words.strip() == spoken.heard.strip():
        return Text(quoted(spoken.words))
    if not spoken.heard:
        return Text.assemble("nothing heard ", (f"of {quoted(spoken.words)}", "dim"))
    # One that was cut between two sentences ends as it stands, within one with dots.
    beginning = spoken.heard.removesuffix("…").rstrip()
    if not spoken.words.startswith(beginning):
        return Text.assemble(quoted(spoken.heard), (f" of {quoted(spoken.words)}", "dim"))
    rest = spoken.words[len(beginning) :].strip()
    return Text.assemble(quoted(spoken.heard), (f" not heard: {quoted(rest)}", "dim"))


def _tool(tool: ToolUse) -> Text:
    took = "" if tool.duration_ms is None else f" in {tool.duration_ms:,} ms"
    outcome = (tool.outcome or "no answer known").replace("_", " ")
    style = "" if tool.outcome == "answered" else "yellow"
    arguments = f"({short(tool.arguments)})" if tool.arguments else ""
    result = f": {short(tool.result)}" if tool.result else ""
    ours = " by the agent's own code" if tool.is_ours else ""
    return Text.assemble(
        (escaped(tool.name), "bold"), arguments, f"{ours} ", (f"{outcome}{took}", style), (result, "dim")
    )


def _wait(latency: Latency) -> Text:
    parts = " + ".join(f"{escaped(part.name)} {part.ms} ({escaped(part.owner)})" for part in latency.parts)
    return Text.assemble(
        f"{latency.whole_ms:,} ms",
        (f" = {parts}" if parts else "", "dim"),
        (f"; ours {latency.ours_ms}", "dim"),
    )


# --- The sums -----------------------------------------------------------------------------------------


def _sums(story: CallStory) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True, min_width=_NAME_WIDTH)
    grid.add_column(overflow="fold", ratio=1)
    for name, words in _all_sums(story):
        grid.add_row(name, words)
    return grid


def _all_sums(story: CallStory) -> Iterator[tuple[str, RenderableType]]:
    greeting = [stream.first_audio_ms for stream in story.streams if stream.first_audio_ms is not None]
    if greeting:
        yield "greeting", f"{greeting[0]:,} ms after the stream began"
    if story.response is not None:
        yield "waits", _percentiles(story.response)
    if story.barge_in is not None:
        yield "barge-in", _percentiles(story.barge_in)
    for form, data in story.captured.items():
        yield "captured", f"{escaped(form)} {escaped(data)}"
    if story.values:
        yield "values", escaped(story.values)
    if story.analysis:
        yield from analysis_lines(story.analysis)
    for name in story.recordings:
        yield "recorded", escaped(name)
    yield "cost", _cost(story)


def _percentiles(of: Percentiles) -> str:
    shares = f"p50 {of.p50:,} · p90 {of.p90:,} · p95 {of.p95:,} · p99 {of.p99:,}"
    return f"{shares} · most {of.max:,} ms, of {of.count}"


def _amount(line: CostLine) -> str:
    unit = line.unit.removesuffix("s") if line.quantity == 1 else line.unit
    return f"{line.quantity:,.10g} {unit}"


def _cost(story: CallStory) -> Table:
    cost = story.cost
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    for line in cost.lines:
        grid.add_row(escaped(line.name), _amount(line), dollars(line.microdollars))
    as_of = f", prices of {cost.prices_as_of}" if cost.prices_as_of else ""
    grid.add_row(f"together{as_of}", "", Text(dollars(cost.microdollars), "bold"))
    if cost.unheard_microdollars:
        grid.add_row(Text("of it for what nobody heard", "dim"), "", dollars(cost.unheard_microdollars))
    if cost.silent_microdollars:
        grid.add_row(Text("of it while nobody spoke", "dim"), "", dollars(cost.silent_microdollars))
    for thing in cost.unpriced:
        grid.add_row(Text(f"{escaped(thing)} has no price here", "yellow"), "", "")
    return grid
