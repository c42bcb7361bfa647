"""What is told over NATS: subjects that consumers filter by, headers, and bodies within bounds."""

from __future__ import annotations

import json
import re

import pytest

from callbridge.records.outbox.body import BODY_BYTES_MAX, body_of
from callbridge.records.outbox.events import OF_CALLS, Event, event_id
from callbridge.records.outbox.sample import SAMPLE_SID, sample_event
from callbridge.records.outbox.subjects import MessageTooLarge, NatsReceiver, subject_of
from callbridge.server.config.webhook_settings import FACT_KINDS

NATS = NatsReceiver(subject="callbridge", stream="calls", events=frozenset({"call.completed", "fact.*"}))


def test_a_subject_has_the_same_parts_whatever_happened() -> None:
    """So `callbridge.*.*.CA…` is all of one call, and `callbridge.fact.tool_used.*` all of one kind."""
    for kind in (*OF_CALLS, *(f"fact.{kind}" for kind in FACT_KINDS)):
        assert re.fullmatch(
            rf"calls\.eu\.[a-z]+\.[a-z_]+\.{SAMPLE_SID}", subject_of("calls.eu", kind, SAMPLE_SID)
        )


@pytest.mark.parametrize("odd", ["CA.1", "CA 1", "CA*", "CA>", "CA\r\nPUB", "CAé"])
def test_no_sid_makes_another_subject(odd: str) -> None:
    assert re.fullmatch(r"callbridge\.fact\.said\.[A-Za-z0-9_-]+", subject_of("callbridge", "fact.said", odd))
    assert subject_of("callbridge", "fact.said", "") == "callbridge.fact.said._"
    assert len(subject_of("callbridge", "fact.said", odd * 1000)) < 100


def test_a_message_says_what_it_is() -> None:
    event = sample_event(1e9)
    message = NATS.message(event, body_of(event), 1024 * 1024)
    assert message.subject == f"callbridge.call.completed.{SAMPLE_SID}"
    assert message.headers == {
        "Nats-Msg-Id": event.id,
        "Nats-Expected-Stream": "calls",
        "Callbridge-Event": "call.completed",
        "Callbridge-Version": "1",
    }
    assert json.loads(message.content) == json.loads(json.dumps(body_of(event)))


def test_what_is_too_long_loses_parts_or_is_refused() -> None:
    """The server's bound counts: it ends the connection of who sends more."""
    event = sample_event(1e9)
    whole = len(NATS.message(event, body_of(event), 1024 * 1024).content)
    short = NATS.message(event, body_of(event), whole)
    assert len(short.content) < whole
    assert json.loads(short.content)["data"]["left_out"]
    fact = Event(event_id("fact.said", "CA1"), "fact.said", "CA1", 1e9, json.dumps({"words": "x" * 5000}))
    with pytest.raises(MessageTooLarge, match="the server takes 3584"):
        NATS.message(fact, body_of(fact), 4096)
    assert len(NATS.message(event, body_of(event), 10**9).content) <= BODY_BYTES_MAX


def test_what_is_wanted_is_told() -> None:
    assert [NATS.wants(kind) for kind in ("call.completed", "call.analyzed", "fact.said")] == [
        True,
        False,
        True,
    ]
