"""`callbridge simulate calls`: whom it calls, whom it does not, and what it says of many calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from beside import beside
from callbridge import Agent
from callbridge.cli import app
from callbridge.simulators.phone import CallerScript, CallSettings, SimulatedCall, WaitForEnd
from callbridge.simulators.voice_model import caller_speech, demo_script
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN, stack
from ports import free_port
from small_server import answered, small_server

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = ["--account-sid", ACCOUNT_SID, "--auth-token", AUTH_TOKEN]


def test_others_are_not_called_without_consent() -> None:
    ended = CliRunner().invoke(app, ["simulate", "calls", "https://calls.example/twilio/voice"])
    assert ended.exit_code == 2
    assert "--i-own-this-service" in ended.output


@pytest.mark.parametrize(
    "options",
    [
        ["http://[::1"],
        ["http:///voice"],
        ["127.0.0.1:8000/voice"],
        ["http://127.0.0.1:9/voice", "--interrupt", "²:file.wav"],
        ["http://127.0.0.1:9/voice", "--ramp", "inf"],
    ],
)
def test_what_cannot_be_called_is_refused_in_words(options: list[str]) -> None:
    ended = CliRunner().invoke(app, ["simulate", "calls", *options])
    assert (ended.exit_code, "Invalid value" in ended.output) == (2, True), ended.output


async def test_calls_that_stay_here_follow_no_answer_elsewhere() -> None:
    """Whatever the answers of a service name: neither a stream nor a webhook that is not on loopback."""
    elsewhere = (
        '<Response><Connect action="https://calls.example/ended"><Stream url="wss://calls.example/media" />'
        "</Connect></Response>"
    )
    async with small_server(lambda _: answered(elsewhere, kind="text/xml")) as server:
        settings = CallSettings(stays_on_this_machine=True, action_after_hang_up=True)
        call = SimulatedCall(f"{server.origin}/voice", CallerScript([WaitForEnd()]), settings)
        report = await call.run()
    assert [warning.code for warning in report.warnings] == [31904, 11210]
    assert all("not on this machine" in warning.detail for warning in report.warnings)


@pytest.mark.heavy
def test_many_calls_are_told_in_sums(tmp_path: Path) -> None:
    """The model is served beside the calls: each interruption is held against what was heard."""
    speech = tmp_path / "wait.ulaw"
    speech.write_bytes(caller_speech("caller_interrupts").audio)
    port = free_port()
    model_url = f"ws://127.0.0.1:{port}/v1/realtime"
    agent = Agent(greeting_interruptible=True)
    with beside(stack(demo_script(), agent=agent, realtime_url=model_url)) as running:
        asked = ["simulate", "calls", running.settings.voice_url, "--count", "5", "--ramp", "0.5", "--json"]
        more = ["--interrupt", f"600:{speech}", "--model-port", str(port)]
        ended = CliRunner().invoke(app, [*asked, *more, *ACCOUNT])
    # The service logs into the same output.
    report, _ = json.JSONDecoder().raw_decode(ended.output, ended.output.index("{\n"))
    told = {name: report[name] for name in ("calls", "answered", "heard", "declined", "failed", "talked_on")}
    assert told == {"calls": 5, "answered": 5, "heard": 5, "declined": 0, "failed": 0, "talked_on": 0}
    for measured in ("greeting_ms", "barge_in_ms", "truncation_error_ms"):
        assert report[measured]["count"] == 5, measured
    assert report["own_late_ms"]["count"] > 500
    # Callers, service and model share this process: what a caller heard is known no better than
    # it was on time.
    assert report["truncation_error_ms"]["max"] < 40 + report["own_late_ms"]["max"]
