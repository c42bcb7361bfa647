"""Many calls in sums: what is told, what is not, and whose session of the model is whose."""

from __future__ import annotations

import pytest

from callbridge.simulators.load.figures import LATE_MS_MAX, Sums, lateness_ms, responses_ms, spread_of
from callbridge.simulators.load.placing import caller_number
from callbridge.simulators.load.stamps import Stamped, stamp, stamped
from callbridge.simulators.phone import Act, CallerScript, Ear, HangUp, Say
from callbridge.simulators.phone.silence import AGENT, CALLER, Sound
from callbridge.simulators.phone.voice_activity import is_audible
from phone_driver import ZERO, PhoneDriver, new_stream

EAR = Ear(0.0, is_agent_speaking=False, agent_began_ms=None, agent_audible_until_ms=None)


def test_nobody_knows_the_far_end_of_few_values() -> None:
    few, more, many = (spread_of(range(count)) for count in (19, 20, 100))
    assert few is not None
    assert more is not None
    assert many is not None
    assert [(one.p95, one.p99) for one in (few, more, many)] == [(None, None), (18, None), (94, 98)]
    assert spread_of([]) is None


def test_an_answer_is_what_begins_after_the_callers_words() -> None:
    """Not what the agent was saying into them; a pause between words is no end of them."""
    sounds = [
        Sound(0.0, 1.0, AGENT),
        Sound(0.5, 1.2, CALLER),
        Sound(1.4, 2.0, CALLER),
        Sound(2.8, 4.0, AGENT),
        Sound(5.0, 6.0, CALLER),
        Sound(7.0, 8.0, CALLER),
        Sound(8.5, 9.0, AGENT),
    ]
    assert responses_ms(sounds) == pytest.approx([800, 500])


def test_a_caller_who_says_nothing_is_answered_nothing() -> None:
    assert responses_ms([Sound(1.0, 2.0, AGENT)]) == []


def test_a_frame_is_as_late_as_a_telephone_is_not() -> None:
    driver = PhoneDriver(new_stream())
    first_ms = driver.stream.settings.first_timestamp_ms
    driver.take(driver.stream.wake(ZERO + first_ms / 1000))
    driver.take(driver.stream.wake(ZERO + (first_ms + 20 + LATE_MS_MAX + 5) / 1000))
    assert lateness_ms(driver.stream)[:2] == pytest.approx([0, LATE_MS_MAX + 5], abs=0.01)


def test_figures_of_a_tool_that_was_late_are_no_good_ones() -> None:
    sums = Sums(calls=1, heard=1, answered=1, late_ms=[LATE_MS_MAX + 1])
    report = sums.report(ramp_s=0, lasted_s=1, at_once_max=1, cpu_s=0.5)
    assert not report.is_own_pace_kept
    assert not report.is_good
    assert report.own_cores == 0.5


@pytest.mark.parametrize("number", [1, 77, 79_900])
def test_a_caller_is_known_by_a_silence_that_nobody_hears(number: int) -> None:
    frame = stamp(number)
    assert stamped(frame) == number
    assert not is_audible(frame)
    assert stamped(b"\xff" * 160) is None
    assert stamped(frame[:159] + b"\x10") is None


def test_words_go_before_a_stamp() -> None:
    assert Stamped(CallerScript([HangUp()]), 5).next_frame(EAR).departure is not None
    speaking = Stamped(CallerScript([Say(b"\x10" * 160)]), 5)
    assert speaking.next_frame(EAR).audio == b"\x10" * 160
    quiet = Stamped(CallerScript([]), 5)
    assert isinstance(quiet.next_frame(EAR), Act)


def test_each_caller_has_a_number_of_a_story() -> None:
    numbers = {caller_number(number) for number in range(1, 2001)}
    assert len(numbers) == 2000
    assert all(number[:2] == "+1" and number[5:10] == "55501" and len(number) == 12 for number in numbers)
