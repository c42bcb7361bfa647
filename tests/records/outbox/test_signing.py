"""What is signed, judged by the package that receivers use."""

from __future__ import annotations

import base64
import time

import pytest
import standardwebhooks

from callbridge.records.outbox.signing import WebhookSecretFault, signed, signing_key

NEW, OLD = (f"whsec_{base64.b64encode(letter * 32).decode()}" for letter in (b"n", b"o"))
BODY = '{"type":"call.completed","data":{"caller":"Jürgen"}}'.encode()


def is_genuine(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        standardwebhooks.Webhook(secret).verify(body, headers)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def test_a_receiver_knows_who_sends() -> None:
    """And that nothing was changed: not the body, the id or the time."""
    headers = signed([signing_key(NEW)], "evt_1", int(time.time()), BODY)
    assert is_genuine(NEW, BODY, headers)
    assert not is_genuine(OLD, BODY, headers)
    assert not is_genuine(NEW, BODY + b" ", headers)
    assert not is_genuine(NEW, BODY, headers | {"webhook-id": "evt_2"})
    assert not is_genuine(NEW, BODY, headers | {"webhook-timestamp": str(int(time.time()) - 1)})


def test_while_a_secret_is_rotated_both_are_good() -> None:
    headers = signed([signing_key(NEW), signing_key(OLD)], "evt_1", int(time.time()), BODY)
    assert is_genuine(NEW, BODY, headers)
    assert is_genuine(OLD, BODY, headers)


@pytest.mark.parametrize(
    "secret",
    ["", "secret", NEW.removeprefix("whsec_"), "whsec_äöü", "whsec_" + "A" * 20, "whsec_" + "A" * 92],
)
def test_what_is_no_secret_is_told_without_it(secret: str) -> None:
    with pytest.raises(WebhookSecretFault) as caught:
        signing_key(secret)
    assert "openssl" in str(caught.value)
    assert not secret or secret not in str(caught.value)
