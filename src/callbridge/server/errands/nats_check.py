"""Asks NATS what it would do with what calls have to tell. Nothing is made there, and nothing kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callbridge.records.outbox.body import body_of
from callbridge.records.outbox.sample import sample_event
from callbridge.records.outbox.subjects import MessageTooLarge
from callbridge.server.config.findings import ok, warning
from callbridge.server.config.nats import nats_servers, read_nats
from callbridge.server.config.webhooks import WebhooksError
from callbridge.server.process.outbox.nats_connection import nats_connection
from callbridge.server.process.outbox.nats_sending import LEASE_S, PASS_S
from callbridge.server.process.outbox.nats_words import NatsFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from callbridge.records.outbox.events import Event
    from callbridge.records.outbox.subjects import NatsReceiver
    from callbridge.server.config.findings import Finding
    from callbridge.server.config.nats import NatsServers
    from callbridge.server.config.settings import Settings

_NS: Final = 1_000_000_000

DUPLICATES_MIN_S: Final = LEASE_S + PASS_S
"""What a process that died had sent is sent again within so long."""

BYTES_MIN: Final = 64 * 1024
"""A call of some minutes has as much to tell."""


async def ask_nats(settings: Settings) -> list[Finding]:
    """What there is to say of the servers and of the stream; nothing where NATS is told nothing."""
    try:
        receiver = read_nats(settings)
    except WebhooksError:
        return []  # The rehearsal of the start says it.
    if receiver is None:
        return []
    servers = nats_servers(settings)
    try:
        async with nats_connection(receiver, servers, makes_stream=False) as connection:
            if connection.is_stream_missing:
                return [ok(f"NATS at {servers.name} has no stream {receiver.stream} yet: the start makes it")]
            await connection.try_to_publish(receiver.message(_SAMPLE, body_of(_SAMPLE), connection.bytes_max))
            stream, bytes_max = connection.stream, connection.bytes_max
    except (NatsFault, MessageTooLarge) as fault:
        return [
            warning(
                f"NATS at {servers.name} is told nothing: {fault}",
                "Calls are taken all the same, and what they have to tell waits in the outbox.",
            )
        ]
    found = ok(f"NATS at {servers.name} takes {receiver.subjects} into the stream {receiver.stream}")
    return [found, *_of_size(bytes_max), *_of_stream(receiver, stream)]


_SAMPLE: Final = sample_event(0.0)


def _of_size(bytes_max: int) -> Iterator[Finding]:
    if bytes_max < BYTES_MIN:
        yield warning(
            f"NATS takes messages of {bytes_max} bytes: of longer calls parts are left out",
            "Raise max_payload of the server, or max_msg_size of the stream.",
        )


def _of_stream(receiver: NatsReceiver, stream: Mapping[str, Any]) -> Iterator[Finding]:
    """What of its configuration is worth a thought."""
    if not stream:
        yield ok(f"the user may not ask for the stream {receiver.stream}: how it keeps messages is not known")
        return
    duplicates_s = stream.get("duplicate_window", 0) / _NS
    if duplicates_s < DUPLICATES_MIN_S:
        yield warning(
            f"the stream {receiver.stream} knows for {duplicates_s:g} s what comes twice",
            f"A crash has some sent again within {DUPLICATES_MIN_S:g} s: set its duplicate_window to 2m.",
        )
    if stream.get("retention", "limits") != "limits":
        yield warning(
            f"the stream {receiver.stream} drops what its consumers have had ({stream['retention']})",
            "Fine for a queue of work; where consumers come later, use the retention limits.",
        )
    if stream.get("storage") == "memory":
        yield warning(
            f"the stream {receiver.stream} is kept in memory: a restart of the server empties it",
            "Use file storage.",
        )


async def told_nats(receiver: NatsReceiver, servers: NatsServers, event: Event) -> str:
    """Tells it of one event; why it was not kept, or nothing."""
    try:
        async with nats_connection(receiver, servers) as connection:
            await connection.publish(receiver.message(event, body_of(event), connection.bytes_max))
    except (NatsFault, MessageTooLarge) as fault:
        return str(fault)
    return ""
