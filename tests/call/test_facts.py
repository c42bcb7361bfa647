"""Facts: what is written can be read, and each has its place and time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vocabulary as v
from callbridge.call import events as e
from callbridge.call import facts
from callbridge.call.actions import Note
from callbridge.call.fact_base import BaseFact
from callbridge.call.facts import (
    CallOffered,
    Fact,
    FallbackDialed,
    VoicemailLeft,
    decode,
    encode,
)
from callbridge.call.machine import CallMachine
from callbridge.wire.media_streams import UnknownMessage
from rigs import Rig

KINDS: tuple[type[Any], ...] = get_args(Fact)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
VALUES = st.none() | st.booleans() | NUMBERS | st.text() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def any_fact(draw: st.DrawFn, kind: type[Any]) -> Any:
    """A fact of this kind with any values."""
    fields = dict.fromkeys(kind.__struct_fields__, ...)
    if kind is facts.Noted:
        fields["fields"] = st.lists(st.tuples(st.text(), VALUES)).map(tuple)  # type: ignore[assignment]
    return draw(st.builds(kind, **fields))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data())
def test_every_fact_is_read_as_it_was_written(kind: type[Any], data: st.DataObject) -> None:
    fact = data.draw(any_fact(kind))
    assert decode(encode(fact)) == fact
    assert type(decode(encode(fact))) is kind


def test_the_kinds_of_facts_are_what_others_store_and_ask_for() -> None:
    """Each has its own, and all that this module defines can be read."""
    kinds = [kind.__struct_config__.tag for kind in KINDS]
    assert len(set(kinds)) == len(kinds)
    ours = {kind for kind in BaseFact.__subclasses__() if kind.__module__.startswith("callbridge.")}
    assert {*KINDS} == ours  # The base is nobody's business.
    assert CallOffered("", "").kind == "call_offered"


def judge(told: list[Fact]) -> None:
    """The facts of one stream: numbered without gaps, and of a time that does not run backwards."""
    assert {(fact.call_sid, fact.source) for fact in told} == {("CA1", "MZ1")}
    assert [fact.number for fact in told] == list(range(1, len(told) + 1))
    assert all(before.at_ms <= after.at_ms for before, after in pairwise(told))


@pytest.mark.parametrize("age_s", [0.0, 90.0])
def test_the_facts_of_a_stream_are_numbered_and_dated(age_s: float) -> None:
    """Since the call began, over all of its streams."""
    rig = Rig()
    outputs = rig.feed(v.start(), v.admitted(age_s=age_s), e.ModelConnected())
    for after_s, events in (
        (1.0, (v.SESSION_CREATED, v.SESSION_UPDATED)),
        (0.5, (v.created("hello"), v.item("hello", "hi"), *v.says("hello", "hi", 800), v.done("hello"))),
        (0.3, (v.speech_started(),)),
        (0.5, (v.created("look"), v.tool_call("look", "call_1"), v.done("look"))),
        (2.0, (v.tool_finished("call_1"),)),
    ):
        rig.now += after_s
        outputs += rig.feed(*events)
    outputs += [output for _, _, woken in rig.wakes() for output in woken]
    told = [output.fact for output in outputs if isinstance(output, Note)]
    judge(told)
    assert {"stream_started", "interrupted", "remembered", "stream_ended"} <= {fact.kind for fact in told}
    began, ended = told[0], told[-1]
    assert (began.at_ms, ended.at_ms) == (round(age_s * 1000), round((age_s + rig.seconds) * 1000))


def test_what_was_odd_before_the_call_is_told_once_there_is_one() -> None:
    """Of a socket that has named no stream yet, and of a stream whose token is being checked."""
    rig = Rig()
    outputs = rig.feed(UnknownMessage("of_tomorrow"))
    for event in (v.start(), v.start(), v.admitted(), v.HANGS_UP):
        rig.now += 0.3
        outputs += rig.feed(event)
    told = [output.fact for output in outputs if isinstance(output, Note)]
    judge(told)
    assert [fact.kind for fact in told] == ["noted", "noted", "stream_started", "stream_ended"]


def test_of_a_socket_that_becomes_no_call_only_its_end_is_told() -> None:
    """It may be anybody's, and there may be thousands."""
    rig = Rig()
    outputs = rig.feed(
        UnknownMessage("of_tomorrow"), v.start(), v.start(), e.StreamRefused("stream token: used")
    )
    told = [output.fact.kind for output in outputs if isinstance(output, Note)]
    assert told == ["stream_ended"]


def test_an_event_that_breaks_off_leaves_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it led to has not happened."""

    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    rig = v.live().rig
    with monkeypatch.context() as patch:
        patch.setattr(CallMachine, "_settle", broken)
        with pytest.raises(RuntimeError):
            rig.feed(v.error("odd"))
    told = [output.fact for output in rig.fail("broken") if isinstance(output, Note)]
    assert [(fact.kind, fact.number) for fact in told] == [("stream_ended", 3)]


def test_a_voicemail_that_an_earlier_version_wrote_down_is_read() -> None:
    """It had the address of the recording."""
    older = b'{"kind":"voicemail_left","call_sid":"CA1","url":"https://a.example/RE1","duration_s":"17"}'
    assert decode(older) == VoicemailLeft(duration_s="17", call_sid="CA1")
    assert decode(b'{"kind":"fallback_dialed","status":"busy"}') == FallbackDialed("busy")
