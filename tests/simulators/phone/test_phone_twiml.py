"""TwiML as Twilio reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Connect, Dial, Gather, Stream, VoiceResponse  # type: ignore[import-untyped]  # it ships no types

from callbridge.simulators.phone import twiml
from callbridge.simulators.phone.carrier_codes import CARRIER_CODES
from callbridge.simulators.phone.dial_nouns import Callback, Room
from callbridge.simulators.phone.twiml import Document, Unusable, WebAnswer, WebFailure


def parsed(body: str) -> Document:
    document = twiml.parse(f"<Response>{body}</Response>".encode())
    assert isinstance(document, Document), document
    return document


def only(body: str) -> twiml.Verb:
    document = parsed(body)
    assert document.complaints == ()
    (verb,) = document.verbs
    return verb


def answer(body: bytes, content_type: str = "text/xml", status: int = 200) -> WebAnswer:
    return WebAnswer("https://example.com/voice", status, content_type, body)


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml; charset=utf-8", "TEXT/HTML"])
def test_takes_xml_types_as_twiml(content_type: str) -> None:
    document = twiml.read_answer(answer(b"<Response><Hangup/></Response>", content_type))
    assert document == Document((twiml.Hangup(),))


def test_plain_text_is_spoken_and_audio_is_played() -> None:
    assert twiml.read_answer(answer(b"Hello", "text/plain")) == Document((twiml.Say("Hello"),))
    assert twiml.read_answer(answer(b"\xff", "audio/mpeg")) == Document(
        (twiml.Play("https://example.com/voice"),)
    )


@pytest.mark.parametrize(
    ("got", "code"),
    [
        (answer(b"<Response/>", "application/json"), 12300),
        (answer(b"<Response/>", ""), 12300),
        (answer(b"<Response/>", status=500), 11200),
        (answer(b"<Response/>", status=404), 11200),
        (answer(b"<Response>" + b" " * 65_536 + b"</Response>"), 11750),
        (answer(b"\n<?xml version='1.0'?><Response/>"), 12100),
        (answer(b""), 12100),
        (answer(b"<Response>"), 12100),
        (answer(b"<response/>"), 12102),
        (answer(b"<!DOCTYPE x [<!ENTITY a 'b'>]><Response/>"), 12100),
        (WebFailure("https://example.com/voice", 11202, "refused"), 11202),
    ],
)
def test_an_unusable_answer_has_its_code(got: WebAnswer | WebFailure, code: int) -> None:
    document = twiml.read_answer(got)
    assert isinstance(document, Unusable)
    assert document.code == code


@pytest.mark.parametrize(
    ("body", "verb"),
    [
        ("<Say voice='alice'>Good\n  day</Say>", twiml.Say("Good day", voice="alice")),
        ("<Say>a <break/>b <emphasis>c</emphasis></Say>", twiml.Say("a b c")),
        ("<Play loop='2'>/a.mp3</Play>", twiml.Play("/a.mp3")),
        ("<Play digits='12'/>", twiml.Play("tones 12")),
        ("<Pause/>", twiml.Pause(1)),
        ("<Pause length='40'/>", twiml.Pause(40)),
        ("<Hangup/>", twiml.Hangup()),
        ("<Reject/>", twiml.Reject("rejected")),
        ("<Reject reason='busy'/>", twiml.Reject("busy")),
        ("<Redirect method='GET'>/next</Redirect>", twiml.Redirect("/next", "GET")),
        ("<Record/>", twiml.Record(None, "POST", 3600)),
        ("<Record action='/r' maxLength='30' timeout='9'/>", twiml.Record("/r", "POST", 30, 9)),
        (
            "<Record recordingStatusCallback='/s' recordingStatusCallbackMethod='GET'/>",
            twiml.Record(None, "POST", 3600, status_callback="/s", status_callback_method="GET"),
        ),
        ("<Dial>+15551234567</Dial>", twiml.Dial((("Number", "+15551234567"),), None, "POST", None)),
        (
            "<Dial action='/d' callerId='+1' timeout='9'><Number url='/w'>1</Number><Sip>a@b</Sip></Dial>",
            twiml.Dial((("Number", "1"), ("Sip", "a@b")), "/d", "POST", "+1", 9, True),
        ),
        (
            "<Gather input='dtmf speech' numDigits='1' action='/g'><Say>Press</Say></Gather>",
            twiml.Gather((twiml.Say("Press"),), "/g", "POST", True, 1, False),
        ),
        ("<Enqueue>support</Enqueue>", twiml.Unsimulated("Enqueue")),
        ("<Connect><ConversationRelay/></Connect>", twiml.Unsimulated("Connect/ConversationRelay")),
    ],
)
def test_reads_each_verb(body: str, verb: twiml.Verb) -> None:
    assert only(body) == verb


def test_reads_a_stream_with_everything() -> None:
    body = (
        "<Connect action='/ended' method='GET'>"
        "<Stream url='wss://a/m' name='n' track='inbound_track' statusCallback='https://a/s' "
        "statusCallbackMethod='GET'><Parameter name='a' value='1'/><Parameter name='b' value=''/>"
        "</Stream></Connect>"
    )
    assert only(body) == twiml.ConnectStream(
        url="wss://a/m",
        action="/ended",
        method="GET",
        name="n",
        track="inbound_track",
        parameters=(("a", "1"), ("b", "")),
        status_callback="https://a/s",
        status_callback_method="GET",
    )


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("<say>hi</say>", "unknown verb <say>"),
        ("<Shout>hi</Shout>", "unknown verb <Shout>"),
        ("<Pause lenght='1'/>", "<Pause> has no attribute 'lenght'"),
        ("<Pause length='long'/>", "<Pause length='long'> is not a number"),
        ("<Reject reason='rude'/>", "<Reject reason='rude'> is not one of rejected, busy"),
        ("<Redirect method='post'>/a</Redirect>", "<Redirect method='post'> is not one of POST, GET"),
        ("<Play/>", "<Play> without a URL"),
        ("<Hangup><Say>no</Say></Hangup>", "<Hangup> cannot hold other verbs"),
        (
            "<Dial><Number machineDetection='true'>+15551234567</Number></Dial>",
            "<Number machineDetection='tr",
        ),
        (
            "<Dial><Sip machineDetection='Enable' machineDetectionTimeout='2'>a@b</Sip></Dial>",
            "<Sip machineDetectionTimeout='2'> is not 3 to 60",
        ),
        ("<Gather input='keys'/>", "<Gather input='keys'> is not dtmf"),
        (f"<Dial callReason='{'x' * 51}'>+15551234567</Dial>", "<Dial callReason> has more"),
        ("<Dial><Number callerId='+1'>1</Number></Dial>", "<Number> has no attribute 'callerId'"),
        ("<Dial><Sip sendDigits='1'>a@b</Sip></Dial>", "<Sip> has no attribute 'sendDigits'"),
        ("<Dial><Client username='u'>bob</Client></Dial>", "<Client> has no attribute 'username'"),
        ("<Dial><Conference hold='true'>r</Conference></Dial>", "<Conference> has no attribute 'hold'"),
        ("<Dial><Conference muted='yes'>r</Conference></Dial>", "<Conference muted='yes'> is not one of"),
        ("<Dial><Number statusCallback='/s' statusCallbackEvent='ended'>1</Number></Dial>", "<Number status"),
        (f"<Dial>{'<Number>+15551234567</Number>' * 11}</Dial>", "<Dial> rings at most 10 at once"),
        ("<Connect/>", "<Connect> must hold one noun, not 0"),
        ("<Connect><Stream url='wss://a' bidirectional='true'/></Connect>", "<Stream> has no"),
        ("<Connect><Stream url='wss://a' audioFormat='x'/></Connect>", "<Stream> has no"),
        ("<Connect><Stream url='wss://a'><Parameter name='a'/></Stream></Connect>", "<Stream> holds"),
        ("<Connect><Stream url='wss://a'><Param name='a' value='b'/></Stream></Connect>", "<Stream> "),
        (
            f"<Connect><Stream url='wss://a'><Parameter name='a' value='{'x' * 499}'/></Stream></Connect>",
            "<Parameter name='a'> has 500 characters or more",
        ),
    ],
)
def test_what_breaks_the_schema_is_12200(body: str, detail: str) -> None:
    (complaint,) = parsed(body).complaints
    assert complaint[0] == 12200
    assert complaint[1].startswith(detail)


def test_an_empty_say_is_13520() -> None:
    document = parsed("<Say> </Say><Hangup/>")
    assert document.complaints == ((13520, "<Say> without text"),)
    assert document.verbs == (twiml.Hangup(),)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<Dial method='PUT'>+15551234567</Dial>", 13210),
        ("<Dial hangupOnStar='1'>+15551234567</Dial>", 13213),
        ("<Dial><Stream/></Dial>", 13215),
        ("<Dial timeLimit='1h'>+15551234567</Dial>", 13216),
        ("<Dial record='yes'>+15551234567</Dial>", 13217),
        ("<Dial sequential='yes'>+15551234567</Dial>", 13218),
        ("<Dial answerOnBridge='1'>+15551234567</Dial>", 13219),
        ("<Dial ringTone='en'>+15551234567</Dial>", 13220),
        ("<Dial><Number method='PUT'>+15551234567</Number></Dial>", 13221),
        ("<Dial><Number sendDigits='1,2'>+15551234567</Number></Dial>", 13222),
        (f"<Dial><Number sendDigits='{'1' * 33}'>+15551234567</Number></Dial>", 13222),
        ("<Gather finishOnKey='x'/>", 13310),
        ("<Gather method='PUT'/>", 13312),
        ("<Gather timeout='soon'/>", 13313),
        ("<Gather numDigits='0'/>", 13314),
        ("<Gather numDigits='one'/>", 13314),
        ("<Gather><Hangup/></Gather>", 13320),
    ],
)
def test_values_that_dial_and_gather_do_not_take_have_codes_of_their_own(body: str, code: int) -> None:
    document = parsed(body)
    assert {complaint[0] for complaint in document.complaints} == {code}
    assert len(document.verbs) == 1, "the default is taken"
    assert code in CARRIER_CODES


@pytest.mark.parametrize(
    ("voice", "text", "is_said"),
    [
        ("", "x" * 4096, True),
        ("", "x" * 4097, False),
        ("voice='Polly.Joanna'", "x" * 3001, False),
        ("voice='Google.en-US-Standard-C'", "x" * 4500, True),
        ("voice='Google.en-US-Standard-C'", "x" * 4501, False),
        ("", "ü" * 750, True),
        ("", "ü" * 751, False),
    ],
)
def test_a_text_may_be_so_long(voice: str, text: str, *, is_said: bool) -> None:
    document = parsed(f"<Say {voice}>{text}</Say>")
    assert bool(document.verbs) == is_said
    assert [code for code, _ in document.complaints] == ([] if is_said else [13521])


def test_of_more_than_ten_the_first_ten_are_rung() -> None:
    (dial,) = parsed(f"<Dial>{'<Number>+15551234567</Number>' * 11}</Dial>").verbs
    assert isinstance(dial, twiml.Dial)
    assert len(dial.nouns) == 10


def test_reads_nouns_and_rooms() -> None:
    body = (
        "<Dial><Client statusCallback='/s'><Identity>bob</Identity><Parameter name='a' value='b'/></Client>"
        "<Sip url='w'>alice@example.com</Sip></Dial>"
        "<Dial><Conference participantLabel='human' startConferenceOnEnter='false' "
        "endConferenceOnExit='true' waitUrl='' maxParticipants='2' coach='CA1' "
        "statusCallback='s' statusCallbackEvent='start leave'>r</Conference></Dial>"
    )
    document = parsed(body)
    assert document.complaints == ()
    rings, enters = document.verbs
    assert isinstance(rings, twiml.Dial)
    assert isinstance(enters, twiml.Dial)
    client, sip = rings.nouns
    assert (client.party, sip.party) == ("client:bob", "sip:alice@example.com")
    assert client.callback == Callback("/s", "POST", frozenset({"completed"}))
    assert sip.at("https://example.com/a/b").url == "https://example.com/a/w"
    assert enters.room is not None
    told = Callback("https://example.com/s", "POST", frozenset({"start", "leave"}))
    assert enters.room.at("https://example.com/x") == Room(
        *("r", "human"), starts=False, ends=True, wait_url="", participants_max=2, coach="CA1", callback=told
    )


@pytest.mark.parametrize("timeout", ["4", "601", "-1", "soon", ""])
def test_a_timeout_that_dial_does_not_take_is_13212(timeout: str) -> None:
    document = parsed(f"<Dial timeout='{timeout}'>+15551234567</Dial>")
    assert [code for code, _ in document.complaints] == [13212]
    (dial,) = document.verbs
    assert isinstance(dial, twiml.Dial)
    assert dial.timeout_s == 30


def test_reads_what_the_twilio_package_writes() -> None:
    """The other side of the contract: everything that the official library builds is understood."""
    response = VoiceResponse()
    response.say("Hello", voice="Polly.Joanna", language="en-US")
    gather = Gather(input="dtmf", num_digits=1, action="/g", action_on_empty_result=True)
    gather.say("Press one")
    response.append(gather)
    dial = Dial(action="/d", caller_id="+15550100002", timeout=20, answer_on_bridge=True)
    dial.number("+15551234567")
    response.append(dial)
    connect = Connect(action="/ended")
    stream = Stream(url="wss://example.com/media", status_callback="https://example.com/s")
    stream.parameter(name="token", value="abc&<>\"'")
    connect.append(stream)
    response.append(connect)
    response.record(max_length=10, play_beep=False)
    response.redirect("/next")
    response.reject(reason="busy")
    response.hangup()
    document = twiml.parse(str(response).encode())
    assert isinstance(document, Document)
    assert document.complaints == ()
    assert [type(verb).__name__ for verb in document.verbs] == [
        "Say", "Gather", "Dial", "ConnectStream", "Record", "Redirect", "Reject", "Hangup",
    ]  # fmt: skip
    streamed = document.verbs[3]
    assert isinstance(streamed, twiml.ConnectStream)
    assert streamed.parameters == (("token", "abc&<>\"'"),)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_never_raises_over_a_body(body: bytes) -> None:
    twiml.read_answer(answer(body))
    twiml.parse(b"<Response>" + body + b"</Response>")
