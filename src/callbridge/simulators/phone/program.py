"""A call as Twilio executes it: documents are fetched, verbs carried out, actions asked.

Pure. `Program` says what to do next as one `Step`; whoever does it comes back with the result and
gets the next one. Verbs other than the stream need nothing but time.
"""

from __future__ import annotations

import ipaddress
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, assert_never
from urllib.parse import urljoin, urlsplit, urlunsplit

from callbridge.simulators.phone import twiml
from callbridge.simulators.phone.incoming import is_number
from callbridge.simulators.phone.line_settings import DialOutcome, LineSettings, RecordingEnd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DOCUMENTS_MAX = 50
"""A call that asks for more documents goes in circles: redirects to itself, Record without end."""

APPLICATION_ERROR = "We are sorry, an application error has occurred. Goodbye."
"""What a real caller hears when Twilio cannot get or execute a document."""

SPOKEN_CHARACTERS_PER_S = 15
"""Ordinary English speech, 150 words a minute; used for the length of `<Say>`."""


RINGS_LONGER_S = 5
"""Twilio's page on `<Dial>`: it adds so much to every `timeout`."""

DECLINED_AFTER_S = 3
"""How long somebody listens who then declines."""


# --- Steps ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask a webhook for a document."""

    url: str
    method: str
    parameters: tuple[tuple[str, str], ...]
    """Parameters besides the standard ones."""
    is_answered: bool
    """Whether Twilio has picked up: CallStatus is in-progress rather than ringing."""
    is_over: bool = False
    """The caller has hung up: CallStatus is completed, and the answer is not executed."""


@dataclass(frozen=True, slots=True)
class Spend:
    """A verb is being carried out, which takes so long."""

    seconds: float
    sound: str = ""
    """The verb, as `<Say>`, when the caller hears something meanwhile that somebody meant them to hear."""
    is_callers_turn: bool = False
    """The caller is asked to enter something."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Open a media stream; with a fault, report it and do not even try."""

    url: str
    noun: twiml.ConnectStream
    status_callback: str | None
    fault: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The call is over, with this call status."""

    status: str


Step: TypeAlias = Fetch | Spend | OpenStream | End


@dataclass(frozen=True, slots=True)
class Callback:
    """News for somebody beside the call, which does not wait for them."""

    url: str
    method: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ExecutedVerb:
    """A verb that was carried out, for the report."""

    verb: str
    detail: str


@dataclass(slots=True)
class Program:
    """The execution of one call."""

    url: str
    """The number's voice URL."""
    method: str
    numbers: tuple[str, str]
    """The caller's number and the called one."""
    line: LineSettings = field(default_factory=LineSettings)
    executed: list[ExecutedVerb] = field(default_factory=list)
    complaints: list[tuple[int, str]] = field(default_factory=list)
    """Carrier codes met so far, with what they are about."""
    findings: list[str] = field(default_factory=list)
    """What Twilio has no code for, and is wrong all the same."""
    callbacks: list[Callback] = field(default_factory=list)
    """To be made when the verb is over that is being carried out. Whoever makes them takes them out."""
    has_left: bool = False
    """The caller has hung up."""
    _verbs: deque[twiml.Verb] = field(default_factory=deque)
    _after: deque[Step] = field(default_factory=deque)
    """What follows the verb that is being carried out; then comes the next verb."""
    _documents: int = 0
    _asked_url: str = ""
    _is_answered: bool = False
    _has_fallen_back: bool = False
    _inputs: deque[str] = field(default_factory=deque)

    @property
    def is_answered(self) -> bool:
        """Whether Twilio has picked up: a document came that does not reject the call."""
        return self._is_answered

    def begin(self) -> Step:
        """The call arrives."""
        self._inputs.extend(self.line.gather_inputs)
        return self._fetch(self.url, self.method)

    def answered(self, answer: twiml.WebAnswer | twiml.WebFailure) -> Step:
        """A document came, or did not."""
        if self.has_left:
            return End("completed")
        document = twiml.read_answer(answer)
        if isinstance(document, twiml.Unusable):
            return self._fall_back(document)
        self.url = answer.url
        self.complaints.extend(document.complaints)
        self._verbs = deque(document.verbs)
        if not self._is_answered and self._verbs and isinstance(self._verbs[0], twiml.Reject):
            return self._reject(self._verbs[0])
        self._is_answered = True
        return self._next()

    def spent(self) -> Step:
        """The time of a verb is over."""
        return self._after.popleft() if self._after else self._next()

    def stream_ended(self, noun: twiml.ConnectStream) -> Step:
        """The stream is over, or never stood: `<Connect action>`, else the next verb."""
        return self._act(noun.action, noun.method, ()) if noun.action else self._next()

    def redirected(self, url: str, method: str) -> Step:
        """Somebody has sent the call to another document; what was left of this one is dropped."""
        self._verbs.clear()
        self._after.clear()
        return self._fetch(url, method)

    # --- Verbs ----------------------------------------------------------------------------

    def _next(self) -> Step:
        while self._verbs:
            step = self._execute(self._verbs.popleft())
            if step is not None:
                return step
        return End("completed")

    def _execute(self, verb: twiml.Verb) -> Step | None:
        """Carry out one verb; None when it neither takes time nor leads anywhere."""
        match verb:
            case twiml.Say() | twiml.Play() | twiml.Pause():
                return self._perform(verb)
            case twiml.Dial():
                return self._dial(verb)
            case twiml.Gather():
                return self._gather(verb)
            case twiml.Record():
                return self._record(verb)
            case twiml.ConnectStream():
                return self._open(verb)
            case twiml.Redirect(url, method):
                self._note("Redirect", url)
                return self._act(url, method, ())
            case twiml.Reject():
                self.complaints.append((12200, "<Reject> must be the first verb"))
                return self._hang_up()
            case twiml.Hangup():
                return self._hang_up()
            case twiml.Unsimulated(name):
                self._note(name, "not simulated, passed over")
                return None
            case _:
                assert_never(verb)

    def _perform(self, verb: twiml.Say | twiml.Play | twiml.Pause) -> Spend:
        """Let the caller hear it."""
        match verb:
            case twiml.Say(text=text, loop=loop):
                self._note("Say", text)
                return Spend(loop * len(text) / SPOKEN_CHARACTERS_PER_S, "<Say>")
            case twiml.Play(url):
                self._note("Play", urljoin(self.url, url))
                return Spend(1.0, "<Play>")
            case twiml.Pause(length_s):
                self._note("Pause", f"{length_s} s")
                return Spend(float(length_s))

    def _reject(self, verb: twiml.Reject) -> Step:
        """Twilio's page on `<Reject>`: the status is busy or no-answer, by the reason."""
        self._note("Reject", verb.reason)
        return End("busy" if verb.reason == "busy" else "no-answer")

    def _hang_up(self) -> Step:
        self._note("Hangup", "")
        return End("completed")

    def _dial(self, verb: twiml.Dial) -> Step:
        outcome = self._dial_outcome(verb)
        targets = ", ".join(f"{noun} {address}" for noun, address in verb.targets)
        self._note("Dial", f"{targets}: {outcome}")
        seconds = self._dial_seconds(verb, outcome)
        result = [("DialCallStatus", outcome.status), ("DialCallSid", "CA" + "d" * 32)]
        if outcome.is_picked_up:
            result.append(("DialCallDuration", str(seconds)))
        if self.line.tells_dial_bridged:
            bridged = outcome.is_bridged(has_whisper=verb.has_whisper)
            result.append(("DialBridged", "true" if bridged else "false"))
        if outcome.caller_left:
            self._after.append(self._leave(verb.action, verb.method, result))
        elif verb.action:
            self._after.append(self._act(verb.action, verb.method, result))
        return Spend(float(seconds), "<Dial>")

    def _dial_seconds(self, verb: twiml.Dial, outcome: DialOutcome) -> int:
        match outcome:
            case DialOutcome.DECLINED:
                return DECLINED_AFTER_S
            case DialOutcome.NO_ANSWER:
                return verb.timeout_s + RINGS_LONGER_S
            case _:
                return self.line.dial_duration_s if outcome.is_picked_up else 0

    def _dial_outcome(self, verb: twiml.Dial) -> DialOutcome:
        for fault in self._dial_faults(verb):
            self.complaints.append(fault)
            return DialOutcome.FAILED
        return self.line.dial_outcome

    def _dial_faults(self, verb: twiml.Dial) -> Iterator[tuple[int, str]]:
        """Why nobody is rung."""
        shown = self.numbers[0] if verb.caller_id is None else verb.caller_id
        # A telephone must be shown a number: one of the call's, and the caller may have none.
        rings_telephone = any(noun == "Number" for noun, _ in verb.targets)
        allowed = {*self.numbers, *self.line.verified_numbers}
        if shown not in allowed or (rings_telephone and not is_number(shown)):
            yield 13214, f"callerId {shown!r}"
        if shown in self.line.do_not_originate:
            yield 13247, f"callerId {shown!r}"
        for noun, address in verb.targets:
            if noun == "Number" and (code := self._number_fault(address)):
                yield code, f"{address!r}"

    def _number_fault(self, number: str) -> int | None:
        if not re.fullmatch(r"\+?[\d ().-]*\d[\d ().-]*", number):
            return 13223
        digits = re.sub(r"\D", "", number)
        if not 7 <= len(digits) <= 15:
            return 13224
        return self.line.refused_numbers.get(number)

    def _gather(self, verb: twiml.Gather) -> Step:
        for prompt in verb.prompts:
            assert isinstance(prompt, twiml.Say | twiml.Play | twiml.Pause), "the parser saw to it"
            self._after.append(self._perform(prompt))
        entered = self._inputs.popleft() if self._inputs else ""
        result = _gathered(verb, entered)
        self._note("Gather", entered or "nothing entered")
        # Who enters something does so when the prompts are over; else the timeout has to pass.
        self._after.append(Spend(0.0 if result else float(verb.timeout_s), is_callers_turn=True))
        if result or verb.acts_on_nothing:
            self._after.append(self._act(verb.action or self.url, verb.method, result or [("Digits", "")]))
        return self._after.popleft()

    def _record(self, verb: twiml.Record) -> Step:
        line = self.line
        seconds = min(line.recording_s, verb.length_max_s)
        self._note("Record", f"{seconds} s")
        is_full = line.recording_s >= verb.length_max_s
        end = RecordingEnd.SILENCE if is_full else line.recording_end
        # Twilio waits for silence before it takes the message for ended, and trims it off again.
        waits_s = verb.timeout_s if end is RecordingEnd.SILENCE and not is_full else 0
        if verb.action is None:
            self.findings.append(
                "<Record> without `action` asks its own document again: the caller is recorded in circles"
            )
        is_saved = bool(seconds) or not line.silence_falls_through
        result = _recorded(seconds, end)
        url = verb.action or self.url
        if end is RecordingEnd.HUNG_UP:
            self._after.append(self._leave(url, verb.method, result))
        elif is_saved:
            self._after.append(self._act(url, verb.method, result))
        if verb.status_callback is not None and is_saved:
            news = (*result, ("RecordingStatus", "completed"), ("RecordingSource", "RecordVerb"))
            callback_url = urljoin(self.url, verb.status_callback)
            self.callbacks.append(Callback(callback_url, verb.status_callback_method, news))
        # Its beep is heard even when nothing is recorded, and then the caller speaks.
        return Spend(float(min(seconds + waits_s, verb.length_max_s)), "<Record>")

    def _open(self, verb: twiml.ConnectStream) -> Step:
        url = stream_url(self.url, verb.url)
        self._note("Connect/Stream", url)
        callback = verb.status_callback
        if callback is not None and not callback.startswith(("http://", "https://")):
            self.complaints.append((12200, f"statusCallback {callback!r} must be absolute"))
            callback = urljoin(self.url, callback)
        return OpenStream(url, verb, callback, stream_fault(url, verb.track))

    # --- Documents ------------------------------------------------------------------------

    def _act(self, url: str, method: str, parameters: Iterable[tuple[str, str]]) -> Step:
        return self._fetch(urljoin(self.url, url), method, tuple(parameters))

    def _leave(self, action: str | None, method: str, result: list[tuple[str, str]]) -> Step:
        """The caller hangs up in a verb: its action is told, and nothing more is executed."""
        self.has_left = True
        if action is None:
            return End("completed")
        return Fetch(urljoin(self.url, action), method, tuple(result), self._is_answered, is_over=True)

    def _fetch(self, url: str, method: str, parameters: tuple[tuple[str, str], ...] = ()) -> Step:
        self._documents += 1
        if self._documents > DOCUMENTS_MAX:
            circles = f"more than {DOCUMENTS_MAX} documents: the call goes in circles"
            self._note("Stopped", circles)
            self.findings.append(circles)
            return End("failed")
        self._asked_url = url
        return Fetch(url, method, parameters, self._is_answered)

    def _fall_back(self, fault: twiml.Unusable) -> Step:
        self.complaints.append((fault.code, fault.detail))
        url = self.line.fallback_url
        if url is None or self._has_fallen_back:
            self._note("ApplicationError", APPLICATION_ERROR)
            return End("completed")
        self._has_fallen_back = True
        return self._fetch(url, "POST", (("ErrorCode", str(fault.code)), ("ErrorUrl", self._asked_url)))

    def _note(self, verb: str, detail: str) -> None:
        self.executed.append(ExecutedVerb(verb, detail))


def _recorded(seconds: int, end: RecordingEnd) -> list[tuple[str, str]]:
    digits = {RecordingEnd.KEY: "#", RecordingEnd.HUNG_UP: "hangup"}.get(end)
    return [
        ("RecordingUrl", f"https://api.twilio.com/2010-04-01/Accounts/AC{'5' * 32}/Recordings/RE{'e' * 32}"),
        ("RecordingSid", "RE" + "e" * 32),
        ("RecordingDuration", str(seconds)),
        *([] if digits is None else [("Digits", digits)]),
    ]


def _gathered(verb: twiml.Gather, entered: str) -> list[tuple[str, str]]:
    if not entered:
        return []
    if not entered.strip("0123456789*#"):
        # The finish key ends the entry and is not part of it.
        digits = entered.partition("#")[0][: verb.digits_max]
        return [("Digits", digits)]
    return [("SpeechResult", entered), ("Confidence", "0.9")] if verb.takes_speech else []


# --- Stream URLs ------------------------------------------------------------------------------


def stream_url(document_url: str, url: str) -> str:
    """The URL of a stream; a relative one belongs to the host of the document."""
    if "://" in url or not url:
        return url
    parts = urlsplit(urljoin(document_url, url))
    scheme = "ws" if parts.scheme == "http" else "wss"
    return urlunsplit((scheme, parts.netloc, parts.path, parts.query, ""))


def stream_fault(url: str, track: str | None) -> tuple[int, str] | None:
    """The carrier code that a stream's attributes earn before anything is connected."""
    if track not in {None, "inbound_track"}:
        return 31941, f"track {track!r}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return 31923, f"{url!r}: {error}"
    if not host:
        return 31923, f"{url!r}"
    if parts.scheme != "wss" and not (parts.scheme == "ws" and is_loopback(host)):
        return 31922, f"{url!r}"
    if parts.query:
        return 31920, f"{url!r}: query strings are not supported, use <Parameter>"
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, where plain `ws://` is let pass for development."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
