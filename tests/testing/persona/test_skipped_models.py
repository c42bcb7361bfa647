"""A test that needs a text model and has none is skipped with the reason, or fails where one is required."""

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)

PROJECT = """
from callbridge import Agent
from callbridge.testing import Line, Persona


def test_mia():
    Line().play(Agent(), caller=Persona("Mia.", "Bread."))
"""


@pytest.mark.heavy
def test_it_is_skipped_and_says_why(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "CALLBRIDGE_ANALYSIS_URL"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(test_mia=PROJECT)
    plugin = ("-p", "callbridge.testing.plugin", "-rs")
    skipped = pytester.runpytest_subprocess(*plugin)
    skipped.assert_outcomes(skipped=1)
    skipped.stdout.fnmatch_lines(["SKIPPED*no text model is asked: OPENAI_API_KEY is not set"])
    required = pytester.runpytest_subprocess(*plugin, "--require-model")
    required.assert_outcomes(failed=1)
    required.stdout.fnmatch_lines(["no text model is asked: OPENAI_API_KEY is not set (--require-model)"])
