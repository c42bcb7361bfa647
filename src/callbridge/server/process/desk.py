"""What all calls of a process share, put together once: who may call, what is remembered, how the model is.

No decision stands here: each part has its own module. Routes, the media door and the observers are given the
desk and ask its parts.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.gathering import roster_of
from callbridge.agents.mcp.connections import Connections
from callbridge.bridge.own_sounds import audio_of
from callbridge.bridge.waiting import WaitingRoom
from callbridge.call import facts
from callbridge.call.actions import OwnSound
from callbridge.call.machine import CallMachine
from callbridge.call.price import microdollars
from callbridge.call.record_facts import NotKept
from callbridge.observe.feed import Feed
from callbridge.observe.first_of_kind import FirstOfKind
from callbridge.server.config.caller_keys import caller_key, key_to_remember
from callbridge.server.config.fallback import fallback_plan
from callbridge.server.config.plan import Plans, call_limits
from callbridge.server.config.prices import read_prices
from callbridge.server.config.retention import retention
from callbridge.server.config.say import words
from callbridge.server.process.call_tokens import CallTokens
from callbridge.server.process.drain import Drain
from callbridge.server.process.keeping.recordings import Recordings
from callbridge.server.process.keeping.tapes import LAST_PIECES_S
from callbridge.server.process.live_calls import LiveCalls
from callbridge.server.process.measuring.measured_dialer import MeasuredDialer
from callbridge.server.process.measuring.measures import Measures
from callbridge.server.process.model_dialing import model_dialer
from callbridge.server.process.one_by_one import OneByOne
from callbridge.server.process.people import People
from callbridge.server.process.recalling import Recalling
from callbridge.server.process.used_tokens import UsedTokens
from callbridge.server.process.within import within
from callbridge.state.memory_state import MemoryState
from callbridge.switchboard.admission import Admission, Condition, DeclineReason
from callbridge.switchboard.callers import ANONYMOUS, CallsPerCaller
from callbridge.switchboard.circuit import Circuits
from callbridge.switchboard.continuation import read_facts
from callbridge.switchboard.facts_told import agent_in, bare
from callbridge.switchboard.putting_through import Rings
from callbridge.switchboard.spending import Spending
from callbridge.telephony.ladder import RINGS_LONGER_S, FallbackPlan
from callbridge.telephony.rest.client import load, open_rest
from callbridge.telephony.signatures import SignatureCheck
from callbridge.telephony.signed_tokens import StreamTokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from callbridge.bridge.legs.leg import Dialer
    from callbridge.call.entrance import MakeMachine
    from callbridge.call.facts import Fact
    from callbridge.call.price_list import PriceList
    from callbridge.observe.loop_watch import LoopWatch
    from callbridge.observe.metrics import Metrics
    from callbridge.records.outbox.receiver import Receiver
    from callbridge.records.taping import Taping
    from callbridge.server.config.say import Said
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.keeping.records import RecordKeeping
    from callbridge.server.process.measuring.tracing import Tracing
    from callbridge.server.process.outbox.nats_sending import NatsSending
    from callbridge.server.process.outbox.webhook_sending import WebhookSending
    from callbridge.state.neighbours import ProcessSeen
    from callbridge.state.state import CallEvent, State
    from callbridge.telephony.rest.client import TwilioRest
    from callbridge.telephony.twiml import Words

REMEMBERED_S: Final = 24 * 3600.0
"""Caps look back one day."""

DISK_S: Final = 0.25
"""How long a webhook waits for the disk, which takes a millisecond."""

CLAIM_S: Final = 0.75
"""How long a ringing phone, or a stream that begins, waits for what only the state of all processes says."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """The parts. Made by `open_desk`; to be used inside `opened`."""

    settings: Settings
    state: State
    measures: Measures
    dialer: Dialer
    waiting: WaitingRoom
    tokens: StreamTokens
    circuits: Circuits
    callers: CallsPerCaller
    """What each caller may have."""
    spending: Spending
    condition: Condition
    admission: Admission
    live_calls: LiveCalls
    drain: Drain
    fallback: FallbackPlan
    rings: Rings
    plans: Plans
    loop_watch: LoopWatch | None
    now: Callable[[], float]
    """A monotonic clock, in seconds."""
    wall_now: Callable[[], float]
    """The wall clock, in seconds since 1970: for what other processes read."""
    refused: FirstOfKind = field(default_factory=FirstOfKind)
    """Who was turned away, and what was repeated."""
    circuit_opened: asyncio.Event = field(default_factory=asyncio.Event)
    """Wakes whoever probes the model."""
    told_down: set[str] = field(default_factory=set)
    """Models of which this process has told the others that they are down."""
    one_by_one: OneByOne = field(default_factory=OneByOne)
    """Webhooks of one call."""
    rest: TwilioRest | None = None
    """Twilio's REST API; nothing where it may not be used, or is not open."""
    feed: Feed = field(init=False)
    """Who follows calls live."""
    recordings: Recordings | None = field(init=False)
    """Who records calls; nothing where none is to be."""
    recalling: Recalling = field(init=False)
    call_tokens: CallTokens = field(default_factory=CallTokens)
    records: RecordKeeping | None = None
    """What is kept of calls for weeks; nothing where that is off."""
    receivers: Sequence[Receiver] = ()
    """Who is told of calls."""
    webhooks: WebhookSending | None = None
    """Who tells them; nothing where nobody is told."""
    nats: NatsSending | None = None
    """The same for NATS."""
    taping: Taping | None = None
    """Keeps what plays a call again; nothing where no call is taped."""
    tracing: Tracing | None = None
    """Who sends traces; nothing where none are wanted."""
    mcp: Connections = field(default_factory=Connections)
    """With the MCP servers of its agents."""
    people: People = field(init=False)
    knows_spending: bool = False
    """Whether what others have spent so far could be read."""
    used_tokens: UsedTokens = field(default_factory=UsedTokens)

    def __post_init__(self) -> None:
        self.feed = Feed(self.wall_now)
        self.drain.watch(self._step_taken)
        self.live_calls.tell_words_to(self.feed)
        self.people = People(
            *(self.settings, self.state, self.call_tokens, self.wall_now),
            *(self.note, self.kept, _CallerRings(self)),
        )
        place, self.recordings = self.settings.recordings_place, None
        if place is not None:
            folder = self.settings.unfinished_recordings(self.settings.state_path)
            days = self.settings.recordings_kept_days
            self.recordings = Recordings(place, folder, days, self.state.flush, self.note_once)
        self.recalling = Recalling(self.settings, self.state, self.wall_now, self.remembered_key, self._tell)

    @property
    def metrics(self) -> Metrics:
        """What facts move."""
        return self.measures.metrics

    @property
    def signature_check(self) -> SignatureCheck | None:
        """The check of this account and address; nothing where it is switched off."""
        if not self.settings.validate_signatures:
            return None
        return SignatureCheck(self.settings.auth_tokens, self.settings.public_base_url)

    @property
    def prices(self) -> PriceList:
        """What everything costs."""
        return read_prices(self.settings.prices).list

    @property
    def make_machine(self) -> MakeMachine:
        """Makes the machine of a call; of one that is taped another one than of the rest."""
        return CallMachine if self.taping is None else self.taping.machine

    def caller_key(self, caller: str) -> str:
        """The key under which a caller is counted: no number is kept."""
        return caller_key(self.settings, caller)

    def remembered_key(self, caller: str) -> str:
        """The key under which is kept what is remembered of a caller; empty for who cannot be told apart."""
        return key_to_remember(self.settings, caller)

    def rings_in_a_circle(self, call_sid: str, caller: str) -> bool:
        """Whether too many calls of this caller ring people already: a telephone may lead back here unseen.

        Callers without a number cannot be told apart; but the number shown for them leads back by itself.
        """
        key = self.caller_key(caller)
        return key != ANONYMOUS and self.rings.is_busy(call_sid, key, self.now())

    def look_around(self) -> None:
        """Notes what may have changed in the process itself since the last offer."""
        self.condition.is_draining = self.drain.reason_not_ready() is not None
        self.condition.is_leaving = self.drain.is_leaving
        self.condition.has_healthy_store = self.state.trouble is None
        self.condition.is_loop_late = self.loop_watch is not None and self.loop_watch.is_late

    def reasons_to_decline(self) -> list[DeclineReason]:
        """Why no new call is taken at this moment, all of it; nothing when calls are welcome."""
        self.look_around()
        return self.admission.reasons_to_decline(self.plans.model(), self.now())

    def words(self, field: Said, agent: str) -> Words:
        """What Twilio's voice says to callers of this agent, in their language."""
        return words(self.settings, field, self.plans.language(agent))

    def fallback_of(self, agent: str) -> FallbackPlan:
        """What callers of this agent get whom it cannot serve, in their language."""
        return fallback_plan(self.settings, self.plans.language(agent))

    async def agent_of(self, call_sid: str) -> str:
        """The name of who has this call, or was to have it; empty where nothing is known of it."""
        return agent_in(fact for _, fact in await self.known(call_sid))

    def _step_taken(self) -> None:
        """The process takes a step on its way out, or back: the others are told, and who follows calls."""
        self.state.say(is_leaving=self.drain.is_leaving)
        if self.drain.others_go_on:
            self.feed.leave()

    def note(self, call_sid: str, fact: Fact) -> None:
        """What a webhook has learnt. Its number and time are the store's: several processes write these."""
        fact = msgspec.structs.replace(fact, call_sid=call_sid, source=facts.HTTP)
        self.state.append(call_sid, fact.kind, facts.encode(facts.for_the_state(fact)))
        self._tell(fact)

    def _tell(self, fact: Fact) -> None:
        """What the state has, for whoever follows the call, and for its record."""
        self.feed(fact)
        self.metrics(fact)
        if self.records is not None:
            self.records.noted(fact)

    async def note_once(self, call_sid: str, fact: Fact) -> bool:
        """The same for news that may come twice. Whether it was the first time."""
        async with self.one_by_one.of(call_sid):
            known = (bare(told) for _, told in await self.known(call_sid) if told.source == facts.HTTP)
            is_news = bare(facts.for_the_state(fact)) not in known
            if is_news:
                self.note(call_sid, fact)
            return is_news

    async def known(self, call_sid: str) -> list[tuple[float, Fact]]:
        """The facts of the call, with the wall time of each; none when the disk keeps a phone waiting."""
        return read_facts(await self.events(call_sid))

    async def events(self, call_sid: str) -> tuple[CallEvent, ...]:
        """The same as the state keeps it."""
        return await within(DISK_S, self.state.events(call_sid)) or ()

    async def is_first_use(self, digest: bytes, expires_at: float) -> bool:
        """Whether nobody has shown this before, in any process; while that is not answered, in this one."""
        is_first = await within(CLAIM_S, self.state.claim_token(digest, expires_at))
        is_first_here = self.used_tokens.claim(digest, expires_at, self.wall_now())
        return is_first_here and is_first is not False

    async def others(self) -> tuple[ProcessSeen, ...]:
        """The other processes that serve the number, as far as that is known in time."""
        return await within(DISK_S, self.state.others()) or ()

    async def kept(self) -> bool:
        """Whether what was noted is on disk, which the next answer depends on; returns after `DISK_S`."""
        return self.state.trouble is None and bool(await within(DISK_S, self.state.flush()))

    async def start_kept(self, call_sid: str) -> bool:
        """The same before Twilio is told to open a stream: that it was not kept is a fact of the call."""
        began_at = self.now()
        is_kept = await self.kept()
        if not is_kept:
            self.note(call_sid, NotKept("start", round((self.now() - began_at) * 1000)))
        return is_kept

    def release(self, call_sid: str) -> None:
        """No stream of this call will come any more: its place is free, what was said in it is dropped."""
        self.note(call_sid, facts.CallOver())
        self.call_tokens.forget(call_sid)
        self.people.let_go(call_sid)
        self.admission.abandoned(call_sid, self.now())
        self.state.free_place(call_sid)
        self.waiting.discard(call_sid)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """For as long as calls are served: with what earlier processes knew, and sessions that may wait."""
        await self.restore()
        if self.records is not None:
            self.records.begin()
        if self.taping is not None:
            self.taping.begin()
        try:
            async with (
                self.recordings.opened() if self.recordings is not None else contextlib.nullcontext(),
                self.waiting,
                self._rest_opened(),
                self.people.opened(self.rest),
            ):
                yield
        finally:
            self.feed.close()
            if self.taping is not None:
                await asyncio.to_thread(self.taping.end, LAST_PIECES_S)
            if self.records is not None:
                await self.state.flush()
                await self.records.end()
            await self.state.close()

    @contextlib.asynccontextmanager
    async def _rest_opened(self) -> AsyncIterator[None]:
        if self.rest is not None or not self.settings.twilio_rest:
            yield
            return
        await asyncio.to_thread(load)
        await asyncio.to_thread(audio_of, OwnSound.ON_HOLD)  # Made in a call, it would be late by a frame.
        async with open_rest(self.settings.rest_credentials) as rest:
            self.rest = rest
            try:
                yield
            finally:
                self.rest = None

    async def restore(self) -> None:
        """What was spent so far, of which a state that is away knows only what waits: then ask again."""
        spent = await self.state.spend(self.wall_now() - REMEMBERED_S)
        self.knows_spending = self.state.trouble is None
        sound = [note for note in spent if note[1] >= 0]  # Whoever else writes there must stop nobody.
        self.spending.restore(sound, wall_now=self.wall_now(), now=self.now())


@dataclass(frozen=True, slots=True)
class _CallerRings:
    """The desk's, by the callers' numbers. Who has none cannot be told from another, and is not counted."""

    desk: Desk

    def has_number(self, caller: str) -> bool:
        return self.desk.caller_key(caller) != ANONYMOUS

    def begins(self, call_sid: str, caller: str) -> bool:
        if self.desk.rings_in_a_circle(call_sid, caller):
            return False
        self.desk.rings.began(call_sid, self.desk.caller_key(caller), self.desk.now())
        return True

    def ended(self, call_sid: str) -> None:
        self.desk.rings.ended(call_sid)


def open_desk(
    settings: Settings,
    plans: Plans | None = None,
    *,
    state: State | None = None,
    drain: Drain | None = None,
    live_calls: LiveCalls | None = None,
    loop_watch: LoopWatch | None = None,
    circuits: Circuits | None = None,
    now: Callable[[], float] = time.monotonic,
    wall_now: Callable[[], float] = time.time,
) -> Desk:
    """The desk of one configuration. What is left out is made here."""
    # Not `or`: one without a call is false, and the drain would wait for a list that nobody fills.
    live_calls = LiveCalls() if live_calls is None else live_calls
    circuits = circuits or Circuits()
    spending, condition, measures = _spending(settings), Condition(), Measures(wall_now)
    dialer = MeasuredDialer(model_dialer(settings, measures.told_date), measures.metrics.dialled)
    return Desk(
        settings=settings,
        state=state or MemoryState(wall_now, retention(settings)),
        measures=measures,
        dialer=dialer,
        waiting=WaitingRoom(dialer),
        tokens=StreamTokens(settings.own_secret, secrets.token_bytes, honoured=settings.auth_tokens),
        circuits=circuits,
        callers=_callers(settings),
        spending=spending,
        condition=condition,
        admission=Admission(
            calls_max=settings.calls_max,
            starts_per_second=settings.call_starts_per_second,
            circuits=circuits,
            spending=spending,
            condition=condition,
        ),
        live_calls=live_calls,
        drain=drain or Drain(live_calls, settings.drain_seconds),
        fallback=fallback_plan(settings),
        rings=Rings(settings.fallback_dial_seconds + 2.0 * RINGS_LONGER_S),
        plans=plans or Plans(settings, roster_of(Agent()), call_limits(settings)),
        loop_watch=loop_watch,
        now=now,
        wall_now=wall_now,
    )


def _callers(settings: Settings) -> CallsPerCaller:
    of = settings.calls_per_caller_of or {}
    return CallsPerCaller(
        at_once=settings.calls_per_caller,
        per_10_minutes=settings.calls_per_caller_10_minutes,
        per_day=settings.calls_per_caller_day,
        anonymous_at_once=settings.anonymous_calls_max,
        anonymous_per_day=settings.anonymous_calls_day,
        at_once_of={caller_key(settings, name): calls for name, calls in of.items()},
    )


def _spending(settings: Settings) -> Spending:
    return Spending(
        per_hour_max_microdollars=_cap(settings.spend_per_hour_max),
        per_day_max_microdollars=_cap(settings.spend_per_day_max),
    )


def _cap(dollars: float | None) -> int | None:
    return None if dollars is None else microdollars(dollars)
