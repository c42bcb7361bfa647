"""The options of a run with calls, and where a failing test leaves them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from callbridge.testing.line import Line

OPTION: Final = "--callbridge-artefacts"
SPEECH_OPTION: Final = "--callbridge-speech"
REQUIRE_MODEL: Final = "--require-model"

LINES: Final = pytest.StashKey[list["Line"]]()
"""Of a test: the lines on which it has played its calls."""


def folder_of(item: pytest.Item) -> Path:
    """Where a test leaves its calls: of its own for each, the same in every run."""
    name = re.sub(r"[^\w.=-]+", "-", item.nodeid).strip("-")
    given = item.config.getoption(OPTION)
    if given is not None:
        return Path(given).absolute() / name
    cache = getattr(item.config, "cache", None)
    if cache is None:  # It can be switched off.
        return Path(tempfile.gettempdir()) / "callbridge-calls" / name
    return Path(cache.mkdir("callbridge-calls")) / name
