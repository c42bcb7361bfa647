"""The pages' shell: who sees them, what they send with every answer, what lies in `vendor`."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from callbridge.console.app import Section, create_console
from callbridge.console.notice import Notice
from callbridge.console.pages import page
from callbridge.console.vendored import LIST, STATIC, VENDOR, vendored_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

KEY = "the-key-of-this-start"
HERE = "http://127.0.0.1:8090"


async def hello(request: Request) -> Response:
    return page(request, "error.html", words="<Hello> & welcome", detail="")


async def broken(request: Request) -> Response:
    raise ZeroDivisionError(request.url.path)


def browser(notice: Callable[[], Notice | None] = lambda: None, *, has_key: bool = True) -> TestClient:
    router = APIRouter()
    router.add_route("/talk", hello)
    router.add_route("/talk/said", hello, methods=["POST"])
    router.add_route("/broken", broken)
    app = create_console([Section("Talk", "/talk", router)], key=KEY, notice=notice)
    client = TestClient(app, HERE, raise_server_exceptions=False)
    if has_key:
        opened = client.get("/", params={"key": KEY})
        assert opened.status_code == 200
        assert "url=/" in opened.text
    return client


def test_the_first_address_lets_in_and_the_key_goes_no_further() -> None:
    client = browser()
    cookie = client.get("/", params={"key": KEY}).headers["set-cookie"]
    assert KEY not in cookie
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    answer = client.get("/")
    assert answer.url.path == "/talk"
    assert "&lt;Hello&gt; &amp; welcome" in answer.text
    assert 'aria-current="page">Talk' in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8090"},
        {"Host": "192.168.1.7:8090"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Cf-Ray": "8c1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_what_comes_from_elsewhere_is_refused_cookie_or_not(headers: dict[str, str]) -> None:
    client = browser()
    for answer in (client.get("/talk", headers=headers), client.post("/talk/said", headers=headers)):
        assert answer.status_code == 403
        assert "Hello" not in answer.text


def test_a_link_from_elsewhere_may_be_followed_and_nothing_else_done() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    client = browser()
    assert client.get("/talk", headers=headers).status_code == 200
    assert client.post("/talk/said", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/", "/talk", "/static/console.css", "/?key=wrong", "/talk?key=" + KEY])
def test_who_has_no_key_sees_nothing(path: str) -> None:
    answer = browser(has_key=False).get(path)
    assert answer.status_code == 403
    assert "callbridge dev has printed" in answer.text
    assert "set-cookie" not in answer.headers


def test_every_answer_forbids_what_is_not_of_here() -> None:
    client = browser()
    for path in ("/talk", "/static/console.css", "/nowhere", "/broken"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_errors_are_pages() -> None:
    client = browser()
    nowhere, failed = client.get("/nowhere"), client.get("/broken")
    assert (nowhere.status_code, failed.status_code) == (404, 500)
    assert "<h1>Not Found</h1>" in nowhere.text
    assert "stands in the terminal" in failed.text
    assert "ZeroDivisionError" not in failed.text


def test_a_notice_is_told_once_and_again_when_it_changes() -> None:
    told: list[Notice | None] = [None]
    client = browser(lambda: told[0])
    assert client.get("/notice").status_code == 200
    told[0] = Notice("<b>SyntaxError</b>", "line 3", is_bad=True)
    first = client.get("/notice")
    assert "&lt;b&gt;SyntaxError" in first.text
    seen = first.text.partition("seen=")[2].partition('"')[0]
    assert client.get("/notice", params={"seen": seen}).status_code == 204
    told[0] = None
    assert client.get("/notice", params={"seen": seen}).status_code == 200


def test_a_browser_keeps_what_cannot_change_and_asks_for_the_rest() -> None:
    client = browser()
    for one in vendored_files():
        answer = client.get(f"/static/vendor/{one.file}")
        assert "immutable" in answer.headers["cache-control"]
        assert one.version in one.file, "else it would be kept for ever"
    style = client.get("/static/console.css")
    assert style.headers["cache-control"] == "no-cache"
    again = client.get("/static/console.css", headers={"If-None-Match": style.headers["etag"]})
    assert again.status_code == 304


def test_what_others_wrote_is_as_it_was_published() -> None:
    """Each file with its licence, and none that is not listed."""
    listed = vendored_files()
    for one in listed:
        assert hashlib.sha256((VENDOR / one.file).read_bytes()).hexdigest() == one.sha256, one.name
        assert "Permission to use, copy" in (VENDOR / one.licence_file).read_text(encoding="utf-8")
    names = {LIST} | {name for one in listed for name in (one.file, one.licence_file)}
    assert {path.name for path in VENDOR.iterdir()} == names


def test_htmx_neither_evaluates_nor_writes_style_of_its_own() -> None:
    """The policy would stop both, and each try is an error in the browser."""
    text = browser().get("/talk").text
    config = json.loads(text.partition("htmx-config\" content='")[2].partition("'")[0])
    assert config["allowEval"] is False
    assert config["includeIndicatorStyles"] is False


TEXT_ON_GROUND = [
    *(
        (text, ground)
        for text in ("ink", "quiet", "accent", "good", "warn", "bad")
        for ground in ("surface", "ground")
    ),
    *((text, "surface") for text in ("caller", "agent", "cut")),
    *(("ink", "raised"), ("quiet", "raised"), ("on-accent", "accent"), ("bad", "bad-ground")),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_has_contrast(scheme: str) -> None:
    """4.5 to 1, as WCAG 2.2 has it for text (AA); 3 to 1 for the edges of what can be used."""
    colours = colours_of(scheme)
    for text, ground in TEXT_ON_GROUND:
        assert contrast(colours[text], colours[ground]) >= 4.5, (scheme, text, ground)
    assert contrast(colours["edge"], colours["surface"]) >= 3


def colours_of(scheme: str) -> dict[str, str]:
    """The style's colours by name."""
    style = (STATIC / "console.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    return {
        name: value
        for block in ([light] if scheme == "light" else [light, dark])
        for name, value in re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)
    }


def contrast(one: str, other: str) -> float:
    """As WCAG defines it, from relative luminance."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
