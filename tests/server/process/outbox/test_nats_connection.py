"""What NATS refuses, in words that say what to do: asked of real servers that do refuse it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.records.outbox.body import body_of
from callbridge.records.outbox.sample import sample_event
from callbridge.records.outbox.subjects import NatsReceiver
from callbridge.server.config.findings import Level
from callbridge.server.config.nats import NatsServers
from callbridge.server.errands.nats_check import ask_nats
from callbridge.server.process.outbox import nats_connection as connecting
from callbridge.server.process.outbox.nats_connection import nats_connection
from callbridge.server.process.outbox.nats_words import NatsFault
from desks import made_settings
from leftovers import leaves_nothing
from nats_keys import keyed_server
from nats_server import JETSTREAM, NatsServer, nats_server
from nats_streams import kept_in
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.outbox.events import Event
    from callbridge.server.config.findings import Finding

pytest.importorskip("nats")

EVENT = sample_event(1e9)

ADMIN = {"user": "admin", "password": "p@ss/word"}

USERS = (
    JETSTREAM
    + """
authorization {{
  users = [
    {{ user: admin, password: "p@ss/word" }}
    {{ user: teller, password: secret, permissions: {{
      publish: ["callbridge.>"], subscribe: ["_INBOX.>"] }} }}
    {{ user: asker, password: secret, permissions: {{
      publish: ["callbridge.>", "$JS.API.STREAM.INFO.*"], subscribe: ["_INBOX.>"] }} }}
    {{ user: reader, password: secret, permissions: {{
      publish: ["$JS.API.STREAM.INFO.*"], subscribe: ["_INBOX.>"] }} }}
  ]
}}
"""
)


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server(USERS) as made:
        yield made


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "ACK_S", 1.0)
    monkeypatch.setattr(connecting, "CONNECT_S", 1.0)


def receiver(stream: str = "callbridge", subject: str = "callbridge") -> NatsReceiver:
    return NatsReceiver(subject=subject, stream=stream, events=frozenset({"call.completed"}))


def servers(port: int, user: str = "", password: str = "", **more: Any) -> NatsServers:
    return NatsServers(addresses=(f"127.0.0.1:{port}",), user=user, password=password, **more)


async def told(to: NatsReceiver, servers: NatsServers, event: Event = EVENT) -> str:
    """Why an event was not kept; nothing where it was."""
    async with leaves_nothing():
        try:
            async with nats_connection(to, servers) as connection:
                await connection.publish(to.message(event, body_of(event), connection.bytes_max))
        except NatsFault as fault:
            return str(fault)
    return ""


async def test_who_may_what(server: NatsServer) -> None:
    """A user who may publish and nothing else is enough, once the stream is there."""
    port = server.port
    # Its word of why may be lost with the connection.
    assert "look at the user in NATS_URL" in await told(receiver(), servers(port))
    assert "look at the user in NATS_URL" in await told(receiver(), servers(port, "admin", "wrong"))
    no_stream = await told(receiver(), servers(port, "asker", "secret"))
    assert "there is no stream callbridge" in no_stream
    assert "$JS.API.STREAM.CREATE.callbridge" in no_stream
    assert "no stream keeps callbridge.>" in await told(receiver(), servers(port, "teller", "secret"))
    assert await told(receiver(), servers(port, **ADMIN)) == ""
    assert await told(receiver(), servers(port, "asker", "secret")) == ""
    assert await told(receiver(), servers(port, "teller", "secret")) == ""
    denied = await told(receiver(), servers(port, "reader", "secret"))
    assert "this user may not do that" in denied
    assert 'publish to "callbridge.call.completed' in denied  # The library makes it small.
    assert len(await kept_in(server.url, "callbridge", **ADMIN)) == 1


async def test_a_stream_that_is_another_one_is_told_nothing(server: NatsServer) -> None:
    admin = servers(server.port, **ADMIN)
    assert await told(receiver("eu", "eu"), admin) == ""
    assert "does not keep other.>" in await told(receiver("eu", "other"), admin)
    taken = await told(receiver("us", "eu"), admin)
    assert "could not be made" in taken
    assert "overlap" in taken


@pytest.mark.heavy
async def test_a_stream_that_takes_nothing_says_why(server: NatsServer) -> None:
    """Of our own making it would be another one."""
    admin = servers(server.port, **ADMIN)
    await make_stream(server, "silent", no_ack=True)
    assert "acknowledges nothing (no_ack)" in await told(receiver("silent", "silent"), admin)
    await make_stream(server, "full", max_msgs=1, discard="new")
    assert await told(receiver("full", "full"), admin) == ""
    assert "is full (maximum messages exceeded)" in await told(
        receiver("full", "full"), admin, sample_event(2e9)
    )
    await make_stream(server, "narrow", max_msg_size=2200, duplicate_window=1.0)
    assert await told(receiver("narrow", "narrow"), admin) == ""
    (narrow,) = await kept_in(server.url, "narrow", **ADMIN)
    assert narrow.data["left_out"]


async def make_stream(server: NatsServer, name: str, **config: Any) -> None:
    import nats  # noqa: PLC0415 - an extra

    client = await nats.connect(server.url, allow_reconnect=False, **ADMIN)
    await client.jetstream().add_stream(name=name, subjects=[f"{name}.>"], **config)
    await client.close()


@pytest.mark.heavy
async def test_servers_are_asked_one_after_the_other(server: NatsServer) -> None:
    """Of a cluster one may be away."""
    admin = servers(server.port, **ADMIN)
    away = f"127.0.0.1:{free_port()}"
    cluster = NatsServers(addresses=(away, *admin.addresses), user=admin.user, password=admin.password)
    assert await told(receiver("both", "both"), cluster) == ""
    assert "it cannot be reached" in await told(receiver(), NatsServers(addresses=(away,)))


async def test_a_server_without_jetstream_is_named() -> None:
    with nats_server("") as server:
        assert "JetStream is off there" in await told(receiver(), servers(server.port))


@pytest.mark.heavy
async def test_a_peer_that_says_nothing_is_not_waited_for() -> None:
    """Nor one that hangs while it is closed."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        assert "no answer in time" in await told(receiver(), servers(port))


@pytest.mark.heavy
async def test_a_user_may_have_keys(tmp_path: Path) -> None:
    """In a file: the key itself goes nowhere, a signature does."""
    pytest.importorskip("nkeys")
    configuration, credentials = keyed_server(tmp_path)
    with nats_server(JETSTREAM + configuration) as server:
        assert await told(receiver(), servers(server.port, credentials=credentials)) == ""
        assert "look at the user in NATS_URL" in await told(receiver(), servers(server.port))
        credentials.write_text("nothing of the kind")
        assert "nothing of the kind" not in await told(
            receiver(), servers(server.port, credentials=credentials)
        )


# --- TLS ----------------------------------------------------------------------------------------------

LOOPBACK = Path(__file__).parents[3] / "loopback.pem"
TLS = JETSTREAM + f'\ntls {{{{ cert_file: "{LOOPBACK}", key_file: "{LOOPBACK}" }}}}'


@pytest.mark.heavy
async def test_what_is_encrypted_is_trusted_first() -> None:
    """Only by an authority that is; and a server without TLS is told nothing, not even the password."""
    with nats_server(TLS) as server:
        address = (f"localhost:{server.port}",)
        trusted = NatsServers(addresses=address, authorities=LOOPBACK, must_encrypt=True)
        assert await told(receiver(), trusted) == ""
        assert "certificate" in (await told(receiver(), NatsServers(addresses=address))).lower()
    heard = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","max_payload":1024,"auth_required":true}\r\n')
        heard.extend(await reader.read())
        writer.close()

    listener = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        said = await told(receiver(), servers(port, "admin", "secret", must_encrypt=True))
    assert "does not ask for TLS" in said
    assert b"secret" not in heard


# --- What `callbridge check` says ---------------------------------------------------------------------


async def checked(url: str, folder: Path, **more: str) -> list[Finding]:
    given = {"NATS_URL": url, "CALLBRIDGE_STATE_PATH": str(folder / "state.db"), **more}
    return await ask_nats(made_settings(given))


@pytest.mark.heavy
async def test_check_says_whether_it_would_be_told(server: NatsServer, tmp_path: Path) -> None:
    """And makes nothing, and keeps nothing."""
    url = server.url.replace("//", "//admin:p%40ss%2Fword@")
    given = {"CALLBRIDGE_NATS_STREAM": "checked", "CALLBRIDGE_NATS_SUBJECT": "checked"}
    (missing,) = await checked(url, tmp_path, **given)
    assert "has no stream checked yet: the start makes it" in missing.what
    assert await told(receiver("checked", "checked"), servers(server.port, **ADMIN)) == ""
    (found,) = await checked(url, tmp_path, **given)
    assert found.what.endswith("takes checked.> into the stream checked")
    assert "word" not in found.what
    assert len(await kept_in(server.url, "checked", **ADMIN)) == 1
    narrow = {"CALLBRIDGE_NATS_STREAM": "slim", "CALLBRIDGE_NATS_SUBJECT": "slim"}
    await make_stream(server, "slim", max_msg_size=2200, duplicate_window=1.0)
    _, *doubts = await checked(url, tmp_path, **narrow)
    assert [(doubt.level, bool(doubt.remedy)) for doubt in doubts] == [(Level.WARNING, True)] * 2
    assert "of longer calls parts are left out" in doubts[0].what
    assert "knows for 1 s what comes twice" in doubts[1].what
    await make_stream(server, "tiny", max_msg_size=99)
    tiny = {"CALLBRIDGE_NATS_STREAM": "tiny", "CALLBRIDGE_NATS_SUBJECT": "tiny"}
    assert "and the server takes 0" in (await checked(url, tmp_path, **tiny))[0].what
    (refused,) = await checked(server.url.replace("//", "//reader:secret@"), tmp_path, **given)
    assert refused.level is Level.WARNING
    assert "is told nothing: this user may not do that" in refused.what
    assert await ask_nats(made_settings()) == []
