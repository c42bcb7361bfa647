"""The one thread that talks to Redis. The event loop puts things in its backlog and never waits for it.

All that waits when the thread is ready goes out together. Questions are answered by the same thread, after
the batch that was told before them; so an answer is what is stored plus what waits, and nothing can be in
both or in neither.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import MsgspecError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from callbridge.state.backlog import Backlog
from callbridge.state.open_redis import OpenRedis
from callbridge.state.redis_words import in_words, is_a_copy, shown
from callbridge.state.writer_thread import BATCH_MAX, WriterThread
from callbridge.state.writes import with_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.state.reply import Reply
    from callbridge.state.state import CallEvent, Retention
    from callbridge.state.writes import Write

LOOK_EVERY_S: Final = 0.5
"""With nothing to do the thread asks this often whether Redis is there."""

STUCK_S: Final = 1.5
"""A round that takes longer hangs where no timeout holds, as in the look-up of a name."""

_log = structlog.get_logger()


class RedisWriter(WriterThread):
    """Writes until it is closed. All methods may be called from any thread.

    Args:
        url: `redis://…` or `rediss://…`, which may have a password.
        process: the name of this start of callbridge.
        clock: seconds since 1970.
        retention: when events expire.
    """

    def __init__(self, url: str, process: str, clock: Callable[[], float], retention: Retention) -> None:
        self._url, self._process = url, process
        self._clock, self._retention = clock, retention
        super().__init__(Backlog(), "redis-writer", "The writer to Redis")
        # Guarded by `_wake`:
        self._questions: deque[tuple[str, Reply[tuple[CallEvent, ...]]]] = deque()
        # The thread's own:
        self._redis: OpenRedis | None = None
        self._look_at = 0.0
        self._round_since: float | None = None

    def __repr__(self) -> str:
        return f"<RedisWriter {shown(self._url)} {self._backlog!r} trouble={self._trouble!r}>"

    # --- What the loop sees

    def put(self, write: Write) -> None:
        """Queues a write."""
        with self._wake:
            self._backlog.put(write)
            if self._waiting_since is None:
                self._waiting_since = time.monotonic()
            self._wake.notify()

    def ask(self, call_sid: str, reply: Reply[tuple[CallEvent, ...]]) -> None:
        """Settles `reply` with what is stored of a call and what waits; while Redis is away, what waits."""
        with self._wake:
            if not (self._is_over or self._is_away):
                self._questions.append((call_sid, reply))
                self._wake.notify()
                return
        reply.settle(self.waiting_of(call_sid))

    def waiting_of(self, call_sid: str) -> tuple[CallEvent, ...]:
        """What is not written of a call."""
        with self._wake:
            return with_events((), self._backlog.writes, call_sid)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written, also when the thread itself hangs."""
        if self._trouble is None and self._is_stuck:
            return f"Redis at {shown(self._url)} takes nothing. Look whether its name can be looked up here."
        return self._trouble

    @property
    def _is_stuck(self) -> bool:
        since = self._round_since
        return since is not None and time.monotonic() - since > STUCK_S

    @property
    def _is_away(self) -> bool:
        """Whether it cannot even be asked. One that is full, for example, can."""
        return self._is_stuck or (self._trouble is not None and self._redis is None)

    # --- The thread

    def _wait_for_work(self) -> bool:
        """Returns when there is something to do, or it is time to look; false when that is to end."""
        with self._wake:
            while not self._is_closing:
                now = time.monotonic()
                has_work = self._backlog or self._questions or self._flushes
                next_at = self._retry_at if has_work else max(self._retry_at, self._look_at)
                if next_at <= now:
                    break
                self._wake.wait(next_at - now)
            return not self._is_closing

    def _finish(self) -> None:
        self._is_round_done()

    def _is_round_done(self) -> bool:
        self._round_since = time.monotonic()
        try:
            if self._is_done(self._write):
                self._went_well()
            if self._redis is not None:
                self._is_done(self._answer_questions)
        except Exception:  # noqa: BLE001  # A fault of ours. All calls depend on this thread: it tries again.
            _log.exception("state_writer_failed")
            self._failed("The writer to Redis fails by a fault of ours; the log has it.")
            return False
        finally:
            self._round_since = None
            self._look_at = time.monotonic() + LOOK_EVERY_S
            self._answer_flushes()
        return True

    def _is_done(self, attempt: Callable[[OpenRedis], None]) -> bool:
        """Whether it went well. Where there was no proper answer the connection is made anew.

        So it is to one that has become a copy: its name may lead to another one by now.
        """
        try:
            if self._redis is None:
                self._redis = OpenRedis.open(self._url)
            attempt(self._redis)
        except (RedisError, OSError) as error:
            if not isinstance(error, ResponseError) or isinstance(error, NoScriptError) or is_a_copy(error):
                self._disconnect()
            self._failed(in_words(error, self._url))
            return False
        return True

    def _write(self, redis: OpenRedis) -> None:
        """The oldest of what waits; if nothing does, a word whether Redis is there."""
        with self._wake:
            batch = self._backlog.take(BATCH_MAX)
        if not batch:
            redis.ping()
            return
        is_written = False
        try:
            verdicts = redis.write(batch, process=self._process, now=self._clock(), retention=self._retention)
            is_written = True
        finally:
            with self._wake:
                if is_written:
                    self._backlog.done()
                    self._waiting_since = time.monotonic() if self._backlog else None
                else:
                    self._backlog.put_back()
        for claim, is_first in verdicts:
            claim.reply.settle(is_first)

    def _answer_questions(self, redis: OpenRedis) -> None:
        """What cannot be read of one call is lost for that call alone."""
        for _ in range(len(self._questions)):
            call_sid, reply = self._questions[0]
            try:
                stored = redis.events(call_sid)
            except MsgspecError as error:  # Whatever has written there.
                _log.error("events_not_read", call_sid=call_sid, reason=str(error))
                stored = ()
            with self._wake:
                reply.settle(with_events(stored, self._backlog.writes, call_sid))
                self._questions.popleft()

    def _failed(self, trouble: str) -> None:
        self._is_in_trouble(trouble)
        if self._redis is None:
            self._answer_from_what_waits()

    def _answer_from_what_waits(self) -> None:
        with self._wake:
            questions, self._questions = self._questions, deque()
        for call_sid, reply in questions:
            reply.settle(self.waiting_of(call_sid))

    def _disconnect(self) -> None:
        redis, self._redis = self._redis, None
        if redis is not None:
            redis.close()
