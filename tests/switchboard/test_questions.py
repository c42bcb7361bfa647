"""Which request is a repetition, and what it is told."""

from __future__ import annotations

import pytest

from callbridge.call.facts import (
    CallOffered,
    CallReported,
    EndReason,
    Fact,
    Promise,
    StreamAsked,
    StreamStarted,
)
from callbridge.switchboard.questions import OFFER_S, Asked, Offer, Question, read_asked

NOW = 1_800_000_000.0
LATER = NOW + OFFER_S


def promise(stream: int) -> Promise:
    return Promise(stream, "clinic", "00" * 16, int(LATER))


OFFERED = CallOffered("", "", promise=promise(1))
DECLINED = CallOffered("", "", "capacity")
BEGUN = StreamStarted("", "")
RESUMED = StreamAsked("resume", EndReason.MEDIA_LOST, stream=1, promise=promise(2))
MOVED = StreamAsked("moved", EndReason.CALLER_HANGUP, stream=1)
HUNG_UP = StreamAsked("hang_up", EndReason.AGENT_HANGUP, stream=1)
OVER = CallReported("completed")
TOLD_TO_HANG_UP = StreamAsked("hang_up")


def asked(*facts: Fact) -> Asked:
    return read_asked([(NOW, fact) for fact in facts])


@pytest.mark.parametrize(
    ("facts", "status", "at", "offer"),
    [
        ([], "ringing", NOW, Offer.FIRST),
        # Twilio tells of an outbound call before it asks what to do with it, and of its end perhaps as well.
        ([CallReported("ringing")], "in-progress", NOW, Offer.FIRST),
        ([OVER], "ringing", NOW, Offer.OVER),
        ([], "completed", NOW, Offer.OVER),
        *(([OFFERED], status, LATER - 1, Offer.AGAIN) for status in ("ringing", "in-progress")),
        ([DECLINED], "ringing", LATER - 1, Offer.AGAIN),
        ([OFFERED, BEGUN], "ringing", NOW, Offer.AGAIN),
        ([OFFERED, BEGUN], "in-progress", NOW, Offer.GOES_ON),
        ([OFFERED, BEGUN, OVER], "in-progress", NOW, Offer.OVER),
        ([OFFERED, BEGUN, HUNG_UP], "ringing", NOW, Offer.OVER),
        *(([fact], "ringing", LATER, Offer.OVER) for fact in (OFFERED, DECLINED, BEGUN)),
        *(([fact], "in-progress", LATER, Offer.GOES_ON) for fact in (OFFERED, BEGUN, MOVED)),
        ([DECLINED], "in-progress", LATER, Offer.FIRST),
        # Of an older version of the service.
        ([CallOffered("", "")], "ringing", LATER - 1, Offer.AGAIN),
    ],
)
def test_what_a_ringing_phone_is(facts: list[Fact], status: str, at: float, offer: Offer) -> None:
    assert asked(*facts).offer(status, at) is offer


@pytest.mark.parametrize(
    ("facts", "question", "status", "at", "answer"),
    [
        ([OFFERED, BEGUN], Question(1), "in-progress", NOW, None),
        ([OFFERED, BEGUN, RESUMED], Question(1), "in-progress", LATER - 1, RESUMED),
        ([OFFERED, BEGUN, RESUMED], Question(2), "in-progress", NOW, None),
        # The token has run out: nothing came of the promise, or it was kept.
        ([OFFERED, BEGUN, RESUMED], Question(1), "in-progress", LATER, None),
        ([OFFERED, BEGUN, RESUMED, BEGUN], Question(1), "in-progress", LATER, TOLD_TO_HANG_UP),
        # Another question led to what followed.
        ([OFFERED, BEGUN, RESUMED], Question(1, 1), "in-progress", NOW, TOLD_TO_HANG_UP),
        ([OFFERED, BEGUN, MOVED], Question(1), "in-progress", LATER, MOVED),
        ([OFFERED, BEGUN, MOVED], Question(1, 1), "in-progress", LATER, None),
        ([OFFERED, BEGUN, HUNG_UP], Question(1), "in-progress", LATER, HUNG_UP),
        ([OFFERED, BEGUN, OVER], Question(1), "in-progress", NOW, TOLD_TO_HANG_UP),
        # That a call is over is written down once.
        ([OFFERED, BEGUN, RESUMED], Question(1), "completed", NOW, None),
        ([OFFERED, BEGUN, RESUMED, OVER], Question(1), "completed", NOW, TOLD_TO_HANG_UP),
        # A newer version of the service has said it.
        ([OFFERED, BEGUN, StreamAsked("of_tomorrow", stream=1)], Question(1), "in-progress", NOW, None),
    ],
)
def test_what_a_question_was_told(
    facts: list[Fact], question: Question, status: str, at: float, answer: StreamAsked | None
) -> None:
    assert asked(*facts).answer_to(question, status, at) == answer


@pytest.mark.parametrize(
    ("stream", "held", "question"),
    [
        ("2", "", Question(2)),
        ("2", "3", Question(2, 3)),
        *((odd, odd, Question()) for odd in ("", "-1", "two", "12345", "²", "1\n")),
    ],
)
def test_an_address_says_what_is_asked(stream: str, held: str, question: Question) -> None:
    assert Question.read(stream, held) == question


def test_an_address_is_read_as_it_was_written() -> None:
    for question in (Question(2), Question(2).again, Question(2).again.again):
        told = dict(part.split("=") for part in question.query.split("&"))
        assert Question.read(told["stream"], told.get("held", "")) == question


def test_where_the_address_says_nothing_it_is_the_latest_stream() -> None:
    assert asked().resolved(Question()) == Question(1)
    assert asked(OFFERED, RESUMED).resolved(Question(held=1)) == Question(2, 1)
    assert asked(OFFERED, RESUMED).next_stream(Question(2)) == 3
    # Nothing is known of the call: the address knows that it has had seven streams.
    assert asked().next_stream(Question(7)) == 8


def test_of_two_offers_of_one_moment_the_first_counts() -> None:
    """Two processes were asked at once; each has noted what it would say, and reads again."""
    second = CallOffered("", "", promise=Promise(1, "another", "11" * 16, int(LATER)))
    for first, other in ((OFFERED, second), (OFFERED, DECLINED), (DECLINED, OFFERED)):
        found = asked(first, other)
        assert (found.offered, found.offer("ringing", NOW)) == (first, Offer.AGAIN)
        assert found.latest == (0 if first.declined else 1)
    # An offer of later, when the first one holds no more, is another one.
    assert read_asked([(NOW, DECLINED), (LATER, OFFERED)]).offered == OFFERED


def test_of_two_answers_of_one_moment_the_first_counts() -> None:
    """Unless the other one says that the call is over: that is news whenever it comes."""
    question = Question(1)
    other = StreamAsked("resume", None, stream=1, promise=Promise(2, "another", "11" * 16, int(LATER)))
    assert asked(OFFERED, BEGUN, RESUMED, other).answer_to(question, "in-progress", NOW) == RESUMED
    assert asked(OFFERED, BEGUN, MOVED, RESUMED).answer_to(question, "in-progress", NOW) == MOVED
    assert asked(OFFERED, BEGUN, RESUMED, HUNG_UP).is_over
    renewed = read_asked([(NOW, OFFERED), (NOW, RESUMED), (LATER, other)])
    assert renewed.answers[question] == other
