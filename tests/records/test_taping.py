"""A share of the calls is taped, by a thread that no call waits for, and what is lost is said."""

from __future__ import annotations

import threading
import zlib
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from callbridge.call.machine import CallMachine
from callbridge.call.tapes import taping as of_calls
from callbridge.call.tapes.taping import TapedMachine
from callbridge.call.tapes.text import TapeError, lines_of
from callbridge.call.wants import AgentTells
from callbridge.observe.redaction import redaction
from callbridge.records import taping
from callbridge.records.replaying import play, read
from callbridge.records.tapes import TapeStore
from callbridge.records.taping import NotStoredError, Piece, Taping, is_taped
from callbridge.wire import media_streams
from random_calls import random_world

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.records.database import Database
    from worlds import World

CALL_SID = "CA" + "c" * 32
"""Of every call in virtual time."""


def play_call(taped: Taping, seed: int = 1) -> type[CallMachine]:
    """A call whose machine is made by whoever tapes; answers what it was."""
    return play_world(random_world(seed), taped)


def play_world(world: World, taped: Taping) -> type[CallMachine]:
    world.machine = taped.machine
    world.run()
    (stream,) = world.streams
    assert stream.entrance.call is not None
    stream.entrance.call.close(world.now)
    return type(stream.entrance.call)


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of twelve seconds has half a dozen of them."""
    monkeypatch.setattr(of_calls, "PIECE_S", 2.0)


class Store:
    """Takes pieces, or refuses them."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.is_away = False
        self.was_asked = threading.Event()

    def add(self, pieces: Sequence[Piece]) -> None:
        self.was_asked.set()
        if self.is_away:
            raise NotStoredError("the server cannot be reached")
        self.pieces += pieces


def test_the_share_is_kept_and_all_streams_of_a_call_agree() -> None:
    sids = [f"CA{number:032x}" for number in range(2000)]
    assert 400 < sum(is_taped(sid, 0.25) for sid in sids) < 600
    assert all(is_taped(sid, 0.5) for sid in sids if is_taped(sid, 0.25))
    assert all(is_taped(sid, 1) for sid in sids)
    assert not any(is_taped(sid, 0) for sid in sids)


def test_a_call_that_is_not_taped_has_an_ordinary_machine() -> None:
    store = Store()
    taped = Taping(1e-9, store.add)
    taped.begin()
    assert play_call(taped) is CallMachine
    taped.end(within_s=5)
    assert store.pieces == []


def test_a_call_is_taped_stored_and_played(database: Database) -> None:
    """In pieces, as it goes on; what is written twice stands there once."""
    store = TapeStore(database)
    taped = Taping(1, store.add, clock=lambda: 1_750_000_000.0)
    taped.begin()
    assert play_call(taped) is TapedMachine
    taped.end(within_s=5)
    lines = [*store.lines(CALL_SID)]
    (stream,) = map(play, read(lines))
    assert (stream.differences, stream.is_whole) == ((), True)
    assert stream.code
    again = Taping(1, store.add)
    again.begin()
    play_call(again)
    again.end(within_s=5)
    assert [*store.lines(CALL_SID)] == lines
    assert [*store.lines("CA1")] == []


def test_of_a_tape_with_a_gap_what_comes_before_is_read(database: Database) -> None:
    store, kept = TapeStore(database), Store()
    taped = Taping(1, kept.add)
    taped.begin()
    play_call(taped)
    taped.end(within_s=5)
    first, _lost, *more = kept.pieces
    store.add([*more, first])
    (stream,) = map(play, read(store.lines(CALL_SID)))
    assert (stream.differences, stream.is_whole) == ((), False)
    store.add([Piece("CA2", "MZ2", 2, 1.0, first.body), Piece("CA3", "MZ3", 1, 1.0, b"torn")])
    assert [*store.lines("CA2")] == []
    with pytest.raises(TapeError, match="cannot be read"):
        [*store.lines("CA3")]


def test_pieces_wait_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taping, "PAUSE_S", 0.01)
    store = Store()
    store.is_away = True
    taped = Taping(1, store.add)
    with capture_logs() as logs:
        taped.begin()
        play_call(taped)
        assert store.was_asked.wait(5)
        store.is_away = False
        taped.end(within_s=5)
    assert [piece.number for piece in store.pieces] == [*range(1, len(store.pieces) + 1)]
    assert [log["event"] for log in logs] == ["tapes_not_stored"]


def test_what_is_lost_is_said_and_the_call_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread does not run, the database is away for too long, the process stops without it."""
    monkeypatch.setattr(taping, "PIECES_MAX", 1)
    store = Store()
    slow = Taping(1, store.add)
    with capture_logs() as logs:
        play_call(slow)
    assert [(log["event"], log["call_sid"]) for log in logs] == [("tape_cut", CALL_SID)]
    monkeypatch.setattr(taping, "PIECES_MAX", 1000)
    monkeypatch.setattr(taping, "WAITING_BYTES_MAX", 6000)
    store.is_away = True
    full = Taping(1, store.add)
    with capture_logs() as logs:
        full.begin()
        play_call(full)
        full.end(within_s=5)
    told = [log["event"] for log in logs]
    assert told.count("tape_cut") == 1
    assert told[-1] == "tapes_lost"


def test_what_nobody_can_write_costs_one_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours: the other tapes go on."""
    store = Store()
    taped = Taping(1, store.add)
    broken = [TapeError("no text of it"), ZeroDivisionError()]

    def breaks(entries: Sequence[object], private: Sequence[str]) -> object:
        if broken:
            raise broken.pop()
        return lines_of(entries, private)  # type: ignore[arg-type]

    monkeypatch.setattr(taping, "lines_of", breaks)
    with capture_logs() as logs:
        taped.begin()
        for _ in range(3):
            play_call(taped)
        taped.end(within_s=5)
    assert [log["event"] for log in logs] == ["tape_broken", "tape_cut"]
    (stream,) = map(play, read([line for piece in store.pieces for line in _lines(piece)]))
    assert stream.differences == ()


CARD = "4111111111111111"


def words_of_a_card(world: World) -> None:
    told = AgentTells("Their card is 4111 1111 1111 1111.", is_answered=False)
    world.later(5.0, lambda: world.streams[0].tell(told))


def keys_of_a_card(world: World) -> None:
    """In five seconds: pieces are shorter than that."""
    for place, digit in enumerate(CARD):
        pressed = media_streams.Dtmf(media_streams.Key(digit))
        world.later(4.0 + place * 0.3, lambda pressed=pressed: world.streams[0].tell(pressed))  # type: ignore[misc]


@pytest.mark.parametrize("give", [words_of_a_card, keys_of_a_card])
def test_a_tape_ends_before_the_number_of_a_card(give: Callable[[World], None]) -> None:
    """As words, or as keys, of which not even the first are kept."""
    store = Store()
    taped = Taping(1, store.add, without_cards=redaction(()).without_cards)
    world = random_world(1)
    give(world)
    with capture_logs() as logs:
        taped.begin()
        play_world(world, taped)
        taped.end(within_s=5)
    assert [log["why"] for log in logs] == ["the number of a payment card was given"]
    lines = [line for piece in store.pieces for line in _lines(piece)]
    (stream,) = map(play, read(lines))
    assert (stream.differences, stream.is_whole) == ((), False)
    assert stream.lasted_s > 1
    assert not any(b"4111" in line or b"Dtmf" in line for line in lines)


def _lines(piece: Piece) -> list[bytes]:
    return zlib.decompress(piece.body).split(b"\n")
