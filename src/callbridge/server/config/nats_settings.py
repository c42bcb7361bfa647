"""The stream of NATS that calls are told to: a part of the settings. How they are joined stands in `nats`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, StringConstraints, model_validator

from callbridge.records.outbox.events import ALL_FACTS, FACT, OF_CALLS
from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_names import variable
from callbridge.server.config.setting_values import listed
from callbridge.server.config.webhook_settings import FACT_KINDS, unknown_fact

SERVERS_MAX: Final = 10
"""Servers of one cluster; they tell of the others."""

_TOKENS: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")

ALL_EVENTS: Final = (*OF_CALLS, ALL_FACTS)


def _nats_url(secret: SecretStr) -> SecretStr:
    urls = [_split(text) for text in listed(secret)]
    if len(urls) > SERVERS_MAX:
        raise ValueError(f"must be at most {SERVERS_MAX} addresses")
    for url in urls:
        _judge(url)
    if len({url.scheme for url in urls}) > 1:
        raise ValueError("must be either all nats:// or all tls://")
    if len({url.netloc.rpartition("@")[0] for url in urls if "@" in url.netloc}) > 1:
        raise ValueError("has several users, but one and the same goes to all servers")
    return secret


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - it is judged where it is asked for
    except ValueError:
        raise ValueError("has an address that cannot be read") from None
    return url


def _judge(url: SplitResult) -> None:
    if url.scheme not in {"nats", "tls"} or not url.hostname:
        raise ValueError("must be nats://host:4222 or tls://host:4222; several with commas between them")
    if url.path.strip("/") or url.query or url.fragment:
        raise ValueError("must end with the port; a % or / of a password is written as %25 or %2F")


def _subject(text: str) -> str:
    if not _TOKENS.fullmatch(text):
        raise ValueError("must be letters, digits, - and _, perhaps in parts between full stops: calls.eu")
    return text


def _events(value: object) -> object:
    if not isinstance(value, str):
        return value
    kinds = tuple(dict.fromkeys(kind.strip() for kind in value.split(",")))
    if kinds == ("all",):
        return ALL_EVENTS
    for kind in kinds:
        if kind in ALL_EVENTS:
            continue
        if not kind.startswith(FACT):
            known = ", ".join((*OF_CALLS, "fact.KIND", ALL_FACTS))
            raise ValueError(f"has {kind!r}; there are {known}, or all alone")
        if kind.removeprefix(FACT) not in FACT_KINDS:
            raise ValueError(unknown_fact(kind.removeprefix(FACT)))
    return kinds


NatsUrl = Annotated[SecretStr, AfterValidator(_nats_url)]
NatsSubject = Annotated[str, StringConstraints(max_length=100), AfterValidator(_subject)]
NatsStream = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
NatsEvents = Annotated[tuple[str, ...], BeforeValidator(_events)]


class NatsSettings(RestSettings):
    """The settings of NATS. Without `nats_url` nothing is told to it."""

    nats_url: NatsUrl | None = None
    """nats://host:4222 or tls://user:password@host:4222; several servers of a cluster, with commas."""

    nats_credentials: Path | None = None
    """A file with the user's JWT and key (.creds), in place of a user in the address."""

    nats_ca: Path | None = None
    """A PEM file: who may have signed the server's certificate. Not set: whom this system trusts."""

    nats_subject: NatsSubject = "callbridge"
    """What all subjects begin with."""

    nats_stream: NatsStream = "callbridge"
    """The stream that keeps them. It is made where it is missing and the user may make it."""

    nats_events: NatsEvents | None = None
    """Which: call.completed, call.analyzed, call.recorded, fact.KIND, fact.*, with commas. Not set: all."""

    @property
    def nats_secrets(self) -> tuple[str, ...]:
        """The user's password or token, as it is and as it stands in the address."""
        found: dict[str, None] = {}
        for text in [] if self.nats_url is None else listed(self.nats_url):
            url = urlsplit(text)
            if secret := url.password or url.username:
                found |= dict.fromkeys((text, secret, unquote(secret)))
        return tuple(found)

    @model_validator(mode="after")
    def _nats_is_whole(self) -> Self:
        given = [name for name in ("nats_credentials", "nats_ca") if getattr(self, name) is not None]
        if self.nats_url is None and given:
            names = " and ".join(map(variable, given))
            raise ValueError(f"{names} is set, but NATS_URL is not. Set NATS_URL, or remove {names}")
        if self.nats_credentials is not None and any("@" in text for text in listed(self.nats_url or _NONE)):
            name = variable("nats_credentials")
            raise ValueError(f"NATS_URL has a user, and {name} another one. Remove one of the two")
        return self


_NONE: Final = SecretStr("")
