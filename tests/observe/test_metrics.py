"""What calls move in the metrics, that it is what the records say, and that no label grows with calls."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import pytest

from busy_calls import BusyCall
from callbridge.call import agent_facts, facts, record_facts
from callbridge.call.bill_facts import Billed
from callbridge.call.outcomes import TextOutcome, ToolOutcome, TransferOutcome
from callbridge.call.telephone_facts import CarrierAlert, TextTold, TransferEnded
from callbridge.call.usage import TOKEN_KINDS, Usage
from callbridge.observe.metrics import Metrics
from callbridge.records.telling import StoredFact, tell
from random_calls import faulty_world, random_world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.call.facts import Fact
    from callbridge.records.story import CallStory

SEEDS = range(12)
PERSONAL = re.compile(r"[A-Z]{2}[0-9a-f]{32}|\+\d|\d{7}|@")


def told(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """All series: by name and values of labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in metrics.collect()
        for sample in family.samples
        if not sample.name.startswith("process_")
    }


def moved(*given: Fact) -> dict[str, float]:
    """What these facts have moved, buckets left out: `name value …` of labels, and by how much."""
    metrics = Metrics(["capacity"], ["resume"])
    before = told(metrics)
    for fact in given:
        metrics(fact)
    after = told(metrics)
    return {
        " ".join([name.removeprefix("callbridge_"), *labels]): round(
            value - before.get((name, labels), 0.0), 6
        )
        for (name, labels), value in after.items()
        if value != before.get((name, labels), 0.0) and not name.endswith("_bucket")
    }


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (facts.CallOffered("+1", "+2"), {"calls_offered_total": 1}),
        (
            facts.CallOffered("+1", "+2", "capacity"),
            {"calls_offered_total": 1, "calls_declined_total capacity": 1},
        ),
        (
            facts.CallOffered("+1", "+2", "a whim"),
            {"calls_offered_total": 1, "calls_declined_total other": 1},
        ),
        (facts.CallReported("completed", "12"), {"calls_ended_total completed": 1}),
        (facts.CallReported("in-progress"), {}),
        (facts.CallOver(), {}),  # Told by each answer after which no stream comes.
        (facts.StreamStarted("+1", "+2", is_continued=True), {"streams_started_total continued": 1}),
        (facts.StreamAsked("resume"), {"streams_followed_total resume": 1}),
        (
            facts.AgentReady("gpt-realtime", 300, 0, True),
            {"model_ready_seconds_count": 1, "model_ready_seconds_sum": 0.3},
        ),
        (
            facts.StreamEnded(facts.EndReason.REJECTED_AUTH),
            {"streams_ended_total rejected_auth": 1},
        ),
        (
            facts.StreamEnded(
                facts.EndReason.MODEL_LOST, is_admitted=True, duration_ms=9000, silence_ms_max=4200
            ),
            {
                "streams_ended_total model_lost": 1,
                "streams_unanswered_total": 1,
                "stream_duration_seconds_count": 1,
                "stream_duration_seconds_sum": 9,
                "silence_seconds_count": 1,
                "silence_seconds_sum": 4.2,
            },
        ),
        (
            facts.Interrupted((), (), 300, 180),
            {"barge_in_stop_seconds_count": 1, "barge_in_stop_seconds_sum": 0.18},
        ),
        (facts.Interrupted((), (), 300), {}),
        (
            facts.ModelTrouble("dial", "no", 429, None, is_fatal=False, is_rate_limit=True),
            {"model_troubles_total dial rate_limit": 1},
        ),
        (
            facts.SessionReplaced("lost", 900, 3),
            {"model_session_replaced_seconds_count lost": 1, "model_session_replaced_seconds_sum lost": 0.9},
        ),
        (facts.ClipPlayed("a session"), {"clips_played_total session": 1}),
        (
            facts.warned("media_gap", gap_s=1.5),
            {"call_warnings_total media_gap": 1, "media_gap_seconds_count": 1, "media_gap_seconds_sum": 1.5},
        ),
        (facts.noted("response_done"), {}),
        (
            facts.ToolUsed("book", 250, 10),
            {
                "tool_calls_total book answered": 1,
                "tool_seconds_count book": 1,
                "tool_seconds_sum book": 0.25,
            },
        ),
        (
            facts.GuardrailTripped("no_prices", "it", True, 0, 900, 0, 30),
            {"guardrails_total no_prices unheard": 1},
        ),
        (
            facts.GuardrailTripped("no_prices", "it", True, 400, 500, 5, 25),
            {"guardrails_total no_prices cut": 1},
        ),
        (
            facts.GuardrailTripped("no_prices", "it", False, 900, 0, 30, 0),
            {"guardrails_total no_prices too_late": 1},
        ),
        (
            facts.ToolUsed("made_up", 0, 0, ToolOutcome.REFUSED),
            {"tool_calls_total other refused": 1},
        ),
        (
            CarrierAlert("NO" + "1" * 32, "31924", "error"),
            {"carrier_alerts_total error 31924": 1},
        ),
        (record_facts.NotKept("start", 250), {"not_kept_total start": 1}),
        (record_facts.NotKept("book", 250), {"not_kept_total tool": 1}),
        (
            TransferEnded("t1", "billing", TransferOutcome.BUSY),
            {"transfers_total busy": 1},
        ),
        (TextTold("t1", TextOutcome.BLOCKED), {"texts_total blocked": 1}),
        (facts.FallbackDialed("no-answer"), {"fallback_dials_total no-answer": 1}),
        (agent_facts.AgentChanged("billing", "desk", "transfer_to_billing"), {"handoffs_total": 1}),
        (agent_facts.CaptureDelivered("Booking", "failed"), {"captures_delivered_total failed": 1}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, msgspec.Struct) else None,
)
def test_a_fact_moves_what_it_is_about(fact: Fact, expected: dict[str, float]) -> None:
    assert moved(fact) == expected


def test_no_token_is_counted_twice() -> None:
    used = Usage(1000, 300, 700, 200, cached_tokens=600, cached_audio_tokens=500)
    found = moved(Billed(used, 1_500, used=used), Billed(used, 8_500, "line"))
    tokens = {name.partition(" ")[2]: count for name, count in found.items() if name.startswith("tokens")}
    assert tokens == {
        "input_text": 200,
        "input_text_cached": 100,
        "input_audio": 200,
        "input_audio_cached": 500,
        "output_text": 100,
        "output_audio": 200,
    }
    assert sum(tokens.values()) == used.input_tokens + used.output_tokens
    assert set(tokens) <= set(TOKEN_KINDS)
    assert (found["cost_dollars_total response"], found["cost_dollars_total line"]) == (0.0015, 0.0085)


def test_times_are_those_of_the_records() -> None:
    """Whole calls, with faults: the same turns have the same latency, measured once."""
    metrics, of_records = Metrics(), Counter[str]()
    for story in played(metrics):
        latencies = [turn.latency for turn in story.turns if turn.latency is not None]
        of_records["turn_latency"] += sum(latency.whole_ms for latency in latencies)
        of_records["turns"] += len(latencies)
        first = [stream.first_audio_ms for stream in story.streams if stream.first_audio_ms is not None]
        of_records["first_audio"] += sum(first)
        of_records["streams"] += len(first)
    found = told(metrics)

    def value(name: str) -> float:
        return found[f"callbridge_{name}", ()]

    assert of_records["turns"] > 15
    assert value("turn_latency_seconds_count") == of_records["turns"]
    assert value("turn_latency_seconds_sum") * 1000 == pytest.approx(of_records["turn_latency"])
    assert value("first_audio_seconds_count") == of_records["streams"]
    # Each of them rounded once more.
    assert abs(value("first_audio_seconds_sum") * 1000 - of_records["first_audio"]) <= of_records["streams"]
    assert "streams=0" in repr(metrics), "nothing is left of a stream that has ended"


def played(metrics: Metrics) -> Iterator[CallStory]:
    """Calls of two kinds, told to the metrics, and their stories. Those of killed processes are left out."""
    for seed in SEEDS:
        world = (faulty_world if seed % 2 else random_world)(seed).run()
        if not all(stream.ended for stream in world.streams):
            continue
        call_sid, stored = f"CA{seed:032x}", []
        for at, noted in world.facts:
            fact = msgspec.structs.replace(noted, call_sid=call_sid)
            metrics(fact)
            stored.append(StoredFact(fact.source, fact.number, at, fact))
        yield tell(call_sid, stored)


def test_no_label_grows_with_calls_and_none_says_whose_they_were() -> None:
    metrics = Metrics()
    for fact in many_calls(0):
        metrics(fact)
    before = told(metrics).keys()
    for fact in many_calls(1):
        metrics(fact)
    assert told(metrics).keys() == before
    values = {value for _, labels in before for value in labels}
    assert [value for value in values if PERSONAL.search(value)] == []
    assert len(before) < 3500


def many_calls(batch: int) -> Iterator[Fact]:
    """Calls of many callers, their names, codes and tools made up; another batch has others."""
    for number in range(300):
        call_sid = f"CA{batch:016x}{number:016x}"
        call = BusyCall(call_sid, f"MZ{batch:016x}{number:016x}")
        of_call: list[Fact] = [
            facts.CallOffered(f"+1415555{number:04}", "+14155550199", declined=f"reason {number}"),
            *(call.next() for _ in range(14)),
            call.next(is_last=True),
            *odd_facts(f"{batch}{number}", call_sid),
        ]
        for fact in of_call:
            yield msgspec.structs.replace(fact, call_sid=call_sid)


def odd_facts(mark: str, call_sid: str) -> Iterable[Fact]:
    """Whatever peers may say where a name is expected."""
    for name in (f"tool_{mark}", call_sid, f"call +1415555{mark}", "+14155550100", "a@b.example", ""):
        yield facts.ToolUsed(name, 10, 10)
        yield facts.ToolUsed(name, 10, 10, ToolOutcome.REFUSED)
        yield facts.GuardrailTripped(name, name, True, 0, 0, 0, 0)
        yield CarrierAlert(f"NO{mark}", name, name)
        yield facts.warned(name, gap_s=name)
        yield facts.StreamAsked(name)
        yield facts.FallbackDialed(name)
        yield record_facts.NotKept(name, 1)


def test_two_in_one_process_do_not_clash() -> None:
    one, other = Metrics(), Metrics()
    one(facts.CallOffered("+1", "+2"))
    assert told(one)["callbridge_calls_offered_total", ()] == 1
    assert told(other)["callbridge_calls_offered_total", ()] == 0


def test_the_text_is_in_the_format_that_is_asked_for() -> None:
    metrics = Metrics()
    text, content_type = metrics.text("text/plain;version=0.0.4")
    assert content_type.startswith("text/plain")
    assert b"callbridge_calls_offered_total 0.0" in text
    assert b"_created" not in text
    text, content_type = metrics.text("application/openmetrics-text;version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")
