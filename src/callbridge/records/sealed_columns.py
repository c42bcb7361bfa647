"""Columns whose values are encrypted on their way into the database, and decrypted on their way out.

The one place where that is done: whoever reads or writes such a column sees what was meant. What is compared
with one in a query is compared with what is written there, so nothing can be searched for in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import LargeBinary, Text, TypeDecorator

from callbridge.records.sealing import Seal

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Engine

_PLAIN: Final = Seal()


def use(engine: Engine, seal: Seal) -> None:
    """From now on columns of this engine are read and written with `seal`."""
    engine.dialect.callbridge_seal = seal  # type: ignore[attr-defined]  # What a column is given of its engine.


def seal_of(dialect: Dialect) -> Seal:
    """What encrypts for connections of this dialect."""
    seal = getattr(dialect, "callbridge_seal", _PLAIN)
    assert isinstance(seal, Seal)
    return seal


class SealedText(TypeDecorator[str]):
    """Text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """What is written."""
        return None if value is None else seal_of(dialect).seal(str(value).encode()).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """What is read. Raises SealError."""
        return None if value is None else seal_of(dialect).open(str(value).encode()).decode()


class SealedBefore(SealedText):
    """Text that was encrypted before it came here: on its way through the journal."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """What is written."""
        del dialect
        return None if value is None else str(value)


class SealedBytes(TypeDecorator[bytes]):
    """Bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        """What is written."""
        return None if value is None else seal_of(dialect).seal(bytes(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        """What is read. Raises SealError."""
        return None if value is None else seal_of(dialect).open(bytes(value))
