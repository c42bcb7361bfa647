"""`callbridge test`: pytest runs, and tells a `Listener` instead of its own terminal."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from callbridge.testing.collecting.artefacts import LINES, REQUIRE_MODEL
from callbridge.testing.collecting.items import RAN, RATE, RUNS
from callbridge.testing.scenarios.told import Told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from callbridge.testing.call_data import CallData
    from callbridge.testing.scenarios.running import Ran
    from callbridge.testing.scenarios.told import Listener

USAGE: Final = 2
"""pytest has 2 for what it could not collect, 3 for a fault of its own, 4 for a wrong command line."""

STOPPED: Final = 130
"""As shells have it for what Ctrl-C has ended. pytest has 2 for this, too."""

PLUGIN: Final = "callbridge.testing.plugin"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be run."""

    paths: Sequence[Path] = ()
    keyword: str = ""
    runs: int | None = None
    rate: float | None = None
    junit: Path | None = None
    is_only_listed: bool = False
    is_model_required: bool = False
    """A test that needs a text model and has none fails, and is not skipped."""


def run(wanted: Wanted, listener: Listener) -> int:
    """Has pytest run what is wanted, in this process.

    Returns:
        0: all passed, 1: some failed, 2: something could not be read or understood, 5: nothing was found,
        130: it was stopped.
    """
    arguments = ["-p", PLUGIN, *map(str, wanted.paths), *(["-k", wanted.keyword] if wanted.keyword else [])]
    if wanted.junit is not None:
        arguments += [f"--junitxml={wanted.junit}", "-o", "junit_suite_name=callbridge"]
    if wanted.is_only_listed:
        arguments.append("--collect-only")
    if wanted.is_model_required:
        arguments.append(REQUIRE_MODEL)
    if importlib.util.find_spec("xdist") is not None:
        arguments += ["-n", "0"]  # What a worker has heard of a call does not come back.
    session = _Session(wanted, listener)
    with _without_advice():
        status = int(pytest.main(arguments, plugins=[session]))
    if session.is_stopped:
        return STOPPED
    known = {int(pytest.ExitCode.OK), int(pytest.ExitCode.TESTS_FAILED)}
    nothing = int(pytest.ExitCode.NO_TESTS_COLLECTED)
    return status if status in {*known, nothing} else USAGE


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """pytest-asyncio tells everybody who leaves one of its defaults as it is, whatever filters say."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_others(message: Warning | str, *more: Any, **named: Any) -> None:
            if "asyncio_default_fixture_loop_scope" not in str(message):
                show(message, *more, **named)

        warnings.showwarning = show_others
        yield


def _text_of(report: pytest.TestReport) -> str:
    """Why it failed, with what was printed and which calls it has played; or why it was skipped."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    sections = [f"{title}\n{text.rstrip()}" for title, text in report.sections] if report.failed else []
    return "\n\n".join([report.longreprtext, *sections])


@dataclass
class _Session:
    """What pytest calls."""

    wanted: Wanted
    listener: Listener
    ran: dict[str, Ran] = field(default_factory=dict)
    calls: dict[str, tuple[CallData, ...]] = field(default_factory=dict)
    is_stopped: bool = False

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[RUNS], config.stash[RATE] = self.wanted.runs, self.wanted.rate
        if (terminal := config.pluginmanager.get_plugin("terminalreporter")) is not None:
            config.pluginmanager.unregister(terminal)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.listener.unreadable(report.nodeid, report.longreprtext)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest stops itself where a file could not be read.
        self.is_stopped = not excinfo.errisinstance(pytest.Session.Interrupted)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.listener.collected([item.nodeid for item in session.items])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if call.when != "call":
            return
        if (ran := item.stash.get(RAN, None)) is not None:
            self.ran[item.nodeid] = ran
        self.calls[item.nodeid] = tuple(one for line in item.stash.get(LINES, []) for one in line.calls)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # Setup and teardown are told of only when they fail.
        if report.when != "call" and report.passed:
            return
        self.listener.told(
            Told(
                report.nodeid,
                report.passed,
                report.skipped,
                _text_of(report),
                report.duration,
                self.ran.pop(report.nodeid, None),
                self.calls.pop(report.nodeid, ()),
            )
        )
