"""What of a span may leave: no number and no secret anywhere, words only where they are wanted."""

from __future__ import annotations

import pytest

import canaries
from callbridge.observe.redaction import redaction
from callbridge.observe.tracing.filtering import STACK_CHARACTERS_MAX, SpanFilter
from callbridge.observe.tracing.spans import Span, SpanEvent, Words

SECRETS = (canaries.API_KEY, canaries.AUTH_TOKEN, canaries.TOKEN)


def span(**attributes: object) -> Span:
    event = SpanEvent(f"rang {canaries.NUMBER}", 1.0, dict(attributes))  # type: ignore[arg-type]  # Whatever it is.
    return Span(
        trace_id=1,
        span_id=2,
        name=f"execute_tool {canaries.TOKEN}",
        began_at=0.0,
        ended_at=1.0,
        attributes=dict(attributes),  # type: ignore[arg-type]  # As above.
        events=(event,),
        fault=EVERYTHING,
    )


@pytest.mark.parametrize("with_words", [False, True])
def test_no_number_and_no_secret_is_left_anywhere(*, with_words: bool) -> None:
    """Neither in names, nor in values and lists, nor in what was said."""
    told = span(
        why=EVERYTHING,
        items=(EVERYTHING, canaries.NUMBER),
        said=Words(f"Call {canaries.NUMBER} or pay with {canaries.CARD}, {canaries.TOKEN}.", "user"),
        stack=EVERYTHING,
        **{"callbridge.to": "4711", "callbridge.token": "abc"},
    )
    shown = SpanFilter(redaction(SECRETS), with_words=with_words)(told)
    assert canaries.found_in(repr(shown)) == []
    assert (shown.attributes["callbridge.to"], shown.attributes["callbridge.token"]) == ("********",) * 2


def test_words_are_left_out_unless_they_are_wanted() -> None:
    told = span(said=Words(canaries.WORDS, "user"), count=3)
    without, with_them = (SpanFilter(redaction(), with_words=wanted)(told) for wanted in (False, True))
    assert dict(without.attributes) == {"count": 3}
    assert dict(with_them.attributes) == {"said": Words(canaries.WORDS, "user"), "count": 3}


def test_a_stack_is_longer_than_other_texts() -> None:
    shown = SpanFilter(redaction())(span(**{"code.stacktrace": "line\n" * 9_000, "why": "x " * 9_000}))
    assert STACK_CHARACTERS_MAX < len(str(shown.attributes["code.stacktrace"])) < STACK_CHARACTERS_MAX + 50
    assert len(str(shown.attributes["why"])) < 550


SENSITIVE = (canaries.NUMBER, canaries.CARD, *SECRETS)
EVERYTHING = " / ".join(SENSITIVE)
