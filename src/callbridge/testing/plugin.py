"""The plugin of pytest: the fixture `line`, and what a failing test leaves of its calls.

pytest loads it in every run on a machine where callbridge is installed: it imports nothing that takes time
before a test asks for it.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from callbridge.testing.collecting.artefacts import LINES, OPTION, REQUIRE_MODEL, SPEECH_OPTION, folder_of
from callbridge.testing.persona.missing import TextModelMissing

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from callbridge.testing.line import Line
    from callbridge.testing.played import PlayedCall


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command line."""
    group = parser.getgroup("callbridge", "calls of agents")
    group.addoption(
        OPTION,
        metavar="DIR",
        help="Where a failing test leaves its calls (WAV, JSON, text); by default in the cache of pytest.",
    )
    group.addoption(
        SPEECH_OPTION,
        default="synthetic",
        choices=("synthetic", "espeak-ng", "installed"),
        help="How words become speech: without words and the same everywhere (synthetic), or real ones.",
    )
    group.addoption(
        REQUIRE_MODEL,
        action="store_true",
        help="Let a test fail that needs a text model and has none, in place of skipping it.",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A `*.call.toml` is a file of tests."""
    if not file_path.name.endswith(".call.toml"):
        return None
    from callbridge.testing.collecting.items import collected  # noqa: PLC0415 - most projects have none

    return collected(file_path, parent)


@pytest.fixture
def line(request: pytest.FixtureRequest) -> Line:
    """A telephone line to your agent: `call = await line.call(agent, caller=[…], model=[…])`."""
    from callbridge.testing.line import Line  # noqa: PLC0415 - a run without calls does not wait for it
    from callbridge.testing.speech import Speech  # noqa: PLC0415 - nor for that

    made = Line(speech=Speech(request.config.getoption(SPEECH_OPTION)))
    request.node.stash.setdefault(LINES, []).append(made)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test that passes has said all: `call.expect.tool("book")`, and nothing behind it, is judged now."""
    yield
    for call in _calls_of(item):
        call.expect.settle()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed tells its calls, and leaves them for whoever wants to listen.

    One that needs a text model and has none is skipped with the reason, unless one is required.
    """
    report = yield
    error = None if call.excinfo is None else call.excinfo.value
    if error is not None and isinstance(error, TextModelMissing):
        _without_model(item, report, str(error))
    calls = _calls_of(item)
    if report.failed and calls:
        folder = folder_of(item)
        shutil.rmtree(folder, ignore_errors=True)
        report.sections += [_told(call, folder / str(number)) for number, call in enumerate(calls, 1)]
    return report


def _calls_of(item: pytest.Item) -> list[PlayedCall]:
    return [call for line in item.stash.get(LINES, []) for call in line.calls]


def _without_model(item: pytest.Item, report: pytest.TestReport, why: str) -> None:
    if item.config.getoption(REQUIRE_MODEL):
        report.longrepr = f"{why} ({REQUIRE_MODEL})"
    else:
        path, line, _ = item.reportinfo()
        report.outcome, report.longrepr = "skipped", (str(path), (line or 0) + 1, f"Skipped: {why}")


def _told(call: PlayedCall, folder: Path) -> tuple[str, str]:
    """A section of a report: what it is called, and what it says."""
    return f"callbridge: {call.title}", f"{call.timeline()}\n\nListen: {call.save(folder) / 'call.wav'}"
