"""Whom Twilio does not ring, and which caller it does not show.

Pure. Source: twilio.com/docs/voice/twiml/dial, on `callerId`, and the pages of the codes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from callbridge.simulators.phone.incoming import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from callbridge.simulators.phone.line_settings import LineSettings
    from callbridge.simulators.phone.twiml import Dial


def dial_faults(verb: Dial, numbers: tuple[str, str], line: LineSettings) -> Iterator[tuple[int, str]]:
    """Why nobody is rung: Twilio's codes, with what they are about.

    Args:
        verb: the `<Dial>`.
        numbers: the two of the call.
        line: which others may be shown, and which cannot be rung.
    """
    shown = numbers[0] if verb.caller_id is None else verb.caller_id
    if not _may_show(shown, {noun for noun, _ in verb.targets}, {*numbers, *line.verified_numbers}):
        yield 13214, f"callerId {shown!r}"
    if shown in line.do_not_originate:
        yield 13247, f"callerId {shown!r}"
    for noun, address in verb.targets:
        if noun == "Number" and (code := _number_fault(address, line)):
            yield code, f"{address!r}"


def _may_show(shown: str, kinds: AbstractSet[str], allowed: AbstractSet[str]) -> bool:
    """A telephone must be shown a number: one of the call's or of the account's. Others may see names."""
    if "Number" in kinds:
        return shown in allowed and is_number(shown)
    if kinds == {"Sip"} and re.fullmatch(r"[A-Za-z0-9+\-_.]+", shown):
        return True
    return shown in allowed or (kinds == {"Client"} and shown.startswith("client:"))


def _number_fault(number: str, line: LineSettings) -> int | None:
    if not re.fullmatch(r"\+?[\d ().-]*\d[\d ().-]*", number):
        return 13223
    digits = re.sub(r"\D", "", number)
    if not 7 <= len(digits) <= 15:
        return 13224
    return line.refused_numbers.get(number)
