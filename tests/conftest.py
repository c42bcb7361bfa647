"""What holds for every test: whose source is tested, on how many workers, how long hypothesis searches."""

from __future__ import annotations

import asyncio
import asyncio.constants
import contextlib
import gc
import importlib
import logging
import math
import os
import sys
import threading
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import structlog

import callbridge
import postgres
import redis_server
from callbridge.server.config.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    LoopFactory: TypeAlias = Callable[[], asyncio.AbstractEventLoop]

hypothesis.settings.register_profile(
    "fast",
    max_examples=30,
    stateful_step_count=40,
    deadline=None,  # The machine that runs this is shared: a slow example is not a failing one.
    derandomize=True,  # Every push tests the same; `deep` looks for what is new.
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "deep", max_examples=3000, stateful_step_count=80, deadline=None, print_blob=True
)
hypothesis.settings.register_profile(
    "mutants",
    hypothesis.settings.get_profile("fast"),
    max_examples=20,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),  # That it fails is all that is asked.
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "fast")
hypothesis.settings.load_profile(PROFILE)

pytest_plugins = ("canaries", "callbridge.testing.plugin")

_SHOWN = ("websockets", "msgspec", "fastapi", "uvicorn", "twilio", "openai")

SOURCE = Path(callbridge.__file__).parents[1]

WORKERS = 4
"""For two cores: most of the time of the end-to-end tests is waiting for audio to play."""


@pytest.hookimpl(tryfirst=True)  # Before pytest-xdist reads the number.
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Folders, and so the whole suite, are tested by several workers.

    Their start takes longer than most files do: who asks for files or single tests gets none. `-n` given by
    hand counts, and so does a debugger.
    """
    if getattr(config.option, "numprocesses", 0) is not None or hasattr(config, "workerinput"):
        return
    if config.option.markexpr == "attack":
        return  # They judge times, one after the other.
    if not config.option.usepdb and any(Path(argument).is_dir() for argument in config.args):
        config.option.numprocesses = WORKERS


asyncio.constants.DEBUG_STACK_DEPTH = 1  # type: ignore[misc]  # What else could set it?
"""Of the stack that asyncio's debug mode notes for every coroutine."""


def pytest_configure(config: pytest.Config) -> None:
    # Python programs that tests start find what pytest finds by `pythonpath`: the source of this checkout.
    os.environ["PYTHONPATH"] = str(SOURCE)
    if sys.dont_write_bytecode:
        # Most of the time of collecting goes into the rewriting of assertions: it is kept with pytest's own.
        sys.dont_write_bytecode, sys.pycache_prefix = (
            False,
            str(config.rootpath / ".pytest_cache" / "compiled"),
        )
    gc.disable()  # Up to the end of collecting: nothing of it is garbage.


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deals the files out: each worker has its share of every folder, of what computes and of what waits.

    pytest-xdist gives the first worker the first third of the tests, and so on.
    """
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    files = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
    items.sort(key=lambda item: (files[item.path] % workers, files[item.path]))


def pytest_collection_finish() -> None:
    """What was imported and collected stays: no garbage collection of a test looks at it again."""
    gc.enable()
    gc.freeze()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Gives the logging of the process back: commands and services under test set it up anew."""
    known = list(logging.root.manager.loggerDict.items())
    # By its name where one is only there for those below it.
    named = [one if isinstance(one, logging.Logger) else logging.getLogger(name) for name, one in known]
    before = [(logger, logger.handlers[:], logger.level) for logger in (logging.root, *named)]
    hooks = sys.excepthook, threading.excepthook
    yield
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook = hooks
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        if logger.level != level:  # To set one looks through all loggers: a millisecond for each test.
            logger.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def only_these(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process in a folder of its own, whose settings are those that the test sets."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Asyncio's own loop, and the service's for tests that ask for it by name."""
    loops: dict[str, LoopFactory] = {"asyncio": partial(_patient, asyncio.new_event_loop)}
    marker = item.get_closest_marker("asyncio")
    if marker is not None and "uvloop" in marker.kwargs.get("loop_factories", ()):
        with contextlib.suppress(ImportError):  # There is none for Windows: the test is skipped then.
            loops["uvloop"] = partial(_patient, importlib.import_module("uvloop").new_event_loop)
    return loops


def pytest_itemcollected(item: pytest.Item) -> None:
    """Asyncio's own loop, which the service has on Windows alone, is tested in heavy runs beside its own."""
    marker, callspec = item.get_closest_marker("asyncio"), getattr(item, "callspec", None)
    if marker is None or callspec is None or len(marker.kwargs.get("loop_factories", ())) < 2:
        return
    if "asyncio" in callspec.id.split("-") and find_spec("uvloop"):
        item.add_marker("heavy")


def _patient(new_loop: LoopFactory) -> asyncio.AbstractEventLoop:
    """A loop that does not log what took long: tests read the log, and a busy machine is no fault of ours.

    Of asyncio's debug mode it keeps what finds faults: calls from another thread are refused, callbacks that
    are coroutines too. It tells futures, tasks and callbacks that nobody debugs: each would note where it was
    made, with the whole stack, which takes a quarter of the time of the tests that run a loop.
    `python -X dev -m pytest` has them noted.
    """
    loop = new_loop()
    loop.slow_callback_duration = math.inf
    if not sys.flags.dev_mode:
        loop.get_debug = lambda: False  # type: ignore[method-assign]  # The loop itself asks its own flag.
    return loop


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="record tests/call/transcripts/*.txt anew; review the diff before you keep it",
    )
    parser.addoption(
        "--seeds",
        type=int,
        metavar="N",
        help="how many calls tests/simulation plays from a seed each; 300 when absent",
    )
    parser.addoption(
        "--seed",
        type=int,
        metavar="SEED",
        help="play this one call of tests/simulation alone, and show all that happens in it",
    )
    parser.addoption(
        "--env-file",
        type=Path,
        metavar="PATH",
        help="-m attack: the settings of this file, and of the environment; the defaults when absent",
    )


def pytest_report_header() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _SHOWN)
    return f"callbridge from {SOURCE}; {versions}; {PROFILE}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests have measured (the fixture `figures` of the end-to-end tests)."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    lines = [line for report in reports for name, line in report.user_properties if name == "figure"]
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A real server for this test process, in a folder of its own. Who stops it starts it again."""
    with postgres.server() as server:
        yield server


@pytest.fixture
def postgres_database(postgres_server: postgres.Server) -> Iterator[str]:
    """An empty database there, by its URL."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_database(postgres_server: postgres.Server) -> Iterator[str]:
    """A database with the tables of the shared state, one for this test process."""
    with postgres_server.database() as url:
        from callbridge.state.postgres import PostgresHome  # noqa: PLC0415 - SQLAlchemy is slow to import

        with contextlib.closing(PostgresHome(url)) as home:
            home.migrate()
        yield url


@pytest.fixture
def shared_database(migrated_database: str, postgres_server: postgres.Server) -> str:
    """The same, empty."""
    postgres_server.run_sql(
        migrated_database,
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = "
        "'callbridge_state' AND tablename <> 'schema_version' LOOP EXECUTE 'DELETE FROM callbridge_state.' "
        "|| name; END LOOP; END $$",
    )
    return migrated_database


@pytest.fixture(scope="session")
def running_redis() -> Iterator[redis_server.Server]:
    """A real server for this test process, in a folder of its own. Who stops it starts it again."""
    with redis_server.server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.heavy)])
def home_of_machines(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where `machines` keeps the state of all: a folder, or the address of a PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path
    url: str = request.getfixturevalue("shared_database")
    return url
