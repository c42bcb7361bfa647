"""How long records are kept, and whether they are encrypted: a part of the settings."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from callbridge.records.sealing import key_of
from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_values import DaysOrOff, listed

KEYS_MAX: Final = 8
"""Each is tried with what is read."""


def _records_key(secret: SecretStr) -> SecretStr:
    keys = listed(secret)
    for key in keys:
        key_of(key)
    if len(keys) > KEYS_MAX:
        raise ValueError(f"must be at most {KEYS_MAX} keys")
    return secret


RecordsKey = Annotated[SecretStr, AfterValidator(_records_key)]


class KeptSettings(RestSettings):
    """The settings of what is kept for weeks, beside where it is."""

    records_kept_days: int = Field(30, ge=1, le=36_500)
    """Days after its end in which the record of a call is kept; then all of it is deleted."""

    words_kept_days: DaysOrOff = None
    """The same for its words, where they are kept: figures stay. Not set: as long as records."""

    records_key: RecordsKey | None = None
    """Encrypts words and numbers in the records: 32 bytes in base64, and further ones to read with."""

    @property
    def records_keys(self) -> tuple[str, ...]:
        """The keys; the first one encrypts."""
        return () if self.records_key is None else tuple(listed(self.records_key))
