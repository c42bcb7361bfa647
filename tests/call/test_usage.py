"""Usage by kind, as captures of real sessions have it, and what is odd about it."""

from __future__ import annotations

import pytest

from callbridge.call.bill_facts import Billed
from callbridge.call.facts import decode
from callbridge.call.usage import Usage, of_response, of_transcript
from callbridge.wire import realtime_events as rt


def response(details: str) -> rt.Usage:
    text = f'{{"type": "response.done", "response": {{"id": "r", "usage": {details}}}}}'
    event = rt.parse(text)
    assert isinstance(event, rt.ResponseDone)
    assert event.response.usage is not None
    return event.response.usage


def test_cached_tokens_are_a_part_of_their_kind() -> None:
    """The third turn of a real session: the audio of the first two was cached, and none of the text."""
    usage = of_response(
        response(
            '{"total_tokens": 200, "input_tokens": 139, "output_tokens": 61, "input_token_details": {'
            '"text_tokens": 43, "audio_tokens": 96, "image_tokens": 0, "cached_tokens": 64, '
            '"cached_tokens_details": {"text_tokens": 0, "audio_tokens": 64, "image_tokens": 0}}, '
            '"output_token_details": {"text_tokens": 18, "audio_tokens": 43, "reasoning_tokens": 9}}'
        )
    )
    assert usage == Usage(139, 61, 96, 43, 64, 64)
    assert usage.input_cached == (0, 64)
    assert (usage.input_text_tokens, usage.output_text_tokens) == (43, 18)


@pytest.mark.parametrize(
    ("cached", "by_kind"),
    [
        ('"cached_tokens": 50', (43, 7)),  # Only the sum: text first.
        ('"cached_tokens": 50, "cached_tokens_details": null', (43, 7)),
        ('"cached_tokens": 50, "cached_tokens_details": {"text_tokens": 2, "audio_tokens": 48}', (2, 48)),
        ('"cached_tokens_details": {"text_tokens": 2, "audio_tokens": 48}', (2, 48)),
        ('"cached_tokens": null', (0, 0)),
        # Numbers that contradict each other: no kind has more of it cached than there is.
        ('"cached_tokens": 50, "cached_tokens_details": {"audio_tokens": 900}', (0, 50)),
        ('"cached_tokens": 900, "cached_tokens_details": {"audio_tokens": 900}', (43, 96)),
        ('"cached_tokens": 9, "cached_tokens_details": {"audio_tokens": "many"}', (9, 0)),
    ],
)
def test_what_is_cached_may_be_told_in_many_ways(cached: str, by_kind: tuple[int, int]) -> None:
    text = f'{{"input_tokens": 139, "input_token_details": {{"audio_tokens": 96, {cached}}}}}'
    assert of_response(response(text)).input_cached == by_kind


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (
            '{"type": "tokens", "total_tokens": 35, "input_tokens": 26, "output_tokens": 9}',
            Usage(transcription_input_tokens=26, transcription_output_tokens=9),
        ),
        ('{"type": "duration", "seconds": 3}', Usage(transcription_ms=3_000)),
        ('{"type": "duration", "seconds": 0}', Usage()),
        ('{"type": "duration", "seconds": 1e300}', Usage(transcription_ms=3_600_000)),
        ('{"type": "duration", "seconds": "3"}', Usage()),
        ('{"type": "something new"}', Usage()),
    ],
)
def test_transcripts_are_billed_by_tokens_or_by_time(usage: str, counted: Usage) -> None:
    event = rt.parse(
        '{"type": "conversation.item.input_audio_transcription.completed", "item_id": "i", '
        f'"transcript": "Hello.", "usage": {usage}}}'
    )
    assert isinstance(event, rt.CallerTranscript)
    assert event.transcript == "Hello."
    assert event.usage is not None
    assert of_transcript(event.usage) == counted


def test_sums_and_what_came_after() -> None:
    one, two = Usage(139, 61, 96, 43, 64, 64), Usage(5, transcription_ms=3_000)
    assert (one + two).since(one) == two
    assert one + two == Usage(144, 61, 96, 43, 64, 64, transcription_ms=3_000)


def test_a_bill_of_old_is_still_read() -> None:
    """Facts on disk outlive the version that wrote them."""
    old = (
        b'{"kind":"billed","usage":{"input_tokens":10,"output_tokens":5,"input_audio_tokens":4,'
        b'"output_audio_tokens":3,"cached_tokens":8},"cost_microdollars":12,"call_sid":"CA1"}'
    )
    bill = decode(old)
    assert isinstance(bill, Billed)
    assert (bill.what, bill.used, bill.usage.input_cached) == ("response", None, (6, 2))
