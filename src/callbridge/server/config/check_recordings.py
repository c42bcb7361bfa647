"""Judges whether calls can be recorded whose agents want that."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.agents.choosing.choice import Roster
    from callbridge.server.config.settings import Settings


def recordings(settings: Settings, roster: Roster | None) -> Iterator[Finding]:
    """Where to, and as what. Says nothing where no agent wants any."""
    agents = () if roster is None else roster.agents.items()
    recorded = ", ".join(name for name, agent in agents if agent.recording is not None)
    if not recorded:
        return
    place = settings.recordings_place
    if place is None:
        yield warning(
            f"calls are to be recorded, and none is: CALLBRIDGE_RECORDINGS is not set ({recorded})",
            "Set it to a directory or s3://bucket/prefix, or take recording=… away from these agents.",
        )
        return
    if place.bucket and not _is_installed("boto3"):
        yield warning(
            "recordings go to a bucket, and what stores them there is not installed: they stay on this disk",
            "Run: pip install 'callbridge[s3]'",
        )
    folder = settings.unfinished_recordings(settings.state_path)
    if not _can_be_written(folder):
        yield warning(
            f"calls are to be recorded, and {folder} cannot be written",
            "Let the user of this process write there, or name another place in CALLBRIDGE_RECORDINGS.",
        )
    kind = (
        "Opus" if _is_installed("soundfile") else "WAV (pip install 'callbridge[opus]' for an eighth of it)"
    )
    yield ok(f"calls are recorded ({recorded}) to {settings.recordings}, as {kind}")


def _is_installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def _can_be_written(folder: Path) -> bool:
    """Whether it is there, or can be made in the nearest that is."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
