"""Encrypts what is written down and decrypts what is read, if the operator has given a key for that.

Fernet (https://cryptography.io/en/latest/fernet/): AES-128-CBC with an HMAC-SHA256, as text, so that it fits
wherever text does. Nothing here knows what it encrypts.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from callbridge.records.errors import RecordsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.fernet import MultiFernet

KEY_BYTES: Final = 32

_SEALED: Final = b"sealed:"
"""Stands before what is encrypted, so that what was written without a key is read with one, too."""

_PLAIN: Final = b"plain:"
"""Stands before a text that begins with either of the two by itself, and is not encrypted."""


class SealError(RecordsError):
    """Something cannot be decrypted, or no key can be used. The message says why and what to do."""


class Seal:
    """Encrypts with the first of its keys, and decrypts with any; without one it leaves all as it is.

    Args:
        keys: 32 bytes in base64, each.

    Raises:
        SealError: one is none, or the library is not installed.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._fernet = _fernet(keys) if keys else None

    def __repr__(self) -> str:
        return f"<Seal {'with' if self.is_on else 'without'} a key>"

    @property
    def is_on(self) -> bool:
        """Whether anything is encrypted."""
        return self._fernet is not None

    def seal(self, plain: bytes) -> bytes:
        """What is to be written down; ASCII, if a key is there."""
        if self._fernet is not None:
            return _SEALED + self._fernet.encrypt(plain)
        return _PLAIN + plain if plain.startswith((_PLAIN, _SEALED)) else plain

    def open(self, written: bytes) -> bytes:
        """What `seal` was given, also by a seal with another key that is known here, or with none.

        Raises:
            SealError: its key is not known.
        """
        if not written.startswith(_SEALED):
            return written.removeprefix(_PLAIN)
        if self._fernet is None:
            raise SealError(
                "The records are encrypted, and CALLBRIDGE_RECORDS_KEY is not set. Set it to the key that "
                "they were encrypted with. Nothing is lost meanwhile."
            )
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - only who has a key has the library

        try:
            return self._fernet.decrypt(written[len(_SEALED) :])
        except InvalidToken:
            raise SealError(
                "The records were encrypted with a key that CALLBRIDGE_RECORDS_KEY does not have. Add it "
                "behind a comma: new,old. Nothing is lost meanwhile."
            ) from None


def key_of(text: str) -> bytes:
    """The key that somebody has written, with whichever letters of base64.

    Raises:
        ValueError: it is none.
    """
    try:
        key = base64.b64decode(text.strip().translate(str.maketrans("-_", "+/")), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("must be 32 bytes in base64. Make one: openssl rand -base64 32")
    return key


def _fernet(keys: Sequence[str]) -> MultiFernet:
    try:
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SealError(
            "CALLBRIDGE_RECORDS_KEY is set, and what encrypts is not installed. "
            "Run: pip install 'callbridge[encryption]'"
        ) from error
    try:
        return MultiFernet([Fernet(base64.urlsafe_b64encode(key_of(key))) for key in keys])
    except ValueError as error:
        raise SealError(f"A key of CALLBRIDGE_RECORDS_KEY {error}.") from None
