"""A line: how a call is played, that it is the same every time, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callbridge import Agent, Call, Roster
from callbridge.server.config.setting_problems import SettingsError
from callbridge.simulators.phone.voice_activity import is_audible
from callbridge.testing import Calls, Interrupt, Line, Press, Say, Says
from leftovers import until

if TYPE_CHECKING:
    from callbridge.testing import CallerStep, ModelMove, PlayedCall

LONG = "On Sunday we are open from eight until two, and on all the other days from six until eighteen."


def bakery() -> Agent:
    """An agent with one tool."""
    agent = Agent(instructions="You answer for a bakery.", greeting="Harbour Bakery, hello!")

    @agent.tool
    async def opening_hours(day: str) -> str:
        """When the shop is open.

        Args:
            day: of the week.
        """
        return f"{day}: 8 to 14"

    return agent


def play_sunday() -> PlayedCall:
    """A tool, an answer that is cut, another one, a goodbye."""
    return Line().play(
        bakery(),
        caller=["Are you open on Sunday?", Interrupt(900, "And on Monday?"), "Thank you, goodbye."],
        model=[
            Calls("opening_hours", day="Sunday"),
            LONG,
            "On Monday from six.",
            Says("Goodbye!", then=Calls("end_call")),
        ],
    )


@pytest.fixture(scope="module")
def sunday() -> PlayedCall:
    """That call, for those who only look at it."""
    return play_sunday()


def facts_of(call: PlayedCall) -> list[tuple[str, int]]:
    """What happened when."""
    return [(fact.kind, fact.at_ms) for fact in call.facts]


def sizes_of(call: PlayedCall) -> list[int]:
    """Of what the phone was sent."""
    return [len(payload.audio) for payload in call.streams[0].playback.payloads]


def test_a_call_is_played_as_it_is_written(sunday: PlayedCall) -> None:
    call = sunday
    assert call.complaints == ()
    assert call.story.end_reason == "agent_hangup"
    assert [turn.caller for turn in call.story.turns] == [
        None,
        "Are you open on Sunday?",
        "And on Monday?",
        "Thank you, goodbye.",
    ]
    assert [turn.heard for turn in call.story.turns][2:] == ["On Monday from six.", "Goodbye!"]
    (cut,) = call.story.turns[1].agent
    assert cut.was_cut
    assert 900 <= cut.heard_ms < 1400
    (tool, *_) = call.story.turns[1].tools
    assert (tool.name, tool.result) == ("opening_hours", "Sunday: 8 to 14")
    (truncation,) = call.sessions[0].truncations
    assert (truncation.item_id, truncation.audio_end_ms) == (cut.item_id, cut.heard_ms)


def test_the_same_seed_is_the_same_call(sunday: PlayedCall) -> None:
    again = play_sunday()
    assert facts_of(sunday) == facts_of(again)
    assert (sunday.caller_audio, sunday.heard_audio) == (again.caller_audio, again.heard_audio)


@pytest.mark.heavy
def test_another_seed_is_another_call() -> None:
    one, same, other = (sizes_of(Line(seed=seed).play(bakery())) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.long
def test_two_hundred_calls_are_one(sunday: PlayedCall) -> None:
    for _ in range(200):
        again = play_sunday()
        assert facts_of(sunday) == facts_of(again)
        assert again.complaints == ()


def test_both_voices_are_on_one_clock(sunday: PlayedCall) -> None:
    """What phone and story say of times is found at the same place of the audio."""
    call = sunday
    (interruption,) = call.phone.streams[0].interruptions
    told_ms = call.story.turns[2].spans[0].began_ms + call.story_from_ms
    assert abs(interruption.caller_started_ms - told_ms) < 150  # The detection's own precision.
    greeting = call.phone.greeting
    assert greeting is not None
    for audio, from_ms in (
        (call.heard_audio, greeting.from_ms),
        (call.caller_audio, interruption.caller_started_ms),
    ):
        assert is_audible(audio[from_ms * 8 : (from_ms + 100) * 8])
        assert not is_audible(audio[(from_ms - 100) * 8 : (from_ms - 20) * 8])


@pytest.mark.heavy
def test_keys_are_pressed() -> None:
    agent = Agent(greeting="Press your number.")
    call = Line().play(agent, caller=[Press("12#")], model=["Thank you."])
    assert call.complaints == ()
    assert call.phone.streams[0].keys == "12#"
    assert call.story.turns[-1].heard == "Thank you."


# --- Where it runs ----------------------------------------------------------------------------------


def descriptors() -> int:
    """That this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])


WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


async def test_it_runs_beside_the_loop_of_the_test() -> None:
    """The loop goes on meanwhile; context variables come along; afterwards nothing is left."""
    WHO.set("the test")
    agent, seen = Agent(greeting="Hello."), []

    @agent.tool
    def who() -> str:
        """Who asks."""
        seen.append((WHO.get(), threading.current_thread().name))
        return WHO.get()

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    threads, files = threading.active_count(), descriptors()
    ticking = asyncio.ensure_future(tick())
    async with Line() as line:
        call = await line.call(agent, caller=["Who am I?"], model=[Calls("who"), "The test."])
    ticking.cancel()
    assert call.complaints == ()
    assert seen == [("the test", "tool who")]
    assert ticks > 2  # On a busy machine few: that it went on at all is what counts.
    # The thread of a tool has handed over its answer, and may be about to end.
    assert await until(lambda: threading.active_count() <= threads and descriptors() <= files)
    with pytest.raises(RuntimeError, match=r"await line\.call"):
        line.play(agent)


@pytest.mark.heavy
async def test_calls_that_are_asked_for_together_follow_each_other() -> None:
    line, other = Line(), Line()
    agent = Agent(greeting="Hello.")
    calls = await asyncio.gather(line.call(agent), line.call(agent), other.call(agent))
    assert all(call.complaints == () and call.story.turns[0].heard == "Hello." for call in calls)
    assert len({call.phone.call_sid for call in calls}) == 3


async def test_who_stops_waiting_ends_the_call() -> None:
    threads = threading.active_count()
    began_at = time.monotonic()
    agent = Agent(greeting="Hello.")

    @agent.tool
    def stay() -> str:
        """Takes long in real time, so that there is time to stop."""
        time.sleep(0.15)
        return "done"

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await Line().call(agent, caller=["Hello?"], model=[Calls("stay"), "Done."])
    assert time.monotonic() - began_at < 5
    assert {thread.name for thread in threading.enumerate()} <= {"MainThread", "tool stay"} or (
        threading.active_count() <= threads + 1
    )


async def test_what_is_wrong_with_an_order_is_raised() -> None:
    with pytest.raises(SettingsError, match="CALLBRIDGE_CALL_MINUTES_MAX"):
        await Line(settings={"CALLBRIDGE_CALL_MINUTES_MAX": "0"}).call(Agent())


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"caller": "Hello?"}, r"caller='Hello\?': write a list, such as caller=\['Hello\?'\]"),
        ({"model": Says("Hello!")}, r"write a list, such as model=\[Says\("),
        ({"caller": [Says("Hello!")]}, r"Says\(.* cannot stand there; it may be: str, Say, Interrupt"),
        ({"model": [Press("1")]}, r"Press\(.* cannot stand there; it may be: str, Says, Calls"),
        ({"moves": ["Hello!"]}, r"a call has no argument moves=; did you mean model=\?|there are: caller"),
    ],
)
def test_what_was_written_wrong_is_told_before_anything_is_played(
    line: Line, written: dict[str, Any], told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        line.play(Agent(), **written)


@pytest.mark.heavy
def test_a_line_remembers_its_callers() -> None:
    line = Line(settings={"CALLBRIDGE_CALLER_MEMORY_DAYS": "7"})
    told: list[str] = []

    def instructions(call: Call) -> str:
        told.append("nothing" if call.earlier is None else "something")
        return "Be brief."

    agent = Agent(instructions=instructions, greeting="Hello.")
    for number in ("+15550100001", "+15550100001", "+15550100009"):
        assert line.play(agent, caller=["Hi!"], model=["Hi."], from_number=number).complaints == ()
    assert told == ["nothing", "something", "nothing"]
    resumed = line.play(agent, from_number=number, after_s=30)
    assert "The caller was cut off before" in resumed.timeline()
    assert [call.title for call in line.calls] == ["call 1", "call 2", "call 3", "call 4"]


@pytest.mark.heavy
def test_a_call_has_a_date() -> None:
    agent = Agent(greeting="Hello.", time_zone="Europe/Vienna")
    days: list[str] = []

    @agent.tool
    def today(call: Call) -> str:
        """What day it is."""
        days.append(f"{call.local_time:%A %H:%M}")
        return days[-1]

    at = dt.datetime(2026, 1, 4, 9, tzinfo=dt.UTC)
    line = Line()
    call = line.play(agent, caller=["What day is it?"], model=[Calls("today"), "Sunday."], at=at)
    line.play(agent, caller=["What day is it?"], model=[Calls("today"), "Sunday."])
    assert days == ["Sunday 10:00", "Sunday 11:00"]
    assert call.story.began_at == at.timestamp()
    with pytest.raises(ValueError, match="of which time zone"):
        line.play(agent, at=dt.datetime(2026, 1, 4, 9))  # noqa: DTZ001 - that is what is wrong


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["a name", "a file", "a mapping", "a function", "a roster"])
def test_an_agent_of_every_kind_answers(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    written = 'greeting = "Hello from a file."\nwho = "You are brief."\n'
    (tmp_path / "written.toml").write_text(written, "utf-8")
    module = "import callbridge\nagent = callbridge.Agent(greeting='Hello from a module.')\n"
    (tmp_path / "some_agents.py").write_text(module, "utf-8")
    one, other = Agent(name="one", greeting="Hello."), Agent(name="other", greeting="Hello from another.")
    agent: Any = {
        "a name": "some_agents:agent",
        "a file": tmp_path / "written.toml",
        "a mapping": {"+15550100003": other, "*": one},
        "a function": lambda call: other if call.called == "+15550100003" else one,
        "a roster": Roster({"one": one, "other": other}, numbers={"+15550100003": "other"}),
    }[kind]
    call = Line().play(agent, to_number="+15550100003")
    assert call.complaints == ()
    assert call.story.turns[0].heard.startswith("Hello from ")


@pytest.mark.heavy
def test_a_call_of_a_minute_takes_well_under_a_second() -> None:
    """`pytest -m heavy -rP -k call_of_a_minute` says how long: some 0.4 s of one core."""
    asks: list[ModelMove] = [LONG, Calls("opening_hours", day="Sunday"), LONG]
    caller: list[CallerStep] = ["Are you open?", "And on Sunday?", Interrupt(2000, "And on Monday?")]

    def played() -> PlayedCall:
        more = [*caller[:2], "Once more?", "And now?"]
        return Line().play(bakery(), caller=[*caller, *more], model=[*asks, *[LONG] * 5])

    played()  # Whatever is imported late.
    for _ in range(3):  # What shares a core with somebody else takes up to twice as long.
        began_at = time.process_time()
        call = played()
        took_s = time.process_time() - began_at
        if took_s < 1:
            break
    call_s = call.phone.duration_ms / 1000
    print(f"{call_s:.1f} s of a call took {took_s:.2f} s of a core: {60 * took_s / call_s:.2f} a minute")  # noqa: T201
    assert call.complaints == ()
    assert 50 < call_s < 75
    assert took_s < 1


@pytest.mark.heavy
def test_a_disk_takes_no_time_of_the_call(tmp_path: Path) -> None:
    """State and records are written by threads, which are waited for."""
    agent = Agent(greeting="Hello.")

    @agent.tool(irreversible=True)
    def book(slot: str) -> str:
        """Books a slot."""
        return slot

    kept = {
        "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'records.db'}",
    }
    call = Line(settings=kept).play(agent, caller=["Book!"], model=[Calls("book", slot="9"), "Booked."])
    assert call.complaints == ()
    assert "Not on disk in time" not in call.timeline()


@pytest.mark.heavy
def test_real_sockets_tell_the_same() -> None:
    call = Line(real_sockets=True).play(
        bakery(), caller=[Say("Are you open?")], model=[Says("Yes.", then=Calls("end_call"))]
    )
    assert call.complaints == ()
    assert call.story.turns[-1].heard == "Yes."
