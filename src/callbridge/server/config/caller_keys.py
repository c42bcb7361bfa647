"""Under which keys callers are counted, remembered and on record: no number is kept."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from callbridge.switchboard.callers import ANONYMOUS, key_of, remembered_key

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings


def caller_key(settings: Settings, caller: str) -> str:
    """The key under which a caller is counted."""
    return key_of(caller, _secret_of_callers(settings.own_secret))


def key_to_remember(settings: Settings, caller: str) -> str:
    """The key under which is kept what is remembered of a caller; empty for who cannot be told apart."""
    return remembered_key(caller, _secret_of_callers(settings.own_secret))


def key_on_record(settings: Settings, caller: str) -> str:
    """The key under which their calls are on record: the same, and one for all who cannot be told apart."""
    return key_to_remember(settings, caller) or ANONYMOUS


def keys_ever(settings: Settings, caller: str) -> tuple[str, ...]:
    """All keys under which something may be kept of a caller: secrets are exchanged."""
    secrets = dict.fromkeys((settings.own_secret, *settings.auth_tokens))
    return tuple(remembered_key(caller, _secret_of_callers(secret)) for secret in secrets)


def _secret_of_callers(secret: str) -> bytes:
    return hmac.new(secret.encode(), b"callbridge callers", hashlib.sha256).digest()
