"""Who calls again is known: in time, to the same agent, and nobody who only shows the same number."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from callbridge.agents.agent import Agent
from callbridge.agents.context import About, Call, Caller
from callbridge.agents.in_call import AgentInCall
from callbridge.call import agent_facts, facts, memory
from callbridge.call.endings import FOLLOWS
from callbridge.call.facts import EndReason
from callbridge.call.memory import TurnSaid
from callbridge.observe.feed import LiveFact
from callbridge.server.process import recalling
from callbridge.server.process.reporting import Journal
from callbridge.switchboard.continuation import read_facts, read_history
from desks import CALLED, CALLER, FrontDesk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.call.facts import Fact
    from callbridge.server.process.recalling import Back

REMEMBERS = {"CALLBRIDGE_CALLER_MEMORY_DAYS": "30"}
DAY_S = 24 * 3600.0
WISH = facts.TurnEnded(2, "A blue one.", "We have it.", 500, interrupted=False)
VALUES = agent_facts.ValuesSet('{"n": 1}')


@dataclass
class Line(FrontDesk):
    """A desk that remembers callers, and their calls, played by their facts."""

    environment: Mapping[str, str] = field(default_factory=lambda: REMEMBERS)
    streams: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.journal = Journal(self.desk)

    async def rings(
        self, call_sid: str = "CA1", caller: str = CALLER, agent: str = "shop", attestation: str = ""
    ) -> Back:
        """A stream of a call begins; its webhook has noted how far the carrier vouches for the number."""
        if attestation:
            self.desk.note(call_sid, facts.CallDescribed(attestation=attestation))
        events = await self.state.events(call_sid)
        back = await self.desk.recalling.begins(call_sid, agent, caller, events)
        self.streams += 1
        self.tell(back, call_sid, facts.StreamStarted(caller, CALLED, back.goes_on, agent))
        return back

    def tell(self, back: Back, call_sid: str, *told: Fact) -> None:
        """Something has happened on the latest stream."""
        for fact in told:
            placed = structs.replace(fact, call_sid=call_sid, source=f"MZ{self.streams}")
            self.journal(placed)
            if back.minutes is not None:
                back.minutes(placed)

    def ends(self, back: Back, call_sid: str, reason: EndReason = EndReason.CALLER_HANGUP) -> None:
        """The stream has, and Twilio says what follows."""
        self.tell(back, call_sid, facts.StreamEnded(reason, follows=FOLLOWS[reason], is_admitted=True))
        if FOLLOWS[reason] != FOLLOWS[EndReason.HANDED_OVER]:
            self.desk.release(call_sid)

    async def call(self, call_sid: str, *told: Fact, caller: str = CALLER, agent: str = "shop") -> Back:
        """A whole call, which the caller ends."""
        back = await self.rings(call_sid, caller, agent)
        self.tell(back, call_sid, *told)
        self.ends(back, call_sid)
        return back


def agent_in_call(agent: Agent | None = None) -> AgentInCall:
    return AgentInCall(agent or Agent(), About("CA1", Caller(CALLER), CALLED))


async def test_who_was_cut_off_goes_on_over_all_streams_of_the_new_call() -> None:
    """Also in another process: what they were told stands among the facts of the new call."""
    line = Line()
    assert (await line.call("CA1", WISH, VALUES)).earlier is None
    line.wall_now += 599.0
    back = await line.rings("CA2")
    assert back.goes_on
    assert back.earlier is not None
    assert back.earlier.values == {"n": 1}
    assert [fact for _, fact in read_facts(back.events)][-1] == structs.replace(
        VALUES, call_sid="CA2", source=facts.HTTP, number=len(back.events)
    )
    line.tell(back, "CA2", structs.replace(WISH, turn=4, caller="Or red."))
    line.ends(back, "CA2", EndReason.HANDED_OVER)
    elsewhere = await line.rings("CA2")
    assert elsewhere.earlier == back.earlier
    remembered = read_history(elsewhere.events).remembered
    assert [entry.caller for entry in remembered if isinstance(entry, TurnSaid)] == ["A blue one.", "Or red."]
    assert [event.kind for event in elsewhere.events].count("called_before") == 1


async def test_when_the_call_is_over_its_own_words_are_gone_and_the_record_stays() -> None:
    line = Line()
    await line.call("CA1", WISH)
    await line.call("CA2")
    assert await line.kinds("CA2") == ["stream_started", "stream_ended", "call_over"]
    assert (await line.rings("CA3")).earlier is not None


@pytest.mark.parametrize(
    ("later_s", "reason", "is_known", "goes_on"),
    [
        (599.0, EndReason.MEDIA_LOST, True, True),
        (600.0, EndReason.MEDIA_LOST, True, False),
        (1.0, EndReason.AGENT_HANGUP, True, False),
        (30 * DAY_S - 1, EndReason.CALLER_HANGUP, True, False),
        (30 * DAY_S, EndReason.CALLER_HANGUP, False, False),
    ],
)
async def test_what_is_known_how_long(
    later_s: float, reason: EndReason, *, is_known: bool, goes_on: bool
) -> None:
    line = Line()
    back = await line.rings("CA1")
    line.tell(back, "CA1", WISH)
    line.ends(back, "CA1", reason)
    line.wall_now += later_s
    again = await line.rings("CA2")
    assert (again.earlier is not None, again.goes_on) == (is_known, goes_on)


async def test_that_the_caller_has_called_before_is_a_fact_of_the_new_call() -> None:
    """For its record, and for who follows it. What happened in the earlier one is in that one's."""
    line = Line()
    back = await line.rings("CA1")
    line.tell(back, "CA1", WISH, VALUES)
    line.ends(back, "CA1", EndReason.MEDIA_LOST)
    with line.desk.feed.subscribe("CA2") as followed:
        assert (await line.rings("CA2")).goes_on
        line.desk.feed.close()
        told = [event.fact for event in [event async for event in followed] if isinstance(event, LiveFact)]
    assert [(fact.kind, fact.call_sid, fact.source) for fact in told] == [("called_before", "CA2", "http")]


async def test_of_two_calls_at_once_one_goes_on() -> None:
    """What is captured in it is delivered once. The last to end is what is remembered."""
    line = Line()
    await line.call("CA1", WISH)
    first, second = await asyncio.gather(line.rings("CA2"), line.rings("CA3"))
    assert sorted((first.goes_on, second.goes_on)) == [False, True]
    assert first.earlier is not None
    assert second.earlier is not None


@pytest.mark.parametrize(
    ("caller", "again", "agent"),
    [
        (CALLER, "+14155550101", "shop"),
        (CALLER, CALLER, "another"),
        ("", "", "shop"),
        ("+266696687", "+266696687", "shop"),
        ("sip:anna@pbx.example.com", "sip:anna@pbx.example.com", "shop"),
        ("+14155550177", "+14155550177", "shop"),
    ],
)
async def test_nobody_else_is_told(caller: str, again: str, agent: str) -> None:
    """Who has another number or calls another agent; all who share one name: callers without a number, of
    a SIP host, of a switchboard.
    """
    line = Line(REMEMBERS | {"CALLBRIDGE_CALLS_PER_CALLER_OF": "+14155550177=9"})
    await line.call("CA1", WISH, caller=caller)
    back = await line.rings("CA2", again, agent)
    assert (back.earlier, back.goes_on) == (None, False)


async def test_who_forges_a_number_hears_nothing_of_it_and_writes_nothing_over_it() -> None:
    """The carrier vouches for the number's own calls, and not for theirs."""
    line = Line()
    real = await line.rings("CA1", attestation="A")
    line.tell(real, "CA1", WISH)
    line.ends(real, "CA1")
    for call_sid, attestation in (("CA2", ""), ("CA3", "C")):
        forged = await line.rings(call_sid, attestation=attestation)
        assert "blue" not in f"{forged.earlier} {forged.events}"
        assert not forged.goes_on
        line.tell(forged, call_sid, structs.replace(WISH, caller="Do as I say."))
        line.ends(forged, call_sid, EndReason.AGENT_HANGUP)
    again = await line.rings("CA4", attestation="A")
    assert again.goes_on
    assert again.earlier is not None
    assert again.earlier.summary == "caller: A blue one.\nagent: We have it."


async def test_nothing_is_remembered_unless_it_is_wished() -> None:
    line = Line({})
    assert (await line.call("CA1", WISH)).minutes is None
    assert (await line.call("CA2", WISH)).earlier is None


async def test_a_state_that_does_not_answer_keeps_no_caller_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalling, "RECALL_S", 0.01)
    line = Line()
    await line.call("CA1", WISH)
    line.state.is_stalled = True
    back = await line.desk.recalling.begins("CA2", "shop", CALLER, ())
    assert (back.earlier, back.events) == (None, ())


# --- The end of a call ---------------------------------------------------------------------------------


async def test_what_comes_late_is_remembered_too() -> None:
    """Though the call is over and its own words are dropped."""
    line = Line()
    back = await line.call("CA1", structs.replace(WISH, caller=None, awaits=("item_2",)))
    line.tell(back, "CA1", facts.CallerWordsCame(2, "A red one.", "item_2"), VALUES)
    assert back.minutes is not None
    await back.minutes.close(agent_in_call())
    known = (await line.rings("CA2")).earlier
    assert known is not None
    assert "A red one." in known.summary
    assert known.values == {"n": 1}


async def test_late_words_never_replace_a_later_call_nor_come_back_when_forgotten() -> None:
    line = Line()
    first = await line.call("CA1", WISH)
    line.wall_now += 1
    line.tell(first, "CA1", VALUES)
    assert first.minutes is not None
    second = await line.call("CA2", structs.replace(WISH, turn=9, caller="Thank you."))
    await first.minutes.close(agent_in_call())
    known = (await line.rings("CA3")).earlier
    assert known is not None
    assert known.summary.endswith("caller: Thank you.\nagent: We have it.")
    line.state.forget(line.desk.caller_key(CALLER))
    line.tell(second, "CA2", VALUES)
    assert second.minutes is not None
    await second.minutes.close(agent_in_call())
    assert (await line.rings("CA4")).earlier is None


@pytest.mark.parametrize(
    ("reason", "is_asked"), [(EndReason.CALLER_HANGUP, True), (EndReason.HANDED_OVER, False)]
)
async def test_the_users_summary_is_asked_for_when_the_call_is_over(
    reason: EndReason, *, is_asked: bool
) -> None:
    """Once: not by a stream that is followed by another."""
    asked: list[Call] = []

    def summarise(call: Call) -> str:
        asked.append(call)
        return "Wants a blue one."

    line = Line()
    back = await line.rings("CA1")
    line.tell(back, "CA1", WISH)
    line.ends(back, "CA1", reason)
    assert back.minutes is not None
    await back.minutes.close(agent_in_call(Agent(summarise=summarise)))
    known = (await line.rings("CA2")).earlier
    assert known is not None
    assert (known.summary == "Wants a blue one.", len(asked) == 1) == (is_asked, is_asked)


async def test_a_stream_that_did_not_end_is_remembered_when_twilio_says_that_the_call_is_over() -> None:
    """Its process was killed: what stands in the state is all there is."""
    line = Line()
    back = await line.rings("CA1")
    tool = facts.Remembered(memory.ToolStarted(2, "call_1", "pay", "{}"))
    line.tell(back, "CA1", WISH, tool, VALUES)
    await line.desk.recalling.is_over("CA1", CALLER)
    line.desk.release("CA1")
    await line.desk.recalling.is_over("CA1", CALLER)  # Twilio says it twice.
    again = await line.rings("CA2")
    assert again.goes_on
    assert tool.entry in read_history(again.events).remembered
