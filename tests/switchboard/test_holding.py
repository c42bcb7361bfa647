"""How long callers wait while one process leaves and the next one comes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from callbridge.switchboard.draining import (
    HAND_OVER_S,
    CallsCounted,
    Draining,
    Event,
    Stop,
    StopSignalled,
    TimePassed,
)
from callbridge.switchboard.holding import (
    HOLDS_MAX,
    MOMENT_BACK_S,
    MOMENT_S,
    PAUSE_S,
    ROUND_BACK_S,
    WORDS_S,
    Hold,
)

RESTART_S = 10.0


def leaving(calls: int) -> Draining:
    """A process that hands its calls over, at 0."""
    draining = Draining(0)
    draining.handle(CallsCounted(calls), 0)
    draining.handle(StopSignalled(), 0)
    return draining


def held(draining: Draining, call_sid: str, times: int, now: float) -> Hold:
    answer = draining.hold(call_sid, times, now, is_live=False, restart_s=RESTART_S)
    draining.handle(TimePassed(), now)
    return answer


def test_one_call_waits_a_moment_and_then_for_the_next_process() -> None:
    """The process goes as soon as it has said its last word."""
    draining = leaving(1)
    draining.handle(CallsCounted(0), 1)
    assert held(draining, "CA1", 0, 1.1) == Hold(0, MOMENT_BACK_S)
    assert draining.deadline == 1.1 + MOMENT_BACK_S
    # At 4 it would have gone anyway: its last action would be asked by then.
    assert held(draining, "CA1", 1, 2.3) == Hold(4, None)
    assert draining.deadline == 4


def test_while_others_are_live_rounds_are_short() -> None:
    draining = leaving(2)
    draining.handle(CallsCounted(1), 1)
    assert held(draining, "CA1", 0, 1.1) == Hold(0, MOMENT_BACK_S)
    assert held(draining, "CA1", 1, 2.3) == Hold(1, ROUND_BACK_S)
    # Too late for another round: the process may be gone by then.
    assert held(draining, "CA1", 2, HAND_OVER_S - 4).back_within_s is None


def test_a_socket_that_is_being_closed_is_no_other_call() -> None:
    draining = leaving(1)
    answer = draining.hold("CA1", 1, 1.0, is_live=True, restart_s=RESTART_S)
    assert answer == Hold(4, None)


def test_a_process_that_does_not_wait_for_calls_has_one_word() -> None:
    """It was told to stop at once, or is about to."""
    assert Draining(0).hold("CA1", 0, 5, is_live=False, restart_s=0) == Hold(1, None)


class Leaving:
    """A process on its way out, and callers who are told to wait, in virtual time."""

    def __init__(self, calls: int) -> None:
        self.draining = leaving(calls)
        self.live = calls
        self.left_at: float | None = None
        self.last_words: list[float] = []
        """When Twilio asks the next process."""

    def pass_time(self, until: float) -> None:
        while (deadline := self.draining.deadline) is not None and deadline <= until:
            self.tell(TimePassed(), deadline)

    def tell(self, event: Event, now: float) -> None:
        if Stop() in self.draining.handle(event, now):
            self.left_at = now

    def wait_s(self, call_sid: str, times: int, now: float, says_s: float) -> float | None:
        """How long a caller waits until Twilio asks here again; None after the last word."""
        answer = self.draining.hold(call_sid, times, now, is_live=False, restart_s=RESTART_S)
        self.tell(TimePassed(), now)
        lasts_s = answer.rounds * (says_s + PAUSE_S) if answer.rounds else MOMENT_S
        if answer.back_within_s is not None:
            return lasts_s
        self.last_words.append(now + lasts_s)
        return None


@example(ends_at=[13.0, 11.9], says_s=1.0, asks_after_s=0.5)  # It ends just before the others are cut.
@given(
    ends_at=st.lists(st.floats(0.1, 15), min_size=1, max_size=6),
    says_s=st.floats(WORDS_S, 4.0),
    asks_after_s=st.floats(0.01, 0.9),
)
def test_no_caller_comes_while_nobody_listens(
    ends_at: list[float], says_s: float, asks_after_s: float
) -> None:
    """Whenever the calls end: who is to ask here again finds the process, who is to ask the next one does not
    come before that is there, and nobody waits so often that the fallback comes.
    """
    process = Leaving(len(ends_at))
    due = [(at, f"CA{number}", -1) for number, at in enumerate(ends_at)]
    while due:
        due.sort()
        at, call_sid, times = due.pop(0)
        process.pass_time(at)
        if times >= 0:
            assert process.left_at is None, "it was told to ask here"
            assert times < HOLDS_MAX
            wait_s = process.wait_s(call_sid, times, at, says_s)
            if wait_s is not None:
                due.append((at + wait_s + asks_after_s, call_sid, times + 1))
        elif process.left_at is None:
            process.live -= 1
            process.tell(CallsCounted(process.live), at)
            if at <= HAND_OVER_S:  # Later it is one of those that are cut, as the drain announces.
                due.append((at + asks_after_s, call_sid, 0))
    process.pass_time(100)
    assert process.left_at is not None
    assert all(at >= process.left_at + RESTART_S - 1e-6 for at in process.last_words)


def test_who_can_be_taken_by_another_process_waits_a_moment() -> None:
    """It may be asked again all the same: then a second moment, and words behind it. Never the long wait."""
    draining = leaving(2)

    def waits(times: int, now: float) -> Hold:
        return draining.hold("CA1", times, now, is_live=False, restart_s=RESTART_S, is_alone=False)

    assert [waits(times, 1.0 + times) for times in range(3)] == [
        Hold(0, MOMENT_BACK_S),
        Hold(0, MOMENT_BACK_S),
        Hold(1, ROUND_BACK_S),
    ]
    late = HAND_OVER_S - 1.0
    assert (waits(0, late), waits(HOLDS_MAX - 1, late)) == (Hold(0, None), Hold(1, None))
