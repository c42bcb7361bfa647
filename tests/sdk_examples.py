"""The realtime examples of the OpenAI Agents SDK, out of its source distribution: nothing is kept here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

DOWNLOAD_TIMEOUT_S = 120.0


def unpacked(cache: Path) -> Path:
    """The folder `examples/realtime` of the SDK's installed version. Skips the test where there is none."""
    name = f"openai-agents=={importlib.metadata.version('openai-agents')}"
    home = cache / name
    done = home / "unpacked"
    if not done.exists():
        home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "openai-agents", name]
        try:
            ran = subprocess.run(  # noqa: S603 - our own words
                [*command, "-d", str(home)],
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"the source of {name} did not come within {DOWNLOAD_TIMEOUT_S:g} s")
        if ran.returncode:
            pytest.skip(f"the source of {name} cannot be had here: {ran.stderr[-300:]}")
        for archived in home.glob("*.tar.gz"):
            with tarfile.open(archived) as archive:
                archive.extractall(home, filter="data")
        done.touch()
    (found,) = home.glob("*/examples/realtime")
    return found


def imported(file: Path) -> ModuleType:
    """An example as a module, unmodified."""
    spec = importlib.util.spec_from_file_location(f"example_{file.parent.name}_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module  # type: ignore[no-any-return]  # What `module_from_spec` answers with.
