"""Whom `<Dial>` connects: numbers, SIP addresses and clients that ring, or a conference that is entered.

Pure. Sources: twilio.com/docs/voice/twiml/number, …/sip, …/client and …/conference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

    from callbridge.simulators.phone.twiml_attributes import AttributeReader

RINGING = frozenset({"Number", "Sip", "Client"})
"""Nouns that ring somebody."""

NOUNS_MAX = 10
"""Of one `<Dial>`."""

CALL_EVENTS = ("initiated", "ringing", "answered", "completed")
"""What a status callback of a leg can be told."""

ROOM_EVENTS = ("start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement")
"""What a status callback of a conference can be told."""

ROOM_PARTICIPANTS_MAX = 250

DETECTION_BOUNDS = {
    "machineDetectionTimeout": range(3, 61),
    "machineDetectionSpeechThreshold": range(1000, 6001),
    "machineDetectionSpeechEndThreshold": range(500, 5001),
    "machineDetectionSilenceTimeout": range(2000, 10_001),
}

DIGITS = r"[0-9A-D#*wW]{0,32}"
"""Of `sendDigits`: keys, and pauses of half a second and of a whole one."""


@dataclass(frozen=True, slots=True)
class Callback:
    """Where news goes, and which."""

    url: str
    """As written: it may be relative."""
    method: str = "POST"
    events: frozenset[str] = frozenset()

    def at(self, base: str) -> Callback:
        """With its full address, in a document that has that one."""
        return replace(self, url=urljoin(base, self.url))


@dataclass(frozen=True, slots=True)
class Noun:
    """Somebody who is rung."""

    kind: str
    """`Number`, `Sip` or `Client`."""
    address: str
    """The number, the SIP URI, or the client's identity."""
    url: str | None = None
    """Of the document that they hear before they are connected."""
    method: str = "POST"
    send_digits: str = ""
    callback: Callback | None = None
    machine_detection: str = ""
    """`Enable`, `DetectMessageEnd` or nothing; the verdict always comes beside the call."""
    amd_callback: str = ""
    amd_method: str = "POST"

    @property
    def party(self) -> str:
        """The address as a call's `To` has it."""
        prefix = {"Sip": "sip:", "Client": "client:"}.get(self.kind, "")
        return self.address if self.address.startswith(prefix) else f"{prefix}{self.address}"

    def at(self, base: str) -> Noun:
        """With its full addresses, in a document that has that one."""
        url = self.url and urljoin(base, self.url)
        amd = self.amd_callback and urljoin(base, self.amd_callback)
        return replace(self, url=url, callback=self.callback and self.callback.at(base), amd_callback=amd)


@dataclass(frozen=True, slots=True)
class Room:
    """How a leg enters a conference."""

    name: str
    label: str | None = None
    starts: bool = True
    """`startConferenceOnEnter`: the talk begins when such a leg is there."""
    ends: bool = False
    """`endConferenceOnExit`: with this leg all others fall out."""
    is_muted: bool = False
    wait_url: str | None = None
    """What is heard before the start: Twilio's music when None, silence when empty."""
    wait_method: str = "POST"
    participants_max: int = ROOM_PARTICIPANTS_MAX
    coach: str | None = None
    """CallSid of the only leg that hears this one."""
    callback: Callback | None = None

    def at(self, base: str) -> Room:
        """With its full addresses, in a document that has that one."""
        url = self.wait_url and urljoin(base, self.wait_url)
        return replace(self, wait_url=url, callback=self.callback and self.callback.at(base))


def read_nouns(dial: ET.Element, reader: AttributeReader) -> tuple[Noun, ...]:
    """Those who ring; a bare text is a number."""
    for element in dial:
        reader.check_attributes(element)
    text = (dial.text or "").strip()
    if not len(dial):
        return (Noun("Number", text),)
    nouns = tuple(_noun(element, reader) for element in dial if element.tag in RINGING)
    if len(nouns) > NOUNS_MAX:
        reader.complain(f"<Dial> rings at most {NOUNS_MAX} at once, not {len(nouns)}")
    return nouns[:NOUNS_MAX]


def _noun(element: ET.Element, reader: AttributeReader) -> Noun:
    identity = element.find("Identity")
    text = element.text if identity is None else identity.text
    return Noun(
        kind=element.tag,
        address=(text or "").strip(),
        url=element.get("url") or None,
        method=reader.method(element),
        send_digits=_digits(element, reader),
        callback=_callback(element, reader, CALL_EVENTS, default=("completed",)),
        machine_detection=_detection(element, reader),
        amd_callback=element.get("amdStatusCallback", ""),
        amd_method=reader.method(element, "amdStatusCallbackMethod"),
    )


def _detection(element: ET.Element, reader: AttributeReader) -> str:
    mode = element.get("machineDetection", "")
    if mode not in {"", "Enable", "DetectMessageEnd"}:
        reader.mind(element, "machineDetection", "neither Enable nor DetectMessageEnd")
        return ""
    for name, bounds in DETECTION_BOUNDS.items():
        if reader.number(element, name, bounds.start) not in bounds:
            reader.mind(element, name, f"not {bounds.start} to {bounds.stop - 1}")
    return mode


def _digits(element: ET.Element, reader: AttributeReader) -> str:
    digits = element.get("sendDigits", "")
    if not re.fullmatch(DIGITS, digits):
        reader.mind(element, "sendDigits", "not keys and pauses, at most 32")
        return ""
    return digits


def read_room(dial: ET.Element, reader: AttributeReader) -> Room | None:
    """The conference, if that is what is dialled."""
    element = dial.find("Conference")
    if element is None:
        return None
    maximum = reader.number(element, "maxParticipants", ROOM_PARTICIPANTS_MAX)
    reader.one_of(element, "beep", ("true", "false", "onEnter", "onExit"))
    reader.one_of(element, "jitterBufferSize", ("large", "medium", "small", "off"))
    return Room(
        name=(element.text or "").strip(),
        label=element.get("participantLabel") or None,
        starts=reader.flag(element, "startConferenceOnEnter", default=True),
        ends=reader.flag(element, "endConferenceOnExit"),
        is_muted=reader.flag(element, "muted"),
        wait_url=element.get("waitUrl"),
        wait_method=reader.method(element, "waitMethod"),
        participants_max=min(maximum, ROOM_PARTICIPANTS_MAX),
        coach=element.get("coach") or None,
        callback=_callback(element, reader, ROOM_EVENTS, default=()),
    )


def _callback(
    element: ET.Element, reader: AttributeReader, known: tuple[str, ...], default: tuple[str, ...]
) -> Callback | None:
    url = element.get("statusCallback")
    if not url:
        return None
    named = element.get("statusCallbackEvent")
    events = default if named is None else tuple(named.split())
    for event in events:
        if event not in known:
            reader.complain(f"<{element.tag} statusCallbackEvent> knows no {event!r}")
    method = reader.method(element, "statusCallbackMethod")
    return Callback(url, method, frozenset(events) & frozenset(known))
