"""What every `State` promises of texts: a day's count, a wish that stands, and a few words for a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.state import memory_state
from callbridge.state.forgetting import forget_in_file
from callbridge.state.memory_state import MemoryState
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import PRUNE_EVERY_S, Retention
from callbridge.state.text_notes import REPLIES_MAX, SENT_KEPT_S, NoteKind, TextNote
from state.wall_clock import BEGAN, Clock, text_in

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.state.state import State

DAY_S = 24 * 3600.0
KEPT = Retention(callers_s=3 * DAY_S)
KEY = "f00d" * 16


@pytest.fixture
def kept() -> Retention:
    return KEPT


def note(kind: NoteKind, at_s: float = 0, words: str = "", key: str = KEY) -> TextNote:
    return TextNote(key, BEGAN + at_s, kind, "shop", words)


@pytest.mark.parametrize("is_flushed", [True, False])
async def test_of_wishes_the_last_stands_and_of_texts_the_last_few(state: State, *, is_flushed: bool) -> None:
    """Also while they wait to be written."""
    told = [note(NoteKind.STOPPED), note(NoteKind.STARTED, 1), note(NoteKind.STOPPED, 2)]
    told += [note(NoteKind.REPLY, 10 + n, f"text {n}") for n in range(REPLIES_MAX + 2)]
    told += [note(NoteKind.SENT, 30), note(NoteKind.SENT, 30, key="")]
    for one in told:
        state.note_text(one)
        if is_flushed:
            assert await state.flush()
    kept = [told[2], *told[5 : 3 + REPLIES_MAX + 2], told[-2]]
    assert list(await state.texts(KEY, BEGAN)) == kept
    assert list(await state.texts(KEY, BEGAN + 30)) == [told[2], told[-2]], "a wish is never too old"
    assert list(await state.texts("", BEGAN)) == [told[-1]]
    assert await state.texts("nobody", BEGAN) == ()
    state.forget(KEY)
    assert list(await state.texts(KEY, BEGAN)) == [told[2], told[-2]], "their words alone are forgotten"


async def test_each_has_its_time(state: State, clock: Clock) -> None:
    for one in (
        note(NoteKind.STOPPED),
        note(NoteKind.REPLY, words="secret"),
        note(NoteKind.SENT),
        note(NoteKind.SENT, key=""),
    ):
        state.note_text(one)
    await state.flush()

    async def left(age_s: float) -> list[tuple[str, ...]]:
        clock.now = BEGAN + age_s
        state.note_spend(clock.now, 1)
        assert await state.flush()
        assert await state.spend(clock.now)  # Answered behind the prune.
        return [tuple(one.kind for one in await state.texts(key, 0)) for key in (KEY, "")]

    assert await left(PRUNE_EVERY_S) == [("stopped", "reply", "sent"), ("sent",)]
    assert await left(SENT_KEPT_S + PRUNE_EVERY_S) == [("stopped", "reply", "sent"), ()]
    assert await left(3 * DAY_S + PRUNE_EVERY_S) == [("stopped",), ()]


async def test_a_caller_is_forgotten_in_the_file(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "state.db"
    state = SqliteState(path, clock, KEPT)
    for one in (note(NoteKind.STOPPED), note(NoteKind.REPLY, words="secret words")):
        state.note_text(one)
    assert await state.flush()
    assert forget_in_file(path, KEY) == (1, True)
    assert b"secret" not in text_in(tmp_path)
    assert [one.kind for one in await state.texts(KEY, 0)] == [NoteKind.STOPPED]
    await state.close()


async def test_strangers_who_write_wash_no_days_limit_away(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory only so many callers are known; what counts for all of them stays."""
    monkeypatch.setattr(memory_state, "CALLERS_IN_MEMORY_MAX", 3)
    state = MemoryState(clock, KEPT)
    state.note_text(TextNote("", BEGAN, NoteKind.SENT))
    for stranger in range(9):
        state.note_text(TextNote(f"{stranger}", BEGAN, NoteKind.STOPPED))
    assert len(await state.texts("", BEGAN)) == 1
    assert len(await state.texts("8", BEGAN)) == 1
