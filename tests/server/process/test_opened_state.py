"""The state of a process: its name says on which machine it runs."""

from __future__ import annotations

import asyncio

import pytest

from callbridge.server.process.opened_state import opened_state
from callbridge.state.neighbours import machine_of
from desks import made_settings


@pytest.mark.parametrize(
    ("given", "host", "machine"),
    [
        ({"CALLBRIDGE_MACHINE": "web-1"}, "0f3a", "web-1"),
        ({}, "ip-10-0-0-1.internal", "ip-10-0-0-1.internal"),
        ({}, "Sam's \u00fc laptop", "Sam-s---laptop"),
        ({}, "x" * 200, "x" * 63),
    ],
    ids=["set", "host", "odd host", "long host"],
)
def test_a_process_is_named_after_its_machine(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], host: str, machine: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    first, second = (opened_state(made_settings(given)) for _ in range(2))
    assert machine_of(first.process) == machine_of(second.process) == machine
    assert first.process != second.process
    for state in (first, second):
        asyncio.run(state.close())
