"""The arrow language: events in, expected actions out.

    book = Playbook(rig)
    assert (
        book
        >> at(0.5, speech_started())
        << clear()
        << truncate("answer", About(480))
    )

`>>` hands in an event, or several, at the time of the event before unless `at`, `after` or `deadline` says
otherwise.
`<<` expects the next output. All outputs of an event must be expected, in order; marks, notes for the log,
and what is kept of a tool that begins or of a wish may be left out, warnings may not. A mismatch shows both
scripts as one diff. An `Id` stands for a value that the machine chooses: the first comparison fills it in,
later uses must agree, and events may carry it.

A playbook runs when it is asserted, as far as it is written by then. One that is never asserted is an error:
it looks like a test and checks nothing.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import msgspec

from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.bill_facts import Billed
from callbridge.call.facts import CallerSpoke, ItemHeard, KeysPressed, Noted, Remembered
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.call.phases import Timer
from callbridge.wire.media_streams import SendMark
from rigs import BEGINS_AT_S, Input, Output, Rig


class Id(str):
    """A value that the machine chooses. Bound by the first comparison."""

    __slots__ = ("name", "value")

    def __new__(cls, name: str = "id") -> Self:
        """An unbound placeholder; `name` is for the diff."""
        self = super().__new__(cls, f"<{name}>")
        self.name, self.value = name, None
        return self

    name: str
    value: str | None


class About(int):
    """Milliseconds, one more or less: times are sums of floats, and byte counts round down."""

    __slots__ = ()


@dataclass(frozen=True)
class Like:
    """Stands for a value of `kind` of which only `fields` matter."""

    kind: type
    fields: Mapping[str, object]

    def __repr__(self) -> str:
        fields = [f"{name}={_compact(value)}" for name, value in self.fields.items()]
        return f"{self.kind.__name__}({', '.join([*fields, '…'])})"


@dataclass(frozen=True)
class At:
    """An event at a time, in seconds since the rig began."""

    seconds: float
    event: Input | tuple[Input, ...]


@dataclass(frozen=True)
class After:
    """An event some time after the one before."""

    seconds: float
    event: Input | tuple[Input, ...]


@dataclass(frozen=True)
class Deadline:
    """The machine is woken when it wants to be, for the reason that is expected."""

    why: Timer


Step: TypeAlias = Input | tuple[Input, ...] | At | After | Deadline


def at(seconds: float, event: Input | tuple[Input, ...]) -> At:
    """`event`, `seconds` after the rig began."""
    return At(seconds, event)


def after(seconds: float, event: Input | tuple[Input, ...]) -> After:
    """`event`, `seconds` after the one before."""
    return After(seconds, event)


def deadline(why: Timer) -> Deadline:
    """The machine's next deadline, which must be for `why`."""
    return Deadline(why)


class UnassertedPlaybookError(Exception):
    """A playbook was written and never checked."""


class Playbook:
    """A conversation with a call, and what is expected of it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._script: list[tuple[Step, list[object]]] = []
        self._expected: list[str] = []
        self._actual: list[str] = []
        self._is_asserted = True

    def __rshift__(self, step: Step) -> Playbook:
        self._script.append((step, []))
        self._is_asserted = False
        return self

    def __lshift__(self, expected: object) -> Playbook:
        """Expects one output, or several when given a tuple."""
        assert self._script, "an action follows an event"
        self._script[-1][1].extend(expected if isinstance(expected, tuple) else (expected,))
        return self

    def __bool__(self) -> bool:
        """Plays what is written and not played yet.

        Raises:
            AssertionError: the machine answered otherwise; the text is a diff of both scripts.
        """
        self._is_asserted = True
        script, self._script = self._script, []
        for step, expected in script:
            self._play(step, expected)
        return True

    def __del__(self) -> None:
        if not self._is_asserted:
            raise UnassertedPlaybookError(
                f"{len(self._script)} events were never played: assert the playbook"
            )

    def _play(self, step: Step, expected: list[object]) -> None:
        events = self._move_to(step)
        arrows = [f">> {self.rig.seconds:8.3f}  {_compact(event)}" for event in events]
        outputs = self.rig.feed(*events)
        wanted, matches = _compare(expected, outputs)
        self._expected += [*arrows, *(f"<<           {_compact(one)}" for one in wanted)]
        self._actual += [*arrows, *(f"<<           {_compact(one)}" for one in outputs)]
        if not matches:
            raise AssertionError(self._diff())

    def _move_to(self, step: Step) -> tuple[Input, ...]:
        match step:
            case At(seconds, event):
                self.rig.now = BEGINS_AT_S + seconds
            case After(seconds, event):
                self.rig.now += seconds
            case Deadline(why):
                due = self.rig.due(math.inf)
                assert due is not None, f"no deadline, {why} expected"
                assert due[1] is why, f"the next deadline is for {due[1]!r}, not {why!r}"
                self.rig.now, event = max(due[0], self.rig.now), e.DeadlinePassed()
            case _:
                event = step
        return tuple(map(_resolve, event if isinstance(event, tuple) else (event,)))  # type: ignore[arg-type]  # The same types.

    def _diff(self) -> str:
        lines = difflib.unified_diff(self._expected, self._actual, "expected", "happened", lineterm="", n=12)
        return "the call went otherwise\n" + "\n".join(lines)


def _compare(expected: list[object], outputs: list[Output]) -> tuple[list[object], bool]:
    """Aligns what is expected with what came; marks and notes that nobody asked for are taken as expected."""
    wanted: list[object] = []
    waiting = list(expected)
    matches = True
    for output in outputs:
        if waiting and _agree(waiting[0], output):
            waiting.pop(0)
            wanted.append(output)  # As it came: a placeholder shows what it stands for.
        elif _may_be_left_out(output):
            wanted.append(output)
        else:
            matches = False
            if waiting:
                wanted.append(waiting.pop(0))
    return [*wanted, *waiting], matches and not waiting


def _may_be_left_out(output: object) -> bool:
    match output:
        case a.Note(Noted(is_warning=False) | Billed()) | a.SendToPhone(SendMark()):
            return True
        case a.Note(Remembered(ToolStarted() | ToolAnswered(is_wish=True))):
            return True
        case a.Note(CallerSpoke() | ItemHeard() | KeysPressed()):  # For the agent's own code.
            return True
        case _:
            return False


def _agree(expected: object, actual: object) -> bool:
    match expected:
        case Id():
            if expected.value is None and isinstance(actual, str):
                expected.value = actual
            return expected.value == actual
        case About():
            return isinstance(actual, int) and abs(expected - actual) <= 1
        case Like():
            return type(actual) is expected.kind and all(
                _agree(value, getattr(actual, name)) for name, value in expected.fields.items()
            )
        case tuple():
            return (
                isinstance(actual, tuple)
                and len(actual) == len(expected)
                and all(map(_agree, expected, actual))
            )
    fields = _fields(expected)
    if fields is None:
        return expected == actual
    return type(expected) is type(actual) and all(
        _agree(value, getattr(actual, name))
        for name, value in fields.items()
        if not _is_left_open(name, value)
    )


_OPEN: Final = {
    "event_id": None,
    "metadata": None,
    "call_sid": "",
    "source": "",
    "number": 0,
    "at_ms": 0,
    "speech": (),
    "items": (),
    "answer": None,
}
"""What every command and every fact has, and every turn; a script names it only where it matters."""


def _is_left_open(name: str, value: object) -> bool:
    return name in _OPEN and value == _OPEN[name]


def _fields(value: object) -> dict[str, object] | None:
    """The fields of a dataclass or struct; nothing for anything else."""
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _resolve(value: object) -> object:
    """`value` with every placeholder replaced by what it stands for."""
    if isinstance(value, Id):
        assert value.value is not None, f"{value} is used before the machine has chosen it"
        return value.value
    changes = {name: _resolve(field) for name, field in (_fields(value) or {}).items()}
    if not changes:
        return value
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changes)
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]  # `_fields` knows only these two.


_SHOWN_BYTES_MAX: Final = 8


def _compact(value: object) -> str:
    """`value` on one line, without what is empty."""
    if isinstance(value, bytes) and len(value) > _SHOWN_BYTES_MAX:
        return f"<{len(value)} bytes>"
    if isinstance(value, Id):
        return f"<{value.name} {value.value}>"
    fields = None if isinstance(value, Like) else _fields(value)
    if fields is None:
        return repr(value)
    shown = [f"{name}={_compact(field)}" for name, field in fields.items() if field not in (None, "", ())]
    return f"{type(value).__name__}({', '.join(shown)})"
