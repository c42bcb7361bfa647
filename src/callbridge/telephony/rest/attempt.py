"""How far one request has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Attempt:
    """What is known of one request while it is under way."""

    is_sent: bool = True
    """Whether Twilio may have got it. Not while there is no connection that it could go by."""
