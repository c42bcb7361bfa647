"""The documents of the fallback's menu: its words, and the key that Twilio waits for meanwhile.

Pure. Which keys there are, and what follows them, is decided elsewhere.

Reference: https://www.twilio.com/docs/voice/twiml/gather
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twilio.twiml.voice_response import (  # type: ignore[import-untyped]  # it ships no types
    Gather,
    VoiceResponse,
)

from callbridge.telephony.twiml import Words, say

if TYPE_CHECKING:
    from collections.abc import Sequence

WAITS_S: Final = 6
"""For a key, counted from the end of the words."""


@dataclass(frozen=True, slots=True)
class MenuPlan:
    """What the caller hears, and who is asked what follows the key."""

    words: Words
    url: str
    """Asked also when no key was pressed. Without it Twilio asks the document itself again, in circles."""


def add_menu(response: VoiceResponse, menu: MenuPlan) -> None:
    """Reads the menu, and asks its address. What stands behind is not reached while Twilio does so."""
    gather = Gather(num_digits=1, timeout=WAITS_S, action_on_empty_result=True, action=menu.url)
    say(gather, menu.words)
    response.append(gather)


def said(words: Sequence[Words], menu: MenuPlan | None = None) -> str:
    """Reads these, then the menu, if there is one; then the end."""
    response = VoiceResponse()
    for text in words:
        say(response, text)
    if menu is not None:
        add_menu(response, menu)
    response.hangup()
    return str(response)
