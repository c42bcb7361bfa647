"""What must not be in a call that proves anything: each thing that is found in its three sides. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from callbridge.call.facts import ToolUsed
from callbridge.call.outcomes import ToolOutcome
from callbridge.simulators.truth import AudioChangedError, heard_call
from callbridge.testing.call_data import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callbridge.testing.call_data import CallData
    from callbridge.testing.prompting import MovesPrompter

SILENCE_MS_MAX: Final = 4000
"""What the service promises: a caller who waits hears something before."""


def complaints_of(call: CallData, prompter: MovesPrompter, clips: Sequence[bytes]) -> tuple[Complaint, ...]:
    """All of them, in the order of their moments.

    Args:
        call: what was played.
        prompter: of its model.
        clips: what the service plays of its own, whole.
    """
    found = [
        *_of_moves(call, prompter),
        *_of_tools(call),
        *_of_the_phone(call),
        *_of_the_model(call),
        *_of_audio(call, clips),
        *_of_the_log(call),
    ]
    return tuple(sorted(found, key=lambda one: math.inf if one.at_ms is None else one.at_ms))


def _of_moves(call: CallData, prompter: MovesPrompter) -> Iterator[Complaint]:
    if not call.sessions:
        yield Complaint(
            "never_answered", "the service never reached the model: no agent was tested; see the log"
        )
    for tool, offered in prompter.not_offered:
        names = ", ".join(offered) or "none"
        yield Complaint(
            "tool_not_offered",
            f"the model was to call {tool}, which the session does not offer then; it offers: {names}",
        )
    if prompter.fault:
        yield Complaint("text_model", prompter.fault)
    if prompter.waiting:
        left = ", ".join(repr(move) for move in prompter.waiting)
        yield Complaint("moves_left", f"nobody came to {len(prompter.waiting)} of the model's moves: {left}")
    if prompter.unscripted:
        yield Complaint(
            "unscripted",
            f"the model was asked for {prompter.unscripted} more than its moves: write one for each response",
        )


def _of_tools(call: CallData) -> Iterator[Complaint]:
    for fact in call.facts:
        if isinstance(fact, ToolUsed) and fact.outcome in {ToolOutcome.FAILED, ToolOutcome.TIMED_OUT}:
            yield Complaint(
                "tool_failed", f"{fact.name}: {fact.outcome.value}", fact.at_ms + call.story_from_ms
            )


def _of_the_phone(call: CallData) -> Iterator[Complaint]:
    for warning in call.phone.warnings:
        what = f"{warning.code} {warning.meaning}: {warning.detail}"
        yield Complaint("carrier", what, warning.first_at_ms)
    for finding in call.phone.findings:
        yield Complaint("caller", finding)
    for silence in call.phone.dead_air(SILENCE_MS_MAX):
        length_s = (silence.to_ms - silence.from_ms) / 1000
        yield Complaint(
            "silence", f"nobody was heard for {length_s:.1f} s, after: {silence.after}", silence.from_ms
        )


def _of_the_model(call: CallData) -> Iterator[Complaint]:
    for journal in call.sessions:
        for refusal in journal.refusals:
            yield Complaint("model_refusal", f"{refusal.event_type}: {refusal.code}: {refusal.message}")


def _of_audio(call: CallData, clips: Sequence[bytes]) -> Iterator[Complaint]:
    ended = [(stream.playback, stream.end.at) for stream in call.streams if stream.end is not None]
    items: list[Any] = [item for journal in call.sessions for item in journal.items.values()]
    try:
        heard_call(ended, items, clips)
    except AudioChangedError as error:
        yield Complaint("audio_changed", f"what the agent said was changed on its way to the phone: {error}")
    if len(call.sessions) == 1 and len(call.streams) == 1:
        said, got = call.streams[0].audio_sent, bytes(call.sessions[0].appended or b"")
        if not got or said[: len(got)] != got:
            yield Complaint("audio_lost", "what the caller said was lost or changed on its way to the model")


def _of_the_log(call: CallData) -> Iterator[Complaint]:
    for line in call.log:
        if line.is_trouble:
            yield Complaint("log", f"{line.level}: {line.event} {line.fields or ''}".rstrip(), line.at_ms)
