"""The TwiML documents that we answer with, made with the `twilio` library.

Pure: values in, XML text out. Which document a caller gets is decided elsewhere.
Reference: https://www.twilio.com/docs/voice/twiml/stream and .../twiml/connect.
"""

from __future__ import annotations

import re

from twilio.twiml.voice_response import (  # type: ignore[import-untyped]  # it ships no types
    Connect,
    Stream,
    VoiceResponse,
)

MEDIA_TYPE = "text/xml"

PARAMETER_CHARACTERS_MAX = 499
"""Name and value of one `<Parameter>` together must stay under 500 characters."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry at all; Twilio would refuse the whole document (error 12100)."""


def answer(
    *,
    stream_url: str,
    action_url: str,
    stream_status_url: str,
    token: str,
    caller: str,
    called: str,
    apology: str,
) -> str:
    """Connects the call to our media socket.

    `<Say>` and `<Hangup>` stand after `<Connect>` as a last resort: they are only reached when
    Twilio runs on without asking `action_url`.

    No `track` (error 31941 under `<Connect>`), no `audioFormat` (undocumented) and no query on the
    stream URL (Twilio does not support one).
    """
    stream = Stream(url=stream_url, status_callback=stream_status_url)
    for name, value in (("token", token), ("caller", caller), ("called", called)):
        if value:
            stream.parameter(name=name, value=_legal(value)[: PARAMETER_CHARACTERS_MAX - len(name)])
    connect = Connect(action=action_url)
    connect.append(stream)
    response = VoiceResponse()
    response.append(connect)
    return _apologize(response, apology)


def hang_up() -> str:
    """Ends the call without a word."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def apology(text: str) -> str:
    """Says `text` (not empty: error 13520) and ends the call."""
    return _apologize(VoiceResponse(), text)


def empty() -> str:
    """Nothing to do: the answer to a status callback."""
    return str(VoiceResponse())


def _apologize(response: VoiceResponse, text: str) -> str:
    response.say(_legal(text))
    response.hangup()
    return str(response)


def _legal(text: str) -> str:
    return _NOT_XML.sub("", text)
