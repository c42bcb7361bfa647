"""`session.update` on the simulated voice model: defaults, patches, and every trap with its error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callbridge.simulators.voice_model import REALTIME_MODELS
from callbridge.simulators.voice_model.session_config import REASONING_MODELS
from model_driver import PCMU, Event, ModelClient, answers, error_of, loud, quiet, telephone


def nested(path: str, value: Any) -> Event:
    """A session with one field, named by its path."""
    session: Event = {"type": "realtime"}
    here, names = session, path.split(".")
    for name in names[:-1]:
        here = here.setdefault(name, {})
    here[names[-1]] = value
    return session


def test_a_session_starts_with_the_documented_defaults() -> None:
    created = ModelClient(opened_unix_s=1_000_000).events[0]
    assert created["type"] == "session.created"
    session = created["session"]
    assert session["id"].startswith("sess_")
    assert session["expires_at"] == 1_003_600
    assert (session["object"], session["type"]) == ("realtime.session", "realtime")
    assert (session["model"], session["output_modalities"]) == ("gpt-realtime-2.1", ["audio"])
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["input"] == json.loads("""{
        "format": {"type": "audio/pcm", "rate": 24000}, "transcription": null, "noise_reduction": null,
        "turn_detection": {
            "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500,
            "idle_timeout_ms": null, "create_response": true, "interrupt_response": true}}""")


@pytest.mark.parametrize("model", REALTIME_MODELS)
def test_silence_and_voice_depend_on_the_model(model: str) -> None:
    """Those of 2025 wait shorter, and speak with another voice."""
    is_old = "-2025-" in model or model in {"gpt-realtime", "gpt-realtime-mini"}
    audio = ModelClient(model=model).events[0]["session"]["audio"]
    found = (audio["input"]["turn_detection"]["silence_duration_ms"], audio["output"]["voice"])
    assert found == ((200, "alloy") if is_old else (500, "marin"))


def test_reasoning_is_taken_and_not_shown() -> None:
    client = ModelClient()
    session = {"type": "realtime", "reasoning": {"effort": "low"}, "parallel_tool_calls": False}
    (event,) = client.send("session.update", session=session)
    for shown in (client.events[0]["session"], event["session"]):
        assert shown.keys().isdisjoint({"reasoning", "parallel_tool_calls"})


def test_a_session_of_type_transcription() -> None:
    """It hears and writes down what it hears; its settings are fewer, and it has no responses."""
    client = ModelClient(kind="transcription", model="")
    shown = client.events[0]["session"]
    assert (shown["type"], shown["object"]) == ("transcription", "realtime.transcription_session")
    assert shown["audio"].keys() == {"input"}
    assert shown["audio"]["input"]["turn_detection"].keys() == {
        "type", "threshold", "prefix_padding_ms", "silence_duration_ms"}  # fmt: skip
    code, text, _ = error_of(client.send("session.update", session={"type": "realtime"}))
    assert (code, "to a transcription session is not allowed" in text) == ("invalid_value", True)
    heard: Event = {"format": PCMU, "transcription": {"model": "gpt-realtime-whisper"}}
    session = {"type": "transcription", "audio": {"input": heard}}
    code, text, param = error_of(client.send("session.update", session=session))
    assert (code, param) == ("invalid_value", "session.audio.input.turn_detection")
    heard["transcription"] = {"model": "gpt-transcribe"}
    assert client.send("session.update", session=session)[0]["type"] == "session.updated"
    client.say(quiet(416) + loud(608) + quiet(544))
    client.run(5)
    assert client.events[-1]["type"] == "conversation.item.input_audio_transcription.completed"
    assert not client.of("response.created")
    assert error_of(client.send("response.create"))[0] == "invalid_event"


def vad(**fields: Any) -> Event:
    return {"type": "server_vad"} | fields


IN, OUT, DETECTION = "audio.input.format", "audio.output.format", "audio.input.turn_detection"
HEARING, NOISE = "audio.input.transcription", "audio.input.noise_reduction"
HOURS = {"type": "function", "name": "hours"}

UNKNOWN: list[tuple[str, Any, str]] = [
    (IN, {"type": "audio/pcmu", "rate": 8000}, ".rate"),
    (OUT, {"type": "audio/pcma", "rate": 8000}, ".rate"),
    (DETECTION, {"type": "semantic_vad", "idle_timeout_ms": 6000}, ".idle_timeout_ms"),
    (DETECTION, vad(eagerness="low"), ".eagerness"),
    ("tools", [HOURS | {"strict": True}], "[0].strict"),  # As in another API.
    # As in the beta.
    ("turn_detection", vad(), ""),
    ("voice", "alloy", ""),
    ("input_audio_format", "g711_ulaw", ""),
    ("output_audio_format", "g711_ulaw", ""),
    ("input_audio_transcription", {"model": "whisper-1"}, ""),
    ("max_response_output_tokens", 100, ""),
    ("modalities", ["audio", "text"], ""),
    ("temperature", 0.8, ""),
]
MISSING: list[tuple[str, Any, str]] = [
    (OUT, {"type": "audio/pcm"}, ".rate"),
    (DETECTION, {"threshold": 0.6}, ".type"),
    ("tools", [{"type": "function", "function": {"name": "hours"}}], "[0].name"),
]
WRONG: list[tuple[str, Any, str, str, str]] = [
    (IN, {"type": "audio/pcm", "rate": 16000}, ".rate", "integer_below_min_value", ">= 24000, but got 16000"),
    (IN, {"type": "audio/pcm", "rate": 48000}, ".rate", "integer_above_max_value", "<= 24000, but got 48000"),
    (DETECTION, vad(threshold=1.5), ".threshold", "decimal_above_max_value", "<= 1.0, but got 1.5"),
    (DETECTION, vad(silence_duration_ms=-1), ".silence_duration_ms", "integer_below_min_value", ">= 0, but"),
    (DETECTION, vad(idle_timeout_ms=4999), ".idle_timeout_ms", "integer_below_min_value", ">= 5000"),
    ("audio.output.speed", 1.6, "", "decimal_above_max_value", "<= 1.5, but got 1.6"),
    ("max_output_tokens", 0, "", "integer_below_min_value", ">= 1, but got 0"),
    ("max_output_tokens", 4097, "", "integer_above_max_value", "<= 4096, but got 4097"),
    (IN, "g711_ulaw", "", "invalid_type", "expected an object, but got a string instead"),
    (DETECTION, vad(prefix_padding_ms=0.5), ".prefix_padding_ms", "invalid_type", "but got a decimal"),
    (DETECTION, vad(create_response=1), ".create_response", "invalid_type", "a boolean, but got an integer"),
    ("instructions", None, "", "invalid_type", "expected a string, but got null instead"),
    ("audio", None, "", "invalid_type", "expected an object, but got null instead"),
    (IN, {"type": "g711_ulaw"}, ".type", "invalid_value", "'audio/pcm', 'audio/pcmu', and 'audio/pcma'."),
    ("type", "transcription", "", "invalid_value", "Passing a transcription session update event to a"),
    ("type", "beta", "", "invalid_value", "Supported values are: 'realtime' and 'transcription'."),
    ("model", "gpt-realtime-1.5", "", "invalid_value", "The model of a session cannot be changed"),
    ("output_modalities", ["audio", "text"], "", "invalid_value", "are: ['text'] and ['audio']."),
    ("audio.output.voice", "nova", "", "invalid_value", "Invalid value: 'nova'."),
    (HEARING, {"model": "whisper-9"}, ".model", "invalid_value", "Invalid value: 'whisper-9'."),
    (NOISE, {"type": "middle_field"}, ".type", "invalid_value", "'near_field' and 'far_field'."),
    ("max_output_tokens", "infinite", "", "invalid_value", "Supported values are: 'inf'."),
    ("reasoning.effort", "maximal", "", "invalid_value", "Invalid value: 'maximal'."),
    ("tools", [HOURS | {"name": "opening hours"}], "[0].name", "invalid_value", "does not match pattern"),
    ("tool_choice", "any", "", "invalid_value", "Supported values are: 'none', 'auto', and 'required'."),
]
NO_SUCH = ("unknown_parameter", "Unknown parameter: '{}'.")
LACKING = ("missing_required_parameter", "Missing required parameter: '{}'.")
NO_SCHEMA = ("invalid_function_parameters", "schema must be a JSON Schema")
RATIO = {"type": "retention_ratio", "retention_ratio": 2}
KEYWORDS = {"model": "whisper-1", "keywords": ["bread"]}
TRAPS: list[tuple[Event, str, str, str]] = [
    *((nested(path, sent), path + at, *NO_SUCH) for path, sent, at in UNKNOWN),
    *((nested(path, sent), path + at, *LACKING) for path, sent, at in MISSING),
    *((nested(path, sent), path + at, code, text) for path, sent, at, code, text in WRONG),
    ({"instructions": "Be brief."}, "type", *LACKING),
    (nested("truncation", RATIO), "truncation.retention_ratio", "decimal_above_max_value", "<= 1.0, but"),
    (nested(HEARING, KEYWORDS), f"{HEARING}.keywords", "unsupported_parameter", "with model 'whisper-1'"),
    (nested("tools", [HOURS | {"parameters": vad()}]), "tools[0].parameters", *NO_SCHEMA),
]
"""What is sent; the param, the code and a part of the text of the error."""


@pytest.mark.parametrize(("session", "param", "code", "text"), TRAPS, ids=str)
def test_a_trap_is_answered_with_its_error_and_changes_nothing(
    session: Event, param: str, code: str, text: str
) -> None:
    """A refused update is refused whole, also the part of it that was right."""
    client = ModelClient()
    before = client.events[0]["session"]
    events = client.send("session.update", session=session | {"include": None}, event_id="mine")
    got_code, message, got_param = error_of(events)
    assert (got_code, got_param) == (code, f"session.{param}")
    assert text.replace("{}", f"session.{param}") in message
    assert events[0]["error"]["event_id"] == "mine"
    (event,) = client.send("session.update", session={"type": "realtime"})
    assert event["session"] == before
    (refusal,) = client.session.journal.refusals
    assert (refusal.event_type, refusal.code) == ("session.update", code)


@pytest.mark.parametrize("model", sorted(set(REALTIME_MODELS) - REASONING_MODELS))
@pytest.mark.parametrize(
    ("name", "value"), [("reasoning", {"effort": "low"}), ("parallel_tool_calls", False)]
)
def test_older_models_refuse_what_reasoning_models_take(model: str, name: str, value: object) -> None:
    session = {"type": "realtime", name: value}
    older = ModelClient(model=model)
    code, message, param = error_of(older.send("session.update", session=session))
    assert (code, param) == ("unsupported_parameter", f"session.{name}")
    assert "not supported with this model" in message
    (event,) = ModelClient().send("session.update", session=session)
    assert event["type"] == "session.updated"


def test_the_voice_is_locked_once_the_assistant_was_heard() -> None:
    client = ModelClient(answers("Good morning."))
    other = telephone(instructions="New.")
    other["audio"]["output"]["voice"] = "cedar"
    assert client.send("session.update", session=other)[0]["type"] == "session.updated"
    client.respond(0.4)
    other["audio"]["output"]["voice"] = "marin"
    text = "Cannot update a conversation's voice if assistant audio is present."
    assert error_of(client.send("session.update", session=other)) == ("cannot_update_voice", text, None)
    other["audio"]["output"]["voice"] = "cedar"
    assert client.send("session.update", session=other)[0]["type"] == "session.updated"


def test_the_transcription_models_that_are_accepted_can_be_chosen() -> None:
    client = ModelClient(transcription_models=("whisper-1",))
    session = nested("audio.input.transcription", {"model": "gpt-transcribe"})
    code, message, param = error_of(client.send("session.update", session=session))
    assert (code, param) == ("invalid_value", "session.audio.input.transcription.model")
    assert message == "Invalid value: 'gpt-transcribe'. Supported values are: 'whisper-1'."


def test_an_update_is_a_patch_and_is_echoed_whole() -> None:
    client = ModelClient()
    client.configure(instructions="Be brief.", tools=[HOURS])
    session = client.configure(max_output_tokens=500)
    assert session["instructions"] == "Be brief."
    assert session["tools"] == [HOURS]
    assert session["max_output_tokens"] == 500
    assert session["audio"]["input"]["format"] == PCMU
    assert session["audio"]["output"]["format"] == PCMU
    assert session["audio"]["output"]["voice"] == "marin"


def test_null_and_empty_values_clear() -> None:
    client = ModelClient()
    first = telephone(instructions="Be brief.", tools=[HOURS])
    first["audio"]["input"] |= {
        "transcription": {"model": "gpt-transcribe", "keywords": ["rye"]},
        "noise_reduction": {"type": "near_field"},
    }
    (event,) = client.send("session.update", session=first)
    assert event["session"]["audio"]["input"]["noise_reduction"] == {"strength": 1.0, "type": "near_field"}
    second = telephone(instructions="", tools=[], tracing=None)
    second["audio"]["input"] |= {"transcription": None, "noise_reduction": None, "turn_detection": None}
    (event,) = client.send("session.update", session=second)
    session = event["session"]
    # The server's own words stand in their place.
    assert session["instructions"] == client.events[0]["session"]["instructions"]
    assert (session["tools"], session["tracing"]) == ([], None)
    cleared = {"transcription": None, "noise_reduction": None, "turn_detection": None}
    assert session["audio"]["input"] == {"format": PCMU, **cleared}


def test_turn_detection_of_the_same_type_is_patched_and_of_another_starts_anew() -> None:
    client = ModelClient()
    client.detect(threshold=0.7)
    client.detect(silence_duration_ms=300)
    detection = client.events[-1]["session"]["audio"]["input"]["turn_detection"]
    assert (detection["threshold"], detection["silence_duration_ms"]) == (0.7, 300)
    client.detect(type="semantic_vad", eagerness="high")
    detection = client.events[-1]["session"]["audio"]["input"]["turn_detection"]
    answering = {"create_response": True, "interrupt_response": True}
    assert detection == {"type": "semantic_vad", "eagerness": "high", **answering}


def test_noise_reduction_keeps_its_strength_until_told_otherwise() -> None:
    client = ModelClient()
    for patch, strength in (({"type": "near_field", "strength": 0.4}, 0.4), ({"type": "far_field"}, 0.4)):
        session = nested("audio.input.noise_reduction", patch)
        (event,) = client.send("session.update", session=session)
        assert event["session"]["audio"]["input"]["noise_reduction"]["strength"] == strength


def test_the_full_session_of_a_careful_client_is_accepted() -> None:
    session = json.loads("""{
        "type": "realtime", "model": "gpt-realtime-2.1", "instructions": "Be brief.",
        "output_modalities": ["audio"], "max_output_tokens": "inf", "parallel_tool_calls": false,
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"}, "noise_reduction": {"type": "near_field", "strength": 0.5},
                "transcription": {"model": "gpt-transcribe", "languages": ["en"], "keywords": ["rye"]},
                "turn_detection": {
                    "type": "server_vad", "threshold": 0.6, "prefix_padding_ms": 200,
                    "silence_duration_ms": 400, "idle_timeout_ms": 8000, "create_response": true,
                    "interrupt_response": false}},
            "output": {"format": {"type": "audio/pcmu"}, "voice": {"id": "voice_123"}, "speed": 1.1}},
        "tools": [
            {"type": "function", "name": "hours", "description": "Hours.",
                "parameters": {"type": "object", "properties": {}}},
            {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example"}],
        "tool_choice": {"type": "function", "name": "hours"}, "reasoning": {"effort": "minimal"},
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.8,
            "token_limits": {"post_instructions": 8000}},
        "tracing": {"workflow_name": "calls", "group_id": "one", "metadata": {}},
        "include": ["item.input_audio_transcription.logprobs"],
        "prompt": {"id": "pmpt_1", "version": "2", "variables": {}}}""")
    client = ModelClient()
    event, *listing = client.send("session.update", session=session)
    assert event["type"] == "session.updated", event
    session["audio"]["input"]["transcription"] |= {"language": None, "prompt": None}
    for name in ("reasoning", "parallel_tool_calls"):
        del session[name]
    assert {name: event["session"][name] for name in session} == session
    events = [*listing, *client.run(1)]
    assert [event["type"] for event in events] == [
        "conversation.item.added", "mcp_list_tools.in_progress",
        "mcp_list_tools.completed", "conversation.item.done"]  # fmt: skip
    assert {event.get("item_id", event.get("item", {}).get("id")) for event in events} == {
        events[1]["item_id"]
    }
    # Each server is asked once.
    assert len(client.send("session.update", session={"type": "realtime"})) == 1
