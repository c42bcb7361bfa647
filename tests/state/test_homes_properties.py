"""Whatever is told in whatever order: a home answers what memory answers."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from callbridge.state.callers import CallerRecord
from callbridge.state.memory_state import MemoryState
from callbridge.state.places import CallerBounds
from callbridge.state.postgres_state import PostgresState
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import OVER, Retention
from callbridge.state.text_notes import NoteKind, TextNote
from state.wall_clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.state.state import State

Step: TypeAlias = tuple[object, ...]

CALLS, CALLERS = ("one", "two", "three"), ("anna", "ben")
DAYS = Retention(callers_s=3 * 24 * 3600.0)
BOUNDS = CallerBounds(at_once=2, per_10_minutes=3, per_day=5)

_calls, _callers = st.sampled_from(CALLS), st.sampled_from(CALLERS)
_kinds = st.sampled_from(
    ["stream_started", "turn_ended", "remembered", "stream_ended", "call_reported", OVER]
)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), _calls, _kinds),
        st.tuples(st.just("claim"), _calls, _callers),
        st.tuples(st.just("carry"), _calls, _callers),
        st.tuples(st.just("keep"), _calls, st.sampled_from([0.0, 20.0])),
        st.tuples(st.just("free"), _calls, st.booleans()),
        st.tuples(st.just("call"), _callers),
        st.tuples(st.just("token"), st.binary(min_size=1, max_size=1)),
        st.tuples(st.just("remember"), _callers, st.binary(max_size=3)),
        st.tuples(st.just("text"), _callers, st.sampled_from(NoteKind)),
        st.tuples(st.just("forget"), _callers),
        st.tuples(st.just("flush")),
        st.tuples(st.just("pass"), st.sampled_from([1.0, 20.0, 700.0, 90_000.0])),
    ),
    max_size=25,
)

_worlds = itertools.count()


async def after(state: State, step: Step, clock: Clock, own: Callable[[object], str]) -> object:
    """What comes of a step; `own` makes names that no other example has."""
    match step:
        case ("append", call_sid, kind):
            state.append(own(call_sid), str(kind), b"{}")
        case ("claim", call_sid, caller):
            return await state.claim_place(own(call_sid), own(caller), BOUNDS, clock.now)
        case ("carry", call_sid, caller):
            state.carry(own(call_sid), own(caller))
        case ("keep", call_sid, float() as for_s):
            state.keep_place(own(call_sid), for_s)
        case ("free", call_sid, is_over):
            (state.free_place if is_over else state.give_back_place)(own(call_sid))
        case ("call", caller):
            state.note_call(own(caller), clock.now)
        case ("token", token):
            return await state.claim_token(own(token).encode(), clock.now + 30)
        case ("remember", caller, bytes() as body):
            state.remember(own(caller), "agent", CallerRecord(clock.now, body, body))
        case ("text", caller, NoteKind() as kind):
            state.note_text(TextNote(own(caller), clock.now, kind))
        case ("forget", caller):
            state.forget(own(caller))
        case ("flush",):
            return await state.flush()
        case _:
            raise AssertionError(step)
    return None


async def shown(state: State, clock: Clock, own: Callable[[object], str]) -> list[object]:
    """All that can be asked; of numbers of events, their order."""
    events = [await state.events(own(call_sid)) for call_sid in CALLS]
    assert all(told == tuple(sorted(told, key=lambda event: event.sequence)) for told in events)
    records = [await state.recall(own(caller), "agent", clock.now) for caller in CALLERS]
    texts = [await state.texts(own(caller), 0.0) for caller in CALLERS]
    return [[[(event.at, event.kind) for event in told] for told in events], records, texts]


async def compared(home: State, steps: list[Step], clock: Clock) -> None:
    """Both are told the same, and asked."""
    world, memory = next(_worlds), MemoryState(clock, DAYS)

    def own(name: object) -> str:
        return f"{world} {name!r}"

    for step in steps:
        match step:
            case ("pass", float() as seconds):
                assert await home.flush()  # What waits is written when it was told.
                clock.now += seconds
                for state in (home, memory):  # Who is told something looks what is too old by now.
                    state.append(own("tick"), "stream_reported", b"")
                assert await home.flush()
            case _:
                answers = [await after(state, step, clock, own) for state in (home, memory)]
                assert answers[0] == answers[1], step
    assert await shown(home, clock, own) == await shown(memory, clock, own)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(steps=STEPS)
def test_a_home_answers_what_memory_answers(
    kind: str, steps: list[Step], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue("migrated_database") if kind == "postgres" else ""
    clock = Clock()

    async def run() -> None:
        home: SqliteState | PostgresState = (
            PostgresState(url, lambda: MemoryState(clock), clock, DAYS, now=clock)
            if url
            else SqliteState(tmp_path / "state.db", clock, DAYS)
        )
        try:
            await compared(home, steps, clock)
        finally:
            await home.close()

    asyncio.run(run())
