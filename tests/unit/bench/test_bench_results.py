"""What is kept: the results page and the JSON."""

from __future__ import annotations

import msgspec
from bench.machine import Machine, processor_name
from bench.plan import Leg, Pace
from bench.results import as_json, page
from made_up import MB, failed_run, run

MACHINE = Machine(
    "2026-11-20", "A Processor", 2, "6.1", "3.11.7", "OpenSSL 3", {"uvicorn": "0.54"}, "abc1234"
)
RUNS = [
    *(run(calls=10, rss=60 * MB), run("node", 10, cores_used=0.2)),
    *(run(calls=60, rss=64 * MB, leg=Leg.PLAIN), run("node", 60, cores_used=0.2)),
    failed_run("sample", reason="overrun"),
]


class TestPage:
    def test_it_names_machine_date_and_conditions(self) -> None:
        text = page(RUNS, [], MACHINE, Pace(window_s=10, warm_up_s=3), 1)
        assert "- 2026-11-20, commit abc1234\n- A Processor, 2 cores, Linux 6.1\n" in text
        assert "1 x 10 s after 3 s of warm-up" in text

    def test_it_explains_each_bridge_once_and_has_every_table(self) -> None:
        text = page(RUNS, [], MACHINE, Pace(), 1)
        assert [line for line in text.splitlines() if line.startswith("- **")] == [
            "- **callbridge**: this service, all of it",
            "- **node**: a Node.js relay on `ws`, JSON.parse and JSON.stringify",
            "- **sample**: a FastAPI relay in the style of Twilio's Python sample",
        ]
        assert [line for line in text.splitlines() if line.startswith("### ")] == [
            "### Model leg plain",
            "### Under what conditions, model leg plain",
            "### Ratios",
            "### The generator alone: both ends, no bridge",
        ]

    def test_it_proves_that_the_generator_was_fast_enough(self) -> None:
        text = page(RUNS, [run(calls=1000).report], MACHINE, Pace(), 1)
        table = text.partition("### The generator alone")[2].splitlines()
        assert table[-1].startswith("| generator | 1,000 | 1.00 / 1.00 / 1.0 |")


class TestJson:
    def test_it_has_figures_ratios_memory_and_every_run(self) -> None:
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

    def test_a_failed_run_has_no_figures(self) -> None:
        whole = msgspec.json.decode(as_json([failed_run()], MACHINE, Pace()))
        assert "calls_per_core" not in whole["runs"][0]
        assert (whole["cases"], whole["ratios"]) == ([], [])


def test_the_processors_name_is_found() -> None:
    """One that names none is known by its kind."""
    assert processor_name("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t: fpu\n") == "AMD EPYC"
    assert processor_name("processor\t: 0\nBogoMIPS\t: 50\n") != ""
