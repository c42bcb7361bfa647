"""The body that receivers get."""

from __future__ import annotations

import json
import re

import msgspec

from callbridge.call import facts
from callbridge.records.outbox.body import BODY_BYTES_MAX, body_of, in_bytes
from callbridge.records.outbox.events import CALL_COMPLETED, call_event, event_id, fact_event
from callbridge.records.outbox.sample import sample_story
from callbridge.records.story import CallStory, Turn

ENDED_AT = 1_764_345_600.25


def test_a_call_is_told_whole() -> None:
    """With times for machines and for people, objects as objects, and what was said line by line."""
    story = msgspec.structs.replace(sample_story(ENDED_AT), recordings=("a.wav",))
    body = json.loads(in_bytes(body_of(call_event(CALL_COMPLETED, story, ENDED_AT), "https://x/{}".format)))
    data = body.pop("data")
    assert body == {
        "id": event_id(CALL_COMPLETED, story.call_sid),
        "type": "call.completed",
        "timestamp": "2025-11-28T16:00:00.250Z",
        "version": 1,
    }
    assert (data["ended"], data["ended_at"]) == (body["timestamp"], ENDED_AT)
    assert [(line["who"], line["at_ms"]) for line in data["transcript"]] == [
        ("agent", 430),
        ("caller", 4200),
        ("agent", 8110),
    ]
    assert data["transcript"][1]["at"] == "2025-11-28T15:59:42.950Z"
    assert data["captured"] == {"Appointment": {"day": "2026-12-01", "time": "09:30"}}
    assert data["values"] == {"is_new_customer": True}
    assert (data["tools"][0]["turn"], data["tools"][0]["result"]) == (2, {"status": "booked"})
    assert data["recordings"] == [{"name": "a.wav", "url": "https://x/a.wav"}]
    assert (data["cost"]["usd"], data["analysis"]) == (0.01924, None)
    assert set(CallStory.__struct_fields__) <= set(data)


def test_words_that_are_not_kept_are_not_there() -> None:
    """A call of which no words are kept has turns and no lines."""
    turns = tuple(
        msgspec.structs.replace(turn, caller=None, heard="", agent=()) for turn in sample_story(0.0).turns
    )
    story = msgspec.structs.replace(sample_story(ENDED_AT), turns=turns, captured={}, values="")
    data = body_of(call_event(CALL_COMPLETED, story, ENDED_AT))["data"]
    assert (data["transcript"], data["captured"], data["values"]) == ([], {}, None)
    assert len(data["turns"]) == 2


def test_a_body_has_a_bound() -> None:
    """A call of hours loses what is wanted least, and says so."""
    turns = tuple(Turn(number, 0, caller="word " * 50, heard="word " * 50) for number in range(700))
    story = msgspec.structs.replace(sample_story(ENDED_AT), turns=turns)
    content = in_bytes(body_of(call_event(CALL_COMPLETED, story, ENDED_AT)))
    data = json.loads(content)["data"]
    assert len(content) <= BODY_BYTES_MAX
    assert data["left_out"] == ["happenings", "turns"]
    assert len(data["transcript"]) == 1400
    assert data["cost"]["usd"] == 0.01924


def test_a_fact_is_told_as_it_is() -> None:
    fact = facts.KeysPressed("12", 1, call_sid="CA1", source="MZ1", number=7, at_ms=4200)
    event = fact_event(facts.encode(fact), ENDED_AT)
    body = body_of(event)
    assert (body["type"], body["timestamp"]) == ("fact.keys_pressed", "2025-11-28T16:00:00.250Z")
    assert body["data"].items() >= {"call_sid": "CA1", "number": 7, "at_ms": 4200, "keys": "12"}.items()


def test_an_event_has_one_id_for_ever() -> None:
    """Of what it is about alone, and without a full stop: that stands between the parts that are signed."""
    ids = {
        event_id("call.completed", "CA1"),
        event_id("call.analyzed", "CA1"),
        event_id("call.completed", "CA2"),
        *(event_id("fact.said", "CA1", f"MZ1 {number}") for number in (1, 2)),
    }
    assert len(ids) == 5
    assert all(re.fullmatch(r"evt_[a-z2-7]{26}", one) for one in ids)
    assert event_id("call.completed", "CA1") in ids
