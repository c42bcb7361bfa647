"""Whether a call is taken, and the place that it then has among the calls of all processes.

How many calls one caller may have is judged once, in the state that the processes share; what else is against
a call is this process's own (`switchboard/admission.py`). Where a human is rung at the moment is known by
each process alone (`switchboard/putting_through.Rings`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.server.process.tellings import REPLACED
from callbridge.server.process.within import within
from callbridge.state.places import RESERVED_S
from callbridge.switchboard.admission import DeclineReason, callers_own

if TYPE_CHECKING:
    from callbridge.server.process.desk import Desk
    from callbridge.switchboard.callers import CallsPerCaller

CLAIM_S: Final = 0.75
"""How long a ringing phone, and a stream that begins, wait for what only the shared state can say."""


class Taking:
    """For all calls of a process.

    Args:
        desk: what it works with.
        bounds: what each caller may have.
    """

    def __init__(self, desk: Desk, bounds: CallsPerCaller) -> None:
        self._desk, self._bounds = desk, bounds

    async def offer(self, call_sid: str, caller: str, model: str) -> DeclineReason | None:
        """A call rings: it gets its place, or the reason why it is not taken, and then it holds nothing.

        The caller's own limit comes first: the others are answered by a human, where there is one.

        Args:
            call_sid: Twilio's name of the call.
            caller: Twilio's `From`.
            model: what its agent speaks with.
        """
        desk, key = self._desk, self._desk.caller_key(caller)
        may_call = await self._may_call(call_sid, key)
        desk.look_around()
        if may_call is None:
            # It counts all the same, once that can be written: a human may be rung for it.
            desk.state.note_call(key, desk.wall_now())
            return next(iter(desk.admission.reasons_to_decline(model, desk.now())), DeclineReason.STATE)
        if not may_call:
            return callers_own(key)
        reason = desk.admission.offer(call_sid, model, desk.now())
        if reason is not None:
            desk.state.free_place(call_sid)  # That it began stays counted, for the same reason.
        return reason

    async def _may_call(self, call_sid: str, key: str) -> bool | None:
        """Whether the caller may have one more call; None where nobody can say that."""
        desk = self._desk
        claim = desk.state.claim_place(call_sid, key, self._bounds.of(key), desk.wall_now())
        may_call = await within(CLAIM_S, claim)
        if may_call is None and desk.state.trouble is None and not _shares_state(desk):
            return True  # A disk that hesitates keeps nobody out. One that hangs is in trouble soon.
        if may_call is None:
            desk.state.free_place(call_sid)  # The answer may be late, and nobody waits for it.
        return may_call

    def carried(self, call_sid: str, caller: str, *, continues: bool) -> None:
        """A stream of the call runs in this process. Whoever carried it before carries it no more."""
        state = self._desk.state
        if continues:
            state.tell_carrier(call_sid, REPLACED)
        state.carry(call_sid, self._desk.caller_key(caller))

    def stream_ended(self, call_sid: str, *, comes_back: bool) -> None:
        """The stream that carried the call here has ended. Its place is kept while another is to come."""
        self._desk.state.keep_place(call_sid, RESERVED_S if comes_back else 0.0)


def _shares_state(desk: Desk) -> bool:
    """Whether the state is a database, which other machines have as well."""
    return getattr(desk.settings, "shared_state", "off") != "off"
