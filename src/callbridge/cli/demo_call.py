"""One whole call on this machine: service, voice model and caller over real sockets, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from callbridge.call.facts import StreamEnded, ToolUsed, TurnEnded
from callbridge.cli.demo_agent import agent
from callbridge.cli.greeting_time import greeting_times_ms
from callbridge.server.config.settings import read_settings
from callbridge.server.http.app import create_app
from callbridge.server.process.listening.listening import tcp_listener, uvicorn_config
from callbridge.server.process.listening.serving import serving
from callbridge.simulators.phone import (
    CallerScript,
    CallSettings,
    Interrupt,
    Say,
    SimulatedCall,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.truth import AudioChangedError, heard_items
from callbridge.simulators.voice_model import SessionSettings, caller_speech, demo_script, serve_model

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from callbridge.call.facts import Fact
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.desk import Desk
    from callbridge.simulators.phone import CallReport, PhoneEvent
    from callbridge.simulators.phone.stream import PhoneStream
    from callbridge.simulators.truth import HeardItem
    from callbridge.simulators.voice_model import Journal, Note

INTERRUPT_AFTER_MS = 3_000
"""Far enough into the long answer that the cut is somewhere in the middle."""

TOOL_PAUSE_MS = 1_200
"""The caller waits through the agent's pause between "let me look" and the answer."""


CLIPS = ("caller_question_hours", "caller_question_cakes", "caller_interrupts", "caller_goodbye")
"""What the caller says."""

CALLER_SAYS = tuple(caller_speech(clip).text for clip in CLIPS)


class DemoError(Exception):
    """There was no call to report on."""


class Turn(msgspec.Struct, frozen=True):
    """One utterance and its answer, as the service recorded them."""

    caller: str | None
    agent: str
    response_ms: int | None
    """From the caller's end of speech to the first audio sent to the phone."""


class ToolRun(msgspec.Struct, frozen=True):
    """One tool that the model asked for."""

    name: str
    outcome: str
    duration_ms: int


class Interruption(msgspec.Struct, frozen=True):
    """One item that was cut."""

    truncated_at_ms: int
    """What the service told the model."""
    truly_heard_ms: float
    """What the simulated phone played of it."""
    stop_ms: int | None
    """From the caller's first sound to the agent's last."""


class DemoReport(msgspec.Struct, frozen=True):
    """What came of the demo call."""

    frames_from_caller: int
    frames_to_model: int
    audio_to_phone_ms: int
    audio_heard_ms: int
    first_audio_ms: int | None
    """From dialling to the first sound of the agent."""
    first_audio_with_predial_ms: int | None
    """The same in a short call whose ends take the time that they take in life (`greeting_time`)."""
    first_audio_without_predial_ms: int | None
    """The same with the model dialled only when the stream has come."""
    turns: list[Turn]
    tools: list[ToolRun]
    interruptions: list[Interruption]
    carrier_warnings: list[str]
    model_errors: list[str]
    problems: list[str]
    """Everything else that should not have been; empty in a good call."""
    recording: str

    @property
    def is_good(self) -> bool:
        """Whether no frame was lost, the interruption happened, and both simulators saw nothing wrong."""
        return not (self.carrier_warnings or self.model_errors or self.problems)


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who is told what happens while it happens."""

    on_fact: Callable[[Fact], None]
    on_phone_event: Callable[[PhoneEvent], None]
    on_model_note: Callable[[Journal, Note], None]
    on_service: Callable[[Desk], Awaitable[None]] | None = None
    """Is shown the service before it is called."""


async def demo_call(recording: Path, watchers: Watchers) -> DemoReport:
    """Places the call and compares what service, phone and model say of it.

    Raises:
        DemoError: the call never came to a conversation.
    """
    facts: list[Fact] = []
    greeting_ms = await greeting_times_ms(_settings)

    def observe(fact: Fact) -> None:
        facts.append(fact)
        watchers.on_fact(fact)

    with contextlib.closing(tcp_listener()) as listener:
        keeping_audio = SessionSettings(keep_audio=True)
        async with serve_model(
            demo_script(), settings=keeping_audio, on_event=watchers.on_model_note
        ) as model:
            settings = _settings(listener.getsockname()[1], model.url, True)
            app = create_app(settings, agent, observers=[observe])
            async with serving(uvicorn_config(app, settings), listener):
                if watchers.on_service is not None:
                    await watchers.on_service(app.state.desk)
                call = _simulated_call(settings, recording, watchers.on_phone_event)
                report = await call.run()
    if not model.sessions:
        raise DemoError("the call ended before the service reached the model; see its log: --verbose")
    return _compare(call.streams[0], model.sessions[0], report, facts, greeting_ms, str(recording))


def _settings(port: int, realtime_url: str, predial: bool) -> Settings:
    """A configuration of its own: made-up secrets, loopback addresses, nothing from the environment."""
    return read_settings(
        {
            "OPENAI_API_KEY": f"sk-{secrets.token_hex(24)}",
            "TWILIO_ACCOUNT_SID": f"AC{secrets.token_hex(16)}",
            "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
            "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
            "CALLBRIDGE_HOST": "127.0.0.1",
            "PORT": str(port),
            "CALLBRIDGE_REALTIME_URL": realtime_url,
            "CALLBRIDGE_PREDIAL": str(predial),
        }
    )


def _simulated_call(
    settings: Settings, recording: Path, on_event: Callable[[PhoneEvent], None]
) -> SimulatedCall:
    hours, cakes, interrupts, goodbye = (caller_speech(clip).audio for clip in CLIPS)
    caller = CallerScript(
        [
            WaitForAgent(),
            Say(hours),
            WaitForAgent(quiet_ms=TOOL_PAUSE_MS),
            Say(cakes),
            Interrupt(INTERRUPT_AFTER_MS, interrupts),
            WaitForAgent(),
            Say(goodbye),
            WaitForEnd(),
        ]
    )
    call = CallSettings(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token.get_secret_value(),
        status_callback_url=settings.call_status_url,
        save=recording,
    )
    return SimulatedCall(settings.voice_url, caller, call, on_event=on_event)


def _compare(
    stream: PhoneStream,
    model: Journal,
    report: CallReport,
    facts: list[Fact],
    greeting_ms: tuple[int | None, int | None],
    recording: str,
) -> DemoReport:
    ended = next(fact for fact in facts if isinstance(fact, StreamEnded))
    phone = report.streams[0]
    problems = [*report.findings, *_lost_audio(stream, model)]
    try:
        items = heard_items(stream.playback, model.items.values(), asyncio.get_running_loop().time())
    except AudioChangedError as error:
        items = []
        problems.append(f"agent audio was changed on its way: {error}")
    interruptions = _interruptions(items, [item.stop_ms for item in phone.interruptions])
    if not interruptions:
        problems.append("the caller did not interrupt the agent")
    return DemoReport(
        frames_from_caller=ended.frames_from_phone,
        frames_to_model=ended.frames_to_model,
        audio_to_phone_ms=phone.media_received_ms,
        audio_heard_ms=phone.heard_ms,
        first_audio_ms=phone.first_audio_from_call_ms,
        first_audio_with_predial_ms=greeting_ms[0],
        first_audio_without_predial_ms=greeting_ms[1],
        turns=[Turn(f.caller, f.agent, f.response_ms) for f in facts if isinstance(f, TurnEnded)],
        tools=[ToolRun(f.name, f.outcome.value, f.duration_ms) for f in facts if isinstance(f, ToolUsed)],
        interruptions=interruptions,
        carrier_warnings=[f"{w.code} {w.meaning}: {w.detail}" for w in report.warnings],
        model_errors=[f"{refusal.code}: {refusal.message}" for refusal in model.refusals],
        problems=problems,
        recording=recording,
    )


def _lost_audio(stream: PhoneStream, model: Journal) -> list[str]:
    """Whether what the model got is, byte for byte, what the caller said up to the end of the call."""
    said, got = bytes(stream.caller_audio), bytes(model.appended or b"")
    if not got or said[: len(got)] != got:
        return ["caller audio was lost or changed on its way to the model"]
    return []


def _interruptions(items: list[HeardItem], stops_ms: list[int | None]) -> list[Interruption]:
    cut = [item for item in items if item.truncated_at_ms is not None]
    stops = stops_ms + [None] * len(cut)
    return [
        Interruption(item.truncated_at_ms, round(item.heard_ms, 1), stop_ms)
        for item, stop_ms in zip(cut, stops, strict=False)
        if item.truncated_at_ms is not None
    ]
