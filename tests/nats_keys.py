"""Users of NATS that have keys, as `nsc` makes them: an operator's account, and a user's `.creds` file."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_LIMITS = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
_STORED = ("mem_storage", "disk_storage", "streams", "consumer")
UNLIMITED = dict.fromkeys((*_LIMITS, *_STORED), -1)
_SYSTEM = {
    "version": 2,
    "type": "account",
    "limits": {"subs": -1, "conn": -1, "leaf": -1, "data": -1, "payload": -1},
}


def keyed_server(folder: Path) -> tuple[str, Path]:
    """The configuration of a server that knows one account by its keys, and the file of a user of it."""
    import nkeys  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra

    def made(prefix: int) -> tuple[Any, bytes]:
        seed = nkeys.encode_seed(os.urandom(32), prefix)
        return nkeys.from_seed(bytearray(seed)), bytes(seed)

    operator, _ = made(nkeys.PREFIX_BYTE_OPERATOR)
    account, _ = made(nkeys.PREFIX_BYTE_ACCOUNT)
    user, seed = made(nkeys.PREFIX_BYTE_USER)
    of_operator = _token(operator, operator, {"type": "operator", "version": 2})
    limits = {**UNLIMITED, "wildcards": True}
    accounts = {"version": 2, "type": "account", "limits": limits}
    system, _ = made(nkeys.PREFIX_BYTE_ACCOUNT)
    preload = {
        one.public_key.decode(): _token(operator, one, accounts if one is account else _SYSTEM)
        for one in (account, system)
    }
    of_user = _token(account, user, {"type": "user", "version": 2, "pub": {}, "sub": {}} | UNLIMITED)
    credentials = folder / "user.creds"
    credentials.write_text(
        f"-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed.decode()}\n------END USER NKEY SEED------\n"
    )
    known = "\n".join(f"{name}: {token}" for name, token in preload.items())
    configuration = (
        f"\noperator: {of_operator}\nsystem_account: {system.public_key.decode()}\n"
        f"resolver: MEMORY\nresolver_preload: {{{{\n{known}\n}}}}"
    )
    return configuration, credentials


def _token(issuer: Any, subject: Any, nats: dict[str, Any]) -> str:
    claims = {
        "jti": "test",
        "iat": 1_764_345_600,
        "iss": issuer.public_key.decode(),
        "sub": subject.public_key.decode(),
        "name": "test",
        "nats": nats,
    }
    text = ".".join(map(_part, ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)))
    return f"{text}.{_base64(issuer.sign(text.encode()))}"


def _part(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
