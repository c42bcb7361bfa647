"""Has what is overdue deleted from the records: at the start, and once an hour.

In a thread of its own: nobody waits for it, and a process that stops leaves the rest to the next one.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from callbridge.observe.redaction import redaction
from callbridge.records.errors import RecordsError
from callbridge.records.keeping import Keeping
from callbridge.records.recording.stores import StoreAwayError
from callbridge.server.process.keeping.recording_links import delete_recording, overdue
from callbridge.server.process.own_threads import AFTER_CALLS, in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.records.database import Database
    from callbridge.records.retention import Swept
    from callbridge.server.config.settings import Settings

EVERY_S: Final = 3600.0
AGAIN_S: Final = 300.0
"""After so long it is tried again when the database could not be used."""

_DAY_S: Final = 24 * 3600.0

_log = structlog.get_logger()


def without_words(settings: Settings) -> Keeping:
    """What is left of a fact when its words are deleted."""
    return Keeping(words=False, numbers=settings.keep_numbers, redaction=redaction(settings.secrets))


def sweep(
    settings: Settings,
    database: Database,
    wall_now: Callable[[], float],
    is_to_stop: Callable[[], bool],
) -> Swept:
    """Deletes what is overdue by the settings. Blocks.

    Raises:
        RecordsError: the database cannot be used.
    """
    # SQLAlchemy takes a fifth of a second to import; who keeps no records does not wait for it.
    from callbridge.records.retention import KeptFor, Sweep  # noqa: PLC0415 - see the line above

    words_days = settings.words_kept_days
    kept_for = KeptFor(
        settings.records_kept_days * _DAY_S,
        None if words_days is None or words_days >= settings.records_kept_days else words_days * _DAY_S,
    )
    delete = recording_deleter(settings)
    swept = Sweep(database, kept_for, without_words(settings), delete, wall_now).run(is_to_stop)
    _delete_old_recordings(settings, swept, wall_now)
    return swept


async def sweep_forever(settings: Settings, database: Database, wall_now: Callable[[], float]) -> NoReturn:
    """Does so over and over. When it is cancelled, the step that runs is finished by its thread."""
    stop = threading.Event()
    step = partial(sweep, settings, database, wall_now, stop.is_set)
    try:
        while True:
            try:
                swept = await in_thread(AFTER_CALLS, step, "sweeping")
            except RecordsError as error:
                _log.warning("records_not_swept", reason=str(error), again_s=AGAIN_S)
                await asyncio.sleep(AGAIN_S)
                continue
            tell(swept)
            await asyncio.sleep(EVERY_S)
    finally:
        stop.set()


def tell(swept: Swept) -> None:
    """One line for what was deleted, and one for what could not be."""
    if swept.calls or swept.wordless or swept.recordings:
        _log.info(
            "records_swept",
            calls=swept.calls,
            words_of=swept.wordless,
            recordings=swept.recordings,
            rows=sum(swept.rows.values()),
            is_overwritten=swept.is_overwritten,
        )
    if swept.kept_back:
        which, why = next(iter(swept.kept_back.items()))
        _log.warning("records_kept_back", count=len(swept.kept_back), first=which, reason=why)


def recording_deleter(settings: Settings) -> Callable[[str], str]:
    """What deletes a recording by its name, and answers why it could not, or nothing. It blocks."""

    def delete(name: str) -> str:
        try:
            delete_recording(settings, name)
        except (ValueError, ImportError, StoreAwayError) as error:
            return str(error)
        return ""

    return delete


def _delete_old_recordings(settings: Settings, swept: Swept, wall_now: Callable[[], float]) -> None:
    """Those that are kept for less long than the record of their call."""
    delete = recording_deleter(settings)
    try:
        names = [] if settings.recordings_place is None else overdue(settings, wall_now())
    except (ImportError, StoreAwayError) as error:
        _log.warning("recordings_not_swept", reason=str(error), again_s=EVERY_S)
        return
    for name in names:
        if why := delete(name):
            swept.kept_back[name] = why
        else:
            swept.recordings += 1
