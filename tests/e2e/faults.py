"""The table of the fault matrix: a row is a fault, a column a moment, a cell what is to come of it.

A cell that is not played says why. How a cell is played stands in `test_fault_matrix`.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from callbridge.simulators.phone import Misbehaviour
from callbridge.simulators.voice_model import Call, ConnectFault, Fault, Say
from e2e.line import Frame, Spoil, Way, text_frame
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Mapping

# --- Columns and cells ---------------------------------------------------------------------------------


class Moment(StrEnum):
    """When the fault comes."""

    BEFORE = "before start"
    GREETING = "in the greeting"
    CALLER = "caller speaking"
    AGENT = "agent speaking"
    TOOL = "tool running"


class Outcome(Enum):
    """How the call goes on. There is no third way, unless the caller hangs up."""

    GOES_ON = "the agent goes on, and ends the call with a goodbye"
    FALLS_BACK = "the fallback plan is carried out"
    LEFT = "the caller has hung up"
    ENDS = "the agent ends the call; if it has not said goodbye, Twilio does"


GOES_ON, FALLS_BACK, LEFT, ENDS = Outcome

Cell: TypeAlias = Outcome | str
"""What is to come of it, or why it is not played."""

# --- Faults ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InSession:
    """The model does something in its first session, at the moment of the cell."""

    faults: tuple[Fault, ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)
    """How the answer of that moment differs, beside its faults."""
    is_everywhere: bool = False
    """Every session does it."""


@dataclass(frozen=True)
class AtDial:
    """The session that is needed at the moment of the cell is not to be had.

    Before the start that is the first session; later the first one is cut, and it is the one in its place.
    """

    fault: ConnectFault
    lasts: bool = False
    """All further tries meet the same."""


@dataclass(frozen=True)
class AtSetup:
    """As `AtDial`, for a session that opens and is then refused its settings."""

    fault: Fault
    lasts: bool = False


@dataclass(frozen=True)
class OnTheLine:
    """The way between Twilio and the service is spoiled, from the moment of the cell on."""

    spoil: Spoil
    on_every_stream: bool = False
    answer: Mapping[str, Any] = field(default_factory=dict)
    is_deaf: bool = False


@dataclass(frozen=True)
class OfThePhone:
    """The phone misbehaves, in every stream."""

    misbehaviour: Misbehaviour


@dataclass(frozen=True)
class OfTheTool:
    """What the tool does, or how it is called."""

    tool: Literal[
        "works",
        "raises",
        "leaves",
        "is cancelled",
        "hangs",
        "rambles",
        "answers nonsense",
        "answers control characters",
    ] = "works"
    called: Call = Call(name="look_up", arguments={"what": "hours"})  # noqa: RUF009 - frozen


@dataclass(frozen=True)
class HangsUp:
    """The caller hangs up."""


What: TypeAlias = InSession | AtDial | AtSetup | OnTheLine | OfThePhone | OfTheTool | HangsUp


@dataclass(frozen=True)
class Row:
    """One fault of the catalogue."""

    number: int
    name: str
    what: What
    cells: Mapping[Moment, Cell]
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    codes: frozenset[int] = frozenset()
    """Twilio's codes that the fault itself earns, besides the close that goes before a fallback."""
    silence_ms_max: int = 4000
    why_silent: str = ""
    """Why the caller may hear nothing for longer than is promised."""
    is_drop: bool = False
    """The session or the stream is gone at one blow: the time to the next word of the agent is measured."""


Cells: TypeAlias = dict[Moment, Cell]


def _everywhere(cell: Cell) -> Cells:
    return dict.fromkeys(Moment, cell)


def _only_before(cell: Cell, why: str) -> Cells:
    return _everywhere(why) | {Moment.BEFORE: cell}


def _refused(number: int, name: str, cell: Cell, *, lasts: bool = False, **fault: Any) -> Row:
    what = AtDial(ConnectFault(kind="refuse", **fault), lasts)
    return Row(number, name, what, _everywhere(cell))


def _in_session(number: int, name: str, *faults: Fault, cells: Cells, **fields: Any) -> Row:
    return Row(number, name, InSession(faults), cells, **fields)


# --- Spoiling the line -----------------------------------------------------------------------------------


def _cut(_since: int, _frame: Frame, way: Way) -> list[bytes]:
    way.cut()
    return []


def _stop_reading(_since: int, frame: Frame, way: Way) -> list[bytes]:
    way.stop_reading()
    return [frame.raw]


def _injecting(*frames: bytes) -> Spoil:
    """Something comes before the frame of the moment."""

    def spoil(since: int, frame: Frame, _way: Way) -> list[bytes]:
        return [*frames, frame.raw] if since == 0 else [frame.raw]

    return spoil


def _muted(frames: int | None) -> Spoil:
    """So many frames of the caller are lost; all of them without a number. Marks come back."""

    def spoil(since: int, frame: Frame, _way: Way) -> list[bytes]:
        return [] if frame.is_media and (frames is None or since < frames) else [frame.raw]

    return spoil


def _repeat(since: int, frame: Frame, _way: Way) -> list[bytes]:
    return [frame.raw] * (2 if since == 0 else 1)


def _swap(since: int, frame: Frame, way: Way) -> list[bytes]:
    if since == 0:
        way.kept = frame.raw
        return []
    return [frame.raw, way.kept] if since == 1 else [frame.raw]


def _without_marks(_since: int, frame: Frame, _way: Way) -> list[bytes]:
    return [] if frame.event == "mark" else [frame.raw]


def _start_again(since: int, frame: Frame, way: Way) -> list[bytes]:
    return [text_frame(way.start), frame.raw] if since == 0 else [frame.raw]


def _start_of_another_call(since: int, frame: Frame, way: Way) -> list[bytes]:
    start = json.loads(way.start)
    start["start"]["callSid"] = "CA" + "f" * 32
    return [text_frame(json.dumps(start)), frame.raw] if since == 0 else [frame.raw]


def _wide_band(_since: int, frame: Frame, _way: Way) -> list[bytes]:
    if frame.event != "start":
        return [frame.raw]
    start = json.loads(frame.text)
    start["start"]["mediaFormat"] = {"encoding": "audio/x-l16", "sampleRate": 16000, "channels": 1}
    return [text_frame(json.dumps(start))]


def _message(event: str, **fields: str) -> bytes:
    return text_frame(json.dumps({"event": event, "sequenceNumber": "2", event: fields, "streamSid": "MZ1"}))


def _media(payload: str) -> bytes:
    return _message("media", track="inbound", chunk="1", timestamp="1", payload=payload)


_UNKNOWN = _message("scent", of="bread")
_KEY = _message("dtmf", track="inbound_track", digit="1")
_MARK = _message("mark", name="x")
_STOP = _message("stop", callSid="CA1")
_BAD_AUDIO = (_media("not base64!"), _media(""), _media("/" * 24_000))
_LONG = Say(text="A long story.", audio=noise(random.Random("long"), 3400))
_BINARY = b"\x82\x84\x00\x00\x00\x00\x01\x02\x03\x04"
_OVERSIZED = text_frame('{"event":"' + "x" * 70_000 + '"}')

# --- The table -------------------------------------------------------------------------------------------

_ONE_SESSION = "settings are the same for all sessions: they are refused before the start or never"
_SAME_EVENT = "a dial that fails at once is row 6 to all that decides; it needs no port that comes and goes"
_NO_ANSWER_HERE = "no answer of the model is going on"
_LATER = "a stream has one start, and it has come"
_HANDSHAKE = "the upgrade has been answered"
_NOTHING_YET = "the stream has not begun: rows 21 and 22"
_NO_AUDIO = "nothing is being sent that could be stuck"
_STRANGERS = (
    "sockets of strangers: the e2e tests of intruders and floods and the unit test of sockets have them"
)
_WATCHED = "a process that is stuck ends: that takes a process of its own, as the test of the loop watch has"

_CLOSE_AGAIN = frozenset({31921})
"""Twilio logs that we closed the socket, and asks what follows."""

_INVALID_MODEL = ConnectFault(kind="reject", code=4000)

CONNECTING = [
    _refused(1, "401", FALLS_BACK, status=401),
    _in_session(
        1,
        "key withdrawn",
        Fault(kind="error", error_code="invalid_api_key", message="Revoked."),
        cells=_everywhere(FALLS_BACK),
    ),
    _refused(2, "403", FALLS_BACK, status=403),
    _refused(3, "404, there is a second model", GOES_ON, status=404),
    _refused(3, "404 of both models", FALLS_BACK, lasts=True, status=404),
    Row(3, "invalid model on the open socket", AtDial(_INVALID_MODEL), _everywhere(GOES_ON)),
    Row(3, "both models are invalid", AtDial(_INVALID_MODEL, lasts=True), _everywhere(FALLS_BACK)),
    _refused(4, "429, retry after 1 s", GOES_ON, status=429, retry_after_s=1),
    _refused(4, "429, retry after 30 s", FALLS_BACK, status=429, retry_after_s=30),
    _in_session(
        4,
        "rate limit as an event",
        Fault(kind="error", error_code="rate_limit_exceeded", message="Slower."),
        cells=_everywhere(GOES_ON),
    ),
    _refused(5, "no quota", FALLS_BACK, status=429, error_code="insufficient_quota"),
    _in_session(5, "no quota as an event", Fault(kind="quota"), cells=_everywhere(FALLS_BACK)),
    _refused(6, "500 once", GOES_ON, status=500),
    _refused(6, "502 once", GOES_ON, status=502),
    _refused(6, "503 for long", FALLS_BACK, lasts=True, status=503),
    Row(7, "hangs once", AtDial(ConnectFault(kind="hang")), _everywhere(GOES_ON)),
    Row(7, "hangs for long", AtDial(ConnectFault(kind="hang"), lasts=True), _everywhere(FALLS_BACK)),
    Row(
        7,
        "nobody listens",
        InSession(),
        _only_before(FALLS_BACK, _SAME_EVENT),
        environment={"CALLBRIDGE_REALTIME_URL": "ws://127.0.0.1:1/v1/realtime"},
    ),
    Row(8, "silent once", AtDial(ConnectFault(kind="silent")), _everywhere(GOES_ON)),
    Row(8, "silent for long", AtDial(ConnectFault(kind="silent"), lasts=True), _everywhere(FALLS_BACK)),
    Row(
        9,
        "settings rejected",
        InSession(),
        _only_before(FALLS_BACK, _ONE_SESSION),
        environment={"CALLBRIDGE_REALTIME_VOICE": "nobody"},
    ),
    Row(
        9,
        "settings rejected by an error that names no command",
        AtSetup(Fault(kind="error", on="session.update", error_code="invalid_value"), lasts=True),
        _everywhere(FALLS_BACK),
    ),
]

_ANSWERS: Cells = {
    Moment.BEFORE: _NO_ANSWER_HERE,
    Moment.GREETING: GOES_ON,
    Moment.CALLER: _NO_ANSWER_HERE,
    Moment.AGENT: GOES_ON,
    Moment.TOOL: GOES_ON,
}
_SPEAKING: Cells = _ANSWERS | {Moment.TOOL: _NO_ANSWER_HERE}

LOSING = [
    _in_session(10, "1000", Fault(kind="close", code=1000), cells=_everywhere(GOES_ON), is_drop=True),
    _in_session(11, "1001", Fault(kind="close", code=1001), cells=_everywhere(GOES_ON), is_drop=True),
    _in_session(11, "expires", Fault(kind="expire"), cells=_everywhere(GOES_ON), is_drop=True),
    _in_session(12, "1006", Fault(kind="abort"), cells=_everywhere(GOES_ON), is_drop=True),
    _in_session(13, "1011", Fault(kind="close", code=1011), cells=_everywhere(GOES_ON), is_drop=True),
    Row(
        10,
        "1011 of every session",
        InSession((Fault(kind="close", code=1011),), is_everywhere=True),
        {
            Moment.BEFORE: FALLS_BACK,
            Moment.GREETING: FALLS_BACK,
            Moment.CALLER: "the caller speaks at one moment: the sessions after it are not spoken to",
            Moment.AGENT: FALLS_BACK,
            Moment.TOOL: "each session would have to call a tool: the answers that follow do not",
        },
    ),
    _in_session(18, "5 MiB", Fault(kind="oversized"), cells=_everywhere(GOES_ON), is_drop=True),
    _in_session(17, "binary", Fault(kind="binary"), cells=_everywhere(GOES_ON), is_drop=True),
]

STALLING = [
    _in_session(14, "stalls", Fault(kind="stall"), cells=_everywhere(GOES_ON)),
    _in_session(14, "stops reading", Fault(kind="deaf"), cells=_everywhere(GOES_ON)),
    Row(14, "answer is silent", InSession(answer={"say": (), "calls": (), "silent": True}), _ANSWERS),
    Row(14, "no answer at all", InSession(answer={"say": (), "calls": (), "absent": True}), _ANSWERS),
    Row(
        15,
        "answer without end",
        InSession(answer={"endless": True, "pace": 5.0, "calls": ()}),
        _SPEAKING,
        limits={"unheard_ms_max": 3000},
    ),
]

MISSPEAKING = [
    _in_session(16, "unknown event", Fault(kind="unknown_event"), cells=_everywhere(GOES_ON)),
    _in_session(17, "not JSON", Fault(kind="garbage"), cells=_everywhere(GOES_ON)),
    _in_session(17, "wrong types", Fault(kind="wrong_type"), cells=_everywhere(GOES_ON)),
    _in_session(17, "not JSON, time and again", *(Fault(kind="garbage"),) * 51, cells=_SPEAKING),
    _in_session(19, "delta twice", Fault(kind="duplicate"), cells=_SPEAKING),
    Row(19, "late deltas", InSession(answer={"late_deltas": 4, "interrupt_lag_ms": 150}), _SPEAKING),
]

_NOISE: Cells = _everywhere(GOES_ON) | {Moment.BEFORE: _NOTHING_YET}


def _on_the_line(number: int, name: str, spoil: Spoil, cells: Cells, **fields: Any) -> Row:
    return Row(number, name, OnTheLine(spoil), cells, **fields)


CARRIER = [
    Row(
        20,
        "forged upgrade",
        OfThePhone(Misbehaviour.FORGED_SOCKET),
        _only_before(FALLS_BACK, _HANDSHAKE),
        codes=frozenset({31920}),
    ),
    Row(21, "flood without start", HangsUp(), _everywhere(_STRANGERS)),
    Row(
        21,
        "no start",
        OfThePhone(Misbehaviour.NO_START),
        _only_before(FALLS_BACK, _LATER),
        limits={"start_timeout_s": 0.6},
        codes=_CLOSE_AGAIN,
    ),
    Row(
        22,
        "media before start",
        OnTheLine(_injecting(_media("/" * 212)), on_every_stream=True),
        _only_before(FALLS_BACK, _LATER),
        codes=_CLOSE_AGAIN,
    ),
    Row(
        22,
        "mark before start",
        OnTheLine(_injecting(_MARK), on_every_stream=True),
        _only_before(FALLS_BACK, _LATER),
        codes=_CLOSE_AGAIN,
    ),
    Row(
        22,
        "key before start, once",
        OnTheLine(_injecting(_KEY)),
        _only_before(GOES_ON, _LATER),
        codes=_CLOSE_AGAIN,
    ),
    _on_the_line(23, "start again", _start_again, _NOISE),
    _on_the_line(23, "start of another call", _start_of_another_call, _NOISE, codes=_CLOSE_AGAIN),
    Row(
        24,
        "stop before start",
        OnTheLine(_injecting(_STOP), on_every_stream=True),
        _only_before(FALLS_BACK, "a stop after the start is a caller who hangs up: row 34"),
        codes=_CLOSE_AGAIN,
    ),
    _on_the_line(25, "gap", _muted(1), _NOISE),
    _on_the_line(25, "repeat", _repeat, _NOISE),
    _on_the_line(25, "out of order", _swap, _NOISE),
    Row(
        26,
        "another sound",
        OnTheLine(_wide_band, on_every_stream=True),
        _only_before(FALLS_BACK, _LATER),
        codes=_CLOSE_AGAIN,
    ),
    _on_the_line(27, "bad audio", _injecting(*_BAD_AUDIO), _NOISE),
    _on_the_line(27, "bad audio, time and again", _injecting(*_BAD_AUDIO * 20), _NOISE, codes=_CLOSE_AGAIN),
    _on_the_line(28, "68 KiB", _injecting(_OVERSIZED), _everywhere(GOES_ON), codes=_CLOSE_AGAIN),
    _on_the_line(29, "binary", _injecting(_BINARY), _everywhere(GOES_ON), codes=_CLOSE_AGAIN),
    # Nobody hears what the caller says in the gap, and both would wait: the agent speaks longer.
    Row(30, "no audio for 2.2 s", OnTheLine(_muted(110), answer={"say": (_LONG,)}), _NOISE),
    _on_the_line(
        30,
        "no audio any more",
        _muted(None),
        _NOISE,
        silence_ms_max=8000,
        why_silent="nobody knows that the caller has spoken before the stream is given up",
    ),
    Row(
        31,
        "does not take our audio",
        OnTheLine(_stop_reading, answer={"endless": True, "pace": 50.0, "calls": ()}, is_deaf=True),
        _everywhere(_NO_AUDIO) | {Moment.GREETING: GOES_ON, Moment.AGENT: GOES_ON},
        codes=frozenset({31903}),
    ),
    _on_the_line(32, "marks do not come back", _without_marks, _NOISE),
    _on_the_line(33, "cut", _cut, _everywhere(GOES_ON), codes=frozenset({31903}), is_drop=True),
    Row(34, "hangs up", HangsUp(), _everywhere(LEFT)),
    _on_the_line(35, "unknown event", _injecting(_UNKNOWN), _everywhere(GOES_ON)),
]


def _tool(number: int, name: str, what: What) -> Row:
    return Row(number, name, what, _everywhere("no tool runs") | {Moment.TOOL: GOES_ON})


_UNKNOWN_TOOL = Call(name="order_a_taxi", even_if_not_offered=True)
_BAD_ARGUMENTS = Call(name="look_up", raw_arguments='{"what": ')

TOOLS = [
    _tool(36, "raises", OfTheTool("raises")),
    _tool(36, "wants to end the process", OfTheTool("leaves")),
    _tool(36, "is cancelled from inside", OfTheTool("is cancelled")),
    _tool(37, "takes too long", OfTheTool("hangs")),
    _tool(38, "rambles", OfTheTool("rambles")),
    _tool(38, "has no JSON form", OfTheTool("answers nonsense")),
    _tool(38, "control characters", OfTheTool("answers control characters")),
    _tool(39, "unknown tool", OfTheTool(called=_UNKNOWN_TOOL)),
    _tool(39, "bad arguments", OfTheTool(called=_BAD_ARGUMENTS)),
    _tool(40, "called again by the next session", InSession((Fault(kind="abort"),))),
    Row(41, "blocks the loop", OfTheTool(), _everywhere(_WATCHED)),
]

TABLE = [*CONNECTING, *LOSING, *STALLING, *MISSPEAKING, *CARRIER, *TOOLS]
