"""The service in processes of its own, with one public address before them.

`services` starts them and sees to it that none is left; `Front` is the proxy that a deploy has, which sends
each new connection to one process, or to several by turns; `Talker` is a caller who goes on talking until the
call has moved. Several machines with one database: machines.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import random
import re
import signal
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from callbridge.server.config.clip import load_clip
from callbridge.server.config.settings import read_settings
from callbridge.server.http.control import control_key
from callbridge.simulators.phone import Act, CallerScript, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.phone.events import AgentAudioStarted, AgentAudioStopped, StreamEnded
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.commands import COMMAND, environment
from e2e.raw import ringing
from e2e.stack import Stack, hold_on, only_request, pipe
from ports import free_port
from random_calls import noise

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from callbridge.simulators.phone import Ear, PhoneEvent, PhoneStream
    from callbridge.simulators.voice_model import Journal, ModelServer

READY_S = 60.0
"""Three seconds are promised of one process (test_drain.py); here some start at once, on a shared machine."""

PAGE_BYTES = 4096

# --- A process --------------------------------------------------------------------------------------


@dataclass
class Service:
    """`callbridge serve`, as an operator sees it from outside."""

    process: Process
    folder: Path
    """Its own: where it was started, with its log."""
    variables: dict[str, str]

    @property
    def port(self) -> int:
        """Where it listens itself."""
        return int(self.variables["PORT"])

    @property
    def url(self) -> str:
        """Where it is reached itself, by HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it has written, which is a file: a pipe that nobody reads would stop it."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log about one event."""
        whole = self.log.rpartition("\n")[0]  # The last line of one that was killed may be half written.
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The lines in which it said how far it was on its way out."""
        names = ("draining", "handing_over", "stopped")
        lines = [line for name in names for line in self.events(name)]
        return sorted(lines, key=lambda line: str(line["timestamp"]))

    @property
    def faults(self) -> list[str]:
        """What a reader of the log would take for a fault of the service."""
        signs = ("Traceback", "never retrieved", "unclosed", '"level": "error"', '"level": "critical"')
        return [line for line in self.log.splitlines() if any(sign in line for sign in signs)]

    @property
    def memory_bytes(self) -> int:
        """Its resident memory."""
        statm = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * PAGE_BYTES

    @property
    def open_files(self) -> int:
        """Its file descriptors: sockets, files, pipes."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def was_late_for(self, call_sid: str) -> bool:
        """Whether it took this call no more because its loop was late."""
        declined = self.events("call_declined")
        return any((line["call_sid"], line["reason"]) == (call_sid, "loop_lag") for line in declined)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    async def ended(self, timeout_s: float) -> int:
        """Waits for its end; answers the exit status."""
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    async def readiness(self) -> tuple[int, dict[str, str]]:
        """What it answers a load balancer."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.url}/readyz")
        return answer.status_code, answer.json()

    async def is_late(self) -> bool:
        """Whether it would take no call just now because its loop was late, as on a busy machine."""
        declines = (await self._asked("/readyz")).json()["declines_for"]
        return "loop_lag" in declines

    async def metric(self, name: str) -> float:
        """The sum of one metric, as Prometheus is told it."""
        text = (await self._asked("/metrics")).text
        lines = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, lines))

    async def _asked(self, path: str) -> httpx.Response:
        """What its control listener answers."""
        settings = read_settings(self.variables)
        url = f"http://127.0.0.1:{settings.control_port}{path}"
        authorization = {"Authorization": f"Bearer {control_key(settings)}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(url, headers=authorization)

    async def offer(self, call_sid: str, client: httpx.AsyncClient | None = None) -> str:
        """Its answer to a ringing phone, asked at its own port: the TwiML."""
        if client is None:
            async with httpx.AsyncClient(trust_env=False) as client:
                return await self.offer(call_sid, client)
        signed = ringing(f"{self.variables['PUBLIC_BASE_URL']}/twilio/voice", call_sid)
        answer = await client.post(f"{self.url}/twilio/voice", **signed)
        assert answer.status_code == 200, answer
        return answer.text

    def line(self, model: ModelServer) -> Stack:
        """For placing calls over its public address."""
        return Stack(read_settings(self.variables), model)


@contextlib.asynccontextmanager
async def services(
    folder: Path,
    *settings: Mapping[str, str],
    command: Sequence[str] = (*COMMAND, "serve"),
    stderr: int | None = None,
) -> AsyncIterator[list[Service]]:
    """A process for each of `settings`, all of them ready. Those that still run are killed at the end.

    One that has no public address is reached at its own; one that has no port gets a free one. `stderr`: a
    descriptor instead of the log.
    """
    started: list[Service] = []
    try:
        for number, given in enumerate(settings):
            own = folder / f"process {number}"
            own.mkdir()
            started.append(await start(own, given, command, stderr))
        async with asyncio.timeout(READY_S):
            for service in started:
                await until_ready(service)
        yield started
    finally:
        await end_all(started)


async def end_all(started: Sequence[Service]) -> None:
    """Kills those that still run."""
    for service in started:
        if service.process.returncode is None:
            service.process.kill()
        await service.process.wait()


async def start(
    folder: Path,
    given: Mapping[str, str],
    command: Sequence[str] = (*COMMAND, "serve"),
    stderr: int | None = None,
) -> Service:
    """Starts one, whose log is in `folder`; whoever does so ends it, too."""
    port, control_port = free_port(), free_port()
    own = {
        "CALLBRIDGE_CALL_STARTS_PER_SECOND": "100",
        "CALLBRIDGE_LOG_FORMAT": "json",
        "PORT": str(port),
        "CALLBRIDGE_CONTROL_PORT": str(control_port),
    } | dict(given)
    port = int(own["PORT"])
    own["PUBLIC_BASE_URL"] = own["PUBLIC_BASE_URL"] or f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder.parent,  # There lies the agent, if there is one.
            env=environment(own),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log if stderr is None else stderr,
        )
    return Service(process, folder, own)


async def until_ready(service: Service) -> None:
    """Returns when it takes calls. Who has come up on a busy machine takes none for some seconds."""
    while True:
        assert service.process.returncode is None, service.log
        with contextlib.suppress(httpx.TransportError):
            if await service.readiness() == (200, {"status": "ready"}) and not await service.is_late():
                return
        await asyncio.sleep(0.05)  # Nothing tells that a port is listened on.


# --- The front --------------------------------------------------------------------------------------


class Front:
    """The public address: each request goes to a process that is current, byte for byte.

    Like a proxy that watches the health of its processes; a WebSocket stays where it is. Where one does not
    take a connection the next one is asked, as by any proxy.
    """

    def __init__(self) -> None:
        self.url = ""
        self._choose: Callable[[str], Sequence[int]] = lambda _path: ()
        """By the path of a request: the ports to try. Before there is one nobody listens."""

    def send_to(self, *services: Service | Stack) -> None:
        """From now on these are current, by turns: processes, or services of the test's own.

        Streams have turns of their own, so that each gets as many calls.
        """
        ports = [service.port for service in services]
        turns: dict[str, Iterator[int]] = defaultdict(itertools.count)

        def choose(path: str) -> Sequence[int]:
            first = next(turns[path.partition("?")[0]]) % len(ports)
            return [*ports[first:], *ports[:first]]

        self._choose = choose

    def send_by(self, choose: Callable[[str], Service | Stack]) -> None:
        """From now on the path of each request says who gets it."""
        self._choose = lambda path: [choose(path).port]

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """For as long as it listens."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hold_on()
        # The phone is cut where nobody listens.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            request = await _request(reader)
            path = request.split(b" ", 2)[1].decode("ascii")
            first, far_reader, far_writer = await _answered(request, self._choose(path))
            writer.write(first)
            async with asyncio.TaskGroup() as pipes:
                pipes.create_task(pipe(far_reader, writer), name="front")
                await pipe(reader, far_writer)
        writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """A whole request, which may have to be made again."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return only_request(head) + await reader.readexactly(int(length[1]) if length else 0)


async def _answered(
    request: bytes, ports: Sequence[int]
) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
    """The beginning of the answer of the first that gives one, and the connection to it.

    One that takes no connection, or dies before it answers, is no answer: see examples/compose.yaml.
    """
    for port in ports:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            far_writer.write(request)
            if first := await far_reader.read(65536):
                return first, far_reader, far_writer
            far_writer.close()
    raise ConnectionRefusedError


# --- Conversations that can be told apart -----------------------------------------------------------


def small_talk(seed: str, *, answers: int = 400, speech_ms: int = 500) -> Script:
    """Answers of which no two are alike in words or audio, whichever session gives them."""
    rng = random.Random(seed)
    said = (
        Answer(
            say=(Speech(text=f"This is answer {number} of {seed}.", audio=noise(rng, speech_ms)),),
            caller=f"Question {number} of {seed}?",
            after_ms=150,
        )
        for number in range(answers)
    )
    return Script(answers=tuple(said), answers_go_on=True)


def goodbye(seed: str) -> Script:
    """All that it remembers, in words, then the end of the call."""
    speech = Speech(text="", audio=noise(random.Random(seed), 600))
    return Script(default=Answer(say=(speech,), recites=True, calls=(Call(name="end_call"),), after_ms=150))


class Talker(CallerScript):
    """Waits for the agent and says something, over and over; in the last of `streams` only listens."""

    def __init__(self, seed: str, *, streams: int = 2, turns: int = 30, quiet_ms: float = 250) -> None:
        rng = random.Random(seed)
        steps = [step for _ in range(turns) for step in (WaitForAgent(quiet_ms), Say(noise(rng, 300)))]
        super().__init__([*steps, WaitForEnd()])
        self._streams_left = streams - 1
        self._at_ms = 0.0

    @property
    def is_done(self) -> bool:
        """Always: who talks until the call has moved has not planned how much."""
        return True

    def next_frame(self, ear: Ear) -> Act:
        """The next 20 ms."""
        if ear.at_ms < self._at_ms:
            self._streams_left -= 1
        self._at_ms = ear.at_ms
        return super().next_frame(ear) if self._streams_left > 0 else Act()


@dataclass
class Gathering:
    """Waits until so many calls have heard so many utterances of their agents begin, or end."""

    calls: int
    utterances: int
    counts: type[AgentAudioStarted | AgentAudioStopped] = AgentAudioStarted
    is_complete: asyncio.Event = field(default_factory=asyncio.Event)
    _heard: dict[int, int] = field(default_factory=dict)

    def watch(self, number: int) -> Callable[[PhoneEvent], None]:
        """For `on_event` of the n-th call."""

        def notice(event: PhoneEvent) -> None:
            if isinstance(event, self.counts):
                self._heard[number] = self._heard.get(number, 0) + 1
                heard = [count for count in self._heard.values() if count >= self.utterances]
                if len(heard) == self.calls:
                    self.is_complete.set()

        return notice

    @staticmethod
    def one_after_the_other(gatherings: Sequence[Gathering], number: int) -> Callable[[PhoneEvent], None]:
        """The same for one gathering per stream."""
        watchers = [gathering.watch(number) for gathering in gatherings]

        def notice(event: PhoneEvent) -> None:
            if watchers:
                watchers[0](event)
            if watchers and isinstance(event, StreamEnded):
                watchers.pop(0)

        return notice

    async def complete(self, timeout_s: float) -> None:
        """Until all of them have."""
        async with asyncio.timeout(timeout_s):
            await self.is_complete.wait()


CLIPS = (load_clip(None),)
"""What a caller may hear of the service itself, when model or machine take their time."""


def session_of(stream: PhoneStream, sessions: Sequence[Journal]) -> Journal:
    """The session whose agent was heard in this stream; no two say the same."""
    heard = {payload.audio for payload in stream.playback.payloads}
    (found,) = [
        journal
        for journal in sessions
        if any(
            item.audio.startswith(audio)
            for item in journal.items.values()
            if item.is_spoken
            for audio in heard
        )
    ]
    return found


def words_of(document: str) -> str:
    """What a TwiML document says to the caller first."""
    said = re.search(r"<Say[^>]*>([^<]*)</Say>", document)
    return said[1] if said else ""


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
