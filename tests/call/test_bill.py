"""What a call has cost: told after each response, so that caps are reached in the middle of a call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call.bill import Bill
from callbridge.call.bill_facts import Billed
from callbridge.call.facts import StreamEnded
from callbridge.call.outbox import Outbox
from callbridge.call.phases import Phase
from callbridge.call.price import LinePrice, Price, TranscriptionPrice
from callbridge.call.usage import Usage
from callbridge.wire import realtime_events as rt
from rigs import PLAN

A_DOLLAR_FOR_1000_TOKENS = Price(
    text_input=0, text_cached=0, text_output=0, audio_input=0, audio_cached=0, audio_output=1_000_000_000
)


def bills_in(told: Iterable[object]) -> list[Billed]:
    """The bills among what was told."""
    return [note.fact for note in told if isinstance(note, a.Note) and isinstance(note.fact, Billed)]


def test_what_each_response_adds_is_told() -> None:
    """The usage is that of the stream so far, the cost what is new."""
    book = v.live(replace(PLAN, price=A_DOLLAR_FOR_1000_TOKENS))
    told = []
    for response_id, tokens in (("greeting", 100), ("more", 30)):
        usage = rt.Usage(0, tokens, None, rt.OutputTokens(0, tokens))
        told += book.rig.feed(v.created(response_id), v.done(response_id, usage=usage))
    bills = bills_in(told)
    assert [(bill.usage.output_audio_tokens, bill.cost_microdollars) for bill in bills] == [
        (100, 100_000),
        (130, 30_000),
    ]


@pytest.mark.parametrize("status", ["completed", "cancelled", "incomplete", "failed"])
def test_a_bill_says_what_the_response_alone_used(status: str) -> None:
    """A response that was interrupted costs what it has made, heard or not."""
    book = v.live(replace(PLAN, price=A_DOLLAR_FOR_1000_TOKENS))
    usage = rt.Usage(7, 40, None, rt.OutputTokens(0, 40))
    bills = bills_in(book.rig.feed(v.created("greeting"), v.done("greeting", status, usage=usage)))
    assert [(bill.what, bill.billed_id, bill.priced_as, bill.used) for bill in bills] == [
        ("response", "greeting", PLAN.model, Usage(7, 40, output_audio_tokens=40))
    ]


def test_transcripts_are_on_the_bill() -> None:
    price = TranscriptionPrice(minute=6_000)
    plan = replace(PLAN, price=None, transcription_price=price)
    book = v.live(plan)
    words = rt.CallerTranscript("item", "Hello.", usage=rt.TranscriptionUsage(seconds=30))
    (bill,) = bills_in(book.rig.feed(words))
    assert (bill.what, bill.billed_id, bill.cost_microdollars) == ("transcription", "item", 3_000)
    assert (bill.priced_as, bill.used) == (plan.transcription_model, Usage(transcription_ms=30_000))


LINE = LinePrice(name="inbound +1", line=100, stream=10)


def minutes_at(seconds: Sequence[int], *, age_s: float = 0.0, is_continued: bool = False) -> list[Billed]:
    """The bills of minutes, where something is billed at each of these moments of a stream."""
    plan, out = replace(PLAN, line_price=LINE), Outbox("CA1", "MZ1", 1_000.0)
    bill = Bill(out, age_s, is_continued=is_continued)
    for at in seconds:
        out.now = 1_000.0 + at
        bill.line_goes_on(plan)
    return bills_in(out.actions)


def test_minutes_of_the_line_are_added_as_they_begin() -> None:
    """With what is billed next: no timer waits for a minute to begin. 60 s are one minute, 61 s are two."""
    bills = minutes_at([1, 30, 60, 61, 200])
    added = [(bill.line_minutes, bill.stream_minutes, bill.cost_microdollars) for bill in bills]
    assert added == [(1, 1, 110), (1, 1, 110), (2, 2, 220)]
    assert {(bill.what, bill.priced_as) for bill in bills} == {("line", "inbound +1")}


def test_a_second_stream_begins_its_own_minutes_and_goes_on_with_those_of_the_line() -> None:
    """130 s into a call its line has three minutes, which the stream before has counted."""
    bills = minutes_at([1, 50, 61], age_s=130, is_continued=True)
    assert [(bill.line_minutes, bill.stream_minutes) for bill in bills] == [(0, 1), (1, 1)]


def test_a_stream_that_ends_has_paid_for_its_minutes() -> None:
    """Also where the model has never answered: before the record of its end."""
    book = v.live(replace(PLAN, line_price=LINE))
    told = [note.fact for note in book.rig.feed(v.HANGS_UP) if isinstance(note, a.Note)]
    assert [type(fact) for fact in told[-2:]] == [Billed, StreamEnded]


def test_a_cap_is_reached_by_minutes_too() -> None:
    """The caller holds the line, and the model says little."""
    dear = LinePrice(name="inbound +1", line=2_000_000)
    book = v.live(replace(PLAN, line_price=dear, spend_max_microdollars=1_000_000))
    book.rig.feed(v.created("greeting"), v.done("greeting"))
    assert book.rig.phase is Phase.LEAVING


@pytest.mark.parametrize(("tokens", "counted"), [(12.5, 12), (-7, 0), (10**40, 262_144), (1e300, 262_144)])
def test_a_number_that_no_response_can_have_used_does_not_close_the_line(tokens: float, counted: int) -> None:
    """Caps on spending are for all calls: one odd number must not reach them."""
    book = v.live()
    usage = rt.Usage(0, tokens, None, rt.OutputTokens(0, tokens))
    book.rig.feed(v.created("greeting"), v.done("greeting", usage=usage))
    assert v.ended(book).usage == Usage(output_tokens=counted, output_audio_tokens=counted)
