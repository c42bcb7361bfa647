"""Who may see the pages: a browser on this machine that was given the key of this start.

The listener is on loopback. That keeps other machines out, but neither a page of a stranger in the same
browser (which may let a name of its own lead to 127.0.0.1) nor a tunnel that somebody opens to the port.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.websockets import WebSocketClose

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEY: Final = "key"
"""The parameter of the first address."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Neither script nor style stands in a page, and nothing is loaded from elsewhere."""

HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}

_OF_PROXIES: Final = ("x-forwarded-", "cf-", "forwarded", "via", "ngrok-", "fly-", "x-real-ip")
"""How headers begin that proxies and tunnels add."""

_OPENING: Final = (
    "<!doctype html><meta charset='utf-8'><title>callbridge</title>"
    "<link rel='icon' href='data:,'><meta http-equiv='refresh' content='0;url=/'><a href='/'>Go on</a>"
)
"""A page that goes on by itself, not a redirect: after a click elsewhere a browser would keep the new cookie
back from what it is redirected to (SameSite)."""


def new_address(host: str, port: int, key: str) -> str:
    """The address to be opened first."""
    return f"http://{host}:{port}/?{KEY}={key}"


@dataclass(slots=True)
class Guard:
    """Middleware before everything, the static files included.

    Args:
        app: what is guarded.
        key: of this start.
        refused: the page of a refusal, made of its words.
    """

    app: ASGIApp
    key: str
    refused: Callable[[str], str]
    _pass: str = field(init=False)

    def __post_init__(self) -> None:
        # Cookies go to every port of a host: what another server there sees must not open the first address.
        self._pass = hmac.new(self.key.encode(), b"callbridge console", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or socket."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if (why := _why_not_from_here(scope, headers)) is not None:
            await self._refuse(why)(scope, receive, _with_headers(send))
        elif self._has_key(scope):
            await self._let_in(scope)(scope, receive, _with_headers(send))
        elif self._has_pass(scope, headers):
            await self.app(scope, receive, _with_headers(send))
        else:
            why = "Open the address that callbridge dev has printed: the key in it is new at every start."
            await self._refuse(why)(scope, receive, _with_headers(send))

    def _has_pass(self, scope: Scope, headers: Headers) -> bool:
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except CookieError:
            return False
        shown = cookies.get(_name_of_cookie(scope))
        return shown is not None and _is_same(shown.value, self._pass)

    def _has_key(self, scope: Scope) -> bool:
        shown = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(KEY, [""])
        is_first = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        return is_first and _is_same(shown[0], self.key)

    def _let_in(self, scope: Scope) -> Response:
        response = HTMLResponse(_OPENING, headers={"Cache-Control": "no-store"})
        response.set_cookie(_name_of_cookie(scope), self._pass, httponly=True, samesite="strict", path="/")
        return response

    def _refuse(self, why: str) -> ASGIApp:
        def refusing(scope: Scope) -> ASGIApp:
            return WebSocketClose() if scope["type"] == "websocket" else HTMLResponse(self.refused(why), 403)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await refusing(scope)(scope, receive, send)

        return answer


def _name_of_cookie(scope: Scope) -> str:
    """With the port: two starts on one machine would take each other's cookie away."""
    server = scope.get("server") or ("", 0)
    return f"callbridge_{server[1]}"


def _why_not_from_here(scope: Scope, headers: Headers) -> str | None:
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not _is_loopback(hosts[0]):
        return "These pages answer on this machine alone: open them by 127.0.0.1 or localhost."
    if any(name.startswith(_OF_PROXIES) for name in headers):
        return "These pages are not for other machines: a proxy or a tunnel has passed this request on."
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{hosts[0]}":
        return "A page from elsewhere has asked for this."
    is_plain = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
    site = headers.get("sec-fetch-site", "none" if is_plain else "same-origin")
    # To follow a link from elsewhere is allowed, with the key in it; to do something is not.
    if site not in {"same-origin", "none"} and not (is_plain and _is_navigation(headers)):
        return "A page from elsewhere has asked for this."
    return None


def _is_navigation(headers: Headers) -> bool:
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_same(shown: str, meant: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "replace"), meant.encode())


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            have = {name.lower() for name, _ in message.get("headers", [])}
            ours = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *(one for one in ours if one[0] not in have)]
        await send(message)

    return with_headers
