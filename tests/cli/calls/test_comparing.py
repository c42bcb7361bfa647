"""Our sum beside the accounts' books: what stands on either side, and what cannot be compared."""

from __future__ import annotations

import datetime as dt

from callbridge.cli.calls.comparing import Row, compared
from callbridge.records.story import CostLine
from callbridge.records.sums import Bill
from callbridge.telephony.rest.records import UsageOfDay

DAY = dt.date(2026, 11, 28)
BILL = Bill(
    2,
    (
        CostLine("gpt-realtime-2.1 audio out", 1_884, "tokens", 120_576),
        CostLine("gpt-transcribe transcripts", 20, "s", 1_500),
        CostLine("inbound +1", 3, "minutes", 25_500),
        CostLine("inbound +1888", 1, "minutes", 22_000),
        CostLine("inbound client", 1, "minutes", 4_000),
        CostLine("stream", 4, "minutes", 17_600),
    ),
    ("outbound +493",),
)


def used(**dollars: float) -> dict[str, UsageOfDay]:
    named = {name.replace("_", "-"): price for name, price in dollars.items()}
    return {name: UsageOfDay(name, price, "usd", 0.0, "minutes") for name, price in named.items()}


def test_both_sides_stand_side_by_side() -> None:
    """Twilio's two kinds of incoming calls lie within one category; what is billed besides is named."""
    books = used(
        calls_inbound=0.0475,
        calls_inbound_local=0.0255,
        calls_client=0.004,
        calls_media_stream_minutes=0.022,
        totalprice=1.2235,
    )
    found = compared(DAY, BILL, books, 0.1221, is_over=True)
    assert found.rows == (
        Row("OpenAI", "model and transcripts", 122_076, 122_100, -24),
        Row("Twilio", "calls that came in", 47_500, 47_500, 0),
        Row("Twilio", "legs of apps", 4_000, 4_000, 0),
        Row("Twilio", "media streams", 17_600, 22_000, -4_400),
    )
    notes = " ".join(found.notes)
    assert "Not in our sum, because the list has no price: outbound +493." in notes
    assert "Twilio has billed $1.1500 for things that no row has" in notes
    assert "not over" not in notes


def test_what_cannot_be_had_is_said_and_ours_stands_alone() -> None:
    found = compared(DAY, BILL, "Twilio was not asked.", "OpenAI was not asked.", is_over=False)
    assert {row.theirs for row in found.rows} == {None} == {row.difference for row in found.rows}
    assert found.notes[:2] == ("OpenAI was not asked.", "Twilio was not asked.")
    assert "The day is not over" in found.notes[2]


def test_another_currency_is_not_compared() -> None:
    euros = {"calls-inbound": UsageOfDay("calls-inbound", 0.04, "eur", 3.0, "minutes")}
    found = compared(DAY, BILL, euros, 0.1, is_over=True)
    assert "Twilio bills this account in eur, our list is in US dollars." in found.notes
    assert {row.theirs for row in found.rows if row.vendor == "Twilio"} == {None}
