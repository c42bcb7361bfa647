"""What the voice model can do to a call: each fault ends in one recorded reason, or is survived.

One case of each kind, with all that is recorded of it. At which moment a fault comes makes a difference to
the caller: that is in the fault matrix.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from callbridge import Flow, confidence
from callbridge import Step as FlowStep
from callbridge.agents.agent import Agent
from callbridge.call.facts import AgentReady, EndReason, ModelTrouble, Noted, SessionReplaced
from callbridge.call.limits import Limits
from callbridge.server.config.clip import load_clip
from callbridge.simulators.phone import Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import (
    Answer,
    Call,
    ConnectFault,
    Failure,
    Fault,
    Script,
    SessionSettings,
    server,
)
from callbridge.simulators.voice_model import Say as Speech
from callbridge.simulators.voice_model.faults import FaultKind
from e2e.stack import (
    API_KEY,
    APOLOGY,
    CONNECTED_AND_ENDED,
    CONNECTED_AND_SORRY,
    FinishedCall,
    Log,
    stack,
    together,
)
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.simulators.phone import Step

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

LIMITS = Limits(
    dial_timeout_s=0.6, configure_timeout_s=0.6, answer_timeout_s=0.6, retry_delay_s=0.1, tool_timeout_s=0.3
)
"""As short as a test can bear; what happens at each bound is the same."""

RNG = random.Random(21)


def speech(duration_ms: int) -> Speech:
    return Speech(text="Words of the agent.", audio=noise(RNG, duration_ms))


GREETING = Answer(say=(speech(600),))
GOODBYE = Answer(say=(speech(300),), calls=(Call(name="end_call"),))
POLITE: list[Step] = [WaitForAgent(quiet_ms=250), Say(noise(RNG, 250)), WaitForEnd()]
"""Hears the greeting, says something, and lets the agent end the call."""

LISTENING: list[Step] = [WaitForEnd()]
"""Says nothing: a word at the wrong moment would interrupt an answer before its fault."""


def script(*answers: Answer, **fields: Any) -> Script:
    return Script(answers=answers, default=GOODBYE, after_ms=20, **fields)


# --- A model that cannot be had ----------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A fault, and what is to become of the call."""

    name: str
    script: Script
    reason: EndReason
    detail: str = ""
    """Part of the record's own words."""
    warnings: tuple[str, ...] = ()
    """What the log warns about, besides the end."""
    errors_answered: tuple[str, ...] = ()
    """Codes of the errors with which the simulator answered commands."""
    environment: dict[str, str] = field(default_factory=dict)
    tries: int = 1
    """How often the model was dialled, with or without success."""
    refuse_by: Literal["http", "socket"] = "socket"
    keys: tuple[str, ...] = (API_KEY,)
    session: SessionSettings | None = None
    agent: Agent = field(default_factory=Agent)


NO_OTHER = {"CALLBRIDGE_REALTIME_SECOND_MODEL": "off"}
UNKNOWN_MODEL = {"CALLBRIDGE_REALTIME_MODEL": "gpt-realtime-of-2031"}
BOTH_UNKNOWN = UNKNOWN_MODEL | {"CALLBRIDGE_REALTIME_SECOND_MODEL": "gpt-realtime-of-2032"}
WRONG_KEY: dict[str, Any] = {"keys": ("sk-another-key",)}
BY_A_GATEWAY: dict[str, Any] = {"refuse_by": "http"}


def rejected(name: str, faulty: Script, detail: str, tries: int = 1, **fields: Any) -> Case:
    return Case(name, faulty, EndReason.MODEL_UNAVAILABLE, detail, tries=tries, **fields)


def refused(status: Any, detail: str, tries: int) -> Case:
    faulty = script(connect=(ConnectFault(kind="refuse", status=status),))
    return rejected(f"refuse {status}", faulty, f"HTTP {status}: {detail}", tries, environment=NO_OTHER)


def at_setup(kind: FaultKind, detail: str, **fields: Any) -> Case:
    return rejected(kind, script(faults=(Fault(kind=kind, on="session.update", **fields),)), detail, 2)


def on_the_socket(code: int, error_code: str, message: str = "", **fields: Any) -> ConnectFault:
    """A refusal as the live API makes it: a socket that opens, an error, a close."""
    reason = f"invalid_request_error.{error_code}".rstrip(".")
    return ConnectFault(
        kind="reject", code=code, reason=reason, error_code=error_code, message=message or "No.", **fields
    )


def at_connecting(detail: str, **fields: Any) -> Case:
    fault = ConnectFault(**fields)
    return rejected(fault.kind, script(connect=(fault,)), detail, 2)


UNAVAILABLE = [
    refused(401, "Incorrect API key provided.", 1),
    refused(503, "That model is currently overloaded", 2),
    rejected("wrong key", script(), "invalid_api_key", **WRONG_KEY),
    rejected("wrong key at a gateway", script(), "HTTP 401", **BY_A_GATEWAY, **WRONG_KEY),
    rejected(
        "no key",
        script(connect=(on_the_socket(3000, "", "No key."),)),
        "No key. (model leg closed with 3000",
        warnings=("model_error",),
    ),
    rejected("both models are unknown", script(), "HTTP 404", 2, environment=BOTH_UNKNOWN, **BY_A_GATEWAY),
    at_connecting("did not confirm the session in time", kind="silent"),
    at_connecting("closed with 1013 try again later", kind="close", code=1013, reason="try again later"),
    at_setup("ignore", "did not confirm the session in time"),
    at_setup("close", "closed with 1011", code=1011),
    rejected(
        "rejects the voice",
        script(),
        "Invalid value",
        errors_answered=("invalid_value",),
        environment={"CALLBRIDGE_REALTIME_VOICE": "nobody"},
    ),
]


async def test_a_model_that_cannot_be_had_ends_in_an_apology(log: Log) -> None:
    """Refused, silent, closed or rejected while connecting: tried again where that can help, then sorry."""
    for case, call in await outcomes(UNAVAILABLE):
        assert_ended_as(case, call, log)
        assert call.of(AgentReady) == []
        # A second try may take longer than a caller should hear nothing.
        assert {payload.audio for payload in call.stream.playback.payloads} <= {load_clip(None)}
        assert call.ended.duration_ms < 3000


# --- A model that is lost ----------------------------------------------------------------------------


SESSIONS = 1 + LIMITS.reconnects_max
"""A session that is lost is replaced, so often and no more."""


def lost(
    name: str, faulty: Script, detail: str, *warnings: str, tries: int = SESSIONS, **fields: Any
) -> Case:
    return Case(name, faulty, EndReason.MODEL_LOST, detail, warnings * tries, tries=tries, **fields)


def within(kind: FaultKind, at: Any, detail: str, *warnings: str, **fields: Any) -> Case:
    """A fault inside the first words of each session."""
    fault = Fault(kind=kind, at=at, **fields)
    return lost(f"{kind} at {at}", script(Answer(say=(speech(900),), faults=(fault,))), detail, *warnings)


def failing(times: int, code: str) -> tuple[Answer, ...]:
    error = Failure(code=code, message="It did not work.")
    return (Answer(status="failed", error=error),) * times


SILENT = "fell silent while an answer was due"
REVOKED = Fault(kind="error", after_ms=1500, error_code="invalid_api_key", message="Revoked.")
FELL_SHORT = "response_fell_short"
LOST = [
    within("close", "start", "closed with 1000", code=1000),
    within("close", 300, "1011 oops", code=1011, reason="oops"),
    within("abort", 300, "closed with 1006"),
    within("stall", 300, SILENT),
    within("deaf", 300, SILENT),
    within("binary", 300, "model leg sent a binary frame", "bad_message"),
    within("oversized", 300, "closed with 1009"),
    lost(
        "session expires",
        script(Answer(say=(speech(4000),), pace=1.1)),
        "session_expired",
        "model_error",
        session=SessionSettings(max_duration_s=0.8),
    ),
    lost("fails", script(*failing(9, "server_error")), "3 responses failed: server_error", *[FELL_SHORT] * 3),
    lost(
        "no quota left", script(*failing(9, "insufficient_quota")), "insufficient_quota", FELL_SHORT, tries=1
    ),
    lost("key withdrawn", script(GREETING, faults=(REVOKED,)), "invalid_api_key", "model_error", tries=1),
]


async def test_a_model_that_is_lost_ends_in_an_apology(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed, cut, stalled, garbled or failing each time: one reason, 1011 for the phone, the apology."""
    monkeypatch.setattr(server, "CLOSE_TIMEOUT_S", 0.1)  # The simulator's own, when it does not read.
    for case, call in await outcomes(LOST, LISTENING):
        assert_ended_as(case, call, log)
        troubles = call.of(ModelTrouble)
        assert [trouble.doing for trouble in troubles] == ["call"] * case.tries, case.name
        assert len(call.of(SessionReplaced)) == case.tries - 1, case.name


# --- Faults that a call survives ----------------------------------------------------------------------


def survived(name: str, said: Script, *warnings: str, **fields: Any) -> Case:
    return Case(name, said, EndReason.AGENT_HANGUP, "", warnings, **fields)


def inside(kind: FaultKind, **fields: Any) -> Script:
    return script(Answer(say=(speech(600),), faults=(Fault(kind=kind, at=200, **fields),)))


REFUSED_ONCE = ConnectFault(kind="refuse", status=503, last=1)
NOT_FOUND_ONCE = ConnectFault(kind="reject", code=4004, last=1)
UNSURE = Agent(
    flow=Flow(
        FlowStep("start", "Ask.", go=[confidence("intent", below=0.5, source="transcript", to="end")]),
        FlowStep("end", "Say goodbye.", ends=True),
    )
)
"""Its session asks how sure the transcription is."""

SURVIVED = [
    survived("refused once", script(GREETING, connect=(REFUSED_ONCE,)), tries=2),
    survived("the model is gone", script(GREETING, connect=(NOT_FOUND_ONCE,)), tries=2),
    survived("unknown to a gateway", script(GREETING), environment=UNKNOWN_MODEL, tries=2, **BY_A_GATEWAY),
    survived(
        "refuses transcription",
        script(GREETING),
        "transcription_refused",
        session=SessionSettings(keep_audio=True, transcription_models=()),
        errors_answered=("invalid_value",),
    ),
    survived(
        "refuses logprobs",
        script(GREETING),
        "logprobs_refused",
        session=SessionSettings(keep_audio=True, takes_include=False),
        errors_answered=("unknown_parameter",),
        agent=UNSURE,
    ),
    survived("garbage", inside("garbage"), "bad_message"),
    survived("some error", inside("error"), "model_error"),
    survived("fails twice", script(*failing(2, "server_error"), GREETING), *[FELL_SHORT] * 2),
    survived(
        "incomplete",
        script(Answer(say=(speech(900),), status="incomplete", stop_after_ms=300), GREETING),
        FELL_SHORT,
    ),
    survived("a stall that passes", inside("stall", seconds=0.35)),
    survived(
        "caller is not understood",
        script(GREETING, Answer(say=GOODBYE.say, calls=GOODBYE.calls, transcript_error=Failure())),
    ),
    survived(
        "words come before their item",
        script(GREETING, Answer(say=GOODBYE.say, calls=GOODBYE.calls, caller="a b c")),
        environment={"CALLBRIDGE_TRANSCRIPTION_MODEL": "gpt-realtime-whisper"},
    ),
]


async def test_a_fault_that_passes_does_not_end_the_call(log: Log) -> None:
    """Noted where it matters; the caller is greeted, heard, and told goodbye, all in one session."""
    for case, call in await outcomes(SURVIVED):
        assert_ended_as(case, call, log)
        assert call.report.is_clean, (case.name, call.report)
        items = call.heard(call.stack.model.sessions[-1])
        assert [item.heard_ms for item in items] == [item.sent_ms for item in items], case.name
        has_transcription = case.name != "refuses transcription"
        (ready,) = call.of(AgentReady)
        assert ready.has_transcription is has_transcription


NOT_SERVED = [
    survived(name, script(GREETING, connect=(fault,)), tries=2)
    for name, fault in {
        "an error": on_the_socket(4000, "invalid_model", last=1),
        "another error": on_the_socket(4004, "model_not_found", last=1),
        "a close": ConnectFault(kind="close", code=4000, reason="x.invalid_model", last=1),
        "another close": ConnectFault(kind="close", code=4004, last=1),
        "a gateway": ConnectFault(kind="refuse", status=404, last=1),
    }.items()
]


async def test_a_model_that_is_not_served_is_replaced_by_the_second(log: Log) -> None:
    """However that is said: on the socket, as the live API does, or before it."""
    for case, call in await outcomes(NOT_SERVED):
        assert_ended_as(case, call, log)
        (ready,) = call.of(AgentReady)
        assert (case.name, ready.model) == (case.name, call.stack.settings.second_model)
        assert call.of(ModelTrouble)[0].is_fatal


# --- What all cases have in common --------------------------------------------------------------------


async def outcomes(cases: list[Case], steps: Sequence[Step] = POLITE) -> list[tuple[Case, FinishedCall]]:
    """Plays all cases at once, each with a service and a model of its own."""

    async def play(case: Case) -> FinishedCall:
        async with stack(
            case.script,
            agent=case.agent,
            limits=LIMITS,
            session=case.session,
            refuse_by=case.refuse_by,
            keys=case.keys,
            environment=case.environment,
        ) as running:
            return await running.call(list(steps))

    calls = await together(*(play(case) for case in cases))
    return list(zip(cases, calls, strict=True))


def assert_ended_as(case: Case, call: FinishedCall, log: Log) -> None:
    """One reason, one close code, one line in the log, and what Twilio does next."""
    ended = call.ended
    assert (case.name, ended.reason) == (case.name, case.reason), ended
    assert case.detail in ended.detail, (case.name, ended.detail)
    is_good = ended.reason.is_normal
    assert (case.name, call.close_code) == (case.name, 1000 if is_good else 1011)
    assert call.verbs == (CONNECTED_AND_ENDED if is_good else CONNECTED_AND_SORRY), case.name
    if not is_good:
        assert call.report.verbs[1].detail == APOLOGY
    (line,) = log.events("stream_ended", call.sid)
    assert (line["reason"], line["detail"]) == (ended.reason.value, ended.detail)
    warned = tuple(note.event for note in call.of(Noted) if note.is_warning)
    assert (case.name, warned) == (case.name, case.warnings)
    answered = [refusal.code for journal in call.stack.model.sessions for refusal in journal.refusals]
    assert (case.name, tuple(answered)) == (case.name, case.errors_answered)
    model = call.stack.model
    # Who is refused on the socket has a session first, if a short one.
    refused = [one for one in model.refused if case.refuse_by == "http" or one.close_code is None]
    assert (case.name, len(model.sessions) + len(refused)) == (case.name, case.tries)
    assert call.ended.frames_dropped == 0
