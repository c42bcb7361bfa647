"""A call as Twilio executes it: documents are fetched, verbs carried out, actions asked.

Pure. `Program` says what to do next as one `Step`; whoever does it comes back with the result and
gets the next one. Verbs other than the stream need nothing but time.
"""

from __future__ import annotations

import ipaddress
import re
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, assert_never
from urllib.parse import urljoin, urlsplit, urlunsplit

from callbridge.simulators.phone import twiml
from callbridge.simulators.phone.incoming import is_number

if TYPE_CHECKING:
    from collections.abc import Iterable

DOCUMENTS_MAX = 50
"""A call that asks for more documents goes in circles: redirects to itself, Record without end."""

APPLICATION_ERROR = "We are sorry, an application error has occurred. Goodbye."
"""What a real caller hears when Twilio cannot get or execute a document."""

SPOKEN_CHARACTERS_PER_S = 15
"""Ordinary English speech, 150 words a minute; used for the length of `<Say>`."""


class DialOutcome(StrEnum):
    """What became of a `<Dial>`: the values of `DialCallStatus`."""

    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What happens on the line when a verb needs the world to answer."""

    dial_outcome: DialOutcome = DialOutcome.COMPLETED
    dial_duration_s: int = 30
    """How long a completed `<Dial>` lasted."""
    gather_inputs: tuple[str, ...] = ()
    """What the caller enters at each `<Gather>` in turn: keys, or words. Nothing when used up."""
    recording_s: int = 5
    """Length of the message at a `<Record>`; 0 is silence, which Twilio does not hand on."""
    verified_numbers: frozenset[str] = frozenset()
    """Numbers that may be shown as `callerId` besides the two of the call."""
    fallback_url: str | None = None
    """Asked once when a document cannot be fetched or executed."""


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
            case twiml.Say(text, loop):
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
        seconds = self.line.dial_duration_s if outcome is DialOutcome.COMPLETED else 0
        if verb.action:
            result = [("DialCallStatus", outcome.value), ("DialCallSid", "CA" + "d" * 32)]
            if outcome is DialOutcome.COMPLETED:
                result.append(("DialCallDuration", str(seconds)))
            self._after.append(self._act(verb.action, verb.method, result))
        return Spend(float(seconds), "<Dial>")

    def _dial_outcome(self, verb: twiml.Dial) -> DialOutcome:
        allowed = {*self.numbers, *self.line.verified_numbers}
        shown = self.numbers[0] if verb.caller_id is None else verb.caller_id
        # A telephone must be shown a number: one of the call's, and the caller may have none.
        rings_telephone = any(noun == "Number" for noun, _ in verb.targets)
        if shown not in allowed or (rings_telephone and not is_number(shown)):
            self.complaints.append((13214, f"callerId {shown!r}"))
            return DialOutcome.FAILED
        for noun, address in verb.targets:
            if noun == "Number" and not re.fullmatch(r"\+?[\d ().-]*\d[\d ().-]*", address):
                self.complaints.append((13223, f"{address!r}"))
                return DialOutcome.FAILED
        return self.line.dial_outcome

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
        seconds = min(self.line.recording_s, verb.length_max_s)
        self._note("Record", f"{seconds} s")
        if seconds:
            result = [
                ("RecordingUrl", "https://api.twilio.com/2010-04-01/Recordings/RE" + "e" * 32),
                ("RecordingSid", "RE" + "e" * 32),
                ("RecordingDuration", str(seconds)),
                ("Digits", "hangup"),
            ]
            self._after.append(self._act(verb.action or self.url, verb.method, result))
        # Its beep is heard even when nothing is recorded, and then the caller speaks.
        return Spend(float(seconds), "<Record>")

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

    def _fetch(self, url: str, method: str, parameters: tuple[tuple[str, str], ...] = ()) -> Step:
        self._documents += 1
        if self._documents > DOCUMENTS_MAX:
            self._note("Stopped", f"more than {DOCUMENTS_MAX} documents: the call goes in circles")
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
