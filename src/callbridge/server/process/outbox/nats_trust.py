"""Whom NATS must be to be told anything, and who we are to it: certificates, a user, keys in a file."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any, Final

from callbridge.server.process.outbox import nats_words as words
from callbridge.server.process.outbox.nats_words import NatsFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nats.aio.client import RawCredentials

    from callbridge.server.config.nats import NatsServers


def prepared(servers: NatsServers) -> tuple[NotedTls, dict[str, Any]]:
    """Whose certificates are trusted, and what a server is told of us, as the library wants to know it.

    Blocks while files are read.

    Raises:
        NatsFault: one of them has not what it should have.
    """
    tls = _tls(servers)
    return tls, _who_we_are(servers, tls)


def _who_we_are(servers: NatsServers, tls: NotedTls) -> dict[str, Any]:
    """The library asks for a secret after TLS, where there is any."""

    def in_confidence(secret: str) -> Callable[[], str]:
        def told() -> str:
            tls.check(must_encrypt=servers.must_encrypt)
            return secret

        return told

    if servers.credentials is not None:
        return {"user_credentials": _keys_in(servers.credentials)}
    if servers.token:
        return {"token": in_confidence(servers.token)}
    if servers.user:
        return {"user": in_confidence(servers.user), "password": in_confidence(servers.password)}
    return {}


_JWT: Final = re.compile(r"^-+BEGIN NATS USER JWT-+\r?\n[\w.-]+\r?$", re.MULTILINE)
_SEED: Final = re.compile(r"^-+BEGIN USER NKEY SEED-+\r?\n(SU[A-Z2-7]+)\r?$", re.MULTILINE)


def _keys_in(file: Path) -> RawCredentials:
    """The user's token and key. The library reads a file without them for ever."""
    import nkeys  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra; seen to be there at the start
    from nats.aio.client import RawCredentials  # noqa: PLC0415 - as above

    try:
        text = file.read_text(encoding="ascii")
        if _JWT.search(text) and (seed := _SEED.search(text)):
            nkeys.from_seed(bytearray(seed[1].encode())).wipe()
            return RawCredentials(text)
    except (OSError, ValueError, nkeys.NkeysError):
        pass
    raise NatsFault(
        f"CALLBRIDGE_NATS_CREDENTIALS: {file} cannot be read, or has no JWT and key of a user, as "
        "`nsc generate creds` writes them"
    )


class NotedTls(ssl.SSLContext):
    """Knows whether it was used: the library speaks TLS where the server asks for it, and not otherwise."""

    is_used = False

    def wrap_bio(self, *arguments: Any, **more: Any) -> ssl.SSLObject:
        """As a loop asks for it when it begins to encrypt."""
        self.is_used = True
        return super().wrap_bio(*arguments, **more)

    def check(self, *, must_encrypt: bool) -> None:
        """Raises `NatsFault` where nothing was encrypted, and had to be."""
        if must_encrypt and not self.is_used:
            raise NatsFault(
                "the server does not ask for TLS, and NATS_URL says tls://: nothing was told to it"
            )


def _tls(servers: NatsServers) -> NotedTls:
    """Whose certificates are trusted."""
    context = NotedTls(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if servers.authorities is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(servers.authorities)
    except (OSError, ValueError) as error:
        raise NatsFault(f"{servers.authorities} has no certificates ({words.in_words(error)})") from error
    return context
