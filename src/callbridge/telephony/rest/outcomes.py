"""What Twilio's codes, statuses and SIP codes mean for a transfer or a text. Pure.

The codes: https://www.twilio.com/docs/api/errors. A call's SIP code comes with its last status callback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.outcomes import TextOutcome, TransferOutcome
from callbridge.telephony.rest.fault import FaultKind

if TYPE_CHECKING:
    from callbridge.telephony.rest.fault import RestFault

_TEXT_CODES: Final = {
    **dict.fromkeys((21610,), TextOutcome.OPTED_OUT),
    **dict.fromkeys((21614, 21635, 30006), TextOutcome.NO_MOBILE),
    # 21608: a trial account, and a recipient who is not verified.
    **dict.fromkeys((21211, 21217, 21408, 21608, 21612, 30003, 30005), TextOutcome.UNREACHABLE),
    **dict.fromkeys((30004, 30007), TextOutcome.BLOCKED),
    **dict.fromkeys(
        (21601, 21606, 21607, 21659, 21660, 21661, 30018, 30024, 30032, 30033, 30034, 30035),
        TextOutcome.UNREGISTERED,
    ),
}
_TEXT_STATUSES: Final = {
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending", "sent"), TextOutcome.ACCEPTED),
    **dict.fromkeys(("delivered", "read"), TextOutcome.DELIVERED),
    # Some of its recipients have it: a text of ours has one.
    "partially_delivered": TextOutcome.DELIVERED,
    **dict.fromkeys(("undelivered", "failed", "canceled"), TextOutcome.FAILED),
}


def text_outcome(code: int | str = 0, status: str = "") -> TextOutcome:
    """What became of a text, by Twilio's error code (it goes first) and `MessageStatus`."""
    number = _number(code)
    if number:
        return _TEXT_CODES.get(number, TextOutcome.FAILED)
    return _TEXT_STATUSES.get(status, TextOutcome.UNKNOWN)


def text_outcome_of(fault: RestFault) -> TextOutcome:
    """What became of a text that could not be handed to Twilio."""
    if fault.may_be_done:
        return TextOutcome.UNKNOWN
    return _TEXT_CODES.get(fault.code, TextOutcome.FAILED)


_NOT_CALLABLE: Final = frozenset(
    {21202, 21203, 21211, 21214, 21215, 21216, 21217, 21219, 13223, 13224, 13225, 13226, 13227, 32009}
)
"""It is about who is called. All other codes are about us, and say nothing of them."""

_SIP: Final = {
    **dict.fromkeys((486, 600), TransferOutcome.BUSY),
    **dict.fromkeys((408, 480, 487), TransferOutcome.NO_ANSWER),
    **dict.fromkeys((603, 607), TransferOutcome.DECLINED),
}
"""RFC 3261, section 21; 607 is RFC 8197: unwanted."""

_STATUSES: Final = {
    "busy": TransferOutcome.BUSY,
    "no-answer": TransferOutcome.NO_ANSWER,
    "canceled": TransferOutcome.NO_ANSWER,
    "failed": TransferOutcome.UNREACHABLE,
    "completed": TransferOutcome.DECLINED,
}


def call_outcome(code: int | str = 0, status: str = "", sip_code: int | str = 0) -> TransferOutcome | None:
    """Why a person who was rung has not taken the call; nothing while it is not over.

    Args:
        code: Twilio's error code. It goes first.
        status: its `CallStatus` or `DialCallStatus`. `completed`: it was answered. Whoever knows that they
            took it, or pressed nothing, knows better than this.
        sip_code: its `SipResponseCode`, which is more exact than the status.
    """
    if number := _number(code):
        return TransferOutcome.UNREACHABLE if number in _NOT_CALLABLE else TransferOutcome.CARRIER_FAULT
    outcome = _STATUSES.get(status)
    if outcome is None or status == "completed":
        return outcome
    return _of_sip(_number(sip_code)) or outcome


def call_outcome_of(fault: RestFault) -> TransferOutcome:
    """Why a person could not be rung."""
    if fault.kind is FaultKind.REFUSED and fault.code in _NOT_CALLABLE:
        return TransferOutcome.UNREACHABLE
    return TransferOutcome.CARRIER_FAULT


_FAILURES, _SERVER_FAILURES, _GLOBAL_FAILURES = 400, 500, 600


def _of_sip(code: int) -> TransferOutcome | None:
    if code < _FAILURES:
        return None
    if _SERVER_FAILURES <= code < _GLOBAL_FAILURES:
        return TransferOutcome.CARRIER_FAULT
    return _SIP.get(code, TransferOutcome.UNREACHABLE)


def _number(code: int | str) -> int:
    text = str(code).strip()
    return int(text) if text.isascii() and text.isdigit() else 0
