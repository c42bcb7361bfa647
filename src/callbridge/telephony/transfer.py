"""The TwiML of a transfer: the caller hears it ring, or goes to a room; the person is briefed and asked.

Pure. A document of the person's side that ends without `<Hangup/>` connects the two, key or no key; one that
asks ends in it. `<Dial>` may not stand on the side of who was dialled (13201), so a person who is to go to a
room is one of a call of their own.

Reference: https://www.twilio.com/docs/voice/twiml/dial, with number, client, sip, conference below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twilio.twiml.voice_response import (  # type: ignore[import-untyped]  # it ships no types
    Conference,
    Dial,
    VoiceResponse,
)

from callbridge.telephony.ladder import timeout_for
from callbridge.telephony.twiml import legal, say

if TYPE_CHECKING:
    from callbridge.telephony.twiml import Words

KEY_S: Final = 8
"""How long the key is waited for behind the last words."""

_NEWS: Final = "answered completed"

TAKES_IT: Final = "1"
"""The key that takes the call."""


def ring(
    address: str,
    *,
    ring_s: int,
    caller_id: str,
    extension: str,
    briefing_url: str,
    status_url: str,
    ended_url: str,
) -> str:
    """The caller hears it ring until somebody answers, and is connected; then Twilio asks `ended_url`.

    Args:
        address: a number, `sip:…` or `client:…`.
        ring_s: how long it rings.
        caller_id: whose number is shown; empty for the caller's own.
        extension: keys that are pressed for a number, once somebody has answered.
        briefing_url: what whoever answers hears first; empty: they are connected at once.
        status_url: where Twilio reports that somebody has answered, and the end of it.
        ended_url: asked when the ringing or the talk is over, with `DialCallStatus`.
    """
    dial = Dial(
        timeout=timeout_for(ring_s),
        answer_on_bridge=True,
        action=ended_url,
        caller_id=caller_id or None,
    )
    told = {"url": briefing_url or None, "status_callback": status_url, "status_callback_event": _NEWS}
    if address.startswith(("sip:", "sips:")):
        dial.sip(legal(address), **told)
    elif address.startswith("client:"):
        dial.client(legal(address.removeprefix("client:")), **told)
    else:
        dial.number(legal(address), send_digits=extension or None, **told)
    return _document(dial)


def ask(briefing: Words, question: Words, *, key_url: str) -> str:
    """The person hears why they are rung, twice how to take the call, and is waited for. Silence is told."""
    response = VoiceResponse()
    gather = response.gather(
        action=key_url, num_digits=1, timeout=KEY_S, input="dtmf", action_on_empty_result=True
    )
    for words in (briefing, question, question):
        say(gather, words)
    response.hangup()
    return str(response)


def wait(words: Words, *, next_url: str) -> str:
    """A moment, and Twilio asks again."""
    response = VoiceResponse()
    say(response, words)
    response.pause(length=1)
    response.redirect(next_url)
    return str(response)


def meet(
    room: str,
    *,
    label: str,
    is_first: bool,
    ended_url: str = "",
    wait_url: str = "",
    status_url: str = "",
) -> str:
    """Leads somebody to the room in which caller and person talk. Both leave together.

    Args:
        room: a name that nobody can guess: a name in use would lead into that room.
        label: who this is.
        is_first: they go there first, and wait. What is reported of a room the first one decides.
        ended_url: asked when they leave it.
        wait_url: what who is alone hears.
        status_url: where Twilio reports who is there.
    """
    conference = Conference(
        room,
        beep="false",
        participant_label=label,
        start_conference_on_enter=not is_first,
        end_conference_on_exit=True,
        wait_url=wait_url,
        jitter_buffer_size="small",
        max_participants=2,
        status_callback=status_url or None,
        status_callback_event="start end join leave" if status_url else None,
    )
    dial = Dial(action=ended_url or None)
    dial.append(conference)
    return _document(dial)


def _document(dial: Dial) -> str:
    response = VoiceResponse()
    response.append(dial)
    # Not reached where an `action` takes over; whoever comes back from a room without one has talked.
    response.hangup()
    return str(response)
