"""One connection to NATS: opened, its stream looked at or made, messages published and their acks awaited.

It is never mended: what breaks it ends it, and whoever held it opens another one. So nothing that was given
up is sent later out of a buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from callbridge.server.process.outbox import nats_words as words
from callbridge.server.process.outbox.nats_trust import prepared
from callbridge.server.process.outbox.nats_words import NatsFault
from callbridge.server.process.own_threads import AFTER_CALLS, in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from callbridge.records.outbox.subjects import Message, NatsReceiver
    from callbridge.server.config.nats import NatsServers

CONNECT_S: Final = 5.0
"""What a server may take to let us in, TLS and all."""

ACK_S: Final = 5.0
"""What it may take to say that it keeps a message: a stream without a leader finds one in a few seconds."""

CLOSE_S: Final = 1.0
"""Then the socket is dropped."""

PING_EVERY_S: Final = 10
"""A server that is gone without a word is noticed after two of these, if nothing is sent meanwhile."""

DUPLICATES_S: Final = 600.0
"""For so long a stream that we make drops what comes twice: longer than a claim of the outbox lasts."""

_NS: Final = 1_000_000_000
_NO_SUCH_STREAM: Final = 10059
_WRONG_LAST_ID: Final = 10070
"""JetStream's own codes, of https://github.com/nats-io/nats-server/blob/main/server/errors.json."""


class NatsConnection:
    """A connection that stands. Made by `nats_connection`.

    Args:
        client: the library's, connected.
        receiver: for whose stream.
        library_error: what the library raises.
    """

    def __init__(self, client: Client, receiver: NatsReceiver, library_error: type[Exception]) -> None:
        self._client, self._receiver, self._library_error = client, receiver, library_error
        self._asked: dict[str, asyncio.Future[Msg]] = {}
        self._numbers = itertools.count()
        self._inbox = client.new_inbox()
        self.broken = asyncio.Event()
        self.fault = NatsFault(words.broken(""))
        """Why it is broken, where it is."""
        self.bytes_max = int(client.max_payload)
        """How long a message may be, its headers included."""
        self.stream: Mapping[str, Any] = {}
        """The stream's configuration, as the server tells it; empty where we may not ask."""
        self.is_stream_missing = False

    async def begin(self, kept_s: float | None) -> None:
        """Asks for the stream, and makes it where it is missing.

        Args:
            kept_s: how long one that we make keeps what it is told; nothing where none is to be made.

        Raises:
            NatsFault: there is none to publish to.
        """
        await self._client.subscribe(f"{self._inbox}.*", cb=self._answered)
        try:
            found = await self._found_stream()
            if found is None and kept_s is None:
                self.is_stream_missing = True
                return
            self.stream = found if found is not None else await self._made_stream(kept_s or 0.0)
        except NatsFault as fault:
            if not fault.is_denied:
                raise
            # Who may only publish knows less of the stream, and need not know more.
        if fault_of_it := words.fault_of_stream(self.stream, self._receiver):
            raise NatsFault(fault_of_it)
        if (size_max := int(self.stream.get("max_msg_size", 0))) > 0:
            self.bytes_max = min(self.bytes_max, size_max)

    async def publish(self, message: Message) -> None:
        """Returns when the stream keeps it, or has kept it before.

        Raises:
            NatsFault: it does not, or does not say so in time.
        """
        answer = await self._request(message.subject, message.content, message.headers)
        if error := answer.get("error"):
            raise words.refusal_of(error, self._receiver)

    async def try_to_publish(self, message: Message) -> None:
        """Whether it could be published. It is not: it is said to follow a message that there never was.

        Raises:
            NatsFault: it could not.
        """
        headers = {**message.headers, "Nats-Expected-Last-Msg-Id": "callbridge check"}
        error = (await self._request(message.subject, b"", headers)).get("error", {})
        if error.get("err_code") != _WRONG_LAST_ID:
            raise words.refusal_of(error, self._receiver)

    def end(self) -> None:
        """Nothing more comes: whoever waits for an answer is told so."""
        self.fault = NatsFault(words.broken(words.in_words(self._client.last_error)))
        self.broken.set()
        self._fail(self.fault)

    def denied(self, said: str) -> None:
        """The user may not do something that was asked. Which of it, the server does not tell apart."""
        self._fail(words.denied(said))

    # --- Asking

    async def _found_stream(self) -> Mapping[str, Any] | None:
        answer = await self._request(f"$JS.API.STREAM.INFO.{self._receiver.stream}", b"")
        error = answer.get("error", {})
        if error.get("err_code") == _NO_SUCH_STREAM:
            return None
        if error:
            raise words.refusal_of(error, self._receiver)
        config: Mapping[str, Any] = answer["config"]
        return config

    async def _made_stream(self, kept_s: float) -> Mapping[str, Any]:
        wanted = json.dumps(made_stream(self._receiver, kept_s)).encode()
        try:
            answer = await self._request(f"$JS.API.STREAM.CREATE.{self._receiver.stream}", wanted)
        except NatsFault as fault:
            raise (NatsFault(words.no_stream(self._receiver)) if fault.is_denied else fault) from fault
        if error := answer.get("error"):
            raise NatsFault(words.not_made(self._receiver, error))
        config: Mapping[str, Any] = answer["config"]
        return config

    async def _request(
        self, subject: str, content: bytes, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        token = str(next(self._numbers))
        answer = self._asked[token] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ACK_S):
                reply = f"{self._inbox}.{token}"
                await self._client.publish(subject, content, reply, dict(headers) if headers else None)
                message = await answer
        except (TimeoutError, self._library_error) as error:
            if isinstance(error, TimeoutError):
                raise NatsFault(words.no_answer(ACK_S)) from None
            raise NatsFault(words.broken(words.in_words(error))) from error
        finally:
            del self._asked[token]
        if not message.data and (message.headers or {}).get("Status") == "503":
            raise NatsFault(words.nobody_listens(self._receiver))
        return words.decoded(message.data)

    async def _answered(self, message: Msg) -> None:
        answer = self._asked.get(message.subject.rpartition(".")[2])
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _fail(self, fault: NatsFault) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(fault)


def made_stream(receiver: NatsReceiver, kept_s: float) -> dict[str, Any]:
    """The stream that is made where there is none. One that is there is never changed."""
    return {
        "name": receiver.stream,
        "description": "What callbridge tells of calls",
        "subjects": [receiver.subjects],
        "retention": "limits",
        "discard": "old",
        "storage": "file",
        "num_replicas": 1,
        "max_age": int(kept_s) * _NS,
        "duplicate_window": int(min(DUPLICATES_S, kept_s)) * _NS,
    }


# --- Opening ------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def nats_connection(
    receiver: NatsReceiver, servers: NatsServers, *, makes_stream: bool = True
) -> AsyncIterator[NatsConnection]:
    """A connection to the first of the servers that lets us in, with a stream to publish to.

    Args:
        receiver: for whose stream.
        servers: how they are reached.
        makes_stream: whether it is made where it is missing.

    Raises:
        NatsFault: none does, or there is no such stream.
    """
    faults = dict[str, None]()
    for address in servers.addresses:
        try:
            opened = await _opened(address, receiver, servers)
        except NatsFault as fault:
            faults[str(fault)] = None
            continue
        break
    else:
        raise NatsFault("; ".join(faults))
    client, connection = opened
    try:
        await connection.begin(servers.kept_s if makes_stream else None)
        yield connection
    finally:
        await _close(client)


async def _opened(
    address: str, receiver: NatsReceiver, servers: NatsServers
) -> tuple[Client, NatsConnection]:
    from nats.aio.client import Client  # noqa: PLC0415 - an extra; that it is there was seen at the start
    from nats.errors import Error  # noqa: PLC0415 - as above

    tls, us = await in_thread(AFTER_CALLS, partial(prepared, servers), "files of NATS")
    client, told = Client(), _Told()
    try:
        async with asyncio.timeout(CONNECT_S):
            await client.connect(
                servers=[f"nats://{address}"],
                name="callbridge",
                tls=tls,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=int(CONNECT_S),
                ping_interval=PING_EVERY_S,
                error_cb=told.failed,
                closed_cb=told.closed,
                **us,
            )
        tls.check(must_encrypt=servers.must_encrypt)
    except (TimeoutError, OSError, ValueError, Error) as error:
        await _close(client)
        raise NatsFault(words.not_reached(words.in_words(told.error or error))) from error
    except BaseException:
        await _close(client)
        raise
    told.connection = connection = NatsConnection(client, receiver, Error)
    return client, connection


class _Told:
    """What the library tells of a connection, which it does before it has made one."""

    def __init__(self) -> None:
        self.connection: NatsConnection | None = None
        self.error: Exception | None = None

    async def failed(self, error: Exception) -> None:
        self.error = self.error or error
        if self.connection is not None and "permissions violation" in str(error).lower():
            self.connection.denied(words.in_words(error))

    async def closed(self) -> None:
        if self.connection is not None:
            self.connection.end()


async def _close(client: Client) -> None:
    """Ends a connection, whatever its peer does."""
    with contextlib.suppress(Exception):  # What cannot be said to it any more is dropped with its socket.
        async with asyncio.timeout(CLOSE_S):
            await client.close()
    # A peer that reads nothing is not waited for; the library has no word for that.
    writer = getattr(getattr(client, "_transport", None), "_io_writer", None)
    if writer is not None:
        writer.transport.abort()
