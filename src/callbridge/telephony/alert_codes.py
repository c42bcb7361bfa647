"""Twilio's error and warning codes about calls, each with what to do about it in a service of ours.

Meanings are those of https://www.twilio.com/docs/api/errors. A code that is not here is told with its page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class AlertCode:
    """What one code says."""

    meaning: str
    remedy: str


PLANNED_CLOSE: Final = "31921"
"""Our side has closed the media socket. Twilio logs it for a deliberate close, too."""

_REPORT: Final = "Update callbridge, or report it."
_TUNNEL: Final = "Is the service running, and the tunnel or proxy before it? `callbridge number probe` asks."
_LOOK_IN_LOG: Final = (
    "Look for that time in the log of the service; a proxy in front of it may have answered."
)

ALERT_CODES: Final[dict[str, AlertCode]] = {
    # Webhooks.
    "11100": AlertCode("an address in the TwiML was missing or wrong", _REPORT),
    "11200": AlertCode("a webhook was not answered with a usable document", _LOOK_IN_LOG),
    "11201": AlertCode("no connection to a webhook within its time", _TUNNEL),
    "11202": AlertCode("a webhook refused the connection", _TUNNEL),
    "11205": AlertCode("the connection to a webhook failed", _TUNNEL),
    "11206": AlertCode("a webhook broke the HTTP protocol", "Is there really an HTTP server on that port?"),
    "11210": AlertCode("the host name of a webhook is not known", "Correct PUBLIC_BASE_URL and the number."),
    "11215": AlertCode("a webhook redirects without end", "Enter the final address at the number."),
    "11220": AlertCode(
        "TLS failed at a webhook", "Use a certificate that the public trusts, with its whole chain."
    ),
    "11235": AlertCode(
        "the certificate of a webhook has run out or is for another name", "Renew it at the proxy."
    ),
    "11237": AlertCode(
        "the certificate of a webhook is not trusted", "Let the proxy send the whole chain of certificates."
    ),
    "11750": AlertCode("a document was larger than 64 kB", "Shorten the texts that Twilio's voice says."),
    "11751": AlertCode("a media file was too large", "Use a smaller one."),
    "12100": AlertCode("what answered was no TwiML", "Another server answers there, or a proxy's own page."),
    "12101": AlertCode("the TwiML was of an unknown version", "Another server answers there."),
    "12102": AlertCode("what answered was no TwiML", "Another server answers there, or a proxy's own page."),
    "12200": AlertCode("Twilio did not know a part of the TwiML", _REPORT),
    "12300": AlertCode("what answered was no XML", "Another server answers there, or a proxy's own page."),
    "12400": AlertCode("Twilio had a fault of its own", "Look at https://status.twilio.com."),
    "15003": AlertCode("a status callback was not answered with 2xx", _LOOK_IN_LOG),
    "15004": AlertCode("an address in the TwiML was not a whole one", _REPORT),
    # Calls that lead on.
    "13201": AlertCode("a Dial stands where none may", _REPORT),
    "13238": AlertCode("what is heard in a conference held a verb that may not stand there", _REPORT),
    "13240": AlertCode("a conference was to coach a call that is not there", _REPORT),
    "16020": AlertCode("a conference was full", "Two are in it already: the transfer was taken twice."),
    "16023": AlertCode("the label of somebody in a conference was wrong", _REPORT),
    "16025": AlertCode("the label of somebody in a conference was in use", _REPORT),
    **dict.fromkeys(
        (*map(str, range(13210, 13223)), *map(str, range(13310, 13321))),
        AlertCode("a value in the TwiML was not one that Twilio takes", _REPORT),
    ),
    "13521": AlertCode("a text was too long to be read out", "Shorten the texts that Twilio's voice says."),
    "16027": AlertCode("a conference was to coach a call on hold", _REPORT),
    "13212": AlertCode("how long to ring was out of bounds", "Set the ring time to 5 to 600 seconds."),
    "13214": AlertCode(
        "the number to show is not one of this account",
        "Set CALLBRIDGE_FALLBACK_CALLER_ID to a number of this account.",
    ),
    "13223": AlertCode("what was to be rung is no number", "Write it as +14155550100."),
    "13224": AlertCode("the number that was to be rung is not valid", "Check its digits and country code."),
    "13225": AlertCode("Twilio has blocked the number that was to be rung", "Ring another one."),
    "13226": AlertCode("there is no such country code", "Write the number as +14155550100."),
    "13227": AlertCode(
        "the account may not ring that country",
        "Allow it in the console: Voice > Settings > Geo permissions.",
    ),
    "13247": AlertCode("the number may not be shown", "Show a number of yours from which calls may come."),
    "13254": AlertCode("the address of a person is not usable", "Check sip: and client: addresses."),
    "13511": AlertCode("Twilio has no such voice", "Correct CALLBRIDGE_SAY_VOICE."),
    "13512": AlertCode(
        "the voice does not speak the language", "Correct CALLBRIDGE_SAY_VOICE and CALLBRIDGE_SAY_LANGUAGE."
    ),
    "13520": AlertCode("there was nothing to say", _REPORT),
    "13805": AlertCode("a call of a trial account reached its limit", "Upgrade the account."),
    # The media stream.
    "31901": AlertCode("the media stream got no connection", "Check host, port 443 and the firewall."),
    "31902": AlertCode("the media stream was refused a connection", _TUNNEL),
    "31903": AlertCode(
        "the media stream broke off without a close",
        "The process died, or a proxy cut the socket: raise its idle time, look for the end of the process.",
    ),
    "31904": AlertCode("the host of the media stream cannot be reached", "Correct PUBLIC_BASE_URL."),
    "31910": AlertCode("TLS failed on the media stream", "Use a certificate that the public trusts."),
    "31920": AlertCode(
        "the media stream was not answered with an upgrade",
        "Look for `upgrade_refused` and `upgrade_lost` in the log: a proxy must pass Upgrade on.",
    ),
    PLANNED_CLOSE: AlertCode(
        "the service closed the media stream",
        "Look for `stream_ended` of this call in the log: its reason says why.",
    ),
    "31922": AlertCode("the media stream was not asked for by wss", "Set an https:// PUBLIC_BASE_URL."),
    "31923": AlertCode("the address of the media stream is malformed", "Correct PUBLIC_BASE_URL."),
    "31924": AlertCode("the WebSocket protocol was broken", "A proxy changes frames: have it pass bytes on."),
    "31930": AlertCode(
        "the caller's audio was thrown away: it was not read in time",
        "The loop was late: look for `loop_lagged` in the log, and make blocking tools plain functions.",
    ),
    "31931": AlertCode("the agent's audio was thrown away: too much waited", "Report it."),
    "31941": AlertCode("the track of the media stream is not allowed", _REPORT),
    "31950": AlertCode("a binary message was ignored", _REPORT),
    "31951": AlertCode("a message to the media stream was ignored", _REPORT),
    # What REST refuses.
    "20001": AlertCode("Twilio did not know a parameter", _REPORT),
    "20003": AlertCode(
        "the credentials are wrong",
        "Copy TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN from https://console.twilio.com, of one account.",
    ),
    "20404": AlertCode(
        "what was asked for does not exist, or not in this region", "Set TWILIO_REGION to that of the number."
    ),
    "20429": AlertCode("there were too many requests", "Wait a moment."),
    "21220": AlertCode("the call was not in a state to be changed", "It had ended, or not been answered."),
    "32009": AlertCode("the SIP user is not registered", "Have their telephone registered."),
    "32011": AlertCode("a SIP endpoint did not answer", "Check the address and the firewall of that host."),
    "70051": AlertCode(
        "the API key may not do this",
        "Give the key that permission in the console, or use a Standard key.",
    ),
}


def alert_code(code: str) -> AlertCode:
    """What is known of `code`, which may be one that nobody here knows."""
    known = ALERT_CODES.get(code)
    page = code if code.isascii() and code.isdigit() else ""
    return known or AlertCode("Twilio says so", f"See https://www.twilio.com/docs/api/errors/{page}")
