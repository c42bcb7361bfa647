"""The floor as three small states and one table: what every event does to each, or why it does nothing.

    caller   SILENT or SPEAKING, as far as anybody knows
    next     what answer is to come: NOTHING, PROMISED by the server's turn detection, ASKED by us, or BOTH
    now      what the server has not finished: NOTHING, an AUDIBLE response, or a MUTED one

What is still unheard on the phone is the ledger's (`ear/playout`), not the floor's. Which response answers
whom is decided by numbers (`responses`): an ask and a promise carry the caller's turn in which they were
born.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias


class Caller(StrEnum):
    """Whether the caller speaks."""

    SILENT = "silent"
    SPEAKING = "speaking"


class Next(StrEnum):
    """What answer is to come."""

    NOTHING = "nothing"
    PROMISED = "promised"
    """The caller stopped, and the server makes a response by itself."""
    ASKED = "asked"
    """Our response.create is out."""
    BOTH = "both"


class Now(StrEnum):
    """What the server has not finished."""

    NOTHING = "nothing"
    AUDIBLE = "audible"
    """A response that the caller may hear."""
    MUTED = "muted"
    """One that they may not: its response.done is still to come."""


class On(StrEnum):
    """What happens on the floor."""

    SPEECH_BEGAN = "speech_began"
    """The server says that the caller speaks; or they go on after what was only a pause."""
    SPOKEN_INTO = "spoken_into"
    """The same, into a greeting that may not be interrupted."""
    SPEECH_ENDED = "speech_ended"
    """The server says that they stopped; or the line is quiet and the server has not noticed."""
    KEY_PRESSED = "key_pressed"
    ASKED = "asked"
    OURS_BEGAN = "ours_began"
    """A response that answers our ask."""
    THEIRS_BEGAN = "theirs_began"
    """A response of the server's own making."""
    LATE_BEGAN = "late_began"
    """A response that answers an ask of ours that was given up, and followed by another."""
    SILENCED = "silenced"
    """We mute a response: it was overtaken or given up before it was born, it ran away, a guardrail stopped
    it, or the phone is lost."""
    FINISHED = "finished"
    """response.done of the response that is in progress."""
    LET_GO = "let_go"
    """Nothing more is expected of a response that is muted, or said: its response.done does not come."""
    ASK_REFUSED = "ask_refused"
    PROMISE_REFUSED = "promise_refused"
    SESSION_LOST = "session_lost"


@dataclass(frozen=True, slots=True)
class Stays:
    """The state stays as it is, with the reason."""

    why: str


@dataclass(frozen=True, slots=True)
class Never:
    """The event cannot come in this state: a fault of ours if it does."""

    why: str


Row: TypeAlias = tuple[
    Mapping[Caller, Caller | Stays | Never],
    Mapping[Next, Next | Stays | Never],
    Mapping[Now, Now | Stays | Never],
]


def _caller(why: str) -> Mapping[Caller, Caller | Stays | Never]:
    return dict.fromkeys(Caller, Stays(why))


def _next(why: str) -> Mapping[Next, Next | Stays | Never]:
    return dict.fromkeys(Next, Stays(why))


def _now(why: str) -> Mapping[Now, Now | Stays | Never]:
    return dict.fromkeys(Now, Stays(why))


_SAYS_NOTHING_OF_CALLER: Final = _caller("it says nothing of the caller")
_LATER: Final = _now("it says nothing of a response in progress")
_NOTHING_DUE: Final = Stays("no answer is due")

TABLE: Final[Mapping[On, Row]] = {
    On.SPEECH_BEGAN: (
        {Caller.SILENT: Caller.SPEAKING, Caller.SPEAKING: Stays("it was said before")},
        {
            Next.NOTHING: _NOTHING_DUE,
            # With interrupt_response the server drops the response that it was about to begin (Realtime
            # guide, "Voice activity detection"); it makes another when they stop.
            Next.PROMISED: Next.NOTHING,
            Next.ASKED: Stays(
                "the ask is out: the response that it makes is of an older turn, and muted at birth"
            ),
            Next.BOTH: Next.ASKED,
        },
        {
            Now.NOTHING: Stays("there is nobody to interrupt"),
            Now.AUDIBLE: Now.MUTED,
            Now.MUTED: Stays("it is muted already"),
        },
    ),
    On.SPOKEN_INTO: (
        {Caller.SILENT: Caller.SPEAKING, Caller.SPEAKING: Stays("it was said before")},
        _next("without interrupt_response the server drops nothing (Realtime reference, turn_detection)"),
        _now("the agent talks on"),
    ),
    On.SPEECH_ENDED: (
        {Caller.SILENT: Stays("they were not speaking"), Caller.SPEAKING: Caller.SILENT},
        {
            # With create_response (Realtime reference, session.audio.input.turn_detection).
            Next.NOTHING: Next.PROMISED,
            Next.PROMISED: Stays("it is promised already"),
            Next.ASKED: Next.BOTH,
            Next.BOTH: Stays("it is promised already"),
        },
        _now("the words that were cut are cut already"),
    ),
    On.KEY_PRESSED: (
        _caller("keys are no speech: the server does not know of them"),
        _next("what it brings is of an older turn, and muted at birth"),
        {
            Now.NOTHING: Stays("there is nobody to interrupt"),
            Now.AUDIBLE: Now.MUTED,
            Now.MUTED: Stays("it is muted already"),
        },
    ),
    On.ASKED: (
        {
            Caller.SILENT: Stays("asking takes no time"),
            Caller.SPEAKING: Never("nobody is asked to talk over them"),
        },
        {
            Next.NOTHING: Next.ASKED,
            Next.PROMISED: Never("the server answers by itself"),
            Next.ASKED: Never("one ask at a time"),
            Next.BOTH: Never("one ask at a time"),
        },
        {
            Now.NOTHING: Stays("it begins with response.created"),
            Now.AUDIBLE: Never("response.create is refused while a response is active"),
            Now.MUTED: Never("response.create is refused while a response is active"),
        },
    ),
    On.OURS_BEGAN: (
        _SAYS_NOTHING_OF_CALLER,
        {
            Next.NOTHING: Stays("the ask was given up before"),
            Next.PROMISED: Stays("the ask was given up before; the server's own answer is still to come"),
            Next.ASKED: Next.NOTHING,
            Next.BOTH: Next.PROMISED,
        },
        # The default conversation has one response at a time (Realtime reference, response.create): one that
        # begins says that the one before is over, whether or not its response.done has come.
        dict.fromkeys(Now, Now.AUDIBLE),
    ),
    On.THEIRS_BEGAN: (
        _SAYS_NOTHING_OF_CALLER,
        {
            Next.NOTHING: Stays("it comes unasked"),
            Next.PROMISED: Next.NOTHING,
            Next.ASKED: Never("with an ask out it is taken for ours, unless it names another"),
            # Asked for before the caller spoke, and not begun by the time they stopped: the server has
            # dropped it.
            Next.BOTH: Next.NOTHING,
        },
        dict.fromkeys(Now, Now.AUDIBLE),
    ),
    On.LATE_BEGAN: (
        _SAYS_NOTHING_OF_CALLER,
        _next("it brings nothing of what is to come"),
        dict.fromkeys(Now, Now.AUDIBLE),
    ),
    On.SILENCED: (
        _SAYS_NOTHING_OF_CALLER,
        _next("it says nothing of what is to come"),
        {
            Now.NOTHING: Never("there is nothing to mute"),
            Now.AUDIBLE: Now.MUTED,
            Now.MUTED: Never("it is muted already"),
        },
    ),
    On.FINISHED: (
        _SAYS_NOTHING_OF_CALLER,
        _next("it says nothing of what is to come"),
        {Now.NOTHING: Never("nothing is in progress"), Now.AUDIBLE: Now.NOTHING, Now.MUTED: Now.NOTHING},
    ),
    On.LET_GO: (
        _SAYS_NOTHING_OF_CALLER,
        _next("it says nothing of what is to come"),
        {
            Now.NOTHING: Never("nothing is in progress"),
            Now.AUDIBLE: Now.NOTHING,
            Now.MUTED: Now.NOTHING,
        },
    ),
    On.ASK_REFUSED: (
        _SAYS_NOTHING_OF_CALLER,
        {
            Next.NOTHING: Never("nothing was asked for"),
            Next.PROMISED: Never("nothing was asked for"),
            Next.ASKED: Next.NOTHING,
            Next.BOTH: Next.PROMISED,
        },
        {
            Now.NOTHING: Stays("it says nothing of a response"),
            Now.AUDIBLE: Never("nothing is asked for while one is, and one that is late is muted"),
            Now.MUTED: Stays("it says nothing of the one in progress"),
        },
    ),
    On.PROMISE_REFUSED: (
        {
            Caller.SILENT: Stays("it says nothing of the caller"),
            Caller.SPEAKING: Stays("they speak into a protected greeting, behind which an answer is to come"),
        },
        {
            Next.NOTHING: Never("nothing was promised"),
            Next.PROMISED: Next.NOTHING,
            Next.ASKED: Never("nothing was promised"),
            Next.BOTH: Next.ASKED,
        },
        _LATER,
    ),
    On.SESSION_LOST: (
        {
            Caller.SILENT: Stays("they were not speaking"),
            Caller.SPEAKING: Caller.SILENT,  # The next session has to find out by itself.
        },
        dict.fromkeys(Next, Next.NOTHING),
        dict.fromkeys(Now, Now.NOTHING),
    ),
}
"""What every event does to each of the three states."""
