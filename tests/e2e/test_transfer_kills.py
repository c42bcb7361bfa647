"""`kill -9` in the middle of transfers: the two meet all the same, or each is told; nobody is rung anew."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from callbridge.call.outcomes import TransferOutcome as Outcome
from callbridge.call.telephone_facts import TransferEnded
from callbridge.simulators.account import AccountSettings, SimulatedAccount, serve_account
from callbridge.simulators.phone import WaitForAgent, WaitForEnd
from callbridge.simulators.phone.call_settings import TO_NUMBER
from callbridge.simulators.phone.exchange import Exchange
from callbridge.simulators.phone.people import Person
from callbridge.simulators.voice_model import Answer, Call, Script, serve_model
from callbridge.state.sqlite_state import SqliteState
from callbridge.switchboard.continuation import read_facts
from e2e.processes import Front, goodbye, services
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN, CALL_TIMEOUT_S, variables
from e2e.taps import tap_on
from e2e.transfers import PACE, says
from leftovers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from callbridge.simulators.phone import SimulatedCall
    from callbridge.simulators.voice_model import ModelServer
    from e2e.processes import Service
    from e2e.stack import FinishedCall
    from e2e.taps import Tap

pytestmark = [pytest.mark.usefixtures("nothing_left", "without_debugging"), pytest.mark.heavy]

AGENT = """
from callbridge import Agent, Destination

agent = Agent(
    instructions="Be brief.",
    greeting="Hello.",
    transfers=[
        Destination("warm", "+15550100041", ring_s=120, warm=True, briefing="A price."),
        Destination("asking", "+15550100042", ring_s=120, asks=True, briefing="A price."),
        Destination("cold", "+15550100043", ring_s=120),
    ],
)
"""
NUMBERS = {"warm": "+15550100041", "asking": "+15550100042", "cold": "+15550100043"}

STAYS = Person(presses=("1",), talks_s=10.0)
SLOW = Person(presses=("1",), talks_s=10.0, after_s=100.0)
"""It rings for five seconds of this test: longer than all that is still to come takes."""

SILENCE_MS_MAX = 4000


def wanting(*names: str) -> Script:
    """One caller after the other is put through to these."""
    answers = (
        Answer(
            say=(says(f"I put you through, {number}."),),
            calls=(Call(name="transfer", arguments={"to": name, "reason": "a price"}),),
        )
        for number, name in enumerate(names)
    )
    return Script(answers=tuple(answers), after_ms=20, answers_go_on=True)


class Town:
    """Two processes behind one address, one after the other, and everybody's telephones."""

    def __init__(
        self, chain: list[Service], front: Front, models: list[ModelServer], exchange: Exchange, tap: Tap
    ) -> None:
        self.first, self.second = chain
        self.front, self.exchange, self.tap = front, exchange, tap
        self.model = models[1]
        self.line = self.first.line(models[0])
        self.is_killed = asyncio.Event()
        self.killed_at = math.inf
        """By the loop's clock."""

    def phone(self, number: int) -> SimulatedCall:
        """One that is about to call; each has a number of its own."""
        return self.line.phone(
            [WaitForAgent(), WaitForEnd()],
            exchange=self.exchange,
            verb_time=PACE,
            from_number=f"+1555010010{number}",
        )

    def hold(self, where: str) -> asyncio.Event:
        """Whoever comes there waits until the process is dead; the event says that they have come."""
        has_come = asyncio.Event()

        async def wait() -> None:
            has_come.set()
            await self.is_killed.wait()

        self.tap.at(where, wait)
        return has_come

    async def leave(self) -> None:
        """A deploy: the first process is told to go, and hands its calls over after a moment."""
        self.front.send_to(self.second)
        self.first.signal(signal.SIGTERM)
        assert await self.first.ended(CALL_TIMEOUT_S) == 0

    async def kill(self) -> None:
        """From now on the second process is the service."""
        self.front.send_to(self.second)
        self.first.signal(signal.SIGKILL)
        await self.first.ended(5)
        self.killed_at = asyncio.get_running_loop().time()
        self.is_killed.set()


@contextlib.asynccontextmanager
async def town(folder: Path, script: Script, people: dict[str, list[Person]]) -> AsyncIterator[Town]:
    """It is up."""
    (folder / "shop.py").write_text(AGENT, encoding="utf-8")
    async with contextlib.AsyncExitStack() as context:
        models = [await context.enter_async_context(serve_model(each)) for each in (script, goodbye("last"))]
        exchange = await context.enter_async_context(
            Exchange(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, people=people, pace=PACE)
        )
        settings = AccountSettings(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, numbers=(TO_NUMBER,))
        account = await context.enter_async_context(serve_account(SimulatedAccount(exchange, settings)))
        front = await context.enter_async_context(Front().open())
        more = {
            "CALLBRIDGE_STATE_PATH": str(folder / "state.db"),
            "CALLBRIDGE_TWILIO_API_URL": account.base_url,
            "CALLBRIDGE_AGENT": "shop:agent",
            "CALLBRIDGE_DRAIN_SECONDS": "1",
        }
        given = [variables(front.url, model.url, **more) for model in models]
        chain = await context.enter_async_context(services(folder, *given))
        tap = context.enter_context(tap_on(int(front.url.rpartition(":")[2])))
        front.send_to(chain[0])
        running = Town(chain, front, models, exchange, tap)
        try:
            yield running
        finally:
            running.is_killed.set()
        assert not any(leg.is_live for leg in exchange.legs.values())


async def became_of(folder: Path, call_sid: str) -> list[Outcome]:
    """What is written down of the transfers of a call."""
    state = SqliteState(folder / "state.db")
    try:
        known = read_facts(await state.events(call_sid))
        return [fact.outcome for _, fact in known if isinstance(fact, TransferEnded)]
    finally:
        await state.close()


MOMENTS = {
    "whisper": ("asking", ("after briefing",)),
    "briefing": ("warm", ("after briefing",)),
    "in the room": ("warm", ("before person-waits", "after room-wait")),
    "taken": ("warm", ("after briefing-key", "before stream-ended")),
    "rings, warm": ("warm", ()),
    "rings, asking": ("asking", ()),
    "rings, cold": ("cold", ()),
    "at the key": ("warm", ()),
}
"""To whom the caller is put through, and what is held up until the process is dead."""

OUTCOMES = {
    "briefing": Outcome.CARRIER_FAULT,
    "taken": Outcome.CONNECTED,
    "in the room": Outcome.CONNECTED,
    "whisper": Outcome.CONNECTED,
    "rings, warm": Outcome.CARRIER_FAULT,
    "rings, asking": Outcome.CONNECTED,
    "rings, cold": Outcome.CONNECTED,
    "at the key": Outcome.CONNECTED,
}


async def test_a_kill_in_each_phase_of_a_transfer(tmp_path: Path) -> None:
    """The last of them presses the key, and at this moment it is killed."""
    people = {
        NUMBERS["warm"]: [STAYS, STAYS, STAYS, SLOW, STAYS],
        NUMBERS["asking"]: [STAYS, SLOW],
        NUMBERS["cold"]: [SLOW],
    }
    script = wanting(*(name for name, _ in MOMENTS.values()))
    calls: dict[str, asyncio.Task[FinishedCall]] = {}
    async with town(tmp_path, script, people) as running, asyncio.TaskGroup() as calling:
        for moment in MOMENTS:
            calls[moment] = await put_in(running, calling, moment, len(calls))
    assert running.second.faults == []
    for moment, call in calls.items():
        report = call.result().report
        assert await became_of(tmp_path, report.call_sid) == [OUTCOMES[moment]], moment
        assert silence_ms(call.result(), running.killed_at) < SILENCE_MS_MAX, (moment, report.silences)
        assert not report.findings
    wanted = Counter(name for name, _ in MOMENTS.values())
    assert {name: len(running.exchange.to(NUMBERS[name])) for name in NUMBERS} == wanted, "rung anew"
    knows = [
        session for session in running.model.sessions if any("technical fault" in it for it in session.memory)
    ]
    assert len(knows) == Counter(OUTCOMES.values())[Outcome.CARRIER_FAULT]


def silence_ms(call: FinishedCall, killed_at: float) -> float:
    """The longest since then: before it, what is held up here holds up the caller as well."""
    killed_ms = (killed_at - call.phone.placed_at) * 1000
    return max((one.to_ms - max(one.from_ms, killed_ms) for one in call.report.silences), default=0.0)


async def put_in(
    running: Town, calling: asyncio.TaskGroup, moment: str, number: int
) -> asyncio.Task[FinishedCall]:
    """One more call, until it has come to its moment."""
    name, holds = MOMENTS[moment]
    reached = [running.hold(where) for where in holds]
    if moment == "at the key":
        running.tap.at("after briefing-key", running.kill)
        reached = [running.is_killed]
    others = len(running.exchange.to(NUMBERS[name]))
    call = calling.create_task(running.line.finish(running.phone(number)), name=moment)
    assert await until(lambda: all(event.is_set() for event in reached), 10), (moment, running.tap.asked)
    assert await until(lambda: len(running.exchange.to(NUMBERS[name])) > others, 10), moment
    return call


async def test_a_deploy_while_a_caller_is_on_hold(tmp_path: Path) -> None:
    """It waits a while for the people: who is taken is put through, who is not has the next agent."""
    people = {NUMBERS["warm"]: [replace(SLOW, after_s=10.0), replace(SLOW, after_s=200.0)]}
    async with town(tmp_path, wanting("warm", "warm"), people) as running, asyncio.TaskGroup() as calling:
        calls = []
        for number in range(2):
            calls.append(calling.create_task(running.line.finish(running.phone(number))))
            assert await until(lambda: len(running.exchange.to(NUMBERS["warm"])) == len(calls), 10)
        await running.leave()
    assert running.first.faults == running.second.faults == []
    became = [await became_of(tmp_path, call.result().sid) for call in calls]
    assert became == [[Outcome.CONNECTED], [Outcome.NO_ANSWER]]
    assert any("nobody answered" in told for session in running.model.sessions for told in session.memory)
    for call in calls:
        assert call.result().report.longest_silence_ms < SILENCE_MS_MAX, call.result().report.silences
    assert len(running.exchange.to(NUMBERS["warm"])) == 2
