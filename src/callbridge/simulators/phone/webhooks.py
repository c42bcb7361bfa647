"""Twilio over HTTP: signed webhooks with the standard voice parameters, and status callbacks.

A thin shell around httpx. What an answer means is the business of `twiml`.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from callbridge.simulators.phone.incoming import Incoming, Place, call_parameters, place_of
from callbridge.simulators.phone.manner import Manner, read_overrides
from callbridge.simulators.phone.misbehaviour import Misbehaviour
from callbridge.simulators.phone.signature import HEADER, SETTINGS_HEADER, SharedKey, sign_form
from callbridge.simulators.phone.twiml import TWIML_BYTES_MAX, WebAnswer, WebFailure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

REDIRECTS_MAX = 10
"""One more is error 11215."""

ADDED = {"ParameterOfTomorrow": "Twilio adds some without notice: 1 + 1 = 2 & more"}
"""In every request: whoever answers must not mind, and must not leave it out of the signature."""

BODY_BYTES_MAX = TWIML_BYTES_MAX + 1
"""Enough to see that a document is too large; an endless answer is not read to its end."""


@dataclass(frozen=True, slots=True)
class Line:
    """The facts of a call that every request repeats."""

    account_sid: str
    auth_token: str
    call_sid: str
    from_number: str
    to_number: str
    incoming: Incoming = field(default_factory=Incoming)
    shared_key: SharedKey | None = None
    direction: str = "inbound"
    """As Twilio calls it: `inbound`, `outbound-api` or `outbound-dial`."""
    parent_sid: str | None = None
    """CallSid of the call whose `<Dial>` made this one."""
    stays_on_this_machine: bool = False
    """Other addresses are not asked (11210)."""


def first_parameters(line: Line) -> dict[str, str]:
    """The parameters of the request with which a call that comes in begins."""
    told = call_parameters(line.incoming, (line.from_number, line.to_number), line.call_sid)
    return voice_parameters(line, "ringing") | told


def voice_parameters(line: Line, status: str) -> dict[str, str]:
    """The standard parameters of a voice request (twilio.com/docs/voice/twiml).

    Geography is best effort with Twilio, so fields do come empty; a validator that drops empty
    fields breaks on real calls and must break here.
    """
    caller = place_of(line.from_number, line.incoming.from_place)
    called = place_of(line.to_number, line.incoming.to_place)
    return {
        "AccountSid": line.account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": line.call_sid,
        "CallStatus": status,
        "Called": line.to_number,
        **_place("Called", called),
        "Caller": line.from_number,
        **_place("Caller", caller),
        "Direction": line.direction,
        "From": line.from_number,
        **_place("From", caller),
        "To": line.to_number,
        **_place("To", called),
        **({} if line.parent_sid is None else {"ParentCallSid": line.parent_sid}),
    }


def _place(whose: str, place: Place | None) -> dict[str, str]:
    if place is None:
        return {}
    parts = {"City": place.city, "State": place.state, "Zip": place.zip, "Country": place.country}
    return {f"{whose}{part}": value for part, value in parts.items()}


def stream_parameters(line: Line, stream_sid: str, name: str | None, event: str) -> dict[str, str]:
    """The parameters of a stream status callback (twilio.com/docs/voice/twiml/stream)."""
    # Nanoseconds, as seen on real callbacks.
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    instant = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "AccountSid": line.account_sid,
        "CallSid": line.call_sid,
        "StreamSid": stream_sid,
        "StreamName": name or stream_sid,
        "StreamEvent": event,
        "Timestamp": f"{instant}.{nanoseconds:09d}Z",
    }


def ended_parameters(line: Line, status: str, duration_s: int) -> dict[str, str]:
    """The parameters of the call status callback at the end of a call."""
    return {
        **progress_parameters(line, status, 0),
        **duration_parameters(duration_s),
    }


def progress_parameters(line: Line, status: str, number: int) -> dict[str, str]:
    """The parameters of a status callback of a call that was made.

    Args:
        line: the call.
        status: `initiated`, or the status of the call.
        number: how many callbacks of the call came before.
    """
    return {
        **voice_parameters(line, status),
        "CallbackSource": "call-progress-events",
        "SequenceNumber": str(number),
        "Timestamp": format_datetime(datetime.now(UTC)),
    }


def duration_parameters(duration_s: int) -> dict[str, str]:
    """How long a call was: in seconds, and in minutes as they are charged."""
    return {"CallDuration": str(duration_s), "Duration": str(-(-duration_s // 60))}


@cache
def tls_context() -> ssl.SSLContext:
    """The one TLS context of the process: making one blocks the loop for tens of milliseconds."""
    return ssl.create_default_context()


NOT_HERE = "not on this machine, which the calls were told not to leave"


def is_on_this_machine(url: str) -> bool:
    """Whether an address is on loopback: by its name alone, which nobody else resolves."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Webhooks:
    """Asks webhooks as Twilio does. An async context manager, because it holds connections."""

    def __init__(self, line: Line, misbehaviours: AbstractSet[Misbehaviour]) -> None:
        self.auth_token = line.auth_token
        """What signs from now on: an account's token may change in the middle of a call."""
        self._shared_key = line.shared_key
        self._stays_here = line.stays_on_this_machine
        self._misbehaviours = misbehaviours
        self._client = httpx.AsyncClient(
            # A proxy or certificate from the environment has no place between two local programs.
            transport=httpx.AsyncHTTPTransport(verify=tls_context(), trust_env=False),
            trust_env=False,
        )
        self.sent: list[httpx.Request] = []
        """Every request, as somebody on the way could have captured it."""

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._client.aclose()

    async def ask(
        self, url: str, method: str, parameters: Mapping[str, str], times: int = 1
    ) -> WebAnswer | WebFailure:
        """Send one signed request, follow redirects, and return the answer or Twilio's code.

        Args:
            url: the webhook's.
            method: GET or POST.
            parameters: the form.
            times: how often it is delivered, as answers get lost; the last one is returned.
        """
        # The fragment of an address is for Twilio itself: neither sent nor signed.
        url, _, fragment = url.partition("#")
        manner = read_overrides(fragment)
        parameters = {**parameters, **ADDED}
        # The token stays the same over the retries and redirects of one delivery.
        token = secrets.token_hex(16)
        if Misbehaviour.WEBHOOK_TWICE in self._misbehaviours:
            times = max(times, 2)
        for _ in range(times - 1):
            await self._deliver(url, method, parameters, token, manner)
        return await self._deliver(url, method, parameters, token, manner)

    async def _deliver(
        self, url: str, method: str, parameters: Mapping[str, str], token: str, manner: Manner
    ) -> WebAnswer | WebFailure:
        try:
            async with asyncio.timeout(manner.total_s):
                for _ in range(REDIRECTS_MAX + 1):
                    answer = await self._send(url, method, parameters, token, manner)
                    if isinstance(answer, WebAnswer):
                        return answer
                    url, method = urljoin(url, answer.location), answer.method
        except TimeoutError:
            return WebFailure(url, 11200, f"{url}: no answer within {manner.total_s:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return WebFailure(url, _failure_code(error), f"{url}: {str(error) or type(error).__name__}")
        return WebFailure(url, 11215, url)

    async def _send(
        self, url: str, method: str, parameters: Mapping[str, str], token: str, manner: Manner
    ) -> WebAnswer | _Redirect:
        """Sends it, and again at once where its manner says so: how long Twilio waits is not documented."""
        for _ in range(manner.retries):
            try:
                answer = await self._send_once(url, method, parameters, token, manner)
            except httpx.TransportError as error:
                if not manner.retries_after(_policy_of(error)):
                    raise
            else:
                if isinstance(answer, _Redirect) or not manner.retries_after(answer.status):
                    return answer
        return await self._send_once(url, method, parameters, token, manner)

    async def _send_once(
        self, url: str, method: str, parameters: Mapping[str, str], token: str, manner: Manner
    ) -> WebAnswer | _Redirect:
        if self._stays_here and not is_on_this_machine(url):
            raise httpx.UnsupportedProtocol(NOT_HERE)
        request = self._request(url, method, parameters, token)
        self.sent.append(request)
        timeout = httpx.Timeout(manner.read_s, connect=manner.connect_s)
        request.extensions["timeout"] = timeout.as_dict()
        response = await self._client.send(request, stream=True)
        try:
            if response.has_redirect_location:
                keeps_method = response.status_code in {307, 308}
                return _Redirect(response.headers["Location"], method if keeps_method else "GET")
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) >= BODY_BYTES_MAX:
                    break
        finally:
            await response.aclose()
        kind = response.headers.get("Content-Type", "")
        return WebAnswer(url, response.status_code, kind, body)

    def _request(self, url: str, method: str, parameters: Mapping[str, str], token: str) -> httpx.Request:
        headers = {
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "I-Twilio-Idempotency-Token": token,
            "X-Home-Region": "us1",
        }
        if method == "GET":
            # `CallToken` is told by POST only.
            form = urlencode({name: value for name, value in parameters.items() if name != "CallToken"})
            joint = "&" if "?" in url else "?"
            request = self._client.build_request("GET", f"{url}{joint}{form}", headers=headers)
            parameters = {}
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
            form = urlencode(parameters)
            request = self._client.build_request("POST", url, headers=headers, content=form)
        # Signed is the URL as it is sent: httpx may have escaped a character.
        self._sign(request, str(request.url), parameters)
        return request

    def _sign(self, request: httpx.Request, url: str, parameters: Mapping[str, str]) -> None:
        if Misbehaviour.UNSIGNED_WEBHOOK in self._misbehaviours:
            return
        if self._shared_key is not None:
            request.headers[SETTINGS_HEADER] = self._shared_key.settings
            request.headers[HEADER] = sign_form(url, parameters, self._shared_key)
            return
        is_forged = Misbehaviour.FORGED_WEBHOOK in self._misbehaviours
        key = f"not {self.auth_token}" if is_forged else self.auth_token
        request.headers[HEADER] = sign_form(url, parameters, key)


@dataclass(frozen=True, slots=True)
class _Redirect:
    location: str
    method: str


def _policy_of(error: httpx.TransportError) -> str:
    """What the retry policy calls a failure; nothing when it has no name for it."""
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return "ct"
        case httpx.ReadTimeout():
            return "rt"
        case _:
            return ""


def _failure_code(error: httpx.HTTPError | httpx.InvalidURL) -> int:
    """Twilio's code for a request that got no answer."""
    match error:
        case httpx.ConnectTimeout():
            return 11201
        case httpx.ConnectError():
            return _connect_failure_code(str(error).lower())
        case httpx.ProtocolError():
            return 11206
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return 11210
        case httpx.TimeoutException():
            return 11200
        case _:
            return 11205


def _connect_failure_code(text: str) -> int:
    # httpx tells these apart by their text alone.
    if "ssl" in text or "certificate" in text:
        return 11220
    if "name" in text or "address info" in text:
        return 11210
    return 11202
