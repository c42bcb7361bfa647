"""`Usage/Records/Daily`: what the account has used and what it pays, by category and day.

Source: twilio.com/docs/usage/api/usage-record. Days are in UTC; counts, amounts and prices are text; a day
without use has its records all the same. A category that lies within another one is in both.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from callbridge.simulators.account.formats import API, day_of
from callbridge.simulators.account.pages import PAGING, page_2010
from callbridge.simulators.account.rest import Refusal, RestAnswer
from callbridge.simulators.account.segments import segments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.ledger import Ledger
    from callbridge.simulators.account.telephone import Exchange, Leg

PARAMETERS: Final = PAGING | {"Category", "StartDate", "EndDate", "IncludeSubaccounts"}

_CALLS: Final = ("calls", "minutes")
CATEGORIES: Final[Mapping[str, tuple[str, str, float]]] = {
    "calls": (*_CALLS, 0.0),
    "calls-inbound": (*_CALLS, 0.0),
    "calls-inbound-local": (*_CALLS, 0.0085),
    "calls-inbound-tollfree": (*_CALLS, 0.0220),
    "calls-outbound": (*_CALLS, 0.0140),
    "calls-client": (*_CALLS, 0.0040),
    "calls-sip": (*_CALLS, 0.0040),
    "calls-globalconference": ("participants", "minutes", 0.0018),
    "calls-media-stream-minutes": ("streams", "minutes", 0.0044),
    "calls-recordings": ("recordings", "minutes", 0.0025),
    "sms": ("messages", "segments", 0.0),
    "sms-outbound": ("messages", "segments", 0.0083),
    "totalprice": ("usd", "usd", 0.0),
}
"""What is counted, in what it is billed, and the list price of one. Those that hold others have none."""

_WITHIN: Final = {
    "calls-inbound-local": ("calls-inbound", "calls"),
    "calls-inbound-tollfree": ("calls-inbound", "calls"),
    "calls-outbound": ("calls",),
    "calls-client": ("calls",),
    "calls-sip": ("calls",),
    "sms-outbound": ("sms",),
}
_TOLL_FREE: Final = re.compile(r"\+1(800|833|844|855|866|877|888)")
_RELATIVE: Final = re.compile(r"([+-]\d{1,4})days?")
_NEVER_SENT: Final = frozenset({"failed", "canceled"})
DAYS_MAX: Final = 366
"""Of one request here; Twilio has no such bound."""


@dataclass(slots=True)
class _Used:
    count: int = 0
    usage: int = 0
    price: float = 0.0


def listed(ledger: Ledger, exchange: Exchange, asked: Asked) -> RestAnswer:
    """GET: one record for each day and category, the latest day first.

    Raises:
        Refusal: 20422 for a category or a day that is none.
    """
    form, today = asked.form, day_of(ledger.clock())
    wanted = form.get("Category")
    if wanted and wanted not in CATEGORIES:
        raise Refusal(20422, f"Category {wanted}")
    first, last = _day(form.get("StartDate"), today), _day(form.get("EndDate"), today)
    if (last - first).days > DAYS_MAX:
        raise Refusal(20422, f"not simulated: more than {DAYS_MAX} days")
    books = _books(ledger, exchange)
    found = [
        _record(ledger, category, day, books[day, category])
        for day in _days(last, first)
        for category in ([wanted] if wanted else CATEGORIES)
    ]
    return page_2010(asked, "usage_records", found)


def _day(text: str, today: date) -> date:
    """A day, or so many days from today: `2026-11-28`, `-30days`; today where none is named."""
    if not text:
        return today
    if (relative := _RELATIVE.fullmatch(text)) is not None:
        return today + timedelta(int(relative[1]))
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text) is None:
        raise Refusal(20422, f"StartDate or EndDate {text}")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refusal(20422, f"StartDate or EndDate {text}") from None


def _days(last: date, first: date) -> Iterator[date]:
    while last >= first:
        yield last
        last -= timedelta(1)


# --- The books ----------------------------------------------------------------------------------------


def _books(ledger: Ledger, exchange: Exchange) -> dict[tuple[date, str], _Used]:
    books: dict[tuple[date, str], _Used] = defaultdict(_Used)
    for day, category, amount in (*_of_calls(exchange), *_of_rooms(exchange), *_of_ledger(ledger)):
        price = amount * CATEGORIES[category][2]
        for name in (category, *_WITHIN.get(category, ()), "totalprice"):
            used = books[day, name]
            used.count, used.usage, used.price = used.count + 1, used.usage + amount, used.price + price
    return books


def _minutes(seconds: float) -> int:
    """Rounded up, and one at least."""
    return max(1, math.ceil(int(seconds) / 60))


def _of_calls(exchange: Exchange) -> Iterator[tuple[date, str, int]]:
    for leg in exchange.legs.values():
        if leg.duration_s is None or leg.answered_at is None:
            continue
        day = _utc_day(leg.answered_at)
        yield day, _category(leg), _minutes(leg.duration_s)
        for seconds in leg.streams_s:
            yield day, "calls-media-stream-minutes", _minutes(seconds)


def _category(leg: Leg) -> str:
    inbound = leg.direction == "inbound"
    theirs = leg.from_address if inbound else leg.to_address
    scheme = theirs.partition(":")[0].lower() if ":" in theirs else ""
    if scheme:
        return "calls-client" if scheme == "client" else "calls-sip"
    if not inbound:
        return "calls-outbound"
    return "calls-inbound-tollfree" if _TOLL_FREE.match(leg.to_address) else "calls-inbound-local"


def _of_rooms(exchange: Exchange) -> Iterator[tuple[date, str, int]]:
    for room in exchange.conferences.all.values():
        for seconds in room.stays_s:
            yield _utc_day(room.created_at), "calls-globalconference", _minutes(seconds)


def _of_ledger(ledger: Ledger) -> Iterator[tuple[date, str, int]]:
    for recording in ledger.recordings.values():
        if recording.duration_s is not None:
            yield day_of(recording.created_at), "calls-recordings", _minutes(recording.duration_s)
    for message in ledger.messages.values():
        if message.direction != "inbound" and message.status not in _NEVER_SENT:
            yield day_of(message.created_at), "sms-outbound", segments(message.body)


def _utc_day(moment: datetime) -> date:
    return day_of(moment.timestamp())


# --- As the API has it --------------------------------------------------------------------------------


def _record(ledger: Ledger, category: str, day: date, used: _Used) -> dict[str, object]:
    account = ledger.settings.account_sid
    count_unit, usage_unit, _ = CATEGORIES[category]
    price = f"{used.price:.5f}"
    is_total = category == "totalprice"
    query = urlencode({"Category": category, "StartDate": day.isoformat(), "EndDate": day.isoformat()})
    at = datetime.fromtimestamp(int(ledger.clock()), UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    return {
        "account_sid": account,
        "api_version": API,
        "as_of": at,
        "category": category,
        "count": price if is_total else str(used.count),
        "count_unit": count_unit,
        "description": category.replace("-", " ").capitalize(),
        "end_date": day.isoformat(),
        "price": price,
        "price_unit": "usd",
        "start_date": day.isoformat(),
        "subresource_uris": {
            name: f"/{API}/Accounts/{account}/Usage/Records/{path}.json?Category={category}"
            for name, path in {"daily": "Daily", "monthly": "Monthly", "all_time": "AllTime"}.items()
        },
        "uri": f"/{API}/Accounts/{account}/Usage/Records/Daily.json?{query}",
        "usage": price if is_total else str(used.usage),
        "usage_unit": usage_unit,
    }
