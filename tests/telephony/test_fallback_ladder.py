"""The fallback: what its documents say, and what becomes of them on a strict phone."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.simulators.phone import program as pg
from callbridge.simulators.phone.line_settings import DialOutcome, LineSettings, RecordingEnd
from callbridge.simulators.phone.twiml import WebAnswer
from callbridge.telephony import connect, ladder, twiml
from callbridge.telephony.ladder import FallbackPlan
from callbridge.telephony.twiml import Words

APOLOGY = "We are sorry."
PROMPT = "Please leave a message."
HUMAN = "+14155550123"

FULL = FallbackPlan(
    apology=Words(APOLOGY),
    dial=HUMAN,
    has_voicemail=True,
    voicemail_prompt=Words(PROMPT),
    dialed_url="https://example.com/twilio/fallback-dialed",
    voicemail_left_url="https://example.com/twilio/voicemail-left",
    voicemail_status_url="https://example.com/twilio/voicemail-status",
)
VOICEMAIL_ONLY = replace(FULL, dial="")
PLANS = {
    "apology": FallbackPlan(Words(APOLOGY)),
    "human": replace(FULL, has_voicemail=False),
    "voicemail": VOICEMAIL_ONLY,
    "human and voicemail": FULL,
}


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - parses only what we made ourselves


def tags(text: str) -> list[str]:
    return [verb.tag for verb in parsed(text)]


def test_rings_a_human_first() -> None:
    """Twilio lets it ring 5 s longer than it is told, and takes nothing below 5."""
    dial, hangup = parsed(ladder.first_step(FULL))
    assert dial.attrib == {
        "action": "https://example.com/twilio/fallback-dialed",
        "answerOnBridge": "true",
        "timeout": "15",
    }
    assert [(noun.tag, noun.text) for noun in dial] == [("Number", HUMAN)]
    assert hangup.tag == "Hangup"
    (shortest,) = parsed(ladder.first_step(replace(FULL, dial_seconds=6))).iter("Dial")
    assert shortest.get("timeout") == "5"


def test_records_when_nobody_took_the_call() -> None:
    say, record, *_ = parsed(ladder.after_dial(FULL, "no-answer", "false"))
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


def test_a_recording_without_anybody_to_tell() -> None:
    (record,) = parsed(ladder.first_step(replace(VOICEMAIL_ONLY, voicemail_status_url=""))).iter("Record")
    assert "recordingStatusCallback" not in record.attrib


@pytest.mark.parametrize(
    ("status", "bridged", "is_over"),
    [
        ("completed", "true", True),
        ("answered", "true", True),
        ("completed", "TRUE", True),
        ("completed", "false", False),  # A mailbox that was not let through, or a human who declined.
        ("completed", "", True),  # Of an account that is not told.
        ("answered", "", True),
        ("completed", "a word of next year", True),
        *((status, "false", False) for status in ("busy", "no-answer", "failed", "canceled")),
        *((status, "", False) for status in ("busy", "no-answer", "", "COMPLETED", "unheard-of")),
    ],
)
def test_only_who_was_connected_is_served(status: str, bridged: str, is_over: bool) -> None:
    """That something picked up is not enough, and a status that Twilio invents tomorrow is not either."""
    followed = ["Hangup"] if is_over else ["Say", "Record", "Say", "Hangup"]
    assert tags(ladder.after_dial(FULL, status, bridged)) == followed


@pytest.mark.parametrize("duration", ["0", "1", " 0 ", "00"])
def test_who_said_nothing_hears_the_apology(duration: str) -> None:
    assert tags(ladder.after_voicemail(FULL, duration)) == ["Say", "Hangup"]


@pytest.mark.parametrize("duration", ["2", "17", "120", "100000000000", "", "-1", "1.5", "a word", "\u0661"])
def test_whose_message_may_be_there_is_let_go(duration: str) -> None:
    assert tags(ladder.after_voicemail(FULL, duration)) == ["Hangup"]


@given(st.text(), st.text(), st.text(), st.text())
def test_any_words_give_documents_that_parse(number: str, prompt: str, apology: str, told: str) -> None:
    plan = replace(FULL, dial=number, voicemail_prompt=Words(prompt), apology=Words(apology))
    documents = (
        ladder.first_step(plan),
        ladder.after_dial(plan, told, told),
        ladder.after_voicemail(plan, told),
    )
    for text in documents:
        assert tags(text)[-1] == "Hangup", text
        assert set(tags(text)) <= {"Dial", "Say", "Record", "Hangup"}


def test_markup_stays_text() -> None:
    evil = "1</Number><Sip>sip:a@b</Sip>"
    (dial,) = parsed(ladder.first_step(replace(FULL, dial=evil))).iter("Dial")
    assert [(noun.tag, noun.text) for noun in dial] == [("Number", evil)]


@pytest.mark.parametrize(
    "broken", [{"dial_seconds": 0}, {"dial_seconds": 601}, {"dialed_url": ""}, {"voicemail_left_url": ""}]
)
def test_a_plan_that_leads_nowhere_is_not_made(broken: dict[str, str | int]) -> None:
    with pytest.raises(AssertionError):
        replace(FULL, **broken)  # type: ignore[arg-type]  # names and values belong together


# --- On a strict phone ----------------------------------------------------------------------------------


def asked(plan: FallbackPlan, step: pg.Fetch) -> str:
    """What our webhooks will answer; the voice URL with the fallback at once."""
    told = dict(step.parameters)
    match urlsplit(step.url).path:
        case "/twilio/voice":
            return ladder.first_step(plan)
        case "/twilio/fallback-dialed":
            return ladder.after_dial(plan, told["DialCallStatus"], told.get("DialBridged", ""))
        case "/twilio/voicemail-left":
            return ladder.after_voicemail(plan, told["RecordingDuration"])
        case path:
            raise AssertionError(path)


def on_the_phone(plan: FallbackPlan, line: LineSettings, voice: str | None = None) -> list[tuple[str, str]]:
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
    assert (program.complaints, program.findings) == ([], [])
    assert step.status == "completed"
    return [(done.verb, done.detail) for done in program.executed]


TALKED = {DialOutcome.COMPLETED, DialOutcome.MAILBOX}
"""Of a mailbox that picks up without a whisper Twilio says nothing else."""


def expected(plan: FallbackPlan, line: LineSettings) -> list[tuple[str, str]]:
    """The ladder once more, told as what the caller meets."""
    outcome = line.dial_outcome
    met = [("Dial", f"Number {HUMAN}: {outcome}")] if plan.dial else []
    if plan.dial and outcome.caller_left:
        return met
    picked_up = outcome.is_picked_up and not line.tells_dial_bridged
    if plan.dial and (outcome in TALKED or picked_up):
        return [*met, ("Hangup", "")]
    if plan.has_voicemail:
        met += [("Say", PROMPT), ("Record", f"{line.recording_s} s")]
        if line.recording_end is RecordingEnd.HUNG_UP:
            return met
    if not (plan.has_voicemail and line.recording_s > 1):
        met.append(("Say", APOLOGY))
    return [*met, ("Hangup", "")]


RINGS = list(itertools.product(PLANS, DialOutcome, (True, False)))


@pytest.mark.parametrize(("name", "outcome", "tells_bridged"), RINGS)
def test_a_strict_phone_goes_down_the_ladder(name: str, outcome: DialOutcome, tells_bridged: bool) -> None:
    line = LineSettings(dial_outcome=outcome, tells_dial_bridged=tells_bridged)
    assert on_the_phone(PLANS[name], line) == expected(PLANS[name], line)


@pytest.mark.parametrize("end", list(RecordingEnd))
@pytest.mark.parametrize("recording_s", [0, 1, 2, 12])
@pytest.mark.parametrize("falls_through", [False, True])
def test_a_strict_phone_records(recording_s: int, end: RecordingEnd, falls_through: bool) -> None:
    """Who says nothing hears the apology once, whether Twilio hands silence on or not."""
    line = LineSettings(recording_s=recording_s, recording_end=end, silence_falls_through=falls_through)
    assert on_the_phone(VOICEMAIL_ONLY, line) == expected(VOICEMAIL_ONLY, line)


@pytest.mark.parametrize("name", PLANS)
def test_a_strict_phone_that_runs_past_the_stream_meets_the_ladder(name: str) -> None:
    plan = PLANS[name]
    line = LineSettings(dial_outcome=DialOutcome.BUSY, recording_s=5)
    voice = connect.answer(
        stream_url="wss://example.com/media-stream",
        action_url="https://example.com/twilio/stream-ended",
        stream_status_url="https://example.com/twilio/stream-status",
        token="t0ken",
        caller="+14155550100",
        called="+14155550199",
        fallback=plan,
    )
    stream, *behind = on_the_phone(plan, line, voice)
    assert stream == ("Connect/Stream", "wss://example.com/media-stream")
    assert behind == expected(plan, line)


def test_a_caller_who_talks_without_end_is_recorded_for_two_minutes() -> None:
    assert ("Record", "120 s") in on_the_phone(VOICEMAIL_ONLY, LineSettings(recording_s=3600))
