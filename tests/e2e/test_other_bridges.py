"""Bridges of others between our two simulators: what they do with real vendors they must be able to do here.

The packages are installed into environments of their own, kept in pytest's cache; where they cannot be had
the tests are skipped. Each bridge serves `https`, as Twilio wants it, and dials what it takes for OpenAI.
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
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.simulators.phone import ACCOUNT_SID, AUTH_TOKEN
from callbridge.simulators.voice_model import Answer, Script, caller_speech, serve_model
from callbridge.simulators.voice_model import Say as Speech
from callbridge.simulators.voice_model.voices import clips
from e2e import commands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from callbridge.simulators.voice_model.server import ModelServer

pytestmark = pytest.mark.long

API_KEY = "sk-made-up-for-tests-0123456789"

INSTALL_TIMEOUT_S = 600.0
START_TIMEOUT_S = 60.0

SITE = """
import os
import uvicorn
from websockets.asyncio.client import connect

dial, run = connect.__init__, uvicorn.run

def dial_simulator(self, uri, **options):
    dial(self, uri.replace("wss://api.openai.com", os.environ["MODEL_URL"]), **options)

def run_with_tls(app, **options):
    run(app, **options, ssl_certfile=os.environ["SSL_CERT_FILE"], ssl_keyfile=os.environ["KEY_FILE"])

connect.__init__, uvicorn.run = dial_simulator, run_with_tls
"""
"""Imported by each bridge's Python before the bridge: where the model is, and that it serves `https`."""

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
    packages: tuple[str, ...]
    webhook: str
    greets: bool = True
    script: str = ""
    """Its program; none: the example that comes with its package's source."""
    example: str = ""
    arguments: tuple[str, ...] = ()


BRIDGES = (
    OtherBridge(
        "agents",
        ("openai-agents", "fastapi", "uvicorn[standard]", "websockets", "python-multipart", "twilio"),
        "/incoming-call",
        greets=False,
        example="examples/realtime/twilio/server.py",
    ),
    OtherBridge(
        "agent-connect", ("twilio-agent-connect[server,openai-realtime]",), "/twiml", script=AGENT_CONNECT
    ),
    OtherBridge(
        "pipecat",
        ("pipecat-ai[openai,runner,websocket]",),
        "/",
        script=PIPECAT,
        arguments=("-t", "twilio", "-x", "localhost:PORT", "--port", "PORT"),
    ),
)

SPOKEN = clips()["agent_short_answer"]

SCRIPT = Script(answers=(Answer(say=(Speech(text=SPOKEN.text, audio=SPOKEN.audio),)),) * 3, after_ms=100)

PLAN = """
steps = [
    {{do = "{first}", {how}}},
    {{do = "say", file = "question.ulaw"}},
    {{do = "wait_for_agent"}},
    {{do = "hang_up"}},
]
"""


@pytest.mark.parametrize("bridge", BRIDGES, ids=lambda bridge: bridge.name)
async def test_a_bridge_of_others_makes_one_clean_call(
    bridge: OtherBridge, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """The caller asks something, hears the answer and hangs up; neither simulator has to complain."""
    cache = pytestconfig.cache
    assert cache is not None
    python = await installed(bridge, Path(cache.mkdir("other-bridges")))
    certificate = await self_signed(tmp_path)
    async with (
        serve_model(SCRIPT, keys=(API_KEY,)) as model,
        running(bridge, python, certificate, model, tmp_path) as url,
    ):
        report = await called(bridge, url, certificate, tmp_path)
    assert report["warnings"] == [], report["warnings"]
    assert report["findings"] == []
    (journal,) = model.sessions
    assert [refusal.message for refusal in journal.refusals] == []
    (stream,) = report["streams"]
    answers = 2 if bridge.greets else 1
    assert stream["heard_ms"] == pytest.approx(answers * len(SPOKEN.audio) / 8, rel=0.05)
    assert stream["ended_by"] == "caller"


# --- The parts ---------------------------------------------------------------------------------------------


async def installed(bridge: OtherBridge, cache: Path) -> Path:
    """The Python of an environment that holds the bridge. Skips the test where it cannot be had."""
    home = cache / bridge.name
    python = home / "bin" / "python"
    done = home / "installed"
    if done.exists() and done.read_text() == repr(bridge.packages):
        return python
    shutil.rmtree(home, ignore_errors=True)
    pip = (str(python), "-m", "pip")
    steps = [(sys.executable, "-m", "venv", str(home)), (*pip, "install", *bridge.packages)]
    if bridge.example:
        package = bridge.packages[0]
        steps.append((*pip, "install", "hatchling"))  # To read what the source is.
        fetch = ("download", "--no-deps", "--no-build-isolation", "--no-binary", package)
        steps.append((*pip, *fetch, "-d", str(home), package))
    for step in steps:
        status, output = await run(*step, timeout_s=INSTALL_TIMEOUT_S)
        if status:
            pytest.skip(f"{bridge.name} cannot be installed here: {output[-300:]}")
    if bridge.example:
        (source,) = home.glob("*.tar.gz")
        with tarfile.open(source) as archive:
            archive.extractall(home / "source", filter="data")
    done.write_text(repr(bridge.packages))
    return python


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
    bridge: OtherBridge, python: Path, certificate: Path, model: ModelServer, folder: Path
) -> AsyncIterator[str]:
    """The bridge in a process of its own; answers the URL of its voice webhook."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "sitecustomize.py").write_text(SITE)
    program = folder / "bridge.py"
    if bridge.example:
        (program,) = python.parent.parent.glob(f"source/*/{bridge.example}")
    else:
        program.write_text(bridge.script)
    with (folder / "bridge.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            python,
            program,
            *(argument.replace("PORT", str(port)) for argument in bridge.arguments),
            cwd=program.parent,
            env=environment(port, certificate, model, folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        await listening(port, process)
        yield f"https://localhost:{port}{bridge.webhook}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        print((folder / "bridge.log").read_text(errors="replace")[-8000:])  # noqa: T201 - shown when it failed


def environment(port: int, certificate: Path, model: ModelServer, folder: Path) -> Mapping[str, str]:
    """What the bridges read, each its own part of it."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(folder),
        "PYTHONUNBUFFERED": "1",
        "MODEL_URL": model.url.partition("/v1")[0],
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


async def called(bridge: OtherBridge, url: str, certificate: Path, folder: Path) -> dict[str, Any]:
    """The report of one call by the command."""
    (folder / "question.ulaw").write_bytes(caller_speech("caller_question_hours").audio)
    first, how = ("wait_for_agent", "quiet_ms = 700") if bridge.greets else ("pause", "ms = 1000")
    (folder / "plan.toml").write_text(PLAN.format(first=first, how=how))
    finished = await commands.run(
        folder,
        *("simulate", "call", url, "--plan", "plan.toml", "--json", "--max-call", "60"),
        variables={"SSL_CERT_FILE": str(certificate)},
    )
    assert finished.stdout, finished.stderr
    report: dict[str, Any] = json.loads(finished.stdout)
    return report


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
