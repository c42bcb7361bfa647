"""Where requests may go is a scheme, a host and a port, and no way around them."""

from __future__ import annotations

import pytest

from callbridge.agents.http.origins import OriginFault, listed_origin, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.Example.com/slots?x=1", "https://api.example.com"),
        ("https://api.example.com.:443/", "https://api.example.com"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("https://bücher.example/", "https://xn--bcher-kva.example"),
        ("https://[2606:4700::1111]/x", "https://[2606:4700::1111]"),
        ("http://localhost:8000/x", "http://localhost:8000"),
        ("http://[::1]:8000/x", "http://[::1]:8000"),
        ("https://127.0.0.1:8443/", "https://127.0.0.1:8443"),
    ],
)
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    assert str(origin_of(url)) == origin


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.example.com/", "this machine only"),
        ("http://localhost.example.com/", "this machine only"),
        ("https://10.0.0.1/", "internal address"),
        ("https://[fd00::1]/", "internal address"),
        ("https://169.254.169.254/", "internal address"),
        ("https://user:word@api.example.com/", "no place in a URL"),
        ("https://api.example.com@evil.example/", "no place in a URL"),
        ("https://{host}/", "no name of a host"),
        ("https://api example.com/", "no name of a host"),
        ("https://:443/", "no URL"),
        ("https://api.example.com:port/", "no URL"),
        ("ftp://api.example.com/", "no URL"),
        ("file:///etc/passwd", "no URL"),
        ("//api.example.com", "no URL"),
        ("api.example.com", "no URL"),
    ],
)
def test_what_is_no_origin_is_refused(url: str, why: str) -> None:
    with pytest.raises(OriginFault, match=why):
        origin_of(url)


@pytest.mark.parametrize("entry", ["https://a.example/v1", "https://a.example?x", "https://a.example/#x"])
def test_a_list_has_origins_alone(entry: str) -> None:
    with pytest.raises(OriginFault, match=r"write https://a\.example"):
        listed_origin(entry)
