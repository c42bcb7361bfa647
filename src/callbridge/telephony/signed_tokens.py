"""Stream tokens: proof that a media socket belongs to a webhook that Twilio signed.

The signature of a WebSocket upgrade is the same for every call, so whoever saw one could replay it. A token
is short-lived and bound to one call of one account. It travels as a `<Parameter>`, never in a URL, which
would end in logs.

A token carries its own proof: any process that knows the secret it was made with can check it. So a call that
the old process answered may open its stream on the new one, and a crash loses no call that is just being
connected. What a proof cannot carry is that it was shown before: whoever redeems a token keeps its digest
until it expires, in a place that all processes share.

The token, 54 bytes and a name of at most 48 in base64url without padding:

    version (1) | flags (1) | expiry in Unix seconds (4) | nonce (16) | agent (0 to 48) | HMAC-SHA256 (32)

The HMAC covers all that stands before it and what the token is bound to, each part after its length.

Pure: no I/O, no clock, no randomness; time and the source of nonces are passed in.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.telephony.connect import parameter_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LIFETIME_S = 30
"""Twilio opens the socket within a second of our answer; 30 s covers its slowest connect."""

CLOCK_SKEW_S = 5
"""Clocks of two machines, or of one before and after a correction, may differ by this much. A token from
further ahead is refused: it would outlive what its single use is remembered for."""

NONCE_BYTES = 16
"""128 bits: no two tokens of one call in one second are ever the same."""

AGENT_BYTES_MAX = 48
"""The longest name of an agent: a token stays well below what a `<Parameter>` may hold (500 characters)."""

_VERSION = 2
_CONTINUES = 1
_HEADER = struct.Struct(">BBI16s")
"""Version, flags, expiry, nonce. 32 bits of seconds last until 2106."""

_MAC_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{72,136}", re.ASCII)
"""54 to 102 bytes, in four characters for three of them."""

_KEY_LABEL = b"callbridge stream token, version 2"
"""Parts this key from every other use of the auth token, Twilio's own signatures before all."""


class Refusal(enum.StrEnum):
    """Why a token was not honoured."""

    MISSING = "missing"
    MALFORMED = "malformed"
    """Not a token of this version, whoever made it."""

    FORGED = "forged"
    """Made with no secret of ours for this call, account, caller and called number; which of them is wrong
    cannot be told."""

    EXPIRED = "expired"
    FROM_THE_FUTURE = "from_the_future"
    """Genuine, but made by a process whose clock is ahead of ours: check the machines' clocks."""

    USED = "used"
    """Genuine, but shown before. Never said by `check`: who keeps the digests says it."""


@dataclass(frozen=True, slots=True)
class StreamClaim:
    """What a token vouches for."""

    call_sid: str
    account_sid: str
    caller: str
    called: str
    continues: bool = False
    """This stream continues a call that had one before."""
    agent: str = ""
    """The name of the agent that was chosen."""


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A genuine token. It is good for a stream only if its digest was not seen before."""

    digest: bytes
    """32 bytes by which the token is known again, and which say nothing of it."""

    expires_at: int
    """Unix time in seconds; from then on the token is refused for its age."""

    continues: bool
    agent: str = ""
    """The name of the agent that the webhook has chosen."""


class StreamTokens:
    """Makes and checks the tokens of one account.

    Args:
        secret: what tokens are made with; processes that share it honour each other's.
        nonce_source: gives so many random bytes, as `secrets.token_bytes` does.
        honoured: what else tokens may have been made with. Where a deploy brings another secret, calls that
            the process before it has just offered open their streams here.
    """

    __slots__ = ("_keys", "_nonce_source")

    def __init__(
        self, secret: str, nonce_source: Callable[[int], bytes], *, honoured: Sequence[str] = ()
    ) -> None:
        known = dict.fromkeys((secret, *honoured))
        assert all(known), "a token under an empty key can be made by anybody"
        self._keys = [hmac.digest(_as_bytes(one), _KEY_LABEL, "sha256") for one in known]
        self._nonce_source = nonce_source

    def __repr__(self) -> str:
        return f"<StreamTokens version={_VERSION} lifetime_s={LIFETIME_S}>"

    def nonce(self) -> bytes:
        """A new one, for `issue`."""
        return self._nonce_source(NONCE_BYTES)

    def issue(self, claim: StreamClaim, now_unix: float, nonce: bytes | None = None) -> str:
        """A new token; with the nonce and the time of another one, the same again."""
        nonce = self.nonce() if nonce is None else nonce
        assert len(nonce) == NONCE_BYTES
        header = _HEADER.pack(
            _VERSION, _CONTINUES if claim.continues else 0, int(now_unix) + LIFETIME_S, nonce
        )
        agent = _as_bytes(claim.agent)
        assert len(agent) <= AGENT_BYTES_MAX, "names are checked when agents are loaded"
        head = header + agent
        subject = (claim.call_sid, claim.account_sid, claim.caller, claim.called)
        mac = _mac(self._keys[0], head, *subject)
        return base64.urlsafe_b64encode(head + mac).decode("ascii").rstrip("=")

    def check(
        self,
        token: str | None,
        call_sid: str,
        account_sid: str,
        caller: str,
        called: str,
        now_unix: float,
    ) -> Redeemed | Refusal:
        """Whether `token` is genuine for this stream, now; `caller` and `called` as its parameters say.

        How long it takes says nothing about how near a forgery was.
        """
        if not token:
            return Refusal.MISSING
        if not _TOKEN.fullmatch(token):
            return Refusal.MALFORMED
        raw = _decoded(token)
        if raw is None or raw[0] != _VERSION:
            return Refusal.MALFORMED
        head, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        # No early exit: each is compared, so time says nothing of which one was near.
        macs = [_mac(key, head, call_sid, account_sid, caller, called) for key in self._keys]
        verdicts = [hmac.compare_digest(mac, expected) for expected in macs]
        if not any(verdicts):
            return Refusal.FORGED
        _, flags, expires_at, _ = _HEADER.unpack_from(head)
        agent = head[_HEADER.size :].decode("utf-8", "replace")
        if refusal := _untimely(expires_at, now_unix):
            return refusal
        digest = hashlib.sha256(token.encode("ascii")).digest()
        return Redeemed(digest, expires_at, bool(flags & _CONTINUES), agent)


def _mac(key: bytes, head: bytes, call_sid: str, account_sid: str, caller: str, called: str) -> bytes:
    # The numbers as the media socket gets them: an odd caller id loses characters on the way.
    caller = parameter_value("caller", caller)
    called = parameter_value("called", called)
    mac = hmac.new(key, struct.pack(">I", len(head)) + head, "sha256")
    for part in map(_as_bytes, (call_sid, account_sid, caller, called)):
        # With its length before it no part can borrow characters of its neighbour.
        mac.update(struct.pack(">I", len(part)) + part)
    return mac.digest()


def _decoded(token: str) -> bytes | None:
    """The bytes of a token; None for a spelling that `issue` would not make. One token has one digest."""
    padded = token + "=" * (-len(token) % 4)
    try:
        raw = base64.urlsafe_b64decode(padded)
    except ValueError:
        return None
    return raw if base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") == token else None


def _untimely(expires_at: int, now_unix: float) -> Refusal | None:
    if now_unix >= expires_at:
        return Refusal.EXPIRED
    if expires_at - LIFETIME_S > now_unix + CLOCK_SKEW_S:
        return Refusal.FROM_THE_FUTURE
    return None


def _as_bytes(text: str) -> bytes:
    # A lone surrogate cannot come from Twilio; it must end in a refusal, not in an exception.
    return text.encode("utf-8", "surrogatepass")
