"""One spelling for each number that may be called: by it an agent is found for a call."""

from __future__ import annotations

import re
from typing import Final

ANY: Final = "*"
"""Stands for every number that nothing else is said of."""

_BETWEEN: Final = re.compile(r"[\s().\-/]")
_E164: Final = re.compile(r"\+?[1-9][0-9]{6,14}", re.ASCII)
_SIP: Final = re.compile(r"sips?:([^@;?\s]+@(?:\[[0-9a-f:.]+\]|[^:;?\s\[\]]+))(?:[:;?].*)?")
_OTHER: Final = re.compile(r"(client|whatsapp|app):\S+")


def spelled(number: str) -> str:
    """A called number, Twilio's `To`, as it is compared.

    Numbers in E.164; SIP addresses in small letters, without port and parameters; all else as it is.
    """
    text = number.strip()
    if address := _SIP.fullmatch(text.lower()):
        return f"sip:{address[1].rstrip('.')}"
    digits = _BETWEEN.sub("", text)
    if _E164.fullmatch(digits):
        return f"+{digits.removeprefix('+')}"
    return text


def is_number(number: str) -> bool:
    """Whether somebody may have written this for a number that is called: with its country code, if any."""
    text = spelled(number)
    if text.startswith("+"):
        return number.strip().startswith("+")
    return text.startswith("sip:") or bool(_OTHER.fullmatch(text))
