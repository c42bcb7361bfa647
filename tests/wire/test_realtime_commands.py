"""The commands that we send to the model: exactly the fields that are meant, and no other.

Commands as on https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.wire import realtime_commands as rc
from callbridge.wire.realtime_events import MULAW

AUDIO = rc.Audio(
    rc.AudioInput(MULAW, rc.ServerVad(0.5, 300, 500), transcription=None, noise_reduction=None),
    rc.AudioOutput(MULAW, "marin"),
)
PARAMETERS: dict[str, object] = {"type": "object", "properties": {}}
PLAIN = rc.Session("Be brief.", AUDIO, (), "auto", ("audio",))
FULL = rc.Session(
    instructions="Be brief.",
    audio=rc.Audio(
        rc.AudioInput(
            MULAW,
            rc.SemanticVad("low", create_response=False, interrupt_response=False),
            rc.Transcription("gpt-4o-transcribe", "de", "Ships."),
            rc.NoiseReduction("far_field"),
        ),
        rc.AudioOutput(MULAW, "cedar"),
    ),
    tools=(rc.FunctionTool("look_up", "D.", PARAMETERS),),
    tool_choice="none",
    output_modalities=("audio",),
    max_output_tokens="inf",
    truncation=rc.RetentionRatio(0.8, rc.TokenLimits(8000)),
    reasoning=rc.Reasoning("low"),
)

SERVER_VAD = """{"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500,
    "create_response": true, "interrupt_response": true, "idle_timeout_ms": null}"""
PLAIN_TEXT = f"""{{"type": "realtime", "instructions": "Be brief.", "tools": [], "tool_choice": "auto",
    "output_modalities": ["audio"],
    "audio": {{
        "input": {{"format": {{"type": "audio/pcmu"}}, "turn_detection": {SERVER_VAD},
            "transcription": null, "noise_reduction": null}},
        "output": {{"format": {{"type": "audio/pcmu"}}, "voice": "marin"}}
    }}}}"""
FULL_TEXT = """{"type": "realtime", "instructions": "Be brief.", "tool_choice": "none",
    "tools": [{"type": "function", "name": "look_up", "description": "D.",
        "parameters": {"type": "object", "properties": {}}}],
    "output_modalities": ["audio"], "max_output_tokens": "inf", "reasoning": {"effort": "low"},
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.8,
        "token_limits": {"post_instructions": 8000}},
    "audio": {
        "input": {"format": {"type": "audio/pcmu"},
            "turn_detection": {"type": "semantic_vad", "eagerness": "low", "create_response": false,
                "interrupt_response": false},
            "transcription": {"model": "gpt-4o-transcribe", "language": "de", "prompt": "Ships."},
            "noise_reduction": {"type": "far_field"}},
        "output": {"format": {"type": "audio/pcmu"}, "voice": "cedar"}
    }}"""
MESSAGE = rc.Message("cb_item_1", "user", (rc.InputText("Key 1."),))
MESSAGE_TEXT = """{"type": "message", "id": "cb_item_1", "role": "user",
    "content": [{"type": "input_text", "text": "Key 1."}]}"""

EXACT: list[tuple[rc.AnyCommand, str, str]] = [
    (
        rc.UpdateSession(event_id="cb_1", session=PLAIN),
        "session.update",
        f'"event_id": "cb_1", "session": {PLAIN_TEXT}',
    ),
    (rc.UpdateSession(session=FULL), "session.update", f'"session": {FULL_TEXT}'),
    (rc.AppendAudio(audio=b"\xff\xff\xff"), "input_audio_buffer.append", '"audio": "////"'),
    (
        rc.CreateItem(event_id="cb_2", item=MESSAGE),
        "conversation.item.create",
        f'"event_id": "cb_2", "item": {MESSAGE_TEXT}',
    ),
    (
        rc.TruncateItem(item_id="item_1", audio_end_ms=1500, content_index=0),
        "conversation.item.truncate",
        '"item_id": "item_1", "audio_end_ms": 1500, "content_index": 0',
    ),
    (rc.DeleteItem(item_id="item_1"), "conversation.item.delete", '"item_id": "item_1"'),
    (
        rc.CreateResponse(response=rc.ResponseOptions("Greet.", "none")),
        "response.create",
        '"response": {"instructions": "Greet.", "tool_choice": "none"}',
    ),
    (rc.CancelResponse(response_id="resp_1"), "response.cancel", '"response_id": "resp_1"'),
]
"""A command, its type, and its other fields as JSON."""


@pytest.mark.parametrize(("command", "kind", "fields"), EXACT, ids=[kind for _, kind, _ in EXACT])
def test_a_command_has_exactly_the_fields_that_are_meant(
    command: rc.AnyCommand, kind: str, fields: str
) -> None:
    """One unknown field, such as a `rate` beside `audio/pcmu`, makes the server refuse the whole command."""
    assert json.loads(rc.encode(command)) == json.loads(f"{{{fields}}}") | {"type": kind}


def test_what_is_not_set_is_not_sent() -> None:
    assert rc.encode(rc.CreateResponse()) == b'{"type":"response.create"}'
    assert rc.encode(rc.CancelResponse()) == b'{"type":"response.cancel"}'


@given(st.binary(max_size=400))
def test_caller_audio_goes_out_unchanged(audio: bytes) -> None:
    sent = json.loads(rc.encode(rc.AppendAudio(audio=audio)))
    assert set(sent) == {"type", "audio"}
    assert base64.b64decode(sent["audio"], validate=True) == audio
    assert rc.encode_append(audio) == rc.encode(rc.AppendAudio(audio=audio)), "the shorter way"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_words_survive_the_wire(text: str) -> None:
    command = rc.CreateItem(item=rc.FunctionCallOutput(text, text, text))
    sent = json.loads(rc.encode(command))["item"]
    assert sent == {"type": "function_call_output", "id": text, "call_id": text, "output": text}
