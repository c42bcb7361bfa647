"""`callbridge test` with text models: conversations judged again, a call that needs one and has none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.simulators.text_model import Says
from callbridge.testing import Conversation, Judge, judged, load_conversation
from text_models import text_model, text_server, turn, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.simulators.text_model import TextModel

__all__ = ["text_model", "text_server"]

AGENT = 'Agent(greeting="Bakery!")'
PERSONA = """
agent = "bakery_of_rejudging.py"

[[call]]
name = "mia"
[call.caller]
who = "Mia."
goal = "Bread."
"""


def test_conversations_are_judged_again_and_nobody_is_called(text_model: TextModel, tmp_path: Path) -> None:
    talk = Conversation(title="sunday", callbridge="1.0", played_at=0.0, agent="bakery", turns=())
    yes, no = verdicts(("yes", 0.9, None)), verdicts(("no", 0.9, None))
    text_model.will(yes, yes, yes, yes, no, yes)
    talk = judged(Judge(["It was short."]), judged(Judge(["All is well."]), talk))
    path = talk.save(tmp_path / "kept" / "sunday")
    asked = ["test", "--rejudge", str(tmp_path)]
    same = CliRunner().invoke(app, [*asked, "--json"])
    (told,) = json.loads(same.output)
    assert (same.exit_code, told["file"], len(told["judgements"])) == (0, str(path), 2)
    worse = CliRunner().invoke(app, asked, env={"COLUMNS": "300"})
    assert (worse.exit_code, "no 0.90 (it was yes) All is well." in worse.output) == (1, True), worse.output
    assert len(load_conversation(path).judgements) == 6
    assert path.stat().st_mode & 0o777 == 0o600, "words of a call are their owner's"

    (tmp_path / "broken.conversation.json").write_bytes(b'{"title": "\xff"}')
    assert CliRunner().invoke(app, asked).exit_code == 2
    assert CliRunner().invoke(app, ["test", "--rejudge", str(tmp_path / "nowhere")]).exit_code == 2


@pytest.mark.heavy
def test_a_scenario_with_a_persona_needs_a_text_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("OPENAI_API_KEY", "CALLBRIDGE_ANALYSIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bakery_of_rejudging.py").write_text("from callbridge import Agent\n\nagent = Agent()\n")
    (tmp_path / "mia.call.toml").write_text(PERSONA)
    skipped = CliRunner().invoke(app, ["test"], env={"COLUMNS": "300"})
    assert (skipped.exit_code, "OPENAI_API_KEY is not set" in skipped.output) == (0, True), skipped.output
    assert CliRunner().invoke(app, ["test", "--require-model"]).exit_code == 1


@pytest.mark.heavy
def test_a_scenario_is_played_by_text_models_and_judged(
    text_model: TextModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text_model.will_answer("caller_turn", turn("Rye bread?"), turn("Bye!", goal="reached", hangs_up=True))
    text_model.will_answer("", Says("Yes, it is warm."), Says("Goodbye!"))
    text_model.will_answer("verdicts", verdicts(("no", 0.9, (2, "it is warm"))))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bakery_of_rejudging.py").write_text(f"from callbridge import Agent\n\nagent = {AGENT}\n")
    judge = "[call.model]\n[call.judge]\ncriteria = ['A price was named.']\n"
    (tmp_path / "mia.call.toml").write_text(PERSONA + judge)
    failed = CliRunner().invoke(app, ["test"], env={"COLUMNS": "300"})
    assert failed.exit_code == 1
    assert "says no: A price was named." in failed.output
    assert "turn 2: it is warm" in failed.output
