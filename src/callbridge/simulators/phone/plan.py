"""A call written down in a TOML file: what the caller does, and if need be who and where they are.

    [[steps]]
    do = "wait_for_agent"
    quiet_ms = 700

    [[steps]]
    do = "say"
    file = "question.wav"      # or: text = "What time is it?"
    level_dbfs = -48           # said softly

    [call]
    from = "+447700900123"     # also "sip:…", "client:…", "anonymous"
    forwarded_from = "+15550100009"

    [around]
    background = "babble"      # or "noise", "music"
    level_dbfs = -45
    echo_loss_db = 25

    [line]
    dial = "no-answer"         # what becomes of a <Dial>; also "completed", "hung-up" (by the caller),
                               # "busy", "declined", "mailbox", "failed", "canceled"
    dial_s = 12                # how long a talk lasts
    dial_bridged = false       # an older account, which is not told `DialBridged`
    refused = {"+15550100003" = 13227}   # numbers that the account cannot ring, with Twilio's code
    recording_s = 0            # how long the caller speaks at a <Record>; 0 is silence
    recording_end = "silence"  # then they wait; or "key", or "hung-up"
    silence = "falls-through"  # the older way of <Record>: silence is not handed on, and the next verb runs.
                               # Else "recorded": `action` is asked of it, and no verb behind ever runs

    [people."+15550100031"]    # a <Dial> rings them, and what `line` says of `dial` does not count any more;
    answers = "picks up"       # or "mailbox", "busy", "declines", "no answer", "unreachable"
    after_s = 4                # seconds go by at the pace of verbs (`CallSettings.verb_time`)
    presses = ["1"]            # what they enter at each <Gather>
    talks_s = 60
    leaves = "briefing"        # hangs up then; or "keys", "waiting", "talk"
    forwards_to = "client:bob"

Files are looked up beside the plan. Text is spoken by espeak-ng.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, assert_never

import msgspec

from callbridge.simulators.audio import load_speech, speak
from callbridge.simulators.phone import caller
from callbridge.simulators.phone.incoming import Incoming, Place
from callbridge.simulators.phone.line_settings import DialOutcome, LineSettings, RecordingEnd
from callbridge.simulators.phone.people import Answers, Moment, Person
from callbridge.simulators.phone.surroundings import Background, ComfortNoise, Echo, Surroundings
from callbridge.simulators.sounds import SoundKind, at_level


class PlanError(ValueError):
    """A plan that cannot be followed. The text says why."""


class _Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """A step of the file; `do` names it."""


class _Spoken(_Planned, frozen=True, kw_only=True):
    """A step with speech, from a file or from text."""

    file: str | None = None
    text: str | None = None
    level_dbfs: float | None = None
    """How loud; as it is when None."""


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


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[call]`: see `Incoming`."""

    from_number: str | None = msgspec.field(name="from", default=None)
    to_number: str | None = msgspec.field(name="to", default=None)
    from_place: Place | None = None
    to_place: Place | None = None
    call_token: bool = True
    passports: int = 0
    stir_verstat: str = ""
    forwarded_from: str | None = None
    called_via: str | None = None
    caller_name: str | None = None
    add_ons: str | None = None
    sip_headers: dict[str, str] = {}
    more: dict[str, str] = {}


class _Around(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[around]`: see `Surroundings`."""

    background: SoundKind | None = None
    level_dbfs: float = -50.0
    seed: int = 0
    comfort_noise_dbfs: tuple[float, ...] = ()
    echo_loss_db: float | None = None
    echo_delay_ms: int = 120


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[line]`: see `LineSettings`."""

    dial: DialOutcome = DialOutcome.COMPLETED
    dial_s: int = 30
    dial_bridged: bool = True
    refused: dict[str, int] = {}
    recording_s: int = 5
    recording_end: RecordingEnd = RecordingEnd.SILENCE
    silence: Literal["recorded", "falls-through"] = "recorded"


class _Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[people.ADDRESS]`: see `Person`."""

    answers: Answers = Answers.PICKS_UP
    after_s: float = 2.0
    presses: tuple[str, ...] = ()
    talks_s: float = 30.0
    leaves: Moment | None = None
    leaves_after_s: float = 0.0
    forwards_to: str | None = None


class _Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    steps: list[_Step]
    call: _Call = _Call()
    around: _Around = _Around()
    line: _Line = _Line()
    people: dict[str, _Person] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned call, with its speech loaded."""

    steps: list[caller.Step]
    from_number: str | None = None
    to_number: str | None = None
    incoming: Incoming = field(default_factory=Incoming)
    surroundings: Surroundings = field(default_factory=Surroundings)
    line: LineSettings = field(default_factory=LineSettings)
    people: dict[str, Person] = field(default_factory=dict)
    """Whom a `<Dial>` rings, by their address; without any it goes as `line` says."""


def load_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        PlanError: the file is missing, is not TOML, or a step is not one of those above.
        SpeechError: the speech of a step cannot be used.
    """
    try:
        plan = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), type=_Plan)
        return Plan(
            [_step(planned, path.parent) for planned in plan.steps],
            plan.call.from_number,
            plan.call.to_number,
            _incoming(plan.call),
            _surroundings(plan.around),
            _line(plan.line),
            {address: Person(**msgspec.structs.asdict(who)) for address, who in plan.people.items()},
        )
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


def _incoming(call: _Call) -> Incoming:
    return Incoming(
        from_place=call.from_place,
        to_place=call.to_place,
        has_call_token=call.call_token,
        passports=call.passports,
        stir_verstat=call.stir_verstat or None,
        forwarded_from=call.forwarded_from,
        called_via=call.called_via,
        caller_name=call.caller_name,
        add_ons=call.add_ons,
        sip_headers=call.sip_headers,
        more=call.more,
    )


def _surroundings(around: _Around) -> Surroundings:
    levels = around.comfort_noise_dbfs
    return Surroundings(
        Background(around.background, around.level_dbfs, around.seed) if around.background else None,
        ComfortNoise(levels, seed=around.seed) if levels else None,
        None if around.echo_loss_db is None else Echo(around.echo_loss_db, around.echo_delay_ms),
    )


def _line(line: _Line) -> LineSettings:
    return LineSettings(
        dial_outcome=line.dial,
        dial_duration_s=line.dial_s,
        tells_dial_bridged=line.dial_bridged,
        refused_numbers=line.refused,
        recording_s=line.recording_s,
        recording_end=line.recording_end,
        silence_falls_through=line.silence == "falls-through",
    )


def _audio(planned: _Spoken, folder: Path) -> bytes:
    speech = _speech(planned, folder)
    return speech if planned.level_dbfs is None else at_level(speech, planned.level_dbfs)


def _speech(planned: _Spoken, folder: Path) -> bytes:
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
