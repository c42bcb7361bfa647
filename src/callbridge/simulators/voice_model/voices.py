"""Speech for scripts: shipped clips, speech files, a synthesiser when there is one, a tone otherwise.

Everything here happens before a session starts. Nothing is spoken during one.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from callbridge.simulators.audio import (
    SAMPLE_RATE,
    SpeechError,
    can_speak,
    load_speech,
    speak,
)
from callbridge.simulators.voice_model.script import Answer, Call, Say, Script, ScriptError
from callbridge.wire.audio import encode as encode_mulaw

if TYPE_CHECKING:
    from callbridge.simulators.voice_model.faults import Fault

Speaker = Callable[[str], bytes]
"""Makes 8 kHz µ-law speech of a text."""

TONE_MS_PER_CHARACTER = 60
"""A calm voice speaks some 16 characters a second."""

TONE_MS_MIN = 400


@dataclass(frozen=True, slots=True)
class Clip:
    """A shipped piece of speech."""

    name: str
    text: str
    audio: bytes
    """8 kHz µ-law."""


@cache
def clips() -> dict[str, Clip]:
    """The shipped speech, by name."""
    folder = files("callbridge.simulators") / "speech"
    index = tomllib.loads((folder / "index.toml").read_text(encoding="utf-8"))
    return {name: Clip(name, text, (folder / f"{name}.ulaw").read_bytes()) for name, text in index.items()}


def caller_speech(name: str) -> Clip:
    """A shipped clip of the caller, such as `caller_question_hours`. KeyError when there is none."""
    return clips()[name]


def voiced(script: Script, *, folder: Path | None = None, speaker: Speaker | None = None) -> Script:
    """The script with audio for everything that is said.

    Args:
        script: as it was written.
        folder: where its speech files are; the current folder when absent.
        speaker: for texts that have neither a file nor a shipped clip; a tone when absent.

    Raises:
        ScriptError: a speech file cannot be used, or the speaker failed.
    """

    def answer(written: Answer | None) -> Answer | None:
        if written is None:
            return None
        said = tuple(_voiced(say, folder or Path(), speaker) for say in written.speeches)
        return msgspec.structs.replace(written, say=said)

    return msgspec.structs.replace(
        script,
        answers=tuple(filter(None, map(answer, script.answers))),
        default=answer(script.default) or script.default,
        out_of_band=answer(script.out_of_band),
    )


def installed_speaker() -> Speaker | None:
    """The synthesiser of this machine, when it has one."""
    return speak if can_speak() else None


def _voiced(say: Say, folder: Path, speaker: Speaker | None) -> Say:
    if say.audio:
        return say
    try:
        audio = _spoken(say, folder, speaker)
    except SpeechError as error:
        raise ScriptError(f"{say.text!r} cannot be spoken: {error}") from error
    return msgspec.structs.replace(say, audio=audio)


def _spoken(say: Say, folder: Path, speaker: Speaker | None) -> bytes:
    if say.speech:
        return load_speech(folder / say.speech)
    shipped = next((clip.audio for clip in clips().values() if clip.text == say.text), b"")
    return shipped or (speaker(say.text) if speaker is not None else tone(say.text))


@lru_cache(maxsize=256)
def tone(text: str) -> bytes:
    """A hum in the place of speech: as long as the text, swelling four times a second.

    Its pitch depends on the text, so that two texts can be told apart by ear and by comparison.
    """
    length = max(TONE_MS_MIN, len(text) * TONE_MS_PER_CHARACTER) * SAMPLE_RATE // 1000
    pitch = 180 + sum(text.encode()) % 200
    return encode_mulaw(
        int(
            6000
            * math.sin(2 * math.pi * pitch * sample / SAMPLE_RATE)
            # Never silent for long: a swell between a third and the whole of the loudness.
            * (2 - math.cos(2 * math.pi * 4 * sample / SAMPLE_RATE))
            / 3
        )
        for sample in range(length)
    )


# --- The built-in script ----------------------------------------------------------------------


def demo_script() -> Script:
    """A call to a bakery: a greeting, a question with a tool, one interrupted answer, a goodbye."""
    shipped = clips()

    def say(*names: str) -> tuple[Say, ...]:
        return tuple(Say(text=shipped[name].text, audio=shipped[name].audio) for name in names)

    def heard(name: str) -> str:
        return shipped[name].text

    return Script(
        name="demo",
        answers=(
            Answer(say=say("agent_greeting")),
            Answer(
                caller=heard("caller_question_hours"),
                say=say("agent_looks_up"),
                calls=(Call(name="opening_hours", arguments={"day": "Sunday"}),),
            ),
            Answer(after_call=True, say=say("agent_hours")),
            Answer(caller=heard("caller_question_cakes"), say=say("agent_cakes")),
            Answer(caller=heard("caller_interrupts"), say=say("agent_short_answer")),
            Answer(
                caller=heard("caller_goodbye"),
                say=say("agent_goodbye"),
                calls=(Call(name="end_call"),),
            ),
        ),
        default=Answer(say=say("agent_has_nothing_more")),
    )


def placed(script: Script, answer_number: int, fault: Fault) -> Script:
    """The script with one more fault in its n-th answer. ScriptError when it has no such answer."""
    if not 1 <= answer_number <= len(script.answers):
        raise ScriptError(f"the script has {len(script.answers)} answers, there is no answer {answer_number}")
    answers = list(script.answers)
    chosen = answers[answer_number - 1]
    faults = tuple(chain(chosen.faults, [fault]))
    answers[answer_number - 1] = msgspec.structs.replace(chosen, faults=faults)
    return msgspec.structs.replace(script, answers=tuple(answers))
