"""What is certified, and how it is reached. Values only."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

from callbridge.simulators.phone import ACCOUNT_SID, AUTH_TOKEN

if TYPE_CHECKING:
    import ssl

MODEL_PORT = 9000


class TargetError(ValueError):
    """A bridge that cannot be certified as it was asked for. The text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One bridge, and the model that it is pointed at."""

    url: str
    """Its voice webhook (`https://…`) or its media socket (`wss://…`)."""
    account_sid: str = ACCOUNT_SID
    auth_token: str = field(default=AUTH_TOKEN, repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)
    """`<Parameter>` values in `start`, for a media socket that is called without a webhook."""
    model_host: str = "127.0.0.1"
    model_port: int = MODEL_PORT
    model_tls: ssl.SSLContext | None = None
    """Serve the model as `wss`, for bridges that dial nothing else."""
    tool: str | None = None
    """A tool of the bridge's that may be called."""
    tool_arguments: Mapping[str, Any] = field(default_factory=dict)
    hang_up_tool: str | None = None
    """The tool that ends the call; guessed by its name when None."""
    wait_s: float = 0.0
    """How long it may take to start: until it takes connections."""
    call_s_max: float = 60.0
    """The caller hangs up then, wherever a call stands."""
    is_mine: bool = False
    """Whether somebody has said that a bridge that is not on this machine may be called."""

    def __post_init__(self) -> None:
        """Refuse what cannot be called, and what may cost somebody money unasked.

        Raises:
            TargetError: the text says what to do.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname:
            raise TargetError(f"{self.url!r}: give a voice webhook (https://…) or a media socket (wss://…)")
        if not self.is_mine and not _is_loopback(parts.hostname):
            raise TargetError(
                f"{parts.hostname} is not this machine: calls may cost its owner money. "
                "If it is yours, say so with --yes-this-is-mine"
            )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port at which it listens."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (443 if parts.scheme in {"https", "wss"} else 80)

    @property
    def has_webhook(self) -> bool:
        """Whether the voice webhook is asked, as Twilio does; else the socket is opened directly."""
        return self.url.startswith("http")

    @property
    def document(self) -> str | None:
        """What the phone executes where there is no webhook."""
        if self.has_webhook:
            return None
        parameters = "".join(
            f"<Parameter name={quoteattr(name)} value={quoteattr(value)}/>"
            for name, value in self.parameters.items()
        )
        stream = f"<Stream url={quoteattr(self.url)}>{parameters}</Stream>"
        return f"<Response><Connect>{stream}</Connect></Response>"

    @property
    def model_base(self) -> str:
        """Where the model is, without a scheme: what stands in front of `/realtime`."""
        return f"{self.model_host}:{self.model_port}/v1"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a bridge's environment needs so that it finds the model, by the names that are common."""
        http, ws = ("https", "wss") if self.model_tls else ("http", "ws")
        return {
            "OPENAI_API_KEY": "sk-anything",
            "OPENAI_BASE_URL": f"{http}://{self.model_base}",
            "CALLBRIDGE_REALTIME_URL": f"{ws}://{self.model_base}/realtime",
            "TWILIO_ACCOUNT_SID": self.account_sid,
            "TWILIO_AUTH_TOKEN": self.auth_token,
        }


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
