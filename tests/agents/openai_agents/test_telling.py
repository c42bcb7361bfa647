"""What the SDK's session is told of a call, event by event: without a loop, without a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("agents.realtime", reason="the OpenAI Agents SDK is an extra: callbridge[openai-agents]")

from agents.realtime import RealtimeModelItemDeletedEvent

from callbridge.agents.context import Line
from callbridge.agents.openai_agents.telling import Telling
from callbridge.call import facts
from callbridge.call.lived import SaidItem
from callbridge.wire import realtime_events as e

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agents.realtime import RealtimeModelEvent


def types(events: Iterable[RealtimeModelEvent]) -> list[str]:
    return [event.type for event in events]


def begun(telling: Telling, response_id: str = "resp_1") -> list[str]:
    return types(telling.model_says(e.ResponseCreated(e.Response(response_id))))


def words_of(events: Iterable[RealtimeModelEvent]) -> list[Any]:
    """Item, words and status of what the history has of the agent."""
    found: list[Any] = []
    for event in events:
        if event.type == "item_updated" and event.item.type == "message" and event.item.role == "assistant":
            item = event.item
            found += [(item.item_id, getattr(part, "transcript", None), item.status) for part in item.content]
    return found


def test_a_response_ends_with_its_session() -> None:
    """Otherwise the words of two responses would be taken for one."""
    telling = Telling()
    assert begun(telling) == ["turn_started"]
    assert types(telling.told(facts.SessionReplaced("lost", 300, 4))) == ["turn_ended"]
    assert types(telling.told(facts.SessionReplaced("lost", 300, 4))) == []
    assert list(telling.hears("agent", "item_1", "late")) == []


def test_a_response_that_was_never_said_to_be_over_is_over_when_the_next_begins() -> None:
    telling = Telling()
    begun(telling)
    assert begun(telling, "resp_2") == ["turn_ended", "turn_started"]
    assert types(telling.model_says(e.ResponseDone(e.Response("resp_1")))) == ["turn_ended"]
    (delta,) = telling.hears("agent", "item_2", "Hello, this is the airline.")
    assert delta.response_id == "resp_2"  # type: ignore[union-attr]  # It is a delta.


def test_words_are_told_some_at_a_time_and_before_whatever_follows_them() -> None:
    telling = Telling(characters_each=8)
    begun(telling)

    def told(item_id: str, words: str) -> list[tuple[str, str]]:
        return [(event.item_id, event.delta) for event in telling.hears("agent", item_id, words)]  # type: ignore[union-attr]

    assert told("item_1", "Good") == []
    assert told("item_1", " day,") == [("item_1", "Good day,")]
    assert told("item_1", " all") == []
    assert told("item_2", "So") == [("item_1", " all")]
    assert list(telling.hears("caller", "item_9", "What is it that you say?")) == []
    assert types(telling.model_says(e.AudioDone("resp_1", "item_2"))) == ["transcript_delta", "audio_done"]
    assert told("item_3", "And") == []
    assert types(telling.told(facts.Interrupted((("item_3", 80),), (), 40))) == [
        "transcript_delta",
        "audio_interrupted",
    ]


def test_words_of_an_item_that_was_cut_come_late_and_do_not_count() -> None:
    telling = Telling()
    begun(telling)
    cut = telling.told(facts.Interrupted((("item_1", 800),), ("item_2",), 4000))
    assert types(cut) == ["audio_interrupted", "item_deleted"]
    assert list(telling.model_says(e.AgentTranscript("item_1", "All that it was to say"))) == []
    ended = facts.TurnEnded(
        *(2, "Stop", "All …", 300),
        interrupted=True,
        items=(
            SaidItem("item_1", "All that it was to say", "All …", 4000, 800, was_cut=True),
            SaidItem("item_2", "And more", "", 1000, 0, was_cut=True),
            SaidItem("item_3", "Whole", "Whole", 500, 500),
        ),
    )
    heard, unheard = telling.told(ended)
    assert words_of([heard]) == [("item_1", "All …", "incomplete")]
    assert unheard == RealtimeModelItemDeletedEvent("item_2"), "an item without a sound is no interruption"


def test_what_the_server_says_comes_before_what_is_made_of_it() -> None:
    """As far as a call reads it, by the server's own names."""
    telling = Telling(has_raw=True)
    raw, started = telling.model_says(e.ResponseCreated(e.Response("resp_1", "in_progress")))
    assert [raw.type, started.type] == ["raw_server_event", "turn_started"]
    (raw,) = telling.model_says(e.SpeechStarted("item_1", 800))
    assert raw.data == {  # type: ignore[union-attr]  # It is raw.
        "type": "input_audio_buffer.speech_started",
        "item_id": "item_1",
        "audio_start_ms": 800,
    }


@pytest.mark.parametrize(
    ("heard_ms", "expected"),
    [(800, ["audio_interrupted"]), (0, ["audio_interrupted", "item_deleted"])],
)
def test_what_a_guardrail_has_stopped_is_told_as_an_interruption(heard_ms: int, expected: list[str]) -> None:
    tripped = facts.GuardrailTripped("no", "item_1", True, heard_ms, 100, 5, 10)
    assert types(Telling().told(tripped)) == expected
    late = facts.GuardrailTripped("no", "item_1", False, 900, 0, 15, 0)
    assert types(Telling().told(late)) == []


def test_usage_is_counted_as_it_is_billed_and_odd_numbers_are_none() -> None:
    usage = e.Usage(
        *(120, 40.0),
        e.InputTokens(text_tokens=100, audio_tokens=20, cached_tokens=64),
        e.OutputTokens(text_tokens=10, audio_tokens=-5),
    )
    told, ended = Telling().model_says(e.ResponseDone(e.Response("resp_1", usage=usage)))
    assert ended.type == "turn_ended"
    assert told.type == "usage"
    assert (told.usage.requests, told.usage.total_tokens) == (1, 160)
    assert told.usage.input_tokens_details.cached_tokens == 64
    assert told.output_tokens_details is not None
    assert told.output_tokens_details.audio_tokens == 0


def test_earlier_streams_stand_in_the_history() -> None:
    lines = [Line("agent", "Hello!"), Line("caller", "A bill.")]
    first, second = Telling().earlier(lines)
    assert words_of([first]) == [("earlier_1", "Hello!", "completed")]
    assert second.item.content[0].text == "A bill."  # type: ignore[union-attr]  # It is the caller's.


def test_an_error_of_the_model_is_one_of_the_session() -> None:
    (told,) = Telling().model_says(e.ErrorEvent(e.ErrorDetail("invalid", "no_such_item", "gone")))
    assert told.error == {"type": "invalid", "code": "no_such_item", "message": "gone", "param": None}  # type: ignore[union-attr]
