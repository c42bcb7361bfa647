"""What the words of a test sound like: a file, `espeak-ng`, or speech without words of the right length.

Everything is made before a call begins; nothing is spoken during one.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, assert_never

from callbridge.simulators.audio import ESPEAK, SpeechError, can_speak, load_speech, speak
from callbridge.simulators.wordless import AGENT_HZ, CALLER_HZ, wordless

if TYPE_CHECKING:
    from collections.abc import Callable


class Speech(StrEnum):
    """How a text becomes speech, where no file is given.

    The default is `SYNTHETIC`: another version of a synthesiser speaks faster or slower, and then the same
    test has other moments on a colleague's machine than in CI. Take `ESPEAK` to listen to a call.
    """

    SYNTHETIC = "synthetic"
    """Voiced syllables and pauses that take as long as the text would. The same on every machine."""
    ESPEAK = "espeak-ng"
    """Real words, by the synthesiser of that name, which must be installed."""
    INSTALLED = "installed"
    """`ESPEAK` where it is installed, else `SYNTHETIC`."""


def caller_speech(
    text: str, audio: str = "", *, how: Speech = Speech.SYNTHETIC, folder: Path | None = None
) -> bytes:
    """What the caller says, as 8 kHz µ-law.

    Args:
        text: the words.
        audio: a `.wav` or `.ulaw` file in which they are spoken; made of the text when empty.
        how: how it is made.
        folder: where the file is looked for; the current folder when absent.

    Raises:
        SpeechError: the file cannot be used, the text has nothing to speak, or espeak-ng is missing.
    """
    if audio:
        return load_speech((folder or Path()) / audio)
    return _spoken(text, how, CALLER_HZ)


def is_speakable(text: str) -> bool:
    """Whether there is a word in it: an ellipsis or an emoji alone is silence."""
    return any(map(str.isalnum, text))


def agent_speaker(how: Speech = Speech.SYNTHETIC) -> Callable[[str], bytes]:
    """Makes the agent's words into speech, in another pitch than the caller's: for `voices.voiced`."""
    return lambda text: _spoken(text, how, AGENT_HZ)


def _spoken(text: str, how: Speech, pitch_hz: int) -> bytes:
    match how:
        case Speech.SYNTHETIC:
            spoken = wordless(text, pitch_hz)
        case Speech.ESPEAK:
            spoken = _by_espeak(text)
        case Speech.INSTALLED:
            return _spoken(text, Speech.ESPEAK if can_speak() else Speech.SYNTHETIC, pitch_hz)
        case _:
            assert_never(how)
    if not spoken:
        raise SpeechError(f"nothing in {text!r} can be spoken; write words, or name an audio file")
    return spoken


# --- espeak-ng ----------------------------------------------------------------------------------------

KEPT_IN: Final = ".cache/callbridge/speech"
"""Of the user's home. It may be deleted at any time."""


@lru_cache(maxsize=512)
def _by_espeak(text: str) -> bytes:
    """Starting the program takes longer than a whole call in virtual time: what it said is kept."""
    program = shutil.which(ESPEAK)
    if program is None:
        raise SpeechError(
            f"{ESPEAK} is not installed; install it (apt install {ESPEAK}, brew install {ESPEAK}), "
            "or use Speech.SYNTHETIC, or give audio files"
        )
    kept = _kept_file(text, Path(program))
    if kept is None:
        return speak(text)
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    spoken = speak(text)
    with contextlib.suppress(OSError):
        _keep(kept, spoken)
    return spoken


def _kept_file(text: str, program: Path) -> Path | None:
    """By text and program: another version of it speaks anew. None where there is no home."""
    try:
        facts = program.stat()
        name = hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns} {text}".encode()).hexdigest()
        return Path.home() / KEPT_IN / f"{name}.ulaw"
    except (OSError, RuntimeError):
        return None


def _keep(file: Path, spoken: bytes) -> None:
    """Whole or not at all: two runs may write the same at once, each into a file of its own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as beside:
        beside.write(spoken)
    Path(beside.name).replace(file)
