"""What all our TwiML documents have in common, and the small ones; made with the `twilio` library.

Pure: values in, XML text out. The document of a stream is `connect`, those of the fallback are `ladder`.

Reference: https://www.twilio.com/docs/voice/twiml, and .../say below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]  # it ships no types

MEDIA_TYPE = "text/xml"

SAID_MAX: Final = 3_000
"""Characters of one `<Say>`: Amazon's voices read no more (Twilio's page on `<Say>`; beyond it 13521)."""

ESCAPED_MAX: Final = 4_500
"""The same once they are escaped as in an address, where a Chinese character is nine."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry at all; Twilio would refuse the whole document (error 12100)."""


@dataclass(frozen=True, slots=True)
class Words:
    """What Twilio's own voice is to say, and how it reads it."""

    text: str
    voice: str = ""
    """As Twilio spells it: `woman`, `Polly.Vicki`, `Google.de-DE-Standard-A`; none: the account's own."""
    language: str = ""
    """As `de-DE`. A voice that does not speak it says nothing at all (13512); none: the voice's own."""

    @property
    def spoken(self) -> str:
        """What is left to say: of a long text as much as is read, of what cannot be said nothing."""
        return _sayable(legal(self.text).strip())


def say(response: VoiceResponse, words: Words) -> None:
    """Says `words`; nothing when there is nothing to say, because an empty `<Say>` is error 13520."""
    if words.spoken:
        response.say(words.spoken, voice=words.voice or None, language=words.language or None)


def _sayable(text: str) -> str:
    """As much of it as one `<Say>` reads: of a longer one it says nothing at all."""
    text = text[:SAID_MAX]
    while len(quote(text)) > ESCAPED_MAX:
        text = text[: -max(1, (len(quote(text)) - ESCAPED_MAX) // 12)]
    return text


def legal(text: str) -> str:
    """What of `text` XML can carry."""
    return _NOT_XML.sub("", text)


def goodbye(words: Words) -> str:
    """Ends the call with a word."""
    response = VoiceResponse()
    say(response, words)
    response.hangup()
    return str(response)


def hold(words: Words, *, rounds: int, pause_s: int, next_url: str) -> str:
    """The caller hears `words` and a pause, `rounds` times; then Twilio asks `next_url`."""
    response = VoiceResponse()
    for _ in range(rounds):
        say(response, words)
        response.pause(length=pause_s)
    response.redirect(next_url)
    return str(response)


def hang_up() -> str:
    """Ends the call without a word."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def empty() -> str:
    """Nothing to do: the answer to a status callback."""
    return str(VoiceResponse())
