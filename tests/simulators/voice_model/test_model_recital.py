"""What the model remembers, asked in words: its own turns, the client's items, cuts and deletions."""

from __future__ import annotations

from typing import Any

import pytest

from callbridge.simulators.voice_model import Answer, Call, Failure, Say, Script, tone
from model_driver import Event, ModelClient, kinds, loud, quiet, scripted

LOOK_UP = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}


def item(client: ModelClient, **fields: Any) -> list[Event]:
    return client.send("conversation.item.create", item=fields)


def message(client: ModelClient, role: str, text: str, **fields: Any) -> list[Event]:
    kind = "output_text" if role == "assistant" else "input_text"
    return item(client, type="message", role=role, content=[{"type": kind, "text": text}], **fields)


def recited(client: ModelClient) -> str:
    """What the next answer says."""
    client.respond(60)
    said: str = client.of("response.output_audio_transcript.done")[-1]["transcript"]
    return said


def test_history_that_a_client_brings_is_known() -> None:
    """A resume: summary, turns of both sides, and a call with its output, each acknowledged twice."""
    client = ModelClient(Script(default=Answer(recites=True)))
    client.configure(tools=[LOOK_UP])
    came = [
        *message(client, "system", "The caller wants a cake."),
        *message(client, "user", "Do you have cakes?", id="msg_1"),
        *message(client, "assistant", "Yes, four.", id="msg_2"),
        *item(client, type="function_call", name="look_up", arguments='{"a":1}', call_id="call_1"),
        *item(client, type="function_call_output", call_id="call_1", output='{"cakes":4}'),
    ]
    assert kinds(came) == ["conversation.item.added", "conversation.item.done"] * 5
    # The API shows no status of an output.
    assert [event["item"].get("status") for event in came] == ["completed"] * 8 + [None] * 2
    expected = [
        "system: The caller wants a cake.",
        "user: Do you have cakes?",
        "assistant: Yes, four.",
        'tool look_up({"a":1}): {"cakes":4}',
    ]
    assert client.session.journal.memory == expected
    assert recited(client) == "; ".join(expected)
    assert client.session.journal.memory == [*expected, f"assistant: {'; '.join(expected)}"]
    usage = client.of("response.done")[0]["response"]["usage"]
    assert usage["input_token_details"]["text_tokens"] > 10


def test_nothing_is_remembered_at_first() -> None:
    assert recited(ModelClient(Script(default=Answer(recites=True)))) == "I remember nothing."


def test_an_item_may_go_to_the_front() -> None:
    client = ModelClient()
    message(client, "user", "Second.")
    client.send(
        "conversation.item.create",
        previous_item_id="root",
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "First."}]},
    )
    assert client.session.journal.memory == ["user: First.", "user: Second."]


def test_turns_of_the_session_are_known() -> None:
    script = scripted(
        Answer(say=("Good morning.",)),
        Answer(caller="Are you open?", say=("Let me see.",), calls=(Call(name="look_up"),)),
        Answer(recites=True),
    )
    client = ModelClient(script)
    client.configure(tools=[LOOK_UP])
    client.respond(5)
    client.say(loud(600) + quiet(700))
    client.run(5)
    (called,) = client.of("response.function_call_arguments.done")
    assert client.session.journal.memory[-1] == "tool look_up({}): no output"
    item(client, type="function_call_output", call_id=called["call_id"], output="yes")
    assert recited(client) == (
        "assistant: Good morning.; user: Are you open?; assistant: Let me see.; tool look_up({}): yes"
    )


def test_an_unreported_transcript_is_remembered_all_the_same() -> None:
    """The model hears audio: what becomes of the transcription is the client's loss."""
    refused = Failure(code="audio_unintelligible", message="?")
    script = scripted(Answer(caller="Hello?", say=("Yes.",), transcript_error=refused))
    client = ModelClient.configured(script)
    client.say(loud(600) + quiet(700))
    assert client.session.journal.memory[0] == "user: Hello?"


def test_what_was_cut_has_no_words_and_what_was_deleted_is_gone() -> None:
    """The server forgets the transcript of a truncated item."""
    client = ModelClient(scripted(Answer(say=("One two.", "Three four.")), Answer(recites=True)))
    client.respond(5)
    first, second = client.of("response.output_item.done")
    client.send("conversation.item.delete", item_id=first["item"]["id"])
    client.send("conversation.item.truncate", item_id=second["item"]["id"], content_index=0, audio_end_ms=120)
    assert recited(client) == "assistant: (cut at 120 ms)"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}], "user: (an image)"),
        ([{"type": "input_audio", "audio": "////" * 400}], "user: (150 ms of audio)"),
        ([{"type": "input_audio", "audio": "////" * 400, "transcript": "Well."}], "user: (150 ms of audio)"),
        ([{"type": "input_text", "text": ""}], "user: (nothing)"),
    ],
)
def test_what_is_no_text_is_named(content: list[Event], words: str) -> None:
    client = ModelClient.configured()
    item(client, type="message", role="user", content=content)
    assert client.session.journal.memory == [words]


def test_a_recital_sounds_as_the_script_says() -> None:
    speech = tone("a clip")
    said = (Say(text="x", audio=speech), Say(text="And that is all."))
    client = ModelClient.configured(scripted(Answer(recites=True, say=said), Answer(recites=True)))
    message(client, "user", "Hello.")
    recited(client)
    first, second = client.of("response.output_audio_transcript.done")
    assert (first["transcript"], second["transcript"]) == ("user: Hello.", "And that is all.")
    assert client.audio(first["item_id"]) == speech
    everything = recited(client)
    assert client.audio(client.of("response.output_item.done")[-1]["item"]["id"]) == tone(everything)


def test_a_response_with_input_of_its_own_knows_that_alone() -> None:
    """`response.input` replaces the conversation."""
    client = ModelClient(Script(default=Answer(recites=True)))
    message(client, "user", "Secret.")
    written = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}
    client.send("response.create", response={"input": [written]})
    client.run(10)
    assert client.of("response.output_audio_transcript.done")[-1]["transcript"] == "user: Hi."


def test_a_turn_is_not_answered_while_responses_are_off() -> None:
    """`create_response: false` while history is replayed; switched back, the next turn is answered."""
    client = ModelClient(scripted(Answer(caller="One.", say=("Yes.",))))
    client.detect(create_response=False)
    client.say(loud(600) + quiet(700))
    client.run(10)
    assert client.of("input_audio_buffer.committed")
    assert client.of("response.created") == []
    assert client.session.journal.memory == ["user: One."]
    client.detect(create_response=True)
    client.run(10)
    assert client.of("response.created") == []
    client.say(loud(600) + quiet(700))
    client.run(10)
    assert len(client.of("response.created")) == 1
    assert client.session.journal.refusals == []


@pytest.mark.parametrize("answers", [True, False])
def test_what_holds_at_the_end_of_a_turn_decides(answers: bool) -> None:
    """A change in mid-turn keeps the turn, and counts for it."""
    client = ModelClient()
    client.detect(create_response=not answers)
    client.say(loud(600))
    client.detect(create_response=answers)
    client.say(quiet(700))
    assert len(client.of("input_audio_buffer.speech_started")) == 1
    assert len(client.of("input_audio_buffer.committed")) == 1
    assert len(client.of("response.created")) == answers
