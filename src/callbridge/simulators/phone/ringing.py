"""Telephones that can be rung: who is there, the legs that lead to them, and what becomes of a ring."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl

from callbridge.simulators.phone.call import SimulatedCall
from callbridge.simulators.phone.caller import CallerScript, WaitForEnd
from callbridge.simulators.phone.incoming import Incoming
from callbridge.simulators.phone.leg import EXCHANGE, PERSON, QUEUED, HungUp, Leg, new_sid
from callbridge.simulators.phone.people import NOBODY, Answers, Person
from callbridge.simulators.phone.program import Program, Role
from callbridge.simulators.phone.webhooks import Line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

    from callbridge.simulators.phone.call_settings import CallSettings
    from callbridge.simulators.phone.caller import Caller
    from callbridge.simulators.phone.carrier_codes import Complaint
    from callbridge.simulators.phone.dial_nouns import Callback, Noun
    from callbridge.simulators.phone.events import PhoneEvent
    from callbridge.simulators.phone.line_settings import LineSettings

FORWARDS_MAX = 5
"""A call that is forwarded more often goes in circles."""


@dataclass(frozen=True, slots=True)
class AccountNumber:
    """A number of the account: who calls it, or is forwarded to it, reaches a webhook."""

    voice_url: str
    method: str = "POST"
    status_callback_url: str | None = None
    fallback_url: str | None = None
    fallback_method: str = "POST"


class Telephones:
    """Who can be rung, and everybody's legs. An async context manager: when it is left, all calls end.

    Args:
        people: who is at which address.
        numbers: the account's own.
        settings: of all legs that are made.
    """

    def __init__(
        self,
        people: Mapping[str, Person | Sequence[Person]],
        numbers: Mapping[str, AccountNumber],
        settings: CallSettings,
    ) -> None:
        self.people = dict(people)
        self.numbers: Mapping[str, AccountNumber] = dict(numbers)
        self.settings = settings
        self.legs: dict[str, Leg] = {}
        """By CallSid, also those that are over, in the order in which they began."""
        self.on_complaint: Callable[[str, Complaint], None] = lambda _sid, _complaint: None
        """Told of what Twilio minds, with the CallSid; that of a room's callback has none."""
        self.on_event: Callable[[str, PhoneEvent], None] = lambda _address, _event: None
        """Told what happens on the calls to people, with their addresses."""
        self.forwarded: list[SimulatedCall] = []
        """Calls that came in because somebody who was rung forwards theirs."""
        self.tasks = asyncio.TaskGroup()
        """Of the legs that are made."""
        self._rung: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        await self.tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for leg in tuple(self.legs.values()):
            leg.hang_up(EXCHANGE)
        # An error of whoever uses the exchange is not one of its legs: it goes on as it is.
        if isinstance(error, asyncio.CancelledError):
            await self.tasks.__aexit__(kind, error, trace)
        else:
            await self.tasks.__aexit__(None, None, None)

    def to(self, address: str) -> list[Leg]:
        """All legs to an address, in the order in which they began."""
        return [leg for leg in self.legs.values() if leg.to_address == address]

    def enroll(self, leg: Leg) -> None:
        """A call takes place here from now on."""
        self.legs[leg.sid] = leg
        leg.on_complaint = lambda complaint: self.on_complaint(leg.sid, complaint)

    def start(self, leg: Leg, life: Callable[[], Awaitable[None]]) -> None:
        """Let a leg live beside all others."""
        self.tasks.create_task(_open(leg, life), name=f"phone-leg-{leg.sid}")

    # --- Legs ---------------------------------------------------------------------------------

    def dialled_leg(self, parent: Leg, noun: Noun, shown: str) -> Leg:
        """One that a `<Dial>` makes."""
        return self.new_leg(noun.party, shown, "outbound-dial", parent.sid, noun.callback)

    def new_leg(
        self,
        to_address: str,
        from_address: str,
        direction: str,
        parent: str | None,
        callback: Callback | None,
    ) -> Leg:
        """A leg that is still in the queue."""
        settings = self.settings
        line = Line(
            settings.account_sid,
            settings.auth_token,
            new_sid("CA"),
            from_address,
            to_address,
            shared_key=settings.shared_key,
            direction=direction,
            parent_sid=parent,
        )
        leg = Leg(
            line,
            status=QUEUED,
            pace=settings.verb_time,
            misbehaviours=settings.misbehaviours,
            on_event=lambda event: self.on_event(to_address, event),
        )
        leg.progress = callback
        self.enroll(leg)
        return leg

    def program(
        self, leg: Leg, url: str, method: str, role: Role, fallback: tuple[str, str] | None = None
    ) -> Program:
        """What a leg executes that somebody has answered."""
        presses = leg.person.presses if leg.person is not None else ()
        fallback_url, fallback_method = fallback or (None, "POST")
        line = replace(
            self.line(self.settings.line),
            gather_inputs=presses,
            fallback_url=fallback_url,
            fallback_method=fallback_method,
        )
        numbers = (leg.from_address, leg.to_address)
        program = Program(url, method, numbers, line, rings=True, role=role)
        program.picked_up()
        return program

    def line(self, line: LineSettings) -> LineSettings:
        """A call's line: the account's own numbers may be shown, and it is one on trial or not."""
        ours = self.settings.line
        return replace(
            line,
            verified_numbers=line.verified_numbers | ours.verified_numbers | self.numbers.keys(),
            do_not_originate=line.do_not_originate | ours.do_not_originate,
            is_trial=line.is_trial or ours.is_trial,
        )

    def voice_of(self, leg: Leg) -> Caller:
        """Who talks when a leg becomes a media stream."""
        speaks = leg.person.speaks if leg.person is not None else None
        return CallerScript([WaitForEnd()]) if speaks is None else speaks()

    # --- Ringing ------------------------------------------------------------------------------

    async def ring(self, leg: Leg, limit_s: float) -> bool:
        """Ring whoever is at the leg's address; False when nobody answers, and the leg is over."""
        leg.left_queue()
        person, number = self._who(leg.to_address)
        if person.answers is Answers.UNREACHABLE:
            return not_answered(leg, "failed")
        leg.rings()
        if number is not None:
            return await self._ring_ours(leg, number)
        after_s = math.inf if person.answers is Answers.NO_ANSWER else person.after_s
        if not await leg.wait(min(after_s, limit_s)) or leg.cut is not None:
            return not_answered(leg, "canceled")
        if after_s >= limit_s:
            return not_answered(leg, "no-answer")
        if person.answers in {Answers.BUSY, Answers.DECLINES}:
            return not_answered(leg, "busy")
        leg.person = person
        leg.answer()
        return True

    def _who(self, address: str) -> tuple[Person, str | None]:
        """Who is there in the end, and the account's number if that is where it rings."""
        person = NOBODY
        for _ in range(FORWARDS_MAX):
            # What stands behind the `?` is told to an application.
            if address.partition("?")[0] in self.numbers:
                return Person(talks_s=None), address
            person = self._next_person(address)
            if person.forwards_to is None:
                return person, None
            address = person.forwards_to
        return NOBODY, None

    def _next_person(self, address: str) -> Person:
        found = self.people.get(address, NOBODY)
        if isinstance(found, Person):
            return found
        rung = self._rung.get(address, 0)
        self._rung[address] = rung + 1
        return found[min(rung, len(found) - 1)]

    async def _ring_ours(self, leg: Leg, number: str) -> bool:
        """The call is forwarded to a number of the account: that is a new call at its voice URL."""
        address, _, told = number.partition("?")
        ours = self.numbers[address]
        settings = replace(
            self.settings,
            from_number=leg.from_address,
            to_number=address,
            method=ours.method,
            status_callback_url=ours.status_callback_url,
            line=replace(
                self.settings.line, fallback_url=ours.fallback_url, fallback_method=ours.fallback_method
            ),
            incoming=Incoming(
                forwarded_from=leg.to_address if leg.to_address != number else None,
                more=dict(parse_qsl(told)),
            ),
        )
        call = SimulatedCall(ours.voice_url, CallerScript([WaitForEnd()]), settings)
        self.forwarded.append(call)
        self.tasks.create_task(_forward(leg, call), name="phone-forwarded")
        if await leg.unless_cut(call.leg.answered_or_over.wait()) is None:
            return not_answered(leg, "canceled")
        if call.leg.answered_at is None:
            return not_answered(leg, call.leg.status)
        leg.person = Person(talks_s=None)
        leg.answer()
        return True


async def _open(leg: Leg, life: Callable[[], Awaitable[None]]) -> None:
    async with leg.open():
        await life()


async def _forward(leg: Leg, call: SimulatedCall) -> None:
    """The two legs of a forwarded call end together."""

    async def run() -> None:
        await call.run()
        leg.hang_up(PERSON)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(), name="phone-forwarded-call")
        await leg.over.wait()
        call.hang_up()


def not_answered(leg: Leg, status: str) -> bool:
    """A leg has rung in vain, or was hung up before: it is over."""
    cut = leg.take_cut()
    leg.hung_up_by = cut.by_whom if isinstance(cut, HungUp) else None
    leg.end(status)
    return False
