"""What came of the calls to people, as plain values for JSON: what each heard, and how it ended.

Pure. Milliseconds count from the beginning of a person's own call, by the clock of its line: what was
shortened counts in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from callbridge.simulators.phone.report import (
    CarrierWarning,
    VerbReport,
    carrier_warnings,
    verb_reports,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.simulators.phone.leg import Leg


class HeardByPerson(msgspec.Struct, frozen=True):
    """A stretch in which a person heard something."""

    from_ms: int
    to_ms: int
    what: str
    """A verb as `<Say>`; `talk` with whoever dialled them; `conference` with somebody in a room."""
    text: str
    """What was said, the address of what was played, or with whom they talked."""


class PersonReport(msgspec.Struct, frozen=True, kw_only=True):
    """One call to one person."""

    call_sid: str
    address: str
    shown: str
    """Whose number they saw."""
    status: str
    """Twilio's call status at the end."""
    hung_up_by: str | None
    """`person`, `api` (the service over REST) or `exchange` (the other side was gone); None when the document
    was at its end, or nobody answered."""
    rang_ms: int
    """To the answer, or to the end."""
    lasted_s: int | None
    """From the answer to the end; None without an answer."""
    verbs: list[VerbReport]
    """What Twilio carried out for them, with the keys that they pressed."""
    heard: list[HeardByPerson]
    warnings: list[CarrierWarning]
    """As in the report of the call."""


def people_report(legs: Iterable[Leg]) -> list[PersonReport]:
    """The calls to people among these, which are over."""
    return [_person(leg) for leg in legs if leg.direction != "inbound"]


def _person(leg: Leg) -> PersonReport:
    clock, begun_at = leg.clock, leg.begun_at

    def since(moment: float) -> int:
        return round((moment - begun_at) * 1000)

    until = leg.closed_at if leg.answered_at_s is None else leg.answered_at_s
    return PersonReport(
        call_sid=leg.sid,
        address=leg.to_address,
        shown=leg.from_address,
        status=leg.status,
        hung_up_by=leg.hung_up_by,
        rang_ms=since(clock.on_line(until)),
        lasted_s=leg.duration_s,
        verbs=verb_reports(leg.executed),
        heard=[HeardByPerson(since(it.start), since(it.end), it.what, it.text) for it in leg.heard],
        warnings=carrier_warnings(leg.complaints, begun_at),
    )
