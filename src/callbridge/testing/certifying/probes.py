"""The calls that are placed: what the model says, what the caller does, and what goes wrong on purpose. Pure.

Each is written for what the bridge has shown in the first one: an agent that greets is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callbridge.simulators.phone import (
    HangUp,
    Interrupt,
    Misbehaviour,
    Pause,
    Press,
    Say,
    Step,
    Vanish,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.sounds import dbfs
from callbridge.simulators.voice_model import (
    Answer,
    Call,
    ConnectFault,
    Fault,
    Oddity,
    Script,
    SessionSettings,
    caller_speech,
)
from callbridge.simulators.voice_model import Say as Speech
from callbridge.wire.audio import FRAME_BYTES

if TYPE_CHECKING:
    from callbridge.testing.certifying.seen import Features
    from callbridge.testing.certifying.target import Target

KEYS = "73#"

IMAGINED_TOOL = "callbridge_certify_imagined"
"""A tool that no bridge offers, so that calling it has no effect anywhere."""

PATIENCE_MS = 6_000
AGAIN_MS = 3_500
"""After which a caller says it again."""

LOST_PATIENCE_MS = 9_000
"""How long the caller waits when something has gone wrong."""

LOST_AT_MS = 1_200
"""Where in its answer the model is lost."""

SLOW_HANDSHAKE_MS = 1_500

PAUSE_DBFS = -45.0
"""Softer frames of the caller's words are pauses."""

LARGE_BYTES = 64_000
"""Of one delta: 8 s, and more than 64 KiB in base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One call, or several at once."""

    id: str
    what: str
    """For who watches."""
    script: Callable[[Features, Target], Script]
    callers: Callable[[Features], Sequence[Sequence[Step]]]
    """What each caller does; of several the later ones call a moment later."""
    delays_ms: Sequence[float] = (0.0,)
    """Of each caller's network, each way; of one for all."""
    misbehaviours: frozenset[Misbehaviour] = frozenset()
    session: SessionSettings = field(default_factory=lambda: SessionSettings(keep_audio=True))
    not_for: Callable[[Features, Target], str | None] = lambda _features, _target: None
    """Why it is not about a bridge, where it is not."""
    closes_s: float = 4.0
    """How long sessions may take to be closed behind it."""
    lasts_s_max: float = 60.0
    """The caller hangs up then, wherever the call stands."""


def _says(*names: str) -> tuple[Speech, ...]:
    return tuple(Speech(text=caller_speech(name).text, audio=caller_speech(name).audio) for name in names)


def _asks(name: str) -> Say:
    """The caller's words in one breath: some turn detection takes any pause for the end of a turn."""
    audio = caller_speech(name).audio
    frames = (audio[at : at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES))
    return Say(b"".join(frame for frame in frames if dbfs(frame) > PAUSE_DBFS))


QUESTION, OTHER_QUESTION = _asks("caller_question_cakes"), _asks("caller_question_hours")
INTERRUPTION = _asks("caller_interrupts")
SHORT = Answer(say=_says("agent_looks_up"))
LONG, SECOND_LONG = _says("agent_cakes"), _says("agent_hours", "agent_greeting", "agent_short_answer")
SECOND_LONG_JOINED = Speech(
    text=" ".join(said.text for said in SECOND_LONG), audio=b"".join(said.audio for said in SECOND_LONG)
)


def _script(features: Features, *answers: Answer, **settings: object) -> Script:
    """These answers, behind a greeting where there is one."""
    said = (SHORT, *answers) if features.greets else answers
    default = Answer(say=_says("agent_has_nothing_more"))
    return Script(answers=said, default=default, after_ms=100, **settings)  # type: ignore[arg-type]  # by name


def _greeted(features: Features) -> list[Step]:
    return [WaitForAgent(patience_ms=PATIENCE_MS)] if features.greets else [Pause(800)]


def _alone(*steps: Step, greeted: bool = True) -> Callable[[Features], Sequence[Sequence[Step]]]:
    return lambda features: [[*(_greeted(features) if greeted else ()), *steps]]


# --- A good day ---------------------------------------------------------------------------------------------


def _plain(_features: Features, _target: Target) -> Script:
    """Whether there is a greeting is not known yet: the answers are for either."""
    answers = (
        SHORT,
        Answer(say=_says("agent_hours", "agent_short_answer")),
        Answer(say=_says("agent_goodbye")),
    )
    return Script(answers=answers, default=Answer(say=_says("agent_has_nothing_more")), after_ms=100)


def _interrupted(features: Features, _target: Target) -> Script:
    """Once in an answer of one item that is complete by then, once in the second item of one that is not."""
    first = Answer(say=LONG, pace=8.0)
    second = Answer(
        say=(*_says("agent_goodbye"), SECOND_LONG_JOINED), pace=1.3, interrupt_lag_ms=150, late_deltas=3
    )
    return _script(features, first, second, Answer(say=_says("agent_has_nothing_more")))


def _many(features: Features, _target: Target) -> Script:
    """Two callers take turns with the answers, so that no two hear the same."""
    names = ("agent_looks_up", "agent_goodbye", "agent_hours", "agent_short_answer", "agent_has_nothing_more")
    answers = tuple(Answer(say=_says(name)) for name in names[0 if features.greets else 2 :])
    return Script(answers=answers, default=Answer(say=LONG), after_ms=100, answers_go_on=True)


def _two_callers(features: Features) -> Sequence[Sequence[Step]]:
    first = [*_greeted(features), QUESTION, WaitForAgent(patience_ms=PATIENCE_MS), Pause(300), HangUp()]
    other = [*_greeted(features), OTHER_QUESTION, WaitForAgent(patience_ms=PATIENCE_MS), Pause(300), HangUp()]
    return [first, other]


def _interrupters(features: Features) -> Sequence[Sequence[Step]]:
    steps = [
        *_greeted(features),
        QUESTION,
        Interrupt(2000, INTERRUPTION.audio, patience_ms=PATIENCE_MS),
        Interrupt(2900, QUESTION.audio, patience_ms=PATIENCE_MS),
        WaitForAgent(patience_ms=PATIENCE_MS),
        HangUp(),
    ]
    return [steps] * len(DELAYS_MS)


DELAYS_MS = (0.0, 60.0, 120.0)
"""Of the telephone network, each way, at which interruptions are measured."""


# --- Tools and ends -----------------------------------------------------------------------------------------


def _no_tools(features: Features, _target: Target) -> str | None:
    return None if features.tools else "the session offers no tools"


def _no_tool_named(features: Features, target: Target) -> str | None:
    if not features.tools:
        return "the session offers no tools"
    return None if target.tool else "no tool was named that may be called: --tool NAME"


def _no_hang_up(features: Features, _target: Target) -> str | None:
    return None if features.hang_up_tool else "no tool is offered that ends the call (--hang-up-tool NAME)"


def _imagined(features: Features, _target: Target) -> Script:
    call = Call(name=IMAGINED_TOOL, arguments={}, even_if_not_offered=True)
    return _script(features, Answer(calls=(call,)), Answer(say=_says("agent_hours")))


def _called(features: Features, target: Target) -> Script:
    call = Call(name=target.tool or "", arguments=dict(target.tool_arguments))
    return _script(features, Answer(calls=(call,)), Answer(after_call=True, say=_says("agent_hours")))


def _farewell(features: Features, _target: Target) -> Script:
    call = Call(name=features.hang_up_tool or "")
    return _script(features, Answer(say=_says("agent_goodbye"), calls=(call,)))


# --- Faults -------------------------------------------------------------------------------------------------


def _odd(features: Features, _target: Target) -> Script:
    """A delta of eight seconds, an event of tomorrow, fields of tomorrow; then a message that is no JSON."""
    large = Answer(
        say=LONG, pace=40.0, delta_bytes=(LARGE_BYTES, LARGE_BYTES), faults=(Fault(kind="unknown_event"),)
    )
    broken = Answer(say=_says("agent_hours"), faults=(Fault(kind="garbage"),))
    odd = (
        Oddity(event="response.output_audio.delta", set={"tomorrow": {"a": [1, None]}}),
        Oddity(event="response.done", set={"response.tomorrow": True}),
    )
    return _script(features, large, broken, oddities=odd)


def _unconfirmed(features: Features, _target: Target) -> Script:
    lost = Oddity(event="session.updated", connection=1, left_out=True)
    return _script(features, SHORT, oddities=(lost,))


def _lost(features: Features, _target: Target) -> Script:
    lost = Answer(say=LONG, pace=1.2, faults=(Fault(kind="abort", at=LOST_AT_MS, connection=1),))
    return _script(features, lost)


def _silent(features: Features, _target: Target) -> Script:
    return _script(features, Answer(silent=True))


def _refused(features: Features, _target: Target) -> Script:
    return _script(features, connect=(ConnectFault(kind="refuse", status=503),))


_PATIENT = (WaitForAgent(patience_ms=LOST_PATIENCE_MS), HangUp())
_ATTACK: Callable[[Features], Sequence[Sequence[Step]]] = _alone(Pause(1500), HangUp(), greeted=False)


def _needs_webhook(features: Features, _target: Target) -> str | None:
    return None if features.has_webhook else "a media socket was named, and no webhook"


def _attack(probe: str, what: str, misbehaviour: Misbehaviour, *, is_of_webhook: bool = False) -> Probe:
    return Probe(
        id=probe,
        what=what,
        script=lambda features, _target: _script(features, SHORT),
        callers=_ATTACK,
        misbehaviours=frozenset({misbehaviour}),
        not_for=_needs_webhook if is_of_webhook else (lambda _features, _target: None),
    )


PLAIN = "plain"

PROBES: dict[str, Probe] = {
    probe.id: probe
    for probe in (
        Probe(
            id=PLAIN,
            what="an ordinary call: two questions, keys, the caller hangs up",
            script=_plain,
            callers=lambda _features: [
                [
                    WaitForAgent(patience_ms=PATIENCE_MS),
                    QUESTION,
                    WaitForAgent(patience_ms=PATIENCE_MS),
                    Pause(200),
                    OTHER_QUESTION,
                    WaitForAgent(patience_ms=PATIENCE_MS),
                    Press(KEYS),
                    Pause(3000),
                    HangUp(),
                ]
            ],
        ),
        _attack(
            "unsigned-webhook",
            "a webhook without a signature",
            Misbehaviour.UNSIGNED_WEBHOOK,
            is_of_webhook=True,
        ),
        _attack(
            "forged-webhook",
            "a webhook with a forged signature",
            Misbehaviour.FORGED_WEBHOOK,
            is_of_webhook=True,
        ),
        _attack("unsigned-socket", "a media socket without a signature", Misbehaviour.UNSIGNED_SOCKET),
        _attack("forged-socket", "a media socket with a forged signature", Misbehaviour.FORGED_SOCKET),
        _attack("altered-parameters", "a stream with altered parameters", Misbehaviour.WRONG_TOKEN),
        Probe(
            id="early",
            what="the caller speaks at once, the model takes 1.5 s to open a session, and they say it again",
            script=lambda features, _target: _script(features, Answer(say=_says("agent_hours"))),
            callers=_alone(
                QUESTION,
                WaitForAgent(patience_ms=AGAIN_MS),
                OTHER_QUESTION,
                WaitForAgent(patience_ms=PATIENCE_MS),
                HangUp(),
                greeted=False,
            ),
            session=SessionSettings(keep_audio=True, handshake_ms=SLOW_HANDSHAKE_MS),
        ),
        Probe(
            id="interrupted",
            what="three callers interrupt twice, over networks of 0, 60 and 120 ms",
            script=_interrupted,
            callers=_interrupters,
            delays_ms=DELAYS_MS,
        ),
        Probe(id="two-at-once", what="two calls at once", script=_many, callers=_two_callers),
        Probe(
            id="imagined-tool",
            what="the model calls a tool that does not exist",
            script=_imagined,
            callers=_alone(QUESTION, WaitForAgent(patience_ms=LOST_PATIENCE_MS), HangUp()),
            not_for=_no_tools,
        ),
        Probe(
            id="tool",
            what="the model calls the tool that was named",
            script=_called,
            callers=_alone(QUESTION, WaitForAgent(patience_ms=LOST_PATIENCE_MS), HangUp()),
            not_for=_no_tool_named,
        ),
        Probe(
            id="farewell",
            what="the agent says goodbye and ends the call",
            script=_farewell,
            callers=_alone(QUESTION, WaitForEnd()),
            not_for=_no_hang_up,
            lasts_s_max=15.0,
        ),
        Probe(
            id="vanished",
            what="the caller's connection is cut",
            script=lambda features, _target: _script(features, Answer(say=LONG)),
            callers=_alone(Pause(700), Vanish(), greeted=False),
            closes_s=16.0,
        ),
        Probe(
            id="odd",
            what="odd events of the model: large, unknown, broken",
            script=_odd,
            callers=_alone(
                QUESTION,
                WaitForAgent(patience_ms=PATIENCE_MS),
                OTHER_QUESTION,
                WaitForAgent(patience_ms=PATIENCE_MS),
                HangUp(),
            ),
        ),
        Probe(
            id="unconfirmed",
            what="the model does not confirm the session's settings",
            script=_unconfirmed,
            callers=_alone(Pause(1600), HangUp(), greeted=False),
        ),
        Probe(
            id="silent", what="the model never answers", script=_silent, callers=_alone(QUESTION, *_PATIENT)
        ),
        Probe(
            id="lost",
            what="the model is lost in mid-word",
            script=_lost,
            callers=_alone(QUESTION, WaitForAgent(patience_ms=PATIENCE_MS), INTERRUPTION, *_PATIENT),
        ),
        Probe(
            id="refused",
            what="the model refuses every session",
            script=_refused,
            callers=_alone(*_PATIENT, greeted=False),
        ),
    )
}
"""By id, in the order in which they are made: what may make a bridge careful comes last."""
