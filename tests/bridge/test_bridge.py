"""One call through the bridge, between two legs in memory: what is performed, and that nothing is left."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog

import memory_call as mc
from callbridge.agents.agent import Agent
from callbridge.agents.wants import Wants
from callbridge.bridge.relay import Relay
from callbridge.call import facts
from callbridge.call.events import BadMessage, Leg, LegGone, LegStalled, StreamAdmitted
from callbridge.call.facts import EndReason, Fact, StreamEnded
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.phases import Phase
from callbridge.call.wants import KeysOut
from callbridge.wire import realtime_events
from callbridge.wire.media_streams import StartFacts
from tool_runs import in_call

if TYPE_CHECKING:
    from callbridge.agents.in_call import AgentInCall
    from callbridge.bridge.legs.leg import LegEnd


@pytest.fixture(params=["lazy tasks", "eager tasks"] if sys.version_info >= (3, 12) else ["lazy tasks"])
async def task_factory(request: pytest.FixtureRequest) -> None:
    """Everything must hold however soon a task takes its first step."""
    if sys.version_info >= (3, 12) and request.param == "eager tasks":
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)


pytestmark = pytest.mark.usefixtures("task_factory")


async def test_a_whole_call() -> None:
    """Early words held, greeting, question, tool, interruption, farewell: every part meets every other."""
    agent = Agent()

    @agent.tool
    async def opening_hours() -> str:
        """When the shop is open."""
        return "7 to 18"

    async with mc.calling(agent) as rig:
        phone, model = rig.phone, rig.model
        rig.dialer.picks_up.clear()
        phone.say(mc.CONNECTED, mc.START, mc.media(b"\x01" * 160), mc.media(b"\x02" * 160))
        await rig.dialer.rings()
        rig.dialer.picks_up.set()
        model.say(mc.session("session.created", "audio/pcm"))
        update = await model.hears("session.update")
        assert update["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        model.say(mc.session("session.updated", "audio/pcmu"))

        # The greeting is asked for before the held audio is let in.
        create = await model.hears("response.create")
        assert "Hello!" in create["response"]["instructions"]
        assert await model.hears("input_audio_buffer.append") == mc.append(b"\x01" * 160)
        assert await model.hears("input_audio_buffer.append") == mc.append(b"\x02" * 160)
        await rig.speaks(b"\x03" * 1600)
        mark = await phone.hears("mark")
        model.say(mc.answer_done())
        phone.say(mc.echo(mark), mc.media(b"\x04" * 160))
        assert await model.hears("input_audio_buffer.append") == mc.append(b"\x04" * 160)

        # A question that needs a tool.
        model.say(mc.SPEECH_STARTED, mc.SPEECH_STOPPED, *mc.answer_begins("resp_2", "item_2"))
        model.say(mc.tool_call("opening_hours", response="resp_2"), mc.answer_done("resp_2"))
        output = await model.hears("conversation.item.create")
        assert output["item"]["output"] == "7 to 18"
        model.say({"type": "conversation.item.added", "item": output["item"]})
        await model.hears("response.create")

        # Its answer is interrupted after nothing of it was heard.
        await rig.speaks(b"\x05" * 80_000, "resp_3", "item_3")
        model.say(mc.SPEECH_STARTED)
        await phone.hears("clear")
        assert (await model.hears("conversation.item.delete"))["item_id"] == "item_3"
        sent = len(phone.sent)
        model.say(mc.audio_delta(b"\x06" * 800, "resp_3", "item_3"), mc.answer_done("resp_3", "cancelled"))
        model.say(mc.SPEECH_STOPPED)

        # The agent says goodbye and hangs up once that was heard.
        await rig.speaks(b"\x07" * 800, "resp_4", "item_4")
        assert [message["event"] for message in phone.sent[sent:]] == ["media"]
        model.say(mc.tool_call("end_call", "call_2", "resp_4"), mc.answer_done("resp_4"))
        phone.say(mc.echo(await phone.hears("mark")))
        await rig.running

    ended = rig.ended
    assert (ended.reason, ended.detail) == (EndReason.AGENT_HANGUP, "")
    assert (ended.frames_from_phone, ended.frames_to_model, ended.frames_dropped) == (3, 3, 0)
    assert (ended.interruptions, ended.tools_used, ended.deltas_dropped) == (1, 2, 1)
    assert phone.closed == [(1000, "agent_hangup")]
    assert model.closed == [(1000, "")]
    assert rig.facts[-2] is ended
    assert isinstance(rig.facts[-1], facts.CallClosed)
    assert isinstance(rig.facts[0], facts.StreamStarted)


async def test_a_call_in_which_everything_is_a_little_odd_is_an_ordinary_call() -> None:
    """Numbers that are fractions, names that are null, places that are left out."""
    async with mc.calling() as rig:
        await rig.goes_live()
        model, phone = rig.model, rig.phone
        await rig.speaks(b"\xff" * 8_000)
        model.say(*[{"type": "rate_limits.updated", "rate_limits": [{"name": None}]}] * 51)
        done = mc.answer_done()
        done["response"] |= {"usage": {"total_tokens": 12.5, "input_tokens": 12.5}}
        model.say({"type": "input_audio_buffer.speech_started", "audio_start_ms": None}, done)
        await phone.hears("clear")
        model.say({"type": "input_audio_buffer.speech_stopped", "item_id": "in_1"})
        await rig.speaks(b"\xff" * 800, "resp_2", "item_2")
        phone.say(mc.STOP)
        await rig.running
    assert (rig.ended.reason, rig.ended.usage.input_tokens) == (EndReason.CALLER_HANGUP, 12)
    assert rig.ended.interruptions == 1
    assert not any(isinstance(fact, facts.ModelTrouble) for fact in rig.facts)


@pytest.mark.parametrize(
    ("leg", "event", "reason", "code"),
    [
        (Leg.PHONE, LegGone(Leg.PHONE, 1006), EndReason.MEDIA_LOST, 1000),
        (Leg.PHONE, LegGone(Leg.PHONE, 1012), EndReason.SERVICE_STOPPED, 1001),
        (Leg.PHONE, BadMessage(Leg.PHONE, "binary", is_fatal=True), EndReason.REJECTED_PROTOCOL, 1008),
        (Leg.PHONE, LegStalled(Leg.PHONE, "it does not read"), EndReason.MEDIA_LOST, 1000),
        (Leg.MODEL, LegGone(Leg.MODEL, 1011, "oops"), EndReason.MODEL_LOST, 1011),
        (Leg.MODEL, BadMessage(Leg.MODEL, "binary", is_fatal=True), EndReason.MODEL_LOST, 1011),
        (Leg.MODEL, LegStalled(Leg.MODEL, "it does not read"), EndReason.MODEL_LOST, 1011),
    ],
)
async def test_a_leg_ends_and_takes_the_other_with_it(
    leg: Leg, event: LegEnd, reason: EndReason, code: int
) -> None:
    """Whichever it is, both sockets are closed and one reason is recorded, once no session may replace it."""
    async with mc.calling(limits=Limits(reconnects_max=0)) as rig:
        await rig.goes_live()
        await rig.speaks(b"\xff" * 160)
        (rig.phone if leg is Leg.PHONE else rig.model).end(event)
        await rig.running
    assert rig.ended.reason is reason
    assert rig.phone.closed == [(code, reason.value)]
    assert len(rig.model.closed) == 1
    if isinstance(event, LegStalled):
        assert rig.ended.detail == f"{leg.value} leg stalled: {event.why}"


async def test_an_echo_in_the_middle_of_an_answer_reaches_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes five times a second: the ledger takes it, and nobody looks for the next deadline."""
    async with mc.calling() as rig:
        await rig.goes_live()
        await rig.speaks(b"\xff" * 1600)
        first = await rig.phone.hears("mark")
        await rig.speaks(b"\xff" * 1600)
        last = await rig.phone.hears("mark")
        deadline, looks = CallMachine.deadline, list[str]()

        def look(call: CallMachine) -> object:
            looks.append(call.stream_sid)
            return deadline.fget(call)  # type: ignore[attr-defined]  # A property of the class.

        monkeypatch.setattr(CallMachine, "deadline", property(look))
        rig.bridge.phone_said(json.dumps(mc.echo(first)))
        assert looks == []
        rig.bridge.phone_said(json.dumps(mc.echo(last)))
        assert looks != []
        await rig.hangs_up()


async def test_what_comes_behind_the_end_in_the_same_packet_is_not_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A flood is many messages in a row: the first too many is the last that costs anything."""
    parsed: list[str | bytes] = []
    parse = Relay.from_phone

    def noted(relay: Relay, message: str | bytes) -> object:
        parsed.append(message)
        return parse(relay, message)

    async with mc.calling() as rig:
        await rig.goes_live()
        monkeypatch.setattr(Relay, "from_phone", noted)
        key = {"event": "dtmf", "dtmf": {"digit": "5"}}
        rig.phone.say_at_once(*[key] * 1000)
        await rig.running
    assert Limits().messages_at_once_max < len(parsed) < 1000
    assert (rig.ended.reason, rig.phone.closed) == (
        EndReason.REJECTED_PROTOCOL,
        [(1008, "rejected_protocol")],
    )


async def is_dialling(rig: mc.Rig) -> None:
    rig.dialer.picks_up.clear()
    rig.phone.say(mc.CONNECTED, mc.START)
    await rig.dialer.rings()


async def test_a_dial_that_succeeds_while_the_phone_is_closed_leaves_no_socket() -> None:
    """Closing takes time, and the model may answer in it."""
    async with mc.calling() as rig:
        await is_dialling(rig)
        rig.phone.may_close.clear()
        rig.phone.end(LegGone(Leg.PHONE, 1006))
        await mc.until(lambda: bool(rig.phone.closed))
        rig.dialer.picks_up.set()
        await mc.until(lambda: bool(rig.dialer.opened))
        rig.phone.may_close.set()
        await rig.running
    assert len(rig.phone.closed) == 1
    assert rig.model.closed == [(1000, "")]


async def test_both_peers_end_at_once() -> None:
    """Only the first end counts."""
    async with mc.calling() as rig:
        await rig.goes_live()
        rig.phone.end(LegGone(Leg.PHONE, 1006))
        rig.model.end(LegGone(Leg.MODEL, 1006))
        await rig.running
    assert rig.ended.reason is EndReason.MEDIA_LOST


async def test_a_tool_runs_beside_the_audio() -> None:
    """While it runs, audio passes both ways."""
    agent, finishes = Agent(), asyncio.Event()

    @agent.tool
    async def slow() -> str:
        """Take long."""
        await finishes.wait()
        return "done"

    async with mc.calling(agent) as rig:
        await rig.goes_live()
        rig.model.say(*mc.answer_begins("resp_1", "item_1"), mc.tool_call("slow"))
        rig.phone.say(mc.media(b"\x01" * 160))
        await rig.model.hears("input_audio_buffer.append")
        rig.model.say(mc.audio_delta(b"\x02" * 160))
        await rig.phone.hears("media")
        finishes.set()
        assert (await rig.model.hears("conversation.item.create"))["item"]["output"] == "done"
        await rig.hangs_up()
    assert rig.ended.tools_used == 1


async def test_what_the_agent_wants_of_a_call_that_is_over_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its legs still close then. Who asked over and over for what nobody takes would stop all other calls."""
    agents: list[AgentInCall] = []
    written, asked = Wants.written, 0

    def joining(agent: Agent) -> AgentInCall:
        agents.append(in_call(agent))
        return agents[-1]

    async def counted(wants: Wants) -> None:
        nonlocal asked
        asked += 1
        assert asked < 100, "it turns in circles"
        await written(wants)

    monkeypatch.setattr(mc, "in_call", joining)
    monkeypatch.setattr(Wants, "written", counted)
    async with mc.calling() as rig:
        await rig.goes_live()
        rig.model.may_close.clear()
        rig.phone.say(mc.STOP)
        await mc.until(lambda: bool(rig.model.closed))
        agents[0].wants.add(KeysOut("1"))
        await mc.steps(20)
        rig.model.may_close.set()
        await rig.running
    assert (rig.ended.reason, asked) == (EndReason.CALLER_HANGUP, 1)


async def test_a_broken_invariant_ends_this_call_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """One recorded reason, both legs closed, one line in the log; the call beside it goes on."""
    async with mc.calling() as broken, mc.calling() as sound:
        await broken.goes_live()
        await sound.goes_live()
        mc.break_on(broken, realtime_events.SpeechStarted)
        with structlog.testing.capture_logs() as logs:
            broken.model.say(mc.SPEECH_STARTED)
            sound.model.say(mc.SPEECH_STARTED)
            await broken.running
        assert broken.ended.reason is EndReason.INTERNAL_ERROR
        assert "an invariant of ours" in broken.ended.detail
        assert broken.phone.closed == [(1011, "internal_error")]
        assert len(broken.model.closed) == 1
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["call_broken"]
        assert [line["call_sid"] for line in logs if line["event"] == "call_broken"] == ["CA1"]

        sound.model.say(mc.SPEECH_STOPPED)
        await sound.speaks(b"\xff" * 160)
        await sound.hangs_up()
        assert sound.ended.reason is EndReason.CALLER_HANGUP


def raises(fact: Fact) -> None:
    if isinstance(fact, facts.StreamStarted):
        raise ZeroDivisionError


async def raises_in_time(_start: StartFacts) -> StreamAdmitted:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "whose", [{"observe": raises}, {"admit": raises_in_time}], ids=["observer", "admission"]
)
async def test_whoever_raises_into_a_call_ends_it_and_closes_its_legs(whose: dict[str, Any]) -> None:
    async with mc.calling(**whose) as rig:
        with structlog.testing.capture_logs():
            rig.phone.say(mc.CONNECTED, mc.START)
            await rig.running
    assert rig.ended.reason is EndReason.INTERNAL_ERROR
    assert rig.phone.closed == [(1011, "internal_error")]


class Breaks:
    """An ability that raises at every turn that has ended."""

    instructions, tools, keys = "", (), None

    def __init__(self, *_: object) -> None:
        self.works: dict[str, Any] = {}

    def restore(self, fact: Fact) -> None: ...

    def told(self, fact: Fact) -> None:
        if isinstance(fact, facts.TurnEnded):
            raise ZeroDivisionError

    def answered(self, *_: object) -> None: ...

    def pressed(self, _keys: str) -> None: ...


async def test_the_end_of_a_call_whose_agent_broke_is_observed_though_it_breaks_again() -> None:
    agent = Agent()
    agent.abilities = [Breaks]
    async with mc.calling(agent) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        with structlog.testing.capture_logs():
            rig.model.say(mc.SPEECH_STARTED)
            await rig.running
    assert rig.ended.reason is EndReason.INTERNAL_ERROR
    assert rig.phone.closed == [(1011, "internal_error")]


@dataclass
class Alarms:
    """Every timer that is set on the loop."""

    set: list[asyncio.TimerHandle] = field(default_factory=list)

    @property
    def pending(self) -> list[asyncio.TimerHandle]:
        now = asyncio.get_running_loop().time()
        return [alarm for alarm in self.set if not alarm.cancelled() and alarm.when() > now]


@pytest.fixture
async def alarms(monkeypatch: pytest.MonkeyPatch) -> Alarms:
    """Timers set from here on."""
    loop, alarms = asyncio.get_running_loop(), Alarms()
    call_at = loop.call_at

    def noted(*arguments: Any, **options: Any) -> asyncio.TimerHandle:
        alarm = call_at(*arguments, **options)
        alarms.set.append(alarm)
        return alarm

    monkeypatch.setattr(loop, "call_at", noted)
    return alarms


@pytest.mark.parametrize("early_s", [0.0, 0.01])
async def test_a_deadline_is_told_when_its_time_has_come(
    early_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timers may go off early: loops round to their clock's resolution, uvloop to whole milliseconds."""
    loop = asyncio.get_running_loop()
    call_at = loop.call_at
    monkeypatch.setattr(
        loop, "call_at", lambda when, *rest, **options: call_at(when - early_s, *rest, **options)
    )
    async with mc.calling(limits=Limits(start_timeout_s=0.02)) as rig:
        await rig.running
    assert (rig.ended.reason, rig.ended.detail) == (EndReason.REJECTED_PROTOCOL, "no start in time")
    assert rig.ended.duration_ms >= 20
    assert rig.phone.closed == [(1008, "rejected_protocol")]


async def test_a_deadline_that_moved_is_told_at_its_new_time() -> None:
    """The dial's bound takes the place of the start's."""
    async with mc.calling(limits=Limits(start_timeout_s=5.0, dial_timeout_s=0.01, dial_tries_max=1)) as rig:
        rig.dialer.picks_up.clear()
        rig.phone.say(mc.CONNECTED, mc.START)
        await rig.running
    assert rig.ended.detail == "the model leg did not open in time"
    assert rig.dialer.was_cancelled


async def test_every_deadline_after_the_first_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A media gap is looked at again and again: the first look sees a frame, the third has seen enough."""
    loop, jumps_s = asyncio.get_running_loop(), [0.0]
    time = loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + sum(jumps_s))
    async with mc.calling(
        limits=Limits(media_gap_warning_s=3.0, media_gap_timeout_s=4.0, command_timeout_s=60)
    ) as rig:

        async def look(jump_s: float) -> None:
            due = rig.bridge.decider.deadline
            jumps_s.append(jump_s)
            await mc.until(lambda: rig.bridge.decider.deadline != due)

        await rig.goes_live()
        await rig.phone.says(mc.media())
        await look(3.1)
        await look(3.1)
        assert isinstance(rig.bridge.decider, CallMachine)
        assert rig.bridge.decider.phase is Phase.LIVE
        await look(1.1)
        await rig.running
    assert rig.ended.reason is EndReason.MEDIA_LOST


async def test_the_timer_is_set_only_when_the_deadline_moves(alarms: Alarms) -> None:
    """Frames and most events leave it alone."""
    async with mc.calling(limits=Limits(keys_timeout_s=1.0)) as rig:
        await rig.goes_live()
        await rig.phone.says(mc.media())
        before = len(alarms.set)
        await rig.phone.says(*[mc.media(), mc.CONNECTED] * 50)
        await rig.model.says({"type": "rate_limits.updated", "rate_limits": []})
        assert len(alarms.set) == before

        await rig.phone.says({"event": "dtmf", "dtmf": {"digit": "5"}})  # In a second the model is told.
        assert len(alarms.set) == before + 1
        assert len(alarms.pending) == 2  # Ours, and the bound of this test.


async def a_call_that_is_hung_up(rig: mc.Rig) -> None:
    await rig.goes_live()
    await rig.speaks(b"\xff" * 16_000)
    await rig.hangs_up()


async def a_call_that_loses_its_model(rig: mc.Rig) -> None:
    await rig.goes_live()
    rig.model.say(*mc.answer_begins("resp_1", "item_1"), mc.tool_call("forever"))
    rig.model.end(LegGone(Leg.MODEL, 1006))
    await rig.dialer.rings(2)
    await rig.hangs_up()


async def a_call_that_never_gets_a_model(rig: mc.Rig) -> None:
    await is_dialling(rig)
    await rig.hangs_up()


async def a_call_that_breaks(rig: mc.Rig) -> None:
    await rig.goes_live()
    with structlog.testing.capture_logs():
        mc.break_on(rig, realtime_events.SpeechStarted)
        rig.model.say(mc.SPEECH_STARTED)
        await rig.running


async def a_call_that_is_cancelled(rig: mc.Rig) -> None:
    await rig.goes_live()
    rig.running.cancel()
    await asyncio.wait([rig.running])


@pytest.mark.parametrize(
    "happens",
    [
        a_call_that_is_hung_up,
        a_call_that_loses_its_model,
        a_call_that_never_gets_a_model,
        a_call_that_breaks,
        a_call_that_is_cancelled,
    ],
)
async def test_nothing_of_a_call_is_left(happens: Callable[[mc.Rig], Any], alarms: Alarms) -> None:
    """No task, no timer, no object, and no leg is written to or closed twice."""
    agent = Agent()

    @agent.tool
    async def forever() -> None:
        """Wait."""
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    async with mc.calling(agent, limits=Limits(linger_s=0.01)) as rig:
        await happens(rig)
        assert asyncio.all_tasks() - before <= {rig.running}
        assert rig.running.done()
    assert alarms.set
    assert alarms.pending == []
    assert len(rig.phone.closed) == 1
    assert len(rig.model.closed) <= 1
    assert isinstance(rig.ended, StreamEnded)

    bridge, call = weakref.ref(rig.bridge), weakref.ref(rig.bridge.decider)
    del rig
    gc.collect()
    assert bridge() is None
    assert call() is None
