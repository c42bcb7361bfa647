"""A value that leaks is found: in a file that a test has left, by whichever process ran it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import canaries

if TYPE_CHECKING:
    from pathlib import Path

LEAKS = """
import canaries

def test_it(tmp_path):
    (tmp_path / "service.log").write_text({said})
    (tmp_path / ".env").write_text(canaries.API_KEY)
"""


@pytest.mark.parametrize(
    "text",
    [
        f'{{"caller":"{canaries.NUMBER}"}}',
        f"From=%2B{canaries.NUMBER[1:]}",
        f"he said {canaries.WORDS}.",
        "card 4539 5787 6362 1486",
        f"Bearer {canaries.API_KEY}",
    ],
)
def test_what_leaks_is_found(text: str) -> None:
    assert len(canaries.found_in(text)) == len(canaries.found_in(text.encode())) == 1
    assert canaries.found_in("call_started +********71") == []


@pytest.mark.heavy
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("said", ['"all is well"', "canaries.WORDS"])
def test_a_leak_fails_the_session(tmp_path: Path, workers: int, said: str) -> None:
    """With workers and without; the settings that a test has written are no leak."""
    (tmp_path / "test_leak.py").write_text(LEAKS.format(said=said))
    try:
        finished = subprocess.run(  # noqa: S603 - what the test has written
            [
                *(sys.executable, "-m", "pytest", "-p", "canaries", "-p", "no:cacheprovider"),
                *(f"-n{workers}", "--rootdir=.", "--basetemp=left", "test_leak.py"),
            ],
            cwd=tmp_path,
            env={"PYTHONPATH": str(canaries.__file__).rpartition("/")[0], "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for file in tmp_path.rglob("service.log"):
            file.unlink()  # Or it is found once more, in this session.
    leaked = said == "canaries.WORDS"
    assert finished.returncode == int(leaked), finished.stdout
    assert ("the caller's words: " in finished.stdout) == leaked
    assert "the model's key" not in finished.stdout
