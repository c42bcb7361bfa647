"""What a phone may say in a second, and in one go after its network stood still."""

from __future__ import annotations

import pytest

from callbridge.call.events import BadMessage, CallerIsLoud
from callbridge.call.flood import FRAMES_EACH, PhoneRate
from callbridge.call.limits import Limits
from callbridge.wire import media_streams as ms

LIMITS = Limits()
KEY = ms.Dtmf(ms.Key("5"))
MARK = ms.MarkEchoed(ms.MarkName("m"))


def floods(rate: PhoneRate, event: object, times: int, *, at: float, every_s: float = 0.0) -> bool:
    return sum(rate.flood_of(event, at + number * every_s) is not None for number in range(times)) > 0


def frames_flood(rate: PhoneRate, frames: int, *, at: float, every_s: float = 0.0) -> bool:
    """As the relay counts them."""
    looks = range(FRAMES_EACH, frames + 1, FRAMES_EACH)
    return sum(rate.flood_of_frames(FRAMES_EACH, at + number * every_s) is not None for number in looks) > 0


@pytest.mark.parametrize("event", [KEY, MARK, ms.Connected(), ms.UnknownMessage("?")], ids=repr)
def test_a_kind_may_come_as_often_as_the_rate_says(event: ms.Parsed) -> None:
    assert not floods(PhoneRate(LIMITS), event, 10_000, at=0, every_s=1 / 120)
    assert floods(PhoneRate(LIMITS), event, 10_000, at=0, every_s=1 / 130)


def test_a_flood_is_told_as_the_end_of_a_protocol() -> None:
    rate = PhoneRate(LIMITS)
    told = [rate.flood_of(KEY, 7.0) for _ in range(LIMITS.messages_at_once_max + 1)]
    assert told[:-1] == [None] * LIMITS.messages_at_once_max
    assert isinstance(told[-1], BadMessage)
    assert (told[-1].why, told[-1].is_fatal) == ("a flood of dtmf messages, more than 120 a second", True)


def test_audio_that_was_late_is_no_flood() -> None:
    """A line that stood still for just as long as a stream may, and what is in time before and after it."""
    rate = PhoneRate(LIMITS)
    late = int(LIMITS.media_gap_timeout_s * 50)
    assert not frames_flood(rate, 5_000, at=0, every_s=0.02)
    assert not frames_flood(rate, late, at=115)
    assert not frames_flood(rate, 5_000, at=115, every_s=0.02)


def test_audio_at_a_hundred_times_real_time_is_one_soon() -> None:
    rate = PhoneRate(LIMITS)
    assert frames_flood(rate, 1_000, at=0, every_s=0.0002)


def test_all_the_marks_that_a_clear_sends_back_are_no_flood() -> None:
    rate = PhoneRate(LIMITS)
    assert not floods(rate, MARK, LIMITS.marks_outstanding_max, at=5)
    assert not floods(rate, MARK, 100, at=5, every_s=0.2)


def test_kinds_are_counted_apart_and_events_of_ours_not_at_all() -> None:
    rate = PhoneRate(LIMITS)
    for event in (KEY, MARK, ms.Connected()):
        assert not floods(rate, event, LIMITS.messages_at_once_max, at=0)
    assert not floods(rate, CallerIsLoud(), 10_000, at=0)
