"""Encryption at rest: what is sealed is read with its key alone, and keys may be exchanged."""

from __future__ import annotations

import base64
import builtins
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.records.sealing import Seal, SealError, key_of

pytest.importorskip("cryptography")

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
WORDS = b"my cat is called Ophelia"


@given(plain=st.binary(max_size=200) | st.sampled_from([b"sealed:x", b"plain:x", b"plain:sealed:"]))
def test_what_is_opened_is_what_was_sealed(plain: bytes) -> None:
    """With a key, without one, and with one that came later."""
    without, with_one = Seal(), Seal([NEW])
    assert without.open(without.seal(plain)) == plain
    assert with_one.open(with_one.seal(plain)) == plain
    assert with_one.open(without.seal(plain)) == plain


def test_nothing_of_it_can_be_read_in_what_is_written() -> None:
    written = Seal([NEW]).seal(WORDS)
    assert WORDS not in written
    assert b"Ophelia" not in base64.urlsafe_b64decode(written.partition(b":")[2])
    assert written.isascii()
    assert Seal([NEW]).seal(WORDS) != written, "the same twice is not seen to be the same"


def test_keys_are_exchanged() -> None:
    """The first key writes; all of them read."""
    before = Seal([OLD]).seal(WORDS)
    between = Seal([NEW, OLD])
    assert between.open(before) == WORDS
    assert Seal([NEW]).open(between.seal(WORDS)) == WORDS


@pytest.mark.parametrize(("keys", "says"), [([], "is not set"), ([NEW], "does not have")])
def test_without_its_key_nothing_is_read_and_it_is_said_what_to_do(keys: list[str], says: str) -> None:
    written = Seal([OLD]).seal(WORDS)
    with pytest.raises(SealError, match=says) as caught:
        Seal(keys).open(written)
    assert "CALLBRIDGE_RECORDS_KEY" in str(caught.value)
    with pytest.raises(SealError):
        Seal([OLD]).open(written[:-8] + b"AAAAAAA=")  # Somebody has changed it.


def test_keys_are_32_bytes_in_base64() -> None:
    key = os.urandom(32)
    assert key_of(base64.b64encode(key).decode()) == key_of(base64.urlsafe_b64encode(key).decode()) == key
    for wrong in ("", "secret", base64.b64encode(key[:16]).decode(), OLD[:-1], f"{OLD}{OLD}"):
        with pytest.raises(ValueError, match="openssl rand -base64 32"):
            key_of(wrong)
    with pytest.raises(SealError, match="CALLBRIDGE_RECORDS_KEY must be 32 bytes"):
        Seal(["secret"])
    assert OLD not in repr(Seal([OLD]))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("cryptography"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SealError, match=r"pip install 'callbridge\[encryption\]'"):
        Seal([NEW])
