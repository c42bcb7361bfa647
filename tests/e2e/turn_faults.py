"""The table of faults of turns: a row is a fault, a column a moment, a cell what is to come of it.

Nothing here breaks a connection in a way that either end would be told of. The model is there and does not
hear, hears what is not there, or answers with nothing: only the caller notices. A cell that is not played
says why nobody could know. How a cell is played stands in `test_turn_faults`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from callbridge.simulators.phone import Background, Surroundings
from callbridge.simulators.sounds import SoundKind, make_sound
from callbridge.simulators.voice_model import Answer, Call, Failure, Fault, Oddity
from callbridge.simulators.voice_model import Say as Speech
from e2e.faults import ENDS, FALLS_BACK, GOES_ON
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.faults import Cell


class Moment(StrEnum):
    """When the fault comes."""

    GREETING = "in the greeting"
    CALLER = "caller speaking"
    AGENT = "agent speaking"
    TOOL = "tool running"
    IDLE = "nobody speaks"


def everywhere(cell: Cell) -> dict[Moment, Cell]:
    """The same at each moment."""
    return dict.fromkeys(Moment, cell)


@dataclass(frozen=True)
class Row:
    """One fault."""

    name: str
    cells: Mapping[Moment, Cell] = field(default_factory=lambda: everywhere(GOES_ON))
    answer: Answer | None = None
    """What the model answers at the moment, before what it answers otherwise."""
    faults: tuple[Fault, ...] = ()
    """What its first session does from the moment on."""
    cuts: bool = False
    """That cuts the answer short in which it happens."""
    bends: Mapping[str, Any] = field(default_factory=dict)
    """How every answer differs, but the goodbye."""
    oddities: tuple[Oddity, ...] = ()
    says: bytes = b""
    """What the caller says at the moment, besides their question."""
    voice_dbfs: float | None = None
    around: Surroundings | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    tool_s: float = 1.5
    talks_over: int = 0
    """So many of the agent's goodbyes are interrupted."""


# --- Sounds ----------------------------------------------------------------------------------------------

HELLO = noise(random.Random("hello"), 450)
LONG = noise(random.Random("long"), 2200)
MUSIC = make_sound(SoundKind.MUSIC, -25, 8)
"""A call centre puts us on hold. As loud as speech, and without a pause in it."""


def _leave(letter: str) -> Answer:
    speech = Speech(text=f"{letter}0 {letter}1", audio=noise(random.Random(letter), 900))
    return Answer(say=(speech,), calls=(Call(name="end_call"),), pace=6.0, times=3)


def _half(letter: str) -> Answer:
    text = " ".join(f"{letter}{number}" for number in range(6))
    return Answer(
        say=(Speech(text=text, audio=noise(random.Random(letter), 1200)),),
        pace=1.5,
        status="incomplete",
        stop_after_ms=600,
    )


_RATE_LIMIT = Failure(
    code="rate_limit_exceeded", type="tokens", message="Rate limit reached for gpt-realtime.", try_again_s=2.0
)

_LOOK_UP = Call(name="look_up", arguments={"what": "hours"})
_INVALID_MODEL = Fault(kind="error", error_code="invalid_model", message="The model is not supported.")

# --- The table -------------------------------------------------------------------------------------------

_MAY_BE_ECHO = "what is said into the agent's words may be its own voice, which telephones bring back"

SAID = [
    Row("hello, and a reply", says=HELLO),
    Row("hello, and an empty reply", says=HELLO, answer=Answer(empty=True)),
]

ANSWERED = [
    Row("completed without anything", answer=Answer(empty=True)),
    Row("completed without anything, twice", answer=Answer(empty=True, times=2)),
    Row("completed with text only", answer=Answer(say=(Speech(text="Nine to five.", form="text"),))),
    Row(
        "completed with a transcript and no audio",
        answer=Answer(say=(Speech(text="Nine to five.", form="transcript"),)),
    ),
    Row("incomplete after half a sentence", answer=_half("h")),
    Row("failed, try again in 2 s", answer=Answer(status="failed", error=_RATE_LIMIT)),
    Row("done late", bends={"done_after_ms": 3000}),
    Row("never done", bends={"done_after_ms": "never"}),
    Row("never done, and a word into it", bends={"done_after_ms": "never"}, says=HELLO),
    Row("calls tools nine times", answer=Answer(calls=(_LOOK_UP,), times=9), tool_s=0.3),
    Row(
        "calls tools for ever",
        everywhere(FALLS_BACK),
        answer=Answer(calls=(_LOOK_UP,), times="for_ever"),
        tool_s=0.3,
    ),
    Row(
        "ends the call, and has no words for it",
        everywhere(ENDS),
        answer=Answer(calls=(Call(name="end_call"),), times=4),
    ),
    Row(
        "ends the call again and again, and is talked over",
        everywhere(ENDS),
        answer=_leave("y"),
        talks_over=3,
    ),
]

HEARD = [
    Row(
        "hears nothing any more",
        everywhere(GOES_ON) | {Moment.CALLER: _MAY_BE_ECHO},
        faults=(Fault(kind="vad_deaf"),),
    ),
    Row(
        "hears nothing any more, and a long sentence",
        everywhere(_MAY_BE_ECHO) | {Moment.IDLE: GOES_ON},
        faults=(Fault(kind="vad_deaf"),),
        says=LONG,
    ),
    Row("hears no end", faults=(Fault(kind="vad_stuck"),)),
    Row("hears speech in noise", faults=(Fault(kind="vad_noise"),)),
    Row("hears speech in noise, and is silent", faults=(Fault(kind="vad_noise"),), answer=Answer(empty=True)),
    Row("half open", faults=(Fault(kind="stall", pongs=False),), cuts=True),
    Row("half open, and a long sentence", faults=(Fault(kind="stall", pongs=False),), cuts=True, says=LONG),
    Row("alive, and answers nothing", faults=(Fault(kind="stall"),), cuts=True),
    Row("invalid model", everywhere(FALLS_BACK), faults=(_INVALID_MODEL,), cuts=True),
]

WRITTEN = [
    Row("words come late", bends={"transcript_after_ms": 4000}),
    Row("words come after the answer", bends={"transcript": "after"}),
    Row("words never come", bends={"transcript": "never"}),
    Row("words fail", bends={"transcript_error": Failure()}),
    Row("words out of order", bends={"transcript_after_ms": 2500}, says=HELLO),
]


def _odd(event: Any, **fields: Any) -> Oddity:
    return Oddity(event=event, **fields)


_WORDS = "conversation.item.input_audio_transcription.completed"
_SAID_WORDS = "response.output_audio_transcript.done"

ODD = [
    Row(
        "nulls",
        oddities=(
            _odd("session.created", null=("session.expires_at",)),
            _odd("session.updated", null=("session.expires_at",)),
            _odd("input_audio_buffer.speech_started", null=("audio_start_ms", "item_id")),
            _odd("input_audio_buffer.speech_stopped", null=("audio_end_ms", "item_id")),
            _odd("input_audio_buffer.committed", null=("previous_item_id",)),
            _odd("response.created", null=("response.metadata", "response.status", "response.output")),
            _odd("response.output_item.added", null=("item.status",)),
            _odd(_SAID_WORDS, null=("transcript",)),
            _odd(
                "response.done",
                null=("response.metadata", "response.status", "response.usage", "response.output"),
            ),
            _odd(_WORDS, null=("transcript", "usage")),
            _odd("rate_limits.updated", null=("rate_limits",)),
        ),
    ),
    Row(
        "odd values",
        oddities=(
            _odd("session.created", set={"session.expires_at": "soon"}),
            _odd("session.updated", set={"session.expires_at": -1, "session.speed": "fast"}),
            _odd("input_audio_buffer.speech_started", set={"audio_start_ms": 10**15}),
            _odd("input_audio_buffer.speech_stopped", set={"audio_end_ms": -(10**15)}),
            _odd("response.created", set={"response.metadata": ["x"], "response.status": 7}),
            _odd(_SAID_WORDS, set={"transcript": 5}),
            _odd("response.done", set={"response.usage": {"total_tokens": "many"}, "response.output": 3}),
            _odd(_WORDS, set={"usage": "none"}),
            _odd("rate_limits.updated", set={"rate_limits": {"name": 1}}),
        ),
    ),
    Row(
        "an answer without an id",
        oddities=(_odd("response.created", nth=2, connection=1, null=("response.id",)),),
    ),
]

LINES = [
    Row(
        "soft speech",
        everywhere(GOES_ON) | dict.fromkeys((Moment.CALLER, Moment.AGENT), _MAY_BE_ECHO),
        voice_dbfs=-48.0,
    ),
    Row("steady noise", around=Surroundings(Background(SoundKind.NOISE, -50.0))),
    Row("hold music", says=MUSIC, limits={"utterance_max_s": 5.0}),
]

TABLE = [*SAID, *ANSWERED, *HEARD, *WRITTEN, *ODD, *LINES]
