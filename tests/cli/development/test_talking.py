"""The calls from the page: a token opens one socket, and a page that is gone has hung up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.routing import WebSocketRoute

from callbridge.cli.development import talking
from callbridge.cli.development.talking import CALLS_MAX, Talks
from callbridge.console.talk import MEDIA_PROTOCOL, NewCall, NoSuchCallError, OpenStream, Over
from callbridge.observe.feed import Feed
from callbridge.server.config.addresses import MEDIA_STREAM_PATH
from callbridge.server.http.app import create_app
from callbridge.simulators.phone.twiml import WebAnswer
from desks import made_settings
from leftovers import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.cli.development.asking import Asking
    from callbridge.console.talk import BrowserSocket
    from callbridge.server.http.media import MediaDoor

SETTINGS = made_settings()
CALL = NewCall("+15550100001", "+15550100002")
CONNECT = (
    f'<Response><Connect action="{SETTINGS.action_url}">'
    f'<Stream url="{SETTINGS.stream_url}" statusCallback="{SETTINGS.stream_status_url}"/>'
    "</Connect></Response>"
)


class Service:
    """Answers every call with a stream, which lasts until it is told to end."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.welcomed: list[tuple[Any, str]] = []
        self.ends = asyncio.Event()

    async def ask(self, url: str, _method: str, parameters: Mapping[str, str]) -> WebAnswer:
        self.asked.append((url, parameters.get("CallStatus", parameters.get("StreamEvent", ""))))
        return WebAnswer(url, 200, "text/xml", CONNECT.encode())

    async def welcome(self, socket: object, subprotocol: str) -> None:
        self.welcomed.append((socket, subprotocol))
        await self.ends.wait()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def talks(service: Service) -> Talks:
    return Talks(SETTINGS, cast("MediaDoor", service), cast("Asking", service), Feed(lambda: 0.0))


SOCKET = cast("BrowserSocket", "a socket")


def test_the_service_itself_has_twilios_socket_and_no_other() -> None:
    """So none can be reached through a tunnel, nor in a deployment."""
    routes = [route for route in create_app(SETTINGS).routes if isinstance(route, WebSocketRoute)]
    assert [route.path for route in routes] == [MEDIA_STREAM_PATH]


async def test_a_token_opens_one_socket_and_the_service_hears_of_the_stream(
    talks: Talks, service: Service
) -> None:
    async with talks.opened():
        turn = await talks.begin(CALL)
        assert isinstance(turn, OpenStream)
        assert not await talks.carry(SOCKET, "")
        assert not await talks.carry(SOCKET, "made up")
        async with asyncio.TaskGroup() as tasks:
            carried = tasks.create_task(talks.carry(SOCKET, turn.token))
            assert await until(lambda: bool(service.welcomed))
            assert not await talks.carry(SOCKET, turn.token), "it is good once"
            service.ends.set()
        assert carried.result()
        assert service.welcomed == [(SOCKET, MEDIA_PROTOCOL)]
        told = [what for url, what in service.asked if url == SETTINGS.stream_status_url]
        assert told == ["stream-started", "stream-stopped"]


async def test_a_page_that_is_gone_has_hung_up(
    talks: Talks, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had a stream to open, and does not; later it finds no call."""
    monkeypatch.setattr(talking, "GONE_S", 0.02)
    async with talks.opened():
        turn = await talks.begin(CALL)
        assert talks.has(turn.call_sid)
        assert await until(lambda: not talks.has(turn.call_sid))
        assert service.asked[-2:] == [
            (SETTINGS.action_url, "completed"),
            (SETTINGS.call_status_url, "completed"),
        ]
        with pytest.raises(NoSuchCallError):
            talks.follow(turn.call_sid)
        for ask in (talks.hang_up(turn.call_sid), talks.done(turn.call_sid, "")):
            with pytest.raises(NoSuchCallError):
                await ask


async def test_what_a_stream_leaves_behind_does_not_hurry_what_follows_it(
    talks: Talks, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bridge stays a while; meanwhile the page has gone on to a stream that lasts."""
    monkeypatch.setattr(talking, "GONE_S", 0.02)
    async with talks.opened():
        first = await talks.begin(CALL)
        assert isinstance(first, OpenStream)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(talks.carry(SOCKET, first.token))
            assert await until(lambda: bool(service.welcomed))
            second = await talks.done(first.call_sid, "")
            assert isinstance(second, OpenStream)
            before, service.ends = service.ends, asyncio.Event()
            tasks.create_task(talks.carry(SOCKET, second.token))
            assert await until(lambda: len(service.welcomed) == 2)
            before.set()
            assert await until(lambda: "stream-stopped" in [what for _, what in service.asked])
            assert not await until(lambda: not talks.has(first.call_sid), 0.1), "it would be hung up"
            service.ends.set()


async def test_a_call_that_cannot_begin_takes_no_place(
    talks: Talks, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> WebAnswer:
        raise ZeroDivisionError

    async with talks.opened():
        with monkeypatch.context() as patch:
            patch.setattr(service, "ask", broken)
            for _ in range(CALLS_MAX):
                with pytest.raises(ZeroDivisionError):
                    await talks.begin(CALL)
        assert isinstance(await talks.begin(CALL), OpenStream)


async def test_so_many_pages_may_call_at_once(talks: Talks) -> None:
    async with talks.opened():
        calls = [await talks.begin(CALL) for _ in range(CALLS_MAX)]
        one_more = await talks.begin(CALL)
        assert isinstance(one_more, Over)
        assert one_more.status == "busy"
        await talks.hang_up(calls[0].call_sid)
        assert isinstance(await talks.begin(CALL), OpenStream)


async def test_who_types_is_heard_with_a_voice_and_without_one(
    talks: Talks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talking, "can_speak", lambda: False)
    spoken = await talks.speak("Are you open on Sunday?")
    assert 0.5 < len(spoken.audio) / 8000 < 5
    assert "Sounds without words" in spoken.voice
