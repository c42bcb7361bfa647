"""What is particular to a state without a file: its bound."""

from __future__ import annotations

from callbridge.records.memory_state import MemoryState


async def bodies(state: MemoryState, call_sid: str) -> list[bytes]:
    return [event.body for event in await state.events(call_sid)]


async def test_calls_that_have_ended_make_room_first() -> None:
    state = MemoryState(lambda: 1.0, events_max=5)
    for call_sid in ("one", "two"):
        state.append(call_sid, "started", b"")
    state.append("two", "ended", b"")
    for number in range(4):
        state.append("one", "memory", b"%d" % number)
    assert await state.events("two") == ()
    assert await bodies(state, "one") == [b"", b"0", b"1", b"2", b"3"]
    assert state.events_shed == 0


async def test_then_the_oldest_details_of_live_calls_do() -> None:
    state = MemoryState(lambda: 1.0, events_max=3)
    state.append("one", "started", b"")
    for number in range(4):
        state.append("one", "memory", b"%d" % number)
    events = await state.events("one")
    assert [(event.sequence, event.body) for event in events] == [(1, b""), (2, b"2"), (3, b"3")]
    assert state.events_shed == 2


async def test_starts_of_live_calls_are_never_shed() -> None:
    state = MemoryState(lambda: 1.0, events_max=2)
    for number in range(4):
        state.append(f"call-{number}", "started", b"")
    assert [len(await state.events(f"call-{number}")) for number in range(4)] == [1, 1, 1, 1]


async def test_a_call_of_which_all_was_shed_is_gone() -> None:
    """It is also gone for the pruning, an hour later."""
    now = 1.0
    state = MemoryState(lambda: now, events_max=1)
    state.append("one", "memory", b"")
    state.append("two", "started", b"")
    now = 1e9
    state.append("three", "started", b"")
    assert await state.events("one") == ()
    assert await state.events("two") == ()
    assert len(await state.events("three")) == 1


async def test_a_call_that_goes_on_after_its_end_is_live() -> None:
    state = MemoryState(lambda: 1.0, events_max=3)
    for kind in ("started", "ended", "started", "memory"):
        state.append("one", kind, kind.encode())
    assert await bodies(state, "one") == [b"started", b"ended", b"started"]
    assert state.events_shed == 1
