"""One simulated call: webhook, TwiML, streams, callbacks, report. The asyncio shell.

What to do next is decided by `program`, what a stream does by `stream`; this module only carries it
out and keeps the record.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

from callbridge.simulators.phone import events, webhooks
from callbridge.simulators.phone.carrier_codes import Complaint, Level
from callbridge.simulators.phone.incoming import Incoming
from callbridge.simulators.phone.line_clock import LineClock
from callbridge.simulators.phone.line_settings import LineSettings
from callbridge.simulators.phone.media_socket import MediaSocket, Network, Unreachable, open_socket
from callbridge.simulators.phone.messages import StreamIdentity
from callbridge.simulators.phone.misbehaviour import Misbehaviour
from callbridge.simulators.phone.program import End, Fetch, OpenStream, Program, Spend
from callbridge.simulators.phone.recording import write_recording
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
from callbridge.simulators.phone.silence import CALLER, ENDED, HUNG_UP, Sound, heard, resumed_after, silences
from callbridge.simulators.phone.stream import PhoneStream, StreamSettings
from callbridge.simulators.phone.twiml import WebAnswer
from callbridge.wire.audio import milliseconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import httpx

    from callbridge.simulators.phone.caller import Caller
    from callbridge.simulators.phone.program import Step
    from callbridge.simulators.phone.report import GreetingReport
    from callbridge.simulators.phone.signature import SharedKey
    from callbridge.simulators.phone.silence import Silence

ACCOUNT_SID = "AC" + "5" * 32
"""Used when no account is given: well formed, and nobody's."""

AUTH_TOKEN = "simulated-auth-token"  # noqa: S105 - signs calls between two local programs
"""Used when no token is given; the service must be told the same."""

FROM_NUMBER = "+15550100001"
TO_NUMBER = "+15550100002"


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How a call is placed. The defaults are an ordinary call over a perfect network."""

    account_sid: str = ACCOUNT_SID
    auth_token: str = AUTH_TOKEN
    next_auth_token: str | None = None
    """Signs what follows the first webhook: the account's token was rotated meanwhile."""
    shared_key: SharedKey | None = None
    """Signs the webhooks, in place of the auth token; the media socket keeps to that."""
    from_number: str = FROM_NUMBER
    to_number: str = TO_NUMBER
    incoming: Incoming = field(default_factory=Incoming)
    """What the first request says beside the numbers."""
    call_sid: str | None = None
    """Made up when None."""
    method: str = "POST"
    """How the number's voice URL is asked."""
    status_callback_url: str | None = None
    """The number's status callback; asked when the call has ended."""
    network: Network = field(default_factory=Network)
    line: LineSettings = field(default_factory=LineSettings)
    stream: StreamSettings = field(default_factory=StreamSettings)
    stream_delay_ms: int = 0
    """What the carrier takes from a `<Connect>` to its first packet for the media socket."""
    misbehaviours: frozenset[Misbehaviour] = frozenset()
    parameter_overrides: Mapping[str, str] = field(default_factory=dict)
    """Replaces `<Parameter>` values in `start`, as an attacker with a stolen token would."""
    verb_time: float = 0.0
    """How much of the time that Say, Pause, Dial and the like take is waited for: 1 as in life. The report
    counts the whole of it either way."""
    action_after_hang_up: bool = False
    """Ask `<Connect action>` also after the caller hung up, and ignore the answer. Twilio does not
    document it either way, so a bridge must be able to live with both."""
    max_call_s: float = 600.0
    """The caller hangs up at the latest then."""
    save: Path | None = None
    """Where to put the stereo recording."""


async def place_call(
    url: str,
    caller: Caller,
    settings: CallSettings | None = None,
    *,
    on_event: Callable[[events.PhoneEvent], None] | None = None,
) -> CallReport:
    """Call the service whose voice webhook is `url`, and report.

    Args:
        url: the number's voice URL.
        caller: who calls, usually a `CallerScript`.
        settings: see `CallSettings`.
        on_event: told what happens while it happens.
    """
    return await SimulatedCall(url, caller, settings, on_event=on_event).run()


class SimulatedCall:
    """One call. For those who want more than the report: `streams` holds the full journals."""

    def __init__(
        self,
        url: str,
        caller: Caller,
        settings: CallSettings | None = None,
        *,
        on_event: Callable[[events.PhoneEvent], None] | None = None,
    ) -> None:
        self.settings = settings or CallSettings()
        self.line = webhooks.Line(
            account_sid=self.settings.account_sid,
            auth_token=self.settings.auth_token,
            call_sid=self.settings.call_sid or _sid("CA"),
            from_number=self.settings.from_number,
            to_number=self.settings.to_number,
            incoming=self.settings.incoming,
            shared_key=self.settings.shared_key,
        )
        self.streams: list[PhoneStream] = []
        """Every stream of the call, also those that could not be opened."""
        self.documents: list[str] = []
        """The TwiML that was received."""
        self.placed_at = 0.0
        """On the clock of the event loop."""
        self.answered_at: float | None = None
        """When the first document came; None when none did, or it rejected the call."""

        self._caller = caller
        self._on_event = on_event or (lambda _: None)
        numbers = (self.line.from_number, self.line.to_number)
        self._program = Program(url, self.settings.method, numbers, self.settings.line)
        self._complaints: list[Complaint] = []
        self._answers_ms: list[float | None] = []
        """How long each webhook took; None for one that gave no answer."""
        self._socket: MediaSocket | None = None
        self._told_verbs = 0
        self._told_complaints = 0
        self._background: asyncio.TaskGroup | None = None
        self._status = "failed"
        self._clock = LineClock()
        self._sounds: list[Sound] = []
        """What the caller heard outside of streams, by the clock of the line as all that the report says."""
        self._turns: list[Sound] = []
        """When the caller was asked to enter something, outside of streams."""
        self._web: webhooks.Webhooks | None = None
        self._late: list[Callable[[], Awaitable[None]]] = []
        """Callbacks that come when the call is over."""
        self._redirected_to: tuple[str, str] | None = None
        self._over_at = 0.0
        """When the line was cut; a callback may take longer."""

    def __repr__(self) -> str:
        return f"<SimulatedCall {self.line.call_sid} {len(self.streams)} streams>"

    async def run(self) -> CallReport:
        """Place the call and stay on it to its end."""
        loop = asyncio.get_running_loop()
        self.placed_at = loop.time()
        self._tell(
            events.CallPlaced(self.placed_at, self.line.call_sid, self.line.from_number, self.line.to_number)
        )
        async with webhooks.Webhooks(self.line, self.settings.misbehaviours) as web:
            self._web = web
            async with asyncio.TaskGroup() as self._background:
                self._status = await self._execute(web)
                self._over_at = self._line_cut_at()
            ended_at = loop.time()
            for late in reversed(self._late):
                await late()
            await self._report_end(web, ended_at)
        self._tell(events.CallEnded(ended_at, self._status))
        if self.settings.save is not None:
            write_recording(self.settings.save, self.streams)
        return self._report(ended_at)

    def hang_up(self) -> None:
        """The caller hangs up now, whatever their script says. Nothing happens outside a stream."""
        if self._socket is not None:
            self._socket.hang_up()

    def redirect(self, url: str, method: str = "POST") -> None:
        """Somebody sends the call elsewhere over Twilio's REST API. Nothing happens outside a stream.

        Twilio stops the stream. It still asks `<Connect action>`, and ignores the answer.
        """
        if self._socket is not None:
            self._redirected_to = (url, method)
            self._socket.stop()

    @property
    def requests(self) -> Sequence[httpx.Request]:
        """Every request to a webhook so far, signed: what somebody on the way could have captured."""
        return self._web.sent if self._web is not None else ()

    def press(self, digit: str) -> None:
        """The caller presses a key now. Nothing happens outside a stream."""
        if self._socket is not None:
            self._socket.press(digit)

    # --- Execution ------------------------------------------------------------------------

    async def _execute(self, web: webhooks.Webhooks) -> str:
        """Carry out step after step; returns the status of the call at its end."""
        step: Step = self._program.begin()
        while True:
            self._tell_progress()
            match step:
                case Fetch():
                    step = await self._fetch(web, step)
                case Spend():
                    step = await self._spend(web, step)
                case OpenStream():
                    await self._run_stream(web, step)
                    after = self._program.stream_ended(step.noun)
                    if self._redirected_to is not None:
                        step = await self._go_elsewhere(web, after, self._redirected_to)
                        continue
                    if self._caller_has_left():
                        return await self._leave(web, after)
                    step = after
                case End(status):
                    return status
                case _:
                    assert_never(step)

    async def _fetch(self, web: webhooks.Webhooks, step: Fetch) -> Step:
        status = "completed" if step.is_over else "in-progress" if step.is_answered else "ringing"
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        standard = webhooks.voice_parameters(self.line, status)
        if not self._answers_ms:
            standard = webhooks.first_parameters(self.line)
        parameters = standard | dict(step.parameters)
        answer = await web.ask(step.url, step.method, parameters)
        web.auth_token = self.settings.next_auth_token or web.auth_token
        now = loop.time()
        took_ms = (now - asked_at) * 1000
        http_status = None
        if isinstance(answer, WebAnswer):
            http_status = answer.status
            self.documents.append(answer.body.decode("utf-8", "replace"))
        self._answers_ms.append(None if http_status is None else round(took_ms, 1))
        self._tell(events.WebhookAnswered(now, step.url, http_status, took_ms))
        following = self._program.answered(answer)
        if self._program.is_answered and self.answered_at is None:
            self.answered_at = now
        return following

    async def _spend(self, web: webhooks.Webhooks, step: Spend) -> Step:
        began_at = self._clock.on_line(self._now())
        waited_s = step.seconds * self.settings.verb_time
        left_s = self.placed_at + self.settings.max_call_s - self._now()
        await asyncio.sleep(min(waited_s, left_s))
        now = self._now()
        self._clock.skip(now, step.seconds - waited_s)
        spent = Sound(began_at, self._clock.on_line(now), step.sound or CALLER)
        if step.sound:
            self._sounds.append(spent)
        elif step.is_callers_turn:
            self._turns.append(spent)
        self._make_callbacks(web)
        return self._program.spent() if waited_s <= left_s else End("completed")

    def _caller_has_left(self) -> bool:
        if self._program.has_left:
            return True
        end = self.streams[-1].end if self.streams else None
        return end is not None and end.by_whom == "caller"

    def _line_cut_at(self) -> float:
        """When the call was over for the caller, who does not wait for what Twilio is still told."""
        end = self.streams[-1].end if self.streams else None
        return end.at if end is not None and end.by_whom == "caller" else self._now()

    async def _leave(self, web: webhooks.Webhooks, after: Step) -> str:
        """The caller is gone: nothing more is executed; the action may still be told."""
        if self.settings.action_after_hang_up and isinstance(after, Fetch):
            parameters = webhooks.voice_parameters(self.line, "completed")
            await web.ask(after.url, after.method, parameters | dict(after.parameters))
        return "completed"

    async def _go_elsewhere(self, web: webhooks.Webhooks, after: Step, to: tuple[str, str]) -> Step:
        """The call was redirected: the action is asked for nothing, beside the new document."""
        self._redirected_to = None
        if isinstance(after, Fetch):
            parameters = webhooks.voice_parameters(self.line, "in-progress") | dict(after.parameters)
            await web.ask(after.url, after.method, parameters)
        return self._program.redirected(*to)

    # --- Streams --------------------------------------------------------------------------

    async def _run_stream(self, web: webhooks.Webhooks, step: OpenStream) -> None:
        stream = PhoneStream(self._identity(step), self._caller, self.settings.stream)
        self.streams.append(stream)
        if step.fault is not None:
            stream.fail(*step.fault, self._now())
        else:
            await self._connect(web, stream, step)
        self._tell_all(stream.take_events())
        assert stream.end is not None, "a stream that was driven has ended"
        event = "stream-error" if stream.end.fault else "stream-stopped"
        self._call_back(web, step, stream, event)

    async def _connect(self, web: webhooks.Webhooks, stream: PhoneStream, step: OpenStream) -> None:
        await asyncio.sleep(self.settings.stream_delay_ms / 1000)
        opened = await open_socket(step.url, web.auth_token, self.settings.misbehaviours)
        if isinstance(opened, Unreachable):
            stream.fail(opened.code, opened.detail, self._now())
            return
        self._call_back(web, step, stream, "stream-started")
        self._socket = MediaSocket(
            stream,
            opened,
            network=self.settings.network,
            misbehaviours=self.settings.misbehaviours,
            hang_up_at=self.placed_at + self.settings.max_call_s,
            on_event=self._on_event,
        )
        try:
            await self._socket.run()
        finally:
            self._socket = None

    def _identity(self, step: OpenStream) -> StreamIdentity:
        overrides = self.settings.parameter_overrides
        parameters = ((name, overrides.get(name, value)) for name, value in step.noun.parameters)
        return StreamIdentity(self.line.account_sid, self.line.call_sid, _sid("MZ"), tuple(parameters))

    # --- Status callbacks -----------------------------------------------------------------

    def _call_back(self, web: webhooks.Webhooks, step: OpenStream, stream: PhoneStream, event: str) -> None:
        """Tell the stream status callback, beside the call and never in its way."""
        if step.status_callback is None:
            return
        parameters = webhooks.stream_parameters(self.line, stream.identity.stream_sid, step.noun.name, event)
        if event == "stream-error" and stream.end is not None and stream.end.fault is not None:
            code, detail = stream.end.fault
            parameters["StreamError"] = f"{code} {detail}"
        told = partial(self._post, web, step.status_callback, step.noun.status_callback_method, parameters)
        if Misbehaviour.LATE_CALLBACKS in self.settings.misbehaviours:
            self._late.append(told)
            return
        assert self._background is not None, "streams run inside the call"
        self._background.create_task(told(), name=f"phone-{event}")

    def _make_callbacks(self, web: webhooks.Webhooks) -> None:
        """Those of a verb that is over, beside the call."""
        assert self._background is not None, "verbs are carried out inside the call"
        for callback in self._program.callbacks:
            whose = {"AccountSid": self.line.account_sid, "CallSid": self.line.call_sid}
            self._background.create_task(
                self._post(web, callback.url, callback.method, whose | dict(callback.parameters)),
                name="phone-callback",
            )
        self._program.callbacks.clear()

    async def _report_end(self, web: webhooks.Webhooks, ended_at: float) -> None:
        url = self.settings.status_callback_url
        if url is None:
            return
        duration_s = math.ceil(self._clock.on_line(ended_at) - self.placed_at)
        parameters = webhooks.ended_parameters(self.line, self._status, duration_s)
        await self._post(web, url, "POST", parameters)

    async def _post(
        self, web: webhooks.Webhooks, url: str, method: str, parameters: Mapping[str, str]
    ) -> None:
        answer = await web.ask(url, method, parameters)
        if not isinstance(answer, WebAnswer):
            self._complain(answer.code, answer.detail)
        elif not 200 <= answer.status < 300:
            self._complain(15003, f"{url} answered {answer.status}")

    # --- The record -----------------------------------------------------------------------

    def _report(self, ended_at: float) -> CallReport:
        complaints = self._complaints + [
            complaint for stream in self.streams for complaint in stream.complaints
        ]
        on_line = [replace(complaint, at=self._clock.on_line(complaint.at)) for complaint in complaints]
        warnings = carrier_warnings(sorted(on_line, key=lambda complaint: complaint.at), self.placed_at)
        sounds, quiet = self._all_sounds(), self._silences()
        return CallReport(
            call_sid=self.line.call_sid,
            status=self._status,
            duration_ms=round((self._clock.on_line(ended_at) - self.placed_at) * 1000),
            webhook_answer_ms=self._answers_ms[0],
            verbs=verb_reports(self._program.executed),
            streams=[stream_report(stream, self._zero_of(stream)) for stream in self.streams],
            warnings=[warning for warning in warnings if warning.level != Level.NOTICE],
            notices=[warning for warning in warnings if warning.level == Level.NOTICE],
            findings=self._findings(),
            longest_silence_ms=longest_silence_ms(quiet),
            silences=silence_reports(quiet, self._all_turns(), self.placed_at),
            heard=heard_reports(heard(sounds), self.placed_at),
            greeting=self._greeting(),
            resumed_after_ms=resumed_ms(resumed_after(self._stream_ends(), sounds)),
            recording=None if self.settings.save is None else str(self.settings.save),
        )

    def _zero_of(self, stream: PhoneStream) -> float:
        """When the call was placed, as a stream counts that began after verbs whose time was skipped."""
        began_at = stream.opened_at
        if began_at is None:
            began_at = stream.end.at if stream.end else self.placed_at
        return self.placed_at - (self._clock.on_line(began_at) - began_at)

    def _greeting(self) -> GreetingReport | None:
        greetings = (greeting_report(stream, self._zero_of(stream)) for stream in self.streams)
        return next((greeting for greeting in greetings if greeting is not None), None)

    def _silences(self) -> list[Silence]:
        if self.answered_at is None:
            return []
        ended_by = HUNG_UP if self._caller_has_left() else ENDED
        # Tones of keys are heard by who presses them.
        keys = [Sound(at, at, CALLER) for stream in self.streams for at, _ in stream.keys]
        said = self._all_sounds() + self._on_line(keys)
        begun_at, over_at = self._clock.on_line(self.answered_at), self._clock.on_line(self._over_at)
        return silences(said, begun_at, over_at, ended_by)

    def _stream_ends(self) -> list[float]:
        return [self._clock.on_line(stream.end.at) for stream in self.streams if stream.end is not None]

    def _all_sounds(self) -> list[Sound]:
        return self._sounds + self._on_line(sound for stream in self.streams for sound in stream.sounds.all)

    def _all_turns(self) -> list[Sound]:
        return self._turns + self._on_line(turn for stream in self.streams for turn in stream.thinking.all)

    def _on_line(self, sounds: Iterable[Sound]) -> list[Sound]:
        clock = self._clock
        return [Sound(clock.on_line(sound.start), clock.on_line(sound.end), sound.source) for sound in sounds]

    def _findings(self) -> list[str]:
        findings = [*self._caller.complaints, *dict.fromkeys(self._program.findings)]
        if not self._caller.is_done:
            findings.append("the call was over before the caller had said and done everything")
        for stream in self.streams:
            if stream.end is not None and stream.end.by_whom == "bridge" and stream.end.unheard_bytes:
                lost_ms = milliseconds(stream.end.unheard_bytes)
                findings.append(
                    f"the bridge closed the stream with {lost_ms} ms of its audio unheard; "
                    "wait for the echo of a final mark before closing"
                )
        return findings

    def _tell_progress(self) -> None:
        """Pass on what the program has done and minded since the last time."""
        program = self._program
        for executed in program.executed[self._told_verbs :]:
            self._tell(events.VerbExecuted(self._now(), executed.verb, executed.detail))
        for code, detail in program.complaints[self._told_complaints :]:
            self._complain(code, detail)
        self._told_verbs, self._told_complaints = len(program.executed), len(program.complaints)

    def _complain(self, code: int, detail: str) -> None:
        now = self._now()
        self._complaints.append(Complaint(code, detail, now))
        self._tell(events.Complained(now, code, detail))

    def _tell_all(self, told: list[events.PhoneEvent]) -> None:
        for event in told:
            self._tell(event)

    def _tell(self, event: events.PhoneEvent) -> None:
        self._on_event(event)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _sid(prefix: str) -> str:
    return f"{prefix}{secrets.token_hex(16)}"
