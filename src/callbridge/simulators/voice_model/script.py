"""The script: what the agent says, one answer per response, and what goes wrong meanwhile.

Built in Python or read from a TOML file. Choosing the next answer lives here too, as it depends on
nothing but the script and the tools that the session offers.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from callbridge.simulators.voice_model.faults import (
    QUOTA_CODE,
    QUOTA_MESSAGE,
    ConnectFault,
    Fault,
    Milliseconds,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Pace = Annotated[float, msgspec.Meta(gt=0)]
"""Times real time. Answers of 8 s are usually complete in 2 s."""

DeltaBytes = tuple[Annotated[int, msgspec.Meta(ge=1)], Annotated[int, msgspec.Meta(ge=1)]]
"""Least and most samples of an audio delta."""


class ScriptError(ValueError):
    """A script that cannot be used. The text says where, and what to do."""


class Say(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One spoken message."""

    text: str
    speech: str = ""
    """A `.wav` or `.ulaw` file, relative to the script."""
    audio: bytes = b""
    """8 kHz µ-law; filled in by `voices.voiced`."""


class Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One function call."""

    name: str
    arguments: dict[str, Any] = {}
    raw_arguments: str = ""
    """In place of `arguments`: text as it is, for models that write bad JSON."""
    even_if_not_offered: bool = False
    """Call it although the session has no such tool, as a model may imagine one."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`status_details.error` of a failed response, or the error of a failed transcription."""

    code: str = "server_error"
    message: str = "The server had an error while processing your request."
    type: str = "server_error"


OUT_OF_QUOTA = Failure(code=QUOTA_CODE, message=QUOTA_MESSAGE, type=QUOTA_CODE)
"""The failure of a response when the account has no credit left."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One response."""

    say: tuple[str | Say, ...] = ()
    """One message item each."""
    calls: tuple[Call, ...] = ()
    calls_first: bool = False
    after_call: bool = False
    """Follows the calls of the answer before it. When the session offers no such tool, and so nothing was
    called, it is said together with that one."""
    after_ms: Milliseconds | None = None
    """Thinking, between `response.created` and the first item."""
    status: Literal["completed", "failed", "incomplete"] = "completed"
    reason: Literal["max_output_tokens", "content_filter"] = "max_output_tokens"
    """Why it is incomplete."""
    error: Failure = Failure()
    """Why it failed."""
    stop_after_ms: Milliseconds | None = None
    """Where a failed or incomplete answer breaks off, in its audio."""
    recites: bool = False
    """In place of its own first words it says all that the conversation holds at that moment, oldest first:
    what the model remembers, in words. Its audio stays, and is a tone when it has none."""
    endless: bool = False
    """The audio of what is said last begins anew, until the answer is cut or ten minutes were said."""
    silent: bool = False
    """`response.created`, and then nothing until it is cancelled."""
    absent: bool = False
    """Nothing at all: no response comes of the caller's turn or of a `response.create`, and no error."""
    pace: Pace | None = None
    delta_bytes: DeltaBytes | None = None
    interrupt_lag_ms: Milliseconds = 0
    """How long deltas go on after `speech_started` before the response is closed."""
    late_deltas: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Deltas that come after the `response.done` of an interruption."""
    faults: tuple[Fault, ...] = ()
    caller: str = ""
    """What the caller is reported to have said before this answer."""
    transcript: Literal["before", "during", "after"] = "during"
    """When that is reported: before `response.created`, `transcript_after_ms` after the commit, or after
    `response.done`."""
    transcript_after_ms: Milliseconds = 300
    transcript_error: Failure | None = None

    @property
    def speeches(self) -> tuple[Say, ...]:
        """`say`, texts as `Say`."""
        return tuple(Say(text=said) if isinstance(said, str) else said for said in self.say)

    def on_connection(self, connection: int) -> Answer:
        """The answer without the faults that are for other connections than the n-th."""
        return msgspec.structs.replace(self, faults=_only(self.faults, connection))

    def reciting(self, memory: Sequence[str]) -> Answer:
        """The answer with `memory` for its first words."""
        said = "; ".join(memory) or "I remember nothing."
        first, *rest = self.speeches or (Say(text=""),)
        return msgspec.structs.replace(self, say=(msgspec.structs.replace(first, text=said), *rest))


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the simulated model will do."""

    name: str = ""
    answers: tuple[Answer, ...] = msgspec.field(default=(), name="answer")
    default: Answer = Answer(say=("I am sorry, I have nothing more to say.",))
    """When the answers ran out."""
    out_of_band: Answer | None = None
    """For responses outside the conversation; `default` when absent."""
    faults: tuple[Fault, ...] = msgspec.field(default=(), name="fault")
    connect: tuple[ConnectFault, ...] = ()
    pace: Pace | None = None
    """That of the model when absent: 13 for `gpt-realtime-2.1-mini`, 5 for the others."""
    delta_bytes: DeltaBytes = (1600, 3040)
    """290 ms on average; recorded sessions have 250 to 330."""
    after_ms: Milliseconds = 300
    reasoning_tokens: Annotated[int, msgspec.Meta(ge=0)] = 16
    """What models that reason think before each answer; none leaves the field out of the usage."""
    truncate_at_zero: Literal["accepted", "refused"] = "accepted"
    """A truncation to nothing: one report of the live API says this, another that. Depend on neither."""
    answers_go_on: bool = False
    """A server's next connection goes on with the next answer, where otherwise each begins with the first."""

    def connect_fault(self, connection: int) -> ConnectFault | None:
        """What is wrong with the n-th connection, counted from 1. `until_s` is for `Outages` to judge."""
        return next((fault for fault in self.connect if fault.is_for(connection)), None)

    def faults_on(self, connection: int) -> tuple[Fault, ...]:
        """Its own faults, without those that are for other connections than the n-th."""
        return _only(self.faults, connection)


def load_script(path: Path | str) -> Script:
    """The script in a TOML file: `[[answer]]`, `[default]`, `[[fault]]`, `[[connect]]`.

    Raises:
        ScriptError: it cannot be read, is not TOML, or has a field that is not known or not right.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        script = msgspec.convert(values, Script)
        refuse_impossible(script)
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}; check the name") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScriptError(f"{path}: not TOML: {error}; correct that line") from error
    except ScriptError as error:
        raise ScriptError(f"{path}: {error}") from error
    except msgspec.ValidationError as error:
        raise ScriptError(f"{path}: {error}; {_remedy(str(error))}") from error
    return script


def refuse_impossible(script: Script) -> None:
    """Refuse what each field allows but the fields together do not.

    Raises:
        ScriptError: the text says where and what to do.
    """
    for number, answer in enumerate([*script.answers, script.default], start=1):
        where = f"answer {number}" if number <= len(script.answers) else "default"
        _refuse_answer(answer, where)
    for fault in script.faults:
        if not fault.on and fault.after_ms is None:
            raise ScriptError(f"fault {fault.kind}: say when, with `on` or with `after_ms`")
    least, most = script.delta_bytes
    if least > most:
        raise ScriptError("delta_bytes: write the smaller number first")


def _remedy(complaint: str) -> str:
    """The fields that the place of a complaint of msgspec may have."""
    place = complaint.rpartition("`$")[2].rstrip("`")
    names: list[str] = re.findall(r"[a-z_]+", place)
    tables = [_TABLES[name] for name in ["", *names] if name in _TABLES]
    fields = ", ".join(field.encode_name for field in msgspec.structs.fields(tables[-1]))
    return f"what may stand there: {fields}"


_TABLES: dict[str, type[msgspec.Struct]] = {
    "": Script,
    "answer": Answer,
    "default": Answer,
    "out_of_band": Answer,
    "say": Say,
    "calls": Call,
    "error": Failure,
    "transcript_error": Failure,
    "fault": Fault,
    "faults": Fault,
    "connect": ConnectFault,
}
"""What each table of a script is."""


def _only(faults: tuple[Fault, ...], connection: int) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.connection in {None, connection})


def _refuse_answer(answer: Answer, where: str) -> None:
    is_mute = answer.silent or answer.absent
    if not answer.say and not answer.calls and answer.status == "completed":
        if not is_mute and not answer.recites:
            raise ScriptError(f"{where}: says nothing; add `say` or `calls`, or a `status`")
    elif is_mute and (answer.say or answer.calls):
        raise ScriptError(f"{where}: says something and is silent or absent; take out one of them")
    if answer.endless and not answer.say:
        raise ScriptError(f"{where}: endless, but nothing is said; add `say`")
    if answer.delta_bytes is not None and answer.delta_bytes[0] > answer.delta_bytes[1]:
        raise ScriptError(f"{where}, delta_bytes: write the smaller number first")
    for fault in answer.faults:
        if fault.on or fault.after_ms is not None:
            raise ScriptError(f"{where}, fault {fault.kind}: inside an answer it is placed by `at`")
        if fault.kind == "ignore":
            raise ScriptError(f"{where}, fault ignore: has its place in [[fault]], with `on`")


class Prompter:
    """Goes through the answers of a script, one per response.

    Several sessions that share one go on with each other's answers.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._next = 0
        self.left_out: list[str] = []
        """Names of the tools that the last answer would have called, had they been offered."""

    def caller_said(self) -> Answer:
        """The answer that is next, whose `caller` is what the caller has just said."""
        answers = self._script.answers
        return answers[self._next] if self._next < len(answers) else self._script.default

    def next(self, offered: Collection[str]) -> Answer:
        """The next answer, fitted to the tools that the session offers."""
        answer = self.caller_said()
        self._next += 1
        return self._fitted(answer, offered)

    def call_was_cut(self) -> None:
        """The last answer was interrupted before its calls: what follows them will not be said."""
        if self.caller_said().after_call:
            self._next += 1

    def out_of_band(self, offered: Collection[str]) -> Answer:
        """The answer for a response outside the conversation."""
        return self._fitted(self._script.out_of_band or self._script.default, offered)

    def _fitted(self, answer: Answer, offered: Collection[str]) -> Answer:
        calls = tuple(call for call in answer.calls if call.name in offered or call.even_if_not_offered)
        self.left_out = [call.name for call in answer.calls if call not in calls]
        say = answer.say
        if answer.calls and not calls and self.caller_said().after_call:
            say += self.caller_said().say
            self._next += 1
        return msgspec.structs.replace(answer, calls=calls, say=say)
