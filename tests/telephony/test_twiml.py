"""TwiML: what the documents say to a reader of XML that is not ours, and what a strict phone does."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callbridge.simulators.phone import program as pg
from callbridge.simulators.phone.twiml import WebAnswer
from callbridge.telephony import twiml
from callbridge.telephony.twiml import FallbackPlan

APOLOGY = "We are sorry."
PROMPT = "Please leave a message."
HUMAN = "+14155550123"

APOLOGY_ONLY = FallbackPlan(APOLOGY)
FULL = FallbackPlan(
    apology=APOLOGY,
    dial=HUMAN,
    has_voicemail=True,
    voicemail_prompt=PROMPT,
    dialed_url="https://example.com/twilio/fallback-dialed",
    voicemail_left_url="https://example.com/twilio/voicemail-left",
    voicemail_status_url="https://example.com/twilio/voicemail-status",
)
HUMAN_ONLY = replace(FULL, has_voicemail=False)
VOICEMAIL_ONLY = replace(FULL, dial="")
PLANS = {
    "apology": APOLOGY_ONLY,
    "human": HUMAN_ONLY,
    "voicemail": VOICEMAIL_ONLY,
    "human and voicemail": FULL,
}


def document(
    caller: str = "+14155550100", called: str = "+14155550199", fallback: FallbackPlan | None = None
) -> str:
    return twiml.answer(
        stream_url="wss://example.com/media-stream",
        action_url="https://example.com/twilio/stream-ended",
        stream_status_url="https://example.com/twilio/stream-status",
        token="t0ken",
        caller=caller,
        called=called,
        fallback=fallback or FallbackPlan(APOLOGY),
    )


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - parses only what we made ourselves


def parameters(text: str) -> dict[str | None, str | None]:
    return {element.get("name"): element.get("value") for element in parsed(text).iter("Parameter")}


def test_answer_connects_the_stream_and_keeps_a_last_resort() -> None:
    root = parsed(document())
    assert root.tag == "Response"
    assert [verb.tag for verb in root] == ["Connect", "Say", "Hangup"]
    connect, say, _ = root
    assert connect.attrib == {"action": "https://example.com/twilio/stream-ended"}
    assert say.text == APOLOGY
    (stream,) = connect
    assert stream.attrib == {
        "url": "wss://example.com/media-stream",
        "statusCallback": "https://example.com/twilio/stream-status",
    }


def test_parameters_carry_the_token_and_both_numbers() -> None:
    """A missing number gives no empty parameter; none has the 500 characters that Twilio refuses."""
    numbers = {"caller": "+14155550100", "called": "+14155550199"}
    assert parameters(document()) == {"token": "t0ken"} | numbers
    assert parameters(document(caller="")) == {"token": "t0ken", "called": "+14155550199"}
    value = parameters(document(caller="sip:" + "x" * 600))["caller"]
    assert value is not None
    assert len("caller" + value) == 499


@given(st.text() | st.text(" \t\x00ab", min_size=480, max_size=520))
@example("x" * 492 + " y")
def test_what_a_parameter_carries_is_settled_at_once(value: str) -> None:
    """The media socket may clean what it got once more, and has what the webhook had. No XML is broken."""
    carried = twiml.parameter_value("caller", value)
    assert twiml.parameter_value("caller", carried) == carried
    text = document(caller=value, called=value)
    assert text.startswith("<?xml")
    assert [verb.tag for verb in parsed(text)] == ["Connect", "Say", "Hangup"]
    assert parameters(text).get("caller", "") == carried


def test_hang_up_and_empty_and_apology() -> None:
    assert [verb.tag for verb in parsed(twiml.hang_up())] == ["Hangup"]
    assert [verb.tag for verb in parsed(twiml.empty())] == []
    say, hangup = parsed(twiml.first_step(FallbackPlan("Sorry & goodbye <now>")))
    assert (say.tag, say.text, hangup.tag) == ("Say", "Sorry & goodbye <now>", "Hangup")


def test_a_caller_who_waits_hears_a_word_in_each_round() -> None:
    after = "https://a.example/b?c=1&d=2#rc=5"
    document = parsed(twiml.hold("One moment.", rounds=2, pause_s=3, next_url=after))
    assert [verb.tag for verb in document] == ["Say", "Pause", "Say", "Pause", "Redirect"]
    assert [verb.get("length") for verb in document if verb.tag == "Pause"] == ["3", "3"]
    assert document[-1].text == after
    assert tags(twiml.hold("", rounds=1, pause_s=1, next_url="/b")) == ["Pause", "Redirect"]


@pytest.mark.parametrize("text", ["", " \n", "\x00"])
def test_nothing_to_say_is_not_said(text: str) -> None:
    """An empty `<Say>` is an error of its own (13520)."""
    assert tags(twiml.first_step(FallbackPlan(text))) == ["Hangup"]
    assert tags(twiml.first_step(replace(VOICEMAIL_ONLY, voicemail_prompt=text, apology=text))) == [
        "Record",
        "Hangup",
    ]


def tags(text: str) -> list[str]:
    return [verb.tag for verb in parsed(text)]


def every_document(plan: FallbackPlan) -> list[str]:
    statuses = [*(outcome.value for outcome in pg.DialOutcome), "answered", "", "unheard-of"]
    return [
        document(fallback=plan),
        twiml.first_step(plan),
        *(twiml.after_dial(plan, status) for status in statuses),
    ]


def test_rings_a_human_first() -> None:
    dial, hangup = parsed(twiml.first_step(FULL))
    assert dial.attrib == {
        "action": "https://example.com/twilio/fallback-dialed",
        "answerOnBridge": "true",
        "timeout": "20",
    }
    assert [(noun.tag, noun.text) for noun in dial] == [("Number", HUMAN)]
    assert hangup.tag == "Hangup"


def test_records_when_nobody_took_the_call() -> None:
    say, record, sorry, hangup = parsed(twiml.after_dial(FULL, "no-answer"))
    assert (say.tag, say.text) == ("Say", PROMPT)
    assert record.tag == "Record"
    assert record.attrib == {
        "action": "https://example.com/twilio/voicemail-left",
        "finishOnKey": "#",
        "maxLength": "120",
        "playBeep": "true",
        "recordingStatusCallback": "https://example.com/twilio/voicemail-status",
        "trim": "trim-silence",
    }
    assert (sorry.tag, sorry.text, hangup.tag) == ("Say", APOLOGY, "Hangup")


def test_a_recording_without_anybody_to_tell() -> None:
    (record,) = parsed(twiml.first_step(replace(VOICEMAIL_ONLY, voicemail_status_url=""))).iter("Record")
    assert "recordingStatusCallback" not in record.attrib


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled", "", "COMPLETED", "unheard-of"])
def test_every_status_but_a_talk_leads_on(status: str) -> None:
    """Also one that Twilio invents tomorrow."""
    assert tags(twiml.after_dial(FULL, "completed")) == tags(twiml.after_dial(FULL, "answered")) == ["Hangup"]
    assert tags(twiml.after_dial(FULL, status)) == ["Say", "Record", "Say", "Hangup"]
    assert tags(twiml.after_dial(HUMAN_ONLY, status)) == ["Say", "Hangup"]


@pytest.mark.parametrize("name", PLANS)
def test_the_first_step_stands_behind_the_stream(name: str) -> None:
    """Where Twilio runs on without asking, it runs into the fallback."""
    behind = list(parsed(document(fallback=PLANS[name])))[1:]
    assert [ET.tostring(verb) for verb in behind] == [
        ET.tostring(verb) for verb in parsed(twiml.first_step(PLANS[name]))
    ]


@given(st.text(), st.text(), st.text())
def test_any_words_give_documents_that_parse(number: str, prompt: str, apology: str) -> None:
    plan = replace(FULL, dial=number, voicemail_prompt=prompt, apology=apology)
    for text in every_document(plan):
        assert tags(text)[-1] == "Hangup", text
        assert set(tags(text)) <= {"Connect", "Dial", "Say", "Record", "Hangup"}


def test_markup_stays_text() -> None:
    """A caller id cannot add verbs of its own, nor can a setting."""
    evil = '"/><Dial>+1900</Dial>'
    assert parameters(document(caller=evil))["caller"] == evil
    evil = "1</Number><Sip>sip:a@b</Sip>"
    (dial,) = parsed(twiml.first_step(replace(FULL, dial=evil))).iter("Dial")
    assert [(noun.tag, noun.text) for noun in dial] == [("Number", evil)]


@pytest.mark.parametrize(
    "broken", [{"dial_seconds": 0}, {"dial_seconds": 601}, {"dialed_url": ""}, {"voicemail_left_url": ""}]
)
def test_a_plan_that_leads_nowhere_is_not_made(broken: dict[str, str | int]) -> None:
    with pytest.raises(AssertionError):
        replace(FULL, **broken)  # type: ignore[arg-type]  # names and values belong together


def asked(plan: FallbackPlan, step: pg.Fetch) -> str:
    """What our webhooks will answer; the voice URL with the fallback at once."""
    match urlsplit(step.url).path:
        case "/twilio/voice":
            return twiml.first_step(plan)
        case "/twilio/fallback-dialed":
            return twiml.after_dial(plan, dict(step.parameters)["DialCallStatus"])
        case "/twilio/voicemail-left":
            return twiml.hang_up()
        case path:
            raise AssertionError(path)


def on_the_phone(
    plan: FallbackPlan, line: pg.LineSettings, voice: str | None = None
) -> list[tuple[str, str]]:
    """The verbs that a strict phone executes, which must have nothing to complain about."""
    program = pg.Program("https://example.com/twilio/voice", "POST", ("+14155550100", "+14155550199"), line)
    step: pg.Step = program.begin()
    while not isinstance(step, pg.End):
        match step:
            case pg.Fetch():
                body = voice if voice and step.url.endswith("/voice") else asked(plan, step)
                step = program.answered(WebAnswer(step.url, 200, twiml.MEDIA_TYPE, body.encode()))
            case pg.Spend():
                step = program.spent()
            case pg.OpenStream(noun=noun):
                # As if Twilio ran on without asking the action.
                step = program.stream_ended(replace(noun, action=None))
    assert program.complaints == []
    assert step.status == "completed"
    return [(done.verb, done.detail) for done in program.executed]


def expected(plan: FallbackPlan, outcome: pg.DialOutcome, recording_s: int) -> list[tuple[str, str]]:
    """The ladder once more, told as what the caller meets."""
    met = [("Dial", f"Number {HUMAN}: {outcome}")] if plan.dial else []
    if plan.dial and outcome is pg.DialOutcome.COMPLETED:
        return [*met, ("Hangup", "")]
    if plan.has_voicemail:
        met += [("Say", PROMPT), ("Record", f"{recording_s} s")]
    if not (plan.has_voicemail and recording_s):
        met.append(("Say", APOLOGY))
    return [*met, ("Hangup", "")]


LINES = list(itertools.product(PLANS, pg.DialOutcome, (0, 12)))


@pytest.mark.parametrize(("name", "outcome", "recording_s"), LINES)
def test_a_strict_phone_goes_down_the_ladder(name: str, outcome: pg.DialOutcome, recording_s: int) -> None:
    line = pg.LineSettings(dial_outcome=outcome, recording_s=recording_s)
    assert on_the_phone(PLANS[name], line) == expected(PLANS[name], outcome, recording_s)


@pytest.mark.parametrize("name", PLANS)
def test_a_strict_phone_that_runs_past_the_stream_meets_the_ladder(name: str) -> None:
    plan = PLANS[name]
    line = pg.LineSettings(dial_outcome=pg.DialOutcome.BUSY, recording_s=5)
    stream, *behind = on_the_phone(plan, line, voice=document(fallback=plan))
    assert stream == ("Connect/Stream", "wss://example.com/media-stream")
    assert behind == expected(plan, pg.DialOutcome.BUSY, 5)


def test_a_caller_who_talks_without_end_is_recorded_for_two_minutes() -> None:
    assert ("Record", "120 s") in on_the_phone(VOICEMAIL_ONLY, pg.LineSettings(recording_s=3600))
