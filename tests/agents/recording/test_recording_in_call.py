"""Whether a call is recorded: what was heard, answered, refused and left out decides it, over all streams."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.agents.agent import Agent
from callbridge.agents.fault import AgentFault
from callbridge.agents.flow.flow import Flow
from callbridge.agents.flow.steps import Step
from callbridge.agents.flow.transitions import asked
from callbridge.agents.recording.recording import AGREE, REFUSE, Consent, Recording
from callbridge.call import agent_facts, facts
from callbridge.call import recording_facts as rf
from callbridge.call import wants as w
from callbridge.call.actions import RunTool
from callbridge.call.fact_base import BaseFact
from callbridge.call.outcomes import ToolOutcome
from tool_runs import in_call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from callbridge.call.facts import Fact

USUAL = {"announced": "This call is recorded.", "asked": "May we record this call?"}
SOUNDED = facts.Said(rf.GREETING, 100)


def heard(words: str) -> facts.TurnEnded:
    """A turn without a word of the caller."""
    return facts.TurnEnded(1, None, words, None, False)


GREETED = (SOUNDED, heard("This call is recorded. Hello!"))
ASKED = (SOUNDED, heard("Hello! May we record this call?"))
SPOKE = facts.CallerSpoke(turn=1, loud_ms=500, is_clear=True)
STARTED = facts.StreamStarted("+14155550100", "+14155550199", False)


@dataclass
class Recorder:
    """Notes what it is told, and at what the disk was by then."""

    name: str = "CA1-MZ1"
    did: list[str] = field(default_factory=list)
    is_kept: asyncio.Event = field(default_factory=asyncio.Event)
    failed: Callable[[str], None] = print

    async def kept(self) -> bool:
        await self.is_kept.wait()
        return True

    def begin(self, failed: Callable[[str], None]) -> None:
        self.failed = failed
        self.did.append("begin")

    def pause(self) -> None:
        self.did.append("pause")

    def resume(self) -> None:
        self.did.append("resume")

    def end(self, *, is_by_phone: bool) -> None:
        self.did.append(f"end{' by phone' if is_by_phone else ''}")

    def discard(self) -> None:
        self.did.append("discard")


class Stream:
    """An agent in a stream whose bridge is the test."""

    def __init__(self, agent: Agent, earlier: Iterable[Fact] = ()) -> None:
        self.agent = in_call(agent, earlier)
        self.recorder = self.agent.recorder = Recorder()
        self.facts: list[Any] = []
        self.wants: list[Any] = []

    def tell(self, *told: Fact) -> None:
        """Something happens; what is wanted then is noted, and told as a bridge does."""
        for fact in told:
            self.agent.told(fact)
        while (wanted := self.agent.take()) is not None:
            if isinstance(wanted, BaseFact):
                self.facts.append(wanted)
                self.agent.told(wanted)
            else:
                self.wants.append(wanted)

    @property
    def tools(self) -> set[str]:
        return {tool.name for tool in self.agent.definitions} | {
            tool.name for want in self.wants if isinstance(want, w.SessionWanted) for tool in want.tools
        }

    @property
    def said(self) -> list[w.AgentSays]:
        return [want for want in self.wants if isinstance(want, w.AgentSays)]

    async def run(self, name: str) -> ToolOutcome:
        result = await self.agent.run(RunTool("call_1", name, "{}", 5.0), is_kept=True)
        await self.settle()
        return result.outcome

    async def settle(self) -> None:
        """What was begun goes on as far as it can."""
        for _ in range(10):
            self.tell()
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def stream(
    agent: Agent, earlier: Iterable[Fact] = (), *, is_allowed: bool = True, is_kept: bool = True
) -> AsyncIterator[Stream]:
    found = Stream(agent, earlier)
    assert found.agent.recording is not None
    if is_allowed:
        found.agent.recording.allow(USUAL)
    await found.agent.prepare("", "Hello!")
    if is_kept:
        found.recorder.is_kept.set()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        found.agent.begin(tasks)
        await found.settle()
        yield found


def recorded(consent: Consent = "announced", **more: Any) -> Agent:
    return Agent(recording=Recording(consent=consent), **more)


async def test_without_consent_it_begins_at_once() -> None:
    async with stream(recorded("none")) as call:
        assert (call.recorder.did, call.facts) == (["begin"], [rf.RecordingBegan("CA1-MZ1")])
        assert call.agent.greeting == "Hello!"
        assert not call.tools & {AGREE, REFUSE}
        call.tell(facts.StreamEnded(facts.EndReason.CALLER_HANGUP))
        assert call.recorder.did == ["begin", "end by phone"]


async def test_an_announcement_must_be_heard_and_its_consent_be_on_disk() -> None:
    async with stream(recorded(), is_kept=False) as call:
        assert call.agent.greeting == "This call is recorded. Hello!"
        assert (call.recorder.did, call.facts) == ([], [])
        call.tell(*GREETED)
        await call.settle()
        assert call.facts == [rf.ConsentGiven("announced", "This call is recorded.")]
        assert call.recorder.did == []
        call.recorder.is_kept.set()
        await call.settle()
        assert call.recorder.did == ["begin"]
        assert call.facts[1:] == [rf.RecordingBegan("CA1-MZ1")]


async def test_one_that_is_spoken_into_is_said_again_and_given_up_in_the_end() -> None:
    async with stream(recorded()) as call:
        call.tell(facts.Said(rf.GREETING, 60))
        for _ in range(3):
            assert call.said[-1].words == "This call is recorded."
            call.tell(facts.Said(call.said[-1].say_id, 90))
        assert len(call.said) == 3
        assert [fact.event for fact in call.facts] == ["recording_not_announced"]
        assert call.recorder.did == []


async def test_what_the_model_says_in_place_of_it_is_no_announcement() -> None:
    """Its audio was heard to its end, and it was something else."""
    async with stream(recorded()) as call:
        call.tell(SOUNDED, heard("Hello! How can I help you today?"))
        assert call.said[-1].words == "This call is recorded."
        call.tell(facts.Said(call.said[-1].say_id, 100), heard("Well: this call is being recorded!"))
        await call.settle()
        assert call.recorder.did == ["begin"]


async def test_who_is_asked_is_recorded_when_they_have_answered() -> None:
    async with stream(recorded("asked")) as call:
        assert call.agent.greeting == "Hello! May we record this call?"
        assert await call.run(AGREE) is ToolOutcome.REFUSED  # Nobody was asked yet.
        call.tell(*ASKED)
        assert await call.run(AGREE) is ToolOutcome.REFUSED  # Nobody has answered.
        call.tell(SPOKE)
        assert call.recorder.did == []
        assert await call.run(AGREE) is ToolOutcome.ANSWERED
        assert call.facts == [
            rf.ConsentGiven("asked", "May we record this call?"),
            rf.RecordingBegan("CA1-MZ1"),
        ]


async def test_who_refuses_is_not_recorded_and_what_was_is_deleted() -> None:
    async with stream(recorded()) as call:
        call.tell(*GREETED)
        await call.settle()
        assert await call.run(REFUSE) is ToolOutcome.ANSWERED
        assert call.recorder.did == ["begin", "discard"]
        assert call.facts[2:] == [rf.ConsentRefused(), rf.RecordingEnded("CA1-MZ1", "refused")]
        assert REFUSE not in {tool.name for tool in call.wants[-1].tools}


@pytest.mark.parametrize(
    ("earlier", "did", "said"),
    [
        ((rf.ConsentGiven("announced"),), ["begin"], 0),
        ((rf.ConsentGiven("announced"), rf.RecordingPaused()), ["begin", "pause"], 0),
        ((rf.ConsentGiven("announced"), rf.RecordingPaused(), rf.RecordingResumed()), ["begin"], 0),
        ((rf.ConsentGiven("announced"), rf.ConsentRefused()), [], 0),
        ((), [], 1),
    ],
)
async def test_what_was_settled_on_an_earlier_stream_holds(
    earlier: tuple[Fact, ...], did: list[str], said: int
) -> None:
    async with stream(recorded(), (STARTED, *earlier)) as call:
        assert call.agent.greeting == "Hello!"
        assert (call.recorder.did, len(call.said)) == (did, said)


async def test_nothing_is_said_or_asked_where_there_is_no_place_for_recordings() -> None:
    async with stream(recorded(), is_allowed=False) as call:
        assert call.agent.greeting == "Hello!"
        call.tell(*GREETED)
        call.agent.pause_recording()
        await call.settle()
        assert (call.recorder.did, call.facts, call.tools & {AGREE, REFUSE}) == ([], [], set())


async def test_the_users_code_pauses_from_any_thread_and_at_once() -> None:
    async with stream(recorded("none")) as call:
        await asyncio.to_thread(call.agent.call.pause_recording)
        assert call.recorder.did == ["begin", "pause"]
        call.agent.call.pause_recording()
        call.agent.call.resume_recording()
        await call.settle()
        assert call.recorder.did == ["begin", "pause", "resume"]
        assert call.facts[1:] == [rf.RecordingPaused(), rf.RecordingResumed()]


async def test_a_step_that_is_not_to_be_recorded_is_left_out() -> None:
    flow = Flow(
        Step("card", recorded=False, go=[asked("thanks", "they have paid")]), Step("thanks", ends=True)
    )
    async with stream(recorded("none", flow=flow)) as call:
        call.tell(agent_facts.StepEntered("card", ""), agent_facts.StepEntered("thanks", "captured"))
        assert call.recorder.did[-2:] == ["pause", "resume"]
        call.agent.call.pause_recording()
        call.tell(agent_facts.StepEntered("card", ""), agent_facts.StepEntered("thanks", ""))
        assert call.recorder.did[-1] == "pause"  # What the code has paused stays so.


async def test_a_disk_that_fails_ends_it_with_a_fact() -> None:
    async with stream(recorded("none")) as call:
        await asyncio.to_thread(call.recorder.failed, "the disk is too slow")
        await call.settle()
        assert call.facts[1:] == [rf.RecordingEnded("CA1-MZ1", "the disk is too slow")]


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(AgentFault, match="announced, asked, none"):
        Recording(consent="maybe")  # type: ignore[arg-type]  # As a user's slip.
    with pytest.raises(AgentFault, match="more than 500"):
        Recording(announcement="a" * 501)
