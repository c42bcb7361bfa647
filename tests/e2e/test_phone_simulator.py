"""The phone simulator over real sockets against a small bridge of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
import typer
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from starlette.websockets import WebSocketDisconnect
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # it ships no types
from typer.testing import CliRunner

from callbridge.cli.simulate_call import simulate_call
from callbridge.simulators.phone import (
    AUTH_TOKEN,
    FROM_NUMBER,
    CallerScript,
    CallReport,
    CallSettings,
    DialOutcome,
    HangUp,
    Interrupt,
    InterruptAt,
    LineSettings,
    Misbehaviour,
    Pause,
    Press,
    RecordingEnd,
    Say,
    SimulatedCall,
    WaitForEnd,
    program,
)
from callbridge.simulators.phone.events import (
    AgentAudioStarted,
    CallEnded,
    CallerSpeaking,
    CallPlaced,
    Cleared,
    KeyPressed,
    StreamStarted,
    VerbExecuted,
    WebhookAnswered,
)
from raw_peer import answer_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
    from pathlib import Path

    from typer.testing import Result

    from callbridge.simulators.phone import Step

LOUD = bytes((0x10, 0x90)) * 4000
"""One second of a loud tone."""


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
    close_code: int | None = None
    marks: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    speech: asyncio.Event = field(default_factory=asyncio.Event)
    """The caller speaks."""
    silence: asyncio.Event = field(default_factory=asyncio.Event)
    """The caller has spoken and is silent again."""
    is_signed: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    async def play(self, audio: bytes) -> None:
        await self.send("media", media={"payload": base64.b64encode(audio).decode()})

    async def mark(self, name: str) -> None:
        await self.send("mark", mark={"name": name})

    async def clear(self) -> None:
        await self.send("clear")

    async def send(self, event: str, **fields: object) -> None:
        await self.socket.send_text(json.dumps({"event": event, "streamSid": self.sid, **fields}))


class Bridge:
    """A hand-written bridge whose side of the talk each test brings along."""

    def __init__(self, port: int, talk: Callable[[Phone], Awaitable[None]]) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.talk = talk
        self.documents: dict[str, str] = {"/voice": self.connect()}
        self.statuses: dict[str, int] = {}
        self.redirects: dict[str, str] = {}
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
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        query = f"?{request.url.query}" if request.url.query else ""
        signature = request.headers.get("x-twilio-signature", "")
        is_signed = bool(self.validator.validate(f"{self.base}{path}{query}", form, signature))
        form = form or dict(request.query_params)
        self.seen.append(Seen(path, form, dict(request.headers), is_signed))
        if path in self.redirects:
            status = self.statuses.get(path, 307)
            return Response(status_code=status, headers={"Location": self.redirects[path]})
        status = self.statuses.get(path, 200)
        body = self.documents.get(path, "<Response/>")
        return Response(body, status, media_type="text/xml")

    def asked(self, path: str) -> Seen:
        """The one request for a path."""
        (seen,) = (seen for seen in self.seen if seen.path == path)
        return seen

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

    def hear(self, phone: Phone, message: MutableMapping[str, Any]) -> str:
        text = message.get("text")
        try:
            fields = json.loads(text if text is not None else "")
        except ValueError:
            return ""
        phone.messages.append(fields)
        match fields:
            case {"event": "start"}:
                phone.sid, phone.start = fields["streamSid"], fields["start"]
            case {"event": "mark", "mark": {"name": name}}:
                phone.marks.put_nowait(name)
            case {"event": "media", "media": {"payload": payload}}:
                if payload[:8] != "////////":
                    phone.speech.set()
                elif phone.speech.is_set():
                    phone.silence.set()
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


async def greet_and_close(phone: Phone) -> None:
    """Greets, waits until it was heard, and ends the call."""
    await phone.play(LOUD[:800])
    await phone.mark("greeting")
    assert await phone.marks.get() == "greeting"
    await phone.socket.close(1000)


async def call(bridge: Bridge, *steps: Step, **settings: Any) -> tuple[SimulatedCall, CallReport]:
    placed = SimulatedCall(f"{bridge.base}/voice", CallerScript(steps), CallSettings(**settings))
    return placed, await placed.run()


# --- A whole call -----------------------------------------------------------------------------


async def test_a_call_from_webhook_to_report() -> None:
    async with serving(greet_and_close) as bridge:
        bridge.documents["/voice"] = bridge.connect("/ended", callback="/stream-status")
        bridge.documents["/ended"] = "<Response><Say>Bye</Say><Hangup/></Response>"
        status = f"{bridge.base}/call-status"
        _, report = await call(bridge, WaitForEnd(), status_callback_url=status)
        assert all(seen.is_signed for seen in bridge.seen)
        phone = bridge.phones[0]
    assert report.is_clean, report
    assert [notice.code for notice in report.notices] == [31921]
    assert report.status == "completed"
    assert report.webhook_answer_ms is not None
    assert [verb.verb for verb in report.verbs] == ["Connect/Stream", "Say", "Hangup"]
    paths = [seen.path for seen in bridge.seen]
    assert paths[0] == "/voice"
    assert sorted(paths[1:4]) == ["/ended", "/stream-status", "/stream-status"]
    assert paths[4] == "/call-status"
    assert phone.is_signed
    assert phone.start["callSid"] == report.call_sid
    assert phone.start["customParameters"] == {"token": "t0ken"}
    (stream,) = report.streams
    assert stream.heard_ms == stream.media_received_ms == 100
    assert (stream.marks_received, stream.marks_echoed) == (1, 1)
    assert (stream.ended_by, stream.close_code) == ("bridge", 1000)
    assert json.loads(report.to_json())["call_sid"] == report.call_sid


async def test_a_call_can_begin_with_a_document() -> None:
    """For a media socket without a webhook: nobody is asked for anything."""
    async with serving(greet_and_close) as bridge:
        document = bridge.connect()
        _, report = await call(bridge, WaitForEnd(), document=document)
        assert bridge.seen == []
    assert report.status == "completed"
    assert [verb.verb for verb in report.verbs] == ["Connect/Stream"]
    assert report.streams[0].heard_ms == 100


@pytest.mark.parametrize("redirected", [False, True])
async def test_a_request_by_get_has_no_token(redirected: bool) -> None:
    async with serving(greet_and_close) as bridge:
        if redirected:
            bridge.statuses["/voice"], bridge.redirects["/voice"] = 302, "/moved"
            bridge.documents["/moved"] = bridge.connect()
        _, report = await call(bridge, WaitForEnd(), method="POST" if redirected else "GET")
    assert report.is_clean, report
    last = bridge.asked("/moved" if redirected else "/voice")
    assert last.is_signed
    assert "CallToken" not in last.form


async def test_requests_look_like_twilios() -> None:
    async with serving(greet_and_close) as bridge:
        bridge.documents["/voice"] = bridge.connect("/ended", callback="/stream-status")
        _, report = await call(bridge, WaitForEnd(), status_callback_url=f"{bridge.base}/call-status")
        upgrade = bridge.phones[0].headers
    voice, finished = bridge.asked("/voice"), bridge.asked("/call-status").form
    expected = {"CallStatus": "ringing", "FromCity": "", "Direction": "inbound", "ApiVersion": "2010-04-01"}
    assert expected.items() <= voice.form.items()
    assert bridge.asked("/ended").form["CallStatus"] == "in-progress"
    told = {seen.path for seen in bridge.seen if "CallToken" in seen.form}
    assert told == {"/voice"}, "a token is told once, at the beginning"
    assert voice.headers["user-agent"] == "TwilioProxy/1.1"
    assert len({seen.headers["i-twilio-idempotency-token"] for seen in bridge.seen}) == len(bridge.seen)
    streamed = [seen.form for seen in bridge.seen if seen.path == "/stream-status"]
    assert sorted(form["StreamEvent"] for form in streamed) == ["stream-started", "stream-stopped"]
    assert {form["StreamSid"] for form in streamed} == {report.streams[0].stream_sid}
    assert (finished["CallStatus"], finished["CallbackSource"]) == ("completed", "call-progress-events")
    assert int(finished["CallDuration"]) >= 1
    assert (upgrade["user-agent"], upgrade["sec-websocket-version"]) == ("Twilio.TmeWs/1.0", "13")
    assert {"origin", "sec-websocket-protocol", "sec-websocket-extensions"}.isdisjoint(upgrade)


async def test_frames_come_in_real_time_and_in_order() -> None:
    async with serving(silent) as bridge:
        placed, report = await call(bridge, Say(LOUD[:1600]), Pause(300), HangUp())
        messages = bridge.phones[0].messages
    frames = [fields["media"] for fields in messages if fields["event"] == "media"]
    stamps = [int(frame["timestamp"]) for frame in frames]
    assert stamps == list(range(99, 99 + 20 * len(frames), 20))
    stream = placed.streams[0]
    assert stream.opened_at is not None
    late = [
        at - stream.opened_at - stamp / 1000 for at, stamp in zip(stream.frames_sent_at, stamps, strict=True)
    ]
    assert min(late) >= 0
    assert sorted(late)[len(late) // 2] < 0.02
    assert report.streams[0].ended_by == "caller"


# --- Play-out ---------------------------------------------------------------------------------


async def test_an_interruption_is_heard_by_both_sides() -> None:

    async def talk(phone: Phone) -> None:
        await phone.play(LOUD * 5)
        await phone.mark("end")
        await phone.speech.wait()
        await phone.clear()
        assert await phone.marks.get() == "end"
        await phone.play(LOUD[:800])
        await phone.mark("sorry")
        assert await phone.marks.get() == "sorry"
        await phone.silence.wait()
        await phone.socket.close(1000)

    told: list[Any] = []
    async with serving(talk) as bridge:
        placed = SimulatedCall(
            f"{bridge.base}/voice",
            CallerScript([Interrupt(300, LOUD[:1600]), WaitForEnd()]),
            on_event=told.append,
        )
        report = await placed.run()
    assert report.is_clean, report
    (stream,) = report.streams
    (interruption,) = stream.interruptions
    assert interruption.was_cleared
    assert interruption.stop_ms is not None
    assert interruption.stop_ms < 200
    first, second = placed.streams[0].playback.payloads
    assert first.cut_bytes is not None
    assert stream.heard_ms == (first.cut_bytes + len(second.audio)) // 8
    assert stream.clears[0].discarded_ms == (40_000 - first.cut_bytes) // 8
    kinds = [type(event) for event in told]
    assert (kinds[0], kinds[-1]) == (CallPlaced, CallEnded)
    noticed = {WebhookAnswered, VerbExecuted, StreamStarted, AgentAudioStarted, Cleared, CallerSpeaking}
    assert noticed <= set(kinds)


async def test_keys_and_hanging_up_from_outside() -> None:
    async def talk(phone: Phone) -> None:
        await phone.mark("ready")

    async with serving(talk) as bridge:

        def on_event(event: object) -> None:
            if isinstance(event, KeyPressed):
                placed.press("#") if event.key == "1" else placed.hang_up()

        placed = SimulatedCall(
            f"{bridge.base}/voice", CallerScript([Press("1"), WaitForEnd()]), on_event=on_event
        )
        report = await placed.run()
        messages = bridge.phones[0].messages
    digits = [fields["dtmf"]["digit"] for fields in messages if fields["event"] == "dtmf"]
    assert digits == ["1", "#"]
    assert report.streams[0].keys == "1#"
    assert report.streams[0].ended_by == "caller"
    assert report.is_clean


async def test_a_call_has_a_bound() -> None:
    async with serving(silent) as bridge:
        _, report = await call(bridge, WaitForEnd(), max_call_s=0.4)
    assert report.streams[0].ended_by == "caller"
    assert report.duration_ms >= 400


# --- What follows a stream --------------------------------------------------------------------


@pytest.mark.parametrize("verb_time", [0, 0.05])
async def test_verbs_are_heard_and_pauses_are_not(verb_time: float) -> None:
    """Say lasts as long as its words take, and Pause as long as it says, however long the test waits."""
    async with serving(silent) as bridge:
        words = "x" * 15
        bridge.documents["/voice"] = (
            f'<Response><Say loop="3">{words}</Say><Pause length="2"/><Say>{words}</Say></Response>'
        )
        _, report = await call(bridge, WaitForEnd(), verb_time=verb_time)
    first, second = report.heard
    assert (first.what, second.what) == ("<Say>", "<Say>")
    assert first.to_ms - first.from_ms == pytest.approx(3000, abs=100)
    assert second.to_ms - second.from_ms == pytest.approx(1000, abs=100)
    (silence,) = report.dead_air()
    assert (silence.from_ms, silence.to_ms) == (first.to_ms, second.from_ms)
    assert (silence.after, silence.before) == ("<Say>", "<Say>")
    assert silence.to_ms - silence.from_ms == pytest.approx(2000, abs=100)
    moments = (first.from_ms + 10, silence.from_ms + 10, second.from_ms + 10)
    assert [report.heard_at(at) for at in moments] == [{"<Say>"}, set(), {"<Say>"}]
    assert report.dead_air(longer_than_ms=2500) == []
    assert report.duration_ms == pytest.approx(6000, abs=300)
    assert report.resumed_after_ms == []
    assert report.greeting is None


async def test_what_follows_a_verb_is_as_much_later() -> None:
    """The times of a stream are those of the caller, who heard the whole of the verbs before it."""

    async def talk(phone: Phone) -> None:
        await phone.play(LOUD)
        await phone.mark("said")
        assert await phone.marks.get() == "said"
        await phone.socket.close(1000)

    async with serving(talk) as bridge:
        words = "x" * 45
        bridge.documents["/voice"] = bridge.connect().replace(
            "<Response>", f"<Response><Say>{words}</Say><Pause/>"
        )
        _, report = await call(bridge, WaitForEnd(), stream_delay_ms=100)
    (stream,) = report.streams
    assert [sound.what for sound in report.heard] == ["<Say>", "agent"]
    assert stream.opened_ms == pytest.approx(4100, abs=500)  # The machine may be busy.
    # The ear is asked with each frame, of which the first is sent after 99 ms.
    assert stream.first_audio_from_call_ms == pytest.approx(report.heard[1].from_ms, abs=100)
    assert report.greeting is not None
    assert report.greeting.from_ms == stream.first_audio_from_call_ms
    assert (report.greeting.sent_ms, report.greeting.heard_ms) == (1000, 1000)
    assert report.is_clean


async def test_a_caller_who_hangs_up_does_not_hear_a_verb_to_its_end() -> None:
    async with serving(silent) as bridge:
        bridge.documents["/voice"] = '<Response><Pause length="3600"/><Say>never</Say></Response>'
        _, report = await call(bridge, WaitForEnd(), verb_time=1, max_call_s=0.3)
    assert [verb.verb for verb in report.verbs] == ["Pause"]
    assert report.duration_ms < 1500


async def test_a_call_that_is_not_answered_has_no_silence() -> None:
    async with serving(silent) as bridge:
        bridge.documents["/voice"] = "<Response><Reject/></Response>"
        placed, report = await call(bridge, WaitForEnd())
    assert placed.answered_at is None
    assert (report.longest_silence_ms, report.silences, report.resumed_after_ms) == (0, [], [])


async def test_the_action_after_a_hang_up_is_an_option() -> None:
    async with serving(silent) as bridge:
        bridge.documents["/voice"] = bridge.connect("/ended")
        await call(bridge, HangUp())
        assert [seen.path for seen in bridge.seen] == ["/voice"]
        await call(bridge, HangUp(), action_after_hang_up=True)
        assert bridge.seen[-1].path == "/ended"
        assert bridge.seen[-1].form["CallStatus"] == "completed"


@pytest.mark.parametrize("verb", ["<Dial action='/ended'>+15550100003</Dial>", "<Record action='/ended'/>"])
async def test_who_hangs_up_in_a_verb_is_told_to_its_action(verb: str) -> None:
    line = LineSettings(dial_outcome=DialOutcome.HUNG_UP, recording_end=RecordingEnd.HUNG_UP)
    async with serving(silent) as bridge:
        bridge.documents["/voice"] = f"<Response>{verb}</Response>"
        bridge.documents["/ended"] = "<Response><Say>hello?</Say></Response>"
        _, report = await call(bridge, line=line)
    assert bridge.asked("/ended").form["CallStatus"] == "completed"
    assert (len(report.verbs), report.status) == (1, "completed")


async def test_a_recording_that_goes_in_circles_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "DOCUMENTS_MAX", 3)
    async with serving(silent) as bridge:
        bridge.documents["/voice"] = "<Response><Record/></Response>"
        _, report = await call(bridge)
    assert [finding.split()[0] for finding in report.findings] == ["<Record>", "more"]
    assert (report.status, report.is_clean) == ("failed", False)


async def test_a_bridge_that_closes_too_early_is_found_out() -> None:
    async def talk(phone: Phone) -> None:
        await phone.play(LOUD * 3)
        await phone.mark("sent")
        await phone.silence.wait()
        await phone.socket.close(1000)

    async with serving(talk) as bridge:
        _, report = await call(bridge, InterruptAt(0.3, LOUD[:1600]), WaitForEnd())
    assert "of its audio unheard" in report.findings[0]
    assert not report.is_clean


async def test_a_refused_status_callback_is_15003() -> None:
    async with serving(greet_and_close) as bridge:
        bridge.statuses["/call-status"] = 403
        status = f"{bridge.base}/call-status"
        _, report = await call(bridge, WaitForEnd(), status_callback_url=status)
    assert [item.code for item in report.warnings] == [15003]


# --- What Twilio minds ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "code", "ended_by"),
    [
        ("fragmented ping", 31924, "bridge"),
        ("not utf-8", 31924, "bridge"),
        ("abort", 31903, "network"),
        ("403", 31920, "nobody"),
        ("redirect", 31920, "nobody"),
        ("subprotocol", 31920, "nobody"),
        ("not http", 31920, "nobody"),
        ("refused", 31902, "nobody"),
        ("no tls", 31910, "nobody"),
    ],
)
async def test_a_socket_that_fails_is_reported_by_code(behaviour: str, code: int, ended_by: str) -> None:

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if behaviour == "no tls":
            writer.write(b"this is not a ServerHello")
            writer.close()
            return
        head = await reader.readuntil(b"\r\n\r\n")
        match behaviour:
            case "403":
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            case "redirect":
                writer.write(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")
            case "subprotocol":
                writer.write(answer_to(head, "Sec-WebSocket-Protocol: audio.twilio.com"))
            case "not http":
                writer.write(b"220 smtp.example.com\r\n\r\n")
            case "fragmented ping":
                writer.write(answer_to(head) + b"\x09\x00")
            case "not utf-8":
                writer.write(answer_to(head) + b"\x81\x02\xff\xff")
            case "abort":
                writer.write(answer_to(head))
                await reader.read(1000)
                writer.transport.abort()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if behaviour == "refused":
        server.close()
        await server.wait_closed()
    async with serving(silent) as bridge, server:
        scheme = "wss" if behaviour == "no tls" else "ws"
        url = f"{scheme}://127.0.0.1:{port}/media"
        callback = f"{bridge.base}/stream-status"
        bridge.documents["/voice"] = (
            f"<Response><Connect><Stream url='{url}' statusCallback='{callback}'/></Connect>"
            "<Say>Sorry</Say></Response>"
        )
        _, report = await call(bridge, WaitForEnd())
    assert [item.code for item in report.warnings] == [code], report.warnings
    assert report.streams[0].ended_by == ended_by
    assert report.verbs[-1].detail == "Sorry"
    errors = [seen.form for seen in bridge.seen if seen.form.get("StreamEvent") == "stream-error"]
    assert errors[0]["StreamError"].startswith(str(code))


async def test_caller_audio_that_a_bridge_does_not_take_is_31930() -> None:
    """The phone keeps its pace and drops frames; it never waits for a bridge that does not read."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer_to(await reader.readuntil(b"\r\n\r\n")))
        await over.wait()
        writer.transport.abort()

    over = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server = await asyncio.start_server(answer, sock=listener, limit=1024)
        async with serving(silent) as bridge:
            port = listener.getsockname()[1]
            bridge.documents["/voice"] = (
                f"<Response><Connect><Stream url='ws://127.0.0.1:{port}/m'/></Connect></Response>"
            )
            flood = frozenset({Misbehaviour.OVERSIZED})
            _, report = await call(bridge, Pause(1000), HangUp(), misbehaviours=flood)
        over.set()
        server.close()
        await server.wait_closed()
    (warning,) = report.warnings
    assert (warning.code, warning.level) == (31930, "warning")
    assert warning.count > 20
    assert report.streams[0].frames_sent == 50


async def test_a_webhook_that_cannot_be_reached_is_reported_by_code() -> None:
    async with serving(silent) as bridge:
        for url, code in ((bridge.base.replace("http:", "https:"), 11220), ("http://127.0.0.1:1", 11202)):
            report = await SimulatedCall(f"{url}/voice", CallerScript([])).run()
            assert [item.code for item in report.warnings] == [code]
            assert report.webhook_answer_ms is None


async def test_redirects_are_followed_and_signed_anew() -> None:
    async with serving(greet_and_close) as bridge:
        bridge.redirects["/voice"] = "/moved"
        bridge.documents["/moved"] = bridge.connect()
        _, report = await call(bridge, WaitForEnd())
        assert [(seen.path, seen.is_signed) for seen in bridge.seen] == [("/voice", True), ("/moved", True)]
        assert report.is_clean
        bridge.redirects["/moved"] = "/moved"
        _, report = await call(bridge, WaitForEnd())
    assert [item.code for item in report.warnings] == [11215]


# --- Misbehaviour -----------------------------------------------------------------------------


async def misbehaving(*misbehaviours: Misbehaviour, **settings: Any) -> Bridge:
    async with serving(silent) as bridge:
        kinds = frozenset(misbehaviours)
        await call(bridge, Pause(250), HangUp(), misbehaviours=kinds, **settings)
    return bridge


SIGNATURE = "x-twilio-signature"


@pytest.mark.parametrize("kind", ["unsigned", "forged"])
async def test_webhooks_and_sockets_can_be_unsigned_or_forged(kind: str) -> None:
    bridge = await misbehaving(Misbehaviour(f"{kind} webhook"))
    assert not bridge.seen[0].is_signed
    assert (SIGNATURE in bridge.seen[0].headers) == (kind == "forged")
    bridge = await misbehaving(Misbehaviour(f"{kind} socket"))
    assert (bridge.seen[0].is_signed, bridge.phones[0].is_signed) == (True, False)
    assert (SIGNATURE in bridge.phones[0].headers) == (kind == "forged")


async def test_a_phone_can_say_what_it_should_not() -> None:
    bridge = await misbehaving(Misbehaviour.BROKEN_FRAME, parameter_overrides={"token": "stolen"})
    assert bridge.phones[0].start["customParameters"] == {"token": "stolen"}
    assert bridge.phones[0].close_code == 1002


# --- Many, and by hand ------------------------------------------------------------------------


def run_command(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(simulate_call)
    return CliRunner().invoke(app, list(arguments))


async def test_the_command_reports_in_words_and_in_json(tmp_path: Path) -> None:
    (tmp_path / "hello.ulaw").write_bytes(LOUD[:1600])

    async def talk(phone: Phone) -> None:
        await phone.play(LOUD[:1600])
        await phone.silence.wait()
        await phone.socket.close(1000)

    async with serving(talk) as bridge:
        url, speech = f"{bridge.base}/voice", str(tmp_path / "hello.ulaw")
        words = await asyncio.to_thread(
            run_command, url, "--say", speech, "--save", str(tmp_path / "call.wav")
        )
        data = await asyncio.to_thread(run_command, url, "--say", speech, "--json", "--clip", speech)
    assert words.exit_code == 0, words.output
    for expected in ("agent is heard", "caller speaks", "Nothing to complain about"):
        assert expected in words.output
    assert str(tmp_path / "call.wav") in "".join(words.output.split())
    assert (tmp_path / "call.wav").exists()
    assert data.exit_code == 1, "a sound of the bridge is not the agent"
    report = json.loads(data.output)
    assert report["streams"][0]["heard_ms"] == 200
    assert [sound["what"] for sound in report["heard"]] == ["clip"], "the agent says what the caller says"
    assert report["warnings"] == []


async def test_the_command_follows_a_plan_of_the_line(tmp_path: Path) -> None:
    (tmp_path / "call.toml").write_text('steps = []\n[line]\ndial = "declined"\n', encoding="utf-8")
    async with serving(silent) as bridge:
        bridge.documents["/voice"] = "<Response><Dial action='/ended'>+15550100003</Dial></Response>"
        url, plan = f"{bridge.base}/voice", str(tmp_path / "call.toml")
        await asyncio.to_thread(run_command, url, "--plan", plan)
        told = bridge.asked("/ended").form
    assert (told["DialCallStatus"], told["DialBridged"]) == ("completed", "false")


async def test_the_command_rings_the_people_of_a_plan(tmp_path: Path) -> None:
    people = '[people."+15550100003"]\nafter_s = 4\ntalks_s = 61\n'
    (tmp_path / "call.toml").write_text(f"steps = []\n{people}", encoding="utf-8")
    async with serving(silent) as bridge:
        bridge.documents["/voice"] = "<Response><Dial action='/ended'>+15550100003</Dial></Response>"
        url, plan = f"{bridge.base}/voice", str(tmp_path / "call.toml")
        result = await asyncio.to_thread(run_command, url, "--plan", plan, "--json", "--verb-time", "0.01")
        told = bridge.asked("/ended").form
    assert told["DialBridged"] == "true"
    assert int(told["DialCallDuration"]) == pytest.approx(61, abs=2)
    report = json.loads(result.output)
    assert [sound["what"] for sound in report["heard"]] == ["<Dial>", "+15550100003"]
    assert report["longest_wait_ms"] == pytest.approx(4000, abs=1500)
    (person,) = report["people"]
    assert (person["address"], person["status"]) == ("+15550100003", "completed")
    assert person["lasted_s"] == pytest.approx(61, abs=2)
    assert person["rang_ms"] == pytest.approx(4000, abs=1500)
    assert [(heard["what"], heard["text"]) for heard in person["heard"]] == [("talk", FROM_NUMBER)]
    assert report["account"] == {"asked": [], "texts": [], "warnings": []}


async def test_a_call_in_which_the_agent_is_never_heard_is_no_success() -> None:
    """Though nobody did anything wrong: a call that is declined, or answered by nobody."""

    async def hang_up(phone: Phone) -> None:
        await phone.socket.close(1000)

    async with serving(hang_up) as bridge:
        result = await asyncio.to_thread(run_command, f"{bridge.base}/voice")
    assert result.exit_code == 1
    assert "the agent was never heard; what Twilio was told: Connect/Stream" in " ".join(
        result.output.split()
    )
    assert "Nothing to complain about" not in result.output


async def test_the_command_fails_when_twilio_would_complain() -> None:
    async def talk(phone: Phone) -> None:
        await phone.socket.send_text("not json")

    async with serving(talk) as bridge:
        result = await asyncio.to_thread(run_command, f"{bridge.base}/voice", "--hang-up-after", "0.3")
    assert result.exit_code == 1
    assert "31951" in result.output
    assert "media, mark and clear only" in " ".join(result.output.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://example.com"],
        ["http://127.0.0.1:1/", "--say", "gone.wav"],
        ["http://127.0.0.1:1/", "--interrupt", "soon"],
        ["http://127.0.0.1:1/", "--press", "x"],
        ["http://127.0.0.1:1/", "--plan", "gone.toml"],
        ["http://127.0.0.1:1/", "--hang-up-after", "1", "--vanish-after", "1"],
    ],
)
def test_the_command_refuses_bad_usage(arguments: list[str]) -> None:
    assert run_command(*arguments).exit_code == 2
