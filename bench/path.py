"""`python -m bench.path`: what the audio path costs in one thread, without sockets, kernel or load generator.

Real bridges with their real legs: each is a picows protocol fed with bytes as an event loop feeds it, and
what it writes is thrown away in the place of the system call. The calls take turns, as in a real process:
with one alone everything would lie in the processor's caches.

The figures are user time, the least of many rounds, so that they can be repeated beside other work.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import math
import re
import resource
import socket
import tempfile
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec
import typer
import uvloop
from websockets.utils import accept_key

from bench.ordinary import agent as ordinary
from callbridge.agents.agent import Agent
from callbridge.agents.context import About, Caller
from callbridge.agents.in_call import AgentInCall
from callbridge.bridge.bridge import Bridge
from callbridge.bridge.legs.callback_leg import CallbackLeg
from callbridge.bridge.legs.client_protocol import Handshake
from callbridge.bridge.legs.leg import (
    MODEL_MESSAGE_BYTES_MAX,
    MODEL_PATIENCE,
    PHONE_MESSAGE_BYTES_MAX,
    PHONE_PATIENCE,
)
from callbridge.bridge.legs.picows_protocol import LegProtocol
from callbridge.bridge.taps import Tap
from callbridge.call.events import Leg, StreamAdmitted
from callbridge.call.facts import StreamEnded
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.phases import Phase
from callbridge.call.plan import CallPlan
from callbridge.records.recording.writer import RecordingWriter
from callbridge.wire.realtime_commands import Audio, AudioInput, AudioOutput, ServerVad, Session
from callbridge.wire.realtime_events import MULAW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from callbridge.bridge.relay import Relay
    from callbridge.call.facts import Fact
    from callbridge.wire.media_streams import StartFacts

AgentKind: TypeAlias = Literal["plain", "ordinary", "guest"]

SET_UP_WITHIN_S: Final = 30.0
UP_FRAMES, DELTAS = 10, 2
"""Of one call in 200 ms: then a mark is due, and its echo comes."""
FRAME, DELTA = bytes((0x7C, 0xFD, 0x7E, 0xFF)) * 40, bytes(range(200)) * 4
"""A caller who listens, and an agent who speaks."""

PIECES: Final = 12
"""In a row: whoever takes words together has them together by then."""

LED_TO: Final = 8
"""Turns of the loop after which nothing of a piece of words is left to be done."""

HASTY: Final = Limits(messages_per_second_max=1_000_000)
"""Here callers speak as fast as they are listened to, which from a telephone would be a flood."""

_DETECTION = ServerVad(0.5, 300, 500)
PLAN: Final = CallPlan(
    "gpt-realtime-2.1",
    Session(
        "Be brief.",
        Audio(AudioInput(MULAW, _DETECTION, None, None), AudioOutput(MULAW, "marin")),
        (),
        "auto",
        ("audio",),
    ),
)


class Wire(asyncio.Transport):
    """A transport into nothing, as picows may use it, and the protocol at its end."""

    def __init__(self, tcp: socket.socket) -> None:
        super().__init__()
        self._tcp = tcp
        self.latest: deque[bytes] = deque(maxlen=1)
        self.write = self.latest.append  # type: ignore[method-assign,assignment]  # In C, as it should be.
        self.protocol: LegProtocol | Handshake | None = None
        self._is_open = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What picows asks for: a socket to be set up, and whether it may write there past us."""
        return {"socket": self._tcp, "ssl_object": self}.get(name, default)

    def get_write_buffer_size(self) -> int:
        """Everything was taken."""
        return 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another one goes on."""
        assert isinstance(protocol, LegProtocol), "the one of the leg"
        self.protocol = protocol

    def close(self) -> None:
        """The end of the leg, at once."""
        if self._is_open and self.protocol is not None:
            self._is_open = False
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def begin(self, protocol: LegProtocol | Handshake) -> None:
        """The connection is made."""
        self.protocol = protocol
        protocol.connection_made(self)

    def feed(self, data: bytes) -> None:
        """The event loop has read something."""
        assert self.protocol is not None, "the connection was made"
        view = self.protocol.get_buffer(len(data))
        view[: len(data)] = data
        self.protocol.buffer_updated(len(data))


def _frame(message: Mapping[str, object], *, is_masked: bool) -> bytes:
    """One text frame (RFC 6455, section 5.2). A mask of zeros costs its reader as much as any other."""
    payload = json.dumps(message, separators=(",", ":")).encode()
    mask_bit = 0x80 if is_masked else 0
    if len(payload) <= 125:
        size = bytes((mask_bit | len(payload),))
    else:
        size = bytes((mask_bit | 126,)) + len(payload).to_bytes(2, "big")
    return b"\x81" + size + (bytes(4) if is_masked else b"") + payload


class Line:
    """One call between two wires."""

    def __init__(self, tcp: socket.socket, number: int, agent: Agent) -> None:
        self._tcp, self._agent = tcp, agent
        self._name = f"{number:032x}"
        self.phone, self.model = Wire(tcp), Wire(tcp)
        self._is_dialled = asyncio.Event()
        self._next_mark: dict[str, object] = {}
        self.moved: tuple[int, int] | None = None
        """Frames to the model and to the phone, once the call is over."""
        leg = CallbackLeg(Leg.PHONE, PHONE_MESSAGE_BYTES_MAX, PHONE_PATIENCE)
        self.phone.begin(LegProtocol(leg))
        self.phone.feed(
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        self._bridge = Bridge(
            leg,
            dialer=self,
            admit=self._admitted,
            observe=self._note,
            limits=HASTY,
        )
        self.running = asyncio.ensure_future(self._bridge.run())

    async def dial(self, model: str) -> CallbackLeg:
        """See `Dialer`: the other wire, whose upgrade is answered at once."""
        leg = CallbackLeg(Leg.MODEL, MODEL_MESSAGE_BYTES_MAX, MODEL_PATIENCE)
        self.model.begin(
            Handshake(LegProtocol(leg, host="localhost", resource=f"/?model={model}", headers={}))
        )
        (asked,) = self.model.latest
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", asked)
        assert key is not None, "picows asked for an upgrade"
        self.model.feed(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key[1].decode()).encode() + b"\r\n\r\n"
        )
        self._is_dialled.set()
        return leg

    async def _admitted(self, start: StartFacts) -> tuple[StreamAdmitted, AgentInCall]:
        about = About(start.call_sid, Caller("+15550100"), "+15550111")
        in_call = AgentInCall(self._agent, about)
        await in_call.prepare(PLAN.session.instructions, "")
        session = msgspec.structs.replace(
            PLAN.session, instructions=in_call.instructions, tools=in_call.definitions
        )
        reads_keys = bool(self._agent.abilities)
        plan = replace(PLAN, session=session, greeting=in_call.greeting, reads_keys=reads_keys)
        return StreamAdmitted(plan, about.caller.number, about.called), in_call

    @property
    def _is_live(self) -> bool:
        call = self._bridge.decider
        return isinstance(call, CallMachine) and call.phase is Phase.LIVE

    @property
    def relay(self) -> Relay:
        """The audio path, for a tap."""
        return self._bridge.relay

    def _note(self, fact: Fact) -> None:
        if isinstance(fact, StreamEnded):
            self.moved = fact.frames_to_model, fact.frames_to_phone

    async def begin(self) -> None:
        """Brings the call to where the agent speaks."""
        self._phone_says({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self._phone_says(self._start())
        await self._is_dialled.wait()
        for kind, audio_format in (("created", "audio/pcm"), ("updated", "audio/pcmu")):
            audio = {"format": {"type": audio_format}}
            session = {"type": "realtime", "audio": {"input": audio, "output": audio}}
            self._model_says({"type": f"session.{kind}", "session": session})
        while not self._is_live:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        response = {"id": f"resp_{self._name}", "status": "in_progress"}
        item = {"id": f"item_{self._name}", "type": "message", "role": "assistant"}
        self._model_says({"type": "response.created", "response": response})
        self._model_says({"type": "response.output_item.added", "response_id": response["id"], "item": item})

    def _start(self) -> dict[str, object]:
        media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {
            "accountSid": "AC1",
            "streamSid": f"MZ{self._name}",
            "callSid": f"CA{self._name}",
            "tracks": ["inbound"],
            "mediaFormat": media_format,
            "customParameters": {"token": "t"},
        }
        return {"event": "start", "sequenceNumber": "1", "start": start, "streamSid": f"MZ{self._name}"}

    def _phone_says(self, message: dict[str, object]) -> None:
        self.phone.feed(_frame(message, is_masked=True))

    def _model_says(self, message: dict[str, object]) -> None:
        self.model.feed(_frame(message, is_masked=False))

    # What is measured; made before the clock runs.

    def up_frame(self, number: int) -> bytes:
        """20 ms of the caller, as Twilio words it."""
        payload = base64.b64encode(FRAME).decode()
        place = {"chunk": str(1000 + number), "timestamp": str(20_000 + 20 * number)}
        chunk = {"track": "inbound", **place, "payload": payload}
        message = {"event": "media", "sequenceNumber": "123", "media": chunk, "streamSid": f"MZ{self._name}"}
        return _frame(message, is_masked=True)

    def delta(self) -> bytes:
        """100 ms of the agent, as the vendor words it."""
        message = {
            "type": "response.output_audio.delta",
            "event_id": f"event_{self._name}",
            "response_id": f"resp_{self._name}",
            "item_id": f"item_{self._name}",
            "output_index": 0,
            "content_index": 0,
            "delta": base64.b64encode(DELTA).decode(),
        }
        return _frame(message, is_masked=False)

    def piece(self) -> bytes:
        """Some words of the agent, as the vendor words them."""
        message = {
            "type": "response.output_audio_transcript.delta",
            "event_id": f"event_{self._name}",
            "response_id": f"resp_{self._name}",
            "item_id": f"item_{self._name}",
            "output_index": 0,
            "content_index": 0,
            "delta": " of the",
        }
        return _frame(message, is_masked=False)

    def echo(self) -> bytes:
        """The echo of the mark before the one that was sent last: the phone still plays what lies between."""
        (mark,) = self.phone.latest
        message = json.loads(mark[mark.index(b"{") :])
        assert message["event"] == "mark", "a mark is due after each round"
        due, self._next_mark = self._next_mark or message, message
        return _frame(due | {"sequenceNumber": "124"}, is_masked=True)


async def _set_up(calls: int, tcp: socket.socket, agent: Agent) -> list[Line]:
    lines = [Line(tcp, number, agent) for number in range(calls)]
    async with asyncio.timeout(SET_UP_WITHIN_S):
        for line in lines:
            await line.begin()
    return lines


class Stopwatch:
    """How long one kind of message takes, over all calls and rounds."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.least_us = math.inf

    def feed(self, messages: list[tuple[Wire, bytes]]) -> None:
        """Feeds each wire its message. Nothing in here enters the kernel, so that all of it is user time."""
        began_ns = time.thread_time_ns()
        for wire, data in messages:
            wire.feed(data)
        took_us = (time.thread_time_ns() - began_ns) / 1000
        self.least_us = min(self.least_us, took_us / len(messages))


def _measure(lines: list[Line], rounds: int) -> tuple[Stopwatch, Stopwatch, Stopwatch]:
    """Plays so many times 200 ms of all calls."""
    up, down, echo = Stopwatch("frame up"), Stopwatch("delta down"), Stopwatch("echo of a mark")
    deltas = [(line.model, line.delta()) for line in lines]
    for round_ in range(rounds):
        for number in range(round_ * UP_FRAMES, (round_ + 1) * UP_FRAMES):
            up.feed([(line.phone, line.up_frame(number)) for line in lines])
        for _ in range(DELTAS):
            down.feed(deltas)
        echo.feed([(line.phone, line.echo()) for line in lines])
    return up, down, echo


async def _measure_words(lines: list[Line], rounds: int) -> Stopwatch:
    """The same of a piece of the agent's words, with all that it leads to."""
    words = Stopwatch("piece of words")
    pieces = [(line.model, line.piece()) for line in lines]
    for _ in range(rounds):
        began_ns = time.thread_time_ns()
        for _ in range(PIECES):
            for wire, data in pieces:
                wire.feed(data)
            for _ in range(LED_TO):
                await asyncio.sleep(0)
        took_us = (time.thread_time_ns() - began_ns) / 1000
        words.least_us = min(words.least_us, took_us / PIECES / len(lines))
    return words


def _elsewhere_s() -> float:
    """User time of all threads but this one."""
    process, here = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_THREAD))
    return process.ru_utime - here.ru_utime


@contextlib.contextmanager
def _recording(lines: list[Line], rounds: int, folder: str) -> Iterator[None]:
    """Has all calls recorded, and says what that costs the thread that writes."""
    writer = RecordingWriter(Path(folder), lambda _path: None)
    writer.start()
    taps = [Tap(line.relay) for line in lines]
    for number, tap in enumerate(taps):
        tap.open(writer.begin(f"CA{number:032x}-MZ{number:032x}", print).add)
    before_s = _elsewhere_s()
    yield
    for tap in taps:
        tap.close()
    writer.close(SET_UP_WITHIN_S)
    took_s = _elsewhere_s() - before_s
    frames = len(lines) * rounds * (UP_FRAMES + DELTAS)
    print(f"{'writing, a frame':<16}{took_s * 1e6 / frames:6.2f} µs")  # noqa: T201


async def _carry_out(calls: int, rounds: int, agent: Agent, *, records: bool) -> None:
    with socket.socket() as tcp, tempfile.TemporaryDirectory() as folder:
        lines = await _set_up(calls, tcp, agent)
        gc.collect()
        gc.freeze()  # What a call holds is old by the time in which it speaks.
        with _recording(lines, rounds, folder) if records else contextlib.nullcontext():
            watches = up, down, echo = _measure(lines, rounds)
        words = await _measure_words(lines, rounds)
        for line in lines:
            line.running.cancel()
        await asyncio.wait([line.running for line in lines])
        assert {line.moved for line in lines} == {(UP_FRAMES * rounds, DELTAS * rounds)}, "all audio passed"
    for watch in (*watches, words):
        print(f"{watch.what:<16}{watch.least_us:6.2f} µs")  # noqa: T201 - what it is for
    whole_us = UP_FRAMES * up.least_us + DELTAS * down.least_us + echo.least_us
    print(f"{'per frame':<16}{whole_us / (UP_FRAMES + DELTAS):6.2f} µs")  # noqa: T201


def measure(
    calls: Annotated[int, typer.Option(min=1, max=5000, help="Calls that take turns.")] = 250,
    rounds: Annotated[int, typer.Option(min=1, help="How often each of them speaks for 200 ms.")] = 40,
    agent: Annotated[
        AgentKind, typer.Option(help="One without code, one as people write, or one of the SDK.")
    ] = "plain",
    recording: Annotated[bool, typer.Option(help="Whether all of them are recorded.")] = False,
) -> None:
    """Measure the user time of the audio path alone."""
    uvloop.run(_carry_out(calls, rounds, _agent(agent), records=recording))


def _agent(kind: AgentKind) -> Agent:
    match kind:
        case "plain":
            return Agent()
        case "ordinary":
            return ordinary
        case "guest":
            # With the SDK, which is an extra.
            from bench.guest import agent  # noqa: PLC0415 - see the line above
            from callbridge.openai_agents import guest  # noqa: PLC0415 - see the line above

            return guest(agent)


if __name__ == "__main__":
    typer.run(measure)
