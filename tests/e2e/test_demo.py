"""The demo: one whole call with real speech, judged by its own report and by what it recorded."""

from __future__ import annotations

import json
import wave
from typing import TYPE_CHECKING

import pytest

from e2e.commands import run

if TYPE_CHECKING:
    from pathlib import Path

KEYS = """
frames_from_caller frames_to_model audio_to_phone_ms audio_heard_ms first_audio_ms first_audio_with_predial_ms
first_audio_without_predial_ms turns tools interruptions carrier_warnings model_errors problems recording
"""


@pytest.mark.heavy  # It plays all its audio, twice.
async def test_the_demo_ends_well_and_reports_in_json(tmp_path: Path) -> None:
    """Exit status 0 and one JSON document: no frame lost, five turns, the interruption, nobody complains."""
    saved = tmp_path / "demo.wav"
    ended = await run(tmp_path, "demo", "--json", "--save", str(saved))
    assert ended.status == 0, ended
    report = json.loads(ended.stdout)
    assert report.keys() == set(KEYS.split())
    assert (report["carrier_warnings"], report["model_errors"], report["problems"]) == ([], [], [])
    assert report["frames_from_caller"] == report["frames_to_model"] > 1000
    assert 0 < report["audio_heard_ms"] < report["audio_to_phone_ms"], "an answer was interrupted"
    assert 0 < report["first_audio_ms"] < 3000
    # Half a second of the model's handshake passes while the carrier opens its stream.
    assert report["first_audio_with_predial_ms"] < report["first_audio_without_predial_ms"]
    assert "Traceback" not in ended.stderr
    assert_turns_are_those_of_the_script(report["turns"])
    tools = [(tool["name"], tool["outcome"]) for tool in report["tools"]]
    assert tools == [("opening_hours", "answered"), ("end_call", "answered")]
    (cut,) = report["interruptions"]
    assert cut.keys() == {"truncated_at_ms", "truly_heard_ms", "stop_ms"}
    assert abs(cut["truncated_at_ms"] - cut["truly_heard_ms"]) <= 40
    assert 0 < cut["stop_ms"] < 500
    assert report["recording"] == str(saved)
    with wave.open(str(saved)) as recording:
        assert recording.getnframes() / 8 > report["audio_heard_ms"]


def assert_turns_are_those_of_the_script(turns: list[dict[str, object]]) -> None:
    """Greeting, two questions, the interruption, goodbye; each answer has its latency."""
    assert [set(turn) for turn in turns] == [{"caller", "agent", "response_ms"}] * 5
    assert turns[0]["caller"] is None
    assert all(turn["caller"] for turn in turns[1:])
    assert all(isinstance(turn["response_ms"], int) for turn in turns[1:])
    assert str(turns[2]["agent"]).endswith("…"), "cut where the caller stopped listening"
    assert "Goodbye" in str(turns[4]["agent"])
