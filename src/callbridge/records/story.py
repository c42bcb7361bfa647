"""One call as people ask for it: its turns, its times, its cost. Types only; `telling` makes them of facts.

Plain data, and JSON as it is: what the command line shows, the control listener answers, webhooks send and
exports hold. Times end in their unit: `…_ms` counts from the beginning of the call, `…_at` is in seconds
since 1970.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Span(msgspec.Struct, frozen=True):
    """A stretch of time in which somebody was heard."""

    began_ms: int
    ended_ms: int


class Part(msgspec.Struct, frozen=True):
    """One part of what a caller waited for."""

    name: str
    ms: int
    owner: str
    """Who can make it shorter: `setting`, `model`, `tools` (code of the agent's), `ours` or `phone`."""


class Latency(msgspec.Struct, frozen=True):
    """How long a caller waited for an answer, in parts that sum to the whole."""

    whole_ms: int
    """From the end of their speech to the first audio heard."""
    parts: tuple[Part, ...]
    ours_ms: int
    """The sum of the parts that are ours."""
    first_delta_ms: int | None = None
    """From `speech_stopped` to the first audio delta: what others publish."""


class Spoken(msgspec.Struct, frozen=True):
    """One item of what the agent said."""

    item_id: str
    words: str
    """All that it was to say; nothing where words are not kept."""
    heard: str
    """What the caller heard of that."""
    sent_ms: int = 0
    heard_ms: int = 0
    span: Span | None = None
    """When it was heard; nothing for what never was."""
    was_cut: bool = False


class ToolUse(msgspec.Struct, frozen=True):
    """A tool that was asked for."""

    call_id: str
    name: str
    began_ms: int
    arguments: str = ""
    result: str = ""
    outcome: str = ""
    """A `ToolOutcome`; empty for one that was started and of which nothing more is known."""
    duration_ms: int | None = None
    is_ours: bool = False
    """The agent's own code ran, and no model had asked for it."""


class Turn(msgspec.Struct, frozen=True):
    """One utterance of the caller and the agent's answer. A greeting has no utterance."""

    number: int
    began_ms: int
    """When speech began: the order of turns."""
    caller: str | None = None
    """What the caller said; nothing where no words came or none are kept."""
    spans: tuple[Span, ...] = ()
    """When the caller spoke."""
    keys: str = ""
    agent: tuple[Spoken, ...] = ()
    heard: str = ""
    """What was heard of the whole answer."""
    tools: tuple[ToolUse, ...] = ()
    was_interrupted: bool = False
    barge_in_ms: int | None = None
    """From the caller's first sound, as the model told of it, to the clear that stopped the agent."""
    latency: Latency | None = None


class Happening(msgspec.Struct, frozen=True):
    """What happened beside the turns: a step, a transfer, a text, a captured object, a lost session."""

    at_ms: int
    kind: str
    """The kind of its fact."""
    title: str
    """In a few words, for people."""
    detail: dict[str, str | int | float | bool | None] = {}
    """The fields of the fact that are worth reading."""


class StreamPart(msgspec.Struct, frozen=True):
    """One stream of the call."""

    stream_sid: str
    began_ms: int
    model: str = ""
    ended_ms: int | None = None
    reason: str = ""
    """An `EndReason`; empty while it is live."""
    detail: str = ""
    first_audio_ms: int | None = None
    """From its admitted start to the first agent audio sent."""
    first_delta_ms: int | None = None
    """From `response.create` for the greeting to its first audio delta: what others publish."""
    errors: int = 0
    process: str = ""
    """Which process carried it: the name of its machine, and behind the last `-` that of its start."""


class UsageTotals(msgspec.Struct, frozen=True):
    """What was used, by kind. Cached tokens are a part of the input of the same kind."""

    text_in: int = 0
    text_cached: int = 0
    text_out: int = 0
    audio_in: int = 0
    audio_cached: int = 0
    audio_out: int = 0
    transcription_in: int = 0
    transcription_out: int = 0
    transcription_s: float = 0.0
    """Where the transcription is billed by time."""
    responses: int = 0
    model_s: float = 0.0
    """How long sessions of the model were open."""
    line_minutes: int = 0
    """Started minutes of the caller's line."""
    stream_minutes: int = 0
    transfer_minutes: int = 0
    texts: int = 0


class CostLine(msgspec.Struct, frozen=True):
    """One line of a bill."""

    name: str
    quantity: float
    unit: str
    microdollars: int


class Cost(msgspec.Struct, frozen=True):
    """What a call cost, in millionths of a US dollar."""

    microdollars: int = 0
    lines: tuple[CostLine, ...] = ()
    prices_as_of: str = ""
    unpriced: tuple[str, ...] = ()
    """What has no price in the list, and is not in the sum."""
    unheard_microdollars: int = 0
    """Of it, for audio that nobody heard."""
    silent_microdollars: int = 0
    """Of it, for time in which nobody spoke."""


class Percentiles(msgspec.Struct, frozen=True):
    """Of one measure over the turns of a call; nothing of it where nothing was measured."""

    count: int
    p50: int
    p90: int
    p95: int
    p99: int
    max: int


class CallStory(msgspec.Struct, frozen=True):
    """A whole call."""

    call_sid: str
    state: Literal["declined", "live", "ended"]
    began_at: float
    ended_at: float | None = None
    caller: str = ""
    """The number or address, masked unless numbers are kept."""
    caller_key: str = ""
    """The same for all calls of one caller, and no number."""
    called: str = ""
    direction: str = "inbound"
    agent: str = ""
    end_reason: str = ""
    """How the call ended: an `EndReason` of its last stream, or why it was declined."""
    end_detail: str = ""
    duration_ms: int = 0
    streams: tuple[StreamPart, ...] = ()
    turns: tuple[Turn, ...] = ()
    happenings: tuple[Happening, ...] = ()
    captured: dict[str, str] = {}
    """Objects by form, as JSON text."""
    values: str = ""
    """The agent's `call.values`, as JSON text."""
    interruptions: int = 0
    response: Percentiles | None = None
    """The waits of the turns: `Latency.whole_ms`."""
    barge_in: Percentiles | None = None
    usage: UsageTotals = UsageTotals()
    cost: Cost = Cost()
    recordings: tuple[str, ...] = ()
    """Names under which recordings of it are stored."""
    analysis: str = ""
    """What a text model found, as JSON text; empty where none was asked."""
