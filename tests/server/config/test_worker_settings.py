"""Several processes on one machine: what they need, and where operators ask each of them."""

from __future__ import annotations

import errno
from collections import Counter
from pathlib import Path

import pytest

from callbridge.server.config.check_control import control
from callbridge.server.config.findings import Level
from callbridge.server.config.setting_problems import SettingsError
from desks import made_settings

SHARED = {"CALLBRIDGE_STATE_PATH": "state.db"}
DATABASE = {"CALLBRIDGE_SHARED_STATE": "database", "DATABASE_URL": "postgresql://db/calls"}


@pytest.mark.parametrize(
    ("given", "ports"),
    [
        ({}, (8081,)),
        ({"CALLBRIDGE_CONTROL_PORT": "0"}, ()),
        (SHARED | {"CALLBRIDGE_WORKERS": "2"}, (8081, 8082, 8083)),
        (DATABASE | {"CALLBRIDGE_WORKERS": "2"}, (8081, 8082, 8083)),
        (SHARED | {"CALLBRIDGE_WORKERS": "3", "CALLBRIDGE_CONTROL_PORT": "0"}, ()),
        (SHARED | {"CALLBRIDGE_WORKERS": "2", "CALLBRIDGE_CONTROL_PORT": "65533"}, (65533, 65534, 65535)),
    ],
)
def test_each_worker_has_a_port_and_one_that_leaves_the_last(
    given: dict[str, str], ports: tuple[int, ...]
) -> None:
    assert made_settings(given).control_ports == ports


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"CALLBRIDGE_WORKERS": "2"}, "they would share nothing.*Set CALLBRIDGE_STATE_PATH to a file"),
        (SHARED | {"CALLBRIDGE_WORKERS": "0"}, "must be at least 1"),
        ({"CALLBRIDGE_MACHINE": "the first"}, "must be a name of letters, digits"),
        (SHARED | {"CALLBRIDGE_WORKERS": "65"}, "must be at most 64"),
        (SHARED | {"CALLBRIDGE_WORKERS": "2", "PORT": "8083"}, "8081 to 8083, and PORT is 8083"),
        (SHARED | {"CALLBRIDGE_WORKERS": "2", "CALLBRIDGE_CONTROL_PORT": "65534"}, "65534 to 65536"),
    ],
)
def test_what_workers_lack_is_told(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        made_settings(given)


def test_check_tries_all_ports(tmp_path: Path) -> None:
    settings = made_settings({"CALLBRIDGE_STATE_PATH": str(tmp_path / "s.db"), "CALLBRIDGE_WORKERS": "2"})
    taken = {8082: OSError(errno.EADDRINUSE, "in use"), 8083: OSError(errno.EACCES, "not allowed")}
    found = list(control(settings, lambda _host, port: taken.get(port)))
    assert Counter(finding.level for finding in found) == {Level.OK: 1, Level.WARNING: 1, Level.ERROR: 1}
    assert "something listens on 127.0.0.1 port 8082 already" in found[1].what
    assert "port 8083: not allowed" in found[2].what
    assert [finding.what for finding in control(settings, lambda *_: None)] == [
        "operators ask at 127.0.0.1 port 8081",
        "operators ask at 127.0.0.1 port 8082",
        "operators ask at 127.0.0.1 port 8083, a worker that leaves",
    ]
