"""Speech files in and out: WAV and raw µ-law to 8 kHz µ-law bytes, and a stereo WAV to listen to.

The G.711 tables are our own, because Python 3.13 has no `audioop`; the one to encode stands in `wire`.
Nothing here runs during a call: speech is read before it and the recording is written after it.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import tempfile
import wave
from array import array
from functools import cache, lru_cache
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING

from callbridge.wire.audio import SILENCE
from callbridge.wire.audio import encode as encode_mulaw

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE_RATE = 8000
"""Samples a second on the telephone network."""

SPEECH_BYTES_MAX = 8000 * 600
"""Ten minutes: what Twilio's own buffer holds. A longer file is a mistake."""

ZERO_CROSSINGS = 12
"""Lobes of the resampling filter on each side: stop band below the noise of µ-law itself."""

ESPEAK = "espeak-ng"
"""The synthesiser that is used for text, when it is installed."""

ESPEAK_TIMEOUT_S = 30
"""A minute of speech takes well under a second to make."""


class SpeechError(ValueError):
    """A speech file that cannot be used. The text says why, and what to do."""


# --- G.711 µ-law ------------------------------------------------------------------------------


def decode_mulaw(audio: bytes) -> array[int]:
    """µ-law bytes as 16-bit samples (ITU-T G.711 table 2b)."""
    return array("h", map(_levels().__getitem__, audio))


@cache
def _levels() -> tuple[int, ...]:
    """The sample of each of the 256 codes."""
    return tuple(_level(code) for code in range(256))


def _level(code: int) -> int:
    # G.711 sends every bit inverted. 132 is the bias that makes the segments start at powers of 2.
    bits = ~code & 0xFF
    magnitude = (((bits & 0x0F) << 3) + 132 << (bits >> 4 & 0x07)) - 132
    return -magnitude if bits & 0x80 else magnitude


# --- Reading ----------------------------------------------------------------------------------


def load_speech(path: Path | str) -> bytes:
    """The speech in a file, as 8 kHz µ-law.

    A `.wav` file may have 8 or 16 bits, any sample rate and any number of channels. A `.ulaw` file
    (also `.ul`, `.mulaw`, `.raw`) is taken as it is.

    Raises:
        SpeechError: the file is missing, of another kind, empty or longer than ten minutes.
    """
    path = Path(path)
    try:
        speech = _read_wav(path) if path.suffix.lower() == ".wav" else _read_raw(path)
    except OSError as error:
        raise SpeechError(f"{path}: cannot be read: {error.strerror}") from error
    if not speech:
        raise SpeechError(f"{path}: holds no audio")
    if len(speech) > SPEECH_BYTES_MAX:
        raise SpeechError(f"{path}: longer than ten minutes; cut it into pieces")
    return speech


def _read_raw(path: Path) -> bytes:
    if path.suffix.lower() not in {".ulaw", ".ul", ".mulaw", ".raw"}:
        raise SpeechError(f"{path}: speech must be a .wav or a raw 8 kHz .ulaw file")
    return path.read_bytes()


def _read_wav(path: Path) -> bytes:
    try:
        with wave.open(str(path), "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            raw = file.readframes(SPEECH_BYTES_MAX // SAMPLE_RATE * rate + rate)
    except (wave.Error, EOFError) as error:
        raise SpeechError(
            f"{path}: not a plain PCM WAV file ({error}); convert it with "
            f"`sox {path.name} -b 16 -e signed-integer speech.wav`"
        ) from error
    if width not in {1, 2}:
        raise SpeechError(f"{path}: {width * 8} bits a sample; convert it to 16 with `sox -b 16`")
    return encode_mulaw(resample(_mono(_samples(raw, width), channels), rate))


def _samples(raw: bytes, width: int) -> array[int]:
    if width == 1:
        # 8-bit WAV is unsigned around 128, alone among the widths.
        return array("h", ((byte - 128) << 8 for byte in raw))
    samples = array("h", raw[: len(raw) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _mono(samples: array[int], channels: int) -> array[int]:
    if channels == 1:
        return samples
    lanes = (samples[lane::channels] for lane in range(channels))
    return array("h", (sum(frame) // channels for frame in zip(*lanes, strict=False)))


def resample(samples: Sequence[int], rate: int) -> array[int]:
    """Samples taken at `rate` as samples at 8 kHz, low-passed so that nothing folds back.

    A Hann-windowed sinc per output phase; a phase recurs, so its filter is worked out once.
    """
    if rate == SAMPLE_RATE:
        return array("h", samples)
    divisor = math.gcd(rate, SAMPLE_RATE)
    step, phases = rate // divisor, SAMPLE_RATE // divisor
    reach = math.ceil(ZERO_CROSSINGS * max(1.0, rate / SAMPLE_RATE))
    padded = [0] * reach + list(samples) + [0] * (reach + 1)
    out = array("h")
    for index in range(len(samples) * phases // step):
        whole, phase = divmod(index * step, phases)
        kernel = _kernel(phase / phases, rate, reach)
        level = sum(map(mul, kernel, padded[whole : whole + len(kernel)]))
        out.append(max(-32768, min(32767, round(level))))
    return out


@lru_cache(maxsize=1024)
def _kernel(offset: float, rate: int, reach: int) -> tuple[float, ...]:
    """Filter for an output that lies `offset` input samples after the input at its middle."""
    cutoff = min(1.0, SAMPLE_RATE / rate)
    taps = []
    for tap in range(2 * reach + 1):
        distance = tap - reach - offset
        window = math.cos(math.pi * distance / (2 * (reach + 1))) ** 2
        angle = math.pi * distance * cutoff
        taps.append(window * (math.sin(angle) / angle if angle else 1.0))
    # Scaled to unit gain, so that a constant stays exactly what it was.
    gain = sum(taps)
    return tuple(tap / gain for tap in taps)


# --- Writing ----------------------------------------------------------------------------------


def write_stereo(path: Path | str, left: bytes, right: bytes) -> None:
    """Write two µ-law tracks as one 16-bit 8 kHz stereo WAV; the shorter is filled with silence."""
    length = max(len(left), len(right))
    samples = array("h", bytes(4 * length))
    samples[0::2] = decode_mulaw(left.ljust(length, bytes((SILENCE,))))
    samples[1::2] = decode_mulaw(right.ljust(length, bytes((SILENCE,))))
    if sys.byteorder == "big":
        samples.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())


# --- Speaking ---------------------------------------------------------------------------------


def can_speak() -> bool:
    """Whether text can be turned into speech on this machine."""
    return shutil.which(ESPEAK) is not None


def speak(text: str, *, voice: str = "en") -> bytes:
    """`text` spoken by espeak-ng, as 8 kHz µ-law. Takes a moment: not for the event loop.

    Raises:
        SpeechError: espeak-ng is not installed, or could not speak the text.
    """
    program = shutil.which(ESPEAK)
    if program is None:
        raise SpeechError("text can only be spoken when espeak-ng is installed; give a .wav file")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        # The text goes in by the standard input, where it cannot be taken for an option.
        try:
            subprocess.run(  # noqa: S603 - the program is found by name, the text is not an argument
                [program, "-v", voice, "-w", str(path), "--stdin"],
                input=text.encode(),
                check=True,
                capture_output=True,
                timeout=ESPEAK_TIMEOUT_S,
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise SpeechError(f"espeak-ng could not speak {text!r}: {error}") from error
        return load_speech(path)
