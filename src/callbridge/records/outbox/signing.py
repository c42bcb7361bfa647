"""Signs what is sent, as the Standard Webhooks specification has it: HMAC-SHA256 over id, time and body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX: Final = "whsec_"
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64

HOW_TO_MAKE_ONE: Final = 'Make one: echo "whsec_$(openssl rand -base64 32)"'


class WebhookSecretFault(ValueError):  # noqa: N818  # Said of what somebody wrote down.
    """This is no secret. The text says what is wrong, and never the secret."""


def signing_key(secret: str) -> bytes:
    """The key in a secret as people hand it on.

    Raises:
        WebhookSecretFault: it is none.
    """
    if not secret.startswith(PREFIX):
        raise WebhookSecretFault(f"must begin with {PREFIX}. {HOW_TO_MAKE_ONE}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise WebhookSecretFault(f"must be {PREFIX} and base64. {HOW_TO_MAKE_ONE}") from None
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise WebhookSecretFault(
            f"must be of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes, and has {len(key)}. {HOW_TO_MAKE_ONE}"
        )
    return key


def signed(keys: Sequence[bytes], event_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers that go with a body.

    Args:
        keys: each signs: the new one and the old one while a secret is rotated. None: nothing is signed.
        event_id: the same at every attempt.
        at_s: when this attempt is made, in seconds since 1970.
        body: byte for byte as it is sent.
    """
    headers = {"webhook-id": event_id, "webhook-timestamp": str(at_s)}
    if keys:
        content = f"{event_id}.{at_s}.".encode() + body
        headers["webhook-signature"] = " ".join(f"v1,{_signature(key, content)}" for key in keys)
    return headers


def _signature(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
