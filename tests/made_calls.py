"""A finished call that nobody has played, with a bit of everything: for whoever judges calls. Pure.

Dialled at 0. The agent greets from 0.3 to 1.3 s, is asked at 2 s and, after a tool, answers from 4 s on; the
caller speaks into that at 4.9 s, the agent stops at 5.1 s and answers from 6.5 to 7.3 s. It hangs up at 8 s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from callbridge.call import facts
from callbridge.call.agent_facts import AgentChanged, Captured, StepEntered
from callbridge.call.outcomes import TextOutcome, TransferOutcome
from callbridge.call.telephone_facts import TextAsked, TextTold, TransferAsked, TransferEnded
from callbridge.call.wishes import Transfer
from callbridge.records.story import (
    CallStory,
    Cost,
    CostLine,
    Latency,
    Part,
    Span,
    Spoken,
    ToolUse,
    Turn,
)
from callbridge.records.telling import StoredFact
from callbridge.simulators.phone import CallReport, InterruptAt, PhoneStream, WaitForEnd
from callbridge.simulators.phone.caller import CallerScript
from callbridge.simulators.phone.messages import StreamIdentity
from callbridge.simulators.phone.report import (
    GreetingReport,
    HeardReport,
    SilenceReport,
    stream_report,
)
from callbridge.simulators.voice_model import Journal
from callbridge.simulators.voice_model.conversation import Item
from callbridge.testing import PlayedCall
from callbridge.testing.call_data import Complaint
from phone_driver import ZERO, PhoneDriver, media, message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.call.facts import Fact

SID = "MZ" + "1" * 32
CALL_SID = "CA" + "3" * 32
GREETING, HOURS, CLOSED = b"\x10", b"\x11", b"\x12"
"""What each item sounds like."""

FACTS: tuple[Fact, ...] = (
    AgentChanged("orders", "desk", "transfer_to_orders"),
    StepEntered("ask", ""),
    StepEntered("book", "the day is known"),
    Captured("Booking", '{"day":"Sunday","people":4}'),
    facts.KeysPressed("12#", 2),
    TransferAsked("t1", Transfer("kitchen", "+15550100009")),
    TransferEnded("t1", "kitchen", TransferOutcome.NO_ANSWER),
    TextAsked("x1", "directions"),
    TextTold("x1", TextOutcome.DELIVERED),
)

STORY = CallStory(
    CALL_SID,
    "ended",
    1_795_000_000.0,
    end_reason="agent_hangup",
    turns=(
        Turn(
            1,
            200,
            agent=(Spoken("item_1", "Good day, the bakery.", "Good day, the bakery.", 1000, 1000),),
            heard="Good day, the bakery.",
        ),
        Turn(
            2,
            1900,
            caller="Are you open on Sunday?",
            spans=(Span(1900, 2700),),
            keys="12#",
            tools=(
                ToolUse("c1", "opening_hours", 3300, '{"day":"Sunday"}', "8 to 14", "answered", 5),
                ToolUse("c2", "book", 3400, '{"day":"Sunday","people":4}', "full", "failed", 5),
                ToolUse("c3", "remember", 3500, "{}", "", "answered", 5, is_ours=True),
            ),
            agent=(
                Spoken("item_2", "From eight until two.", "From eight …", 3000, 1100, was_cut=True),
                Spoken("item_3", "Shall I book?", "", 500, 0, was_cut=True),
            ),
            heard="From eight …",
            was_interrupted=True,
            latency=Latency(1300, (Part("first delta", 1300, "model"),), 0),
        ),
        Turn(
            3,
            4800,
            caller="And on Monday?",
            spans=(Span(4800, 5400),),
            agent=(Spoken("item_4", "Closed.", "Closed.", 800, 800),),
            heard="Closed.",
            latency=Latency(1100, (Part("first delta", 1100, "model"),), 0),
        ),
    ),
    captured={"Booking": '{"day":"Sunday","people":4}'},
    interruptions=1,
    cost=Cost(45_000, (CostLine("audio in", 900, "tokens", 45_000),)),
)


def stream(caller: Sequence[InterruptAt] | None = None) -> PhoneStream:
    """The media stream, opened 0.1 s after dialling; its caller may say something else, or nothing."""
    said = (
        [InterruptAt(1.9, GREETING * 6400), InterruptAt(4.8, GREETING * 4800)] if caller is None else caller
    )
    identity = StreamIdentity("AC" + "2" * 32, CALL_SID, SID)
    driver = PhoneDriver(PhoneStream(identity, CallerScript([*said, WaitForEnd()])))
    driver.run_to(200).say(media(1000, GREETING * 8))
    driver.run_to(3900).say(media(3000, HOURS * 8))
    driver.run_to(5000).say(message("clear"))
    driver.run_to(6400).say(media(800, CLOSED * 8))
    driver.run_to(7900)
    driver.stream.peer_closed(1000, "", driver.now)
    return driver.stream


def journal(remembered_ms: int = 1100) -> Journal:
    """What the model remembers of it."""
    seen = Journal("gpt-realtime-2.1")
    for item_id, sound, ms in (("item_1", GREETING, 1000), ("item_2", HOURS, 3000), ("item_4", CLOSED, 800)):
        audio = sound * (8 * ms)
        seen.conversation.add(
            Item(item_id, "message", "assistant", audio=audio, sent_bytes=len(audio), is_spoken=True)
        )
    seen.conversation.truncate("item_2", 0, remembered_ms)
    return seen


def report(stream: PhoneStream, **changes: Any) -> CallReport:
    """What the phone reports of it."""
    values: dict[str, Any] = {
        "call_sid": CALL_SID,
        "status": "completed",
        "duration_ms": 8000,
        "webhook_answer_ms": 5.0,
        "verbs": [],
        "streams": [stream_report(stream, ZERO - 0.1)],
        "warnings": [],
        "notices": [],
        "findings": [],
        "longest_silence_ms": 1700,
        "longest_dead_air_ms": 1600,
        "longest_wait_ms": 1600,
        "silences": [SilenceReport(2700, 4300, "caller", "agent", is_callers_turn=False)],
        "heard": [HeardReport(300, 1300, "agent"), HeardReport(4000, 5100, "agent")],
        "greeting": GreetingReport(300, 1000, 1000),
        "resumed_after_ms": [],
        "recording": None,
    }
    return CallReport(**{**values, **changes})


def made_call(
    *,
    caller: Sequence[InterruptAt] | None = None,
    remembered_ms: int = 1100,
    noted: Sequence[Fact] = FACTS,
    complaints: Sequence[Complaint] = (),
    phone: dict[str, Any] | None = None,
    **story: Any,
) -> PlayedCall:
    """The call, with what is different about it.

    Args:
        caller: what is said, and when.
        remembered_ms: of the answer that was cut, by the model.
        noted: its facts.
        complaints: of anybody.
        phone: fields of the phone's report.
        story: fields of the story.
    """
    of_call = stream(caller)
    return PlayedCall(
        story=msgspec.structs.replace(STORY, **story),
        stored=tuple(StoredFact(SID, number, 0.0, fact) for number, fact in enumerate(noted, 1)),
        phone=report(of_call, **(phone or {})),
        streams=(of_call,),
        sessions=(journal(remembered_ms),),
        caller_audio=b"",
        heard_audio=b"",
        log=(),
        complaints=tuple(complaints),
        story_from_ms=100,
    )


def without_words(call: PlayedCall) -> PlayedCall:
    """The same of a service that keeps no words."""
    turns = tuple(
        msgspec.structs.replace(
            turn,
            caller=None,
            heard="",
            agent=tuple(msgspec.structs.replace(one, words="", heard="") for one in turn.agent),
            tools=tuple(msgspec.structs.replace(tool, arguments="", result="") for tool in turn.tools),
        )
        for turn in call.story.turns
    )
    return replace(call, story=msgspec.structs.replace(call.story, turns=turns, captured={"Booking": ""}))
