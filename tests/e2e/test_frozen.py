"""A call that was recorded, taped and put on record becomes a test, which another agent fails."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.testing import Calls, Interrupt, Line, Says

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.heavy

AGENT = """
from callbridge import Agent, Recording

agent = Agent(
    instructions="You answer for a bakery.", greeting="Good day!", recording=Recording(consent="none")
)

@agent.tool
async def opening_hours(day: str) -> str:
    '''When the shop is open.'''
    return "from eight until two"
"""

ENV = """
CALLBRIDGE_AGENT=bakery_on_record:agent
TWILIO_ACCOUNT_SID=AC77777777777777777777777777777777
TWILIO_AUTH_TOKEN=77777777777777777777777777777777
OPENAI_API_KEY=sk-77777777777777777777777777777777
PUBLIC_BASE_URL=https://bakery.example.com
"""


def kept_in(folder: Path) -> dict[str, str]:
    """Settings with which all is kept of a call that can be."""
    return {
        "CALLBRIDGE_STATE_PATH": str(folder / "state.db"),
        "DATABASE_URL": f"sqlite:///{folder / 'records.db'}",
        "CALLBRIDGE_KEEP_WORDS": "true",
        "CALLBRIDGE_REPLAY_SHARE": "1",
        "CALLBRIDGE_RECORDINGS": str(folder / "recordings"),
    }


async def test_a_call_on_record_becomes_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bakery_on_record.py").write_text(AGENT, encoding="utf-8")
    settings = kept_in(tmp_path)
    lines = [ENV, *(f"{name}={value}\n" for name, value in settings.items())]
    (tmp_path / ".env").write_text("".join(lines), encoding="utf-8")
    (tmp_path / ".env").chmod(0o600)
    monkeypatch.syspath_prepend(str(tmp_path))

    from bakery_on_record import agent  # type: ignore[import-not-found]  # noqa: PLC0415 - written above

    had = await Line(settings=settings, real_sockets=True).call(
        agent,
        caller=["Open on Sunday?", Interrupt(700, "And on Monday?")],
        model=[
            Calls("opening_hours", day="Sunday"),
            "On Sunday we are open from eight until two.",
            Says("On Monday until six. Goodbye!", then=Calls("end_call")),
        ],
    )
    had.expect.no_complaints()
    had.expect.ended_by("agent")

    sid = had.story.call_sid
    frozen = await asyncio.to_thread(CliRunner().invoke, app, ["calls", "freeze", sid[-6:]])
    name = f"call-{sid[-6:].lower()}"
    path = f"tests/{name}.call.toml"
    assert (frozen.exit_code, frozen.output) == (0, f"{path} is there. Run it: callbridge test {path}\n")
    assert sorted(one.name for one in (tmp_path / "tests" / name).iterdir()) == ["01.wav", "02.wav"]

    passed = await asyncio.to_thread(CliRunner().invoke, app, ["test"])
    assert passed.exit_code == 0, passed.output

    sys.modules.pop("bakery_on_record")
    other = AGENT.replace("Good day!", "Hello.").replace("opening_hours", "hours")
    (tmp_path / "bakery_on_record.py").write_text(other, encoding="utf-8")
    failed = await asyncio.to_thread(CliRunner().invoke, app, ["test"])
    sys.modules.pop("bakery_on_record", None)
    assert failed.exit_code == 1, failed.output
    assert (
        "tools={'opening_hours': …}: there is no such tool; the agent has: end_call, hours" in failed.output
    )
