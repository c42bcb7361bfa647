"""A server that is a program of this machine: started, spoken with line by line, and ended.

The library's own transport keeps a line of any length, and nothing of what a program says when it fails.

Specification: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse, jsonrpc_message_adapter

from callbridge.agents.mcp.bounds import MESSAGE_BYTES_MAX, Volume
from callbridge.agents.mcp.legible import legible

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.client._transport import TransportStreams

    from callbridge.agents.mcp.servers import Command

    Stream = TypeVar("Stream", asyncio.StreamReader, asyncio.StreamWriter)

LEAVES_WITHIN_S: Final = 2.0
"""For it to end by itself, and once more when it was told to."""

LAST_WORDS_MAX: Final = 4096
"""Characters of what it has printed last."""

_CHUNK_BYTES: Final = 64 * 1024
_PAUSE_S: Final = 0.01
"""Between two chunks of what nobody needs: a program that prints without end shall not keep calls waiting."""


class OverStdio:
    """The way to one life of the program.

    Args:
        command: the program.
        ended: told why nothing more is read, where the reason is ours.
    """

    def __init__(self, command: Command, ended: Callable[[str], None]) -> None:
        self._command, self._ended = command, ended
        self.last_words = ""
        """What it has printed last on its standard error."""
        self._has_said_all = asyncio.Event()

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[TransportStreams]:
        """The program, running.

        Raises:
            OSError: it cannot be started.
        """
        process = await self._started()
        read_in, read_out = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write_in, write_out = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, _there(process.stdout), read_in)
            tasks.start_soon(_write, write_out, _there(process.stdin))
            tasks.start_soon(self._listen, _there(process.stderr))
            try:
                yield read_out, write_in
            finally:
                with anyio.CancelScope(shield=True):
                    for stream in (read_out, write_in, write_out, read_in):
                        stream.close()
                    await _end(process)
                    with anyio.move_on_after(LEAVES_WITHIN_S):  # Who was given the pipe may hold it open.
                        await self._has_said_all.wait()
                tasks.cancel_scope.cancel()

    async def _started(self) -> asyncio.subprocess.Process:
        command = self._command
        own = {name: value.get_secret_value() for name, value in command.environment}
        return await asyncio.create_subprocess_exec(
            command.program,
            *command.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=get_default_environment() | own,
            cwd=command.folder,
            start_new_session=True,  # What it starts ends with it.
            limit=MESSAGE_BYTES_MAX,
        )

    async def _read(
        self,
        stdout: asyncio.StreamReader,
        messages: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        """Message by message; when nobody reads them any more, what comes is thrown away.

        A program that writes into a full pipe does not end.
        """
        volume = Volume(self._ended)
        try:
            async with messages:
                while (line := await stdout.readline()) and not volume.is_too_much(len(line)):
                    # Also what is none: so it counts, and others get their turn.
                    await messages.send(message_in(line))
        except ValueError:
            self._ended(f"it has sent a message of more than {MESSAGE_BYTES_MAX} bytes")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # Nobody reads them any more.
        await _chunks(stdout, lambda _: None)

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        def keep(said: bytes) -> None:
            self.last_words = (self.last_words + said.decode("utf-8", "replace"))[-LAST_WORDS_MAX:]

        await _chunks(stderr, keep)
        self._has_said_all.set()


async def _chunks(stream: asyncio.StreamReader, take: Callable[[bytes], None]) -> None:
    """Takes what comes to its end, no faster than anybody needs it."""
    while chunk := await stream.read(_CHUNK_BYTES):
        take(chunk)
        await asyncio.sleep(_PAUSE_S)


def _there(stream: Stream | None) -> Stream:
    assert stream is not None, "it was started with pipes"
    return stream


def message_in(line: bytes) -> SessionMessage | Exception:
    """The message that a line is; where it is none, why not."""
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:  # Some print a greeting where only messages belong.
        return _list_in(legible(line)) or error


def _list_in(line: bytes) -> SessionMessage | None:
    """A list that can be read now, without what was illegible in it."""
    with contextlib.suppress(ValueError):
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        if isinstance(message, JSONRPCResponse) and "tools" in message.result:
            return SessionMessage(message)
    return None


async def _write(messages: MemoryObjectReceiveStream[SessionMessage], stdin: asyncio.StreamWriter) -> None:
    try:
        async for message in messages:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            stdin.write(text.encode() + b"\n")
            await stdin.drain()  # One that does not read makes its callers wait, each within its time.
    except (OSError, anyio.ClosedResourceError):
        return  # The program is gone: what it has sent before is still read, to its end.


async def _end(process: asyncio.subprocess.Process) -> None:
    """Its input is closed; then it is told to end, and then it is ended, with all that it has started."""
    _there(process.stdin).close()
    for last in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVES_WITHIN_S):
                await process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, last)  # Also where it has ended: what it has started may not have.
    await process.wait()
