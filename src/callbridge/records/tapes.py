"""The tapes of calls in the database: their pieces are written as they come, and read back as lines."""

from __future__ import annotations

import zlib
from itertools import groupby
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from callbridge.call.tapes.text import TapeError
from callbridge.records.errors import RecordsError
from callbridge.records.schema import raw_events
from callbridge.records.taping import NotStoredError, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callbridge.records.database import Database

_NAMES: Final = ("call_sid", "stream_sid", "number", "at", "body")


class TapeStore:
    """The tapes in one database. Blocking: for threads and commands."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, pieces: Sequence[Piece]) -> None:
        """Writes pieces; those that are there already are left alone.

        Raises:
            NotStoredError: the database cannot be written at the moment.
        """
        rows = [{name: getattr(piece, name) for name in _NAMES} for piece in pieces]
        try:
            with self._database.writing() as connection:
                insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
                connection.execute(insert(raw_events).on_conflict_do_nothing(), rows)
        except RecordsError as error:
            raise NotStoredError(str(error)) from error

    def lines(self, call_sid: str) -> Iterator[bytes]:
        """The tapes of all streams of a call, one behind the other, as far as each goes without a gap.

        Raises:
            RecordsError: the database cannot be read.
            TapeError: what stands there is no tape.
        """
        columns = raw_events.c
        of_call = select(columns.stream_sid, columns.number, columns.at, columns.body).where(
            columns.call_sid == call_sid
        )
        with self._database.reading() as connection:
            rows = connection.execute(of_call).all()
        begins = {row.stream_sid: row.at for row in rows if row.number == 1}
        told = [row for row in rows if row.stream_sid in begins]
        told.sort(key=lambda row: (begins[row.stream_sid], row.stream_sid, row.number))
        for _, pieces in groupby(told, key=lambda row: row.stream_sid):
            for number, piece in enumerate(pieces, 1):
                if piece.number != number:
                    break
                yield from _lines_in(piece.body)


def _lines_in(body: bytes) -> list[bytes]:
    try:
        return zlib.decompress(body).split(b"\n")
    except zlib.error as error:
        raise TapeError(f"a piece of the tape cannot be read: {error}") from error
