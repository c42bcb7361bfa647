"""The execution of TwiML, without a network and without time."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from callbridge.simulators.phone import program as pg
from callbridge.simulators.phone.line_settings import DialOutcome, LineSettings, RecordingEnd
from callbridge.simulators.phone.stream_addresses import stream_fault, stream_url
from callbridge.simulators.phone.twiml import WebAnswer, WebFailure

FROM, TO = "+15550100001", "+15550100002"
BASE = "https://example.com"


@dataclass
class Run:
    """What came of a call whose webhooks answer with fixed documents."""

    program: pg.Program
    fetched: list[pg.Fetch] = field(default_factory=list)
    streams: list[pg.OpenStream] = field(default_factory=list)
    spent_s: float = 0.0
    status: str = ""

    @property
    def verbs(self) -> list[tuple[str, str]]:
        return [(item.verb, item.detail) for item in self.program.executed]

    @property
    def asked(self) -> list[str]:
        return [urlsplit(step.url).path for step in self.fetched]


def run(documents: dict[str, str], line: LineSettings | None = None) -> Run:
    """Execute a call; a path that is not among the documents answers 404."""
    program = pg.Program(f"{BASE}/voice", "POST", (FROM, TO), line or LineSettings())
    done = Run(program)
    step: pg.Step = program.begin()
    while True:
        match step:
            case pg.Fetch():
                done.fetched.append(step)
                step = program.answered(_answer(step.url, documents))
            case pg.Spend(seconds):
                done.spent_s += seconds
                step = program.spent()
            case pg.OpenStream():
                done.streams.append(step)
                step = program.stream_ended(step.noun)
            case pg.End(status):
                done.status = status
                return done


def _answer(url: str, documents: dict[str, str]) -> WebAnswer:
    body = documents.get(urlsplit(url).path)
    if body is None:
        return WebAnswer(url, 404, "text/html", b"<h1>Not found</h1>")
    return WebAnswer(url, 200, "text/xml", f"<Response>{body}</Response>".encode())


def voice(body: str, line: LineSettings | None = None, **others: str) -> Run:
    return run({"/voice": body} | {f"/{path}": text for path, text in others.items()}, line)


def test_executes_in_order_and_hangs_up_at_the_end() -> None:
    done = voice("<Say>Hello</Say><Pause length='3'/><Play>/a.mp3</Play>")
    assert done.verbs == [("Say", "Hello"), ("Pause", "3 s"), ("Play", f"{BASE}/a.mp3")]
    assert done.status == "completed"
    assert done.spent_s == pytest.approx(5 / 15 + 3 + 1)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ("<Say loop='3'>Thirty characters of a text.</Say>", 6),
        ("<Say loop='0'>Thirty characters of a text..</Say>", 2000),
        ("<Gather><Say>Thirty characters of a text..</Say><Pause/></Gather>", 2 + 1 + 5),
        ("<Gather timeout='3'/>", 3),
        ("<Gather timeout='auto'/>", 5),
    ],
)
def test_what_a_verb_takes(body: str, seconds: float) -> None:
    assert voice(body).spent_s == pytest.approx(seconds, rel=0.07)


def test_who_is_asked_to_enter_something_is_not_let_wait() -> None:
    program = pg.Program(f"{BASE}/voice", "POST", (FROM, TO))
    program.begin()
    step = program.answered(_answer(f"{BASE}/voice", {"/voice": "<Gather><Say>Enter.</Say></Gather>"}))
    assert step == pg.Spend(6 / 15, "<Say>")
    assert program.spent() == pg.Spend(5.0, is_callers_turn=True)
    assert program.spent() == pg.End("completed")


@pytest.mark.parametrize(
    ("body", "status"), [("<Reject/>", "no-answer"), ("<Reject reason='busy'/>", "busy")]
)
def test_reject_as_first_verb_does_not_answer(body: str, status: str) -> None:
    done = voice(f"{body}<Say>never</Say>")
    assert done.status == status
    assert [verb for verb, _ in done.verbs] == ["Reject"]


def test_reject_later_is_a_fault_and_hangs_up() -> None:
    done = voice("<Say>a</Say><Reject/><Say>b</Say>")
    assert done.program.complaints == [(12200, "<Reject> must be the first verb")]
    assert [verb for verb, _ in done.verbs] == ["Say", "Hangup"]


def test_the_first_request_rings_and_later_ones_are_in_progress() -> None:
    done = voice("<Redirect>/next</Redirect>", next="<Hangup/>")
    assert [(step.is_answered, step.method) for step in done.fetched] == [(False, "POST"), (True, "POST")]


def test_a_dial_that_nobody_rings_answers_the_call() -> None:
    done = voice("<Dial answerOnBridge='true' action='/d'>+15551234567</Dial>", d="<Hangup/>")
    assert [step.is_answered for step in done.fetched] == [False, True]


def test_redirect_is_relative_to_the_document_and_ends_it() -> None:
    documents = {
        "/voice": "<Redirect>/deep/er/one</Redirect><Say>never</Say>",
        "/deep/er/one": "<Redirect method='GET'>two?a=b</Redirect>",
        "/deep/er/two": "<Say>here</Say>",
    }
    done = run(documents)
    assert done.fetched[-1].url == f"{BASE}/deep/er/two?a=b"
    assert done.fetched[-1].method == "GET"
    assert done.verbs[-1] == ("Say", "here")


@pytest.mark.parametrize(
    ("body", "notice"),
    [
        ("<Connect action='/a'><Stream url='wss://a.example/m'/></Connect>", "Stream"),
        ("<Connect><ConversationRelay url='wss://a.example/m'/></Connect>", "ConversationRelay"),
        ("<Record action='/a'/>", "Record"),
        ("<Dial action='/a'><Number>+15550100003</Number></Dial>", "Number"),
        ("<Dial action='/a'><Sip>a@example.com</Sip></Dial>", "Sip"),
        ("<Gather><Say>Press</Say></Gather>", None),
    ],
)
def test_what_a_trial_account_may_not_use_is_cut_out_and_spoken_of(body: str, notice: str | None) -> None:
    done = voice(f"{body}<Pause/>", LineSettings(is_trial=True))
    told = ("Say", f"The {notice} verb is not available on trial accounts.")
    assert (done.asked, done.streams, done.verbs[-1][0]) == (["/voice"], [], "Pause")
    assert (told in done.verbs) == (notice is not None) == bool(done.program.findings)


def test_a_call_of_a_trial_account_goes_on_ten_times() -> None:
    done = voice("<Redirect>/voice</Redirect>", LineSettings(is_trial=True))
    assert len(done.asked) == 1 + 10


def test_a_call_that_goes_in_circles_is_stopped() -> None:
    done = voice("<Redirect>/voice</Redirect>")
    assert len(done.fetched) == pg.DOCUMENTS_MAX
    assert done.status == "failed"
    assert done.verbs[-1][0] == "Stopped"


STREAM = "<Stream url='wss://example.com/media'/>"


@pytest.mark.parametrize(
    ("body", "line", "verbs"),
    [
        ("<Hangup/><Say>never</Say>", LineSettings(), ["Hangup"]),
        ("<Enqueue>a</Enqueue><Say>next</Say>", LineSettings(), ["Enqueue", "Say"]),
        (f"<Connect>{STREAM}</Connect><Say>sorry</Say>", LineSettings(), ["Connect/Stream", "Say"]),
        ("<Dial>+15551234567</Dial><Say>bye</Say>", LineSettings(), ["Dial", "Say"]),
        ("<Gather/><Say>nothing</Say>", LineSettings(gather_inputs=()), ["Gather", "Say"]),
        ("<Gather/><Say>nothing</Say>", LineSettings(gather_inputs=("",)), ["Gather", "Say"]),
        ("<Gather/><Say>nothing</Say>", LineSettings(gather_inputs=("spoken words",)), ["Gather", "Say"]),
        (
            "<Record action='/r'/><Say>nothing</Say>",
            LineSettings(recording_s=0, silence_falls_through=True),
            ["Record", "Say"],
        ),
    ],
)
def test_what_has_no_action_is_followed_by_the_next_verb(
    body: str, line: LineSettings, verbs: list[str]
) -> None:
    assert [verb for verb, _ in voice(body, line).verbs] == verbs


def test_what_is_asked_of_a_call_that_is_moved_needs_an_address() -> None:
    fetched = pg.Program(f"{BASE}/voice", "POST", (FROM, TO))
    asked = fetched.cut_short("/after", "POST", ())
    assert asked is not None
    assert asked.url == f"{BASE}/after"
    inline = pg.Program("", "POST", (FROM, TO))
    assert inline.cut_short("/after", "POST", ()) is None
    assert inline.cut_short(f"{BASE}/after", "POST", ()) is not None


def test_the_action_of_connect_takes_over() -> None:
    done = voice(f"<Connect action='/ended'>{STREAM}</Connect><Say>never</Say>", ended="<Say>after</Say>")
    assert done.asked == ["/voice", "/ended"]
    assert done.verbs == [("Connect/Stream", "wss://example.com/media"), ("Say", "after")]
    assert done.fetched[1].parameters == ()


@pytest.mark.parametrize(
    ("document", "url", "resolved"),
    [
        ("https://a.b/voice", "wss://c.d/m", "wss://c.d/m"),
        ("https://a.b/x/voice", "/media", "wss://a.b/media"),
        ("https://a.b/x/voice", "media", "wss://a.b/x/media"),
        ("http://127.0.0.1:80/voice", "/media", "ws://127.0.0.1:80/media"),
        ("https://a.b/voice", "", ""),
    ],
)
def test_stream_urls_may_be_relative(document: str, url: str, resolved: str) -> None:
    assert stream_url(document, url) == resolved


@pytest.mark.parametrize(
    ("url", "track", "code"),
    [
        ("wss://a.b/media", None, None),
        ("wss://a.b:444/media", "inbound_track", None),
        ("ws://127.0.0.1:8080/media", None, None),
        ("ws://[::1]:8080/media", None, None),
        ("ws://localhost/media", None, None),
        ("ws://a.b/media", None, 31922),
        ("https://a.b/media", None, 31922),
        ("wss://a.b/media?token=1", None, 31920),
        ("wss://", None, 31923),
        ("wss://a.b:port/media", None, 31923),
        ("", None, 31923),
        ("wss://a.b/media", "both_tracks", 31941),
        ("wss://a.b/media", "outbound_track", 31941),
    ],
)
def test_a_stream_that_twilio_would_not_open(url: str, track: str | None, code: int | None) -> None:
    fault = stream_fault(url, track)
    assert (fault and fault[0]) == code


def test_the_status_callback_must_be_absolute() -> None:
    done = voice("<Connect><Stream url='wss://a.b/m' statusCallback='/s'/></Connect>")
    assert done.program.complaints == [(12200, "statusCallback '/s' must be absolute")]
    assert done.streams[0].status_callback == f"{BASE}/s"


Rang = DialOutcome
RINGS = [
    (Rang.COMPLETED, "completed", "true", "12", 12),
    (Rang.MAILBOX, "completed", "true", "12", 12),
    (Rang.DECLINED, "completed", "false", "3", 3),
    (Rang.BUSY, "busy", "false", None, 0),
    (Rang.NO_ANSWER, "no-answer", "false", None, 20 + 5),
    (Rang.FAILED, "failed", "false", None, 0),
]
"""What became of a ring, what its action is told of it, and how long it took."""


@pytest.mark.parametrize(("outcome", "status", "bridged", "duration", "seconds"), RINGS)
def test_dial_tells_its_action_what_became_of_it(
    outcome: DialOutcome, status: str, bridged: str, duration: str | None, seconds: int
) -> None:
    line = LineSettings(dial_outcome=outcome, dial_duration_s=12)
    done = voice("<Dial timeout='20' action='/d'>+15551234567</Dial><Say>no</Say>", line, d="<Hangup/>")
    told = dict(done.fetched[1].parameters)
    assert told.pop("DialCallSid").startswith("CA")
    length = {} if duration is None else {"DialCallDuration": duration}
    assert told == {"DialCallStatus": status, "DialBridged": bridged} | length
    assert done.verbs == [("Dial", f"Number +15551234567: {outcome}"), ("Hangup", "")]
    assert done.spent_s == seconds


def test_an_older_account_is_not_told_who_was_connected() -> None:
    line = LineSettings(dial_outcome=Rang.DECLINED, tells_dial_bridged=False)
    done = voice("<Dial action='/d'>+15551234567</Dial>", line, d="<Hangup/>")
    told = dict(done.fetched[1].parameters)
    assert (told["DialCallStatus"], "DialBridged" in told) == ("completed", False)


def test_a_mailbox_does_not_get_past_a_whisper() -> None:
    line = LineSettings(dial_outcome=Rang.MAILBOX)
    body = "<Dial action='/d'><Number url='/whisper'>+15551234567</Number></Dial>"
    assert dict(voice(body, line, d="<Hangup/>").fetched[1].parameters)["DialBridged"] == "false"


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Rang.HUNG_UP, {"DialCallStatus": "completed", "DialBridged": "true", "DialCallDuration": "12"}),
        (Rang.CANCELED, {"DialCallStatus": "canceled", "DialBridged": "false"}),
    ],
)
def test_who_hangs_up_in_a_dial_hears_nothing_more(outcome: DialOutcome, told: dict[str, str]) -> None:
    """The action is told, as of a call that is over, and its answer is not executed."""
    line = LineSettings(dial_outcome=outcome, dial_duration_s=12)
    done = voice("<Dial action='/d'>+15551234567</Dial>", line, d="<Say>hello?</Say>")
    assert done.fetched[1].is_over
    assert told.items() <= dict(done.fetched[1].parameters).items()
    assert ([verb for verb, _ in done.verbs], done.status) == (["Dial"], "completed")
    without = voice("<Dial>+15551234567</Dial><Say>hello?</Say>", line)
    assert ([verb for verb, _ in without.verbs], without.status) == (["Dial"], "completed")


DNO, BLOCKED = "+15557654399", "+15551234500"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<Dial callerId='+15557654321' action='/d'>+15551234567</Dial>", 13214),
        ("<Dial callerId='' action='/d'>+15551234567</Dial>", 13214),
        (f"<Dial callerId='{DNO}' action='/d'>+15551234567</Dial>", 13247),
        ("<Dial action='/d'>nobody</Dial>", 13223),
        ("<Dial action='/d'>123</Dial>", 13224),
        ("<Dial action='/d'>+1555123456712345</Dial>", 13224),
        (f"<Dial action='/d'>{BLOCKED}</Dial>", 13227),
    ],
)
def test_a_dial_that_twilio_refuses_fails(body: str, code: int) -> None:
    line = LineSettings(
        verified_numbers=frozenset({DNO}),
        do_not_originate=frozenset({DNO}),
        refused_numbers={BLOCKED: 13227},
    )
    done = voice(body, line, d="<Hangup/>")
    assert [item[0] for item in done.program.complaints] == [code]
    told = dict(done.fetched[1].parameters)
    assert (told["DialCallStatus"], told["DialBridged"]) == ("failed", "false")


@pytest.mark.parametrize("caller", ["client:alice", "sip:bob@example.com", "anonymous", "+266696687"])
def test_who_has_no_number_cannot_be_shown_to_a_telephone(caller: str) -> None:
    """Twilio's page on `callerId`: without one the caller's own number is shown, if there is one."""
    for attributes, noun, codes in (
        ("", "+15551234567", [13214]),
        (f"callerId='{TO}'", "+15551234567", []),
        ("", "<Client>bob</Client>", []),
        ("callerId='client:front-desk'", "<Client>bob</Client>", []),
        ("callerId='sales.floor_2'", "<Sip>bob@example.com</Sip>", []),
        ("callerId='sales floor'", "<Sip>bob@example.com</Sip>", [13214]),
        ("callerId='client:front-desk'", "<Client>bob</Client><Sip>bob@example.com</Sip>", [13214]),
    ):
        program = pg.Program(f"{BASE}/voice", "POST", (caller, TO))
        program.begin()
        body = {"/voice": f"<Dial {attributes}>{noun}</Dial>"}
        program.answered(_answer(f"{BASE}/voice", body))
        assert [code for code, _ in program.complaints] == codes


@pytest.mark.parametrize("caller_id", [FROM, TO, "+15557654321"])
def test_a_caller_id_of_the_call_or_verified_is_allowed(caller_id: str) -> None:
    line = LineSettings(verified_numbers=frozenset({"+15557654321"}))
    done = voice(f"<Dial callerId='{caller_id}'>+15551234567</Dial>", line)
    assert done.program.complaints == []


@pytest.mark.parametrize(
    ("attributes", "entered", "told"),
    [
        ("", "12#", {"Digits": "12", "FinishedOnKey": "#"}),
        ("", "12", {"Digits": "12", "FinishedOnKey": ""}),
        ("numDigits='1'", "12", {"Digits": "1", "FinishedOnKey": ""}),
        ("numDigits='2'", "1#", {"Digits": "1", "FinishedOnKey": "#"}),
        ("finishOnKey='*'", "1#2*3", {"Digits": "1#2", "FinishedOnKey": "*"}),
        ("finishOnKey=''", "1#", {"Digits": "1#", "FinishedOnKey": ""}),
        ("input='speech' actionOnEmptyResult='true'", "1", {"Digits": "", "FinishedOnKey": ""}),
        ("input='speech'", "yes please", {"SpeechResult": "yes please", "Confidence": "0.9"}),
        ("actionOnEmptyResult='true'", "", {"Digits": "", "FinishedOnKey": ""}),
    ],
)
def test_gather_tells_its_action_what_was_entered(
    attributes: str, entered: str, told: dict[str, str]
) -> None:
    body = f"<Gather action='/g' {attributes}><Say>Enter</Say></Gather><Say>nothing</Say>"
    done = voice(body, LineSettings(gather_inputs=(entered,)), g="<Hangup/>")
    assert dict(done.fetched[1].parameters) == told
    assert done.verbs[0] == ("Say", "Enter")
    assert ("Say", "nothing") not in done.verbs


@pytest.mark.parametrize(
    ("attributes", "entered", "seconds"),
    [("", "1", 5), ("", "1#", 0), ("numDigits='1'", "1", 0), ("input='speech'", "1", 5), ("", "words", 5)],
)
def test_gather_waits_for_more_until_it_has_all(attributes: str, entered: str, seconds: float) -> None:
    line = LineSettings(gather_inputs=(entered,))
    assert voice(f"<Gather action='/g' {attributes}/>", line, g="<Hangup/>").spent_s == seconds


def test_gather_without_action_asks_its_own_document_again() -> None:
    done = voice("<Gather/><Say>nothing</Say>", LineSettings(gather_inputs=("1", "2")))
    assert done.asked == ["/voice"] * 3
    assert done.verbs[-1] == ("Say", "nothing")


@pytest.mark.parametrize(
    ("recording_s", "end", "attributes", "told", "seconds"),
    [
        (7, "silence", "", {"RecordingDuration": "7"}, 7 + 5),
        (7, "silence", "timeout='2'", {"RecordingDuration": "7"}, 7 + 2),
        (7, "key", "", {"RecordingDuration": "7", "Digits": "#"}, 7),
        (7, "key", "finishOnKey='1*'", {"RecordingDuration": "7"}, 7 + 5),
        (7, "silence", "maxLength='3'", {"RecordingDuration": "3"}, 3),
        (7, "hung-up", "maxLength='3'", {"RecordingDuration": "3"}, 3),
        (0, "silence", "", {"RecordingDuration": "0"}, 5),
    ],
)
def test_record_tells_its_action_about_the_recording(
    recording_s: int, end: str, attributes: str, told: dict[str, str], seconds: int
) -> None:
    """Of silence, too; and no verb behind it is reached."""
    line = LineSettings(recording_s=recording_s, recording_end=RecordingEnd(end))
    done = voice(f"<Record action='/r' {attributes}/><Say>nothing</Say>", line, r="<Hangup/>")
    found = dict(done.fetched[1].parameters)
    assert found.pop("RecordingUrl").endswith("/" + found.pop("RecordingSid"))
    assert found == told
    assert done.spent_s == seconds
    assert [verb for verb, _ in done.verbs] == ["Record", "Hangup"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (LineSettings(recording_s=7), {"RecordingStatus": "completed", "RecordingDuration": "7"}),
        (LineSettings(recording_s=0), {"RecordingStatus": "completed", "RecordingDuration": "0"}),
        (LineSettings(recording_s=0, silence_falls_through=True), None),
    ],
)
def test_whoever_waits_for_a_recording_is_told(line: LineSettings, told: dict[str, str] | None) -> None:
    done = voice("<Record action='/r' recordingStatusCallback='/s'/>", line, r="<Hangup/>")
    found = [(call.url, dict(call.parameters)) for call in done.program.callbacks]
    assert [url for url, _ in found] == ([] if told is None else [f"{BASE}/s"])
    assert all((told or {}).items() <= parameters.items() for _, parameters in found)


def test_who_hangs_up_in_a_message_hears_nothing_more() -> None:
    line = LineSettings(recording_end=RecordingEnd.HUNG_UP)
    done = voice("<Record action='/r'/>", line, r="<Say>hello?</Say>")
    assert done.fetched[1].is_over
    assert dict(done.fetched[1].parameters)["Digits"] == "hangup"
    assert ([verb for verb, _ in done.verbs], done.status) == (["Record"], "completed")


def test_record_without_action_goes_in_circles_and_is_told() -> None:
    """Twilio asks the current document again, and has no code for it."""
    done = voice("<Record/>", LineSettings(recording_s=0))
    assert done.status == "failed"
    assert [finding.split()[0] for finding in dict.fromkeys(done.program.findings)] == ["<Record>", "more"]
    assert done.asked == ["/voice"] * pg.DOCUMENTS_MAX


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ("voice='Polly.Vicki' language='de-DE'", None),
        ("voice='Polly.Vicki-Neural'", None),
        ("voice='Google.en-GB-Standard-A' language='en-GB'", None),
        ("voice='woman' language='fr'", None),
        ("voice='alice' language='sv-SE'", None),
        ("language='de'", None),
        ("voice='nobody'", 13511),
        ("voice='Polly.Nobody'", 13511),
        ("voice='polly.vicki'", 13511),
        ("voice='Polly.Joanna' language='de-DE'", 13512),
        ("voice='Google.de-DE-Standard-A' language='en-US'", 13512),
        ("voice='woman' language='sv-SE'", 13512),
        ("language='sv-SE'", 13512),
    ],
)
def test_a_voice_says_nothing_in_a_language_that_it_does_not_speak(attributes: str, code: int | None) -> None:
    done = voice(f"<Say {attributes}>Hello</Say><Hangup/>")
    assert [found for found, _ in done.program.complaints] == ([code] if code else [])
    assert [verb for verb, _ in done.verbs] == (["Hangup"] if code else ["Say", "Hangup"])


def test_a_document_that_cannot_be_had_ends_the_call_with_an_apology() -> None:
    done = run({})
    assert done.program.complaints[0][0] == 11200
    assert done.verbs == [("ApplicationError", "We are sorry, an application error has occurred. Goodbye.")]


def test_the_fallback_is_asked_once_and_told_why() -> None:
    line = LineSettings(fallback_url=f"{BASE}/fallback")
    done = run({"/voice": "<Redirect>/gone</Redirect>", "/fallback": "<Say>Sorry</Say>"}, line)
    assert done.asked == ["/voice", "/gone", "/fallback"]
    assert dict(done.fetched[-1].parameters) == {"ErrorCode": "11200", "ErrorUrl": f"{BASE}/gone"}
    assert done.verbs[-1] == ("Say", "Sorry")
    assert run({}, line).asked == ["/voice", "/fallback"]


def test_a_failed_request_keeps_its_code() -> None:
    program = pg.Program(f"{BASE}/voice", "GET", (FROM, TO))
    assert program.begin() == pg.Fetch(f"{BASE}/voice", "GET", (), is_answered=False)
    assert program.answered(WebFailure(f"{BASE}/voice", 11202, "refused")) == pg.End("completed")
    assert program.complaints == [(11202, "refused")]
