"""What a trial account's calls do not get: verbs that are cut out of TwiML, and the notice in their place.

Pure. Source: twilio.com/docs/usage/trials/try-out-voice, the rules of 2026.
"""

from __future__ import annotations

from typing import Final

from callbridge.simulators.phone import twiml

HOPS_MAX: Final = 10
"""So often a call may go on to another document."""

_CONNECTED: Final = frozenset({"ConversationRelay", "VirtualAgent"})
_VERBS: Final = frozenset({"Siprec", "Refer", "Pay"})
_DIALLED: Final = frozenset({"Number", "Sip", "Client", "Application", "WhatsApp"})


def trial_notice(verb: twiml.Verb) -> twiml.Say | None:
    """What is heard in place of a verb; None for one that a trial account may use."""
    name = _forbidden(verb)
    return None if name is None else twiml.Say(f"The {name} verb is not available on trial accounts.")


def _forbidden(verb: twiml.Verb) -> str | None:
    match verb:
        case twiml.ConnectStream():
            return "Stream"
        case twiml.Record():
            return "Record"
        case twiml.Dial(targets=targets):
            return next((noun for noun, _ in targets if noun in _DIALLED), None)
        case twiml.Unsimulated(name):
            inner = name.removeprefix("Connect/")
            return inner if inner in _CONNECTED | _VERBS else None
        case _:
            return None
