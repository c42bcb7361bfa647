"""What the phone's page asks: turns as JSON, speech, and a socket for who has its token."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from callbridge.call.facts import ToolUsed
from callbridge.console.app import Section, create_console
from callbridge.console.event_stream import message
from callbridge.console.guard import KEY
from callbridge.console.talk import (
    MEDIA_PATH,
    MEDIA_PROTOCOL,
    TALK_PATH,
    TOKEN_PROTOCOL,
    Hear,
    Line,
    NoSuchCallError,
    OpenStream,
    Over,
    Spoken,
    talk_router,
)
from callbridge.observe.feed import Feed

if TYPE_CHECKING:
    from callbridge.console.talk import BrowserSocket, NewCall, Turn
    from callbridge.observe.feed import Subscription

HERE = "http://127.0.0.1:8090"
SOCKET = HERE.replace("http", "ws") + MEDIA_PATH
SID = "CA1"
LINE = Line(("bakery",), "simulated", "made up", "https://calls.example.com/voice", "+1555", "+1556", "voice")


class Process:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def begin(self, call: NewCall) -> Turn:
        self.asked.append(call)
        return OpenStream(
            call_sid=SID,
            notes=("<Connect>",),
            token="t",
            account_sid="AC",
            stream_sid="MZ",
            parameters={"a": "b"},
        )

    async def done(self, call_sid: str, chosen: str) -> Turn:
        if call_sid != SID:
            raise NoSuchCallError
        self.asked.append(chosen)
        return Hear(call_sid=SID, text="Goodbye", seconds=1.5, audio=b"\x01\x02")

    async def hang_up(self, call_sid: str) -> Turn:
        self.asked.append(call_sid)
        return Over(call_sid=SID, status="completed")

    async def speak(self, text: str) -> Spoken:
        return Spoken(text.encode(), "a voice")

    def follow(self, call_sid: str) -> Subscription:
        if call_sid != SID:
            raise NoSuchCallError
        feed = Feed(lambda: 0.0)
        events = feed.subscribe(SID)
        tell = feed.hearer(SID)
        assert tell is not None
        tell("agent", "item_1", "Hello, <b>")
        feed(ToolUsed("opening_hours", 2, 3, call_sid=SID))
        feed.close()
        return events

    async def carry(self, socket: BrowserSocket, token: str) -> bool:
        if token != "t":
            return False
        await socket.accept(MEDIA_PROTOCOL)
        with contextlib.suppress(WebSocketDisconnect):
            await socket.send_text(await socket.receive_text())
            await socket.receive_text()
        return True


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def client(process: Process) -> TestClient:
    app = create_console([Section("Talk", TALK_PATH, talk_router(lambda: LINE, process))], key="k")
    browser = TestClient(app, HERE)
    browser.get("/", params={KEY: "k"})
    return browser


def test_the_page_says_who_answers_and_where_its_socket_is(client: TestClient) -> None:
    text = client.get(TALK_PATH).text
    for words in ("bakery", LINE.voice_url, f'data-media-path="{MEDIA_PATH}"', MEDIA_PROTOCOL, "+1556"):
        assert words in text
    assert text.count('<button type="button" value="') == 12, "a telephone has so many keys"


def test_a_call_is_turn_after_turn(client: TestClient, process: Process) -> None:
    begun = client.post("/talk/calls", json={"caller": "+1555", "called": "+1556"})
    assert begun.json() == {
        "do": "stream", "call_sid": SID, "notes": ["<Connect>"], "token": "t", "account_sid": "AC",
        "stream_sid": "MZ", "parameters": {"a": "b"},
    }  # fmt: skip
    assert begun.headers["cache-control"] == "no-store"
    heard = client.post(f"/talk/calls/{SID}/done", json={"chosen": "busy"}).json()
    assert (heard["do"], base64.b64decode(heard["audio"])) == ("hear", b"\x01\x02")
    assert client.post(f"/talk/calls/{SID}/hang-up").json()["do"] == "over"
    assert process.asked[1:] == ["busy", SID]


def test_what_is_said_comes_as_events(client: TestClient) -> None:
    answer = client.get(f"/talk/calls/{SID}/words")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == (
        "retry: 500\n\n"
        'event: said\ndata: {"by":"agent","item":"item_1","words":"Hello, <b>"}\n\n'
        'event: used\ndata: {"tool":"opening_hours","outcome":"answered"}\n\n'
    )
    assert client.get("/talk/calls/CA-of-nobody/words").status_code == 404


def test_what_is_shown_cannot_end_an_event() -> None:
    """Browsers take CR for the end of a line as well."""
    assert message("parts", "a\r\revent: over\rdata: x\r\nb\nc") == (
        "event: parts\ndata: a\ndata: \ndata: event: over\ndata: data: x\ndata: b\ndata: c\n\n"
    )


def test_what_is_typed_comes_back_as_speech(client: TestClient) -> None:
    answer = client.post("/talk/speech", json={"text": "Hello"})
    assert (answer.content, answer.headers["x-voice"]) == (b"Hello", "a voice")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/talk/calls", "{}", 422),
        ("/talk/calls", '{"caller": "", "called": "+1"}', 422),
        ("/talk/calls", "no JSON", 422),
        ("/talk/calls", '{"caller": "+1", "called": "' + "1" * 5000 + '"}', 413),
        ("/talk/calls/CA-of-nobody/done", "{}", 404),
        ("/talk/speech", '{"text": ""}', 422),
        ("/talk/speech", '{"text": "' + "a" * 501 + '"}', 422),
    ],
)
def test_what_makes_no_sense_is_refused(path: str, body: str, status: int, client: TestClient) -> None:
    assert client.post(path, content=body).status_code == status


def test_the_socket_is_for_who_has_its_token(client: TestClient) -> None:
    with client.websocket_connect(SOCKET, [MEDIA_PROTOCOL, f"{TOKEN_PROTOCOL}t"]) as socket:
        agreed: str | None = socket.accepted_subprotocol  # Starlette says that it is always None.
        assert str(agreed) == MEDIA_PROTOCOL, "a browser breaks it off without one"
        socket.send_text("hello")
        assert socket.receive_text() == "hello"


@pytest.mark.parametrize(
    "offered",
    [
        [],
        [MEDIA_PROTOCOL],
        [f"{TOKEN_PROTOCOL}t"],
        [MEDIA_PROTOCOL, f"{TOKEN_PROTOCOL}wrong"],
        [MEDIA_PROTOCOL, f"{TOKEN_PROTOCOL}t", f"{TOKEN_PROTOCOL}x"],
    ],
)
def test_without_it_nothing_is_accepted(offered: list[str], client: TestClient) -> None:
    assert not accepts(client, offered)


def test_a_page_of_a_stranger_cannot_open_it_though_it_knew_the_token(client: TestClient) -> None:
    offered = [MEDIA_PROTOCOL, f"{TOKEN_PROTOCOL}t"]
    assert not accepts(client, offered, {"Origin": "https://evil.example"})
    assert accepts(client, offered, {"Origin": HERE})


def accepts(client: TestClient, offered: list[str], headers: dict[str, str] | None = None) -> bool:
    """Whether the socket opens."""
    try:
        with client.websocket_connect(SOCKET, offered, headers=headers or {}):
            return True
    except WebSocketDisconnect:
        return False
