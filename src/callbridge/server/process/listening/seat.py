"""What a worker has from its supervisor: its number, sockets, the board of all, the line between the two.

It is given as descriptors, named on the command line: a worker is a fresh interpreter, with no thread, loop
or lock of another. The line is a pair of sockets. Down it comes what the worker is to do; up goes that it
serves, and each second that its event loop runs; and when it breaks off, the supervisor is gone.
"""

from __future__ import annotations

import enum
import mmap
import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from callbridge.switchboard.sharing import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

READY: Final = b"r"
BEAT: Final = b"b"
"""Its event loop runs."""
ENDS: Final = b"e"
"""Its event loop ends, and beats no more."""

_ENTRY: Final = struct.Struct("=i")


class Order(enum.Enum):
    """What comes down the line. Each is meant once, however often it comes."""

    LEAVE = b"l"
    """Drain and go; the others take what comes."""
    DRAIN = b"1"
    """All drain: the service stops."""
    HAND_OVER = b"2"
    STOP = b"3"

    @property
    def signals(self) -> int:
        """To how many signals of a process that is alone this amounts."""
        return 1 if self is Order.LEAVE else int(self.value)


STEPS: Final = {1: Order.DRAIN, 2: Order.HAND_OVER, 3: Order.STOP}


class Board:
    """The loads of all workers, in memory that they share. Each writes its own, and reads the others'."""

    def __init__(self, descriptor: int, count: int) -> None:
        self.count = count
        self._memory = mmap.mmap(descriptor, count * _ENTRY.size)

    @classmethod
    def made(cls, descriptor: int, count: int) -> Self:
        """One on which nobody is, in a file that is empty."""
        os.ftruncate(descriptor, count * _ENTRY.size)
        board = cls(descriptor, count)
        for number in range(count):
            board.write(number, ABSENT)
        return board

    def write(self, number: int, load: int) -> None:
        """The load of this number."""
        _ENTRY.pack_into(self._memory, number * _ENTRY.size, load)

    def others(self, number: int) -> list[int]:
        """The loads of all numbers but this one."""
        loads = [load for (load,) in _ENTRY.iter_unpack(self._memory)]
        return loads[:number] + loads[number + 1 :]

    def close(self) -> None:
        """Nothing is read or written any more."""
        self._memory.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The place of one worker, as numbers of descriptors."""

    number: int
    """0 to `of` - 1."""
    of: int
    line: int
    board: int
    public: tuple[int, ...]
    """Where Twilio is listened to, with the other workers."""
    control: int | None
    """Where operators ask this worker; None: nobody can."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All that it has."""
        control = () if self.control is None else (self.control,)
        return (self.line, self.board, *self.public, *control)

    def __str__(self) -> str:
        """As the command line has it."""
        public = "+".join(map(str, self.public))
        control = "-" if self.control is None else self.control
        return (
            f"{self.number}/{self.of},line={self.line},board={self.board},public={public},control={control}"
        )

    @classmethod
    def read(cls, text: str) -> Self:
        """The other way round.

        Raises:
            ValueError: this is none.
        """
        place, *named = text.split(",")
        number, of = place.split("/")
        found = dict(entry.split("=") for entry in named)
        return cls(
            number=int(number),
            of=int(of),
            line=int(found["line"]),
            board=int(found["board"]),
            public=tuple(map(int, found["public"].split("+"))),
            control=None if found["control"] == "-" else int(found["control"]),
        )

    def keep_to_ourselves(self) -> None:
        """What this worker starts itself, such as a program of a tool's, gets none of it."""
        for descriptor in self.descriptors:
            os.set_inheritable(descriptor, False)

    def open_line(self) -> socket.socket:
        """The worker's end of the line."""
        line = socket.socket(fileno=self.line)
        line.setblocking(False)
        return line

    def open_public(self) -> list[socket.socket]:
        """The listening sockets of all."""
        return [socket.socket(fileno=descriptor) for descriptor in self.public]

    def open_control(self) -> socket.socket | None:
        """The listening socket for operators."""
        return None if self.control is None else socket.socket(fileno=self.control)


def orders_in(data: bytes) -> Iterable[Order]:
    """What was said down the line."""
    return (Order(data[at : at + 1]) for at in range(len(data)))
