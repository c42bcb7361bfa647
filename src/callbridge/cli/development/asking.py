"""Asks the service's own webhooks as Twilio does: signed for its public address, sent to its own port.

So a call from the page takes the same way with a tunnel and without one, and none of it leaves the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import httpx

from callbridge.simulators.phone.signature import HEADER, sign_form
from callbridge.simulators.phone.twiml import WebAnswer, WebFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S: Final = 15.0
"""Twilio's, for a webhook."""

NO_ANSWER: Final = 11200
"""Twilio's code for a webhook that cannot be had."""


class Asking:
    """An async context manager, because it holds connections.

    Args:
        public_url: PUBLIC_BASE_URL, for which requests are signed.
        port: where the service listens on this machine.
        auth_token: of the account.
        transport: how it gets there; by default over a socket.
    """

    def __init__(
        self,
        public_url: str,
        port: int,
        auth_token: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._public_url, self._auth_token = public_url, auth_token
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_S, trust_env=False, transport=transport
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._client.aclose()

    async def ask(self, url: str, method: str, parameters: Mapping[str, str]) -> WebAnswer | WebFailure:
        """The answer of one of the service's own webhooks. Others are not asked: nobody has called them."""
        url = url.partition("#")[0]  # It is for Twilio itself: how it tries again.
        path = url.removeprefix(self._public_url)
        if path == url or not path.startswith("/"):
            return WebFailure(
                url, NO_ANSWER, f"{url} is no address of this service, and is not asked from here"
            )
        try:
            response = await self._send(url, path, method, parameters)
        except httpx.HTTPError as error:
            return WebFailure(url, NO_ANSWER, f"{url}: {str(error) or type(error).__name__}")
        return WebAnswer(
            url, response.status_code, response.headers.get("Content-Type", ""), response.content
        )

    async def _send(self, url: str, path: str, method: str, parameters: Mapping[str, str]) -> httpx.Response:
        form = dict(parameters)
        if method == "GET":
            query = str(httpx.QueryParams(form))
            joint = "&" if "?" in url else "?"
            url, path, form = f"{url}{joint}{query}", f"{path}{joint}{query}", {}
        headers = {HEADER: sign_form(url, form, self._auth_token), "User-Agent": "TwilioProxy/1.1"}
        return await self._client.request(method, path, data=form or None, headers=headers)
