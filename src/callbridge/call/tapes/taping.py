"""A machine that writes a tape: one append for each thing that happens, nothing for a frame of the caller's.

An ordinary call is not made of this class, so it pays nothing. What is written is turned into text elsewhere,
later, and not by whoever serves the call.
"""

from __future__ import annotations

from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, Final, TypeVar

from callbridge.call.machine import CallMachine
from callbridge.call.tapes.entries import (
    Added,
    Asked,
    Began,
    ClipSent,
    Closed,
    Due,
    Echoed,
    Failed,
    Handled,
    IsPart,
    Marked,
    Passed,
    Sent,
    Withheld,
    counts_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call import actions as a
    from callbridge.call import events as e
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.playout import Playout
    from callbridge.call.ear.tally import Tally
    from callbridge.call.facts import Fact
    from callbridge.call.outbox import Outbox
    from callbridge.call.phases import Timer
    from callbridge.call.tapes.entries import Entry
    from callbridge.call.transcript import Transcript

PIECE_ENTRIES: Final = 1000
"""A tape is handed over in pieces of so many entries: a minute of talk, more or less."""

PIECE_S: Final = 10.0
"""Or after so long: a process that dies loses no more of it. Looked at with every event."""

_Asked = TypeVar("_Asked", Handled, Passed, Failed, Closed)


class Tape:
    """What is written of one stream.

    Args:
        hand_over: takes a piece. May neither wait nor raise.
        callbridge: the version of this program.
        code: a digest of the code that a call is made of.
    """

    def __init__(
        self, hand_over: Callable[[list[Entry]], None], callbridge: str = "", code: str = ""
    ) -> None:
        self._hand_over, self.callbridge, self.code = hand_over, callbridge, code
        self._entries: list[Entry] = []
        self.write: Callable[[Entry], None] = self._entries.append
        self._piece_at: float | None = None

    def turn(self, now: float) -> None:
        """Hands over what is there, if that is enough. Not in the middle of an answer."""
        if self._piece_at is None:
            self._piece_at = now
        elif len(self._entries) >= PIECE_ENTRIES or now - self._piece_at >= PIECE_S:
            self.end()
            self._piece_at = now

    def end(self) -> None:
        """Hands over what is left."""
        entries, self._entries = self._entries, []
        self.write = self._entries.append
        self._hand_over(entries)


class TapedMachine(CallMachine):
    """A call that writes down all that it is told, and what it answers. The arguments are those of a call.

    Args:
        tape: takes what is written.
    """

    def __init__(
        self,
        admitted: e.StreamAdmitted,
        *,
        gate: Gate,
        tally: Tally,
        out: Outbox,
        spread: float,
        tape: Tape,
    ) -> None:
        self._tape, self._gate, self._tally = tape, gate, tally
        self._gate_was = copy(gate)
        self._due_was: tuple[float, Timer] | None = None
        self._began = Began(
            now=out.now,
            counts=counts_of(tally),
            callbridge=tape.callbridge,
            code=tape.code,
            call_sid=out.call_sid,
            stream_sid=out.stream_sid,
            admitted=admitted,
            gate_before=self._gate_was,
            spread=spread,
            call_began_at=out.call_began_at,
            starts_repeated=tally.starts_repeated,
            unknown_events=tally.unknown_events,
            bad_from_phone=deepcopy(tally.bad_from_phone),
        )
        super().__init__(admitted, gate=gate, tally=tally, out=out, spread=spread)
        self.written_past = _TapedLedger(self.playout, tape), _TapedWords(self.transcript, tape)

    def begin(self) -> tuple[a.Action, ...]:
        """As in a call that is not taped; so below."""
        before, self._began.facts_noted = len(self._out.actions), self._out.facts_noted
        self._tape.turn(self._began.now)
        self._tape.write(self._began)
        actions = super().begin()
        self._answered(self._began, actions[before:])
        return actions

    def handle(self, event: e.Event, now: float) -> tuple[a.Action, ...]:
        """Takes one event."""
        told = self._write(Handled, now, event=event)
        return self._answered(told, super().handle(event, now))

    def passed(self, fact: Fact, now: float) -> tuple[a.Action, ...]:
        """Takes a fact."""
        passed = self._write(Passed, now, fact=fact)
        return self._answered(passed, super().passed(fact, now))

    def fail(self, detail: str, now: float) -> tuple[a.Action, ...]:
        """Our own code broke."""
        failed = self._write(Failed, now, detail=detail)
        return self._answered(failed, super().fail(detail, now))

    def close(self, now: float) -> tuple[a.Action, ...]:
        """The end: also of the tape."""
        closed = self._write(Closed, now)
        actions = self._answered(closed, super().close(now))
        self._tape.end()
        return actions

    @property
    def deadline(self) -> tuple[float, Timer] | None:
        """When to wake it, and why."""
        due = super().deadline
        if due != self._due_was:
            self._due_was = due
            self._tape.write(Due(counts_of(self._tally), *(due or (None, None))))
        return due

    def _write(self, kind: type[_Asked], now: float, **what: Any) -> _Asked:
        # Keys that belong together stay in one piece: they may be what is not to be kept.
        if not self._parts.floor.keys.pressed:
            self._tape.turn(now)
        asked = kind(now=now, counts=counts_of(self._tally), **what)
        self._tape.write(asked)
        return asked

    def _answered(self, asked: Asked, actions: tuple[a.Action, ...]) -> tuple[a.Action, ...]:
        asked.does = actions
        if self._gate != self._gate_was:
            asked.gate = self._gate_was = copy(self._gate)
        return actions


class _TapedLedger:
    """The ledger of agent audio, as the relay of a taped call sees it."""

    __slots__ = ("_playout", "_tape")

    def __init__(self, playout: Playout, tape: Tape) -> None:
        self._playout, self._tape = playout, tape

    def sent(self, item_id: str, byte_count: int, now: float) -> str | None:
        mark = self._playout.sent(item_id, byte_count, now)
        self._tape.write(Sent(item_id, byte_count, now, mark))
        return mark

    def clip_sent(self, byte_count: int, now: float, name: str) -> None:
        self._tape.write(ClipSent(byte_count, now, name))
        self._playout.clip_sent(byte_count, now, name)

    def mark(self, now: float) -> str | None:
        mark = self._playout.mark(now)
        self._tape.write(Marked(now, mark))
        return mark

    def withheld(self, item_id: str, byte_count: int) -> None:
        self._tape.write(Withheld(item_id, byte_count))
        self._playout.withheld(item_id, byte_count)

    def is_part(self, item_id: str, content_index: int) -> None:
        self._tape.write(IsPart(item_id, content_index))
        self._playout.is_part(item_id, content_index)

    def echoed_on_the_way(self, name: str, now: float) -> bool:
        was_taken = self._playout.echoed_on_the_way(name, now)
        self._tape.write(Echoed(name, now, was_taken))
        return was_taken

    def unheard_ms(self, now: float) -> int:
        return self._playout.unheard_ms(now)


class _TapedWords:
    """The words of the agent, as the relay of a taped call sees them."""

    __slots__ = ("_tape", "_transcript")

    def __init__(self, transcript: Transcript, tape: Tape) -> None:
        self._transcript, self._tape = transcript, tape

    def agent_adds(self, item_id: str, words: str) -> None:
        self._tape.write(Added(item_id, words))
        self._transcript.agent_adds(item_id, words)
