"""Every bound and timeout of a call, with its unit in its name and its reason beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What happens at each bound stands with the bound. Relations are checked when it is made."""

    start_timeout_s: float = 5.0
    """Socket accepted, no admitted `start`: refused. Twilio sends `start` with the first packet."""

    dial_timeout_s: float = 6.0
    """Model dialled, no socket: the call goes to the apology. The socket's own open timeout is 5 s."""

    configure_timeout_s: float = 5.0
    """Socket open, `session.updated` not seen. Measured elsewhere: about 0.3 s after the socket."""

    answer_timeout_s: float = 15.0
    """An answer is owed and nothing at all came from the model: the model is lost."""

    media_gap_timeout_s: float = 15.0
    """No caller audio: the call is lost. Twilio sends a frame each 20 ms, silence included."""

    farewell_timeout_s: float = 5.0
    """Beyond the length of the last words: how long their final mark may take."""

    call_length_max_s: float = 59 * 60.0
    """A Realtime session ends at 60 minutes with an error; the call ends before, with a reason."""

    transcript_timeout_s: float = 5.0
    """A turn's record waits this long for the caller's transcript, which may come after the answer."""

    keys_timeout_s: float = 2.0
    """After the last key the digits go to the model; `#` ends them at once."""

    retry_delay_s: float = 1.0
    """After a failed response, before the next attempt. Rate limits recover within seconds."""

    response_attempts_max: int = 3
    """Failed responses in a row before the model counts as lost."""

    held_audio_ms_max: int = 12_000
    """Caller audio held until the model is ready: dial and configure timeouts together, and a second.
    Beyond it the oldest is dropped and counted, because stale audio would be answered."""

    mark_every_ms: int = 200
    """One mark per so much agent audio. Twilio's engineers warn that very many marks add delay."""

    marks_outstanding_max: int = 400
    """80 s of unheard audio at one mark per 200 ms. Beyond it no marks are sent until echoes come."""

    heard_tail_ms: int = 60
    """An item with no more than this left counts as heard to its end. Truncation takes the item's whole
    transcript from the model's memory, too high a price for three frames of trailing silence."""

    bad_messages_max: int = 50
    """Messages of one peer that could not be read: above it the peer is not speaking the protocol."""

    tool_timeout_s: float = 8.0
    """A tool that takes longer is told to the model as failed."""

    def __post_init__(self) -> None:
        ready_s = self.dial_timeout_s + self.configure_timeout_s
        assert self.held_audio_ms_max >= ready_s * 1000, "the caller's first words must survive the dial"
        assert 0 < self.heard_tail_ms < self.mark_every_ms
        assert self.call_length_max_s < 3600, "the model ends its session at 60 minutes"
