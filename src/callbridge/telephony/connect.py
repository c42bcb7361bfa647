"""The TwiML document that connects a call to our media socket.

Reference: https://www.twilio.com/docs/voice/twiml/connect, and .../stream beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twilio.twiml.voice_response import (  # type: ignore[import-untyped]  # it ships no types
    Connect,
    Stream,
    VoiceResponse,
)

from callbridge.telephony import ladder
from callbridge.telephony.twiml import legal

if TYPE_CHECKING:
    from callbridge.telephony.ladder import FallbackPlan

PARAMETER_CHARACTERS_MAX = 499
"""Name and value of one `<Parameter>` together must stay under 500 characters."""


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
    ladder.add_first_step(response, fallback)
    return str(response)


def parameter_value(name: str, value: str) -> str:
    """What a `<Parameter>` of this name brings to the media socket of `value`.

    Applied twice it changes nothing more, so both ends may apply it before they compare.
    """
    return legal(value).strip()[: PARAMETER_CHARACTERS_MAX - len(name)].rstrip()
