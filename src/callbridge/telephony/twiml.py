"""The TwiML documents that we answer with, made with the `twilio` library.

Pure: values in, XML text out. Whether a caller gets the agent or the fallback is decided elsewhere; how the
fallback goes on from step to step stands here, because each step is a document that names the next.

The fallback is a ladder: ring a human; when nobody took the call, voicemail; when there is none or nothing
was said into it, an apology and the end. No document leaves the caller without a last word or an end.

Reference: https://www.twilio.com/docs/voice/twiml/stream, and .../connect, .../dial, .../record beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twilio.twiml.voice_response import (  # type: ignore[import-untyped]  # it ships no types
    Connect,
    Stream,
    VoiceResponse,
)

MEDIA_TYPE = "text/xml"

PARAMETER_CHARACTERS_MAX = 499
"""Name and value of one `<Parameter>` together must stay under 500 characters."""

DIAL_SECONDS_MAX = 600
"""Twilio lets nothing ring longer."""

VOICEMAIL_SECONDS_MAX = 120
"""Two minutes hold any message; Twilio's own bound is an hour, which a line left open would fill."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry at all; Twilio would refuse the whole document (error 12100)."""

_TALKED = frozenset({"completed", "answered"})
"""Values of `DialCallStatus` that mean: somebody took the call. All others leave the caller with nobody."""


@dataclass(frozen=True, slots=True)
class FallbackPlan:
    """What a caller gets when the agent cannot serve. Steps that are not configured are passed over."""

    apology: str
    """The last word, when there was no human and no voicemail."""

    dial: str = ""
    """A phone number to ring, best in E.164; none: nobody is rung."""

    dial_seconds: int = 20
    """How long it rings. Many a mobile's own voicemail answers after 20 to 30 s, and that would count as
    a human."""

    has_voicemail: bool = False
    voicemail_prompt: str = ""
    """Spoken before the beep."""

    caller_id: str = ""
    """The number that the human is shown, where the caller has none (13214); none: the caller's own."""

    dialed_url: str = ""
    """Asked when the ringing or the talk with the human is over, with `DialCallStatus`."""

    voicemail_left_url: str = ""
    """Asked when the caller has spoken a message; not asked when nothing was said."""

    voicemail_status_url: str = ""
    """Told when the recording can be fetched."""

    def __post_init__(self) -> None:
        assert 1 <= self.dial_seconds <= DIAL_SECONDS_MAX, "the settings bound it"
        assert self.dialed_url or not self.dial, "somebody must be asked what follows"
        assert self.voicemail_left_url or not self.has_voicemail, "without it Twilio asks this document again"


def answer(
    *,
    stream_url: str,
    action_url: str,
    stream_status_url: str,
    token: str,
    caller: str,
    called: str,
    fallback: FallbackPlan,
) -> str:
    """Connects the call to our media socket.

    The first step of `fallback` stands after `<Connect>` as a last resort: it is only reached when Twilio
    runs on without asking `action_url`.

    No `track` (error 31941 under `<Connect>`), no `audioFormat` (undocumented) and no query on the
    stream URL (Twilio does not support one).
    """
    stream = Stream(url=stream_url, status_callback=stream_status_url)
    for name, value in (("token", token), ("caller", caller), ("called", called)):
        if carried := parameter_value(name, value):
            stream.parameter(name=name, value=carried)
    connect = Connect(action=action_url)
    connect.append(stream)
    response = VoiceResponse()
    response.append(connect)
    return _first_step(response, fallback)


def parameter_value(name: str, value: str) -> str:
    """What a `<Parameter>` of this name brings to the media socket of `value`.

    Applied twice it changes nothing more, so both ends may apply it before they compare.
    """
    return _legal(value).strip()[: PARAMETER_CHARACTERS_MAX - len(name)].rstrip()


# --- The fallback, step by step -----------------------------------------------------------------------


def first_step(plan: FallbackPlan) -> str:
    """Ring the human, else what follows an unanswered ring."""
    return _first_step(VoiceResponse(), plan)


def after_dial(plan: FallbackPlan, dial_status: str) -> str:
    """What follows the ringing, by Twilio's `DialCallStatus`.

    A status that is missing or unknown counts as unanswered: a caller who has talked to a human meets a
    voicemail prompt once too often, which is better than one who has not being hung up on.
    """
    return hang_up() if dial_status in _TALKED else _without_human(VoiceResponse(), plan)


def _first_step(response: VoiceResponse, plan: FallbackPlan) -> str:
    number = _legal(plan.dial).strip()
    if not number:
        return _without_human(response, plan)
    # `answerOnBridge`: where the call is not answered yet, it goes on ringing until the human takes it.
    shown = plan.caller_id or None
    dial = response.dial(
        timeout=plan.dial_seconds, answer_on_bridge=True, action=plan.dialed_url, caller_id=shown
    )
    dial.number(number)
    # Never reached, since `action` takes over; a word here could follow a talk that went well.
    response.hangup()
    return str(response)


def _without_human(response: VoiceResponse, plan: FallbackPlan) -> str:
    if plan.has_voicemail:
        _say(response, plan.voicemail_prompt)
        response.record(
            max_length=VOICEMAIL_SECONDS_MAX,
            play_beep=True,
            finish_on_key="#",
            trim="trim-silence",
            action=plan.voicemail_left_url,
            recording_status_callback=plan.voicemail_status_url or None,
        )
        # Twilio: nothing recorded, `action` is not asked, and the document goes on.
    return _say_goodbye(response, plan.apology)


# --- Small documents ----------------------------------------------------------------------------------


def hold(words: str, *, rounds: int, pause_s: int, next_url: str) -> str:
    """The caller hears `words` and a pause, `rounds` times; then Twilio asks `next_url`."""
    response = VoiceResponse()
    for _ in range(rounds):
        _say(response, words)
        response.pause(length=pause_s)
    response.redirect(next_url)
    return str(response)


def hang_up() -> str:
    """Ends the call without a word."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def goodbye(words: str) -> str:
    """Ends the call with a word, where the agent could not say it."""
    return _say_goodbye(VoiceResponse(), words)


def empty() -> str:
    """Nothing to do: the answer to a status callback."""
    return str(VoiceResponse())


def _say_goodbye(response: VoiceResponse, text: str) -> str:
    _say(response, text)
    response.hangup()
    return str(response)


def _say(response: VoiceResponse, text: str) -> None:
    """Says `text`; nothing when there is nothing to say, because an empty `<Say>` is error 13520."""
    spoken = _legal(text).strip()
    if spoken:
        response.say(spoken)


def _legal(text: str) -> str:
    return _NOT_XML.sub("", text)
