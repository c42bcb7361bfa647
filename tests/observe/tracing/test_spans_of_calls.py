"""Facts of calls to spans: which there are, when they begin and end, what stands in which turn."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callbridge.call import facts
from callbridge.call.facts import EndReason, noted, warned
from callbridge.call.lived import Answer, SaidItem, Speech
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.usage import Usage
from callbridge.observe.tracing.of_calls import SpansOfCalls
from callbridge.observe.tracing.of_loop import span_of_lag
from callbridge.observe.tracing.spans import Words, is_of_share, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.call.facts import Fact
    from callbridge.observe.tracing.spans import Span

SID, CALL_SID = "MZ" + "1" * 32, "CA" + "2" * 32
ZERO = 1_790_000_000.0
"""When the call began."""
MODEL = "gpt-realtime-2.1"
STARTED = facts.StreamStarted("+1********00", "+1********99", agent="clinic")
USAGE = Usage(500, 80, 300, 60, 200, 128)


def bill(response_id: str, microdollars: int = 1_000) -> facts.Billed:
    return facts.Billed(USAGE, microdollars, priced_as=MODEL, billed_id=response_id, used=USAGE)


def done(response_id: str, turn: int, began_ms: int, status: str = "completed") -> facts.Noted:
    return noted("response_done", response_id=response_id, status=status, turn=turn, began_ms=began_ms)


def ended(
    reason: EndReason = EndReason.CALLER_HANGUP, *, detail: str = "", errors: int = 0
) -> facts.StreamEnded:
    return facts.StreamEnded(reason, detail, is_admitted=True, duration_ms=9_000, turns=2, errors=errors)


GREETED = facts.TurnEnded(
    1,
    None,
    "Hello.",
    None,
    interrupted=False,
    items=(SaidItem("hello", "Hello.", "Hello."),),
    answer=Answer(asked_ms=490, created_ms=500, sent_ms=640, heard_ms=700),
)
CUT = facts.TurnEnded(
    2,
    "Am I booked?",
    "You are",
    1_700,
    interrupted=True,
    speech=(Speech(2_400, 3_400),),
    items=(
        SaidItem("answer", "You are booked.", "You are", 2_300, 800, 5_150, 5_990, was_cut=True),
        SaidItem("rest", was_cut=True),
    ),
    answer=Answer(3_900, 3_400, 4_480, 4_500, 5_100, 5_150),
)
TRANSCRIBED = Usage(transcription_input_tokens=12, transcription_output_tokens=4)
WORDS_BILLED = facts.Billed(
    Usage(), 90, what="transcription", priced_as="gpt-transcribe", billed_id="item_2", used=TRANSCRIBED
)
ARGUMENTS, RESULT = '{"name":"Ada"}', '{"at":"nine"}'

WHOLE: tuple[tuple[int, Fact], ...] = (
    (100, STARTED),
    (480, facts.AgentReady(MODEL, 380, 260, True)),
    (900, bill("resp_1")),
    (910, done("resp_1", 1, 500)),
    (2_000, facts.ItemHeard("hello", 0, 1_200, 700, 1_950)),
    (3_900, facts.CallerSpoke(2, 900, speech=Speech(2_400, 3_400), record=2)),
    (3_910, GREETED),
    (4_000, bill("resp_2")),
    (4_010, facts.Remembered(ToolStarted(2, "call_1", "look_up", ARGUMENTS))),
    (4_020, done("resp_2", 2, 3_920)),
    (4_400, facts.Remembered(ToolAnswered(2, "call_1", "look_up", ARGUMENTS, RESULT))),
    (4_400, facts.ToolUsed("look_up", 300, 13, call_id="call_1", turn=2)),
    (4_700, WORDS_BILLED),
    (5_000, warned("media_gap", gap_s=0.4)),
    (6_000, facts.Interrupted((("answer", 800),), ("rest",), 1_500, after_ms=40)),
    (6_001, facts.CallerSpoke(3, 900, speech=Speech(5_960, 6_900), record=3)),
    (6_050, bill("resp_3", 2_000)),
    (6_060, done("resp_3", 2, 4_500, "cancelled")),
    (6_100, CUT),
    (7_000, facts.Billed(USAGE, 8_500, what="line", line_minutes=1)),
    (9_100, facts.TurnEnded(3, "Bye.", "", None, False, speech=(Speech(5_960, 6_900),))),
    (9_100, ended()),
    (9_160, facts.CallClosed(60)),
)  # fmt: skip
"""A greeting; a question, which leads to a tool and an answer that is cut; a farewell nobody answers."""


def spans(told: Iterable[tuple[int, Fact]], calls: SpansOfCalls | None = None, sid: str = SID) -> list[Span]:
    """Of one stream, told as it happened."""
    calls = SpansOfCalls() if calls is None else calls
    found = []
    for number, (at_ms, fact) in enumerate(told, 1):
        place = {"call_sid": CALL_SID, "source": sid, "number": number, "at_ms": at_ms}
        found += calls.take(msgspec.structs.replace(fact, **place), ZERO + at_ms / 1000)
    return found


def one(found: Iterable[Span], name: str) -> Span:
    (span,) = [span for span in found if span.name == name]
    return span


def turn_spans(found: Iterable[Span]) -> dict[Any, Span]:
    return {
        span.attributes["callbridge.turn"]: span
        for span in found
        if span.attributes.get("gen_ai.operation.name") == "invoke_agent"
    }


def between_ms(span: Span) -> tuple[int, int]:
    return round((span.began_at - ZERO) * 1000), round((span.ended_at - ZERO) * 1000)


def test_a_call_is_a_trace_of_turns_responses_tools_and_sessions() -> None:
    """One trace, no span of all of it; each in its time, and what a turn led to stands in it."""
    found = spans(WHOLE)
    turns = turn_spans(found)
    in_time = sorted((span.name, between_ms(span)) for span in found)
    assert in_time == [
        (f"chat {MODEL}", (500, 910)),
        (f"chat {MODEL}", (3_920, 4_020)),
        (f"chat {MODEL}", (4_500, 6_060)),
        (f"connect {MODEL}", (100, 480)),
        ("end", (9_100, 9_160)),
        ("execute_tool look_up", (4_100, 4_400)),
        ("invoke_agent clinic", (490, 1_950)),
        ("invoke_agent clinic", (3_400, 6_000)),
        ("invoke_agent clinic", (6_900, 6_900)),
        ("transcribe gpt-transcribe", (3_400, 4_700)),
    ]
    assert len({span.span_id for span in found}) == len(found)
    assert {span.trace_id for span in found} == {trace_id_of(CALL_SID)}
    parents = {
        name: turns[number].span_id
        for name, number in (("execute_tool look_up", 2), ("transcribe gpt-transcribe", 2))
    }
    assert {name: one(found, name).parent_id for name in parents} == parents
    chats = [span.parent_id for span in found if span.name.startswith("chat")]
    assert sorted(chats) == sorted([turns[1].span_id, turns[2].span_id, turns[2].span_id])
    assert all(span.parent_id == 0 for span in (*turns.values(), one(found, "end")))


def test_a_trace_is_found_by_its_call_sid() -> None:
    """As `printf CA… | sha256sum | cut -c1-32` prints it."""
    assert f"{trace_id_of(CALL_SID):032x}" == hashlib.sha256(CALL_SID.encode()).hexdigest()[:32]


def test_a_turn_says_how_long_the_caller_waited_and_what_was_said() -> None:
    turn = turn_spans(spans(WHOLE))[2]
    assert dict(turn.attributes) == {
        "gen_ai.conversation.id": CALL_SID,
        "callbridge.stream_sid": SID,
        "gen_ai.agent.name": "clinic",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": MODEL,
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.output.type": "speech",
        "callbridge.turn": 2,
        "callbridge.was_interrupted": True,
        "callbridge.first_audio_ms": 1_700,
        "callbridge.first_heard_ms": 1_750,
        "callbridge.spoke_ms": 1_000,
        "gen_ai.input.messages": Words("Am I booked?", "user"),
        "gen_ai.output.messages": Words("You are", "assistant"),
    }


def test_an_interruption_says_what_was_heard_of_which_items() -> None:
    """As an event of the turn that was cut, though its record came later; so does what happened in it."""
    gap, cut = turn_spans(spans(WHOLE))[2].events
    assert (gap.name, gap.attributes) == ("media_gap", {"callbridge.gap_s": 0.4})
    assert (cut.name, cut.at) == ("interrupted", ZERO + 6.0)
    assert dict(cut.attributes) == {
        "callbridge.heard_ms": 800,
        "callbridge.unheard_ms": 1_500,
        "callbridge.heard.item_ids": ("answer",),
        "callbridge.heard.item_ms": (800,),
        "callbridge.deleted.item_ids": ("rest",),
        "callbridge.after_ms": 40,
    }


def test_a_response_says_what_it_was_billed_for() -> None:
    """Totals with what was cached, as the conventions want them; parts beside them."""
    found = spans(WHOLE)
    response = next(span for span in found if span.attributes.get("gen_ai.response.id") == "resp_3")
    told = response.attributes
    assert {name.removeprefix("gen_ai.usage."): told[name] for name in told if ".usage." in name} == {
        "input_tokens": 500,
        "output_tokens": 80,
        "cache_read.input_tokens": 200,
        "text.input_tokens": 200,
        "audio.input_tokens": 300,
        "text.cache_read.input_tokens": 72,
        "audio.cache_read.input_tokens": 128,
        "text.output_tokens": 20,
        "audio.output_tokens": 60,
    }
    assert (told["gen_ai.response.finish_reasons"], told["callbridge.cost_usd"]) == (("cancelled",), 0.002)
    assert told["gen_ai.response.time_to_first_chunk"] == 0.6
    assert response.is_of_peer
    assert not response.fault


def test_the_costs_of_all_spans_sum_to_the_bill() -> None:
    found = spans(WHOLE)
    costs = [span.attributes.get("callbridge.cost_usd", 0.0) for span in found]
    assert sum(map(float, costs)) == pytest.approx(12_590 / 1e6)  # type: ignore[arg-type]  # All are numbers.
    assert one(found, "end").attributes["callbridge.bill_usd"] == 12_590 / 1e6


def test_a_tool_says_how_it_ended_and_how_long_it_waited_before_it_ran() -> None:
    tool = one(spans(WHOLE), "execute_tool look_up")
    names = {"gen_ai.tool.name": "look_up", "gen_ai.tool.type": "function", "gen_ai.tool.call.id": "call_1"}
    assert {name: tool.attributes[name] for name in names} == names
    assert (tool.attributes["callbridge.outcome"], tool.attributes["callbridge.waited_ms"]) == (
        "answered",
        90,
    )
    assert tool.attributes["gen_ai.tool.call.arguments"] == Words('{"name":"Ada"}')
    assert tool.attributes["gen_ai.tool.call.result"] == Words('{"at":"nine"}')
    assert not tool.fault


def test_a_tool_that_failed_is_a_fault_of_its_span() -> None:
    told: list[tuple[int, Fact]] = [
        *WHOLE[:2],
        (900, facts.ToolUsed("pay", 0, 20, ToolOutcome.REFUSED, call_id="call_9", turn=1)),
    ]
    tool = one(spans(told), "execute_tool pay")
    assert (tool.fault, tool.attributes["error.type"], between_ms(tool)) == ("refused", "refused", (900, 900))


def test_a_session_that_was_replaced_says_why_and_how_long_that_took() -> None:
    """What went wrong on the way to a session are events of it."""
    trouble = facts.ModelTrouble(
        "call", "closed", None, None, is_fatal=False, is_rate_limit=False, model=MODEL
    )
    told = [*WHOLE[:2], (3_000, trouble), (3_600, facts.SessionReplaced("lost", 600, 4, "mini"))]
    replaced = one(spans(told), "replace session")
    assert between_ms(replaced) == (3_000, 3_600)
    assert (replaced.attributes["callbridge.cause"], replaced.attributes["callbridge.items"]) == ("lost", 4)
    assert replaced.attributes["gen_ai.request.model"] == "mini"
    (event,) = replaced.events
    assert (event.name, event.attributes["callbridge.why"]) == ("model_trouble", "closed")


def test_what_was_heard_after_the_record_of_its_turn_ends_its_span() -> None:
    """And an answer that is cut after its record is cut in its span."""
    item = SaidItem("late", "We open at nine.", "We open at nine.")
    record = facts.TurnEnded(1, None, "We open at nine.", None, False, items=(item,))
    begun = [*WHOLE[:2], (900, record)]
    assert turn_spans(spans(begun)) == {}
    heard = turn_spans(spans([*begun, (4_000, facts.ItemHeard("late", 0, 3_000, 950, 3_980))]))[1]
    assert between_ms(heard) == (900, 3_980)
    cut = turn_spans(spans([*begun, (2_000, facts.Interrupted((("late", 1_000),), (), 2_000))]))[1]
    assert (between_ms(cut), [event.name for event in cut.events]) == ((900, 2_000), ["interrupted"])


def test_a_record_that_comes_late_takes_only_what_happened_in_its_turn() -> None:
    """The caller's words may come after the next turn has begun, and been cut."""
    first = facts.TurnEnded(1, "One.", "", None, False, speech=(Speech(500, 900),))
    second = facts.TurnEnded(2, "Two.", "Yes", 100, True, items=(SaidItem("yes", sent_ms=9, was_cut=True),))
    told: list[tuple[int, Fact]] = [
        *WHOLE[:2],
        (700, warned("media_gap", gap_s=0.3)),
        (1_500, facts.CallerSpoke(2, 900, speech=Speech(1_000, 1_400), record=2)),
        (1_800, warned("answer_ran_away", unheard_ms=9)),
        (2_000, facts.Interrupted((("yes", 5),), (), 4)),
        (2_500, first),
        (2_501, second),
    ]
    turns = turn_spans(spans(told))
    assert [event.name for event in turns[1].events] == ["media_gap"]
    assert [event.name for event in turns[2].events] == ["answer_ran_away", "interrupted"]


def test_the_end_says_why_and_has_what_belonged_nowhere() -> None:
    told: list[tuple[int, Fact]] = [
        *WHOLE[:2],
        (700, warned("media_gap", gap_s=2.0)),
        (800, bill("resp_9")),
        (900, ended(EndReason.MODEL_LOST, detail="HTTP 503", errors=2)),
        (950, facts.CallClosed(50)),
    ]
    found = spans(told)
    end = one(found, "end")
    assert (end.fault, end.attributes["callbridge.detail"], end.attributes["callbridge.errors"]) == (
        *("model_lost", "HTTP 503"),
        2,
    )
    assert [event.name for event in end.events] == ["media_gap"]
    assert one(found, f"chat {MODEL}").attributes["callbridge.cost_usd"] == 0.001


def test_what_waited_for_the_disk_is_a_span() -> None:
    waited = one(spans([*WHOLE[:2], (1_000, facts.NotKept("book", 250))]), "wait for disk")
    assert (between_ms(waited), waited.attributes["callbridge.what"]) == ((750, 1_000), "book")


def test_of_keys_only_their_number_is_told() -> None:
    record = facts.TurnEnded(1, "[keys 4711]", "", None, False)
    told = [*WHOLE[:2], (700, facts.KeysPressed("4711", 1, record=1)), (900, record)]
    (event,) = turn_spans(spans(told))[1].events
    assert (event.name, event.attributes) == ("keys_pressed", {"callbridge.count": 4})


def test_a_guardrail_that_trips_is_an_event_of_its_turn() -> None:
    tripped = facts.GuardrailTripped("no_prices", "it", True, 400, 900, 5, 25)
    told = [*WHOLE[:2], (700, tripped), (900, facts.TurnEnded(1, "How much?", "It …", None, True))]
    (event,) = turn_spans(spans(told))[1].events
    assert (event.name, event.attributes["callbridge.heard_ms"]) == ("guardrail_tripped", 400)


def test_streams_of_one_call_share_its_trace_and_no_span() -> None:
    """Nothing is left of a stream that is closed; one that was not admitted has none at all."""
    calls = SpansOfCalls()
    both = spans(WHOLE, calls) + spans(WHOLE, calls, "MZ" + "9" * 32)
    assert len({span.span_id for span in both}) == len(both)
    assert {span.trace_id for span in both} == {trace_id_of(CALL_SID)}
    assert len(calls) == 0
    assert spans([(0, facts.StreamEnded(EndReason.REJECTED_AUTH)), (5, facts.CallClosed(5))], calls) == []


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_calls_is_chosen_by_their_sids(share: float) -> None:
    chosen = sum(is_of_share(f"CA{number:032x}", share) for number in range(2_000))
    assert chosen == pytest.approx(share * 2_000, abs=80)


def test_a_late_loop_is_a_trace_of_its_own() -> None:
    span = span_of_lag(ZERO, 2.5, "in book")
    assert (span.began_at, span.ended_at, span.fault) == (ZERO - 2.5, ZERO, "late")
    assert dict(span.attributes) == {"callbridge.lag_ms": 2_500, "code.stacktrace": "in book"}
    assert "code.stacktrace" not in span_of_lag(ZERO, 0.2, "").attributes
