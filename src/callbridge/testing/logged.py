"""What was logged during a call, ours and the libraries', by the clock of the call."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from callbridge.observe.logs import LogFormat, configure_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class LogLine(msgspec.Struct, frozen=True):
    """One line of the log."""

    at_ms: int
    """Since the call was placed; below 0 for what came before, as the service was started."""
    level: str
    """`info`, `warning`, `error`, …"""
    event: str
    """What happened, in one word; the whole text, where a library wrote it."""
    fields: dict[str, Any] = {}
    """What else stands in the line."""

    @property
    def is_trouble(self) -> bool:
        """Whether an operator should look at it."""
        return self.level not in {"debug", "info"}


class _Noting(logging.Handler):
    """Keeps each record as it would have been written."""

    def __init__(self, formatter: logging.Formatter | None, note: Callable[[str], None]) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        """A record, in whatever thread."""
        self._note(self.format(record))


@contextlib.contextmanager
def logged(clock: Callable[[], float], secrets: Iterable[str] = ()) -> Iterator[list[tuple[float, str]]]:
    """Collects the lines of the log with their times, redacted as in production, for `line_of`.

    At the end logging is as it was before.

    Args:
        clock: seconds.
        secrets: are blanked out.
    """
    lines: list[tuple[float, str]] = []
    root = logging.getLogger()
    known = [root, *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    before = [(logger, logger.handlers[:], logger.level) for logger in known]
    was_configured, config = structlog.is_configured(), structlog.get_config()
    root.handlers[:] = []  # They are of others: they are neither closed nor written to.
    configure_logging(log_format=LogFormat.JSON, secrets=secrets, stream=io.StringIO())
    root.handlers[:] = [_Noting(root.handlers[0].formatter, lambda text: lines.append((clock(), text)))]
    try:
        yield lines
    finally:
        for logger, handlers, level in before:
            logger.handlers[:] = handlers
            logger.setLevel(level)
        structlog.reset_defaults()
        if was_configured:
            structlog.configure(**config)


def line_of(at_s: float, text: str) -> LogLine:
    """A line as it was written, at so many seconds of the call."""
    found: dict[str, Any] = json.loads(text)
    found.pop("timestamp", None)
    at_ms, level, event = round(at_s * 1000), found.pop("level", "info"), found.pop("event", "")
    return LogLine(at_ms, str(level), str(event), found)
