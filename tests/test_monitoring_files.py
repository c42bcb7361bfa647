"""What an operator takes from `examples/monitoring`, and the page for the night that goes with it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml  # type: ignore[import-untyped]  # It comes with moto, which ships no types of it.

from callbridge.cli import app

ROOT: Final = Path(__file__).parents[1]
MONITORING: Final = ROOT / "examples" / "monitoring"
PAGE: Final = (ROOT / "docs" / "operations.md").read_text("utf-8")
METRICS: Final = frozenset(
    re.findall(r"^\| `(callbridge_\w+)` \|", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.MULTILINE)
)
ENDINGS: Final = ("", "_bucket", "_count", "_sum")
USAGE_ERROR: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""What any wrong use of the command line raises."""
NOT_OURS: Final = frozenset(
    {"df", "certbot", "timedatectl", "systemctl"},
)
"""Programs of the system that the page has run: none that asks the service, since the image has no curl."""


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def sections() -> dict[str, str]:
    """The page's, by heading."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_has_its_section_with_three_things_to_do(rule: dict[str, Any]) -> None:
    section = sections()[rule["alert"]]
    assert re.findall(r"^(\d)\. ", section, re.MULTILINE) == ["1", "2", "3"]
    for part in ("**Callers** ", "**Why it rings.** ", "**Back to bed** "):
        assert section.count(part) == 1, part
    assert all("```sh" in step for step in re.split(r"^\d\. ", section, flags=re.MULTILINE)[1:])
    assert rule["labels"]["severity"] in {"page", "ticket"}
    told = rule["annotations"]
    assert told["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
    assert told["summary"].endswith(".")
    assert told["description"]


def test_every_section_of_an_alert_has_one() -> None:
    named = {heading for heading in sections() if heading.startswith("Callbridge")}
    assert named == {rule["alert"] for rule in rules()}


def test_every_command_of_the_page_exists() -> None:
    """Its words, options and number of arguments are what the command line takes."""
    commands = [
        line.partition(" #")[0].strip()
        for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
        for line in block.splitlines()
        if line.strip()
    ]
    assert len(commands) > 40
    for command in {*commands, *re.findall(r"`(callbridge [^`]+)`", PAGE)}:
        words = shlex.split(command.partition(" | ")[0])
        if words[0] == "callbridge":
            parse(words[1:])
        else:
            assert words[0] in NOT_OURS, command


@cache
def command_line() -> Any:
    """All commands. To be made once: it looks at every function."""
    return typer.main.get_command(app)


def parse(words: list[str]) -> None:
    """Raises for what the command line does not take. `ID` and `SID` stand for what somebody puts there."""
    words = ["1" if word == "ID" else word for word in words]
    command = command_line()
    context = command.make_context("callbridge", [], resilient_parsing=True)
    while (found := getattr(command, "commands", {}).get(words[0] if words else "")) is not None:
        command, words = found, words[1:]
    assert not getattr(command, "commands", {}), f"which of them? {words}"
    command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize("words", [["calls", "lost"], ["calls", "list", "--ago", "1h"], ["calls", "show"]])
def test_a_command_that_does_not_exist_is_found(words: list[str]) -> None:
    with pytest.raises((AssertionError, USAGE_ERROR)):
        parse(words)


def expressions() -> list[str]:
    """All of them: of rules, panels, variables and marks."""
    board = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    return [
        *(rule["expr"] for rule in rules()),
        *(target["expr"] for panel in panels for target in panel["targets"]),
        *(variable["query"]["query"] for variable in board["templating"]["list"][1:]),
        *(mark["expr"] for mark in board["annotations"]["list"]),
    ]


def test_rules_and_panels_ask_for_metrics_that_there_are() -> None:
    known = {name + ending for name in METRICS for ending in ENDINGS}
    asked = {name for one in expressions() for name in re.findall(r"\bcallbridge_\w+", one)}
    assert asked - known == set()


def test_the_dashboard_shows_every_metric_but_few() -> None:
    """Or it is found out at night that one is missing there."""
    asked = " ".join(expressions())
    missing = {name for name in METRICS if not re.search(rf"\b{name}(?:_bucket|_count|_sum)?\b", asked)}
    assert missing == {
        *("callbridge_calls_ended_total", "callbridge_streams_followed_total", "callbridge_places_taken"),
        *("callbridge_leaving", "callbridge_scrape_questions_failed_total"),
    }


def test_panels_lie_side_by_side() -> None:
    """Two in one place are one that nobody sees."""
    board = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    places = [
        (x, y)
        for panel in board["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


def test_promtool_reads_rules_and_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    for arguments in (["rules", "alerts.yml"], ["config", "--syntax-only", "prometheus.yml"]):
        done = subprocess.run(  # noqa: S603 - our own
            [promtool, "check", *arguments], cwd=MONITORING, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_asks_as_the_docs_say() -> None:
    """The job has the name that the rules expect; the key is read from a file; and the page has the same."""
    told = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
    (job,) = told["scrape_configs"]
    assert job["job_name"] == "callbridge"
    assert set(job["authorization"]) == {"type", "credentials_file"}
    docs = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    (shown,) = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", docs, re.DOTALL)[0])["scrape_configs"]
    assert {**shown, "scrape_interval": None} == {**job, "scrape_interval": None}
