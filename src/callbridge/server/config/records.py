"""Where the records are, and what may be shown of them, from the settings."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callbridge.observe.redaction import redaction
from callbridge.records.keeping import Keeping
from callbridge.records.sealing import Seal
from callbridge.server.config.caller_keys import key_on_record

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings

FILE_NAME: Final = "records.db"
"""Beside the state file, unless DATABASE_URL says otherwise."""


_SQLITE: Final = "sqlite:///"


def records_seal(settings: Settings) -> Seal:
    """What encrypts the records.

    Raises:
        SealError: a key is set, and what encrypts is not installed.
    """
    return Seal(settings.records_keys)


def records_file(settings: Settings) -> Path | None:
    """The file of the records; nothing where a server has them, or nobody."""
    url = records_url(settings) or ""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def records_url(settings: Settings) -> str | None:
    """The address of the database, which may have a password in it; nothing where no records are kept."""
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        return None if url == "off" else url
    if settings.state_path is None:
        return None
    return f"sqlite:///{settings.state_path.absolute().with_name(FILE_NAME)}"


def showing(settings: Settings, *, words: bool) -> Keeping:
    """What of facts may be shown: words where they are asked for, numbers where they are kept."""
    return Keeping(
        words=words,
        numbers=settings.keep_numbers,
        redaction=redaction(settings.secrets),
        key_of=partial(key_on_record, settings),
    )
