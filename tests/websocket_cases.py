"""What a WebSocket peer may do and what it may not (RFC 6455), as a table: frames, and what becomes of them.

After Autobahn's list of cases, less those on extensions and on speed. Where the RFC leaves room, the lanes
may differ; the column `slow` says what the slow lane does.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.bridge.legs.leg import PHONE_MESSAGE_BYTES_MAX
from raw_peer import Frame, Opcode, closing, more, text

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE: Final = '{"event":"stop","streamSid":"MZ1","stop":{},"x":"κόσμε, 𝄞 ü"}'
"""A message that the service answers, before `start`, in words that it says of nothing else. With letters
of two, three and four bytes."""

DELIVERED: Final = "delivered"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a peer sends, and what is to become of it."""

    name: str
    frames: tuple[Frame, ...]
    ends: int | str
    """The code that the peer is closed with; or `DELIVERED`, and the connection goes on."""
    heard: tuple[str, ...] = (MESSAGE,)
    """What is handed over before that; for a case that is delivered."""
    pongs: tuple[bytes, ...] = ()
    slow: int | str | None = None
    """How it ends in the slow lane, if in another way."""
    told: int | None = None
    """The code that the call is told, if another than the peer is: who closes by itself may give none."""

    def __str__(self) -> str:
        return self.name


def padded(length: int) -> str:
    """The message with blanks at its end, in so many bytes of UTF-8."""
    blanks = length - len(MESSAGE.encode())
    assert blanks >= 0
    return MESSAGE + " " * blanks


def fragments(*parts: str | bytes) -> tuple[Frame, ...]:
    """One text message in so many frames."""
    first, *rest = parts
    following = [more(part, fin=number == len(rest)) for number, part in enumerate(rest, 1)]
    return (text(first, fin=not rest), *following)


def between(frames: tuple[Frame, ...], control: Frame) -> tuple[Frame, ...]:
    """The fragments of one message, with a control frame after each but the last."""
    return tuple(frame for fragment in frames[:-1] for frame in (fragment, control)) + frames[-1:]


PING, PONG = Frame(Opcode.PING, b"sign"), Frame(Opcode.PONG, b"of life")
BYTES: Final = MESSAGE.encode()
HALVES: Final = fragments(MESSAGE[:20], MESSAGE[20:])


def _good(
    name: str, *frames: Frame, pongs: tuple[bytes, ...] = (), heard: tuple[str, ...] = (MESSAGE,)
) -> Case:
    return Case(name=name, frames=frames, ends=DELIVERED, pongs=pongs, heard=heard)


def _bad(name: str, code: int, *frames: Frame, slow: int | str | None = None) -> Case:
    return Case(name=name, frames=(*frames, text(MESSAGE)), ends=code, slow=slow)


def _lengths() -> Iterator[Case]:
    for length in (125, 126, 127, 128, 65535, 65536):
        yield _good(f"a frame of {length} bytes", text(padded(length)), heard=(padded(length),))
    yield _good("a frame of 0 bytes", text(""), text(MESSAGE), heard=("", MESSAGE))
    # It must be the shortest form, but nobody has to check: picows does, websockets does not.
    for wide in (2, 8):
        message = dataclasses.replace(text(MESSAGE), wide=wide)
        yield _bad(f"a length in {wide} bytes that needs fewer", 1002, message, slow=DELIVERED)
    yield _bad("an oversized frame", 1009, text("x" * (PHONE_MESSAGE_BYTES_MAX + 1)))
    halves = fragments("x" * PHONE_MESSAGE_BYTES_MAX, "x")
    yield _bad("an oversized message in fragments", 1009, *halves)
    yield _bad("an oversized first fragment", 1009, text("x" * (PHONE_MESSAGE_BYTES_MAX + 1), fin=False))


def _fragments() -> Iterator[Case]:
    yield _good("two fragments", *HALVES)
    yield _good("fragments of one byte", *fragments(*(BYTES[n : n + 1] for n in range(len(BYTES)))))
    yield _good("an empty first fragment", *fragments("", MESSAGE))
    yield _good("an empty last fragment", *fragments(MESSAGE, ""))
    yield _good("empty fragments all over", *fragments("", MESSAGE[:9], "", "", MESSAGE[9:], ""))
    yield _good("a message of empty fragments", *fragments("", "", ""), text(MESSAGE), heard=("", MESSAGE))
    yield _good("two messages in fragments", *fragments("", "1"), *HALVES, heard=("1", MESSAGE))
    yield _good("pings between fragments", *between(HALVES, PING), pongs=(b"sign",))
    yield _good("pongs between fragments", *between(fragments("", *MESSAGE), PONG))
    yield _bad("two text messages at once", 1002, text(MESSAGE[:20], fin=False), text(MESSAGE))
    yield _bad("a text message within another's fragments", 1002, *HALVES[:1], *HALVES)
    yield _bad("a continuation of nothing", 1002, more(MESSAGE, fin=True))
    yield _bad("a continuation of nothing, unfinished", 1002, more(MESSAGE))
    yield _bad("a continuation of what was finished", 1002, *fragments("", "1"), more(MESSAGE, fin=True))
    yield _bad("a binary message within a text", 1002, *HALVES[:1], Frame(Opcode.BINARY, BYTES))


def _control() -> Iterator[Case]:
    yield _good("a ping", PING, text(MESSAGE), pongs=(b"sign",))
    yield _good("a ping without payload", Frame(Opcode.PING), text(MESSAGE), pongs=(b"",))
    full = bytes(range(125))
    yield _good("a ping of 125 bytes", Frame(Opcode.PING, full), text(MESSAGE), pongs=(full,))
    many = tuple(Frame(Opcode.PING, str(n).encode()) for n in range(50))
    yield _good("many pings", *many, text(MESSAGE), pongs=tuple(ping.payload for ping in many))
    yield _good("a pong that nobody asked for", PONG, text(MESSAGE))
    yield _good("a pong without payload", Frame(Opcode.PONG), text(MESSAGE))
    for opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
        body = b"\x03\xe8" + b"x" * 124
        name = opcode.name.lower()
        yield _bad(f"a {name} of 126 bytes", 1002, Frame(opcode, body))
        yield _bad(f"a {name} of 64 kB", 1002, Frame(opcode, body * 520))
        yield _bad(f"a {name} in fragments", 1002, Frame(opcode, b"\x03\xe8", fin=False), more(fin=True))


def _bits() -> Iterator[Case]:
    for bit in (1, 2, 4, 7):
        for opcode in (Opcode.TEXT, Opcode.PING, Opcode.PONG, Opcode.CLOSE):
            body = b"\x03\xe8" if opcode is Opcode.CLOSE else BYTES
            broken = Frame(opcode, body, reserved=bit)
            yield _bad(f"reserved bits {bit:03b} on a {opcode.name.lower()}", 1002, broken)
    broken = dataclasses.replace(HALVES[1], reserved=4)
    yield _bad("a reserved bit on a continuation", 1002, HALVES[0], broken)
    for number in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield _bad(f"opcode {number}", 1002, Frame(number, BYTES))
    yield _bad("an opcode of nobody within fragments", 1002, HALVES[0], Frame(5), HALVES[1])
    for opcode in (Opcode.TEXT, Opcode.PING, Opcode.CLOSE):
        broken = Frame(opcode, b"\x03\xe8" if opcode is Opcode.CLOSE else BYTES, is_wrongly_masked=True)
        yield _bad(f"a {opcode.name.lower()} that is masked the wrong way", 1002, broken)


def _utf8() -> Iterator[Case]:
    cut = BYTES.index("ό".encode()) + 1
    yield _good("a letter cut in two", *fragments(BYTES[:cut], BYTES[cut:]))
    clef = BYTES.index("𝄞".encode())
    quarters = [BYTES[clef + n : clef + n + 1] for n in range(4)]
    yield _good("a letter cut in four", *fragments(BYTES[:clef], *quarters, BYTES[clef + 4 :]))
    odd = '"\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\ufffe\uffff\U00010000\U0010ffff"'
    yield _good("letters at all bounds", text(odd), text(MESSAGE), heard=(odd, MESSAGE))
    broken = {
        "a byte of no letter": b"\xff",
        "a letter that ends with the message": b"\xce",
        "a letter that another follows": b"\xce\xce\xba",
        "a byte that continues nothing": b"\x80",
        "a letter in too many bytes": b"\xc0\x80",
        "half of a surrogate pair": b"\xed\xa0\x80",
        "a letter beyond the last": b"\xf4\x90\x80\x80",
    }
    for name, wrong in broken.items():
        yield _bad(f"{name}, in one frame", 1007, text(BYTES + wrong))
        yield _bad(f"{name}, in a fragment", 1007, *fragments(BYTES, wrong, ""))
    yield _bad("a byte of no letter, cut from its like", 1007, *fragments(b"\xce", b"\xce", b""))


def _close() -> Iterator[Case]:
    # Without a code it may be answered without one, or with the ordinary one.
    yield Case(name="a close without a code", frames=(Frame(Opcode.CLOSE),), ends=1000, slow=1005, told=1005)
    for code in (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999):
        yield Case(name=f"a close with {code}", frames=(closing(code),), ends=code)
    longest = "ü" * 61 + "."
    yield Case(name="a close with the longest reason", frames=(closing(1000, longest),), ends=1000)
    within = (HALVES[0], closing(1000), HALVES[1])
    # It may come there, and the message never ends: websockets minds.
    yield Case(name="a close within fragments", frames=within, ends=1000, slow=1002)
    yield Case(name="data after the close", frames=(closing(1000), text(MESSAGE)), ends=1000)
    yield Case(name="a ping after the close", frames=(closing(1000), PING), ends=1000)
    yield _bad("a close of one byte", 1002, Frame(Opcode.CLOSE, b"\x03"))
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        yield _bad(f"a close with {code}", 1002, closing(code))
    yield _bad("a close whose reason is not UTF-8", 1007, closing(1000, b"\xff\xfe"))
    yield _bad("a close whose reason ends within a letter", 1007, closing(1000, b"bye \xce"))


CASES: Final = (*_lengths(), *_fragments(), *_control(), *_bits(), *_utf8(), *_close())
