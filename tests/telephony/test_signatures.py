"""Signatures: Twilio's own vectors, its own validator both ways, and everything forged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import (  # type: ignore[import-untyped]  # it ships no types
    RequestValidator,
)

from callbridge.telephony.signatures import SignatureCheck, sign

TOKEN = "12345"
BASE = "https://example.com"
PATH = "/twilio/voice"
FORM = [("CallSid", "CA1"), ("From", "+14158675310"), ("To", "+18005551212")]

VECTOR_FORM = [
    *[("Digits", "1234"), ("To", "+18005551212"), ("From", "+14158675310")],
    *[("Caller", "+14158675310"), ("CallSid", "CA1234567890ABCDE")],
]
VECTOR = "L/OH5YylLD5NRKLltdqwSvS0BnU="


def check(base: str = BASE) -> SignatureCheck:
    return SignatureCheck((TOKEN,), base)


def test_known_vectors_are_made_and_accepted() -> None:
    """Those of Twilio's documentation; a socket's URL may have a slash at its end."""
    assert sign(TOKEN, f"{BASE}/myapp.php?foo=1&bar=2", VECTOR_FORM) == VECTOR
    assert check().accepts_post("/myapp.php", "foo=1&bar=2", VECTOR_FORM, VECTOR)
    for path, signature in (
        ("/media", "7PR3qMkpDyEJtMrVOY/LDyNq8J8="),
        ("/media/", "T+WBXwUXC0/CyoZ1DA+p9ilZORs="),
    ):
        assert sign(TOKEN, "wss://example.com" + path, []) == signature
        assert check().accepts_upgrade("/media", signature)


def test_trailing_slash_is_for_sockets_only() -> None:
    signature = sign(TOKEN, f"{BASE}{PATH}/", FORM)
    assert not check().accepts_post(PATH, "", FORM, signature)


parameters = st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=8)
bases = st.sampled_from(
    ["https://example.com", "https://example.com:8443", "http://127.0.0.1:8080", "http://127.0.0.1"]
)
queries = st.sampled_from(["", "a=1", "x=%20y&z="])


class Many:
    """Twilio's validator reads repeated parameters through `getlist`, as web frameworks have it."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def __iter__(self) -> object:
        return iter([name for name, _ in self.pairs])

    def __len__(self) -> int:
        return len(self.pairs)

    def getlist(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]


@given(base=bases, query=queries, form=parameters)
def test_we_and_twilios_library_accept_each_other(base: str, query: str, form: list[tuple[str, str]]) -> None:
    """Any form, repeated names and all scripts included."""
    url = f"{base}{PATH}?{query}" if query else base + PATH
    theirs = RequestValidator(TOKEN)
    assert check(base).accepts_post(PATH, query, form, theirs.compute_signature(url, Many(form)))
    assert theirs.validate(url, Many(form), sign(TOKEN, url, form))


@given(query=queries)
def test_get_signs_the_url_alone(query: str) -> None:
    """A GET is checked over its URL; its parameters are not added a second time."""
    url = f"{BASE}{PATH}?{query}" if query else BASE + PATH
    signature = RequestValidator(TOKEN).compute_signature(url, {})
    assert check().accepts_get(PATH, query, signature)
    assert not check().accepts_get(PATH, query + "&b=2", signature)


@pytest.mark.parametrize(
    ("configured", "signed"),
    [
        ("https://example.com:8443", "https://example.com"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("https://example.com", "https://example.com:443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[::1]:8080", "http://[::1]"),
        ("https://Example.COM", "https://Example.COM"),
        ("https://Example.COM:8443", "https://example.com"),
        ("https://example.com:8443/calls", "https://example.com/calls"),
    ],
)
def test_host_and_port_may_be_spelt_otherwise(configured: str, signed: str) -> None:
    """Voice over HTTPS drops the port, HTTP keeps it; either way of signing is the same request.

    So are capitals of the host as they were entered, and in lower case.
    """
    signature = sign(TOKEN, signed + PATH, FORM)
    assert check(configured).accepts_post(PATH, "", FORM, signature)


@pytest.mark.parametrize(
    ("configured", "signed"),
    [
        ("https://example.com", "wss://example.com"),
        ("https://example.com:8443", "wss://example.com"),
        ("https://example.com", "wss://example.com:443"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ("https://Example.com/calls", "wss://example.com/calls"),
    ],
)
def test_upgrade_is_signed_over_the_socket_scheme(configured: str, signed: str) -> None:
    subject = check(configured)
    assert subject.accepts_upgrade("/media-stream", sign(TOKEN, f"{signed}/media-stream"))
    assert not subject.accepts_upgrade("/media-stream", sign(TOKEN, f"{configured}/media-stream"))


GENUINE = sign(TOKEN, BASE + PATH, FORM)


FORGERIES = {
    "missing": None,
    "empty": "",
    "truncated": GENUINE[:-1],
    "other case": GENUINE.lower(),
    "longer": GENUINE + "=",
    "other account": sign("54321", BASE + PATH, FORM),
    "http for https": sign(TOKEN, "http://example.com" + PATH, FORM),
    "other host": sign(TOKEN, "https://evil.example" + PATH, FORM),
    "other path": sign(TOKEN, BASE + "/twilio/other", FORM),
    "parameter added": sign(TOKEN, BASE + PATH, [*FORM, ("Extra", "1")]),
    "parameter removed": sign(TOKEN, BASE + PATH, FORM[:-1]),
    "not ascii": "\u00fcml\u00e4ut",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("signature", FORGERIES.values(), ids=FORGERIES)
def test_forged_signatures_are_refused(signature: str | None) -> None:
    assert check().accepts_post(PATH, "", FORM, GENUINE)
    assert not check().accepts_post(PATH, "", FORM, signature)


@given(signature=st.text(), form=parameters)
def test_no_input_raises(signature: str, form: list[tuple[str, str]]) -> None:
    assert not check().accepts_post(PATH, "", form, signature)


def test_repeated_parameter_counts_once_per_value() -> None:
    """The same name and value twice signs as once; another value of the name counts."""
    once = sign(TOKEN, BASE, [("A", "1")])
    assert sign(TOKEN, BASE, [("A", "1"), ("A", "1")]) == once
    assert sign(TOKEN, BASE, [("A", "1"), ("A", "2")]) != once


def test_any_of_several_tokens_signs() -> None:
    """In whichever order they are known; the list as a whole is none."""
    several = SignatureCheck(("first", TOKEN, "last"), BASE)
    for token, is_known in (("first", True), (TOKEN, True), ("last", True), ("firstlast", False)):
        assert several.accepts_post(PATH, "", FORM, sign(token, BASE + PATH, FORM)) is is_known
        assert several.accepts_upgrade("/media", sign(token, "wss://example.com/media")) is is_known


def test_token_is_not_in_the_repr() -> None:
    assert TOKEN not in repr(check())
