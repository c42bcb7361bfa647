"""Keeps the tapes of a share of the calls: made text, compressed and stored by a thread of its own.

A call hands a piece over and never waits. What cannot be stored is lost and said: of a tape with a gap no
more is kept, since nobody could play it on.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import re
import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from callbridge.call.machine import CallMachine
from callbridge.call.tapes.taping import Tape, TapedMachine
from callbridge.call.tapes.text import TapeError, lines_of
from callbridge.records.code_version import callbridge_version, code_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from callbridge.call.events import StreamAdmitted
    from callbridge.call.outbox import Outbox
    from callbridge.call.tapes.entries import Entry

PIECES_MAX: Final = 2_000
"""That wait for the thread: it takes a millisecond for each, so more means that it does not run."""

WAITING_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of compressed pieces that wait for a database that is away: a day of a call, or an hour of thirty."""

PAUSE_S: Final = 5.0
"""Between two attempts at a database that is away."""

LINES_AT_ONCE: Final = 16
"""Made in a fifth of a millisecond."""

PIECES_AT_ONCE: Final = 100
"""Pieces of one transaction."""

_LONG: Final = re.compile(rb"\d(?:[ \xc2\xa0]?\d){12}")
"""As many digits as the shortest number of a card has."""

_TEXTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')

_log = structlog.get_logger()


class NotStoredError(Exception):
    """The pieces could not be stored now; the message says why. They may be stored later."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the tape of one stream."""

    call_sid: str
    stream_sid: str
    number: int
    """1, 2, 3, … within the stream."""
    at: float
    """When it was handed over, in seconds since 1970."""
    body: bytes
    """Lines of text, compressed (zlib)."""


def is_taped(call_sid: str, share: float) -> bool:
    """Whether a call belongs to this share of all calls: the same answer for all of its streams."""
    digest = hashlib.sha256(call_sid.encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


class Taping:
    """The tapes of one process.

    Args:
        share: of the calls, from 0 to 1.
        store: writes pieces; called from the thread. Raises `NotStoredError`.
        clock: seconds since 1970.
        without_cards: a text without the numbers of payment cards: a tape ends before the first of them.
    """

    def __init__(
        self,
        share: float,
        store: Callable[[Sequence[Piece]], None],
        clock: Callable[[], float] = time.time,
        without_cards: Callable[[str], str] = str,
    ) -> None:
        self._share, self._store, self._clock, self._without_cards = share, store, clock, without_cards
        self._version, self._code = callbridge_version(), code_digest()
        self._handed = queue.Queue[_Handed | None](PIECES_MAX)
        self._waiting: deque[Piece] = deque()
        self._waiting_bytes = 0
        self._try_at = 0.0
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="tapes", daemon=True)

    def __repr__(self) -> str:
        return f"<Taping share={self._share:g} waiting={len(self._waiting)}>"

    # --- In the event loop ---

    def machine(self, admitted: StreamAdmitted, *, out: Outbox, **parts: Any) -> CallMachine:
        """Makes the machine of a call, as `CallMachine` does: one that is taped, or an ordinary one."""
        if not is_taped(out.call_sid, self._share):
            return CallMachine(admitted, out=out, **parts)
        stream = _Stream(out.call_sid, out.stream_sid, (admitted.caller, admitted.called), self._hand_over)
        return TapedMachine(admitted, out=out, tape=Tape(stream.takes, self._version, self._code), **parts)

    def _hand_over(self, stream: _Stream, number: int, entries: list[Entry]) -> bool:
        try:
            self._handed.put_nowait(_Handed(stream, number, self._clock(), entries))
        except queue.Full:
            return False
        return True

    def begin(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def end(self, within_s: float) -> None:
        """Stores what was handed over, in this time at most, and stops. Blocks."""
        with contextlib.suppress(queue.Full):
            self._handed.put(None, timeout=within_s)
        self._thread.join(within_s)

    # --- The thread ---

    def _run(self) -> None:
        is_over = False
        while not is_over:
            try:
                is_over = self._take()
                if is_over or time.monotonic() >= self._try_at:
                    self._store_waiting()
            except Exception:  # noqa: BLE001  # A fault of ours costs one piece, and not all tapes to come.
                _log.exception("tape_broken")
        if self._waiting:
            _log.error("tapes_lost", pieces=len(self._waiting), reason=self._trouble)

    def _take(self) -> bool:
        """Makes text of what comes; whether nothing comes any more."""
        wait_s = max(self._try_at - time.monotonic(), 0.0) if self._waiting else None
        try:
            handed = self._handed.get(timeout=wait_s)
        except queue.Empty:
            return False
        if handed is None:
            return True
        if not (handed.stream.is_cut or handed.stream.is_broken):
            self._make_text(handed)
        return False

    def _make_text(self, handed: _Handed) -> None:
        stream = handed.stream
        stream.is_broken = True  # Unless all goes well.
        try:
            lines = list(self._lines_of(handed))
        except TapeError as error:
            stream.cut(str(error))
            return
        if any(map(self._has_card, lines)):
            stream.cut("the number of a payment card was given")
            return
        body = zlib.compress(b"\n".join(lines))
        stream.is_broken = False
        if self._waiting_bytes + len(body) > WAITING_BYTES_MAX:
            stream.cut(f"too much waits for the database: {self._trouble}")
            return
        self._waiting.append(Piece(stream.call_sid, stream.stream_sid, handed.number, handed.at, body))
        self._waiting_bytes += len(body)

    def _lines_of(self, handed: _Handed) -> Iterator[bytes]:
        """Its text, made so that the event loop never waits long for its turn."""
        for number, line in enumerate(lines_of(handed.entries, handed.stream.private), 1):
            yield line
            if number % LINES_AT_ONCE == 0:
                time.sleep(0)  # Gives up the interpreter's lock, which it would otherwise have for 5 ms.

    def _has_card(self, line: bytes) -> bool:
        """In a text: the digits of a time are no number of anything."""
        if _LONG.search(line) is None:
            return False
        texts = (text.decode() for text in _TEXTS.findall(line))
        return any(self._without_cards(text) != text for text in texts)

    def _store_waiting(self) -> None:
        while self._waiting:
            pieces = [self._waiting[place] for place in range(min(len(self._waiting), PIECES_AT_ONCE))]
            try:
                self._store(pieces)
            except NotStoredError as error:
                self._try_at = time.monotonic() + PAUSE_S
                if not self._trouble:
                    _log.error("tapes_not_stored", reason=str(error), follows="they wait in memory")
                self._trouble = str(error)
                return
            for piece in pieces:
                self._waiting.popleft()
                self._waiting_bytes -= len(piece.body)
        self._trouble = ""


class _Stream:
    """One stream that is taped.

    Args:
        call_sid: its call.
        stream_sid: its name.
        private: what its tape is not to show.
        hand_over: takes a piece and its number. Never waits; whether there was room.
    """

    def __init__(
        self,
        call_sid: str,
        stream_sid: str,
        private: tuple[str, ...],
        hand_over: Callable[[_Stream, int, list[Entry]], bool],
    ) -> None:
        self.call_sid, self.stream_sid, self.private = call_sid, stream_sid, private
        self._hand_over = hand_over
        self._pieces = 0
        self.is_cut = False
        """Something of its tape is lost: no more is kept."""
        self.is_broken = False
        """So here. Of the thread alone."""

    def takes(self, entries: list[Entry]) -> None:
        """A piece of the tape."""
        if self.is_cut or not entries:
            return
        self._pieces += 1
        if not self._hand_over(self, self._pieces, entries):
            self.cut("the thread that writes tapes does not run")

    def cut(self, why: str) -> None:
        """Nothing more of this tape is kept. Said once."""
        self.is_cut = True
        _log.warning("tape_cut", call_sid=self.call_sid, stream_sid=self.stream_sid, why=why)


@dataclass(frozen=True, slots=True)
class _Handed:
    """A piece on its way to the thread."""

    stream: _Stream
    number: int
    at: float
    """When, in seconds since 1970."""
    entries: list[Entry]
