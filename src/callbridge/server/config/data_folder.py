"""Where this user's programs keep what they need later.

https://specifications.freedesktop.org/basedir-spec: `$XDG_DATA_HOME`, or `~/.local/share`.
"""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """The folder. It may not exist."""
    told = os.environ.get("XDG_DATA_HOME", "")
    # A relative one is to be ignored, says the specification.
    return Path(told) if Path(told).is_absolute() else Path.home() / ".local" / "share"
