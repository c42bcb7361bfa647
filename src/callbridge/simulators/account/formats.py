"""How the REST API writes what it answers: ids, dates, numbers as text, telephone numbers for people.

Pure. The 2010 API has RFC 2822 dates with `+0000`, the v1 APIs ISO 8601 with `Z`.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, date, datetime
from email.utils import format_datetime
from typing import Final

API: Final = "2010-04-01"

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")


def new_sid(prefix: str) -> str:
    """Make one: two letters and 32 hexadecimal digits. `CA` is a call, `SM` a message, `PN` a number."""
    return prefix + secrets.token_hex(16)


def rfc2822(at: float | None) -> str | None:
    """`Tue, 31 Aug 2010 20:36:28 +0000`, of seconds since 1970."""
    return None if at is None else format_datetime(datetime.fromtimestamp(int(at), UTC))


def iso8601(at: float) -> str:
    """As `2015-07-30T20:00:00Z`."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_of(at: float) -> date:
    """The day in UTC, by which lists are filtered."""
    return datetime.fromtimestamp(at, UTC).date()


def read_moment(text: str) -> datetime | None:
    """A date or an ISO 8601 time of a filter; nothing for what is neither."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def is_e164(text: str) -> bool:
    """Whether it is a telephone number as Twilio takes it."""
    return E164.fullmatch(text) is not None


def for_people(address: str) -> str:
    """`(415) 867-5309` for a number of +1; others and other addresses as they are."""
    if re.fullmatch(r"\+1[0-9]{10}", address):
        return f"({address[2:5]}) {address[5:8]}-{address[8:]}"
    return address
