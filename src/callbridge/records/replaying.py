"""A tape is played again: the same events into the same code, and whatever comes out otherwise.

The time is that of the tape, so an hour takes seconds. What the machine asks for is compared, performed is
nothing. From the first difference on the call is another one, and what differs later may only follow from it.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from callbridge.call.ear.tally import Tally
from callbridge.call.machine import CallMachine
from callbridge.call.outbox import Outbox
from callbridge.call.tapes import entries as on_tape
from callbridge.call.tapes.entries import SHAPE, Asked, Began, Closed, Due, Entry, count_again
from callbridge.call.tapes.text import TapeError, decode, encode, fields_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from callbridge.call.phases import Timer

LED_BY_MAX: Final = 5
"""Of what led to a difference so many entries are shown."""

_AnyAsked: TypeAlias = Began | on_tape.Handled | on_tape.Passed | on_tape.Failed | Closed


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """One place at which the machine answers otherwise than it did."""

    number: int
    """Of the event among those of its stream: 1, 2, 3, …"""
    at_s: float
    """Since the stream was admitted."""
    event: str
    """What it was told, in words."""
    expected: tuple[str, ...]
    """What it answered then: actions, gate, its next deadline, a mark, or that it broke."""
    got: tuple[str, ...]
    """What it answers now."""
    led_by: tuple[str, ...]
    """What came before, the latest last."""


@dataclasses.dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one stream when it was played again."""

    call_sid: str
    stream_sid: str
    callbridge: str
    """The version that wrote the tape."""
    code: str
    """The digest of the code that did."""
    events: int
    actions: int
    lasted_s: float
    is_whole: bool
    """The tape goes on to the end of its stream."""
    differences: tuple[Difference, ...]
    """All of them, the first one first."""


def read(lines: Iterable[bytes]) -> Iterator[list[Entry]]:
    """The tapes of the streams that stand behind each other in these lines.

    Raises:
        TapeError: they are no tape, or one that this version cannot play.
    """
    tape: list[Entry] = []
    for number, line in enumerate(lines, 1):
        try:
            _check_shape(line)
            entry = decode(line)
        except TapeError as error:
            raise TapeError(f"line {number} of the tape: {error}") from error
        if isinstance(entry, Began) and tape:
            yield tape
            tape = []
        if not tape and not isinstance(entry, Began):
            raise TapeError(f"line {number} of the tape: it does not begin with the beginning of a stream")
        tape.append(entry)
    if tape:
        yield tape


def _check_shape(line: bytes) -> None:
    """Of a tape of another shape this is said, and not what of it nobody understands."""
    if not line.startswith(_BEGAN):
        return
    try:
        said = msgspec.json.decode(line, type=dict[str, _Label])["Began"]
    except msgspec.DecodeError:
        return  # `decode` says what it is.
    if said.shape != SHAPE:
        raise TapeError(
            f"its shape is {said.shape}, and this version plays {SHAPE}: play it with the version of "
            f"callbridge that wrote it ({said.callbridge or 'not known'})"
        )


_BEGAN: Final = b'{"Began":'


class _Label(msgspec.Struct):
    """What every tape says of itself, whatever its shape."""

    shape: int = SHAPE
    callbridge: str = ""


def play(tape: Sequence[Entry]) -> Replayed:
    """Plays the tape of one stream."""
    began = tape[0]
    assert isinstance(began, Began), "`read` gives tapes that begin with their beginning"
    return _Player(began).play(tape)


class _Player:
    """One stream, once more."""

    def __init__(self, began: Began) -> None:
        self._began = began
        self._tally = Tally(
            starts_repeated=began.starts_repeated,
            unknown_events=began.unknown_events,
            bad_from_phone=began.bad_from_phone,
        )
        count_again(self._tally, began.counts)
        self._gate = dataclasses.replace(began.gate_before)
        self._gate_was = dataclasses.replace(self._gate)
        out = Outbox(began.call_sid, began.stream_sid, began.call_began_at)
        out.now = began.now
        self._machine = CallMachine(
            began.admitted, gate=self._gate, tally=self._tally, out=out, spread=began.spread
        )
        out.facts_noted = began.facts_noted
        self._events = self._actions = 0
        self._event = ""
        self._now = began.now
        self._led_by: deque[str] = deque(maxlen=LED_BY_MAX)
        self._differences: list[Difference] = []

    def play(self, tape: Sequence[Entry]) -> Replayed:
        for entry in tape:
            try:
                self._enters(entry)
            except Exception as broken:  # noqa: BLE001  # Whatever the code under test raises is a difference.
                self._compare(_answer(entry), (f"it broke: {type(broken).__name__}: {broken}",))
                break
        began = self._began
        return Replayed(
            began.call_sid,
            began.stream_sid,
            began.callbridge,
            began.code,
            self._events,
            self._actions,
            self._now - began.now,
            isinstance(tape[-1], Closed),
            tuple(self._differences),
        )

    def _enters(self, entry: Entry) -> None:
        if isinstance(entry, Asked):
            self._asked(entry)
        elif isinstance(entry, Due):
            count_again(self._tally, entry.counts)
            due = self._machine.deadline or (None, None)
            if due != (entry.at, entry.why):
                self._compare((self._due_in_words(entry.at, entry.why),), (self._due_in_words(*due),))
        else:
            self._passes(entry)

    def _asked(self, entry: _AnyAsked) -> None:
        if self._event:
            self._led_by.append(f"{self._now - self._began.now:9.3f}  {self._event}")
        self._events, self._now, self._event = self._events + 1, entry.now, _event_in_words(entry)
        count_again(self._tally, entry.counts)
        actions = self._ask(entry)
        self._actions += len(actions)
        got = [decode(encode(action)) for action in actions]  # Without what is left out on the tape, too.
        if self._gate != self._gate_was:
            self._gate_was = dataclasses.replace(self._gate)
            got.append(self._gate_was)
        self._compare(_answer(entry), tuple(got))

    def _ask(self, entry: _AnyAsked) -> tuple[object, ...]:
        machine = self._machine
        match entry:
            case Began():
                return machine.begin()
            case on_tape.Handled():
                return machine.handle(entry.event, entry.now)
            case on_tape.Passed():
                return machine.passed(entry.fact, entry.now)
            case on_tape.Failed():
                return machine.fail(entry.detail, entry.now)
            case _:
                return machine.close(entry.now)

    def _passes(self, entry: on_tape.PastMachine) -> None:
        """What the relay wrote. The ledger's answers are compared, too: whether a mark is due."""
        ledger, got = self._machine.playout, ""
        match entry:
            case on_tape.Sent():
                got = _mark_in_words(ledger.sent(entry.item_id, entry.byte_count, entry.now))
            case on_tape.ClipSent():
                ledger.clip_sent(entry.byte_count, entry.now, entry.name)
            case on_tape.Marked():
                got = _mark_in_words(ledger.mark(entry.now))
            case on_tape.Echoed():
                got = _echo_in_words(was_taken=ledger.echoed_on_the_way(entry.name, entry.now))
            case on_tape.Withheld():
                ledger.withheld(entry.item_id, entry.byte_count)
            case on_tape.IsPart():
                ledger.is_part(entry.item_id, entry.content_index)
            case on_tape.Added():
                self._machine.transcript.agent_adds(entry.item_id, entry.words)
        if got:
            self._compare(_answer(entry), (got,))

    def _due_in_words(self, at: float | None, why: Timer | None) -> str:
        if at is None or why is None:
            return "waits for nothing"
        return f"waits until {at - self._began.now:.9f} s for {why.value}"

    def _compare(self, expected: tuple[object, ...], got: tuple[object, ...]) -> None:
        if expected == got:
            return
        self._differences.append(
            Difference(
                self._events,
                round(self._now - self._began.now, 6),
                self._event,
                tuple(map(_as_line, expected)),
                tuple(map(_as_line, got)),
                tuple(self._led_by),
            )
        )


# --- In words -------------------------------------------------------------------------------------------


def _answer(entry: Entry) -> tuple[object, ...]:
    """What the tape says that came of an entry: values, or words where it is none."""
    match entry:
        case Asked(does=None):
            return ("it broke",)
        case Asked(does=actions, gate=gate):
            assert actions is not None
            return actions if gate is None else (*actions, gate)
        case on_tape.Sent(mark=mark) | on_tape.Marked(mark=mark):
            return (_mark_in_words(mark),)
        case on_tape.Echoed(was_taken=was_taken):
            return (_echo_in_words(was_taken=was_taken),)
        case _:
            return ()


def _event_in_words(entry: _AnyAsked) -> str:
    match entry:
        case Began():
            return "the call begins"
        case on_tape.Handled():
            return in_words(entry.event)
        case on_tape.Passed():
            return in_words(entry.fact)
        case on_tape.Failed():
            return f"our own code broke: {entry.detail}"
        case _:
            return "nothing of the stream is left"


def _mark_in_words(mark: str | None) -> str:
    return "no mark is due" if mark is None else f"the mark {mark} is due"


def _echo_in_words(*, was_taken: bool) -> str:
    return "the machine need not know of the echo" if was_taken else "the machine is told of the echo"


def _as_line(value: object) -> str:
    return value if isinstance(value, str) else in_words(value)


def in_words(value: object) -> str:
    """A value of the core on one line, without the fields that are as they are by default."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return f"({', '.join(map(in_words, value))})"
    if not isinstance(value, msgspec.Struct) and not dataclasses.is_dataclass(value):
        return repr(value)
    fields = (f"{name}={in_words(field)}" for name, field in fields_set(value))
    return f"{type(value).__name__}({', '.join(fields)})"
