"""`callbridge certify` as a user runs it: on our own service, which passes all, and on bridges of others.

`pytest -m long -n 0 tests/e2e/test_certify.py` keeps the reports; `python -m e2e.certified_table FOLDER`, in
`tests`, makes the table of docs/certify.md of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e import commands
from e2e.other_bridges import (
    API_KEY,
    BARE,
    BRIDGES,
    SAMPLES,
    OtherBridge,
    free_port,
    installed,
    running,
    self_signed,
    version,
)
from e2e.processes import services

pytestmark = pytest.mark.long

JUDGE_TIME = {"latency.up", "latency.down", "barge-in.speed"}
"""Checks that a machine which is busy elsewhere spoils."""

KNOWN = {
    "sample-python": (
        {"trust.webhook-unsigned", "trust.socket-unsigned", "truncation.later-item", "keys.told"},
        {"audio.up", "audio.down", "audio.early", "barge-in.clear", "calls.apart"},
    ),
    "sample-node": (
        {"trust.webhook-unsigned", "trust.socket-unsigned", "truncation.later-item", "audio.early"},
        {"audio.up", "audio.down", "barge-in.clear", "calls.apart", "ends.caller-hangs-up"},
    ),
    "agents": (
        {"truncation.60ms", "truncation.later-item", "keys.told"},
        {"audio.up", "audio.down", "audio.early", "barge-in.clear", "trust.socket-forged", "model.lost"},
    ),
    "agent-connect": (
        {"truncation.60ms", "truncation.later-item", "truncation.heard-whole", "marks.sent", "keys.told"},
        {"audio.up", "audio.down", "audio.early", "barge-in.late-audio", "trust.socket-forged", "model.lost"},
    ),
    "pipecat": (
        {"session.passthrough", "truncation.later-item", "marks.sent", "model.lost", "trust.socket-unsigned"},
        {"audio.early", "greeting.whole", "ends.caller-hangs-up", "model.odd"},
    ),
    "bare": (
        {"trust.socket-unsigned", "barge-in.clear", "audio.early"},
        {"audio.up", "audio.down", "session.confirmed", "greeting.whole", "calls.apart"},
    ),
}
"""Checks that fail, and checks that pass, of the releases that were looked at (docs/certify.md). When one of
them is no longer so, somebody has mended something, or we have broken something."""


async def certified(folder: Path, url: str, *arguments: str, **variables: str) -> dict[str, Any]:
    """The JSON report of the command."""
    finished = await commands.run(
        folder, "certify", url, "--json", *arguments, variables=variables, timeout_s=400
    )
    assert finished.stdout, finished.stderr
    report: dict[str, Any] = json.loads(finished.stdout)
    assert finished.status == {"passed": 0, "failed": 1, "not run": 2}[report["verdict"]]
    return report


def outcomes(report: dict[str, Any], outcome: str) -> dict[str, str]:
    """The checks with this outcome, and their evidence; without those that judge time."""
    found = {one["id"]: one["evidence"] for one in report["checks"] if one["outcome"] == outcome}
    return {name: evidence for name, evidence in found.items() if name not in JUDGE_TIME}


def keep(report: dict[str, Any], name: str, tested: str, pytestconfig: pytest.Config) -> None:
    """For the table of the page."""
    assert pytestconfig.cache is not None
    folder = Path(pytestconfig.cache.mkdir("certified"))
    (folder / f"{name}.json").write_text(json.dumps(report | {"tested": tested}, indent=2))


async def test_our_own_service_passes_everything(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """The process that users start, with an agent that has a tool."""
    model_port = free_port()
    (tmp_path / "desk.py").write_text(AGENT)
    settings = {
        "OPENAI_API_KEY": API_KEY,
        "TWILIO_ACCOUNT_SID": "AC" + "5" * 32,
        "TWILIO_AUTH_TOKEN": "made-up-for-this-test",
        "PUBLIC_BASE_URL": "",
        "CALLBRIDGE_HOST": "127.0.0.1",
        "CALLBRIDGE_REALTIME_URL": f"ws://127.0.0.1:{model_port}/v1/realtime",
        "CALLBRIDGE_AGENT": "desk:agent",
        "CALLBRIDGE_TWILIO_REST": "false",
    }
    async with services(tmp_path, settings) as (service,):
        report = await certified(
            tmp_path,
            f"{service.url}/twilio/voice",
            *("--model-port", str(model_port), "--tool", "opening_hours"),
            TWILIO_ACCOUNT_SID=settings["TWILIO_ACCOUNT_SID"],
            TWILIO_AUTH_TOKEN=settings["TWILIO_AUTH_TOKEN"],
        )
    keep(report, "callbridge", "this version", pytestconfig)
    assert {name: outcomes(report, name) for name in ("failed", "not seen", "not applicable")} == {
        "failed": {},
        "not seen": {},
        "not applicable": {},
    }


AGENT = """
from callbridge import Agent

agent = Agent(instructions="You answer the telephone.", greeting="Hello!")


@agent.tool
def opening_hours() -> str:
    '''When we are open.'''
    return "from eight until two"
"""


@pytest.mark.parametrize("bridge", [*SAMPLES, *BRIDGES, BARE], ids=lambda bridge: bridge.name)
async def test_a_bridge_of_others_is_judged_by_what_it_claims(
    bridge: OtherBridge, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """It answers ordinary calls, and fails where it is known to; what it does not claim is not applicable."""
    assert pytestconfig.cache is not None
    home = await installed(bridge, Path(pytestconfig.cache.mkdir("other-bridges")))
    certificate = await self_signed(tmp_path)
    port = free_port()
    arguments = ["--model-port", str(port), *(("--tool", bridge.tool) if bridge.tool else ())]
    scheme = "ws"
    if bridge.is_node:
        scheme = "wss"
        arguments += ["--model-cert", str(certificate), "--model-key", str(certificate.with_suffix(".key"))]
    model_url = f"{scheme}://127.0.0.1:{port}/v1/realtime"
    async with running(bridge, home, certificate, model_url, tmp_path) as url:
        report = await certified(tmp_path, url, *arguments, SSL_CERT_FILE=str(certificate))
    keep(report, bridge.name, await version(bridge, home), pytestconfig)
    failed, passed = KNOWN[bridge.name]
    assert report["verdict"] == "failed"
    assert failed - set(outcomes(report, "failed")) == set(), report["checks"]
    assert passed - set(outcomes(report, "passed")) == set(), report["checks"]
