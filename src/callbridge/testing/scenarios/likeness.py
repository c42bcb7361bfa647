"""What was run, as digests: so that only like runs are compared."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.records.code_version import callbridge_version
from callbridge.simulators.audio import can_speak
from callbridge.testing.persona.persona import Persona
from callbridge.testing.scenarios.agents import sources_of
from callbridge.testing.scenarios.results import Likeness
from callbridge.testing.speech import Speech

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.testing.scenarios.reading import Found

_DIGITS: Final = 12


def likeness_of(found: Found, runs: int, agent: str, speech: Speech) -> Likeness:
    """What is run.

    Args:
        found: the scenario.
        runs: how often.
        agent: the name under which who answers was loaded.
        speech: how texts become speech.
    """
    scenario = found.scenario
    machine = f"real, {platform.system()} {platform.machine()}"
    return Likeness(
        scenario=_digest([_written(found), *_sounds(found)]),
        callbridge=callbridge_version(),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        clock=machine if scenario.real_sockets else "virtual",
        speech=_speaker(speech),
        runs=runs,
        agent=_digest(map(Path.read_bytes, sources_of(agent))),
    )


def _speaker(speech: Speech) -> str:
    """What speaks the texts on this machine."""
    if speech == Speech.INSTALLED:
        speech = Speech.ESPEAK if can_speak() else Speech.SYNTHETIC
    return speech.value


def _written(found: Found) -> bytes:
    """What the scenario says, without what says nothing of the call."""
    plain = msgspec.structs.replace(found.scenario, name="", tags=(), repeat=1, rate=1.0)
    return msgspec.json.encode(plain, order="deterministic")


def _sounds(found: Found) -> list[bytes]:
    """The audio files that it names."""
    steps = found.scenario.caller
    names = [getattr(step, "audio", "") for step in (() if isinstance(steps, Persona) else steps)]
    files = [found.path.parent / name for name in names if name]
    return [file.read_bytes() for file in files if file.is_file()]


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()[:_DIGITS]
