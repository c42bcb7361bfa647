"""The report of a call, put together from the record of its leg.

Pure. All times are laid onto the line's clock: what a verb takes has passed there, also where nobody waited.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from callbridge.simulators.phone.carrier_codes import Level
from callbridge.simulators.phone.report import (
    CallReport,
    carrier_warnings,
    greeting_report,
    heard_reports,
    longest_silence_ms,
    resumed_ms,
    silence_reports,
    stream_report,
    verb_reports,
)
from callbridge.simulators.phone.silence import (
    CALLER,
    ENDED,
    HUNG_UP,
    Sound,
    heard,
    is_callers_turn,
    longest_wait_s,
    resumed_after,
    silences,
)
from callbridge.wire.audio import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.simulators.phone.call_settings import CallSettings
    from callbridge.simulators.phone.caller import Caller
    from callbridge.simulators.phone.execution import Execution
    from callbridge.simulators.phone.leg import Leg
    from callbridge.simulators.phone.report import GreetingReport
    from callbridge.simulators.phone.silence import Silence
    from callbridge.simulators.phone.stream import PhoneStream


class CallRecord:
    """What is known of a call that is over.

    Args:
        leg: the call.
        caller: who called.
        execution: what was carried out.
        settings: as it was placed.
        times: when it was placed, when the line was cut, and when Twilio was done with it.
    """

    def __init__(
        self,
        leg: Leg,
        caller: Caller,
        execution: Execution,
        settings: CallSettings,
        times: tuple[float, float, float],
    ) -> None:
        self._leg = leg
        self._caller = caller
        self._program = execution.program
        self._answers_ms = execution.answers_ms
        self._settings = settings
        self._placed_at, self._over_at, self._ended_at = times
        self._clock = leg.clock

    def report(self) -> CallReport:
        """The report."""
        complaints = self._leg.complaints + [
            complaint for stream in self._leg.streams for complaint in stream.complaints
        ]
        on_line = [replace(complaint, at=self._clock.on_line(complaint.at)) for complaint in complaints]
        warnings = carrier_warnings(sorted(on_line, key=lambda complaint: complaint.at), self._placed_at)
        sounds, quiet, turns = self._all_sounds(), self._silences(), self._all_turns()
        return CallReport(
            call_sid=self._leg.sid,
            status=self._leg.status,
            duration_ms=round((self._clock.on_line(self._ended_at) - self._placed_at) * 1000),
            webhook_answer_ms=self._answers_ms[0] if self._answers_ms else None,
            verbs=verb_reports(self._program.executed),
            streams=[stream_report(stream, self._zero_of(stream)) for stream in self._leg.streams],
            warnings=[warning for warning in warnings if warning.level != Level.NOTICE],
            notices=[warning for warning in warnings if warning.level == Level.NOTICE],
            findings=self._findings(),
            longest_silence_ms=longest_silence_ms(quiet),
            longest_dead_air_ms=longest_silence_ms(
                silence for silence in quiet if not is_callers_turn(silence, turns)
            ),
            longest_wait_ms=self._longest_wait_ms(),
            silences=silence_reports(quiet, turns, self._placed_at),
            heard=heard_reports(heard(sounds), self._placed_at),
            greeting=self._greeting(),
            resumed_after_ms=resumed_ms(resumed_after(self._stream_ends(), sounds)),
            recording=None if self._settings.save is None else str(self._settings.save),
        )

    def _zero_of(self, stream: PhoneStream) -> float:
        """When the call was placed, as a stream counts that began after verbs whose time was skipped."""
        began_at = stream.opened_at
        if began_at is None:
            began_at = stream.end.at if stream.end else self._placed_at
        return self._placed_at - (self._clock.on_line(began_at) - began_at)

    def _greeting(self) -> GreetingReport | None:
        greetings = (greeting_report(stream, self._zero_of(stream)) for stream in self._leg.streams)
        return next((greeting for greeting in greetings if greeting is not None), None)

    def _silences(self) -> list[Silence]:
        span = self._span()
        return [] if span is None else silences(self._noticed(), *span)

    def _longest_wait_ms(self) -> int:
        span = self._span()
        if span is None:
            return 0
        return round(1000 * longest_wait_s(self._noticed(), self._all_turns(), *span))

    def _span(self) -> tuple[float, float, str] | None:
        """When the call was answered and when it was over, and how."""
        if self._leg.answered_at_s is None:
            return None
        begun_at, over_at = self._clock.on_line(self._leg.answered_at_s), self._clock.on_line(self._over_at)
        return begun_at, over_at, HUNG_UP if self._has_caller_left() else ENDED

    def _noticed(self) -> list[Sound]:
        # Tones of keys are heard by who presses them.
        keys = [Sound(at, at, CALLER) for stream in self._leg.streams for at, _ in stream.keys]
        return self._all_sounds() + self._on_line(keys)

    def _has_caller_left(self) -> bool:
        end = self._leg.streams[-1].end if self._leg.streams else None
        return (
            self._leg.hung_up_by == CALLER
            or self._program.has_left
            or (end is not None and end.by_whom == "caller")
        )

    def _stream_ends(self) -> list[float]:
        return [self._clock.on_line(stream.end.at) for stream in self._leg.streams if stream.end is not None]

    def _all_sounds(self) -> list[Sound]:
        return self._leg.sounds + self._on_line(
            sound for stream in self._leg.streams for sound in stream.sounds.all
        )

    def _all_turns(self) -> list[Sound]:
        return self._leg.turns + self._on_line(
            turn for stream in self._leg.streams for turn in stream.thinking.all
        )

    def _on_line(self, sounds: Iterable[Sound]) -> list[Sound]:
        clock = self._clock
        return [Sound(clock.on_line(sound.start), clock.on_line(sound.end), sound.source) for sound in sounds]

    def _findings(self) -> list[str]:
        findings = [*self._caller.complaints, *dict.fromkeys(self._program.findings)]
        if not self._caller.is_done:
            findings.append("the call was over before the caller had said and done everything")
        for stream in self._leg.streams:
            if stream.end is not None and stream.end.by_whom == "bridge" and stream.end.unheard_bytes:
                lost_ms = milliseconds(stream.end.unheard_bytes)
                findings.append(
                    f"the bridge closed the stream with {lost_ms} ms of its audio unheard; "
                    "wait for the echo of a final mark before closing"
                )
        return findings
