"""X-Twilio-Signature: our own making against the documentation and the twilio package, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import (  # type: ignore[import-untyped]  # it ships no types
    RequestValidator,
    get_signature_algorithm,
)

from callbridge.simulators.phone.signature import SharedKey, sign, sign_form, signed_url

TOKEN = "12345"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675310",
    "Digits": "1234",
    "From": "+14158675310",
    "To": "+18005551212",
}


def test_the_documented_example() -> None:
    """The vector of twilio.com/docs/usage/security."""
    url = "https://example.com/myapp.php?foo=1&bar=2"
    assert sign_form(url, FORM, TOKEN) == "L/OH5YylLD5NRKLltdqwSvS0BnU="


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        ("wss://example.com/media", "7PR3qMkpDyEJtMrVOY/LDyNq8J8="),
        ("wss://example.com/media/", "T+WBXwUXC0/CyoZ1DA+p9ilZORs="),
    ],
)
def test_the_upgrade_of_a_media_socket(url: str, signature: str) -> None:
    assert sign(url, TOKEN) == signature
    assert RequestValidator(TOKEN).validate(url, {}, signature)


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com:8443/a?b=c", "https://example.com/a?b=c"),
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
        ("https://user:word@example.com/a#rc=2", "https://example.com/a"),
        ("https://[::1]:8443/a", "https://[::1]/a"),
    ],
)
def test_what_is_left_out_of_the_url(url: str, signed: str) -> None:
    assert signed_url(url) == signed


@given(
    form=st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=40), max_size=20),
    base=st.sampled_from(
        ["https://example.com/voice", "http://127.0.0.1:8080/twilio/voice", "https://a.b:444/c?d=e"]
    ),
    token=st.text(min_size=1, max_size=32),
)
def test_the_twilio_package_accepts_every_signature(form: dict[str, str], base: str, token: str) -> None:
    validator = RequestValidator(token)
    signature = sign_form(base, form, token)
    assert validator.validate(base, form, signature)
    assert not validator.validate(base, form | {"Added": "x"}, signature)
    assert not RequestValidator(f"{token}x").validate(base, form, signature)


def test_the_twilio_package_accepts_a_shared_key() -> None:
    """By the algorithm that the header names; the secret is shown nowhere."""
    key = SharedKey("webhooks_sharedkey_1", "its secret")
    algorithm = get_signature_algorithm(key.settings)
    url, validator = "https://example.com/voice", RequestValidator(key.secret)
    assert validator.validate(url, FORM, sign_form(url, FORM, key), algorithm)
    assert not validator.validate(url, FORM, sign_form(url, FORM, key.secret), algorithm)
    assert key.secret not in repr(key)
