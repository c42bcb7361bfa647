"""Who is told of calls: a part of the settings. The file that one of them names is read in `webhooks`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Self, get_args

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator

from callbridge.agents.http.origins import OriginFault, origin_of
from callbridge.call.facts import Fact, ProcessLost
from callbridge.records.outbox.events import ALL_FACTS, FACT
from callbridge.records.outbox.signing import WebhookSecretFault, signing_key
from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_names import nearest_name, variable
from callbridge.server.config.setting_values import listed

SECRETS_MAX: Final = 2
"""The new one and the old one."""

FACT_KINDS: Final = frozenset(
    str(fact.__struct_config__.tag) for fact in get_args(Fact) if fact is not ProcessLost
)
"""Those that are written down as they come."""


def webhook_address(url: SecretStr) -> SecretStr:
    """An address that requests may go to; a ValueError says what is wrong with it."""
    try:
        origin_of(url.get_secret_value())
    except OriginFault as fault:
        raise ValueError(str(fault)) from None
    if not url.get_secret_value().isascii() or "#" in url.get_secret_value():
        raise ValueError("must be in ASCII and without a #")
    return url


def _secrets(secrets: SecretStr) -> SecretStr:
    if len(listed(secrets)) > SECRETS_MAX:
        raise ValueError(f"must be at most {SECRETS_MAX} secrets: the new one and the old one")
    for secret in listed(secrets):
        try:
            signing_key(secret)
        except WebhookSecretFault as fault:
            raise ValueError(str(fault)) from None
    return secrets


def _facts(value: object) -> object:
    if not isinstance(value, str):
        return value
    kinds = [kind.strip() for kind in value.split(",")]
    if kinds == ["all"]:
        return (ALL_FACTS,)
    for kind in kinds:
        if kind not in FACT_KINDS:
            raise ValueError(unknown_fact(kind))
    return tuple(FACT + kind for kind in kinds)


def unknown_fact(kind: str) -> str:
    """What is said of a kind of facts that there is not."""
    nearest = nearest_name(kind, FACT_KINDS)
    remedy = f"Did you mean {nearest}?" if nearest else f"There are {', '.join(sorted(FACT_KINDS))}."
    return f"has {kind!r}, which is no kind of facts. {remedy}"


WebhookUrl = Annotated[SecretStr, AfterValidator(webhook_address)]
WebhookSecrets = Annotated[SecretStr, AfterValidator(_secrets)]
Facts = Annotated[tuple[str, ...], BeforeValidator(_facts)]


class WebhookSettings(RestSettings):
    """The settings of outgoing webhooks. Without any of them nobody is told."""

    webhooks: Path | None = None
    """A TOML file of receivers."""

    webhook_url: WebhookUrl | None = None
    """One receiver alone; https://, or http:// on this machine."""

    webhook_secret: WebhookSecrets | None = None
    """What is signed with: whsec_ and base64; two, separated by a comma, while it is rotated."""

    webhook_facts: Facts | None = None
    """What it is told of live calls besides: kinds of facts, separated by commas, or all."""

    @model_validator(mode="after")
    def _one_receiver_is_whole(self) -> Self:
        url, secret = variable("webhook_url"), variable("webhook_secret")
        if self.webhook_url is None and (self.webhook_secret is not None or self.webhook_facts):
            given = secret if self.webhook_secret is not None else variable("webhook_facts")
            raise ValueError(f"{given} is set, but {url} is not. Set {url}, or remove {given}")
        if self.webhook_url is not None and self.webhook_secret is None:
            raise ValueError(
                f"{secret} is not set, but {url} is: its receiver could not tell who sends. "
                f'Make one: echo "whsec_$(openssl rand -base64 32)"'
            )
        return self
