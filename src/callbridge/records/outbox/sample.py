"""A call that never was: what `callbridge deliveries test` tells receivers, and the pages show."""

from __future__ import annotations

from typing import Final

import msgspec

from callbridge.records.outbox.events import CALL_COMPLETED, Event, event_id
from callbridge.records.story import (
    CallStory,
    Cost,
    CostLine,
    Latency,
    Part,
    Percentiles,
    Span,
    Spoken,
    StreamPart,
    ToolUse,
    Turn,
    UsageTotals,
)

SAMPLE_SID: Final = f"CA{'0' * 32}"
"""No call of Twilio's has it."""

_SAMPLE_STREAM: Final = f"MZ{'0' * 32}"


def sample_story(ended_at: float) -> CallStory:
    """A short call in which an appointment was booked."""
    return CallStory(
        call_sid=SAMPLE_SID,
        state="ended",
        began_at=ended_at - 21.5,
        ended_at=ended_at,
        caller="+14155550100",
        caller_key="sample",
        called="+14155550199",
        agent="receptionist",
        end_reason="agent_hangup",
        duration_ms=21_500,
        streams=(
            StreamPart(
                _SAMPLE_STREAM,
                0,
                "gpt-realtime-2.1",
                21_400,
                "agent_hangup",
                first_audio_ms=420,
                process="web-1-5f1c2a9be07d4386",
            ),
        ),
        turns=(_greeting(), _booking()),
        captured={"Appointment": '{"day":"2026-12-01","time":"09:30"}'},
        values='{"is_new_customer":true}',
        response=Percentiles(1, 810, 810, 810, 810, 810),
        usage=UsageTotals(text_in=310, audio_in=140, audio_out=96, responses=2, model_s=21.4, line_minutes=1),
        cost=Cost(
            microdollars=19_240,
            lines=(CostLine("model", 546, "tokens", 10_740), CostLine("line", 1, "minutes", 8_500)),
            prices_as_of="2026-11-28",
        ),
    )


def sample_event(at: float) -> Event:
    """That it has ended. Each sample is an event of its own: none is taken for a repetition."""
    story = sample_story(at)
    content = msgspec.json.encode(story).decode()
    return Event(
        event_id(CALL_COMPLETED, SAMPLE_SID, f"sample {at}"), CALL_COMPLETED, SAMPLE_SID, at, content
    )


def _greeting() -> Turn:
    words = "Good morning, this is the practice of Dr. Ames."
    spoken = Spoken("item_1", words, words, 2_600, 2_600, Span(430, 3_030))
    return Turn(1, 430, agent=(spoken,), heard=words)


def _booking() -> Turn:
    words = "You are booked for Tuesday at half past nine."
    spoken = Spoken("item_3", words, words, 2_400, 2_400, Span(8_110, 10_510))
    return Turn(
        2,
        4_200,
        caller="Could I come in on Tuesday morning?",
        spans=(Span(4_200, 7_300),),
        agent=(spoken,),
        heard=words,
        tools=(
            ToolUse(
                "call_1",
                "book",
                7_500,
                '{"day":"2026-12-01","time":"09:30"}',
                '{"status":"booked"}',
                "answered",
                180,
            ),
        ),
        latency=Latency(
            810,
            (
                Part("turn detection", 500, "setting"),
                Part("response created", 10, "model"),
                Part("first delta", 240, "model"),
                Part("first audio sent", 0, "ours"),
                Part("first audio heard", 60, "phone"),
            ),
            ours_ms=0,
            first_delta_ms=250,
        ),
    )
