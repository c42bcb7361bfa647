"""The plugin, as a project of a user's has it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ("pytester",)

PROJECT = """
import callbridge
from callbridge.testing import Calls, Says

agent = callbridge.Agent(greeting="Harbour Bakery, hello!")


@agent.tool
async def opening_hours(day: str) -> str:
    "When the shop is open."
    return "8 to 14"


def moves():
    return [Calls("opening_hours", day="Sunday"), Says("From eight until two.", then=Calls("end_call"))]


async def test_that_passes(line):
    call = await line.call(agent, caller=["Are you open on Sunday?"], model=moves())
    assert call.complaints == ()


def test_that_fails(line):
    call = line.play(agent, caller=["Are you open on Sunday?"], model=moves(), title="Sunday")
    assert call.story.turns[-1].heard == "From nine until ten."


def test_that_names_a_tool_and_says_no_more(line):
    line.play(agent, caller=["Are you open on Sunday?"], model=moves()).expect.tool("closing_hours")


@__import__("pytest").mark.parametrize("number", [1, 2])
def test_without_a_call(line, number):
    assert number == 1
"""
INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with an agent and its tests."""
    pytester.makeini(INI)
    pytester.makepyfile(test_bakery=PROJECT)
    return pytester


@pytest.mark.heavy
def test_a_failing_test_tells_its_call_and_leaves_it(project: pytest.Pytester, tmp_path: Path) -> None:
    left = tmp_path / "left"
    result = project.runpytest_inprocess("-p", "callbridge.testing.plugin", f"--callbridge-artefacts={left}")
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.re_match_lines_random(
        [
            r"E +callbridge.*ExpectationError: expected closing_hours\(\) to be called at least once.*",
            r"-* callbridge: Sunday -*",
            r".*ended after \d+\.\d s: agent_hangup",
            r" +\d+\.\d\d  agent +Harbour Bakery, hello!",
            r" +\d+\.\d\d  caller +Are you open on Sunday\?",
            r' +\d+\.\d\d  tool +opening_hours\({"day":"Sunday"}\) answered after \d+ ms: 8 to 14',
            rf"Listen: {left}/.*call\.wav",
        ]
    )
    folder = left / "test_bakery.py-test_that_fails"
    assert len(list(left.iterdir())) == 2, "who has no call leaves nothing"
    assert {file.name for file in (folder / "1").iterdir()} == {"call.wav", "call.json", "call.txt"}
    told = json.loads((folder / "1" / "call.json").read_bytes())
    assert told["story"]["turns"][1]["tools"][0]["name"] == "opening_hours"
    assert told["sessions"][0]["items"]
    assert "Harbour Bakery" in (folder / "1" / "call.txt").read_text("utf-8")


@pytest.mark.heavy
def test_it_works_in_several_workers(project: pytest.Pytester) -> None:
    options = ("-n", "2", "--callbridge-speech", "installed")
    result = project.runpytest_subprocess("-p", "callbridge.testing.plugin", *options)
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(["*callbridge: Sunday*", "Listen: *pytest_cache*call.wav"])


@pytest.mark.heavy
def test_it_costs_nothing_where_nothing_is_called() -> None:
    """Pytest loads it in every run, also of projects that only have callbridge installed."""
    program = (
        "import sys, pytest; before = {*sys.modules}; import callbridge.testing.plugin; "
        "found = {'pydantic', 'fastapi', 'structlog', 'msgspec', 'asyncio'} & ({*sys.modules} - before); "
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own words
