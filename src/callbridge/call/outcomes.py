"""How the run of a tool, a transfer and a text message ended, each in one word."""

from __future__ import annotations

from enum import Enum


class ToolOutcome(Enum):
    """Every way out of a tool. Each is told to the model at once, and logged."""

    ANSWERED = "answered"
    STORED = "stored"
    """It was not run: it had answered the same question in an earlier session of the call."""
    FAILED = "failed"
    """It raised, or answered with what cannot be told."""
    TIMED_OUT = "timed_out"
    """Its time is over. A plain function goes on by itself, and may still take effect."""
    CANCELLED = "cancelled"
    """It was stopped, by itself or with its call."""
    REFUSED = "refused"
    """It was not run: the call of it was wrong, or nobody is there any more."""
    UNCONFIRMED = "unconfirmed"
    """It was not run yet: the caller is to be asked first, and the model calls it again."""
    BUSY = "busy"
    """It was not run: too many others run."""

    @property
    def is_answer(self) -> bool:
        """Whether the model got what it had asked for."""
        return self in {ToolOutcome.ANSWERED, ToolOutcome.STORED}

    @property
    def is_fault(self) -> bool:
        """Whether something went wrong. That a caller is asked first is as it should be."""
        return not self.is_answer and self is not ToolOutcome.UNCONFIRMED


class TransferOutcome(Enum):
    """What became of a transfer. All but the first bring the caller back to the agent, if they are there."""

    CONNECTED = "connected"
    """Caller and person talked."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    """It rang as long as it was to ring."""
    DECLINED = "declined"
    """Somebody answered, and did not take the call."""
    VOICEMAIL = "voicemail"
    """Something answered that pressed no key: a mailbox, as a rule."""
    UNREACHABLE = "unreachable"
    """There is no such number or address, it is switched off, or the account may not ring it."""
    CALLER_HUNG_UP = "caller_hung_up"
    """The caller did not wait."""
    CALLER_RETURNED = "caller_returned"
    """The caller pressed a key to be back with the agent."""
    CARRIER_FAULT = "carrier_fault"
    """The telephone network, Twilio or we failed: nothing is known of the person."""
    CLOSED = "closed"
    """It is outside of their hours: nobody was rung."""


class TextOutcome(Enum):
    """What became of a text message."""

    ACCEPTED = "accepted"
    """Twilio has taken it. Whether it arrives is told later, if at all."""
    DELIVERED = "delivered"
    OPTED_OUT = "opted_out"
    """They have told that they want none (21610). Never try again."""
    NO_MOBILE = "no_mobile"
    """A landline, or a number that takes no texts (21614, 30006, …)."""
    UNREACHABLE = "unreachable"
    """Switched off, unknown, or in a country that the account may not text (30003, 30005, 21408, …)."""
    BLOCKED = "blocked"
    """A carrier or Twilio takes it for unwanted (30007, 30004, …)."""
    UNREGISTERED = "unregistered"
    """Our number may send no texts there: it is not registered or not verified (30034, 30032, 21606, …)."""
    FAILED = "failed"
    """Something else, which the code says."""
    REFUSED = "refused"
    """It was not sent: too many in this call, too long, or to nobody whom it may go to."""
    UNKNOWN = "unknown"
    """No answer came: it may have been sent, so it is not sent again."""
