"""The whole service on this machine: model, service and callers over real sockets, in the test's own loop.

`stack` puts one service together with its model; `Stack.call` places a call and answers what all three sides
have to say of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

import callbridge
import canaries
from callbridge.agents.agent import Agent
from callbridge.agents.languages.texts import clip_of
from callbridge.bridge.own_sounds import audio_of
from callbridge.call.actions import OwnSound
from callbridge.call.facts import StreamEnded
from callbridge.server.config.settings import VARIABLES, read_settings
from callbridge.server.http.app import create_app
from callbridge.server.process.listening.listening import tcp_listener, uvicorn_config
from callbridge.server.process.listening.serving import serving
from callbridge.simulators.phone import CallerScript, CallSettings, Incoming, SimulatedCall
from callbridge.simulators.truth import heard_items
from callbridge.simulators.voice_model import Answer, Call, Say, Script, SessionSettings, serve_model
from callbridge.switchboard.continuation import CONTINUATIONS_MAX
from lanes import PROTOCOLS
from random_calls import noise

if TYPE_CHECKING:
    import io
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from callbridge.agents.choosing.gathering import Answering
    from callbridge.call.facts import Fact
    from callbridge.call.limits import Limits
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.desk import Desk
    from callbridge.server.process.drain import Drain
    from callbridge.server.process.live_calls import LiveCalls
    from callbridge.simulators.phone import CallReport, PhoneEvent, PhoneStream, Step
    from callbridge.simulators.phone.caller import Caller
    from callbridge.simulators.truth import HeardItem
    from callbridge.simulators.voice_model import HandshakeRefusal, Journal
    from callbridge.simulators.voice_model.server import ModelServer
    from callbridge.state.state import State
    from callbridge.switchboard.circuit import Circuits
    from lanes import PhoneLane

UNDIALLED = {"CALLBRIDGE_PREDIAL": "false"}
"""A webhook dials the model ahead of its stream. Without that, a dial means that a stream was admitted."""

API_KEY, AUTH_TOKEN = canaries.API_KEY, canaries.AUTH_TOKEN
ACCOUNT_SID = "AC" + "7" * 32
APOLOGY = "We are sorry. Please call again."

CALL_TIMEOUT_S = 30.0
"""No call of a test is meant to take half as long."""


class Log:
    """All that was logged since the test began, as an operator would find it."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        """Everything, ours and the libraries'."""
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """One JSON object per line."""
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def tracebacks(self) -> list[str]:
        """Lines that a reader of the log would take for a fault of the service."""
        signs = ("Traceback", "never retrieved", "unclosed")
        return [line for line in self.text.splitlines() if any(sign in line for sign in signs)]

    def events(self, name: str, call_sid: str | None = None) -> list[dict[str, Any]]:
        """The lines of one event; of one call, or of all."""
        lines = [line for line in self.lines if line["event"] == name]
        return lines if call_sid is None else [line for line in lines if line.get("call_sid") == call_sid]

    def warnings(self, call_sid: str) -> list[dict[str, Any]]:
        """What an operator should look at, of one call."""
        return [line for line in self.lines if line.get("call_sid") == call_sid and line["level"] != "info"]


# --- The stack -------------------------------------------------------------------------------------


@dataclass
class FinishedCall:
    """One call, seen from all sides."""

    phone: SimulatedCall
    report: CallReport
    facts: list[Fact]
    stack: Stack

    @property
    def sid(self) -> str:
        """Twilio's CallSid."""
        return self.report.call_sid

    @property
    def stream(self) -> PhoneStream:
        """Its one media stream."""
        (stream,) = self.phone.streams
        return stream

    @property
    def ended(self) -> StreamEnded:
        """The call's last record, of which there is exactly one."""
        (ended,) = [fact for fact in self.facts if isinstance(fact, StreamEnded)]
        return ended

    @property
    def journal(self) -> Journal:
        """What the model saw, where the stack served this call alone."""
        (journal,) = self.stack.model.sessions
        return journal

    @property
    def verbs(self) -> list[str]:
        """What the phone executed, from the webhook to the end."""
        return [verb.verb for verb in self.report.verbs]

    @property
    def close_code(self) -> int | None:
        """The code with which the service closed the phone's socket."""
        assert self.stream.end is not None
        return self.stream.end.code

    def heard(self, journal: Journal | None = None) -> list[HeardItem]:
        """The agent's items with what was heard of each; proves that no audio was changed.

        On a busy machine the clip may have been played, too.
        """
        assert self.stream.end is not None
        items = (journal or self.journal).items.values()
        return heard_items(
            self.stream.playback,
            items,
            self.stream.end.at,
            (clip_of(self.stack.settings.language), audio_of(OwnSound.AT_WORK)),
        )

    def of(self, kind: type[Fact]) -> list[Any]:
        """The facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]


CONNECTED_AND_ENDED = ["Connect/Stream", "Hangup"]
CONNECTED_AND_SORRY = ["Connect/Stream", "Say", "Hangup"]
TRIED_AND_SORRY = ["Connect/Stream"] * CONTINUATIONS_MAX + CONNECTED_AND_SORRY
"""Stream after stream was admitted and broke off."""

REFUSED_AND_SORRY = ["Connect/Stream", *CONNECTED_AND_SORRY]
"""No stream was admitted: it is tried once more."""

CONNECTED_AND_LEFT = ["Connect/Stream"]
"""The caller is gone: Twilio executes nothing more."""


@dataclass
class Stack:
    """One service and its voice model."""

    settings: Settings
    model: ModelServer
    facts: dict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    """By CallSid; under the empty one for sockets that never became a call."""
    desk: Desk = field(init=False)
    """What all calls of the service share; for what its webhooks have noted."""

    def observe(self, fact: Fact) -> None:
        """Collects what the service records."""
        self.facts[fact.call_sid].append(fact)

    @property
    def port(self) -> int:
        """Where it listens itself."""
        return self.settings.port

    @property
    def ends(self) -> list[StreamEnded]:
        """The last records of all calls and of all refused sockets."""
        return [fact for facts in self.facts.values() for fact in facts if isinstance(fact, StreamEnded)]

    def phone(
        self,
        caller: Caller | Sequence[Step],
        *,
        on_event: Callable[[PhoneEvent], None] | None = None,
        query: str = "",
        **line: Any,
    ) -> SimulatedCall:
        """A phone that is about to call. `line` is what differs from an ordinary call (`CallSettings`).

        `query` is that of the number's voice URL.
        """
        ordinary = CallSettings(
            account_sid=ACCOUNT_SID,
            auth_token=AUTH_TOKEN,
            from_number=canaries.NUMBER,
            incoming=Incoming(more={"Nobody-Knows": canaries.HEADER}),
            status_callback_url=self.settings.call_status_url,
            max_call_s=CALL_TIMEOUT_S - 5,
        )
        script = CallerScript(list(caller)) if isinstance(caller, list | tuple) else caller
        return SimulatedCall(
            self.settings.voice_url + (f"?{query}" if query else ""),
            script,  # type: ignore[arg-type]  # mypy does not narrow `Sequence` by list and tuple.
            replace(ordinary, **line),
            on_event=on_event,
        )

    async def finish(self, phone: SimulatedCall, timeout_s: float = CALL_TIMEOUT_S) -> FinishedCall:
        """Places the call and stays on it to its end."""
        async with asyncio.timeout(timeout_s):
            report = await phone.run()
        return FinishedCall(phone, report, self.facts[report.call_sid], self)

    async def call(self, caller: Caller | Sequence[Step], **line: Any) -> FinishedCall:
        """One whole call."""
        return await self.finish(self.phone(caller, **line))


@contextlib.asynccontextmanager
async def stack(
    script: Script,
    *,
    agent: Answering | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
    state: State | None = None,
    drain: Drain | None = None,
    live_calls: LiveCalls | None = None,
    circuits: Circuits | None = None,
    realtime_url: str | None = None,
    session: SessionSettings | None = None,
    keys: Sequence[str] = (API_KEY,),
    refuse_by: Literal["http", "socket"] = "socket",
    on_refusal: Callable[[HandshakeRefusal], None] = lambda _: None,
    environment: Mapping[str, str] | None = None,
    lane: PhoneLane = "fast",
    mounted_at: str = "",
    port: int = 0,
) -> AsyncIterator[Stack]:
    """A service and a model on free ports.

    Args:
        script: what the model says.
        agent: who answers.
        limits: the bounds of every call.
        clock: of admission and circuits, a monotonic one.
        wall_clock: of tokens and of what is kept.
        state: what outlives the service; by default nothing does. The service closes it.
        drain: says when the service takes no calls.
        live_calls: the calls that `drain` waits for.
        circuits: say whether a model is down.
        realtime_url: where the service looks for its model, when that is not the simulator itself.
        session: of the model; its journal keeps the caller's audio unless told otherwise.
        keys: API keys that the model accepts.
        refuse_by: how the model refuses a handshake: as the API, or as a gateway before it.
        on_refusal: told of every handshake that it refuses.
        environment: settings of the service, by their names in the environment.
        lane: how its media sockets reach their legs.
        mounted_at: the path in an app of a user's own, which a server serves as it is by default.
        port: of the service; 0 for a free one.
    """
    session = session or SessionSettings(keep_audio=True)
    async with serve_model(
        script, settings=session, keys=keys, refuse_by=refuse_by, on_refusal=on_refusal
    ) as model:
        with contextlib.closing(tcp_listener(port=port)) as listener:
            port = listener.getsockname()[1]
            public_url = f"http://127.0.0.1:{port}{mounted_at}"
            more = {"PORT": str(port), **(environment or {})}
            settings = read_settings(variables(public_url, realtime_url or model.url, **more))
            running = Stack(settings, model)
            app = create_app(
                settings,
                agent or Agent(),
                observers=[running.observe],
                limits=limits,
                state=state,
                drain=drain,
                live_calls=live_calls,
                circuits=circuits,
                clock=clock,
                wall_clock=wall_clock,
            )
            running.desk = app.state.desk
            if mounted_at:
                config = uvicorn.Config(outer_app(app, mounted_at), log_config=None)
            else:
                config = uvicorn_config(app, settings)
                config.ws = PROTOCOLS[lane]
            async with serving(config, listener):
                yield running


def outer_app(calls: FastAPI, path: str) -> FastAPI:
    """An app of a user's own, in which calls are answered under `path`."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with callbridge.serving(calls):
            yield

    outer = FastAPI(lifespan=lifespan)
    outer.mount(path, calls)
    return outer


def variables(public_url: str, model_url: str, **more: str) -> dict[str, str]:
    """The environment of a service: made-up accounts, and no limit on one caller, who makes all calls.

    Args:
        public_url: its public address; empty for a process that is reached at its own.
        model_url: where its model is.
        more: what differs, by its names in the environment.
    """
    given = {
        "OPENAI_API_KEY": API_KEY,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "PUBLIC_BASE_URL": public_url,
        "CALLBRIDGE_HOST": "127.0.0.1",
        "CALLBRIDGE_REALTIME_URL": model_url,
        "CALLBRIDGE_APOLOGY": APOLOGY,
        "CALLBRIDGE_VAD_SILENCE_DURATION_MS": "300",  # Tests wait for it after every word of a caller.
        "CALLBRIDGE_FALLBACK_VOICEMAIL": "false",
        # Nobody's account is asked; with the address of a simulated one it is.
        "CALLBRIDGE_TWILIO_REST": "true" if "CALLBRIDGE_TWILIO_API_URL" in more else "false",
        "CALLBRIDGE_CALLS_PER_CALLER": "0",
        "CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES": "0",
        "CALLBRIDGE_CALLS_PER_CALLER_DAY": "0",
        # Thousands of simulated answers cost more than an hour may by default.
        "CALLBRIDGE_SPEND_PER_HOUR_MAX": "1000000",
        "CALLBRIDGE_SPEND_PER_DAY_MAX": "1000000",
    } | more
    assert given.keys() <= set(VARIABLES), "a test sets what nothing reads"
    return given


def hello_and_goodbye(speech_ms: int = 900) -> Script:
    """An agent that says one thing and hangs up."""
    said = Say(text="Hello, goodbye.", audio=noise(random.Random(9), speech_ms))
    return Script(answers=(Answer(say=(said,), calls=(Call(name="end_call"),)),), after_ms=20)


# --- Many at once ----------------------------------------------------------------------------------


async def together(*calls: Awaitable[FinishedCall]) -> list[FinishedCall]:
    """Carries out all calls at once. The first that breaks a test's promise ends the others."""

    async def carried_out(call: Awaitable[FinishedCall]) -> FinishedCall:
        return await call

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(carried_out(call), name=f"call {n}") for n, call in enumerate(calls)]
    return [task.result() for task in running]


@contextlib.asynccontextmanager
async def switchboard(urls: Sequence[str]) -> AsyncIterator[str]:
    """An address whose n-th connection reaches the n-th of `urls`, byte for byte."""
    remaining = iter(urls)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hold_on()
        url = urlsplit(next(remaining))
        far_reader, far_writer = await asyncio.open_connection(url.hostname, url.port)
        async with asyncio.TaskGroup() as pipes:
            pipes.create_task(pipe(far_reader, writer))
            await pipe(reader, far_writer)
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{urlsplit(urls[0]).path}"


_held: set[asyncio.Task[Any]] = set()


def hold_on() -> None:
    """Whoever serves a connection lives as long as it has something to do.

    Nothing of asyncio's holds its task once that connection is gone: it might vanish while it waits for
    another one.
    """
    task = asyncio.current_task()
    assert task is not None
    _held.add(task)
    task.add_done_callback(_held.discard)


def only_request(head: bytes) -> bytes:
    """The head of a request, for a connection that has no other one: which end closes is no chance then."""
    return head.replace(b"\r\nConnection: keep-alive\r\n", b"\r\nConnection: close\r\n")


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes in goes out, to the end."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
