"""Where recordings end up: another process stores them, those of a killed one as well."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.recording.recording import Recording
from callbridge.call.recording_facts import RecordingStored
from callbridge.records.recording.stores import DirectoryStore
from callbridge.records.recording.wav import header
from callbridge.simulators.phone import CallerScript, WaitForEnd
from callbridge.switchboard.continuation import read_facts
from e2e.stack import hello_and_goodbye, stack

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.stack import Stack

pytestmark = pytest.mark.usefixtures("nothing_left")

WITHIN_S = 30.0
LEFT = "CA1-MZ1"


async def stored(running: Stack, call_sid: str) -> RecordingStored:
    """What is noted of a call's recording, once it is."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            known = read_facts(await running.desk.state.events(call_sid))
            if found := [fact for _, fact in known if isinstance(fact, RecordingStored)]:
                return found[0]
            await asyncio.sleep(0.05)  # The other process tells nobody here.


@pytest.mark.heavy  # It starts a process for each of the two, as the service does.
async def test_recordings_are_stored_by_another_process_and_so_is_what_a_killed_one_left(
    tmp_path: Path,
) -> None:
    (unfinished := tmp_path / "unfinished").mkdir()
    (unfinished / f"{LEFT}.wav").write_bytes(header(0) + bytes(16_000))
    agent = Agent(recording=Recording(consent="none"))
    environment = {"CALLBRIDGE_RECORDINGS": str(tmp_path)}
    async with stack(hello_and_goodbye(), agent=agent, environment=environment) as running:
        left = await stored(running, "CA1")
        assert left.duration_ms == 1000
        call = await running.call(CallerScript([WaitForEnd()]))
        own = await stored(running, call.sid)
    assert own.name.startswith(call.sid)
    assert own.duration_ms == pytest.approx(call.ended.duration_ms, abs=500)
    for fact in (left, own):
        assert fact.name.endswith(fact.format)
        assert len(DirectoryStore(tmp_path).get(fact.name)) == fact.bytes
    assert list(unfinished.iterdir()) == []
