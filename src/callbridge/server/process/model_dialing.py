"""How all calls of a process reach the model: one address, one key, one TLS context."""

from __future__ import annotations

import functools
import ssl
from typing import TYPE_CHECKING

from callbridge.bridge.legs.dialer import ModelDialer, nobody_hears
from callbridge.bridge.legs.leg import MODEL_PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.server.config.settings import Settings


def model_dialer(settings: Settings, hears_date: Callable[[str], None] = nobody_hears) -> ModelDialer:
    """How all calls reach the model, with the one TLS context of the process."""
    return ModelDialer(
        url=settings.realtime_url,
        key=settings.openai_api_key.get_secret_value(),
        tls=_tls() if settings.realtime_url.startswith("wss:") else None,
        patience=MODEL_PATIENCE,
        hears_date=hears_date,
    )


@functools.cache
def _tls() -> ssl.SSLContext:
    """Reads all certificates that this machine trusts: 20 ms."""
    return ssl.create_default_context()
