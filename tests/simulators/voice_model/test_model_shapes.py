"""The simulated voice model sends what the real one was recorded to send: these fields, of these types."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from recorded_shapes import SHAPES, differences

from callbridge.simulators.voice_model import Answer, Call, Failure, Script
from model_driver import Event, ModelClient, scripted

TOOL = {
    "type": "function",
    "name": "hours",
    "description": "Opening hours.",
    "parameters": {"type": "object", "properties": {"day": {"type": "string"}}},
}


def connected(script: Script, model: str, transcription: str, **session: Any) -> ModelClient:
    """A client with transcription and a tool, which leaves everything else as it is."""
    client = ModelClient(script, model=model, opened_unix_s=1_800_000_000)
    heard = {"input": {"transcription": {"model": transcription}}}
    client.send("session.update", session={"type": "realtime", "audio": heard, "tools": [TOOL], **session})
    return client


def say_something(client: ModelClient) -> None:
    """A second of speech as the default format has it: 16 bit at 24 kHz."""
    square = b"\x00\x40" * 12 + b"\x00\xc0" * 12
    client.append(bytes(48 * 416) + square * 1000 + bytes(48 * 800))
    client.run(5)


def spoken_turns(model: str) -> ModelClient:
    """Spoken turns with a tool, which streamed words come of."""
    script = scripted(
        Answer(
            say=("Let me see.",), calls=(Call(name="hours", arguments={"day": "Sunday"}),), caller="Open?"
        ),
        Answer(say=("We are open.",)),
        Answer(say=("Bye.",), caller="Thanks, bye."),
    )
    client = connected(script, model, "gpt-realtime-whisper")
    say_something(client)
    (call,) = (item for item in client.session.journal.items.values() if item.type == "function_call")
    output = {"type": "function_call_output", "call_id": call.fields["call_id"], "output": "{}"}
    client.send("conversation.item.create", item=output)
    client.respond(5)
    say_something(client)
    return client


def written_turns(model: str) -> ModelClient:
    """A history, an answer in text, a spoken turn that is understood and one that is not."""
    failure = Failure(code="audio_unintelligible")
    script = scripted(
        Answer(say=("You are Ada.",), calls=(Call(name="hours"),)),
        Answer(say=("Yes.",), caller="Is that right?"),
        Answer(say=("Pardon?",), transcript_error=failure),
    )
    client = connected(script, model, "gpt-transcribe", output_modalities=["text"])
    for role, kind in (("user", "input_text"), ("assistant", "output_text"), ("user", "input_text")):
        item = {"type": "message", "role": role, "content": [{"type": kind, "text": "Ada."}]}
        client.send("conversation.item.create", item=item)
    client.respond(5)
    say_something(client)
    say_something(client)
    return client


def every_event() -> list[Event]:
    """What both models send in both kinds of session."""
    return [
        event
        for model in ("gpt-realtime", "gpt-realtime-2.1")
        for session in (spoken_turns, written_turns)
        for event in session(model).events
    ]


def test_every_event_has_its_recorded_shape() -> None:
    """No field is missing, none is there that was never seen, and each has its type."""
    found = {
        f"{event['type']}: {found}"
        for event in every_event()
        for found in differences(event, SHAPES[event["type"]])
    }
    assert found == set()


def test_every_recorded_shape_is_sent() -> None:
    """Optional fields too: each with one model or the other."""
    events = every_event()
    assert {event["type"] for event in events} == set(SHAPES)
    sent = str(events)
    assert all(f"'{name}':" in sent for name in ("phase", "reasoning_tokens", "rate"))


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda event: event["item"].pop("status"), ".item.status is missing"),
        (lambda event: event["item"].update(object="realtime.item"), ".item.object is in no recording"),
        (lambda event: event["item"].update(role=None), ".item.role is null, not text"),
        (lambda event: event.update(previous_item_id=7), ".previous_item_id is whole, not text|null"),
        (lambda event: event["item"].update(content={}), ".item.content is object, not a list"),
    ],
)
def test_the_comparison_itself_finds_a_difference(spoil: Any, found: str) -> None:
    client = ModelClient()
    client.respond(5)
    event = copy.deepcopy(client.of("conversation.item.done")[0])
    assert differences(event, SHAPES[event["type"]]) == []
    spoil(event)
    assert differences(event, SHAPES[event["type"]]) == [found]
