"""A tape as text: whatever may stand on one comes back as it was, but for what is never written."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import math
import pkgutil
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import callbridge.call
import callbridge.wire
import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call import facts, wants
from callbridge.call.limits import Limits
from callbridge.call.tapes import entries, text
from callbridge.call.tapes.entries import Added, Due, Sent, Withheld
from callbridge.call.tapes.text import TapeError, decode, encode, lines_of
from callbridge.call.wishes import Transfer
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_events as rt
from callbridge.wire.realtime_commands import McpTool
from rigs import PLAN

if TYPE_CHECKING:
    from types import ModuleType

CLASSES = text._CLASSES
"""By the name under which each is written."""

SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -(2**70), 0.0, -0.0, 1.0, 0.1, math.inf, -math.inf, "", "\x00 ü\u2028", ()),
    *(e.Leg.SPARE, a.OwnSound.AT_WORK, rt.EchoedAudio(), wants.KeysWanted(3), frozenset(), frozenset("#")),
    *([], {}, [1, ["two"]], {"list": {"Leg": "phone"}, "": [None]}),
)
"""The last line: what a peer or JSON Schema has made."""

VALUES = st.recursive(
    st.sampled_from(SCALARS) | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda one: st.lists(one, max_size=3).map(tuple),
    max_leaves=5,
)


def data_classes(package: ModuleType) -> set[str]:
    """The names of all classes of data in a package."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    return {
        member.__name__
        for module in modules
        for member in vars(module).values()
        if text._is_data(member) and member.__module__ == module.__name__
    }


def members(alias: Any) -> set[type]:
    """The classes of a union, those of unions within it included."""
    return {cls for member in get_args(alias) for cls in (members(member) or {member})}


def test_every_event_action_fact_and_entry_can_be_written() -> None:
    """And whatever their fields are said to hold."""
    known = set(CLASSES.values())
    for alias in (e.Event, a.Action, facts.Fact, entries.Entry):
        assert members(alias) <= known
    ours = data_classes(callbridge.call) | data_classes(callbridge.wire)
    held = {
        word
        for cls in known
        for annotation in getattr(cls, "__annotations__", {}).values()
        for word in re.findall(r"[A-Z]\w+", str(annotation))
    }
    assert held & ours <= {cls.__name__ for cls in known}


def test_no_two_classes_are_written_alike() -> None:
    for module in text._MODULES:
        for member in vars(module).values():
            if text._is_data(member) and not member.__name__.startswith("_"):
                assert CLASSES[text._name(member)] is member, "another class has this name: see `_TWICE`"


@pytest.mark.parametrize("beginning", range(len(SCALARS)))
def test_every_class_comes_back_whatever_its_fields_hold(beginning: int) -> None:
    """No class checks what it is made of, but for the limits of a call."""
    values = itertools.cycle([*SCALARS[beginning:], *SCALARS[:beginning]])
    of_fields: list[Any] = [cls for cls in CLASSES.values() if not issubclass(cls, Enum)]
    for cls in of_fields:
        if cls is not Limits:
            left_out = text._LEFT_OUT.get(cls, {})
            names = [name for name, _ in text._fields_of(cls) if name not in left_out]
            comes_back(cls(**dict(zip(names, values, strict=False)), **left_out))


@settings(max_examples=40, deadline=None)
@given(value=VALUES)
def test_whatever_a_field_holds_comes_back(value: object) -> None:
    comes_back(e.StreamRefused(value))  # type: ignore[arg-type]  # It does not look.


def comes_back(value: object) -> None:
    back = decode(encode(value))
    assert back == value
    assert repr(back) == repr(value)  # 1 is not 1.0, nor True; 0.0 is not -0.0.


def test_a_whole_plan_comes_back() -> None:
    plan = dataclasses.replace(
        PLAN, menu_keys=frozenset("12"), limits=Limits(call_length_max_s=math.inf), person_key="0"
    )
    assert decode(encode(plan)) == plan


def test_what_is_never_written() -> None:
    """Numbers, what stands in Twilio's start beside the names of call and stream, and audio."""
    admitted = v.admitted("+15550100001", "+15550100002")
    assert decode(encode(admitted)) == v.admitted()
    start = decode(encode(v.start()))
    assert (start.start.call_sid, start.start.custom_parameters) == (v.CALL_SID, {})
    assert b"AC1" not in encode(v.start())
    put_through = e.ToolFinished("call_1", "put_through", "", 5, Transfer("sales", "+15550100042"))
    assert decode(encode(put_through)).wish.address == "not kept"
    assert decode(encode(v.frame())) == ms.Media(ms.MediaChunk(b"\0" * 160))
    shown = {"authorization": "hidden", "headers": {"Shop": "hidden"}}
    assert b"hidden" not in encode(McpTool("till", "https://till.example?key=hidden", "never", **shown))  # type: ignore[arg-type] # by name


def test_numbers_of_caller_and_called_stand_nowhere() -> None:
    """Whoever spoke them: of the same length as before, since a text is cut where its length says."""
    told = e.ToolFinished("call_1", "look_up", "Their number is +15550100001.", 5)
    entry = entries.Handled(now=1.0, counts=(0,), event=told, does=())
    (line,) = lines_of([entry], private=("+15550100001", "1"))
    assert decode(line).event.output == "Their number is +xxxxxxxxxxx."


def test_pieces_that_nobody_looks_at_between_are_one() -> None:
    due = Due((0,), None, None)
    spoken: list[entries.Entry] = [Added("a", "Good "), Sent("a", 160, 1.0, None), Added("a", "day.")]
    withheld = [Withheld("b", 1), Withheld("b", 2)]
    lines = [*lines_of([*spoken, *withheld, due, Added("a", " More.")])]
    assert [decode(line) for line in lines] == [
        *(Sent("a", 160, 1.0, None), Withheld("b", 3), Added("a", "Good day."), due, Added("a", " More."))
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"no JSON", "lines of JSON"),
        (b'{"Vanished": {}}', "there is no Vanished"),
        (b'{"LegGone": {"leg": {"Leg": "third"}, "code": 1}}', "third"),
        (b'{"LegGone": {"socket": 1, "code": 1}}', "socket"),
        (b"{}", "another shape"),
    ],
)
def test_what_is_no_entry_is_said(line: bytes, says: str) -> None:
    with pytest.raises(TapeError, match=says):
        decode(line)


def test_what_nobody_can_write_is_said() -> None:
    @dataclasses.dataclass
    class Strange:
        pass

    with pytest.raises(TapeError, match="Strange"):
        encode(e.SpareSaid(Strange()))  # type: ignore[arg-type]
    with pytest.raises(TapeError):
        encode(e.StreamRefused(object()))  # type: ignore[arg-type]
    assert not issubclass(Strange, msgspec.Struct)


def test_a_call_is_played_with_the_limits_that_it_had() -> None:
    """Whatever a later version thinks of them."""
    assert b'"clip_after_s":' in encode(PLAN)
