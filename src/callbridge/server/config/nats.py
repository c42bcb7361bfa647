"""Reads the stream of NATS that calls are told to, and how its servers are reached."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from callbridge.records.outbox.subjects import NATS, NatsReceiver
from callbridge.server.config.nats_settings import ALL_EVENTS
from callbridge.server.config.records import records_url
from callbridge.server.config.setting_names import variable
from callbridge.server.config.setting_values import listed
from callbridge.server.config.webhooks import WebhooksError, read_webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from callbridge.records.outbox.receiver import Receiver
    from callbridge.server.config.settings import Settings

PORT: Final = 4222

DAY_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsServers:
    """How the servers are reached."""

    addresses: tuple[str, ...]
    """host:port, as people know them. No user is in them."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    credentials: Path | None = None
    authorities: Path | None = None
    must_encrypt: bool = False
    """Whether nothing is said to a server that does not speak TLS."""
    kept_s: float = 30 * DAY_S
    """How long a stream that we make keeps what it is told: as long as the records do."""

    @property
    def name(self) -> str:
        """What operators call them."""
        return ", ".join(self.addresses)


def read_nats(settings: Settings) -> NatsReceiver | None:
    """The stream that is told of calls; nothing where there is none.

    Raises:
        WebhooksError: there are no records to tell of, or a file is missing.
    """
    if settings.nats_url is None:
        return None
    if records_url(settings) is None:
        raise WebhooksError(
            "NATS is to be told of calls, and no records are kept to tell of: set CALLBRIDGE_STATE_PATH or "
            "DATABASE_URL, or remove NATS_URL"
        )
    _find_library("nats", "nats-py")
    if settings.nats_credentials is not None:
        _find_library("nkeys", "nkeys")
    for field_name, file in (("nats_credentials", settings.nats_credentials), ("nats_ca", settings.nats_ca)):
        if file is not None and not file.is_file():
            raise WebhooksError(f"{variable(field_name)}: there is no file {file}")
    return NatsReceiver(
        subject=settings.nats_subject,
        stream=settings.nats_stream,
        events=frozenset(settings.nats_events or ALL_EVENTS),
    )


def _find_library(module: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise WebhooksError(
            f"NATS_URL is set, and {package} is not installed: pip install 'callbridge[nats]'"
        )


def read_receivers(settings: Settings, environment: Mapping[str, str]) -> tuple[Receiver, ...]:
    """All who are told of calls: webhooks, and NATS.

    Raises:
        WebhooksError: they cannot be read. The text has all that is wrong.
    """
    webhooks, nats = read_webhooks(settings, environment), read_nats(settings)
    if nats is None:
        return webhooks
    if any(webhook.name == NATS for webhook in webhooks):
        raise WebhooksError(
            f"CALLBRIDGE_WEBHOOKS: {settings.webhooks} has a receiver {NATS}, as that of NATS_URL is "
            "called. Give it another name"
        )
    return (*webhooks, nats)


def nats_servers(settings: Settings) -> NatsServers:
    """How the servers of `NATS_URL` are reached. Only where it is set."""
    assert settings.nats_url is not None, "asked for nothing"
    urls = [urlsplit(text) for text in listed(settings.nats_url)]
    users = next((url for url in urls if url.username is not None), None)
    user, password = (unquote(users.username or ""), users.password) if users is not None else ("", None)
    return NatsServers(
        addresses=tuple(f"{_host(url.hostname or '')}:{url.port or PORT}" for url in urls),
        user=user if password is not None else "",
        password=unquote(password or ""),
        token=user if password is None else "",  # As all clients of NATS read it.
        credentials=settings.nats_credentials,
        authorities=settings.nats_ca,
        must_encrypt=any(url.scheme == "tls" for url in urls),
        kept_s=DAY_S * _kept_days(settings),
    )


def _kept_days(settings: Settings) -> int:
    """Words are told where they are kept; so a stream keeps them no longer than the records do."""
    words = settings.words_kept_days if settings.keep_words else None
    return min(settings.records_kept_days, words or settings.records_kept_days)


def _host(name: str) -> str:
    return f"[{name}]" if ":" in name else name
