"""Our sum of a day beside what the accounts' own books say. Pure: numbers in, rows out.

The two need not agree: accounts pay for more than calls of this service, at prices of their own, and count by
clocks of their own. So each row has both sides, and what cannot be compared is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from callbridge.records.story import CostLine
    from callbridge.records.sums import Bill
    from callbridge.telephony.rest.records import UsageOfDay

_TWILIO: Final = (
    ("calls that came in", ("inbound +",), "calls-inbound"),
    ("calls to people", ("outbound +",), "calls-outbound"),
    ("legs of apps", ("inbound client", "outbound client"), "calls-client"),
    ("legs over SIP", ("inbound sip", "outbound sip"), "calls-sip"),
    ("media streams", ("stream",), "calls-media-stream-minutes"),
    ("rooms", ("conference",), "calls-globalconference"),
    ("messages that callers left", ("recording",), "calls-recordings"),
    ("texts", ("text +",), "sms-outbound"),
)
"""What we call it, how our lines of it begin, and Twilio's category."""

_TOTAL: Final = "totalprice"
_OF_THE_MODEL: Final = frozenset({"tokens", "s"})
"""Units of lines that OpenAI bills."""


class Row(msgspec.Struct, frozen=True):
    """One thing, on both sides. Microdollars."""

    vendor: str
    what: str
    ours: int
    theirs: int | None
    """None where the account was not, or could not be, asked."""
    difference: int | None = None
    """By how much ours is more."""


class Comparison(msgspec.Struct, frozen=True):
    """A day on both sides."""

    day: str
    calls: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """What cannot be compared, and why."""


def compared(
    day: dt.date,
    bill: Bill,
    twilio: Mapping[str, UsageOfDay] | str,
    openai_dollars: float | str,
    *,
    is_over: bool,
) -> Comparison:
    """The rows of a day.

    Args:
        day: in UTC.
        bill: what its calls cost, by our facts and prices.
        twilio: the account's records by category, or why there are none.
        openai_dollars: what the organization was billed, or why that is not known.
        is_over: whether the day is.
    """
    books = _in_dollars(twilio)
    rows = [_of_model(bill, openai_dollars), *_of_twilio(bill, books)]
    notes = [text for text in (openai_dollars, books) if isinstance(text, str)]
    if not is_over:
        notes.append("The day is not over (in UTC): both sides are still being added up.")
    if bill.unpriced:
        notes.append(f"Not in our sum, because the list has no price: {', '.join(bill.unpriced)}.")
    if not isinstance(openai_dollars, str):
        notes.append("OpenAI's sum is that of the whole organization; ours is that of these calls.")
    if not isinstance(books, str):
        notes.append(_beside(books))
        notes.append("Twilio's records are some hours behind, and have fees of carriers apart.")
    shown = tuple(row for row in rows if row.ours or row.theirs)
    return Comparison(day.isoformat(), bill.calls, shown, tuple(notes))


def _in_dollars(twilio: Mapping[str, UsageOfDay] | str) -> dict[str, int] | str:
    if isinstance(twilio, str):
        return twilio
    units = {record.price_unit for record in twilio.values() if record.price}
    if units - {"usd"}:
        return f"Twilio bills this account in {', '.join(sorted(units))}, our list is in US dollars."
    return {category: round(record.price * 1_000_000) for category, record in twilio.items()}


def _of_model(bill: Bill, openai_dollars: float | str) -> Row:
    ours = sum(line.microdollars for line in bill.lines if line.unit in _OF_THE_MODEL)
    theirs = None if isinstance(openai_dollars, str) else round(openai_dollars * 1_000_000)
    return _row("OpenAI", "model and transcripts", ours, theirs)


def _row(vendor: str, what: str, ours: int, theirs: int | None) -> Row:
    return Row(vendor, what, ours, theirs, None if theirs is None else ours - theirs)


def _of_twilio(bill: Bill, books: Mapping[str, int] | str) -> list[Row]:
    return [
        _row(
            "Twilio",
            what,
            sum(line.microdollars for line in bill.lines if _is_of(line, beginnings)),
            None if isinstance(books, str) else books.get(category, 0),
        )
        for what, beginnings, category in _TWILIO
    ]


def _is_of(line: CostLine, beginnings: tuple[str, ...]) -> bool:
    return line.unit not in _OF_THE_MODEL and line.name.startswith(beginnings)


def _beside(books: Mapping[str, int]) -> str:
    beside = books.get(_TOTAL, 0) - sum(books.get(category, 0) for _, _, category in _TWILIO)
    return f"Twilio has billed ${max(beside, 0) / 1e6:,.4f} for things that no row has, such as numbers."
