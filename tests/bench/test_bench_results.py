"""What is kept: the results page and the JSON."""

from __future__ import annotations

import io

import msgspec
from bench.machine import Machine, processor_name
from bench.plan import Leg, Pace
from bench.results import as_json, page
from bench.summary import Figures, summarize
from bench.table import Grid, remarks
from made_up import MB, failed_run, run
from rich.console import Console

MACHINE = Machine(
    "2026-11-20", "A Processor", 2, "6.1", "3.11.7", "OpenSSL 3", {"uvicorn": "0.54"}, "abc1234"
)
RUNS = [
    *(run(calls=10, rss=60 * MB), run("node", 10, cores_used=0.2)),
    *(run(calls=60, rss=64 * MB, leg=Leg.PLAIN), run("node", 60, cores_used=0.2)),
    failed_run("sample", reason="overrun"),
]

ROWS = """\
- 2026-11-20, commit abc1234
- A Processor, 2 cores, Linux 6.1
- 1 x 10 s after 3 s of warm-up; medians over the repeats, but the
- **node**: a Node.js relay on `ws`, JSON.parse and JSON.stringify
| node | 10 | 50 | 166.7 | 166.7 | 1.00 / 1.00 / 1.0 | 1.00 / 1.00 / 1.0 | 0 | 0 |
| sample | 50 | - | - | - | - | - | - | - |
| callbridge | 60 | 600 | 13.9 | 13.9 | 1.00 / 1.00 / 1.0 | 1.00 / 1.00 / 1.0 | 0 | 80 |
| sample | 50 | - | - | - | - | - | - | overrun |
| callbridge | 60 | 600 to 600 | 0.10 | 20 / 20 | 0 | 10% | 0.01 |  |
| callbridge / node | plain | 60 | 2.00 | 2.00 to 2.00 | 0.50 | 0.50 to 0.50 |
""".splitlines()


def test_the_page_names_machine_and_conditions_and_shows_each_case_and_what_failed() -> None:
    """Bridges with the same number of calls stand together; the generator alone was fast enough."""
    lines = page(RUNS, [run(calls=1000).report], MACHINE, Pace(window_s=10, warm_up_s=3), 1).splitlines()
    assert [line for line in lines if line in ROWS] == ROWS
    assert lines[-1].startswith("| generator | 1,000 | 1.00 / 1.00 / 1.0 |")


def test_the_json_has_figures_ratios_memory_and_every_run() -> None:
    whole = msgspec.json.decode(as_json(RUNS, MACHINE, Pace()))
    assert whole["machine"]["processor"] == "A Processor"
    assert len(whole["cases"]) == 4
    assert whole["failed_cases"] == [
        {"key": {"bridge": "sample", "leg": "plain", "calls": 50}, "reasons": ["overrun"]}
    ]
    assert whole["memory_per_call_bytes"][0] == {"bridge": "callbridge", "leg": "plain", "bytes": 80_000}
    assert [ratio["theirs"] for ratio in whole["ratios"]] == ["node", "node"]
    assert len(whole["runs"]) == len(RUNS)
    assert whole["runs"][0]["report"]["up"]["latency"]["buckets"] == [[1_000_000, 1]]


def test_a_failed_run_has_no_figures() -> None:
    whole = msgspec.json.decode(as_json([failed_run()], MACHINE, Pace()))
    assert "calls_per_core" not in whole["runs"][0]
    assert (whole["cases"], whole["ratios"]) == ([], [])


def test_the_processors_name_is_found() -> None:
    """One that names none is known by its kind."""
    assert processor_name("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t: fpu\n") == "AMD EPYC"
    assert processor_name("processor\t: 0\nBogoMIPS\t: 50\n") != ""


def test_all_that_went_wrong_is_remarked() -> None:
    (figures,) = summarize([run(latency_ms=500, duplicated=2), failed_run(reason="it | closed")]).values()
    assert isinstance(figures, Figures)
    expected = ["overloaded", "2 frames doubled, reordered or changed", "1 runs failed: it / closed"]
    assert remarks(figures) == expected


def test_for_a_terminal_a_table_says_the_same() -> None:
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as captured:
        console.print(Grid("A title", ("name", "count"), (("a", "22"),), frozenset()).for_terminal())
    assert all(word in captured.get() for word in ("A title", "name", "count", "22"))
