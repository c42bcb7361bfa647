"""The commands that we send to the model: exactly the fields that are meant, and no other.

Commands as on https://developers.openai.com/api/docs/guides/realtime-conversations
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.wire import realtime_commands as rc
from callbridge.wire.realtime import MULAW

AUDIO = rc.Audio(
    rc.AudioInput(MULAW, rc.ServerVad(0.5, 300, 500), transcription=None, noise_reduction=None),
    rc.AudioOutput(MULAW, "marin"),
)
SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "create_response": True,
    "interrupt_response": True,
    "idle_timeout_ms": None,
}
PCMU = {"type": "audio/pcmu"}
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

EXACT: list[tuple[rc.AnyCommand, dict[str, Any]]] = [
    (
        rc.UpdateSession(event_id="cb_1", session=PLAIN),
        {
            "type": "session.update",
            "event_id": "cb_1",
            "session": {
                "type": "realtime",
                "instructions": "Be brief.",
                "audio": {
                    "input": {
                        "format": PCMU,
                        "turn_detection": SERVER_VAD,
                        "transcription": None,
                        "noise_reduction": None,
                    },
                    "output": {"format": PCMU, "voice": "marin"},
                },
                "tools": [],
                "tool_choice": "auto",
                "output_modalities": ["audio"],
            },
        },
    ),
    (
        rc.UpdateSession(session=FULL),
        {
            "type": "session.update",
            "session": {
                "type": "realtime",
                "instructions": "Be brief.",
                "audio": {
                    "input": {
                        "format": PCMU,
                        "turn_detection": {
                            "type": "semantic_vad",
                            "eagerness": "low",
                            "create_response": False,
                            "interrupt_response": False,
                        },
                        "transcription": {"model": "gpt-4o-transcribe", "language": "de", "prompt": "Ships."},
                        "noise_reduction": {"type": "far_field"},
                    },
                    "output": {"format": PCMU, "voice": "cedar"},
                },
                "tools": [
                    {"type": "function", "name": "look_up", "description": "D.", "parameters": PARAMETERS}
                ],
                "tool_choice": "none",
                "output_modalities": ["audio"],
                "max_output_tokens": "inf",
                "truncation": {
                    "type": "retention_ratio",
                    "retention_ratio": 0.8,
                    "token_limits": {"post_instructions": 8000},
                },
                "reasoning": {"effort": "low"},
            },
        },
    ),
    (rc.AppendAudio(audio=b"\xff\xff\xff"), {"type": "input_audio_buffer.append", "audio": "////"}),
    (
        rc.CreateItem(event_id="cb_2", item=rc.Message("cb_item_1", "user", (rc.InputText("Key 1."),))),
        {
            "type": "conversation.item.create",
            "event_id": "cb_2",
            "item": {
                "type": "message",
                "id": "cb_item_1",
                "role": "user",
                "content": [{"type": "input_text", "text": "Key 1."}],
            },
        },
    ),
    (
        rc.CreateItem(item=rc.FunctionCallOutput("cb_item_2", "call_1", "{}")),
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "id": "cb_item_2", "call_id": "call_1", "output": "{}"},
        },
    ),
    (
        rc.TruncateItem(item_id="item_1", audio_end_ms=1500, content_index=0),
        {"type": "conversation.item.truncate", "item_id": "item_1", "audio_end_ms": 1500, "content_index": 0},
    ),
    (rc.DeleteItem(item_id="item_1"), {"type": "conversation.item.delete", "item_id": "item_1"}),
    (rc.CreateResponse(), {"type": "response.create"}),
    (
        rc.CreateResponse(response=rc.ResponseOptions("Greet.", "none")),
        {"type": "response.create", "response": {"instructions": "Greet.", "tool_choice": "none"}},
    ),
    (rc.CancelResponse(), {"type": "response.cancel"}),
    (rc.CancelResponse(response_id="resp_1"), {"type": "response.cancel", "response_id": "resp_1"}),
]


@pytest.mark.parametrize(("command", "expected"), EXACT, ids=[type(command).__name__ for command, _ in EXACT])
def test_a_command_has_exactly_the_fields_that_are_meant(
    command: rc.AnyCommand, expected: dict[str, Any]
) -> None:
    """One unknown field, such as a `rate` beside `audio/pcmu`, makes the server refuse the whole command."""
    assert json.loads(rc.encode(command)) == expected


@given(st.binary(max_size=400))
def test_caller_audio_goes_out_unchanged(audio: bytes) -> None:
    sent = json.loads(rc.encode(rc.AppendAudio(audio=audio)))
    assert set(sent) == {"type", "audio"}
    assert base64.b64decode(sent["audio"], validate=True) == audio


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_words_survive_the_wire(text: str) -> None:
    command = rc.CreateItem(item=rc.FunctionCallOutput(text, text, text))
    sent = json.loads(rc.encode(command))["item"]
    assert sent == {"type": "function_call_output", "id": text, "call_id": text, "output": text}
