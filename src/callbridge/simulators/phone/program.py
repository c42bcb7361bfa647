"""A call as Twilio executes it: documents are fetched, verbs carried out, actions asked.

Pure. `Program` says what to do next as one `Step`; whoever does it comes back with the result and
gets the next one. Verbs other than the stream need nothing but time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never
from urllib.parse import urljoin

from callbridge.simulators.phone import twiml
from callbridge.simulators.phone.dial_rules import dial_faults
from callbridge.simulators.phone.line_settings import (
    RECORDING_KEY,
    DialOutcome,
    LineSettings,
    RecordingEnd,
)
from callbridge.simulators.phone.steps import (
    Callback,
    End,
    Enter,
    EnterRoom,
    ExecutedVerb,
    Fetch,
    OpenStream,
    Ring,
    Spend,
    Step,
    Talk,
)
from callbridge.simulators.phone.stream_addresses import stream_fault, stream_url
from callbridge.simulators.phone.trial import HOPS_MAX, trial_notice
from callbridge.simulators.phone.verb_results import NOTHING_ENTERED, gathered, new_recording_sid, recorded

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Callback",
    "End",
    "Enter",
    "EnterRoom",
    "ExecutedVerb",
    "Fetch",
    "OpenStream",
    "Program",
    "Ring",
    "Role",
    "Spend",
    "Step",
    "Talk",
]

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


class Role(StrEnum):
    """What a document is for, which says what it may hold."""

    CALL = "call"
    WHISPER = "whisper"
    """`<Number url>`: heard by who picks up, before they are connected."""
    WAITING = "waiting"
    """`<Conference waitUrl>`: heard until the talk begins."""


ALLOWED: dict[Role, tuple[type[twiml.Verb], ...]] = {
    Role.WHISPER: (twiml.Say, twiml.Play, twiml.Gather, twiml.Hangup),
    Role.WAITING: (twiml.Say, twiml.Play, twiml.Pause, twiml.Redirect),
}
"""Twilio's pages on `<Number>` and `<Conference>`; any verb in other documents."""


@dataclass(slots=True)
class Program:
    """The execution of one call."""

    url: str
    """The number's voice URL."""
    method: str
    numbers: tuple[str, str]
    """The caller's number and the called one."""
    line: LineSettings = field(default_factory=LineSettings)
    recordings: list[tuple[str, int]] = field(default_factory=list)
    """Sid and length in seconds of what was recorded."""
    executed: list[ExecutedVerb] = field(default_factory=list)
    complaints: list[tuple[int, str]] = field(default_factory=list)
    """Carrier codes met so far, with what they are about."""
    findings: list[str] = field(default_factory=list)
    """What Twilio has no code for, and is wrong all the same."""
    callbacks: list[Callback] = field(default_factory=list)
    """To be made when the verb is over that is being carried out. Whoever makes them takes them out."""
    has_left: bool = False
    """The caller has hung up."""
    rings: bool = False
    """`<Dial>` rings somebody (`Ring`, `EnterRoom`); otherwise its outcome is the line's."""
    asks_keys: bool = False
    """What is entered at a `<Gather>` is asked when it is entered (`Enter`); otherwise the line says it."""
    role: Role = Role.CALL
    _verbs: deque[twiml.Verb] = field(default_factory=deque)
    _after: deque[Step] = field(default_factory=deque)
    """What follows the verb that is being carried out; then comes the next verb."""
    _documents: int = 0
    _asked_url: str = ""
    _is_answered: bool = False
    _has_fallen_back: bool = False
    _inputs: deque[str] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._inputs.extend(self.line.gather_inputs)

    @property
    def is_inline(self) -> bool:
        """Whether the document has no address: it came in a REST request."""
        return not self.url

    @property
    def is_answered(self) -> bool:
        """Whether Twilio has picked up: a document came that does not reject the call."""
        return self._is_answered

    def begin(self, told: tuple[tuple[str, str], ...] = ()) -> Step:
        """The call arrives, or is answered; `told` is known of it besides."""
        return self._fetch(self.url, self.method, told)

    def begin_with(self, document: str) -> Step:
        """The call is answered with a document that came in the REST request."""
        return self.answered(_inline(document))

    def picked_up(self) -> None:
        """The other side has answered the call, or its `<Dial answerOnBridge>` has connected it."""
        self._is_answered = True

    def answered(self, answer: twiml.WebAnswer | twiml.WebFailure) -> Step:
        """A document came, or did not."""
        if self.has_left:
            return self._over()
        document = twiml.read_answer(answer)
        if isinstance(document, twiml.Unusable):
            return self._fall_back(document)
        self.url = answer.url
        self.complaints.extend(document.complaints)
        self._verbs = deque(map(self._of_account, document.verbs))
        if not self._is_answered and self._verbs and isinstance(self._verbs[0], twiml.Reject):
            return self._reject(self._verbs[0])
        self._is_answered = self._is_answered or not self._rings_on()
        return self._next()

    def _of_account(self, verb: twiml.Verb) -> twiml.Verb:
        """The verb, or the notice that a trial account hears in its place."""
        notice = trial_notice(verb) if self.line.is_trial else None
        if notice is None:
            return verb
        self.findings.append(f"cut out of the document, as of every trial account's: {notice.text}")
        return notice

    def _rings_on(self) -> bool:
        """Twilio's page on `answerOnBridge`: only the first verb of a call leaves it unanswered."""
        first = self._verbs[0] if self._verbs else None
        return self.rings and isinstance(first, twiml.Dial) and first.answers_on_bridge

    def spent(self) -> Step:
        """The time of a verb is over."""
        return self._after.popleft() if self._after else self._next()

    def stream_ended(self, noun: twiml.ConnectStream) -> Step:
        """The stream is over, or never stood: `<Connect action>`, else the next verb."""
        return self._act(noun.action, noun.method, ()) if noun.action else self._next()

    def dialled(self, verb: twiml.Dial, result: Iterable[tuple[str, str]], *, has_left: bool = False) -> Step:
        """A `<Dial>` is over: its action, else the next verb.

        Args:
            verb: the one of the step.
            result: what the action is told.
            has_left: the caller has hung up; the action is told, and its answer is not executed.
        """
        if has_left:
            return self._leave(verb.action, verb.method, tuple(result))
        return self._act(verb.action, verb.method, result) if verb.action else self._next()

    def not_entered(self) -> Step:
        """The call was not let into a conference: its document goes on."""
        return self._next()

    def cut_short(self, action: str | None, method: str, result: tuple[tuple[str, str], ...]) -> Fetch | None:
        """What Twilio still asks of a `<Dial>` or `<Connect>` when the call is redirected meanwhile.

        The answer is not executed. Without an action Twilio walks on, and asks a `<Redirect>` that is next.
        """
        following = self._verbs[0] if self._verbs else None
        if action is None and isinstance(following, twiml.Redirect):
            action, method, result = following.url, following.method, ()
        if action is None or (self.is_inline and not _is_absolute(action)):
            return None
        return Fetch(urljoin(self.url, action), method, result, self._is_answered)

    def redirected(self, url: str, method: str) -> Step:
        """Somebody has sent the call to another document; what was left of this one is dropped."""
        self._drop()
        return self._fetch(url, method)

    def redirected_to(self, document: str) -> Step:
        """The same, with a document that came in the REST request."""
        self._drop()
        return self.answered(_inline(document))

    def _drop(self) -> None:
        self._verbs.clear()
        self._after.clear()
        self.role = Role.CALL

    # --- Verbs ----------------------------------------------------------------------------

    def _next(self) -> Step:
        while self._verbs:
            step = self._execute(self._verbs.popleft())
            if step is not None:
                return step
        return Talk() if self.role is Role.WHISPER else End("completed")

    def _execute(self, verb: twiml.Verb) -> Step | None:
        """Carry out one verb; None when it neither takes time nor leads anywhere."""
        allowed = ALLOWED.get(self.role)
        if allowed is not None and not isinstance(verb, allowed):
            return self._refuse(verb)
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

    def _refuse(self, verb: twiml.Verb) -> Step | None:
        """A verb that this kind of document cannot hold is passed over; a `<Dial>` ends the whisper."""
        name = type(verb).__name__
        if self.role is Role.WAITING:
            self.complaints.append((13238, f"<{name}> in a waitUrl"))
            return None
        if isinstance(verb, twiml.Dial):
            self.complaints.append((13201, f"<Dial> in {self.url}"))
            return End("completed")
        self.complaints.append((12200, f"<{name}> is not supported in a whisper"))
        return None

    def _perform(self, verb: twiml.Say | twiml.Play | twiml.Pause) -> Spend:
        """Let the caller hear it."""
        match verb:
            case twiml.Say(text=text, loop=loop):
                self._note("Say", text)
                return Spend(loop * len(text) / SPOKEN_CHARACTERS_PER_S, "<Say>", text=text)
            case twiml.Play(url):
                self._note("Play", urljoin(self.url, url))
                return Spend(1.0, "<Play>", text=urljoin(self.url, url))
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
        targets = ", ".join(f"{noun} {address}" for noun, address in verb.targets)
        fault = None if self.rings and verb.room is not None else self._dial_fault(verb)
        if fault is not None:
            self.complaints.append(fault)
        elif self.rings and (verb.nouns or verb.room is not None):
            self._note("Dial", targets)
            return self._dial_out(verb)
        elif self.rings:
            self.findings.append(f"<Dial> of {targets} is not simulated: nobody is rung")
        is_scripted = fault is None and not self.rings
        outcome = self.line.dial_outcome if is_scripted else DialOutcome.FAILED
        self._note("Dial", f"{targets}: {outcome}")
        return self._dial_as_scripted(verb, outcome)

    def _dial_out(self, verb: twiml.Dial) -> Step:
        """Somebody is there to be rung, or a room to be entered."""
        if verb.room is not None:
            return EnterRoom(verb, verb.room.at(self.url))
        shown = self.numbers[0] if verb.caller_id is None else verb.caller_id
        return Ring(verb, tuple(noun.at(self.url) for noun in verb.nouns), shown)

    def _dial_as_scripted(self, verb: twiml.Dial, outcome: DialOutcome) -> Step:
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

    def _dial_fault(self, verb: twiml.Dial) -> tuple[int, str] | None:
        return next(dial_faults(verb, self.numbers, self.line), None)

    def _gather(self, verb: twiml.Gather) -> Step:
        for prompt in verb.prompts:
            assert isinstance(prompt, twiml.Say | twiml.Play | twiml.Pause), "the parser saw to it"
            self._after.append(self._perform(prompt))
        if self.asks_keys:
            self._after.append(Enter(verb))
            return self._after.popleft()
        entered = self._inputs.popleft() if self._inputs else ""
        result, waits_s = gathered(verb, entered)
        self._note("Gather", entered or "nothing entered")
        # Who enters something does so when the prompts are over.
        self._after.append(Spend(float(waits_s), is_callers_turn=True))
        if result or verb.acts_on_nothing:
            self._after.append(self._act(verb.action or self.url, verb.method, result or NOTHING_ENTERED))
        return self._after.popleft()

    def entered(self, verb: twiml.Gather, entered: str) -> Step:
        """The caller was waited for, and has entered this, or nothing."""
        result, _ = gathered(verb, entered)
        self._note("Gather", entered or "nothing entered")
        if result or verb.acts_on_nothing:
            return self._act(verb.action or self.url, verb.method, result or NOTHING_ENTERED)
        return self._next()

    def _record(self, verb: twiml.Record) -> Step:
        line = self.line
        seconds = min(line.recording_s, verb.length_max_s)
        self._note("Record", f"{seconds} s")
        is_full = line.recording_s >= verb.length_max_s
        is_key_heard = line.recording_end is not RecordingEnd.KEY or RECORDING_KEY in verb.finish_keys
        end = line.recording_end if is_key_heard and not is_full else RecordingEnd.SILENCE
        # Twilio waits for silence before it takes the message for ended, and trims it off again.
        waits_s = verb.timeout_s if end is RecordingEnd.SILENCE and not is_full else 0
        if verb.action is None:
            self.findings.append(
                "<Record> without `action` asks its own document again: the caller is recorded in circles"
            )
        is_saved = bool(seconds) or not line.silence_falls_through
        sid = new_recording_sid()
        result = recorded(sid, seconds, end)
        url = verb.action or self.url
        if is_saved:
            self.recordings.append((sid, seconds))
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

    def _leave(self, action: str | None, method: str, result: Iterable[tuple[str, str]]) -> Step:
        """The caller hangs up in a verb: its action is told, and nothing more is executed."""
        self.has_left = True
        if action is None:
            return self._over()
        return Fetch(urljoin(self.url, action), method, tuple(result), self._is_answered, is_over=True)

    def _over(self) -> End:
        return End("completed" if self._is_answered else "canceled")

    def _fetch(self, url: str, method: str, parameters: tuple[tuple[str, str], ...] = ()) -> Step:
        self._documents += 1
        if fault := _address_fault(url):
            self.complaints.append(fault)
            return End("completed")
        documents_max = HOPS_MAX + 1 if self.line.is_trial else DOCUMENTS_MAX
        if self._documents > documents_max:
            circles = f"more than {documents_max} documents: the call goes in circles"
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
        return self._fetch(
            url, self.line.fallback_method, (("ErrorCode", str(fault.code)), ("ErrorUrl", self._asked_url))
        )

    def _note(self, verb: str, detail: str) -> None:
        self.executed.append(ExecutedVerb(verb, detail))


def _inline(document: str) -> twiml.WebAnswer:
    return twiml.WebAnswer("", 200, "text/xml", document.encode())


def _is_absolute(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _address_fault(url: str) -> tuple[int, str] | None:
    """A document that came in a REST request has no address to which others could be relative."""
    if not url:
        return 11100, "no `action`, and no document to go back to"
    return None if "://" in url else (15004, f"action {url!r}")
