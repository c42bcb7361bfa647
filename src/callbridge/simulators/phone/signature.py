"""X-Twilio-Signature, made as Twilio makes it, from the documented algorithm.

Source: twilio.com/docs/usage/security and /docs/usage/webhooks/webhooks-security. HMAC-SHA1 with
the account's auth token, in base64. A webhook may be signed with a SharedKey instead, by HMAC-SHA256
(/docs/usage/webhooks/webhook-shared-keys, public beta). Pure.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "X-Twilio-Signature"
SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A key that an account has made to sign webhooks with, in place of its auth token."""

    key_id: str
    secret: str = field(repr=False)

    @property
    def settings(self) -> str:
        """What the header says beside the signature."""
        return f"key={self.key_id},algorithm=HMAC_SHA256"


def sign(text: str, auth_token: str, algorithm: str = "sha1") -> str:
    """The signature of `text`; of a socket's upgrade, `text` is the URL of `<Stream url>` as it is."""
    digest = hmac.new(auth_token.encode(), text.encode(), algorithm).digest()
    return base64.b64encode(digest).decode("ascii")


def sign_form(url: str, parameters: Mapping[str, str], key: str | SharedKey) -> str:
    """The signature of a form POST: the URL, then each name and value in the order of the names.

    A GET has its parameters in the URL: give none. `key` is an auth token unless it is a SharedKey.
    """
    text = signed_url(url) + "".join(f"{name}{parameters[name]}" for name in sorted(parameters))
    return sign(text, key.secret, "sha256") if isinstance(key, SharedKey) else sign(text, key)


def signed_url(url: str) -> str:
    """The form of a webhook's URL that is signed.

    Fragment, user and password are left out, and so is the port of an https URL: "voice over HTTPS
    drops it", while plain HTTP keeps it. Nothing else is touched.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https":
        host = host.removesuffix(f":{parts.port}") if parts.port is not None else host
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
