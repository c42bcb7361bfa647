"""What the processes of one number tell each other: a word for each, by which the other one knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from callbridge.server.process.desk import Desk
    from callbridge.switchboard.continuation import CallHistory

ENDED: Final = "ended"
"""Twilio says that the call is over."""
REPLACED: Final = "replaced"
"""Another stream carries the call, or is about to."""
END: Final = "end"
"""An operator wants it to end."""
HAND_OVER: Final = "hand_over"
"""An operator wants it to go on with another process."""
CIRCUIT_OPENED: Final = "circuit_opened"
CIRCUIT_CLOSED: Final = "circuit_closed"
"""The model that the body names is down, as seen from there; and it is back."""


def is_on(history: CallHistory) -> bool:
    """Whether a stream of the call has begun and nobody has written down its end."""
    return bool(history.agent) and history.ended is None and not history.never_began


def tell_its_carrier(desk: Desk, call_sid: str, history: CallHistory, what: str) -> None:
    """Tells the process that carries a call, if another one does and has not written down an end.

    That its stream has begun may not be written down yet, either: who carries it is known when this is.
    """
    if history.ended is None and desk.live_calls.find(call_sid) is None:
        desk.state.tell_carrier(call_sid, what)
