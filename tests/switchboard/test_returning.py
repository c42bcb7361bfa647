"""What is remembered of a call, and what of it the caller's next call is told."""

from __future__ import annotations

import inspect
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callbridge.call import agent_facts, facts, memory
from callbridge.call.agent_facts import OF_AGENTS
from callbridge.call.fact_base import BaseFact
from callbridge.call.facts import EndReason
from callbridge.state.callers import GOING_ON_BYTES_MAX, CallerRecord
from callbridge.state.state import DETAILS, CallEvent
from callbridge.switchboard.continuation import read_history
from callbridge.switchboard.returning import (
    CALLED_AGAIN,
    SUMMARY_CHARACTERS_MAX,
    facts_of,
    record_of,
)

if TYPE_CHECKING:
    from callbridge.call.facts import Fact

AT = 1_800_000_000.0
STREAM = "MZ1"
STARTED = facts.StreamStarted("", "", source=STREAM, agent="shop")
GREETING = facts.TurnEnded(1, None, "Hello.", None, interrupted=False, source=STREAM)
WISH = facts.TurnEnded(2, "A blue one.", "We have", 500, interrupted=True, source=STREAM, at_ms=4000)
TOOL = memory.ToolAnswered(2, "call_1", "look_up", "{}", "one left")
FIRST_STEP = agent_facts.StepEntered("begin", "", source=STREAM)
KEPT = agent_facts.FieldKept("booking", "name", '"Ann"', is_confirmed=True, source=STREAM, number=9)
CAPTURED = agent_facts.Captured("booking", "{}", source=STREAM)


def events(*told: Fact) -> list[CallEvent]:
    return [CallEvent(n, AT + n, fact.kind, facts.encode(fact)) for n, fact in enumerate(told, 1)]


def ended(reason: EndReason = EndReason.MEDIA_LOST) -> facts.StreamEnded:
    return facts.StreamEnded(reason, source=STREAM)


def values(text: str) -> agent_facts.ValuesSet:
    return agent_facts.ValuesSet(text, source=STREAM)


@dataclass(frozen=True)
class Known:
    """What another call is told of a record."""

    told: list[Fact]

    @property
    def before(self) -> agent_facts.CalledBefore:
        found = self.told[0]
        assert isinstance(found, agent_facts.CalledBefore)
        return found


def known(*told: Fact, summary: str | None = None, goes_on: bool = True) -> Known:
    record = record_of(events(STARTED, *told), AT, summary)
    assert record is not None
    return Known(facts_of(record, goes_on=goes_on))


def test_the_last_turns_are_the_summary_as_they_were_heard() -> None:
    """Late words stand where they were spoken; keys and tools are none."""
    late = facts.CallerWordsCame(2, "A blue one, please.", "item_2")
    waits = msgspec.structs.replace(WISH, caller=None, awaits=("item_2",))
    found = known(GREETING, waits, facts.Remembered(TOOL), ended(), late)
    assert found.before.summary == "agent: Hello.\ncaller: A blue one, please.\nagent: We have"
    assert found.before.ended_at == AT


@pytest.mark.parametrize("turns", [3, 400])
def test_a_summary_is_bounded_and_the_oldest_is_left_out(turns: int) -> None:
    said = [facts.TurnEnded(n, f"Words {n}.", "Yes. " * 20, 1, interrupted=False) for n in range(turns)]
    summary = known(*said, ended()).before.summary
    assert len(summary) <= SUMMARY_CHARACTERS_MAX
    assert f"Words {turns - 1}." in summary
    assert ("Words 0." in summary) is (turns == 3)
    assert summary.startswith(("caller: ", "agent: "))
    assert len(known(facts.TurnEnded(1, "x" * 9000, "", 1, interrupted=False)).before.summary) == 2000


def test_the_users_summary_stands_in_its_place() -> None:
    """Cut at its end, and whatever letters it has."""
    assert known(WISH, summary="Wants a blue one.").before.summary == "Wants a blue one."
    assert known(WISH, summary="\ud800" + "x" * 3000).before.summary == "?" + "x" * 1999


def test_a_call_that_sets_no_values_leaves_those_of_the_call_before() -> None:
    before = agent_facts.CalledBefore(AT, "", '{"n": 1}')
    assert known(WISH).before.values == ""
    assert known(before, WISH).before.values == '{"n": 1}'
    assert known(before, WISH, values('{"n": 2}'), values("{}")).before.values == "{}"


@pytest.mark.parametrize(
    "told",
    [
        (),
        (GREETING,),
        (GREETING, ended(EndReason.CALLER_HANGUP)),
        (values('{"n": 1}'), FIRST_STEP, GREETING),
    ],
)
def test_of_who_said_nothing_nothing_is_remembered(told: tuple[Fact, ...]) -> None:
    """What is known of their call before stays."""
    assert record_of(events(STARTED, *told), AT) is None


def test_a_field_that_was_filled_by_keys_is_said() -> None:
    assert known(GREETING, KEPT).before.goes_on


def test_without_transcripts_an_answer_behind_the_greeting_shows_that_they_spoke() -> None:
    answer = facts.TurnEnded(2, None, "We do.", 500, interrupted=False)
    assert known(GREETING, answer).before.summary == "agent: Hello.\nagent: We do."


CUT_OFF = {
    EndReason.CALLER_HANGUP,
    EndReason.PERSON_WANTED,
    EndReason.MODEL_UNAVAILABLE,
    EndReason.MODEL_LOST,
    EndReason.MEDIA_LOST,
    EndReason.HANDED_OVER,
    EndReason.REJECTED_AUTH,
    EndReason.REJECTED_PROTOCOL,
    EndReason.SERVICE_STOPPED,
    EndReason.INTERNAL_ERROR,
    EndReason.PROCESS_LOST,
}


@pytest.mark.parametrize("reason", [*EndReason, None])
def test_who_was_cut_off_goes_on(reason: EndReason | None) -> None:
    """After any end but the agent's goodbye and a limit, and where nobody saw one."""
    told = (WISH,) if reason is None else (WISH, ended(reason))
    assert known(*told).before.goes_on is (reason is None or reason in CUT_OFF)


@pytest.mark.parametrize("goes_on", [True, False])
def test_who_hangs_up_into_the_goodbye_has_ended_the_call(*, goes_on: bool) -> None:
    """But not who spoke again before: that withdrew it."""
    bye = memory.ToolAnswered(2, "call_2", "end_call", "{}", "", is_wish=True)
    more = facts.TurnEnded(3, "Oh, wait!", "", None, interrupted=False, source=STREAM)
    later: list[Fact] = [more] if goes_on else []
    told = (WISH, facts.Remembered(bye), *later, ended(EndReason.CALLER_HANGUP))
    assert known(*told).before.goes_on is goes_on


@pytest.mark.parametrize("goes_on", [True, False])
def test_who_hangs_up_in_the_last_step_begins_anew(*, goes_on: bool) -> None:
    """Otherwise they would be said goodbye to when they call again. But not who was led back before."""
    steps = [FIRST_STEP, agent_facts.StepEntered("bye", "asked", ends=True, source=STREAM)]
    steps += [agent_facts.StepEntered("begin", "asked", source=STREAM)] if goes_on else []
    assert known(WISH, *steps, ended(EndReason.CALLER_HANGUP)).before.goes_on is goes_on


@pytest.mark.parametrize(("changes", "goes_on"), [("b", True), ("ba", False), ("bab", True)])
def test_the_last_step_is_that_of_the_agent_that_was_on(changes: str, *, goes_on: bool) -> None:
    """One agent's flow has ended, and its caller was handed over to another one."""
    steps: list[Fact] = [agent_facts.StepEntered("bye", "asked", ends=True, source=STREAM)]
    for was, agent in itertools.pairwise(("a", *changes)):
        steps.append(agent_facts.AgentChanged(agent, was, f"transfer_to_{agent}", source=STREAM))
    assert known(WISH, *steps, ended(EndReason.CALLER_HANGUP)).before.goes_on is goes_on


def test_what_goes_on_is_what_was_said_done_and_captured() -> None:
    """As facts of another call, told by no stream; of values the latest. A new session is told that it is
    another call.
    """
    waits = msgspec.structs.replace(WISH, awaits=("item_2",))
    told = (GREETING, waits, facts.Remembered(TOOL), values("{}"), KEPT, CAPTURED, values('{"n": 1}'))
    _, *going_on = known(*told, ended()).told
    assert {(fact.call_sid, fact.source, fact.number, fact.at_ms) for fact in going_on} == {("", "", 0, 0)}
    bare = [facts.encode(msgspec.structs.replace(fact, source="", number=0)) for fact in (KEPT, CAPTURED)]
    assert [facts.encode(fact) for fact in going_on[-3:]] == [
        *bare,
        facts.encode(agent_facts.ValuesSet('{"n": 1}')),
    ]
    history = read_history(events(*going_on))
    assert (history.ended, history.never_began, history.continued_at) == (None, False, ())
    assert history.remembered == (
        memory.TurnSaid(1, None, "Hello."),
        memory.TurnSaid(2, "A blue one.", "We have"),
        TOOL,
        memory.Told(3, CALLED_AGAIN),
    )


def test_only_one_call_goes_on() -> None:
    found = known(WISH, ended(), goes_on=False)
    assert len(found.told) == 1
    assert not found.before.goes_on


def test_what_is_too_large_to_go_on_with_is_known_by_its_summary() -> None:
    said = [
        facts.TurnEnded(n, "x" * 1000, "", 1, interrupted=False) for n in range(GOING_ON_BYTES_MAX // 1000)
    ]
    found = known(*said, ended())
    assert len(found.told) == 1
    assert found.before.summary


@pytest.mark.parametrize(
    ("body", "going_on"),
    [
        (b"", b""),
        (b'{"version": 2, "summary": "", "values": ""}', b""),
        (b'{"version": 1, "summary": "", "values": ""}', b'[{"kind": "from_the_future"}]'),
    ],
)
def test_a_record_of_another_version_counts_as_none(body: bytes, going_on: bytes) -> None:
    assert facts_of(CallerRecord(AT, body, going_on), goes_on=True) == []


def test_all_that_an_agent_keeps_is_known_here() -> None:
    """One that were not would be delivered again, or lost."""

    def is_fact(thing: Any) -> bool:
        return inspect.isclass(thing) and issubclass(thing, BaseFact) and thing is not BaseFact

    kept = {kind for _, kind in inspect.getmembers(agent_facts, is_fact)} - {
        *(agent_facts.CalledBefore, agent_facts.CallerTexted, agent_facts.McpToolsChanged)
    }
    assert kept == set(OF_AGENTS)
    assert {kind.__struct_config__.tag for kind in kept} <= DETAILS
