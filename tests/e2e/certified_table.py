"""The table of docs/certify.md: made of the reports that the long tests keep."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ORDER = ("callbridge", "sample-python", "sample-node", "agents", "agent-connect", "pipecat", "bare")
SIGNS = {"passed": "✓", "failed": "✗", "not seen": "?", "not applicable": ""}


def table(reports: dict[str, dict[str, Any]]) -> str:
    """A row for each check, a column for each bridge."""
    names = [name for name in ORDER if name in reports]
    checks = {one["id"]: one["severity"] for one in reports[names[0]]["checks"]}
    rows = [f"| check | severity | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for check, severity in checks.items():
        found = [_cell(reports[name], check) for name in names]
        rows.append(f"| `{check}` | {severity} | {' | '.join(found)} |")
    tested = [f"| {name} | {reports[name]['tested']} | {reports[name]['made_at'][:10]} |" for name in names]
    return "\n".join([*rows, "", "| bridge | tested | on |", "|---|---|---|", *tested])


def _cell(report: dict[str, Any], check: str) -> str:
    (one,) = [one for one in report["checks"] if one["id"] == check]
    sign = SIGNS[one["outcome"]]
    numbers = one["numbers"]
    if one["outcome"] not in {"passed", "failed"}:
        return sign
    if check == "truncation.heard-whole":
        return f"{sign} {numbers['cut']:.0f} of {numbers['heard']:.0f}"
    for name in ("error_ms", "p95_ms", "late_ms", "lost_ms", "dead_air_ms"):
        if name in numbers:
            return f"{sign} {numbers[name]:.0f} ms"
    return sign


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.stdout.write(table({one.stem: json.loads(one.read_text()) for one in folder.glob("*.json")}) + "\n")
