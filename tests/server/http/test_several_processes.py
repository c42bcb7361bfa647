"""Any process may get any webhook of a call; and nobody waits for a state that does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI

from callbridge.call import facts
from callbridge.call.endings import FOLLOWS
from callbridge.call.facts import EndReason
from callbridge.server.http.control import control_app, control_key
from callbridge.server.http.fallback import fallback_router
from callbridge.server.http.news import news_router
from callbridge.server.http.text_messages import texts_router
from callbridge.server.http.transfers import transfer_router
from callbridge.server.http.webhooks import webhook_router
from callbridge.server.process.texting import Texting
from callbridge.switchboard.continuation import CONTINUATIONS_MAX
from callbridge.testing.virtual.loop import VirtualLoop
from desks import ACCOUNT, CALL, CALLED, CALLER, UNSIGNED, FrontDesk, LiveCall
from several_desks import Machine, machines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from callbridge.call.facts import Fact

FORM = {"CallSid": CALL, "AccountSid": ACCOUNT, "From": CALLER, "To": CALLED, "CallStatus": "ringing"}
IN_PROGRESS = FORM | {"CallStatus": "in-progress"}
OVER = FORM | {"CallStatus": "completed"}
PATIENCE_S = 1.5
"""So long a webhook may wait for the state, in all."""


class Site:
    """The public port and the control listener of one desk."""

    def __init__(self, front: FrontDesk) -> None:
        app, desk = FastAPI(), front.desk
        for router in (webhook_router, fallback_router, news_router, transfer_router):
            app.include_router(router(desk))
        app.include_router(texts_router(desk, Texting(desk)))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8080")
        self.control = httpx.AsyncClient(
            transport=httpx.ASGITransport(control_app(desk)),
            base_url="http://control",
            headers={"Authorization": f"Bearer {control_key(desk.settings)}"},
        )

    async def post(self, path: str, form: Mapping[str, str] = FORM) -> str:
        """The document that is answered."""
        response = await self.client.post(f"/twilio/{path}", data=dict(form))
        assert response.status_code == 200, response.text
        return response.text


@dataclass
class Sited(Machine):
    """A process of several, and what can be asked of it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.site = Site(self)

    def write(self, *those: Fact, call_sid: str = CALL) -> None:
        """What the journal of this process writes of a call."""
        for fact in those:
            self.desk.state.append(call_sid, fact.kind, facts.encode(fact))


STARTED = facts.StreamStarted(CALLER, CALLED, agent="default", source="MZ1")


def ended(reason: EndReason) -> facts.StreamEnded:
    return facts.StreamEnded(reason, follows=FOLLOWS[reason], source="MZ1")


@contextlib.asynccontextmanager
async def sites(home: Path | str, number: int = 2) -> AsyncIterator[list[Sited]]:
    async with machines(home, number, UNSIGNED, Sited) as made:
        yield [front for front in made if isinstance(front, Sited)]


def verbs(document: str) -> list[str]:
    return [verb.tag for verb in ET.fromstring(document)]  # noqa: S314 - our own document


async def test_two_that_are_asked_at_once_tell_the_same(home_of_machines: Path | str) -> None:
    """Who rings, and what follows a stream: one document with one token, and one call is counted."""
    async with sites(home_of_machines) as both:
        for number in range(4):
            form = FORM | {"CallSid": f"CA{number:032}", "From": f"+1415555020{number}"}
            first, second = await asyncio.gather(*(front.site.post("voice", form) for front in both))
            assert (first, verbs(first)[0]) == (second, "Connect")
            form["CallStatus"] = "in-progress"
            told = await asyncio.gather(*(front.site.post("stream-ended?stream=1", form) for front in both))
            assert (told[0], verbs(told[0])[0]) == (told[1], "Connect")
            assert told[0] != first
            assert await both[number % 2].site.post("stream-ended?stream=1", form) == told[0]
        assert len(await both[0].desk.state.recent_calls(0.0)) == 4


async def test_a_process_that_does_not_carry_a_call_goes_on_with_it(home_of_machines: Path | str) -> None:
    """It knows what was said of its end; the one that had it frees the place, and is told nothing."""
    async with sites(home_of_machines) as (first, second):
        await first.site.post("voice")
        first.write(STARTED, ended(EndReason.MEDIA_LOST))
        await first.desk.state.flush()
        assert verbs(await second.site.post("stream-ended?stream=1", IN_PROGRESS))[0] == "Connect"
        first.write(STARTED, ended(EndReason.AGENT_HANGUP))
        await first.desk.state.flush()
        assert verbs(await second.site.post("stream-ended?stream=2", IN_PROGRESS)) == ["Hangup"]


async def test_a_stream_that_began_elsewhere_while_the_state_is_away_is_no_failure() -> None:
    """Who has promised it does not hear that it came about: its caller, cut off again, gets the next one."""
    front = FrontDesk(UNSIGNED)
    site = Site(front)
    await site.post("voice")
    front.state.told_trouble = "the database is away"
    for stream in (1, 2, 3):
        assert verbs(await site.post(f"stream-ended?stream={stream}", IN_PROGRESS))[0] == "Connect"
    assert verbs(await site.post("stream-ended?stream=4", IN_PROGRESS))[0] != "Connect"


TOLD: tuple[tuple[str, Mapping[str, str] | None, str], ...] = (
    ("stream-ended?stream=1", OVER, "ended"),
    ("stream-ended?stream=1", IN_PROGRESS, "replaced"),
    ("call-status", OVER, "ended"),
    ("/calls/{}/end", None, "end"),
    ("/calls/{}/hand-over", None, "hand_over"),
)
"""What Twilio asks, or an operator, and what the process that carries the call is told."""


async def test_the_process_that_carries_a_call_is_told(
    home_of_machines: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another one has learnt of it. Of what nobody carries nobody is told."""
    told: list[tuple[str, str]] = []
    async with sites(home_of_machines) as (first, second):
        monkeypatch.setattr(second.desk.state, "tell_carrier", lambda sid, what: told.append((sid, what)))
        for number, (path, form, what) in enumerate(TOLD):
            call_sid = f"CA{number:032}"
            nobodys = await second.site.control.post(f"/calls/{call_sid}/end")
            await first.site.post("voice", FORM | {"CallSid": call_sid, "From": f"+1415555030{number}"})
            first.write(STARTED, call_sid=call_sid)
            await first.desk.state.flush()
            if form is None:
                assert (await second.site.control.post(path.format(call_sid))).status_code == 202
            else:
                await second.site.post(path, {**form, "CallSid": call_sid})
            assert (nobodys.status_code, told) == (404, [(call_sid, what)])
            told.clear()


@pytest.mark.parametrize(("path", "told"), [("end", "end asked"), ("hand-over", "hand over")])
async def test_an_operator_asks_the_process_that_carries_the_call(path: str, told: str) -> None:
    front, call = FrontDesk(UNSIGNED), LiveCall()
    front.desk.live_calls.add(CALL, call)
    answer = await Site(front).control.post(f"/calls/{CALL}/{path}")
    assert (answer.status_code, answer.json()) == (202, {"call_sid": CALL, "carried_by": "this process"})
    assert call.told == [told]


async def test_who_cannot_tell_another_process_says_so() -> None:
    front = FrontDesk(UNSIGNED)
    front.state.told_trouble = "the database is away"
    answer = await Site(front).control.post(f"/calls/{CALL}/end")
    assert answer.status_code == 503
    assert "the database is away" in answer.json()["error"]


async def test_a_call_that_nobody_could_look_for_is_not_said_to_be_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A database that is slow is no trouble yet."""
    monkeypatch.setattr("callbridge.server.http.orders.READ_S", 0.05)
    front = FrontDesk(UNSIGNED)
    front.state.is_stalled = True
    answer = await Site(front).control.post(f"/calls/{CALL}/end")
    front.state.is_stalled = False
    assert answer.status_code == 503
    assert "does not answer in time" in answer.json()["error"]


async def test_an_operator_sees_the_other_processes(home_of_machines: Path | str) -> None:
    """By name, with their calls."""
    async with sites(home_of_machines) as (first, second):
        second.desk.state.carry(CALL, "a key")
        await second.desk.state.flush()
        seen = (await first.site.control.get("/readyz")).json()
        assert (seen["process"], seen["state_file"]) == ("process-0", "well")
        assert seen["others"] == [{"process": "process-1", "is_leaving": False, "live_calls": 1}]


def leaves(front: FrontDesk) -> None:
    for _ in range(2):  # The first signal drains.
        front.desk.drain.signalled()


async def test_who_can_go_on_elsewhere_waits_a_moment_only(home_of_machines: Path | str) -> None:
    """Words and a long pause are for those whose next process is not there yet."""
    async with sites(home_of_machines) as (first, second):
        await first.site.post("voice")
        first.write(STARTED, ended(EndReason.HANDED_OVER))
        leaves(first)
        moment = ["Pause", "Redirect"]
        for held in (0, 1):
            document = await first.site.post(f"stream-ended?stream=1&held={held}", IN_PROGRESS)
            assert verbs(document) == moment
        leaves(second)
        async with asyncio.timeout(10):
            while not all(other.is_leaving for other in await first.desk.others()):  # noqa: ASYNC110 - as `until`
                await asyncio.sleep(0.005)
        document = await first.site.post("stream-ended?stream=1&held=2", IN_PROGRESS)
        assert verbs(document)[:2] == ["Say", "Pause"]


# --- A state that does not answer -------------------------------------------------------------------


def waited_s(path: str, form: Mapping[str, str], *, leaving: bool = False) -> tuple[float, str]:
    """How long a webhook takes while no question to the state is ever answered; and what it says."""

    async def ask() -> tuple[float, str]:
        loop, front = asyncio.get_running_loop(), FrontDesk(UNSIGNED)
        site = Site(front)
        front.state.is_stalled = True
        if leaving:
            leaves(front)
        began_at = loop.time()
        async with asyncio.timeout(60):
            document = await site.post(path, form)
        return loop.time() - began_at, document

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(grace_s=0.05)) as runner:
        return runner.run(ask())


RINGS = FORM | {"DialCallStatus": "busy"}
TEXT = {"MessageSid": "SM1", "AccountSid": ACCOUNT, "From": CALLER, "To": CALLED, "Body": "Hello."}
ASKED: dict[str, tuple[str, Mapping[str, str], list[str]]] = {
    "a phone rings": ("voice", FORM, ["Connect"]),
    "a stream has ended": ("stream-ended?stream=1", IN_PROGRESS, ["Connect"]),
    "a third one has": (f"stream-ended?stream={CONTINUATIONS_MAX}", IN_PROGRESS, ["Connect"]),
    "a fourth one has": (f"stream-ended?stream={CONTINUATIONS_MAX + 1}", IN_PROGRESS, ["Say", "Record"]),
    "a call is over": ("stream-ended?stream=1", OVER, ["Hangup"]),
    "a transfer is over": ("transfer-ended?stream=1&transfer=MZ1-1", IN_PROGRESS | RINGS, ["Connect"]),
    "news of a stream": ("stream-status", FORM | {"StreamEvent": "stream-started"}, []),
    "news of a call": ("call-status", OVER, []),
    "nobody came": ("fallback-dialed", IN_PROGRESS | RINGS, ["Say", "Record"]),
    "a person answers": ("briefing?call=CA1&transfer=MZ1-1", IN_PROGRESS, ["Say", "Hangup"]),
    "a text": ("text", TEXT, []),
    "news of a text": ("text-status?call=CA1&text=text_1", TEXT | {"MessageStatus": "sent"}, []),
}


@pytest.mark.parametrize(("path", "form", "told"), ASKED.values(), ids=ASKED)
def test_no_webhook_waits_long_for_the_state(path: str, form: Mapping[str, str], told: list[str]) -> None:
    """A second and a half, whatever it asks of it. A call that comes back goes on, three times: its address
    says how often, and Twilio has signed that.
    """
    waited, document = waited_s(path, form)
    assert waited <= PATIENCE_S
    assert verbs(document)[: len(told)] == told


def test_nor_does_one_who_has_to_wait_for_the_next_process() -> None:
    waited, document = waited_s("stream-ended?stream=1", IN_PROGRESS, leaving=True)
    assert waited <= PATIENCE_S
    assert verbs(document)[-1] == "Redirect"
