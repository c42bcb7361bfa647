"""A line behind which people can be rung: the service, its model, a strict account and its telephones."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from callbridge import Agent, Destination
from callbridge.call.telephone_facts import TransferEnded
from callbridge.simulators.account import AccountSettings, Fault, SimulatedAccount, serve_account
from callbridge.simulators.phone import SimulatedCall, Step, WaitForAgent, WaitForEnd
from callbridge.simulators.phone.call_settings import TO_NUMBER
from callbridge.simulators.phone.exchange import Exchange
from callbridge.simulators.phone.leg import Leg
from callbridge.simulators.phone.misbehaviour import Misbehaviour
from callbridge.simulators.phone.people import Person
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Says
from e2e.crowd import Case, Crowd
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN, CALL_TIMEOUT_S, FinishedCall, Stack, stack
from e2e.taps import Tap, tap_on
from random_calls import noise

SALES = "+15550100042"
Way = Literal["cold", "asking", "warm"]
COLD: Final[Way] = "cold"
ASKING: Final[Way] = "asking"
WARM: Final[Way] = "warm"

PACE = 0.05
"""A ring of 20 s is a second."""

BRIEFING = "A caller asks for a price."


def agent_with(way: Way, address: str = SALES, **more: Any) -> Agent:
    """An agent that puts callers through to sales."""
    asked: dict[str, Any] = {} if way == COLD else {"briefing": BRIEFING}
    destination = Destination(
        "sales", address, ring_s=20, warm=way == WARM, asks=way != COLD, **asked, **more
    )
    return Agent(instructions="Be brief.", greeting="Hello.", transfers=[destination])


def says(text: str) -> Says:
    """A few words."""
    return Says(text=text, audio=noise(random.Random(text), 300))


def puts_through(*afterwards: Answer) -> Script:
    """The model greets, puts the caller through at once, and says goodbye to who comes back."""
    wants = Call(name="transfer", arguments={"to": "sales", "reason": "a price"})
    goodbye = Answer(say=(says("Sorry, goodbye."),), calls=(Call(name="end_call"),))
    return Script(
        answers=(
            Answer(say=(says("Hello. I put you through."),), calls=(wants,)),
            *(afterwards or (goodbye,)),
        ),
        after_ms=20,
        answers_go_on=True,  # On the stream with which a caller comes back.
    )


@dataclass
class People:
    """What a test may ask of the line."""

    stack: Stack
    exchange: Exchange
    account: SimulatedAccount
    tap: Tap

    async def call(self, steps: Sequence[Step] | None = None, **line: Any) -> FinishedCall:
        """One call whose caller asks for sales, and waits."""
        return await self.stack.finish(self.phone(steps, **line))

    def phone(self, steps: Sequence[Step] | None = None, **line: Any) -> SimulatedCall:
        """A phone whose caller will wait for what comes."""
        settings = {"exchange": self.exchange, "verb_time": PACE, **line}
        return self.stack.phone(list(steps or (WaitForAgent(), WaitForEnd())), **settings)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns once something holds of the telephones; that is looked at a hundred times a second."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            while not holds():  # noqa: ASYNC110 - no telephone rings for a test
                await asyncio.sleep(0.01)

    @property
    def people_legs(self) -> list[Leg]:
        """The calls to people, in their order."""
        return [leg for leg in self.exchange.legs.values() if leg.direction != "inbound"]

    async def ended(self, call: FinishedCall) -> TransferEnded:
        """What became of the one transfer of a call, as it is written down."""
        (ended,) = await self.all_ended(call)
        return ended

    async def all_ended(self, call: FinishedCall) -> list[TransferEnded]:
        """What became of the transfers of a call, as it is written down."""
        known = [fact for _, fact in await self.stack.desk.known(call.sid)]
        return [fact for fact in known if isinstance(fact, TransferEnded)]

    @property
    def live_legs(self) -> list[Leg]:
        """Who is still on the line."""
        return [leg for leg in self.exchange.legs.values() if leg.is_live]

    @property
    def posts(self) -> list[str]:
        """The paths of all that was asked of the account that changes something."""
        return [seen.path for seen in self.account.seen if seen.method == "POST"]


@contextlib.asynccontextmanager
async def people_behind(
    way: Way,
    *people: Person,
    script: Script | None = None,
    faults: Sequence[Fault] = (),
    address: str = SALES,
    agent: Agent | None = None,
    environment: Mapping[str, str] | None = None,
    account_settings: Mapping[str, Any] | None = None,
    misbehaviours: Collection[Misbehaviour] = (),
    **more: Any,
) -> AsyncIterator[People]:
    """The line. `people` are who answers at sales, ring after ring."""
    async with Exchange(
        account_sid=ACCOUNT_SID,
        auth_token=AUTH_TOKEN,
        people={address: people} if people else {},
        pace=PACE,
        misbehaviours=frozenset(misbehaviours),
    ) as exchange:
        ours = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "numbers": (TO_NUMBER,)}
        settings = AccountSettings(**{**ours, **(account_settings or {})})
        account = SimulatedAccount(exchange, settings)
        for fault in faults:
            account.faults.add(fault)
        async with serve_account(account) as server:
            env = {"CALLBRIDGE_TWILIO_API_URL": server.base_url, **(environment or {})}
            async with stack(
                script or puts_through(), agent=agent or agent_with(way, address), environment=env, **more
            ) as running:
                with tap_on(running.port) as tap:
                    yield People(running, exchange, account, tap)


async def all_of(runs: Mapping[str, Case[None]]) -> None:
    """Many at once. Says of each what was wrong with it."""
    await Crowd[None]().play(runs)
