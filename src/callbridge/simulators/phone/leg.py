"""A leg: one call at Twilio, the caller's or one that was made, with its state and what was heard on it.

It can be sent elsewhere, or ended, at any moment and by anybody: whatever is being carried out on it is left
at once. Who carries it out is `execution`.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from callbridge.simulators.phone import events, webhooks
from callbridge.simulators.phone.callbacks import Callbacks
from callbridge.simulators.phone.dial_nouns import Callback
from callbridge.simulators.phone.leg_record import LegRecord, now
from callbridge.simulators.phone.people import SIP_CODES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from collections.abc import Set as AbstractSet

    from callbridge.simulators.phone.misbehaviour import Misbehaviour
    from callbridge.simulators.phone.people import Moment, Person

T = TypeVar("T")

QUEUED, RINGING, IN_PROGRESS = "queued", "ringing", "in-progress"
LIVE = frozenset({QUEUED, RINGING, IN_PROGRESS})
"""Statuses of a call that is not over."""

CALLER = "caller"
"""Who hung up: whose telephone the leg leads to, as `PERSON` for a leg that was made."""
PERSON = "person"
API = "api"
"""Somebody over REST."""
EXCHANGE = "exchange"
"""Twilio, as the other side is gone."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """The leg is sent to a document."""

    url: str
    method: str


@dataclass(frozen=True, slots=True)
class RedirectedTo:
    """The leg is given a document."""

    document: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """The leg is over."""

    by_whom: str

    @property
    def is_on_this_side(self) -> bool:
        """Whether they put down the telephone to which the leg leads."""
        return self.by_whom in {CALLER, PERSON}


Cut: TypeAlias = Redirected | RedirectedTo | HungUp
"""What breaks off whatever a leg is in."""


class Leg(LegRecord):
    """One call at Twilio."""

    def __init__(
        self,
        line: webhooks.Line,
        *,
        status: str = RINGING,
        pace: float = 0.0,
        misbehaviours: AbstractSet[Misbehaviour] = frozenset(),
        on_event: Callable[[events.PhoneEvent], None] | None = None,
    ) -> None:
        super().__init__(on_event)
        self.line = line
        self.status = status
        self.created_at = datetime.now(UTC)
        self.answered_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.left_queue_at: datetime | None = None
        """Of one that was created over REST."""
        self.duration_s: int | None = None
        """From the answer to the end, on the line; None until then and without an answer."""
        self.hung_up_by: str | None = None
        """`caller`, `person`, `api` or `exchange`; None when the document ended the call, or nothing yet."""
        self.answered_or_over, self.over = asyncio.Event(), asyncio.Event()
        self.begun_at = 0.0
        """On the clock of the event loop, as `answered_at_s`."""
        self.answered_at_s: float | None = None
        self.closed_at = 0.0
        """When nothing went on beside it any more."""
        self.person: Person | None = None
        """Who has picked up."""
        self.pace = pace
        """How much of its scripted seconds is waited for."""
        self.progress: Callback | None = None
        """Who is told how the call fares."""
        self.on_key: Callable[[str], None] | None = None
        """What a key of the caller's does outside of a stream."""
        self.cut: Cut | None = None
        """What breaks off the present step; whoever carries it out takes it."""
        self.tasks: asyncio.TaskGroup | None = None
        """Of what goes on beside the call, as long as it lasts."""
        self.web = webhooks.Webhooks(line, misbehaviours)
        self.callbacks = Callbacks(self.web, misbehaviours, self.complain)
        self._react: Callable[[], None] | None = None
        self._told, self._is_waiting = 0, False
        self._moment: Moment | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._answered_on_line = 0.0

    def __repr__(self) -> str:
        return f"<Leg {self.sid} {self.direction} to {self.to_address}, {self.status}>"

    @property
    def sid(self) -> str:
        """CallSid."""
        return self.line.call_sid

    @property
    def parent_sid(self) -> str | None:
        """CallSid of the leg whose `<Dial>` made this one."""
        return self.line.parent_sid

    @property
    def from_address(self) -> str:
        """What the other side is shown."""
        return self.line.from_number

    @property
    def to_address(self) -> str:
        """Who was called."""
        return self.line.to_number

    @property
    def direction(self) -> str:
        """`inbound`, `outbound-api` or `outbound-dial`."""
        return self.line.direction

    @property
    def party(self) -> str:
        """Whose telephone the leg leads to."""
        return self.from_address if self.direction == "inbound" else self.to_address

    @property
    def is_live(self) -> bool:
        """Whether it is not over: `queued`, `ringing` or `in-progress`."""
        return self.status in LIVE

    # --- From outside ---------------------------------------------------------------------

    async def redirect(self, url: str, method: str = "POST") -> bool:
        """Send the call to another document; False when it is not in progress (21220)."""
        return self.send_elsewhere(Redirected(url, method))

    def redirect_to(self, document: str) -> bool:
        """Give the call another document; False when it is not in progress (21220)."""
        return self.send_elsewhere(RedirectedTo(document))

    def send_elsewhere(self, cut: Redirected | RedirectedTo) -> bool:
        """Both; False when the call is not in progress."""
        if self.status != IN_PROGRESS or isinstance(self.cut, HungUp):
            return False
        self.break_off(cut)
        return True

    def hang_up(self, by_whom: str = API) -> bool:
        """End the call, whatever its state; False when it is over."""
        if not self.is_live or isinstance(self.cut, HungUp):
            return False
        self.break_off(HungUp(by_whom))
        return True

    def cancel(self) -> bool:
        """End the call if nobody has answered it yet; False otherwise (21220)."""
        return self.status in {QUEUED, RINGING} and self.hang_up()

    def report_to(self, url: str, method: str) -> None:
        """Tell another address from now on how the call fares: of the same events."""
        events = self.progress.events if self.progress is not None else frozenset({"completed"})
        self.progress = Callback(url, method, events)

    def press(self, key: str) -> None:
        """A key outside of a stream: it does something where a `<Dial>` waits for it."""
        if self.on_key is not None:
            self.on_key(key)

    @asynccontextmanager
    async def open(self, afterwards: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[None]:
        """Within it the call takes place; what goes on beside it is over when it is left.

        Args:
            afterwards: what comes last.
        """
        self.begun_at = now()
        async with self.web:
            async with asyncio.TaskGroup() as self.tasks:
                yield
            self.tasks = None
            self.closed_at = now()
            await self.callbacks.post_late()
            if afterwards is not None:
                await afterwards()

    # --- Breaking off -----------------------------------------------------------------------

    def break_off(self, cut: Cut) -> None:
        """Leave the present step at once; nothing comes after a hang-up."""
        self.cut = cut
        if self._react is not None:
            self._react()

    def take_cut(self) -> Cut | None:
        """What broke off the step, and no more."""
        cut, self.cut = self.cut, None
        return cut

    @contextmanager
    def reacting(self, react: Callable[[], None]) -> Iterator[None]:
        """Within it `react` is called when the leg is sent elsewhere, or has been already."""
        before, self._react = self._react, react
        try:
            if self.cut is not None:
                react()
            yield
        finally:
            self._react = before

    async def unless_cut(self, work: Awaitable[T]) -> T | None:
        """The result of `work`; None when the leg was sent elsewhere meanwhile, which cancels it."""
        try:
            async with asyncio.timeout(None) as leash:
                with self.reacting(partial(_pull, leash)):
                    return await work
        except TimeoutError:
            if not leash.expired():
                raise
        return None

    async def wait(self, seconds: float) -> bool:
        """Let so much of the line's time pass; False when it was broken off."""
        began_at = now()
        waited_s = seconds * self.pace
        self._is_waiting = True
        is_done = await self.unless_cut(_sleep(waited_s)) is not None
        self._is_waiting = False
        if is_done:
            self.clock.skip(now(), seconds - waited_s)
        elif self.pace:
            passed_s = now() - began_at
            self.clock.skip(now(), min(passed_s / self.pace, seconds) - passed_s)
        return is_done

    async def pause(self, seconds: float) -> None:
        """The same beside whatever the leg is in; nothing breaks it off, and no clock is put forward."""
        await asyncio.sleep(seconds * self.pace)

    def reach(self, moment: Moment) -> None:
        """Somebody who has picked up has come so far: they may have enough of it, now or later."""
        if self.person is None or moment is self._moment:
            return
        self._moment = moment
        self._stay()
        after_s = self.person.leaves_after(moment)
        if after_s is None:
            return
        if after_s * self.pace == 0:
            self._leave(after_s)
        else:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(after_s * self.pace, self._leave, after_s)

    def _leave(self, after_s: float) -> None:
        # What is waited for counts its own time.
        if not self._is_waiting:
            self.clock.skip(now(), after_s * (1 - self.pace))
        self.hang_up(PERSON)

    def _stay(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()

    # --- State ------------------------------------------------------------------------------

    def left_queue(self) -> None:
        """It is dialled now."""
        self.status = RINGING
        self.left_queue_at = datetime.now(UTC)
        self._tell("initiated", "initiated")

    def rings(self) -> None:
        """The other telephone rings."""
        self._tell("ringing", RINGING)

    def answer(self) -> None:
        """Somebody or something has picked up."""
        self.status = IN_PROGRESS
        self.answered_at = datetime.now(UTC)
        self.answered_at_s = now()
        self._answered_on_line = self.clock.on_line(now())
        self.answered_or_over.set()
        self._tell("answered", IN_PROGRESS)

    def end(self, status: str) -> None:
        """The call is over."""
        if not self.is_live:
            return
        self._stay()
        was_queued = self.status == QUEUED
        self.status = status
        self.ended_at = datetime.now(UTC)
        told = {"SipResponseCode": str(SIP_CODES.get(status, 200))}
        if self.answered_at is not None:
            self.duration_s = round(self.clock.on_line(now()) - self._answered_on_line)
            told |= webhooks.duration_parameters(self.duration_s)
        # Twilio's page on statuses: of a call that is cancelled in the queue nobody is told.
        if not was_queued:
            self._tell("completed", status, told)
        self.answered_or_over.set()
        self.over.set()

    def _tell(self, event: str, status: str, more: dict[str, str] | None = None) -> None:
        if self.direction != "inbound" and event != "initiated":
            self.notify(events.PersonReached(now(), status))
        callback = self.progress
        if callback is None or event not in callback.events or self.tasks is None:
            return
        parameters = webhooks.progress_parameters(self.line, status, self._told) | (more or {})
        self._told += 1
        where = callback.url, callback.method
        self.callbacks.post(self.tasks, where, parameters, name=event, in_turn=True)


def new_sid(prefix: str) -> str:
    """A SID of Twilio's form."""
    return f"{prefix}{secrets.token_hex(16)}"


async def _sleep(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return True


def _pull(leash: asyncio.Timeout) -> None:
    if not leash.expired():
        leash.reschedule(now())
