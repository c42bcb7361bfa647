"""Bridges of others: what they are made of, and how they are begun between our two simulators.

They are installed from their packages, or cloned, into environments of their own, kept in pytest's cache;
where they cannot be had the tests are skipped. Each serves `https`, as Twilio wants it, and dials what it
takes for OpenAI. Nothing of them is kept here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.phone import ACCOUNT_SID, AUTH_TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

API_KEY = "sk-made-up-for-tests-0123456789"

INSTALL_TIMEOUT_S = 600.0
START_TIMEOUT_S = 60.0

BARE_RELAY = Path(__file__).parents[2] / "bench" / "baselines" / "bare_relay.py"

SITE = """
import os
import uvicorn
from starlette.datastructures import URL
from websockets.asyncio.client import connect

dial, run = connect.__init__, uvicorn.run

def dial_simulator(self, uri, **options):
    dial(self, uri.replace("wss://api.openai.com", os.environ["MODEL_URL"]), **options)

def run_with_tls(app, **options):
    run(app, **options, ssl_certfile=os.environ["SSL_CERT_FILE"], ssl_keyfile=os.environ["KEY_FILE"])

connect.__init__, uvicorn.run = dial_simulator, run_with_tls

# Some name their socket without a port, as behind a proxy.
URL.hostname = property(lambda url: url.netloc)
"""
"""Imported by each bridge's Python before the bridge: where the model is, and that it serves `https`."""

NODE_SITE = """
const tls = require("node:tls"), http = require("node:http"), https = require("node:https");
const fs = require("node:fs"), connect = tls.connect;

tls.connect = (options, ...more) => {
  if (options.host !== "api.openai.com") return connect(options, ...more);
  const [host, port] = process.env.MODEL_URL.split("://")[1].split(":");
  return connect({ ...options, host, port: Number(port), servername: "localhost" }, ...more);
};

const cert = fs.readFileSync(process.env.SSL_CERT_FILE), key = fs.readFileSync(process.env.KEY_FILE);
http.createServer = (options, ...more) => https.createServer({ ...options, cert, key }, ...more);
"""
"""The same for Node.js; what it dials is always `wss`."""

AGENT_CONNECT = """
from tac import TAC, TACConfig
from tac.channels.voice import VoiceChannel
from tac.channels.voice.media_streams.openai_realtime.config import OpenAIRealtimeProviderConfig
from tac.server import TACFastAPIServer

MULAW = {"format": {"type": "audio/pcmu"}}
session = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "instructions": "You answer the telephone.",
    "audio": {"input": MULAW | {"turn_detection": {"type": "server_vad"}}, "output": MULAW},
}
greeting = {"instructions": "Greet the caller."}
tac = TAC(config=TACConfig.from_env())
channel = VoiceChannel(
    tac,
    config=OpenAIRealtimeProviderConfig(default_session_config=session, welcome_greeting_response=greeting),
)
TACFastAPIServer(tac=tac, voice_channel=channel).start()
"""

PIPECAT = """
import os

from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.runner.run import main
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner


async def bot(arguments):
    _, call = await parse_telephony_websocket(arguments.websocket)
    serializer = TwilioFrameSerializer(
        stream_sid=call["stream_id"],
        call_sid=call["call_id"],
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),  # It would ask Twilio's REST API.
    )
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer)
    transport = FastAPIWebsocketTransport(websocket=arguments.websocket, params=params)
    model = OpenAIRealtimeLLMService(
        api_key=os.environ["OPENAI_API_KEY"],
        settings=OpenAIRealtimeLLMService.Settings(system_instruction="You answer the telephone."),
    )
    context = LLMContextAggregatorPair(LLMContext([{"role": "developer", "content": "Greet the caller."}]))
    stages = [transport.input(), context.user(), model, transport.output(), context.assistant()]
    rates = PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000)
    worker = PipelineWorker(Pipeline(stages), params=rates)

    @transport.event_handler("on_client_connected")
    async def connected(_transport, _client):
        await worker.queue_frames([LLMRunFrame()])

    @transport.event_handler("on_client_disconnected")
    async def disconnected(_transport, _client):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


main()
"""


@dataclass(frozen=True)
class OtherBridge:
    """A bridge, and how it is begun."""

    name: str
    packages: tuple[str, ...] = ()
    source: str = ""
    """A repository that is cloned; its requirements are installed."""
    webhook: str = ""
    media: str = ""
    """The path of its media socket, where it has no webhook."""
    greets: bool = True
    script: str = ""
    """Its program; none: one of its package's source, or of its repository."""
    example: str = ""
    arguments: tuple[str, ...] = ()
    tool: str = ""
    """One of its tools that does no harm."""

    @property
    def is_node(self) -> bool:
        """Whether it runs under Node.js, whose clients dial nothing but `wss`."""
        return self.example.endswith((".js", ".mjs"))


BRIDGES = (
    OtherBridge(
        "agents",
        ("openai-agents", "fastapi", "uvicorn[standard]", "websockets", "python-multipart", "twilio"),
        webhook="/incoming-call",
        greets=False,
        example="examples/realtime/twilio/server.py",
        tool="get_current_time",
    ),
    OtherBridge(
        "agent-connect",
        ("twilio-agent-connect[server,openai-realtime]",),
        webhook="/twiml",
        script=AGENT_CONNECT,
    ),
    OtherBridge(
        "pipecat",
        ("pipecat-ai[openai,runner,websocket]",),
        webhook="/",
        script=PIPECAT,
        arguments=("-t", "twilio", "-x", "localhost:PORT", "--port", "PORT"),
    ),
)
"""Those that are packages."""

SAMPLES = (
    OtherBridge(
        "sample-python",
        source="https://github.com/twilio-samples/speech-assistant-openai-realtime-api-python",
        webhook="/incoming-call",
        greets=False,
        example="main.py",
    ),
    OtherBridge(
        "sample-node",
        source="https://github.com/twilio-samples/speech-assistant-openai-realtime-api-node",
        webhook="/incoming-call",
        greets=False,
        example="index.js",
    ),
)
"""Twilio's samples, which are repositories."""

BARE = OtherBridge("bare", media="/media-stream")
"""Our own two sockets and nothing else, as the benchmark has them."""


async def installed(bridge: OtherBridge, cache: Path) -> Path:
    """The home of what the bridge is made of. Skips the test where it cannot be had."""
    home = cache / bridge.name
    if bridge is BARE:
        return home  # It is ours.
    done, wanted = home / "installed", repr((bridge.packages, bridge.source))
    if done.exists() and done.read_text() == wanted:
        return home
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for step in _steps(bridge, home):
        status, output = await run(*step, timeout_s=INSTALL_TIMEOUT_S)
        if status:
            pytest.skip(f"{bridge.name} cannot be installed here: {output[-300:]}")
    for archived in home.glob("*.tar.gz"):
        with tarfile.open(archived) as archive:
            archive.extractall(home / "source", filter="data")
    done.write_text(wanted)
    return home


def _steps(bridge: OtherBridge, home: Path) -> list[tuple[str, ...]]:
    source, pip = str(home / "source"), (str(home / "bin" / "python"), "-m", "pip")
    clone = ("git", "clone", "--quiet", "--depth", "1", bridge.source, source)
    if bridge.is_node:
        return [clone, ("npm", "install", "--prefix", source, "--no-audit", "--no-fund")]
    steps: list[tuple[str, ...]] = [(sys.executable, "-m", "venv", str(home))]
    if bridge.source:
        return [*steps, clone, (*pip, "install", "-r", f"{source}/requirements.txt")]
    steps.append((*pip, "install", *bridge.packages))
    if bridge.example:
        package = bridge.packages[0]
        steps.append((*pip, "install", "hatchling"))  # To read what the source is.
        fetch = ("download", "--no-deps", "--no-build-isolation", "--no-binary", package)
        steps.append((*pip, *fetch, "-d", str(home), package))
    return steps


def program(bridge: OtherBridge, home: Path, folder: Path) -> tuple[str, Path]:
    """What runs the bridge, and its program."""
    python = str(home / "bin" / "python")
    if bridge is BARE:
        return sys.executable, BARE_RELAY
    if bridge.script:
        (folder / "bridge.py").write_text(bridge.script)
        return python, folder / "bridge.py"
    found = home / "source" / bridge.example
    if not bridge.source:
        (found,) = home.glob(f"source/*/{bridge.example}")
    return ("node" if bridge.is_node else python), found


async def self_signed(folder: Path) -> Path:
    """A certificate of `localhost`, with its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate = folder / "localhost.pem"
    status, output = await run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost", "-out", str(certificate)),
        *("-keyout", str(certificate.with_suffix(".key"))),
        timeout_s=60,
    )
    assert status == 0, output
    return certificate


@contextlib.asynccontextmanager
async def running(
    bridge: OtherBridge, home: Path, certificate: Path, model_url: str, folder: Path
) -> AsyncIterator[str]:
    """The bridge in a process of its own; answers the URL of its voice webhook, or of its media socket."""
    port = free_port()
    (folder / "sitecustomize.py").write_text(SITE)
    (folder / "site.cjs").write_text(NODE_SITE)
    runner, started = program(bridge, home, folder)
    with (folder / "bridge.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            runner,
            started,
            *(argument.replace("PORT", str(port)) for argument in bridge.arguments),
            cwd=started.parent,
            env=environment(bridge, port, certificate, model_url, folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        await listening(port, process)
        is_bare = bridge is BARE
        yield (
            f"ws://127.0.0.1:{port}{bridge.media}" if is_bare else f"https://localhost:{port}{bridge.webhook}"
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        print((folder / "bridge.log").read_text(errors="replace")[-8000:])  # noqa: T201 - shown when it failed


def free_port() -> int:
    """One at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def environment(
    bridge: OtherBridge, port: int, certificate: Path, model_url: str, folder: Path
) -> Mapping[str, str]:
    """What the bridges read, each its own part of it."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": "" if bridge is BARE else str(folder),
        "PYTHONUNBUFFERED": "1",
        "NODE_OPTIONS": f"--require {folder / 'site.cjs'}",
        "NODE_EXTRA_CA_CERTS": str(certificate),
        "MODEL_URL": model_url.partition("/v1")[0],
        "REALTIME_URL": model_url,
        "SSL_CERT_FILE": str(certificate),
        "KEY_FILE": str(certificate.with_suffix(".key")),
        "PORT": str(port),
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "TWILIO_PUBLIC_BASE_URL": f"https://localhost:{port}",
        "TWILIO_VOICE_PUBLIC_DOMAIN": f"localhost:{port}",
        "TWILIO_SERVER_PORT": str(port),
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "TWILIO_API_KEY": "SK" + "5" * 32,
        "TWILIO_API_SECRET": "made up",
        "TWILIO_PHONE_NUMBER": "+15550100002",
        "TAC_ANALYTICS_DISABLED": "true",
    }


async def listening(port: int, process: asyncio.subprocess.Process) -> None:
    """Waits until the bridge takes connections."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("localhost", port)
                writer.close()
                return
            await asyncio.sleep(0.1)
    raise AssertionError("the bridge ended before it took a connection")


async def version(bridge: OtherBridge, home: Path) -> str:
    """What of it was tested: a release, or a commit with its date."""
    if bridge is BARE:
        return "of this repository"
    if bridge.source:
        _, shown = await run(
            "git", "-C", str(home / "source"), "log", "-1", "--format=%h of %cs", timeout_s=60
        )
        return f"commit {shown.strip()}"
    package = bridge.packages[0].partition("[")[0]
    _, shown = await run(str(home / "bin" / "python"), "-m", "pip", "list", "--format", "json", timeout_s=60)
    versions = {
        one["name"]: one["version"] for one in json.loads(shown[shown.index("[") : shown.rindex("]") + 1])
    }
    return f"{package} {versions[package]}"


async def run(*command: str, timeout_s: float) -> tuple[int, str]:
    """A command's exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        return -1, f"not done within {timeout_s:.0f} s"
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")
