"""`callbridge calls export`: the calls on record as a file for other programs."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from callbridge.cli.calls import wanted as options
from callbridge.cli.calls.wanted import summaries, wanted_calls
from callbridge.cli.output_files import to_be_written
from callbridge.cli.records_database import records_database
from callbridge.cli.serve import settings_or_refusal
from callbridge.records.errors import RecordsError
from callbridge.records.export import ExportError, Format, Of, write_csv, write_jsonl, write_parquet
from callbridge.records.in_words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.call_list import Filter
    from callbridge.records.reading import Records
    from callbridge.records.story import CallStory

SCREEN: Final = Path("-")
"""Stands for the standard output."""


def _file(path: Path) -> Path:
    return path if path == SCREEN else to_be_written(path) or path


def export(
    file: Annotated[
        Path, typer.Argument(callback=_file, help="Where to; - for the standard output.", show_default=False)
    ],
    form: Annotated[Format, typer.Option("--format", help="csv and parquet hold rows.")] = "jsonl",
    of: Annotated[Of, typer.Option(help="What a row of csv or parquet is.")] = "calls",
    since: options.Since = "",
    until: options.Until = "",
    agent: options.Agent = "",
    caller: options.Caller = "",
    ended: options.Ended = "",
    longer_than: options.LongerThan = "",
    words: options.Words = "",
) -> None:
    """Write calls on record to a file, the latest first: whole stories as JSON Lines, or rows.

    The file is there whole or not at all. Parquet needs `pip install 'callbridge[parquet]'`. What is written
    is what is kept: words and numbers only where that is switched on.
    """
    settings = settings_or_refusal()
    wanted = wanted_calls(
        settings,
        since=since,
        until=until,
        agent=agent,
        caller=caller,
        ended=ended,
        longer_than=longer_than,
        words=words,
    )
    with records_database(settings) as database:
        from callbridge.records.reading import Records  # noqa: PLC0415 - SQLAlchemy is slow

        try:
            with _opened(file) as opened:
                count = _write(_stories(Records(database), wanted), opened, form, of)
        except (ExportError, OSError) as error:
            raise RecordsError(str(error)) from error
    what = "call" if form == "jsonl" or of == "calls" else "turn"
    typer.echo(f"{counted(count, what)} written to {file}", err=file == SCREEN)


def _stories(records: Records, wanted: Filter) -> Iterator[CallStory]:
    for call in summaries(records, wanted):
        story = records.story(call.call_sid)
        if story is not None:  # One that was forgotten meanwhile is none.
            yield story


def _write(stories: Iterator[CallStory], file: IO[bytes], form: Format, of: Of) -> int:
    match form:
        case "jsonl":
            return write_jsonl(stories, file)
        case "csv":
            return write_csv(stories, file, of)
        case "parquet":
            return write_parquet(stories, file, of)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file under another name until it is whole."""
    if path == SCREEN:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            part.chmod(0o600)
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
