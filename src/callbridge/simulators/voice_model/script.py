"""The script: what the agent says, one answer per response, and what goes wrong meanwhile.

Built in Python or read from a TOML file. Choosing the next answer lives here too, as it depends on
nothing but the script and the tools that the session offers.
"""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from callbridge.simulators.voice_model.faults import (
    LASTING_FAULTS,
    QUOTA_CODE,
    QUOTA_MESSAGE,
    ConnectFault,
    Count,
    Fault,
    Milliseconds,
)
from callbridge.simulators.voice_model.oddities import Oddity, complaint

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
    form: Literal["speech", "text", "transcript"] = "speech"
    """`text` is an `output_text` part, though the session is of audio; `transcript` is an audio part with a
    transcript and no audio."""
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
    call_id: str = ""
    """Under this `call_id`, which another call may have as well; its own when empty."""


class McpCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call of a tool of an MCP server, which the model's side runs by itself."""

    server: str
    """The label that the session has given it."""
    name: str
    arguments: dict[str, Any] = {}
    output: str = ""
    error: str = ""
    """Why it fails; it answers with `output` when empty."""
    takes_ms: Milliseconds | Literal["for_ever"] = 300

    @property
    def key(self) -> str:
        """Server and tool."""
        return f"{self.server}.{self.name}"

    @property
    def text(self) -> str:
        """The arguments as the model writes them."""
        return msgspec.json.encode(self.arguments).decode()


class McpListing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an MCP server says when it is asked for its tools."""

    label: str
    tools: tuple[str, ...] = ()
    fails: bool = False
    after_ms: Milliseconds = 200


RATE_LIMITS_PAGE = "Visit https://platform.openai.com/account/rate-limits to learn more."
"""What stands at the end of every message about a rate limit."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`status_details.error` of a failed response, or the error of a failed transcription."""

    code: str = "server_error"
    message: str = "The server had an error while processing your request."
    type: str = "server_error"
    try_again_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    """A wait that the message names at its end, as that of a rate limit does: `Please try again in 7.2s.`"""

    @property
    def text(self) -> str:
        """The message as it is sent."""
        if self.try_again_s is None:
            return self.message
        return f"{self.message} Please try again in {_duration(self.try_again_s)}. {RATE_LIMITS_PAGE}"


OUT_OF_QUOTA = Failure(code=QUOTA_CODE, message=QUOTA_MESSAGE, type=QUOTA_CODE)
"""The failure of a response when the account has no credit left."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One response."""

    say: tuple[str | Say, ...] = ()
    """One message item each."""
    calls: tuple[Call, ...] = ()
    mcp: tuple[McpCall, ...] = ()
    """Calls of tools of MCP servers, behind the others; those that the session has not are left out."""
    calls_first: bool = False
    after_call: bool = False
    """Follows the calls of the answer before it. When the session offers no such tool, and so nothing was
    called, it is said together with that one."""
    times: Count | Literal["for_ever"] = 1
    """How many responses in a row are this answer, whoever asks for them. With `calls` alone it is a model
    that calls again after every result of a tool, without a word."""
    after_ms: Milliseconds | None = None
    """Thinking, between `response.created` and the first item."""
    status: Literal["completed", "failed", "incomplete"] = "completed"
    reason: Literal["max_output_tokens", "content_filter"] = "max_output_tokens"
    """Why it is incomplete."""
    error: Failure = Failure()
    """Why it failed."""
    stop_after_ms: Milliseconds | None = None
    """Where a failed or incomplete answer breaks off, in its audio."""
    done_after_ms: Milliseconds | Literal["never"] = 0
    """How long after its last item `response.done` comes. Until then it is active: a command may cancel it,
    speech interrupt it."""
    recites: bool = False
    """In place of its own first words it says all that the conversation holds at that moment, oldest first:
    what the model remembers, in words. Its audio stays, and is a tone when it has none."""
    endless: bool = False
    """The audio of what is said last begins anew, until the answer is cut or ten minutes were said."""
    silent: bool = False
    """`response.created`, and then nothing until it is cancelled."""
    absent: bool = False
    """Nothing at all: no response comes of the caller's turn or of a `response.create`, and no error."""
    empty: bool = False
    """A response that is completed without any output."""
    pace: Pace | None = None
    delta_bytes: DeltaBytes | None = None
    interrupt_lag_ms: Milliseconds = 0
    """How long deltas go on after `speech_started` before the response is closed."""
    late_deltas: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Deltas that come after the `response.done` of an interruption."""
    faults: tuple[Fault, ...] = ()
    unless_told: str = ""
    """Passed over when the model was told this, in its instructions or in the conversation: what is for the
    beginning of a call is not for a caller who comes back on another stream."""
    caller: str = ""
    """What the caller is reported to have said before this answer."""
    transcript: Literal["before", "during", "after", "never"] = "during"
    """When that is reported: before `response.created`, `transcript_after_ms` after the commit, after
    `response.done`, or never. A turn whose transcript comes after more time than the next turn's is reported
    out of order."""
    transcript_after_ms: Milliseconds = 300
    transcript_error: Failure | None = None
    confidence: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9
    """How probable each piece of the transcript is to its model, for a session that includes that."""

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
    oddities: tuple[Oddity, ...] = msgspec.field(default=(), name="odd")
    connect: tuple[ConnectFault, ...] = ()
    mcp: tuple[McpListing, ...] = ()
    """What MCP servers list; one that is not named here lists nothing."""
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

    def oddities_on(self, connection: int) -> tuple[Oddity, ...]:
        """Its oddities, without those that are for other connections than the n-th."""
        return tuple(odd for odd in self.oddities if odd.connection in {None, connection})


def load_script(path: Path | str) -> Script:
    """The script in a TOML file: `[[answer]]`, `[default]`, `[[fault]]`, `[[odd]]`, `[[connect]]`.

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
    for number, answer in enumerate(script.answers, start=1):
        _refuse_answer(answer, f"answer {number}")
    _refuse_answer(script.default, "default")
    if script.out_of_band is not None:
        _refuse_answer(script.out_of_band, "out_of_band")
    _refuse_times(script)
    for fault in script.faults:
        if not fault.on and fault.after_ms is None:
            raise ScriptError(f"fault {fault.kind}: say when, with `on` or with `after_ms`")
        _refuse_fault(fault, f"fault {fault.kind}")
    for oddity in script.oddities:
        if (wrong := complaint(oddity)) is not None:
            raise ScriptError(f"odd {oddity.event}: {wrong}")
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
    "odd": Oddity,
    "connect": ConnectFault,
    "mcp": McpListing,
}
"""What each table of a script is."""


def _duration(seconds: float) -> str:
    """As the API writes it: `426ms`, `7.2s`, `1m26.4s`, `6h0m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest_s = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest_s:.6g}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


def _only(faults: tuple[Fault, ...], connection: int) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.connection in {None, connection})


def _refuse_answer(answer: Answer, where: str) -> None:
    _refuse_wordless(answer, where)
    is_mute = answer.silent or answer.absent or answer.empty
    has_called = answer.calls or answer.mcp
    if not answer.say and not has_called and answer.status == "completed":
        if not is_mute and not answer.recites:
            raise ScriptError(f"{where}: says nothing; add `say` or `calls`, a `status`, or `empty`")
    elif is_mute and (answer.say or has_called):
        raise ScriptError(f"{where}: says something and is silent, absent or empty; take out one of them")
    if answer.endless and not answer.say:
        raise ScriptError(f"{where}: endless, but nothing is said; add `say`")
    if answer.delta_bytes is not None and answer.delta_bytes[0] > answer.delta_bytes[1]:
        raise ScriptError(f"{where}, delta_bytes: write the smaller number first")
    for fault in answer.faults:
        if fault.on or fault.after_ms is not None:
            raise ScriptError(f"{where}, fault {fault.kind}: inside an answer it is placed by `at`")
        if fault.kind == "ignore":
            raise ScriptError(f"{where}, fault ignore: has its place in [[fault]], with `on`")
        _refuse_fault(fault, f"{where}, fault {fault.kind}")


def _refuse_wordless(answer: Answer, where: str) -> None:
    """Refuse what cannot be of an answer that says nothing, has no audio, or is not heard of."""
    ways = [name for name in ("silent", "absent", "empty", "recites") if getattr(answer, name)]
    if len(ways) > 1:
        raise ScriptError(f"{where}: is {ways[0]} and {ways[1]}; keep one")
    if answer.empty and answer.status != "completed":
        raise ScriptError(f"{where}: {answer.status} without output needs no `empty`; take it out")
    if answer.done_after_ms and (answer.silent or answer.absent):
        raise ScriptError(f"{where}: {ways[0]}, and so it is never done; take out `done_after_ms`")
    if answer.transcript == "never" and answer.transcript_error is not None:
        raise ScriptError(f"{where}: a transcript that never comes has no `transcript_error`; take out one")
    _refuse_forms(answer, where)


def _refuse_forms(answer: Answer, where: str) -> None:
    said = answer.speeches
    if any(say.speech and say.form != "speech" for say in said):
        raise ScriptError(f"{where}: what is said without audio has no `speech`; take out one of them")
    if said and answer.endless and said[-1].form != "speech":
        raise ScriptError(f"{where}: endless is audio; give what is said last the form `speech`")
    if answer.stop_after_ms and said and all(say.form != "speech" for say in said):
        raise ScriptError(f"{where}: stop_after_ms counts audio, and there is none; take it out")


def _refuse_times(script: Script) -> None:
    """Refuse repetitions of what comes again anyway, and answers whose turn never comes."""
    if script.default.times != 1 or (script.out_of_band is not None and script.out_of_band.times != 1):
        raise ScriptError("default, out_of_band: come as often as they must; take out `times`")
    endless = [number for number, answer in enumerate(script.answers, 1) if answer.times == "for_ever"]
    if endless and endless[0] < len(script.answers):
        raise ScriptError(f"answer {endless[0]}: comes for ever; take out the answers after it")


def _refuse_fault(fault: Fault, where: str) -> None:
    if fault.seconds is not None and fault.kind not in LASTING_FAULTS:
        raise ScriptError(f"{where}: happens at once; take out `seconds`")
    if not fault.pongs and fault.kind != "stall":
        raise ScriptError(f"{where}: only a stall may go without `pongs`; take it out")
    if not fault.pongs and fault.seconds is not None:
        raise ScriptError(f"{where}: without pongs it has no end; take out `seconds`")


class Prompter:
    """Goes through the answers of a script, one per response.

    Several sessions that share one go on with each other's answers.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._next = 0
        self._given = 0
        """How often the answer that is next was given already."""
        self.left_out: list[str] = []
        """Names of the tools that the last answer would have called, had they been offered."""

    def caller_said(self) -> Answer:
        """The answer that is next, whose `caller` is what the caller has just said."""
        answers = self._script.answers
        return answers[self._next] if self._next < len(answers) else self._script.default

    def caller_says(self) -> Answer:
        """The same while they still speak, for a transcriber that writes along."""
        return self.caller_said()

    def next(self, offered: Collection[str], told: str = "", asked: str = "") -> Answer:
        """The next answer, fitted to the tools that the session offers.

        Args:
            offered: the names of the tools.
            told: what the model knows.
            asked: instructions of this very response; empty where it follows those of the session.
        """
        del asked  # A script says the same whatever it is asked for.
        while (answer := self.caller_said()).unless_told and answer.unless_told in told:
            self._go_on()
        self._given += 1
        if answer.times != "for_ever" and self._given >= answer.times:
            self._go_on()
        return self._fitted(answer, offered)

    def call_was_cut(self) -> None:
        """The last answer was interrupted before its calls: what follows them will not be said."""
        if self.caller_said().after_call:
            self._go_on()

    def out_of_band(self, offered: Collection[str]) -> Answer:
        """The answer for a response outside the conversation."""
        return self._fitted(self._script.out_of_band or self._script.default, offered)

    def _fitted(self, answer: Answer, offered: Collection[str]) -> Answer:
        calls = tuple(call for call in answer.calls if call.name in offered or call.even_if_not_offered)
        mcp = tuple(call for call in answer.mcp if call.key in offered)
        self.left_out = [call.name for call in answer.calls if call not in calls]
        self.left_out += [call.key for call in answer.mcp if call not in mcp]
        say = answer.say
        if answer.calls and not calls and self.caller_said().after_call:
            say += self.caller_said().say
            self._go_on()
        return msgspec.structs.replace(answer, calls=calls, mcp=mcp, say=say)

    def _go_on(self) -> None:
        self._next, self._given = self._next + 1, 0
