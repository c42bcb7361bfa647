"""What is wrong with TwiML that is sent in a request, where there is no address that it came from. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Final

TWIML_CHARACTERS_MAX: Final = 4000

HANG_UP: Final = "<Response><Hangup/></Response>"

GOES_BACK: Final = frozenset({"Gather", "Record"})
"""Verbs whose `action` is the document itself when none is given."""


def fault_in(twiml: str) -> tuple[int, str] | None:
    """What ends the call, if anything does: 15004, 11100. What is no TwiML is found out when it is run."""
    try:
        root = ET.fromstring(twiml)  # noqa: S314 - at most 4000 characters of the service under test
    except ET.ParseError:
        return None
    for verb in root.iter():
        action = verb.get("action")
        if action is not None and not action.startswith(("http://", "https://")):
            return 15004, f"<{verb.tag} action={action!r}>"
        if action is None and verb.tag in GOES_BACK:
            return 11100, f"<{verb.tag}> without action"
    return None
