"""`callbridge forget`: deletes what agents remember of a caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from callbridge.cli.serve import settings_or_refusal
from callbridge.server.process.desk import key_to_remember
from callbridge.state.state import StateError
from callbridge.switchboard.callers import known_as

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings

_BETWEEN_DIGITS = str.maketrans("", "", " -().")


class ForgetError(Exception):
    """It cannot be said that nothing is remembered; the message says why, and what to do."""


def forget(
    number: Annotated[str, typer.Argument(help="With its country code: +14155550100; or client:anna.")],
) -> None:
    """Delete what agents remember of a caller, also while the service runs.

    Run it where the state file is. A call of theirs that is on at the moment is remembered when it ends.
    Exit status 1 when the number or the file cannot be used.
    """
    settings = settings_or_refusal()
    try:
        typer.echo(forget_caller(settings, number))
    except (ForgetError, StateError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def forget_caller(settings: Settings, number: str) -> str:
    """Forgets them, and answers in words what was done.

    Raises:
        ForgetError: this is nobody's number, or nothing is kept in a file.
        StateError: the file cannot be used.
    """
    caller = number.translate(_BETWEEN_DIGITS) if number.lstrip().startswith("+") else number.strip()
    if known_as(caller) is None:
        raise ForgetError(f"{number!r} is no caller. Give a number with its country code: +14155550100.")
    path = settings.state_path
    if path is None:
        raise ForgetError(
            "CALLBRIDGE_STATE_PATH is not set: what is remembered is in the memory of the service alone. "
            "Restart it, and all of it is gone."
        )
    if not path.exists():
        raise ForgetError(f"There is no state file {path}. Run this where the service runs.")
    # SQLAlchemy takes a fifth of a second to import; the other commands do not wait for it.
    from callbridge.state.forgetting import forget_in_file  # noqa: PLC0415 - see the line above

    forgotten, is_overwritten = forget_in_file(path, key_to_remember(settings, caller))
    if not forgotten:
        return f"nothing is remembered of {caller}"
    records = "1 record" if forgotten == 1 else f"{forgotten} records"
    said = f"what is remembered of {caller} is deleted: {records}"
    return said if is_overwritten else f"{said}; the service overwrites it within two minutes"
