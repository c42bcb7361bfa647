"""A small bridge of a test's own, right in everything that is certified, and wrong in what a test asks for.

It shares nothing with the service: a certificate must be had without it. One class is one call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from callbridge.simulators.guest_server import GuestServer
from callbridge.simulators.phone import AUTH_TOKEN, sign, sign_form
from callbridge.wire.audio import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Event = dict[str, Any]

TAIL_S = 0.06
"""What is left of an item that counts as heard."""
MARK_MS = 300
WATCHDOG_S = 3.0
TOOLS = {"opening_hours": "from eight until two"}
END_CALL = "end_call"


@dataclass
class Item:
    """An item of the model at the phone: its pieces with the moment at which each begins to play."""

    response: str
    pieces: list[tuple[float, int]] = field(default_factory=list)

    @property
    def sent_ms(self) -> float:
        """What the phone was sent of it."""
        return sum(size for _, size in self.pieces) / BYTES_PER_MS

    def heard_ms(self, now: float) -> float:
        """What the caller has heard of it."""
        return sum(min(size / BYTES_PER_MS, max(0.0, (now - at) * 1000)) for at, size in self.pieces)


class SmallBridge:
    """The bridge, with its faults."""

    def __init__(self, model_url: str, *faults: str) -> None:
        self.model_url = model_url
        self.faults = frozenset(faults)
        self.base_url = ""
        self.latest: BridgedCall | None = None
        self.app = FastAPI()
        self.app.post("/voice")(self.voice)
        self.app.websocket("/media")(self.media)

    def has(self, fault: str) -> bool:
        """Whether it is wrong in this."""
        return fault in self.faults

    async def voice(self, request: Request) -> Response:
        """The document of a call."""
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        wanted = sign_form(f"{self.base_url}/voice", form, AUTH_TOKEN)
        given = request.headers.get("x-twilio-signature")
        if not self._is_signed(given, wanted, "believes-webhooks", "compares-no-webhook"):
            return Response(status_code=403)
        stream = f'<Stream url="{self.socket_url}">{self._parameter(form["CallSid"])}</Stream>'
        behind = "" if self.has("just-ends") else "<Say>We are sorry.</Say>"
        document = f"<Response><Connect>{stream}</Connect>{behind}</Response>"
        return Response(document, media_type="text/xml")

    @property
    def socket_url(self) -> str:
        """What is signed of a socket."""
        return f"{self.base_url.replace('http', 'ws', 1)}/media"

    def _parameter(self, call_sid: str) -> str:
        return f'<Parameter name="token" value="{sign(call_sid, "secret").strip("=")}"/>'

    def _is_signed(self, given: str | None, wanted: str, believing: str, blind: str) -> bool:
        if self.has(believing):
            return True
        return given is not None if self.has(blind) else given == wanted

    async def media(self, media: WebSocket) -> None:
        """One media stream."""
        given = media.headers.get("x-twilio-signature")
        wanted = sign(self.socket_url, AUTH_TOKEN)
        if not self._is_signed(given, wanted, "believes-sockets", "compares-no-socket"):
            await media.close()
            return
        await media.accept()
        self.latest = BridgedCall(self, media)
        with contextlib.suppress(ConnectionClosed, WebSocketDisconnect, RuntimeError, ExceptionGroup):
            await self.latest.run()
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await media.close()


class BridgedCall:
    """One call."""

    def __init__(self, bridge: SmallBridge, media: WebSocket) -> None:
        self.bridge, self.has = bridge, bridge.has
        self.phone = media
        self.stream_sid = ""
        self.model: ClientConnection | None = None
        self.started = asyncio.Event()
        self.is_ready = False
        self.is_over = False
        self.held: list[str] = []
        self.frames = self.deltas = 0
        self.items: dict[str, Item] = {}
        self.dead: set[str] = set()
        self.first_items: dict[str, str] = {}
        self.plays_until = 0.0
        self.marked_ms: dict[str, float] = defaultdict(float)
        self.echoed: list[str] = []
        self.keys = ""
        self.waits_since: float | None = None
        self.tasks = asyncio.TaskGroup()

    @property
    def now(self) -> float:
        """The clock."""
        return asyncio.get_running_loop().time()

    async def run(self) -> None:
        """To its end."""
        async with self.tasks:
            talking = self.tasks.create_task(self._talk())
            watching = self.tasks.create_task(self._watch())
            stopped = False
            try:
                stopped = await self._hear_phone()
            finally:
                watching.cancel()
                if self.has("never-closes") or (self.has("stop-only") and not stopped):
                    await asyncio.sleep(30)
                talking.cancel()
                if self.model is not None:
                    await self.model.close()

    # --- The phone ----------------------------------------------------------------------------

    async def _hear_phone(self) -> bool:
        """True for a `stop`."""
        with contextlib.suppress(WebSocketDisconnect, KeyError):
            while not self.is_over:
                message = json.loads(await self.phone.receive_text())
                match message["event"]:
                    case "start":
                        self._start(message["start"])
                    case "media":
                        await self._append(message["media"]["payload"])
                    case "mark":
                        await self._echoed(message["mark"]["name"])
                    case "dtmf":
                        await self._key(message["dtmf"]["digit"])
                    case "stop":
                        return True
        return False

    def _start(self, start: Event) -> None:
        self.stream_sid = start["streamSid"]
        token = sign(start["callSid"], "secret").strip("=")
        if not self.has("no-token") and start["customParameters"].get("token") != token:
            raise WebSocketDisconnect
        self.started.set()

    async def _append(self, payload: str) -> None:
        self.frames += 1
        if self.has("loses-up") and self.frames % 50 == 0:
            return
        if self.is_ready:
            await self._send(type="input_audio_buffer.append", audio=payload)
        elif not self.has("drops-early"):
            self.held.append(payload)

    async def _echoed(self, name: str) -> None:
        self.echoed.append(name)
        if name == "farewell":
            self.is_over = True

    async def _key(self, digit: str) -> None:
        if self.has("ignores-keys"):
            return
        self.keys += digit
        if digit == "#":
            text = f"The caller typed {self.keys}"
            content = [{"type": "input_text", "text": text}]
            item = {"type": "message", "role": "system", "content": content}
            await self._send(type="conversation.item.create", item=item)

    async def _to_phone(self, event: str, **fields: Any) -> None:
        await self.phone.send_text(json.dumps({"event": event, "streamSid": self.stream_sid, **fields}))

    # --- The model ------------------------------------------------------------------------------

    async def _send(self, **event: Any) -> None:
        if event["type"] == "input_audio_buffer.append" and self.has("slow-up"):
            self.tasks.create_task(self._send_now(event, after_s=0.08))
        else:
            await self._send_now(event)

    async def _send_now(self, event: Event, after_s: float = 0.0) -> None:
        await asyncio.sleep(after_s)
        with contextlib.suppress(ConnectionClosed):
            if self.model is not None:
                await self.model.send(json.dumps(event))

    async def _talk(self) -> None:
        """Sessions one after the other, once there is a stream; one that is lost is replaced once."""
        await self.started.wait()
        for session in range(2):
            try:
                async with self._dialled() as self.model:
                    await self._hear_model(self.model, is_first=session == 0)
            except (OSError, WebSocketException, TimeoutError):
                if self.has("hangs-when-refused") and session == 0 and self.model is None:
                    return
            self.is_ready = False
            if self.has("stays-after-loss") and self.model is not None:
                return
            if self.has("just-ends") and self.model is not None:
                break
        await self.phone.close()

    def _dialled(self) -> connect:
        return connect(
            f"{self.bridge.model_url}?model=gpt-realtime-2.1",
            additional_headers={"Authorization": "Bearer sk-x"},
            open_timeout=0.5 if self.has("impatient") else 6,
            max_size=65_536 if self.has("small-messages") else 4_000_000,
            compression=None,
            proxy=None,
        )

    async def _hear_model(self, model: ClientConnection, *, is_first: bool) -> None:
        async for text in model:
            if self.has("strict") and "tomorrow" in str(text):
                raise WebSocketDisconnect
            try:
                event = json.loads(text)
            except ValueError:
                if self.has("dies-of-garbage"):
                    raise WebSocketDisconnect from None
                continue
            await self._take(event, is_first=is_first)

    async def _take(self, event: Event, *, is_first: bool) -> None:
        match event["type"]:
            case "session.created":
                await self._configure()
            case "session.updated":
                await self._open(is_first=is_first)
            case "response.output_audio.delta":
                await self._delta(event["response_id"], event["item_id"], event["delta"])
            case "input_audio_buffer.speech_started":
                await self._interrupted()
            case "input_audio_buffer.speech_stopped":
                self.waits_since = self.now
                if self.has("slow-answer"):
                    self.tasks.create_task(self._create_later())
            case "response.done":
                await self._done(event["response"])
            case _:
                pass

    async def _create_later(self) -> None:
        await asyncio.sleep(4)
        await self._send(type="response.create")

    async def _configure(self) -> None:
        kind = "audio/pcma" if self.has("other-format") else "audio/pcmu"
        form = {"format": {"type": kind}}
        vad = {
            "type": "server_vad",
            "silence_duration_ms": 300,
            "create_response": not self.has("slow-answer"),
        }
        tools = [
            {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}}
            for name in (*TOOLS, END_CALL)
        ]
        audio = {"input": form | {"turn_detection": vad}, "output": form}
        session = {"type": "realtime", "audio": audio, "tools": tools}
        if self.has("configures-late"):
            self.is_ready = True
            await asyncio.sleep(0.1)
        await self._send(type="session.update", session=session)
        if self.has("unconfirmed"):
            self.is_ready = True

    async def _open(self, *, is_first: bool) -> None:
        while self.held:
            await self._send(type="input_audio_buffer.append", audio=self.held.pop(0))
        self.is_ready = True
        if not self.has("mute") or not is_first:
            await self._send(type="response.create")

    # --- Audio down -----------------------------------------------------------------------------

    async def _delta(self, response: str, item_id: str, payload: str) -> None:
        self.deltas += 1
        self.waits_since = None
        self.first_items.setdefault(response, item_id)
        if item_id in self.dead and not self.has("late-audio"):
            return
        if self.has("first-item") and self.first_items[response] != item_id:
            return
        if self.has("cuts-down") and self.deltas % 4 == 0:
            return
        if self.has("slow-down"):
            await asyncio.sleep(0.08)
        audio: Event = {"payload": payload}
        if self.has("extra-field"):
            audio["track"] = "outbound"
        to = self.bridge.latest if self.has("mixes") else self
        assert to is not None
        await to._to_phone("media", media=audio)
        self._note(response, item_id, len(payload) * 3 // 4 - payload.count("="))
        await self._mark(item_id)
        if self.has("clears-greeting") and self.deltas == 1:
            self.tasks.create_task(self._clear_soon())

    def _note(self, response: str, item_id: str, size: int) -> None:
        begins_at = max(self.now, self.plays_until)
        self.items.setdefault(item_id, Item(response)).pieces.append((begins_at, size))
        self.plays_until = begins_at + size / BYTES_PER_MS / 1000

    async def _mark(self, item_id: str) -> None:
        sent_ms = self.items[item_id].sent_ms
        if self.has("no-marks") or sent_ms - self.marked_ms[item_id] < MARK_MS:
            return
        self.marked_ms[item_id] = sent_ms
        await self._to_phone("mark", mark={"name": f"{item_id} {sent_ms:.0f}"})

    async def _clear_soon(self) -> None:
        await asyncio.sleep(0.3)
        await self._to_phone("clear")

    # --- Interruptions --------------------------------------------------------------------------

    async def _interrupted(self) -> None:
        now, self.waits_since = self.now, None
        unheard = [item for item in self.items if item not in self.dead and self._is_unheard(item, now)]
        if self.has("cancels"):
            await self._send(type="response.cancel")
        if self.has("cuts-heard") and not unheard and self.items:
            last = list(self.items)[-1]
            await self._truncate(last, self.items[last].sent_ms / 2)
        if not unheard or self.has("no-clear"):
            return
        if self.has("slow-clear"):
            await asyncio.sleep(0.25)
        await self._to_phone("clear")
        self.plays_until = self.now
        self.dead |= {*unheard, *self._siblings(unheard)}
        if self.has("believes-marks"):
            await asyncio.sleep(0.35)
        for item_id in unheard:
            await self._cut(item_id, now)

    def _siblings(self, unheard: list[str]) -> set[str]:
        responses = {self.items[item].response for item in unheard}
        return {item for item, held in self.items.items() if held.response in responses}

    def _is_unheard(self, item_id: str, now: float) -> bool:
        item = self.items[item_id]
        return item.heard_ms(now) < item.sent_ms - TAIL_S * 1000

    async def _cut(self, item_id: str, now: float) -> None:
        item = self.items[item_id]
        heard_ms = item.heard_ms(now)
        if self.has("truncates-sent"):
            heard_ms = item.sent_ms
        elif self.has("from-its-response"):
            first = self.items[self.first_items[item.response]]
            heard_ms = min(item.sent_ms, (now - first.pieces[0][0]) * 1000)
        elif self.has("believes-marks"):
            echoed = [float(name.split()[1]) for name in self.echoed if name.startswith(item_id)]
            heard_ms = max(echoed, default=0.0)
        elif self.has("truncates-beyond"):
            heard_ms = item.sent_ms + 5000
        if heard_ms >= 1:
            await self._truncate(item_id, heard_ms)
        else:
            await self._send(type="conversation.item.delete", item_id=item_id)

    async def _truncate(self, item_id: str, at_ms: float) -> None:
        cut = {"item_id": item_id, "content_index": 0, "audio_end_ms": int(at_ms)}
        await self._send(type="conversation.item.truncate", **cut)

    # --- Tools and waits ------------------------------------------------------------------------

    async def _done(self, response: Event) -> None:
        calls = [item for item in response["output"] if item["type"] == "function_call"]
        if any(call["name"] == END_CALL for call in calls):
            if self.has("cuts-goodbye"):
                await self.phone.close()
            elif not self.has("stays-on"):
                await self._to_phone("mark", mark={"name": "farewell"})
            return
        answered = [call for call in calls if await self._is_answered(call)]
        if answered:
            await self._send(type="response.create")

    async def _is_answered(self, call: Event) -> bool:
        if self.has("forgets-tools") or (self.has("believes-tools") and call["name"] not in TOOLS):
            return False
        output = TOOLS.get(call["name"], "there is no such tool")
        item = {"type": "function_call_output", "call_id": call["call_id"], "output": output}
        await self._send(type="conversation.item.create", item=item)
        return True

    async def _watch(self) -> None:
        """Ends the stream when an answer does not come."""
        while not self.has("waits"):
            await asyncio.sleep(0.2)
            if self.waits_since is not None and self.now - self.waits_since > WATCHDOG_S + self._slowness_s:
                await self.phone.close()
                return

    @property
    def _slowness_s(self) -> float:
        return 3.0 if self.has("slow-answer") else 0.0


@contextlib.asynccontextmanager
async def small_bridge(model_port: int, *faults: str) -> AsyncIterator[str]:
    """The bridge at a free port; answers its voice webhook's address."""
    bridge = SmallBridge(f"ws://127.0.0.1:{model_port}/v1/realtime", *faults)
    config = uvicorn.Config(bridge.app, port=0, ws="websockets-sansio", lifespan="off", log_config=None)
    server = GuestServer(config)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve())
        await server.is_listening.wait()
        (listener,) = server.servers[0].sockets
        bridge.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield f"{bridge.base_url}/voice"
        finally:
            server.force_exit = True
            server.stop()
            await asyncio.wait([serving])
