"""What many calls say together. Pure.

A percentile is told where there are enough values behind it: of fewer than 20 nobody knows the 95th, of
fewer than 100 the 99th. What was not measured is null, and never 0.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.simulators.phone.silence import AGENT, CALLER, PAUSE_MAX_S
from callbridge.simulators.truth import AudioChangedError, heard_items

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.simulators.phone import CallReport, PhoneStream
    from callbridge.simulators.phone.silence import Sound
    from callbridge.simulators.voice_model import Journal

FOR_P95: Final = 20
FOR_P99: Final = 100

LATE_MS_MAX: Final = 20.0
"""Where the tool's own frames are later than that (99th percentile), its callers were no telephones."""

DEAD_AIR_MS: Final = 1500


class Spread(msgspec.Struct, frozen=True):
    """Of one measure, in milliseconds."""

    count: int
    p50: float
    p95: float | None
    p99: float | None
    max: float


def spread_of(values: Iterable[float]) -> Spread | None:
    """By nearest rank: each is a value that was measured. None where none was."""
    ordered = sorted(values)
    if not ordered:
        return None
    count = len(ordered)

    def at(percent: int) -> float:
        return round(ordered[math.ceil(count * percent / 100) - 1], 1)

    return Spread(
        count,
        at(50),
        at(95) if count >= FOR_P95 else None,
        at(99) if count >= FOR_P99 else None,
        round(ordered[-1], 1),
    )


class CodeReport(msgspec.Struct, frozen=True):
    """A code that Twilio would have logged."""

    code: int
    meaning: str
    calls: int
    count: int
    example: str


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all calls."""

    calls: int
    ramp_s: float
    lasted_s: float
    at_once_max: int
    """The most calls that were live at a moment."""
    answered: int
    """A media stream stood."""
    heard: int
    """The agent was heard."""
    declined: int
    """Answered with something else than a stream: an apology, a human, busy."""
    failed: int
    """No answer, or a stream that could not be opened."""
    webhook_ms: Spread | None
    greeting_ms: Spread | None
    """From the dialling to the first sound of the agent."""
    response_ms: Spread | None
    """From the end of the caller's words to the agent's next sound."""
    barge_in_ms: Spread | None
    """From the caller's first sound to the agent's silence, where the agent was interrupted."""
    talked_on: int
    """Interruptions after which the agent talked to the end of the stream."""
    truncation_error_ms: Spread | None
    """How far what the model was told of an interruption lies from what the caller heard of it, either way.
    Null where the model is not this tool's own."""
    dead_air: int
    """Silences of more than 1.5 s that were not the caller's turn."""
    longest_silence_ms: int
    warnings: list[CodeReport]
    findings: dict[str, int]
    """What callers have to complain about, with the number of calls."""
    ended_by: dict[str, int]
    own_late_ms: Spread | None
    """How late this tool's own frames were; 0 is a telephone."""
    own_cpu_s: float
    """What this process took of a core, simulated model included where it serves one."""

    @property
    def own_cores(self) -> float:
        """The same by the second."""
        return self.own_cpu_s / self.lasted_s if self.lasted_s else 0.0

    @property
    def is_own_pace_kept(self) -> bool:
        """Whether the callers were as regular as telephones are."""
        late = self.own_late_ms
        worst = None if late is None else late.max if late.p99 is None else late.p99
        return worst is None or worst <= LATE_MS_MAX

    @property
    def is_good(self) -> bool:
        """Whether all calls were answered and heard without a complaint, by callers who kept their pace."""
        return self.heard == self.calls and not self.warnings and not self.findings and self.is_own_pace_kept


@dataclass(slots=True)
class Sums:
    """Call after call is taken in; nothing of a call is kept but its figures."""

    calls: int = 0
    answered: int = 0
    heard: int = 0
    declined: int = 0
    talked_on: int = 0
    dead_air: int = 0
    longest_silence_ms: int = 0
    webhook_ms: list[float] = field(default_factory=list)
    greeting_ms: list[float] = field(default_factory=list)
    response_ms: list[float] = field(default_factory=list)
    barge_in_ms: list[float] = field(default_factory=list)
    truncation_error_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    codes: dict[int, CodeReport] = field(default_factory=dict)
    findings: Counter[str] = field(default_factory=Counter)
    ended_by: Counter[str] = field(default_factory=Counter)

    def take(self, report: CallReport, streams: Sequence[PhoneStream]) -> None:
        """A call that is over."""
        self.calls += 1
        stood = [stream for stream in streams if stream.opened_at is not None]
        self.answered += bool(stood)
        self.heard += report.was_agent_heard
        self.declined += not streams and report.webhook_answer_ms is not None and bool(report.verbs)
        self.dead_air += len(report.dead_air(DEAD_AIR_MS))
        self.longest_silence_ms = max(self.longest_silence_ms, report.longest_silence_ms)
        self.webhook_ms += [] if report.webhook_answer_ms is None else [report.webhook_answer_ms]
        self.greeting_ms += [] if report.greeting is None else [report.greeting.from_ms]
        for stream in stood:
            self.response_ms += responses_ms(stream.sounds.all)
            self.late_ms += lateness_ms(stream)
        self._take_interruptions(report)
        self._take_complaints(report)

    def _take_interruptions(self, report: CallReport) -> None:
        for interruption in (each for stream in report.streams for each in stream.interruptions):
            if interruption.stop_ms is None:
                self.talked_on += 1
            else:
                self.barge_in_ms.append(interruption.stop_ms)

    def _take_complaints(self, report: CallReport) -> None:
        for warning in report.warnings:
            known = self.codes.get(warning.code)
            calls, count = (known.calls, known.count) if known else (0, 0)
            self.codes[warning.code] = CodeReport(
                warning.code, warning.meaning, calls + 1, count + warning.count, warning.detail
            )
        self.findings.update(set(report.findings))
        self.ended_by.update([report.streams[-1].ended_by] if report.streams else [report.status])

    def take_truncations(self, streams: Sequence[PhoneStream], journal: Journal) -> None:
        """What the model was told of a call whose session this was, against what was heard in it."""
        if len(streams) != 1 or (end := streams[0].end) is None:
            return  # A second stream or session has a part of it, and no number.
        try:
            items = heard_items(streams[0].playback, journal.items.values(), end.at)
        except AudioChangedError as error:
            self.findings[f"audio was changed on its way: {error}"] += 1
            return
        self.truncation_error_ms += [
            abs(item.truncated_at_ms - item.heard_ms) for item in items if item.truncated_at_ms is not None
        ]

    def report(self, *, ramp_s: float, lasted_s: float, at_once_max: int, cpu_s: float) -> LoadReport:
        """What they say together."""
        return LoadReport(
            calls=self.calls,
            ramp_s=ramp_s,
            lasted_s=round(lasted_s, 2),
            at_once_max=at_once_max,
            answered=self.answered,
            heard=self.heard,
            declined=self.declined,
            failed=self.calls - self.answered - self.declined,
            webhook_ms=spread_of(self.webhook_ms),
            greeting_ms=spread_of(self.greeting_ms),
            response_ms=spread_of(self.response_ms),
            barge_in_ms=spread_of(self.barge_in_ms),
            talked_on=self.talked_on,
            truncation_error_ms=spread_of(self.truncation_error_ms),
            dead_air=self.dead_air,
            longest_silence_ms=self.longest_silence_ms,
            warnings=sorted(self.codes.values(), key=lambda code: -code.calls),
            findings=dict(self.findings.most_common()),
            ended_by=dict(self.ended_by.most_common()),
            own_late_ms=spread_of(self.late_ms),
            own_cpu_s=round(cpu_s, 2),
        )


def responses_ms(sounds: Iterable[Sound]) -> list[float]:
    """From the end of each utterance of the caller to the agent's next sound, if it came before their next.

    What the agent was saying into their words is no answer to them.
    """
    known = list(sounds)
    agent = sorted(sound.start for sound in known if sound.source == AGENT)
    spoken = _utterances([sound for sound in known if sound.source == CALLER])
    found = []
    for (_, ended_at), (next_at, _) in itertools.pairwise([*spoken, (float("inf"), float("inf"))]):
        place = bisect_left(agent, ended_at)
        if place < len(agent) and agent[place] < next_at:
            found.append((agent[place] - ended_at) * 1000)
    return found


def _utterances(sounds: Sequence[Sound]) -> list[tuple[float, float]]:
    """From when to when the caller spoke; the gaps between words belong to it."""
    joined: list[tuple[float, float]] = []
    for sound in sorted(sounds, key=lambda sound: sound.start):
        if joined and sound.start - joined[-1][1] < PAUSE_MAX_S:
            joined[-1] = joined[-1][0], max(joined[-1][1], sound.end)
        else:
            joined.append((sound.start, sound.end))
    return joined


def lateness_ms(stream: PhoneStream) -> list[float]:
    """How late each frame of a stream left the phone, against the clock that a telephone keeps."""
    opened_at, first_ms = stream.opened_at, stream.settings.first_timestamp_ms
    if opened_at is None:
        return []
    return [
        max(0.0, (sent_at - opened_at) * 1000 - (first_ms + 20 * number))
        for number, sent_at in enumerate(stream.frames_sent_at)
    ]
