"""Links to recordings in a directory: signed, for a time, and good for one recording.

The signature is made with a key of ours. Whoever has a link can listen until it expires; nobody can make one.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from urllib.parse import urlencode

PATH: Final = "/recordings"

_PURPOSE: Final = b"callbridge recordings"


def key_of(secret: str) -> bytes:
    """The key of all links: good for nothing else."""
    return hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest()


def signed(base_url: str, key: bytes, name: str, expires_at: int) -> str:
    """The link to a recording, until `expires_at`, in seconds since 1970."""
    query = urlencode({"expires": expires_at, "signature": _signature(key, name, str(expires_at))})
    return f"{base_url}{PATH}/{name}?{query}"


def is_good(key: bytes, now: float, name: str, expires: str, signature: str) -> bool:
    """Whether a link was made here for this recording and has not expired. Takes as long either way."""
    is_ours = hmac.compare_digest(_signature(key, name, expires).encode(), signature.encode())
    # What we have not signed is no number of ours.
    return is_ours and now < int(expires)


def _signature(key: bytes, name: str, expires: str) -> str:
    return hmac.new(key, f"{name}\n{expires}".encode(), hashlib.sha256).hexdigest()
