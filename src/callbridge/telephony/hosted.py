"""The document that Twilio keeps for the time when nobody of ours answers: the number's fallback address.

It asks nobody what follows, so it cannot look at a clock, tell a human who talked from one who was not
reached, or lead on by a key. What it can do: ring humans, one after another; record a message, if another
document that Twilio keeps ends the call behind it; and say something.

Reference: https://www.twilio.com/docs/serverless/twiml-bins, and .../voice/twiml/dial.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]  # it ships no types

from callbridge.telephony.ladder import VOICEMAIL_SECONDS_MAX, timeout_for
from callbridge.telephony.twiml import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.telephony.ladder import FallbackPlan


def hosted(plan: FallbackPlan, humans: Sequence[str], hang_up_url: str = "") -> str:
    """The document, to be pasted into a TwiML Bin.

    Args:
        plan: its words, how long it rings, and the number that humans are shown.
        humans: telephone numbers, in the order in which they are rung.
        hang_up_url: of another Bin, which hangs up. Twilio asks it behind a message; without one there is no
            voicemail, since Twilio would ask this very document again, and the humans would ring once more.
    """
    response = VoiceResponse()
    if humans:
        dial = response.dial(
            timeout=timeout_for(plan.dial_seconds),
            answer_on_bridge=True,
            sequential=True if len(humans) > 1 else None,
            caller_id=plan.caller_id or None,
        )
        for number in humans:
            dial.number(number)
    if hang_up_url:
        say(response, plan.voicemail_prompt)
        response.record(
            action=hang_up_url,
            max_length=VOICEMAIL_SECONDS_MAX,
            play_beep=True,
            finish_on_key="#",
            trim="trim-silence",
        )
    # Without voicemail this is heard behind the ring, also by who has talked and was hung up on.
    say(response, plan.apology)
    response.hangup()
    root = ET.fromstring(str(response))  # noqa: S314 - we have just made it
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"
