"""What webhooks learn of a call: that it was offered, what Twilio asked, and how Twilio saw it go on.

The process that takes such a request need not be the one that carries the call.
"""

from __future__ import annotations

import msgspec

from callbridge.call.end_reasons import EndReason
from callbridge.call.fact_base import BaseFact


class Promise(msgspec.Struct, frozen=True):
    """A stream that Twilio was told to open. By it any process makes the same document again."""

    stream: int
    """1, 2, 3, … within the call."""
    agent: str
    """Who is to answer."""
    nonce: str
    """Of its token, in hexadecimal digits. It says nothing of the rest of the token."""
    expires_at: int
    """Until when the token is good, in Unix seconds."""


class CallOffered(BaseFact, frozen=True):
    """Twilio asked what to do with a call."""

    caller: str
    called: str
    declined: str = ""
    """Why it was not taken; empty when it was."""
    agent: str = ""
    leads_back: bool = False
    """The human of the fallback has forwarded it here, or called: they are not rung for it."""
    promise: Promise | None = None
    """What Twilio was told to open; nothing for a call that was not taken."""
    caller_key: str = ""
    """As in `StreamStarted`."""
    priced_as: str = ""
    """By which price of the list the caller's line is billed: `inbound +1`. Numbers are masked in records."""


class StreamAsked(BaseFact, frozen=True):
    """Twilio asked what follows a stream."""

    follows: str
    """What it was told, as `switchboard.continuation` names it. `moved`: the stream was stopped, and not by
    the caller, who is still there: somebody sent the call elsewhere."""
    ended: EndReason | None = None
    """How the stream ended, as far as that was written down."""
    stream: int = 0
    """Which one: 1, 2, 3, … within the call."""
    held: int = 0
    """How often the caller was told to wait before."""
    transfer: str = ""
    """The transfer that has ended behind it, if there was one."""
    rounds: int = 0
    """How long a caller waits who is told to, in rounds of words and a pause; 0 is a moment of silence."""
    promise: Promise | None = None
    """What Twilio was told to open."""


class CallDescribed(BaseFact, frozen=True):
    """What the webhook learnt of a call beside its numbers, for its agent. Kept for as long as its words."""

    caller_name: str = ""
    """`CallerName`, where Twilio was asked to look it up."""
    attestation: str = ""
    """How far the carrier vouches for the number (STIR/SHAKEN): `A`, `B`, `C`, or nothing."""
    parameters: tuple[tuple[str, str], ...] = ()
    """The query of the number's voice URL, and headers of a SIP call."""


class StreamReported(BaseFact, frozen=True):
    """What Twilio saw of a stream; the only news of one that never reached us."""

    status: str
    error: str = ""
    stream_sid: str = ""


class CallReported(BaseFact, frozen=True):
    """How Twilio saw the call go on."""

    status: str
    duration_s: str = ""
    """As Twilio writes it; empty before the call is over."""


class MenuAnswered(BaseFact, frozen=True):
    """The caller has heard the menu of the fallback."""

    round: str
    """Which time, as `switchboard.fallback_menu` names it."""
    keys: str = ""
    """What they pressed; nothing when they pressed nothing."""


class FallbackDialed(BaseFact, frozen=True):
    """A human was rung because the agent could not answer."""

    status: str
    bridged: str = ""
    """Whether the two were connected, as Twilio says it: `true`, `false`, or nothing."""
    duration_s: str = ""
    """How long that call lasted, as Twilio writes it."""
    priced_as: str = ""
    """By which price of the list it is billed."""


class VoicemailLeft(BaseFact, frozen=True):
    """The caller's message was recorded, or their silence. Older records hold its address, too, as `url`."""

    recording_sid: str = ""
    """Twilio's name of the recording. It is fetched with the account's own key."""
    duration_s: str = ""
    status: str = ""
    """`left`, `silent`, or what Twilio says of the recording: `completed`, `absent`, …"""


class CallOver(BaseFact, frozen=True):
    """Twilio has said, or was told, that no stream of this call will come any more."""
