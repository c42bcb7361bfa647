"""Which agent answers a call: by number, or as a function says; the default one, whatever goes wrong."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from callbridge.agents.agent import Agent
from callbridge.agents.choosing import choice
from callbridge.agents.choosing.choice import Choose, Chosen, Roster
from callbridge.agents.choosing.gathering import roster_of
from callbridge.agents.context import About, Call, Caller
from callbridge.agents.fault import AgentError
from callbridge.agents.tools.threads import THREADS

ABOUT = About("CA1", Caller("+14155550100"), "+14155550199", {"agent": "clinic"})
bakery, clinic, stranger = Agent(), Agent(), Agent()
AGENTS = {"bakery": bakery, "clinic": clinic}


def roster(choose: Choose) -> Roster:
    return Roster(AGENTS, choose=choose)


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("+14155550101", "clinic"),
        ("14155550101", "clinic"),
        ("+14155550102", "bakery"),
        ("sip:Desk@Example.sip.twilio.com", "clinic"),
        ("sips:desk@example.sip.twilio.com:5061;transport=tls", "clinic"),
        ("sip:desk2@example.sip.twilio.com", "bakery"),
        ("client:Anna", "clinic"),
        ("client:anna", "bakery"),
        ("", "bakery"),
    ],
)
async def test_the_number_decides(called: str, name: str) -> None:
    """In E.164, however it is written; an address of SIP in any case of its letters. Else the default."""
    numbers = ["+1 (415) 555-0101", "SIP:desk@example.SIP.twilio.com", "client:Anna"]
    by_number = Roster(AGENTS, numbers=dict.fromkeys(numbers, "clinic"))
    assert await by_number.choose(replace(ABOUT, called=called)) == Chosen(name)


@pytest.mark.parametrize(
    ("agents", "more", "default"),
    [
        (["b", "a"], {}, "b"),
        (["b", "default"], {}, "default"),
        (["b", "a"], {"numbers": {"*": "a"}}, "a"),
        (["b", "a"], {"numbers": {"*": "a"}, "default": "b"}, "b"),
    ],
)
def test_who_answers_in_doubt(agents: list[str], more: dict[str, object], default: str) -> None:
    made = Roster(dict.fromkeys(agents, bakery), **more)  # type: ignore[arg-type]
    assert (made.default, made.find("gone")) == (default, (default, bakery))


def test_a_default_that_nobody_is_is_refused() -> None:
    with pytest.raises(AgentError, match="there is no agent night; the agents are: bakery, clinic"):
        Roster(AGENTS, default="night")


async def awaited(call: Call) -> Agent:
    await asyncio.sleep(0)
    call.values["customer"] = 7
    return AGENTS[call.parameters["agent"]]


def plain(call: Call) -> Agent:
    """Waits for a disk or a database: in a thread, so that no other call waits with it."""
    assert threading.current_thread() is not threading.main_thread()
    call.values["customer"] = 7
    return AGENTS[call.parameters["agent"]]


async def unhinted(call, _more=None):  # type: ignore[no-untyped-def]
    return await awaited(call)


async def unreadable(call: NotImported) -> Agent:  # type: ignore[name-defined]  # noqa: F821
    return await awaited(call)


class Chooser:
    async def __call__(self, call: Call) -> Agent:
        return await awaited(call)


@pytest.mark.parametrize(
    "choose",
    [awaited, plain, Chooser(), functools.partial(awaited), unhinted, unreadable],
    ids=["async", "plain", "object", "partial", "unhinted", "unreadable"],
)
async def test_a_function_chooses(choose: Choose) -> None:
    """What it puts into `call.values` is kept with its choice."""
    assert await roster(choose).choose(ABOUT) == Chosen("clinic", '{"customer":7}')


async def test_a_function_need_not_ask_for_the_call() -> None:
    assert await roster(lambda: clinic).choose(ABOUT) == Chosen("clinic")


async def fails(call: Call) -> Agent:
    call.values["half"] = "done"
    return AGENTS[call.parameters["nothing"]]


def fails_at_once() -> Agent:
    raise SystemExit(3)


async def speaks(call: Call) -> Agent:
    call.say("Hello")
    return clinic


@pytest.mark.parametrize(
    ("choose", "why"),
    [
        (fails, f"it raised KeyError at {__file__}:"),
        (fails_at_once, f"it raised SystemExit at {__file__}:"),
        (speaks, "it raised RuntimeError"),
        (lambda: None, "it answered with a NoneType that is none of these: bakery, clinic"),
        (lambda: stranger, "it answered with an agent that is none of these: bakery, clinic"),
    ],
)
async def test_whatever_goes_wrong_the_default_answers(choose: Choose, why: str) -> None:
    """With a line in the log; what the function has set of the call is half done, and not kept."""
    with structlog.testing.capture_logs() as logs:
        assert await roster(choose).choose(ABOUT) == Chosen("bakery")
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("agent_not_chosen", "warning")
    assert line["reason"].startswith(why)
    assert (line["call_sid"], line["agent"]) == ("CA1", "bakery")


async def test_where_a_function_fails_the_numbers_decide() -> None:
    """If there are any."""
    both = Roster(AGENTS, numbers={ABOUT.called: "clinic"}, choose=fails)
    assert await both.choose(ABOUT) == Chosen("clinic")
    assert await both.choose(replace(ABOUT, called="+14155550198")) == Chosen("bakery")


released = threading.Event()


@pytest.fixture
def threads_end() -> Iterator[None]:
    released.clear()
    yield
    released.set()


async def hangs() -> Agent:
    await asyncio.Event().wait()
    return clinic


async def hangs_and_will_not_end() -> Agent:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


def hangs_in_a_thread() -> Agent:
    released.wait(10)
    return clinic


@pytest.mark.usefixtures("threads_end")
@pytest.mark.parametrize("choose", [hangs, hangs_and_will_not_end, hangs_in_a_thread])
async def test_who_is_late_is_not_waited_for(choose: Choose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "CHOICE_TIMEOUT_S", 0.02)
    monkeypatch.setattr("callbridge.agents.tools.leash.TIDY_UP_S", 0.02)
    began = time.monotonic()
    with structlog.testing.capture_logs() as logs:
        assert await roster(choose).choose(ABOUT) == Chosen("bakery")
    assert time.monotonic() - began < 1
    assert [line["reason"] for line in logs] == ["it took longer than 0.02 s"]
    assert THREADS.running == 0, "tools run all the same"


# --- Gathered from what the user has written --------------------------------------------------------


def test_a_function_can_answer_with_what_it_sees() -> None:
    """The variables of its module, and those that it closes over."""
    inner = Agent(name="inner")

    def choose() -> Agent:
        return inner

    assert list(roster_of(choose).agents) == ["bakery", "clinic", "stranger", "inner"]
    assert list(roster_of(functools.partial(awaited)).agents) == ["bakery", "clinic", "stranger"]
    assert list(roster_of(Chooser()).agents) == ["bakery", "clinic", "stranger"]


def test_one_agent_has_a_name_at_any_rate() -> None:
    assert list(roster_of(Agent()).agents) == ["default"]
    assert list(roster_of(Agent(name="clinic")).agents) == ["clinic"]
    ready = Roster(AGENTS)
    assert roster_of(ready) is ready
