"""The realtime examples of the OpenAI Agents SDK, out of its source distribution: nothing is kept here."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

DOWNLOAD_TIMEOUT_S = 120.0


def unpacked(cache: Path) -> Path:
    """The folder `examples/realtime` of the SDK's installed version. Skips the test where there is none."""
    name = f"openai-agents=={importlib.metadata.version('openai-agents')}"
    home = cache / f"source of {name}"
    if not home.exists():
        # Several workers may come here at once: each has a folder of its own, and the first one's is kept.
        with tempfile.TemporaryDirectory(dir=cache) as place:
            own = Path(place) / "source"
            own.mkdir()
            _download(name, own)
            with contextlib.suppress(OSError):
                own.rename(home)
    (found,) = home.glob("*/examples/realtime")
    return found


def _download(name: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "openai-agents", name]
    try:
        ran = subprocess.run(  # noqa: S603 - our own words
            [*command, "-d", str(folder)],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"the source of {name} did not come within {DOWNLOAD_TIMEOUT_S:g} s")
    if ran.returncode:
        pytest.skip(f"the source of {name} cannot be had here: {ran.stderr[-300:]}")
    for archived in folder.glob("*.tar.gz"):
        with tarfile.open(archived) as archive:
            archive.extractall(folder, filter="data")


def imported(file: Path) -> ModuleType:
    """An example as a module, unmodified."""
    spec = importlib.util.spec_from_file_location(f"example_{file.parent.name}_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module  # type: ignore[no-any-return]  # What `module_from_spec` answers with.
