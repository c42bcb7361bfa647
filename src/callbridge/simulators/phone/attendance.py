"""A leg in a conference: from its entry to its leaving, with what it hears meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from callbridge.simulators.phone import twiml, webhooks
from callbridge.simulators.phone.leg import HungUp
from callbridge.simulators.phone.leg_record import now
from callbridge.simulators.phone.people import Moment
from callbridge.simulators.phone.program import Program, Role
from callbridge.simulators.phone.silence import WAITING_MUSIC
from callbridge.simulators.phone.steps import Fetch, Spend

if TYPE_CHECKING:
    from callbridge.simulators.phone.conferences import Conference, Conferences, Participant
    from callbridge.simulators.phone.dial_nouns import Room
    from callbridge.simulators.phone.leg import Leg
    from callbridge.simulators.phone.steps import Step

WAIT_LOOP_LEAST_S = 0.2
"""A document that takes less time is not asked for again at once."""


async def attend(leg: Leg, room: Room, conferences: Conferences) -> str | None:
    """Enter a room and stay until it is over, or the leg leaves it.

    Returns:
        `DialCallStatus`; None when the leg was not let in, so that its document goes on.
    """
    sound = WaitingSound(leg, room)
    if _would_wait(room, conferences) and not await sound.load():
        return "failed"
    if leg.cut is not None:
        return "completed"
    conference = conferences.open(room)
    fault = conference.fault(room)
    if fault is not None:
        leg.complain(*fault)
        return None
    participant = conference.join(leg, room)
    await _stay(leg, conference, participant, sound)
    has_left = isinstance(leg.cut, HungUp)
    conference.leave(participant, "participant_hung_up" if has_left else "participant_updated_via_api")
    return "completed" if has_left else "answered"


def _would_wait(room: Room, conferences: Conferences) -> bool:
    found = conferences.named(room.name)
    return found is None or not found.has_begun


async def _stay(leg: Leg, conference: Conference, participant: Participant, sound: WaitingSound) -> None:
    assert leg.tasks is not None, "a leg that is carried out has its tasks"
    waiting = leg.tasks.create_task(sound.play(), name="phone-waiting")
    while participant.left is None and leg.cut is None:
        began_at, others = leg.on_line(), conference.others(participant)
        if conference.has_begun:
            waiting.cancel()
        leg.reach(Moment.TALK if conference.has_begun else Moment.WAITING)
        await leg.unless_cut(conference.changed.wait())
        for other in others:
            leg.hear("conference", other.leg.party, began_at, source=other.leg.party)
    waiting.cancel()


class WaitingSound:
    """What a leg hears before a talk begins: Twilio's music, silence, or a document of its own, in a loop."""

    def __init__(self, leg: Leg, room: Room) -> None:
        self._leg = leg
        self._room = room
        self._program = self._new()
        self._first: Step | None = None

    def _new(self) -> Program:
        numbers = (self._leg.from_address, self._leg.to_address)
        program = Program(self._room.wait_url or "", self._room.wait_method, numbers, role=Role.WAITING)
        program.picked_up()
        return program

    async def load(self) -> bool:
        """Ask for the document; False when there is none to be had, and the leg does not get in."""
        if not self._room.wait_url:
            return True
        step = self._program.begin()
        if not isinstance(step, Fetch):
            for code, detail in self._program.complaints:
                self._leg.complain(code, detail)
            return False
        answer = await self._leg.unless_cut(self._ask(step))
        if answer is None:
            return True
        usable = twiml.read_answer(answer)
        if isinstance(usable, twiml.Unusable):
            self._leg.complain(usable.code, usable.detail)
            return False
        self._first = self._program.answered(answer)
        return True

    async def _ask(self, step: Fetch) -> twiml.WebAnswer | twiml.WebFailure:
        told = webhooks.voice_parameters(self._leg.line, "in-progress") | dict(step.parameters)
        return await self._leg.web.ask(step.url, step.method, told)

    async def play(self) -> None:
        """Until it is cancelled: the talk begins, or the leg leaves."""
        if self._room.wait_url is None:
            await self._hear(WAITING_MUSIC, "music", None)
        while self._room.wait_url:
            began_at = now()
            await self._play_once()
            await asyncio.sleep(max(0.0, WAIT_LOOP_LEAST_S - (now() - began_at)))

    async def _play_once(self) -> None:
        step = self._first or self._program.begin()
        while isinstance(step, Fetch | Spend):
            match step:
                case Fetch():
                    step = self._program.answered(await self._ask(step))
                case Spend():
                    await self._hear(step.sound, step.text, step.seconds)
                    step = self._program.spent()
                case _:
                    assert_never(step)
        for code, detail in self._program.complaints:
            self._leg.complain(code, detail)
        self._program, self._first = self._new(), None

    async def _hear(self, what: str, text: str, seconds: float | None) -> None:
        began_at = self._leg.on_line()
        try:
            if seconds is None:
                await asyncio.Event().wait()
            else:
                await asyncio.sleep(seconds * self._leg.pace)
        finally:
            if what:
                self._leg.hear(what, text, began_at, source=WAITING_MUSIC)
