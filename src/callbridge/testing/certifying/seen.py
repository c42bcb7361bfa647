"""What both simulators saw of a bridge: its calls, and what was learnt in the first of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from callbridge.simulators.phone.silence import AGENT, CALLER, CLIP, PAUSE_MAX_S
from callbridge.testing.certifying.verdicts import not_applicable, not_seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.simulators.phone import CallReport, PhoneStream
    from callbridge.simulators.voice_model import Journal

PCMU = "audio/pcmu"

HANG_UP_TOOLS = frozenset(
    {"end_call", "hang_up", "hangup", "hang_up_call", "end_conversation", "finish_call", "disconnect_call"}
)
"""Names that tools which end a call commonly have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCall:
    """One call, from both sides. All times are of one clock, in seconds, unless a name says otherwise."""

    report: CallReport
    streams: Sequence[PhoneStream]
    sessions: Sequence[Journal]
    """Of the model, in the order in which they were opened."""
    answered_at: float | None = None
    delay_ms: float = 0.0
    """Of the telephone network, each way."""

    @property
    def stream(self) -> PhoneStream:
        """Its first stream, which was opened."""
        opened = next((stream for stream in self.streams if stream.opened_at is not None), None)
        if opened is None:
            raise not_seen(f"no media stream was opened{_codes(self.report)}")
        return opened

    @property
    def session(self) -> Journal:
        """Its first session with the model."""
        if not self.sessions:
            raise not_seen("the bridge opened no session with the model")
        return self.sessions[0]

    @property
    def opened_at(self) -> float:
        """When its first stream was opened."""
        opened_at = self.stream.opened_at
        assert opened_at is not None, "asked of an opened stream"
        return opened_at

    @property
    def ended_at(self) -> float:
        """When its first stream ended."""
        end = self.stream.end
        assert end is not None, "a call that is over has ended its streams"
        return end.at

    def heard_from(self, at: float) -> float | None:
        """When the caller first heard something of the bridge at or after this moment; None for never."""
        sounds = [sound for stream in self.streams for sound in stream.sounds.all if sound.source != CALLER]
        return min((max(sound.start, at) for sound in sounds if sound.end > at), default=None)

    def last_heard(self, before: float) -> float | None:
        """When the caller last heard something of the bridge before this moment."""
        sounds = [sound for stream in self.streams for sound in stream.sounds.all if sound.source != CALLER]
        return max((min(sound.end, before) for sound in sounds if sound.start < before), default=None)

    def quiet_from(self, at: float) -> float:
        """When what the caller heard at this moment was over, pauses between words left out; else `at`."""
        sounds = [sound for stream in self.streams for sound in stream.sounds.all if sound.source != CALLER]
        quiet_from = at
        for sound in sorted(sounds, key=lambda sound: sound.start):
            if sound.end > quiet_from and sound.start <= quiet_from + PAUSE_MAX_S:
                quiet_from = sound.end
        return quiet_from

    def first_word_at(self) -> float | None:
        """When the caller began to speak."""
        return min((sound.start for sound in self.stream.sounds.all if sound.source == CALLER), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a bridge claims to do, as the first call has shown it."""

    greets: bool = False
    """Whether the agent speaks first."""
    greeted_by: str = ""
    """What the caller heard before they spoke: `agent`, or a verb as `<Say>`."""
    tools: tuple[str, ...] = ()
    """Names of those that the session offers."""
    hang_up_tool: str | None = None
    has_webhook: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was seen."""

    features: Features = field(default_factory=Features)
    calls: Mapping[str, Sequence[SeenCall]] = field(default_factory=dict)
    """By the id of the probe; those of one probe were made at once."""
    not_for: Mapping[str, str] = field(default_factory=dict)
    """Probes that are not about this bridge, and why."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Probes that could not be made, and why."""

    def of(self, probe: str) -> Sequence[SeenCall]:
        """The calls of a probe; undecided where there are none."""
        if probe in self.not_for:
            raise not_applicable(self.not_for[probe])
        if probe not in self.calls:
            raise not_seen(self.failed.get(probe, f"the call {probe!r} was not made"))
        return self.calls[probe]

    def one(self, probe: str) -> SeenCall:
        """The call of a probe that is only one."""
        return self.of(probe)[0]

    def healthy(self) -> list[tuple[str, SeenCall]]:
        """The calls in which nothing was made to go wrong, of those that were made."""
        return [(probe, call) for probe in HEALTHY for call in self.calls.get(probe, ())]


HEALTHY = ("plain", "interrupted", "two-at-once")
"""Calls in which neither simulator does anything wrong."""


def learnt(call: SeenCall, *, has_webhook: bool, hang_up_tool: str | None = None) -> Features:
    """What the first call shows of a bridge."""
    spoke_at = call.first_word_at()
    session = call.session
    heard_at = call.heard_from(call.opened_at)
    greets = heard_at is not None and (spoke_at is None or heard_at < spoke_at)
    by_verb = next((sound.what for sound in call.report.heard if sound.what not in {AGENT, CLIP}), "")
    tools = tuple(tool["name"] for tool in _tools(session) if tool.get("type") == "function")
    guessed = next((name for name in tools if name in HANG_UP_TOOLS), None)
    return Features(
        greets=greets,
        greeted_by=by_verb or (AGENT if greets else ""),
        tools=tools,
        hang_up_tool=hang_up_tool or guessed,
        has_webhook=has_webhook,
    )


def formats(session: Journal) -> tuple[str, str]:
    """The audio formats of a session, as it was configured last: in and out."""
    audio: dict[str, Any] = session.session.get("audio") or {}
    return _format(audio.get("input")), _format(audio.get("output"))


def _format(side: dict[str, Any] | None) -> str:
    written = (side or {}).get("format")
    return str(written.get("type", "")) if isinstance(written, dict) else str(written or "audio/pcm")


def _tools(session: Journal) -> Sequence[dict[str, Any]]:
    return session.session.get("tools") or ()


def _codes(report: CallReport) -> str:
    codes = ", ".join(f"{warning.code} {warning.meaning}" for warning in report.warnings)
    return f" (Twilio would log {codes})" if codes else ""
