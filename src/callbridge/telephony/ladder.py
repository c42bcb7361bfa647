"""The fallback, step by step: what a caller gets whom the agent cannot serve.

It is a ladder of documents: a menu, where there is one; ring a human; when nobody was reached, voicemail;
when there is none or nothing was said into it, an apology and the end. Outside of the office hours a word
says so first, and nobody is rung. No document leaves the caller without a last word or an end, and each step
that goes on names who is asked what follows.

Pure. Whether a caller gets the fallback, and whether there is a human whom they may be put through to, is
decided elsewhere.

Reference: https://www.twilio.com/docs/voice/twiml/dial, and .../record beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]  # it ships no types

from callbridge.telephony.menu import add_menu
from callbridge.telephony.twiml import Words, goodbye, hang_up, legal, say

if TYPE_CHECKING:
    from callbridge.telephony.menu import MenuPlan

DIAL_SECONDS_MAX = 600
"""Twilio lets nothing ring longer."""

RINGS_LONGER_S: Final = 5
"""Twilio rings that much longer than `timeout` says. The least that it takes for it is the same number."""

VOICEMAIL_SECONDS_MAX = 120
"""Two minutes hold any message; Twilio's own bound is an hour, which a line left open would fill."""

SILENCE_SECONDS_MAX: Final = 1
"""Silence is recorded, too, and trimmed to nothing; a click or a breath leaves a second."""

_PICKED_UP: Final = frozenset({"completed", "answered"})
"""Values of `DialCallStatus` that mean: somebody, or something, picked up."""

NOTHING: Final = Words("")


@dataclass(frozen=True, slots=True)
class FallbackPlan:
    """What a caller gets when the agent cannot serve. Steps that are not configured are passed over."""

    apology: Words
    """The last word, when there was no human and no voicemail."""

    closed: Words = NOTHING
    """Said before all else, outside of the office hours. It is a last word, too."""

    menu: MenuPlan | None = None
    """Offered before anything of the ladder."""

    dial: str = ""
    """A phone number to ring, best in E.164; none: nobody is rung."""

    dial_seconds: int = 20
    """How long it rings, but 10 s at least. Many a mobile's own voicemail answers after 20 to 30 s, and that
    would count as a human."""

    caller_id: str = ""
    """The number that the human is shown, where the caller has none (13214); none: the caller's own."""

    has_voicemail: bool = False
    voicemail_prompt: Words = NOTHING
    """Spoken before the beep."""

    dialed_url: str = ""
    """Asked when the ringing or the talk with the human is over, with `DialCallStatus`."""

    voicemail_left_url: str = ""
    """Asked when the recording is over, whether anything was said or not."""

    voicemail_status_url: str = ""
    """Told when the recording can be fetched."""

    def __post_init__(self) -> None:
        assert 1 <= self.dial_seconds <= DIAL_SECONDS_MAX, "the settings bound it"
        assert self.dialed_url or not self.dial, "somebody must be asked what follows"
        assert self.voicemail_left_url or not self.has_voicemail, "without it Twilio asks this document again"


def first_step(plan: FallbackPlan) -> str:
    """The menu; without one ring the human, else what follows an unanswered ring."""
    response = VoiceResponse()
    add_first_step(response, plan)
    return str(response)


def add_first_step(response: VoiceResponse, plan: FallbackPlan) -> None:
    """The same, behind what stands in `response` already."""
    say(response, plan.closed)
    if plan.menu is not None:
        add_menu(response, plan.menu)
    number = legal(plan.dial).strip()
    if not number:
        _add_voicemail(response, plan)
        return
    # `answerOnBridge`: where the call is not answered yet, it goes on ringing until the human takes it.
    dial = response.dial(
        timeout=timeout_for(plan.dial_seconds),
        answer_on_bridge=True,
        action=plan.dialed_url,
        caller_id=plan.caller_id or None,
    )
    dial.number(number)
    # Never reached, since `action` takes over; a word here could follow a talk that went well.
    response.hangup()


def timeout_for(ring_s: int) -> int:
    """The `timeout` of a `<Dial>` that is to ring so long."""
    return max(RINGS_LONGER_S, ring_s - RINGS_LONGER_S)


def after_dial(plan: FallbackPlan, dial_status: str, dial_bridged: str) -> str:
    """What follows the ringing: nothing more for who has talked to a human, else voicemail."""
    if was_connected(dial_status, dial_bridged):
        return hang_up()
    response = VoiceResponse()
    _add_voicemail(response, plan)
    return str(response)


def was_connected(dial_status: str, dial_bridged: str) -> bool:
    """Whether caller and human were connected, by Twilio's `DialCallStatus` and `DialBridged`.

    The status says `completed` also of a mailbox that was not let through and of a human who declined; only
    `DialBridged` tells them apart. Where it does not come the status has to do. What is missing, unknown or
    contradicts itself counts as not connected: a caller who has talked to a human meets a voicemail prompt
    once too often, which is better than one who has not being hung up on.
    """
    bridged = dial_bridged.strip().lower()
    if bridged in {"true", "false"}:
        return bridged == "true"
    return dial_status in _PICKED_UP


def after_voicemail(plan: FallbackPlan, recording_duration: str) -> str:
    """What follows the recording: the end for who left a message, the apology for who said nothing."""
    return goodbye(plan.apology) if is_silence(recording_duration) else hang_up()


def is_silence(recording_duration: str) -> bool:
    """Whether nothing was said, by Twilio's `RecordingDuration`. One that is no number tells nothing."""
    # Two digits hold all that could be silence; `int` takes no number without a bound.
    text = recording_duration.strip()[:6]
    return text.isascii() and text.isdigit() and int(text) <= SILENCE_SECONDS_MAX


def _add_voicemail(response: VoiceResponse, plan: FallbackPlan) -> None:
    if plan.has_voicemail:
        say(response, plan.voicemail_prompt)
        response.record(
            max_length=VOICEMAIL_SECONDS_MAX,
            play_beep=True,
            finish_on_key="#",
            trim="trim-silence",
            action=plan.voicemail_left_url,
            recording_status_callback=plan.voicemail_status_url or None,
        )
        # Not reached: Twilio asks `action` of silence, too. Where it does not yet, what follows is heard.
    if plan.has_voicemail or not plan.closed.spoken:
        say(response, plan.apology)
    response.hangup()
