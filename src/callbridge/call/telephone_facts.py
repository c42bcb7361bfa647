"""What happened to a call beside its streams: people who were rung, texts, and what Twilio thinks of us.

Only `TransferAsked` says who is rung and what they are told: it is dropped with the words of the call. The
rest is kept for a day, so nothing else here has words, or numbers of people.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from callbridge.call.fact_base import BaseFact
from callbridge.call.outcomes import TextOutcome, TransferOutcome
from callbridge.call.wishes import Transfer

# --- Transfers ----------------------------------------------------------------------------------------


class TransferAsked(BaseFact, frozen=True):
    """The caller is to be put through. It is on disk before anybody is rung."""

    transfer_id: str
    """New in the call."""
    transfer: Transfer
    is_held: bool = False
    """The caller stays in the stream, on hold, until the person has taken the call. Otherwise the stream
    ends, and they hear it ring."""


class PersonRung(BaseFact, frozen=True):
    """A call to the person was made beside that of the caller."""

    transfer_id: str
    person_sid: str
    """Twilio's name of it."""


class PersonAnswered(BaseFact, frozen=True):
    """Somebody, or something, has answered, and hears the briefing."""

    transfer_id: str


class PersonDecided(BaseFact, frozen=True):
    """Whether they take the call."""

    transfer_id: str
    takes_it: bool
    keys: str = ""
    """What they pressed; nothing when they pressed nothing."""


class PersonReported(BaseFact, frozen=True):
    """How Twilio saw the call to the person go on."""

    transfer_id: str
    status: str
    """Twilio's `CallStatus`."""
    sip_code: str = ""
    duration_s: str = ""
    """How long it lasted, as Twilio writes it; empty before it is over."""
    priced_as: str = ""
    """By which price of the list it is billed: `outbound +1`. Numbers of people stand in no fact but one."""


class CallerJoined(BaseFact, frozen=True):
    """Twilio was told to lead the caller into the room where the person will be."""

    transfer_id: str


class PersonJoined(BaseFact, frozen=True):
    """Twilio was told to lead the person there."""

    transfer_id: str


class CallerLedBack(BaseFact, frozen=True):
    """Twilio is about to be told to lead the caller out of it again: they were alone there."""

    transfer_id: str


class RoomReported(BaseFact, frozen=True):
    """What Twilio saw of that room."""

    transfer_id: str
    event: str
    """Twilio's `StatusCallbackEvent`: `conference-start` when both are in."""
    room_sid: str = ""
    """Twilio's name of it. Who leaves one ends it, and the next who comes is in another."""
    who: str = ""
    """Of somebody who has come or gone: `caller` or `person`."""


class TransferEnded(BaseFact, frozen=True):
    """What became of it."""

    transfer_id: str
    name: str
    """Of the destination."""
    outcome: TransferOutcome
    waited_ms: int = 0
    """How long the caller waited for it; for a call that was taken, until it was."""
    detail: str = ""
    """What Twilio said, in its codes and statuses."""


# --- Texts --------------------------------------------------------------------------------------------


class TextAsked(BaseFact, frozen=True):
    """A text message is about to be sent: on disk before it is, so it is not sent twice."""

    text_id: str
    """New in the call."""
    template: str = ""
    """The name of the template that it is made of; empty for words of somebody's own."""


class TextTold(BaseFact, frozen=True):
    """What became of a text message, as far as it is known by now."""

    text_id: str
    outcome: TextOutcome
    message_sid: str = ""
    """Twilio's name of it."""
    code: str = ""
    """Twilio's error code."""
    segments: int = 0
    """How many it is billed as; 0 where Twilio does not say."""
    priced_as: str = ""
    """By which price of the list."""


# --- What Twilio thinks of us ---------------------------------------------------------------------------


class CarrierAlert(BaseFact, frozen=True):
    """Twilio has an error or a warning about this call in its debugger."""

    alert_sid: str
    code: str
    level: str
    """`error` or `warning`."""
    text: str = ""
    """Bounded, without numbers."""


TelephoneFact: TypeAlias = (
    TransferAsked
    | PersonRung
    | PersonAnswered
    | PersonDecided
    | PersonReported
    | CallerJoined
    | PersonJoined
    | CallerLedBack
    | RoomReported
    | TransferEnded
    | TextAsked
    | TextTold
    | CarrierAlert
)

OF_TRANSFERS: Final = (
    TransferAsked,
    PersonRung,
    PersonAnswered,
    PersonDecided,
    PersonReported,
    CallerJoined,
    PersonJoined,
    CallerLedBack,
    RoomReported,
    TransferEnded,
)
