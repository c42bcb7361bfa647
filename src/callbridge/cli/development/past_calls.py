"""The calls on record here, for pages (`console.sources.PastCalls`): the database is asked in a thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from callbridge.console.sources import SourceError
from callbridge.records.errors import RecordsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.records.call_list import CallSummary, Filter
    from callbridge.records.database import Database
    from callbridge.records.reading import Records
    from callbridge.records.story import CallStory

T = TypeVar("T")

ANSWER_WITHIN_S: Final = 5.0


class RecordedCalls:
    """Those of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="records for pages")

    async def calls(self, wanted: Filter) -> list[CallSummary]:
        """See `PastCalls`."""
        return await self._asked(lambda records: records.calls(wanted))

    async def story(self, call_sid: str) -> CallStory | None:
        """See `PastCalls`."""
        return await self._asked(lambda records: records.story(call_sid))

    async def _asked(self, ask: Callable[[Records], T]) -> T:
        from callbridge.records.reading import Records  # noqa: PLC0415 - SQLAlchemy is slow, and there by now

        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await loop.run_in_executor(self._thread, ask, Records(self._database))
        except RecordsError as error:
            raise SourceError(str(error)) from error
        except TimeoutError:
            raise SourceError(f"The database has not answered for {ANSWER_WITHIN_S:g} s.") from None
