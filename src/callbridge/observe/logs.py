"""Sets structlog up: one line per event, JSON for machines, colours for a person at a terminal.

The standard library's loggers (uvicorn, websockets, httpx) take the same way out, so that every line
has the same form and nothing passes by the redaction.

Lines go to stderr: stdout belongs to what a command was asked to print.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from callbridge.observe.log_line import console_line, fitted
from callbridge.observe.log_writer import LogWriter, with_standard_descriptors
from callbridge.observe.redaction import Redaction, redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

_log = structlog.get_logger()


class LogFormat(enum.StrEnum):
    """How a log line looks."""

    AUTO = "auto"
    """Readable on a terminal, JSON anywhere else."""

    JSON = "json"
    CONSOLE = "console"


_QUIET = {
    # At DEBUG these print frames, and so the audio and the words of a call. uvicorn's INFO lines
    # say nothing that our own do not, and add the caller's address.
    "uvicorn": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "websockets": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
    "asyncio": logging.WARNING,
    # These print what they are asked to send or to store: statements with their values, bodies, headers.
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "psycopg": logging.WARNING,
    "boto3": logging.WARNING,
    "botocore": logging.WARNING,
    "s3transfer": logging.WARNING,
    "urllib3": logging.WARNING,
    "aiohttp": logging.WARNING,
    "twilio": logging.WARNING,
    "openai": logging.WARNING,
    # So do these, of what they could not read; `client` is the name of a part of mcp.
    "mcp": logging.CRITICAL,
    "client": logging.CRITICAL,
}


def configure_logging(
    level: str = "INFO",
    log_format: LogFormat = LogFormat.AUTO,
    *,
    secrets: Iterable[str] = (),
    with_words: bool = False,
    stream: TextIO | None = None,
    worker: int | None = None,
) -> None:
    """Sends all logging of this process to `stream` (stderr), redacted; may be called again.

    `secrets` are blanked out wherever they turn up. `level` is a name such as `INFO`. Unless `with_words`,
    what stands under a name for words of a call is shown by its length. `worker` is in every line, where
    several processes write to one log.
    """
    stream = _standard_error() if stream is None else stream
    facts = _facts()
    if worker is not None:
        facts.append(_OfWorker(worker))
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=facts,
        processors=_last_steps(
            log_format, redaction(secrets, with_words=with_words), is_terminal=stream.isatty()
        ),
    )
    root = logging.getLogger()
    for before in root.handlers:
        if isinstance(before, LogWriter):
            before.flush()
            before.close()
    writer = LogWriter(stream)
    writer.setFormatter(formatter)
    root.handlers[:] = [writer]
    root.setLevel(level)
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(max(floor, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *facts,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _facts() -> list[Processor]:
    """What every line carries, ours or a library's."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _last_steps(log_format: LogFormat, redaction: Redaction, *, is_terminal: bool) -> list[Processor]:
    is_readable = log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and is_terminal)
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # Tracebacks become text before the redaction, or it would never see them.
        structlog.processors.format_exc_info,
        structlog.processors.StackInfoRenderer(),
        _Fit(redaction),
        _tell,
        _Console(has_colours=is_terminal) if is_readable else structlog.processors.JSONRenderer(),
    ]


@dataclass(frozen=True, slots=True)
class _OfWorker:
    """Whose line it is. Not a bound variable: threads do not have those of who started them."""

    number: int

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return {"worker": self.number, **event}


@dataclass(frozen=True, slots=True)
class _Fit:
    """The last step before a line is written out."""

    redaction: Redaction

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return fitted(event, self.redaction)


_told: list[Callable[[EventDict], object]] = []
"""Who else is told each line."""


def _tell(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for take in tuple(_told):
        take(event)
    return event


@contextlib.contextmanager
def lines_told(take: Callable[[EventDict], object]) -> Iterator[None]:
    """Tells `take` each line as well, redacted as it is written, for the length of the context.

    In whatever thread the line is made: it must be quick, and may not log.
    """
    _told.append(take)
    try:
        yield
    finally:
        _told.remove(take)


@dataclass(frozen=True, slots=True)
class _Console:
    """A line for a person at a terminal."""

    has_colours: bool

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> str:
        return console_line(event, has_colours=self.has_colours)


def _standard_error() -> TextIO:
    """Of this process; nothing, where it was started without one (`2>&-`)."""
    with_standard_descriptors()
    stderr: TextIO | None = sys.stderr
    if stderr is None:
        stderr = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stays open
    return stderr


# --- What would pass by the log -----------------------------------------------------------------------


def log_crashes() -> None:
    """Has the log tell what ends this process or one of its threads, and what Python warns of.

    Python writes these to stderr itself: unredacted, and waiting for whoever should read it.
    """
    logging.captureWarnings(True)
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("crashed", error=kind.__name__, exc_info=(kind, error, trace))


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or args.exc_type is SystemExit:
        return
    name = args.thread.name if args.thread else None
    trace = (args.exc_type, args.exc_value, args.exc_traceback)
    _log.critical("thread_crashed", thread=name, error=args.exc_type.__name__, exc_info=trace)
