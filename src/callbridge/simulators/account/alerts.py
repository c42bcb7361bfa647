"""`monitor/v1/Alerts` and the notifications of a call: what Twilio has noticed.

Sources: twilio.com/docs/usage/monitor-alert, /docs/voice/api/call-notification-resource.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from callbridge.simulators.account.formats import day_of, read_moment
from callbridge.simulators.account.pages import PAGING, page_2010, page_v1
from callbridge.simulators.account.rest import Refusal, RestAnswer, not_found

if TYPE_CHECKING:
    from callbridge.simulators.account.alert import Alert
    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.ledger import Ledger

ALERT_PARAMETERS: Final = PAGING | {"LogLevel", "StartDate", "EndDate"}
NOTIFICATION_PARAMETERS: Final = PAGING | {"Log", "MessageDate", "MessageDate<", "MessageDate>"}
KEPT: Final = timedelta(days=30)


def listed(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET of the list, the newest first; `StartDate` and `EndDate` are ISO 8601, at most 30 days back."""
    start, end = (_moment(asked, name) for name in ("StartDate", "EndDate"))
    now = datetime.fromtimestamp(ledger.clock(), UTC)
    if start is not None and start < now - KEPT:
        raise Refusal(20422, "StartDate is more than 30 days ago")
    level = asked.form.get("LogLevel").lower()
    found = [
        alert.resource(ledger.settings.account_sid, asked.request.origin, is_whole=False)
        for alert in reversed(ledger.alerts.values())
        if level in {"", alert.level.value} and _is_between(alert, start, end)
    ]
    return page_v1(asked, "alerts", found)


def _moment(asked: Asked, name: str) -> datetime | None:
    text = asked.form.get(name)
    moment = read_moment(text) if text else None
    if text and moment is None:
        raise Refusal(20422, f"{name} {text}")
    return moment


def _is_between(alert: Alert, start: datetime | None, end: datetime | None) -> bool:
    """In whole seconds, in which alerts are told."""
    at = datetime.fromtimestamp(int(alert.at), UTC)
    return (start is None or start.replace(microsecond=0) <= at) and (end is None or at <= end)


def fetched(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET of one: with the request and the answer."""
    alert = ledger.alerts.get(asked.sid)
    if alert is None:
        raise not_found(asked.path)
    return RestAnswer(200, alert.resource(ledger.settings.account_sid, asked.request.origin, is_whole=True))


def notifications_of_call(ledger: Ledger, asked: Asked) -> RestAnswer:
    """GET of a call's notifications: `Log` 0 are errors, 1 warnings."""
    form = asked.form
    found = [
        alert.notification(ledger.settings.account_sid)
        for alert in reversed(ledger.alerts.values())
        if alert.about == asked.sid
        and form.get("Log") in {"", "1" if alert.level == "warning" else "0"}
        and form.get("MessageDate")[:10] in {"", day_of(alert.at).isoformat()}
    ]
    return page_2010(asked, "notifications", found)
