"""Twilio's error and warning codes that a bridge can earn, each with what to do about it.

Only the codes that the phone simulator reports. Meanings are those of twilio.com/docs/api/errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a code matters."""

    ERROR = "error"
    """Something ended or was not done."""
    WARNING = "warning"
    """Something was ignored or thrown away."""
    NOTICE = "notice"
    """Logged by Twilio, or not simulated; nothing is wrong."""


@dataclass(frozen=True, slots=True)
class CarrierCode:
    """What one code says."""

    level: Level
    meaning: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """One occurrence of a code."""

    code: int
    detail: str
    at: float
    """Seconds on the clock that drives the call."""
    level: Level | None = None
    """Overrides the level of the code; 31921 after a clean close is a notice."""


_ERROR, _WARNING = Level.ERROR, Level.WARNING

CARRIER_CODES: dict[int, CarrierCode] = {
    11100: CarrierCode(
        _ERROR,
        "a document that came in a REST request has no address to go back to",
        "give <Gather> and <Record> an absolute `action`",
    ),
    11200: CarrierCode(
        _ERROR,
        "the webhook could not be fetched",
        "answer with status 200 within 15 s; look for the failure in the log of the service",
    ),
    11201: CarrierCode(
        _ERROR,
        "no connection to the webhook within 5 s",
        "check the address, and that the port can be reached from outside",
    ),
    11202: CarrierCode(
        _ERROR, "the webhook refused the connection", "start the service; check host and port"
    ),
    11205: CarrierCode(
        _ERROR,
        "the connection to the webhook failed",
        "the service or a proxy in front of it cut the connection; look at its log",
    ),
    11206: CarrierCode(
        _ERROR, "the webhook broke the HTTP protocol", "is there really an HTTP server on the port?"
    ),
    11210: CarrierCode(_ERROR, "bad host name in a URL", "use a public name without underscores"),
    11215: CarrierCode(_ERROR, "more than 10 redirects", "give Twilio the final address"),
    11220: CarrierCode(_ERROR, "TLS handshake with the webhook failed", "use a publicly trusted certificate"),
    11750: CarrierCode(_ERROR, "the TwiML is larger than 64 kB", "send less TwiML"),
    12100: CarrierCode(
        _ERROR,
        "the TwiML is not XML",
        "send well-formed XML that starts at the first byte, with <Response> around it",
    ),
    12102: CarrierCode(_ERROR, "the root element of the TwiML is wrong", "put <Response> around it"),
    12200: CarrierCode(
        _WARNING,
        "the TwiML does not follow the schema",
        "names of verbs and attributes are case sensitive; remove what Twilio does not know",
    ),
    12300: CarrierCode(_ERROR, "the Content-Type is not one that Twilio takes", "answer with text/xml"),
    13201: CarrierCode(
        _ERROR,
        "Dial: somebody who is being dialled cannot dial",
        "a whisper may hold Say, Play, Gather and Hangup",
    ),
    **{
        code: CarrierCode(
            _WARNING,
            f"Dial: {what} is not one that Twilio takes",
            "see the attributes of <Dial> and <Number>; Twilio takes the default now",
        )
        for code, what in {
            13210: "the method",
            13213: "hangupOnStar",
            13216: "timeLimit",
            13217: "record",
            13218: "sequential",
            13219: "answerOnBridge",
            13220: "ringTone",
            13221: "the method of <Number>",
            13222: "sendDigits of <Number>",
        }.items()
    },
    13215: CarrierCode(
        _WARNING, "Dial: it holds what cannot be dialled", "nest <Number>, <Sip>, <Client> or <Conference>"
    ),
    13212: CarrierCode(_WARNING, "Dial: timeout is not 5 to 600", "write whole seconds; Twilio takes 30 now"),
    13214: CarrierCode(
        _ERROR,
        "Dial: callerId is not allowed",
        "use a number of the call or one that the account has verified",
    ),
    13223: CarrierCode(_ERROR, "Dial: not a phone number", "write the number as +15551234567"),
    13224: CarrierCode(
        _ERROR,
        "Dial: the number is invalid, or Twilio does not reach it",
        "check each digit and the country code",
    ),
    13225: CarrierCode(_ERROR, "Dial: Twilio has blocked the number", "ring another one"),
    13226: CarrierCode(_ERROR, "Dial: no such country code", "write the number as +15551234567"),
    13227: CarrierCode(
        _ERROR,
        "Dial: the account may not ring that country",
        "allow it under Voice, Geographic Permissions, in the Console",
    ),
    13238: CarrierCode(
        _WARNING,
        "Dial: a verb that a conference's waitUrl cannot hold",
        "take Say, Play, Pause and Redirect",
    ),
    13247: CarrierCode(
        _ERROR,
        "Dial: callerId may not be shown: it is not the account's, or on a list of numbers that never call",
        "use a number of the account from which calls may come",
    ),
    13511: CarrierCode(_WARNING, "Say: no such voice, so nothing is said", "take one of Twilio's list"),
    13512: CarrierCode(
        _WARNING,
        "Say: the voice does not speak the language, so nothing is said",
        "take a pair of Twilio's list",
    ),
    **{
        code: CarrierCode(
            _WARNING,
            f"Gather: {what} is not one that Twilio takes",
            "see the attributes of <Gather>; Twilio takes the default now",
        )
        for code, what in {
            13310: "finishOnKey",
            13312: "the method",
            13313: "the timeout",
            13314: "numDigits",
        }.items()
    },
    13320: CarrierCode(
        _WARNING, "Gather: it holds a verb that is not heard", "nest <Say>, <Play> and <Pause> only"
    ),
    13521: CarrierCode(
        _ERROR, "Say: the text is too long, so nothing is said", "say less, or in several verbs"
    ),
    13520: CarrierCode(_ERROR, "Say: no text", "leave the verb out when there is nothing to say"),
    15003: CarrierCode(
        _WARNING,
        "a status callback was not answered with 2xx",
        "answer with 204, or 200 and empty TwiML; check the signature against the same URL",
    ),
    15004: CarrierCode(
        _ERROR,
        "an address in a document that came in a REST request is relative",
        "write it as https://host/path",
    ),
    16020: CarrierCode(_ERROR, "the conference is full", "raise maxParticipants, or take another room"),
    16023: CarrierCode(
        _ERROR,
        "the participantLabel is not allowed",
        "at most 128 characters, no slash, and not like a CallSid",
    ),
    16025: CarrierCode(
        _ERROR, "the participantLabel is in use in this conference", "give each leg a label of its own"
    ),
    13240: CarrierCode(_ERROR, "Dial: no such call to coach", "give the CallSid of a leg in the conference"),
    16027: CarrierCode(_ERROR, "the call to coach is on hold", "take it off hold before, or coach another"),
    31901: CarrierCode(
        _ERROR, "no answer to the stream's connection request", "check host, tunnel and firewall"
    ),
    31902: CarrierCode(_ERROR, "the stream's connection was refused", "is the service running on that port?"),
    31903: CarrierCode(
        _ERROR,
        "the stream's connection broke without a close",
        "the service died or a proxy cut it; close the socket with a code",
    ),
    31904: CarrierCode(_ERROR, "the stream's host cannot be reached", "use a public host name"),
    31910: CarrierCode(_ERROR, "TLS failed on the stream", "use a certificate that standard clients trust"),
    31920: CarrierCode(
        _ERROR,
        "the stream's handshake was not answered with 101",
        "check the path and the signature check of the upgrade; no query string in <Stream url>",
    ),
    31921: CarrierCode(
        _ERROR,
        "the bridge closed the stream",
        "expected when the agent ends the call; else look up the close code in its log",
    ),
    31922: CarrierCode(_ERROR, "the stream URL is not wss://", "serve the socket over TLS"),
    31923: CarrierCode(_ERROR, "the stream URL is malformed", "write wss://host/path"),
    31924: CarrierCode(
        _ERROR,
        "the bridge broke the WebSocket protocol",
        "a proxy or a hand-made frame is at fault: control frames may not be fragmented, text must be UTF-8",
    ),
    31930: CarrierCode(
        _WARNING,
        "caller audio was thrown away because the bridge reads too slowly",
        "never block the loop that reads the phone socket",
    ),
    31931: CarrierCode(
        _WARNING,
        "agent audio was thrown away: more than 10 minutes were waiting",
        "send less ahead, and clear when the caller interrupts",
    ),
    31941: CarrierCode(
        _ERROR, "the track is not allowed here", "remove `track`: <Connect> knows inbound_track only"
    ),
    31950: CarrierCode(_WARNING, "a binary message was ignored", "send JSON in text frames, audio as base64"),
    31951: CarrierCode(
        _WARNING,
        "an invalid message was ignored",
        "send media, mark and clear only, with exactly the documented fields and this streamSid",
    ),
}
