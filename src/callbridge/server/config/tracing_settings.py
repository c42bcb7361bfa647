"""Where traces of calls go: a part of the settings. What OpenTelemetry has named keeps its names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final, Self
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from callbridge.observe.tracing.dialects import Dialect
from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_names import variable

SERVICE_NAME: Final = "callbridge"

_TRACES_PATH: Final = "/v1/traces"
_GRPC_PORT: Final = 4317
_KEY: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _checked_endpoint(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError("must be an address such as http://localhost:4318 or https://host/path")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be an address without user name, query and fragment: keys go into the headers")
    if parts.port == _GRPC_PORT:
        raise ValueError("has the port of gRPC. Spans are sent by HTTP: the port of that is 4318, as a rule")


def _pairs(text: str) -> dict[str, str]:
    """`key=value,key2=value2`, percent-encoded, as the specification has it for headers and resources."""
    pairs: dict[str, str] = {}
    for pair in filter(None, map(str.strip, text.split(","))):
        key, equals, value = pair.partition("=")
        if not equals or not _KEY.fullmatch(key.strip()):
            raise ValueError("must be key=value, with a comma between one and the next")
        pairs[key.strip()] = unquote(value.strip())
    return pairs


def _checked_headers(text: str) -> None:
    if not all(value.isascii() and value.isprintable() for value in _pairs(text).values()):
        raise ValueError("has a letter that no header can carry")


def _dialects(value: object) -> object:
    if not isinstance(value, str):
        return value
    wanted = [name.strip() for name in value.split(",")]
    if wanted == ["plain"]:
        return ()
    if unknown := [name for name in wanted if name not in tuple(Dialect)]:
        raise ValueError(f"has {unknown[0]!r}. It may be plain, langfuse, phoenix, or langfuse,phoenix")
    return tuple(Dialect(name) for name in dict.fromkeys(wanted))


class TracingSettings(RestSettings):
    """The settings of traces. Without the first nothing of OpenTelemetry is loaded."""

    traces: bool = False
    """Whether spans of calls are sent, by OTLP over HTTP; needs `pip install 'callbridge[otel]'`."""

    traces_for: Annotated[tuple[Dialect, ...], BeforeValidator(_dialects)] = ()
    """Whose names stand beside those of OpenTelemetry: plain (nobody's), langfuse, phoenix, or both."""

    traces_share: float = Field(1.0, ge=0, le=1)
    """Of how many calls, 0 to 1; which ones is chosen by their CallSid."""

    trace_words: bool = False
    """Whether words of callers and agents, arguments and results of tools leave with the spans."""

    otel_exporter_otlp_endpoint: str = "http://localhost:4318"
    """Where they go; /v1/traces is added."""

    otel_exporter_otlp_traces_endpoint: str | None = None
    """The same, as it is."""

    otel_exporter_otlp_headers: SecretStr | None = None
    """What is sent with them: key=value, separated by commas; a key of the receiver, as a rule."""

    otel_service_name: str | None = None
    """The name of this service; not set: service.name of the resource, or callbridge."""

    otel_resource_attributes: str | None = None
    """What else is told of it: key=value, separated by commas."""

    @property
    def traces_url(self) -> str:
        """Where spans go, with the path."""
        base = self.otel_exporter_otlp_endpoint.rstrip("/") + _TRACES_PATH
        return self.otel_exporter_otlp_traces_endpoint or base

    @property
    def traces_headers(self) -> dict[str, str]:
        """What is sent with them."""
        headers = self.otel_exporter_otlp_headers
        return {} if headers is None or not self.traces else _pairs(headers.get_secret_value())

    @property
    def traces_secrets(self) -> tuple[str, ...]:
        """The words of these: a key stands behind a scheme, as a rule."""
        return tuple(word for value in self.traces_headers.values() for word in value.split())

    @property
    def traces_resource(self) -> dict[str, str]:
        """What is told of this service."""
        told = {"service.name": SERVICE_NAME} | _pairs(self.otel_resource_attributes or "")
        return told | ({"service.name": self.otel_service_name} if self.otel_service_name else {})

    @model_validator(mode="after")
    def _traces_have_somewhere_to_go(self) -> Self:
        if self.trace_words and not self.traces:
            raise ValueError(
                f"{variable('trace_words')} is true, but {variable('traces')} is not: no trace leaves. "
                f"Set {variable('traces')}=true, or remove {variable('trace_words')}"
            )
        if self.traces:
            headers = self.otel_exporter_otlp_headers
            told = None if headers is None else headers.get_secret_value()
            for field in ("otel_exporter_otlp_endpoint", "otel_exporter_otlp_traces_endpoint"):
                _check(field, getattr(self, field), _checked_endpoint)
            _check("otel_exporter_otlp_headers", told, _checked_headers)
            _check("otel_resource_attributes", self.otel_resource_attributes, _pairs)
        return self


def _check(field: str, value: str | None, check: Callable[[str], object]) -> None:
    """Only where traces are wanted: other programs of a process may read these variables otherwise."""
    try:
        if value:
            check(value)
    except ValueError as fault:
        raise ValueError(
            f"{variable(field)} {fault}. Correct it, or set {variable('traces')}=false"
        ) from None
