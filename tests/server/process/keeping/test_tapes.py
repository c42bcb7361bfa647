"""Calls are taped where a share of them is to be, and where words are kept at all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from callbridge.server.config.check_given import without_effect
from callbridge.server.process.keeping.records import open_records
from callbridge.server.process.keeping.tapes import open_taping
from callbridge.state.memory_state import MemoryState
from desks import made_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("share", "words", "has_records", "why"),
    [
        ("0.5", "true", True, None),
        ("0.5", "false", True, "words are not kept"),
        ("0.5", "true", False, "no records are kept"),
        ("0", "false", False, ""),
    ],
)
def test_who_tapes_and_what_is_said(
    share: str, words: str, has_records: bool, why: str | None, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/records.db" if has_records else "off"
    given = {"CALLBRIDGE_REPLAY_SHARE": share, "CALLBRIDGE_KEEP_WORDS": words, "DATABASE_URL": url}
    settings = made_settings(given)
    records = open_records(settings, MemoryState(), str, time.time)
    with capture_logs() as logs:
        taping = open_taping(settings, records, time.time)
    assert (taping is not None) == (why is None)
    assert [log["why"] for log in logs] == ([why] if why else [])
    found = [finding.what for finding in without_effect(settings)]
    assert any("CALLBRIDGE_REPLAY_SHARE has no effect" in what for what in found) == bool(why)
    if records is not None:
        records.database.close()
