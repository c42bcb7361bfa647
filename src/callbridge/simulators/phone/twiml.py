"""TwiML as Twilio reads it: an HTTP answer in, verbs and complaints out.

Pure. Executing the verbs is the business of `program`. Source: twilio.com/docs/voice/twiml and the
pages of its verbs; the attributes that the simulator does not need are known, but not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from xml.etree import ElementTree as ET

from callbridge.simulators.phone.say_voices import voice_fault

if TYPE_CHECKING:
    from collections.abc import Callable

TWIML_BYTES_MAX = 64 * 1024
"""Above it Twilio reports 11750."""

PARAMETER_CHARACTERS_MAX = 500
"""Name and value of a `<Parameter>` together must stay under it."""

LOOP_ENDLESS = 1000
"""What `loop="0"` means."""

GATHER_TIMEOUT_S = 5
"""Twilio's default; also taken for `auto`."""

RECORD_TIMEOUT_S = 5
DIAL_TIMEOUT_S = 30
"""Twilio's defaults."""

DIAL_TIMEOUTS_S = range(5, 601)

# --- What a document holds --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a text."""

    text: str
    loop: int = 1
    """How often."""
    voice: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Play:
    """Play a recording, or key tones."""

    url: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Stay silent."""

    length_s: int


@dataclass(frozen=True, slots=True)
class Dial:
    """Ring somebody and connect them."""

    targets: tuple[tuple[str, str], ...]
    """Pairs of noun (`Number`, `Client`, `Sip`, …) and address."""
    action: str | None
    method: str
    caller_id: str | None
    timeout_s: int = DIAL_TIMEOUT_S
    """How long it rings; in truth 5 s longer."""
    has_whisper: bool = False
    """Who picks up hears a document of their own first (`<Number url>`), and may decline."""


@dataclass(frozen=True, slots=True)
class Gather:
    """Collect keys or speech while the prompts are heard."""

    prompts: tuple[Verb, ...]
    action: str | None
    method: str
    takes_speech: bool
    digits_max: int | None
    acts_on_nothing: bool
    """`actionOnEmptyResult`."""
    timeout_s: int = GATHER_TIMEOUT_S
    """How long the caller is waited for."""


@dataclass(frozen=True, slots=True)
class Record:
    """Record the caller."""

    action: str | None
    method: str
    length_max_s: int
    timeout_s: int = RECORD_TIMEOUT_S
    """So much silence ends the recording."""
    status_callback: str | None = None
    status_callback_method: str = "POST"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Go on with another document."""

    url: str
    method: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Do not answer the call; only as the first verb."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


@dataclass(frozen=True, slots=True)
class ConnectStream:
    """`<Connect><Stream>`: a bidirectional media stream."""

    url: str
    action: str | None
    method: str
    name: str | None
    track: str | None
    parameters: tuple[tuple[str, str], ...]
    status_callback: str | None
    status_callback_method: str


@dataclass(frozen=True, slots=True)
class Unsimulated:
    """A verb of Twilio's that the simulator passes over."""

    name: str


Verb: TypeAlias = (
    Say | Play | Pause | Dial | Gather | Record | Redirect | Reject | Hangup | ConnectStream | Unsimulated
)


@dataclass(frozen=True, slots=True)
class Document:
    """A usable document."""

    verbs: tuple[Verb, ...]
    complaints: tuple[tuple[int, str], ...] = ()
    """Carrier codes that do not stop the execution, with what they are about."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """An answer that cannot be executed."""

    code: int
    detail: str


# --- The HTTP answer --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What a webhook answered."""

    url: str
    """Where the answer came from in the end, after redirects."""
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class WebFailure:
    """A webhook that gave no answer, with Twilio's code for it."""

    url: str
    code: int
    detail: str


def read_answer(answer: WebAnswer | WebFailure) -> Document | Unusable:
    """What Twilio makes of an answer; the content type decides (text/xml, text/plain, audio/*)."""
    if isinstance(answer, WebFailure):
        return Unusable(answer.code, answer.detail)
    if not 200 <= answer.status < 300:
        return Unusable(11200, f"{answer.url} answered {answer.status}")
    kind = answer.content_type.partition(";")[0].strip().lower()
    if kind.startswith("audio/"):
        return Document((Play(answer.url),))
    if len(answer.body) > TWIML_BYTES_MAX:
        return Unusable(11750, f"{len(answer.body)} bytes of TwiML")
    if kind in {"text/xml", "application/xml", "text/html"}:
        return parse(answer.body)
    if kind == "text/plain":
        return Document((Say(answer.body.decode("utf-8", "replace")),))
    return Unusable(12300, f"Content-Type {answer.content_type!r}")


# --- The XML ----------------------------------------------------------------------------------


def parse(body: bytes) -> Document | Unusable:
    """Read a TwiML document; unknown verbs and attributes are passed over with 12200."""
    if not body.startswith(b"<") and not body.startswith(b"\xef\xbb\xbf<"):
        return Unusable(12100, "the document does not start with its XML")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        return Unusable(12100, "a document type definition is not allowed")
    try:
        root = ET.fromstring(body)  # noqa: S314 - no DTD, at most 64 kB
    except ET.ParseError as error:
        return Unusable(12100, str(error))
    if root.tag != "Response":
        return Unusable(12102, f"the root element is <{root.tag}>, not <Response>")
    reader = _Reader()
    return Document(reader.verbs(root), tuple(reader.complaints))


def _names(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


KNOWN_VERBS = _names(
    "Connect Dial Enqueue Gather Hangup Leave Pause Pay Play Prompt Queue Record Redirect Refer",
    "Reject Say Siprec Start Stop Transcription",
)

ATTRIBUTES = {
    "Response": _names(),
    "Say": _names("voice language loop"),
    "Play": _names("loop digits"),
    "Pause": _names("length"),
    "Hangup": _names(),
    "Reject": _names("reason"),
    "Redirect": _names("method"),
    "Connect": _names("action method"),
    "Stream": _names("url name track statusCallback statusCallbackMethod connectorName"),
    "Parameter": _names("name value"),
    "Dial": _names(
        "action method timeout hangupOnStar timeLimit callerId record trim",
        "recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent",
        "recordingTrack recordingConfigurationId answerOnBridge ringTone sequential referUrl referMethod",
        "callReason events passports",
    ),
    "Number": _names(
        "sendDigits url method byoc statusCallback statusCallbackMethod statusCallbackEvent machineDetection",
        "machineDetectionTimeout machineDetectionSpeechThreshold machineDetectionSpeechEndThreshold",
        "machineDetectionSilenceTimeout amdStatusCallback amdStatusCallbackMethod",
    ),
    "Gather": _names(
        "input action method timeout speechTimeout maxSpeechTime profanityFilter finishOnKey",
        "numDigits partialResultCallback partialResultCallbackMethod language hints bargeIn debug",
        "actionOnEmptyResult speechModel enhanced",
    ),
    "Record": _names(
        "action method timeout finishOnKey maxLength playBeep trim recordingStatusCallback",
        "recordingStatusCallbackMethod recordingStatusCallbackEvent recordingConfigurationId storageUrl",
        "transcribe transcribeCallback",
    ),
}
"""Attributes as documented. `audioFormat` and `sampleRate` of `<Stream>` are not."""

NESTED_IN_GATHER = frozenset({"Say", "Play", "Pause"})


class _Reader:
    """Turns elements into verbs and collects complaints on the way."""

    def __init__(self) -> None:
        self.complaints: list[tuple[int, str]] = []

    def verbs(self, parent: ET.Element) -> tuple[Verb, ...]:
        self._check_attributes(parent)
        found = (self._verb(element) for element in parent)
        return tuple(verb for verb in found if verb is not None)

    def _verb(self, element: ET.Element) -> Verb | None:
        if element.tag not in KNOWN_VERBS:
            self._complain(f"unknown verb <{element.tag}>")
            return None
        read = _READERS.get(element.tag)
        if read is None:
            return Unsimulated(element.tag)
        self._check_attributes(element)
        return read(self, element)

    def say(self, element: ET.Element) -> Verb | None:
        # Markup inside (SSML) is spoken, so its text belongs to the text.
        text = " ".join("".join(element.itertext()).split())
        if not text:
            self.complaints.append((13520, "<Say> without text"))
            return None
        voice, language = element.get("voice"), element.get("language")
        if fault := voice_fault(voice, language):
            self.complaints.append(fault)
            return None
        return Say(text, self._number(element, "loop", 1) or LOOP_ENDLESS, voice, language)

    def play(self, element: ET.Element) -> Verb | None:
        url = (element.text or "").strip()
        if not url and not element.get("digits"):
            self._complain("<Play> without a URL")
            return None
        return Play(url or f"tones {element.get('digits')}")

    def pause(self, element: ET.Element) -> Verb:
        return Pause(self._number(element, "length", 1))

    def hangup(self, element: ET.Element) -> Verb:
        if len(element):
            self._complain("<Hangup> cannot hold other verbs")
        return Hangup()

    def reject(self, element: ET.Element) -> Verb:
        return Reject(self._one_of(element, "reason", ("rejected", "busy")))

    def redirect(self, element: ET.Element) -> Verb:
        return Redirect((element.text or "").strip(), self._method(element))

    def dial(self, element: ET.Element) -> Verb:
        text = (element.text or "").strip()
        for noun in element:
            self._check_attributes(noun)
        nouns = tuple((noun.tag, (noun.text or "").strip()) for noun in element)
        return Dial(
            targets=nouns or (("Number", text),),
            action=element.get("action"),
            method=self._method(element),
            caller_id=element.get("callerId"),
            timeout_s=self._dial_timeout_s(element),
            has_whisper=any(noun.get("url") for noun in element),
        )

    def _dial_timeout_s(self, element: ET.Element) -> int:
        text = element.get("timeout", str(DIAL_TIMEOUT_S))
        if not text.isascii() or not text.isdigit() or int(text[:9]) not in DIAL_TIMEOUTS_S:
            self.complaints.append((13212, f"timeout {text!r}"))
            return DIAL_TIMEOUT_S
        return int(text)

    def gather(self, element: ET.Element) -> Verb:
        for noun in element:
            if noun.tag not in NESTED_IN_GATHER:
                self._complain(f"<{noun.tag}> is not allowed inside <Gather>")
        prompts = (self._verb(noun) for noun in element if noun.tag in NESTED_IN_GATHER)
        return Gather(
            prompts=tuple(verb for verb in prompts if verb is not None),
            action=element.get("action"),
            method=self._method(element),
            takes_speech="speech" in element.get("input", "dtmf").split(),
            digits_max=self._number(element, "numDigits", 0) or None,
            acts_on_nothing=element.get("actionOnEmptyResult", "false").lower() == "true",
            timeout_s=GATHER_TIMEOUT_S
            if element.get("timeout") == "auto"
            else self._number(element, "timeout", GATHER_TIMEOUT_S),
        )

    def record(self, element: ET.Element) -> Verb:
        return Record(
            action=element.get("action"),
            method=self._method(element),
            length_max_s=self._number(element, "maxLength", 3600),
            timeout_s=self._number(element, "timeout", RECORD_TIMEOUT_S),
            status_callback=element.get("recordingStatusCallback"),
            status_callback_method=self._method(element, "recordingStatusCallbackMethod"),
        )

    def connect(self, element: ET.Element) -> Verb | None:
        nouns = list(element)
        if len(nouns) != 1:
            self._complain(f"<Connect> must hold one noun, not {len(nouns)}")
            return None
        if nouns[0].tag != "Stream":
            return Unsimulated(f"Connect/{nouns[0].tag}")
        self._check_attributes(nouns[0])
        return self._stream(element, nouns[0])

    def _stream(self, connect: ET.Element, stream: ET.Element) -> Verb:
        return ConnectStream(
            url=stream.get("url", ""),
            action=connect.get("action"),
            method=self._method(connect),
            name=stream.get("name"),
            track=stream.get("track"),
            parameters=self._parameters(stream),
            status_callback=stream.get("statusCallback"),
            status_callback_method=self._method(stream, "statusCallbackMethod"),
        )

    def _parameters(self, stream: ET.Element) -> tuple[tuple[str, str], ...]:
        pairs = []
        for element in stream:
            self._check_attributes(element)
            name, value = element.get("name"), element.get("value")
            if element.tag != "Parameter" or name is None or value is None:
                self._complain(f"<Stream> holds <Parameter name value> only, not <{element.tag}>")
            elif len(name) + len(value) >= PARAMETER_CHARACTERS_MAX:
                self._complain(f"<Parameter name={name!r}> has 500 characters or more")
            else:
                pairs.append((name, value))
        return tuple(pairs)

    # --- Attributes -----------------------------------------------------------------------

    def _method(self, element: ET.Element, name: str = "method") -> str:
        return self._one_of(element, name, ("POST", "GET"))

    def _one_of(self, element: ET.Element, name: str, allowed: tuple[str, ...]) -> str:
        """The value of an attribute, or the first allowed one, which is Twilio's default."""
        value = element.get(name, allowed[0])
        if value not in allowed:
            self._complain(f"<{element.tag} {name}={value!r}> is not one of {', '.join(allowed)}")
            return allowed[0]
        return value

    def _number(self, element: ET.Element, name: str, default: int) -> int:
        value = element.get(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit():
            self._complain(f"<{element.tag} {name}={value!r}> is not a number")
            return default
        return int(value)

    def _check_attributes(self, element: ET.Element) -> None:
        known = ATTRIBUTES.get(element.tag, frozenset(element.keys()))
        for name in sorted(set(element.keys()) - known):
            self._complain(f"<{element.tag}> has no attribute {name!r}")

    def _complain(self, detail: str) -> None:
        self.complaints.append((12200, detail))


_READERS: dict[str, Callable[[_Reader, ET.Element], Verb | None]] = {
    "Say": _Reader.say,
    "Play": _Reader.play,
    "Pause": _Reader.pause,
    "Hangup": _Reader.hangup,
    "Reject": _Reader.reject,
    "Redirect": _Reader.redirect,
    "Dial": _Reader.dial,
    "Gather": _Reader.gather,
    "Record": _Reader.record,
    "Connect": _Reader.connect,
}
