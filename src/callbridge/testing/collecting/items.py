"""A `*.call.toml` as pytest has it: a file with a test for each call."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from callbridge.agents.fault import AgentError
from callbridge.testing.collecting.artefacts import SPEECH_OPTION, folder_of
from callbridge.testing.saving import save_call
from callbridge.testing.scenarios.file_model import SUFFIX
from callbridge.testing.scenarios.playing import ScenarioPlayer
from callbridge.testing.scenarios.reading import ScenarioError, read_scenarios
from callbridge.testing.scenarios.running import Ran, run_scenario
from callbridge.testing.scenarios.telling import failure_text
from callbridge.testing.speech import Speech

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callbridge.testing.scenarios.reading import Found

RAN: Final = pytest.StashKey[Ran]()
"""Of an item: what came of it."""

RUNS: Final = pytest.StashKey[int | None]()
"""Of the configuration: how often each scenario is played, where that is not left to it."""

RATE: Final = pytest.StashKey[float | None]()
"""Alike: how many of these must pass."""


def collected(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """For `pytest_collect_file`."""
    return CallFile.from_parent(parent, path=path) if path.name.endswith(SUFFIX) else None


class CallFile(pytest.File):
    """A file of calls."""

    def collect(self) -> Iterator[pytest.Item]:
        """Its calls. A file that cannot be read is an error, not a failure."""
        try:
            found = read_scenarios(self.path)
        except ScenarioError as error:
            raise self.CollectError(str(error)) from None
        for one in found:
            yield CallItem.from_parent(self, name=one.name, found=one)


class ScenarioFailed(Exception):  # noqa: N818  # As its words have it.
    """Too few of the runs have passed. The text is the whole report."""


class CallItem(pytest.Item):
    """A call of a file."""

    def __init__(self, *, found: Found, **more: Any) -> None:
        super().__init__(**more)
        self.found = found
        self.extra_keyword_matches.update(found.scenario.tags)

    def runtest(self) -> None:
        """Plays it."""
        try:
            player = ScenarioPlayer.of(self.found, Speech(self.config.getoption(SPEECH_OPTION)))
        except AgentError as error:
            raise ScenarioFailed(str(error)) from None
        stash = self.config.stash
        ran = run_scenario(self.found, self.nodeid, player, stash.get(RUNS, None), stash.get(RATE, None))
        self.stash[RAN] = ran
        if not ran.outcome.has_passed:
            raise ScenarioFailed("\n".join([failure_text(ran), *self._left(ran)]))

    def _left(self, ran: Ran) -> Iterator[str]:
        """Leaves the failed calls for whoever wants to listen; says where."""
        folder = folder_of(self)
        shutil.rmtree(folder, ignore_errors=True)
        for seed, call in ran.calls.items():
            yield f"Listen: {save_call(call, folder / f'seed-{seed}') / 'call.wav'}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What went wrong with the call, and not where in our code that was found."""
        if isinstance(excinfo.value, ScenarioFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it stands."""
        return self.path, self.found.line - 1, self.name
