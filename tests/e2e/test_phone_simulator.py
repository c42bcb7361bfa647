"""The phone simulator over real sockets against a small bridge of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import wave
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from starlette.websockets import WebSocketDisconnect
from twilio.request_validator import RequestValidator

from callbridge.simulators.phone import (
    AUTH_TOKEN,
    CallerScript,
    CallReport,
    CallSettings,
    HangUp,
    Interrupt,
    LineSettings,
    Misbehaviour,
    Network,
    Pause,
    Press,
    Say,
    SimulatedCall,
    Vanish,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.phone.events import (
    AgentAudioStarted,
    CallEnded,
    CallerSpeaking,
    CallPlaced,
    Cleared,
    KeyPressed,
    StreamEnded,
    StreamStarted,
    VerbExecuted,
    WebhookAnswered,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from callbridge.simulators.phone import Step

LOUD = bytes((0x10, 0x90)) * 4000
"""One second of a loud tone."""

QUIET = b"\xff" * 8000


@dataclass
class Seen:
    """One HTTP request that reached the bridge."""

    path: str
    form: dict[str, str]
    headers: dict[str, str]
    is_signed: bool


@dataclass
class Phone:
    """The bridge's end of one media socket."""

    socket: WebSocket
    sid: str = ""
    start: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    garbage: list[str | bytes] = field(default_factory=list)
    close_code: int | None = None
    marks: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    speech: asyncio.Event = field(default_factory=asyncio.Event)
    is_signed: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    async def play(self, audio: bytes) -> None:
        import base64

        await self.send("media", media={"payload": base64.b64encode(audio).decode()})

    async def mark(self, name: str) -> None:
        await self.send("mark", mark={"name": name})

    async def clear(self) -> None:
        await self.send("clear")

    async def send(self, event: str, **fields: object) -> None:
        await self.socket.send_text(json.dumps({"event": event, "streamSid": self.sid, **fields}))


Talk = "Callable[[Phone], Awaitable[None]]"


class Bridge:
    """A hand-written bridge whose side of the talk each test brings along."""

    def __init__(self, port: int, talk: Callable[[Phone], Awaitable[None]]) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.talk = talk
        self.documents: dict[str, str] = {"/voice": self.connect()}
        self.statuses: dict[str, int] = {}
        self.seen: list[Seen] = []
        self.phones: list[Phone] = []
        self.app = FastAPI()
        self.app.add_api_route("/{path:path}", self.answer, methods=["GET", "POST"])
        self.app.add_api_websocket_route("/media", self.media)
        self.validator = RequestValidator(AUTH_TOKEN)

    def connect(self, action: str = "", rest: str = "", callback: str = "") -> str:
        url = self.base.replace("http", "ws") + "/media"
        callback = f' statusCallback="{self.base}{callback}"' if callback else ""
        action = f' action="{action}"' if action else ""
        return (
            f'<Response><Connect{action}><Stream url="{url}"{callback}>'
            '<Parameter name="token" value="t0ken"/></Stream></Connect>'
            f"{rest}</Response>"
        )

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        form = {name: str(value) for name, value in (await request.form()).items()}
        query = f"?{request.url.query}" if request.url.query else ""
        signature = request.headers.get("x-twilio-signature", "")
        is_signed = bool(self.validator.validate(f"{self.base}{path}{query}", form, signature))
        form = form or dict(request.query_params)
        self.seen.append(Seen(path, form, dict(request.headers), is_signed))
        status = self.statuses.get(path, 200)
        body = self.documents.get(path, "<Response/>")
        return Response(body, status, media_type="text/xml")

    async def media(self, socket: WebSocket) -> None:
        url = self.base.replace("http", "ws") + "/media"
        phone = Phone(socket, headers=dict(socket.headers))
        signature = socket.headers.get("x-twilio-signature", "")
        phone.is_signed = bool(self.validator.validate(url, {}, signature))
        self.phones.append(phone)
        await socket.accept()
        async with asyncio.TaskGroup() as tasks:
            talk: asyncio.Task[None] | None = None
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    phone.close_code = message["code"]
                    break
                heard = self.hear(phone, message)
                if heard == "start" and talk is None:
                    talk = tasks.create_task(self.converse(phone))
            if talk is not None:
                talk.cancel()

    def hear(self, phone: Phone, message: dict[str, Any]) -> str:
        text = message.get("text")
        try:
            fields = json.loads(text if text is not None else "")
        except ValueError:
            phone.garbage.append(text if text is not None else message["bytes"])
            return ""
        phone.messages.append(fields)
        match fields:
            case {"event": "start"}:
                phone.sid, phone.start = fields["streamSid"], fields["start"]
            case {"event": "mark", "mark": {"name": name}}:
                phone.marks.put_nowait(name)
            case {"event": "media", "media": {"payload": payload}} if payload[:8] != "////////":
                phone.speech.set()
        return str(fields["event"])

    async def converse(self, phone: Phone) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            await self.talk(phone)


@contextlib.asynccontextmanager
async def serving(talk: Callable[[Phone], Awaitable[None]]) -> AsyncIterator[Bridge]:
    """Run a bridge on a free port. The socket listens before the server runs: nothing to wait for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bridge = Bridge(listener.getsockname()[1], talk)
        config = uvicorn.Config(
            bridge.app, log_config=None, lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            yield bridge
            server.should_exit = True


async def silent(phone: Phone) -> None:
    """An agent that only listens."""


async def echo_goodbye(phone: Phone) -> None:
    """Greets, waits until it was heard, and ends the call."""
    await phone.play(LOUD[:3200])
    await phone.mark("greeting")
    assert await phone.marks.get() == "greeting"
    await phone.socket.close(1000)


async def call(bridge: Bridge, *steps: Step, **settings: Any) -> tuple[SimulatedCall, CallReport]:
    placed = SimulatedCall(f"{bridge.base}/voice", CallerScript(steps), CallSettings(**settings))
    return placed, await placed.run()


async def test_a_call_from_webhook_to_report() -> None:
    """Webhook, upgrade, talk, mark, close and callbacks, all signed as the twilio package checks."""
    async with serving(echo_goodbye) as bridge:
        bridge.documents["/voice"] = bridge.connect("/ended", callback="/stream-status")
        bridge.documents["/ended"] = "<Response><Say>Bye</Say><Hangup/></Response>"
        placed, report = await call(
            bridge, WaitForEnd(), status_callback_url=f"{bridge.base}/call-status"
        )
    assert report.is_clean, report
    print(report.to_json().decode())
