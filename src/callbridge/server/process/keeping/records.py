"""The records of this process: every fact goes into the journal, and a thread ships it to the database.

Nothing here waits for either. What of a fact is kept is decided before it is written down anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from callbridge.call import facts
from callbridge.observe.redaction import redaction
from callbridge.records.errors import RecordsAway, RecordsError
from callbridge.records.keeping import SHEDDABLE, Keeping, kept
from callbridge.server.config.prices import read_prices
from callbridge.server.config.records import records_seal, records_url
from callbridge.server.config.retention import retention
from callbridge.state.journal import JournalEntry
from callbridge.state.state import BODY_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from callbridge.call.facts import Fact
    from callbridge.records.database import Database
    from callbridge.records.projecting import Outgrowth
    from callbridge.records.shipping import Behind, Witness
    from callbridge.server.config.settings import Settings
    from callbridge.state.state import State

LAST_SHIPMENT_S: Final = 3.0
"""A process that stops ships for so long. What is left waits in the state file for the next one."""

LEAVING_S: Final = 1.0
"""Then it says that it is gone. If it cannot, others find out."""

_log = structlog.get_logger()


class RecordKeeping:
    """What keeps the records of one process. Made by `open_records`; for its event loop alone.

    Args:
        database: where they are.
        state: whose journal they pass through.
        keeping: what of a fact is kept.
        outgrowths: what follows the first end of a call.
        witnesses: what facts lead to as they come.
        quiet_s: see `Reaper`.
        wall_now: seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        state: State,
        keeping: Keeping,
        outgrowths: Sequence[Outgrowth],
        witnesses: Sequence[Witness],
        quiet_s: float,
        wall_now: Callable[[], float],
    ) -> None:
        # With the database's library, which takes a fifth of a second to import.
        from callbridge.records.reaping import Reaper  # noqa: PLC0415 - see the line above
        from callbridge.records.shipping import Shipping  # noqa: PLC0415 - see the line above

        self.database, self._state, self._keeping, self._wall_now = database, state, keeping, wall_now
        self.process = state.process
        """The name of this start of the process."""
        self.away: str | None = None
        """Why the database could not be asked at the start; nothing where it could."""
        self._noted = 0
        self._shipping = Shipping(
            database,
            state.journal,
            self.process,
            outgrowths=outgrowths,
            witnesses=witnesses,
            clock=wall_now,
        )
        self._reaper = Reaper(database, self.process, quiet_s=quiet_s, outgrowths=outgrowths, clock=wall_now)

    @property
    def trouble(self) -> str | None:
        """Why records are not up to date at the moment; or nothing."""
        return self._shipping.trouble

    @property
    def behind(self) -> Behind:
        """What is not in the database yet."""
        return self._shipping.behind

    @property
    def shipped(self) -> int:
        """Facts that this process was the first to bring there since its start."""
        return self._shipping.shipped

    @property
    def shed(self) -> int:
        """Facts that were lost for want of room since the start."""
        return self._state.journal.shed

    @property
    def streams_lost(self) -> int:
        """Streams whose end this process has written down for one that was gone."""
        return self._reaper.lost

    def note(self, fact: Fact) -> None:
        """A fact of a stream. What a socket says that has not been admitted is nobody's record."""
        is_strangers = isinstance(fact, facts.StreamEnded) and not fact.is_admitted
        if not is_strangers and fact.call_sid:
            self._keep(fact)

    def noted(self, fact: Fact) -> None:
        """A fact of a webhook, which has its CallSid. Its number is this process's, so that none clash."""
        self._noted += 1
        source = f"{facts.HTTP}-{self.process}"
        self._keep(msgspec.structs.replace(fact, source=source, number=self._noted))

    def _keep(self, fact: Fact) -> None:
        body = self.database.seal.seal(facts.encode(kept(fact, self._keeping)))
        if len(body) > BODY_BYTES_MAX:
            _log.error("fact_too_large", kind=fact.kind, call_sid=fact.call_sid, size=len(body))
            return
        self._state.keep(
            JournalEntry(
                at=self._wall_now(),
                process=self.process,
                call_sid=fact.call_sid,
                source=fact.source,
                number=fact.number,
                at_ms=fact.at_ms,
                kind=fact.kind,
                body=body,
                is_essential=fact.kind not in SHEDDABLE,
            )
        )

    def begin(self) -> None:
        """Starts shipping, and says that this process is alive."""
        self._shipping.start()
        self._reaper.start()

    async def end(self) -> None:
        """Ships what is written down by now, for `LAST_SHIPMENT_S` at most, and stops."""
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._shipping.stop(LAST_SHIPMENT_S)
        self._reaper.stop(LEAVING_S)
        self.database.close()


def is_older(file: Path) -> bool:
    """Whether the tables in this file are those of an earlier callbridge. What cannot be read is none."""
    if not file.exists():
        return False
    # As in `open_records`.
    from callbridge.records.database import Database  # noqa: PLC0415 - see the line above
    from callbridge.records.schema import HEAD  # noqa: PLC0415 - see the line above

    with contextlib.closing(Database(f"sqlite:///{file}")) as database:
        try:
            found = database.version()
        except RecordsError:
            return False
    return found is not None and found < HEAD


def open_records(
    settings: Settings,
    state: State,
    key_of: Callable[[str], str],
    wall_now: Callable[[], float],
    outgrowths: Sequence[Outgrowth] = (),
    witnesses: Sequence[Witness] = (),
) -> RecordKeeping | None:
    """The records that the settings name; nothing where they name none. Blocks until the database answers.

    A file is made, or brought up to date. A server that does not answer keeps no call waiting: what happens
    meanwhile is shipped when it does.

    Raises:
        RecordsError: they can never be used like this.
    """
    url = records_url(settings)
    if url is None:
        return None
    # SQLAlchemy takes a fifth of a second to import; who keeps no records does not wait for it.
    from callbridge.records.database import Database  # noqa: PLC0415 - see the line above
    from callbridge.records.migrating import migrate  # noqa: PLC0415 - see the line above

    database, away = Database(url, read_prices(settings.prices).list, records_seal(settings)), None
    try:
        if not database.is_postgres:
            migrate(database)
        database.check()
    except RecordsError as error:
        if not isinstance(error, RecordsAway):
            database.close()
            raise
        away = str(error)
        _log.error("records_away", reason=away, follows="facts wait in the journal; calls are taken")
    keeping = Keeping(
        words=settings.keep_words,
        numbers=settings.keep_numbers,
        redaction=redaction(settings.secrets),
        key_of=key_of,
    )
    records = RecordKeeping(
        database, state, keeping, outgrowths, witnesses, retention(settings).quiet_s, wall_now
    )
    records.away = away
    return records
