"""Each expectation is met by the right call, is not by the wrong one, and says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import msgspec
import pytest

from callbridge.records.story import Span
from callbridge.simulators.phone import InterruptAt
from callbridge.testing import ExpectationError, Expectations, Judge, PlayedCall, ToolExpectation
from callbridge.testing.call_data import Complaint
from callbridge.testing.expecting.times import P95_COUNT_MIN
from callbridge.testing.expecting.unmet import LINE_CHARACTERS_MAX
from made_calls import GREETING, STORY, made_call, without_words

Expected = Callable[[Expectations], object]


@cache
def right_call() -> PlayedCall:
    """Made once: judging changes nothing."""
    return made_call()


MET: list[Expected] = [
    lambda e: e.tool("opening_hours").once(),
    lambda e: e.tool("opening_hours", day="Sunday").times(1).returned("8 to 14").returned(re.compile("14")),
    lambda e: (
        e.tool("opening_hours", day=re.compile("sun", re.IGNORECASE)).at_least(1).returned(re.compile("14"))
    ),
    lambda e: e.tool("book", people=lambda count: count > 3, day=str).once().failed(),
    lambda e: e.tool("book", people=5).never(),
    lambda e: e.tools("opening_hours", "book"),
    lambda e: e.only_tools("book", "opening_hours", "cancel"),
    lambda e: e.heard("FROM eight"),
    lambda e: e.heard("good day the bakery", turn=1),
    lambda e: e.heard(re.compile(r"Clos\w+\.")),
    lambda e: e.not_heard("until two"),
    lambda e: e.said("from eight until two", turn=2),
    lambda e: e.not_said("goodbye"),
    lambda e: e.caller_said("open on sunday"),
    lambda e: e.latency(p50_ms=1100, max_ms=1300),
    lambda e: e.greeting(within_ms=300, whole=True),
    lambda e: e.first_audio(within_ms=200),
    lambda e: e.barge_in(within_ms=220),
    lambda e: e.duration(max_s=8, min_s=8),
    lambda e: e.cost(max_dollars=0.05),
    lambda e: e.silence(max_ms=1600),
    lambda e: e.talk_over(max_ms=220),
    lambda e: e.interruptions(1),
    lambda e: e.interrupted_at(1000),
    lambda e: e.truncation(within_ms=0),
    lambda e: e.no_false_barge_ins(),
    lambda e: e.no_spurious_answers(),
    lambda e: e.ended("agent_hangup"),
    lambda e: e.ended_by("agent"),
    lambda e: e.handed_to("orders"),
    lambda e: e.step("book"),
    lambda e: e.steps("ask", "book"),
    lambda e: e.captured("Booking", people=4),
    lambda e: e.transferred("kitchen", outcome="no_answer"),
    lambda e: e.keys("12#"),
    lambda e: e.keys_sent(""),
    lambda e: e.text_sent("directions"),
    lambda e: e.no_complaints(except_="silence"),
    lambda e: e.tool("book", people=int).once(),
    lambda e: e.tool("book", people=float).once(),
    lambda e: e.tool("opening_hours").ran().returned("8 to 14"),
    lambda e: e.tool("book").ran(0),
]


@pytest.mark.parametrize("number", range(len(MET)))
def test_the_right_call_meets_it(number: int) -> None:
    MET[number](right_call().expect)
    right_call().expect.settle()


QUIET: list[Expected] = [
    lambda e: e.no_tools(),
    lambda e: e.only_tools(),
    lambda e: e.tools(),
    lambda e: e.tool("book").never(),
    lambda e: e.interruptions(0),
]


@pytest.mark.parametrize("number", range(len(QUIET)))
def test_a_call_in_which_little_happens_meets_it(number: int) -> None:
    QUIET[number](made_call(turns=STORY.turns[:1], interruptions=0).expect)


UNMET: list[tuple[Expected, str]] = [
    (lambda e: e.tool("opening_hours", day="sunday").once(), 'day is "Sunday", expected "sunday"'),
    (lambda e: e.tool("opening_hours", week=2).once(), "week is not there"),
    (lambda e: e.tool("Opening_Hours").at_least(1), "the tool is called opening_hours"),
    (lambda e: e.tool("book").times(2), "twice; it was called once"),
    (lambda e: e.tool("book").ran(), "expected book() to run once; it ran never"),
    (lambda e: e.tool("book").never(), 'book(day="Sunday", people=4) failed: full'),
    (lambda e: e.tool("remember").once(), "to be called once; it was not"),
    (lambda e: e.tool("book", people=True).once(), "people is 4, expected true"),
    (lambda e: e.tool("opening_hours").returned("closed"), "it returned something else"),
    (lambda e: e.tool("opening_hours").failed(), "it did not"),
    (lambda e: e.tool("cancel").failed(), "it was not called"),
    (lambda e: e.tools("book", "opening_hours"), "called were opening_hours, book"),
    (lambda e: e.tools("opening_hours"), "called were opening_hours, book"),
    (lambda e: e.only_tools("opening_hours"), "called was book"),
    (lambda e: e.no_tools(), "expected no tool to be called"),
    (lambda e: e.heard("eight until two"), "turn 2 was to say it and was cut after 1100 ms of 3000"),
    (lambda e: e.heard("shall I book"), "was never heard of 500"),
    (lambda e: e.heard("closed", turn=2), "it is in turn 3"),
    (lambda e: e.heard("closed", turn=9), "the call has no such turn"),
    (lambda e: e.heard("ate"), "it was not"),
    (lambda e: e.not_heard("eight"), "turn 2: 'From eight …'"),
    (lambda e: e.said("from nine until two"), "75% of its words"),
    (lambda e: e.not_said("until two"), "not to be said by the agent"),
    (lambda e: e.caller_said("on tuesday"), "turn 3: 'And on Monday?'"),
    (lambda e: e.latency(p50_ms=1000), "median latency of at most 1000 ms; it was 1100 ms"),
    (lambda e: e.latency(max_ms=1299), "turn 2: 1300 ms (first delta 1300)"),
    (lambda e: e.greeting(within_ms=299), "it came after 300 ms"),
    (lambda e: e.first_audio(within_ms=199), "it took 200 ms"),
    (lambda e: e.barge_in(within_ms=150), "1 of 1 times it was not"),
    (lambda e: e.duration(max_s=7.5), "it took 8.0 s"),
    (lambda e: e.duration(min_s=9), "at least 9 s"),
    (lambda e: e.cost(max_dollars=0.04), "it cost $0.0450"),
    (lambda e: e.silence(max_ms=1500), "1600 ms from 2.70 s, behind caller, before agent"),
    (lambda e: e.talk_over(max_ms=50), "talk at once for at most 50 ms"),
    (lambda e: e.interruptions(0), "turn 2: 1100 of 3000 ms heard"),
    (lambda e: e.interrupted_at(2000), "it was cut elsewhere"),
    (lambda e: e.ended("caller_hangup"), "it ended by agent_hangup"),
    (lambda e: e.ended_by("caller"), "heard last: 'Closed.'"),
    (lambda e: e.handed_to("sales"), "desk > orders: transfer_to_orders"),
    (lambda e: e.step("pay"), "book: the day is known"),
    (lambda e: e.steps("book", "ask"), "the flow went ask > book"),
    (lambda e: e.captured("Order"), "it was not"),
    (lambda e: e.captured("Booking", people=5, name="Sam"), "people is 4, expected 5; name is not there"),
    (lambda e: e.transferred("kitchen"), "kitchen: no_answer"),
    (lambda e: e.keys("12"), "it got 12#"),
    (lambda e: e.keys_sent("1"), "a telephone heard none"),
    (lambda e: e.text_sent("menu"), "directions: delivered"),
]


@pytest.mark.parametrize("number", range(len(UNMET)))
def test_the_wrong_call_does_not_and_says_why(number: int) -> None:
    expected, why = UNMET[number]
    with pytest.raises(ExpectationError) as raised:
        expected(right_call().expect)
    assert why in str(raised.value)
    assert not raised.value.unmet[0].is_missing


def late_words() -> PlayedCall:
    """The caller speaks 2 s after the agent was cut: something else has cut it, and was answered."""
    return made_call(caller=[InterruptAt(1.9, GREETING * 6400), InterruptAt(7.2, GREETING * 4800)])


WRONG: list[tuple[Callable[[], PlayedCall], Expected, str]] = [
    (lambda: made_call(remembered_ms=1400), lambda e: e.truncation(within_ms=250), "it is 300 ms off"),
    (late_words, lambda e: e.no_false_barge_ins(), "5.10 s: 1900 ms of the agent thrown away"),
    (late_words, lambda e: e.no_spurious_answers(), "turn 3, 4.90 s: 'Closed.'"),
    (
        lambda: made_call(complaints=[Complaint("carrier", "31924 protocol", 2500)]),
        lambda e: e.no_complaints(),
        "2.50 s: carrier: 31924 protocol",
    ),
    (
        lambda: made_call(complaints=[Complaint("log", "x"), Complaint("silence", "y")]),
        lambda e: e.no_complaints(except_=["silence"]),
        "expected no complaints; there is 1",
    ),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_call_that_went_wrong_is_found(number: int) -> None:
    call, expected, why = WRONG[number]
    with pytest.raises(ExpectationError, match=re.escape(why)):
        expected(call().expect)


def test_where_the_model_told_no_times_of_speech_nobody_is_blamed() -> None:
    answered = msgspec.structs.replace(STORY.turns[1], spans=(Span(0, 0),), keys="")
    made_call(turns=(answered,)).expect.no_spurious_answers()


def unanswered() -> PlayedCall:
    return made_call(turns=(), caller=[], phone={"streams": [], "greeting": None, "heard": []})


MISSING: list[tuple[Callable[[], PlayedCall], Expected]] = [
    (unanswered, lambda e: e.heard("hello")),
    (unanswered, lambda e: e.not_heard("hello")),
    (unanswered, lambda e: e.latency(max_ms=9999)),
    (right_call, lambda e: e.latency(p95_ms=9999)),
    (unanswered, lambda e: e.greeting()),
    (unanswered, lambda e: e.first_audio(within_ms=9999)),
    (unanswered, lambda e: e.barge_in(within_ms=9999)),
    (unanswered, lambda e: e.silence(max_ms=99_999)),
    (lambda: made_call(caller=[]), lambda e: e.talk_over(max_ms=99_999)),
    (unanswered, lambda e: e.interrupted_at(0, 9999)),
    (unanswered, lambda e: e.no_spurious_answers()),
    (lambda: made_call(cost=STORY.cost.__class__()), lambda e: e.cost(max_dollars=9)),
    (lambda: made_call(cost=STORY.cost.__class__(1, STORY.cost.lines, unpriced=("new",))), MET[19]),
    (lambda: made_call(end_reason="", state="live"), lambda e: e.ended("agent_hangup")),
    (lambda: made_call(noted=()), lambda e: e.step("ask")),
    (lambda: without_words(made_call()), lambda e: e.heard("from eight")),
    (lambda: without_words(made_call()), lambda e: e.caller_said("sunday")),
    (lambda: without_words(made_call()), lambda e: e.tool("opening_hours").returned("8 to 14")),
    (lambda: without_words(made_call()), lambda e: e.captured("Booking", people=4)),
    (lambda: without_words(made_call()), lambda e: e.tool("opening_hours", day="Monday").never()),
    (lambda: without_words(made_call()), lambda e: e.tool("opening_hours", day="Sunday").at_least(1)),
    (lambda: without_words(made_call()), lambda e: e.tool("book", people=4).ran(0)),
    (right_call, lambda e: e.not_heard("hello", turn=9)),
    (unanswered, lambda e: e.tool("book").never()),
    (unanswered, lambda e: e.no_tools()),
    (unanswered, lambda e: e.tools()),
    (unanswered, lambda e: e.interruptions(0)),
]


@pytest.mark.parametrize("number", range(len(MISSING)))
def test_a_missing_measurement_is_never_good_enough(number: int) -> None:
    call, expected = MISSING[number]
    with pytest.raises(ExpectationError, match="was not measured") as raised:
        expected(call().expect)
    assert raised.value.unmet[0].is_missing


def test_each_expectation_is_met_and_is_not() -> None:
    """Whoever adds one adds a call that meets it, and one that does not."""
    offered = {name for name in vars(Expectations) if not name.startswith("_")} - {"all", "settle", "judged"}
    offered |= {name for name in vars(ToolExpectation) if not name.startswith("_")} - {"was_called"}
    assert offered <= {name for expected in MET + QUIET for name in expected.__code__.co_names}
    failing = [*(expected for expected, _ in UNMET), *(expected for _, expected, _ in WRONG)]
    failing += [expected for _, expected in MISSING]
    assert offered <= {name for expected in failing for name in expected.__code__.co_names}


def test_what_comes_a_hundred_times_is_told_twenty_times() -> None:
    (turn,) = (turn for turn in STORY.turns if turn.tools)
    often = msgspec.structs.replace(turn, tools=(turn.tools[0],) * 100)
    with pytest.raises(ExpectationError, match="… and 80 more") as raised:
        made_call(turns=(often,)).expect.tool("opening_hours").once()
    assert str(raised.value).count("opening_hours(day=") == 20


def test_a_huge_result_is_told_in_part() -> None:
    (turn,) = (turn for turn in STORY.turns if turn.tools)
    huge = msgspec.structs.replace(turn.tools[0], result="x" * 1_000_000)
    with pytest.raises(ExpectationError, match="characters more") as raised:
        made_call(turns=(msgspec.structs.replace(turn, tools=(huge,)),)).expect.no_tools()
    assert len(str(raised.value)) < 2 * LINE_CHARACTERS_MAX


def test_twenty_turns_have_a_95th_percentile() -> None:
    answered = [turn for turn in STORY.turns if turn.latency is not None]
    many = made_call(turns=tuple(answered * (P95_COUNT_MIN // 2)))
    many.expect.latency(p95_ms=1300)
    with pytest.raises(ExpectationError, match="p95 of the latency of at most 1299 ms; it was 1300 ms"):
        many.expect.latency(p95_ms=1299)


def test_a_tool_behind_which_nothing_is_written_is_expected_once_at_least() -> None:
    expect = made_call().expect
    expect.tool("opening_hours")
    expect.tool("cancel")
    with pytest.raises(ExpectationError, match="expected cancel"):
        expect.heard("from eight")
    expect.tool("cancel")
    with pytest.raises(ExpectationError, match="expected cancel"):
        expect.settle()
    expect.settle()


def test_all_that_is_not_so_is_told_at_once() -> None:
    def judge() -> None:
        with right_call().expect.all() as expect:
            expect.heard("from eight")
            expect.heard("goodbye")
            expect.tool("book").never()
            expect.tool("cancel")

    with pytest.raises(ExpectationError) as raised:
        judge()
    assert len(raised.value.unmet) == 3
    assert str(raised.value).startswith("3 expectations are not met\n  1. expected 'goodbye' to be heard")
    assert "  3. expected cancel() to be called at least once" in str(raised.value)


def test_what_was_collected_is_told_beside_another_error() -> None:
    def judge() -> None:
        with right_call().expect.all() as expect:
            expect.heard("goodbye")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError) as raised:
        judge()
    assert "expected 'goodbye' to be heard" in raised.value.__notes__[0]


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda e: e.latency(),
        lambda e: e.duration(),
        lambda e: e.heard("…"),
        lambda e: e.ended("boredom"),
        lambda e: e.ended_by("nobody"),
        lambda e: e.transferred(outcome="maybe"),
        lambda e: e.text_sent(outcome="maybe"),
        lambda e: e.no_complaints(except_=["noise"]),
        lambda e: e.tools(["find", "book"]),
        lambda e: e.only_tools(["book"]),
        lambda e: e.steps(["ask"]),
        lambda e: e.heard(["from eight"]),
        lambda e: e.judged(Judge(["All is well."]), veto=lambda _: False),
    ],
)
def test_what_means_nothing_is_refused(nonsense: Expected) -> None:
    with pytest.raises((ValueError, TypeError), match=r"one by one|say |write|no words|may be|veto|ended by"):
        nonsense(right_call().expect)
