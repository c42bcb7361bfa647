"""Whether a call is taken, and the place that it then has among the calls of all processes.

How many calls one caller may have is judged once, in the state that the processes share; what else is against
a call is this process's own (`switchboard/admission.py`). Where a human is rung at the moment is known by
each process alone (`switchboard/putting_through.Rings`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.process.desk import CLAIM_S
from callbridge.server.process.tellings import REPLACED
from callbridge.server.process.within import within
from callbridge.state.places import RESERVED_S
from callbridge.switchboard.admission import DeclineReason, callers_own

if TYPE_CHECKING:
    from callbridge.server.process.desk import Desk


async def offer(desk: Desk, call_sid: str, caller: str, model: str) -> DeclineReason | None:
    """A call rings: it gets its place, or the reason why it is not taken, and then it holds nothing.

    The caller's own limit comes first: the others are answered by a human, where there is one.

    Args:
        desk: of this process.
        call_sid: Twilio's name of the call.
        caller: Twilio's `From`.
        model: what its agent speaks with.
    """
    key = desk.caller_key(caller)
    may_call = await _may_call(desk, call_sid, key)
    desk.look_around()
    if may_call is None:
        # It counts all the same, once that can be written: a human may be rung for it.
        desk.state.note_call(key, desk.wall_now())
        return next(iter(desk.admission.reasons_to_decline(model, desk.now())), DeclineReason.STATE)
    if not may_call:
        return callers_own(key)
    reason = desk.admission.offer(call_sid, model, desk.now())
    if reason is not None:
        desk.state.give_back_place(call_sid)  # That it began stays counted, for the same reason.
    return reason


async def _may_call(desk: Desk, call_sid: str, key: str) -> bool | None:
    """Whether the caller may have one more call; None where nobody can say that."""
    claim = desk.state.claim_place(call_sid, key, desk.callers.of(key), desk.wall_now())
    may_call = await within(CLAIM_S, claim)
    if may_call is None and desk.state.trouble is None and desk.settings.shared_state_url is None:
        return True  # A disk that hesitates keeps nobody out. One that hangs is in trouble soon.
    if may_call is None:
        desk.state.give_back_place(call_sid)  # The answer may be late, and nobody waits for it.
    return may_call


def carried(desk: Desk, call_sid: str, caller: str, *, continues: bool) -> None:
    """A stream of the call runs in this process. Whoever carried it before carries it no more."""
    if continues:
        desk.state.tell_carrier(call_sid, REPLACED)
    desk.state.carry(call_sid, desk.caller_key(caller))


def stream_ended(desk: Desk, call_sid: str, *, comes_back: bool) -> None:
    """The stream that carried the call here has ended. Its place is kept while another is to come."""
    desk.state.keep_place(call_sid, RESERVED_S if comes_back else 0.0)
