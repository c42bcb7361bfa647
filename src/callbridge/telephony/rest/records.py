"""What is asked of Twilio, and what it answers: plain values, none of the library's objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call that is to be made."""

    to: str = field(repr=False)
    """Who is rung: a number with its country code, `sip:…` or `client:…`."""
    from_: str = field(repr=False)
    """The number that they are shown: one of the account, or with `call_token` the caller's own."""
    url: str
    """Whose TwiML they hear once they answer."""
    status_url: str = ""
    """Where Twilio reports how it goes: initiated, ringing, answered, completed."""
    ring_s: int | None = None
    """How long it rings, 5 to 600 s; none: 60 s. Twilio may let it ring 5 s longer."""
    time_limit_s: int | None = None
    """How long it may last."""
    send_digits: str = ""
    """Keys that are pressed after the answer: an extension, `w` for half a second, `W` for one."""
    call_token: str = field(default="", repr=False)
    """What came with a caller's webhook, unchanged; it allows to show that caller's number."""


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A text that Twilio has taken. Whether it arrives is told later."""

    sid: str
    status: str
    """`queued` or `accepted`, as a rule. No report comes of this first one."""
    segments: int
    """How many it is paid as; 0 where that is not known yet."""


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What kind of account it is."""

    type: str
    """`Trial` or `Full`. Twilio cuts `<Stream>` out of what a trial account's calls are told."""
    status: str
    """`active`, `suspended` or `closed`."""

    @property
    def is_trial(self) -> bool:
        """Whether it can answer no call with a stream."""
        return self.type == "Trial"


@dataclass(frozen=True, slots=True)
class OwnedNumber:
    """A number of the account, and where it points."""

    sid: str
    number: str = field(repr=False)
    name: str = field(repr=False)
    """Twilio's friendly name: the number in national writing, as a rule."""
    voice_url: str
    voice_method: str
    fallback_url: str
    """What is asked when `voice_url` fails."""
    fallback_method: str
    status_url: str
    status_method: str
    sms_url: str
    sms_method: str
    application_sid: str
    """An application overrides `voice_url`; empty: none does."""
    trunk_sid: str
    """So does a trunk, and no TwiML runs."""
    sms_application_sid: str
    """An application overrides `sms_url`."""
    has_voice: bool
    has_sms: bool


@dataclass(frozen=True, slots=True)
class Pointing:
    """Where a number is to point. None leaves a field as it is, an empty text clears it."""

    voice_url: str | None = None
    voice_method: str | None = None
    fallback_url: str | None = None
    fallback_method: str | None = None
    """Refused without a `fallback_url` (21405)."""
    status_url: str | None = None
    status_method: str | None = None
    sms_url: str | None = None
    sms_method: str | None = None
    application_sid: str | None = None
    """Cleared, so that `voice_url` counts."""
    trunk_sid: str | None = None
    """So too."""
    sms_application_sid: str | None = None


@dataclass(frozen=True, slots=True)
class AvailableNumber:
    """A number that can be bought."""

    number: str
    name: str
    locality: str
    region: str
    country: str
    address_requirements: str
    """`none`, `any`, `local` or `foreign`: whose address must be entered first."""
    has_voice: bool
    has_sms: bool


@dataclass(frozen=True, slots=True)
class UsageOfDay:
    """What the account has used and pays of one category on one day, in UTC."""

    category: str
    """`calls-inbound`, `calls-media-stream-minutes`, `totalprice`, …: one may lie within another."""
    price: float
    price_unit: str
    """`usd`, or the account's own currency."""
    usage: float
    usage_unit: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One entry of Twilio's debugger."""

    sid: str
    code: str
    level: str
    """`error`, `warning`, `notice` or `debug`."""
    text: str = field(repr=False)
    """URL-encoded pairs, as a rule; numbers of people may stand in it."""
    resource_sid: str
    """What it is about: a call's SID, often."""
    request_url: str
    """Which address of ours was asked; empty where none was."""
    at: dt.datetime | None
    """When it happened."""
