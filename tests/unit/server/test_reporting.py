"""What facts of calls do to the rest of the process: records, circuit, money."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from callbridge.call import facts, memory
from callbridge.call.facts import EndReason, Usage
from callbridge.call.price import Price
from callbridge.server.circuit import FAILURES_IN_A_ROW
from callbridge.server.continuation import read_history
from callbridge.server.reporting import UNWRITTEN, Journal, ModelHealth, SpendMeter
from desks import CALL, CALLED, CALLER, FrontDesk

if TYPE_CHECKING:
    from callbridge.call.machine import Call

STREAM = "MZ" + "1" * 32
STARTED = facts.CallStarted(CALL, STREAM, CALLER, CALLED)
READY = facts.AgentReady("gpt-realtime-2.1", 300, 240, has_transcription=True)
TOOL = memory.ToolAnswered(1, "call_1", "look_up", "{}", "nine to five")


@dataclass
class _Turns:
    usage: Usage = field(default_factory=Usage)


@dataclass(eq=False)
class _Call:
    """What an observer looks at."""

    call_sid: str = CALL
    stream_sid: str = STREAM
    turns: _Turns = field(default_factory=_Turns)

    @property
    def seen(self) -> Call:
        """As an observer is handed it."""
        return cast("Call", self)


def turn(caller: str | None = "Hello?", agent: str = "Hello.") -> facts.TurnEnded:
    return facts.TurnEnded(1, caller, agent, 500, interrupted=False)


def ended(reason: EndReason) -> facts.CallEnded:
    return facts.CallEnded(reason, "", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, Usage(), None, None, None, 0)


def trouble(
    stage: str = "dial",
    *,
    status: int | None = None,
    code: str | None = None,
    is_fatal: bool = False,
    is_rate_limit: bool = False,
) -> facts.ModelTrouble:
    return facts.ModelTrouble(stage, "no", status, code, is_fatal, is_rate_limit)


# --- The journal ----------------------------------------------------------------------------------------


async def test_a_call_is_written_down_so_that_another_process_can_go_on() -> None:
    """Start, turns, tool answers, end: in their order, and read back as they were."""
    front, call = FrontDesk(), _Call()
    journal = Journal(front.desk)
    for fact in (STARTED, READY, turn(), facts.Remembered(TOOL), ended(EndReason.MEDIA_LOST)):
        journal(call.seen, fact)
    assert await front.kinds() == ["started", "memory", "memory", "ended"]
    history = read_history(await front.state.events(CALL))
    assert (history.caller, history.called, history.ended) == (CALLER, CALLED, EndReason.MEDIA_LOST)
    assert history.remembered == (memory.TurnSaid(1, "Hello?", "Hello."), TOOL)


@pytest.mark.parametrize("reason", EndReason)
async def test_the_end_of_an_admitted_stream_is_written_with_its_reason(reason: EndReason) -> None:
    """Except where the end says nothing of the call."""
    front, call = FrontDesk(), _Call()
    journal = Journal(front.desk)
    journal(call.seen, STARTED)
    journal(call.seen, ended(reason))
    events = await front.state.events(CALL)
    assert [event.kind for event in events] == ["started"] + ["ended"] * (reason not in UNWRITTEN)
    if reason not in UNWRITTEN:
        assert json.loads(events[-1].body) == {"reason": reason.value, "stream_sid": STREAM}


@pytest.mark.parametrize("reason", EndReason)
async def test_nothing_is_written_for_a_stream_that_was_not_admitted(reason: EndReason) -> None:
    """A stranger may claim any CallSid, and end in any way: hang up on others it must not."""
    front = FrontDesk()
    Journal(front.desk)(_Call().seen, ended(reason))
    assert await front.kinds() == []


async def test_one_admitted_stream_does_not_vouch_for_another() -> None:
    front = FrontDesk()
    journal = Journal(front.desk)
    journal(_Call().seen, STARTED)
    journal(_Call().seen, ended(EndReason.CALLER_HANGUP))
    assert await front.kinds() == ["started"]


async def test_a_turn_in_which_nobody_was_heard_is_not_written() -> None:
    front = FrontDesk()
    Journal(front.desk)(_Call().seen, turn(None, ""))
    assert await front.kinds() == []


# --- The model's health ---------------------------------------------------------------------------------


def told(front: FrontDesk, *those: facts.Fact) -> None:
    health = ModelHealth(front.desk)
    for fact in those:
        health(_Call().seen, fact)


@pytest.mark.parametrize("stage", ["dial", "configure"])
async def test_sessions_that_cannot_be_had_open_the_circuit(stage: str) -> None:
    """Five in a row; whoever probes the model is woken."""
    front = FrontDesk()
    told(front, *[trouble(stage)] * (FAILURES_IN_A_ROW - 1))
    assert not front.desk.circuit.is_open(front.now)
    assert not front.desk.circuit_opened.is_set()
    told(front, trouble(stage))
    assert front.desk.circuit.is_open(front.now)
    assert front.desk.circuit_opened.is_set()


@pytest.mark.parametrize("success", [READY, facts.SessionReplaced("lost", 100, 3)])
async def test_a_session_that_was_had_begins_the_count_anew(success: facts.Fact) -> None:
    front = FrontDesk()
    told(front, *[trouble()] * (FAILURES_IN_A_ROW - 1), success, trouble())
    assert not front.desk.circuit.is_open(front.now)


@pytest.mark.parametrize("stage", ["dial", "configure", "call"])
async def test_what_no_try_can_mend_opens_it_at_once(stage: str) -> None:
    """A key that is not valid any more is not tried by a second caller, whenever it came out."""
    front = FrontDesk()
    told(front, trouble(stage, code="invalid_api_key", is_fatal=True))
    assert front.desk.circuit.is_open(front.now)


async def test_a_session_that_is_lost_says_nothing_of_the_next_dial() -> None:
    front = FrontDesk()
    told(front, *[trouble("call")] * 20)
    assert not front.desk.circuit.is_open(front.now)


@pytest.mark.parametrize("how", [{"status": 404}, {"code": "model_not_found"}])
async def test_an_unknown_model_counts_as_one_failure(how: dict[str, object]) -> None:
    """There may be a second one, which is well."""
    front = FrontDesk()
    told(front, trouble(is_fatal=True, **how))  # type: ignore[arg-type]  # One of two keywords.
    assert not front.desk.circuit.is_open(front.now)
    told(front, *[trouble(is_fatal=True, **how)] * (FAILURES_IN_A_ROW - 1))  # type: ignore[arg-type]
    assert front.desk.circuit.is_open(front.now)


async def test_a_rate_limit_lowers_the_calls_and_leaves_the_circuit() -> None:
    """The model is well, and we ask too much of it."""
    front = FrontDesk()
    for number in range(10):
        front.desk.admission.offer(f"CA{number}", f"caller {number}", front.now)
    told(front, *[trouble(status=429, is_rate_limit=True)] * 20)
    assert front.desk.admission.limit(front.now) == 9
    assert not front.desk.circuit.is_open(front.now)


# --- Money ----------------------------------------------------------------------------------------------

A_DOLLAR_A_TOKEN = Price(
    text_input=10**12,
    text_cached=10**12,
    text_output=10**12,
    audio_input=10**12,
    audio_cached=10**12,
    audio_output=10**12,
)


async def test_a_call_is_paid_for_while_it_goes_on() -> None:
    """Each token once, however many facts follow it; each call by itself."""
    front = FrontDesk()
    meter = SpendMeter(front.desk, A_DOLLAR_A_TOKEN)
    first, second = _Call(), _Call()
    for call, tokens in ((first, 0), (first, 3), (first, 3), (second, 5), (first, 7)):
        call.turns.usage = Usage(output_tokens=tokens)
        meter(call.seen, turn())
    spent = await front.state.spend(0.0)
    assert spent == tuple((front.wall_now, dollars * 1_000_000) for dollars in (3, 5, 4))


async def test_a_cap_is_reached_in_the_middle_of_a_call() -> None:
    front = FrontDesk({"SPEND_PER_HOUR_MAX": "10"})
    meter = SpendMeter(front.desk, A_DOLLAR_A_TOKEN)
    call = _Call(turns=_Turns(Usage(output_tokens=9)))
    meter(call.seen, turn())
    assert not front.desk.spending.refuses(front.now)
    call.turns.usage = Usage(output_tokens=10)
    meter(call.seen, turn())
    assert front.desk.spending.refuses(front.now)


async def test_a_model_without_a_price_is_not_counted() -> None:
    """A guess would make every cap a wrong one."""
    front = FrontDesk()
    SpendMeter(front.desk, None)(_Call(turns=_Turns(Usage(output_tokens=9))).seen, turn())
    assert await front.state.spend(0.0) == ()
