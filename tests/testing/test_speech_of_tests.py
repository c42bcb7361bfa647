"""What the words of a test sound like, and where it comes from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from callbridge.simulators.audio import SpeechError, write_stereo
from callbridge.simulators.wordless import AGENT_HZ, wordless
from callbridge.testing import Speech
from callbridge.testing import speech as making
from callbridge.testing.speech import agent_speaker, caller_speech


@pytest.fixture
def no_espeak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("no_espeak")
def test_without_a_synthesiser_it_is_speech_without_words() -> None:
    assert caller_speech("Hello.", how=Speech.INSTALLED) == caller_speech("Hello.") == wordless("Hello.")
    assert agent_speaker()("Hello.") == wordless("Hello.", AGENT_HZ)


@pytest.mark.usefixtures("no_espeak")
def test_a_synthesiser_that_is_asked_for_and_missing_says_what_to_do() -> None:
    making._by_espeak.cache_clear()
    with pytest.raises(SpeechError, match=r"apt install espeak-ng.*Speech\.SYNTHETIC"):
        caller_speech("Hello.", how=Speech.ESPEAK)


def test_a_file_is_spoken_in_place_of_the_text(tmp_path: Path) -> None:
    write_stereo(tmp_path / "hello.wav", wordless("Hello there."), b"")
    spoken = caller_speech("Whatever.", "hello.wav", folder=tmp_path)
    assert len(spoken) == len(wordless("Hello there."))
    with pytest.raises(SpeechError, match=r"bye\.wav: cannot be read"):
        caller_speech("Whatever.", "bye.wav", folder=tmp_path)


def test_a_text_of_which_nothing_can_be_spoken_is_refused() -> None:
    with pytest.raises(SpeechError, match="nothing in '…' can be spoken; write words"):
        caller_speech("…")


def test_what_espeak_said_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By text and program; a home that cannot be written to does no harm."""
    asked: list[str] = []

    def speak(text: str) -> bytes:
        asked.append(text)
        return text.encode()

    def said(text: str) -> bytes:
        making._by_espeak.cache_clear()
        return caller_speech(text, how=Speech.ESPEAK)

    program = tmp_path / "espeak-ng"
    program.write_text("one")
    monkeypatch.setattr(making, "speak", speak)
    monkeypatch.setattr(shutil, "which", lambda _name: str(program))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert said("Hello.") == said("Hello.") == b"Hello."
    assert asked == ["Hello."]
    program.write_text("another")
    assert said("Hello.") == b"Hello."
    assert asked == ["Hello."] * 2
    monkeypatch.setenv("HOME", "/dev/null")
    assert said("Hello.") == b"Hello."
    making._by_espeak.cache_clear()
