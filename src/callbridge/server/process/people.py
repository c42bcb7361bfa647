"""People who are asked, each in a call of their own, whether they take a caller who is on hold.

Rings them over Twilio's REST API, watches what is written down of it by whatever process, tells the caller's
call what came of it, and lets go of whoever is rung for nobody any more. What a transfer has come to is said
by `switchboard/transfer.py`, from facts alone: also another process can go on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from callbridge.call.events import TransferTold
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.telephone_facts import PersonRung
from callbridge.observe.redaction import masked_number
from callbridge.server.config.addresses import BRIEFING_PATH, PERSON_STATUS_PATH
from callbridge.server.process.within import within
from callbridge.switchboard.continuation import read_facts
from callbridge.switchboard.putting_through import Ends, NotPutThrough, PutThrough, line_number, put_through
from callbridge.switchboard.transfer import JOIN_WITHIN_S, read_transfers
from callbridge.telephony.rest.fault import FaultKind, RestFault
from callbridge.telephony.rest.outcomes import call_outcome_of
from callbridge.telephony.rest.records import NewCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator

    from callbridge.call.facts import Fact
    from callbridge.call.telephone_facts import TransferAsked
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.call_tokens import CallTokens
    from callbridge.state.state import State
    from callbridge.switchboard.transfer import TransferSoFar
    from callbridge.telephony.rest.client import TwilioRest

    Tell = Callable[[TransferTold], None]

LOOK_EVERY_S: Final = 0.5
"""How soon it is seen what another process has learnt. What this one learns is seen at once."""

READ_S: Final = 0.25
"""How long what is written down of a transfer is waited for: Twilio waits behind it."""

MOVES_WITHIN_S: Final = 3.0
"""Twilio leads a call elsewhere within about a second after it was told to."""

_NOT_OURS: Final = frozenset({21210, 21212})
"""The number that was to be shown may not be."""

_log = structlog.get_logger()


class CallerRings(Protocol):
    """Bounds how often one caller has somebody rung at once: more is a circle."""

    def has_number(self, caller: str) -> bool:
        """Whether they are not anonymous."""

    def begins(self, call_sid: str, caller: str) -> bool:
        """Whether somebody may be rung for this call; then it counts until it ends."""

    def ended(self, call_sid: str) -> None:
        """Nobody is rung for it any more."""


class People:
    """Those who are asked for the calls of one process."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        call_tokens: CallTokens,
        wall_now: Callable[[], float],
        note: Callable[[str, Fact], None],
        kept: Callable[[], Awaitable[object]],
        rings: CallerRings,
    ) -> None:
        """Nobody yet.

        Args:
            settings: addresses, and the number that is shown where there is no other.
            state: what every process has noted.
            call_tokens: let a caller's number be shown.
            wall_now: seconds since 1970.
            note: notes a fact of a call.
            kept: returns when what was noted is on disk, or cannot be in time.
            rings: bounds how often one caller has somebody rung at once.
        """
        self._settings, self._state, self._call_tokens = settings, state, call_tokens
        self._wall_now, self._note, self._kept, self._rings = wall_now, note, kept, rings
        self.rest: TwilioRest | None = None
        """Twilio's REST API, for as long as the process serves; None where it may not be used."""
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._news: dict[str, set[asyncio.Event]] = {}
        """Who waits for some, by call. More than one where the answer to an earlier request is late."""
        self._moved: dict[str, float] = {}
        """Calls that Twilio was just told to lead elsewhere or to end, and when."""

    @contextlib.asynccontextmanager
    async def opened(self, rest: TwilioRest | None) -> AsyncIterator[None]:
        """For as long as calls are served. Whoever rings at its end is told when they answer."""
        self.rest = rest
        try:
            async with asyncio.TaskGroup() as self._tasks:
                yield
                for task in self._running:
                    task.cancel()
        finally:
            self.rest = self._tasks = None

    def ask(self, asked: TransferAsked, caller: str, called: str, tell: Tell) -> None:
        """A caller is on hold: the person is rung, and `tell` is told what came of it."""
        self._begin(self._ask(asked, caller, called, tell), f"person for {asked.call_sid}")

    def has_news(self, call_sid: str) -> None:
        """A webhook has noted something of a transfer of this call."""
        for news in self._news.get(call_sid, ()):
            news.set()

    def let_go(self, call_sid: str) -> None:
        """The caller waits for nobody any more: whoever is rung for them is hung up on."""
        self.has_news(call_sid)
        if self.rest is not None:
            self._begin(self._let_go(call_sid), f"letting go for {call_sid}")

    def bring_back(self, call_sid: str, url: str) -> None:
        """The caller waits alone in a room: they are led to `url`."""
        if self.rest is not None and self._may_move(call_sid):
            self._begin(self._bring_back(call_sid, url), f"bringing back {call_sid}")

    def hang_up_on(self, call_sid: str, person_sid: str) -> None:
        """A person waits alone in a room for a caller who does not come."""
        if self.rest is not None:
            self._begin(self._end(call_sid, person_sid), f"letting go for {call_sid}")

    # --- Asking ---

    async def _ask(self, asked: TransferAsked, caller: str, called: str, tell: Tell) -> None:
        call_sid = asked.call_sid
        with self._awaited(call_sid) as news:
            await self._kept()
            # Twilio's answer may take longer than the person's: what they do is looked at meanwhile.
            async with asyncio.TaskGroup() as tasks:
                ringing = tasks.create_task(self._ring(asked, caller, called), name=f"ring for {call_sid}")
                ringing.add_done_callback(lambda _: news.set())
                await self._watch(asked, ringing, news, tell)
        self._rings.ended(call_sid)
        await self._let_go(call_sid)

    @contextlib.contextmanager
    def _awaited(self, call_sid: str) -> Iterator[asyncio.Event]:
        """News of a call, for as long as somebody waits for them."""
        news, waiting = asyncio.Event(), self._news.setdefault(call_sid, set())
        waiting.add(news)
        try:
            yield news
        finally:
            waiting.discard(news)
            if not waiting and self._news.get(call_sid) is waiting:
                del self._news[call_sid]

    async def _ring(self, asked: TransferAsked, caller: str, called: str) -> TransferTold | None:
        """Rings the person; what the call is to be told at once, if that is clear already."""
        transfer = asked.transfer
        told = TransferTold(asked.transfer_id, TransferOutcome.CARRIER_FAULT)
        ends = Ends(caller, called, is_anonymous=not self._rings.has_number(caller))
        own = self._settings.fallback_caller_id or ""
        found = put_through(ends, transfer.address, own)
        if isinstance(found, PutThrough) and not self._rings.begins(asked.call_sid, caller):
            found = NotPutThrough.LEADS_BACK  # The person's telephone forwards to us, it seems.
        if not isinstance(found, PutThrough):
            return replace(told, outcome=TransferOutcome.UNREACHABLE, detail=found.value)
        shows_caller = transfer.shows == "caller" and not found.caller_id
        token = self._call_tokens.get(asked.call_sid) if shows_caller else ""
        line = line_number(ends, own)
        if not (self.rest and line):
            return replace(told, detail="no REST, or no number to show", is_to_ring=True)
        try:
            sid = await self._create(asked, caller if token else line, token, line)
        except RestFault as fault:
            return self._not_rung(asked, fault)
        self._note(asked.call_sid, PersonRung(asked.transfer_id, sid))
        _log.info(
            "person_rung",
            call_sid=asked.call_sid,
            destination=transfer.name,
            address=masked_number(transfer.address),
            person_sid=sid,
        )
        return None

    async def _create(self, asked: TransferAsked, shown: str, token: str, line: str) -> str:
        transfer = asked.transfer
        assert self.rest is not None, "asked before"
        address = self._settings.transfer_url
        new = NewCall(
            transfer.address,
            shown,
            address(BRIEFING_PATH, asked.call_sid, asked.transfer_id),
            status_url=address(PERSON_STATUS_PATH, asked.call_sid, asked.transfer_id),
            ring_s=transfer.ring_s,
            send_digits=transfer.extension,
            call_token=token,
        )
        try:
            return await self.rest.create_call(new)
        except RestFault as fault:
            if fault.code not in _NOT_OURS or shown == line:
                raise
        # Refused, so nobody was rung: the caller's number may not be shown. The line's own may.
        return await self._create(asked, line, "", line)

    def _not_rung(self, asked: TransferAsked, fault: RestFault) -> TransferTold | None:
        log = _log.bind(call_sid=asked.call_sid, destination=asked.transfer.name, reason=str(fault))
        if fault.kind is FaultKind.UNKNOWN:
            # They may be rung all the same, and are not rung twice: if they are, Twilio reports it.
            log.warning("person_perhaps_rung")
            return None
        outcome = call_outcome_of(fault)
        # Where the account may not do it, or does not answer, `<Dial>` needs no account.
        is_to_ring = outcome is TransferOutcome.CARRIER_FAULT
        log.warning("person_not_rung", instead="the caller hears it ring" if is_to_ring else None)
        return TransferTold(asked.transfer_id, outcome, str(fault.code or ""), is_to_ring=is_to_ring)

    async def _watch(
        self,
        asked: TransferAsked,
        ringing: asyncio.Task[TransferTold | None],
        news: asyncio.Event,
        tell: Tell,
    ) -> None:
        """Until the two have met, nobody takes the call, or nobody waits any more."""
        is_told = False
        while True:
            so_far = await self._so_far(asked)
            if so_far is None and self._state.trouble is not None:
                await _look_again(news)  # Nobody can read what has become of it. Hold has a limit of its own.
                continue
            if so_far is None or not so_far.is_wanted or so_far.have_met:
                return
            if ringing.done() and (failed := ringing.result()) is not None:
                tell(failed)
                return
            outcome = so_far.outcome(self._wall_now()) if ringing.done() or so_far.person_sid else None
            if outcome is not None and not is_told:
                is_told = True
                detail = " ".join(filter(None, (so_far.status, so_far.sip_code)))
                tell(TransferTold(asked.transfer_id, outcome, detail))
                if outcome is not TransferOutcome.CONNECTED:
                    return
            elif so_far.decided_at and self._wall_now() - so_far.decided_at > JOIN_WITHIN_S:
                return
            else:
                await _look_again(news)

    async def _so_far(self, asked: TransferAsked) -> TransferSoFar | None:
        return (await transfers_of(self._state, asked.call_sid)).get(asked.transfer_id)

    # --- Letting go ---

    async def _let_go(self, call_sid: str) -> None:
        transfers = await transfers_of(self._state, call_sid)
        for so_far in transfers.values():
            if so_far.has_person and not so_far.is_wanted:
                await self._end(call_sid, so_far.person_sid)

    async def _end(self, call_sid: str, person_sid: str) -> None:
        if self.rest is None or not self._may_move(person_sid):
            return
        try:
            was_there = await self.rest.end_call(person_sid)
        except RestFault as fault:
            # The address of what they hear tells them that the caller is gone, and hangs up.
            _log.warning("person_not_let_go", call_sid=call_sid, person_sid=person_sid, reason=str(fault))
        else:
            _log.info("person_let_go", call_sid=call_sid, person_sid=person_sid, was_there=was_there)

    async def _bring_back(self, call_sid: str, url: str) -> None:
        assert self.rest is not None, "asked before"
        try:
            await self.rest.redirect_call(call_sid, url)
        except RestFault as fault:  # The room asks again in a second.
            _log.warning("caller_not_brought_back", call_sid=call_sid, reason=str(fault))

    def _may_move(self, sid: str) -> bool:
        """Whether Twilio may be told so now. Led elsewhere twice, a call would leave what it found there."""
        now = self._wall_now()
        self._moved = {moved: at for moved, at in self._moved.items() if 0 <= now - at < MOVES_WITHIN_S}
        is_new = sid not in self._moved
        self._moved.setdefault(sid, now)
        return is_new

    # --- Tasks ---

    def _begin(self, work: Coroutine[None, None, None], name: str) -> None:
        if self._tasks is None:
            work.close()  # Nobody is served any more.
            return
        task = self._tasks.create_task(_alone(work, name), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def transfers_of(state: State, call_sid: str) -> dict[str, TransferSoFar]:
    """The transfers of a call by their names, as far as anything of them can be read in time."""
    return read_transfers(read_facts(await within(READ_S, state.events(call_sid)) or ()))


async def _look_again(news: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOK_EVERY_S):
            await news.wait()
    news.clear()


async def _alone(work: Coroutine[None, None, None], name: str) -> None:
    try:
        await work
    except Exception:  # noqa: BLE001  # Our fault costs this transfer, and nobody else: hold has a limit of its own.
        _log.exception("person_not_looked_after", task=name)
