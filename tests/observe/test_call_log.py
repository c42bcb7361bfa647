"""The log of a call: each fact its line, at its level, with no word that was said unless that is wanted."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
import structlog

from callbridge.call import agent_facts, facts
from callbridge.call import recording_facts as rf
from callbridge.call import telephone_facts as t
from callbridge.call.bill_facts import Billed
from callbridge.call.facts import EndReason
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.call.outcomes import TextOutcome, ToolOutcome, TransferOutcome
from callbridge.call.rating import CallerWordsRated
from callbridge.call.record_facts import CallAnalysed, NotKept, ProcessLost
from callbridge.call.usage import Usage
from callbridge.call.wishes import Resume, Transfer
from callbridge.observe.call_log import CallLog
from callbridge.observe.first_of_kind import FirstOfKind

IDENTITY = {"call_sid": "CA1", "stream_sid": "MZ1"}


def logged(fact: facts.Fact, *, with_transcripts: bool = False) -> list[dict[str, Any]]:
    """The lines of one fact."""
    placed = msgspec.structs.replace(fact, call_sid="CA1", source="MZ1", number=7, at_ms=1234)
    with structlog.testing.capture_logs() as logs:
        CallLog(FirstOfKind(), lambda: 0.0, with_transcripts=with_transcripts)(placed)
    return [dict(line) for line in logs]


def line(event: str, level: str = "info", **fields: object) -> list[dict[str, Any]]:
    """One line, with the identity that each has."""
    return [{"event": event, "log_level": level, **IDENTITY, **fields}]


def trouble(*, is_fatal: bool) -> facts.ModelTrouble:
    return facts.ModelTrouble("dial", "HTTP 503: busy", 503, None, is_fatal, is_rate_limit=False, model="m")


TROUBLE = {"doing": "dial", "why": "HTTP 503: busy", "status": 503, "code": None, "is_rate_limit": False}
TROUBLE |= {"model": "m", "is_configuration": False, "lacks_descriptors": False}
TURN = facts.TurnEnded(3, "my card is 4111", "thank you", 640, interrupted=True)
CASES = [
    (
        facts.StreamStarted("+14155550100", "+14155550199", is_continued=True, agent="clinic"),
        line("stream_started", caller="+********00", called="+********99", is_continued=True, agent="clinic"),
    ),
    (
        facts.AgentReady("gpt-realtime-2.1", 310, 240, has_transcription=False),
        line("agent_ready", model="gpt-realtime-2.1", after_ms=310, held_ms=240, has_transcription=False),
    ),
    (trouble(is_fatal=False), line("model_trouble", "warning", is_fatal=False, **TROUBLE)),
    (trouble(is_fatal=True), line("model_trouble", "error", is_fatal=True, **TROUBLE)),
    (
        facts.SessionReplaced("lost", 420, 7, "m"),
        line("session_replaced", cause="lost", after_ms=420, items=7, model="m"),
    ),
    (facts.ClipPlayed("no session yet"), line("clip_played", why="no session yet")),
    (facts.CallClosed(12), line("call_closed", after_ms=12)),
    (
        facts.Interrupted((("item_1", 300),), ("item_2",), 1200),
        line("interrupted", truncated_ms={"item_1": 300}, deleted=["item_2"], unheard_ms=1200),
    ),
    (
        facts.ToolUsed("look_up", 12, 345, call_id="call_1", turn=2),
        line(
            "tool_used",
            name="look_up",
            duration_ms=12,
            output_size=345,
            outcome="answered",
            call_id="call_1",
            turn=2,
        ),
    ),
    (
        facts.ToolUsed("look_up", 8000, 345, ToolOutcome.TIMED_OUT),
        line(
            "tool_used",
            "warning",
            name="look_up",
            duration_ms=8000,
            output_size=345,
            call_id="",
            turn=0,
            outcome="timed_out",
        ),
    ),
    (
        facts.Remembered(ToolStarted(2, "call_1", "look_up", "a secret")),
        line("tool_started", name="look_up", call_id="call_1", turn=2),
    ),
    (TURN, line("turn_ended", turn=3, response_ms=640, interrupted=True)),
    (facts.CallerWordsCame(3, "my card is 4111", "item_1"), line("caller_words_came", turn=3)),
    (facts.KeysPressed("4111", 2), line("keys_pressed", turn=2, is_menu=False)),
    (facts.Said("say_1", 100), line("said", say_id="say_1", heard_percent=100)),
    (
        facts.SessionAmended("amendment_1", is_confirmed=True),
        line("session_amended", amendment_id="amendment_1", is_confirmed=True),
    ),
    (
        agent_facts.StepEntered("book", "asked"),
        line("step_entered", step="book", because="asked", ends=False),
    ),
    (
        agent_facts.AgentChanged("billing", "desk", "transfer_to_billing"),
        line("agent_changed", agent="billing", was="desk", because="transfer_to_billing"),
    ),
    (
        agent_facts.GuestChanged("Billing", "transfer_to_billing"),
        line("guest_changed", agent="Billing", because="transfer_to_billing"),
    ),
    (agent_facts.AttemptFailed("book", "find"), line("attempt_failed", step="book", tool="find")),
    (
        CallerWordsRated("item_1", 90),
        line("caller_words_rated", item_id="item_1", confidence_percent=90),
    ),
    (
        agent_facts.FieldKept("booking", "card", '"4111"', is_confirmed=False),
        line("field_kept", form="booking", field="card", is_confirmed=False),
    ),
    (agent_facts.FieldRefused("booking", "card"), line("field_refused", form="booking", field="card")),
    (agent_facts.Captured("booking", '{"card": "4111"}'), line("captured", form="booking")),
    (
        agent_facts.CaptureDelivered("booking", "answered"),
        line("capture_delivered", form="booking", outcome="answered"),
    ),
    (agent_facts.McpToolsChanged("till", 3), line("mcp_tools_changed", server="till", tools=3)),
    (rf.ConsentGiven("asked", "May we record this?"), line("consent_given", how="asked")),
    (rf.ConsentRefused(), line("consent_refused")),
    (rf.RecordingBegan("CA1-MZ1"), line("recording_began", name="CA1-MZ1")),
    (rf.RecordingPaused("card"), line("recording_paused", step="card")),
    (rf.RecordingResumed(), line("recording_resumed", step="")),
    (
        rf.RecordingEnded("CA1-MZ1", "the disk is too slow"),
        line("recording_ended", name="CA1-MZ1", reason="the disk is too slow"),
    ),
    (
        rf.RecordingStored("CA1-MZ1.opus", 1000, 4000, "opus"),
        line("recording_stored", name="CA1-MZ1.opus", duration_ms=1000, bytes=4000, format="opus"),
    ),
    (
        t.TransferAsked("MZ1-1", Transfer("sales", "+15550100042", briefing="a secret"), is_held=True),
        line("transfer_asked", transfer_id="MZ1-1", name="sales", is_held=True),
    ),
    (
        t.TransferEnded("MZ1-1", "sales", TransferOutcome.BUSY, 1200, "busy 486"),
        line(
            "transfer_ended",
            transfer_id="MZ1-1",
            name="sales",
            outcome="busy",
            waited_ms=1200,
            detail="busy 486",
        ),
    ),
    (
        facts.GuardrailTripped("no_prices", "item_1", True, 480, 1520, 7, 30),
        line(
            "guardrail_tripped",
            guardrail="no_prices",
            item_id="item_1",
            was_cut=True,
            heard_ms=480,
            withheld_ms=1520,
            heard_characters=7,
            withheld_characters=30,
        ),
    ),
    (facts.noted("media_gap", seconds=2.2), line("media_gap", seconds=2.2)),
    (facts.warned("bad_message", why="no JSON"), line("bad_message", "warning", why="no JSON")),
]


UNLOGGED: list[facts.Fact] = [
    facts.Remembered(ToolAnswered(1, "call_1", "look_up", "{}", "a secret")),
    Billed(Usage(), 12),
    *(facts.CallOffered("", ""), facts.StreamAsked("resume"), facts.StreamReported("stream-started")),
    *(facts.CallReported("ringing"), facts.FallbackDialed("busy"), facts.VoicemailLeft("RE1")),
    facts.MenuAnswered("first", "1"),
    *(facts.CallOver(), facts.CallDescribed("Anna"), facts.CallerSpoke(1, 900), facts.ItemHeard("item_1")),
    agent_facts.ValuesSet('{"card": "4111"}'),
    agent_facts.CalledBefore(1.0, "caller: my card is 4111", ""),
    agent_facts.CallerTexted(1, "my card is 4111"),
    *(t.TextAsked("text_1"), t.TextTold("text_1", TextOutcome.ACCEPTED)),
    *(t.PersonRung("MZ1-1", "CA2"), t.PersonAnswered("MZ1-1"), t.PersonDecided("MZ1-1", takes_it=True)),
    *(
        t.PersonReported("MZ1-1", "busy"),
        t.CallerJoined("MZ1-1"),
        t.PersonJoined("MZ1-1"),
        t.CallerLedBack("MZ1-1"),
    ),
    *(t.RoomReported("MZ1-1", "conference-start"), t.CarrierAlert("NO1", "31921", "error")),
    *(NotKept("end", 250), ProcessLost("MZ1", "process-1"), CallAnalysed("{}", "gpt-5-mini", 1, 1)),
]
"""A tool's words and an agent's own state are not for a log, bills are in the last line, webhooks log for
themselves, what is said of each item and utterance is for the agent's code, and who waits for a disk, or
writes into a record, says so itself."""


@pytest.mark.parametrize(("fact", "expected"), CASES, ids=[type(fact).__name__ for fact, _ in CASES])
def test_each_fact_has_its_line(fact: facts.Fact, expected: list[dict[str, Any]]) -> None:
    assert logged(fact) == expected


def test_every_kind_of_fact_is_in_the_table() -> None:
    in_table = {type(fact) for fact, _ in CASES} | {facts.StreamEnded, *map(type, UNLOGGED)}
    assert in_table == set(get_args(facts.Fact))
    assert [logged(fact) for fact in UNLOGGED] == [[]] * len(UNLOGGED)


def test_what_was_said_is_logged_only_where_that_is_wanted() -> None:
    said = {"caller_said": "my card is 4111", "agent_said": "thank you"}
    assert logged(TURN, with_transcripts=True) == line(
        "turn_ended", turn=3, response_ms=640, interrupted=True, **said
    )
    assert "4111" not in str(logged(TURN))


@pytest.mark.parametrize("reason", EndReason)
def test_the_last_line_answers_what_a_person_would_ask(reason: EndReason) -> None:
    """Every field of the record, with the reason as a word; a warning where nobody meant the call to end."""
    usage = Usage(100, 50, 80, 40, 20)
    end = facts.StreamEnded(
        *(reason, "why", Resume(), True, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, usage, 700, 600, 900, 0, 1200)
    )
    (found,) = logged(end)
    assert found.pop("log_level") == ("info" if reason.is_normal else "warning")
    assert found.pop("event") == "stream_ended"
    counts = "duration_ms turns interruptions tools_used tools_failed frames_from_phone frames_to_model "
    counts += "frames_dropped frames_to_phone audio_to_phone_ms deltas_dropped"
    assert found == {
        **IDENTITY,
        **{name: number for number, name in enumerate(counts.split(), 1)},
        "reason": reason.value,
        "detail": "why",
        "follows": "resume",
        "is_admitted": True,
        "usage": msgspec.structs.asdict(usage),
        "first_audio_ms": 700,
        "response_ms_p50": 600,
        "response_ms_max": 900,
        "errors": 0,
        "silence_ms_max": 1200,
    }


def test_streams_of_strangers_are_counted_and_those_of_calls_are_not() -> None:
    """Whoever has seen a signature may send thousands, each with a reason of its own."""
    log = CallLog(FirstOfKind(), lambda: 0.0, with_transcripts=False)
    with structlog.testing.capture_logs() as logs:
        for number in range(50):
            for end in (
                facts.StreamEnded(EndReason.REJECTED_AUTH, "stream token: forged"),
                facts.StreamEnded(EndReason.REJECTED_AUTH, "stream token: expired"),
                facts.StreamEnded(EndReason.REJECTED_PROTOCOL, f"phone leg closed with 1006 {number}"),
            ):
                log(end)
        for _ in range(3):
            log(facts.StreamEnded(EndReason.REJECTED_PROTOCOL, "a flood", is_admitted=True))
    refused = [(line["detail"], line["count"]) for line in logs if not line["is_admitted"]]
    assert refused == [
        ("stream token: forged", 1),
        ("stream token: expired", 1),
        ("phone leg closed with 1006 0", 1),
    ]
    assert len(logs) == 6
