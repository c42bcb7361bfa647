"""Ends what a process has left behind that is gone: its streams are written down as lost, within seconds.

In a thread of its own, so that neither much to ship nor a slow telling of a call makes a process look dead. A
stream whose own end is found later keeps that one: `ProcessLost` only fills the place of an end that is not
known.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from sqlalchemy import and_, exists, func, insert, select
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

from callbridge.call import facts as call_facts
from callbridge.call.record_facts import REAPER, ProcessLost
from callbridge.records.errors import RecordsError
from callbridge.records.leases import RENEW_EVERY_S, Leases, forget_settled, settle
from callbridge.records.projecting import decoded, lock_calls, project
from callbridge.records.schema import calls, facts, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from callbridge.records.database import Database
    from callbridge.records.projecting import Outgrowth

QUIET_LOOKS: Final = 12
"""Every so many rounds calls are looked for that nobody carries, and of which nothing is heard."""

SETTLED_KEPT_S: Final = 24 * 3600.0
"""How long a process is listed that is gone and has left nothing behind."""

AT_ONCE_MAX: Final = 100
"""Calls that are ended in one round. The rest waits for the next."""

_log = structlog.get_logger()


class Reaper:
    """The thread. Started once, stopped once.

    Args:
        database: the records.
        process: the name of this process, as it stands in its facts.
        quiet_s: a call that nobody carries is over when nothing was heard of it for so long.
        outgrowths: what follows the first end of a call, in its transaction.
        clock: seconds since 1970.
        now: a clock that never goes back.
    """

    def __init__(
        self,
        database: Database,
        process: str,
        *,
        quiet_s: float,
        outgrowths: Sequence[Outgrowth] = (),
        clock: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._process, self._quiet_s = database, process, quiet_s
        self._outgrowths, self._clock, self._now = outgrowths, clock, now
        self._leases = Leases(process)
        self._rounds = 0
        self.lost = 0
        """Streams that this thread has found left open by a process that was gone."""
        self._look_until = 0.0
        """When a round has to be over, so that the own lease is renewed in time."""
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="records-reaper", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Says that this process has ended in order, and ends the thread. Blocks for so long at most."""
        self._is_stopping.set()
        self._thread.join(within_s)

    def look(self) -> int:
        """Renews the own lease, and ends what others have left behind; answers how many streams that were.

        Raises:
            RecordsError: the database is away.
        """
        with self._database.writing() as connection:
            self._leases.renew(connection, self._clock())
            gone = self._leases.gone(connection, self._now())
        self._look_until = self._now() + RENEW_EVERY_S
        ended = sum(self._bury(process) for process in gone)
        self._rounds += 1
        if self._rounds % QUIET_LOOKS == 0:
            ended += self._end_quiet_calls()
        return ended

    # --- The thread

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                self.look()
            except RecordsError:
                self._leases.forget()  # The shipping complains of it.
            except Exception:  # noqa: BLE001  # A fault of ours: without renewals all its calls would look lost.
                _log.exception("records_reaper_failed")
            self._is_stopping.wait(RENEW_EVERY_S)
        try:
            with self._database.writing() as connection:
                self._leases.leave(connection, self._clock())
        except RecordsError:
            pass  # Then others find that out.

    def _bury(self, process: str) -> int:
        """Ends the streams that a process has left open."""
        with self._database.reading() as connection:
            streams = _open_streams(connection, process)
        ended = 0
        for call_sid, stream_sid in streams[:AT_ONCE_MAX]:
            if self._now() > self._look_until:
                return ended  # A slow database: the own lease comes first, the rest in the next round.
            self._end(call_sid, stream_sid, process)
            ended += 1
        if len(streams) <= AT_ONCE_MAX:
            with self._database.writing() as connection:
                if not _open_streams(connection, process):
                    settle(connection, process)
        return ended

    def _end_quiet_calls(self) -> int:
        """Calls that were to go on, and of which no process has heard any more: nobody asked what follows."""
        with self._database.reading() as connection:
            quiet = _quiet_calls(connection, self._clock() - self._quiet_s)
        ended = 0
        for call_sid in quiet:
            if self._now() > self._look_until:
                break
            self._end(call_sid, "", "")
            ended += 1
        with self._database.writing() as connection:
            forget_settled(connection, self._clock() - SETTLED_KEPT_S)
        return ended

    def _end(self, call_sid: str, stream_sid: str, process: str) -> None:
        with self._database.writing() as connection:
            lock_calls(connection, [call_sid])
            if not stream_sid:
                stream_sid = _last_stream(connection, call_sid)
            if not _is_lost(connection, call_sid, stream_sid):
                self._write_down(connection, call_sid, ProcessLost(stream_sid, process))
                if process:
                    self.lost += 1
                    _log.warning("process_lost", call_sid=call_sid, stream_sid=stream_sid, process=process)
            try:
                with connection.begin_nested():
                    project(connection, call_sid, self._clock(), self._outgrowths)
            except (OperationalError, InterfaceError, InternalError):
                raise  # The database's: it is tried again.
            except Exception:  # noqa: BLE001  # A fault of ours with one call leaves no other without an end.
                _log.exception("call_not_told", call_sid=call_sid)

    def _write_down(self, connection: Connection, call_sid: str, fact: ProcessLost) -> None:
        by_reapers = facts.c.call_sid == call_sid, facts.c.source == REAPER
        number = (connection.execute(select(func.max(facts.c.number)).where(*by_reapers)).scalar() or 0) + 1
        place = {"call_sid": call_sid, "source": REAPER, "number": number}
        body = call_facts.encode(msgspec.structs.replace(fact, **place))
        row = {
            **place,
            "at": self._clock(),
            "at_ms": 0,
            "kind": fact.kind,
            "process": self._process,
            "body": self._database.seal.seal(body).decode(),
        }
        connection.execute(insert(facts).values(row))


# --- Asking -------------------------------------------------------------------------------------------


def _open_streams(connection: Connection, process: str) -> list[tuple[str, str]]:
    """(call_sid, stream_sid) of streams that it has begun, and of which something was left in it.

    One that has ended may still have waited for words or a tool: nobody waits for these any more.
    """
    last = facts.alias()
    is_closed = exists().where(
        last.c.call_sid == facts.c.call_sid, last.c.source == facts.c.source, last.c.kind == "call_closed"
    )
    begun = select(facts.c.call_sid, facts.c.source).where(
        facts.c.process == process, facts.c.kind == "stream_started", ~is_closed
    )
    found = [(call_sid, source) for call_sid, source in connection.execute(begun)]
    return [stream for stream in found if not _is_lost(connection, *stream)]


def _is_lost(connection: Connection, call_sid: str, stream_sid: str) -> bool:
    told = select(facts.c.body).where(facts.c.call_sid == call_sid, facts.c.source == REAPER)
    lost = (decoded(body) for body in connection.execute(told).scalars())
    return any(isinstance(fact, ProcessLost) and fact.stream_sid == stream_sid for fact in lost)


def _last_stream(connection: Connection, call_sid: str) -> str:
    begun = select(facts.c.source).where(facts.c.call_sid == call_sid, facts.c.kind == "stream_started")
    return connection.execute(begun.order_by(facts.c.at.desc()).limit(1)).scalar() or ""


def _quiet_calls(connection: Connection, since: float) -> list[str]:
    """Live calls without a stream of a process that may be alive, and without any fact since then."""
    start, end = facts.alias(), facts.alias()
    is_ended = exists().where(
        end.c.call_sid == start.c.call_sid, end.c.source == start.c.source, end.c.kind == "stream_ended"
    )
    is_carried = exists().where(
        start.c.call_sid == calls.c.call_sid,
        start.c.kind == "stream_started",
        ~is_ended,
        exists().where(and_(processes.c.process == start.c.process, ~processes.c.is_settled)),
    )
    wanted = select(calls.c.call_sid).where(calls.c.state == "live", calls.c.last_at < since, ~is_carried)
    return list(connection.execute(wanted.order_by(calls.c.last_at).limit(AT_ONCE_MAX)).scalars())
