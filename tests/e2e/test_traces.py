"""Traces of whole calls, as a real receiver gets them; and one that is away, which no call notices."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import canaries
from callbridge import Agent
from callbridge.call.facts import (
    AgentReady,
    Billed,
    CallClosed,
    Interrupted,
    StreamStarted,
    ToolUsed,
    TurnEnded,
)
from callbridge.observe.tracing.spans import trace_id_of
from callbridge.simulators.phone import HangUp, Interrupt, Pause, Say, WaitForAgent
from callbridge.simulators.voice_model import Answer, Call, Script, serve_model
from callbridge.simulators.voice_model import Say as Speech
from e2e.processes import services
from e2e.stack import API_KEY, FinishedCall, stack, together, variables
from leftovers import until
from otlp import receiver
from ports import free_port
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.simulators.phone import Step
    from e2e.processes import Service
    from e2e.stack import Log
    from otlp import GotSpan, Receiver

pytest.importorskip("opentelemetry.sdk.trace")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

RNG = random.Random("traces")
TOLERANCE_S = 0.03
"""Between the clock of the call and that of the wall, and by whole milliseconds."""

SCRIPT = Script(
    answers=(
        Answer(say=(Speech(text="Bakery, hello.", audio=noise(RNG, 200)),)),
        Answer(calls=(Call(name="look_up", arguments={"what": canaries.GIVEN}),), caller=canaries.WORDS),
        Answer(say=(Speech(text=canaries.ANSWER, audio=noise(RNG, 3_000)),), after_call=True),
    ),
    after_ms=20,
)
STEPS: list[Step] = [
    WaitForAgent(quiet_ms=200),
    Say(noise(RNG, 300)),
    Interrupt(400, noise(RNG, 300)),
    Pause(300),
    HangUp(),
]


def agent() -> Agent:
    found = Agent(greeting="Bakery, hello.")

    @found.tool
    def look_up(what: str) -> str:
        """Looks something up.

        Args:
            what: is looked up.
        """
        return f"{canaries.RESULT}: {len(what)}, {canaries.NUMBER}"

    return found


def environment(url: str, **more: str) -> dict[str, str]:
    return {
        "CALLBRIDGE_TRACES": "true",
        "CALLBRIDGE_TRACES_FOR": "langfuse,phoenix",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{canaries.TOKEN}",
        "OTEL_SERVICE_NAME": "bakery",
    } | more


@pytest.fixture
def receives() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


async def traced(receives: Receiver, **more: str) -> FinishedCall:
    """One call, and the end of its service: by then all was sent."""
    async with stack(SCRIPT, agent=agent(), environment=environment(receives.url, **more)) as running:
        call = await running.call(STEPS)
        assert await until(lambda: bool(call.of(CallClosed)))
    return call


async def test_a_call_is_traced_as_it_was(receives: Receiver) -> None:
    """Turns with their tool and responses in them, all within the call, with the ledger's own figures.

    No number, no word and no secret is in the bytes that left.
    """
    call = await traced(receives)
    spans = receives.spans
    assert {span.trace_id for span in spans} == {f"{trace_id_of(call.sid):032x}"}
    assert {span.attributes["gen_ai.conversation.id"] for span in spans} == {call.sid}
    assert {span.resource["service.name"] for span in spans} == {"bakery"}
    turns = {span.attributes["callbridge.turn"]: span for span in receives.named("invoke_agent")}
    assert sorted(turns) == sorted(turn.turn for turn in call.of(TurnEnded))
    assert_parents(call, spans, turns)
    assert_times(call, spans, turns)
    (cut,) = call.of(Interrupted)
    events = [event for span in spans for event in span.events if event.name == "interrupted"]
    heard = [
        (event.attributes["callbridge.heard_ms"], event.attributes["callbridge.unheard_ms"])
        for event in events
    ]
    assert heard == [(sum(ms for _, ms in cut.truncated), cut.unheard_ms)]
    assert events[0] in turns[2].events
    assert [item.truncated_at_ms for item in call.heard() if item.truncated_at_ms] == [heard[0][0]]
    costs = [span.attributes.get("callbridge.cost_usd", 0) for span in spans]
    assert sum(costs) * 1e6 == pytest.approx(sum(bill.cost_microdollars for bill in call.of(Billed)))
    assert canaries.found_in(b"".join(receives.bodies)) == []
    assert {one["authorization"] for one in receives.headers} == {f"Bearer {canaries.TOKEN}"}


def assert_parents(call: FinishedCall, spans: list[GotSpan], turns: dict[Any, GotSpan]) -> None:
    """A tool stands in the turn that led to it, a response in the turn that it answers."""
    by_operation: dict[str, set[str]] = {}
    for span in spans:
        by_operation.setdefault(span.operation, set()).add(span.parent_id)
    (used,) = call.of(ToolUsed)
    assert by_operation["execute_tool"] == {turns[used.turn].span_id}
    assert by_operation["chat"] | by_operation["transcribe"] <= {turn.span_id for turn in turns.values()}
    responses = {bill.billed_id for bill in call.of(Billed) if bill.what == "response"}
    assert {span.attributes["gen_ai.response.id"] for span in spans if span.operation == "chat"} == responses
    assert by_operation["invoke_agent"] == by_operation[""] == {""}


def assert_times(call: FinishedCall, spans: list[GotSpan], turns: dict[Any, GotSpan]) -> None:
    """All of it within the call; a turn from the end of speech, a session and a tool as long as they took."""
    (started,), (closed,) = call.of(StreamStarted), call.of(CallClosed)
    zero = spans[-1].ended_at - closed.at_ms / 1000
    assert min(span.began_at for span in spans) >= zero + started.at_ms / 1000 - TOLERANCE_S
    assert all(span.began_at <= span.ended_at for span in spans)
    (ready,), (used,) = call.of(AgentReady), call.of(ToolUsed)
    lasted = {span.name.partition(" ")[0]: span.ended_at - span.began_at for span in spans}
    assert lasted["connect"] == pytest.approx(ready.after_ms / 1000, abs=TOLERANCE_S)
    assert lasted["execute_tool"] == pytest.approx(used.duration_ms / 1000, abs=TOLERANCE_S)
    for turn in call.of(TurnEnded):
        if turn.answer is not None and turn.answer.ended_ms is not None:
            began_at = zero + turn.answer.ended_ms / 1000
            assert turns[turn.turn].began_at == pytest.approx(began_at, abs=TOLERANCE_S)
            assert turns[turn.turn].attributes["callbridge.first_audio_ms"] == turn.response_ms


@pytest.mark.heavy
async def test_words_leave_where_they_are_wanted(receives: Receiver) -> None:
    """Without the numbers that are in them. The agent was interrupted, so it has not said all of its."""
    await traced(receives, CALLBRIDGE_TRACE_WORDS="true")
    sent = b"".join(receives.bodies)
    told = {"the caller's words", "a tool's arguments", "a tool's result"}
    assert set(canaries.found_in(sent)) == told


@pytest.mark.heavy
async def test_a_receiver_that_is_away_disturbs_no_call(receives: Receiver, log: Log) -> None:
    """One that hangs, one that wants less, one that is not there: the same call, at the same pace."""
    receives.is_held = True
    busy = f"http://127.0.0.1:{free_port()}"
    calls = await together(*(undisturbed(url) for url in (receives.url, busy)))
    receives.let_go()
    assert receives.requests > 0
    for call in calls:
        assert [turn.turn for turn in call.of(TurnEnded)] == [1, 2, 3]
        assert len(call.of(Interrupted)) == 1
        assert call.ended.frames_dropped == 0
    assert "traceback" not in log.text.lower()


async def undisturbed(url: str) -> FinishedCall:
    async with stack(SCRIPT, agent=agent(), environment=environment(url)) as running:
        call = await running.call(STEPS)
        assert await until(lambda: bool(call.of(CallClosed)))
        return call


@pytest.mark.heavy
def test_nothing_of_it_is_loaded_where_no_traces_are_wanted() -> None:
    """Neither by the service nor by its settings. FastAPI loads OpenTelemetry's bare API by itself."""
    program = (
        "import sys\n"
        "from e2e.stack import variables\n"
        "from callbridge.server.config.settings import read_settings\n"
        "from callbridge.server.http.app import create_app\n"
        "create_app(read_settings(variables('http://127.0.0.1:1', 'ws://127.0.0.1:2/')))\n"
        "of_traces = ('opentelemetry.sdk', 'opentelemetry.exporter', 'opentelemetry.proto', 'google')\n"
        "print([name for name in sys.modules if name.startswith(of_traces)])"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run(  # noqa: S603  # Our own program.
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=path
    )
    assert ended.stdout.splitlines()[-1] == "[]"


CALLS = 12
RATIO_MAX = 1.6
"""Of the densest calls there are, on a machine that others use. What is measured stands in the report."""

TURNS = tuple(
    Answer(say=(Speech(text="One, two, three.", audio=noise(RNG, 800)),), caller="Yes?") for _ in range(5)
)
TURN: list[Step] = [WaitForAgent(quiet_ms=100), Say(noise(RNG, 300))]
TALK: list[Step] = [*TURN, *TURN, *TURN, *TURN, WaitForAgent(quiet_ms=100), HangUp()]


@pytest.mark.long  # With nothing else on the machine: its figure is in docs/traces.md.
async def test_what_traces_cost(tmp_path: Path, receives: Receiver, figures: Callable[[str], None]) -> None:
    """User time of a process that sends them and of one that does not, while both carry the same calls."""
    async with serve_model(Script(answers=TURNS, after_ms=20), keys=(API_KEY,)) as model:
        told = variables("", model.url)
        async with services(tmp_path, told, told | environment(receives.url)) as both:
            await together(*(service.line(model).call(TALK[-2:]) for service in both))
            await asyncio.to_thread(receives.wait_for_spans, 3)  # What is made once is made now.
            before = [spent_s(service) for service in both]
            await together(*(both[n % 2].line(model).call(TALK) for n in range(2 * CALLS)))
            await asyncio.to_thread(receives.wait_for_spans, 3 * 5 * CALLS)
            off, on = (spent_s(service) - spent for service, spent in zip(both, before, strict=True))
    more_ms, spans = (on - off) * 1000 / CALLS, len(receives.spans) / CALLS
    figures(
        f"user time with traces: {on / off:.2f} of that without; {more_ms:.1f} ms more for a call of five "
        f"turns in 7 s, which are {spans:.0f} spans"
    )
    assert on / off < RATIO_MAX


def spent_s(service: Service) -> float:
    """User time so far, of all its threads: field 14 of /proc/PID/stat."""
    fields = Path(f"/proc/{service.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")
