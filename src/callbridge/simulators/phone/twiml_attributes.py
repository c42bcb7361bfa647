"""The attributes of TwiML: which there are, and how their values are read.

Pure. What Twilio does not know, or cannot read, is a complaint and the default is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET


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
    "Sip": _names(
        "username password url method statusCallback statusCallbackMethod statusCallbackEvent",
        "machineDetection machineDetectionTimeout machineDetectionSpeechThreshold",
        "machineDetectionSpeechEndThreshold machineDetectionSilenceTimeout amdStatusCallback",
        "amdStatusCallbackMethod",
    ),
    "Client": _names("url method statusCallback statusCallbackMethod statusCallbackEvent"),
    "Identity": _names(),
    "Conference": _names(
        "participantLabel startConferenceOnEnter endConferenceOnExit muted beep waitUrl waitMethod",
        "maxParticipants coach jitterBufferSize region record recordingStatusCallback",
        "recordingStatusCallbackMethod recordingStatusCallbackEvent trim statusCallback",
        "statusCallbackMethod statusCallbackEvent eventCallbackUrl",
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

DIALLED = _names("Number Client Sip Application WhatsApp Conference Queue Sim")
"""What `<Dial>` may hold."""

DIAL_RECORDS = (
    *("do-not-record", "record-from-answer", "record-from-ringing"),
    *("record-from-answer-dual", "record-from-ringing-dual", "true", "false"),
)

RING_TONES = _names(
    "at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt ru se sg th",
    "uk us us-old tw ve za",
)

CODES = {
    ("Dial", "method"): 13210,
    ("Dial", "hangupOnStar"): 13213,
    ("Dial", "timeLimit"): 13216,
    ("Dial", "record"): 13217,
    ("Dial", "sequential"): 13218,
    ("Dial", "answerOnBridge"): 13219,
    ("Dial", "ringTone"): 13220,
    ("Number", "method"): 13221,
    ("Number", "sendDigits"): 13222,
    ("Gather", "finishOnKey"): 13310,
    ("Gather", "method"): 13312,
    ("Gather", "timeout"): 13313,
    ("Gather", "numDigits"): 13314,
}
"""Of values that are wrong; of all others it is 12200."""


class AttributeReader:
    """Reads attributes and collects complaints on the way."""

    def __init__(self) -> None:
        self.complaints: list[tuple[int, str]] = []

    def method(self, element: ET.Element, name: str = "method") -> str:
        """POST, unless it says GET."""
        return self.one_of(element, name, ("POST", "GET"))

    def one_of(self, element: ET.Element, name: str, allowed: tuple[str, ...]) -> str:
        """The value of an attribute, or the first allowed one, which is Twilio's default."""
        value = element.get(name, allowed[0])
        if value not in allowed:
            self.mind(element, name, f"not one of {', '.join(allowed)}")
            return allowed[0]
        return value

    def number(self, element: ET.Element, name: str, default: int) -> int:
        """A whole number."""
        value = element.get(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit():
            self.mind(element, name, "not a number")
            return default
        return int(value)

    def keys(self, element: ET.Element, name: str, default: str) -> str:
        """Keys of a telephone."""
        value = element.get(name, default)
        if value.strip("0123456789*#"):
            self.mind(element, name, "not keys of a telephone")
            return default
        return value

    def mind(self, element: ET.Element, name: str, what: str) -> None:
        """A value is wrong: its default is taken."""
        code = CODES.get((element.tag, name), 12200)
        self.complaints.append((code, f"<{element.tag} {name}={element.get(name)!r}> is {what}"))

    def check_attributes(self, element: ET.Element) -> None:
        """Complain of names that the element does not have."""
        known = ATTRIBUTES.get(element.tag, frozenset(element.keys()))
        for name in sorted(set(element.keys()) - known):
            self.complain(f"<{element.tag}> has no attribute {name!r}")

    def complain(self, detail: str) -> None:
        """The document does not follow the schema."""
        self.complaints.append((12200, detail))

    def flag(self, element: ET.Element, name: str, *, default: bool = False) -> bool:
        """An attribute that is true or false."""
        return self.one_of(element, name, ("true", "false") if default else ("false", "true")) == "true"
