"""The signed probe: a question to the voice webhook that is signed as Twilio's are, and is no call.

Its form is that of a call that is over, so that any service of ours admits none for it, whatever its age; and
it has a mark of ours, for which the service proves who it is: it knows the account's token, too. A captured
probe gets the same answer again, and causes nothing.

Pure.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from callbridge.telephony.signatures import sign

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROBE_FIELD: Final = "CallbridgeProbe"
PROOF_HEADER: Final = "X-Callbridge-Proof"
PROBE_CALL_SID: Final = "CA" + "0" * 32
"""Of no call."""

_NONCE = re.compile("[0-9a-f]{32}")


def probe_form(account_sid: str, number: str, nonce: str) -> dict[str, str]:
    """The form of a probe.

    Args:
        account_sid: whose number it is.
        number: what is said to have been called.
        nonce: 32 hexadecimal digits that nobody can guess.
    """
    parties = dict.fromkeys(("Called", "To", "Caller", "From"), number)
    call = {"CallSid": PROBE_CALL_SID, "CallStatus": "completed", "Direction": "inbound"}
    return {"AccountSid": account_sid, "ApiVersion": "2010-04-01", **call, **parties, PROBE_FIELD: nonce}


def probe_in(fields: Mapping[str, str]) -> str | None:
    """The nonce of a probe; nothing when this is none."""
    nonce = fields.get(PROBE_FIELD, "")
    return nonce if fields.get("CallSid") == PROBE_CALL_SID and _NONCE.fullmatch(nonce) else None


def proofs(auth_tokens: Iterable[str], nonce: str) -> str:
    """What shows that somebody knows these tokens, with a space between two."""
    return " ".join(_proof(token, nonce) for token in auth_tokens)


def is_proven(auth_token: str, nonce: str, said: str) -> bool:
    """Whether who said this knows the token."""
    expected = _proof(auth_token, nonce)
    return any(hmac.compare_digest(expected, one) for one in said.split() if one.isascii())


def _proof(auth_token: str, nonce: str) -> str:
    # Another function than that of signatures: what is proven here signs no request.
    return hmac.digest(auth_token.encode(), f"callbridge probe {nonce}".encode(), "sha256").hex()


def sent_address(url: str, method: str, form: Mapping[str, str]) -> str:
    """Where Twilio asks: the address without its fragment; for a GET the form stands in it."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(form) if method == "GET" else "")))
    return urlunsplit(parts._replace(query=query, fragment=""))


def probe_signature(auth_token: str, url: str, method: str, form: Mapping[str, str]) -> str:
    """The signature of a probe, as if it were sent to `url`."""
    parts = urlsplit(sent_address(url, method, form))
    signed = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return sign(auth_token, signed, () if method == "GET" else form.items())
