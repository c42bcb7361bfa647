"""The simulated voice model over real sockets: handshake, talk, faults, many at once, and its end."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from callbridge.simulators.voice_model import (
    Answer,
    ConnectFault,
    Fault,
    HandshakeRefusal,
    Journal,
    ModelServer,
    Note,
    Say,
    Script,
    SessionSettings,
    serve_model,
    tone,
)
from model_driver import Event, answers, kinds, loud, quiet, scripted, telephone

BOUND_S = 60
"""No test here takes a tenth of it, unless it hangs."""


@asynccontextmanager
async def served(script: Script, **options: Any) -> AsyncIterator[ModelServer]:
    """A server, within the bound on each test."""
    async with asyncio.timeout(BOUND_S), serve_model(script, **options) as server:
        yield server


def client(server: ModelServer, model: str = "gpt-realtime-2.1", **headers: str) -> connect:
    """A client that is let in unless its headers say otherwise."""
    wanted = {"Authorization": "Bearer sk-test"} | headers
    return connect(f"{server.url}?model={model}", additional_headers=wanted, compression=None)


async def send(socket: ClientConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def until(socket: ClientConnection, kind: str) -> list[Event]:
    events: list[Event] = []
    while not events or events[-1]["type"] != kind:
        events.append(json.loads(await socket.recv()))
    return events


class Endings:
    """Sessions that have ended, to be waited for; the bound of the test is the bound of the wait."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []
        self._ended = asyncio.Semaphore(0)

    def __call__(self, journal: Journal, note: Note) -> None:
        self.notes.append((journal.session_id, note.kind))
        if note.kind == "ended":
            self._ended.release()

    async def wait(self, count: int = 1) -> None:
        for _ in range(count):
            await self._ended.acquire()


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
    ("headers", "model", "status", "code"),
    [
        ({"Authorization": "Bearer sk-wrong"}, "gpt-realtime-2.1", 401, "invalid_api_key"),
        ({"Authorization": "Basic abc"}, "gpt-realtime-2.1", 401, None),
        ({"OpenAI-Beta": "realtime=v1"}, "gpt-realtime-2.1", 400, "beta_api_shape_disabled"),
        ({}, "gpt-nope", 404, "model_not_found"),
    ],
)
async def test_a_wrong_handshake_is_refused_with_a_body(
    headers: dict[str, str], model: str, status: int, code: str | None
) -> None:
    told: list[HandshakeRefusal] = []
    async with served(answers("Hi."), keys={"sk-test"}, on_refusal=told.append) as server:
        with pytest.raises(InvalidStatus) as caught:
            async with client(server, model, **headers):
                pass
    response = caught.value.response
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.body or b"")["error"]["code"] == code
    assert server.sessions == []
    assert [found.code for found in server.refused] == [code]
    assert told == server.refused


async def test_a_wrong_key_may_be_refused_on_the_socket() -> None:
    """As the live API does: accepted, an `error` event, close 3000 with a telling reason."""
    async with (
        served(answers("Hi."), keys={"sk-test"}, refuse_by="socket") as server,
        client(server, Authorization="Bearer sk-wrong") as socket,
    ):
        (event,) = await until(socket, "error")
        with pytest.raises(ConnectionClosedError) as caught:
            await socket.recv()
    assert event["error"]["code"] == "invalid_api_key"
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 3000
    assert caught.value.rcvd.reason == "invalid_request_error.invalid_api_key"


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_a_script_may_refuse_the_first_connection_and_take_the_second(status: Any) -> None:
    script = Script(connect=(ConnectFault(kind="refuse", status=status, nth=1),))
    async with served(script) as server:
        with pytest.raises(InvalidStatus) as caught:
            async with client(server):
                pass
        async with client(server) as socket:
            await until(socket, "session.created")
    assert caught.value.response.status_code == status
    assert len(server.sessions) == len(server.refused) == 1


async def test_a_refusal_may_say_when_to_try_again() -> None:
    """`Retry-After`, and the error of an account without credit."""
    fault = ConnectFault(kind="refuse", status=429, error_code="insufficient_quota", retry_after_s=1.5)
    async with served(Script(connect=(fault,))) as server:
        with pytest.raises(InvalidStatus) as caught:
            async with client(server):
                pass
    assert caught.value.response.headers["Retry-After"] == "1.5"
    error = json.loads(caught.value.response.body or b"")["error"]
    assert (error["code"], error["type"]) == ("insufficient_quota", "insufficient_quota")


async def test_a_handshake_may_hang() -> None:
    async with served(Script(connect=(ConnectFault(kind="hang", last=1),))) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), client(server):
                pass
        async with client(server) as socket:
            await until(socket, "session.created")
    assert len(server.sessions) == 1
    assert server.refused == []


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


async def test_an_outage_ends_by_the_clock_and_answers_go_on() -> None:
    script = scripted(
        Answer(say=("One.",), faults=(Fault(kind="abort", at=100, connection=1),)),
        Answer(say=("Two.",)),
        connect=(ConnectFault(kind="silent", first=2, until_s=1.0),),
        answers_go_on=True,
        pace=50.0,
        after_ms=0,
    )
    async with served(script) as server:
        async with client(server) as socket:
            await send(socket, "response.create")
            with pytest.raises(ConnectionClosedError):
                await until(socket, "response.done")
        async with client(server) as socket:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.2):
                    await socket.recv()
        async with client(server) as socket:
            await send(socket, "response.create")
            events = await until(socket, "response.done")
    said = [e["transcript"] for e in events if e["type"] == "response.output_audio_transcript.done"]
    assert said == ["Two."]
    assert [journal.memory for journal in server.sessions[1:]] == [[], ["assistant: Two."]]


# --- Talk -------------------------------------------------------------------------------------


async def test_a_turn_is_heard_interrupted_and_journalled() -> None:
    script = answers("x" * 300, "Yes.", pace=20.0, after_ms=0)
    endings = Endings()
    settings = SessionSettings(keep_audio=True, seed=3)
    async with served(script, settings=settings, on_event=endings) as server:
        async with client(server) as socket:
            await send(socket, "session.update", session=telephone())
            await until(socket, "session.updated")
            await send(socket, "response.create")
            await until(socket, "response.output_audio.delta")
            said = quiet(400) + loud(600) + quiet(520)
            for start in range(0, len(said), 160):
                frame = base64.b64encode(said[start : start + 160]).decode()
                await send(socket, "input_audio_buffer.append", audio=frame)
            cut = await until(socket, "response.done")
            rest = await until(socket, "response.done")
        await endings.wait()
    (journal,) = server.sessions
    assert cut[-1]["response"]["status_details"]["reason"] == "turn_detected"
    assert "input_audio_buffer.speech_started" in kinds(cut)
    assert rest[-1]["response"]["status"] == "completed"
    assert bytes(journal.appended or b"") == said
    assert journal.refusals == []
    assert journal.ended == "client closed with 1000"
    assert [response.status for response in journal.responses] == ["cancelled", "completed"]
    assert endings.notes == [(journal.session_id, note.kind) for note in journal.notes]
    assert (journal.notes[0].kind, journal.notes[-1].kind) == ("connected", "ended")


async def test_audio_comes_faster_than_real_time_and_not_at_once() -> None:
    speech = tone("x" * 34)
    script = scripted(Answer(say=(Say(text="x", audio=speech),), pace=20.0))
    async with served(script) as server, client(server) as socket:
        await send(socket, "response.create")
        await until(socket, "response.content_part.added")
        clock = asyncio.get_running_loop().time
        began = clock()
        await until(socket, "response.output_audio.done")
        took = clock() - began
    assert 0.05 <= took < 2.0


# --- Faults -----------------------------------------------------------------------------------


async def written(socket: ClientConnection, audio: str, most: int) -> int:
    """How many appends could be written before a write blocked for as long as none should."""
    count = 0
    try:
        while count < most:
            async with asyncio.timeout(0.3):
                await send(socket, "input_audio_buffer.append", audio=audio)
            count += 1
    except TimeoutError:
        pass
    return count


async def outcome(fault: Fault) -> ConnectionClosed:
    """How the connection of a client ends when the first answer has this fault."""
    script = scripted(Answer(say=("x" * 100,), pace=50.0, faults=(fault,)))
    async with served(script) as server, client(server) as socket:
        await send(socket, "response.create")
        with pytest.raises(ConnectionClosed) as caught:
            await until(socket, "response.done")
    return caught.value


@pytest.mark.parametrize("code", [1000, 1011, 1006])
async def test_the_server_closes_with_the_code_of_the_script(code: int) -> None:
    """1006 is no code that is sent: TCP is cut, and the client sees no close frame."""
    received = (await outcome(Fault(kind="close", code=code, reason="why", at=500))).rcvd
    assert (received and (received.code, received.reason)) == (None if code == 1006 else (code, "why"))


async def test_a_silent_server_can_still_be_left() -> None:
    endings = Endings()
    async with served(Script(connect=(ConnectFault(kind="silent"),)), on_event=endings) as server:
        async with client(server) as socket:
            await send(socket, "response.create")
            await (await socket.ping())
        await endings.wait()
    assert server.sessions[0].ended == "client closed with 1000"


async def test_a_deaf_server_stops_reading() -> None:
    script = scripted(Answer(say=("Hi.",), faults=(Fault(kind="deaf"),)))
    async with served(script) as server, client(server) as socket:
        await send(socket, "response.create")
        await until(socket, "response.created")
        junk = base64.b64encode(bytes(1_000_000)).decode()
        # What loopback buffers on both sides is a few megabytes.
        sent = await written(socket, junk, most=100)
        socket.transport.abort()
    assert sent < 100


async def test_garbage_and_binary_frames_arrive_as_such() -> None:
    faults = (Fault(kind="garbage", at=100), Fault(kind="binary", at=200))
    script = scripted(Answer(say=("x" * 30,), pace=50.0, faults=faults))
    texts: list[str] = []
    binaries: list[bytes] = []
    async with served(script) as server, client(server) as socket:
        await send(socket, "response.create")
        async for message in socket:
            if isinstance(message, bytes):
                binaries.append(message)
                continue
            texts.append(message)
            if '"response.done"' in message:
                break
    assert '{"type": "response.output_au' in texts
    assert len(binaries) == 1


async def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    endings = Endings()
    async with served(answers("x" * 1000, pace=1.0), on_event=endings) as server:
        async with client(server) as socket:
            await send(socket, "response.create")
            await until(socket, "response.output_audio.delta")
            socket.transport.abort()
            await endings.wait()
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
