"""What came of a call, as plain values for JSON: what was heard and when, and what Twilio minded.

Pure. Unless a name says otherwise, milliseconds count from the placing of the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from callbridge.simulators.phone.carrier_codes import CARRIER_CODES, Complaint, Level
from callbridge.simulators.phone.keys_heard import keys_heard
from callbridge.simulators.phone.silence import CALLER, SILENCE_LEAST_S, is_callers_turn
from callbridge.simulators.phone.voice_activity import is_audible
from callbridge.wire.audio import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.simulators.phone.playback import Payload
    from callbridge.simulators.phone.program import ExecutedVerb
    from callbridge.simulators.phone.silence import Silence, Sound
    from callbridge.simulators.phone.stream import Interruption, PhoneStream


class ClearReport(msgspec.Struct, frozen=True):
    """A `clear` that the bridge sent."""

    at_ms: int
    discarded_ms: int


class InterruptionReport(msgspec.Struct, frozen=True):
    """The caller began to speak while the agent was heard."""

    caller_started_ms: int
    agent_silent_ms: int | None
    """None when the agent was still talking at the end of the stream."""
    stop_ms: int | None
    """How long the agent went on."""
    was_cleared: bool


class CarrierWarning(msgspec.Struct, frozen=True):
    """A code that Twilio would have logged; once per stream there, counted here."""

    code: int
    level: str
    count: int
    meaning: str
    remedy: str
    detail: str
    """Of the first occurrence."""
    first_at_ms: int


class VerbReport(msgspec.Struct, frozen=True):
    """A TwiML verb that was carried out."""

    verb: str
    detail: str


class SilenceReport(msgspec.Struct, frozen=True):
    """A stretch in which the caller heard nothing and said nothing."""

    from_ms: int
    to_ms: int
    after: str
    """The last sound before it, as `HeardReport.what`, or `caller`; `answer` when none was."""
    before: str
    """The sound that ended it; `end` when there was none, `hang-up` when the caller ended the call."""
    is_callers_turn: bool
    """The agent had spoken and was waiting for the caller: nobody's fault."""


class HeardReport(msgspec.Struct, frozen=True):
    """A stretch in which the caller heard something, short pauses between words included."""

    from_ms: int
    to_ms: int
    what: str
    """`agent`, `clip`, a verb as `<Say>`, or the address of a person with whom they talk. `<Dial>` is
    ringing, `<Conference>` whatever is heard there before the talk."""


class GreetingReport(msgspec.Struct, frozen=True):
    """The agent's first words: up to its first pause of 1.5 s, a clear, or an answer to the caller."""

    from_ms: int
    """When the caller began to hear it."""
    sent_ms: int
    """What the bridge sent of it."""
    heard_ms: int
    """What the caller heard of it."""


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """One media stream."""

    stream_sid: str
    opened_ms: int | None
    """None when the socket could not be opened."""
    duration_ms: int
    frames_sent: int
    media_received: int
    """Messages."""
    media_received_ms: int
    heard_ms: int
    cleared_ms: int
    unheard_at_end_ms: int
    """Still waiting to be played when the stream ended: the caller never heard it."""
    first_audio_from_call_ms: int | None
    """When the caller first heard the agent."""
    first_audio_from_start_ms: int | None
    """The same, from `start`."""
    clears: list[ClearReport]
    marks_received: int
    marks_echoed: int
    interruptions: list[InterruptionReport]
    longest_silence_ms: int
    """Longest time in which neither side was heard, in this stream; the call's own crosses its ends."""
    keys: str
    keys_heard: str
    """What the caller's telephone takes for keys in the agent's audio."""
    ended_by: str
    """`caller`, `carrier`, `bridge`, `network`, or `nobody` when it never opened."""
    close_code: int | None
    close_reason: str


class CallReport(msgspec.Struct, frozen=True, kw_only=True):
    """One call, from dialling to the end."""

    call_sid: str
    status: str
    """Twilio's call status at the end."""
    duration_ms: int
    webhook_answer_ms: float | None
    """How long the first webhook took; None when it gave no answer."""
    verbs: list[VerbReport]
    streams: list[StreamReport]
    warnings: list[CarrierWarning]
    """Errors and warnings, the most important thing to read."""
    notices: list[CarrierWarning]
    """What Twilio logs although nothing is wrong, as 31921 after a clean close."""
    findings: list[str]
    """What the caller has to complain about, in plain words."""
    longest_silence_ms: int
    """Longest time, from the answer to the end of the call, in which the caller heard and said nothing.
    Streams, the gaps between them and verbs are one line of time; Say, Play, Dial and Record are heard."""
    longest_dead_air_ms: int
    """The same, without the caller's own turns."""
    longest_wait_ms: int
    """Longest time in which the caller heard nobody: silence, ringing, music and clips together. Neither the
    agent's words nor a person's are a wait, nor is the caller's own turn."""
    silences: list[SilenceReport]
    """Every such time of at least 1.5 s."""
    heard: list[HeardReport]
    """Everything that the caller heard, in its order."""
    greeting: GreetingReport | None
    """None when the agent was never heard."""
    resumed_after_ms: list[int | None]
    """For each stream after the first: from the end of the one before it to the first sound that the caller
    heard then, of the agent or of a verb. None when nothing was heard any more."""
    recording: str | None

    @property
    def is_clean(self) -> bool:
        """Whether neither Twilio nor the caller has anything to complain about."""
        return not self.warnings and not self.findings

    @property
    def was_agent_heard(self) -> bool:
        """Whether the caller got what they called for, however little of it."""
        return self.greeting is not None

    def dead_air(self, longer_than_ms: int = 1500) -> list[SilenceReport]:
        """The silences that were not the caller's own turn and lasted longer; none is shorter than 1.5 s."""
        return [
            silence
            for silence in self.silences
            if not silence.is_callers_turn and silence.to_ms - silence.from_ms > longer_than_ms
        ]

    def heard_at(self, at_ms: int) -> set[str]:
        """What the caller heard at that moment; empty for nothing."""
        return {sound.what for sound in self.heard if sound.from_ms <= at_ms < sound.to_ms}

    def to_json(self) -> bytes:
        """The report as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def stream_report(stream: PhoneStream, placed_at: float) -> StreamReport:
    """The report of one stream, whose journal is complete."""
    opened_at, end, playback = stream.opened_at, stream.end, stream.playback
    ended_at = end.at if end else placed_at
    first = next((item.plays_from for item in playback.payloads if item.heard_bytes(ended_at)), None)
    return StreamReport(
        stream_sid=stream.identity.stream_sid,
        opened_ms=None if opened_at is None else _ms(opened_at - placed_at),
        duration_ms=0 if opened_at is None else _ms(ended_at - opened_at),
        frames_sent=len(stream.frames_sent_at),
        media_received=len(playback.payloads),
        media_received_ms=milliseconds(playback.received_bytes),
        heard_ms=milliseconds(playback.heard_bytes(ended_at)),
        cleared_ms=milliseconds(sum(clear.discarded_bytes for clear in playback.clears)),
        unheard_at_end_ms=milliseconds(end.unheard_bytes) if end else 0,
        first_audio_from_call_ms=None if first is None else _ms(first - placed_at),
        first_audio_from_start_ms=(None if first is None or opened_at is None else _ms(first - opened_at)),
        clears=[
            ClearReport(_ms(clear.at - placed_at), milliseconds(clear.discarded_bytes))
            for clear in playback.clears
        ],
        marks_received=len(playback.marks),
        marks_echoed=sum(mark.echoed_at is not None for mark in playback.marks),
        interruptions=[_interruption(item, placed_at) for item in stream.interruptions],
        longest_silence_ms=_ms(stream.longest_silence_s),
        keys="".join(key for _, key in stream.keys),
        keys_heard=keys_heard(playback, ended_at),
        ended_by=end.by_whom if end else "nobody",
        close_code=end.code if end else None,
        close_reason=end.reason if end else "",
    )


def carrier_warnings(complaints: Iterable[Complaint], placed_at: float) -> list[CarrierWarning]:
    """Complaints gathered by code and level, in the order of their first occurrence."""
    gathered: dict[tuple[int, Level], list[Complaint]] = {}
    for complaint in complaints:
        level = complaint.level or CARRIER_CODES[complaint.code].level
        gathered.setdefault((complaint.code, level), []).append(complaint)
    return [
        CarrierWarning(
            code=code,
            level=level.value,
            count=len(occurrences),
            meaning=CARRIER_CODES[code].meaning,
            remedy=CARRIER_CODES[code].remedy,
            detail=occurrences[0].detail,
            first_at_ms=_ms(occurrences[0].at - placed_at),
        )
        for (code, level), occurrences in gathered.items()
    ]


def silence_reports(
    quiet: Iterable[Silence], turns: Sequence[Sound], placed_at: float
) -> list[SilenceReport]:
    """The silences that are long enough to be listed; `turns` as for `is_callers_turn`."""
    return [
        SilenceReport(
            _ms(silence.start - placed_at),
            _ms(silence.end - placed_at),
            silence.after,
            silence.before,
            is_callers_turn(silence, turns),
        )
        for silence in quiet
        if silence.duration_s >= SILENCE_LEAST_S
    ]


def heard_reports(sounds: Iterable[Sound], placed_at: float) -> list[HeardReport]:
    """What was heard (`silence.heard`), in milliseconds."""
    return [
        HeardReport(_ms(sound.start - placed_at), _ms(sound.end - placed_at), sound.source)
        for sound in sounds
    ]


def greeting_report(stream: PhoneStream, placed_at: float) -> GreetingReport | None:
    """The greeting of a stream, whose journal is complete; None when the agent was never heard in it."""
    ended_at = stream.end.at if stream.end else placed_at
    payloads = _greeting(stream)
    if not payloads or not payloads[0].heard_bytes(ended_at):
        return None
    return GreetingReport(
        from_ms=_ms(payloads[0].plays_from - placed_at),
        sent_ms=milliseconds(sum(len(payload.audio) for payload in payloads)),
        heard_ms=milliseconds(sum(payload.heard_bytes(ended_at) for payload in payloads)),
    )


def _greeting(stream: PhoneStream) -> list[Payload]:
    said = [payload for payload in stream.playback.payloads if not payload.is_clip]
    first = next((number for number, payload in enumerate(said) if is_audible(payload.audio)), None)
    if first is None:
        return []
    cleared_at = next(
        (clear.at for clear in stream.playback.clears if clear.at > said[first].received_at), float("inf")
    )
    answered_at = min(
        (
            sound.end
            for sound in stream.sounds.all
            if sound.source == CALLER and sound.end > said[first].plays_from
        ),
        default=float("inf"),
    )
    greeting = [said[first]]
    for payload in said[first + 1 :]:
        has_paused = payload.plays_from - greeting[-1].ends_at >= SILENCE_LEAST_S
        if has_paused or payload.received_at >= min(cleared_at, answered_at):
            break
        greeting.append(payload)
    return greeting


def longest_silence_ms(quiet: Iterable[Silence]) -> int:
    """The longest silence; 0 when there is none."""
    return _ms(max((silence.duration_s for silence in quiet), default=0.0))


def resumed_ms(resumed_s: Iterable[float | None]) -> list[int | None]:
    """Seconds as whole milliseconds."""
    return [None if seconds is None else _ms(seconds) for seconds in resumed_s]


def verb_reports(executed: Sequence[ExecutedVerb]) -> list[VerbReport]:
    """The verbs in the order of their execution."""
    return [VerbReport(item.verb, item.detail) for item in executed]


def _interruption(interruption: Interruption, placed_at: float) -> InterruptionReport:
    started, silent = interruption.caller_started_at, interruption.agent_silent_at
    return InterruptionReport(
        caller_started_ms=_ms(started - placed_at),
        agent_silent_ms=None if silent is None else _ms(silent - placed_at),
        stop_ms=None if silent is None else _ms(silent - started),
        was_cleared=interruption.was_cleared,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
