"""What is particular to a state without a file: its bound."""

from __future__ import annotations

import pytest

from callbridge.state.memory_state import MemoryState


async def bodies(state: MemoryState, call_sid: str) -> list[bytes]:
    return [event.body for event in await state.events(call_sid)]


async def test_calls_that_have_ended_make_room_first() -> None:
    state = MemoryState(lambda: 1.0, events_max=5)
    for call_sid in ("one", "two"):
        state.append(call_sid, "stream_started", b"")
    state.append("two", "stream_ended", b"")
    for number in range(4):
        state.append("one", "turn_ended", b"%d" % number)
    assert await state.events("two") == ()
    assert await bodies(state, "one") == [b"", b"0", b"1", b"2", b"3"]
    assert state.events_shed == 0


async def test_then_the_oldest_details_of_live_calls_do() -> None:
    state = MemoryState(lambda: 1.0, events_max=3)
    state.append("one", "stream_started", b"")
    for number in range(4):
        state.append("one", "turn_ended", b"%d" % number)
    events = await state.events("one")
    assert [(event.sequence, event.body) for event in events] == [(1, b""), (2, b"2"), (3, b"3")]
    assert state.events_shed == 2


async def test_starts_of_live_calls_are_never_shed() -> None:
    state = MemoryState(lambda: 1.0, events_max=2)
    for number in range(4):
        state.append(f"call-{number}", "stream_started", b"")
    assert [len(await state.events(f"call-{number}")) for number in range(4)] == [1, 1, 1, 1]


@pytest.mark.parametrize("kinds", ["call_offered", "stream_started stream_ended"])
async def test_news_of_a_call_without_a_stream_do_not_make_it_live(kinds: str) -> None:
    """Twilio goes on to report calls that are over, and those that were declined: no flood of them sheds a
    word of a live one, and who was heard of least recently goes first.
    """
    state = MemoryState(lambda: 1.0, events_max=6)
    for kind in ("stream_started", "turn_ended"):
        state.append("live", kind, b"")
    for number in range(9):
        for kind in (*kinds.split(), "call_reported"):
            state.append(f"call-{number}", kind, b"")
    assert len(await state.events("live")) == 2
    assert (await state.events("call-0"), state.events_shed) == ((), 0)
    assert len(await state.events("call-8")) == len(kinds.split()) + 1


async def test_a_call_that_goes_on_after_its_end_is_live() -> None:
    state = MemoryState(lambda: 1.0, events_max=3)
    for kind in ("stream_started", "stream_ended", "stream_started", "turn_ended"):
        state.append("one", kind, kind.encode())
    assert await bodies(state, "one") == [b"stream_started", b"stream_ended", b"stream_started"]
    assert state.events_shed == 1
