"""What Twilio thinks of us: the webhook of the account's debugger.

It is one address for all of an account, so other services' errors come, too: those of calls that nobody here
knows are dropped. It is answered at once and whatever it says, because Twilio reports no failure of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from fastapi.responses import Response

from callbridge.call.facts import EndReason, StreamEnded
from callbridge.call.telephone_facts import CarrierAlert
from callbridge.observe.redaction import redaction
from callbridge.server.config.addresses import DEBUGGER_PATH
from callbridge.server.http.forms import Forms, twilio_routes
from callbridge.server.process.measuring.refusals import tell_first
from callbridge.telephony.alert_codes import PLANNED_CLOSE, alert_code
from callbridge.telephony.debugger_events import read_debugger_event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import APIRouter, Request

    from callbridge.call.facts import Fact
    from callbridge.server.process.desk import Desk
    from callbridge.telephony.debugger_events import DebuggerEvent

ALERTS_MAX: Final = 10
"""Of one call: what comes beyond says nothing new, and each is a line and a record."""

TEXT_CHARACTERS_MAX: Final = 200

_CLOSED_UNPLANNED: Final = frozenset(
    {EndReason.MEDIA_LOST, EndReason.INTERNAL_ERROR, EndReason.SERVICE_STOPPED}
    | {EndReason.REJECTED_AUTH, EndReason.REJECTED_PROTOCOL}
)
"""How a stream ends whose close nobody had decided. Others we have closed, or the caller has left."""

_log = structlog.get_logger()


def debugger_router(desk: Desk) -> APIRouter:
    """The route of it."""
    return twilio_routes({DEBUGGER_PATH: _Debugger(desk).tell})


class _Debugger:
    """The endpoint."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._forms = Forms(desk)
        self._redaction = redaction(desk.settings.secrets)

    async def tell(self, request: Request) -> Response:
        """An error or a warning of Twilio's: noted once under the call that it is about."""
        fields = await self._forms.read_any(request)
        event = read_debugger_event(fields)
        if event is None:
            self._drop("unreadable")
        elif not event.resource_sid.startswith("CA"):
            self._drop("not about a call", code=event.code)
        else:
            await self._note(event)
        return Response(status_code=204)

    async def _note(self, event: DebuggerEvent) -> None:
        desk, call_sid = self._desk, event.resource_sid
        async with desk.one_by_one.of(call_sid):
            known = [fact for _, fact in await desk.known(call_sid)]
            alerts = [fact for fact in known if isinstance(fact, CarrierAlert)]
            if any(alert.alert_sid == event.sid for alert in alerts):
                return
            if why := _why_not(event, known, alerts):
                self._drop(why, code=event.code)
                return
            text = self._redaction.text(event.text, TEXT_CHARACTERS_MAX)
            desk.note(call_sid, CarrierAlert(event.sid, event.code, event.level, text))
        code = alert_code(event.code)
        # An error of theirs is none of ours: the call may have gone well.
        _log.warning(
            "carrier_alert",
            call_sid=call_sid,
            code=event.code,
            severity=event.level,
            meaning=code.meaning,
            said=text,
            remedy=code.remedy,
        )

    def _drop(self, why: str, **fields: str) -> None:
        """Counted; a line for the first of a kind and a minute."""
        desk = self._desk
        kind = f"carrier_alert_dropped: {why}"
        tell_first(desk.refused, desk.now(), kind, _log.info, "carrier_alert_dropped", reason=why, **fields)


def _why_not(event: DebuggerEvent, known: list[Fact], alerts: list[CarrierAlert]) -> str:
    """Why an alert is not noted; nothing when it is."""
    if not known:
        return "no call of ours"
    if len(alerts) >= ALERTS_MAX:
        return "too many of one call"
    return "a close that was meant" if event.code == PLANNED_CLOSE and _was_planned(known) else ""


def _was_planned(known: Iterable[Fact]) -> bool:
    """Whether the last stream that has ended was closed by us, and on purpose."""
    ended = [fact.reason for fact in known if isinstance(fact, StreamEnded)]
    return bool(ended) and ended[-1] not in _CLOSED_UNPLANNED
