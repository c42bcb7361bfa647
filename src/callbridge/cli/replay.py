"""`callbridge replay`: plays a taped call again, and shows what comes out otherwise."""

from __future__ import annotations

import difflib
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from callbridge.call.tapes.text import TapeError
from callbridge.cli.call_names import named_sid
from callbridge.cli.records_database import records_database
from callbridge.records.code_version import callbridge_version, code_digest
from callbridge.records.replaying import Replayed, play, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.records.replaying import Difference

DIFFERENT: Final = 1
NO_TAPE: Final = 2

SHOWN_FIRST: Final = 1
"""Differences of a stream that are shown unless all are asked for: the others may only follow from it."""

LINE_CHARACTERS_MAX: Final = 200
BEFORE_CHARACTERS: Final = 60
"""Of a long line so much is shown before the place at which it differs."""


def replay(
    call: Annotated[
        str, typer.Argument(help="Its CallSid, or the last characters of it.", show_default=False)
    ] = "",
    *,
    from_file: Annotated[Path | None, typer.Option(help="Play a tape that --to-file wrote.")] = None,
    to_file: Annotated[Path | None, typer.Option(help="Write the tape there, to be passed on.")] = None,
    shows_all: Annotated[bool, typer.Option("--all", help="Show every difference, not the first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, every difference in it.")] = False,
) -> None:
    """Play a taped call again, and show whether this version decides as the one did that took it.

    Calls are taped where CALLBRIDGE_REPLAY_SHARE and CALLBRIDGE_KEEP_WORDS are set. Nobody is called, and no
    time passes: what each peer said is handed to the same code, and what it asks for is compared. A tape has
    the words of both sides in it, also as a file.

    Exit status 1 when something differs, 2 when there is no tape that can be played.
    """
    if bool(call) == (from_file is not None):
        _no_tape("Say which: a CallSid, or a tape with --from-file.")
    try:
        lines = _lines_in(from_file) if from_file is not None else _lines_of(call)
        streams = [play(tape) for tape in read(lines)]
        if to_file is not None:
            to_file.write_bytes(b"\n".join(lines) + b"\n")
    except (TapeError, OSError) as error:
        _no_tape(str(error))
    if not streams:
        _no_tape(f"{from_file} has no tape in it.")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(_report(streams))).decode())
    else:
        _show(streams, shows_all=shows_all)
    if any(stream.differences for stream in streams):
        raise typer.Exit(DIFFERENT)


def _no_tape(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(NO_TAPE)


def _lines_of(call: str) -> list[bytes]:
    try:
        with records_database() as database:
            from callbridge.records.reading import Records  # noqa: PLC0415 - SQLAlchemy is slow
            from callbridge.records.tapes import TapeStore  # noqa: PLC0415 - as above

            call_sid = named_sid(Records(database), call)
            lines = [*TapeStore(database).lines(call_sid)]
    except typer.Exit:  # It was said why.
        raise typer.Exit(NO_TAPE) from None
    if not lines:
        _no_tape(
            f"There is no tape of {call_sid}. Calls are taped where CALLBRIDGE_REPLAY_SHARE is above 0 and "
            "CALLBRIDGE_KEEP_WORDS is true; a tape is deleted with the words of its call."
        )
    return lines


def _lines_in(file: Path) -> list[bytes]:
    return [line for line in file.read_bytes().splitlines() if line.strip()]


# --- In words -------------------------------------------------------------------------------------------


def _show(streams: Sequence[Replayed], *, shows_all: bool) -> None:
    console = Console()
    for stream in streams:
        sizes = f"{stream.events:,} events, {stream.actions:,} actions, {stream.lasted_s:.1f} s"
        count = len(stream.differences)
        found = "the same" if not count else "1 difference" if count == 1 else f"{count:,} differences"
        name = f"{stream.call_sid}, stream {stream.stream_sid}"
        console.print(f"{name}: {found}, {sizes}", markup=False, highlight=False, soft_wrap=True)
        for line in (_said_of_code(stream), _said_of_end(stream)):
            if line:
                console.print(line, markup=False, highlight=False, soft_wrap=True)
        shown = stream.differences if shows_all else stream.differences[:SHOWN_FIRST]
        for difference in shown:
            _show_difference(console, difference)
        if len(shown) < count:
            console.print(f"{count - len(shown):,} more, which may follow from it (--all shows them)")


def _said_of_code(stream: Replayed) -> str:
    if stream.code == code_digest():
        return ""
    then, now = stream.callbridge or "a version unknown", callbridge_version()
    return (
        f"The code of calls has changed since: taped by callbridge {then} ({stream.code or 'not known'}), "
        f"played by {now} ({code_digest()})."
    )


def _said_of_end(stream: Replayed) -> str:
    if stream.is_whole:
        return ""
    return "The tape breaks off: its process ended, the call is still on, or the rest could not be kept."


def _show_difference(console: Console, difference: Difference) -> None:
    console.print(f"\nEvent {difference.number:,}, at {difference.at_s:.3f} s. What led there:")
    for line in (*difference.led_by, f"{difference.at_s:9.3f}  {difference.event}"):
        console.print(f"  {_shortened(line)}", markup=False, highlight=False)
    table = Table("", "expected", "got", show_edge=False, pad_edge=False)
    for mark, expected, got in _side_by_side(difference.expected, difference.got):
        table.add_row(mark, escape(expected), escape(got))
    console.print(table)


def _side_by_side(expected: Sequence[str], got: Sequence[str]) -> Iterable[tuple[str, str, str]]:
    """Both answers, line by line; what is the same stands beside each other."""
    matcher = difflib.SequenceMatcher(None, expected, got, autojunk=False)
    for kind, from_1, to_1, from_2, to_2 in matcher.get_opcodes():
        left, right = expected[from_1:to_1], got[from_2:to_2]
        for place in range(max(len(left), len(right))):
            one = left[place] if place < len(left) else ""
            other = right[place] if place < len(right) else ""
            differs_at = _differs_at(one, other) if one and other else 0
            yield " " if kind == "equal" else "≠", _shortened(one, differs_at), _shortened(other, differs_at)


def _differs_at(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def _shortened(line: str, differs_at: int = 0) -> str:
    """A line that fits, with the place at which it differs in it."""
    begin = max(differs_at - BEFORE_CHARACTERS, 0) if len(line) > LINE_CHARACTERS_MAX else 0
    part = line[begin : begin + LINE_CHARACTERS_MAX]
    return f"{'…' if begin else ''}{part}{'…' if begin + len(part) < len(line) else ''}"


# --- As JSON --------------------------------------------------------------------------------------------


def _report(streams: Sequence[Replayed]) -> dict[str, object]:
    return {
        "is_same": not any(chain.from_iterable(stream.differences for stream in streams)),
        "played_by": {"callbridge": callbridge_version(), "code": code_digest()},
        "streams": streams,
    }
