"""`callbridge test`: what it plays, what it says of it, and with which status it ends."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import yaml  # type: ignore[import-untyped]  # It comes with moto, which ships no types of it.
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.cli import test_command as command
from callbridge.testing.scenarios.pages import own_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

AGENT = """
from callbridge import Agent

agent = Agent(instructions="You answer for a bakery.", greeting="The bakery!")
"""

CALLS = """
agent = "bakery_of_command.py"

[[call]]
name = "good"
tags = ["smoke"]
caller = ["Hello?"]
model = ["Yes?"]

[[call]]
name = "bad"
caller = ["Hello?"]
model = ["Yes?"]
[call.expect]
heard = "good day"
ended_by = "agent"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an agent and two calls: one is as it should be, of the other too much is expected."""
    (tmp_path / "bakery_of_command.py").write_text(AGENT, encoding="utf-8")
    (tmp_path / "hours.call.toml").write_text(CALLS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -q\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("bakery_of_command", None)


def callbridge_test(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["test", *map(str, arguments)])


def test_what_passes_and_what_fails_is_told_everywhere(project: Path) -> None:
    ended = callbridge_test(
        "--junit", "results.xml", "--report", "report", "--save-baseline", "baseline.json"
    )
    assert ended.exit_code == 1
    lines = ended.output.splitlines()
    assert lines[0].startswith("pass  hours.call.toml: good")
    assert lines[1].startswith("FAIL  hours.call.toml: bad")
    for told in (
        "expected 'good day' to be heard; it was not",
        "agent     The bakery!",
        "1 passed, 1 failed",
    ):
        assert told in ended.output

    (suite,) = ET.parse(project / "results.xml").getroot()  # noqa: S314  # Our own file.
    assert {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    good, bad = suite
    assert (good.attrib["name"], list(good)) == ("good", [])
    assert "expected 'good day'" in bad[0].attrib["message"]

    page = (project / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:audio/wav;base64,") == 2
    assert "<script" not in page
    assert len(ids := re.findall(r'\bid="([^"]+)"', page)) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    (left,) = (project / "report").glob("*/*/call.wav")
    assert left.relative_to(project / "report").parts[:2] == ("hours.call.toml-bad", "seed-0")

    kept = json.loads((project / "baseline.json").read_bytes())["scenarios"]
    assert kept.keys() == {"hours.call.toml::good", "hours.call.toml::bad"}
    assert kept["hours.call.toml::good"]["spreads"]["response_ms"]["count"] == 1


@pytest.mark.heavy
def test_the_status_says_what_came_of_it(project: Path) -> None:
    assert callbridge_test("-k", "smoke").exit_code == 0
    assert callbridge_test("-k", "none_such").exit_code == 5
    listed = callbridge_test("--list", "--json")
    assert (listed.exit_code, json.loads(listed.output)["tests"]) == (
        0,
        ["hours.call.toml::good", "hours.call.toml::bad"],
    )
    (project / "wrong.call.toml").write_text("calller = []", encoding="utf-8")
    unreadable = callbridge_test("wrong.call.toml")
    assert unreadable.exit_code == 2
    assert "line 1, calller: there is no such key; did you mean caller?" in unreadable.output
    missing = callbridge_test("nowhere")
    assert (missing.exit_code, missing.output) == (2, "There is no nowhere.\n")
    assert callbridge_test("--baseline", "none.json").exit_code == 2
    (project / "wrong.call.toml").unlink()
    one = callbridge_test("hours.call.toml::good")
    assert (one.exit_code, "1 passed, 1 call" in one.output) == (0, True)
    assert "Nothing was played in 0.00 s" in callbridge_test("-k", "good and").output
    (project / "test_stopped.py").write_text("def test_stopped():\n    raise KeyboardInterrupt\n", "utf-8")
    stopped = callbridge_test("-k", "smoke or stopped")
    assert stopped.exit_code == 130
    assert "1 passed, stopped, 1 not played" in stopped.output


@pytest.mark.heavy
def test_a_rate_of_runs_must_pass_and_a_baseline_is_of_the_same_calls(project: Path) -> None:
    (project / "test_plain.py").write_text("def test_plain():\n    assert 2 + 2 == 4\n", encoding="utf-8")
    first = callbridge_test("--repeat", "3", "-k", "good or plain", "--save-baseline", "kept.json", "--json")
    told = json.loads(first.output)
    assert first.exit_code == 0
    assert [run["seed"] for run in told["scenarios"][0]["runs"]] == [0, 1, 2]
    assert [test["name"] for test in told["tests"]] == ["test_plain.py::test_plain"]
    assert callbridge_test("--repeat", "3", "-k", "good", "--baseline", "kept.json").exit_code == 0
    unlike = callbridge_test("--repeat", "2", "-k", "good", "--baseline", "kept.json")
    assert unlike.exit_code == 2
    assert "runs: 3 then, 2 now" in unlike.output
    kept = json.loads((project / "kept.json").read_bytes())
    for spread in kept["scenarios"]["hours.call.toml::good"]["spreads"].values():
        spread.update({name: value // 2 for name, value in spread.items() if value and name != "count"})
    (project / "kept.json").write_text(json.dumps(kept), encoding="utf-8")
    worse = callbridge_test("--repeat", "3", "-k", "good", "--baseline", "kept.json")
    assert worse.exit_code == 1
    assert "is worse than the baseline" in worse.output
    failed = callbridge_test("--repeat", "2", "-k", "bad", "--rate", "0.5")
    assert failed.exit_code == 1
    assert "0 of 2 runs passed; 1 must" in failed.output


def test_without_pytest_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    ended = callbridge_test()
    assert (ended.exit_code, ended.output) == (2, f"{command.WITHOUT_PYTEST}\n")
    assert "pip install 'callbridge[testing]'" in ended.output


def test_the_schema_is_printed() -> None:
    assert json.loads(callbridge_test("--schema").output)["$defs"]["Interrupt"]


def test_calls_on_one_page_do_not_share_names() -> None:
    markup = '<svg aria-labelledby="a-b"><title id="a-b">x</title><a href="#turn-1"></a><a href="/x"></a>'
    assert own_ids(markup, "s1") == markup.replace('"a-b"', '"s1-a-b"').replace("#turn", "#s1-turn")


# --- The action -----------------------------------------------------------------------------------------

ACTION = Path(__file__).parents[2] / "action.yml"


@pytest.fixture
def action() -> Any:
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


def test_the_action_uses_options_that_there_are(action: Any) -> None:
    (play,) = (step for step in action["runs"]["steps"] if step.get("name") == "Play")
    used = set(re.findall(r"\(?(--[a-z-]+|-k)\b", play["run"]))
    assert used == {"--junit", "--report", "-k", "--repeat", "--rate", "--baseline"}
    helped = callbridge_test("--help").output
    assert all(option in helped for option in used)
    assert play["env"].keys() == {"PATHS", "KEYWORD", "REPEAT", "RATE", "BASELINE"}


def test_every_input_of_the_action_is_used_and_no_other(action: Any) -> None:
    text = ACTION.read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == action["inputs"].keys()
    assert all(given.keys() == {"description", "default"} for given in action["inputs"].values())


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_action_plays_what_it_was_told(action: Any, tmp_path: Path) -> None:
    """Its shell is run with a command in the place of ours, which writes down what it is given."""
    (play,) = (step for step in action["runs"]["steps"] if step.get("name") == "Play")
    told = tmp_path / "told"
    stand_in = f'callbridge() {{ printf "%s\\n" "$@" > {told}; }}\n'
    given = {"RUNNER_TEMP": str(tmp_path), "PATHS": "tests more", "KEYWORD": "smoke and not slow"}
    environment = given | {"REPEAT": "20", "RATE": "0.95", "BASELINE": "", "PATH": "/usr/bin:/bin"}
    subprocess.run(["bash", "-e", "-c", stand_in + play["run"]], env=environment, check=True)  # noqa: S603, S607  # Our own words.
    results = tmp_path / "callbridge-test"
    assert told.read_text(encoding="utf-8").splitlines() == [
        *("test", "--junit", str(results / "junit.xml"), "--report", str(results)),
        *("-k", "smoke and not slow", "--repeat", "20", "--rate", "0.95", "tests", "more"),
    ]
