"""The alert rules over several processes, each with its own series: told as samples, judged by `promtool`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from prometheus_server import promtool

RULES: Final = Path(__file__).parents[2] / "examples" / "monitoring" / "alerts.yml"

QUIET: Final = "0x80"
ONE_AND_THE_SAME: Final = "1x80"
"""Twenty minutes of samples, one in 15 s, with one error in them long before."""
BORN_IN_MINUTE_15: Final = "_x60 1x20"
"""A counter that nobody has seen before it was 1."""


def ringing(folder: Path, rule: str, at: str, samples: dict[str, str]) -> int:
    """How many alerts of a rule ring at this time, by promtool's own word."""
    series = [{"series": name, "values": values} for name, values in samples.items()]
    counts = f'count(ALERTS{{alertname="{rule}", alertstate="firing"}}) or vector(0)'
    for expected in range(3):
        wanted = {"expr": counts, "eval_time": at, "exp_samples": [{"labels": "{}", "value": expected}]}
        test = {"interval": "15s", "input_series": series, "promql_expr_test": [wanted]}
        file = folder / "test.yml"
        file.write_text(
            json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": [test]}), "utf-8"
        )
        try:
            promtool("test", "rules", str(file))
        except AssertionError:
            continue
        return expected
    raise AssertionError("three at once, or a rule that promtool cannot read")


def errors_of(instance: str, code: str = "11200") -> str:
    labels = f'job="callbridge", instance="{instance}", level="error", code="{code}"'
    return f"callbridge_carrier_alerts_total{{{labels}}}"


@pytest.mark.parametrize(
    ("samples", "rings"),
    [
        ({errors_of("a"): BORN_IN_MINUTE_15}, 1),
        # Another process has known the code for long.
        ({errors_of("a"): ONE_AND_THE_SAME, errors_of("b"): BORN_IN_MINUTE_15}, 1),
        ({errors_of("a"): ONE_AND_THE_SAME, errors_of("b"): ONE_AND_THE_SAME}, 0),
        ({errors_of("a", "other"): QUIET}, 0),
    ],
)
def test_an_error_of_twilio_is_told_whichever_process_hears_of_it(
    samples: dict[str, str], rings: int, tmp_path: Path
) -> None:
    assert ringing(tmp_path, "CallbridgeCarrierErrors", "16m", samples) == rings
