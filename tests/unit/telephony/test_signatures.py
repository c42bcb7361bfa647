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
    ("Digits", "1234"),
    ("To", "+18005551212"),
    ("From", "+14158675310"),
    ("Caller", "+14158675310"),
    ("CallSid", "CA1234567890ABCDE"),
]


def check(base: str = BASE) -> SignatureCheck:
    return SignatureCheck(TOKEN, base)


@pytest.mark.parametrize(
    ("url", "form", "signature"),
    [
        (
            "https://example.com/myapp.php?foo=1&bar=2",
            VECTOR_FORM,
            "L/OH5YylLD5NRKLltdqwSvS0BnU=",
        ),
        ("wss://example.com/media", [], "7PR3qMkpDyEJtMrVOY/LDyNq8J8="),
        ("wss://example.com/media/", [], "T+WBXwUXC0/CyoZ1DA+p9ilZORs="),
    ],
)
def test_known_vectors(url: str, form: list[tuple[str, str]], signature: str) -> None:
    """The signatures of Twilio's documentation come out of our own computation."""
    assert sign(TOKEN, url, form) == signature


def test_documented_form_is_accepted() -> None:
    """The documented request passes, query and all."""
    assert check().accepts_post("/myapp.php", "foo=1&bar=2", VECTOR_FORM, "L/OH5YylLD5NRKLltdqwSvS0BnU=")


def test_documented_upgrade_is_accepted_with_and_without_slash() -> None:
    """The bare socket URL matches, and so does the one with the trailing slash."""
    assert check().accepts_upgrade("/media", "7PR3qMkpDyEJtMrVOY/LDyNq8J8=")
    assert check().accepts_upgrade("/media", "T+WBXwUXC0/CyoZ1DA+p9ilZORs=")


def test_trailing_slash_is_for_sockets_only() -> None:
    """A webhook signed for another path than the one asked is refused, slash or not."""
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
def test_what_twilios_library_signs_we_accept(base: str, query: str, form: list[tuple[str, str]]) -> None:
    """Any form that Twilio's library signs passes, repeated names and all scripts included."""
    url = f"{base}{PATH}?{query}" if query else base + PATH
    signature = RequestValidator(TOKEN).compute_signature(url, Many(form))
    assert check(base).accepts_post(PATH, query, form, signature)


@given(base=bases, query=queries, form=parameters)
def test_what_we_sign_twilios_library_accepts(base: str, query: str, form: list[tuple[str, str]]) -> None:
    """Any signature of ours passes Twilio's validator."""
    url = f"{base}{PATH}?{query}" if query else base + PATH
    assert RequestValidator(TOKEN).validate(url, Many(form), sign(TOKEN, url, form))


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
    ],
)
def test_port_may_be_dropped_or_spelt_out(configured: str, signed: str) -> None:
    """Voice over HTTPS drops the port, HTTP keeps it; either way of signing is the same request."""
    signature = sign(TOKEN, signed + PATH, FORM)
    assert check(configured).accepts_post(PATH, "", FORM, signature)


@pytest.mark.parametrize(
    ("configured", "signed"),
    [
        ("https://example.com", "wss://example.com"),
        ("https://example.com:8443", "wss://example.com"),
        ("https://example.com", "wss://example.com:443"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
    ],
)
def test_upgrade_is_signed_over_the_socket_scheme(configured: str, signed: str) -> None:
    """The upgrade is signed over the ws or wss URL, never over http or https."""
    subject = check(configured)
    assert subject.accepts_upgrade("/media-stream", sign(TOKEN, f"{signed}/media-stream"))
    assert not subject.accepts_upgrade("/media-stream", sign(TOKEN, f"{configured}/media-stream"))


GENUINE = sign(TOKEN, BASE + PATH, FORM)


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        GENUINE[:-1],
        GENUINE.lower(),
        GENUINE + "=",
        sign("54321", BASE + PATH, FORM),
        sign(TOKEN, "http://example.com" + PATH, FORM),
        sign(TOKEN, "https://evil.example" + PATH, FORM),
        sign(TOKEN, BASE + "/twilio/other", FORM),
        sign(TOKEN, BASE + PATH, [*FORM, ("Extra", "1")]),
        sign(TOKEN, BASE + PATH, FORM[:-1]),
        "\u00fcml\u00e4ut",
        "\ud800",
    ],
    ids=[
        "missing",
        "empty",
        "truncated",
        "other case",
        "longer",
        "other account",
        "http for https",
        "other host",
        "other path",
        "parameter added",
        "parameter removed",
        "not ascii",
        "surrogate",
    ],
)
def test_forged_signatures_are_refused(signature: str | None) -> None:
    """Nothing but the signature of exactly this request passes."""
    assert check().accepts_post(PATH, "", FORM, GENUINE)
    assert not check().accepts_post(PATH, "", FORM, signature)


@given(signature=st.text(), form=parameters)
def test_no_input_raises(signature: str, form: list[tuple[str, str]]) -> None:
    """Whatever a stranger sends is refused, not an exception."""
    assert not check().accepts_post(PATH, "", form, signature)


def test_repeated_parameter_counts_once_per_value() -> None:
    """The same name and value twice signs as once; another value of the name counts."""
    once = sign(TOKEN, BASE, [("A", "1")])
    assert sign(TOKEN, BASE, [("A", "1"), ("A", "1")]) == once
    assert sign(TOKEN, BASE, [("A", "1"), ("A", "2")]) != once


def test_token_is_not_in_the_repr() -> None:
    """An auth token must not reach a log through a repr."""
    assert TOKEN not in repr(check())
