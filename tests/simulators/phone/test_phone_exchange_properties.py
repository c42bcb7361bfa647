"""Whatever is done to whichever leg, whenever: every call ends, and nothing of it is left."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.phone import Answers, Moment, NewLeg, Person
from leftovers import leaves_nothing
from scripted_service import at_exchange

if TYPE_CHECKING:
    from callbridge.simulators.phone import CallReport, Leg
    from scripted_service import Service

DESK, OTHER, OURS = "+15550100031", "+15550100032", "+15550100002"
ROOM = "<Dial action='/moved'><Conference waitUrl='/wait' endConferenceOnExit='{}'>r</Conference></Dial>"
CALLS = [
    "<Say>A few words.</Say><Pause length='5'/><Redirect>/moved</Redirect>",
    "<Gather timeout='9' action='/moved'><Say>Press a key.</Say></Gather><Record action='/moved'/>",
    f"<Dial action='/moved' timeout='9'><Number url='/whisper'>{DESK}</Number></Dial>",
    f"<Dial hangupOnStar='true'><Number>{DESK}</Number><Number>{OTHER}</Number></Dial><Say>Bye.</Say>",
    f"<Dial sequential='true' answerOnBridge='true'><Number>{DESK}</Number><Number>{OTHER}</Number></Dial>",
    ROOM.format("true"),
    ROOM.format("false"),
]
PEOPLE = [
    Person(after_s=2, presses=("1",), talks_s=9),
    Person(answers=Answers.MAILBOX, after_s=1, talks_s=20),
    Person(answers=Answers.NO_ANSWER),
    Person(answers=Answers.DECLINES, after_s=4),
    Person(leaves=Moment.KEYS, leaves_after_s=2),
    Person(leaves=Moment.WAITING, leaves_after_s=6, presses=("1",), talks_s=5),
]
WHISPER = "<Gather numDigits='1' action='/pressed' timeout='4'><Say>Press one.</Say></Gather><Hangup/>"


@pytest.mark.parametrize("seed", range(10))
async def test_every_call_ends(seed: int) -> None:
    rng = random.Random(seed)
    people = {DESK: rng.choice(PEOPLE), OTHER: rng.choice(PEOPLE)}
    documents = {"voice": rng.choice(CALLS), "moved": rng.choice(["<Say>Here.</Say>", "<Pause length='3'/>"])}
    async with (
        leaves_nothing(),
        at_exchange(
            people, 0.004, **documents, whisper=WHISPER, wait="<Say>Please wait.</Say>", pressed=""
        ) as service,
    ):
        report = await _disturbed(service, rng)
    assert report.status in {"completed", "canceled"}
    assert [leg for leg in service.exchange.legs.values() if leg.is_live] == []
    assert all(room.is_over for room in service.exchange.conferences.all.values())
    for leg in service.exchange.legs.values():
        assert all(item.start <= item.end for item in leg.heard)
        assert (leg.ended_at is not None) == leg.over.is_set() is True


async def _disturbed(service: Service, rng: random.Random) -> CallReport:
    """A call to which, and to whose legs, a few things are done at random moments."""
    call = service.call(verb_time=0.004, max_call_s=0.3)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(call.run())
        if rng.random() < 0.5:
            document = f"<Response>{ROOM.format('true')}</Response>".replace("/", service.base + "/", 1)
            service.exchange.call_out(NewLeg(DESK, OURS, twiml=document.replace("'/wait'", "''")))
        for _ in range(rng.randint(1, 3)):
            await asyncio.sleep(rng.random() * 0.04)
            await _disturb(rng, rng.choice(list(service.exchange.legs.values())), service.base)
    return running.result()


async def _disturb(rng: random.Random, leg: Leg, base: str) -> None:
    match rng.randrange(5):
        case 0:
            leg.hang_up()
        case 1:
            leg.hang_up("caller")
        case 2:
            await leg.redirect(f"{base}/moved")
        case 3:
            leg.redirect_to(f"<Response><Say>Moved.</Say><Redirect>{base}/moved</Redirect></Response>")
        case _:
            leg.press("*")
