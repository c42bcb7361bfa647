"""Whether the public name leads to this very process: asked through DNS and HTTPS, until it does, and after.

A new name is known to some before others. This machine's own resolver is not asked too early: it would
remember for minutes that there is no such name.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx

from callbridge.cli.development.trouble import DevTrouble
from callbridge.server.config.setting_values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.server.http.process_proof import ProcessProof

WAIT_S: Final = 60.0
ASK_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 1_024
"""What we say ourselves has 32."""
ASK_EVERY_S: Final = 1.0
WATCH_EVERY_S: Final = 15.0
LOST_AFTER: Final = 2
"""So many questions in a row that nobody answers."""

RESOLVERS: Final = ("https://1.1.1.1/dns-query", "https://8.8.8.8/resolve")
"""Public ones, which answer in JSON (https://developers.google.com/speed/public-dns/docs/doh/json)."""
_ADDRESS: Final = 1
"""A record of type A."""


class PublicName:
    """The name under which the internet reaches this process.

    Args:
        base_url: it, with its scheme.
        proof: what this process answers.
        resolvers: whom to ask for its address.
    """

    def __init__(self, base_url: str, proof: ProcessProof, resolvers: Sequence[str] = RESOLVERS) -> None:
        parts = urlsplit(base_url)
        self._base_url, self._proof, self._resolvers = base_url, proof, resolvers
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path

    async def wait(
        self, say: Callable[[str], None], *, wait_s: float = WAIT_S, ask_every_s: float = ASK_EVERY_S
    ) -> float:
        """Returns once it leads here: after how many seconds.

        Args:
            say: told what is waited for, whenever that is something else.
            wait_s: the longest wait.
            ask_every_s: the pause between two questions.

        Raises:
            DevTrouble: it does not; says what was the matter last.
        """
        began, said = time.monotonic(), ""
        async with self._client() as client:
            while why := await self.why_not_here(client):
                if time.monotonic() - began > wait_s:
                    raise DevTrouble(
                        f"{self._base_url} does not lead here after {wait_s:g} s: {why}",
                        "Does it end at the port of this service? --tunnel cloudflared opens one that does.",
                    )
                if why != said:
                    say(why)
                said = why
                await asyncio.sleep(ask_every_s)
        return time.monotonic() - began

    async def watch(self, say: Callable[[str], None], every_s: float = WATCH_EVERY_S) -> None:
        """Asks again and again, and says when it is lost and when it is back. Never returns."""
        failed = 0
        async with self._client() as client:
            while True:
                await asyncio.sleep(every_s)
                why = await self.why_not_here(client)
                if not why and failed >= LOST_AFTER:
                    say(f"{self._base_url} leads here again.")
                failed = failed + 1 if why else 0
                if failed == LOST_AFTER:
                    say(f"{self._base_url} does not lead here any more: {why}. No call comes in.")

    async def why_not_here(self, client: httpx.AsyncClient) -> str:
        """Why it does not lead to this process, in words; empty when it does."""
        addresses: list[str] | None = None
        if not is_loopback(self._host):
            addresses = await self._addresses(client)
            if addresses == []:
                return f"the name {self._host} is not known yet"
        try:
            async with asyncio.timeout(ASK_S):
                status, said = await self._answer(client, addresses)
        except (httpx.HTTPError, TimeoutError) as fault:
            return f"no connection ({type(fault).__name__})"
        if self._proof.is_given_by(said):
            return ""
        return f"somebody answers with HTTP {status}, and not this process"

    async def _answer(self, client: httpx.AsyncClient, addresses: list[str] | None) -> tuple[int, str]:
        """The status of who answers there, and what they say; of a stranger's words, which may have no end,
        the beginning.
        """
        asked, headers = self._at(addresses), {"Host": self._authority}
        async with client.stream("GET", asked, headers=headers, **self._named) as response:
            said = b""
            async for part in response.aiter_bytes():
                said += part
                if len(said) > ANSWER_BYTES_MAX:
                    break
            return response.status_code, said.decode("utf-8", "replace")

    async def _addresses(self, client: httpx.AsyncClient) -> list[str] | None:
        """The addresses of the name; None where no public resolver can be asked."""
        for resolver in self._resolvers:
            try:
                asked = {"name": self._host, "type": "A"}
                response = await client.get(
                    resolver, params=asked, headers={"Accept": "application/dns-json"}
                )
                records = response.raise_for_status().json().get("Answer", [])
                return [str(record["data"]) for record in records if record["type"] == _ADDRESS]
            except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
                continue  # It is kept from us, or answers something else.
        return None

    def _at(self, addresses: list[str] | None) -> str:
        host = addresses[0] if addresses else self._host
        scheme = self._base_url.partition(":")[0]
        port = f":{self._port}" if self._port else ""
        return f"{scheme}://{host}{port}{self._path}{self._proof.path}"

    @property
    def _authority(self) -> str:
        return self._host if self._port is None else f"{self._host}:{self._port}"

    @property
    def _named(self) -> dict[str, Any]:
        """TLS asks for the name, wherever it was found."""
        return {"extensions": {"sni_hostname": self._host}}

    def _client(self) -> httpx.AsyncClient:
        # On this machine a proxy to the outside leads away from it.
        return httpx.AsyncClient(timeout=ASK_S, trust_env=not is_loopback(self._host))
