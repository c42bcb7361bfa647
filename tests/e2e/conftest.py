"""What holds for every end-to-end test: the log is kept, and nothing is left when it is over."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
from typing import TYPE_CHECKING

import pytest
import structlog
from stack import Log, leaves_nothing

from callbridge.observe.logs import LogFormat, configure_logging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def log() -> Iterator[Log]:
    """The log of the service, as JSON lines; the process-wide set-up is given back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("INFO", LogFormat.JSON, stream=stream)
    yield Log(stream)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "websockets", "httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


@pytest.fixture
async def nothing_left(log: Log) -> AsyncIterator[None]:
    """No task, no socket and no traceback is left by the test, but for those it announced."""
    async with leaves_nothing():
        yield
    gc.collect()  # What nobody awaited or closed is told now, or never.
    assert len(log.tracebacks) == log.expected_tracebacks, log.tracebacks


@pytest.fixture
async def without_debugging() -> None:
    """Turns asyncio's debug mode off: it notes a stack for every callback, which halves the loop's speed.

    For tests that measure time, or that have more calls at once than a debugged loop can carry.
    """
    asyncio.get_running_loop().set_debug(False)


# --- Figures: what was measured stands in the report -------------------------------------------------


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines that are shown at the end of the run."""
    return request.config.stash.setdefault(_FIGURES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash.get(_FIGURES, []):
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.line(line)
