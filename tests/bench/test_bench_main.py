"""The command line: what it answers when nothing can be measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import callbridge

ROOT = Path(__file__).parents[2]


def bench(*words: str, path: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(Path(callbridge.__file__).parents[1])}
    return subprocess.run(  # noqa: S603 - our own command line
        (sys.executable, "-m", "bench", *words),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_missing_tool_ends_it_with_a_code_of_its_own(tmp_path: Path) -> None:
    """CI must be able to tell a regression from a machine that cannot measure one."""
    done = bench("--guard", "--cache", str(tmp_path), path=str(tmp_path))
    assert done.returncode == 2
    assert "was not found: install" in done.stdout


def test_a_word_that_means_nothing_is_told() -> None:
    done = bench("--bridges", "asterisk", path=os.environ["PATH"])
    assert done.returncode == 2
    assert "asterisk" in done.stderr
