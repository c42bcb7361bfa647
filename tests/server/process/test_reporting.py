"""What facts of calls do to the rest of the process: records, circuit, money."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import structlog

from callbridge import Agent
from callbridge.agents.guardrails.in_call import TRIPS_MAX
from callbridge.call import facts, memory
from callbridge.call.bill_facts import Billed
from callbridge.call.endings import FOLLOWS
from callbridge.call.facts import EndReason
from callbridge.call.usage import Usage
from callbridge.call.wants import AnswerStopped
from callbridge.server.process.reporting import UNWRITTEN, Journal, ModelHealth, SpendMeter
from callbridge.switchboard.admission import DeclineReason
from callbridge.switchboard.circuit import FAILURES_IN_A_ROW
from callbridge.switchboard.continuation import read_facts, read_history
from callbridge.switchboard.spending import SpendLevel
from desks import CALL, CALLED, CALLER, FrontDesk, LiveCall
from leftovers import until
from tool_runs import in_call

STREAM = "MZ" + "1" * 32
MODEL = "gpt-realtime-2.1"
STARTED = facts.StreamStarted(CALLER, CALLED, call_sid=CALL, source=STREAM, number=1)
READY = facts.AgentReady(MODEL, 300, 240, has_transcription=True)
READY_WITH_SECOND = facts.AgentReady("second", 300, 240, has_transcription=True)
PRICE = "That is ninety-nine dollars, and cheap."
TOOL = memory.ToolAnswered(1, "call_1", "look_up", "{}", "nine to five")


def no_prices(text: str) -> bool:
    return "dollar" in text


def turn(caller: str | None = "Hello?", agent: str = "Hello.") -> facts.TurnEnded:
    return facts.TurnEnded(1, caller, agent, 500, interrupted=False, call_sid=CALL, source=STREAM)


def ended(reason: EndReason, *, is_admitted: bool = True) -> facts.StreamEnded:
    place = {"call_sid": CALL, "source": STREAM}
    return facts.StreamEnded(reason, "", FOLLOWS[reason], is_admitted, **place)  # type: ignore[arg-type]


def trouble(doing: str = "dial", model: str = MODEL, **what: Any) -> facts.ModelTrouble:
    what = {"status": None, "code": None, "is_fatal": False, "is_rate_limit": False} | what
    return facts.ModelTrouble(doing, "no", model=model, **what)


async def test_a_call_is_written_down_so_that_another_process_can_go_on() -> None:
    """Start, turns, tool answers, end: in their order, and read back as they were."""
    front = FrontDesk()
    journal = Journal(front.desk)
    remembered = facts.Remembered(TOOL, call_sid=CALL, source=STREAM)
    told = (STARTED, READY, turn(), remembered, ended(EndReason.MEDIA_LOST))
    for fact in told:
        journal(fact)
    events = await front.state.events(CALL)
    kinds = "stream_started turn_ended remembered stream_ended"
    assert " ".join(event.kind for event in events) == kinds
    without_numbers = msgspec.structs.replace(STARTED, caller="", called="")
    assert [facts.decode(event.body) for event in events] == [without_numbers, *told[2:]]
    history = read_history(events)
    assert history.ended is EndReason.MEDIA_LOST
    assert history.remembered == (memory.TurnSaid(1, "Hello?", "Hello."), TOOL)


async def test_how_often_guardrails_have_tripped_outlives_a_process() -> None:
    front, agent = FrontDesk(), Agent(guardrails=[no_prices])
    journal = Journal(front.desk)
    for number in range(TRIPS_MAX):
        place: Any = {"call_sid": CALL, "source": STREAM}
        journal(facts.GuardrailTripped("no_prices", f"it_{number}", True, 0, 9, 0, 9, **place))
    earlier = [fact for _, fact in read_facts(await front.state.events(CALL))]
    there = in_call(agent, earlier)
    await there.prepare("", "")
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        there.begin(tasks)
        assert there.hearer is not None
        there.hearer("agent", "it", PRICE)
        await there.wants.written()
        stopped = there.take()
        there.hang_up()
    assert isinstance(stopped, AnswerStopped)
    assert not stopped.is_answered, "it was to take its leave before"


@pytest.mark.parametrize("is_admitted", [True, False])
@pytest.mark.parametrize("reason", EndReason)
async def test_the_end_of_an_admitted_stream_is_written(reason: EndReason, is_admitted: bool) -> None:
    """Except where the end says nothing of the call. A stranger may claim any CallSid, and end in any way:
    hang up on others it must not.
    """
    front = FrontDesk()
    Journal(front.desk)(ended(reason, is_admitted=is_admitted))
    is_written = is_admitted and reason not in UNWRITTEN
    assert await front.kinds() == ["stream_ended"] * is_written
    assert read_history(await front.state.events(CALL)).follows == (FOLLOWS[reason] if is_written else None)


async def test_a_turn_in_which_nobody_was_heard_is_not_written() -> None:
    """Unless its words are still to come: they get its place, and its number."""
    front = FrontDesk()
    journal = Journal(front.desk)
    journal(turn(None, ""))
    assert await front.kinds() == []
    journal(msgspec.structs.replace(turn(None, ""), awaits=("item_1",)))
    journal(facts.CallerWordsCame(1, "Hello?", "item_1", call_sid=CALL, source=STREAM))
    assert read_history(await front.state.events(CALL)).remembered == (memory.TurnSaid(1, "Hello?", ""),)


def told(front: FrontDesk, *those: facts.Fact) -> None:
    health = ModelHealth(front.desk)
    for fact in those:
        health(fact)


@pytest.mark.parametrize("doing", ["dial", "configure"])
async def test_sessions_that_cannot_be_had_open_the_circuit(doing: str) -> None:
    """Five in a row; whoever probes the model is woken."""
    front = FrontDesk()
    told(front, *[trouble(doing)] * (FAILURES_IN_A_ROW - 1))
    assert not front.desk.circuits.is_open(MODEL, front.now)
    assert not front.desk.circuit_opened.is_set()
    told(front, trouble(doing))
    assert front.desk.circuits.is_open(MODEL, front.now)
    assert front.desk.circuit_opened.is_set()


FEW = [trouble()] * (FAILURES_IN_A_ROW - 1)
UNKNOWN: tuple[dict[str, Any], ...] = ({"status": 404}, {"code": "model_not_found"})
TOLD: dict[str, tuple[list[facts.Fact], list[str]]] = {
    "ready begins the count anew": ([*FEW, READY, trouble()], []),
    "so does a new session": ([*FEW, facts.SessionReplaced("lost", 100, 3, MODEL), trouble()], []),
    # A key that is not valid any more is not tried by a second caller, whenever it came out.
    **{
        f"no try can mend {doing}": ([trouble(doing, code="invalid_api_key", is_fatal=True)], [MODEL])
        for doing in ("dial", "configure", "call")
    },
    "a session that is lost says nothing of the next dial": ([trouble("call")] * 20, []),
    # An unknown model counts as one failure where there is no second one.
    **{f"{how} once": ([trouble(is_fatal=True, **how)], []) for how in UNKNOWN},
    **{f"{how}": ([trouble(is_fatal=True, **how)] * FAILURES_IN_A_ROW, [MODEL]) for how in UNKNOWN},
    # The session of one agent is refused for its configuration: calls of other agents go on.
    "one agent asks in vain": ([trouble("configure", is_fatal=True, is_configuration=True)] * 20, []),
    "not judged by another": ([*[trouble(model="another")] * FAILURES_IN_A_ROW, READY], ["another"]),
}


@pytest.mark.parametrize(("those", "are_open"), TOLD.values(), ids=TOLD)
async def test_what_is_told_opens_the_circuit_of_its_model(
    those: list[facts.Fact], are_open: list[str]
) -> None:
    front = FrontDesk({"CALLBRIDGE_REALTIME_SECOND_MODEL": "off"})
    told(front, *those)
    assert front.desk.circuits.open_models(front.now) == are_open
    assert (front.desk.reasons_to_decline() == []) is (MODEL not in are_open)


async def test_an_unknown_model_that_has_a_second_one_closes_no_line() -> None:
    """Every call begins with it and goes on with the second: those that come after could as well. If that one
    is unknown too, it counts.
    """
    front = FrontDesk({"CALLBRIDGE_REALTIME_SECOND_MODEL": "second"})
    unknown: dict[str, Any] = {"status": 404, "is_fatal": True}
    for _ in range(20):
        told(front, trouble(**unknown), READY_WITH_SECOND)
    assert front.desk.reasons_to_decline() == []
    told(front, *[trouble(model="second", **unknown)] * FAILURES_IN_A_ROW)
    assert front.desk.circuits.open_models(front.now) == ["second"]


async def test_descriptors_that_ran_out_are_our_own_fault() -> None:
    """Nobody is sent to a model that cannot be reached, and none of its circuits opens."""
    front = FrontDesk()
    told(front, *[trouble(lacks_descriptors=True)] * 20)
    assert front.desk.circuits.open_models(front.now) == []
    assert list(front.desk.reasons_to_decline()) == [DeclineReason.DESCRIPTORS]


async def test_a_rate_limit_lowers_the_calls_and_leaves_the_circuit() -> None:
    """The model is well, and we ask too much of it."""
    front = FrontDesk()
    for number in range(10):
        front.desk.admission.offer(f"CA{number}", MODEL, front.now)
    told(front, *[trouble(status=429, is_rate_limit=True)] * 20)
    assert front.desk.admission.limit(front.now) == 9
    assert not front.desk.circuits.is_open(MODEL, front.now)


BILLS = [Billed(Usage(output_tokens=9), dollars * 1_000_000) for dollars in (3, 0, 6, 1)]


async def test_a_call_is_paid_for_while_it_goes_on() -> None:
    """A cap is reached in the middle of it. What has no known price is not counted: a guess would make every
    cap a wrong one.
    """
    front = FrontDesk({"CALLBRIDGE_SPEND_PER_HOUR_MAX": "10"})
    meter = SpendMeter(front.desk)
    those: list[facts.Fact] = [*BILLS[:3], turn()]
    for fact in those:
        meter(fact)
    assert front.desk.spending.level(front.now) is SpendLevel.WITHIN_CAPS
    meter(BILLS[3])
    assert front.desk.spending.level(front.now) is SpendLevel.CAP_REACHED
    assert await front.state.spend(0.0) == tuple((front.wall_now, cost * 1_000_000) for cost in (3, 6, 1))


async def test_live_calls_are_told_to_end_when_a_fifth_more_than_the_cap_was_spent() -> None:
    """Each once, and later: the bill comes out of the middle of one of them."""
    front, calls = FrontDesk({"CALLBRIDGE_SPEND_PER_HOUR_MAX": "10"}), [LiveCall(), LiveCall()]
    for number, call in enumerate(calls):
        front.desk.live_calls.add(f"CA{number}", call)
    meter = SpendMeter(front.desk)
    with structlog.testing.capture_logs() as logs:
        for dollars in (9, 1, 1, 1, 5):
            meter(Billed(Usage(), dollars * 1_000_000))
            assert [call.told for call in calls] == [[], []]
    assert await until(lambda: [call.told for call in calls] == [["spend ran over"]] * 2)
    told = [(line["event"], line["follows"], line["hour_dollars"]) for line in logs]
    assert told == [
        ("spend_cap_reached", "new calls are declined", 10.0),
        ("spend_cap_reached", "live calls end", 12.0),
    ]
