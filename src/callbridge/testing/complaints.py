"""What must not be in a call that proves anything: each thing that is found in its three sides. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from callbridge.call.outcomes import ToolOutcome
from callbridge.simulators.truth import AudioChangedError
from callbridge.testing.call_data import Complaint
from callbridge.testing.heard import heard_items

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.testing.call_data import CallData
    from callbridge.testing.logged import LogLine
    from callbridge.testing.prompting import MovesPrompter

SILENCE_MS_MAX: Final = 4000
"""What the service promises: a caller who waits hears something before."""


def complaints_of(
    call: CallData, prompter: MovesPrompter, placed_at: float, max_call_s: float
) -> list[Complaint]:
    """All of them.

    Args:
        call: what was played.
        prompter: of its model.
        placed_at: when it was dialled, by the clock of its loop.
        max_call_s: when the caller was to hang up at the latest.
    """
    return [
        *_of_moves(prompter, placed_at),
        *_of_the_end(call, max_call_s),
        *_of_tools(call),
        *_of_the_phone(call),
        *_of_the_model(call, placed_at),
        *_of_audio(call),
        *_of_the_log(call),
    ]


def in_order(found: Iterable[Complaint]) -> tuple[Complaint, ...]:
    """By their moments; those that have none come last."""
    return tuple(sorted(found, key=lambda one: math.inf if one.at_ms is None else one.at_ms))


def _of_moves(prompter: MovesPrompter, placed_at: float) -> Iterator[Complaint]:
    for not_offered in prompter.not_offered:
        names = ", ".join(not_offered.offered) or "none"
        yield Complaint(
            "tool_not_offered",
            f"the model was to call {not_offered.tool}; the session did not offer it then, but: {names}",
            _ms(not_offered.at, placed_at),
        )
    if prompter.fault:
        yield Complaint("text_model", prompter.fault)
    if prompter.waiting:
        left = ", ".join(repr(move) for move in prompter.waiting)
        yield Complaint("moves_left", f"nobody came to {len(prompter.waiting)} of the model's moves: {left}")
    for at in prompter.unscripted:
        yield Complaint(
            "unscripted",
            "the model was asked for more than its moves; write one for each response",
            _ms(at, placed_at),
        )


def _of_the_end(call: CallData, max_call_s: float) -> Iterator[Complaint]:
    if not call.sessions and not (call.has_real_model and call.story.turns):
        why = "the service never reached the model: no agent was tested; see the log"
        yield Complaint("never_answered", why)
    if call.phone.duration_ms >= max_call_s * 1000:
        yield Complaint("not_ended", f"nobody had hung up after {max_call_s:g} s", round(max_call_s * 1000))


def _of_tools(call: CallData) -> Iterator[Complaint]:
    raised = {line.fields["tool"]: line.fields["error"] for line in call.log if line.event == "tool_raised"}
    for turn in call.story.turns:
        for tool in turn.tools:
            at_ms = tool.began_ms + (tool.duration_ms or 0) + call.story_from_ms
            if tool.outcome == ToolOutcome.REFUSED.value and _INVALID in tool.result:
                text = f"{tool.name} does not take {tool.arguments}: {tool.result}"
                yield Complaint("arguments_refused", text, at_ms)
            elif tool.outcome in _FAILED:
                error = f" ({raised[tool.name]})" if tool.name in raised else ""
                yield Complaint("tool_failed", f"{tool.name} {tool.outcome}{error}: {tool.result}", at_ms)


_INVALID: Final = "invalid arguments: "
"""How a tool begins to say that its schema does not allow them."""

_FAILED: Final = frozenset(
    outcome.value for outcome in (ToolOutcome.FAILED, ToolOutcome.TIMED_OUT, ToolOutcome.BUSY)
)


def _is_of_a_tool(line: LogLine) -> bool:
    """What became of a tool is told of the tool itself, where it is a complaint at all."""
    return line.event in {"tool_raised", "tool_used"}


def _of_the_phone(call: CallData) -> Iterator[Complaint]:
    of_people = [warning for person in call.people for warning in person.warnings]
    for warning in (*call.phone.warnings, *of_people):
        what = f"{warning.code} {warning.meaning}: {warning.detail} ({warning.remedy})"
        yield Complaint("carrier", what, warning.first_at_ms)
    for finding in call.phone.findings:
        yield Complaint("caller", finding)
    for silence in call.phone.dead_air(SILENCE_MS_MAX):
        length_s = (silence.to_ms - silence.from_ms) / 1000
        text = f"nobody was heard for {length_s:.1f} s, behind: {silence.after}"
        yield Complaint("silence", text, silence.from_ms)


def _of_the_model(call: CallData, placed_at: float) -> Iterator[Complaint]:
    for journal in call.sessions:
        for refusal in journal.refusals:
            what = f"{refusal.event_type or 'no event'}: {refusal.code}: {refusal.message}"
            yield Complaint("model_refusal", what, _ms(refusal.at, placed_at))


def _of_audio(call: CallData) -> Iterator[Complaint]:
    if call.has_real_model:
        return
    try:
        heard_items(call)
    except AudioChangedError as error:
        yield Complaint("audio_changed", f"what the agent said was changed on its way to the phone: {error}")
    if not all(_is_whole(bytes(journal.appended or b""), call) for journal in call.sessions):
        yield Complaint("audio_lost", "what the caller said was lost or changed on its way to the model")


def _is_whole(got: bytes, call: CallData) -> bool:
    """Whether this is a piece of what the caller said; of one session alone, its beginning."""
    said = [stream.audio_sent for stream in call.streams]
    if len(call.sessions) > 1 or len(said) > 1:
        return any(got in one for one in said)
    has_had_time = len(said[0]) >= _SOON_BYTES if said else False
    return said[0].startswith(got) and (bool(got) or not has_had_time) if said else not got


_SOON_BYTES: Final = 8000
"""A caller who is gone within a second may be gone before there is a session."""


def _of_the_log(call: CallData) -> Iterator[Complaint]:
    for line in call.log:
        if line.is_trouble and not _is_of_a_tool(line):
            yield Complaint("log", f"{line.level}: {line.event} {line.fields or ''}".rstrip(), line.at_ms)


def _ms(at: float, placed_at: float) -> int:
    return round((at - placed_at) * 1000)
