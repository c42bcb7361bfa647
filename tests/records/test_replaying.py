"""A call that was taped is played again: the same code does the same, other code is found out."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callbridge.call import machine, rules
from callbridge.call.ear.playout import Playout
from callbridge.call.floor.floor import Floor
from callbridge.call.phases import Phase
from callbridge.call.tapes.text import TapeError
from callbridge.records.replaying import Replayed, play, read
from callbridge.wire.realtime_events import SpeechStarted
from random_calls import faulty_world, random_world
from tapes import taped

if TYPE_CHECKING:
    from collections.abc import Callable

ODD = (7, 12, 31, 44)
"""Seeds of calls in which something goes wrong, of more than one stream among them."""


def replayed(lines: list[bytes]) -> list[Replayed]:
    return [play(tape) for tape in read(lines)]


@cache
def ordinary() -> list[bytes]:
    """A call with keys and interruptions, in which only the network is not perfect."""
    return taped(random_world(4, keys=True))


def assert_same(lines: list[bytes]) -> None:
    streams = replayed(lines)
    assert streams
    for stream in streams:
        assert stream.differences == ()
        assert stream.is_whole
        assert stream.callbridge == "1.2.3"


@pytest.mark.parametrize("seed", ODD)
def test_a_call_that_is_played_again_is_the_same(seed: int) -> None:
    """Whatever goes wrong in it. A machine that knew anything that is not on the tape would be found out."""
    assert_same(taped(faulty_world(seed)))


@pytest.mark.heavy
@pytest.mark.parametrize("chunk", range(10))
def test_many_calls_that_are_played_again_are_the_same(chunk: int) -> None:
    for seed in range(chunk, 300, 10):
        assert_same(taped(faulty_world(seed)))


def test_an_ordinary_call_says_what_it_was() -> None:
    (stream,) = replayed(ordinary())
    assert stream.differences == ()
    assert stream.events > 100
    assert stream.actions > 50
    assert stream.lasted_s > 10


# --- Other code -----------------------------------------------------------------------------------------


def ignore_speech(patch: pytest.MonkeyPatch) -> None:
    """A rule of the table."""
    patch.setitem(rules.RULES[Phase.LIVE], SpeechStarted, rules.Ignored("nobody cares"))


def never_be_silent(patch: pytest.MonkeyPatch) -> None:
    """When the machine is woken: no clip, so no deadline for one."""
    patch.setattr(machine, "add_sound_due", lambda *_, **__: None)


def mark_less(patch: pytest.MonkeyPatch) -> None:
    """What the ledger asks the relay for."""
    sent = Playout.sent

    def sent_unmarked(ledger: Playout, item_id: str, byte_count: int, now: float) -> str | None:
        limits = ledger.limits
        ledger.limits = dataclasses.replace(limits, mark_every_ms=10 * limits.mark_every_ms)
        try:
            return sent(ledger, item_id, byte_count, now)
        finally:
            ledger.limits = limits

    patch.setattr(Playout, "sent", sent_unmarked)


def hear_nobody(patch: pytest.MonkeyPatch) -> None:
    """What the relay is let know by the gate, and by nothing else."""
    speech_started = Floor.speech_started

    def speech_unheard(floor: Any, *of: Any) -> None:
        speech_started(floor, *of)
        floor._gate.model_hears = False

    changed = rules.Rule(rules._floor.args[0], speech_unheard)
    patch.setitem(rules.RULES[Phase.LIVE], SpeechStarted, changed)


@pytest.mark.parametrize(
    ("change", "expected", "got"),
    [
        (ignore_speech, "speech_started", ""),
        (never_be_silent, "waits until", "waits until"),
        (mark_less, "the mark 0-1 is due", "no mark is due"),
        (hear_nobody, "model_hears=True", ""),
    ],
)
def test_a_change_is_found(
    change: Callable[[pytest.MonkeyPatch], None], expected: str, got: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was told, what came of it, what comes of it now, and what led there."""
    lines = ordinary()
    change(monkeypatch)
    (stream,) = replayed(lines)
    first, *more = stream.differences
    assert expected in " ".join(first.expected)
    assert got in " ".join(first.got)
    assert first.expected != first.got
    assert first.event
    assert len(first.led_by) == min(first.number - 1, 5)
    assert all(difference.number >= first.number for difference in more)


def test_code_that_breaks_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ordinary()

    def breaks(_: object, event: SpeechStarted, now: float) -> None:
        raise ZeroDivisionError(f"at {event.item_id}")

    changed = rules.Rule(rules._floor.args[0], breaks)
    monkeypatch.setitem(rules.RULES[Phase.LIVE], SpeechStarted, changed)
    (stream,) = replayed(lines)
    assert stream.differences[-1].got[0].startswith("it broke: ZeroDivisionError: at ")


def test_a_call_that_broke_breaks_again() -> None:
    """Of what its machine was told by then the tape has no answer."""
    lines = [line for line in ordinary() if not line.startswith(b'{"Closed"')]
    told = next(line for line in lines if b'"SpeechStarted"' in line)
    entry = msgspec.json.decode(told)
    del entry["Handled"]["does"]
    lines[lines.index(told)] = msgspec.json.encode(entry)
    (stream,) = replayed(lines)
    assert stream.differences[0].expected == ("it broke",)


# --- Tapes that are not whole ---------------------------------------------------------------------------


def test_a_tape_that_breaks_off_is_played_as_far_as_it_goes() -> None:
    """A process that was killed."""
    whole = ordinary()
    (stream,) = replayed(whole[: len(whole) // 2])
    assert stream.differences == ()
    assert not stream.is_whole


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[1:], "line 1 of the tape: it does not begin with the beginning"),
        (lambda lines: [b'{"Began":{"shape":0,"callbridge":"0.9","x":1}}', *lines[1:]], "shape is 0.*0.9"),
        (lambda lines: [lines[0], b'{"Handled":{"now":1}}'], "line 2 of the tape: of another shape"),
        (lambda lines: [lines[0], lines[1][:-5]], "line 2 of the tape: a tape has lines of JSON"),
        (lambda lines: [b"[]", *lines], "line 1 of the tape"),
    ],
    ids=["beginning lost", "older shape", "other fields", "cut", "something else"],
)
def test_what_cannot_be_played_is_said(change: Callable[[list[bytes]], list[bytes]], says: str) -> None:
    with pytest.raises(TapeError, match=says):
        replayed(change(ordinary()))
