"""The calls of this process: who carries a phone call, how many there are, and who is asked to hand over."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from callbridge.server.live_calls import LiveCalls


@dataclass
class Call:
    """A call that notes what is asked of it."""

    asked: list[str] = field(default_factory=list)
    fails: bool = False

    def hand_over(self) -> None:
        self.asked.append("hand over")
        if self.fails:
            raise AssertionError("a call with a fault of its own")

    def phone_replaced(self) -> None:
        self.asked.append("replaced")


def test_a_newer_stream_replaces_an_older() -> None:
    """The older is told once, by no stream that was known already, and its late end takes nothing away."""
    calls, older, newer = LiveCalls(), Call(), Call()
    calls.add("CA1", older)
    calls.add("CA1", older)
    assert older.asked == []
    calls.add("CA1", newer)
    assert (older.asked, newer.asked) == (["replaced"], [])
    calls.remove("CA1", older)
    assert calls.find("CA1") is newer
    assert calls.find("CA2") is None
    assert repr(calls) == "<LiveCalls live=1>"


async def test_all_are_asked_to_hand_over_and_so_is_who_comes_later() -> None:
    calls, one, two, late, later = LiveCalls(), Call(), Call(), Call(), Call()
    calls.add("CA1", one)
    calls.add("CA2", two)
    calls.hand_over_all()
    calls.add("CA3", late)
    calls.add("CA3", later)
    await asyncio.sleep(0)
    assert (one.asked, two.asked) == (["hand over"], ["hand over"])
    assert later.asked == ["hand over"]
    assert set(late.asked) == {"replaced", "hand over"}


async def test_a_call_that_fails_keeps_no_other_from_being_asked() -> None:
    calls, faulty, sound = LiveCalls(), Call(fails=True), Call()
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
    calls.add("CA1", faulty)
    calls.add("CA2", sound)
    calls.hand_over_all()
    await asyncio.sleep(0)
    assert sound.asked == ["hand over"]
    assert [type(fault) for fault in faults] == [AssertionError]


@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 2), st.integers(0, 3))))
def test_the_list_is_that_of_the_latest_streams(steps: list[tuple[str, int, int]]) -> None:
    """Whatever comes in whatever order: the latest stream that has not ended carries its phone call."""
    calls, known = LiveCalls(), [Call() for _ in range(4)]
    told = [0]
    calls.watch(told.append)
    expected: dict[str, Call] = {}
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
