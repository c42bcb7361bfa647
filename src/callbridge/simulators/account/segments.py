"""How many segments a text message is sent in: by its alphabet, never by its length alone.

GSM-7 holds 160 signs, 153 in each of several; one sign outside of it makes all of it UCS-2, 70 and 67.
Source: 3GPP TS 23.038; twilio.com/docs/glossary/what-is-gsm-7-character-encoding. Pure.
"""

from __future__ import annotations

from typing import Final

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED: Final = frozenset("^{}\\[~]|€\f")
"""Of two signs each."""

SMART: Final = str.maketrans(
    {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2013: "-", 0x2014: "-", 0x2026: "..."}
)
"""What `SmartEncoded` replaces, so that GSM-7 will do."""


def segments(body: str) -> int:
    """Segments of a message; an empty one takes one."""
    if set(body) <= BASIC | EXTENDED:
        return _of([2 if sign in EXTENDED else 1 for sign in body], 160, 153)
    # A sign beyond the first plane takes two, and is not cut in half.
    return _of([2 if ord(sign) > 0xFFFF else 1 for sign in body], 70, 67)


def _of(sizes: list[int], alone: int, each: int) -> int:
    if sum(sizes) <= alone:
        return 1
    count, room = 1, each
    for size in sizes:
        if size > room:
            count, room = count + 1, each
        room -= size
    return count
