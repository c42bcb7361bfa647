"""Whom the service answers: requests that Twilio signed, or, where that is switched off, this machine alone.

Who is refused gets no word of it. The log says what to change: the first of a kind at once, the rest as a
count a minute, so that strangers can neither fill it nor make us compute.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog

from callbridge.server.config.setting_values import is_loopback
from callbridge.telephony.signatures import SIGNATURE_HEADER, SignatureCheck
from callbridge.telephony.wrong_signatures import Asked, Explanation, explain, fault_at_first_sight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import HTTPConnection, Request
    from starlette.websockets import WebSocket

    from callbridge.server.process.desk import Desk

_FROM_ELSEWHERE: Final = frozenset(
    {"forwarded", "via", "cdn-loop", "cf-connecting-ip", "cf-ray", "fly-client-ip", "x-amzn-trace-id"}
    | {"x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "fastly-client-ip"}
    | {"x-original-host", "x-original-uri", "x-original-url", "x-request-start", "origin", "sec-fetch-site"}
)
"""Headers that proxies and tunnels add; the last two are a browser's, in which a page of anybody may run."""

_FROM_ELSEWHERE_BEGIN: Final = ("x-forwarded-", "cf-", "fly-", "ngrok-", "x-envoy-", "x-vercel-")

_log = structlog.get_logger()


@dataclass(slots=True)
class Trust:
    """Tells genuine requests from all others."""

    desk: Desk
    _check: SignatureCheck | None = field(init=False)

    def __post_init__(self) -> None:
        self._check = self.desk.signature_check

    def accepts_webhook(self, request: Request, parameters: list[tuple[str, str]]) -> bool:
        """Whether this is Twilio's; `parameters` are those of the form, or of the query of a GET."""
        if self._check is None:
            return self._is_local(request, "webhook_refused")
        signature = request.headers.get(SIGNATURE_HEADER)
        route, query = route_of(request), request.scope["query_string"].decode("latin-1")
        is_post = request.method == "POST"
        if is_post and self._check.accepts_post(route, query, parameters, signature):
            return True
        if not is_post and self._check.accepts_get(route, query, signature):
            return True
        account_sid = next((value for name, value in parameters if name == "AccountSid"), "")
        form = parameters if is_post else []
        asked = Asked(route, request.scope["path"], query, form, request.headers, account_sid)
        self._refuse("webhook_refused", asked)
        return False

    def accepts_upgrade(self, websocket: WebSocket, route: str) -> bool:
        """Whether this upgrade is Twilio's, for the media socket at `route`."""
        if self._check is None:
            return self._is_local(websocket, "upgrade_refused")
        if self._check.accepts_upgrade(route, websocket.headers.get(SIGNATURE_HEADER)):
            return True
        query = websocket.scope["query_string"].decode("latin-1")
        asked = Asked(route, websocket.scope["path"], query, [], websocket.headers, "", is_upgrade=True)
        self._refuse("upgrade_refused", asked)
        return False

    def _refuse(self, event: str, asked: Asked) -> None:
        settings = self.desk.settings
        fault = fault_at_first_sight(asked.headers)
        # Who names our account is hardly a stranger: their flood must not hide what ails our own requests.
        is_ours = asked.account_sid == settings.twilio_account_sid
        kind = f"{event} {asked.route}: {'wrong signature' if fault is None else fault.reason}"
        count = self.desk.refused.take(f"{kind}, for our account" if is_ours else kind, self.desk.now())
        if count is None:
            return
        if fault is None:
            address, account = settings.public_base_url, settings.twilio_account_sid
            fault = explain(settings.auth_tokens, address, account, asked)
        _tell(event, asked.path, fault, count)

    def _is_local(self, connection: HTTPConnection, event: str) -> bool:
        fault = self._why_not_local(connection)
        if fault is None:
            return True
        count = self.desk.refused.take(f"{event}: from elsewhere", self.desk.now())
        if count is not None:
            _tell(event, connection.scope["path"], fault, count)
        return False

    def _why_not_local(self, connection: HTTPConnection) -> Explanation | None:
        """Signatures are switched off: why this may be a stranger, whom nothing else would keep out."""
        address, mounted = self.desk.settings.public_base_url, connection.scope.get("root_path", "")
        if sign := next(_signs_of_others(connection), None):
            return Explanation(
                f"signatures are not checked, so only this machine may call, and the request came {sign}",
                "For calls through a proxy or a tunnel remove CALLBRIDGE_VALIDATE_SIGNATURES, and set "
                "PUBLIC_BASE_URL to the address under which Twilio reaches it.",
            )
        if mounted != urlsplit(address).path:
            return Explanation(
                f"PUBLIC_BASE_URL is {address}, and the app is mounted at {mounted}",
                "Let PUBLIC_BASE_URL end in the path at which the app is mounted.",
            )
        return None


def route_of(connection: HTTPConnection) -> str:
    """The path by which the service itself knows what is asked for, wherever it is mounted."""
    path: str = connection.scope["path"]
    prefix: str = connection.scope.get("root_path", "")
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path


def _signs_of_others(connection: HTTPConnection) -> Iterator[str]:
    client = connection.scope.get("client")
    if client is None or not _is_this_machine(client[0]):
        yield "from another machine"
    hosts = connection.headers.getlist("Host")
    if not hosts or not all(is_loopback(_name_of(host)) for host in hosts):
        yield "under another name than a loopback one (Host)"
    for name in connection.headers:
        if name in _FROM_ELSEWHERE or name.startswith(_FROM_ELSEWHERE_BEGIN):
            yield f"through a proxy, a tunnel or a browser (these add the header {name[:40]})"


def _name_of(host: str) -> str:
    """The name or address in a `Host`, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_this_machine(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _tell(event: str, path: str, fault: Explanation, count: int) -> None:
    _log.warning(event, path=path, reason=fault.reason, remedy=fault.remedy, count=count)
