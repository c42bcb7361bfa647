"""Which calls are wanted, as options of commands say it: times, callers, lengths, in words of people."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from callbridge.records.call_list import PAGE_MAX, Filter
from callbridge.server.config.caller_keys import key_on_record
from callbridge.switchboard.callers import known_as

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.call_list import CallSummary
    from callbridge.records.reading import Records
    from callbridge.server.config.settings import Settings

_UNITS_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)")
_TIME_OF_DAY: Final = re.compile(r"\d\d:\d\d(:\d\d)?")
_BETWEEN_DIGITS: Final = str.maketrans("", "", " -().")


def seconds(text: str) -> float:
    """A length of time: `30s`, `2m`, `1.5h`, `2d`, `1w`.

    Raises:
        typer.BadParameter: it is none.
    """
    found = _LENGTH.fullmatch(text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no length of time: write 30s, 2m, 1.5h, 2d or 1w")
    return float(found[1]) * _UNITS_S[found[2]]


def time_in(text: str) -> float:
    """A moment, in seconds since 1970: so long ago; or a time of today, a date, or both, by this machine.

    Raises:
        typer.BadParameter: it is none.
    """
    if _LENGTH.fullmatch(text.strip().lower()):
        return dt.datetime.now(dt.UTC).timestamp() - seconds(text)
    try:
        if _TIME_OF_DAY.fullmatch(text.strip()):
            text = f"{dt.datetime.now(dt.UTC).astimezone().date()}T{text.strip()}"
        return dt.datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time: write 2d for two days ago, 14:30 of today, 2026-11-28 or 2026-11-28T14:30"
        ) from None


Since = Annotated[
    str,
    typer.Option(
        metavar="WHEN", help="Began then or later: 2d ago, 12h, 14:30, 2026-11-28, 2026-11-28T14:30."
    ),
]
Until = Annotated[str, typer.Option(metavar="WHEN", help="Began before that.")]
Agent = Annotated[str, typer.Option(help="Answered by this one.")]
Caller = Annotated[str, typer.Option(metavar="NUMBER", help="With its country code: +14155550100.")]
Ended = Annotated[str, typer.Option(metavar="REASON", help="caller_hangup, agent_hangup, model_lost, …")]
LongerThan = Annotated[str, typer.Option(metavar="LENGTH", help="Took at least so long: 30s, 2m.")]
Words = Annotated[str, typer.Option(help="All of these were said or heard in one turn, or captured.")]


def wanted_calls(
    settings: Settings,
    *,
    since: str,
    until: str,
    agent: str,
    caller: str,
    ended: str,
    longer_than: str,
    words: str,
) -> Filter:
    """The filter of these options; all calls where nothing is said.

    Raises:
        typer.BadParameter: one of them cannot be understood.
    """
    return Filter(
        since=time_in(since) if since else None,
        until=time_in(until) if until else None,
        agent=agent,
        caller_key=_key(settings, caller) if caller else "",
        end_reason=ended,
        duration_ms_min=round(seconds(longer_than) * 1000) if longer_than else 0,
        words=words,
    )


def _key(settings: Settings, caller: str) -> str:
    """Records hold no number, but a key made of it: of the same caller always the same."""
    name = caller.translate(_BETWEEN_DIGITS) if caller.lstrip().startswith("+") else caller.strip()
    if known_as(name) is None:
        raise typer.BadParameter(f"{caller!r} is no caller. Give a number with its country code.")
    return key_on_record(settings, name)


def summaries(records: Records, wanted: Filter, limit: int | None = None) -> Iterator[CallSummary]:
    """The calls that are wanted, page by page, the latest first; `limit`: so many at most."""
    while True:
        size = PAGE_MAX if limit is None else min(PAGE_MAX, limit)
        page = records.calls(msgspec.structs.replace(wanted, limit=size))
        yield from page
        if limit is not None:
            limit -= len(page)
        if len(page) < size or limit == 0:
            return
        wanted = msgspec.structs.replace(wanted, after=page[-1].cursor)
