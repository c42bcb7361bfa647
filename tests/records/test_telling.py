"""A call's facts, told: in any order, twice, with holes, of other versions."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callbridge.call import agent_facts, facts
from callbridge.call.lived import Answer, SaidItem, Speech
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.record_facts import ProcessLost
from callbridge.call.telephone_facts import TextAsked, TransferEnded
from callbridge.records.story import CallStory, Span
from callbridge.records.telling import StoredFact, tell

BEGAN_AT = 1_790_000_000.0


def stream(source: str, at_s: float, *told: tuple[int, facts.Fact]) -> list[StoredFact]:
    """The rows of a stream that began so many seconds after the call, with its own milliseconds."""
    return [
        StoredFact(
            source,
            number,
            BEGAN_AT + at_s + at_ms / 1000,
            msgspec.structs.replace(fact, call_sid="CA1", source=source, number=number, at_ms=at_ms),
        )
        for number, (at_ms, fact) in enumerate(told, 1)
    ]


def webhooks(*told: tuple[float, facts.Fact]) -> list[StoredFact]:
    """Rows of webhooks, by seconds since the call began."""
    return [
        StoredFact(f"http-{number}", number, BEGAN_AT + at_s, fact)
        for number, (at_s, fact) in enumerate(told, 1)
    ]


STARTED = facts.StreamStarted("+1********01", "+1********02", agent="bakery", caller_key="k1")
GREETING = facts.TurnEnded(
    1,
    None,
    "Hello!",
    None,
    False,
    items=(SaidItem("hello", "Hello!", "Hello!", 900, 900, 800, 1700),),
    answer=Answer(asked_ms=400, created_ms=500, sent_ms=700, heard_ms=800),
)
LOOKED_UP = facts.TurnEnded(
    2,
    None,
    "At seven …",
    1500,
    True,
    awaits=("user_1",),
    speech=(Speech(2000, 3000),),
    items=(SaidItem("answer", "At seven in the morning.", "At seven …", 2000, 600, 5100, 5700, True),),
    answer=Answer(3500, 3000, asked_ms=4600, created_ms=4700, sent_ms=5000, heard_ms=5100),
)
WAITING = facts.TurnEnded(3, "Wait!", "", None, False, speech=(Speech(5600, 6000),))
TOOL = ToolStarted(2, "call_1", "hours", "{}")

FIRST = stream(
    "MZ1",
    1.0,
    (0, STARTED),
    (400, facts.AgentReady("gpt-realtime-2.1", 400, 300, True)),
    (1800, GREETING),
    (3500, facts.CallerSpoke(1, 900, True, Speech(2000, 3000), 2)),
    (3900, facts.Remembered(TOOL)),
    (4500, facts.Remembered(ToolAnswered(2, "call_1", "hours", "{}", "7:00"))),
    (4500, facts.ToolUsed("hours", 590, 4, call_id="call_1", turn=2)),
    (5700, facts.Interrupted((("answer", 600),), (), 1400, after_ms=100)),
    (6500, LOOKED_UP),
    (6600, WAITING),
    (6700, facts.CallerWordsCame(2, "When do you open?", "user_1")),
    (6800, agent_facts.Captured("order", '{"cakes": 2}')),
    (7000, facts.StreamEnded(facts.EndReason.MEDIA_LOST, is_admitted=True, first_audio_ms=700, errors=1)),
    (7001, facts.CallClosed(1)),
)
SECOND = stream(
    "MZ2",
    0.0,
    (9000, msgspec.structs.replace(STARTED, is_continued=True)),
    (11_000, facts.TurnEnded(3, "Hello?", "I am here.", 400, False, speech=(Speech(9500, 10_000),))),
    (12_000, facts.StreamEnded(facts.EndReason.CALLER_HANGUP, is_admitted=True)),
)
LEARNT = webhooks(
    (0.0, facts.CallOffered("+1********01", "+1********02", agent="bakery")),
    (8.5, facts.StreamAsked("resume", facts.EndReason.MEDIA_LOST, 1)),
    (12.9, facts.CallReported("completed", "13")),
    (12.9, facts.CallOver()),
)
ALL = [*LEARNT, *FIRST, *SECOND]


def test_two_streams_are_one_story() -> None:
    """Who called, what was said in the order in which it was begun, and how it ended."""
    story = tell("CA1", ALL)
    assert (story.state, story.end_reason, story.duration_ms) == ("ended", "caller_hangup", 12_000)
    assert (story.caller_key, story.agent, story.began_at) == ("k1", "bakery", BEGAN_AT)
    assert [(part.stream_sid, part.began_ms, part.reason) for part in story.streams] == [
        ("MZ1", 1000, "media_lost"),
        ("MZ2", 9000, "caller_hangup"),
    ]
    # The second stream has forgotten a turn without an answer, and counted it again.
    assert [(turn.number, turn.caller) for turn in story.turns] == [
        (1, None),
        (2, "When do you open?"),
        (3, "Wait!"),
        (4, "Hello?"),
    ]
    assert story.turns[1].began_ms == 3000
    assert story.turns[1].spans == (Span(3000, 4000),)
    assert story.captured == {"order": '{"cakes": 2}'}
    assert story.interruptions == 1


def test_a_wait_is_told_in_parts_that_sum_to_it() -> None:
    """Each has an owner; a tool that ran in between is a part of its own."""
    turn = tell("CA1", ALL).turns[1]
    assert turn.latency is not None
    assert turn.latency.whole_ms == sum(part.ms for part in turn.latency.parts) == 2100
    assert [(part.name, part.owner, part.ms) for part in turn.latency.parts] == [
        ("turn detection", "setting", 500),
        ("call of a tool", "model", 400),
        ("tools", "tools", 590),
        ("response asked for", "ours", 110),
        ("response created", "model", 100),
        ("first delta", "model", 300),
        ("first audio sent", "ours", 0),
        ("first audio heard", "phone", 100),
    ]
    assert (turn.latency.ours_ms, turn.latency.first_delta_ms) == (110, 1500)
    assert (turn.was_interrupted, turn.barge_in_ms) == (True, 100)


def test_how_much_was_heard_is_told_of_each_item() -> None:
    """And when."""
    greeting, answer = tell("CA1", ALL).turns[:2]
    assert (greeting.agent[0].span, greeting.latency) == (Span(1800, 2700), None)
    (said,), (tool,) = answer.agent, answer.tools
    assert (said.heard, said.heard_ms, said.was_cut) == ("At seven …", 600, True)
    assert (tool.name, tool.result, tool.duration_ms) == ("hours", "7:00", 590)
    assert tell("CA1", ALL).streams[0].first_delta_ms == 300


def test_what_was_not_measured_is_nothing() -> None:
    """Facts of an older version have no times of speech. They are told all the same."""
    text = '{"kind":"turn_ended","turn":1,"caller":"Hi?","agent":"Hello!","response_ms":7,"interrupted":true}'
    old = facts.decode(text.encode())
    story = tell("CA1", stream("MZ1", 0.0, (0, facts.StreamStarted("", "")), (3000, old)))
    (turn,) = story.turns
    assert (turn.caller, turn.heard, turn.agent[0].words) == ("Hi?", "Hello!", "Hello!")
    assert turn.began_ms == 3000
    assert (turn.latency, turn.barge_in_ms, turn.spans) == (None, None, ())
    assert (story.state, story.response, story.barge_in, story.ended_at) == ("live", None, None, None)


def test_a_turn_without_a_record_is_told_from_what_is_known() -> None:
    """Its process was killed, or it goes on: that somebody spoke, and which tool ran."""
    story = tell("CA1", FIRST[:5])
    assert [turn.number for turn in story.turns] == [1, 2]
    assert (story.turns[1].spans, story.turns[1].tools[0].outcome) == ((Span(2000, 3000),), "")


def test_a_call_ends_once_and_as_its_last_stream_did() -> None:
    """One that may go on has not ended; a caller who was sent elsewhere has not hung up."""
    assert tell("CA1", FIRST).state == "live"
    assert tell("CA1", [*FIRST, *webhooks((9.0, facts.CallOver()))]).end_reason == "media_lost"
    hangup = stream("MZ1", 0.0, (0, STARTED), (500, facts.StreamEnded(facts.EndReason.CALLER_HANGUP)))
    assert tell("CA1", hangup).state == "ended"
    assert tell("CA1", [*hangup, *webhooks((1.0, facts.StreamAsked("moved")))]).state == "live"
    talked = stream("MZ1", 0.0, (0, STARTED), (500, facts.StreamEnded(facts.EndReason.TRANSFERRED)))
    over = tell("CA1", [*talked, *webhooks((60.0, facts.CallReported("completed", "60")))])
    assert (over.state, over.end_reason, over.duration_ms) == ("ended", "transferred", 60_000)


def test_a_call_that_still_waits_for_words_or_a_tool_has_not_ended() -> None:
    """Whoever is told of its end is told all of it. Its process may be killed meanwhile."""
    hangup = facts.StreamEnded(facts.EndReason.CALLER_HANGUP)
    asked = facts.TurnEnded(1, None, "", None, False, awaits=("user_1",))
    came = facts.CallerWordsCame(1, "Bye!", "user_1")
    closed, over = facts.CallClosed(900), webhooks((1.0, facts.CallOver()))
    tool, answered = facts.Remembered(TOOL), facts.Remembered(ToolAnswered(2, "call_1", "hours", "{}", "7"))

    def state(*more: facts.Fact) -> str:
        told = ((at, fact) for at, fact in enumerate((STARTED, *more)))
        return tell("CA1", [*stream("MZ1", 0.0, *told), *over]).state

    assert (state(asked, hangup), state(asked, hangup, came)) == ("live", "ended")
    assert (state(tool, hangup), state(tool, hangup, answered)) == ("live", "ended")
    assert state(asked, tool, hangup, closed) == "ended"
    lost = StoredFact("reaper", 1, BEGAN_AT + 60, ProcessLost("MZ1", "host-1"))
    rows = stream("MZ1", 0.0, (0, STARTED), (100, asked), (200, hangup))
    story = tell("CA1", [*rows, lost])
    assert (story.state, story.end_reason, story.duration_ms) == ("ended", "caller_hangup", 200)


def test_a_call_whose_process_is_gone_is_as_long_as_it_was_heard_of() -> None:
    """It is seen some 20 s later that nobody carries it."""
    lost = StoredFact("reaper", 1, BEGAN_AT + 60, ProcessLost("MZ1", "host-1"))
    story = tell("CA1", [*stream("MZ1", 0.0, (0, STARTED), (4000, facts.CallerSpoke(1, 300))), lost])
    assert (story.state, story.end_reason, story.duration_ms) == ("ended", "process_lost", 4000)
    assert story.streams[0].ended_ms == 4000


def test_a_call_that_was_not_taken_says_why() -> None:
    """It had no stream."""
    story = tell("CA1", webhooks((0.0, facts.CallOffered("+1", "+2", declined="calls_at_once"))))
    assert (story.state, story.end_reason, story.turns) == ("declined", "calls_at_once", ())
    assert story.happenings[0].title == "The call was not taken: calls at once"


def test_what_happened_beside_the_turns_has_a_title() -> None:
    """With what is worth reading of it."""
    ended = TransferEnded("t1", "sales", TransferOutcome.NO_ANSWER, waited_ms=20_000)
    lost = ProcessLost("MZ1", "host-1")
    story = tell("CA1", webhooks((1.0, ended), (2.0, TextAsked("x1", "directions")), (3.0, lost)))
    assert [(told.title, told.at_ms) for told in story.happenings] == [
        ("Transfer to sales: no answer", 0),
        ("A text is sent", 1000),
        ("The process that carried the stream was gone", 2000),
    ]
    assert story.happenings[0].detail == {"transfer_id": "t1", "waited_ms": 20_000}


def test_a_guardrail_that_tripped_is_told_with_what_was_heard() -> None:
    tripped = facts.GuardrailTripped("no_prices", "it", True, 400, 900, 5, 25)
    late = facts.GuardrailTripped("no_prices", "it", False, 1300, 0, 30, 0)
    story = tell("CA1", stream("MZ1", 0.0, (0, STARTED), (2000, tripped), (4000, late)))
    assert [told.title for told in story.happenings] == [
        "Guardrail no_prices: what the agent was saying was stopped",
        "Guardrail no_prices: too late to stop anything",
    ]
    detail = {"heard_ms": 400, "heard_characters": 5, "withheld_ms": 900, "withheld_characters": 25}
    assert story.happenings[0].detail == detail


# --- Whatever comes -------------------------------------------------------------------------------------


def judge(story: CallStory) -> None:
    """What holds of every story."""
    numbers = [turn.number for turn in story.turns]
    assert numbers == sorted(set(numbers))
    assert (story.state == "live") == (story.ended_at is None)
    assert story.duration_ms >= 0
    for turn in story.turns:
        if turn.latency is not None:
            assert sum(part.ms for part in turn.latency.parts) == turn.latency.whole_ms
            assert all(part.ms >= 0 for part in turn.latency.parts)
        spans = [*turn.spans, *(spoken.span for spoken in turn.agent if spoken.span is not None)]
        assert all(0 <= span.began_ms <= span.ended_ms for span in spans)
    msgspec.json.encode(story)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(ALL), max_size=60), st.randoms(use_true_random=False))
def test_order_and_repetition_of_rows_change_nothing(rows: list[StoredFact], rng: random.Random) -> None:
    """Of a call with holes in it, too."""
    story = tell("CA1", rows)
    judge(story)
    again = [*rows, *rows[::2], StoredFact("MZ1", 9999, BEGAN_AT + 99, None)]
    rng.shuffle(again)
    assert tell("CA1", again) == story


def shaken(value: Any, rng: random.Random) -> Any:
    """The same with other numbers, and fewer things that may be absent."""
    match value:
        case bool() | str() | None:
            return value
        case int() | float():
            return rng.choice((value, 0, -5, 7, 4000, 2**40))
        case list() | tuple():
            return [shaken(part, rng) for part in value]
        case _:
            kept = value.items()
            return {name: part if name == "kind" else shaken(part, rng) for name, part in kept}


def test_no_row_whatever_it_says_is_an_exception() -> None:
    """Times that run backwards, turns that nobody knows, numbers that are none."""
    for seed in range(150):
        rng = random.Random(seed)
        rows = []
        for row in rng.choices(ALL, k=rng.randint(1, 20)):
            told = shaken(msgspec.to_builtins(row.fact), rng)
            fact = facts.decode(msgspec.json.encode(told))
            source = rng.choice((row.source, "MZ1", "http-1"))
            rows.append(StoredFact(source, rng.randint(0, 30), rng.choice((row.at, 0.0, 1e10)), fact))
        judge(tell("CA1", rows))
