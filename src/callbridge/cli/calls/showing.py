"""`callbridge calls show`: one call, as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from callbridge.cli.call_names import named_sid
from callbridge.cli.calls.call_page import show_call
from callbridge.cli.calls.of_dev import OfDev, settings_for
from callbridge.cli.output_files import to_be_written
from callbridge.cli.records_database import records_database
from callbridge.records.errors import RecordsError
from callbridge.records.recording.stores import StoreAwayError
from callbridge.server.process.keeping.recording_links import store_of

if TYPE_CHECKING:
    from callbridge.records.reading import Records
    from callbridge.records.story import CallStory
    from callbridge.server.config.settings import Settings


def show(
    call: Annotated[str, typer.Argument(metavar="SID", help="Its CallSid, or the last characters of it.")],
    as_json: Annotated[bool, typer.Option("--json", help="All that is known of it, as JSON.")] = False,
    audio: Annotated[
        Path | None,
        typer.Option(
            callback=to_be_written, help="Save its recording there, instead: caller left, agent right."
        ),
    ] = None,
    is_of_dev: OfDev = False,
) -> None:
    """Show a call: who spoke when, each turn, what was done, how long the caller waited, what it cost.

    What was said is there only where it is kept (CALLBRIDGE_KEEP_WORDS). A recording is saved with the
    ending of its kind, .wav or .opus; of a call with several streams each is a file.
    """
    settings = settings_for(is_of_dev=is_of_dev)
    with records_database(settings) as database:
        from callbridge.records.reading import Records  # noqa: PLC0415 - SQLAlchemy is slow

        story = named_story(Records(database), call)
        if audio is not None:
            _save(settings, story, audio)
            return
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(story), indent=2).decode())
    else:
        show_call(Console(highlight=False), story)


def _save(settings: Settings, story: CallStory, path: Path) -> None:
    """Saves the recordings of a call."""
    if not story.recordings:
        raise RecordsError(f"There is no recording of {story.call_sid}.")
    try:
        store = store_of(settings)
        for number, name in enumerate(story.recordings, 1):
            stem = path.stem if number == 1 else f"{path.stem}-{number}"
            target = path.with_name(f"{stem}.{name.rpartition('.')[2]}")
            target.write_bytes(store.get(name))
            target.chmod(0o600)
            typer.echo(f"{name} saved as {target}")
    except FileNotFoundError:
        raise RecordsError(
            f"The recording {name} is not in its store any more: it was kept long enough."
        ) from None
    except (ValueError, ImportError, OSError, StoreAwayError) as error:
        raise RecordsError(f"The recording cannot be had: {error}.") from error


def named_story(records: Records, name: str) -> CallStory:
    """The one call that is called so.

    Raises:
        RecordsError: there is none, or more than one.
    """
    story = records.story(named_sid(records, name))
    if story is None:
        raise RecordsError(f"No call on record ends in {name!r}. `callbridge calls` lists them.")
    return story
