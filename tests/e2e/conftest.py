"""What holds for every end-to-end test: the log is kept, and nothing is left when it is over."""

from __future__ import annotations

import asyncio
import gc
import io
from typing import TYPE_CHECKING

import pytest

import canaries
from callbridge.observe.logs import LogFormat, configure_logging
from e2e.crowd import PLAYED_AGAIN
from e2e.stack import Log
from leftovers import leaves_nothing
from machine import Machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from lanes import PhoneLane


@pytest.fixture
def log() -> Iterator[Log]:
    """The log of the service, as JSON lines. No canary is in it."""
    stream = io.StringIO()
    configure_logging("INFO", LogFormat.JSON, stream=stream)
    yield Log(stream)
    assert canaries.found_in(stream.getvalue()) == []


@pytest.fixture
async def nothing_left(log: Log) -> AsyncIterator[None]:
    """No task, no socket and no traceback is left by the test."""
    async with leaves_nothing():
        yield
    gc.collect()  # What nobody awaited or closed is told now, or never.
    assert log.tracebacks == []


@pytest.fixture(params=["fast", pytest.param("slow", marks=pytest.mark.heavy)])
def lane(request: pytest.FixtureRequest) -> PhoneLane:
    """For tests whose promise must hold however a media socket reaches its leg."""
    found: PhoneLane = request.param
    return found


@pytest.fixture
async def without_debugging() -> None:
    """Turns asyncio's debug mode off: it looks at every callback, and uvloop notes a stack for each.

    For tests that measure time, or that have more calls at once than a debugged loop can carry.
    """
    asyncio.get_running_loop().set_debug(False)


# --- Time ---------------------------------------------------------------------------------------------


@pytest.fixture
async def machine(without_debugging: None) -> AsyncIterator[Machine]:
    """How late the machine was: the judge of tests that have bounds in milliseconds."""
    async with Machine() as machine:
        yield machine


# --- Figures: what was measured stands in the report -------------------------------------------------


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Notes a line that is shown at the end of the run; it travels with the report of its test."""
    return lambda line: request.node.user_properties.append(("figure", line))


@pytest.fixture(autouse=True)
def played_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """Notes the cases of a crowd that a busy machine has spoilt: how often that happens is seen so."""
    PLAYED_AGAIN.clear()
    yield
    for case in PLAYED_AGAIN:
        request.node.user_properties.append(("figure", f"played again, for the machine was late: {case}"))
