"""Who hangs up, and when: every phase of a transfer, over real sockets, with a strict account."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from callbridge.call.facts import StreamAsked
from callbridge.call.outcomes import TransferOutcome as Outcome
from callbridge.call.telephone_facts import TransferAsked
from callbridge.simulators.account import Fault
from callbridge.simulators.account.faults import FaultKind
from callbridge.simulators.phone.events import AgentAudioStarted
from callbridge.simulators.phone.leg import PERSON
from callbridge.simulators.phone.people import Moment, Person
from e2e.transfers import ASKING, COLD, SALES, WARM, People, Way, all_of, people_behind
from leftovers import until

if TYPE_CHECKING:
    from callbridge.simulators.phone import PhoneEvent
    from e2e.stack import FinishedCall

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

STAYS = Person(presses=("1",), talks_s=None)
"""They take the call, and never hang up."""

RELEASED_S = 2.0
"""So long after the caller a person is on the line at the most."""

SILENCE_MS_MAX = 4000

LAST_WORDS, REQUEST = "last words", "request"

# --- The caller hangs up -------------------------------------------------------------------------------

WARM_MOMENTS = (
    LAST_WORDS,
    REQUEST,
    "before person-status ringing",
    "before briefing",
    "after briefing",
    "after briefing-key",
    "before stream-ended",
    "after stream-ended",
    "before person-waits",
    "before room-wait",
    "after room-wait",
    "after person-waits",
    "after room-status conference-start",
)
ASKING_MOMENTS = (
    LAST_WORDS,
    "before stream-ended",
    "after stream-ended",
    "after briefing",
    "before briefing-key",
)
TALKS = frozenset({"after room-status conference-start"})


async def caller_hangs_up(way: Way, moment: str, *, tells_action: bool, person: Person = STAYS) -> None:
    """A call whose caller hangs up at that moment: the person is released, and it is known what became of it.

    Args:
        way: of the transfer.
        moment: before or after which webhook; or one of two that have none.
        tells_action: whether Twilio asks what follows the stream of a caller who has hung up.
        person: who is rung.
    """
    slow = Fault(FaultKind.HANG, seconds=0.3, method="POST", resource="Calls")
    async with people_behind(way, person, faults=[slow] if moment == REQUEST else ()) as line:

        def notice(event: PhoneEvent) -> None:
            if moment == LAST_WORDS and isinstance(event, AgentAudioStarted):
                phone.hang_up()

        phone = line.phone(on_event=notice, action_after_hang_up=tells_action)
        if moment == REQUEST:
            line.account.on_request = lambda _: phone.hang_up()
        line.tap.at(moment, phone.hang_up)
        call = await line.stack.finish(phone)
        assert await until(lambda: not line.live_legs, RELEASED_S), (way, moment, line.tap.asked)
        asked = call.of(TransferAsked)
        assert bool(asked) is (moment != LAST_WORDS)
        expected = Outcome.CONNECTED if moment in TALKS else Outcome.CALLER_HUNG_UP
        assert [told.outcome for told in await line.all_ended(call)] == [expected] * len(asked), (way, moment)
        assert len(line.exchange.to(SALES)) <= 1
        assert not line.exchange.complaints


async def test_who_is_alone_in_the_room_is_not_forgotten() -> None:
    """The worst places to be left in: nothing but a document of silence is there."""
    await all_of(
        {
            "the caller goes": partial(caller_hangs_up, WARM, "after room-wait", tells_action=False),
            "the person goes": partial(person_hangs_up, WARM, "after room-wait", Outcome.DECLINED),
            "the person came first, and goes": partial(person_leaves_room, Outcome.DECLINED),
        }
    )


@pytest.mark.heavy
@pytest.mark.parametrize("tells_action", [False, True])
async def test_a_caller_hangs_up_in_each_phase(tells_action: bool) -> None:
    ways = [(WARM, moment) for moment in WARM_MOMENTS] + [(ASKING, moment) for moment in ASKING_MOMENTS]
    await all_of(
        {
            f"{way}, {moment}": partial(caller_hangs_up, way, moment, tells_action=tells_action)
            for way, moment in ways
        }
    )


@pytest.mark.heavy
async def test_a_caller_hangs_up_while_it_rings() -> None:
    """Without a question nothing is asked of us while it rings: they hang up when it has begun."""

    async def rings(way: Way) -> None:
        async with people_behind(way, Person(after_s=15.0)) as line:
            phone = line.phone()
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(line.stack.finish(phone))
                await until(lambda: bool(line.exchange.to(SALES)))
                phone.hang_up()
            call = running.result()
            assert await until(lambda: not line.live_legs, RELEASED_S)
            assert [told.outcome for told in await line.all_ended(call)] == [Outcome.CALLER_HUNG_UP]

    await all_of({way: partial(rings, way) for way in (COLD, ASKING, WARM)})


# --- The person hangs up -------------------------------------------------------------------------------

AWAY = "The transfer to sales did not work: somebody answered"


async def person_hangs_up(way: Way, moment: str, outcome: Outcome) -> None:
    """A person who does not stay: the caller is with the agent again, who is told why, once."""
    async with people_behind(way, STAYS) as line:
        line.tap.at(moment, lambda: line.exchange.to(SALES)[0].hang_up(PERSON))
        await has_them_back(line, await line.call(), outcome)


async def person_leaves_room(outcome: Outcome) -> None:
    """They are in the room first, and do not wait for a caller who is slow."""
    async with people_behind(WARM, replace(STAYS, leaves=Moment.WAITING)) as line:
        line.tap.at("after stream-ended", lambda: line.tap.reached("room-wait"))
        await has_them_back(line, await line.call(), outcome)


async def has_them_back(line: People, call: FinishedCall, outcome: Outcome) -> None:
    """The agent has the caller again and knows why, unless they have talked."""
    assert [told.outcome for told in await line.all_ended(call)] == [outcome], " ".join(line.tap.asked)
    assert not line.live_legs
    assert len(line.exchange.to(SALES)) == 1
    assert call.report.longest_silence_ms < SILENCE_MS_MAX, (line.tap.asked, call.report.silences)
    assert not call.report.findings
    assert call.verbs[-1] == "Hangup"
    told = [entry for session in line.stack.model.sessions for entry in session.memory if AWAY in entry]
    assert len(told) == (outcome is not Outcome.CONNECTED), told
    known = [fact for _, fact in await line.stack.desk.known(call.sid)]
    assert "resume" not in [fact.follows for fact in known if isinstance(fact, StreamAsked)], "a fault"


@pytest.mark.heavy
async def test_a_person_hangs_up_in_each_phase() -> None:
    away = [(WARM, moment, Outcome.DECLINED) for moment in WARM_MOMENTS[3:-1]]
    away += [(ASKING, moment, Outcome.DECLINED) for moment in ASKING_MOMENTS[3:]]
    away += [(WARM, WARM_MOMENTS[-1], Outcome.CONNECTED)]
    runs = {
        f"{way}, {moment}": partial(person_hangs_up, way, moment, outcome) for way, moment, outcome in away
    }
    await all_of(runs | {"alone in the room": partial(person_leaves_room, Outcome.DECLINED)})
