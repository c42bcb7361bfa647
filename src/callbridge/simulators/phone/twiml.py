"""TwiML as Twilio reads it: an HTTP answer in, verbs and complaints out.

Pure. Executing the verbs is the business of `program`. Source: twilio.com/docs/voice/twiml and the
pages of its verbs; the attributes that the simulator does not need are known, but not kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from xml.etree import ElementTree as ET

from callbridge.simulators.phone.dial_nouns import Noun, Room, read_nouns, read_room
from callbridge.simulators.phone.say_voices import text_fault, voice_fault
from callbridge.simulators.phone.twiml_attributes import (
    DIAL_RECORDS,
    DIALLED,
    KNOWN_VERBS,
    RING_TONES,
    AttributeReader,
)

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

RECORD_FINISH_KEYS = "1234567890*#"
RECORD_TIMEOUT_S = 5
DIAL_TIMEOUT_S = 30
"""Twilio's defaults."""

DIAL_TIME_LIMIT_S = 14_400

DIAL_TIMEOUTS_S = range(5, 601)

CALL_REASON_CHARACTERS_MAX = 50

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
    nouns: tuple[Noun, ...] = field(default=(), compare=False)
    """The targets that ring, with their attributes."""
    room: Room | None = field(default=None, compare=False)
    """The `<Conference>` in place of anybody who rings."""
    is_sequential: bool = False
    """The nouns are tried one after another."""
    answers_on_bridge: bool = False
    """The call stays unanswered until somebody was connected."""
    hangs_up_on_star: bool = False
    """The caller's `*` ends the talk, and the call goes on."""
    time_limit_s: int = DIAL_TIME_LIMIT_S
    """Of the talk."""


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
    takes_keys: bool = True
    finish_keys: str = "#"
    """One of these ends the entry; empty: every key is part of it."""


@dataclass(frozen=True, slots=True)
class Record:
    """Record the caller."""

    action: str | None
    method: str
    length_max_s: int
    timeout_s: int = RECORD_TIMEOUT_S
    """So much silence ends the recording."""
    finish_keys: str = RECORD_FINISH_KEYS
    """One of these ends it."""
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


NESTED_IN_GATHER = frozenset({"Say", "Play", "Pause"})


class _Reader(AttributeReader):
    """Turns elements into verbs and collects complaints on the way."""

    def verbs(self, parent: ET.Element) -> tuple[Verb, ...]:
        self.check_attributes(parent)
        found = (self._verb(element) for element in parent)
        return tuple(verb for verb in found if verb is not None)

    def _verb(self, element: ET.Element) -> Verb | None:
        if element.tag not in KNOWN_VERBS:
            self.complain(f"unknown verb <{element.tag}>")
            return None
        read = _READERS.get(element.tag)
        if read is None:
            return Unsimulated(element.tag)
        self.check_attributes(element)
        return read(self, element)

    def say(self, element: ET.Element) -> Verb | None:
        # Markup inside (SSML) is spoken, so its text belongs to the text.
        text = " ".join("".join(element.itertext()).split())
        if not text:
            self.complaints.append((13520, "<Say> without text"))
            return None
        voice, language = element.get("voice"), element.get("language")
        if fault := voice_fault(voice, language) or text_fault(text, voice):
            self.complaints.append(fault)
            return None
        return Say(text, self.number(element, "loop", 1) or LOOP_ENDLESS, voice, language)

    def play(self, element: ET.Element) -> Verb | None:
        url = (element.text or "").strip()
        if not url and not element.get("digits"):
            self.complain("<Play> without a URL")
            return None
        return Play(url or f"tones {element.get('digits')}")

    def pause(self, element: ET.Element) -> Verb:
        return Pause(self.number(element, "length", 1))

    def hangup(self, element: ET.Element) -> Verb:
        if len(element):
            self.complain("<Hangup> cannot hold other verbs")
        return Hangup()

    def reject(self, element: ET.Element) -> Verb:
        return Reject(self.one_of(element, "reason", ("rejected", "busy")))

    def redirect(self, element: ET.Element) -> Verb:
        return Redirect((element.text or "").strip(), self.method(element))

    def dial(self, element: ET.Element) -> Verb:
        self._check_dial(element)
        nouns, room = read_nouns(element, self), read_room(element, self)
        others = ((noun.tag, (noun.text or "").strip()) for noun in element)
        return Dial(
            targets=tuple((noun.kind, noun.address) for noun in nouns) or tuple(others),
            action=element.get("action"),
            method=self.method(element),
            caller_id=element.get("callerId"),
            timeout_s=self._dial_timeout_s(element),
            has_whisper=any(noun.url for noun in nouns),
            nouns=nouns,
            room=room,
            is_sequential=self.flag(element, "sequential"),
            answers_on_bridge=self.flag(element, "answerOnBridge"),
            hangs_up_on_star=self.flag(element, "hangupOnStar"),
            time_limit_s=self.number(element, "timeLimit", DIAL_TIME_LIMIT_S),
        )

    def _check_dial(self, element: ET.Element) -> None:
        """What is not kept of a `<Dial>` may be wrong all the same."""
        self.one_of(element, "record", DIAL_RECORDS)
        self.one_of(element, "ringTone", ("automatic", *sorted(RING_TONES)))
        if len(element.get("callReason", "")) > CALL_REASON_CHARACTERS_MAX:
            self.complain(f"<Dial callReason> has more than {CALL_REASON_CHARACTERS_MAX} characters")
        for noun in element:
            if noun.tag not in DIALLED:
                self.complaints.append((13215, f"<{noun.tag}> is not allowed inside <Dial>"))

    def _dial_timeout_s(self, element: ET.Element) -> int:
        text = element.get("timeout", str(DIAL_TIMEOUT_S))
        if not text.isascii() or not text.isdigit() or int(text[:9]) not in DIAL_TIMEOUTS_S:
            self.complaints.append((13212, f"timeout {text!r}"))
            return DIAL_TIMEOUT_S
        return int(text)

    def gather(self, element: ET.Element) -> Verb:
        for noun in element:
            if noun.tag not in NESTED_IN_GATHER:
                self.complaints.append((13320, f"<{noun.tag}> is not allowed inside <Gather>"))
        kinds = self._kinds(element)
        prompts = (self._verb(noun) for noun in element if noun.tag in NESTED_IN_GATHER)
        return Gather(
            prompts=tuple(verb for verb in prompts if verb is not None),
            action=element.get("action"),
            method=self.method(element),
            takes_speech="speech" in kinds,
            takes_keys="dtmf" in kinds,
            finish_keys=self.keys(element, "finishOnKey", "#"),
            digits_max=self._digits_max(element),
            acts_on_nothing=self.flag(element, "actionOnEmptyResult"),
            timeout_s=GATHER_TIMEOUT_S
            if element.get("timeout") == "auto"
            else self.number(element, "timeout", GATHER_TIMEOUT_S),
        )

    def _kinds(self, element: ET.Element) -> frozenset[str]:
        kinds = frozenset(element.get("input", "dtmf").split())
        if not kinds or kinds - {"dtmf", "speech"}:
            self.complain(f"<Gather input={element.get('input')!r}> is not dtmf, speech, or both")
        return kinds & {"dtmf", "speech"} or frozenset({"dtmf"})

    def _digits_max(self, element: ET.Element) -> int | None:
        number = self.number(element, "numDigits", 0)
        if number == 0 and element.get("numDigits", "") == "0":
            self.complaints.append((13314, f"numDigits {element.get('numDigits')!r}"))
        return number or None

    def record(self, element: ET.Element) -> Verb:
        return Record(
            finish_keys=self.keys(element, "finishOnKey", RECORD_FINISH_KEYS),
            action=element.get("action"),
            method=self.method(element),
            length_max_s=self.number(element, "maxLength", 3600),
            timeout_s=self.number(element, "timeout", RECORD_TIMEOUT_S),
            status_callback=element.get("recordingStatusCallback"),
            status_callback_method=self.method(element, "recordingStatusCallbackMethod"),
        )

    def connect(self, element: ET.Element) -> Verb | None:
        nouns = list(element)
        if len(nouns) != 1:
            self.complain(f"<Connect> must hold one noun, not {len(nouns)}")
            return None
        if nouns[0].tag != "Stream":
            return Unsimulated(f"Connect/{nouns[0].tag}")
        self.check_attributes(nouns[0])
        return self._stream(element, nouns[0])

    def _stream(self, connect: ET.Element, stream: ET.Element) -> Verb:
        return ConnectStream(
            url=stream.get("url", ""),
            action=connect.get("action"),
            method=self.method(connect),
            name=stream.get("name"),
            track=stream.get("track"),
            parameters=self._parameters(stream),
            status_callback=stream.get("statusCallback"),
            status_callback_method=self.method(stream, "statusCallbackMethod"),
        )

    def _parameters(self, stream: ET.Element) -> tuple[tuple[str, str], ...]:
        pairs = []
        for element in stream:
            self.check_attributes(element)
            name, value = element.get("name"), element.get("value")
            if element.tag != "Parameter" or name is None or value is None:
                self.complain(f"<Stream> holds <Parameter name value> only, not <{element.tag}>")
            elif len(name) + len(value) >= PARAMETER_CHARACTERS_MAX:
                self.complain(f"<Parameter name={name!r}> has 500 characters or more")
            else:
                pairs.append((name, value))
        return tuple(pairs)


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
