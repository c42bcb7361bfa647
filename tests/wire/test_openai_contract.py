"""Our side of the Realtime protocol against the types that OpenAI publishes in its `openai` package.

Every command that we can send is valid, field by field; every event type that the package knows is either
read or left alone for a stated reason; what is read is read right.
"""

from __future__ import annotations

import base64
import json
import types
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from openai.types.realtime.realtime_audio_formats import AudioPCM, AudioPCMA, AudioPCMU
from openai.types.realtime.realtime_response import RealtimeResponse
from openai.types.realtime.response_audio_delta_event import ResponseAudioDeltaEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

from callbridge.wire import realtime_commands as rc
from callbridge.wire import realtime_events as rt
from callbridge.wire.realtime_events import MULAW


def by_type(union: object) -> dict[str, type[BaseModel]]:
    """The members of a published union by the value of their `type`."""
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0]: member for member in members}


CLIENT_EVENTS = by_type(RealtimeClientEvent)
SERVER_EVENTS = by_type(RealtimeServerEvent)


def check_command(text: bytes | str) -> None:
    """Raises unless `text` is a published client event without any field that the type does not have.

    The published models allow extra fields, for the sake of responses newer than the package; the server
    does not. So they are forbidden here, at every depth.
    """
    event_type = json.loads(text)["type"]
    TypeAdapter(CLIENT_EVENTS[event_type]).validate_json(text, strict=True, extra="forbid")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON_SCHEMA = st.fixed_dictionaries(
    {"type": st.just("object")}, optional={"properties": st.dictionaries(TEXT, st.just({"type": "string"}))}
)
DETECTION = st.one_of(
    st.builds(
        rc.ServerVad,
        threshold=st.floats(0, 1),
        prefix_padding_ms=st.integers(0, 5000),
        silence_duration_ms=st.integers(0, 5000),
        create_response=st.booleans(),
        interrupt_response=st.booleans(),
    ),
    st.builds(
        rc.SemanticVad,
        st.sampled_from(["low", "medium", "high", "auto"]),
        create_response=st.booleans(),
        interrupt_response=st.booleans(),
    ),
)
TRUNCATION = (
    st.none()
    | st.sampled_from(["auto", "disabled"])
    | st.builds(
        rc.RetentionRatio, st.floats(0, 1), st.none() | st.builds(rc.TokenLimits, st.integers(0, 128_000))
    )
)
SESSION = st.builds(
    rc.Session,
    instructions=TEXT,
    audio=st.builds(
        rc.Audio,
        st.builds(
            rc.AudioInput,
            st.just(MULAW),
            DETECTION,
            st.none() | st.builds(rc.Transcription, TEXT, st.none() | TEXT, st.none() | TEXT),
            st.none() | st.builds(rc.NoiseReduction, st.sampled_from(["near_field", "far_field"])),
        ),
        st.builds(rc.AudioOutput, st.just(MULAW), TEXT),
    ),
    tools=st.lists(
        st.builds(rc.FunctionTool, TEXT, TEXT, JSON_SCHEMA)
        | st.builds(
            rc.McpTool,
            TEXT,
            TEXT,
            st.sampled_from(["always", "never"]),
            st.none() | TEXT,
            st.none() | st.lists(TEXT, max_size=2).map(tuple),
            st.none() | TEXT,
            st.none() | st.dictionaries(TEXT, TEXT, max_size=2),
        ),
        max_size=3,
    ).map(tuple),
    tool_choice=st.sampled_from(["auto", "none"]),
    output_modalities=st.just(("audio",)),
    max_output_tokens=st.none() | st.integers(1, 4096) | st.just("inf"),
    truncation=TRUNCATION,
    reasoning=st.none()
    | st.builds(rc.Reasoning, st.sampled_from(["minimal", "low", "medium", "high", "xhigh"])),
)
EVENT_ID = st.none() | TEXT
COMMANDS: dict[type, st.SearchStrategy[rc.AnyCommand]] = {
    rc.UpdateSession: st.builds(rc.UpdateSession, event_id=EVENT_ID, session=SESSION),
    rc.AppendAudio: st.builds(rc.AppendAudio, event_id=EVENT_ID, audio=st.binary(max_size=400)),
    rc.CreateItem: st.builds(
        rc.CreateItem,
        event_id=EVENT_ID,
        item=st.builds(
            rc.Message,
            TEXT,
            st.sampled_from(["user", "system"]),
            st.lists(st.builds(rc.InputText, TEXT), min_size=1, max_size=2).map(tuple),
        )
        | st.builds(rc.FunctionCallOutput, TEXT, TEXT, TEXT)
        | st.builds(rc.McpApproval, TEXT, TEXT, st.booleans(), st.none() | TEXT),
    ),
    rc.TruncateItem: st.builds(
        rc.TruncateItem,
        event_id=EVENT_ID,
        item_id=TEXT,
        audio_end_ms=st.integers(1, 2**31),
        content_index=st.integers(0, 9),
    ),
    rc.CommitInput: st.builds(rc.CommitInput, event_id=EVENT_ID),
    rc.DeleteItem: st.builds(rc.DeleteItem, event_id=EVENT_ID, item_id=TEXT),
    rc.CreateResponse: st.builds(
        rc.CreateResponse,
        event_id=EVENT_ID,
        response=st.none()
        | st.builds(rc.ResponseOptions, st.none() | TEXT, st.sampled_from([None, "auto", "none"])),
    ),
    rc.CancelResponse: st.builds(rc.CancelResponse, event_id=EVENT_ID, response_id=st.none() | TEXT),
}

FULL = rc.UpdateSession(
    event_id="cb_1",
    session=rc.Session(
        instructions="Be brief.",
        audio=rc.Audio(
            rc.AudioInput(
                MULAW,
                rc.ServerVad(0.5, 300, 500),
                rc.Transcription("gpt-4o-transcribe", "de", "Names of ships."),
                rc.NoiseReduction("far_field"),
            ),
            rc.AudioOutput(MULAW, "marin"),
        ),
        tools=(rc.FunctionTool("look_up", "Looks it up.", {"type": "object", "properties": {}}),),
        tool_choice="auto",
        output_modalities=("audio",),
        max_output_tokens=4096,
        truncation=rc.RetentionRatio(0.8, rc.TokenLimits(8000)),
        reasoning=rc.Reasoning("low"),
    ),
)
CREATE_MESSAGE = rc.CreateItem(item=rc.Message("cb_item_1", "user", (rc.InputText("Hi."),)))


def test_every_command_is_generated_here() -> None:
    """A command without a strategy would be sent unchecked."""
    assert set(COMMANDS) == set(get_args(rc.AnyCommand))


@given(st.one_of(*COMMANDS.values()))
def test_any_command_is_valid(command: rc.AnyCommand) -> None:
    """Whatever values it carries, a command is what the published type says, and nothing more."""
    check_command(rc.encode(command))


# What the checks above are worth: every one of these must be refused.

INPUT = ("session", "audio", "input")
SPOILED: list[tuple[rc.AnyCommand, tuple[str | int, ...], object]] = [
    (FULL, ("surprise",), 1),
    (FULL, ("session", "voice"), "marin"),
    (FULL, (*INPUT, "format", "rate"), 8000),
    (FULL, (*INPUT, "turn_detection", "eagerness"), "low"),
    (FULL, (*INPUT, "turn_detection", "threshold"), "0.5"),
    (FULL, (*INPUT, "turn_detection", "silence_duration_ms"), 500.5),
    (FULL, (*INPUT, "noise_reduction", "type"), "loud_field"),
    (FULL, ("session", "tools", 0, "function"), {"name": "look_up"}),
    (FULL, ("session", "truncation", "token_limits", "surprise"), 1),
    (FULL, ("session", "output_modalities"), ["video"]),
    (CREATE_MESSAGE, ("item", "content", 0, "surprise"), 1),
    (CREATE_MESSAGE, ("item", "role"), "caller"),
    (rc.AppendAudio(audio=b"x"), ("audio",), None),
    (rc.CreateResponse(response=rc.ResponseOptions("Hi.")), ("response", "surprise"), 1),
]


@pytest.mark.parametrize(("command", "path", "value"), SPOILED, ids=lambda value: str(value)[:40])
def test_the_check_refuses_what_the_type_does_not_have(
    command: rc.AnyCommand, path: tuple[str | int, ...], value: object
) -> None:
    raw = json.loads(rc.encode(command))
    place: Any = raw
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        check_command(json.dumps(raw))


def test_every_published_event_type_is_either_read_or_ignored_for_a_reason() -> None:
    """A type that a new version of the package brings or drops turns this red, by its name."""
    assert sorted([*rt.PARSED, *rt.IGNORED]) == sorted(SERVER_EVENTS)
    assert all(reason.strip() for reason in rt.IGNORED.values())


ALWAYS_SENT: dict[tuple[type[BaseModel], str], str] = {
    (RealtimeResponse, "id"): "a response without an id could be neither muted nor cancelled",
    (AudioPCM, "type"): "a format without a name could not be told from ours",
    (AudioPCMU, "type"): "a format without a name could not be told from ours",
    (AudioPCMA, "type"): "a format without a name could not be told from ours",
}
"""Optional in the published type, needed by us."""

BASE64 = st.binary(max_size=60).map(lambda audio: base64.b64encode(audio).decode())
OPTIONAL_DEPTH_MAX = 5
"""Optional parts below this depth are left out: the types are recursive by way of prompts and tools."""


@cache
def events_of(model: type[BaseModel], depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects that are valid for a published `model`."""
    required, optional = {}, {}
    for name, field in model.model_fields.items():
        if field.is_required() or (model, name) in ALWAYS_SENT:
            required[field.alias or name] = values_of(field.annotation, depth + 1)
        elif depth < OPTIONAL_DEPTH_MAX:
            optional[field.alias or name] = values_of(field.annotation, depth + 1)
    if model is ResponseAudioDeltaEvent:
        required["delta"] = BASE64
    return st.fixed_dictionaries(required, optional=optional)


def values_of(annotation: Any, depth: int) -> st.SearchStrategy[Any]:
    """JSON values that are valid for an `annotation` of the published types, null aside."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values_of(arguments[0], depth)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, types.UnionType}:
        choices = [choice for choice in arguments if choice is not type(None)]
        return st.deferred(lambda: st.one_of([values_of(choice, depth) for choice in choices]))
    if origin is list:
        return st.lists(st.deferred(lambda: values_of(arguments[0], depth)), max_size=2)
    if origin is dict:
        return st.dictionaries(TEXT, st.deferred(lambda: values_of(arguments[1], depth)), max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return events_of(annotation, depth)
    return PLAIN[annotation]


PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(0, 999),  # More than that no place in an item has.
    float: st.floats(0, 1e9),
    object: st.dictionaries(TEXT, TEXT, max_size=1),
    Any: TEXT,
}


def assert_read_right(ours: msgspec.Struct, raw: dict[str, Any]) -> None:
    """Every field of `ours` has the value that `raw` has, or its default where `raw` has none."""
    for field in msgspec.structs.fields(ours):
        value = getattr(ours, field.name)
        if field.encode_name in raw:
            assert_same(value, raw[field.encode_name])
        else:
            assert not field.required
            assert value == field.default or field.default is msgspec.NODEFAULT


def assert_same(value: object, raw: Any) -> None:
    """A value of ours says what a JSON value says."""
    if isinstance(value, msgspec.Struct):
        assert_read_right(value, raw)
    elif isinstance(value, tuple):
        assert len(value) == len(raw)
        for element, raw_element in zip(value, raw, strict=True):
            assert_same(element, raw_element)
    elif isinstance(value, bytes):
        assert value == base64.b64decode(raw, validate=True)
    else:
        assert value == raw


@pytest.mark.parametrize("event_type", sorted(rt.PARSED))
@given(data=st.data())
def test_a_published_event_is_read_right(event_type: str, data: st.DataObject) -> None:
    """An instance of the published class, written as JSON, is taken, and every field is the same."""
    published = SERVER_EVENTS[event_type]
    event = published.model_validate(data.draw(events_of(published)))
    text = event.model_dump_json(exclude_unset=True, by_alias=True)
    ours = rt.parse(text)
    assert not isinstance(ours, rt.UnknownEvent)
    assert type(ours).__struct_config__.tag == event_type
    assert_read_right(ours, json.loads(text))


@pytest.mark.parametrize("event_type", sorted(rt.IGNORED))
@settings(max_examples=10)  # Nothing but the type is looked at.
@given(data=st.data())
def test_a_published_event_of_an_ignored_type_is_passed_by(event_type: str, data: st.DataObject) -> None:
    event = SERVER_EVENTS[event_type].model_validate(data.draw(events_of(SERVER_EVENTS[event_type])))
    assert rt.parse(event.model_dump_json(exclude_unset=True)) == rt.UnknownEvent(event_type)


def test_a_field_read_wrong_would_be_seen() -> None:
    """The comparison itself: a changed, a lost and an invented value are told."""
    raw = {"response_id": "r", "item_id": "i", "delta": "//79"}
    assert_read_right(rt.AudioDelta("r", "i", b"\xff\xfe\xfd"), raw)
    for wrong in (rt.AudioDelta("r", "x", b"\xff\xfe\xfd"), rt.AudioDelta("r", "i", b"\xff")):
        with pytest.raises(AssertionError):
            assert_read_right(wrong, raw)
    with pytest.raises(AssertionError):
        assert_read_right(rt.SpeechStarted("i", 5), {"item_id": "i"})
