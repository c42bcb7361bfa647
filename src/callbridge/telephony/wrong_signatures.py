"""Why a signature was refused, and what to change: for the log alone.

Here what the headers of a request say counts, which anybody can make up: it decides nothing. An address is
named only if Twilio has signed it with a token of ours; what is no such address is told as what it is not.

Pure: strings in, words out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from callbridge.telephony.signatures import SIGNATURE_HEADER, signed_url, spellings, websocket_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SIGNATURE_SETTINGS_HEADER: Final = "X-Twilio-Webhooks-Signature-Settings"
"""Stands in webhooks that are signed with a SharedKey: `key=…,algorithm=HMAC_SHA256`."""

CHARACTERS_LOOKED_AT_MAX: Final = 8_192
"""A form of Twilio's has 2,000; some hundred signatures of a longer one would hold up calls."""

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,8}")
_ACCOUNT = re.compile(r"AC[0-9a-f]{32}")
_FORWARDED_HOST = re.compile(r'host="?([^",;\s]+)', re.IGNORECASE)

_CONSOLE = "https://console.twilio.com"


@dataclass(frozen=True, slots=True)
class Asked:
    """A refused request, as it says itself that it was addressed."""

    route: str
    """Which of our paths it is for, beginning with a slash."""
    path: str
    """The path as it came: with what stands before the route."""
    query: str
    form: list[tuple[str, str]]
    """The parameters of a POST."""
    headers: Mapping[str, str]
    """By names of any case."""
    account_sid: str
    """Whose it says it is; an upgrade does not say it."""
    is_upgrade: bool = False

    @property
    def characters(self) -> int:
        """How much there is to sign."""
        return len(self.path) + len(self.query) + sum(len(name) + len(value) for name, value in self.form)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a refusal was for."""

    reason: str
    remedy: str


def fault_at_first_sight(headers: Mapping[str, str]) -> Explanation | None:
    """What needs no arithmetic to be seen; nothing where there is a signature that does not fit."""
    if SIGNATURE_SETTINGS_HEADER in headers:
        return Explanation(
            "the request is signed with a SharedKey",
            "If it is Twilio's: callbridge checks signatures that are made with the auth token, so take the "
            f"SharedKey off the webhooks of the number at {_CONSOLE}.",
        )
    if not headers.get(SIGNATURE_HEADER):
        return Explanation(
            f"the request is not signed: it has no {SIGNATURE_HEADER}",
            "If it is Twilio's: a proxy on the way drops this header; let it pass. Else a stranger asked.",
        )
    return None


def explain(auth_tokens: Iterable[str], public_base_url: str, account_sid: str, asked: Asked) -> Explanation:
    """Why the signature of `asked` does not fit, for a service of this address and account."""
    if asked.characters <= CHARACTERS_LOOKED_AT_MAX:
        bases = dict(_addresses(public_base_url, asked))
        signed = signed_url(auth_tokens, bases, asked.form, asked.headers[SIGNATURE_HEADER])
        if signed is not None:
            return _another_address(public_base_url, asked, signed, bases[signed])
    if asked.account_sid != account_sid and _ACCOUNT.fullmatch(asked.account_sid):
        return Explanation(
            f"the request is for account {asked.account_sid}, and TWILIO_ACCOUNT_SID is {account_sid}",
            "If the number is yours: its account, a subaccount perhaps, has a SID and an auth token of its "
            "own; set both. Else a stranger asked.",
        )
    expected = (websocket_url(public_base_url) if asked.is_upgrade else public_base_url) + asked.route
    return Explanation(
        f"the signature was made with another auth token, or for another address than {expected}",
        f"If it is Twilio's: copy the auth token from {_CONSOLE} into TWILIO_AUTH_TOKEN; a second one, or "
        "that of another region (ie1, au1), goes into CALLBRIDGE_OTHER_AUTH_TOKENS. Else a stranger asked.",
    )


def _another_address(public_base_url: str, asked: Asked, signed: str, base: str) -> Explanation:
    told = signed.partition("?")[0]
    reason = f"PUBLIC_BASE_URL is {public_base_url}, and Twilio asked {told}"
    if base == public_base_url:
        return Explanation(reason, f"Enter {base}{asked.route} at {_CONSOLE}, without a slash at its end")
    if base.startswith("http:") and public_base_url.startswith("https:"):
        base = f"https:{base.removeprefix('http:')}"
        also = "" if base == public_base_url else f"; and set PUBLIC_BASE_URL={base}"
        return Explanation(reason, f"Enter {base}{asked.route} at {_CONSOLE}, with https://{also}")
    return Explanation(reason, f"Set PUBLIC_BASE_URL={base}")


def _addresses(public_base_url: str, asked: Asked) -> Iterator[tuple[str, str]]:
    """Addresses that may have been signed, each with the base address that it would mean."""
    ours = urlsplit(public_base_url)
    hosts = dict.fromkeys((ours.netloc, *_hosts(asked.headers)))
    prefixes = dict.fromkeys((ours.path, *_prefixes(asked)))
    for scheme in ("https", "http"):
        for base in (f"{scheme}://{host}{prefix}" for host in hosts for prefix in prefixes):
            for slash in ("", "/"):
                for url in _signed_as(base, asked, slash):
                    yield url, base


def _signed_as(base: str, asked: Asked, slash: str) -> Iterator[str]:
    query = f"?{asked.query}" if asked.query else ""
    address = websocket_url(base) if asked.is_upgrade else base
    yield from spellings(f"{address}{asked.route}{slash}{query}")


def _hosts(headers: Mapping[str, str]) -> Iterator[str]:
    """What the request, and the proxies on its way, say that the host was."""
    forwarded = _FORWARDED_HOST.search(headers.get("Forwarded", ""))
    said = (
        headers.get("Host", ""),
        headers.get("X-Forwarded-Host", "").partition(",")[0].strip(),
        forwarded[1] if forwarded else "",
    )
    yield from (host for host in said if _HOST.fullmatch(host) and _has_a_port(host))


def _has_a_port(host: str) -> bool:
    """Whether what stands behind the colon, if anything does, is a port."""
    try:
        return urlsplit(f"//{host}").port != 0
    except ValueError:
        return False


def _prefixes(asked: Asked) -> Iterator[str]:
    """What may stand before the route: nothing, what came, and what a proxy says that it took away."""
    came = asked.path.removesuffix(asked.route)
    said = asked.headers.get("X-Forwarded-Prefix", "").rstrip("/")
    yield ""
    yield from (prefix for prefix in (came, said, said + came) if _PREFIX.fullmatch(prefix))
