"""With what Twilio's REST API is asked, and where: a part of the settings."""

from __future__ import annotations

import re
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, model_validator

from callbridge.server.config.addresses import AddressSettings
from callbridge.server.config.setting_names import variable
from callbridge.server.config.setting_values import base_url, is_loopback
from callbridge.telephony.rest.credentials import EDGES

_CONSOLE: Final = "https://console.twilio.com"
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-f]{32}")
_KEY_SID: Final = re.compile(r"SK[0-9a-f]{32}")
_SECRET: Final = re.compile(r"[!-~]+")
_EDGE: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _key_sid(sid: str) -> str:
    if not _KEY_SID.fullmatch(sid):
        raise ValueError(
            "must be SK followed by 32 digits 0-9 and letters a-f. "
            f"Copy the SID of the API key from {_CONSOLE}, or remove it to use TWILIO_AUTH_TOKEN."
        )
    return sid


def _key_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if _SID.fullmatch(text):
        raise ValueError(f"has a SID ({text[:2]}…) in it, which is no secret. {_MAKE_ONE}")
    if not _SECRET.fullmatch(text):
        raise ValueError(f"has a space or a letter that no secret has. {_MAKE_ONE}")
    return secret


_MAKE_ONE: Final = f"The secret of an API key is shown once, when it is made at {_CONSOLE}: make another one."


def _region(name: str) -> str:
    meant = next((region for region, edge in EDGES.items() if edge == name), None)
    if meant is not None:
        raise ValueError(f"has the name of an edge. Set it to the region, {meant}.")
    if name not in EDGES:
        raise ValueError(f"must be a region of Twilio's: {', '.join(EDGES)}")
    return name


def _edge(name: str) -> str:
    if not _EDGE.fullmatch(name):
        raise ValueError(f"must be an edge of Twilio's, such as {', '.join(EDGES.values())}")
    return name


def _api_url(url: str) -> str:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if host and not is_loopback(host):
        raise ValueError(
            "must be on this machine: it is for a simulated account, and gets the real one's secret. "
            "Correct it, or remove it to ask Twilio."
        )
    return base_url(url)


KeySid = Annotated[str, AfterValidator(_key_sid)]
KeySecret = Annotated[SecretStr, AfterValidator(_key_secret)]
Region = Annotated[str, AfterValidator(_region)]
Edge = Annotated[str, AfterValidator(_edge)]
ApiUrl = Annotated[str, AfterValidator(_api_url)]


class RestSettings(AddressSettings):
    """The settings of Twilio's REST API. Without any of them it is asked with the auth token."""

    twilio_rest: bool = True
    """Whether the service may use it: for warm transfers and for texts."""

    twilio_api_key_sid: KeySid | None = None
    """An API key in place of the auth token, which can be taken back alone: SK and 32 digits."""

    twilio_api_key_secret: KeySecret | None = None
    """Its secret."""

    twilio_region: Region | None = None
    """Where the calls are: us1, ie1, au1, ...; not set: us1."""

    twilio_edge: Edge | None = None
    """The way into the region, such as dublin; not set: the region's own."""

    twilio_api_url: ApiUrl | None = None
    """Another address of the API, on this machine: a simulated account."""

    @model_validator(mode="after")
    def _a_key_has_both_halves(self) -> Self:
        halves = ("twilio_api_key_sid", "twilio_api_key_secret")
        given = [half for half in halves if getattr(self, half) is not None]
        if len(given) == 1:
            (missing,) = set(halves) - set(given)
            raise ValueError(
                f"{variable(missing)} is not set, but {variable(given[0])} is. "
                f"Set both, or remove {variable(given[0])} to use TWILIO_AUTH_TOKEN"
            )
        return self
