"""Calls followed over HTTP: what a reader is told, and when it ends. Real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from callbridge.call.facts import CallDescribed, CallOffered, CallOver, StreamStarted
from callbridge.call.telephone_facts import TransferAsked
from callbridge.call.wishes import Transfer
from callbridge.observe.feed import EVENTS_MAX, LiveFact
from callbridge.observe.redaction import redaction
from callbridge.records.keeping import Keeping
from callbridge.server.http import event_stream
from callbridge.server.http.app import create_app, follow
from callbridge.server.http.control import control_app, control_key
from callbridge.server.http.following import FOLLOWERS_MAX, shown
from callbridge.server.process.listening.listening import control_config, tcp_listener
from callbridge.server.process.listening.serving import serving
from desks import CALL, CALLED, CALLER, FrontDesk, LiveCall, made_settings
from leftovers import leaves_nothing, until

RIGHT = {"Authorization": f"Bearer {control_key(made_settings())}"}


class Reader:
    """The events of one answer."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def reads(self) -> tuple[str, Any]:
        """The next event: its name and its data."""
        name = ""
        async for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))
            elif line.startswith(":"):
                return "comment", line
        return "end", None


class World:
    """A desk with one live call, and its control listener."""

    client: httpx.AsyncClient

    def __init__(self) -> None:
        self.desk = FrontDesk().desk
        self.call = LiveCall()
        self.desk.live_calls.add(CALL, self.call)

    @contextlib.asynccontextmanager
    async def follows(self, path: str) -> AsyncIterator[Reader]:
        async with self.client.stream("GET", path, headers=RIGHT) as answer:
            yield Reader(answer)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    found = World()
    async with asyncio.timeout(20), leaves_nothing():
        with contextlib.closing(tcp_listener()) as listener:
            base = f"http://127.0.0.1:{listener.getsockname()[1]}"
            config = control_config(control_app(found.desk), found.desk.settings)
            async with serving(config, listener), httpx.AsyncClient(base_url=base) as found.client:
                yield found
                found.desk.feed.close()


async def test_a_call_is_followed_by_facts_and_words_until_the_service_stops(world: World) -> None:
    async with world.follows("/calls/live") as all_calls, world.follows(f"/calls/{CALL}/live") as one:
        assert all_calls.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        for reader in (all_calls, one):
            name, told = await reader.reads()
            assert (name, told["live_calls"]) == ("hello", [CALL])
        world.desk.note(CALL, CallOffered(CALLER, CALLED))
        assert world.call.words_go_to is not None
        world.call.words_go_to("agent", "item_1", "Good ")
        for reader in (all_calls, one):
            name, told = await reader.reads()
            assert (name, told["fact"]["kind"], told["fact"]["caller"]) == (
                "fact", "call_offered", "+********00",
            )  # fmt: skip
            name, told = await reader.reads()
            assert (name, told["by"], told["words"], told["call_sid"]) == ("words", "agent", "Good ", CALL)
        world.desk.feed.close()
        for reader in (all_calls, one):
            assert (await reader.reads())[1]["why"] == "stopped"
            assert await reader.reads() == ("end", None)


async def test_who_follows_learns_that_a_worker_is_replaced(world: World) -> None:
    """At once, or with the first word; by a drain alone nobody is replaced."""
    world.desk.live_calls.remove(CALL, world.call)
    async with world.follows("/calls/live") as reader:
        assert (await reader.reads())[1]["is_leaving"] is False
        world.desk.drain.begin()
        world.desk.drain.undo()
        world.desk.drain.others_go_on = True
        world.desk.drain.signalled()
        assert (await reader.reads())[0] == "leaves"
        async with world.follows("/calls/live") as late:
            assert (await late.reads())[1]["is_leaving"] is True
        world.desk.feed.close()
        assert (await reader.reads())[1]["why"] == "replaced"


async def test_words_may_be_left_out_and_who_leaves_is_forgotten(world: World) -> None:
    async with world.follows("/calls/live?words=false") as reader:
        await reader.reads()
        assert world.call.words_go_to is None
        async with world.follows("/calls/live"):
            assert await until(lambda: world.call.words_go_to is not None)
        assert await until(lambda: world.call.words_go_to is None)


async def test_a_reader_for_whom_too_much_waits_is_told_so_and_may_come_again(world: World) -> None:
    async with world.follows("/calls/live?words=false") as reader:
        await reader.reads()
        for _ in range(EVENTS_MAX + 1):
            world.desk.feed(CallOver(call_sid=CALL))
        names = [(await reader.reads())[0] for _ in range(EVENTS_MAX)]
        assert names == ["fact"] * EVENTS_MAX
        assert (await reader.reads())[1]["why"] == "not_read"
        assert await reader.reads() == ("end", None)
    async with world.follows("/calls/live") as again:
        assert (await again.reads())[0] == "hello"


async def test_silence_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy, or a reader, would take it for the end."""
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.01)
    async with world.follows("/calls/live") as reader:
        assert [(await reader.reads())[0] for _ in range(3)] == ["hello", "comment", "comment"]


async def test_whom_nothing_can_be_told_learns_why(world: World) -> None:
    answer = await world.client.get("/calls/CA2/live", headers=RIGHT)
    assert (answer.status_code, answer.json()) == (404, {"error": "No such call is live in this process."})
    async with contextlib.AsyncExitStack() as opened:
        readers = [
            await opened.enter_async_context(world.follows("/calls/live")) for _ in range(FOLLOWERS_MAX)
        ]
        assert [(await reader.reads())[0] for reader in readers] == ["hello"] * FOLLOWERS_MAX
        answer = await world.client.get("/calls/live", headers=RIGHT)
        assert (answer.status_code, answer.json()["error"][:22]) == (503, "8 readers follow alrea")
        assert (await world.client.get("/drain", headers=RIGHT)).status_code == 200


async def test_a_program_that_serves_calls_follows_them_itself() -> None:
    """With numbers as they are: it has them anyway."""
    app = create_app(made_settings())
    desk = app.state.desk
    with follow(app, CALL) as events:
        desk.note(CALL, CallOffered(CALLER, CALLED))
        event = await anext(events)
        assert isinstance(event, LiveFact)
        assert isinstance(event.fact, CallOffered)
        assert event.fact.caller == CALLER
    await desk.state.close()


def test_no_number_of_a_person_is_shown() -> None:
    number = "+14155550123"
    transfer = Transfer("sales", number)
    for fact in (
        *(StreamStarted(number, number), CallOffered(number, number), TransferAsked("1", transfer)),
        CallDescribed(number, parameters=(("from", number),)),
    ):
        assert number not in str(shown(fact, Keeping(words=True, redaction=redaction())))
