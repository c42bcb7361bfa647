"""Where numbers pointed before: kept for their owner alone, all of it or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from callbridge.server.config.data_folder import data_folder
from callbridge.server.errands.kept_pointings import Kept, KeptError, KeptPointings, kept_pointings
from callbridge.telephony.rest.records import Pointing
from desks import ACCOUNT, made_settings

SID = "PN" + "1" * 32
KEPT = Kept("+14155550199", Pointing(voice_url="https://a.example", trunk_sid=""), Pointing(voice_url="x"))


def test_what_is_kept_is_found_until_it_is_forgotten(tmp_path: Path) -> None:
    kept = KeptPointings(tmp_path / "new" / "folder")
    assert kept.find(SID) is None
    path = kept.keep(SID, KEPT)
    assert kept.find(SID) == KEPT
    assert (path.stat().st_mode & 0o777, kept.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    kept.keep(SID, KEPT)
    assert list(kept.folder.iterdir()) == [path]
    kept.forget(SID)
    kept.forget(SID)
    assert kept.find(SID) is None


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """And nothing is changed: what would be overwritten is not known."""
    (tmp_path / f"{SID}.json").write_text("{")
    with pytest.raises(KeptError, match="cannot be read"):
        KeptPointings(tmp_path).find(SID)
    (tmp_path / "file").write_text("")
    with pytest.raises(KeptError, match="Nothing was changed"):
        KeptPointings(tmp_path / "file" / "folder").keep(SID, KEPT)


def test_it_is_kept_beside_the_state_or_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = made_settings({"CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db")})
    assert kept_pointings(beside).folder == tmp_path / "callbridge-numbers" / ACCOUNT
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert kept_pointings(made_settings()).folder == tmp_path / "data" / "callbridge-numbers" / ACCOUNT
    for told in ("", "relative"):
        monkeypatch.setenv("XDG_DATA_HOME", told)
        assert data_folder() == Path.home() / ".local" / "share"
