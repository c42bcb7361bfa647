"""Bridges of others between our two simulators: what they do with real vendors they must be able to do here.

Which they are, and how they are had, is `other_bridges`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callbridge.simulators.voice_model import Answer, Script, caller_speech, serve_model
from callbridge.simulators.voice_model import Say as Speech
from callbridge.simulators.voice_model.voices import clips
from e2e import commands
from e2e.other_bridges import API_KEY, BRIDGES, OtherBridge, installed, running, self_signed

pytestmark = pytest.mark.long

SPOKEN = clips()["agent_short_answer"]

SCRIPT = Script(answers=(Answer(say=(Speech(text=SPOKEN.text, audio=SPOKEN.audio),)),) * 3, after_ms=100)

PLAN = """
steps = [
    {{do = "{first}", {how}}},
    {{do = "say", file = "question.ulaw"}},
    {{do = "wait_for_agent"}},
    {{do = "hang_up"}},
]
"""


@pytest.mark.parametrize("bridge", BRIDGES, ids=lambda bridge: bridge.name)
async def test_a_bridge_of_others_makes_one_clean_call(
    bridge: OtherBridge, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """The caller asks something, hears the answer and hangs up; neither simulator has to complain."""
    cache = pytestconfig.cache
    assert cache is not None
    home = await installed(bridge, Path(cache.mkdir("other-bridges")))
    certificate = await self_signed(tmp_path)
    async with (
        serve_model(SCRIPT, keys=(API_KEY,)) as model,
        running(bridge, home, certificate, model.url, tmp_path) as url,
    ):
        report = await called(bridge, url, certificate, tmp_path)
    assert report["warnings"] == [], report["warnings"]
    assert report["findings"] == []
    (journal,) = model.sessions
    assert [refusal.message for refusal in journal.refusals] == []
    (stream,) = report["streams"]
    answers = 2 if bridge.greets else 1
    assert stream["heard_ms"] == pytest.approx(answers * len(SPOKEN.audio) / 8, rel=0.05)
    assert stream["ended_by"] == "caller"


# --- The parts ---------------------------------------------------------------------------------------------


async def called(bridge: OtherBridge, url: str, certificate: Path, folder: Path) -> dict[str, Any]:
    """The report of one call by the command."""
    (folder / "question.ulaw").write_bytes(caller_speech("caller_question_hours").audio)
    first, how = ("wait_for_agent", "quiet_ms = 700") if bridge.greets else ("pause", "ms = 1000")
    (folder / "plan.toml").write_text(PLAN.format(first=first, how=how))
    finished = await commands.run(
        folder,
        *("simulate", "call", url, "--plan", "plan.toml", "--json", "--max-call", "60"),
        variables={"SSL_CERT_FILE": str(certificate)},
    )
    assert finished.stdout, finished.stderr
    report: dict[str, Any] = json.loads(finished.stdout)
    return report
