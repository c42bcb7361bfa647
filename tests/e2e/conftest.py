"""What holds for every end-to-end test: the log is kept, and nothing is left when it is over."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from callbridge.observe.logs import LogFormat, configure_logging
from e2e.commands import Demo
from e2e.stack import Log, leaves_nothing

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
    """No task, no socket and no traceback is left by the test."""
    async with leaves_nothing():
        yield
    gc.collect()  # What nobody awaited or closed is told now, or never.
    assert log.tracebacks == []


@pytest.fixture
async def without_debugging() -> None:
    """Turns asyncio's debug mode off: it notes a stack for every callback, which halves the loop's speed.

    For tests that measure time, or that have more calls at once than a debugged loop can carry.
    """
    asyncio.get_running_loop().set_debug(False)


# --- The demo ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo | None]:
    """The demo in a process of its own, begun before the other tests: it is 40 s of waiting."""
    if not any(map(_is_of_the_demo, request.session.items)):
        yield None
        return
    with Demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measures time when the demo does not run beside it any more, and looks at the demo last of all."""
    items.sort(key=lambda item: (_is_of_the_demo(item), item.path.name == "test_barge_in_truth.py"))


def _is_of_the_demo(item: pytest.Item) -> bool:
    return item.path.name == "test_demo.py"


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
