"""What calls cost, against bills computed by hand from the vendors' lists. One dollar is a million."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from callbridge.call import facts
from callbridge.call import telephone_facts as t
from callbridge.call.bill_facts import Billed
from callbridge.call.lived import SaidItem, Speech
from callbridge.call.outcomes import TextOutcome, TransferOutcome
from callbridge.call.price import TextPrice
from callbridge.call.price_list import PriceList
from callbridge.call.record_facts import CallAnalysed
from callbridge.call.usage import Usage
from callbridge.records.story import CallStory, UsageTotals
from callbridge.records.telling import StoredFact, tell
from callbridge.server.config.prices import read_prices

if TYPE_CHECKING:
    from callbridge.call.facts import Fact

PRICES = read_prices().list
MODEL, MINI = "gpt-realtime-2.1", "gpt-realtime-2.1-mini"
BEGAN_AT = 1_790_000_000.0
STARTED = facts.StreamStarted("+1********01", "+1********02", agent="bakery")
OFFERED = facts.CallOffered("+1********01", "+1********02", priced_as="inbound +1")
READY = facts.AgentReady(MODEL, 400, 300, True)
HANGUP = facts.StreamEnded(facts.EndReason.CALLER_HANGUP, is_admitted=True)


def stream(source: str, *told: tuple[float, Fact]) -> list[StoredFact]:
    """A stream's facts, each so many seconds after the call began."""
    return [
        StoredFact(
            source,
            number,
            BEGAN_AT + at_s,
            msgspec.structs.replace(fact, source=source, number=number, at_ms=round(at_s * 1000)),
        )
        for number, (at_s, fact) in enumerate(told, 1)
    ]


def learnt(*told: tuple[float, Fact]) -> list[StoredFact]:
    """What webhooks learnt."""
    return [
        StoredFact("http-1", number, BEGAN_AT + at_s, fact) for number, (at_s, fact) in enumerate(told, 1)
    ]


def response(used: Usage, model: str = MODEL) -> Billed:
    return Billed(used, 0, "response", model, "r", used)


def transcript(used: Usage, model: str = "gpt-transcribe") -> Billed:
    return Billed(used, 0, "transcription", model, "i", used)


def told(*rows: StoredFact, prices: PriceList = PRICES) -> CallStory:
    return tell("CA1", rows, prices)


def lines(story: CallStory) -> dict[str, tuple[float, int]]:
    """Quantity and microdollars of each line."""
    return {line.name: (line.quantity, line.microdollars) for line in story.cost.lines}


def test_two_published_calls_cost_what_the_vendor_billed() -> None:
    """160 s together: 2,127 audio tokens in for $0.0681, 1,884 out for $0.1206, by the vendor's own books."""
    first, second = Usage(1_500, 900, 1_000, 800), Usage(1_700, 1_200, 1_127, 1_084)
    bills = [(2.0, response(first)), (80.0, response(second))]
    found = lines(told(*stream("MZ1", (1.0, STARTED), *bills, (81.0, HANGUP))))
    assert found[f"{MODEL} audio in"] == (2_127, 68_064)
    assert found[f"{MODEL} audio out"] == (1_884, 120_576)


def test_cached_tokens_are_billed_by_their_kind() -> None:
    """43 text and 32 audio in full, 64 audio cached, in a real session's third turn; and a turn before it.

    100 text (64 of it cached) and 26 audio: 36 x 4 + 64 x 0.4 + 26 x 32 = 144 + 25.6 + 832.
    """
    story = told(
        *stream(
            "MZ1",
            (0.0, STARTED),
            (2.0, response(Usage(126, 40, 26, 30, 64))),
            (9.0, response(Usage(139, 61, 96, 43, 64, 64))),
        )
    )
    assert lines(story) == {
        f"{MODEL} text in": (36 + 43, 79 * 4),
        f"{MODEL} text cached": (64, 26),  # 25.6, rounded up.
        f"{MODEL} text out": (10 + 18, 28 * 24),
        f"{MODEL} audio in": (26 + 32, 58 * 32),
        f"{MODEL} audio cached": (64, 26),
        f"{MODEL} audio out": (30 + 43, 73 * 64),
        "stream": (1, 4_400),
    }
    assert story.cost.microdollars == 316 + 26 + 672 + 1_856 + 26 + 4_672 + 4_400
    assert story.usage == UsageTotals(143, 64, 28, 122, 64, 73, responses=2, line_minutes=1, stream_minutes=1)
    assert story.cost.unpriced == ("a line of a kind that is not known",)
    assert story.cost.prices_as_of == PRICES.as_of


def test_an_interrupted_answer_costs_what_was_made_of_it() -> None:
    """Of 2.9 s of audio made 1.5 s were heard: of 120 tokens for 7,680 the rest was for nothing."""
    items = (SaidItem("hello", sent_ms=900, heard_ms=900), SaidItem("cut", sent_ms=2_000, heard_ms=600))
    turn = facts.TurnEnded(1, "Wait!", "", None, True, items=items)
    story = told(
        *stream("MZ1", (0.0, STARTED), (2.0, response(Usage(0, 120, 0, 120))), (3.0, turn), (4.0, HANGUP))
    )
    assert lines(story)[f"{MODEL} audio out"] == (120, 7_680)
    assert story.cost.unheard_microdollars == round(7_680 * 1_400 / 2_900)


def test_what_is_not_known_to_be_unheard_was_heard() -> None:
    """Facts of old say nothing of items."""
    story = told(*stream("MZ1", (0.0, STARTED), (2.0, response(Usage(0, 120, 0, 120)))))
    assert story.cost.unheard_microdollars == 0


def test_two_sessions_and_two_streams_of_one_call_add_up() -> None:
    """The second session has another model. 130 s of line are 3 minutes, 61 and 30 s of streams 2 and 1.

    Nobody repeats what the first stream has cost.
    """
    story = told(
        *learnt((0.0, OFFERED), (131.0, facts.CallReported("completed", "130"))),
        *stream(
            "MZ1",
            (1.0, STARTED),
            (2.0, READY),
            (3.0, response(Usage(100, 50, 0, 50))),
            (20.0, transcript(Usage(transcription_ms=20_000))),
            (30.0, response(Usage(200, 50, 0, 50), MINI)),
            (62.0, HANGUP),
        ),
        *stream(
            "MZ2",
            (100.0, msgspec.structs.replace(STARTED, is_continued=True)),
            (101.0, READY),
            (102.0, response(Usage(100, 10, 0, 10))),
            (103.0, transcript(Usage(transcription_input_tokens=200))),
            (130.0, HANGUP),
            (131.0, transcript(Usage(transcription_ms=4_000))),  # Words that came late are paid, too.
        ),
    )
    assert lines(story) == {
        f"{MODEL} text in": (200, 800),
        f"{MODEL} audio out": (60, 3_840),
        f"{MINI} text in": (200, 120),
        f"{MINI} audio out": (50, 1_000),
        # 24 s, and 200 tokens, which are 20 s: 44 s of $0.0045 a minute.
        "gpt-transcribe transcripts": (24.0, 3_300),
        "inbound +1": (3, 25_500),
        "stream": (3, 13_200),
    }
    assert story.cost.unpriced == ()
    assert story.cost.microdollars == 800 + 3_840 + 120 + 1_000 + 3_300 + 25_500 + 13_200
    assert (story.usage.model_s, story.usage.transcription_s) == (60.0 + 29.0, 24.0)


def test_a_transfer_to_a_person_in_a_room() -> None:
    """75 s of the person's own call are two minutes, 61 s and 50 s in the room are two and one."""
    story = told(
        *learnt(
            (0.0, OFFERED),
            (30.0, t.PersonRung("T1", "CA2")),
            (35.0, t.PersonReported("T1", "in-progress", priced_as="outbound +1")),
            (36.0, t.PersonAnswered("T1")),
            (40.0, t.RoomReported("T1", "participant-join", "CF1", "caller")),
            (51.0, t.RoomReported("T1", "participant-join", "CF1", "person")),
            (51.0, t.RoomReported("T1", "conference-start", "CF1")),
            (101.0, t.RoomReported("T1", "participant-leave", "CF1", "person")),
            (101.0, t.RoomReported("T1", "conference-end", "CF1")),
            (110.0, t.PersonReported("T1", "completed", "", "75", "outbound +1")),
            (111.0, t.TransferEnded("T1", "desk", TransferOutcome.CONNECTED)),
            (111.0, facts.CallReported("completed", "111")),
        ),
        *stream("MZ1", (1.0, STARTED), (39.0, HANGUP)),
    )
    assert lines(story) == {
        "inbound +1": (2, 17_000),
        "stream": (1, 4_400),
        "outbound +1": (2, 28_000),
        "conference": (3, 5_400),
    }
    assert story.usage.transfer_minutes == 2


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
def test_who_did_not_answer_costs_nothing(status: str) -> None:
    story = told(*learnt((0.0, OFFERED), (20.0, t.PersonReported("T1", status, "486", "", "outbound +1"))))
    assert story.usage.transfer_minutes == 0
    assert told(*learnt((0.0, OFFERED), (9.0, facts.CallReported(status)))).cost.lines == ()


def test_the_fallback_and_a_message_cost_minutes() -> None:
    story = told(
        *learnt(
            (0.0, msgspec.structs.replace(OFFERED, declined="capacity")),
            (40.0, facts.FallbackDialed("completed", "true", "61", "outbound +1")),
            (99.0, facts.VoicemailLeft("RE1", "12", "left")),
            (100.0, facts.VoicemailLeft("RE1", "12", "completed")),
        )
    )
    assert lines(story) == {"inbound +1": (2, 17_000), "outbound +1": (2, 28_000), "recording": (1, 2_500)}


def test_texts_are_paid_by_their_segments_once_each() -> None:
    """What is told of one later says nothing of its length; one that was refused costs nothing."""
    accepted = t.TextTold("a", TextOutcome.ACCEPTED, "SM1", segments=3, priced_as="text +1")
    story = told(
        *learnt(
            (0.0, accepted),
            (1.0, t.TextTold("a", TextOutcome.DELIVERED, "SM1")),
            (2.0, t.TextTold("b", TextOutcome.REFUSED, code="21610")),
            (3.0, t.TextTold("c", TextOutcome.ACCEPTED, "SM2", priced_as="text +1")),
        )
    )
    assert lines(story) == {"text +1": (3, 24_900)}
    assert (story.usage.texts, story.cost.unpriced) == (2, ("a text of unknown length",))


def test_time_in_which_nobody_spoke_costs_money() -> None:
    """Of 60 s of the stream 15 are speech, whatever overlaps; of 120 s of the line 45 are known silence."""
    turn = facts.TurnEnded(
        1,
        None,
        "",
        None,
        False,
        speech=(Speech(10_000, 15_000), Speech(14_000, 18_000)),
        items=(SaidItem("a", sent_ms=9_000, heard_ms=9_000, began_ms=16_000, ended_ms=25_000),),
    )
    story = told(
        *learnt((0.0, OFFERED), (120.0, facts.CallReported("completed", "120"))),
        *stream("MZ1", (0.0, STARTED), (30.0, turn), (60.0, HANGUP)),
    )
    assert story.cost.silent_microdollars == round(2 * 8_500 * 45 / 120 + 4_400 * 45 / 60)


def test_an_analysis_is_on_the_bill() -> None:
    """Where the list has the model, 1,000 tokens in at $2.50 and 100 out at $10; else it is named."""
    row = learnt((0.0, CallAnalysed("{}", "gpt-text", 1_000, 100)))
    priced = PriceList(analysis={"gpt-text": TextPrice(input=2_500_000, output=10_000_000)})
    assert lines(told(*row, prices=priced)) == {"gpt-text analysis": (1_100, 3_500)}
    assert told(*row).cost.unpriced == ("gpt-text analysis",)


def test_without_a_price_everything_used_is_named() -> None:
    story = told(
        *learnt((0.0, OFFERED)),
        *stream(
            "MZ1",
            (0.0, STARTED),
            (1.0, response(Usage(9), "gpt-realtime-9")),
            (2.0, transcript(Usage(transcription_ms=1), "hear-9")),
        ),
        prices=PriceList(),
    )
    assert story.cost.unpriced == ("gpt-realtime-9", "hear-9", "inbound +1", "stream")
    assert (story.cost.microdollars, story.cost.lines, story.cost.silent_microdollars) == (0, (), 0)


def test_bills_of_old_are_sums_of_their_stream() -> None:
    """They said no model: the session's is meant. What was new is the difference."""
    story = told(
        *stream(
            "MZ1",
            (0.0, STARTED),
            (1.0, READY),
            (2.0, Billed(Usage(100, 0, 0, 0, 40), 1)),
            (3.0, Billed(Usage(250, 0, 50, 0, 190), 1)),
        )
    )
    assert lines(story) == {
        f"{MODEL} text in": (60, 240),
        f"{MODEL} text cached": (140, 56),
        f"{MODEL} audio cached": (50, 20),
        "stream": (1, 4_400),
    }


def test_a_live_call_has_cost_what_it_has_begun() -> None:
    """Nothing says yet how long it was: 61 s after its first word it is in its second minute."""
    story = told(*learnt((0.0, OFFERED)), *stream("MZ1", (1.0, STARTED), (61.0, READY)))
    assert lines(story) == {"inbound +1": (2, 17_000), "stream": (1, 4_400)}
