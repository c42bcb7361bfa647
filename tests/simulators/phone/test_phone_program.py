"""The execution of TwiML, without a network and without time."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from callbridge.simulators.phone import program as pg
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


def run(documents: dict[str, str], line: pg.LineSettings | None = None) -> Run:
    """Execute a call; a path that is not among the documents answers 404."""
    program = pg.Program(f"{BASE}/voice", "POST", (FROM, TO), line or pg.LineSettings())
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


def voice(body: str, line: pg.LineSettings | None = None, **others: str) -> Run:
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


def test_a_call_that_goes_in_circles_is_stopped() -> None:
    done = voice("<Redirect>/voice</Redirect>")
    assert len(done.fetched) == pg.DOCUMENTS_MAX
    assert done.status == "failed"
    assert done.verbs[-1][0] == "Stopped"


STREAM = "<Stream url='wss://example.com/media'/>"


@pytest.mark.parametrize(
    ("body", "line", "verbs"),
    [
        ("<Hangup/><Say>never</Say>", pg.LineSettings(), ["Hangup"]),
        ("<Enqueue>a</Enqueue><Say>next</Say>", pg.LineSettings(), ["Enqueue", "Say"]),
        (f"<Connect>{STREAM}</Connect><Say>sorry</Say>", pg.LineSettings(), ["Connect/Stream", "Say"]),
        ("<Dial>+15551234567</Dial><Say>bye</Say>", pg.LineSettings(), ["Dial", "Say"]),
        ("<Gather/><Say>nothing</Say>", pg.LineSettings(gather_inputs=()), ["Gather", "Say"]),
        ("<Gather/><Say>nothing</Say>", pg.LineSettings(gather_inputs=("",)), ["Gather", "Say"]),
        ("<Gather/><Say>nothing</Say>", pg.LineSettings(gather_inputs=("spoken words",)), ["Gather", "Say"]),
        ("<Record action='/r'/><Say>nothing</Say>", pg.LineSettings(recording_s=0), ["Record", "Say"]),
    ],
)
def test_what_has_no_action_is_followed_by_the_next_verb(
    body: str, line: pg.LineSettings, verbs: list[str]
) -> None:
    assert [verb for verb, _ in voice(body, line).verbs] == verbs


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
    assert pg.stream_url(document, url) == resolved


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
    fault = pg.stream_fault(url, track)
    assert (fault and fault[0]) == code


def test_the_status_callback_must_be_absolute() -> None:
    done = voice("<Connect><Stream url='wss://a.b/m' statusCallback='/s'/></Connect>")
    assert done.program.complaints == [(12200, "statusCallback '/s' must be absolute")]
    assert done.streams[0].status_callback == f"{BASE}/s"


@pytest.mark.parametrize("outcome", list(pg.DialOutcome))
def test_dial_tells_its_action_what_became_of_it(outcome: pg.DialOutcome) -> None:
    line = pg.LineSettings(dial_outcome=outcome, dial_duration_s=12)
    done = voice("<Dial action='/d'>+15551234567</Dial><Say>no</Say>", line, d="<Hangup/>")
    told = dict(done.fetched[1].parameters)
    assert told["DialCallStatus"] == outcome.value
    assert told["DialCallSid"].startswith("CA")
    assert told.get("DialCallDuration") == ("12" if outcome is pg.DialOutcome.COMPLETED else None)
    assert done.verbs == [("Dial", f"Number +15551234567: {outcome}"), ("Hangup", "")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<Dial callerId='+15557654321' action='/d'>+15551234567</Dial>", 13214),
        ("<Dial action='/d'>nobody</Dial>", 13223),
    ],
)
def test_a_dial_that_twilio_refuses_fails(body: str, code: int) -> None:
    done = voice(body, d="<Hangup/>")
    assert [item[0] for item in done.program.complaints] == [code]
    assert dict(done.fetched[1].parameters)["DialCallStatus"] == "failed"


@pytest.mark.parametrize("caller", ["client:alice", "sip:bob@example.com", "anonymous", "+266696687"])
def test_who_has_no_number_cannot_be_shown_to_a_telephone(caller: str) -> None:
    """Twilio's page on `callerId`: without one the caller's own number is shown, if there is one."""
    for attributes, noun, codes in (
        ("", "+15551234567", [13214]),
        (f"callerId='{TO}'", "+15551234567", []),
        ("", "<Client>bob</Client>", []),
    ):
        program = pg.Program(f"{BASE}/voice", "POST", (caller, TO))
        program.begin()
        body = {"/voice": f"<Dial {attributes}>{noun}</Dial>"}
        program.answered(_answer(f"{BASE}/voice", body))
        assert [code for code, _ in program.complaints] == codes


@pytest.mark.parametrize("caller_id", [FROM, TO, "+15557654321"])
def test_a_caller_id_of_the_call_or_verified_is_allowed(caller_id: str) -> None:
    line = pg.LineSettings(verified_numbers=frozenset({"+15557654321"}))
    done = voice(f"<Dial callerId='{caller_id}'>+15551234567</Dial>", line)
    assert done.program.complaints == []


@pytest.mark.parametrize(
    ("attributes", "entered", "told"),
    [
        ("", "12#", {"Digits": "12"}),
        ("numDigits='1'", "12", {"Digits": "1"}),
        ("input='speech'", "yes please", {"SpeechResult": "yes please", "Confidence": "0.9"}),
        ("actionOnEmptyResult='true'", "", {"Digits": ""}),
    ],
)
def test_gather_tells_its_action_what_was_entered(
    attributes: str, entered: str, told: dict[str, str]
) -> None:
    body = f"<Gather action='/g' {attributes}><Say>Enter</Say></Gather><Say>nothing</Say>"
    done = voice(body, pg.LineSettings(gather_inputs=(entered,)), g="<Hangup/>")
    assert dict(done.fetched[1].parameters) == told
    assert done.verbs[0] == ("Say", "Enter")
    assert ("Say", "nothing") not in done.verbs


def test_gather_without_action_asks_its_own_document_again() -> None:
    done = voice("<Gather/><Say>nothing</Say>", pg.LineSettings(gather_inputs=("1", "2")))
    assert done.asked == ["/voice"] * 3
    assert done.verbs[-1] == ("Say", "nothing")


def test_record_tells_its_action_about_the_recording() -> None:
    done = voice("<Record action='/r' maxLength='3'/>", r="<Hangup/>")
    told = dict(done.fetched[1].parameters)
    assert told["RecordingDuration"] == "3"
    assert told["RecordingUrl"].startswith("https://api.twilio.com/")
    assert done.spent_s == 3


def test_a_document_that_cannot_be_had_ends_the_call_with_an_apology() -> None:
    done = run({})
    assert done.program.complaints[0][0] == 11200
    assert done.verbs == [("ApplicationError", "We are sorry, an application error has occurred. Goodbye.")]


def test_the_fallback_is_asked_once_and_told_why() -> None:
    line = pg.LineSettings(fallback_url=f"{BASE}/fallback")
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
