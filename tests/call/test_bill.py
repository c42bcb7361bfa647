"""What a call has cost: told after each response, so that caps are reached in the middle of a call."""

from __future__ import annotations

from dataclasses import replace

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call.facts import Billed
from callbridge.call.price import Price
from callbridge.call.usage import Usage
from callbridge.wire import realtime_events as rt
from rigs import PLAN

A_DOLLAR_FOR_1000_TOKENS = Price(
    text_input=0, text_cached=0, text_output=0, audio_input=0, audio_cached=0, audio_output=1_000_000_000
)


def test_what_each_response_adds_is_told() -> None:
    """The usage is that of the stream so far, the cost what is new."""
    book = v.live(replace(PLAN, price=A_DOLLAR_FOR_1000_TOKENS))
    told = []
    for response_id, tokens in (("greeting", 100), ("more", 30)):
        usage = rt.Usage(0, tokens, None, rt.OutputTokens(0, tokens))
        told += book.rig.feed(v.created(response_id), v.done(response_id, usage=usage))
    bills = [note.fact for note in told if isinstance(note, a.Note) and isinstance(note.fact, Billed)]
    assert [(bill.usage.output_audio_tokens, bill.cost_microdollars) for bill in bills] == [
        (100, 100_000),
        (130, 30_000),
    ]


@pytest.mark.parametrize(("tokens", "counted"), [(12.5, 12), (-7, 0), (10**40, 262_144), (1e300, 262_144)])
def test_a_number_that_no_response_can_have_used_does_not_close_the_line(tokens: float, counted: int) -> None:
    """Caps on spending are for all calls: one odd number must not reach them."""
    book = v.live()
    usage = rt.Usage(0, tokens, None, rt.OutputTokens(0, tokens))
    book.rig.feed(v.created("greeting"), v.done("greeting", usage=usage))
    assert v.ended(book).usage == Usage(output_tokens=counted, output_audio_tokens=counted)
