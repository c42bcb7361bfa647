"""Where a number points: what would change, what is somebody else's, what Twilio would ignore."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callbridge.telephony.pointing import (
    as_it_is,
    changes,
    is_demo,
    is_within,
    needed,
    of_others,
    overridden_by,
    pointing_to,
    taking_over,
)
from callbridge.telephony.rest.records import Pointing
from twilio_numbers import NUMBER

VOICE, STATUS = "https://x.example/twilio/voice", "https://x.example/twilio/call-status"
OURS = ("https://x.example/twilio",)


def test_only_what_differs_changes() -> None:
    found = changes(NUMBER, pointing_to(VOICE, STATUS))
    assert [(change.words, change.before, change.after) for change in found] == [
        ("voice URL", NUMBER.voice_url, VOICE),
        ("status callback", "", STATUS),
    ]
    assert needed(found) == Pointing(voice_url=VOICE, status_url=STATUS)
    pointed = replace(NUMBER, voice_url=VOICE, status_url=STATUS)
    assert changes(pointed, pointing_to(VOICE, STATUS)) == []


def test_a_setting_of_somebody_else_is_told_apart() -> None:
    """Twilio's demo, nothing and our own are nobody's; another path of our host may be another service."""
    pointing = pointing_to(VOICE, STATUS, sms_url="https://x.example/twilio/sms")
    theirs = of_others(changes(NUMBER, pointing), OURS)
    assert [change.field for change in theirs] == ["sms_url"]
    for before, is_theirs in {
        "https://x.example/twilio/voice/#rc=5": False,
        "https://X.example/twilio/old": False,
        "https://x.example/shop/voice": True,
        "https://x.example.evil/twilio/voice": True,
        "": False,
    }.items():
        number = replace(NUMBER, voice_url=before, sms_url="")
        assert bool(of_others(changes(number, pointing), OURS)) is is_theirs, before


def test_an_application_or_a_trunk_overrides_and_is_taken_away_by_force_alone() -> None:
    assert overridden_by(NUMBER) == ""
    for field, sid in (("trunk_sid", "TK1"), ("application_sid", "AP1")):
        overriding: Any = {field: sid}
        number = replace(NUMBER, **overriding)
        assert sid in overridden_by(number)
        assert sid not in [change.before for change in changes(number, pointing_to(VOICE, STATUS))]
        taken = changes(number, taking_over(pointing_to(VOICE, STATUS)))
        assert (field, sid, "") in [(change.field, change.before, change.after) for change in taken]
        assert sid in [change.before for change in of_others(taken, OURS)]


@pytest.mark.parametrize("changed", [{}, {"trunk_sid": "TK1", "fallback_url": "https://f.example/"}])
def test_what_was_is_put_back_whole(changed: Any) -> None:
    """Whatever was set meanwhile. A method without its address would be refused (21405)."""
    number = replace(NUMBER, **changed)
    pointed = replace(
        number, voice_url=VOICE, status_url=STATUS, fallback_url="https://g.example", trunk_sid=""
    )
    found = changes(pointed, as_it_is(number))
    assert ("voice_url", NUMBER.voice_url) in [(change.field, change.after) for change in found]
    back: Any = {change.field: change.after for change in found}
    restored = replace(pointed, **back)
    assert restored == number
    assert needed(found).fallback_method is None


def test_addresses_are_compared_as_twilio_uses_them() -> None:
    assert is_within("https://X.example/twilio/voice/?a=1#rc=1", [VOICE])
    assert not is_within("http://x.example/twilio/voice", [VOICE])
    assert not is_within("", ["", VOICE])
    assert is_demo("https://demo.twilio.com/welcome/sms/reply/")
    assert not is_demo("https://demo.twilio.com.evil/")
