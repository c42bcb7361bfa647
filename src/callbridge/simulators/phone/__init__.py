"""Twilio on a laptop: a caller who dials a voice webhook and talks over a media stream, and whom they reach.

The parts, from the inside out. Pure: `playback` (what is heard), `caller` (what is said), `surroundings`
(where), `stream` (one media socket), `incoming` (who calls), `twiml` and `program` (what Twilio executes),
`people` (who can be rung), `conferences`, `silence` (the witness in the caller's ear), `report`. Shells:
`webhooks`, `media_socket`, `leg` (one call at Twilio), `execution` (a program carried out on a leg),
`ringing`, `dialling` and `attendance` (legs that meet), `exchange` (all of them), `call`.
Strict on purpose: what Twilio would warn about is reported by its code.
"""

from __future__ import annotations

from callbridge.simulators.phone.call import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    FROM_NUMBER,
    TO_NUMBER,
    CallSettings,
    SimulatedCall,
    place_call,
)
from callbridge.simulators.phone.caller import (
    Act,
    Caller,
    CallerScript,
    Departure,
    Ear,
    HangUp,
    Interrupt,
    InterruptAt,
    Pause,
    Press,
    Say,
    Step,
    Vanish,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.phone.events import PhoneEvent
from callbridge.simulators.phone.exchange import AccountNumber, Exchange, NewLeg
from callbridge.simulators.phone.incoming import Incoming, Place
from callbridge.simulators.phone.leg import Leg
from callbridge.simulators.phone.line_settings import DialOutcome, LineSettings, RecordingEnd
from callbridge.simulators.phone.losses import Losses, Lossy
from callbridge.simulators.phone.media_socket import Network
from callbridge.simulators.phone.messages import StreamIdentity
from callbridge.simulators.phone.misbehaviour import Misbehaviour
from callbridge.simulators.phone.people import Answers, Moment, Person
from callbridge.simulators.phone.playback import Clear, Mark, Payload, Playback
from callbridge.simulators.phone.report import (
    CallReport,
    CarrierWarning,
    GreetingReport,
    HeardReport,
    SilenceReport,
    StreamReport,
)
from callbridge.simulators.phone.signature import SharedKey, sign, sign_form
from callbridge.simulators.phone.stream import (
    Abort,
    Close,
    Output,
    PhoneStream,
    Send,
    StreamSettings,
)
from callbridge.simulators.phone.surroundings import (
    Background,
    ComfortNoise,
    Echo,
    Interjection,
    Surrounded,
    Surroundings,
)

__all__ = [
    "ACCOUNT_SID",
    "AUTH_TOKEN",
    "FROM_NUMBER",
    "TO_NUMBER",
    "Abort",
    "AccountNumber",
    "Act",
    "Answers",
    "Background",
    "CallReport",
    "CallSettings",
    "Caller",
    "CallerScript",
    "CarrierWarning",
    "Clear",
    "Close",
    "ComfortNoise",
    "Departure",
    "DialOutcome",
    "Ear",
    "Echo",
    "Exchange",
    "GreetingReport",
    "HangUp",
    "HeardReport",
    "Incoming",
    "Interjection",
    "Interrupt",
    "InterruptAt",
    "Leg",
    "LineSettings",
    "Losses",
    "Lossy",
    "Mark",
    "Misbehaviour",
    "Moment",
    "Network",
    "NewLeg",
    "Output",
    "Pause",
    "Payload",
    "Person",
    "PhoneEvent",
    "PhoneStream",
    "Place",
    "Playback",
    "Press",
    "RecordingEnd",
    "Say",
    "Send",
    "SharedKey",
    "SilenceReport",
    "SimulatedCall",
    "Step",
    "StreamIdentity",
    "StreamReport",
    "StreamSettings",
    "Surrounded",
    "Surroundings",
    "Vanish",
    "WaitForAgent",
    "WaitForEnd",
    "place_call",
    "sign",
    "sign_form",
]
