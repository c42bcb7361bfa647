"""Ended calls: remembered long enough, and never too many."""

from __future__ import annotations

from callbridge.server.calls import Continuation, EndedCall, EndedCalls


def test_end_is_remembered_and_may_be_asked_twice() -> None:
    """A repeated request of Twilio gets the same answer."""
    subject = EndedCalls()
    subject.remember("CA1", Continuation.HANG_UP, "caller_hung_up", 10.0)
    expected = EndedCall(Continuation.HANG_UP, "caller_hung_up", 10.0)
    assert subject.find("CA1", 11.0) == expected
    assert subject.find("CA1", 12.0) == expected


def test_unknown_call_is_nothing() -> None:
    """Of a call that another process had, nothing is known."""
    assert EndedCalls().find("CA1", 0.0) is None


def test_later_end_replaces_the_earlier_one() -> None:
    """A call may have several streams; the last end counts, and is kept for its full time."""
    subject = EndedCalls(kept_s=10.0)
    subject.remember("CA1", Continuation.APOLOGIZE, "model_gone", 0.0)
    subject.remember("CA2", Continuation.APOLOGIZE, "model_gone", 1.0)
    subject.remember("CA1", Continuation.HANG_UP, "agent_ended", 9.0)
    found = subject.find("CA1", 18.0)
    assert found is not None
    assert found.continuation is Continuation.HANG_UP
    assert subject.find("CA2", 18.0) is None


def test_end_is_forgotten_after_its_time() -> None:
    """Nothing of a call is kept for good."""
    subject = EndedCalls(kept_s=10.0)
    subject.remember("CA1", Continuation.HANG_UP, "caller_hung_up", 0.0)
    assert subject.find("CA1", 9.9) is not None
    assert subject.find("CA1", 10.0) is None
    assert len(subject) == 0


def test_number_of_remembered_calls_is_bounded() -> None:
    """At the bound the oldest are forgotten first."""
    subject = EndedCalls(calls_max=3)
    for number in range(5):
        subject.remember(f"CA{number}", Continuation.HANG_UP, "caller_hung_up", float(number))
    assert len(subject) == 3
    assert subject.find("CA1", 5.0) is None
    assert subject.find("CA2", 5.0) is not None
    assert repr(subject) == "<EndedCalls remembered=3 max=3>"
