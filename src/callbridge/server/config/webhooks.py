"""Reads who is told of calls: the file that CALLBRIDGE_WEBHOOKS names, and the receiver of the settings."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from callbridge.agents.http.answers import Path as Expression
from callbridge.agents.http.answers import PathFault
from callbridge.agents.http.secrets import SecretFault, Secrets
from callbridge.agents.written.faults import Fault, faults_of_reading, told
from callbridge.agents.written.key_lines import key_lines, line_of
from callbridge.records.outbox.events import ALL_FACTS, FACT, OF_CALLS
from callbridge.records.outbox.requests import Method
from callbridge.records.outbox.signing import WebhookSecretFault, signing_key
from callbridge.records.outbox.webhook import Made, Picked, Webhook, fault_in_headers
from callbridge.server.config.records import records_url
from callbridge.server.config.setting_values import listed
from callbridge.server.config.text_file import text_in
from callbridge.server.config.webhook_settings import FACT_KINDS, SECRETS_MAX, unknown_fact, webhook_address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from callbridge.server.config.settings import Settings

    _Template: TypeAlias = Picked | Made | None

FILE_BYTES_MAX: Final = 256 * 1024

WEBHOOKS_MAX: Final = 20

ONE_RECEIVER: Final = "webhook"
"""The name of the receiver that stands in the settings alone."""


class WebhooksError(Exception):
    """The receivers cannot be read; the message has all that is wrong, and what to do."""


class WrittenWebhook(BaseModel):
    """A receiver as it stands in the file."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]
    url: str
    secret: str | list[str] = Field(default_factory=list)
    events: list[str] = Field(default_factory=lambda: [OF_CALLS[0]])
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | None = None
    method: Method = "POST"
    function: str | None = None
    internal: bool = False


class WebhooksFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    webhook: Annotated[list[WrittenWebhook], Field(min_length=1, max_length=WEBHOOKS_MAX)]


def read_webhooks(settings: Settings, environment: Mapping[str, str]) -> tuple[Webhook, ...]:
    """Who is told of calls in this process.

    Args:
        settings: where they stand.
        environment: where the file's secrets are looked for.

    Raises:
        WebhooksError: the file cannot be read, or names what cannot be told.
    """
    if (settings.webhooks or settings.webhook_url) and records_url(settings) is None:
        raise WebhooksError(
            "Others are to be told of calls, and no records are kept to tell of: set CALLBRIDGE_STATE_PATH "
            "or DATABASE_URL, or remove CALLBRIDGE_WEBHOOKS and CALLBRIDGE_WEBHOOK_URL"
        )
    webhooks = () if settings.webhooks is None else _of_file(settings.webhooks, environment)
    if settings.webhook_url is None or settings.webhook_secret is None:
        return webhooks
    if any(webhook.name == ONE_RECEIVER for webhook in webhooks):
        raise WebhooksError(
            f"CALLBRIDGE_WEBHOOKS: {settings.webhooks} has a receiver {ONE_RECEIVER}, as that of "
            "CALLBRIDGE_WEBHOOK_URL is called. Give it another name"
        )
    return (*webhooks, _one_receiver(settings.webhook_url, settings.webhook_secret, settings.webhook_facts))


def _one_receiver(url: SecretStr, secret: SecretStr, facts: tuple[str, ...] | None) -> Webhook:
    secrets = Secrets({"URL": url.get_secret_value()})
    return Webhook(
        name=ONE_RECEIVER,
        url=secrets.fill("${URL}"),
        keys=tuple(map(signing_key, listed(secret))),
        events=frozenset({*OF_CALLS, *(facts or ())}),
        hide=secrets.hide,
    )


def _of_file(path: Path, environment: Mapping[str, str]) -> tuple[Webhook, ...]:
    text = _text_in(path)
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise WebhooksError(f"CALLBRIDGE_WEBHOOKS: {path} is not TOML: {error}") from error
    faults: list[Fault] = []
    webhooks: list[Webhook] = []
    try:
        for place, written in enumerate(WebhooksFile.model_validate(data).webhook):
            reading = _Reading(written, ("webhook", place), Secrets(environment), faults)
            webhooks.append(reading.webhook())
            if sum(other.name == written.name for other in webhooks) > 1:
                reading.fault("name", f"there are two of the name {written.name}")
    except ValidationError as error:
        faults = faults_of_reading(error, data, WebhooksFile)
    if faults:
        lines = key_lines(text)
        places = {fault.path: line_of(fault.path, lines) for fault in faults}
        raise WebhooksError(told(faults, places, f"CALLBRIDGE_WEBHOOKS: {path}", "a list of webhooks"))
    return tuple(webhooks)


def _text_in(path: Path) -> str:
    return text_in(
        path,
        FILE_BYTES_MAX,
        f"has more than {FILE_BYTES_MAX // 1024} KiB",
        lambda what: WebhooksError(f"CALLBRIDGE_WEBHOOKS: {path} {what}"),
    )


class _Reading:
    """Makes a receiver of what was written, and notes what is wrong with it."""

    def __init__(
        self, written: WrittenWebhook, path: tuple[str | int, ...], secrets: Secrets, faults: list[Fault]
    ) -> None:
        self._written, self._path, self._secrets, self._faults = written, path, secrets, faults

    def fault(self, key: str, text: str) -> None:
        """Something is wrong with this key."""
        self._faults.append(Fault((*self._path, key), text))

    def webhook(self) -> Webhook:
        """The receiver. To be used only where there is no fault."""
        written = self._written
        return Webhook(
            name=written.name,
            url=self._url(),
            keys=self._keys(),
            events=self._events(),
            headers=self._headers(),
            template=self._template(),
            is_internal=written.internal,
            hide=self._secrets.hide,
        )

    def _filled(self, key: str, text: str) -> str:
        try:
            return self._secrets.fill(text)
        except SecretFault as fault:
            self.fault(key, str(fault))
            return ""

    def _url(self) -> str:
        url = self._filled("url", self._written.url)
        if url:
            try:
                webhook_address(SecretStr(url))
            except ValueError as fault:
                self.fault("url", str(fault))
        return url

    def _keys(self) -> tuple[bytes, ...]:
        given = self._written.secret
        secrets = [given] if isinstance(given, str) else given
        if len(secrets) > SECRETS_MAX:
            self.fault("secret", f"at most {SECRETS_MAX} secrets sign: the new one and the old one")
        if not secrets and self._written.body is None and self._written.function is None:
            self.fault("secret", 'it is missing; write its name in the environment: secret = "${CRM_SECRET}"')
        keys = []
        for text in secrets:
            if not text.startswith("${"):
                self.fault(
                    "secret", 'it stands here for all to read; write its name: secret = "${CRM_SECRET}"'
                )
            elif secret := self._filled("secret", text):
                try:
                    keys.append(signing_key(secret))
                except WebhookSecretFault as fault:
                    self.fault("secret", f"what {text} stands for {fault}")
        return tuple(keys)

    def _events(self) -> frozenset[str]:
        for event in self._written.events:
            if event in {*OF_CALLS, ALL_FACTS} or event.removeprefix(FACT) in FACT_KINDS:
                continue
            if event.startswith(FACT):
                self.fault("events", f"it {unknown_fact(event.removeprefix(FACT))}")
            else:
                self.fault(
                    "events", f"there is no event {event!r}; there are {', '.join(OF_CALLS)}, fact.KIND"
                )
        if self._written.function is not None and not set(self._written.events) <= set(OF_CALLS):
            self.fault("events", f"a function is told of {', '.join(OF_CALLS)} alone")
        return frozenset(self._written.events)

    def _headers(self) -> dict[str, str]:
        headers = {name: self._filled("headers", value) for name, value in self._written.headers.items()}
        if wrong := fault_in_headers(headers):
            self.fault("headers", wrong)
        return headers

    def _template(self) -> _Template:
        body, function = self._written.body, self._written.function
        if body is not None and function is not None:
            self.fault("function", "there is a body, too; one of them makes the request")
        if body is not None:
            try:
                return Picked(Expression(body), self._written.method)
            except PathFault as fault:
                self.fault("body", f"it is no JMESPath expression: {fault}")
        elif function is not None:
            try:
                return Made(_function(function))
            except WebhooksError as fault:
                self.fault("function", str(fault))
        return None


def _function(name: str) -> Callable[..., Any]:
    """What `module:name` means, looked for in the current folder first."""
    module_name, _, function_name = name.partition(":")
    if not module_name or not function_name:
        raise WebhooksError(f"write {name} as module:name, for example shop.crm:to_crm")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: object = getattr(importlib.import_module(module_name), function_name, None)
    except (Exception, SystemExit) as error:  # A user's module may raise anything while it is imported.
        raise WebhooksError(f"importing {module_name} failed: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise WebhooksError(f"{module_name} has no function {function_name}")
    return found
