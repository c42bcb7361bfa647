"""`callbridge calls freeze`: a call on record becomes a test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callbridge.agents.fault import AgentError
from callbridge.cli.call_names import named_sid
from callbridge.cli.calls.of_dev import OfDev, settings_for
from callbridge.cli.records_database import records_database
from callbridge.records.errors import RecordsError
from callbridge.records.recording.stores import StoreAwayError
from callbridge.server.config.who_answers import who_answers

if TYPE_CHECKING:
    from callbridge.console.lanes import Sound
    from callbridge.records.database import Database
    from callbridge.records.story import CallStory
    from callbridge.server.config.settings import Settings
    from callbridge.testing.freezing import Frozen


def freeze(
    call: Annotated[str, typer.Argument(metavar="SID", help="Its CallSid, or the last characters of it.")],
    into: Annotated[
        Path,
        typer.Option(file_okay=False, help="The folder to which the test goes; made if it is not there."),
    ] = Path("tests"),
    name: Annotated[str, typer.Option(help="What the test is called; as the call when empty.")] = "",
    agent: Annotated[
        str, typer.Option(help="Who is to answer, as a scenario names them; whom CALLBRIDGE_AGENT names.")
    ] = "",
    is_of_dev: OfDev = False,
) -> None:
    """Make a test of a call: what its caller, its model and its tools did, for `callbridge test`.

    As much of it as was kept: words (CALLBRIDGE_KEEP_WORDS), sound (CALLBRIDGE_RECORDINGS), and the tape that
    says which words and tools were one answer (CALLBRIDGE_REPLAY_SHARE). What was not kept is said.
    """
    settings = settings_for(is_of_dev=is_of_dev, agent=agent)
    with records_database(settings) as database:
        made, path = _frozen(settings, database, call, into, name, agent)
    for missing in made.missing:
        typer.echo(missing)
    typer.echo(f"{path} is there. Run it: callbridge test {path}")


def _frozen(
    settings: Settings, database: Database, call: str, into: Path, name: str, agent: str
) -> tuple[Frozen, Path]:
    """Makes and writes it.

    Raises:
        RecordsError: it cannot be made; says why.
    """
    from callbridge.records.reading import Records  # noqa: PLC0415 - SQLAlchemy is slow
    from callbridge.records.tapes import TapeStore  # noqa: PLC0415 - as above
    from callbridge.testing.freezing import NotFrozenError, frozen, own_tools, write  # noqa: PLC0415 - used here

    records = Records(database)
    call_sid = named_sid(records, call)
    story = records.story(call_sid)
    if story is None:
        raise RecordsError(f"No call on record ends in {call!r}. `callbridge calls` lists them.")
    try:
        _, answering = who_answers(settings).find(story.agent)
        made = frozen(
            story,
            name=name,
            sound=_sound(settings, story),
            tape=TapeStore(database).lines(call_sid),
            agent=agent,
            own_tools=own_tools(answering),
        )
        return made, write(made, into)
    except (NotFrozenError, AgentError) as error:
        raise RecordsError(str(error)) from error
    except OSError as error:
        raise RecordsError(f"The test cannot be written: {error}.") from error


def _sound(settings: Settings, story: CallStory) -> Sound | None:
    """Without what cannot be had: its words are spoken anew then, and it is said why."""
    from callbridge.cli.stored_sound import stored_sound  # noqa: PLC0415 - of few calls

    try:
        return stored_sound(settings, story)
    except (ValueError, ImportError, OSError, StoreAwayError) as error:
        typer.echo(f"The recording cannot be had: {error}.", err=True)
        return None
