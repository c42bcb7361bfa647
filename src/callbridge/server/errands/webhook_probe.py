"""Asks the voice webhook of a number exactly as Twilio would, and says what is in the way, with the remedy.

It is asked from this machine: a firewall that lets in Twilio alone, or us alone, is not seen.
"""

from __future__ import annotations

import asyncio
import enum
import os
import secrets
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx

from callbridge.server.config.addresses import VOICE_PATH
from callbridge.server.config.findings import error, ok
from callbridge.server.config.setting_values import is_loopback
from callbridge.telephony.probes import PROOF_HEADER, is_proven, probe_form, probe_signature, sent_address
from callbridge.telephony.signatures import SIGNATURE_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.findings import Finding
    from callbridge.server.config.settings import Settings

ANSWER_S: Final = 15.0
"""Twilio waits as long."""

CONNECT_S: Final = 5.0

_TUNNEL_IS_DOWN: Final = frozenset({521, 522, 523, 530})
"""Of Cloudflare: nothing is connected to the name."""

_NOBODY_BEHIND: Final = frozenset({502, 503, 504, 520, 524})


class Found(enum.Enum):
    """What a probe has met."""

    OURS = enum.auto()
    """A service of this account, which takes Twilio's requests to this address for genuine."""
    NO_ADDRESS = enum.auto()
    """Nobody can be asked at what stands there."""
    NO_SUCH_NAME = enum.auto()
    NO_CONNECTION = enum.auto()
    TLS_FAULT = enum.auto()
    NO_ANSWER = enum.auto()
    TUNNEL_IS_DOWN = enum.auto()
    NOBODY_BEHIND = enum.auto()
    """A tunnel or a proxy answers, and has nothing behind it."""
    OTHER_PUBLIC_URL = enum.auto()
    """A service of this account, whose PUBLIC_BASE_URL is another one."""
    WRONG_SIGNATURE = enum.auto()
    ANOTHER_SERVER = enum.auto()


@dataclass(frozen=True, slots=True)
class Probed:
    """What became of a probe."""

    found: Found
    finding: Finding

    @property
    def is_ours(self) -> bool:
        """Whether a call to this address would be answered here."""
        return self.found is Found.OURS


async def probe_webhook(
    settings: Settings, url: str, number: str, *, method: str = "POST", answer_s: float = ANSWER_S
) -> Probed:
    """Asks `url` as for a call to `number`. No call is admitted for it, and nothing counted.

    Args:
        settings: have the account and its token.
        url: the voice URL of the number, as it stands there.
        number: which was called.
        method: with which Twilio asks, `POST` or `GET`.
        answer_s: how long an answer may take.
    """
    probe = _Probe(settings, url, number, method)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return _no_address(url)
    # On this machine a proxy to the outside leads away from it.
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(answer_s, connect=CONNECT_S), trust_env=not is_loopback(parts.hostname)
    ) as client:
        try:
            async with asyncio.timeout(answer_s):
                return await probe.ask(client)
        except (httpx.TimeoutException, TimeoutError):
            return _silent(url, answer_s)
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            return _unreached(url, fault)


@dataclass(frozen=True, slots=True)
class _Probe:
    """One question, and what its answer means."""

    settings: Settings
    url: str
    number: str
    method: str

    async def ask(self, client: httpx.AsyncClient) -> Probed:
        """As Twilio; and where that is refused, as if the number had the address of the settings."""
        began = time.monotonic()
        response, is_proven_ours = await self._send(client, signed_for=self.url)
        if is_proven_ours:
            after_ms = round((time.monotonic() - began) * 1000)
            return Probed(Found.OURS, ok(f"{self.url} is answered by this service, after {after_ms} ms"))
        if response.status_code != 403:
            return _of_status(self.url, response)
        _, is_proven_ours = await self._send(client, signed_for=self.settings.voice_url)
        return self._other_public_url() if is_proven_ours else _wrong_signature(self.url)

    async def _send(self, client: httpx.AsyncClient, *, signed_for: str) -> tuple[httpx.Response, bool]:
        nonce, token = secrets.token_hex(16), self.settings.twilio_auth_token.get_secret_value()
        form = probe_form(self.settings.twilio_account_sid, self.number, nonce)
        signature = probe_signature(token, signed_for, self.method, form)
        request = client.build_request(
            self.method,
            sent_address(self.url, self.method, form),
            data=form if self.method == "POST" else None,
            # There are walls that know Twilio by its name.
            headers={SIGNATURE_HEADER: signature, "User-Agent": "TwilioProxy/1.1"},
        )
        # Of the answer the head alone: a stranger's may have no end.
        response = await client.send(request, stream=True)
        await response.aclose()
        return response, is_proven(token, nonce, response.headers.get(PROOF_HEADER, ""))

    def _other_public_url(self) -> Probed:
        told = self.settings.public_base_url
        return Probed(
            Found.OTHER_PUBLIC_URL,
            error(
                f"{self.url} reaches this service, whose PUBLIC_BASE_URL is {told}: it refuses what Twilio "
                "signs for another address",
                f"Set PUBLIC_BASE_URL={base_of(self.url)} and restart it, or point the number at "
                f"{self.settings.voice_url}.",
            ),
        )


def base_of(voice_url: str) -> str:
    """The PUBLIC_BASE_URL that fits the voice URL of a number."""
    return sent_address(voice_url, "POST", {}).partition("?")[0].rstrip("/").removesuffix(VOICE_PATH)


# --- In words ---------------------------------------------------------------------------------------


def _no_address(url: str) -> Probed:
    what = f"{url!r} is no address that anybody can be asked at" if url else "no voice URL is set"
    return Probed(Found.NO_ADDRESS, error(what, "Point the number: callbridge number point."))


def _silent(url: str, answer_s: float) -> Probed:
    what = f"{url} gave no answer within {answer_s:g} s, so a caller would hear an application error"
    return Probed(Found.NO_ANSWER, error(what, "Is the service blocked, or does a firewall drop packets?"))


def _unreached(url: str, fault: Exception) -> Probed:
    """No answer came: by what the fault was made of."""
    host = urlsplit(url).hostname
    causes = list(_causes(fault))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            why = (getattr(cause, "verify_message", "") or cause.reason or "it failed").rstrip(".")
            return Probed(
                Found.TLS_FAULT,
                error(
                    f"TLS with {host} failed: {why}",
                    "Twilio needs a certificate that the public trusts, with its whole chain, for this name.",
                ),
            )
        if isinstance(cause, socket.gaierror):
            return Probed(
                Found.NO_SUCH_NAME,
                error(
                    f"the name {host} is not known",
                    "A tunnel that was started anew has another name: point the number at that one. A new "
                    "name is known after a minute at the latest.",
                ),
            )
    errno = getattr(causes[-1], "errno", None)
    why = os.strerror(errno) if errno else str(causes[-1]) or type(causes[-1]).__name__
    return Probed(
        Found.NO_CONNECTION,
        error(
            f"{url} cannot be reached: {why}", "Is the service running, and the tunnel or proxy before it?"
        ),
    )


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """A fault and what has led to it, the innermost last."""
    yield fault
    if isinstance(fault, BaseExceptionGroup):
        for inner in fault.exceptions:
            yield from _causes(inner)
    elif (cause := fault.__cause__ or fault.__context__) is not None:
        yield from _causes(cause)


def _wrong_signature(url: str) -> Probed:
    return Probed(
        Found.WRONG_SIGNATURE,
        error(
            f"{url} answers 403, as a service does to a signature that is not Twilio's",
            f"Its PUBLIC_BASE_URL must be {base_of(url)}, and its TWILIO_AUTH_TOKEN the one set here; "
            "`webhook_refused` in its log says which it is. After a change restart it.",
        ),
    )


def _of_status(url: str, response: httpx.Response) -> Probed:
    """What an answer means that was not ours."""
    host, status = urlsplit(url).hostname, response.status_code
    if ngrok := response.headers.get("Ngrok-Error-Code", "")[:20]:
        found = Found.NOBODY_BEHIND if status == 502 else Found.TUNNEL_IS_DOWN
        return Probed(found, error(f"ngrok answers for {host}: {ngrok}", _TUNNEL_REMEDY[found]))
    if status in _TUNNEL_IS_DOWN:
        what = f"the tunnel of {host} is down (HTTP {status})"
        return Probed(Found.TUNNEL_IS_DOWN, error(what, _TUNNEL_REMEDY[Found.TUNNEL_IS_DOWN]))
    if status in _NOBODY_BEHIND:
        what = f"a proxy or tunnel answers for {host}, and the service behind it does not (HTTP {status})"
        return Probed(Found.NOBODY_BEHIND, error(what, _TUNNEL_REMEDY[Found.NOBODY_BEHIND]))
    if response.has_redirect_location:
        what = f"{url} sends Twilio on to {_shown(response.headers['Location'])}"
        return Probed(
            Found.ANOTHER_SERVER, error(what, "Point the number at the final address, with https://.")
        )
    kind = _shown(response.headers.get("Content-Type", "").partition(";")[0]) or "no type"
    return Probed(
        Found.ANOTHER_SERVER,
        error(
            f"something else answers at {url} (HTTP {status}, {kind})",
            f"A callbridge answers at an address that ends in {VOICE_PATH}. Is the port that of the service, "
            "and does a proxy pass the path and X-Twilio-Signature on?",
        ),
    )


_TUNNEL_REMEDY: Final = {
    Found.TUNNEL_IS_DOWN: "Start the tunnel again; if it has another name now, point the number at that one.",
    Found.NOBODY_BEHIND: "Start the service, and let the tunnel lead to its port.",
}


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:200])
