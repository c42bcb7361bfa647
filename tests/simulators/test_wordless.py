"""Speech without words: as long as a text, the same everywhere, and heard as one turn."""

from __future__ import annotations

import hashlib

import pytest

from callbridge.simulators.sounds import dbfs, speech_dbfs
from callbridge.simulators.voice_model.vad import EnergyVad, TurnDetection
from callbridge.simulators.wordless import AGENT_HZ, SPEECH_DBFS, wordless
from callbridge.wire.audio import milliseconds, silence

LONG = "I would like to book a table for four people, on Friday evening at half past seven. I am Sam."


@pytest.mark.parametrize(
    ("text", "spoken_ms"),
    [  # As espeak-ng 1.51 speaks them, without the silence behind.
        ("Yes.", 300),
        ("Are you open on Sunday?", 1400),
        ("From eight until two.", 1250),
        ("My number is 0711 5550123.", 4700),
        (LONG, 5700),
    ],
)
def test_a_text_takes_as_long_as_a_person_would_take(text: str, spoken_ms: int) -> None:
    assert milliseconds(len(wordless(text))) == pytest.approx(spoken_ms, rel=0.15)


@pytest.mark.parametrize(
    "text", ["日曜日は開いていますか。", "Можно заказать столик?", "Grüß Gott, wie geht es?"]
)
def test_every_script_has_a_length(text: str) -> None:
    assert 1000 < milliseconds(len(wordless(text))) < 3000


def test_it_is_as_loud_as_speech_and_one_turn() -> None:
    vad = EnergyVad(TurnDetection(silence_duration_ms=300))
    assert len(vad.hear(wordless(LONG) + silence(1000))) == 2, "it starts once and stops once"
    assert speech_dbfs(wordless(LONG)) == pytest.approx(SPEECH_DBFS, abs=1.5)
    assert dbfs(wordless(LONG)[:320]) < -45, "a breath that nobody hears"


def test_it_is_made_of_the_text_alone() -> None:
    """Where these bytes differ, calls differ from one machine to another."""
    digest = hashlib.sha256(wordless("Are you open on Sunday?")).hexdigest()
    assert digest == "00c01b0df45b2391ae89165c2dd73a91ab15c88d93edba3d016c9a3367022ec3"
    assert wordless("Yes, please.")[:160] != wordless("Yes, thank you.")[:160], "no two begin alike"
    assert wordless("Yes.") != wordless("Yes.", AGENT_HZ)


@pytest.mark.parametrize("text", ["", "…", " -- "])
def test_without_letters_nothing_is_spoken(text: str) -> None:
    assert wordless(text) == b""
