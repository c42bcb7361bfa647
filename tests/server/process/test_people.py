"""People who are asked for callers on hold: each is told of once, and rings for nobody who is gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from callbridge.call import facts
from callbridge.call import telephone_facts as t
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.wishes import Transfer
from callbridge.observe.feed import LiveFact
from callbridge.telephony.rest.fault import FaultKind, RestFault
from desks import CALL, CALLED, CALLER, FrontDesk
from leftovers import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.events import TransferTold
    from callbridge.telephony.rest.records import NewCall

WARM = Transfer("sales", "+15550100042", is_asked=True, is_warm=True, briefing="Ann calls.")
FIRST = t.TransferAsked("MZ1-1", WARM, is_held=True, call_sid=CALL, source="MZ1")
SECOND = structs.replace(FIRST, transfer_id="MZ1-2")
LOST = RestFault(FaultKind.UNKNOWN, "no answer came")
NOT_OURS = RestFault(FaultKind.REFUSED, "not a number of yours", 21210, 400)
NOBODY_THERE = RestFault(FaultKind.REFUSED, "no such number", 21211, 400)


@dataclass
class Rest:
    """Twilio's REST API: answers each request as a test says, at once or when it is let."""

    answers: list[RestFault | asyncio.Event] = field(default_factory=list)
    rung: list[NewCall] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def create_call(self, new: NewCall) -> str:
        self.rung.append(new)
        sid = f"CA{len(self.rung)}"
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        elif answer is not None:
            raise answer
        return sid

    async def end_call(self, sid: str) -> bool:
        self.ended.append(sid)
        return True


@dataclass
class Service(FrontDesk):
    """One process, whose caller is on hold."""

    told: list[TransferTold] = field(default_factory=list)

    def ask(self, asked: t.TransferAsked = FIRST, caller: str = CALLER) -> None:
        """A caller goes on hold."""
        self.writes(asked)
        self.desk.people.ask(asked, caller, CALLED, self.told.append)

    def writes(self, fact: facts.Fact) -> None:
        """Some process has noted this."""
        self.state.append(CALL, fact.kind, facts.encode(structs.replace(fact, call_sid=CALL)))
        self.desk.people.has_news(CALL)

    def served(self, rest: Rest) -> Any:
        return self.desk.people.opened(rest)  # type: ignore[arg-type]  # As far as it is asked.


async def comes(condition: Callable[[], bool]) -> None:
    assert await until(condition)


async def test_a_person_is_told_of_once_and_let_go_of_when_nobody_wants_them() -> None:
    service, rest = Service(), Rest()
    followed = service.desk.feed.subscribe(CALL)
    async with service.served(rest):
        service.ask()
        rung = await anext(followed)
        assert isinstance(rung, LiveFact)
        assert isinstance(rung.fact, t.PersonRung)
        service.writes(t.PersonReported("MZ1-1", "busy", "486"))
        await comes(lambda: bool(service.told))
        service.writes(t.PersonReported("MZ1-1", "completed"))
        service.ask(SECOND)
        await comes(lambda: len(rest.rung) == 2)
        service.writes(t.TransferEnded("MZ1-2", "sales", TransferOutcome.CALLER_RETURNED))
        await comes(lambda: rest.ended == ["CA2"])
    assert [told.outcome for told in service.told] == [TransferOutcome.BUSY]


async def test_a_request_that_is_late_takes_nothing_from_the_next_one() -> None:
    """The caller came back, and was put through anew, before Twilio had answered."""
    service, late = Service(), asyncio.Event()
    rest = Rest([late])
    with capture_logs() as logs:
        async with service.served(rest):
            service.ask()
            await comes(lambda: len(rest.rung) == 1)
            service.writes(t.TransferEnded("MZ1-1", "sales", TransferOutcome.CALLER_RETURNED))
            service.ask(SECOND)
            await comes(lambda: len(rest.rung) == 2)
            late.set()
            await comes(lambda: rest.ended == ["CA1"])  # Who rings for nobody is let go of.
            service.writes(t.PersonDecided("MZ1-2", takes_it=True, keys="1"))
            await comes(lambda: bool(service.told))
    assert [(told.transfer_id, told.outcome) for told in service.told] == [
        ("MZ1-2", TransferOutcome.CONNECTED)
    ]
    assert not [line for line in logs if line["event"] == "person_not_looked_after"]


@pytest.mark.parametrize(
    ("answers", "rings", "outcome", "is_to_ring"),
    [
        ([NOBODY_THERE], 1, TransferOutcome.UNREACHABLE, False),
        ([RestFault(FaultKind.AUTH, "wrong key", 20003, 401)], 1, TransferOutcome.CARRIER_FAULT, True),
        ([RestFault(FaultKind.UNREACHABLE, "no network")], 1, TransferOutcome.CARRIER_FAULT, True),
        ([NOT_OURS, NOBODY_THERE], 2, TransferOutcome.UNREACHABLE, False),
        ([NOT_OURS, NOT_OURS], 2, TransferOutcome.CARRIER_FAULT, True),
    ],
)
async def test_what_twilio_refuses_is_told_at_once(
    answers: list[RestFault | asyncio.Event], rings: int, outcome: TransferOutcome, is_to_ring: bool
) -> None:
    service, rest = Service(), Rest(answers)
    service.desk.call_tokens.keep(CALL, "token")
    async with service.served(rest):
        service.ask()
        await comes(lambda: bool(service.told))
    (told,) = service.told
    assert (told.outcome, told.is_to_ring, len(rest.rung)) == (outcome, is_to_ring, rings)
    assert rest.rung[-1].from_ == (CALLER if rings == 1 else CALLED)


@pytest.mark.parametrize(
    ("caller", "shown"), [(CALLER, CALLER), ("+7378742833", CALLED), ("sip:ann@pbx.example.com", CALLED)]
)
async def test_a_number_that_is_withheld_is_shown_to_nobody(caller: str, shown: str) -> None:
    """Twilio spells it as the keys of a word: this one is RESTRICTED."""
    service, rest = Service(), Rest()
    service.desk.call_tokens.keep(CALL, "token")
    async with service.served(rest):
        service.ask(caller=caller)
        await comes(lambda: bool(rest.rung))
    assert (rest.rung[0].from_, rest.rung[0].call_token) == (shown, "token" if shown == CALLER else "")


async def test_who_was_perhaps_rung_is_not_rung_again() -> None:
    service, rest = Service(), Rest([LOST])
    async with service.served(rest):
        service.ask()
        await comes(lambda: bool(rest.rung))
        service.writes(t.PersonRung("MZ1-1", "CA7"))  # Their first webhook tells its name.
        service.writes(t.TransferEnded("MZ1-1", "sales", TransferOutcome.CALLER_HUNG_UP))
        await comes(lambda: rest.ended == ["CA7"])
    assert len(rest.rung) == 1


async def test_nobody_is_watched_for_longer_than_they_can_decide() -> None:
    """Also where the call that is told takes no notice."""
    service, rest = Service(), Rest()
    async with service.served(rest):
        service.ask()
        await comes(lambda: bool(rest.rung))
        service.wall_now += 1000
        service.desk.people.has_news(CALL)
        await comes(lambda: not service.desk.people._running)
    assert [told.outcome for told in service.told] == [TransferOutcome.NO_ANSWER]


async def test_a_process_that_ends_rings_nobody_any_more() -> None:
    service, rest = Service(), Rest([asyncio.Event()])
    async with service.served(rest):
        service.ask()
        await comes(lambda: bool(rest.rung))
    service.desk.people.let_go(CALL)
    assert not service.told


async def test_nobody_is_given_up_because_the_state_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has become of them is seen when it is back."""
    service, rest = Service(), Rest()
    stored = service.state.events

    async def read(call_sid: str) -> Any:
        return () if service.state.told_trouble else await stored(call_sid)

    monkeypatch.setattr(service.state, "events", read)
    async with service.served(rest):
        service.state.told_trouble = "the database is away"
        service.ask()
        await comes(lambda: len(rest.rung) == 1)
        service.state.told_trouble = None
        service.writes(t.PersonReported("MZ1-1", "busy"))
        await comes(lambda: bool(service.told))
    assert [told.outcome for told in service.told] == [TransferOutcome.BUSY]
