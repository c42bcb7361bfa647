"""Which upgrades are refused, and how: the checks before a session. Pure.

The live API answers a wrong key, an unknown model or the beta header in one of two ways: with an HTTP
error at the handshake, or by accepting it, sending an `error` event and closing with 3000 (who you
are) or 4000 (what you ask for). A refusal knows both.
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
    QUOTA_CODE,
    QUOTA_MESSAGE,
    SERVER_ERROR_MESSAGE,
    ConnectFault,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

PATH = "/v1/realtime"

SOCKET_REFUSAL_WHO = 3000
SOCKET_REFUSAL_WHAT = 4000


@dataclass(frozen=True, slots=True)
class HandshakeRefusal:
    """Why a client may not connect."""

    status: int
    """HTTP status."""
    code: str | None
    message: str
    close_code: int | None = None
    """The close code when it is refused on the socket; None when it is always refused with HTTP."""
    kind: str = "invalid_request_error"
    retry_after_s: float | None = None

    @property
    def body(self) -> bytes:
        """The JSON body of the HTTP answer."""
        error = {"message": self.message, "type": self.kind, "param": None, "code": self.code}
        return msgspec.json.encode({"error": error})

    @property
    def close_reason(self) -> str:
        """The reason of the close frame, as `type.code`."""
        return self.kind if self.code is None else f"{self.kind}.{self.code}"

    def as_fault(self) -> ConnectFault:
        """The same refusal on the socket."""
        assert self.close_code is not None  # else it never got that far
        return ConnectFault(
            kind="reject",
            code=self.close_code,
            reason=self.close_reason,
            error_code=self.code or "",
            message=self.message,
        )


def model_of(target: str) -> str:
    """The model in the request target, or nothing."""
    return parse_qs(urlsplit(target).query).get("model", [""])[0]


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
    if not model:
        message = (
            "You must provide a model parameter, for example "
            "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
        )
        return HandshakeRefusal(400, "missing_model", message, SOCKET_REFUSAL_WHAT)
    if model not in models:
        message = f"The model `{model}` does not exist or you do not have access to it."
        return HandshakeRefusal(404, "model_not_found", message, SOCKET_REFUSAL_WHAT)
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
    404: (
        "model_not_found",
        "invalid_request_error",
        "The model does not exist or you do not have access to it.",
    ),
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
