"""A caller's script written down in a TOML file.

    [[steps]]
    do = "wait_for_agent"
    quiet_ms = 700

    [[steps]]
    do = "say"
    file = "question.wav"      # or: text = "What time is it?"

Files are looked up beside the plan. Text is spoken by espeak-ng.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeAlias, assert_never

import msgspec

from callbridge.simulators.audio import load_speech, speak
from callbridge.simulators.phone import caller


class PlanError(ValueError):
    """A plan that cannot be followed. The text says why."""


class _Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """A step of the file; `do` names it."""


class _Spoken(_Planned, frozen=True, kw_only=True):
    """A step with speech, from a file or from text."""

    file: str | None = None
    text: str | None = None


class _Say(_Spoken, frozen=True, tag="say"):
    pass


class _Interrupt(_Spoken, frozen=True, tag="interrupt", kw_only=True):
    after_ms: float
    patience_ms: float = caller.PATIENCE_MS


class _InterruptAt(_Spoken, frozen=True, tag="interrupt_at", kw_only=True):
    at_s: float


class _Pause(_Planned, frozen=True, tag="pause"):
    ms: float


class _WaitForAgent(_Planned, frozen=True, tag="wait_for_agent"):
    quiet_ms: float = caller.QUIET_MS
    patience_ms: float = caller.PATIENCE_MS


class _Press(_Planned, frozen=True, tag="press"):
    keys: str


class _HangUp(_Planned, frozen=True, tag="hang_up"):
    pass


class _Vanish(_Planned, frozen=True, tag="vanish"):
    pass


class _WaitForEnd(_Planned, frozen=True, tag="wait_for_end"):
    pass


_Step: TypeAlias = (
    _Say | _Interrupt | _InterruptAt | _Pause | _WaitForAgent | _Press | _HangUp | _Vanish | _WaitForEnd
)


class _Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    steps: list[_Step]


def load_plan(path: Path) -> list[caller.Step]:
    """The steps of a plan, with their speech loaded.

    Raises:
        PlanError: the file is missing, is not TOML, or a step is not one of those above.
        SpeechError: the speech of a step cannot be used.
    """
    try:
        plan = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), type=_Plan)
        return [_step(planned, path.parent) for planned in plan.steps]
    except OSError as error:
        raise PlanError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise PlanError(f"{path}: {error}") from error


def speech_of(said: str, folder: Path) -> bytes:
    """The speech that `said` means: the name of a file, or else the words themselves.

    Raises:
        SpeechError: there is no such file and the words cannot be spoken.
    """
    path = folder / said
    is_file_name = path.suffix.lower() in {".wav", ".ulaw", ".ul", ".mulaw", ".raw"}
    return load_speech(path) if is_file_name else speak(said)


def _step(planned: _Step, folder: Path) -> caller.Step:
    match planned:
        case _Say():
            return caller.Say(_audio(planned, folder))
        case _Interrupt():
            audio = _audio(planned, folder)
            return caller.Interrupt(planned.after_ms, audio, planned.patience_ms)
        case _InterruptAt():
            return caller.InterruptAt(planned.at_s, _audio(planned, folder))
        case _Pause():
            return caller.Pause(planned.ms)
        case _WaitForAgent():
            return caller.WaitForAgent(planned.quiet_ms, planned.patience_ms)
        case _Press():
            return _press(planned.keys)
        case _HangUp():
            return caller.HangUp()
        case _Vanish():
            return caller.Vanish()
        case _WaitForEnd():
            return caller.WaitForEnd()
        case _:
            assert_never(planned)


def _audio(planned: _Spoken, folder: Path) -> bytes:
    if planned.file is not None and planned.text is None:
        return load_speech(folder / planned.file)
    if planned.text is not None and planned.file is None:
        return speak(planned.text)
    raise msgspec.ValidationError("a step that speaks needs either `file` or `text`")


def _press(keys: str) -> caller.Press:
    try:
        return caller.Press(keys)
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from error
