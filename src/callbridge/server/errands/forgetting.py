"""Forgets a caller wherever something is kept of them: state, journal, records, recordings. Blocking.

For the command line; services may run meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from callbridge.records.errors import RecordsError
from callbridge.server.config.caller_keys import keys_ever
from callbridge.server.config.records import records_seal, records_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from callbridge.records.forgetting import Forgotten
    from callbridge.server.config.settings import Settings
    from callbridge.state.journal import JournalEntry

_OVER = frozenset({"call_over", "call_closed"})
"""Kinds of fact after which a call says nothing more that matters."""


@dataclass(slots=True)
class Report:
    """What was forgotten, and what was not; of a rehearsal, what would be."""

    remembered: int = 0
    """What agents remembered, and texts."""
    waiting: int = 0
    """Facts on their way to the records."""
    records: Forgotten | None = None
    """Nothing where no records are kept."""
    left: dict[str, str] = field(default_factory=dict)
    """Calls that are still there, and why."""
    trouble: str = ""
    """Why the records could not be looked at."""
    is_overwritten: bool = True

    @property
    def is_anything(self) -> bool:
        """Whether anything was found."""
        return bool(self.remembered or self.waiting or (self.records and self.records.calls))

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left."""
        return not (self.left or self.trouble)


def forget_everywhere(
    settings: Settings,
    caller: str,
    delete_recording: Callable[[str], str],
    *,
    is_rehearsal: bool = False,
) -> Report:
    """Deletes all that is kept of a caller.

    Args:
        settings: of the service.
        caller: as Twilio spells them.
        delete_recording: deletes one by its name; answers why it could not, or nothing.
        is_rehearsal: nothing is deleted.

    Raises:
        StateError: the state file or the shared state cannot be used.
    """
    report, keys = Report(), keys_ever(settings, caller)
    if settings.state_path is not None and settings.state_path.exists():
        _in_file(report, settings, settings.state_path, keys, is_rehearsal=is_rehearsal)
    if settings.shared_state_url is not None:
        report.remembered += _in_shared_state(settings.shared_state_url, keys, is_rehearsal=is_rehearsal)
    try:
        _in_records(report, settings, keys, caller, delete_recording, is_rehearsal=is_rehearsal)
    except RecordsError as error:
        report.trouble = str(error)
    if report.records and not is_rehearsal:
        _unfinished_recordings(settings, report.records)
    return report


def _unfinished_recordings(settings: Settings, forgotten: Forgotten) -> None:
    """A process that was killed has left them; the next start would store them."""
    if settings.recordings is None:
        return
    folder = settings.unfinished_recordings(settings.state_path)
    for call_sid in forgotten.calls:
        for file in folder.glob(f"{call_sid}-*"):
            file.unlink(missing_ok=True)
            forgotten.recordings += 1


def _in_file(
    report: Report, settings: Settings, path: Path, keys: Sequence[str], *, is_rehearsal: bool
) -> None:
    # SQLAlchemy takes a fifth of a second to import; the other commands do not wait for it.
    from callbridge.state import forgetting  # noqa: PLC0415 - see the line above

    theirs, live = _waiting(settings, forgetting.journal_in_file(path), keys)
    report.left |= dict.fromkeys(live, "it is going on: run this again when it is over")
    report.waiting = len(theirs)
    if is_rehearsal:
        report.remembered = forgetting.remembered_in_file(path, keys)
        return
    if theirs:
        forgetting.drop_from_journal(path, {entry.call_sid for entry in theirs})
    report.remembered, report.is_overwritten = forgetting.forget_in_file(path, *keys)


def _in_shared_state(url: str, keys: Sequence[str], *, is_rehearsal: bool) -> int:
    """How many records there were."""
    from callbridge.state import forgetting  # noqa: PLC0415 - as above

    if is_rehearsal:
        return forgetting.remembered_in_database(url, keys)
    return forgetting.forget_in_database(url, *keys)


def _waiting(
    settings: Settings, entries: Collection[JournalEntry], keys: Sequence[str]
) -> tuple[list[JournalEntry], set[str]]:
    """The facts of calls of theirs that are over, and which of their calls are not."""
    seal = records_seal(settings)
    told = [entry for entry in entries if entry.kind in {"stream_started", "call_offered"}]
    begun = {entry.call_sid for entry in told if _key_in(seal.open(entry.body)) in keys}
    over = {entry.call_sid for entry in entries if entry.kind in _OVER}
    return [entry for entry in entries if entry.call_sid in begun & over], begun - over


def _key_in(body: bytes) -> str:
    return msgspec.json.decode(body, type=_Keyed).caller_key


class _Keyed(msgspec.Struct):
    """Of a fact, what matters here."""

    caller_key: str = ""


def _in_records(
    report: Report,
    settings: Settings,
    keys: tuple[str, ...],
    caller: str,
    delete_recording: Callable[[str], str],
    *,
    is_rehearsal: bool,
) -> None:
    url = records_url(settings)
    if url is None:
        return
    from callbridge.records.database import Database  # noqa: PLC0415 - as above
    from callbridge.records.forgetting import Caller, forget  # noqa: PLC0415 - as above

    database = Database(url, seal=records_seal(settings))
    try:
        if database.is_there:
            database.check()
            wanted = Caller(keys, caller)
            report.records = forget(database, wanted, delete_recording, is_rehearsal=is_rehearsal)
            report.left |= report.records.left
            report.is_overwritten &= report.records.is_overwritten
    finally:
        database.close()
