"""The one place that knows Twilio's own package: its client, its exceptions and its traps.

What it would do by itself and must not: wait without end, ask a POST again, log addresses with numbers in
them, read TWILIO_* variables. It has no types: what comes out of it is Any until `client` has read it.
"""

from __future__ import annotations

import contextvars
import json
import logging
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from twilio.base.exceptions import (  # type: ignore[import-untyped]  # it ships no types
    TwilioException,
    TwilioRestException,
    TwilioServiceException,
)
from twilio.http.async_http_client import (  # type: ignore[import-untyped]  # as above
    AsyncTwilioHttpClient,
)
from twilio.rest import Client  # type: ignore[import-untyped]  # as above

from callbridge.telephony.rest.fault import RestFault, lost, nobody_at, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callbridge.telephony.rest.attempt import Attempt
    from callbridge.telephony.rest.credentials import Credentials

_SILENT: Final = logging.getLogger("callbridge.twilio")
"""The library logs every address, with the numbers in it."""
_SILENT.disabled = True

_NO_ENVIRONMENT: Final = {"TWILIO": ""}
"""An empty one would make it read that of the process."""


_attempt: contextvars.ContextVar[Attempt] = contextvars.ContextVar("callbridge_rest_attempt")


def load_parts() -> None:
    """Loads what is loaded at its first use otherwise: 40 ms and more, which no call is to wait for."""
    client = Client("AC", "nobody's", environment=_NO_ENVIRONMENT)
    _ = (client.api.v2010.account, client.monitor.v1)


class Library:
    """Twilio's client with one session. Made inside the event loop, closed by whoever made it."""

    def __init__(self, credentials: Credentials, http: Any = None) -> None:
        """`http` stands in for the library's HTTP client, in tests."""
        self._http = (
            http if http is not None else AsyncTwilioHttpClient(trace_configs=[_traced()], logger=_SILENT)
        )
        region, edge = credentials.way_in
        self._api = Client(
            username=credentials.account_sid,
            account_sid=credentials.account_sid,
            region=region,
            edge=edge,
            http_client=self._http,
            environment=_NO_ENVIRONMENT,
            credential_provider=_Basic(credentials),
        )
        products = (self._api.api, self._api.monitor)
        # They load their parts when they are first used: 40 ms and more, which no call is to wait for.
        _ = (self._api.api.v2010.account, self._api.monitor.v1)
        self._api_url = credentials.api_url
        if credentials.api_url:
            for product in products:
                product.base_url = credentials.api_url.rstrip("/")

    async def ask(
        self, request: Callable[[Any], Awaitable[Any]], attempt: Attempt, *, reads: bool = False
    ) -> Any:
        """The library's answer to one request, asked once.

        Args:
            request: what to do with its client.
            attempt: kept up to date while it is asked.
            reads: whether it is a question only, so that nothing can be done twice.

        Raises:
            RestFault: it failed, or its answer cannot be read.
        """
        attempt.is_sent = True
        _attempt.set(attempt)
        try:
            return await request(self._api)
        except (TwilioException, aiohttp.ClientError, OSError) as error:
            fault = _fault(error, attempt, reads=reads)
            if self._api_url and isinstance(error, aiohttp.ClientConnectorError):
                fault = nobody_at(self._api_url)
        except (ValueError, TypeError, KeyError, AttributeError):  # How the library meets what is no answer.
            fault = lost("Twilio's answer cannot be read", may_be_done=not reads)
        # Without their context: the library's words have addresses with numbers in them.
        raise fault from None

    async def close(self) -> None:
        """Closes the session."""
        await self._http.close()


def _fault(error: Exception, attempt: Attempt, *, reads: bool) -> RestFault:
    match error:
        case TwilioRestException():
            return refusal(error.status, _code(error.code), _own_words(error.msg), reads=reads)
        case TwilioServiceException():
            words = str(error.detail or error.title)
            return refusal(_code(error.status), _code(error.code), words, reads=reads)
        case TwilioException():
            return _of_page(error, reads=reads)
        case aiohttp.ClientConnectorError():
            return lost("Twilio cannot be reached", may_be_done=False)
        case _:
            may_be_done = attempt.is_sent and not reads
            return lost("The connection to Twilio broke before its answer came", may_be_done=may_be_done)


def _of_page(error: Exception, *, reads: bool) -> RestFault:
    """Lists fail with nothing but the response."""
    response = error.args[1] if len(error.args) > 1 else None
    status = _code(getattr(response, "status_code", 0))
    if not status:
        return lost("Twilio's answer cannot be read", may_be_done=not reads)
    try:
        body = json.loads(getattr(response, "text", ""))
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    words = str(body.get("message") or body.get("detail") or "")
    return refusal(status, _code(body.get("code")), words, reads=reads)


def _own_words(message: object) -> str:
    """What Twilio said, without what the library puts before it."""
    text = str(message)
    return text.partition(": ")[2] if text.startswith("Unable to ") else text


def _code(code: object) -> int:
    text = str(code)
    return int(text) if text.isascii() and text.isdigit() else 0


class _Basic:
    """The library's credential provider. Its own way uses a parameter that aiohttp warns of."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def to_auth_strategy(self) -> _Basic:
        return self

    def get_auth_string(self) -> str:
        return self._credentials.authorization


def _traced() -> aiohttp.TraceConfig:
    """Tells the attempt whether there is a connection. aiohttp makes it in the task of the request."""
    traces = aiohttp.TraceConfig()
    traces.on_connection_create_start.append(_connecting)
    traces.on_connection_create_end.append(_connected)
    return traces


async def _connecting(_session: object, _context: object, _params: object) -> None:
    _attempt.get().is_sent = False


async def _connected(_session: object, _context: object, _params: object) -> None:
    _attempt.get().is_sent = True
