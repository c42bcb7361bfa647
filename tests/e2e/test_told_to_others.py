"""Outgoing webhooks of whole calls: a receiver hears of a call while it goes on, and all of it at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import standardwebhooks

from callbridge import Agent, Recording
from callbridge.simulators.phone import WaitForAgent, WaitForEnd
from e2e.stack import hello_and_goodbye, stack
from leftovers import until
from small_server import Asked, answered, small_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left")

SECRET = f"whsec_{'A' * 32}"


async def test_a_call_is_told_while_it_goes_on_and_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, each signed, and with what was said, as that is kept."""
    monkeypatch.setattr("callbridge.server.process.outbox.webhook_sending.POLL_S", 0.02)
    told: list[dict[str, Any]] = []

    def receive(asked: Asked) -> bytes:
        told.append(standardwebhooks.Webhook(SECRET).verify(asked.body, asked.headers))
        return answered("", status="204 No Content")

    async with small_server(receive) as server:
        environment = {
            "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
            "CALLBRIDGE_KEEP_WORDS": "true",
            "CALLBRIDGE_WEBHOOK_URL": f"{server.origin}/calls",
            "CALLBRIDGE_WEBHOOK_SECRET": SECRET,
            "CALLBRIDGE_WEBHOOK_FACTS": "stream_started, stream_ended",
        }
        async with stack(hello_and_goodbye(300), environment=environment) as running:
            call = await running.call([WaitForAgent(), WaitForEnd()])
            assert await until(lambda: len(told) == 3)
    assert [one["type"] for one in told] == ["fact.stream_started", "fact.stream_ended", "call.completed"]
    assert {one["data"]["call_sid"] for one in told} == {call.sid}
    whole = told[-1]["data"]
    assert (whole["state"], whole["end_reason"]) == ("ended", "agent_hangup")
    assert whole["ended_at"] - whole["began_at"] == pytest.approx(whole["duration_ms"] / 1000, abs=0.1)
    assert [line["words"] for line in whole["transcript"] if line["who"] == "agent"] == ["Hello, goodbye."]


@pytest.mark.heavy
async def test_a_recording_is_told_with_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the end of the call, when it is stored."""
    monkeypatch.setattr("callbridge.server.process.outbox.webhook_sending.POLL_S", 0.02)
    told: list[dict[str, Any]] = []

    def receive(asked: Asked) -> bytes:
        told.append(asked.json)
        return answered("", status="204 No Content")

    async with small_server(receive) as server:
        environment = {
            "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
            "CALLBRIDGE_RECORDINGS": str(tmp_path / "recordings"),
            "CALLBRIDGE_WEBHOOK_URL": f"{server.origin}/calls",
            "CALLBRIDGE_WEBHOOK_SECRET": SECRET,
        }
        agent = Agent(recording=Recording(consent="none"))
        async with stack(hello_and_goodbye(300), agent=agent, environment=environment) as running:
            await running.call([WaitForAgent(), WaitForEnd()])
            assert await until(lambda: len(told) == 2)
    assert [one["type"] for one in told] == ["call.completed", "call.recorded"]
    (recording,) = told[1]["data"]["recordings"]
    assert f"/recordings/{recording['name']}?" in recording["url"]
