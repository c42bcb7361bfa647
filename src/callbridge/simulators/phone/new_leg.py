"""A call that is to be made, as the REST API was asked for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NewLeg:
    """A call out; whoever asks for it has checked the parameters."""

    to_address: str
    from_address: str
    url: str = ""
    """Asked when it is answered; one of `url` and `twiml` is given."""
    method: str = "POST"
    twiml: str = ""
    fallback_url: str = ""
    fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    status_callback_events: tuple[str, ...] = ("completed",)
    send_digits: str = ""
    timeout_s: int = 60
    """How long it rings."""
    time_limit_s: int = 14_400
    machine_detection: str = ""
    """`Enable`, `DetectMessageEnd` or nothing."""
    is_amd_async: bool = False
    amd_callback: str = ""
    amd_method: str = "POST"
