"""Who asks: HTTP Basic with the account's sid and token, or with an API key and its secret.

Source: twilio.com/docs/iam/api-keys. The path names the account either way. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.simulators.account.rest import Refusal

if TYPE_CHECKING:
    from callbridge.simulators.account.ledger import ApiKey, Ledger
    from callbridge.simulators.account.rest import RestRequest


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose credentials a request has."""

    key: ApiKey | None = None
    """None for the account's own token."""
    is_test: bool = False
    """With the account's test credentials."""

    def check(self, resource: str) -> None:
        """Refuse what this asker may not.

        A standard key may do all but `/Accounts`. A restricted one without the permission is told so on every
        resource, also on those that its name suggests.

        Raises:
            Refusal: 20003 or 70051.
        """
        if self.key is None or self.key.kind == "main":
            return
        if resource == "Accounts" and self.key.kind == "standard":
            raise Refusal(20003)
        if self.key.kind == "restricted" and resource not in self.key.grants:
            raise Refusal(70051, resource)


def asker_of(ledger: Ledger, request: RestRequest) -> Asker:
    """Whoever asks.

    Raises:
        Refusal: 20003, when nobody of this account does.
    """
    name, password = _basic(request.headers.get("authorization", ""))
    settings = ledger.settings
    if name == settings.account_sid and _is_same(password, ledger.auth_token):
        return Asker()
    if name == settings.test_sid and _is_same(password, settings.test_token):
        return Asker(is_test=True)
    key = next((key for key in settings.keys if key.sid == name), None)
    if key is not None and _is_same(password, key.secret):
        return Asker(key)
    raise Refusal(20003)


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _basic(header: str) -> tuple[str, str]:
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
