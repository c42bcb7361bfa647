"""Which upgrades are refused, and how: the checks before a session. Pure.

The live API accepts the upgrade of a wrong key, an unknown model or the beta header, sends an `error` event
and closes with 3000 (who you are) or 4000 (what you ask for). HTTP errors come from gateways and proxies
before it. A refusal knows both.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import msgspec

from callbridge.simulators.voice_model.faults import (
    INVALID_KEY_CODE,
    INVALID_KEY_MESSAGE,
    INVALID_MODEL_CODE,
    MODEL_NOT_FOUND_CODE,
    MODEL_NOT_FOUND_MESSAGE,
    QUOTA_CODE,
    QUOTA_MESSAGE,
    SERVER_ERROR_MESSAGE,
    ConnectFault,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from callbridge.simulators.voice_model.session_schema import SessionKind

PATH = "/v1/realtime"

SOCKET_REFUSAL_WHO = 3000
SOCKET_REFUSAL_WHAT = 4000


@dataclass(frozen=True, slots=True)
class HandshakeRefusal:
    """Why a client may not connect."""

    status: int
    """HTTP status."""
    code: str | None
    """Null for a missing key."""
    message: str
    close_code: int | None = None
    """The close code when it is refused on the socket; None when it is always refused with HTTP."""
    kind: str = "invalid_request_error"
    retry_after_s: float | None = None
    gateway_code: str | None = None
    """What a gateway says in place of `code`, where it has another word."""

    @property
    def body(self) -> bytes:
        """The JSON body of the HTTP answer."""
        error = {
            "message": self.message,
            "type": self.kind,
            "param": None,
            "code": self.gateway_code or self.code,
        }
        return msgspec.json.encode({"error": error})

    def as_fault(self) -> ConnectFault:
        """The same refusal on the socket."""
        assert self.close_code is not None  # else it never got that far
        return ConnectFault(
            kind="reject",
            code=self.close_code,
            error_code=self.code or "",
            message=self.message,
        )


def model_of(target: str) -> str:
    """The model in the request target, or nothing."""
    return _asked(target, "model")


def kind_of(target: str) -> SessionKind:
    """The type of session that the request target asks for."""
    return "transcription" if _asked(target, "intent") == "transcription" else "realtime"


def _asked(target: str, name: str) -> str:
    return parse_qs(urlsplit(target).query).get(name, [""])[0]


def refusal(
    target: str,
    authorization: Sequence[str],
    beta: Sequence[str],
    *,
    keys: Collection[str] | None,
    models: Collection[str],
) -> HandshakeRefusal | None:
    """What is wrong with an upgrade request, if anything.

    Args:
        target: path and query.
        authorization: values of the `Authorization` headers.
        beta: values of the `OpenAI-Beta` headers.
        keys: API keys that are accepted; any when None.
        models: models that are served.
    """
    if urlsplit(target).path.rstrip("/") != PATH:
        message = f"Invalid URL (GET {urlsplit(target).path})"
        return HandshakeRefusal(404, None, message)
    return _wrong_key(authorization, keys) or _wrong_shape(beta) or _wrong_model(target, models)


def fault_refusal(fault: ConnectFault) -> HandshakeRefusal:
    """The HTTP refusal that a script asks for."""
    code, kind, message = _FAULTS.get(fault.status, _SERVER_FAULT)
    if fault.error_code == QUOTA_CODE:
        kind, message = QUOTA_CODE, QUOTA_MESSAGE
    return HandshakeRefusal(
        fault.status,
        fault.error_code or code,
        fault.message or message,
        kind=kind,
        retry_after_s=fault.retry_after_s,
    )


def reason_phrase(status: int) -> str:
    """`Unauthorized` and so on."""
    return HTTPStatus(status).phrase


def _wrong_key(authorization: Sequence[str], keys: Collection[str] | None) -> HandshakeRefusal | None:
    scheme, _, key = (authorization[0] if len(authorization) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "Missing bearer or basic authentication in header"
        return HandshakeRefusal(401, None, message, SOCKET_REFUSAL_WHO)
    if keys is not None and key.strip() not in keys:
        message = (
            f"Incorrect API key provided: {_masked(key.strip())}. You can find your API key at "
            "https://platform.openai.com/account/api-keys."
        )
        return HandshakeRefusal(401, INVALID_KEY_CODE, message, SOCKET_REFUSAL_WHO)
    return None


def _wrong_shape(beta: Sequence[str]) -> HandshakeRefusal | None:
    if not any("realtime=v1" in value for value in beta):
        return None
    return HandshakeRefusal(
        400,
        "beta_api_shape_disabled",
        "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
        SOCKET_REFUSAL_WHAT,
    )


def _wrong_model(target: str, models: Collection[str]) -> HandshakeRefusal | None:
    model = model_of(target)
    if not model and kind_of(target) == "transcription":
        return None
    if not model:
        message = (
            "You must provide a model parameter, for example "
            "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
        )
        return HandshakeRefusal(400, "missing_model", message, SOCKET_REFUSAL_WHAT)
    if model not in models:
        return HandshakeRefusal(
            404,
            INVALID_MODEL_CODE,
            f'Model "{model}" is not supported in realtime mode.',
            SOCKET_REFUSAL_WHAT,
            gateway_code=MODEL_NOT_FOUND_CODE,
        )
    return None


def _masked(key: str) -> str:
    return f"{key[:4]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)


_SERVER_FAULT = ("server_error", "server_error", SERVER_ERROR_MESSAGE)

_FAULTS = {
    401: (INVALID_KEY_CODE, "invalid_request_error", INVALID_KEY_MESSAGE),
    403: (
        "unsupported_country_region_territory",
        "request_forbidden",
        "Country, region, or territory not supported",
    ),
    404: (MODEL_NOT_FOUND_CODE, "invalid_request_error", MODEL_NOT_FOUND_MESSAGE),
    429: (
        "rate_limit_exceeded",
        "requests",
        "Rate limit reached for requests. Please try again in 1s.",
    ),
    503: (
        "service_unavailable",
        "server_error",
        "That model is currently overloaded with other requests. Please try again later.",
    ),
}
"""Code, type and message of the HTTP errors that a script may ask for."""
