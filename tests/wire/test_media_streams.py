"""Twilio's messages: what is documented is read, what is broken is refused, what we send is exact.

Messages as on https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callbridge.wire import media_streams as ms
from callbridge.wire.errors import ProtocolError
from odd_fields import MISSING, ODD, Path, paths_of, values_beside, with_odd

STREAM = "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"

ACCOUNT, CALL = "ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "CAXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
START = json.loads(f"""{{
    "event": "start", "sequenceNumber": "1", "streamSid": "{STREAM}",
    "start": {{
        "accountSid": "{ACCOUNT}", "streamSid": "{STREAM}", "callSid": "{CALL}", "tracks": ["inbound"],
        "mediaFormat": {{"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}},
        "customParameters": {{"FirstName": "Jane", "LastName": "Doe"}}
    }}}}""")
CHUNK = {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": "no+JhoaJjpz="}
MEDIA = {"event": "media", "sequenceNumber": "3", "media": CHUNK, "streamSid": STREAM}
KEY = {"track": "inbound_track", "digit": "1"}
DTMF = {"event": "dtmf", "streamSid": STREAM, "sequenceNumber": "5", "dtmf": KEY}
MARK = {"event": "mark", "sequenceNumber": "4", "streamSid": STREAM, "mark": {"name": "my label"}}
WHOSE = {"accountSid": ACCOUNT, "callSid": CALL}
STOP = {"event": "stop", "sequenceNumber": "5", "streamSid": STREAM, "stop": WHOSE}
STARTED = ms.StartFacts(
    stream_sid=STREAM, account_sid=ACCOUNT, call_sid=CALL,
    media_format=ms.MediaFormat("audio/x-mulaw", 8000, 1),
    custom_parameters={"FirstName": "Jane", "LastName": "Doe"},
)  # fmt: skip
HEARD = ms.MediaChunk(b"\x9e\x8f\x89\x86\x86\x89\x8e\x9c")
"""The payload is handed over as the bytes that it stands for."""
DOCUMENTED: dict[str, tuple[dict[str, Any], ms.Message]] = {
    "connected": (CONNECTED, ms.Connected()),
    "start": (START, ms.Start(STARTED)),
    "media": (MEDIA, ms.Media(HEARD)),
    "dtmf": (DTMF, ms.Dtmf(ms.Key("1"))),
    "mark": (MARK, ms.MarkEchoed(ms.MarkName("my label"))),
    "stop": (STOP, ms.Stopped()),
}

NEEDED = [
    (event, tuple(path.split(".")))
    for event, paths in {
        "start": "start start.streamSid start.accountSid start.callSid",
        "media": "media media.payload",
        "dtmf": "dtmf dtmf.digit",
        "mark": "mark mark.name",
    }.items()
    for path in paths.split()
]
"""The fields without which a message says nothing."""

SIDE = [
    (event, path)
    for event, (message, _) in DOCUMENTED.items()
    for path in paths_of(message)
    if path[0] != "event" and (event, path) not in NEEDED
]
"""Every other field of every documented message."""


class TestDocumentedMessages:
    @pytest.mark.parametrize("event", DOCUMENTED)
    def test_it_is_read(self, event: str) -> None:
        """As text, as bytes, in any order, and with fields that Twilio adds, outside and inside."""
        message, expected = DOCUMENTED[event]
        text = json.dumps(message)
        assert ms.parse(text) == ms.parse(text.encode()) == expected
        assert ms.parse(json.dumps(dict(reversed(message.items())))) == expected
        assert ms.parse(with_odd(message, ("new",), {"deep": [1, None]})) == expected
        if isinstance(message.get(event), dict):
            assert ms.parse(with_odd(message, (event, "new"), "x")) == expected

    def test_every_message_that_can_come_is_among_these(self) -> None:
        assert {type(expected) for _, expected in DOCUMENTED.values()} == set(get_args(ms.Message))

    def test_custom_parameters_may_be_absent(self) -> None:
        """Old captures have none, although the page lists them."""
        parsed = ms.parse(with_odd(START, ("start", "customParameters"), MISSING))
        assert isinstance(parsed, ms.Start)
        assert parsed.start.custom_parameters == {}


class TestKeys:
    @pytest.mark.parametrize("digit", "0123456789*#ABCD")
    def test_a_key_of_a_telephone_is_read(self, digit: str) -> None:
        assert ms.parse(with_odd(DTMF, ("dtmf", "digit"), digit)) == ms.Dtmf(ms.Key(digit))

    @pytest.mark.parametrize("digit", ["", "12", "E", "a", "w", "1\n", "\n", " ", "٣", "1" * 100_000])
    def test_anything_else_is_refused_and_not_repeated(self, digit: str) -> None:
        """It would stand in what the model is told; the reason goes into the log."""
        with pytest.raises(ProtocolError, match=r"dtmf\.digit") as refused:
            ms.parse(with_odd(DTMF, ("dtmf", "digit"), digit))
        assert len(str(refused.value)) < 200


class TestMediaFormat:
    @pytest.mark.parametrize(
        ("encoding", "sample_rate", "channels", "is_ours"),
        [
            ("audio/x-mulaw", 8000, 1, True),
            ("audio/x-alaw", 8000, 1, False),
            ("audio/x-mulaw", 16000, 1, False),
            ("audio/x-mulaw", 8000, 2, False),
        ],
    )
    def test_only_telephone_mulaw_is_carried(
        self, encoding: str, sample_rate: int, channels: int, *, is_ours: bool
    ) -> None:
        assert ms.MediaFormat(encoding, sample_rate, channels).is_telephone_mulaw is is_ours


class TestTracks:
    def test_media_of_the_outbound_track_is_no_media(self) -> None:
        """It is what the caller hears: the model must not take it for their words."""
        outbound = with_odd(MEDIA, ("media", "track"), "outbound")
        assert ms.parse(outbound) == ms.UnknownMessage(ms.OTHER_TRACK)

    @pytest.mark.parametrize("track", [MISSING, None, 5, "", "inbound_track"], ids=range(5))
    def test_media_that_does_not_say_so_is_the_callers(self, track: object) -> None:
        assert ms.parse(with_odd(MEDIA, ("media", "track"), track)) == ms.Media(HEARD)

    @pytest.mark.parametrize(
        ("tracks", "has_outbound"),
        [
            (["inbound"], False),
            (["inbound", "outbound"], True),
            (["outbound"], True),
            ([], False),
            (MISSING, False),
            (None, False),
        ],
        ids=range(6),
    )
    def test_a_start_says_whether_it_carries_more_than_the_caller(
        self, tracks: object, *, has_outbound: bool
    ) -> None:
        parsed = ms.parse(with_odd(START, ("start", "tracks"), tracks))
        assert isinstance(parsed, ms.Start)
        assert parsed.start.has_outbound is has_outbound


class TestBrokenMessages:
    @pytest.mark.parametrize(("event", "path"), NEEDED)
    def test_a_needed_field_is_missing(self, event: str, path: tuple[str, ...]) -> None:
        with pytest.raises(ProtocolError, match=f"`{event}`: .*{path[-1]}"):
            ms.parse(with_odd(DOCUMENTED[event][0], path, MISSING))

    @pytest.mark.parametrize("wrong", [None, True, 7.5, [], {}], ids=repr)
    @pytest.mark.parametrize(("event", "path"), NEEDED)
    def test_a_needed_field_has_the_wrong_type(
        self, event: str, path: tuple[str, ...], wrong: object
    ) -> None:
        with pytest.raises(ProtocolError, match=f"`{event}`: "):
            ms.parse(with_odd(DOCUMENTED[event][0], path, wrong))

    def test_a_key_that_is_a_number_is_none(self) -> None:
        """Twilio writes numbers as strings."""
        with pytest.raises(ProtocolError):
            ms.parse(with_odd(DTMF, ("dtmf", "digit"), 5))

    @pytest.mark.parametrize(
        "payload",
        [
            *("AAA", "A===", "AA=A", "AA A", "AAA\nAAAA", "-_-_", "*", "é", "\\u0041AAA", "AAAA\x00"),
            *('AAAA"', 'AAAA"}}', 'AAAA","track":"outbound'),
        ],
        ids=repr,
    )
    def test_a_payload_that_is_not_base64_is_refused(self, payload: str) -> None:
        """Nothing of a peer's text gets into our own messages: the payload is decoded or refused."""
        with pytest.raises(ProtocolError, match=r"`media`: .*base64"):
            ms.parse(with_odd(MEDIA, ("media", "payload"), payload))

    @pytest.mark.parametrize("text", ["", "null", "[]", '"media"', "{}", '{"event":5}', '{"event":null}'])
    def test_text_that_is_no_message_is_refused(self, text: str) -> None:
        with pytest.raises(ProtocolError, match="not a JSON object with an `event`"):
            ms.parse(text)

    @pytest.mark.parametrize(
        "text",
        [
            b'{"event":"connected"} trailing',
            b'\xef\xbb\xbf{"event":"connected"}',
            b'{"event":"\xff"}',
            b'{"event":"c"',
        ],
    )
    def test_bytes_that_are_not_one_json_text_are_refused(self, text: bytes) -> None:
        with pytest.raises(ProtocolError):
            ms.parse(text)

    def test_the_refusal_does_not_quote_the_content(self) -> None:
        """What is said ends in a log: key presses and parameters may be secrets."""
        for text in (
            with_odd(DTMF, ("dtmf", "digit"), ["4711"]),
            with_odd(START, ("start", "callSid"), ["4711"]),
            with_odd(MEDIA, ("media", "payload"), "4711!"),
        ):
            with pytest.raises(ProtocolError) as refusal:
                ms.parse(text)
            assert "4711" not in str(refusal.value)


class TestOddFields:
    @given(st.sampled_from(SIDE), ODD)
    @example(("start", ("start", "customParameters")), None)
    @example(("start", ("start", "customParameters", "LastName")), 5)
    @example(("start", ("start", "mediaFormat", "sampleRate")), "8000")
    def test_an_odd_field_costs_nothing_but_itself(self, place: tuple[str, Path], value: object) -> None:
        """Null, another type, a huge number, or nothing: the message is read, and all else that it says."""
        event, path = place
        message, read = DOCUMENTED[event]
        parsed = ms.parse(with_odd(message, path, value))
        assert type(parsed) is type(read)
        assert values_beside(parsed, path) == values_beside(read, path)

    @pytest.mark.parametrize("path", [(), ("encoding",), ("sampleRate",), ("channels",)])
    @pytest.mark.parametrize("value", [MISSING, None, "loud", []])
    def test_a_format_that_is_not_told_is_the_only_one_there_is(self, path: Path, value: object) -> None:
        """Unless it is told, and another one."""
        parsed = ms.parse(with_odd(START, ("start", "mediaFormat", *path), value))
        assert isinstance(parsed, ms.Start)
        is_another = path == ("encoding",) and isinstance(value, str)
        assert parsed.start.media_format.is_telephone_mulaw is not is_another


class TestUnknownMessages:
    @pytest.mark.parametrize("event", ["", "clear", "error", "Media", "media ", "x" * 1000])
    def test_an_unknown_event_is_named_and_not_an_error(self, event: str) -> None:
        text = json.dumps({"event": event, "media": 5, "anything": {}})
        assert ms.parse(text) == ms.UnknownMessage(event)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MANGLED = st.builds(
    lambda event, field, value: json.dumps({**DOCUMENTED[event][0], field: value}),
    st.sampled_from(sorted(DOCUMENTED)),
    st.sampled_from(["event", "start", "media", "mark", "dtmf", "stop", "streamSid", "sequenceNumber"]),
    JSON,
)


def outcome_of(text: str | bytes) -> ms.Parsed | ProtocolError:
    """What becomes of `text`; any other exception falls through."""
    try:
        return ms.parse(text)
    except ProtocolError as error:
        return error


@given(st.one_of(st.text(), st.binary(), MANGLED, JSON.map(json.dumps), st.text().map("\ud800".join)))
@example("\ud800")
@example('{"event":"\ud800"}')
@example('{"event":"new","x":' + "[" * 5000 + "]" * 5000 + "}")
@example('{"event":"connected","x":' + '{"x":' * 5000 + "1" + "}" * 5001)
@example('{"event":"start","start":' + "9" * 5000 + "}")
def test_parse_raises_only_protocol_errors(text: str | bytes) -> None:
    """Whatever a peer sends is a value or a `ProtocolError`, nesting without end included."""
    assert isinstance(outcome_of(text), (*get_args(ms.Parsed), ProtocolError))


@given(st.binary(max_size=400))
def test_audio_comes_out_as_it_went_in(audio: bytes) -> None:
    sent = json.loads(ms.encode(ms.SendAudio(STREAM, ms.Audio(audio))))
    parsed = ms.parse(json.dumps(sent))
    assert isinstance(parsed, ms.Media)
    assert parsed.media.payload == audio


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary(max_size=400))
@example('""', b"")
@example("", b"")
def test_audio_has_a_shorter_way_to_the_same_text(stream_sid: str, audio: bytes) -> None:
    """Whatever the stream is called."""
    whole = ms.encode(ms.SendAudio(stream_sid, ms.Audio(audio)))
    assert ms.encode_audio(ms.audio_head(stream_sid), audio) == whole
