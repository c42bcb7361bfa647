"""How single values of the configuration are read: what each kind may be, and the words when it is not.

Each rule is about one variable and looks at nothing else, neither at files nor at the network. Rules between
variables stand with the settings.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

_DEFAULT_PORTS = {"http": 80, "https": 443}

AUTH_TOKENS_MAX: Final = 4
"""Beside the account's own: two while it is rotated, and Twilio has three regions."""

SECRET_KEY_CHARACTERS_MIN: Final = 32
"""128 bits if they are hexadecimal digits."""

_PATH: Final = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
"""What reaches every program unchanged: no escapes, no dots that lead elsewhere."""

_ROUTES: Final = ("/twilio/voice", "/media-stream")
"""Ours, which are easily entered with the address."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""A country code and at most 15 digits in all. Nothing in it can end the attribute of a TwiML verb."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _base_url(url: str) -> str:
    parts = _address(url, _DEFAULT_PORTS, "https://my-calls.fly.dev")
    host = parts.hostname or ""
    path = parts.path.rstrip("/")
    if parts.query or parts.fragment or not _PATH.fullmatch(path):
        raise ValueError("must be a host, and perhaps a plain path, without query or fragment")
    if path.endswith(_ROUTES):
        raise ValueError("must be what stands before /twilio/voice and /media-stream, without these")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user name or password")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https:// (http:// is for this machine alone)")
    if "_" in host:
        raise ValueError("has an underscore in its host name, which Twilio refuses")
    is_default_port = parts.port in {None, _DEFAULT_PORTS[parts.scheme]}
    # The host as it was written: Twilio signs capitals as they were entered.
    written = parts.netloc[: parts.netloc.lower().index(host) + len(host)] + ("]" if ":" in host else "")
    return f"{parts.scheme}://{written}{'' if is_default_port else f':{parts.port}'}{path}"


def listed(secrets: SecretStr) -> list[str]:
    """The single ones of several secrets that are separated by commas."""
    return [secret.strip() for secret in secrets.get_secret_value().split(",")]


def _auth_tokens(secrets: SecretStr) -> SecretStr:
    if not all(listed(secrets)):
        raise ValueError("must be auth tokens, with a comma between one and the next")
    if len(listed(secrets)) > AUTH_TOKENS_MAX:
        raise ValueError(f"must be at most {AUTH_TOKENS_MAX} auth tokens: each request is compared with all")
    return secrets


def _secret_key(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < SECRET_KEY_CHARACTERS_MIN:
        raise ValueError(
            f"must have at least {SECRET_KEY_CHARACTERS_MIN} characters, as `openssl rand -hex 32` makes them"
        )
    return secret


def _realtime_url(url: str) -> str:
    parts = _address(url, {"wss", "ws"}, "wss://api.openai.com/v1/realtime")
    if parts.scheme == "ws" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with wss:// (ws:// is for this machine alone)")
    if parts.query or parts.fragment:
        raise ValueError("must have no query; the model is set by CALLBRIDGE_REALTIME_MODEL")
    return url


def _address(url: str, schemes: Container[str], example: str) -> SplitResult:
    """The parts of `url`, whose host and port can be read and whose host is in lower case."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ValueError(f"must be an address such as {example}")
    return parts


def _level(name: str) -> str:
    if name.upper() not in logging.getLevelNamesMapping():
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return name.upper()


def _output_limit(value: object) -> object:
    if value == "inf":
        return value
    return _number(value, int, 1, 4096, "must be a whole number from 1 to 4096, or inf")


def _truncation(value: object) -> object:
    if value in {"auto", "disabled"}:
        return value
    return _number(value, float, 0, 1, "must be auto, disabled, or a ratio from 0 to 1 such as 0.8")


def _phone_number(text: str) -> str:
    if not _E164.fullmatch(text):
        raise ValueError("must be a phone number with its country code, such as +14155550123")
    return text


def _sound_file(path: Path) -> Path:
    if path.suffix.lower() not in {".wav", ".ulaw"}:
        raise ValueError("must be a file whose name ends in .wav or .ulaw")
    return path


def _number(value: object, kind: type[float], low: float, high: float, rule: str) -> float:
    try:
        number = kind(str(value))
    except ValueError:
        raise ValueError(rule) from None
    if not low <= number <= high:
        raise ValueError(rule)
    return number


AuthTokens = Annotated[SecretStr, AfterValidator(_auth_tokens)]
SecretKey = Annotated[SecretStr, AfterValidator(_secret_key)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
RealtimeUrl = Annotated[str, AfterValidator(_realtime_url)]
LogLevel = Annotated[str, AfterValidator(_level)]
OutputLimit = Annotated[int | Literal["inf"], BeforeValidator(_output_limit)]
Truncation = Annotated[float | Literal["auto", "disabled"], BeforeValidator(_truncation)]
Sid = Annotated[str, Field(pattern=r"^AC[0-9a-f]{32}$")]
PhoneNumber = Annotated[str, AfterValidator(_phone_number)]
SoundFile = Annotated[Path, AfterValidator(_sound_file)]
Dollars = Annotated[float, Field(gt=0, allow_inf_nan=False)]
