"""Every server event of the simulated voice model is one that the `openai` package publishes.

The package's models take anything that they do not know, so validation alone would pass a misspelt
field. Unknown fields are therefore looked for, at every depth.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_session_create_response import RealtimeSessionCreateResponse
from pydantic import BaseModel, TypeAdapter

from callbridge.simulators.voice_model import Answer, Call, Failure, Fault, McpCall, McpListing, demo_script
from callbridge.simulators.voice_model.oddities import EventType
from model_driver import Event, ModelClient, answers, loud, quiet, scripted, telephone

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)

TYPES = {
    get_args(model.model_fields["type"].annotation)[0] for model in get_args(get_args(RealtimeServerEvent)[0])
}

NEVER_SENT = {
    "conversation.item.created": "beta name",
    "conversation.created": "not sent by every endpoint; nothing follows from it",
    "conversation.item.input_audio_transcription.segment": "speakers apart: one caller is one speaker",
    "input_audio_buffer.dtmf_event_received": "SIP only",
    **{f"output_audio_buffer.{name}": "WebRTC and SIP only" for name in ("started", "stopped", "cleared")},
}
"""Published events that the simulator never sends, each with its reason."""

UNPUBLISHED = {
    ".obfuscation",
    ".item.phase",
    ".response.output[].phase",
    ".response.usage.output_token_details.reasoning_tokens",
}
"""Fields that recorded sessions have and the package has not."""

DAY = {"type": "object", "properties": {"day": {"type": "string"}}}
HOURS = {"type": "function", "name": "hours", "description": "Opening hours.", "parameters": DAY}


def unknown_fields(value: object, path: str = "") -> list[str]:
    """Fields that were sent and that the published model does not have."""
    if isinstance(value, list):
        return [name for part in value for name in unknown_fields(part, f"{path}[]")]
    if not isinstance(value, BaseModel):
        return []
    found = [f"{path}.{name}" for name in value.model_extra or {}]
    for name in value.model_fields_set & set(type(value).model_fields):
        found += unknown_fields(getattr(value, name), f"{path}.{name}")
    return found


def check(event: Event) -> None:
    """Validate one event, and look for fields that nobody published."""
    parsed = SERVER_EVENT.validate_python(event, strict=True)
    assert parsed.type == event["type"]
    assert event["event_id"].startswith("event_")
    if event["type"] in {"session.created", "session.updated"}:
        # The event's type has the fields that may be set. `id`, `object` and `expires_at` stand in the
        # published session object alone.
        session = RealtimeSessionCreateResponse.model_validate(event["session"], strict=True)
        known = set(RealtimeSessionCreateResponse.model_fields)
        settable = set(type(parsed.session).model_fields)
        assert set(event["session"]) <= known | settable
        assert unknown_fields(session.audio) == []
        parsed.session.__pydantic_extra__.clear()
    assert set(unknown_fields(parsed)) <= UNPUBLISHED, event


def plain_call() -> ModelClient:
    """Greeting, a spoken turn with a call and its output, an interruption, a truncation."""
    client = ModelClient(demo_script(), opened_unix_s=1_800_000_000)
    session = telephone(tools=[HOURS | {"name": "opening_hours"}])
    session["audio"]["input"] |= {
        "transcription": {"model": "gpt-transcribe", "language": "en"},
        "noise_reduction": {"type": "near_field"},
        "turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000},
    }
    client.send("session.update", session=session)
    client.respond(3)
    client.say(quiet(416) + loud(608) + quiet(544))
    client.run(5)
    (call,) = (i for i in client.session.journal.items.values() if i.type == "function_call")
    output = {"call_id": call.fields["call_id"], "output": "{}", "type": "function_call_output"}
    client.send("conversation.item.create", item=output)
    client.respond(5)
    client.say(quiet(416) + loud(608) + quiet(544))
    client.run(0.8)
    client.append(loud(200))
    spoken = [item for item in client.session.journal.items.values() if item.is_spoken][-1]
    client.send("conversation.item.truncate", item_id=spoken.id, content_index=0, audio_end_ms=200)
    client.send("conversation.item.retrieve", item_id=spoken.id)
    client.send("conversation.item.delete", item_id=spoken.id)
    client.say(quiet(1000))
    client.run(20)
    return client


def odd_answers() -> ModelClient:
    """Failed, incomplete and text responses, failed transcription, responses outside, errors."""
    script = scripted(
        Answer(say=("Part of it.",), status="incomplete", stop_after_ms=200),
        Answer(status="failed", error=Failure(code="rate_limit_exceeded")),
        Answer(
            say=("Hm.",),
            calls=(Call(name="hours"),),
            transcript_error=Failure(code="audio_unintelligible"),
            faults=(Fault(kind="error", at="end"),),
        ),
    )
    client = ModelClient(script, model="gpt-realtime-1.5", max_duration_s=60)
    session = telephone(tools=[HOURS])
    session["audio"]["input"]["transcription"] = {"model": "whisper-1"}
    client.send("session.update", session=session)
    for _ in range(2):
        client.send("response.create", response={"metadata": {"a": "b"}})
        client.run(5)
    client.say(quiet(416) + loud(608) + quiet(544))
    client.run(5)
    client.send("response.create", response={"output_modalities": ["text"], "conversation": "none"})
    client.run(5)
    client.send("response.cancel", event_id="mine")
    client.send("nope")
    client.send("session.update", session={"type": "beta"})
    for item in (
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "S"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "U"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A"}]},
        {"type": "function_call", "name": "hours", "arguments": "{}"},
    ):
        client.send("conversation.item.create", item=item)
    client.run(60)
    return client


def other_settings() -> ModelClient:
    """PCM, semantic VAD, turns by hand, whisper, idle timeout, and every session field."""
    client = ModelClient(answers("Hello.", "Are you there?", "Bye."))
    client.detect(idle_timeout_ms=5000)
    client.respond(1)
    client.say(quiet(6500))
    client.run(5)
    client.detect(type="semantic_vad", eagerness="low")
    session = json.loads("""{
        "type": "realtime", "output_modalities": ["text"],
        "audio": {
            "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": null,
                "transcription": {"model": "whisper-1"}},
            "output": {"format": {"type": "audio/pcma"}, "speed": 1.2}
        },
        "tool_choice": {"type": "function", "name": "hours"}, "parallel_tool_calls": false,
        "reasoning": {"effort": "high"}, "max_output_tokens": 300, "tracing": "auto",
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
        "include": ["item.input_audio_transcription.logprobs"]}""")
    mcp = {"type": "mcp", "server_label": "s", "server_url": "https://s.example"}
    session["tools"] = [HOURS, mcp]
    client.send("session.update", session=session)
    client.append(bytes(48 * 300))
    client.send("input_audio_buffer.commit")
    client.append(bytes(48 * 300))
    client.send("input_audio_buffer.clear")
    client.send("input_audio_buffer.commit")
    client.respond(5)
    return client


def tools_of_servers() -> ModelClient:
    """Servers of the model's: one answers, one does not; calls that fail, and that are approved."""
    script = scripted(
        Answer(
            say=("I look.",),
            mcp=(McpCall(server="till", name="stock", arguments={"bread": "rye"}, output="12"),),
        ),
        Answer(mcp=(McpCall(server="till", name="stock", error="the till is shut"),)),
        Answer(mcp=(McpCall(server="till", name="pay", output="paid"),)),
        Answer(say=("Paid.",)),
        mcp=(McpListing(label="till", tools=("stock", "pay")), McpListing(label="oven", fails=True)),
    )
    client = ModelClient(script)
    policy = {"never": {"tool_names": ["stock"]}}
    till = {
        "type": "mcp",
        "server_label": "till",
        "server_url": "https://till.example",
        "require_approval": policy,
    }
    oven = {"type": "mcp", "server_label": "oven", "server_url": "https://oven.example"}
    client.send("session.update", session={"type": "realtime", "tools": [till, oven]})
    client.run(1)
    for _ in range(3):
        client.respond(3)
    (request,) = (
        item for item in client.session.journal.items.values() if item.type == "mcp_approval_request"
    )
    approval = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}
    client.send("conversation.item.create", item=approval)
    client.run(1)
    client.respond(3)
    return client


SESSIONS = {
    "plain call": plain_call,
    "odd answers": odd_answers,
    "other settings": other_settings,
    "servers": tools_of_servers,
}


@pytest.mark.parametrize("name", SESSIONS)
def test_every_event_is_a_published_one(name: str) -> None:
    client = SESSIONS[name]()
    assert len(client.events) > 30
    for event in client.events:
        check(event)


def test_every_published_event_is_sent_or_left_out_for_a_reason() -> None:
    """A new event type in the package turns this red, and so does one that is never covered here."""
    sent = {event["type"] for session in SESSIONS.values() for event in session().events}
    assert sent.isdisjoint(NEVER_SENT)
    assert sent | set(NEVER_SENT) == TYPES
    assert sent == set(get_args(EventType)), "whatever is sent can be odd"


def test_the_check_itself_finds_a_field_that_nobody_published() -> None:
    (created,) = ModelClient().events
    check(created)
    created["session"]["audio"]["output"]["pitch"] = 1
    with pytest.raises(AssertionError):
        check(created)
