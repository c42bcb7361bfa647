"""Sets structlog up: one line per event, JSON for machines, colours for a person at a terminal.

The standard library's loggers (uvicorn, websockets, httpx) take the same way out, so that every line
has the same form and nothing passes by the redaction.

Lines go to stderr: stdout belongs to what a command was asked to print.
"""

from __future__ import annotations

import enum
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from callbridge.observe.redaction import Redaction, redaction

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    "asyncio": logging.WARNING,
}


def configure_logging(
    level: str = "INFO",
    log_format: LogFormat = LogFormat.AUTO,
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Sends all logging of this process to `stream` (stderr), redacted; may be called again.

    `secrets` are blanked out wherever they turn up. `level` is a name such as `INFO`.
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_facts(),
            processors=_last_steps(log_format, redaction(secrets), is_terminal=stream.isatty()),
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(max(floor, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_facts(),
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
        _Redact(redaction),
        _console(is_terminal=is_terminal) if is_readable else structlog.processors.JSONRenderer(),
    ]


def _console(*, is_terminal: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=is_terminal, exception_formatter=structlog.dev.plain_traceback
    )


@dataclass(frozen=True, slots=True)
class _Redact:
    """The last step before a line is written out."""

    redaction: Redaction

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return cast(EventDict, self.redaction.value(event))
