"""`callbridge forget`: deletes what is kept of a caller, and says what that was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from callbridge.cli.serve import settings_or_refusal
from callbridge.server.config.records import records_url
from callbridge.server.errands.forgetting import forget_everywhere
from callbridge.server.process.keeping.sweeping import recording_deleter
from callbridge.state.state import StateError
from callbridge.switchboard.callers import known_as

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.forgetting import Forgotten
    from callbridge.server.config.settings import Settings
    from callbridge.server.errands.forgetting import Report

_BETWEEN_DIGITS = str.maketrans("", "", " -().")


class ForgetError(Exception):
    """It cannot be said that nothing is kept; the message says why, and what to do."""


def forget(
    number: Annotated[str, typer.Argument(help="With its country code: +14155550100; or client:anna.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")
    ] = False,
) -> None:
    """Delete what is kept of a caller, also while the service runs.

    That is what agents remember, and all records of their calls: words, figures, recordings, what waits to be
    told to others. Run it where the state file is, with the settings of the service. A call of theirs that is
    on at the moment is left, and told.

    Exit status 1 when something is left, or the number or a file cannot be used.
    """
    settings = settings_or_refusal()
    try:
        said, is_complete = forget_caller(settings, number, is_rehearsal=dry_run)
    except (ForgetError, StateError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(said)
    if not is_complete:
        raise typer.Exit(1)


def forget_caller(settings: Settings, number: str, *, is_rehearsal: bool = False) -> tuple[str, bool]:
    """Forgets them, and answers in words what was done, and whether nothing is left.

    Raises:
        ForgetError: this is nobody's number, or nothing is kept outside of the service.
        StateError: the state file or the shared state cannot be used.
    """
    caller = number.translate(_BETWEEN_DIGITS) if number.lstrip().startswith("+") else number.strip()
    if known_as(caller) is None:
        raise ForgetError(f"{number!r} is no caller. Give a number with its country code: +14155550100.")
    path = settings.state_path
    if path is None and records_url(settings) is None:
        raise ForgetError(
            "CALLBRIDGE_STATE_PATH is not set: what is remembered is in the memory of the service alone. "
            "Restart it, and all of it is gone."
        )
    if path is not None and not path.exists() and settings.shared_state_url is None:
        raise ForgetError(f"There is no state file {path}. Run this where the service runs.")
    report = forget_everywhere(settings, caller, recording_deleter(settings), is_rehearsal=is_rehearsal)
    return "\n".join(_lines(report, caller, is_rehearsal=is_rehearsal)), report.is_complete


def _lines(report: Report, caller: str, *, is_rehearsal: bool) -> Iterator[str]:
    if not report.is_anything:
        yield f"nothing is kept of {caller}" if report.is_complete else f"nothing of {caller} was deleted"
    else:
        yield f"what is kept of {caller} {'would be' if is_rehearsal else 'is'} deleted:"
        yield from (f"  {line}" for line in _deleted(report))
    if not (is_rehearsal or report.is_overwritten):
        yield "the service overwrites what was deleted within two minutes"
    yield from (f"not deleted: call {call_sid}: {why}" for call_sid, why in report.left.items())
    if report.trouble:
        yield f"the records were not looked at, run this again: {report.trouble}"
    if report.records and report.records.told:
        told = ", ".join(f"{name} ({count})" for name, count in sorted(report.records.told.items()))
        yield f"others were told of these calls, and may keep that: {told}"


def _deleted(report: Report) -> Iterator[str]:
    if report.remembered:
        yield f"{_count(report.remembered, 'record')} of what agents remember, and texts"
    if report.waiting:
        yield f"{_count(report.waiting, 'fact')} on the way to the records"
    if report.records and report.records.calls:
        yield from _from_records(report.records)


def _from_records(forgotten: Forgotten) -> Iterator[str]:
    yield _count(len(forgotten.calls), "call") + " on record"
    yield from (f"  {table}: {rows}" for table, rows in sorted(forgotten.rows.items()) if rows)
    if forgotten.recordings:
        yield _count(forgotten.recordings, "recording")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
