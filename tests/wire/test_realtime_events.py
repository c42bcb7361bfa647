"""The model's events: what is documented is read, what is new is passed by, what is broken is refused.

Events as on https://developers.openai.com/api/docs/guides/realtime-conversations and the API reference of
the Realtime server events, in the shape of the general release.
"""

from __future__ import annotations

import base64
import json
from typing import get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callbridge.wire import realtime_events as rt
from callbridge.wire.errors import ProtocolError
from odd_fields import ODD, Path, paths_of, values_beside, with_odd

SENT = json.loads(r"""[
{"type": "session.created", "session": {"id": "sess_C9G5", "model": "gpt-realtime-2.1", "tracing": null}},
{"type": "session.updated", "session": {"type": "realtime", "expires_at": 1756324625, "audio": {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}, "transcription": null},
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": {"id": "voice_1234"}}}}},
{"type": "input_audio_buffer.speech_started", "audio_start_ms": 1000, "item_id": "msg_003"},
{"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2000, "item_id": "msg_003"},
{"type": "input_audio_buffer.committed", "previous_item_id": "msg_001", "item_id": "msg_002"},
{"type": "conversation.item.added",
    "item": {"id": "item_1", "type": "message", "status": "completed", "role": "user"}},
{"type": "conversation.item.created", "item": {"id": "item_2", "type": "message"}},
{"type": "conversation.item.done", "item": {"id": "item_3", "type": "message"}},
{"type": "conversation.item.input_audio_transcription.completed", "item_id": "item_2", "content_index": 0,
    "transcript": "Can you hear me?", "logprobs": [{"token": "Can", "logprob": -0.2, "bytes": [67]}]},
{"type": "conversation.item.input_audio_transcription.failed", "item_id": "msg_003",
    "error": {"type": "transcription_error", "code": "audio_unintelligible"}},
{"type": "response.created",
    "response": {"id": "resp_001", "status": "in_progress", "output": [], "usage": null}},
{"type": "response.done", "response": {"id": "resp_001", "status": "failed",
    "status_details": {"reason": "error", "error": {"type": "t", "code": "c", "message": "m"}},
    "metadata": {"callbridge_ask": "cb_2"},
    "output": [{"id": "item_006", "type": "message", "content": [{"type": "output_audio"}]}],
    "usage": {"total_tokens": 253, "input_tokens": 132, "output_tokens": 121,
        "input_token_details": {"text_tokens": 119, "audio_tokens": 13, "cached_tokens": 64},
        "output_token_details": {"text_tokens": 30, "audio_tokens": 91}}}},
{"type": "response.output_item.added", "response_id": "resp_001",
    "item": {"id": "msg_007", "type": "message", "role": "assistant"}},
{"type": "response.output_item.done", "response_id": "resp_001", "output_index": 1,
    "item": {"id": "item_003", "type": "function_call", "status": "completed", "name": "opening_hours",
        "call_id": "call_7", "arguments": "{\"day\":\"Monday\"}"}},
{"type": "response.output_audio.delta", "response_id": "resp_001", "item_id": "msg_007", "delta": "//79",
    "output_index": 1, "content_index": 2},
{"type": "response.output_audio.done", "response_id": "resp_001", "item_id": "msg_007", "output_index": 0},
{"type": "response.output_audio_transcript.delta", "response_id": "resp_001", "item_id": "msg_007",
    "delta": "Hi"},
{"type": "conversation.item.input_audio_transcription.delta", "item_id": "item_001", "delta": "Can"},
{"type": "response.output_audio_transcript.done", "response_id": "resp_001", "item_id": "msg_007",
    "transcript": "Hello."},
{"type": "response.mcp_call_arguments.done", "response_id": "resp_001", "item_id": "mcp_001",
    "output_index": 0, "arguments": "{}"},
{"type": "response.mcp_call.completed", "item_id": "mcp_001", "output_index": 0},
{"type": "response.mcp_call.failed", "item_id": "mcp_001", "output_index": 0},
{"type": "mcp_list_tools.failed", "item_id": "mcpl_001"},
{"type": "rate_limits.updated",
    "rate_limits": [{"name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 0.5}]},
{"type": "error", "error": {"type": "t", "code": "c", "message": "m", "param": "p", "event_id": "event_567"}}
]""")
VOICED = rt.EchoedOutput(rt.AudioFormat("audio/pcm"))
HEARD = rt.EchoedAudio(rt.EchoedInput(rt.AudioFormat("audio/pcm")), VOICED)
USAGE = rt.Usage(132, 121, rt.InputTokens(119, 13, 64), rt.OutputTokens(30, 91))
FAILED = rt.StatusDetails("error", rt.FailureDetail("c", "m"))
CALL = ("function_call", "completed", "opening_hours", "call_7", '{"day":"Monday"}')
READ: list[rt.Event] = [
    rt.SessionCreated(),
    rt.SessionUpdated(rt.EchoedSession(HEARD, 1756324625)),
    rt.SpeechStarted("msg_003", 1000),
    rt.SpeechStopped("msg_003", 2000),
    rt.InputCommitted("msg_002"),
    rt.ItemAdded(rt.Item("item_1", "message", "completed")),
    rt.ItemCreated(rt.Item("item_2", "message")),
    rt.ItemDone(rt.Item("item_3", "message")),
    rt.CallerTranscript("item_2", "Can you hear me?", (rt.TokenLogprob(-0.2),)),
    rt.CallerTranscriptFailed("msg_003"),
    rt.ResponseCreated(rt.Response("resp_001", "in_progress")),
    rt.ResponseDone(rt.Response("resp_001", "failed", FAILED, USAGE, {"callbridge_ask": "cb_2"})),
    rt.OutputItemAdded("resp_001", rt.Item("msg_007", "message")),
    rt.OutputItemDone(rt.Item("item_003", *CALL), "resp_001"),
    rt.AudioDelta("resp_001", "msg_007", b"\xff\xfe\xfd", 2),
    rt.AudioDone("resp_001", "msg_007"),
    rt.AnswerDelta("msg_007", "Hi", "resp_001"),
    rt.CallerDelta("item_001", "Can"),
    rt.AgentTranscript("msg_007", "Hello."),
    rt.McpArgumentsDone("mcp_001"),
    rt.McpCallCompleted("mcp_001"),
    rt.McpCallFailed("mcp_001"),
    rt.McpListFailed("mcpl_001"),
    rt.RateLimitsUpdated((rt.RateLimit("tokens", 49950, 0.5),)),
    rt.ErrorEvent(rt.ErrorDetail("t", "c", "m", "p", "event_567")),
]
DOCUMENTED = {sent["type"]: (sent, read) for sent, read in zip(SENT, READ, strict=True)}
"""The documented example of every event that is read, and its value."""

NEEDED = [
    (event_type, name)
    for event_type, names in {
        "session.updated": "session",
        "input_audio_buffer.committed": "item_id",
        "conversation.item.added": "item",
        "conversation.item.created": "item",
        "conversation.item.done": "item",
        "conversation.item.input_audio_transcription.completed": "item_id",
        "conversation.item.input_audio_transcription.failed": "item_id",
        "response.created": "response",
        "response.done": "response",
        "response.output_item.added": "response_id item",
        "response.output_item.done": "item",
        "response.output_audio.delta": "response_id item_id delta",
        "response.output_audio.done": "response_id",
        "response.output_audio_transcript.done": "item_id",
        "response.mcp_call_arguments.done": "item_id",
        "response.mcp_call.completed": "item_id",
        "response.mcp_call.failed": "item_id",
        "error": "error",
    }.items()
    for name in names.split()
]
"""The fields without which an event says nothing."""

NEEDED_INSIDE = {
    ("session", "audio", "input", "format", "type"),
    ("session", "audio", "output", "format", "type"),
    ("response", "id"),
}
"""The same, of what is in such a field."""

SIDE = [
    (event_type, path)
    for event_type, (sent, _) in DOCUMENTED.items()
    for path in paths_of(sent)
    if path[0] != "type" and (event_type, *path) not in NEEDED and path not in NEEDED_INSIDE
]
"""Every other field of every documented event."""


def event_text(event_type: str, **changes: object) -> str:
    """The documented example of `event_type` as the server writes it, with `changes`."""
    return json.dumps({"event_id": "event_1", **DOCUMENTED[event_type][0], **changes})


@pytest.mark.parametrize("event_type", DOCUMENTED)
def test_the_documented_event_is_read(event_type: str) -> None:
    """As text, as bytes, with a field that is new, and again when it was written down by us."""
    event = DOCUMENTED[event_type][1]
    text = event_text(event_type)
    grown = event_text(event_type, brand_new={"deep": [None]})
    for written in (text, text.encode(), grown, msgspec.json.encode(event)):
        assert rt.parse(written) == event


def test_the_examples_cover_all_that_is_read() -> None:
    assert set(DOCUMENTED) == set(rt.PARSED)


@pytest.mark.parametrize(
    ("details", "told"),
    [
        (
            {
                "type": "failed",
                "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Reached"},
            },
            rt.StatusDetails(None, rt.FailureDetail("rate_limit_exceeded", "Reached")),
        ),
        ({"reason": "turn_detected"}, rt.StatusDetails(reason="turn_detected")),
    ],
)
def test_a_response_tells_why_it_ended(details: dict[str, object], told: rt.StatusDetails) -> None:
    """The reason stands in `response.done` and nowhere else."""
    response = {"id": "r", "status": "ended", "status_details": details, "usage": None}
    parsed = rt.parse(event_text("response.done", response=response))
    assert parsed == rt.ResponseDone(rt.Response("r", "ended", status_details=told))


@pytest.mark.parametrize(
    ("caller", "agent", "speaks_mulaw"),
    [
        ("audio/pcmu", "audio/pcmu", True),
        ("audio/pcm", "audio/pcmu", False),
        ("audio/pcmu", "audio/pcm", False),
        ("audio/pcma", "audio/pcma", False),
        (None, "audio/pcmu", False),
        ("audio/pcmu", None, False),
    ],
)
def test_mulaw_must_be_echoed_for_both_directions(
    caller: str | None, agent: str | None, *, speaks_mulaw: bool
) -> None:
    """A session of which one half is anything else is loud static on a telephone."""
    audio = {
        "input": {"format": caller and {"type": caller}},
        "output": {"format": agent and {"type": agent}},
    }
    parsed = rt.parse(event_text("session.updated", session={"type": "realtime", "audio": audio}))
    assert isinstance(parsed, rt.SessionUpdated)
    assert parsed.session.speaks_mulaw is speaks_mulaw


def test_a_session_without_audio_speaks_no_mulaw() -> None:
    assert not rt.EchoedSession().speaks_mulaw


@pytest.mark.parametrize(
    ("logprobs", "confidence"),
    [
        (None, None),
        ([], None),
        ([{"logprob": 0.0}], 1.0),
        ([{"logprob": -0.1}, {"logprob": -0.3}], 0.8187),
        ([{"logprob": 5.0}], 1.0),
        ([{"logprob": -1e308}, {"logprob": -1e308}], 0.0),
        ("odd", None),
    ],
)
def test_a_transcript_tells_how_sure_its_model_was(logprobs: object, confidence: float | None) -> None:
    """Of all its pieces together; what cannot be a probability counts as a certain one."""
    event = {"item_id": "item_1", "transcript": "Hm.", "logprobs": logprobs}
    read = rt.parse(json.dumps({"type": rt.CallerTranscript.__struct_config__.tag, **event}))
    assert isinstance(read, rt.CallerTranscript)
    assert read.confidence == (None if confidence is None else pytest.approx(confidence, abs=1e-4))


class TestBrokenEvents:
    @pytest.mark.parametrize(("event_type", "name"), NEEDED)
    def test_a_needed_field_is_missing(self, event_type: str, name: str) -> None:
        raw = json.loads(event_text(event_type))
        del raw[name]
        with pytest.raises(ProtocolError, match=f"`{event_type}`: .*{name}"):
            rt.parse(json.dumps(raw))

    @pytest.mark.parametrize("wrong", [None, True, 7.5, []], ids=repr)
    @pytest.mark.parametrize(("event_type", "name"), NEEDED)
    def test_a_needed_field_has_the_wrong_type(self, event_type: str, name: str, wrong: object) -> None:
        with pytest.raises(ProtocolError, match=f"`{event_type}`: "):
            rt.parse(event_text(event_type, **{name: wrong}))

    @pytest.mark.parametrize("delta", ["AAA", "AA=A", "-_-_", 'AAAA"}', "AAAA\n", "é"], ids=repr)
    def test_audio_that_is_not_base64_is_refused(self, delta: str) -> None:
        """A delta that does not decode would be noise on the line."""
        with pytest.raises(ProtocolError, match="base64"):
            rt.parse(event_text("response.output_audio.delta", delta=delta))

    @pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"type":7}', '{"type":"error"', "\x00"])
    def test_text_that_is_no_event_is_refused(self, text: str) -> None:
        with pytest.raises(ProtocolError, match="not a JSON object with a `type`"):
            rt.parse(text)

    def test_the_refusal_does_not_quote_what_was_said(self) -> None:
        """What is refused is logged, and nobody's words may stand in a log unasked."""
        with pytest.raises(ProtocolError) as refusal:
            rt.parse(event_text("response.output_audio.delta", delta="my card is 4711"))
        assert "4711" not in str(refusal.value)


class TestOddFields:
    @given(st.sampled_from(SIDE), ODD)
    @example(("input_audio_buffer.speech_started", ("audio_start_ms",)), None)
    @example(("input_audio_buffer.speech_stopped", ("audio_end_ms",)), -1)
    @example(("rate_limits.updated", ("rate_limits", 0, "name")), None)
    @example(("response.done", ("response", "usage", "input_tokens")), 12.5)
    @example(("response.done", ("response", "usage")), "none")
    @example(("response.output_audio.delta", ("content_index",)), None)
    def test_an_odd_field_costs_nothing_but_itself(self, place: tuple[str, Path], value: object) -> None:
        """Null, another type, a huge number, or nothing: the event is read, and all else that it says."""
        event_type, path = place
        sent, read = DOCUMENTED[event_type]
        parsed = rt.parse(with_odd(sent, path, value))
        assert type(parsed) is type(read)
        assert values_beside(parsed, path) == values_beside(read, path)

    @pytest.mark.parametrize("place", [-1, 2**31, 10**40, 7.5])
    def test_a_place_that_no_audio_has_is_none(self, place: float) -> None:
        parsed = rt.parse(event_text("input_audio_buffer.speech_stopped", audio_end_ms=place))
        assert parsed == rt.SpeechStopped("msg_003", None)

    def test_one_limit_that_is_odd_costs_no_other(self) -> None:
        limits = [
            5,
            {"name": None, "remaining": 0},
            {"name": "tokens", "remaining": 0, "reset_seconds": "1s"},
        ]
        parsed = rt.parse(event_text("rate_limits.updated", rate_limits=limits))
        assert parsed == rt.RateLimitsUpdated((rt.RateLimit("", 0), rt.RateLimit("tokens", 0)))

    def test_the_second_look_at_a_message_is_bounded(self) -> None:
        """Millions of made-up entries would take minutes. Nobody has so many limits."""
        parsed = rt.parse(event_text("rate_limits.updated", rate_limits=[None, *[{}] * 1000]))
        assert isinstance(parsed, rt.RateLimitsUpdated)
        assert len(parsed.rate_limits) < 100


class TestUnknownEvents:
    @pytest.mark.parametrize("event_type", ["", "response.dreamed", "ERROR", "response.audio.delta"])
    def test_a_new_type_is_not_expected_and_not_an_error(self, event_type: str) -> None:
        """The last one is the retired beta name of the audio delta."""
        parsed = rt.parse(json.dumps({"type": event_type, "delta": 5}))
        assert isinstance(parsed, rt.UnknownEvent)
        assert parsed.type == event_type
        assert not parsed.is_expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({field for raw, _ in DOCUMENTED.values() for field in raw} | {"type", "event_id"})
MANGLED = st.builds(
    lambda event_type, field, value: event_text(event_type, **{field: value}),
    st.sampled_from(sorted(DOCUMENTED)),
    st.sampled_from(FIELDS),
    JSON,
)


def outcome_of(text: str | bytes) -> rt.Parsed | ProtocolError:
    """What becomes of `text`; any other exception falls through."""
    try:
        return rt.parse(text)
    except ProtocolError as error:
        return error


@given(st.one_of(st.text(), st.binary(), MANGLED, JSON.map(json.dumps), st.text().map("\ud800".join)))
@example("\ud800")
@example('{"type":"new","x":' + "[" * 5000 + "]" * 5000 + "}")
@example('{"type":"error","x":' + '{"x":' * 5000 + "1" + "}" * 5001)
@example('{"type":"rate_limits.updated","rate_limits":[{"limit":1e999}]}')
def test_parse_raises_only_protocol_errors(text: str | bytes) -> None:
    assert isinstance(outcome_of(text), (*get_args(rt.Parsed), ProtocolError))


@given(st.binary(max_size=4000))
def test_audio_comes_out_as_it_went_in(audio: bytes) -> None:
    parsed = rt.parse(event_text("response.output_audio.delta", delta=base64.b64encode(audio).decode()))
    assert isinstance(parsed, rt.AudioDelta)
    assert parsed.delta == audio
