"""The exchange: all telephones and calls of an account, where one call can reach another.

It rings people for `<Dial>` and for calls that are made over REST, and keeps the rooms in which legs meet.
What it does is Twilio's, who is rung is scripted (`people`), and what a leg executes comes from webhooks.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self

from callbridge.simulators.phone.attendance import attend
from callbridge.simulators.phone.call_settings import ACCOUNT_SID, AUTH_TOKEN, CallSettings
from callbridge.simulators.phone.callbacks import Callbacks
from callbridge.simulators.phone.carrier_codes import Complaint
from callbridge.simulators.phone.conferences import Conferences
from callbridge.simulators.phone.dial_nouns import Callback
from callbridge.simulators.phone.dialling import Dialling
from callbridge.simulators.phone.execution import Execution
from callbridge.simulators.phone.leg import EXCHANGE
from callbridge.simulators.phone.leg_record import now
from callbridge.simulators.phone.machine_detection import answered_by, tell_later
from callbridge.simulators.phone.new_leg import NewLeg
from callbridge.simulators.phone.program import Role
from callbridge.simulators.phone.ringing import AccountNumber, Telephones, not_answered
from callbridge.simulators.phone.twiml import DIAL_TIME_LIMIT_S
from callbridge.simulators.phone.webhooks import Line, Webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from types import TracebackType

    from callbridge.simulators.phone.leg import Leg
    from callbridge.simulators.phone.misbehaviour import Misbehaviour
    from callbridge.simulators.phone.people import Person
    from callbridge.simulators.phone.steps import Dialled, EnterRoom, Ring

__all__ = ["AccountNumber", "Exchange", "NewLeg"]

PACE = 0.02
"""A ring of 25 s is half a second of a test's time."""


class Exchange(Telephones):
    """An account's telephones. An async context manager: when it is left, all its calls end.

    Args:
        account_sid: of the account; it must be the caller's (`CallSettings.account_sid`).
        auth_token: signs the webhooks.
        people: who is at which address: a number, `sip:…` or `client:…`. Of several persons each answers one
            ring, and the last one all others. Nobody can be reached anywhere else.
        numbers: the account's own.
        pace: how much of the scripted seconds is waited for: of rings, texts and talks. 1 is as in life.
        call_out_every_s: how long a call waits for the one before it, at that pace.
        misbehaviours: of the webhooks of all legs that are made.
        settings: of the same legs; what is named above replaces it there.
    """

    def __init__(
        self,
        *,
        account_sid: str = ACCOUNT_SID,
        auth_token: str = AUTH_TOKEN,
        people: Mapping[str, Person | Sequence[Person]] | None = None,
        numbers: Mapping[str, AccountNumber] | None = None,
        pace: float = PACE,
        call_out_every_s: float = 1.0,
        misbehaviours: AbstractSet[Misbehaviour] = frozenset(),
        settings: CallSettings | None = None,
    ) -> None:
        made = replace(
            settings or CallSettings(),
            account_sid=account_sid,
            auth_token=auth_token,
            verb_time=pace,
            misbehaviours=frozenset(misbehaviours),
            exchange=self,
        )
        super().__init__(people or {}, numbers or {}, made)
        self.complaints: list[Complaint] = []
        """What Twilio minds of the rooms' callbacks; that of a call is the leg's."""
        self.conferences = Conferences(account_sid, self._post)
        self._call_out_every_s = call_out_every_s * pace
        self._next_call_out_at = 0.0
        self._web = Webhooks(Line(account_sid, auth_token, "", "", ""), self.settings.misbehaviours)
        self._callbacks = Callbacks(self._web, self.settings.misbehaviours, self._complain)

    async def __aenter__(self) -> Self:
        await self._web.__aenter__()
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
            await self._callbacks.post_late()
        finally:
            await self._web.__aexit__()

    # --- Calls that are made ------------------------------------------------------------------

    def call_out(self, leg: NewLeg) -> Leg:
        """Make a call, as REST does: it is queued, and one a second leaves the queue."""
        asked, callback = leg, None
        if asked.status_callback:
            events = frozenset(asked.status_callback_events)
            callback = Callback(asked.status_callback, asked.status_callback_method, events)
        made = self.new_leg(asked.to_address, asked.from_address, "outbound-api", None, callback)
        begins_at = max(now(), self._next_call_out_at)
        self._next_call_out_at = begins_at + self._call_out_every_s
        self.start(made, partial(self._live, made, asked, begins_at))
        return made

    async def _live(self, leg: Leg, asked: NewLeg, begins_at: float) -> None:
        if await leg.unless_cut(_sleep(begins_at - now())) is None:
            not_answered(leg, "canceled")
        elif await self.ring(leg, asked.timeout_s):
            leg.keys_heard = asked.send_digits
            with self._limited(leg, asked.time_limit_s):
                await self._execute(leg, asked)

    async def _execute(self, leg: Leg, asked: NewLeg) -> None:
        fallback = (asked.fallback_url, asked.fallback_method) if asked.fallback_url else None
        program = self.program(leg, asked.url, asked.method, Role.CALL, fallback)
        verdict = await answered_by(leg, asked)
        tell_later(leg, asked)
        told = (("AnsweredBy", verdict),) if verdict else ()
        step = program.begin(told) if asked.url else program.begin_with(asked.twiml)
        leg.end(await Execution(leg, program, self.settings, self.voice_of(leg)).run(step))

    @contextmanager
    def _limited(self, leg: Leg, limit_s: float) -> Iterator[None]:
        """Twilio hangs up when the call has lasted so long."""
        if limit_s == DIAL_TIME_LIMIT_S:
            yield
            return
        timer = asyncio.get_running_loop().call_later(limit_s * leg.pace, leg.hang_up, EXCHANGE)
        try:
            yield
        finally:
            timer.cancel()

    # --- For calls ----------------------------------------------------------------------------

    async def dial(self, parent: Leg, step: Ring, connected: Callable[[], None]) -> Dialled:
        """Carry out a `<Dial>` of somebody's; `connected` is told when the two are."""
        return await Dialling(self, parent, step, connected).run()

    async def enter(self, leg: Leg, step: EnterRoom) -> str | None:
        """Carry out a `<Dial><Conference>`: see `attend`."""
        room = step.room
        if self.settings.line.is_trial:
            # Twilio's page on trials: all rooms of such an account are one.
            room = replace(room, name=self.settings.account_sid)
        return await attend(leg, room, self.conferences)

    def _post(self, callback: Callback, event: str, parameters: dict[str, str]) -> None:
        where = callback.url, callback.method
        self._callbacks.post(self.tasks, where, parameters, name=event, in_turn=True)

    def _complain(self, code: int, detail: str) -> None:
        complaint = Complaint(code, detail, now())
        self.complaints.append(complaint)
        self.on_complaint("", complaint)


async def _sleep(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return True
