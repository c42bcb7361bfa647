"""Twilio's request signature, checked against the public address that we were configured with.

Pure: strings in, a verdict out. No header but the signature itself may ever come in here: what a
proxy reports about scheme, host or port can be forged, the configuration cannot. What such headers say serves
to explain a refusal (`wrong_signatures`), and nothing else.

The rule (https://www.twilio.com/docs/usage/security): base64 of HMAC-SHA1, keyed with the auth
token, over the full URL followed by each form parameter, name then value, in order of the names.

Webhooks signed with a SharedKey (HMAC-SHA256, public beta) are refused like any wrong signature. Whether the
upgrade of the media socket would be signed with it, nobody says: so there is no setting for such a key.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIGNATURE_HEADER = "X-Twilio-Signature"

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}


def sign(auth_token: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """The signature that Twilio puts on a request for `url` with this form.

    A repeated parameter counts once for each different value, in order of the values, as Twilio's
    own library has it.
    """
    return _signature(_as_bytes(auth_token), _as_bytes(url) + _fields(form)).decode("ascii")


def _fields(form: Iterable[tuple[str, str]]) -> bytes:
    return _as_bytes("".join(name + value for name, value in sorted(set(form))))


def _signature(auth_token: bytes, signed: bytes) -> bytes:
    return base64.b64encode(hmac.digest(auth_token, signed, "sha1"))


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """Tells requests that Twilio made for this account from all others."""

    auth_tokens: tuple[str, ...] = field(repr=False)
    """All under which Twilio may sign: while the account's token is rotated there are two, and each region
    has one of its own."""

    public_base_url: str
    """Where Twilio reaches us: scheme, host, perhaps a port and a path; no trailing slash."""

    def accepts_post(
        self, path: str, query: str, form: Iterable[tuple[str, str]], signature: str | None
    ) -> bool:
        """Whether Twilio signed this form; `query` is the raw query string of the request."""
        return self._accepts([self._webhook_url(path, query)], form, signature)

    def accepts_get(self, path: str, query: str, signature: str | None) -> bool:
        """Whether Twilio signed this URL; the parameters of a GET are part of the URL."""
        return self._accepts([self._webhook_url(path, query)], (), signature)

    def accepts_upgrade(self, path: str, signature: str | None) -> bool:
        """Whether Twilio signed the WebSocket upgrade for `path`.

        The scheme of the signed URL is `wss`, never `https`. Where it does not match, Twilio's
        page says to try again with a trailing slash.
        """
        url = websocket_url(self.public_base_url) + path
        return self._accepts([url, url + "/"], (), signature)

    def _webhook_url(self, path: str, query: str) -> str:
        url = self.public_base_url + path
        return f"{url}?{query}" if query else url

    def _accepts(self, urls: list[str], form: Iterable[tuple[str, str]], signature: str | None) -> bool:
        if not signature:
            return False
        candidates = {spelling for url in urls for spelling in spellings(url)}
        return signed_url(self.auth_tokens, candidates, form, signature) is not None


def signed_url(
    auth_tokens: Iterable[str], urls: Iterable[str], form: Iterable[tuple[str, str]], signature: str
) -> str | None:
    """That of `urls` for which this is a signature under one of the tokens; nothing where there is none."""
    fields, given = _fields(form), _as_bytes(signature)
    keys = [_as_bytes(auth_token) for auth_token in auth_tokens]
    # No early exit: each is compared, so time says nothing of which one was near.
    verdicts = [
        (hmac.compare_digest(_signature(key, _as_bytes(url) + fields), given), url)
        for url in urls
        for key in keys
    ]
    return next((url for is_signed, url in verdicts if is_signed), None)


def websocket_url(url: str) -> str:
    """The same address for a WebSocket: `wss` for `https`, `ws` for `http`."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme=_WEBSOCKET_SCHEMES[parts.scheme]))


def spellings(url: str) -> Iterator[str]:
    """The URL as configured, and as Twilio may have signed it.

    Voice over HTTPS drops the port before signing, plain HTTP keeps it, and Twilio calls its own
    practice inconsistent; its library tries both, and so do we. A host with capitals is signed as it was
    entered, or in lower case.
    """
    parts = urlsplit(url)
    hosts = dict.fromkeys((parts.netloc, parts.netloc.lower()))
    for spelt in [parts._replace(netloc=host) for host in hosts]:
        yield from _with_and_without_port(urlunsplit(spelt))


def _with_and_without_port(url: str) -> Iterator[str]:
    yield url
    parts = urlsplit(url)
    if parts.port is None:
        netloc = f"{parts.netloc}:{_DEFAULT_PORTS[parts.scheme]}"
    else:
        netloc = parts.netloc.rpartition(":")[0]
    yield urlunsplit(parts._replace(netloc=netloc))


def _as_bytes(text: str) -> bytes:
    # A lone surrogate cannot come from Twilio; it must end in a refusal, not in an exception.
    return text.encode("utf-8", "surrogatepass")
