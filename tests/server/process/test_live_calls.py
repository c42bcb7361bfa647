"""The calls of this process: who carries a phone call, how many there are, and who is asked to hand over."""

from __future__ import annotations

import asyncio
import itertools

from hypothesis import given
from hypothesis import strategies as st

from callbridge.server.process.live_calls import LiveCalls
from desks import LiveCall
from leftovers import until


def test_who_lingers_is_no_live_call_and_is_stopped_with_the_process() -> None:
    calls, lingering, gone = LiveCalls(), LiveCall(), LiveCall()
    for call in (lingering, gone):
        calls.add("CA1", call)
        calls.lingers(call)
        calls.remove("CA1", call)
    calls.left(gone)
    calls.stop_lingering()
    assert (len(calls), "stop" in lingering.told, "stop" in gone.told) == (0, True, False)


def test_a_drain_waits_for_tools_that_have_begun() -> None:
    """The process that goes away has charged, and not booked yet."""
    calls, waits_for_words, runs_tools, told = LiveCalls(), LiveCall(), LiveCall(runs_tools=True), list[int]()
    calls.watch(told.append)
    for call in (waits_for_words, runs_tools):
        calls.add("CA1", call)
        calls.lingers(call)
        calls.remove("CA1", call)
    assert (told, len(calls)) == ([1, 0, 1, 1], 0)
    calls.left(waits_for_words)
    calls.left(runs_tools)
    assert told == [1, 0, 1, 1, 0]


class FaultyCall(LiveCall):
    def hand_over(self) -> None:
        raise AssertionError("a call with a fault of its own")


def test_a_newer_stream_replaces_an_older() -> None:
    """The older is told once, by no stream that was known already, and its late end takes nothing away."""
    calls, older, newer = LiveCalls(), LiveCall(), LiveCall()
    calls.add("CA1", older)
    calls.add("CA1", older)
    assert older.told == []
    calls.add("CA1", newer)
    assert (older.told, newer.told) == (["phone replaced"], [])
    calls.remove("CA1", older)
    assert calls.find("CA1") is newer
    assert calls.find("CA2") is None
    assert repr(calls) == "<LiveCalls live=1>"


async def test_all_are_asked_to_hand_over_and_so_is_who_comes_later() -> None:
    calls, one, two, late, later = LiveCalls(), LiveCall(), LiveCall(), LiveCall(), LiveCall()
    calls.add("CA1", one)
    calls.add("CA2", two)
    calls.hand_over_all()
    calls.add("CA3", late)
    calls.add("CA3", later)
    assert await until(lambda: bool(one.told and two.told and later.told and len(late.told) == 2))
    assert (one.told, two.told) == (["hand over"], ["hand over"])
    assert later.told == ["hand over"]
    assert set(late.told) == {"phone replaced", "hand over"}


async def test_all_that_are_live_are_told_that_the_money_is_spent() -> None:
    """Not within that very step, and nobody who comes later: they know from their admission."""
    calls, live, gone, later = LiveCalls(), LiveCall(), LiveCall(), LiveCall()
    calls.add("CA1", live)
    calls.add("CA2", gone)
    calls.remove("CA2", gone)
    calls.end_for_spend()
    assert live.told == []
    assert await until(lambda: bool(live.told))
    calls.add("CA3", later)
    assert (live.told, gone.told, later.told) == (["spend ran over"], [], [])


async def test_a_call_that_fails_keeps_no_other_from_being_asked() -> None:
    calls, faulty, sound = LiveCalls(), FaultyCall(), LiveCall()
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
    calls.add("CA1", faulty)
    calls.add("CA2", sound)
    calls.hand_over_all()
    assert await until(lambda: bool(faults and sound.told))
    assert sound.told == ["hand over"]
    assert [type(fault) for fault in faults] == [AssertionError]


@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 2), st.integers(0, 3))))
def test_the_list_is_that_of_the_latest_streams(steps: list[tuple[str, int, int]]) -> None:
    """Whatever comes in whatever order: the latest stream that has not ended carries its phone call."""
    calls, known = LiveCalls(), [LiveCall() for _ in range(4)]
    told = [0]
    calls.watch(told.append)
    expected: dict[str, LiveCall] = {}
    for step, sid, number in steps:
        name, call = f"CA{sid}", known[number]
        if step == "add":
            calls.add(name, call)
            expected[name] = call
        else:
            calls.remove(name, call)
            if expected.get(name) is call:
                del expected[name]
        assert {name: found for name in ("CA0", "CA1", "CA2") if (found := calls.find(name))} == expected
        assert len(calls) == len(expected) == told[-1]
    assert all(abs(a - b) == 1 for a, b in itertools.pairwise(told))
