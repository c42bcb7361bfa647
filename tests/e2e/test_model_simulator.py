"""The simulated voice model over real sockets: handshake, talk, faults, many at once, and its end."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from callbridge.simulators.voice_model import (
    Answer,
    ConnectFault,
    Fault,
    HandshakeRefusal,
    Journal,
    ModelServer,
    Note,
    Script,
    SessionSettings,
    serve_model,
    tone,
)
from model_driver import Event, answers, scripted, telephone

BOUND_S = 60
"""No test here takes a tenth of it, unless it hangs."""


@asynccontextmanager
async def served(script: Script, **options: Any) -> AsyncIterator[ModelServer]:
    """A server, within the bound on each test."""
    async with asyncio.timeout(BOUND_S), serve_model(script, **options) as server:
        yield server


def client(server: ModelServer, **headers: str) -> connect:
    """A client that is let in unless its headers say otherwise."""
    wanted = {"Authorization": "Bearer sk-test"} | headers
    return connect(f"{server.url}?model=gpt-realtime-2.1", additional_headers=wanted, compression=None)


async def send(socket: ClientConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def until(socket: ClientConnection, kind: str) -> list[Event]:
    events: list[Event] = []
    while not events or events[-1]["type"] != kind:
        events.append(json.loads(await socket.recv()))
    return events


class Ending:
    """The end of a session, to be waited for; the bound of the test is the bound of the wait."""

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    def __call__(self, _journal: Journal, note: Note) -> None:
        if note.kind == "ended":
            self._ended.set()

    async def wait(self) -> None:
        await self._ended.wait()


# --- Handshake --------------------------------------------------------------------------------


async def test_the_published_client_can_talk_to_it() -> None:
    async with served(answers("Good morning.", pace=50.0), keys={"sk-right"}) as server:
        base = server.url.removesuffix("/realtime")
        api = AsyncOpenAI(api_key="sk-right", websocket_base_url=base)
        async with api.realtime.connect(model="gpt-realtime-2.1") as connection:
            await connection.session.update(session=telephone())  # type: ignore[arg-type]  # a plain dict
            await connection.response.create()
            audio = b""
            seen = []
            async for event in connection:
                seen.append(event.type)
                if event.type == "response.output_audio.delta":
                    audio += base64.b64decode(event.delta)
                if event.type == "response.done":
                    break
        await api.close()
    assert seen[:3] == ["session.created", "session.updated", "response.created"]
    assert audio == tone("Good morning.")


@pytest.mark.parametrize(
    ("headers", "target", "code", "close"),
    [
        ({"Authorization": ""}, "gpt-realtime-2.1", None, (3000, "invalid_request_error")),
        (
            {"Authorization": "Bearer sk-wrong"},
            "gpt-realtime-2.1",
            "invalid_api_key",
            (3000, "invalid_request_error.invalid_api_key"),
        ),
        ({}, "gpt-of-2031", "invalid_model", (4000, "invalid_request_error.invalid_model")),
    ],
    ids=["no key", "wrong key", "unknown model"],
)
async def test_a_wrong_client_is_let_in_told_and_shown_out(
    headers: dict[str, str], target: str, code: str | None, close: tuple[int, str]
) -> None:
    """The API itself has no HTTP errors at the handshake."""
    wanted = {"Authorization": "Bearer sk-test"} | headers
    async with (
        served(answers("Hi."), keys={"sk-test"}) as server,
        connect(f"{server.url}?model={target}", additional_headers=wanted) as socket,
    ):
        (event,) = await until(socket, "error")
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert (event["error"]["type"], event["error"]["code"]) == ("invalid_request_error", code)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == close


async def test_it_is_served_over_tls_on_request() -> None:
    """Some clients dial nothing else."""
    certificate = Path(__file__).parents[1] / "loopback.pem"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate)
    async with served(answers("Hi."), tls=tls) as server:
        assert server.url.startswith("wss://127.0.0.1:")
        headers = {"Authorization": "Bearer sk-test"}
        async with connect(
            f"{server.url}?model=gpt-realtime-2.1", additional_headers=headers, ssl=trusting
        ) as on:
            (created,) = await until(on, "session.created")
    assert created["session"]["model"] == "gpt-realtime-2.1"


async def test_when_audio_went_out_is_kept_with_the_callers() -> None:
    async with (
        served(answers("Good morning.", pace=50.0), settings=SessionSettings(keep_audio=True)) as server,
        client(server) as socket,
    ):
        await send(socket, "session.update", session=telephone())
        await send(socket, "response.create")
        await until(socket, "response.done")
    (times,) = server.sessions[0].delta_times.values()
    assert times[-1].bytes_in_all == len(tone("Good morning."))
    assert [passed.at for passed in times] == sorted(passed.at for passed in times)


@pytest.mark.parametrize("offers", [True, False])
async def test_compression_is_agreed_with_who_offers_it(offers: bool) -> None:
    async with served(answers("Hi.")) as server:
        compression = "deflate" if offers else None
        async with connect(
            f"{server.url}?intent=transcription",
            additional_headers={"Authorization": "Bearer sk-test"},
            compression=compression,
        ) as socket:
            (created,) = await until(socket, "session.created")
            assert socket.response is not None
            agreed = socket.response.headers.get("Sec-WebSocket-Extensions", "")
    assert ("permessage-deflate" in agreed) is offers
    assert created["session"]["type"] == "transcription"


async def test_a_wrong_handshake_is_refused_with_a_body_by_a_gateway() -> None:
    told: list[HandshakeRefusal] = []
    async with served(answers("Hi."), keys={"sk-test"}, refuse_by="http", on_refusal=told.append) as server:
        with pytest.raises(InvalidStatus) as caught:
            async with client(server, Authorization="Bearer sk-wrong"):
                pass
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.body or b"")["error"]["code"] == "invalid_api_key"
    assert server.sessions == []
    assert [found.code for found in server.refused] == ["invalid_api_key"]
    assert told == server.refused


async def test_a_server_stops_while_a_handshake_hangs() -> None:
    """It waits for nobody; the client is told that there is no service."""
    hanging = Script(connect=(ConnectFault(kind="hang"),))
    async with asyncio.TaskGroup() as tasks, served(hanging) as server:
        waiting = tasks.create_task(_refused(client(server)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.shield(waiting)
    assert waiting.result() == 503


async def _refused(connecting: connect) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with connecting:
            pass
    return caught.value.response.status_code


# --- Faults -----------------------------------------------------------------------------------


async def written(socket: ClientConnection, audio: str, most: int, blocks_s: float) -> int:
    """How many appends could be written before a write blocked for so long."""
    count = 0
    try:
        while count < most:
            async with asyncio.timeout(blocks_s):
                await send(socket, "input_audio_buffer.append", audio=audio)
            count += 1
    except TimeoutError:
        pass
    return count


async def test_a_silent_server_can_still_be_left() -> None:
    ending = Ending()
    async with served(Script(connect=(ConnectFault(kind="silent"),)), on_event=ending) as server:
        async with client(server) as socket:
            await send(socket, "response.create")
            await (await socket.ping())
        await ending.wait()
    assert server.sessions[0].ended == "client closed with 1000"


async def test_a_deaf_server_stops_reading() -> None:
    script = scripted(Answer(say=("Hi.",), faults=(Fault(kind="deaf"),)))
    async with served(script) as server, client(server) as socket:
        await send(socket, "response.create")
        await until(socket, "response.created")
        junk = base64.b64encode(bytes(1_000_000)).decode()
        # What loopback buffers on both sides is a few megabytes.
        sent = await written(socket, junk, most=100, blocks_s=0.3)
        socket.transport.abort()
    assert sent < 100


async def test_a_half_open_connection_takes_everything_and_answers_nothing() -> None:
    """A ping and a close frame too, and more than any buffer holds."""
    half_open = Fault(kind="stall", on="response.create", pongs=False)
    ending = Ending()
    async with served(Script(faults=(half_open,)), on_event=ending) as server:
        socket = await client(server)
        await until(socket, "session.created")
        await (await socket.ping())
        await send(socket, "response.create")
        junk = base64.b64encode(bytes(1_000_000)).decode()
        assert await written(socket, junk, most=40, blocks_s=BOUND_S) == 40
        pong = await socket.ping()
        leaving = asyncio.create_task(socket.close())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.gather(leaving, pong)
        socket.transport.abort()
        await ending.wait()
    assert server.sessions[0].ended == "client vanished"


async def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    ending = Ending()
    async with served(answers("x" * 1000, pace=1.0), on_event=ending) as server:
        async with client(server) as socket:
            await send(socket, "response.create")
            await until(socket, "response.output_audio.delta")
            socket.transport.abort()
            await ending.wait()
        async with client(server) as socket:
            await until(socket, "session.created")
    assert server.sessions[0].ended == "client vanished"


async def test_too_long_an_append_is_answered_and_not_cut_off() -> None:
    async with served(answers("Hi.")) as server, client(server) as socket:
        await send(socket, "input_audio_buffer.append", audio="A" * (15 * 1024 * 1024 + 4))
        events = await until(socket, "error")
        assert events[-1]["error"]["code"] == "string_above_max_length"
        await send(socket, "session.update", session={"type": "realtime"})
        await until(socket, "session.updated")


# --- The end ----------------------------------------------------------------------------------


async def test_stopping_the_server_closes_its_sessions() -> None:
    before = asyncio.all_tasks()
    async with served(answers("x" * 1000, pace=1.0)) as server:
        socket = await client(server)
        await send(socket, "response.create")
        await until(socket, "response.output_audio.delta")
    with pytest.raises(ConnectionClosed) as caught:
        await until(socket, "response.done")
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001
    assert server.sessions[0].ended == "server stopped"
    await socket.wait_closed()
    assert asyncio.all_tasks() <= before
